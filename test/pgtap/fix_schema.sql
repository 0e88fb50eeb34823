-- fix_schema(): the plan is what is done, in an order that works; what it must not do by itself is refused, with the reason.
\ir ../support/invariant.sql
SELECT no_plan();
DO $$ BEGIN CREATE ROLE mutation_reader; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
ALTER SCHEMA app RENAME TO helpers;
\ir ../schema/base.sql
SET search_path = public, helpers;
SET CONSTRAINTS ALL IMMEDIATE;
SELECT reconcile.capture_baseline(schemas => '{app}', seed_tables => '{app.roles}');

-- summary gives the steps of a run as text.
CREATE FUNCTION summary(dry_run boolean, allow text[] DEFAULT '{}') RETURNS SETOF text LANGUAGE sql AS $$
	SELECT concat_ws(' ', state, object, message) FROM fix_schema(dry_run, allow => allow) $$;

SELECT is_empty('SELECT summary(true)', 'nothing is planned where nothing differs');
SELECT is_empty('SELECT summary(false)', 'and nothing done');

SELECT raised(what, statement, code, message, hint)
FROM (VALUES
	('dry_run NULL', 'SELECT fix_schema(NULL)', '22004', 'argument "dry_run" must not be null', NULL),
	('allow NULL', 'SELECT fix_schema(allow => NULL)', '22004', 'argument "allow" must not be null', NULL),
	('an unknown word', 'SELECT fix_schema(allow => ''{drop}'')', '22023', 'invalid value in argument "allow": "drop"',
	 'Valid values are "drop:<object>", "rows:<table>", "privileges", "owner", "hints".'),
	('an unknown baseline', 'SELECT fix_schema(baseline => ''defualt'')', '42704', 'baseline "defualt" does not exist', 'Did you mean "default"?')
) AS v(what, statement, code, message, hint);

-- ------------------------------------------------ everything, from nothing

SAVEPOINT whole;
SET client_min_messages = error;
DROP SCHEMA app CASCADE;
SET client_min_messages = warning;
CREATE TEMP TABLE planned AS SELECT * FROM fix_schema();
SELECT is_empty($$ SELECT object FROM planned WHERE state <> 'planned' $$, 'a whole schema is planned without refusals');
SELECT is((SELECT count(*) FROM pg_namespace WHERE nspname = 'app'), 0::bigint, 'a dry run makes nothing');
CREATE TEMP TABLE done AS SELECT * FROM fix_schema(false);
SELECT is_empty($$ SELECT state, object, statement, message FROM done WHERE state <> 'done' $$, 'each step works');
SELECT bag_has($$ SELECT object, statement FROM done $$, $$ SELECT object, statement FROM planned $$, 'what was planned is done');
SELECT is_empty('SELECT * FROM audit_schema()', 'and the audit is empty');
SELECT is((SELECT count(*) FROM app.roles), 3::bigint, 'the seed rows are back');
ROLLBACK TO whole;

-- ------------------------------------------------------------ what is refused

CREATE TABLE app.more (id integer PRIMARY KEY);
SELECT results_eq('SELECT summary(true)', ARRAY['refused app.more not done unless allowed: allow => ARRAY[''drop:app.more'']'], 'what is not in the baseline stays');
SELECT results_eq('SELECT summary(false)', ARRAY['refused app.more not done unless allowed: allow => ARRAY[''drop:app.more'']'], 'also live');
SELECT has_table('app', 'more', 'indeed');
SELECT results_eq($$ SELECT summary(false, '{drop:app.more}') $$, ARRAY['done app.more'], 'unless it is named');
SELECT hasnt_table('app', 'more', 'then it goes');
ROLLBACK TO whole;

