-- All kinds of objects in one shape.  Attributes that say the usual are left out,
-- so that a recorded schema is short enough to be read.

CREATE FUNCTION reconcile.attributes(VARIADIC names_and_values "any") RETURNS jsonb
	LANGUAGE c STABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'reconcile_attributes';
COMMENT ON FUNCTION reconcile.attributes("any") IS
	'used by schema_objects: names and values in turn as a JSON object, without those that are null';

CREATE VIEW reconcile.schema_objects AS
	SELECT s.schema, 'schema' AS category, s.object, NULL::text AS parent, reconcile.attributes('owner', s.owner, 'comment', s.comment) AS attributes,
	       'pg_namespace'::regclass::oid AS classid, s.oid AS objid, 0 AS objsubid
	FROM reconcile.schema_schemas s
	UNION ALL
	SELECT NULL, 'extension', e.object, NULL, reconcile.attributes('version', e.version, 'schema', e.schema),
	       'pg_extension'::regclass, e.oid, 0
	FROM reconcile.schema_extensions e
	UNION ALL
	SELECT t.schema, 'table', t.object, NULL,
	       reconcile.attributes(
	         'kind', t.kind, 'owner', t.owner, 'unlogged', nullif(t.unlogged, false), 'row_security', nullif(t.row_security, false),
	         'force_row_security', nullif(t.force_row_security, false), 'partition_key', t.partition_key,
	         'partition_of', t.partition_of, 'partition_bound', t.partition_bound, 'inherits', t.inherits,
	         'of_type', t.of_type, 'access_method', nullif(t.access_method, 'heap'), 'tablespace', t.tablespace,
	         'options', t.options, 'replica_identity', nullif(t.replica_identity, 'default'), 'server', t.server,
	         'foreign_options', t.foreign_options, 'comment', t.comment),
	       'pg_class'::regclass, t.oid, 0
	FROM reconcile.schema_tables t
	UNION ALL
	SELECT c.schema, 'column', c.object, c.parent,
	       reconcile.attributes(
	         'type', c.type, 'position', c.position, 'not_null', c.not_null, 'default', c.default_value,
	         'generated', c.generated, 'identity', c.identity, 'sequence', c.sequence, 'collation', c.collation, 'storage', c.storage,
	         'compression', c.compression, 'statistics', c.statistics, 'options', c.options,
	         'foreign_options', c.foreign_options, 'of_partition', nullif(c.of_partition, false), 'inherited', nullif(c.inherited, false),
	         'comment', c.comment),
	       'pg_class'::regclass, c.relation, c.position
	FROM reconcile.schema_columns c
	UNION ALL
	SELECT c.schema, 'constraint', c.object, c.parent,
	       reconcile.attributes(
	         'kind', c.kind, 'definition', c.definition, 'valid', c.valid, 'options', c.options, 'tablespace', c.tablespace,
	         'clustered', nullif(c.clustered, false), 'comment', c.comment, 'index_comment', c.index_comment),
	       'pg_constraint'::regclass, c.oid, 0
	FROM reconcile.schema_constraints c
	UNION ALL
	SELECT i.schema, 'index', i.object, i.parent,
	       reconcile.attributes(
	         'unique', i.is_unique, 'definition', i.definition, 'valid', i.valid, 'clustered', nullif(i.clustered, false),
	         'tablespace', i.tablespace, 'statistics', i.statistics, 'comment', i.comment),
	       'pg_class'::regclass, i.oid, 0
	FROM reconcile.schema_indexes i
	UNION ALL
	SELECT t.schema, 'trigger', t.object, t.parent,
	       reconcile.attributes('definition', t.definition, 'enabled', t.enabled, 'of_partition', nullif(t.of_partition, false),
	                            'owner', t.owner, 'comment', t.comment),
	       t.catalog, t.oid, 0
	FROM reconcile.schema_triggers t
	UNION ALL
	SELECT r.schema, 'rule', r.object, r.parent,
	       reconcile.attributes('definition', r.definition, 'enabled', r.enabled, 'comment', r.comment),
	       'pg_rewrite'::regclass, r.oid, 0
	FROM reconcile.schema_rules r
	UNION ALL
	SELECT f.schema, 'function', f.object, NULL,
	       reconcile.attributes(
	         'kind', f.kind, 'arguments', f.arguments, 'result', f.result, 'language', f.language, 'body', f.body,
	         'body_is_sql', nullif(f.body_is_sql, false), 'library', f.library, 'volatility', f.volatility,
	         'parallel', nullif(f.parallel, 'unsafe'), 'strict', nullif(f.strict, false),
	         'security_definer', nullif(f.security_definer, false), 'leakproof', nullif(f.leakproof, false),
	         'cost', nullif(f.cost, CASE WHEN f.language IN ('c', 'internal') THEN 1 ELSE 100 END), 'rows', nullif(f.rows, 1000),
	         'settings', f.settings, 'support', f.support, 'transforms', f.transforms, 'aggregate', f.aggregate, 'owner', f.owner, 'comment', f.comment),
	       'pg_proc'::regclass, f.oid, 0
	FROM reconcile.schema_functions f
	UNION ALL
	SELECT v.schema, 'view', v.object, NULL,
	       reconcile.attributes(
	         'kind', v.kind, 'definition', v.definition, 'columns', v.columns, 'options', v.options, 'tablespace', v.tablespace,
	         'column_comments', v.column_comments, 'column_defaults', v.column_defaults, 'owner', v.owner, 'comment', v.comment),
	       'pg_class'::regclass, v.oid, 0
	FROM reconcile.schema_views v
	UNION ALL
	SELECT q.schema, 'sequence', q.object, NULL,
	       reconcile.attributes(
	         'type', q.type, 'start', q.start_value, 'increment', q.increment, 'minimum', q.minimum, 'maximum', q.maximum,
	         'cache', q.cache, 'cycle', q.cycle, 'unlogged', nullif(q.unlogged, false), 'owned_by', q.owned_by, 'owner', q.owner,
	         'comment', q.comment),
	       'pg_class'::regclass, q.oid, 0
	FROM reconcile.schema_sequences q
	UNION ALL
	SELECT t.schema, 'type', t.object, NULL,
	       reconcile.attributes(
	         'kind', t.kind, 'labels', t.labels, 'columns', t.columns, 'base', t.base, 'parameters', t.parameters, 'not_null', nullif(t.not_null, false),
	         'default', t.default_value, 'collation', t.collation, 'checks', t.checks, 'check_comments', t.check_comments,
	         'column_comments', t.column_comments, 'owner', t.owner, 'comment', t.comment),
	       'pg_type'::regclass, t.oid, 0
	FROM reconcile.schema_types t
	UNION ALL
	SELECT s.schema, 'statistics', s.object, s.parent,
	       reconcile.attributes('definition', s.definition, 'target', s.target, 'owner', s.owner, 'comment', s.comment),
	       'pg_statistic_ext'::regclass, s.oid, 0
	FROM reconcile.schema_statistics s
	UNION ALL
	SELECT p.schema, 'policy', p.object, p.parent,
	       reconcile.attributes(
	         'command', p.command, 'permissive', p.permissive, 'roles', p.roles, 'using', p.using_expression,
	         'check', p.check_expression, 'comment', p.comment),
	       'pg_policy'::regclass, p.oid, 0
	FROM reconcile.schema_policies p
	UNION ALL
	SELECT p.schema, 'privilege', p.object, p.parent,
	       reconcile.attributes('kind', p.kind, 'privileges', p.privileges, 'maintain', p.maintain, 'reduced', nullif(p.reduced, false)),
	       p.catalog, p.oid, p.objsubid
	FROM reconcile.schema_privileges p;
