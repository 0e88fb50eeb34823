-- Keys that wait, for the commit or in the queue, are found again whatever their type and value. Every list of values
-- goes through every way on which a guard writes a key down and reads it later.
\ir ../support/invariant.sql
SELECT no_plan();

CREATE TYPE mood AS ENUM ('sad', 'x');
CREATE FUNCTION shown(mood) RETURNS json LANGUAGE sql IMMUTABLE AS $$ SELECT json_build_object('mood', $1::text) $$;
CREATE CAST (mood AS json) WITH FUNCTION shown(mood); -- to_jsonb() takes it, as it does that of hstore
CREATE TYPE pair AS (a integer, b jsonb);
CREATE DOMAIN document AS jsonb;

CREATE TABLE keys (type text PRIMARY KEY, texts text[]);
INSERT INTO keys VALUES
	('jsonb', '{"null","\"1\"","\"x\"","\"\"",1,true,"{\"a\": [1, null]}","[]"}'),
	('document', '{"null","\"1\"","\"x\"","\"{}\"",1,"{}"}'),
	('jsonb[]', '{"{null,\"null\"}","{NULL}","{\"\\\"x\\\"\"}","{}"}'),
	('integer[]', '{"[0:1]={5,6}","{5,6}","{NULL}","{}","{{1,2}}"}'),
	('text[]', '{"{NULL,\"NULL\"}","{\"a \\\"b\\\"\",\"\"}"}'),
	('pair', '{"(1,\"\"\"x\"\"\")","(1,null)","(,)"}'),
	('mood', '{sad,x}'),
	('text', '{"null","\"x\"","","{}","a'' \\b"}'),
	('character varying(3)', '{"ab ",abc}'),
	('character(3)', '{"a",abc}'),
	('name', '{x,"X y"}'),
	('bytea', '{"\\x00ff","\\x"}'),
	('boolean', '{true,false}'),
	('bigint', '{9223372036854775807,-1}'),
	('numeric', '{NaN,1.50,1e30}'),
	('double precision', '{NaN,Infinity,0.1,1e-300}'),
	('real', '{0.1,-Infinity}'),
	('date', '{infinity,"0044-03-15 BC",2020-02-29}'),
	('timestamp', '{-infinity,"2020-02-29 12:00:00.123456"}'),
	('timestamptz', '{infinity,"2020-02-29 12:00:00.123456+05:30"}'),
	('time', '{24:00}'),
	('timetz', '{"12:00+05:30"}'),
	('interval', '{"-1 day +02:00:00.5","1 year -1 mon"}'),
	('uuid', '{6ecd8c99-4036-403d-bf84-cf8400f67836}'),
	('inet', '{10.0.0.0/8,"::1"}'),
	('bit(3)', '{101}'),
	('int4range', '{empty,"[1,5)","(,)"}'),
	('int4multirange', '{"{}","{[1,2),[5,)}"}'),
	('tstzrange', '{"[2020-01-01 00:00:00+00,infinity)"}'),
	('tsvector', '{"''a'':1 ''b c'':2"}'),
	('regclass', '{pg_class,keys}');

-- The target refuses rows by a SQLSTATE: one that concerns a row, or one that concerns the statement.
CREATE TABLE refusal (sqlstate text);
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql SET search_path = app AS $$
BEGIN
	IF EXISTS (SELECT FROM refusal) THEN
		RAISE 'refused' USING ERRCODE = (SELECT sqlstate FROM refusal);
	END IF;
	RETURN NEW;
END $$;

CREATE TABLE ways (what text PRIMARY KEY, watched_key text, timing text, refusal text, deleted boolean);
INSERT INTO ways VALUES
	('new rows that are found by their primary key', 'PRIMARY KEY', 'commit', NULL, false),
	('new rows without a primary key', '', 'commit', NULL, false),
	('rows that were deleted', 'PRIMARY KEY', 'commit', NULL, true),
	('rows that are refused after the statement', 'PRIMARY KEY', 'statement', '23514', false),
	('a statement that is refused', 'PRIMARY KEY', 'statement', '0A000', false),
	('rows that are refused at commit', 'PRIMARY KEY', 'commit', '23514', false),
	('a statement that is refused at commit', 'PRIMARY KEY', 'commit', '0A000', false),
	('rows without a primary key that are refused', '', 'commit', '23514', false),
	('a statement on rows without a primary key that is refused', '', 'commit', '0A000', false),
	('deleted rows whose return is refused', 'PRIMARY KEY', 'statement', '23514', true),
	('a refused statement after a DELETE', 'PRIMARY KEY', 'statement', '0A000', true);

-- written sends values on a way, and tells the failures that waited, and what the target has in the end.
CREATE FUNCTION written(key keys, way ways) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	waited text := '0';
BEGIN
	SET CONSTRAINTS ALL DEFERRED;
	EXECUTE format('CREATE TABLE source (v %s %s); CREATE TABLE target (v %1$s PRIMARY KEY)', key.type, way.watched_key);
	CREATE TRIGGER refuse BEFORE INSERT ON target FOR EACH ROW EXECUTE FUNCTION refuse();
	PERFORM reconcile.create_invariant('kept', 'target', '{v}', 'SELECT v FROM source');
	PERFORM reconcile.guard('kept', CASE WHEN way.refusal IS NULL THEN 'block' ELSE 'queue' END, way.timing,
		on_delete => CASE WHEN way.deleted THEN 'recreate' ELSE 'ignore' END);
	IF way.deleted THEN
		EXECUTE format('INSERT INTO source SELECT unnest($1)::%s', key.type) USING key.texts;
		SET CONSTRAINTS ALL IMMEDIATE;
		SET CONSTRAINTS ALL DEFERRED;
	END IF;
	IF way.refusal IS NOT NULL THEN
		INSERT INTO refusal VALUES (way.refusal);
	END IF;
	IF way.deleted THEN
		DELETE FROM target;
	ELSE
		EXECUTE format('INSERT INTO source SELECT unnest($1)::%s', key.type) USING key.texts;
	END IF;
	SET CONSTRAINTS ALL IMMEDIATE;
	IF way.refusal IS NOT NULL THEN
		DELETE FROM refusal;
		waited := format('%s %s', (SELECT count(*) FROM reconcile.failures), (SELECT fixed FROM reconcile.retry_failures('kept')));
	END IF;
	waited := format('%s, written %s', waited, (SELECT array_agg(t.v::text ORDER BY t.v::text COLLATE "C") FROM target t));
	PERFORM reconcile.drop_invariant('kept');
	DROP TABLE source, target;
	RETURN waited;
EXCEPTION WHEN OTHERS THEN
	RETURN format('%s %s', SQLSTATE, SQLERRM);
END $$;

-- wanted is what written() tells when nothing is lost.
CREATE FUNCTION wanted(key keys, way ways) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	printed text;
BEGIN
	EXECUTE format('SELECT array_agg(v::%1$s::text ORDER BY v::%1$s::text COLLATE "C")::text FROM unnest($1) AS v', key.type)
		INTO printed USING key.texts;
	RETURN format('%s, written %s', CASE WHEN way.refusal IS NULL THEN '0'
		ELSE format('%s %1$s', cardinality(key.texts)) END, printed);
END $$;

-- The settings of the writer, who may like other ones, are not those under which keys are kept.
SET IntervalStyle = sql_standard;
SET DateStyle = 'SQL, DMY';
SELECT is(written(k, w), wanted(k, w), format('%s: %s', k.type, w.what)) FROM keys k, ways w ORDER BY k.type, w.what;

SELECT * FROM finish();
ROLLBACK;
