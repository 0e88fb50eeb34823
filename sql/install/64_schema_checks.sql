-- What an audit finds without a baseline.
--
-- Each view is one check over the catalogs and has the same columns; object
-- names come last, for what was found only.  Two checks need more than a view:
-- sequences are compared with the rows of their table, bodies of functions are
-- given to the server's own validators.

CREATE VIEW reconcile.checked_relation AS
	SELECT c.oid, n.nspname AS schema, c.relname AS name, c.relkind AS kind, c.relispartition AS is_partition,
	       format('%I.%I', n.nspname, c.relname) AS sql, c.relpages AS pages
	FROM pg_class c
	JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE c.relkind IN ('r', 'p', 'm') AND c.relpersistence <> 't'
	  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'reconcile')
	  AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.objsubid = 0 AND e.deptype = 'e');
COMMENT ON VIEW reconcile.checked_relation IS 'used by schema_checks(): the tables it looks at';
COMMENT ON COLUMN reconcile.checked_relation.oid IS 'the table';
COMMENT ON COLUMN reconcile.checked_relation.schema IS 'name of its schema';
COMMENT ON COLUMN reconcile.checked_relation.name IS 'its name';
COMMENT ON COLUMN reconcile.checked_relation.kind IS 'its relkind';
COMMENT ON COLUMN reconcile.checked_relation.is_partition IS 'whether it is a partition';
COMMENT ON COLUMN reconcile.checked_relation.sql IS 'its qualified and quoted name';
COMMENT ON COLUMN reconcile.checked_relation.pages IS 'its size when it was vacuumed or analyzed last, in pages';

