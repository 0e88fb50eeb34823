-- What migration tools wrote down about this database.
--
-- A tool is one row of data: the shape by which its table is told from others,
-- wherever it is and whatever it is called, and a query that reads it.  All the
-- rest is the same for every tool.

CREATE VIEW reconcile.migration_tools AS
	SELECT t.*
	FROM (VALUES
	-- columns: rank, tool, shape, exact, named, keeps, remedy, reader.  A reader
	-- yields (name, unit, position, sort, checksum, state, detail): unit tells
	-- histories in one table apart, position is the order in which migrations were
	-- applied, sort the order in which they should have been, NULL if unknown.
	(1, 'Prisma', '{"id": "character varying", "checksum": "character varying", "finished_at": "timestamp with time zone",
		"migration_name": "character varying", "logs": "text", "rolled_back_at": "timestamp with time zone",
		"started_at": "timestamp with time zone", "applied_steps_count": "integer"}'::jsonb, false, NULL, 'all', 'prisma migrate deploy',
	 $$SELECT migration_name, NULL, row_number() OVER (ORDER BY started_at, id), ARRAY[substring(migration_name FROM '^[0-9]+')::numeric],
		checksum, CASE WHEN rolled_back_at IS NOT NULL THEN 'undone' WHEN finished_at IS NOT NULL THEN 'applied'
			WHEN logs <> '' THEN 'failed' ELSE 'unfinished' END,
		coalesce(nullif(left(logs, 200), ''), 'started at ' || started_at) FROM %s$$),
	(2, 'Flyway', '{"installed_rank": "integer", "version": "character varying", "description": "character varying",
		"type": "character varying", "script": "character varying", "checksum": "integer", "installed_on": "timestamp without time zone",
		"success": "boolean"}', false, NULL, 'all', 'flyway migrate',
	 $$SELECT coalesce(version, script), NULL, installed_rank, CASE WHEN version ~ '^[0-9]+([._][0-9]+)*$'
			THEN regexp_split_to_array(version, '[._]')::numeric[] END, checksum::text,
		CASE WHEN NOT success THEN 'failed' WHEN type LIKE 'UNDO%%' OR type = 'DELETE' THEN 'undone' ELSE 'applied' END,
		script FROM %s$$),
	(3, 'Liquibase', '{"id": "character varying", "author": "character varying", "filename": "character varying",
		"dateexecuted": "timestamp without time zone", "orderexecuted": "integer", "exectype": "character varying",
		"md5sum": "character varying"}', false, NULL, 'all', 'liquibase update',
	 $$SELECT concat_ws('::', filename, id, author), NULL, orderexecuted, NULL, md5sum,
		CASE exectype WHEN 'FAILED' THEN 'failed' WHEN 'SKIPPED' THEN 'undone' ELSE 'applied' END, exectype FROM %s$$),
	(4, 'Liquibase', '{"id": "integer", "locked": "boolean", "lockgranted": "timestamp without time zone", "lockedby": "character varying"}',
	 true, NULL, 'lock', 'liquibase release-locks',
	 $$SELECT 'lock', NULL, 1, NULL, NULL, 'unfinished', format('locked by %%s since %%s', lockedby, lockgranted) FROM %s WHERE locked$$),
	(5, 'Django', '{"id": "integer|bigint", "app": "character varying", "name": "character varying", "applied": "timestamp with time zone"}',
	 true, NULL, 'all', 'manage.py migrate',
	 $$SELECT app || '.' || name, app, id, ARRAY[substring(name FROM '^[0-9]+')::numeric], NULL, 'applied', applied::text FROM %s$$),
	(6, 'Knex', '{"id": "integer", "name": "character varying", "batch": "integer", "migration_time": "timestamp with time zone"}',
	 true, NULL, 'all', 'knex migrate:latest',
	 $$SELECT name, NULL, id, ARRAY[substring(name FROM '^[0-9]+')::numeric], NULL, 'applied', 'batch ' || batch FROM %s$$),
	(7, 'Knex', '{"index": "integer", "is_locked": "integer"}', true, NULL, 'lock', 'knex migrate:unlock',
	 $$SELECT 'lock', NULL, 1, NULL, NULL, 'unfinished', 'the lock is held' FROM %s WHERE is_locked = 1$$),
	(8, 'TypeORM', '{"id": "integer", "timestamp": "bigint", "name": "character varying"}', true, NULL, 'all', 'typeorm migration:run',
	 $$SELECT name, NULL, id, ARRAY["timestamp"::numeric], NULL, 'applied', "timestamp"::text FROM %s$$),
	(9, 'goose', '{"id": "integer|bigint", "version_id": "bigint", "is_applied": "boolean",
		"tstamp": "timestamp without time zone|timestamp with time zone"}', true, NULL, 'all', 'goose up',
	 $$SELECT version_id::text, NULL, id, ARRAY[version_id::numeric], NULL, CASE WHEN is_applied THEN 'applied' ELSE 'undone' END,
		tstamp::text FROM %s WHERE version_id > 0$$),
	(10, 'golang-migrate', '{"version": "bigint", "dirty": "boolean"}', true, NULL, 'current', 'migrate up',
	 $$SELECT version::text, NULL, 1, NULL, NULL, CASE WHEN dirty THEN 'failed' ELSE 'applied' END, 'marked as dirty' FROM %s$$),
	(11, 'EF Core', '{"MigrationId": "character varying|text", "ProductVersion": "character varying|text"}', true, NULL, 'all',
	 'dotnet ef database update',
	 $$SELECT "MigrationId", NULL, row_number() OVER (ORDER BY "MigrationId"), NULL, NULL, 'applied', "ProductVersion" FROM %s$$),
	(12, 'Supabase', '{"version": "text", "name": "text", "statements": "text[]"}', false, NULL, 'all', 'supabase db push',
	 $$SELECT version, NULL, row_number() OVER (ORDER BY version), NULL, md5(array_to_string(statements, E';\n')), 'applied', name FROM %s$$),
	(13, 'Alembic', '{"version_num": "character varying"}', true, NULL, 'heads', 'alembic upgrade head',
	 $$SELECT version_num, NULL, row_number() OVER (ORDER BY version_num), NULL, NULL, 'applied', NULL FROM %s$$),
	-- One column is no shape: these go by their names too.
	(14, 'dbmate', '{"version": "character varying(128)|character varying(255)"}', true, '^schema_migrations$', 'all', 'dbmate up',
	 $$SELECT version, NULL, row_number() OVER (ORDER BY version), NULL, NULL, 'applied', NULL FROM %s$$),
	(15, 'Rails', '{"version": "character varying"}', true, '^schema_migrations$', 'all', 'rails db:migrate',
	 $$SELECT version, NULL, row_number() OVER (ORDER BY version), NULL, NULL, 'applied', NULL FROM %s$$),
	(16, 'Sequelize', '{"name": "character varying"}', true, '^sequelize_?meta$', 'all', 'sequelize db:migrate',
	 $$SELECT name, NULL, row_number() OVER (ORDER BY name), NULL, NULL, 'applied', NULL FROM %s$$)
	) AS t(rank, tool, shape, exact, named, keeps, remedy, reader);