ALTER TABLE app.customers ALTER COLUMN email DROP NOT NULL, DROP CONSTRAINT customers_email_key, DROP CONSTRAINT balance_in_range;
ALTER TABLE app.orders DROP CONSTRAINT orders_customer_fkey;
INSERT INTO app.customers (id, name, email, balance) VALUES (1001, 'x', NULL, 1), (1002, 'y', 'c1@example.com', -1);
INSERT INTO app.orders (customer_id, code) VALUES (99999, 'z');
CREATE TEMP TABLE refused AS SELECT * FROM fix_schema();
SELECT set_eq($$ SELECT object, message FROM refused WHERE state = 'refused' $$, $$ VALUES
	('app.customers.email', 'rows with NULL in email: 1; find them by SELECT reconcile.create_invariant(''app.customers.email is not null'', NULL, ''{id}'','
		' ''SELECT id FROM app.customers WHERE email IS NULL'', kind => ''check'');'),
	('customers_email_key on app.customers', 'keys (email) that are there more than once: 1, for example (c1@example.com)'),
	('balance_in_range on app.customers', 'rows that violate it: 1'),
	('orders_customer_fkey on app.orders', 'rows that refer to no row: 1, for example (99999)') $$, 'rows that do not allow a fix are counted before it is tried');
DO $$ DECLARE statement text; BEGIN
	SELECT substring(message FROM 'SELECT.*') INTO statement FROM refused WHERE object = 'app.customers.email';
	EXECUTE statement;
END $$;
SELECT is((SELECT count(*) FROM reconcile.findings('app.customers.email is not null')), 1::bigint, 'the suggested invariant finds them');
UPDATE app.customers SET email = 'x' || id, balance = 1 WHERE id > 1000;
DELETE FROM app.orders WHERE customer_id = 99999;
SELECT is_empty($$ SELECT * FROM fix_schema(false) WHERE state <> 'done' $$, 'once they are mended, all is done');
SELECT is_empty('SELECT * FROM audit_schema()', 'and the audit is empty again');
ROLLBACK TO whole;

-- What only the statement itself can know is refused when it is run, and nothing of it stays.
ALTER TABLE app.orders DROP CONSTRAINT no_overlap;
INSERT INTO app.orders (customer_id, code, period) VALUES (1, 'p', '[10,12)');
DROP INDEX app.orders_pattern;
SELECT results_eq('SELECT state, object FROM fix_schema(false)', $$ VALUES ('done', 'app.orders_pattern'), ('refused', 'no_overlap on app.orders') $$,
	'a step that fails does not stop the others');
ROLLBACK TO whole;

-- A value of an enum cannot be used before the transaction that added it ends.
DROP TABLE app.roles;
ALTER TABLE app.customers ALTER COLUMN mood DROP DEFAULT, ALTER COLUMN mood TYPE text USING mood::text;
DROP TYPE app.mood;
CREATE TYPE app.mood AS ENUM ('sad', 'happy');
ALTER TABLE app.customers ALTER COLUMN mood TYPE app.mood USING nullif(mood, 'ok')::app.mood;
SELECT results_eq($$ SELECT state, statement FROM fix_schema(false) WHERE object IN ('app.mood', 'app.customers.mood') $$, $$ VALUES
	('done', 'ALTER TYPE app.mood ADD VALUE ''ok'' BEFORE ''happy'';'),
	('failed', 'ALTER TABLE app.customers ALTER COLUMN mood SET DEFAULT ''ok''::app.mood;') $$, 'the second statement says to come again');
ROLLBACK TO whole;