CREATE VIEW reconcile.check_index AS
	-- Indexes with what they are needed for beside queries.
	WITH used AS (
		SELECT i.*, c.relam, c.relispartition, k.conindid IS NOT NULL OR i.indisreplident AS it
		FROM pg_index i
		JOIN pg_class c ON c.oid = i.indexrelid
		LEFT JOIN (SELECT DISTINCT conindid FROM pg_constraint) k ON k.conindid = i.indexrelid
	)
	-- A build that failed, or one that another session has under way; who may not
	-- see that session's progress is told that it may be.
	SELECT t.schema, 'pg_class'::regclass AS classid, x.oid AS objid, 0 AS objsubid,
	       CASE WHEN i.indisunique THEN 'error' ELSE 'warning' END AS severity, 'index' AS category, 'invalid' AS kind,
	       'valid' AS expected, 'invalid' AS actual,
	       CASE WHEN x.relkind = 'I' THEN 'not every partition has its part of the index, so no query of the whole table uses it'
	            WHEN i.indisunique THEN 'its build failed or has not ended: uniqueness is not guaranteed, and no query uses it'
	            ELSE 'its build failed or has not ended: no query uses it, yet every write maintains it' END AS reason,
	       CASE WHEN left_over.it THEN '' ELSE 'blocks writes' END AS hazard,
	       CASE WHEN x.relkind = 'I' AND EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = x.oid) THEN NULL
	            WHEN x.relkind = 'I' THEN format(E'DROP INDEX %I.%I;\n%s;', t.schema, x.relname, replace(pg_get_indexdef(x.oid), ' ON ONLY ', ' ON '))
	            WHEN left_over.it THEN format('DROP INDEX %I.%I;', t.schema, x.relname)
	            ELSE format('REINDEX INDEX %I.%I;', t.schema, x.relname) END AS fix,
	       CASE WHEN left_over.it THEN 'drop:' || format('%I.%I', t.schema, x.relname) END AS needs
	FROM pg_index i
	JOIN pg_class x ON x.oid = i.indexrelid
	JOIN reconcile.checked_relation t ON t.oid = i.indrelid
	-- what REINDEX CONCURRENTLY leaves behind stands beside the index that is in use
	CROSS JOIN LATERAL (SELECT x.relname ~ '_cc(new|old)[0-9]*$' AS it) left_over
	WHERE NOT (i.indisvalid AND i.indisready AND i.indislive)
	  AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.index_relid = i.indexrelid)
	UNION ALL
	SELECT t.schema, 'pg_constraint'::regclass, f.oid, 0, 'notice', 'index', 'hint', 'an index on ' || columns.list, 'none',
	       'foreign key without index: deleting or updating a referenced row reads the whole table', 'blocks writes',
	       format('CREATE INDEX %I ON %s (%s);', CASE WHEN taken.it THEN columns.name || '_' || f.oid ELSE columns.name END, t.sql, columns.list),
	       NULL
	FROM pg_constraint f
	JOIN reconcile.checked_relation t ON t.oid = f.conrelid
	CROSS JOIN LATERAL (
		SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY k.n) AS list,
		       left(t.name || '_' || string_agg(a.attname, '_' ORDER BY k.n), 40) || '_idx' AS name
		FROM unnest(f.conkey) WITH ORDINALITY AS k(attnum, n)
		JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = k.attnum) columns
	CROSS JOIN LATERAL (SELECT to_regclass(format('%I.%I', t.schema, columns.name)) IS NOT NULL AS it) taken
	WHERE f.contype = 'f' AND f.conparentid = 0 AND NOT EXISTS (
		SELECT FROM pg_index i
		WHERE i.indrelid = f.conrelid AND i.indpred IS NULL AND i.indnkeyatts >= cardinality(f.conkey)
		  AND (i.indkey::smallint[])[0:cardinality(f.conkey) - 1] @> f.conkey)
	UNION ALL
	-- The same columns indexed twice in the same way.  The one that enforces more
	-- stays, of equals the older one.
	SELECT t.schema, 'pg_class'::regclass, x.oid, 0, 'notice', 'index', 'hint', '', 'same as ' || quote_ident(kept.relname),
	       format('another index, %I, does all that this one does', kept.relname), 'blocks reads',
	       format('DROP INDEX %I.%I;', t.schema, x.relname), 'drop:' || format('%I.%I', t.schema, x.relname)
	FROM (
		SELECT DISTINCT ON (i.indexrelid) i.indexrelid, i.indrelid, k.relname
		FROM used i
		JOIN used o ON o.indrelid = i.indrelid AND o.indexrelid <> i.indexrelid AND o.indisvalid AND o.relam = i.relam
			AND o.indkey = i.indkey AND o.indclass = i.indclass AND o.indcollation = i.indcollation AND o.indoption = i.indoption
			AND o.indnkeyatts = i.indnkeyatts
		JOIN pg_class k ON k.oid = o.indexrelid
		WHERE i.indisvalid AND NOT i.it AND NOT i.relispartition
		  AND pg_get_expr(o.indexprs, o.indrelid) IS NOT DISTINCT FROM pg_get_expr(i.indexprs, i.indrelid)
		  AND pg_get_expr(o.indpred, o.indrelid) IS NOT DISTINCT FROM pg_get_expr(i.indpred, i.indrelid)
		  AND (NOT i.indisunique OR (o.indisunique AND o.indnullsnotdistinct = i.indnullsnotdistinct AND o.indimmediate))
		  AND (o.it, o.indisunique, -o.indexrelid::bigint) > (i.it, i.indisunique, -i.indexrelid::bigint)
		ORDER BY i.indexrelid, o.indexrelid) kept
	JOIN pg_class x ON x.oid = kept.indexrelid
	JOIN reconcile.checked_relation t ON t.oid = kept.indrelid;
COMMENT ON VIEW reconcile.check_index IS 'used by schema_checks(): invalid indexes, foreign keys without one, duplicates';

