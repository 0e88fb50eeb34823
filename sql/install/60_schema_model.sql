-- All kinds of objects in one shape.  Attributes that say the usual are left out,
-- so that a recorded schema is short enough to be read.

CREATE FUNCTION reconcile.schema_model(schemas text[] DEFAULT NULL)
	RETURNS TABLE (category text, object text, parent text, attributes jsonb, classid oid, objid oid, objsubid integer)
	LANGUAGE sql STABLE PARALLEL UNSAFE ROWS 50000
	SET search_path = pg_catalog, pg_temp
	SET jit = off
	SET enable_nestloop = off
	BEGIN ATOMIC
		SELECT 'schema', s.object, NULL::text, jsonb_strip_nulls(jsonb_build_object('owner', s.owner, 'comment', s.comment)),
		       'pg_namespace'::regclass::oid, s.oid, 0
		FROM reconcile.schema_schemas s WHERE schemas IS NULL OR s.schema = ANY (schemas)
		UNION ALL
		SELECT 'extension', e.object, NULL, jsonb_build_object('version', e.version, 'schema', e.schema),
		       'pg_extension'::regclass, e.oid, 0
		FROM reconcile.schema_extensions e
		UNION ALL
		SELECT 'table', t.object, NULL,
		       jsonb_build_object('kind', t.kind, 'owner', t.owner)
		       || CASE WHEN t.row_security OR t.force_row_security OR t.unlogged OR t.comment IS NOT NULL OR t.options IS NOT NULL
		                 OR t.tablespace IS NOT NULL OR t.inherits IS NOT NULL OR t.kind <> 'table' OR t.partition_of IS NOT NULL
		                 OR t.of_type IS NOT NULL OR t.replica_identity <> 'default' OR t.access_method <> 'heap'
		          THEN jsonb_strip_nulls(jsonb_build_object(
		                 'unlogged', nullif(t.unlogged, false), 'row_security', nullif(t.row_security, false),
		                 'force_row_security', nullif(t.force_row_security, false), 'partition_key', t.partition_key,
		                 'partition_of', t.partition_of, 'partition_bound', t.partition_bound, 'inherits', t.inherits,
		                 'of_type', t.of_type, 'access_method', nullif(t.access_method, 'heap'), 'tablespace', t.tablespace,
		                 'options', t.options, 'replica_identity', nullif(t.replica_identity, 'default'), 'server', t.server,
		                 'foreign_options', t.foreign_options, 'comment', t.comment))
		          ELSE '{}' END,
		       'pg_class'::regclass, t.oid, 0
		FROM reconcile.schema_tables t WHERE schemas IS NULL OR t.schema = ANY (schemas)
		UNION ALL
		SELECT 'column', c.object, c.parent,
		       CASE WHEN c.default_value IS NOT NULL
		            THEN jsonb_build_object('type', c.type, 'position', c.position, 'not_null', c.not_null, 'default', c.default_value)
		            ELSE jsonb_build_object('type', c.type, 'position', c.position, 'not_null', c.not_null) END
		       || CASE WHEN c.generated IS NOT NULL OR c.identity IS NOT NULL OR c.collation IS NOT NULL OR c.storage IS NOT NULL
		                 OR c.compression IS NOT NULL OR c.statistics IS NOT NULL OR c.options IS NOT NULL
		                 OR c.foreign_options IS NOT NULL OR c.comment IS NOT NULL
		          THEN jsonb_strip_nulls(jsonb_build_object(
		                 'generated', c.generated, 'identity', c.identity, 'collation', c.collation, 'storage', c.storage,
		                 'compression', c.compression, 'statistics', c.statistics, 'options', c.options,
		                 'foreign_options', c.foreign_options, 'comment', c.comment))
		          ELSE '{}' END
		       || CASE WHEN c.of_partition THEN '{"of_partition": true}' ELSE '{}' END::jsonb,
		       'pg_class'::regclass, c.relation, c.position
		FROM reconcile.schema_columns c WHERE schemas IS NULL OR c.schema = ANY (schemas)
		UNION ALL
		SELECT 'constraint', c.object, c.parent,
		       jsonb_build_object('kind', c.kind, 'definition', c.definition, 'valid', c.valid)
		       || CASE WHEN c.options IS NOT NULL OR c.tablespace IS NOT NULL OR c.clustered OR c.comment IS NOT NULL
		          THEN jsonb_strip_nulls(jsonb_build_object('options', c.options, 'tablespace', c.tablespace,
		                                                    'clustered', nullif(c.clustered, false), 'comment', c.comment))
		          ELSE '{}' END,
		       'pg_constraint'::regclass, c.oid, 0
		FROM reconcile.schema_constraints c WHERE schemas IS NULL OR c.schema = ANY (schemas)
		UNION ALL
		SELECT 'index', i.object, i.parent,
		       jsonb_build_object('unique', i.is_unique, 'definition', i.definition, 'valid', i.valid)
		       || CASE WHEN i.clustered OR i.tablespace IS NOT NULL OR i.comment IS NOT NULL
		          THEN jsonb_strip_nulls(jsonb_build_object('clustered', nullif(i.clustered, false), 'tablespace', i.tablespace,
		                                                    'comment', i.comment))
		          ELSE '{}' END,
		       'pg_class'::regclass, i.oid, 0
		FROM reconcile.schema_indexes i WHERE schemas IS NULL OR i.schema = ANY (schemas)
		UNION ALL
		SELECT 'trigger', t.object, t.parent,
		       jsonb_strip_nulls(jsonb_build_object('definition', t.definition, 'enabled', t.enabled, 'owner', t.owner, 'comment', t.comment)),
		       t.catalog, t.oid, 0
		FROM reconcile.schema_triggers t WHERE schemas IS NULL OR t.schema = ANY (schemas)
		UNION ALL
		SELECT 'rule', r.object, r.parent,
		       jsonb_strip_nulls(jsonb_build_object('definition', r.definition, 'enabled', r.enabled, 'comment', r.comment)),
		       'pg_rewrite'::regclass, r.oid, 0
		FROM reconcile.schema_rules r WHERE schemas IS NULL OR r.schema = ANY (schemas)
		UNION ALL
		SELECT 'function', f.object, NULL,
		       jsonb_strip_nulls(jsonb_build_object(
		         'kind', f.kind, 'arguments', f.arguments, 'result', f.result, 'language', f.language, 'body', f.body,
		         'body_is_sql', nullif(f.body_is_sql, false), 'library', f.library, 'volatility', f.volatility,
		         'parallel', nullif(f.parallel, 'unsafe'), 'strict', nullif(f.strict, false),
		         'security_definer', nullif(f.security_definer, false), 'leakproof', nullif(f.leakproof, false),
		         'cost', nullif(f.cost, CASE WHEN f.language IN ('c', 'internal') THEN 1 ELSE 100 END), 'rows', nullif(f.rows, 1000),
		         'settings', f.settings, 'aggregate', f.aggregate, 'owner', f.owner, 'comment', f.comment)),
		       'pg_proc'::regclass, f.oid, 0
		FROM reconcile.schema_functions f WHERE schemas IS NULL OR f.schema = ANY (schemas)
		UNION ALL
		SELECT 'view', v.object, NULL,
		       jsonb_strip_nulls(jsonb_build_object(
		         'kind', v.kind, 'definition', v.definition, 'options', v.options, 'tablespace', v.tablespace,
		         'column_comments', v.column_comments, 'column_defaults', v.column_defaults, 'owner', v.owner, 'comment', v.comment)),
		       'pg_class'::regclass, v.oid, 0
		FROM reconcile.schema_views v WHERE schemas IS NULL OR v.schema = ANY (schemas)
		UNION ALL
		SELECT 'sequence', q.object, NULL,
		       jsonb_strip_nulls(jsonb_build_object(
		         'type', q.type, 'start', q.start_value, 'increment', q.increment, 'minimum', q.minimum, 'maximum', q.maximum,
		         'cache', q.cache, 'cycle', q.cycle, 'unlogged', nullif(q.unlogged, false), 'owned_by', q.owned_by, 'owner', q.owner,
		         'comment', q.comment)),
		       'pg_class'::regclass, q.oid, 0
		FROM reconcile.schema_sequences q WHERE schemas IS NULL OR q.schema = ANY (schemas)
		UNION ALL
		SELECT 'type', t.object, NULL,
		       jsonb_strip_nulls(jsonb_build_object(
		         'kind', t.kind, 'labels', t.labels, 'columns', t.columns, 'base', t.base, 'not_null', nullif(t.not_null, false),
		         'default', t.default_value, 'collation', t.collation, 'checks', t.checks, 'owner', t.owner, 'comment', t.comment)),
		       'pg_type'::regclass, t.oid, 0
		FROM reconcile.schema_types t WHERE schemas IS NULL OR t.schema = ANY (schemas)
		UNION ALL
		SELECT 'statistics', s.object, s.parent,
		       jsonb_strip_nulls(jsonb_build_object('definition', s.definition, 'target', s.target, 'owner', s.owner, 'comment', s.comment)),
		       'pg_statistic_ext'::regclass, s.oid, 0
		FROM reconcile.schema_statistics s WHERE schemas IS NULL OR s.schema = ANY (schemas)
		UNION ALL
		SELECT 'policy', p.object, p.parent,
		       jsonb_strip_nulls(jsonb_build_object(
		         'command', p.command, 'permissive', p.permissive, 'roles', p.roles, 'using', p.using_expression,
		         'check', p.check_expression, 'comment', p.comment)),
		       'pg_policy'::regclass, p.oid, 0
		FROM reconcile.schema_policies p WHERE schemas IS NULL OR p.schema = ANY (schemas)
		UNION ALL
		SELECT 'privilege', p.object, p.parent,
		       jsonb_strip_nulls(jsonb_build_object('kind', p.kind, 'privileges', p.privileges, 'maintain', p.maintain)),
		       p.catalog, p.oid, p.objsubid
		FROM reconcile.schema_privileges p WHERE schemas IS NULL OR p.schema = ANY (schemas);
	END;
COMMENT ON FUNCTION reconcile.schema_model(text[]) IS
	'all objects of these schemas, NULL for all, in the shape in which baselines record and audits compare them';
