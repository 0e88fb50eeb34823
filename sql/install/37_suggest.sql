-- suggest_invariants(): what nearly all rows have and a few have not.
--
-- Values become text by format(), which calls the output function of their
-- type: a cast may be a function of the type's owner, and would run as whoever
-- asks for suggestions.

CREATE VIEW reconcile.candidate AS
	-- Foreign keys of one column, and columns named after the one primary key
	-- column of another table: user_id for users.id.
	SELECT f.conrelid AS child, f.conkey[1] AS child_column, f.confrelid AS parent, f.confkey[1] AS parent_column
	FROM pg_constraint f WHERE f.contype = 'f' AND cardinality(f.conkey) = 1 AND f.conparentid = 0
	UNION
	SELECT c.oid, a.attnum, p.oid, pa.attnum
	FROM pg_index i
	JOIN pg_class p ON p.oid = i.indrelid AND p.relkind IN ('r', 'p') AND NOT p.relispartition
	JOIN pg_attribute pa ON pa.attrelid = p.oid AND pa.attnum = i.indkey[0]
	JOIN pg_class c ON c.relnamespace = p.relnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.oid <> p.oid
	JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.atttypid = pa.atttypid
	 AND a.attname IN (p.relname || '_' || pa.attname, regexp_replace(p.relname, 's$', '') || '_' || pa.attname,
	                   regexp_replace(p.relname, 'ies$', 'y') || '_' || pa.attname)
	WHERE i.indisprimary AND i.indnkeyatts = 1;
COMMENT ON VIEW reconcile.candidate IS 'used by suggest_invariants(): columns of tables that name a row of another table';
COMMENT ON COLUMN reconcile.candidate.child IS 'the table that refers';
COMMENT ON COLUMN reconcile.candidate.child_column IS 'number of its column';
COMMENT ON COLUMN reconcile.candidate.parent IS 'the table that is referred to';
COMMENT ON COLUMN reconcile.candidate.parent_column IS 'number of its column';
GRANT SELECT ON reconcile.candidate TO PUBLIC;  -- of the system catalogs, which everybody reads

-- The columns of a child that an inserted row must be given, each with an
-- expression for it: the parent's column of the same name and type, or the one
-- value that all rows have.  NULL when there is a column for which there is none.
CREATE FUNCTION reconcile.suggest_values(child regclass, parent regclass, given text[], condition text)
	RETURNS text[]
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	needed   record;
	single   record;
	found    text[] := '{}';
BEGIN
	FOR needed IN
		SELECT quote_ident(a.attname) AS name, format_type(a.atttypid, a.atttypmod) AS type,
		       EXISTS (SELECT FROM pg_attribute p WHERE p.attrelid = parent AND p.attname = a.attname
		               AND p.atttypid = a.atttypid AND p.attnotnull AND NOT p.attisdropped) AS in_parent,
		       EXISTS (SELECT FROM pg_operator o WHERE o.oprname = '=' AND o.oprleft = a.atttypid) AS comparable
		FROM pg_attribute a
		WHERE a.attrelid = child AND a.attnum > 0 AND NOT a.attisdropped AND a.attnotnull AND NOT a.atthasdef
		  AND a.attidentity = '' AND a.attname <> ALL (given)
		ORDER BY a.attnum
	LOOP
		IF needed.in_parent THEN
			found := found || format('p.%s', needed.name);
			CONTINUE;
		END IF;
		EXECUTE format('SELECT min(v) = max(v) AS same, min(v) AS value FROM (SELECT format(''%%s'', c.%1$s) AS v FROM %2$s c WHERE %3$s AND c.%1$s IS NOT NULL) x',
			needed.name, child, condition) INTO single;
		IF single.same IS NOT TRUE THEN
			RETURN NULL;
		END IF;
		found := found || format('%L::%s AS %s', single.value, needed.type, needed.name);
	END LOOP;
	RETURN found;
END $$;
REVOKE ALL ON FUNCTION reconcile.suggest_values(regclass, regclass, text[], text) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.suggest_values(regclass, regclass, text[], text) IS
	'used by suggest_invariants(): expressions for the columns that a new row must be given';

-- The call that declares what was found, or NULL when it would need a value
-- that nothing tells.
CREATE FUNCTION reconcile.suggest_statement(parent regclass, parent_column text, child regclass, child_column text,
                                            discriminator text, value text, condition text)
	RETURNS text
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	key     text[] := array_remove(ARRAY[child_column, discriminator], NULL);
	name    text;
	type    text;
	others  text[];
	columns text[];
BEGIN
	SELECT concat_ws('_', c.relname, 'of', p.relname, value) INTO name
	FROM pg_class c, pg_class p WHERE c.oid = child AND p.oid = parent;
	SELECT format_type(a.atttypid, a.atttypmod) INTO type
	FROM pg_attribute a WHERE a.attrelid = child AND a.attname = discriminator;
	others  := reconcile.suggest_values(child, parent, key, condition);
	IF others IS NULL THEN
		RETURN NULL;
	END IF;
	columns := format('p.%I AS %I', parent_column, child_column)
		|| CASE WHEN discriminator IS NULL THEN '{}' ELSE ARRAY[format('%L::%s AS %I', value, type, discriminator)] END
		|| others;
	RETURN format('SELECT reconcile.create_invariant(%L, target => %L, key => %L, expects => %L);', name, child, key,
		format('SELECT %s FROM %s p', array_to_string(columns, ', '), parent));