CREATE VIEW reconcile.check_constraint AS
	-- A constraint that is not enforced (PostgreSQL 18) is never validated either.
	SELECT n.nspname AS schema, 'pg_constraint'::regclass AS classid, c.oid AS objid, 0 AS objsubid,
	       'warning' AS severity, 'constraint' AS category, 'invalid' AS kind, 'validated' AS expected, 'NOT VALID' AS actual,
	       'rows from before the constraint were never checked against it' AS reason, 'may fail on data' AS hazard,
	       CASE WHEN d.oid IS NULL THEN format('ALTER TABLE %s VALIDATE CONSTRAINT %I;', t.sql, c.conname)
	            ELSE format('ALTER DOMAIN %I.%I VALIDATE CONSTRAINT %I;', n.nspname, d.typname, c.conname) END AS fix,
	       NULL AS needs
	FROM pg_constraint c
	JOIN pg_namespace n ON n.oid = c.connamespace
	LEFT JOIN reconcile.checked_relation t ON t.oid = c.conrelid
	LEFT JOIN pg_type d ON d.oid = c.contypid AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'reconcile')
	WHERE NOT c.convalidated AND c.conparentid = 0 AND c.conislocal   -- what is inherited is validated with its parent's
	  AND coalesce(t.oid, d.oid) IS NOT NULL
	  AND coalesce((to_jsonb(c) ->> 'conenforced')::boolean, true)
	UNION ALL
	SELECT t.schema, 'pg_class'::regclass, t.oid, 0, 'notice', 'table', 'hint', 'a primary key', 'none',
	       'table without primary key: its rows cannot be told apart, and logical replication of updates and deletes is refused',
	       CASE WHEN ready.name IS NULL THEN '' ELSE 'blocks reads' END,
	       CASE WHEN ready.name IS NOT NULL
	            THEN format('ALTER TABLE %s ADD CONSTRAINT %I PRIMARY KEY USING INDEX %2$I;', t.sql, ready.name) END, NULL
	FROM reconcile.checked_relation t
	LEFT JOIN LATERAL (
		SELECT x.relname AS name
		FROM pg_index i
		JOIN pg_class x ON x.oid = i.indexrelid
		JOIN pg_am m ON m.oid = x.relam AND m.amname = 'btree'
		WHERE i.indrelid = t.oid AND t.kind = 'r' AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL
		  AND i.indexprs IS NULL AND NOT x.relispartition AND 0 = ALL (i.indoption::smallint[])
		  AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid)
		  AND NOT EXISTS (SELECT FROM unnest(i.indkey::smallint[]) AS k(attnum)
		                  JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.attnum AND NOT a.attnotnull)
		ORDER BY i.indnkeyatts, x.oid LIMIT 1) ready ON true
	WHERE t.kind IN ('r', 'p') AND NOT t.is_partition
	  AND NOT EXISTS (SELECT FROM pg_index p WHERE p.indrelid = t.oid AND p.indisprimary);
COMMENT ON VIEW reconcile.check_constraint IS 'used by schema_checks(): constraints that are not validated, tables without primary key';

CREATE VIEW reconcile.check_trigger AS
	SELECT t.schema, 'pg_trigger'::regclass AS classid, g.oid AS objid, 0 AS objsubid,
	       'warning' AS severity, 'trigger' AS category, 'disabled' AS kind, 'enabled' AS expected, 'disabled' AS actual,
	       'a disabled trigger never fires' AS reason, 'blocks writes' AS hazard,
	       format('ALTER TABLE %s ENABLE TRIGGER %I;', t.sql, g.tgname) AS fix, NULL AS needs
	FROM pg_trigger g
	JOIN reconcile.checked_relation t ON t.oid = g.tgrelid
	LEFT JOIN pg_trigger p ON p.oid = g.tgparentid
	WHERE g.tgenabled = 'D' AND NOT g.tgisinternal AND p.tgenabled IS DISTINCT FROM 'D'
	UNION ALL
	-- A foreign key is four triggers on two tables.
	SELECT n.nspname, 'pg_constraint'::regclass, c.oid, 0, 'error', 'constraint', 'disabled', 'enforced', 'its triggers are disabled',
	       'rows that violate the constraint are accepted', 'blocks writes',
	       string_agg(format('ALTER TABLE %I.%I ENABLE TRIGGER %I;', rn.nspname, r.relname, g.tgname), E'\n' ORDER BY g.oid), NULL
	FROM pg_trigger g
	JOIN pg_constraint c ON c.oid = g.tgconstraint AND c.conparentid = 0
	JOIN reconcile.checked_relation t ON t.oid = c.conrelid
	JOIN pg_namespace n ON n.oid = c.connamespace
	JOIN pg_class r ON r.oid = g.tgrelid
	JOIN pg_namespace rn ON rn.oid = r.relnamespace
	WHERE g.tgenabled = 'D' AND g.tgisinternal
	GROUP BY n.nspname, c.oid
	UNION ALL
	SELECT NULL, 'pg_event_trigger'::regclass, e.oid, 0, 'warning', 'trigger', 'disabled', 'enabled', 'disabled',
	       'a disabled event trigger never fires', '', format('ALTER EVENT TRIGGER %I ENABLE;', e.evtname), NULL
	FROM pg_event_trigger e
	WHERE e.evtenabled = 'D'
	  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_event_trigger'::regclass AND d.objid = e.oid AND d.deptype = 'e');