COMMENT ON VIEW reconcile.migration_tools IS 'used by audit_schema(): how the tables of migration tools look, and how they are read';
COMMENT ON COLUMN reconcile.migration_tools.rank IS 'order in which shapes are tried';
COMMENT ON COLUMN reconcile.migration_tools.tool IS 'name of the tool';
COMMENT ON COLUMN reconcile.migration_tools.shape IS 'columns that its table has, each with a regular expression for its type';
COMMENT ON COLUMN reconcile.migration_tools.exact IS 'whether it has no other column';
COMMENT ON COLUMN reconcile.migration_tools.named IS 'regular expression for its name, NULL when the shape is enough';
COMMENT ON COLUMN reconcile.migration_tools.keeps IS 'all migrations, the current one, the heads of a graph, or a lock';
COMMENT ON COLUMN reconcile.migration_tools.remedy IS 'the command that goes on';
COMMENT ON COLUMN reconcile.migration_tools.reader IS 'the query that reads it, with %s for the table';

CREATE VIEW reconcile.migration_tables AS
	-- The longest name of a shape is the rarest: one pass over all columns finds the tables that have it, and
	-- only these are looked at more closely.
	WITH column_of AS MATERIALIZED (
		SELECT t.rank, s.name::name AS name, '^(' || regexp_replace(s.type, '([()\[\]])', '\\\1', 'g') || ')$' AS type
		FROM reconcile.migration_tools t, jsonb_each_text(t.shape) AS s(name, type)
	),
	rarest AS MATERIALIZED (
		SELECT DISTINCT ON (c.rank) c.rank, c.name FROM column_of c ORDER BY c.rank, length(c.name::text) DESC, c.name
	),
	m AS MATERIALIZED (
		SELECT f.rank, a.attrelid AS oid
		FROM pg_attribute a
		JOIN rarest f ON f.name = a.attname
		WHERE a.attnum > 0 AND NOT EXISTS (
			SELECT FROM column_of c
			WHERE c.rank = f.rank AND NOT EXISTS (
				SELECT FROM pg_attribute o
				WHERE o.attrelid = a.attrelid AND o.attname = c.name AND NOT o.attisdropped
				  AND (format_type(o.atttypid, o.atttypmod) ~ c.type OR format_type(o.atttypid, NULL) ~ c.type)
				OFFSET 0))
	)
	SELECT DISTINCT ON (r.oid) r.oid, r.schema, r.sql AS object, t.tool, t.keeps, t.remedy, t.reader,
	       has_table_privilege(r.oid, 'SELECT') AND NOT row_security_active(r.oid) AS readable
	FROM m
	JOIN reconcile.migration_tools t ON t.rank = m.rank
	JOIN reconcile.checked_relation r ON r.oid = m.oid AND r.kind IN ('r', 'p') AND (t.named IS NULL OR lower(r.name) ~ t.named)
	WHERE NOT t.exact OR NOT EXISTS (SELECT FROM pg_attribute a
		WHERE a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped AND NOT t.shape ? a.attname)
	ORDER BY r.oid, t.rank;
