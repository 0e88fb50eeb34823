-- Packs: what each of them consists of.  A pack is a file of packs/, or several
-- that begin with its name: they add it to reconcile.pack and bring a function
-- reconcile.install_<pack>.

CREATE TABLE reconcile.pack (
	name        text PRIMARY KEY,
	description text NOT NULL,
	options     jsonb NOT NULL CHECK (jsonb_typeof(options) = 'object'),
	row_keys    jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(row_keys) = 'object'),
	settle      text
);
COMMENT ON TABLE reconcile.pack IS 'packs that come with the extension; read view reconcile.packs';
COMMENT ON COLUMN reconcile.pack.name IS 'name of the pack';
COMMENT ON COLUMN reconcile.pack.description IS 'what it is for';
COMMENT ON COLUMN reconcile.pack.options IS 'its options with their defaults; null stands for a text that is required';
COMMENT ON COLUMN reconcile.pack.row_keys IS 'the keys that the rows of each table in the option rows may have';
COMMENT ON COLUMN reconcile.pack.settle IS
	'function of schema reconcile that takes the options and returns them with what the database itself decides, if there is one';

-- What a pack consists of, as data.  Texts are templates, see reconcile.pack_sql:
-- they name tables and columns as the pack's documentation does.

CREATE TABLE reconcile.pack_layout (
	pack        text REFERENCES reconcile.pack,
	table_name  text,
	position    integer NOT NULL,
	columns     text[] NOT NULL CHECK (array_ndims(columns) = 2 AND array_length(columns, 2) = 3),
	constraints text[] NOT NULL DEFAULT '{}',
	PRIMARY KEY (pack, table_name)
);
COMMENT ON TABLE reconcile.pack_layout IS 'the tables that packs need';
COMMENT ON COLUMN reconcile.pack_layout.pack IS 'the pack';
COMMENT ON COLUMN reconcile.pack_layout.table_name IS 'usual name of the table';
COMMENT ON COLUMN reconcile.pack_layout.position IS 'tables are made in this order';
COMMENT ON COLUMN reconcile.pack_layout.columns IS
	'name, type and what follows the type in CREATE TABLE; the type @table.column@ is the type which that column has here; with OPTIONAL before what follows a column is not added to a table that is there, with OPTIONAL alone never made';
COMMENT ON COLUMN reconcile.pack_layout.constraints IS 'templates of its constraints and, beginning with INDEX or UNIQUE INDEX, indexes';

CREATE TABLE reconcile.pack_object (
	pack        text REFERENCES reconcile.pack,
	name        text,
	position    integer NOT NULL,
	type        text NOT NULL CHECK (type IN ('function', 'view', 'trigger')),
	on_table    text CHECK ((on_table IS NOT NULL) = (type = 'trigger')),
	definition  text NOT NULL,
	description text NOT NULL,
	is_guard    boolean NOT NULL DEFAULT false,
	PRIMARY KEY (pack, name)
);
COMMENT ON TABLE reconcile.pack_object IS 'functions, views and triggers that packs make over the tables of a user';
COMMENT ON COLUMN reconcile.pack_object.pack IS 'the pack';
COMMENT ON COLUMN reconcile.pack_object.name IS 'usual name; a function has its argument types in definition';
COMMENT ON COLUMN reconcile.pack_object.position IS 'objects are made in this order, after the tables';
COMMENT ON COLUMN reconcile.pack_object.type IS 'function, view or trigger';
COMMENT ON COLUMN reconcile.pack_object.on_table IS 'usual name of the table of a trigger';
COMMENT ON COLUMN reconcile.pack_object.definition IS
	'template of what follows its name in CREATE: (arguments) RETURNS ..., AS SELECT ..., AFTER INSERT ON @table@ ...';
COMMENT ON COLUMN reconcile.pack_object.description IS 'what it is for';
COMMENT ON COLUMN reconcile.pack_object.is_guard IS 'whether it is made only where the option guards is not "none"';

CREATE TABLE reconcile.pack_rule (
	pack         text REFERENCES reconcile.pack,
	name         text,
	position     integer NOT NULL,
	kind         text NOT NULL DEFAULT 'insert',
	target       text CHECK ((target IS NULL) = (kind = 'check')),
	key          text[] NOT NULL,
	expects      text NOT NULL,
	compare      text[] NOT NULL DEFAULT '{}',
	where_absent text,
	severity     text NOT NULL DEFAULT 'error',
	seed_label   text,
	guard_timing text CHECK (guard_timing IN ('statement', 'commit')),
	description  text NOT NULL,
	PRIMARY KEY (pack, name)
);
COMMENT ON TABLE reconcile.pack_rule IS 'the invariants of packs';
COMMENT ON COLUMN reconcile.pack_rule.pack IS 'the pack';
COMMENT ON COLUMN reconcile.pack_rule.name IS 'name of the invariant';
COMMENT ON COLUMN reconcile.pack_rule.position IS 'invariants are declared, and reference rows inserted, in this order';
COMMENT ON COLUMN reconcile.pack_rule.kind IS 'kind of the invariant';
COMMENT ON COLUMN reconcile.pack_rule.target IS 'usual name of its target, NULL for a check';
COMMENT ON COLUMN reconcile.pack_rule.key IS 'usual names of its key columns; of a check, names of columns of its query';
COMMENT ON COLUMN reconcile.pack_rule.expects IS 'template of its query; @.column@ is a column of the target';
COMMENT ON COLUMN reconcile.pack_rule.compare IS 'usual names of the columns that are compared';
COMMENT ON COLUMN reconcile.pack_rule.where_absent IS 'template of the condition on target rows that do not count as present';
COMMENT ON COLUMN reconcile.pack_rule.severity IS 'severity of the invariant';
COMMENT ON COLUMN reconcile.pack_rule.seed_label IS
	'where the rows are reference rows, inserted by install_pack(): template of how a row "s" of the query is called';
COMMENT ON COLUMN reconcile.pack_rule.guard_timing IS 'timing of its guard, NULL when it has none';
COMMENT ON COLUMN reconcile.pack_rule.description IS 'what it means, in words';

-- Nothing of a user's is in them.
GRANT SELECT ON reconcile.pack, reconcile.pack_layout, reconcile.pack_object, reconcile.pack_rule TO PUBLIC;

CREATE VIEW reconcile.packs AS
	SELECT p.name, i.version, i.name IS NOT NULL AS installed, i.options, p.description,
	       p.options AS default_options
	FROM reconcile.pack p LEFT JOIN reconcile.installed_pack i ON i.name = p.name;
COMMENT ON VIEW reconcile.packs IS 'all packs, and which of them are installed with which options';
COMMENT ON COLUMN reconcile.packs.name IS 'name of the pack, as install_pack() takes it';
COMMENT ON COLUMN reconcile.packs.version IS 'version of pg_reconcile that installed it';
COMMENT ON COLUMN reconcile.packs.installed IS 'whether it is installed in this database';
COMMENT ON COLUMN reconcile.packs.options IS 'the options it was installed with, defaults included';
COMMENT ON COLUMN reconcile.packs.description IS 'what it is for';
COMMENT ON COLUMN reconcile.packs.default_options IS 'its options with their defaults; null stands for a text that is required';
GRANT SELECT ON reconcile.packs TO PUBLIC;