COMMENT ON VIEW reconcile.check_trigger IS 'used by schema_checks(): disabled triggers, foreign keys whose triggers are';

CREATE VIEW reconcile.check_policy AS
	SELECT t.schema, 'pg_class'::regclass AS classid, t.oid AS objid, 0 AS objsubid,
	       'error' AS severity, 'table' AS category, 'disabled' AS kind, 'row level security' AS expected, 'disabled' AS actual,
	       format('%s policies are defined, none is applied: row level security is not enabled', count(*)) AS reason,
	       'changes privileges' AS hazard, format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY;', t.sql) AS fix, 'privileges' AS needs
	FROM pg_policy p
	JOIN pg_class c ON c.oid = p.polrelid AND NOT c.relrowsecurity
	JOIN reconcile.checked_relation t ON t.oid = c.oid
	GROUP BY t.schema, t.oid, t.sql
	UNION ALL
	SELECT t.schema, 'pg_class'::regclass, t.oid, 0, 'warning', 'policy', 'hint', 'a policy', 'none',
	       'row level security without any policy: only the owner and those who bypass it see rows', '', NULL, NULL
	FROM pg_class c
	JOIN reconcile.checked_relation t ON t.oid = c.oid
	WHERE c.relrowsecurity AND NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid)
	UNION ALL
	-- Policies of a partitioned table do not hold for who reads a partition.
	SELECT t.schema, 'pg_class'::regclass, t.oid, 0, 'warning', 'policy', 'hint', 'row level security', 'disabled',
	       format('its partitioned table has row level security; who reads the partition itself, as %s may, sees all rows',
	              string_agg(DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END, ', ')),
	       'changes privileges', format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY;', t.sql), 'privileges'
	FROM pg_inherits i
	JOIN pg_class parent ON parent.oid = i.inhparent AND parent.relkind = 'p' AND parent.relrowsecurity
	JOIN pg_class c ON c.oid = i.inhrelid AND NOT c.relrowsecurity
	JOIN reconcile.checked_relation t ON t.oid = c.oid
	CROSS JOIN LATERAL aclexplode(c.relacl) AS a
	WHERE a.grantee <> c.relowner
	GROUP BY t.schema, t.oid, t.sql;
COMMENT ON VIEW reconcile.check_policy IS 'used by schema_checks(): policies without row level security, and the reverse';

