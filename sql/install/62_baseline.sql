-- Baselines: a recorded schema, and the seed rows that belong to it.  Private
-- tables; the views show them.  src/schema/baseline.cpp

CREATE TABLE reconcile.baseline (
	name        text PRIMARY KEY CHECK (name <> ''),
	format      integer NOT NULL,
	server      integer NOT NULL,
	schemas     text[],
	captured_at timestamptz NOT NULL DEFAULT now(),
	captured_by text NOT NULL
);
COMMENT ON TABLE reconcile.baseline IS 'recorded schemas; read view reconcile.baselines';
COMMENT ON COLUMN reconcile.baseline.name IS 'the name that audit_schema() takes';
COMMENT ON COLUMN reconcile.baseline.format IS 'version of the document format it has, or came in';
COMMENT ON COLUMN reconcile.baseline.server IS 'version number of the PostgreSQL it was captured from';
COMMENT ON COLUMN reconcile.baseline.schemas IS 'the schemas it is about, NULL for all';
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

SELECT pg_catalog.pg_extension_config_dump('reconcile.baseline', '');
SELECT pg_catalog.pg_extension_config_dump('reconcile.baseline_object', '');

CREATE VIEW reconcile.baselines AS
	SELECT b.name, b.format, b.server, b.schemas, b.captured_at, b.captured_by FROM reconcile.baseline b;
COMMENT ON VIEW reconcile.baselines IS 'all recorded schemas';
COMMENT ON COLUMN reconcile.baselines.name IS 'the name that audit_schema() takes';
COMMENT ON COLUMN reconcile.baselines.format IS 'version of the document format it has, or came in';
COMMENT ON COLUMN reconcile.baselines.server IS 'version number of the PostgreSQL it was captured from';
COMMENT ON COLUMN reconcile.baselines.schemas IS 'the schemas it is about, NULL for all';
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
GRANT SELECT ON reconcile.baselines, reconcile.baseline_objects TO PUBLIC;
