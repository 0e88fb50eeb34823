-- plan(), plan_rows(), compare_plans(), repair(plan =>): exactly what was reviewed is applied, or nothing.
--
-- "The dry run is the same code path as the live run and its counts are the counts": tried by letting the dry run of a plan
-- count the planned rows without looking which are there ('rows inserted meanwhile, dry run' fails), and by leaving
-- drop_present() out of the live run ('a planned row with NULL in its key' fails: the row is there twice). "A bad row is
-- reported and does not stop the rest": tried by raising it as with on_row_error stop ('a bad row of a plan' fails).
\ir ../support/invariant.sql
SELECT no_plan();

CREATE TABLE source (id integer PRIMARY KEY, v text);
INSERT INTO source SELECT n, 'v' || n FROM generate_series(1, 5) AS n;
CREATE TABLE target (id integer PRIMARY KEY, v text, at timestamptz DEFAULT now());
SELECT reconcile.create_invariant('i', 'target', '{id}', 'SELECT id, v FROM source') \g /dev/null

CREATE FUNCTION applied(plan bigint, dry_run boolean DEFAULT false) RETURNS counts LANGUAGE sql AS
	'SELECT ROW(planned, changed, already_present, failed)::app.counts FROM reconcile.repair(plan => applied.plan, dry_run => applied.dry_run)';

-- ---------------------------------------------------------------- what a plan is

SELECT reconcile.plan('i') AS plan \gset
SELECT results_eq(format('SELECT ordinal, key, row FROM reconcile.plan_rows(%s)', :plan),
	$$SELECT id::bigint, jsonb_build_object('id', id), jsonb_build_object('id', id, 'v', v) FROM source ORDER BY id$$, 'a plan has the missing rows');
SELECT is_empty('TABLE target', 'it writes no user data');
SELECT is_empty('TABLE reconcile.runs', 'and is no run');
SELECT results_eq(format('SELECT invariant, state, planned, created_by, expires_at - created_at, applied_by, applied_at FROM reconcile.plans WHERE plan_id = %s', :plan),
	$$VALUES ('i', 'open', 5::bigint, current_user::text COLLATE "default", interval '7 days', NULL::bigint, NULL::timestamptz)$$, 'the view shows it');
SELECT is(applied(:plan, true), '(5,5,0,0)', 'its dry run');
SELECT is_empty('TABLE target', 'writes nothing');
SELECT is((SELECT state FROM reconcile.plans WHERE plan_id = :plan), 'open', 'and leaves it open');
INSERT INTO source VALUES (6, 'v6');
SELECT is(applied(:plan), '(5,5,0,0)', 'it is applied');
SELECT results_eq('SELECT id, v FROM target ORDER BY id', 'SELECT id, v FROM source WHERE id < 6 ORDER BY id', 'exactly: what was missing later is not in it');
SELECT is((SELECT (p.state, p.applied_by = r.run_id, r.plan) FROM reconcile.plans p, reconcile.runs r WHERE plan_id = :plan),
	('applied'::text, true, :plan::bigint), 'plan and run name each other');
SELECT raised('a plan that is applied, dry_run ' || dry_run, format('SELECT applied(%s, %L)', :plan, dry_run), 'RC003',
	format('plan %s is applied already', :plan), detail => (SELECT format('Run %s applied it.', max(run_id)) FROM reconcile.runs))
FROM unnest('{false,true}'::boolean[]) AS dry_run;
SELECT is((SELECT count(*) FROM reconcile.runs), 1::bigint, 'once');

-- An empty plan can be applied as well.
SELECT counts('i', false) \g /dev/null
SELECT reconcile.plan('i') AS plan \gset
SELECT is_empty(format('SELECT * FROM reconcile.plan_rows(%s)', :plan), 'a plan with nothing to do');
SELECT is(applied(:plan), '(0,0,0,0)', 'is applied');

-- Rows that somebody else inserts meanwhile are counted, and theirs stay; the same in the dry run.
TRUNCATE target;
SELECT reconcile.plan('i') AS plan \gset
INSERT INTO target (id, v) VALUES (1, 'mine'), (2, 'mine');
SELECT is(applied(:plan, true), '(6,4,2,0)', 'rows inserted meanwhile, dry run');
SELECT is(applied(:plan), '(6,4,2,0)', 'rows inserted meanwhile');
SELECT is((SELECT array_agg(id ORDER BY id) FROM target WHERE v = 'mine'), '{1,2}', 'are left alone');