CREATE VIEW reconcile.check_nullable AS
	-- pg_stats shows the statistics of readable columns only, and none under row
	-- level security.  A sample without NULL says what may be so, not that it is.
	SELECT t.schema, 'pg_class'::regclass AS classid, t.oid AS objid, a.attnum::integer AS objsubid,
	       'notice' AS severity, 'column' AS category, 'hint' AS kind, 'NOT NULL' AS expected, 'nullable' AS actual,
	       format('a key column that may never be NULL: ANALYZE found none in about %s rows', c.reltuples::bigint) AS reason,
	       'may fail on data' AS hazard,
	       format('ALTER TABLE %s ALTER COLUMN %I SET NOT NULL;', t.sql, a.attname) AS fix, NULL AS needs
	FROM reconcile.checked_relation t
	JOIN pg_class c ON c.oid = t.oid AND c.reltuples >= 100
	JOIN pg_stats s ON s.schemaname = t.schema AND s.tablename = t.name AND s.null_frac = 0 AND s.inherited = (t.kind = 'p')
	JOIN pg_attribute a ON a.attrelid = t.oid AND a.attname = s.attname AND NOT a.attnotnull
	WHERE t.kind IN ('r', 'p') AND NOT t.is_partition
	  AND (EXISTS (SELECT FROM pg_constraint f WHERE f.conrelid = t.oid AND f.contype = 'f' AND a.attnum = ANY (f.conkey))
	    OR EXISTS (SELECT FROM pg_index i WHERE i.indrelid = t.oid AND i.indisunique AND a.attnum = ANY (i.indkey::smallint[])));
COMMENT ON VIEW reconcile.check_nullable IS 'used by schema_checks(): key columns that are nullable and, by their statistics, never NULL';

CREATE VIEW reconcile.check_collation AS
	-- After an upgrade of the C library or ICU, text sorts differently than the
	-- indexes were built.  Collations that no index uses do not matter.
	WITH stale AS (
		SELECT c.oid, format('%I.%I', n.nspname, c.collname) AS sql, c.collversion AS recorded,
		       pg_collation_actual_version(c.oid) AS actual,
		       format('ALTER COLLATION %I.%I REFRESH VERSION;', n.nspname, c.collname) AS refresh
		FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace
		WHERE c.oid IN (SELECT unnest(i.indcollation::oid[]) FROM pg_index i)   -- to ask for a version takes long
		  AND c.collversion <> pg_collation_actual_version(c.oid)
		UNION ALL
		SELECT 'pg_catalog."default"'::regcollation, format('%I', d.datname), d.datcollversion,
		       pg_database_collation_actual_version(d.oid), format('ALTER DATABASE %I REFRESH COLLATION VERSION;', d.datname)
		FROM pg_database d
		WHERE d.datname = current_database() AND d.datcollversion <> pg_database_collation_actual_version(d.oid)
	)
	-- The version is refreshed once all indexes are rebuilt, so the fix is the same
	-- whichever schema is asked about: a line for each, with all of them.
	SELECT unnest(array_agg(DISTINCT n.nspname)) AS schema,
	       CASE s.oid WHEN 'pg_catalog."default"'::regcollation THEN 'pg_database'::regclass ELSE 'pg_collation'::regclass END AS classid,
	       CASE s.oid WHEN 'pg_catalog."default"'::regcollation THEN (SELECT oid FROM pg_database WHERE datname = current_database())
	            ELSE s.oid END AS objid,
	       0 AS objsubid, 'error' AS severity, 'index' AS category, 'invalid' AS kind, s.recorded AS expected, s.actual,
	       format(CASE count(*) WHEN 1 THEN 'text sorts differently since %s index with this collation was built: it may miss rows and accept duplicates'
	                   ELSE 'text sorts differently since %s indexes with this collation were built: they may miss rows and accept duplicates' END,
	              count(*)) AS reason,
	       'blocks writes' AS hazard,
	       string_agg(format('REINDEX INDEX %I.%I;', n.nspname, x.relname), E'\n' ORDER BY n.nspname, x.relname) || E'\n' || s.refresh AS fix,
	       NULL AS needs
	FROM stale s
	JOIN pg_index i ON s.oid = ANY (i.indcollation::oid[])
	JOIN pg_class x ON x.oid = i.indexrelid AND x.relkind = 'i' AND x.relpersistence <> 't'
	JOIN pg_namespace n ON n.oid = x.relnamespace
	WHERE n.nspname NOT LIKE 'pg\_toast%'
	GROUP BY s.oid, s.sql, s.recorded, s.actual, s.refresh;
