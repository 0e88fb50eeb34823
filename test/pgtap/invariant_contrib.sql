-- Invariants over what PostgreSQL's own extensions bring: case-insensitive text, hstore, foreign tables, and collations
-- of ICU. Skipped where they are not installed.
\ir ../support/invariant.sql
SELECT count(*) = 5 AND EXISTS (SELECT FROM pg_collation WHERE collprovider = 'i') AS installed
FROM pg_available_extensions WHERE name IN ('citext', 'hstore', 'dblink', 'postgres_fdw', 'file_fdw') \gset
\if :installed
CREATE SCHEMA contrib;
CREATE EXTENSION citext SCHEMA contrib;
CREATE EXTENSION hstore SCHEMA contrib;
CREATE EXTENSION dblink SCHEMA contrib;
CREATE EXTENSION postgres_fdw SCHEMA contrib;
CREATE EXTENSION file_fdw SCHEMA contrib;
SELECT no_plan();

-- ---------------------------------------------------------------- types

-- Their operators are not in the search_path: the engine must find them by itself.
SELECT with_type(type, v, nulls)
FROM unnest(ARRAY['NOT NULL', 'NULL']) AS nulls,
     (VALUES ('contrib.citext', ARRAY['', 'a', 'b']), ('contrib.hstore', ARRAY['', 'a=>1', 'a=>NULL'])) AS t(type, v);
SELECT converges('citext finds the other case', 'CREATE TABLE target (k contrib.citext PRIMARY KEY);
	INSERT INTO target VALUES (''ADA'')', '{k}', 'SELECT ''ada''::contrib.citext AS k UNION ALL SELECT ''bob''', 1, 1);
SELECT converges('text that fills citext', 'CREATE TABLE target (k contrib.citext PRIMARY KEY); INSERT INTO target VALUES (''ADA'')',
	'{k}', 'SELECT ''ada'' AS k', 0, 0);
SELECT converges('a row twice, equal by the column''s type alone', 'CREATE TABLE target (k contrib.citext PRIMARY KEY)', '{k}',
	$$SELECT k::contrib.citext FROM unnest('{x,x}'::text[]) AS k$$, 2, 1);

CREATE TABLE people (id integer PRIMARY KEY, name contrib.citext, tags contrib.hstore);
INSERT INTO people VALUES (1, 'ADA', 'a=>1,b=>2'), (2, 'Bob', 'a=>1');
SELECT reconcile.create_invariant('people', 'people', '{id}', $$SELECT * FROM (VALUES (1, 'ada'::contrib.citext,
	'b=>2,a=>1'::contrib.hstore), (2, 'bobby', 'a=>2')) AS t(id, name, tags)$$, compare => '{name,tags}') \g /dev/null
SELECT is((SELECT (state, differing)::text FROM reconcile.audit('people')), '(drift,1)', 'compare uses the equality of the type');
SELECT results_eq($$SELECT key, kind, actual, reason FROM reconcile.findings('people')$$,
	$$VALUES ('{"id": 2}'::jsonb, 'differs', '{"name": "Bob", "tags": {"a": "1"}}'::jsonb,
	'name is ''Bob'', expected ''bobby''; tags is ''"a"=>"1"'', expected ''"a"=>"2"''')$$, 'and says what differs');

CREATE COLLATION loud (PROVIDER = icu, LOCALE = 'und-u-ks-level2', DETERMINISTIC = false);
SELECT converges('key that ignores case by its collation',
	'CREATE TABLE target (k text COLLATE loud PRIMARY KEY); INSERT INTO target VALUES (''ADA'')',
	'{k}', 'SELECT k COLLATE "C" AS k FROM unnest(''{ada,Bob}''::text[]) AS k', 1, 1);
SELECT converges('nullable key that ignores case by its collation',
	'CREATE TABLE target (k text COLLATE loud UNIQUE); INSERT INTO target VALUES (''ADA''), (NULL)',
	'{k}', 'SELECT k COLLATE "C" AS k FROM unnest(''{ada,Bob,NULL}''::text[]) AS k', 1, 1);

-- ---------------------------------------------------------------- foreign tables

CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
CREATE FOREIGN TABLE a_file (id integer) SERVER files OPTIONS (filename '/dev/null');
SELECT raised('a file', $$SELECT reconcile.create_invariant('i', 'a_file', '{id}', 'SELECT 1 AS id')$$, '0A000',
	'cannot insert into foreign table "a_file"');
CREATE TABLE from_file (id integer PRIMARY KEY);
SELECT lives_ok($$SELECT reconcile.create_invariant('from_file', 'from_file', '{id}', 'TABLE a_file')$$, 'but a file can be read');
SELECT is(counts('from_file', false), '(0,0,0,0)', 'an empty one asks for nothing');

-- A table of another session of the same server, so that it is really there.
SELECT format('dbname=%s host=%s port=%s', current_database(), split_part(current_setting('unix_socket_directories'), ',', 1),
	current_setting('port')) AS address \gset
SELECT contrib.dblink_connect('other', :'address') \g /dev/null
SELECT contrib.dblink_exec('other', 'CREATE TABLE public.remote (id integer PRIMARY KEY, kind text CHECK (kind <> ''bad''))') \g /dev/null
SELECT format('CREATE SERVER loopback FOREIGN DATA WRAPPER postgres_fdw OPTIONS (dbname %L, host %L, port %L)',
	current_database(), split_part(current_setting('unix_socket_directories'), ',', 1), current_setting('port')) \gexec
CREATE USER MAPPING FOR CURRENT_USER SERVER loopback;
CREATE FOREIGN TABLE remote (id integer, kind text) SERVER loopback OPTIONS (schema_name 'public', table_name 'remote');
SELECT reconcile.create_invariant('remote', 'remote', '{id}', $$SELECT id, CASE id WHEN 7 THEN 'bad' ELSE 'good' END AS kind
	FROM generate_series(1, 10) AS id$$) \g /dev/null
SELECT is(counts('remote', true), '(10,10,0,0)', 'dry run of a foreign table');
SELECT is((SELECT count(*) FROM remote), 0::bigint, 'it wrote nothing');
SELECT is(counts('remote', false), '(10,9,0,1)', 'live run of a foreign table');
SELECT is((SELECT (key, sqlstate)::text FROM reconcile.failures), '("{""id"": 7}",23514)', 'its bad row is recorded');
SELECT is((SELECT array_agg(id ORDER BY id) FROM remote), '{1,2,3,4,5,6,8,9,10}', 'the others are there');
SELECT is((SELECT array_agg(id ORDER BY id) FROM (SELECT (row ->> 'id')::integer AS id FROM reconcile.run_row) AS r), '{1,2,3,4,5,6,8,9,10}',
	'and recorded one by one');
SELECT is(counts('remote', false), '(1,0,0,1)', 'the second run changes nothing');
SELECT raised('xmin of a foreign table', $$SELECT counts('remote', false, record => 'xmin')$$, '0A000',
	'rows of app.remote cannot be recorded by xmin', 'Use record => ''rows'' or ''auto''.');
-- The remote transaction is this one's and holds locks until it ends.
SELECT * FROM finish();
ROLLBACK;
\c
DROP TABLE IF EXISTS public.remote;
\else
SELECT plan(1);
SELECT skip('citext, hstore, dblink, postgres_fdw, file_fdw or ICU is not installed', 1);
ROLLBACK;
\endif