COMMENT ON VIEW reconcile.migration_tables IS 'used by audit_schema(): the tables of migration tools that this database has';
COMMENT ON COLUMN reconcile.migration_tables.oid IS 'the table';
COMMENT ON COLUMN reconcile.migration_tables.schema IS 'name of its schema';
COMMENT ON COLUMN reconcile.migration_tables.object IS 'its qualified and quoted name';
COMMENT ON COLUMN reconcile.migration_tables.tool IS 'whose it is';
COMMENT ON COLUMN reconcile.migration_tables.keeps IS 'what the tool keeps in it';
COMMENT ON COLUMN reconcile.migration_tables.remedy IS 'the command that goes on';
COMMENT ON COLUMN reconcile.migration_tables.reader IS 'the query that reads it';
COMMENT ON COLUMN reconcile.migration_tables.readable IS 'whether the caller can read all of it';
GRANT SELECT ON reconcile.migration_tools, reconcile.migration_tables TO PUBLIC;

CREATE FUNCTION reconcile.migrations(schemas text[] DEFAULT NULL)
	RETURNS TABLE (history text, tool text, keeps text, remedy text, name text, unit text, "position" bigint, sort numeric[], checksum text,
	               state text, detail text)
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
	SET timezone = 'UTC'
AS $$
DECLARE
	found record;
