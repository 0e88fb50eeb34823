-- Tables that read documents in every way there is.
CREATE EXTENSION pg_reconcile;
CREATE FUNCTION fuzz_documents(regclass[], text[]) RETURNS integer LANGUAGE c AS :'library', 'reconcile_fuzz_documents';
CREATE SERVER none FOREIGN DATA WRAPPER reconcile_mongo OPTIONS (hosts 'localhost:1', database 'none');
CREATE DOMAIN short AS text CHECK (length(VALUE) < 9);

-- Columns of one field in all types; of fields that a document has, and through arrays.
CREATE FOREIGN TABLE plain (
	_id text, a text, b varchar(5) OPTIONS (path 'a'), c char(4) OPTIONS (path 'a'), d bytea OPTIONS (path 'a'), e boolean OPTIONS (path 'a'),
	f smallint OPTIONS (path 'a'), g integer OPTIONS (path 'a'), h bigint OPTIONS (path 'a'), i real OPTIONS (path 'a'),
	j double precision OPTIONS (path 'a'), k numeric OPTIONS (path 'a'), l numeric(6, 2) OPTIONS (path 'a'), m timestamptz OPTIONS (path 'a'),
	n timestamp(0) OPTIONS (path 'a'), o date OPTIONS (path 'a'), p uuid OPTIONS (path 'a'), q uuid OPTIONS (path 'a', bson_type 'string'),
	r jsonb OPTIONS (path 'a'), s short OPTIONS (path 'a'), t text[] OPTIONS (path 'a'), u integer[] OPTIONS (path 'a'),
	v numeric[] OPTIONS (path 'a'), w timestamptz[] OPTIONS (path 'a'), x jsonb[] OPTIONS (path 'a'), whole jsonb OPTIONS (path '')
) SERVER none OPTIONS (on_mismatch 'null');
CREATE FOREIGN TABLE nested (
	_id jsonb, x text OPTIONS (path 'a.b'), y text OPTIONS (path 'a.b.c'), z jsonb OPTIONS (path 'a.0'), n integer OPTIONS (path 'b.0.c'),
	m numeric OPTIONS (path 'b.1')
) SERVER none OPTIONS (on_mismatch 'null');
CREATE FOREIGN TABLE strict (_id text OPTIONS (bson_type 'objectId'), a text, b integer, c timestamptz, d uuid) SERVER none;
CREATE FOREIGN TABLE skipped (_id integer, a numeric, whole jsonb OPTIONS (path '')) SERVER none OPTIONS (on_mismatch 'skip');
CREATE FOREIGN TABLE nulled (a text, b double precision, c jsonb, d bytea, e boolean) SERVER none OPTIONS (on_mismatch 'null');