COMMENT ON VIEW reconcile.schema_objects IS 'all objects in one shape, in which baselines record and audits compare them';
COMMENT ON COLUMN reconcile.schema_objects.schema IS 'the schema by which audits of some schemas choose it, NULL if none does';
COMMENT ON COLUMN reconcile.schema_objects.category IS 'schema, extension, table, column, ...';
COMMENT ON COLUMN reconcile.schema_objects.object IS 'its identity';
COMMENT ON COLUMN reconcile.schema_objects.parent IS 'identity of what it is a part of, else NULL';
COMMENT ON COLUMN reconcile.schema_objects.attributes IS 'its attributes; what is usual is left out';
COMMENT ON COLUMN reconcile.schema_objects.classid IS 'its catalog';
COMMENT ON COLUMN reconcile.schema_objects.objid IS 'its oid in that catalog';
COMMENT ON COLUMN reconcile.schema_objects.objsubid IS 'number of the column, else 0';
GRANT SELECT ON reconcile.schema_objects TO PUBLIC;

-- A wrong name would be a schema without objects.
CREATE FUNCTION reconcile.schema_model(schemas text[] DEFAULT NULL)
	RETURNS TABLE (category text, object text, parent text, attributes jsonb, classid oid, objid oid, objsubid integer)
	LANGUAGE sql STABLE PARALLEL UNSAFE ROWS 50000
	SET search_path = pg_catalog, pg_temp
	SET jit = off
	SET max_parallel_workers_per_gather = 0   -- many small joins: a worker starts for longer than it helps
	SET random_page_cost = 1.5                -- catalogs are in memory, and most of each is read
	SET enable_nestloop = off                 -- the planner takes the schemas of users for few
	SET enable_mergejoin = off                -- and sorts what it takes for few
	BEGIN ATOMIC
		SELECT reconcile.require_schemas(schemas, NULL);
		SELECT m.category, m.object, m.parent, m.attributes, m.classid, m.objid, m.objsubid
		FROM reconcile.schema_objects m
		WHERE schemas IS NULL OR m.category = 'extension' OR m.schema = ANY (schemas);
	END;
COMMENT ON FUNCTION reconcile.schema_model(text[]) IS
	'all objects of these schemas, NULL for all, in the shape in which baselines record and audits compare them';
