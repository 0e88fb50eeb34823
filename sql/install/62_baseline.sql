-- Baselines: a recorded schema, and the seed rows that belong to it.  Private
-- tables; the views show them.  src/schema/baseline.cpp

CREATE TABLE reconcile.baseline (
	name        text PRIMARY KEY CHECK (name <> ''),
	format      integer NOT NULL,
	server      integer NOT NULL,
	schemas     text[],
	mode        text NOT NULL DEFAULT 'exactly' CHECK (mode IN ('at least', 'exactly')),
	captured_at timestamptz NOT NULL DEFAULT now(),
	captured_by text NOT NULL
);
COMMENT ON TABLE reconcile.baseline IS 'recorded schemas; read view reconcile.baselines';
COMMENT ON COLUMN reconcile.baseline.name IS 'the name that audit_schema() takes';
COMMENT ON COLUMN reconcile.baseline.format IS 'version of the document format it has, or came in';
COMMENT ON COLUMN reconcile.baseline.server IS 'version number of the PostgreSQL it was captured from';
COMMENT ON COLUMN reconcile.baseline.schemas IS 'the schemas it is about, NULL for all';
COMMENT ON COLUMN reconcile.baseline.mode IS 'at least: what else there is is nobody''s business; exactly: it is said to be extra';
COMMENT ON COLUMN reconcile.baseline.captured_at IS 'when it was captured or imported here';
COMMENT ON COLUMN reconcile.baseline.captured_by IS 'the role that captured or imported it here';

CREATE TABLE reconcile.baseline_object (
	baseline   text NOT NULL REFERENCES reconcile.baseline ON DELETE CASCADE,
	category   text NOT NULL,
	object     text NOT NULL,
	parent     text,
	attributes jsonb NOT NULL CHECK (jsonb_typeof(attributes) = 'object'),
	requires   text[] NOT NULL,
	PRIMARY KEY (baseline, category, object)
);
COMMENT ON TABLE reconcile.baseline_object IS 'the objects of recorded schemas; read view reconcile.baseline_objects';
COMMENT ON COLUMN reconcile.baseline_object.baseline IS 'the baseline';
COMMENT ON COLUMN reconcile.baseline_object.category IS 'what it is: table, column, constraint, ...';
COMMENT ON COLUMN reconcile.baseline_object.object IS 'its identity, as pg_identify_object prints it';
COMMENT ON COLUMN reconcile.baseline_object.parent IS 'identity of the object that it is a part of, else NULL';
COMMENT ON COLUMN reconcile.baseline_object.attributes IS 'its attributes';
COMMENT ON COLUMN reconcile.baseline_object.requires IS 'identities of the objects that it needs to be created';

CREATE TABLE reconcile.baseline_seed_table (
	baseline   text NOT NULL REFERENCES reconcile.baseline ON DELETE CASCADE,
	seed_table text NOT NULL,
	key        text[] NOT NULL CHECK (cardinality(key) > 0),
	ignore     text[] NOT NULL,
	mode       text NOT NULL CHECK (mode IN ('at least', 'exactly')),
	PRIMARY KEY (baseline, seed_table)
);
COMMENT ON TABLE reconcile.baseline_seed_table IS 'tables whose rows belong to a baseline; read view reconcile.baseline_seeds';
COMMENT ON COLUMN reconcile.baseline_seed_table.baseline IS 'the baseline';
COMMENT ON COLUMN reconcile.baseline_seed_table.seed_table IS 'identity of the table';
COMMENT ON COLUMN reconcile.baseline_seed_table.key IS 'columns by which a row is found';
COMMENT ON COLUMN reconcile.baseline_seed_table.ignore IS 'columns that are not recorded';
COMMENT ON COLUMN reconcile.baseline_seed_table.mode IS 'at least, or exactly these rows';