BEGIN
	FOR found IN
		SELECT * FROM reconcile.migration_tables t WHERE schemas IS NULL OR t.schema = ANY (schemas) ORDER BY t.object
	LOOP
		history := found.object;
		tool := found.tool;
		keeps := found.keeps;
		remedy := found.remedy;
		BEGIN
			IF NOT found.readable THEN
				RAISE insufficient_privilege USING MESSAGE = format('%I cannot read all of its rows', current_user);
			END IF;
			-- Of the rows of one migration the last one counts: it may have been undone, and done again.
			FOR name, unit, "position", sort, checksum, state, detail IN
				EXECUTE format('SELECT DISTINCT ON (m.name) m.* FROM (%s) AS m(name, unit, "position", sort, checksum, state, detail)'
					' ORDER BY m.name, m."position" DESC', format(found.reader, found.object))
			LOOP
				CONTINUE WHEN state = 'undone';
				RETURN NEXT;
			END LOOP;
			CONTINUE;
		EXCEPTION
			WHEN undefined_table THEN CONTINUE;  -- dropped meanwhile
			WHEN insufficient_privilege OR undefined_column THEN detail := SQLERRM;
		END;
		name := NULL; unit := NULL; "position" := NULL; sort := NULL; checksum := NULL;
		state := 'not checked';
		RETURN NEXT;
	END LOOP;
END $$;
COMMENT ON FUNCTION reconcile.migrations(text[]) IS 'used by audit_schema(): the migrations that are recorded in this database';

CREATE FUNCTION reconcile.migration_history(schemas text[] DEFAULT NULL) RETURNS TABLE (object text, attributes jsonb)
	LANGUAGE sql STABLE PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT m.history || ' ' || m.name,
	       jsonb_build_object('history', m.history, 'tool', m.tool, 'name', m.name, 'checksum', m.checksum)
	FROM reconcile.migrations(schemas) m
	WHERE m.state = 'applied';
END;
COMMENT ON FUNCTION reconcile.migration_history(text[]) IS
	'used by capture_baseline(): the migrations that have been applied to this database';