COMMENT ON VIEW reconcile.check_collation IS 'used by schema_checks(): collations whose version is not that of the indexes';

-- The columns of all checks mean the same.
DO $$
DECLARE
	statement text;
BEGIN
	FOR statement IN
		SELECT pg_catalog.format('COMMENT ON COLUMN reconcile.%I.%I IS %L', check_name, name, meaning)
		FROM pg_catalog.unnest('{check_index,check_constraint,check_trigger,check_policy,check_nullable,check_collation}'::text[]) AS check_name,
		(VALUES ('schema', 'schema of what was found, NULL for what is in none'), ('classid', 'catalog of the object'),
			('objid', 'the object'), ('objsubid', 'number of its column, or 0'), ('severity', 'error, warning or notice'),
			('category', 'what it is about'), ('kind', 'invalid, disabled or hint'), ('expected', 'as it should be'),
			('actual', 'as it is'), ('reason', 'what is wrong with that'), ('hazard', 'what the fix does to others'),
			('fix', 'the statement that mends it, NULL when there is none'),
			('needs', 'what fix_schema() must be allowed to run it, NULL: nothing')) AS c(name, meaning)
	LOOP
		EXECUTE statement;
	END LOOP;
END $$;

CREATE FUNCTION reconcile.sequence_findings(schemas text[] DEFAULT NULL) RETURNS SETOF reconcile.schema_finding
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	most_pages CONSTANT integer := 12800;  -- of a table that is read as a whole to find its greatest value: 100 MB
	pair     record;
	furthest numeric;
	next     numeric;
	found    reconcile.schema_finding;
BEGIN
	-- A sequence feeds the column that owns it, and those whose default calls it.
	FOR pair IN
		SELECT format('%I.%I', sn.nspname, s.relname) AS sequence, t.sql AS relation, a.attname AS feeds, q.seqincrement AS step,
		       has_table_privilege(t.oid, 'SELECT') AND has_sequence_privilege(s.oid, 'SELECT') AND NOT row_security_active(t.oid) AS readable,
		       t.pages <= most_pages OR EXISTS (SELECT FROM pg_index i WHERE i.indrelid = t.oid AND i.indisvalid
				AND i.indpred IS NULL AND i.indkey[0] = a.attnum) AS cheap
		FROM pg_sequence q
		JOIN pg_class s ON s.oid = q.seqrelid AND s.relpersistence <> 't'
		JOIN pg_namespace sn ON sn.oid = s.relnamespace
		JOIN (SELECT d.objid AS sequence, d.refobjid AS relation, d.refobjsubid AS attnum
		      FROM pg_sequence fed
		      JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = fed.seqrelid
		      WHERE d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0
		      UNION
		      SELECT d.refobjid, e.adrelid, e.adnum
		      FROM pg_sequence fed
		      JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = fed.seqrelid AND d.refobjsubid = 0
		                          AND d.classid = 'pg_attrdef'::regclass
		      JOIN pg_attrdef e ON e.oid = d.objid) AS u ON u.sequence = s.oid
		JOIN reconcile.checked_relation t ON t.oid = u.relation AND NOT t.is_partition
			-- where there may be values: to see its size locks a table, so only what a sequence feeds is asked for it
			AND (t.kind = 'p' OR t.pages > 0 OR pg_relation_size(u.relation) > 0)
		JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = u.attnum
			AND a.atttypid IN ('smallint'::regtype, 'integer'::regtype, 'bigint'::regtype, 'numeric'::regtype)
		WHERE NOT q.seqcycle AND (schemas IS NULL OR t.schema = ANY (schemas))
		ORDER BY s.oid, t.oid, u.attnum
	LOOP
		found := NULL;
		found.severity := 'notice';
		found.category := 'sequence';
		found.kind := 'hint';
		found.object := pair.sequence;
		found.hazard := '';
		IF NOT pair.readable OR NOT pair.cheap THEN
			found.actual := 'not checked';
			found.reason := CASE WHEN pair.readable THEN format('no index on %I of %s, which is too large to be read as a whole', pair.feeds, pair.relation)
				ELSE format('not all rows of %s, or not the sequence, can be read by %I', pair.relation, current_user) END;
			RETURN NEXT found;
			CONTINUE;
		END IF;
		BEGIN
			EXECUTE format('SELECT %s(t.%I), (SELECT CASE WHEN s.is_called THEN s.last_value::numeric + %s ELSE s.last_value END FROM %s s) FROM %s t',
				CASE WHEN pair.step > 0 THEN 'max' ELSE 'min' END, pair.feeds, pair.step, pair.sequence, pair.relation)
				INTO furthest, next;
			-- Rolled back, this query leaves no locks behind: a large schema has more tables than a session may lock.
			RAISE EXCEPTION USING ERRCODE = 'RC000';
		EXCEPTION
			WHEN undefined_table OR undefined_column THEN CONTINUE;  -- dropped meanwhile
			WHEN SQLSTATE 'RC000' THEN NULL;
		END;
		CONTINUE WHEN furthest IS NULL OR (furthest - next) * sign(pair.step) < 0;
		found.severity := 'error';
		found.kind := 'invalid';
		found.expected := format('past %s', furthest);
		found.actual := format('next value %s', next);
		found.reason := format('column %I of %s already has values up to %s: inserts will take values that are there', pair.feeds, pair.relation, furthest);
		found.fix := format('SELECT pg_catalog.setval(%L, %s((SELECT %s(%I) FROM %s), (SELECT last_value FROM %s)));', pair.sequence,
			CASE WHEN pair.step > 0 THEN 'greatest' ELSE 'least' END, CASE WHEN pair.step > 0 THEN 'max' ELSE 'min' END, pair.feeds,
			pair.relation, pair.sequence);
		RETURN NEXT found;
	END LOOP;
