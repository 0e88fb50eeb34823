-- repair(): what it writes and counts, what a bad row does, what a dry run leaves alone.
\ir ../support/invariant.sql
SELECT no_plan();

CREATE TABLE source (id integer PRIMARY KEY, kind text);
INSERT INTO source SELECT n, CASE WHEN n % 100 = 0 THEN 'bad' ELSE 'good' END FROM generate_series(1, 1000) AS n;

-- ---------------------------------------------------------------- a clean run

CREATE TABLE clean (id integer PRIMARY KEY, kind text, at timestamptz DEFAULT now());
SELECT reconcile.create_invariant('clean', 'clean', '{id}', 'SELECT id, kind FROM source') \g /dev/null
SELECT is(counts('clean', true), '(1000,1000,0,0)', 'dry run');
SELECT is_empty('TABLE clean', 'it wrote nothing');
SELECT is_empty('TABLE reconcile.runs', 'not even to the ledger');
SELECT is(counts('clean', false), '(1000,1000,0,0)', 'live run');
SELECT results_eq('SELECT id, kind FROM clean ORDER BY id', 'SELECT id, kind FROM source ORDER BY id', 'it wrote the rows');
SELECT is(counts('clean', true), '(0,0,0,0)', 'dry run again');
SELECT is(counts('clean', false), '(0,0,0,0)', 'live run again');
SELECT results_eq($$SELECT run_id, invariant, pack, state, planned, changed, already_present, failed, progress, run_by,
	started_at <= finished_at FROM reconcile.runs ORDER BY run_id$$,
	$$VALUES (1::bigint, 'clean', NULL, 'done', 1000::bigint, 1000::bigint, 0::bigint, 0::bigint, 1000::bigint,
	current_user::text COLLATE "default", true), (2, 'clean', NULL, 'done', 0, 0, 0, 0, 0, current_user::text COLLATE "default", true)$$, 'the ledger has both live runs');
SELECT is((SELECT array_agg(DISTINCT clean.xmin::text) FROM clean), (SELECT array_agg((x::text::bigint % 4294967296)::text)
	FROM reconcile.run, unnest(xids) AS x WHERE run_id = 1), 'the rows carry the transaction ids that the ledger names');
SELECT is((SELECT cardinality(xids) FROM reconcile.run WHERE run_id = 1), 1, 'one id for a clean run');
DELETE FROM clean WHERE id <= 10;
SELECT is(counts('clean', true), '(10,10,0,0)', 'drift again');
SELECT is((SELECT run_id FROM reconcile.repair('clean')), NULL::bigint, 'a dry run has no number');
SELECT is(counts('clean', false), '(10,10,0,0)', 'repaired again');

-- ---------------------------------------------------------------- bad rows

CREATE FUNCTION kind_is_good() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.kind = 'bad' THEN
		RAISE EXCEPTION 'row % is bad', NEW.id USING ERRCODE = TG_ARGV[0];
	END IF;
	RETURN NEW;
END $$;
CREATE TABLE kinds (kind text PRIMARY KEY);
INSERT INTO kinds VALUES ('good');