CREATE TABLE reconcile.baseline_seed_row (
	baseline   text NOT NULL,
	seed_table text NOT NULL,
	key_md5    text NOT NULL,
	row        jsonb NOT NULL CHECK (jsonb_typeof(row) = 'object'),
	PRIMARY KEY (baseline, seed_table, key_md5),
	FOREIGN KEY (baseline, seed_table) REFERENCES reconcile.baseline_seed_table ON DELETE CASCADE
);
COMMENT ON TABLE reconcile.baseline_seed_row IS 'recorded rows; read view reconcile.baseline_seed_rows';
COMMENT ON COLUMN reconcile.baseline_seed_row.baseline IS 'the baseline';
COMMENT ON COLUMN reconcile.baseline_seed_row.seed_table IS 'identity of the table';
COMMENT ON COLUMN reconcile.baseline_seed_row.key_md5 IS 'stands for the key columns of the row, as seed_key() gives them';
COMMENT ON COLUMN reconcile.baseline_seed_row.row IS 'the row without the ignored columns';

SELECT pg_catalog.pg_extension_config_dump('reconcile.baseline', '');
SELECT pg_catalog.pg_extension_config_dump('reconcile.baseline_object', '');
SELECT pg_catalog.pg_extension_config_dump('reconcile.baseline_seed_table', '');
SELECT pg_catalog.pg_extension_config_dump('reconcile.baseline_seed_row', '');

CREATE VIEW reconcile.baselines AS
	SELECT b.name, b.format, b.server, b.schemas, b.mode, b.captured_at, b.captured_by FROM reconcile.baseline b;
COMMENT ON VIEW reconcile.baselines IS 'all recorded schemas';
COMMENT ON COLUMN reconcile.baselines.name IS 'the name that audit_schema() takes';
COMMENT ON COLUMN reconcile.baselines.format IS 'version of the document format it has, or came in';
COMMENT ON COLUMN reconcile.baselines.server IS 'version number of the PostgreSQL it was captured from';
COMMENT ON COLUMN reconcile.baselines.schemas IS 'the schemas it is about, NULL for all';
COMMENT ON COLUMN reconcile.baselines.mode IS 'at least: what else there is is nobody''s business; exactly: it is said to be extra';
COMMENT ON COLUMN reconcile.baselines.captured_at IS 'when it was captured or imported here';
COMMENT ON COLUMN reconcile.baselines.captured_by IS 'the role that captured or imported it here';

CREATE VIEW reconcile.baseline_objects AS
	SELECT o.baseline, o.category, o.object, o.parent, o.attributes, o.requires FROM reconcile.baseline_object o;
COMMENT ON VIEW reconcile.baseline_objects IS 'the objects of all recorded schemas';
COMMENT ON COLUMN reconcile.baseline_objects.baseline IS 'the baseline';
COMMENT ON COLUMN reconcile.baseline_objects.category IS 'what it is: table, column, constraint, ...';
COMMENT ON COLUMN reconcile.baseline_objects.object IS 'its identity, as pg_identify_object prints it';
COMMENT ON COLUMN reconcile.baseline_objects.parent IS 'identity of the object that it is a part of, else NULL';
COMMENT ON COLUMN reconcile.baseline_objects.attributes IS 'its attributes';
COMMENT ON COLUMN reconcile.baseline_objects.requires IS 'identities of the objects that it needs to be created';