END $$;
REVOKE ALL ON FUNCTION reconcile.suggest_statement(regclass, text, regclass, text, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.suggest_statement(regclass, text, regclass, text, text, text, text) IS
	'used by suggest_invariants(): the call of create_invariant() for what was found';

-- The pairs to measure: a column that names a parent, and a unique index of the
-- child that holds it, alone or with one column of few short values.
CREATE FUNCTION reconcile.suggest_pairs(schemas text[])
	RETURNS TABLE (parent regclass, parent_column text, child regclass, child_column text, discriminator text)
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		SELECT DISTINCT f.parent::regclass, pa.attname::text, f.child::regclass, ca.attname::text, da.attname::text
		FROM reconcile.candidate f
		JOIN pg_class p ON p.oid = f.parent
		JOIN pg_class c ON c.oid = f.child
		JOIN pg_namespace n ON n.oid = c.relnamespace
		JOIN pg_attribute pa ON pa.attrelid = f.parent AND pa.attnum = f.parent_column
		JOIN pg_attribute ca ON ca.attrelid = f.child AND ca.attnum = f.child_column
		JOIN pg_index i ON i.indrelid = f.child AND i.indisunique AND i.indisvalid AND i.indimmediate
			AND i.indpred IS NULL AND i.indexprs IS NULL AND i.indnkeyatts <= 2
			AND f.child_column IN (i.indkey[0], CASE WHEN i.indnkeyatts = 2 THEN i.indkey[1] END)
		LEFT JOIN pg_attribute da ON i.indnkeyatts = 2 AND da.attrelid = f.child
			AND da.attnum IN (i.indkey[0], i.indkey[1]) AND da.attnum <> f.child_column
		LEFT JOIN pg_type dt ON dt.oid = da.atttypid
		WHERE (i.indnkeyatts = 1 OR dt.typcategory IN ('S', 'E', 'B'))
		  AND (schemas IS NULL OR n.nspname = ANY (schemas))
		  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'reconcile') AND n.nspname NOT LIKE 'pg\_toast%'
		  AND has_table_privilege(f.child, 'SELECT') AND has_table_privilege(f.parent, 'SELECT')
		  AND NOT row_security_active(f.child) AND NOT row_security_active(f.parent)
		ORDER BY 1, 3, 4, 5;
	END;
COMMENT ON FUNCTION reconcile.suggest_pairs(text[]) IS
	'used by suggest_invariants(): the tables and columns to measure';

CREATE FUNCTION reconcile.suggest_invariants(schemas text[] DEFAULT NULL, min_coverage numeric DEFAULT 0.9)
	RETURNS TABLE (parent regclass, child regclass, key text[], discriminator jsonb, parents bigint,
	               covered bigint, missing bigint, coverage numeric, samples jsonb, statement text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	most_values CONSTANT integer := 20;  -- more, and the column does not tell kinds of rows apart
	pair      record;
	measured  record;
	condition text;
BEGIN
	IF min_coverage IS NULL OR min_coverage < 0 OR min_coverage > 1 THEN
		RAISE invalid_parameter_value USING MESSAGE = 'argument "min_coverage" must be between 0 and 1';
	END IF;
	PERFORM reconcile.require_schemas(schemas, NULL);
	FOR pair IN SELECT * FROM reconcile.suggest_pairs(schemas) LOOP
		parent := pair.parent;
		child := pair.child;
		BEGIN
			FOR measured IN EXECUTE format(
				CASE WHEN pair.discriminator IS NULL
				THEN 'SELECT NULL::text AS value, count(*) AS parents, count(c.%2$I) AS covered, 1::bigint AS values'
				     ' FROM %3$s p LEFT JOIN %4$s c ON c.%2$I = p.%5$I'
				ELSE 'SELECT m.value, (SELECT count(*) FROM %3$s) AS parents, m.covered, count(*) OVER () AS values'
				     ' FROM (SELECT format(''%%s'', c.%1$I) AS value, count(*) AS covered FROM %4$s c JOIN %3$s p ON c.%2$I = p.%5$I'
				     '       GROUP BY c.%1$I LIMIT %6$s) m' END,
				pair.discriminator, pair.child_column, parent, child, pair.parent_column, most_values + 1)
			LOOP
				EXIT WHEN measured.values > most_values;
				parents := measured.parents;
				covered := measured.covered;
				missing := parents - covered;
				CONTINUE WHEN missing <= 0 OR covered = 0 OR covered < min_coverage * parents
					OR (measured.value IS NULL AND pair.discriminator IS NOT NULL);
				coverage := round(covered::numeric / parents, 4);
				key := array_remove(ARRAY[pair.child_column, pair.discriminator], NULL);
				discriminator := CASE WHEN pair.discriminator IS NOT NULL
					THEN jsonb_build_object(pair.discriminator, measured.value) END;
				condition := CASE WHEN pair.discriminator IS NULL THEN 'true'
					ELSE format('format(''%%s'', c.%I) = %L', pair.discriminator, measured.value) END;
				EXECUTE format('SELECT jsonb_agg(x.k) FROM (SELECT p.%1$I AS k FROM %2$s p WHERE NOT EXISTS'
					' (SELECT FROM %3$s c WHERE c.%4$I = p.%1$I AND %5$s) LIMIT 5) x',
					pair.parent_column, parent, child, pair.child_column, condition) INTO samples;
				statement := reconcile.suggest_statement(parent, pair.parent_column, child, pair.child_column,
					pair.discriminator, measured.value, condition);
				RETURN NEXT;
			END LOOP;
		EXCEPTION WHEN undefined_function THEN
			RAISE NOTICE 'skipped % and %: their columns cannot be compared', parent, child USING DETAIL = SQLERRM;
		END;
	END LOOP;
END $$;
REVOKE ALL ON FUNCTION reconcile.suggest_invariants(text[], numeric) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.suggest_invariants(text[], numeric) IS
	'proposes invariants where nearly all parents have their child row and a few have not, with counts, samples and the statement; writes nothing';