END $$;
COMMENT ON FUNCTION reconcile.sequence_findings(text[]) IS 'used by schema_checks(): sequences that are behind the column they feed';

CREATE FUNCTION reconcile.function_problem(function oid, trigger oid) RETURNS text
	LANGUAGE c STABLE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'reconcile_function_problem';
COMMENT ON FUNCTION reconcile.function_problem(oid, oid) IS
	'used by schema_checks(): why the body of a function does not compile, for a trigger or 0, NULL when it does; 42501 unless the caller may act as its owner';

CREATE VIEW reconcile.checked_function AS
	-- A body that is stored parsed cannot lose what it refers to.
	SELECT n.nspname AS schema, p.oid, p.proowner AS owner, pg_has_role(p.proowner, 'MEMBER') AS may_be_judged
	FROM pg_proc p
	JOIN pg_namespace n ON n.oid = p.pronamespace
	JOIN pg_language l ON l.oid = p.prolang
	WHERE l.lanname IN ('sql', 'plpgsql') AND p.prosqlbody IS NULL
	  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'reconcile') AND n.nspname NOT LIKE 'pg\_t%'
	  AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid AND e.deptype = 'e');
COMMENT ON VIEW reconcile.checked_function IS 'used by schema_checks(): the functions whose bodies it has judged';