-- A value at the end of an enum or in its middle writes no table anew.
CREATE TYPE app.size AS ENUM ('s', 'm', 'l');
CREATE TABLE app.shirts (id integer PRIMARY KEY, size app.size);
SELECT reconcile.capture_baseline('sized', '{app}', '{app.roles}');
DROP TABLE app.shirts;
DROP TYPE app.size;
CREATE TYPE app.size AS ENUM ('s');
CREATE TABLE app.shirts (id integer PRIMARY KEY, size app.size);
INSERT INTO app.shirts SELECT n, 's' FROM generate_series(1, 1000) AS n;
SELECT relfilenode AS file FROM pg_class WHERE oid = 'app.shirts'::regclass \gset
SELECT results_eq($$ SELECT state, object, hazard FROM fix_schema(false, 'sized') $$, $$ VALUES ('done', 'app.size', '') $$, 'labels are added to an enum');
SELECT is((SELECT relfilenode FROM pg_class WHERE oid = 'app.shirts'::regclass), :file::oid, 'without writing its tables anew');
SELECT is((SELECT array_agg(enumlabel::text ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = 'app.size'::regtype), '{s,m,l}', 'in their order');
ROLLBACK TO whole;

-- What a column or a view is used by is named, before anything is tried; once it is gone, all of it comes back.
CREATE SCHEMA used;
CREATE TABLE used.t (id integer PRIMARY KEY, v varchar(20), w integer, doubled integer GENERATED ALWAYS AS (w * 2) STORED, x integer, y integer, z integer CHECK (z > 0));
INSERT INTO used.t VALUES (1, 'v', 2, DEFAULT, 3, 4, 5);
CREATE INDEX ON used.t (z);
CREATE STATISTICS used.s ON w, z FROM used.t;
CREATE FUNCTION used.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE FUNCTION pg_temp.makes_users() RETURNS void LANGUAGE plpgsql AS $make$ BEGIN
	CREATE VIEW used.v AS SELECT id, v FROM used.t WHERE v <> '';
	CREATE MATERIALIZED VIEW used."On top" AS SELECT id, v FROM used.v;
	CREATE POLICY p ON used.t USING (v <> 'hidden');
	CREATE TRIGGER g AFTER UPDATE OF x ON used.t FOR EACH ROW WHEN (NEW.x > 1) EXECUTE FUNCTION used.f();
	CREATE FUNCTION used.sum() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT sum(y) FROM used.t; END;
END $make$;
CREATE FUNCTION pg_temp.drops_users() RETURNS void LANGUAGE plpgsql AS $drop$ BEGIN
	DROP VIEW used.v CASCADE; DROP POLICY p ON used.t; DROP TRIGGER g ON used.t; DROP FUNCTION used.sum; ALTER TABLE used.t DROP doubled;
END $drop$;
SELECT pg_temp.makes_users();
SELECT reconcile.capture_baseline('used', '{used}');
SELECT pg_temp.drops_users();
ALTER TABLE used.t ALTER v TYPE text, ALTER w TYPE bigint, ALTER x TYPE bigint, ALTER y TYPE bigint, ALTER z TYPE bigint;
ALTER TABLE used.t ADD doubled integer GENERATED ALWAYS AS (w * 2) STORED;
SELECT pg_temp.makes_users();
CREATE VIEW used.more AS SELECT z FROM used.t;
SELECT results_eq(format($$ SELECT object, message FROM fix_schema(%L, 'used') WHERE message LIKE 'used by%%' ORDER BY object COLLATE "C" $$, dry), $$ VALUES
	('used.t.v', 'used by materialized view used."On top", policy p on used.t, view used.v; drop that first: what the baseline has of it is made again'),
	('used.t.w', 'used by table column used.t.doubled; drop that first: what the baseline has of it is made again'),
	('used.t.x', 'used by trigger g on used.t; drop that first: what the baseline has of it is made again'),
	('used.t.y', 'used by function used.sum(); drop that first: what the baseline has of it is made again'),
	('used.t.z', 'used by view used.more; drop that first: what the baseline has of it is made again'),
	('used.v', 'used by materialized view used."On top"; drop that first: what the baseline has of it is made again') $$,
	'what does not allow a column another type is listed, dry run ' || dry)
FROM unnest('{true,false}'::boolean[]) AS dry;
SELECT is((SELECT count(*) FROM pg_attribute WHERE attrelid = 'used.t'::regclass AND atttypid = 'bigint'::regtype AND NOT attisdropped), 4::bigint, 'and nothing was tried');
SELECT pg_temp.drops_users();
SELECT is_empty($$ SELECT state, object, message FROM fix_schema(false, 'used', '{drop:used.more}') WHERE state <> 'done' $$,
	'what may be dropped is not in the way, nor is what is gone');
SELECT results_eq($$ SELECT category, kind, object FROM audit_schema('used') $$, $$ VALUES ('table', 'hint', 'used.t') $$, 'and all of it is as it was');
ROLLBACK TO whole;

-- ---------------------------------------------------------------- names, rights

CREATE SCHEMA "drop table""; --";
CREATE TYPE "drop table""; --"."e'; --" AS ENUM ('it''s', '"', '$body$');
CREATE TABLE "drop table""; --"."t $1 (x)" ("a)=(b" integer PRIMARY KEY, "select" "drop table""; --"."e'; --" DEFAULT '"', "ü%s" text DEFAULT 'x''; DROP SCHEMA app CASCADE; --',
	CONSTRAINT "c %1$s" UNIQUE ("ü%s"), CONSTRAINT "k on x" CHECK ("ü%s" <> '%s'));
CREATE INDEX "i; --" ON "drop table""; --"."t $1 (x)" ("select");
CREATE FUNCTION "drop table""; --"."f(" () RETURNS text LANGUAGE sql AS $f$ SELECT '$body$; DROP SCHEMA app CASCADE; --' $f$;
CREATE VIEW "drop table""; --"."v" AS SELECT "a)=(b" AS "b"";" FROM "drop table""; --"."t $1 (x)";
COMMENT ON TABLE "drop table""; --"."t $1 (x)" IS 'x''; DROP SCHEMA app CASCADE; --';
INSERT INTO "drop table""; --"."t $1 (x)" VALUES (1, 'it''s', 'x'';');
SELECT reconcile.capture_baseline(schemas => ARRAY['app', 'drop table"; --'], seed_tables => ARRAY['app.roles', '"drop table""; --"."t $1 (x)"']::regclass[]);
SET client_min_messages = error;
DROP SCHEMA "drop table""; --" CASCADE;
SET client_min_messages = warning;
SELECT is_empty($$ SELECT state, object, statement, message FROM fix_schema(false) WHERE state <> 'done' $$, 'names that look like SQL are names');
SELECT is_empty('SELECT * FROM audit_schema()', 'and come back as they were');
SELECT is((SELECT count(*) FROM app.customers), 50::bigint, 'nothing else was run');
ROLLBACK TO whole;

-- ------------------------------------------------- values that would be lost

CREATE TABLE app.narrow (id integer PRIMARY KEY, "a b" varchar(3), b numeric(6,1), c date, d integer, e char(2), f bit(3), i timestamp(0), j jsonb,
	k numeric(6,2), l bigint, m text, n boolean, o integer);
SELECT reconcile.capture_baseline('narrow', '{app}');
ALTER TABLE app.narrow ALTER "a b" TYPE text, ALTER b TYPE numeric, ALTER c TYPE timestamp, ALTER d TYPE double precision, ALTER e TYPE text,
	ALTER f TYPE bit varying, ALTER i TYPE timestamp, ALTER j TYPE json, ALTER k TYPE numeric, ALTER l TYPE integer, ALTER m TYPE varchar(9),
	ALTER n TYPE integer USING 1, ALTER o TYPE text;
INSERT INTO app.narrow VALUES
	(1, 'abcdef', 1.25, '2024-01-01 12:34', 1.6, 'xyz', '1011', '2024-01-01 00:00:00.7', '{"a": 1}', 1.500, 5, 'same', 7, 'x'),
	(2, 'abc', 1.2, '2024-01-01', 2, 'x', '101', '2024-01-01', '[1, 2.0]', NULL, NULL, NULL, 1, '1');
CREATE TEMP TABLE lossy AS SELECT * FROM fix_schema(false, 'narrow');
SELECT results_eq($$ SELECT object, state, regexp_replace(message, '; not done.*', '') FROM lossy ORDER BY object COLLATE "C" $$, $$ VALUES
	('app.narrow."a b"', 'refused', 'rows whose "a b" would change: 1, for example abcdef'),
	('app.narrow.b', 'refused', 'rows whose b would change: 1, for example 1.25'),
	('app.narrow.c', 'refused', 'rows whose c would change: 1, for example 2024-01-01 12:34:00'),
	('app.narrow.d', 'refused', 'rows whose d would change: 1, for example 1.6'),
	('app.narrow.e', 'refused', 'rows whose e would change: 1, for example xyz'),
	('app.narrow.f', 'refused', 'rows whose f would change: 1, for example 1011'),
	('app.narrow.i', 'refused', 'rows whose i would change: 1, for example 2024-01-01 00:00:00.7'),
	('app.narrow.j', 'done', NULL), ('app.narrow.k', 'done', NULL), ('app.narrow.l', 'done', NULL), ('app.narrow.m', 'done', NULL),
	('app.narrow.n', 'refused', 'rows whose n would change: 1, for example 7'),
	('app.narrow.o', 'refused', 'a value of o cannot be converted: invalid input syntax for type integer: "x"')
	$$, 'a type that would cut values is not given to a column');
SELECT is((SELECT message FROM lossy WHERE object = 'app.narrow.b'),
	'rows whose b would change: 1, for example 1.25; not done unless allowed: allow => ARRAY[''rows:app.narrow'']', 'and how it would be is told');
SELECT results_eq('SELECT "a b", b, c, d, e FROM app.narrow WHERE id = 1', $$ VALUES ('abcdef'::text, 1.25, '2024-01-01 12:34'::timestamp, 1.6::float8, 'xyz'::text) $$,
	'the values are as before');
UPDATE app.narrow SET o = 1;
SELECT is_empty($$ SELECT object, message FROM fix_schema(false, 'narrow', '{rows:app.narrow}') WHERE state <> 'done' $$, 'unless the table is named');
SELECT results_eq('SELECT "a b", b, c, d FROM app.narrow WHERE id = 1', $$ VALUES ('abc'::varchar, 1.3, '2024-01-01'::date, 2) $$, 'then they are converted');
ROLLBACK TO whole;

-- Who may see or do what is for a person to decide, in either direction.
ALTER TABLE app.customers DISABLE ROW LEVEL SECURITY;
ALTER FUNCTION app.secret() SECURITY INVOKER;
SELECT results_eq($$ SELECT object, state, hazard, message FROM fix_schema(false) ORDER BY object $$, $$ VALUES
	('app.customers', 'refused', 'changes privileges', 'not done unless allowed: allow => ARRAY[''privileges'']'),
	('app.secret()', 'refused', 'changes privileges', 'not done unless allowed: allow => ARRAY[''privileges'']') $$,
	'row-level security and the role a function runs as are not changed unasked');
SELECT is((SELECT count(*) FROM fix_schema(false, allow => '{privileges}') WHERE state = 'done'), 2::bigint, 'but when allowed');
ROLLBACK TO whole;

-- ------------------------------------------------ duplicates are counted before a unique index is built

CREATE TABLE app.keys (id integer PRIMARY KEY, a integer, b integer, c text, d boolean NOT NULL DEFAULT false);
CREATE UNIQUE INDEX keys_plain ON app.keys (a);
CREATE UNIQUE INDEX keys_covering ON app.keys (b) INCLUDE (c) WITH (fillfactor = 80);
CREATE UNIQUE INDEX keys_nulls ON app.keys (a, b) NULLS NOT DISTINCT;
CREATE UNIQUE INDEX keys_part ON app.keys (c) WHERE a > 0 OR b > 0;
CREATE UNIQUE INDEX keys_flag ON app.keys (c) WHERE d;
SELECT reconcile.capture_baseline('keys', '{app}');
DROP INDEX app.keys_plain, app.keys_covering, app.keys_nulls, app.keys_part, app.keys_flag;
INSERT INTO app.keys VALUES (1, 1, 1, 'x'), (2, 1, NULL, 'x'), (3, NULL, 1, 'y'), (4, NULL, NULL, 'y'), (5, NULL, NULL, 'y');
CREATE FUNCTION keys(dry_run boolean) RETURNS SETOF text LANGUAGE sql AS $$ SELECT concat_ws(' ', state, object, message) FROM fix_schema(dry_run, 'keys') ORDER BY object $$;
SELECT results_eq(format('SELECT keys(%L)', dry), ARRAY['refused app.keys_covering keys (b) that are there more than once: 1, for example (1)',
	CASE WHEN dry THEN 'planned' ELSE 'done' END || ' app.keys_flag', 'refused app.keys_nulls keys (a, b) that are there more than once: 1, for example (null, null)',
	'refused app.keys_part keys (c) that are there more than once: 1, for example (x)',
	'refused app.keys_plain keys (a) that are there more than once: 1, for example (1)'], 'dry run ' || dry || ': of each index the rows that it is about')
FROM unnest('{true,false}'::boolean[]) AS dry;
DELETE FROM app.keys WHERE id IN (2, 3, 5);
SELECT is((SELECT count(*) FROM keys(false) AS k WHERE k LIKE 'done %'), 4::bigint, 'without duplicates they are built');

-- Rows are counted as the owner of their table, which writes nothing: not as who asks.
ROLLBACK TO whole;
CREATE ROLE mutation_low;
CREATE SCHEMA low AUTHORIZATION mutation_low;
SET ROLE mutation_low;
CREATE TABLE low.called (by text);
CREATE TABLE low.said (v integer, flag text);
CREATE FUNCTION low.note() RETURNS void LANGUAGE sql AS 'INSERT INTO low.called VALUES (current_user)';
CREATE FUNCTION low.f(v integer) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $f$ BEGIN PERFORM low.note(); RETURN v IS NOT NULL; END $f$;
CREATE FUNCTION low.who(v integer) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $f$
	BEGIN RETURN current_user <> 'mutation_low'; END $f$;
INSERT INTO low.said VALUES (1, 'x');
ALTER TABLE low.said ADD CONSTRAINT writes CHECK (low.f(v)) NOT VALID, ADD CONSTRAINT is_another CHECK (low.who(v)) NOT VALID;
CREATE UNIQUE INDEX said_index ON low.said (flag) WHERE low.f(v);
TRUNCATE low.called;
RESET ROLE;
SELECT reconcile.drop_baseline('default');
UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'low.said_index'::regclass;
SELECT set_eq($$ SELECT object, state, message FROM fix_schema() WHERE object LIKE '%low.said%' $$, $$ VALUES
	('writes on low.said', 'refused', 'its rows cannot be checked: cannot execute INSERT in a read-only transaction (SQLSTATE 25006)'),
	('low.said_index', 'refused', 'its rows cannot be checked: cannot execute INSERT in a read-only transaction (SQLSTATE 25006)'),
	('is_another on low.said', 'refused', 'rows that violate it: 1') $$, 'a dry run runs what a table calls as its owner');
SELECT is_empty('SELECT * FROM low.called', 'and it has written nothing');

-- So are values that would be converted.
SET ROLE mutation_low;
CREATE TYPE low.pair AS (a integer);
CREATE FUNCTION low.to_text(low.pair) RETURNS text LANGUAGE plpgsql AS $f$ BEGIN PERFORM low.note(); RETURN 'x'; END $f$;
CREATE CAST (low.pair AS text) WITH FUNCTION low.to_text(low.pair) AS ASSIGNMENT;
CREATE TABLE low.cast_here (p text);
RESET ROLE;
SELECT reconcile.capture_baseline('casts', '{low}');
SET ROLE mutation_low;
ALTER TABLE low.cast_here ALTER COLUMN p TYPE low.pair USING ROW(1)::low.pair;
INSERT INTO low.cast_here VALUES (ROW(1)::low.pair);
TRUNCATE low.called;
RESET ROLE;
SELECT results_eq($$ SELECT state, message FROM fix_schema(baseline => 'casts') WHERE object = 'low.cast_here.p' $$, $$ VALUES ('refused',
	'whether values would change cannot be told: cannot execute INSERT in a read-only transaction (SQLSTATE 25006); not done unless allowed: allow => ARRAY[''rows:low.cast_here'']') $$,
	'a cast is tried as the owner');
SELECT is_empty('SELECT * FROM low.called', 'and has written nothing, either');

-- Who may not act as the owner is not lent the owner's eyes.
GRANT USAGE ON SCHEMA low TO mutation_reader;
SET ROLE mutation_reader;
SELECT throws_ok($$ SELECT * FROM reconcile.rows_as_owner('low.said'::regclass, 'SELECT 1, NULL') $$, '42501', 'permission denied to act as mutation_low',
	'nobody reads as the owner who may not act as it');
RESET ROLE;
SELECT throws_ok($$ SELECT * FROM reconcile.rows_as_owner('low.said'::regclass, 'SELECT ''x'', 1') $$, '22P02', NULL, 'what a query yields has the types that it must');
ROLLBACK TO whole;

-- A row that makes a check fail with an error concerns that check alone.
CREATE TABLE app.shares (u integer, w integer);
INSERT INTO app.shares VALUES (0, 1);
ALTER TABLE app.shares ADD CONSTRAINT by_u CHECK (1 / u > 0) NOT VALID, ADD CONSTRAINT by_w CHECK (w > 0) NOT VALID;
SELECT reconcile.drop_baseline('default');
SELECT results_eq(format($$ SELECT object, state, message FROM fix_schema(%L) WHERE object LIKE 'by\__ on app.shares' ORDER BY object $$, dry), format($$ VALUES
	('by_u on app.shares', 'refused', 'its rows cannot be checked: division by zero (SQLSTATE 22012)'),
	('by_w on app.shares', %L, NULL) $$, CASE WHEN dry THEN 'planned' ELSE 'done' END), 'dry run ' || dry || ': a check that fails stops no other')
FROM unnest('{true,false}'::boolean[]) AS dry;
ROLLBACK TO whole;

SELECT ok(NOT has_function_privilege('mutation_reader', 'fix_schema(boolean, text, text[])', 'EXECUTE'), 'it is for whom it is granted to');
GRANT EXECUTE ON FUNCTION fix_schema(boolean, text, text[]) TO mutation_reader;
GRANT EXECUTE ON FUNCTION summary(boolean, text[]) TO mutation_reader;
DROP INDEX app.orders_pattern;
SET ROLE mutation_reader;
SELECT results_eq($$ SELECT state, message FROM fix_schema(false) WHERE object = 'app.orders_pattern' $$, $$ VALUES ('failed', 'must be owner of table orders (SQLSTATE 42501)') $$,
	'a step is done with the rights of the caller');
RESET ROLE;
-- An unlogged table is empty after a crash.
CREATE SCHEMA crash;
CREATE UNLOGGED TABLE crash.cache (id integer PRIMARY KEY);
SELECT reconcile.capture_baseline('unlogged', '{crash}');
ALTER TABLE crash.cache SET LOGGED;
SELECT results_eq($$ SELECT state, message FROM fix_schema(false, 'unlogged') WHERE object = 'crash.cache' $$,
	$$ VALUES ('refused', 'not done unless allowed: allow => ARRAY[''rows:crash.cache'']') $$, 'to make a table unlogged must be allowed');
SELECT is((SELECT relpersistence::text FROM pg_class WHERE oid = 'crash.cache'::regclass), 'p', 'it is still logged');
SELECT results_eq($$ SELECT state FROM fix_schema(false, 'unlogged', '{rows:crash.cache}') WHERE object = 'crash.cache' $$, $$ VALUES ('done') $$, 'then it is done');
SELECT is((SELECT relpersistence::text FROM pg_class WHERE oid = 'crash.cache'::regclass), 'u', 'and it is unlogged');
ALTER TABLE crash.cache SET LOGGED;
SELECT reconcile.capture_baseline('logged', '{crash}');
ALTER TABLE crash.cache SET UNLOGGED;
SELECT results_eq($$ SELECT state FROM fix_schema(false, 'logged') WHERE object = 'crash.cache' $$, $$ VALUES ('done') $$, 'the other way loses nothing');

SET LOCAL transaction_read_only = on;
SELECT throws_ok('SELECT fix_schema(false)', '25006', 'cannot fix the schema in a read-only transaction');
SELECT isnt_empty('SELECT fix_schema()', 'a dry run works in a read-only transaction');

SELECT * FROM finish();
ROLLBACK;