-- Findings of one kind each, before they get the shape that all findings have.
CREATE FUNCTION reconcile.migration_problems(baseline text, schemas text[])
	RETURNS TABLE (severity text, kind text, object text, expected text, actual text, reason text)
	LANGUAGE sql STABLE PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH here AS MATERIALIZED (
		SELECT * FROM reconcile.migrations(schemas)
	), wanted AS MATERIALIZED (
		SELECT o.attributes ->> 'history' AS history, o.attributes ->> 'name' AS name, o.attributes ->> 'checksum' AS checksum
		FROM reconcile.baseline_objects o
		WHERE o.baseline = migration_problems.baseline AND o.category = 'migration'
	), histories AS (
		-- Histories that both sides have and that can be read: without, nothing is compared.
		SELECT h.object AS history, h.tool, h.keeps, h.remedy
		FROM reconcile.migration_tables h
		WHERE h.readable AND h.object IN (SELECT w.history FROM wanted w)
		  AND EXISTS (SELECT FROM wanted)   -- or all columns would be read for none
	), absent AS (
		SELECT string_agg(o.object, ', ' ORDER BY o.object) AS tables
		FROM reconcile.baseline_objects o
		WHERE o.baseline = migration_problems.baseline AND o.category = 'table'
		  AND (schemas IS NULL OR (parse_ident(o.object))[1] = ANY (schemas)) AND NOT EXISTS (SELECT FROM reconcile.checked_relation r WHERE r.sql = o.object)
	)
	SELECT 'notice', 'hint', h.history, '', 'not checked', format('the history of %s cannot be read: %s', h.tool, h.detail)
	FROM here h WHERE h.state = 'not checked'
	UNION ALL
	SELECT CASE h.state WHEN 'failed' THEN 'error' ELSE 'warning' END, 'invalid', h.history || ' ' || h.name, 'applied', h.state,
	       format(CASE WHEN h.state = 'failed' THEN '%s: the migration failed: %s; mend it, then %s'
	                   ELSE '%s: the migration has begun and not ended, it is running or died: %s; then %s' END, h.tool, h.detail, h.remedy)
	FROM here h WHERE h.state IN ('failed', 'unfinished')
	UNION ALL
	SELECT 'error', 'invalid', h.history, 'one head', string_agg(h.name, ', ' ORDER BY h.name),
	       format('%s: %s heads, of which the next upgrade knows none to go on from; merge them', h.tool, count(*))
	FROM here h WHERE h.keeps = 'heads' AND h.state = 'applied'
	GROUP BY h.history, h.tool HAVING count(*) > 1
	UNION ALL
	SELECT 'warning', 'invalid', o.history || ' ' || o.name, 'before ' || o.later, 'after it',
	       format('%s: applied out of order, so this database was built in another way than a new one', o.tool)
	FROM (SELECT h.*, (SELECT l.name FROM here l
	                   WHERE l.history = h.history AND l.unit IS NOT DISTINCT FROM h.unit AND l.state = 'applied'
	                     AND l."position" < h."position" AND l.sort > h.sort
	                   ORDER BY l."position" LIMIT 1) AS later
	      FROM here h WHERE h.state = 'applied' AND h.sort[1] IS NOT NULL) AS o
	WHERE o.later IS NOT NULL
	UNION ALL
	SELECT 'error', 'differs', h.history || ' ' || h.name, w.checksum, h.checksum,
	       format('%s: the migration that was applied here is not the one of the baseline', h.tool)
	FROM here h JOIN wanted w ON (w.history, w.name) = (h.history, h.name)
	WHERE h.state = 'applied' AND w.checksum <> h.checksum
	UNION ALL
	-- Where a tool keeps no history, another version is one difference.
	SELECT 'error', 'differs', t.history, w.names, h.names,
	       format('%s: another version than that of the baseline: %s', t.tool, t.remedy)
	FROM histories t
	CROSS JOIN LATERAL (SELECT string_agg(x.name, ', ' ORDER BY x.name) AS names FROM wanted x WHERE x.history = t.history) w
	CROSS JOIN LATERAL (SELECT string_agg(x.name, ', ' ORDER BY x.name) AS names FROM here x
	                    WHERE x.history = t.history AND x.state = 'applied') h
	WHERE t.keeps IN ('current', 'heads') AND w.names IS DISTINCT FROM h.names
	  AND NOT EXISTS (SELECT FROM here f WHERE f.history = t.history AND f.state = 'failed')
	UNION ALL
	SELECT 'error', 'missing', w.history || ' ' || w.name, 'applied', 'not applied',
	       format('%s: applied where the baseline was captured, not here: %s', t.tool, t.remedy)
	FROM wanted w JOIN histories t ON t.history = w.history AND t.keeps = 'all'
	WHERE NOT EXISTS (SELECT FROM here h WHERE (h.history, h.name) = (w.history, w.name))
	UNION ALL
	SELECT 'notice', 'extra', h.history || ' ' || h.name, 'not applied', 'applied',
	       format('%s: applied here, not where the baseline was captured', h.tool)
	FROM here h JOIN histories t ON t.history = h.history AND t.keeps = 'all'
	WHERE h.state = 'applied' AND NOT EXISTS (SELECT FROM wanted w WHERE (w.history, w.name) = (h.history, h.name))
	UNION ALL
	SELECT 'error', 'invalid', t.history, 'in effect', 'tables are absent: ' || a.tables,
	       format('%s: every migration of the baseline is recorded here, yet tables that it has are absent: recorded without effect', t.tool)
	FROM histories t CROSS JOIN absent a
	WHERE a.tables IS NOT NULL AND NOT EXISTS (
		SELECT FROM wanted w WHERE w.history = t.history AND NOT EXISTS (
			SELECT FROM here h WHERE (h.history, h.name, h.state) = (w.history, w.name, 'applied')));
END;
COMMENT ON FUNCTION reconcile.migration_problems(text, text[]) IS
	'used by migration_findings(): what is wrong with the migrations of this database, by themselves and against a baseline';

CREATE FUNCTION reconcile.migration_findings(baseline text, schemas text[] DEFAULT NULL) RETURNS SETOF reconcile.schema_finding
	LANGUAGE sql STABLE PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT p.severity, 'migration', p.kind, p.object, p.expected, p.actual, p.reason, '', NULL, NULL, NULL, NULL,
	       NULL::jsonb, NULL::jsonb, NULL::text[]
	FROM reconcile.migration_problems(baseline, schemas) p;
END;
COMMENT ON FUNCTION reconcile.migration_findings(text, text[]) IS
	'used by audit_schema(): what is wrong with the migrations of this database';
