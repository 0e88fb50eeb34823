-- Packs: reference rows.
--
-- Reference rows are the rows of an invariant that are inserted at once, and
-- without a run: undo_last() takes back what a repair derived from them, not
-- them.  To list what is missing before the tables are there, the query reads
-- a WITH query in place of each table that the installation would create,
-- change, or fill before.

CREATE FUNCTION reconcile.pack_same_key(key text[]) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		SELECT string_agg(format('x.%1$I IS NOT DISTINCT FROM s.%1$I', k), ' AND ') FROM unnest(key) AS k;
	END;
COMMENT ON FUNCTION reconcile.pack_same_key(text[]) IS
	'used by packs: the condition that a row "x" has the key of a row "s"';

CREATE FUNCTION reconcile.pack_planned_rows(pack text, options jsonb, planned jsonb, of_table text, before integer) RETURNS text
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		WITH there (table_name) AS (
			SELECT to_regclass(reconcile.pack_table(options, of_table))),
		wanted AS (
			SELECT c.position, c.name, here.name AS here, a.attname IS NOT NULL AS there,
			       coalesce(format_type(a.atttypid, a.atttypmod), c.type) AS type,
			       c.rest ~ 'IDENTITY|gen_random_uuid' AS numbered
			FROM reconcile.pack_columns(pack, options) c CROSS JOIN there
			CROSS JOIN LATERAL (SELECT reconcile.pack_column(options, of_table, c.name) AS name) AS here
			LEFT JOIN pg_attribute a ON a.attrelid = there.table_name AND quote_ident(a.attname) = here.name AND NOT a.attisdropped
			WHERE c.table_name = of_table)
		SELECT concat_ws(' UNION ALL ',
			(SELECT format('SELECT %s %s', string_agg(format('%s AS %s',
				CASE WHEN w.there THEN w.here ELSE format('NULL::%s', w.type) END, w.here), ', ' ORDER BY w.position),
				CASE WHEN t.table_name IS NULL THEN 'WHERE false' ELSE format('FROM %s', t.table_name) END)
			 FROM wanted w CROSS JOIN there t GROUP BY t.table_name),
			(SELECT string_agg(format('SELECT %s FROM (%s) s WHERE %s',
				(SELECT string_agg(CASE
					WHEN w.name = ANY (r.yields) THEN format('s.%s', w.here)
					WHEN w.numbered AND w.type = 'uuid' THEN 'gen_random_uuid()'
					WHEN w.numbered THEN format('(- row_number() OVER ())::%s', w.type)
					ELSE format('NULL::%s', w.type) END, ', ' ORDER BY w.position) FROM wanted w),
				r.expects,
				coalesce((SELECT format('NOT EXISTS (SELECT FROM %s x WHERE %s)', t.table_name, reconcile.pack_same_key(r.key))
				          FROM there t WHERE t.table_name IS NOT NULL), 'true')), ' UNION ALL ' ORDER BY r.position)
			 FROM reconcile.pack_rules(pack, options || planned) r
			 WHERE r.table_name = of_table AND r.seed_label IS NOT NULL AND r.position < before));
	END;
COMMENT ON FUNCTION reconcile.pack_planned_rows(text, jsonb, jsonb, text, integer) IS
	'used by packs: the query for the rows that a table would have before a rule is applied';

CREATE FUNCTION reconcile.pack_missing_seeds(pack text, options jsonb, rule text, dry_run boolean) RETURNS text
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		SELECT concat_ws(' ', CASE WHEN dry_run THEN
				'WITH ' || (SELECT string_agg(format('%I AS (%s)', 'planned ' || l.table_name,
					reconcile.pack_planned_rows(pack, options, planned.tables, l.table_name, r.position)), ', ' ORDER BY l.position)
				FROM reconcile.pack_layout l WHERE l.pack = pack_missing_seeds.pack) END,
			format('SELECT %s AS "seed label", s.* FROM (%s) s WHERE NOT EXISTS (SELECT FROM %s x WHERE %s)', r.seed_label, r.expects,
				r.target, reconcile.pack_same_key(r.key)))
		FROM (SELECT CASE WHEN dry_run THEN jsonb_build_object('planned', jsonb_object_agg(l.table_name, true)) ELSE '{}' END AS tables
		      FROM reconcile.pack_layout l WHERE l.pack = pack_missing_seeds.pack) AS planned
		CROSS JOIN LATERAL reconcile.pack_rules(pack, options || planned.tables) AS r
		WHERE r.name = rule;
	END;
COMMENT ON FUNCTION reconcile.pack_missing_seeds(text, jsonb, text, boolean) IS
	'used by packs: the query for the reference rows that are missing';

CREATE FUNCTION reconcile.pack_ensure_seeds(pack text, options jsonb, dry_run boolean)
	RETURNS TABLE (action text, object text, detail text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	rule    record;
	missing text;
BEGIN
	PERFORM set_config('search_path', reconcile.pack_search_path(options), true);
	FOR rule IN SELECT r.name, r.target, string_agg(reconcile.pack_column(options, r.table_name, y), ', ') AS columns
		FROM reconcile.pack_rules(pack, options) r LEFT JOIN LATERAL unnest(r.yields) AS y ON true
		WHERE r.seed_label IS NOT NULL GROUP BY r.name, r.target, r.position ORDER BY r.position
	LOOP
		missing := reconcile.pack_missing_seeds(pack, options, rule.name, dry_run);
		RETURN QUERY EXECUTE format('SELECT ''seed row'', %L::text, m."seed label"::text FROM (%s) m ORDER BY 3', rule.target, missing);
		IF NOT dry_run THEN
			EXECUTE format('INSERT INTO %1$s (%2$s) SELECT %2$s FROM (%3$s) m ON CONFLICT DO NOTHING',
				rule.target, rule.columns, missing);
		END IF;
	END LOOP;
END $$;
REVOKE ALL ON FUNCTION reconcile.pack_ensure_seeds(text, jsonb, boolean) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.pack_ensure_seeds(text, jsonb, boolean) IS
	'used by packs: inserts the reference rows that are missing; changes user data unless dry_run';