-- Ten of a thousand rows are refused, each time for another reason.
CREATE FUNCTION some_are_bad(what text, ddl text, code text, message text, mend text, expects text DEFAULT 'TABLE source')
RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	run_before bigint;
BEGIN
	DROP TABLE IF EXISTS target;
	EXECUTE ddl;
	PERFORM reconcile.create_invariant('i', 'target', '{id}', expects);
	RETURN NEXT is(counts('i', false), '(1000,990,0,10)', what || ': the others are written');
	RETURN NEXT is((SELECT count(*) FROM target WHERE id > 0), 990::bigint, what || ': and are there');
	RETURN NEXT is((SELECT state FROM reconcile.runs ORDER BY run_id DESC LIMIT 1), 'done with failures', what || ': the run says so');
	RETURN NEXT results_eq('SELECT key, sqlstate, message, attempts, role FROM reconcile.failures ORDER BY key',
		format('SELECT jsonb_build_object(''id'', id), %L, format(%L, id), 1::bigint, current_user::text COLLATE "default" FROM source
		        WHERE kind = ''bad'' ORDER BY id', code, message), what || ': each bad row is recorded');
	RETURN NEXT is((SELECT DISTINCT run_id FROM reconcile.failures), (SELECT max(run_id) FROM reconcile.runs),
		what || ': under the run');
	RETURN NEXT is(counts('i', false), '(10,0,0,10)', what || ': the second run changes nothing');
	RETURN NEXT is((SELECT array_agg(DISTINCT attempts) FROM reconcile.failures), '{2}', what || ': attempts are counted');
	BEGIN
		PERFORM reconcile.repair('i', dry_run => false, on_row_error => 'stop');
		RETURN NEXT fail(what || ': on_row_error stop');
	EXCEPTION WHEN OTHERS THEN
		RETURN NEXT is(SQLSTATE || ' ' || SQLERRM, code || ' ' || format(message, 100), what || ': stop raises the error itself');
	END;
	RETURN NEXT is((SELECT array_agg(DISTINCT attempts) FROM reconcile.failures), '{2}', what || ': and records nothing');
	EXECUTE mend;
	RETURN NEXT is(counts('i', false), '(10,10,0,0)', what || ': mended, they are written');
	RETURN NEXT is_empty('TABLE reconcile.failures', what || ': and the failures are gone');
	PERFORM reconcile.drop_invariant('i');
EXCEPTION WHEN OTHERS THEN
	RETURN NEXT fail(format('%s: %s %s', what, SQLSTATE, SQLERRM));
END $$;
SELECT some_are_bad('check', 'CREATE TABLE target (id integer PRIMARY KEY, kind text CONSTRAINT good CHECK (kind = ''good''))', '23514',
	'new row for relation "target" violates check constraint "good"', 'ALTER TABLE target DROP CONSTRAINT good');
SELECT some_are_bad('foreign key', 'CREATE TABLE target (id integer PRIMARY KEY, kind text REFERENCES kinds)', '23503',
	'insert or update on table "target" violates foreign key constraint "target_kind_fkey"', 'INSERT INTO kinds VALUES (''bad'')');
TRUNCATE target;
DELETE FROM kinds WHERE kind = 'bad';
SELECT some_are_bad('deferrable foreign key',
	'CREATE TABLE target (id integer PRIMARY KEY, kind text REFERENCES kinds DEFERRABLE INITIALLY DEFERRED)', '23503',
	'insert or update on table "target" violates foreign key constraint "target_kind_fkey"', 'INSERT INTO kinds VALUES (''bad'')');
SELECT some_are_bad('not null', 'CREATE TABLE target (id integer PRIMARY KEY, kind text DEFAULT ''x'' NOT NULL)', '23502',
	'null value in column "kind" of relation "target" violates not-null constraint',
	'ALTER TABLE target ALTER kind DROP NOT NULL', 'SELECT id, nullif(kind, ''bad'') AS kind FROM source');
SELECT some_are_bad('length', 'CREATE TABLE target (id integer PRIMARY KEY, kind varchar(4))', '22001',
	'value too long for type character varying(4)', 'ALTER TABLE target ALTER kind TYPE text',
	'SELECT id, repeat(kind, CASE kind WHEN ''bad'' THEN 2 ELSE 1 END) AS kind FROM source');
SELECT some_are_bad('another unique index', 'CREATE TABLE target (id integer PRIMARY KEY, kind text);
	CREATE UNIQUE INDEX single ON target (kind) WHERE kind = ''bad''; INSERT INTO target VALUES (-1, ''bad'')', '23505',
	'duplicate key value violates unique constraint "single"', 'DROP INDEX single');
SELECT some_are_bad('trigger', 'CREATE TABLE target (id integer PRIMARY KEY, kind text); CREATE TRIGGER good BEFORE INSERT ON target
	FOR EACH ROW EXECUTE FUNCTION kind_is_good(''P0001'')', 'P0001', 'row %s is bad', 'DROP TRIGGER good ON target');
SELECT some_are_bad('trigger with a code of its own', 'CREATE TABLE target (id integer PRIMARY KEY, kind text); CREATE TRIGGER good
	BEFORE INSERT ON target FOR EACH ROW EXECUTE FUNCTION kind_is_good(''45000'')', '45000', 'row %s is bad',
	'DROP TRIGGER good ON target');
SELECT some_are_bad('deferred constraint trigger', 'CREATE TABLE target (id integer PRIMARY KEY, kind text);
	CREATE CONSTRAINT TRIGGER good AFTER INSERT ON target DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
	EXECUTE FUNCTION kind_is_good(''23000'')', '23000', 'row %s is bad', 'DROP TRIGGER good ON target');
SELECT some_are_bad('partition', 'CREATE TABLE target (id integer, kind text, PRIMARY KEY (id)) PARTITION BY RANGE (id);
	CREATE TABLE target1 PARTITION OF target FOR VALUES FROM (1) TO (1001);
	ALTER TABLE target1 ADD CONSTRAINT good CHECK (kind = ''good'')', '23514',
	'new row for relation "target1" violates check constraint "good"', 'ALTER TABLE target1 DROP CONSTRAINT good');
-- Rows of a run whose list was halved carry several transaction ids; the ledger names them all.
CREATE TABLE halved (id integer PRIMARY KEY, kind text CHECK (kind = 'good'));
SELECT reconcile.create_invariant('halved', 'halved', '{id}', 'TABLE source') \g /dev/null
SELECT is(counts('halved', false), '(1000,990,0,10)', 'ten bad rows again');
SELECT set_eq('SELECT DISTINCT xmin::text AS xid FROM halved', $$SELECT (x::text::bigint % 4294967296)::text FROM reconcile.run, unnest(xids) AS x
	WHERE invariant = 'halved'$$, 'the ledger names every transaction id');

-- Key and source of a failure are the row as it was expected; a long key is recorded like a short one.
CREATE TABLE short (name varchar(10) PRIMARY KEY, v numeric);
SELECT reconcile.create_invariant('short', 'short', '{name}',
	$$SELECT CASE n WHEN 1 THEN (SELECT string_agg(md5(i::text), '') FROM generate_series(1, 1000) AS i) ELSE 'ok' END AS name,
	  1.50 AS v FROM generate_series(1, 2) AS n$$) \g /dev/null
SELECT is(counts('short', false), '(2,1,0,1)', 'a key of 32 kB is one bad row');
SELECT is((SELECT (sqlstate, length(key ->> 'name'), source - 'name') FROM reconcile.failures WHERE invariant = 'short'),
	('22001'::text, 32000, '{"v": 1.50}'::jsonb), 'and is recorded');
SELECT is(counts('short', false), '(1,0,0,1)', 'again');
SELECT is((SELECT attempts FROM reconcile.failures WHERE invariant = 'short'), 2::bigint, 'as the same one');
SELECT reconcile.drop_invariant('short') \g /dev/null
SELECT is_empty($$SELECT FROM reconcile.failures WHERE invariant = 'short'$$, 'drop_invariant() forgets failures');

-- What is not the fault of a row stops the run, with the error itself.
CREATE TABLE broken (id integer PRIMARY KEY, kind text);
CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM * FROM nowhere; RETURN NEW; END';
CREATE TRIGGER broken BEFORE INSERT ON broken FOR EACH ROW EXECUTE FUNCTION broken();
SELECT reconcile.create_invariant('broken', 'broken', '{id}', 'TABLE source') \g /dev/null
SELECT throws_ok($$SELECT counts('broken', false)$$, '42P01', 'relation "nowhere" does not exist', 'a broken trigger stops the run');
SELECT is_empty($$SELECT FROM reconcile.runs WHERE invariant = 'broken'$$, 'which leaves no entry in the ledger');

-- Thousands of bad rows: still one attempt each, in bounded memory.
CREATE TABLE choosy (id integer PRIMARY KEY CHECK (id % 4 <> 0));
SELECT reconcile.create_invariant('choosy', 'choosy', '{id}', 'SELECT id FROM generate_series(1, 8000) AS id') \g /dev/null
SELECT is(counts('choosy', false), '(8000,6000,0,2000)', 'every fourth row is bad');
SELECT is((SELECT count(*) FROM reconcile.failures WHERE invariant = 'choosy'), 2000::bigint, 'and recorded');

-- ---------------------------------------------------------------- triggers of the application

-- The application's own trigger inserts the rows, before the repair does: nothing is doubled or lost.
CREATE TABLE own (id integer PRIMARY KEY, by text);
CREATE FUNCTION own() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF pg_trigger_depth() = 1 THEN
		INSERT INTO own VALUES (NEW.id, 'trigger') ON CONFLICT DO NOTHING;
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER own BEFORE INSERT ON own FOR EACH ROW EXECUTE FUNCTION own();
SELECT reconcile.create_invariant('own', 'own', '{id}', 'SELECT id, ''repair'' AS by FROM generate_series(1, 10) AS id') \g /dev/null
SELECT is(counts('own', false), '(10,0,10,0)', 'rows that the target''s trigger inserted are already present');
SELECT is((SELECT array_agg(DISTINCT by) FROM own), '{trigger}', 'and stay as they are');
SELECT is(counts('own', false), '(0,0,0,0)', 'the second run finds them');

CREATE TABLE skipped (id integer PRIMARY KEY);
CREATE FUNCTION skip() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER skip BEFORE INSERT ON skipped FOR EACH ROW EXECUTE FUNCTION skip();
SELECT reconcile.create_invariant('skipped', 'skipped', '{id}', 'SELECT id FROM generate_series(1, 10) AS id') \g /dev/null
SELECT is(counts('skipped', false), '(10,0,0,10)', 'rows that a trigger skips are counted neither as changed nor as present');
SELECT results_eq($$SELECT DISTINCT sqlstate, message FROM reconcile.failures WHERE invariant = 'skipped'$$,
	$$VALUES ('27000', 'a trigger of app.skipped suppressed the row')$$, 'but as failed, with the reason');
SELECT throws_ok($$SELECT counts('skipped', false, 'stop')$$, '27000', 'a trigger of app.skipped suppressed the row', 'which ends a run that stops at bad rows');
CREATE OR REPLACE FUNCTION skip() RETURNS trigger LANGUAGE plpgsql AS
	'BEGIN IF NEW.id < 4 THEN RETURN NULL; END IF; IF NEW.id = 4 THEN RAISE ''not this one''; END IF; RETURN NEW; END';
INSERT INTO skipped VALUES (9);
SELECT is(counts('skipped', false, record => 'rows'), '(9,5,0,4)', 'beside rows that are refused and others that are written');
SELECT results_eq($$SELECT key, sqlstate FROM reconcile.failures WHERE invariant = 'skipped' ORDER BY key$$,
	$$VALUES ('{"id": 1}'::jsonb, '27000'), ('{"id": 2}', '27000'), ('{"id": 3}', '27000'), ('{"id": 4}', 'P0001')$$, 'each is a failure');
DROP TRIGGER skip ON skipped;
SELECT is(counts('skipped', false), '(4,4,0,0)', 'until nothing suppresses them');
CREATE TABLE unfilled (id integer PRIMARY KEY, v text, w text);
CREATE TRIGGER skip BEFORE UPDATE ON unfilled FOR EACH ROW EXECUTE FUNCTION skip();
INSERT INTO unfilled SELECT generate_series(3, 6);
SELECT reconcile.create_invariant('unfilled', 'unfilled', '{id}', 'SELECT id, ''x'' AS v FROM generate_series(1, 10) AS id', kind => 'fill') \g /dev/null
SELECT is(counts('unfilled', false), '(4,2,0,2)', 'the same for values');
SELECT results_eq($$SELECT key, sqlstate FROM reconcile.failures WHERE invariant = 'unfilled' ORDER BY key$$,
	$$VALUES ('{"id": 3}'::jsonb, '27000'), ('{"id": 4}', 'P0001')$$, 'with their reasons');

-- A trigger that repairs again, within the repair.
CREATE TABLE eager (id integer PRIMARY KEY);
CREATE FUNCTION eager() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF pg_trigger_depth() = 1 THEN
		PERFORM reconcile.repair('eager', dry_run => false);
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER eager AFTER INSERT ON eager FOR EACH STATEMENT EXECUTE FUNCTION eager();
SELECT reconcile.create_invariant('eager', 'eager', '{id}', 'SELECT id FROM generate_series(1, 10) AS id') \g /dev/null
SELECT is(counts('eager', false), '(10,10,0,0)', 'a trigger of the target may repair it again');
SELECT is((SELECT count(*) FROM eager), 10::bigint, 'each row is there once');

-- ---------------------------------------------------------------- record

SELECT is(counts('clean', false, record => 'rows'), '(0,0,0,0)', 'nothing to record');
DELETE FROM clean WHERE id IN (1, 2);
SELECT is(counts('clean', false, record => 'rows'), '(2,2,0,0)', 'two rows, recorded');
SELECT results_eq($$SELECT ordinal, row ->> 'id', row ->> 'kind', row ? 'at' FROM reconcile.run_row
	WHERE run_id = (SELECT max(run_id) FROM reconcile.run) ORDER BY ordinal$$,
	$$VALUES (1::bigint, '1', 'good', true), (2, '2', 'good', true)$$, 'as they were written');
SELECT is((SELECT record FROM reconcile.run ORDER BY run_id DESC LIMIT 1), 'rows', 'the ledger says how');
DELETE FROM halved WHERE id < 5;
SELECT is(counts('halved', false, record => 'rows'), '(14,4,0,10)', 'recorded beside bad rows');
SELECT is((SELECT array_agg((row ->> 'id')::integer ORDER BY (row ->> 'id')::integer) FROM reconcile.run_row
	WHERE run_id = (SELECT max(run_id) FROM reconcile.run)), '{1,2,3,4}', 'without those that were rolled back');

-- Columns that were dropped before and between the others.
CREATE TABLE shrunk (x text, id integer PRIMARY KEY, y text, kind text DEFAULT 'd', z text);
ALTER TABLE shrunk DROP x, DROP y, DROP z;
SELECT reconcile.create_invariant('shrunk', 'shrunk', '{id}', 'SELECT id FROM source WHERE id < 3') \g /dev/null
SELECT is(counts('shrunk', false, record => 'rows'), '(2,2,0,0)', 'recorded in a table that lost columns');
SELECT results_eq($$SELECT row FROM reconcile.run_row WHERE run_id = (SELECT max(run_id) FROM reconcile.run) ORDER BY ordinal$$,
	$$VALUES ('{"id": 1, "kind": "d"}'::jsonb), ('{"id": 2, "kind": "d"}')$$, 'with the columns that are left');

-- ---------------------------------------------------------------- a dry run leaves everything alone

CREATE TABLE looked_at (id integer PRIMARY KEY REFERENCES source, n bigserial, u uuid DEFAULT gen_random_uuid());
INSERT INTO looked_at SELECT id FROM source WHERE id <= 5;
SELECT reconcile.create_invariant('looked_at', 'looked_at', '{id}', 'SELECT id FROM source') \g /dev/null
-- Row versions of every table here and of the engine's, and the state of every sequence.
CREATE FUNCTION everything() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	relation regclass;
	part text;
	parts text[];
BEGIN
	FOR relation IN SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace IN ('app'::regnamespace, 'reconcile'::regnamespace)
	ORDER BY oid LOOP
		EXECUTE format('SELECT md5(string_agg(concat(ctid, xmin, xmax, t), %L ORDER BY ctid)) FROM %s AS t', ',', relation) INTO part;
		parts := parts || (relation || ':' || coalesce(part, ''));
	END LOOP;
	FOR relation IN SELECT oid FROM pg_class WHERE relkind = 'S' AND relpersistence <> 't' ORDER BY oid LOOP
		EXECUTE format('SELECT concat(last_value, is_called) FROM %s', relation) INTO part;
		parts := parts || (relation || ':' || part);
	END LOOP;
	RETURN array_to_string(parts, E'\n');
END $$;
CREATE TEMP TABLE before AS SELECT everything();
SELECT is((SELECT sum(changed) FROM reconcile.repair('looked_at')), 995::numeric, 'a dry run counts');
SELECT isnt_empty($$SELECT * FROM reconcile.audit()$$, 'an audit counts');
SELECT isnt_empty($$SELECT * FROM reconcile.findings('looked_at')$$, 'findings are listed');
SELECT is(everything(), (SELECT everything FROM before), 'no row version and no sequence is another than before');

-- A query that writes is stopped when it is only looked at, and when it is repaired.
CREATE TABLE marker (by name DEFAULT current_user, at text);
CREATE SEQUENCE numbers;
CREATE FUNCTION counting() RETURNS integer LANGUAGE sql AS 'SELECT nextval(''numbers'')::integer';
CREATE FUNCTION writes(id integer) RETURNS integer LANGUAGE plpgsql AS 'BEGIN INSERT INTO marker DEFAULT VALUES; RETURN id; END';
CREATE FUNCTION unlocks() RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('transaction_read_only', 'off', true);
	INSERT INTO marker DEFAULT VALUES;
	RETURN 1;
END $$;
CREATE TABLE looked_for (id integer PRIMARY KEY);
SELECT reconcile.create_invariant(name, 'looked_for', '{id}', expects) FROM (VALUES
	('writes', 'SELECT writes(id) AS id FROM source'), ('counts', 'SELECT counting() AS id'),
	('unlocks', 'SELECT unlocks() AS id')) AS t(name, expects) \g /dev/null
SELECT throws_ok(format('SELECT * FROM reconcile.%s(%L)', function, name), code, message, name || ' in ' || function)
FROM unnest('{findings,repair}'::text[]) AS function, (VALUES
	('writes', '25006', 'cannot execute INSERT in a read-only transaction'),
	('counts', '25006', 'cannot execute nextval() in a read-only transaction'),
	('unlocks', '25001', 'cannot set transaction read-write mode inside a read-only transaction')) AS t(name, code, message);
SELECT throws_ok($$SELECT * FROM reconcile.repair('writes', dry_run => false)$$, '25006',
	'cannot execute INSERT in a read-only transaction', 'writes in a live repair');
SELECT results_eq($$SELECT invariant, state, message FROM reconcile.audit() WHERE invariant IN ('writes', 'counts') ORDER BY 1$$,
	$$VALUES ('counts', 'not checked', 'cannot execute nextval() in a read-only transaction (SQLSTATE 25006)'),
	         ('writes', 'not checked', 'cannot execute INSERT in a read-only transaction (SQLSTATE 25006)')$$, 'an audit says so');
SELECT is_empty('TABLE marker', 'nothing was written');
SELECT lives_ok('INSERT INTO marker DEFAULT VALUES', 'the session can write as before');
SELECT reconcile.drop_invariant(name) FROM unnest('{writes,counts,unlocks,broken}'::text[]) AS name \g /dev/null

-- In a read-only transaction: looking works, repairing does not.
SAVEPOINT read_only;
SET TRANSACTION READ ONLY;
SELECT is(counts('looked_at', true), '(995,995,0,0)', 'dry run in a read-only transaction');
SELECT is((SELECT count(*) FROM reconcile.audit() WHERE state = 'not checked'), 0::bigint, 'audit in a read-only transaction');
SELECT is((SELECT count(*) FROM reconcile.findings('looked_at')), 995::bigint, 'findings in a read-only transaction');
SELECT throws_ok($$SELECT counts('looked_at', false)$$, '25006', 'cannot execute reconcile.repair() in a read-only transaction',
	'live run in a read-only transaction');
ROLLBACK TO read_only;
SELECT is(counts('looked_at', false), '(995,995,0,0)', 'then the live run has the counts of the dry run');

-- ---------------------------------------------------------------- cancel

CREATE TABLE slow (id integer PRIMARY KEY);
CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.05); RETURN NEW; END';
CREATE TRIGGER slow BEFORE INSERT ON slow FOR EACH ROW EXECUTE FUNCTION slow();
SELECT reconcile.create_invariant('slow', 'slow', '{id}', 'SELECT id FROM source') \g /dev/null
CREATE FUNCTION sleepy() RETURNS integer LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(10); RETURN 1; END';
SELECT reconcile.create_invariant('sleepy', 'slow', '{id}', 'SELECT sleepy() AS id') \g /dev/null
CREATE FUNCTION canceled(sql text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE sql;
	RETURN false;
EXCEPTION WHEN query_canceled THEN
	RETURN true;
END $$;
SET LOCAL statement_timeout = '150ms';
SELECT ok(canceled($$SELECT counts('slow', false)$$), 'a timeout in the middle of a repair is a timeout');
SELECT ok(canceled($$SELECT reconcile.audit('sleepy')$$), 'a timeout in the middle of an audit is a timeout');
RESET statement_timeout;
SELECT is_empty('TABLE slow', 'nothing is left');
SELECT is_empty($$SELECT FROM reconcile.runs WHERE invariant = 'slow'$$, 'not in the ledger either');

SELECT * FROM finish();
ROLLBACK;