-- Where no unique index sees it, too: NULL in the key, and rows outside of a partial index.
CREATE TABLE nullable (k integer UNIQUE, v text);
SELECT reconcile.create_invariant('nullable', 'nullable', '{k}', 'SELECT NULL::integer AS k, ''null'' AS v UNION ALL SELECT 1, ''one''') \g /dev/null
SELECT reconcile.plan('nullable') AS plan \gset
SELECT is(counts('nullable', false), '(2,2,0,0)', 'a repair comes before the plan');
SELECT is(applied(:plan, true), '(2,0,2,0)', 'a planned row with NULL in its key, dry run');
SELECT is(applied(:plan), '(2,0,2,0)', 'a planned row with NULL in its key');
SELECT is((SELECT count(*) FROM nullable), 2::bigint, 'is not there twice');
CREATE TABLE soft (k integer, deleted boolean DEFAULT false);
CREATE UNIQUE INDEX ON soft (k) WHERE NOT deleted;
SELECT reconcile.create_invariant('soft', 'soft', '{k}', 'SELECT 1 AS k') \g /dev/null
SELECT reconcile.plan('soft') AS plan \gset
INSERT INTO soft VALUES (1, true);
SELECT is(applied(:plan, true), '(1,0,1,0)', 'a row that was soft-deleted meanwhile, dry run');
SELECT is(applied(:plan), '(1,0,1,0)', 'a row that was soft-deleted meanwhile');
SELECT is((SELECT count(*) FROM soft), 1::bigint, 'is not resurrected');

-- Bad rows of a plan.
CREATE TABLE choosy (id integer PRIMARY KEY CHECK (id <> 3));
SELECT reconcile.create_invariant('choosy', 'choosy', '{id}', 'SELECT id FROM source') \g /dev/null
SELECT reconcile.plan('choosy') AS plan \gset
SELECT throws_ok(format('SELECT * FROM reconcile.repair(plan => %s, dry_run => false, on_row_error => ''stop'')', :plan), '23514', NULL, 'stop at a bad row of a plan');
SELECT is((SELECT state FROM reconcile.plans WHERE plan_id = :plan), 'open', 'leaves the plan open');
SELECT is(applied(:plan), '(6,5,0,1)', 'a bad row of a plan');
SELECT is((SELECT count(*) FROM reconcile.failures WHERE invariant = 'choosy'), 1::bigint, 'is recorded');

-- A plan of a table that is undone: the run is undone like any.
SELECT is((SELECT removed FROM reconcile.undo((SELECT max(run_id) FROM reconcile.runs), false)), 5::bigint, 'an applied plan is undone as a run');

-- ---------------------------------------------------------------- stale plans