CREATE FUNCTION reconcile.function_findings(schemas text[] DEFAULT NULL) RETURNS SETOF reconcile.schema_finding
	LANGUAGE sql STABLE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT 'error', 'function', 'invalid', i.identity, 'compiles', min(j.problem), 'its body does not fit the schema: calling it fails', '',
	       NULL, NULL, NULL, NULL, NULL::jsonb, NULL::jsonb, NULL::text[]
	FROM reconcile.checked_function f
	LEFT JOIN pg_trigger g ON g.tgfoid = f.oid AND NOT g.tgisinternal AND g.tgparentid = 0
	CROSS JOIN LATERAL pg_identify_object('pg_proc'::regclass, f.oid, 0) AS i
	CROSS JOIN LATERAL (SELECT reconcile.function_problem(f.oid, coalesce(g.oid, 0)) AS problem OFFSET 0) AS j
	WHERE f.may_be_judged AND j.problem IS NOT NULL AND (schemas IS NULL OR f.schema = ANY (schemas))
	GROUP BY f.oid, i.identity
	UNION ALL
	SELECT 'notice', 'function', 'hint', quote_ident(pg_get_userbyid(f.owner)), '', 'not checked',
	       format('bodies of %s functions that this role owns are judged for its members only', count(*)), '',
	       NULL, NULL, NULL, NULL, NULL, NULL, NULL
	FROM reconcile.checked_function f
	WHERE NOT f.may_be_judged AND (schemas IS NULL OR f.schema = ANY (schemas))
	GROUP BY f.owner;
END;
COMMENT ON FUNCTION reconcile.function_findings(text[]) IS 'used by schema_checks(): functions whose bodies do not compile';

-- Hints are what may be meant so: an audit against a baseline does not ask for them.
CREATE FUNCTION reconcile.schema_checks(schemas text[] DEFAULT NULL, hints boolean DEFAULT true) RETURNS SETOF reconcile.schema_finding
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET plan_cache_mode = force_generic_plan   -- a plan takes longer to make than most schemas to be checked,
	SET jit = off                              -- and longer yet to be compiled
AS $$
BEGIN
	RETURN QUERY
	SELECT c.severity, c.category, c.kind, i.identity, c.expected, c.actual, c.reason, c.hazard, c.fix, NULL, NULL, c.needs,
	       CASE WHEN c.kind <> 'invalid' THEN NULL
	            WHEN c.category = 'constraint' THEN jsonb_build_object('definition', pg_get_constraintdef(c.objid))
	            WHEN c.classid = 'pg_class'::regclass THEN jsonb_build_object('definition', pg_get_indexdef(c.objid)) END,
	       NULL::jsonb, NULL::text[]
	FROM (SELECT * FROM reconcile.check_index
	      UNION ALL SELECT * FROM reconcile.check_constraint
	      UNION ALL SELECT * FROM reconcile.check_trigger
	      UNION ALL SELECT * FROM reconcile.check_policy
	      UNION ALL SELECT * FROM reconcile.check_nullable
	      UNION ALL (SELECT DISTINCT ON (k.classid, k.objid) k.* FROM reconcile.check_collation k
	                 WHERE schemas IS NULL OR k.schema = ANY (schemas) ORDER BY k.classid, k.objid)) AS c
	CROSS JOIN LATERAL pg_identify_object(c.classid, c.objid, c.objsubid) AS i
	WHERE (hints OR c.kind <> 'hint') AND i.identity IS NOT NULL AND (schemas IS NULL OR c.schema = ANY (schemas))
	UNION ALL
	SELECT * FROM reconcile.sequence_findings(schemas)
	UNION ALL
	SELECT * FROM reconcile.function_findings(schemas);
END $$;
COMMENT ON FUNCTION reconcile.schema_checks(text[], boolean) IS
	'used by audit_schema(): what is wrong or doubtful in the schema by itself, without a baseline';

GRANT SELECT ON reconcile.checked_relation, reconcile.checked_function, reconcile.check_index, reconcile.check_constraint,
	reconcile.check_trigger, reconcile.check_policy, reconcile.check_nullable, reconcile.check_collation TO PUBLIC;
COMMENT ON COLUMN reconcile.checked_function.schema IS 'name of its schema';
COMMENT ON COLUMN reconcile.checked_function.oid IS 'the function';
COMMENT ON COLUMN reconcile.checked_function.owner IS 'its owner';
COMMENT ON COLUMN reconcile.checked_function.may_be_judged IS 'whether the caller may act as its owner';