-- Recorded rows are user data: they are shown to those who may read the table
-- here, and to whoever recorded them.
CREATE VIEW reconcile.baseline_seeds AS
	SELECT t.baseline, t.seed_table, t.key, t.ignore, t.mode, c.oid::regclass AS relation,
	       coalesce(has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') AND NOT row_security_active(c.oid), false)
	       OR b.captured_by = current_user
	       OR (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = current_user) AS readable
	FROM reconcile.baseline_seed_table t
	JOIN reconcile.baseline b ON b.name = t.baseline
	-- by name, without to_regclass(), which fails where the caller may not use the schema
	LEFT JOIN (pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace)
	       ON c.relkind IN ('r', 'p', 'f') AND quote_ident(n.nspname) || '.' || quote_ident(c.relname) = t.seed_table;
COMMENT ON VIEW reconcile.baseline_seeds IS 'the tables whose rows belong to a baseline';
COMMENT ON COLUMN reconcile.baseline_seeds.baseline IS 'the baseline';
COMMENT ON COLUMN reconcile.baseline_seeds.seed_table IS 'identity of the table';
COMMENT ON COLUMN reconcile.baseline_seeds.key IS 'columns by which a row is found';
COMMENT ON COLUMN reconcile.baseline_seeds.ignore IS 'columns that are not recorded';
COMMENT ON COLUMN reconcile.baseline_seeds.mode IS 'at least, or exactly these rows';
COMMENT ON COLUMN reconcile.baseline_seeds.relation IS 'the table, NULL if it does not exist here';
COMMENT ON COLUMN reconcile.baseline_seeds.readable IS 'whether the current role may see the recorded rows';

CREATE VIEW reconcile.baseline_seed_rows AS
	SELECT r.baseline, r.seed_table, r.key_md5, r.row
	FROM reconcile.baseline_seed_row r
	JOIN reconcile.baseline_seeds t ON t.baseline = r.baseline AND t.seed_table = r.seed_table
	WHERE t.readable;
COMMENT ON VIEW reconcile.baseline_seed_rows IS 'recorded rows of the tables that the current role may read';
COMMENT ON COLUMN reconcile.baseline_seed_rows.baseline IS 'the baseline';
COMMENT ON COLUMN reconcile.baseline_seed_rows.seed_table IS 'identity of the table';
COMMENT ON COLUMN reconcile.baseline_seed_rows.key_md5 IS 'stands for the key columns of the row, as seed_key() gives them';
COMMENT ON COLUMN reconcile.baseline_seed_rows.row IS 'the row without the ignored columns';
GRANT SELECT ON reconcile.baselines, reconcile.baseline_objects, reconcile.baseline_seeds, reconcile.baseline_seed_rows TO PUBLIC;

-- What an object needs before it can be created, from pg_depend.  A default
-- stands for its column, a view's rule for the view, an array or row type for
-- what it is made of, an index for its constraint.
CREATE FUNCTION reconcile.schema_requirements(schemas text[] DEFAULT NULL)
	RETURNS TABLE (category text, object text, parent text, attributes jsonb, requires text[])
	LANGUAGE sql STABLE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET jit = off
	SET enable_nestloop = off   -- what CTEs hold is not estimated, and may be much
	BEGIN ATOMIC
		WITH model AS MATERIALIZED (SELECT * FROM reconcile.schema_model(schemas)),
		node AS MATERIALIZED (
			SELECT m.category, m.object, m.parent, m.classid, m.objid, m.objsubid FROM model m
			WHERE m.category NOT IN ('privilege', 'schema', 'extension')
			UNION ALL
			SELECT m.category, m.object, m.parent, 'pg_attrdef'::regclass, d.oid, 0
			FROM model m JOIN pg_attrdef d ON d.adrelid = m.objid AND d.adnum = m.objsubid WHERE m.category = 'column'
			UNION ALL
			SELECT m.category, m.object, m.parent, 'pg_rewrite'::regclass, w.oid, 0
			FROM model m JOIN pg_rewrite w ON w.ev_class = m.objid AND w.rulename = '_RETURN' WHERE m.category = 'view'
			UNION ALL
			SELECT m.category, m.object, m.parent, 'pg_type'::regclass, t.typarray, 0
			FROM model m JOIN pg_type t ON t.oid = m.objid WHERE m.category = 'type' AND t.typarray <> 0
			UNION ALL
			SELECT m.category, m.object, m.parent, 'pg_type'::regclass, x.oid, 0
			FROM model m JOIN pg_class c ON c.oid = m.objid
			CROSS JOIN LATERAL (SELECT t.oid FROM pg_type t WHERE t.oid = c.reltype
			                    UNION ALL SELECT t.typarray FROM pg_type t WHERE t.oid = c.reltype AND t.typarray <> 0) AS x
			WHERE m.category IN ('table', 'view')
			UNION ALL
			SELECT m.category, m.object, m.parent, 'pg_class'::regclass, k.conindid, 0
			FROM model m JOIN pg_constraint k ON k.oid = m.objid AND k.contype IN ('p', 'u', 'x') WHERE m.category = 'constraint'
		),
		edge AS (
			SELECT n.category, n.object, array_agg(DISTINCT r.object COLLATE "C" ORDER BY r.object COLLATE "C") AS requires
			FROM node n
			JOIN pg_depend d ON d.classid = n.classid AND d.objid = n.objid AND d.objsubid = n.objsubid AND d.deptype IN ('n', 'a')
			JOIN node r ON r.classid = d.refclassid AND r.objid = d.refobjid AND r.objsubid IN (0, d.refobjsubid)
			WHERE r.object NOT IN (n.object, coalesce(n.parent, '')) AND r.parent IS DISTINCT FROM n.object
			  AND (r.objsubid > 0 OR d.refobjsubid = 0 OR r.category <> 'column')
			  AND (n.parent IS NULL OR r.parent IS DISTINCT FROM n.parent)
			GROUP BY n.category, n.object
		)
		SELECT m.category, m.object, m.parent, m.attributes, coalesce(e.requires, '{}')
		FROM model m LEFT JOIN edge e ON e.category = m.category AND e.object = m.object;
	END;
COMMENT ON FUNCTION reconcile.schema_requirements(text[]) IS
	'used by capture_baseline(): the objects of schema_model() with what each needs to be created';

-- The attributes there are: what a document may hold.  words: the only values.
CREATE FUNCTION reconcile.schema_attributes()
	RETURNS TABLE (category text, attribute text, type text, required boolean, words text[])
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	BEGIN ATOMIC
		VALUES ('schema', 'owner', 'string', true, NULL::text[]), ('schema', 'comment', 'string', false, NULL),
		('extension', 'version', 'string', true, NULL), ('extension', 'schema', 'string', true, NULL),
		('table', 'kind', 'string', true, '{table,partitioned table,foreign table}'), ('table', 'owner', 'string', true, NULL),
		('table', 'unlogged', 'boolean', false, NULL), ('table', 'row_security', 'boolean', false, NULL),
		('table', 'force_row_security', 'boolean', false, NULL), ('table', 'partition_key', 'string', false, NULL),
		('table', 'partition_of', 'string', false, NULL), ('table', 'partition_bound', 'string', false, NULL),
		('table', 'inherits', 'array', false, NULL), ('table', 'of_type', 'string', false, NULL),
		('table', 'access_method', 'string', false, NULL), ('table', 'tablespace', 'string', false, NULL),
		('table', 'options', 'array', false, NULL), ('table', 'replica_identity', 'string', false, NULL),
		('table', 'server', 'string', false, NULL), ('table', 'foreign_options', 'array', false, NULL),
		('table', 'comment', 'string', false, NULL),
		('column', 'type', 'string', true, NULL), ('column', 'position', 'number', true, NULL), ('column', 'not_null', 'boolean', true, NULL),
		('column', 'default', 'string', false, NULL), ('column', 'generated', 'string', false, NULL),
		('column', 'identity', 'string', false, NULL), ('column', 'sequence', 'string', false, NULL), ('column', 'collation', 'string', false, NULL),
		('column', 'storage', 'string', false, '{plain,external,extended,main}'), ('column', 'compression', 'string', false, NULL),
		('column', 'statistics', 'number', false, NULL), ('column', 'options', 'array', false, NULL),
		('column', 'foreign_options', 'array', false, NULL), ('column', 'of_partition', 'boolean', false, NULL), ('column', 'inherited', 'boolean', false, NULL),
		('column', 'comment', 'string', false, NULL),
		('constraint', 'kind', 'string', true, '{check,foreign key,primary key,unique,exclude}'),
		('constraint', 'definition', 'string', true, NULL), ('constraint', 'valid', 'boolean', true, NULL),
		('constraint', 'options', 'array', false, NULL), ('constraint', 'tablespace', 'string', false, NULL),
		('constraint', 'clustered', 'boolean', false, NULL), ('constraint', 'comment', 'string', false, NULL),
		('constraint', 'index_comment', 'string', false, NULL),
		('index', 'unique', 'boolean', true, NULL), ('index', 'definition', 'string', true, NULL), ('index', 'valid', 'boolean', true, NULL),
		('index', 'clustered', 'boolean', false, NULL), ('index', 'tablespace', 'string', false, NULL), ('index', 'statistics', 'object', false, NULL),
		('index', 'comment', 'string', false, NULL),
		('trigger', 'definition', 'string', true, NULL), ('trigger', 'enabled', 'string', true, '{origin,disabled,replica,always}'),
		('trigger', 'of_partition', 'boolean', false, NULL), ('trigger', 'owner', 'string', false, NULL), ('trigger', 'comment', 'string', false, NULL),
		('rule', 'definition', 'string', true, NULL), ('rule', 'enabled', 'string', true, '{origin,disabled,replica,always}'),
		('rule', 'comment', 'string', false, NULL),
		('function', 'kind', 'string', true, '{function,procedure,aggregate,window function}'), ('function', 'arguments', 'string', true, NULL),
		('function', 'result', 'string', false, NULL), ('function', 'language', 'string', true, NULL), ('function', 'body', 'string', true, NULL),
		('function', 'body_is_sql', 'boolean', false, NULL), ('function', 'library', 'string', false, NULL),
		('function', 'volatility', 'string', true, '{immutable,stable,volatile}'),
		('function', 'parallel', 'string', false, '{safe,restricted,unsafe}'), ('function', 'strict', 'boolean', false, NULL),
		('function', 'security_definer', 'boolean', false, NULL), ('function', 'leakproof', 'boolean', false, NULL),
		('function', 'cost', 'number', false, NULL), ('function', 'rows', 'number', false, NULL), ('function', 'settings', 'array', false, NULL),
		('function', 'support', 'string', false, NULL), ('function', 'transforms', 'array', false, NULL),
		('function', 'aggregate', 'string', false, NULL), ('function', 'owner', 'string', true, NULL), ('function', 'comment', 'string', false, NULL),
		('view', 'kind', 'string', true, '{view,materialized view}'), ('view', 'definition', 'string', true, NULL),
		('view', 'columns', 'array', false, NULL),
		('view', 'options', 'array', false, NULL), ('view', 'tablespace', 'string', false, NULL),
		('view', 'column_comments', 'object', false, NULL), ('view', 'column_defaults', 'object', false, NULL),
		('view', 'owner', 'string', true, NULL), ('view', 'comment', 'string', false, NULL),
		('sequence', 'type', 'string', true, NULL), ('sequence', 'start', 'number', true, NULL), ('sequence', 'increment', 'number', true, NULL),
		('sequence', 'minimum', 'number', true, NULL), ('sequence', 'maximum', 'number', true, NULL), ('sequence', 'cache', 'number', true, NULL),
		('sequence', 'cycle', 'boolean', true, NULL), ('sequence', 'unlogged', 'boolean', false, NULL),
		('sequence', 'owned_by', 'string', false, NULL), ('sequence', 'owner', 'string', true, NULL), ('sequence', 'comment', 'string', false, NULL),
		('type', 'kind', 'string', true, '{enum,domain,composite,range,base}'), ('type', 'labels', 'array', false, NULL),
		('type', 'columns', 'array', false, NULL), ('type', 'base', 'string', false, NULL), ('type', 'parameters', 'array', false, NULL), ('type', 'not_null', 'boolean', false, NULL),
		('type', 'default', 'string', false, NULL), ('type', 'collation', 'string', false, NULL), ('type', 'checks', 'object', false, NULL),
		('type', 'check_comments', 'object', false, NULL), ('type', 'column_comments', 'object', false, NULL),
		('type', 'owner', 'string', true, NULL), ('type', 'comment', 'string', false, NULL),
		('statistics', 'definition', 'string', true, NULL), ('statistics', 'target', 'number', false, NULL),
		('statistics', 'owner', 'string', true, NULL), ('statistics', 'comment', 'string', false, NULL),
		('policy', 'command', 'string', true, '{select,insert,update,delete,all}'), ('policy', 'permissive', 'boolean', true, NULL),
		('policy', 'roles', 'array', true, NULL), ('policy', 'using', 'string', false, NULL), ('policy', 'check', 'string', false, NULL),
		('policy', 'comment', 'string', false, NULL),
		('privilege', 'kind', 'string', true, '{TABLE,COLUMN,SEQUENCE,SCHEMA,FUNCTION,PROCEDURE,TYPE,DEFAULT}'),
		('privilege', 'privileges', 'string', false, NULL), ('privilege', 'maintain', 'string', false, NULL),
		('privilege', 'reduced', 'boolean', false, NULL),
		('migration', 'history', 'string', true, NULL), ('migration', 'tool', 'string', true, NULL), ('migration', 'name', 'string', true, NULL),
		('migration', 'checksum', 'string', false, NULL);
	END;
COMMENT ON FUNCTION reconcile.schema_attributes() IS
	'used by baselines: the attributes that objects of each category have, with their JSON types and the only words that some may be';