-- stale plans, runs something, and applies: the refusal and that nothing was written. NULL: it is not stale.
CREATE FUNCTION stale(what text, ddl text, why text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	plan bigint;
BEGIN
	DROP TABLE IF EXISTS t, t2, t3 CASCADE;
	CREATE TABLE t (id integer, v varchar(10), w integer);
	CREATE UNIQUE INDEX t_key ON t (id);
	INSERT INTO source VALUES (7, 'v7') ON CONFLICT DO NOTHING;
	PERFORM reconcile.create_invariant('s', 't', '{id}', 'SELECT id, v FROM source', severity => 'notice');
	plan := reconcile.plan('s');
	EXECUTE ddl;
	IF why IS NULL THEN
		RETURN NEXT is(applied(plan), (SELECT ROW(count, count, 0, 0)::counts FROM (SELECT count(*) FROM reconcile.plan_rows(plan)) AS r), what || ' does not matter');
	ELSE
		RETURN QUERY SELECT raised(what || ', dry_run ' || dry_run, format('SELECT applied(%s, %L)', plan, dry_run), 'RC002', format('plan %s is stale', plan),
			'Make a new one: SELECT reconcile.plan(''s'');', why) FROM unnest('{false,true}'::boolean[]) AS dry_run;
		RETURN NEXT is((SELECT state FROM reconcile.plans WHERE plan_id = plan), CASE why WHEN 'It expired.' THEN 'expired' ELSE 'open' END, what || ': its state');
		IF to_regclass('t') IS NOT NULL THEN
			RETURN NEXT is_empty('TABLE t', what || ': nothing is written');
		END IF;
	END IF;
	PERFORM reconcile.drop_invariant('s');
END $$;
SELECT stale(what, ddl, why) FROM (VALUES
	('an expired plan', 'UPDATE reconcile.saved_plan SET expires_at = now() - interval ''1 second'' WHERE applied_by IS NULL', 'It expired.'),
	('another query', 'SELECT reconcile.alter_invariant(''s'', expects => ''SELECT id, v FROM source WHERE true'')', 'The definition of invariant "s" changed.'),
	('another key', 'CREATE UNIQUE INDEX ON t (id, v); SELECT reconcile.alter_invariant(''s'', key => ''{id,v}'')', 'The definition of invariant "s" changed.'),
	('a compared column', 'SELECT reconcile.alter_invariant(''s'', compare => ''{v}'')', 'The definition of invariant "s" changed.'),
	('another condition', 'SELECT reconcile.alter_invariant(''s'', where_absent => ''w = 1'')', 'The definition of invariant "s" changed.'),
	('another target', 'CREATE TABLE t2 (LIKE t INCLUDING ALL); SELECT reconcile.alter_invariant(''s'', target => ''t2'')', 'The definition of invariant "s" changed.'),
	('another severity', 'SELECT reconcile.alter_invariant(''s'', severity => ''warning'')', NULL),
	('another description', 'SELECT reconcile.alter_invariant(''s'', description => ''words'')', NULL),
	('the type of a column', 'ALTER TABLE t ALTER v TYPE text', 'The structure of app.t changed.'),
	('the length of a column', 'ALTER TABLE t ALTER v TYPE varchar(20)', 'The structure of app.t changed.'),
	('an added column', 'ALTER TABLE t ADD x text', 'The structure of app.t changed.'),
	('a dropped column', 'ALTER TABLE t DROP w', 'The structure of app.t changed.'),
	('a renamed column', 'ALTER TABLE t RENAME w TO z', 'The structure of app.t changed.'),
	('a column that must not be NULL', 'ALTER TABLE t ALTER v SET NOT NULL', 'The structure of app.t changed.'),
	('a dropped index', 'DROP INDEX t_key', 'The structure of app.t changed.'),
	('another index', 'DROP INDEX t_key; CREATE UNIQUE INDEX t_key2 ON t (id)', 'The structure of app.t changed.'),
	('a partial index in its place', 'DROP INDEX t_key; CREATE UNIQUE INDEX t_key ON t (id) WHERE w IS NULL', 'The structure of app.t changed.'),
	('the same index made again', 'DROP INDEX t_key; CREATE UNIQUE INDEX t_key ON t (id)', NULL),
	('an index on other columns', 'CREATE INDEX ON t (v)', NULL),
	('a renamed target', 'ALTER TABLE t RENAME TO t3', 'The structure of app.t3 changed.'),
	('a row that is not expected any more', 'DELETE FROM source WHERE id = 7', '1 planned row is not expected any more; one has the key {"id": 7}.'),
	('rows that are not expected any more', 'DELETE FROM source WHERE id IN (1, 7)', '2 planned rows are not expected any more; one has the key {"id": 1}.'),
	('another value for a planned key', 'UPDATE source SET v = ''later'' WHERE id = 2', '1 planned row is expected with other values now; one has the key {"id": 2}.'),
	('no value for planned keys', 'UPDATE source SET v = NULL WHERE id IN (2, 3)', '2 planned rows are expected with other values now; one has the key {"id": 2}.'),
	('rows that are gone and others that changed', 'DELETE FROM source WHERE id = 7; UPDATE source SET v = ''later'' WHERE id = 3', '1 planned row is not expected any more; one has the key {"id": 7}.'),
	('the same value written again', 'UPDATE source SET v = v', NULL),
	('new rows', 'INSERT INTO source VALUES (1, ''v1''), (8, ''v8'')', NULL)
) AS c(what, ddl, why);
SELECT is((SELECT v FROM t WHERE id = 3), 'later', 'a later plan plans the later value');

-- What the query yields changes with the tables it reads.
CREATE FUNCTION yields_otherwise(what text, ddl text, why text, kind text DEFAULT 'insert') RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	plan bigint;
BEGIN
	DROP TABLE IF EXISTS y, ys CASCADE;
	CREATE TABLE ys (id integer, v text);
	CREATE TABLE y (id integer PRIMARY KEY, v text, w integer DEFAULT 7);
	INSERT INTO ys VALUES (1, 'one'), (2, 'two');
	INSERT INTO y SELECT id FROM ys WHERE kind = 'fill';
	PERFORM reconcile.create_invariant('y', 'y', '{id}', 'SELECT * FROM ys', kind => kind);
	plan := reconcile.plan('y');
	EXECUTE ddl;
	RETURN QUERY SELECT raised(format('%s, %s, dry_run %s', what, kind, dry_run), format('SELECT applied(%s, %L)', plan, dry_run), 'RC002',
		format('plan %s is stale', plan), 'Make a new one: SELECT reconcile.plan(''y'');', why) FROM unnest('{false,true}'::boolean[]) AS dry_run;
	PERFORM reconcile.drop_invariant('y');
END $$;
SELECT yields_otherwise(what, ddl, why, kind) FROM unnest('{insert,fill}'::text[]) AS kind, (VALUES
	('a column with another type', 'ALTER TABLE ys DROP v; ALTER TABLE ys ADD v varchar', 'The columns that the query yields changed.'),
	('one more column', 'ALTER TABLE ys ADD w integer', 'The columns that the query yields changed.'),
	('a column of both made anew with another type', 'ALTER TABLE ys DROP v; ALTER TABLE ys ADD v integer; ALTER TABLE y DROP v; ALTER TABLE y ADD v integer',
	 'The structure of app.y changed.')
) AS c(what, ddl, why);

-- A target that is gone, or an invariant.
SELECT reconcile.create_invariant('s', 't', '{id}', 'SELECT id + 100 AS id, v FROM source') \g /dev/null
SELECT reconcile.plan('s') AS plan \gset
SELECT reconcile.drop_invariant('s') \g /dev/null
SELECT throws_ok(format('SELECT applied(%s)', :plan), '42704', NULL, 'a plan of a dropped invariant');
SELECT throws_ok(format('SELECT reconcile.plan_rows(%s)', :plan), '42704', NULL, 'its rows');

-- ---------------------------------------------------------------- wrong arguments

SELECT reconcile.plan('i') AS plan \gset
SELECT raised(what, format(sql, :plan), code, format(message, :plan), hint) FROM (VALUES
	('a plan of another invariant', 'SELECT reconcile.repair(''soft'', plan => %s)', '22023', 'plan %s is of invariant "i"', 'Leave out the arguments invariant and pack.'),
	('a plan with a pack', 'SELECT reconcile.repair(pack => ''p'', plan => %s)', '22023', 'plan %s is of invariant "i"', 'Leave out the arguments invariant and pack.'),
	('an unknown plan', 'SELECT reconcile.repair(plan => 1000%s)', '42704', 'plan 1000%s does not exist', 'View reconcile.plans lists all plans.'),
	('rows of an unknown plan', 'SELECT reconcile.plan_rows(1000%s)', '42704', 'plan 1000%s does not exist', NULL),
	('rows of no plan', 'SELECT reconcile.plan_rows(NULL)', '22004', 'argument "plan" must not be null', NULL),
	('a plan of no invariant', 'SELECT reconcile.plan(NULL)', '22004', 'argument "invariant" must not be null', NULL),
	('a plan of an unknown invariant', 'SELECT reconcile.plan(''ii'')', '42704', 'invariant "ii" does not exist', NULL)
) AS c(what, sql, code, message, hint);
SELECT lives_ok(format('SELECT * FROM reconcile.repair(''i'', plan => %s)', :plan), 'the invariant may be named beside its plan');
SAVEPOINT read_only;
SET TRANSACTION READ ONLY;
SELECT is((SELECT changed FROM reconcile.repair(plan => :plan)), (SELECT planned FROM reconcile.plans WHERE plan_id = :plan), 'dry run of a plan in a read-only transaction');
SELECT lives_ok(format('SELECT * FROM reconcile.plan_rows(%s)', :plan), 'rows of a plan in a read-only transaction');
SELECT throws_ok($$SELECT reconcile.plan('i')$$, '25006', 'cannot execute reconcile.plan() in a read-only transaction', 'a plan is saved');
ROLLBACK TO read_only;

-- Another role.
CREATE ROLE plan_reader;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA reconcile TO plan_reader;
SET LOCAL ROLE plan_reader;
SELECT throws_ok(format(sql, :plan), '42501', 'permission denied for invariant "i"', sql || ' of another role') FROM unnest(ARRAY[
	'SELECT reconcile.plan(''i'')', 'SELECT reconcile.plan_rows(%s)', 'SELECT reconcile.repair(plan => %s)']) AS sql;
RESET ROLE;

-- ---------------------------------------------------------------- values

-- exact plans rows of a type and applies them in another session's styles: what is there is what the query yields.
CREATE FUNCTION exact(type text, expressions text[]) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	query text := (SELECT string_agg(format('SELECT %s AS n, (%s)::%s AS v', n, e, type), ' UNION ALL ') FROM unnest(expressions) WITH ORDINALITY AS t(e, n));
	plan bigint;
BEGIN
	DROP TABLE IF EXISTS t CASCADE;
	EXECUTE format('CREATE TABLE t (n integer PRIMARY KEY, v %s)', type);
	PERFORM reconcile.create_invariant('t', 't', '{n}', query);
	SET LOCAL DateStyle = 'SQL, DMY'; SET LOCAL IntervalStyle = 'sql_standard'; SET LOCAL extra_float_digits = -15;
	SET LOCAL bytea_output = 'escape'; SET LOCAL TimeZone = 'America/St_Johns';
	plan := reconcile.plan('t');
	SET LOCAL DateStyle = 'German'; SET LOCAL IntervalStyle = 'postgres_verbose'; SET LOCAL extra_float_digits = 3;
	SET LOCAL bytea_output = 'hex'; SET LOCAL TimeZone = 'Asia/Kathmandu';
	RETURN NEXT is(applied(plan), ROW(cardinality(expressions), cardinality(expressions), 0, 0)::counts, type || ': applied');
	RETURN NEXT results_eq('SELECT n, v::text, pg_column_size(v) > 0 FROM t ORDER BY n', format('SELECT n, v::text, pg_column_size(v) > 0 FROM (%s) AS t ORDER BY n', query),
		type || ': exactly what the query yields');
	SET LOCAL DateStyle = 'ISO, MDY'; SET LOCAL IntervalStyle = 'postgres'; SET LOCAL extra_float_digits = 1; SET LOCAL TimeZone = 'UTC';
	PERFORM reconcile.drop_invariant('t');
EXCEPTION WHEN OTHERS THEN
	RETURN NEXT fail(format('%s: %s %s', type, SQLSTATE, SQLERRM));
END $$;
CREATE TYPE mood AS ENUM ('sad', 'it''s', 'a,b', '"q"');
CREATE DOMAIN word AS varchar(5) CHECK (VALUE <> '');
CREATE DOMAIN document AS jsonb CHECK (VALUE IS NOT NULL);
CREATE DOMAIN words AS text[];
CREATE TYPE pair AS (a integer, b text, c timestamptz);
CREATE TYPE nested AS (p pair, j json, m mood[]);
CREATE TYPE floats AS RANGE (subtype = float8);
SELECT exact(type, expressions) FROM (VALUES
	('boolean', ARRAY['true', 'false', 'NULL']),
	('smallint', ARRAY['-32768', 'NULL']), ('bigint', ARRAY['9223372036854775807', '-9223372036854775808']),
	('numeric', ARRAY['''NaN''', '''Infinity''', '''-Infinity''', '1.500', '1e-100', 'repeat(''9'', 1000)', 'NULL']),
	('numeric(10,2)', ARRAY['1.50', '-0.01']), ('numeric(3,-2)', ARRAY['12300']),
	('float8', ARRAY['0.1::float8 + 0.2::float8', '''NaN''', '''-Infinity''', '1e308', '5e-324']),
	('float4', ARRAY['1.1', '''Infinity''', '16777217', '3.4028235e38']),
	('text', ARRAY[$$''$$, $$'null'$$, $$'"'$$, $$E'\\ \b\f\n\r\t \x01 \' " é 🐘 \u2028'$$, $$'{"a": 1}'$$, $$repeat('é"\', 400000)$$, 'NULL', $$'; DROP TABLE source; --'$$]),
	('varchar(4)', ARRAY[$$'ab  '$$, $$''$$]), ('char(4)', ARRAY[$$'a'$$, $$''$$]), ('"char"', ARRAY[$$'x'$$, $$'"'$$]), ('name', ARRAY[$$'n''"'$$]),
	('bytea', ARRAY[$$'\x00ff5c27'$$, $$''$$, 'NULL']),
	('date', ARRAY[$$'infinity'$$, $$'-infinity'$$, $$'0044-03-15 BC'$$, $$'2024-02-03'$$, $$'12345-06-07'$$]),
	('timestamptz', ARRAY[$$'2024-02-29 12:34:56.789012+05:30'$$, $$'infinity'$$, $$'0001-01-01 00:00:00.000001+00 BC'$$, $$'1880-01-01 00:00+00'$$]),
	('timestamptz(3)', ARRAY[$$'2024-02-29 12:34:56.789+00'$$]),
	('timestamp', ARRAY[$$'2024-02-03 00:00:00.000001'$$, $$'-infinity'$$]), ('time', ARRAY[$$'24:00'$$, $$'00:00:00.000001'$$]), ('timetz', ARRAY[$$'12:00:00-05:30'$$]),
	('interval', ARRAY[$$'-1 day +02:03:04.000005'$$, $$'1 year -2 months 3 days'$$, $$'-1 day -02:03:04'$$, $$'-1 year -2 days'$$, $$'0'$$]),
	('uuid', ARRAY[$$'00000000-0000-0000-0000-000000000001'$$]),
	('bit(5)', ARRAY[$$'10101'$$]), ('bit varying', ARRAY[$$'10'$$, $$''$$]),
	('integer[]', ARRAY[$$'{}'$$, $$'{1,NULL,3}'$$, $$'{{1,2},{3,4}}'$$, $$'[0:1][5:5]={{1},{2}}'$$, 'NULL']),
	('text[]', ARRAY[$$ARRAY['NULL', NULL, '', 'a,b', '"', '\', '{}', 'é']$$]), ('timestamptz[]', ARRAY[$$ARRAY['2024-02-03 04:05:06.7+00'::timestamptz, 'infinity']$$]),
	('bytea[]', ARRAY[$$ARRAY['\x00'::bytea, NULL]$$]), ('mood[]', ARRAY[$$'{sad,"a,b"}'$$]), ('words', ARRAY[$$'{a,b}'$$, 'NULL']),
	('json', ARRAY[$$'{"b": 1,   "a": 2, "a": 3}'$$, $$'null'$$, $$'"x"'$$, $$'1.50'$$, $$' [1 , 2] '$$, 'NULL']),
	('jsonb', ARRAY[$$'{"b": 1.50, "a": null}'$$, $$'null'$$, $$'"x"'$$, $$'"null"'$$, $$'[]'$$, $$'"{}"'$$, $$'true'$$, $$'1e400'$$, 'NULL']),
	('document', ARRAY[$$'null'$$, $$'{"a": []}'$$]), ('json[]', ARRAY[$$ARRAY['{"b":1, "a":2}'::json, 'null', NULL]$$]), ('jsonb[]', ARRAY[$$ARRAY['null'::jsonb, '"x"', NULL]$$]),
	('mood', ARRAY[$$'it''s'$$, $$'"q"'$$, 'NULL']), ('word', ARRAY[$$'a"b\'$$]),
	('pair', ARRAY[$$ROW(1, 'x,"y', '2024-02-03 04:05:06.000007+00')$$, $$ROW(NULL, NULL, NULL)$$, $$ROW(NULL, '', NULL)$$, 'NULL']),
	('pair[]', ARRAY[$$ARRAY[ROW(1, 'x', NULL)::pair, NULL]$$]), ('nested', ARRAY[$$ROW(ROW(1, 'x', 'infinity')::pair, '{"b" :1}'::json, '{sad,NULL}'::mood[])$$]),
	('int4range', ARRAY[$$'empty'$$, $$'[1,5)'$$, $$'(,)'$$]), ('tstzrange', ARRAY[$$'[2024-02-03 04:05:06.7+00,infinity]'$$]), ('daterange', ARRAY[$$'[2024-02-03,2024-12-13)'$$]),
	('int8multirange', ARRAY[$$'{[1,3),[5,7)}'$$]), ('floats', ARRAY[$$'[0.1,0.30000000000000004)'$$]),
	('inet', ARRAY[$$'::1/64'$$, $$'10.0.0.1'$$]), ('macaddr', ARRAY[$$'08:00:2b:01:02:03'$$]), ('money', ARRAY[$$'1234.56'$$, $$'-0.01'$$]),
	('xml', ARRAY[$$'<a b="c">é&lt;</a>'$$]), ('point', ARRAY[$$'(0.1,1e-300)'$$]), ('box', ARRAY[$$'(1,2),(3,4)'$$]),
	('tsvector', ARRAY[$$'''a b'':1A c'$$]), ('tsquery', ARRAY[$$'a & !b'$$]), ('jsonpath', ARRAY[$$'$.a[*] ? (@ > 1)'$$]),
	('regclass', ARRAY[$$'app.source'$$]), ('oid', ARRAY['4294967295']), ('pg_lsn', ARRAY[$$'16/B374D848'$$]), ('xid8', ARRAY[$$'18446744073709551615'$$])
) AS t(type, expressions)
WHERE t.type <> 'xml' OR EXISTS (SELECT FROM pg_config WHERE setting LIKE '%with-libxml%');  -- 16's wheel has none

-- Names of columns that JSON or SQL could mistake.
CREATE TABLE names ("a""b" integer PRIMARY KEY, "é 🐘" text, "select" text, "x'y\" text, "$1" text, "%s" text);
SELECT reconcile.create_invariant('names', 'names', ARRAY['a"b'], $$SELECT 1 AS "a""b", 'e' AS "é 🐘", 's' AS "select", 'x' AS "x'y\", '$' AS "$1", '%' AS "%s"$$) \g /dev/null
SELECT is(applied(reconcile.plan('names')), '(1,1,0,0)', 'hostile names of columns');
SELECT results_eq('TABLE names', $$VALUES (1, 'e', 's', 'x', '$', '%')$$, 'are written right');

-- Many columns.
SELECT format('CREATE TABLE wide (%s)', string_agg(format('c%s integer%s', n, CASE n WHEN 1 THEN ' PRIMARY KEY' END), ', ')) FROM generate_series(1, 300) AS n \gexec
SELECT reconcile.create_invariant('wide', 'wide', '{c1}', (SELECT 'SELECT ' || string_agg(format('%s AS c%s', n, n), ', ') FROM generate_series(1, 300) AS n)) \g /dev/null
SELECT is(applied(reconcile.plan('wide')), '(1,1,0,0)', '300 columns');
SELECT is((SELECT c300 FROM wide), 300, 'are written');

-- What the query makes anew each time is applied as it was planned.
CREATE TABLE timed (id integer PRIMARY KEY, at timestamptz, r float8, u uuid);
SELECT reconcile.create_invariant('timed', 'timed', '{id}', 'SELECT id, clock_timestamp() AS at, random() AS r, gen_random_uuid() AS u FROM source') \g /dev/null
SELECT reconcile.plan('timed') AS plan \gset
SELECT lives_ok(format('SELECT applied(%s)', :plan), 'a plan with values of the moment');
SELECT results_eq('SELECT id, at, r, u FROM timed ORDER BY id', format('SELECT (row ->> ''id'')::integer, (row ->> ''at'')::timestamptz, (row ->> ''r'')::float8,
	(row ->> ''u'')::uuid FROM reconcile.plan_rows(%s) ORDER BY 1', :plan), 'is applied with the planned values');

-- That is also so however deep in the query the moment is asked; the other columns are compared all the same.
CREATE VIEW momentary AS SELECT id, left(random()::text, 9) AS v FROM source;
CREATE FUNCTION moody() RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN left(random()::text, 9); END';  -- volatile, as nobody said otherwise
CREATE FUNCTION of_the_moment(what text, query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	plan bigint;
BEGIN
	DROP TABLE IF EXISTS t CASCADE;
	CREATE TABLE t (id integer PRIMARY KEY, v text, w text);
	PERFORM reconcile.create_invariant('t', 't', '{id}', format('SELECT q.*, s.v AS w FROM (%s) AS q JOIN source s USING (id)', query));
	plan := reconcile.plan('t');
	RETURN NEXT is(applied(plan, true), (SELECT ROW(count(*), count(*), 0, 0)::counts FROM source), what || ' of the moment does not make a plan stale');
	PERFORM reconcile.alter_invariant('t', expects => query);
	plan := reconcile.plan('t');
	RETURN NEXT is(applied(plan), (SELECT ROW(count(*), count(*), 0, 0)::counts FROM source), what || ' of the moment is applied');
	PERFORM reconcile.drop_invariant('t');
END $$;
SELECT of_the_moment(what, query) FROM (VALUES
	('a value', 'SELECT id, left(clock_timestamp()::text, 30) AS v FROM source'),
	('a column of a subquery', 'SELECT id, r AS v FROM (SELECT id, left(random()::text, 9) AS r FROM source) AS s'),
	('DISTINCT ON', 'SELECT DISTINCT ON (id) * FROM (SELECT id, left(random()::text, 9) AS v FROM source) AS s ORDER BY id'),
	('a WITH query', 'WITH s AS (SELECT id, left(random()::text, 9) AS v FROM source) SELECT * FROM s'),
	('a part of a UNION', 'SELECT id, v FROM source WHERE id < 3 UNION ALL SELECT id, left(random()::text, 9) FROM source WHERE id >= 3'),
	('a function in FROM', 'SELECT id, left(r::text, 9) AS v FROM source, random() AS r'),
	('a column of a view', 'SELECT id, v FROM momentary'),
	('a scalar subquery', 'SELECT id, (SELECT left((random() + s.id)::text, 9)) AS v FROM source s'),
	('a function of a user', 'SELECT id, moody() AS v FROM source'),
	('a grouped value', 'SELECT id, left(random()::text, 9) AS v FROM source GROUP BY 1, 2'),
	('a merged column of a join', 'SELECT id, v FROM source FULL JOIN (SELECT id, left(random()::text, 9) AS v FROM source) AS s USING (id, v) WHERE length(v) = 9')
) AS t(what, query);
CREATE TABLE mixed (id integer PRIMARY KEY, v text, at timestamptz);
SELECT reconcile.create_invariant('mixed', 'mixed', '{id}', 'SELECT id, v, clock_timestamp() AS at FROM source') \g /dev/null
SELECT reconcile.plan('mixed') AS plan \gset
UPDATE source SET v = 'later still' WHERE id = 3;
SELECT raised('a plan with a value of the moment and one that changed', format('SELECT applied(%s)', :plan), 'RC002', format('plan %s is stale', :plan),
	detail => '1 planned row is expected with other values now; one has the key {"id": 3}.');

-- ---------------------------------------------------------------- comparing plans

CREATE TABLE compared (id integer PRIMARY KEY, v text);
UPDATE source SET v = 'v' || id;
SELECT reconcile.create_invariant('compared', 'compared', '{id}', 'SELECT id, v FROM source') \g /dev/null
SELECT reconcile.plan('compared') AS a \gset
SELECT reconcile.plan('compared') AS b \gset
SELECT is_empty(format('SELECT * FROM reconcile.compare_plans(%s, %s)', :a, :b), 'two plans of the same are the same');
SELECT is((SELECT count(DISTINCT fingerprint) FROM reconcile.plans WHERE plan_id IN (:a, :b)), 1::bigint, 'and have one fingerprint');
DELETE FROM source WHERE id = 1;
UPDATE source SET v = 'changed' WHERE id = 2;
INSERT INTO source VALUES (99, 'new');
SELECT reconcile.plan('compared') AS b \gset
SELECT results_eq(format('SELECT key, change, a_row ->> ''v'', b_row ->> ''v'' FROM reconcile.compare_plans(%s, %s)', :a, :b),
	$$VALUES ('{"id": 1}'::jsonb, 'only in a', (SELECT row ->> 'v' FROM reconcile.plan_rows($$ || :a || $$) WHERE key = '{"id": 1}'), NULL),
	         ('{"id": 2}', 'differs', 'v2', 'changed'), ('{"id": 99}', 'only in b', NULL, 'new')$$, 'what differs between two plans');
SELECT is((SELECT count(DISTINCT fingerprint) FROM reconcile.plans WHERE plan_id IN (:a, :b)), 2::bigint, 'they have two fingerprints');
UPDATE source SET v = 'changed again' WHERE id = 2;
SELECT reconcile.plan('compared') AS c \gset
SELECT isnt((SELECT fingerprint FROM reconcile.plans WHERE plan_id = :b), (SELECT fingerprint FROM reconcile.plans WHERE plan_id = :c), 'the values are part of it');
ALTER TABLE compared ADD w text;
SELECT reconcile.plan('compared') AS c \gset
SELECT isnt((SELECT fingerprint FROM reconcile.plans WHERE plan_id = :b), (SELECT fingerprint FROM reconcile.plans WHERE plan_id = :c), 'the structure is part of it');
SELECT throws_ok(format('SELECT * FROM reconcile.compare_plans(%s, %s)', a, b), '42704', NULL, 'comparing with an unknown plan')
FROM (VALUES (:a::bigint, 100000::bigint), (100000, :a)) AS t(a, b);

-- A planned row with NULL for a column that refuses it is still expected; it fails when it is written, not as stale.
CREATE TABLE must (id integer PRIMARY KEY, v text);
SELECT reconcile.create_invariant('must', 'must', '{id}', 'SELECT nullif(n, 2) AS id, ''v'' AS v FROM generate_series(1, 3) AS n') \g /dev/null
SELECT reconcile.plan('must') AS must \gset
SELECT is((SELECT (planned, changed, failed) FROM reconcile.repair(plan => :must, dry_run => false)), (3::bigint, 2::bigint, 1::bigint),
	'NULL in a key that the target refuses does not make a plan stale');
SELECT reconcile.drop_invariant('must') \g /dev/null

-- ---------------------------------------------------------------- how they are kept

-- Several rows are one record; batches begin and end within records. Tried by reading each record from its first row on and
-- by beginning with the record after the one that has the first row: both times the run ends with an error.
CREATE TABLE unlike (id integer PRIMARY KEY, v text);
CREATE VIEW unlikes AS SELECT n AS id, repeat('x', CASE WHEN n % 50 = 0 THEN 20000 WHEN n % 7 = 0 THEN 1500 ELSE n % 40 END) AS v
	FROM generate_series(1, 300) AS n;
SELECT reconcile.create_invariant('unlike', 'unlike', '{id}', 'SELECT * FROM unlikes') \g /dev/null
CREATE FUNCTION in_batches(size integer) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	run bigint := reconcile.begin_batches('unlike');
	rows integer;
BEGIN
	WHILE reconcile.run_batch(run, 'unlike', size) LOOP
		rows := coalesce(rows, 0) + size;
		IF (SELECT count(*) = rows AND max(id) = rows FROM app.unlike) IS NOT TRUE THEN
			RETURN NEXT fail(format('%s rows in batches of %s', rows, size));
		END IF;
	END LOOP;
	RETURN NEXT set_eq('TABLE app.unlike', 'TABLE app.unlikes', 'all rows, in batches of ' || size);
	RETURN NEXT results_eq('SELECT id FROM app.unlike ORDER BY ctid', 'SELECT id FROM app.unlike ORDER BY id', 'in their order');
	TRUNCATE app.unlike;
END $$;
SELECT in_batches(size) FROM unnest('{3,7,100,1000}'::integer[]) AS size;
SELECT reconcile.plan('unlike') AS plan \gset
SELECT results_eq(format('SELECT ordinal, key, row FROM reconcile.plan_rows(%s)', :plan),
	$$SELECT id::bigint, jsonb_build_object('id', id), jsonb_build_object('id', id, 'v', v) FROM unlikes ORDER BY id$$, 'its rows, one by one');
SELECT cmp_ok((SELECT count(*) FROM reconcile.saved_plan_rows WHERE plan_id = :plan), '<', 100::bigint, 'are in fewer records');
SELECT is(applied(:plan), '(300,300,0,0)', 'all are applied at once, too');

SELECT * FROM finish();
ROLLBACK;
