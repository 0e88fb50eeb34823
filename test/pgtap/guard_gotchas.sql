-- What users of hand-written provisioning triggers report, each as a test of what a guard does instead.
\ir ../support/invariant.sql
SELECT no_plan();

CREATE ROLE reconcile_test_signup;
CREATE ROLE reconcile_test_service;
GRANT USAGE ON SCHEMA app TO reconcile_test_signup, reconcile_test_service;
CREATE SCHEMA private;

CREATE FUNCTION reset() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM reconcile.drop_invariant(name) FROM reconcile.invariants;
	DROP TABLE IF EXISTS private.roles, private.positions, private.people, users CASCADE;
	CREATE TABLE users (id integer PRIMARY KEY, email text, created_by integer);
	CREATE TABLE private.roles (user_id integer NOT NULL REFERENCES users ON DELETE CASCADE, role text NOT NULL, PRIMARY KEY (user_id, role));
	GRANT INSERT, SELECT, UPDATE, DELETE ON users TO reconcile_test_signup, reconcile_test_service;
	PERFORM reconcile.create_invariant('roles', 'private.roles', '{user_id,role}',
		'SELECT coalesce(created_by, id) AS user_id, ''owner'' AS role FROM users');
	PERFORM reconcile.guard('roles', on_failure => 'queue');
END $$;
CREATE FUNCTION audited() RETURNS text LANGUAGE sql AS $$ SELECT state FROM reconcile.audit('roles') $$;
CREATE FUNCTION waiting() RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(format('%s %s %s', sqlstate, role, coalesce(key, source)), ', ' ORDER BY first_failed_at) FROM reconcile.failures $$;
-- signs_up inserts a user as the role of the application, which may write users and nothing else.
CREATE FUNCTION signs_up(what text, id integer, wanted text DEFAULT NULL, role text DEFAULT 'reconcile_test_signup') RETURNS SETOF text
LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('SET LOCAL ROLE %I', role);
	RETURN NEXT lives_ok(format('INSERT INTO app.users VALUES (%s)', id), what || ': the user is stored');
	RESET ROLE;
	RETURN NEXT is(waiting(), wanted, what || ': and what waits is known');
	RETURN NEXT is((SELECT count(*) FROM app.users u WHERE u.id = signs_up.id), 1::bigint, what || ': once');
END $$;
-- heals repairs and finds everything in order.
CREATE FUNCTION heals(what text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM reconcile.repair('roles', dry_run => false);
	RETURN NEXT is(audited(), 'clean', what || ': a repair brings the rest');
	RETURN NEXT is(waiting(), NULL, what || ': and empties the queue');
	PERFORM reset();
END $$;
SELECT reset();

-- ---------------------------------------------------------------- the writer and the guard

SELECT signs_up('a writer without USAGE on the target''s schema does not need it', 1);
SELECT is(audited(), 'clean', 'the role is there');
SELECT heals('a writer without rights on the target');

SET search_path = '';
INSERT INTO app.users VALUES (1);
SET search_path = app, public;
SELECT is(audited(), 'clean', 'an empty search_path of the writer changes nothing: names mean what they meant when the invariant was created');
SELECT reset();

CREATE TEMP TABLE roles (user_id integer, role text);
SELECT signs_up('a temporary table named like the target stands in for nothing', 1);
SELECT is_empty('SELECT * FROM pg_temp.roles', 'it stays empty');
SELECT is(audited(), 'clean', 'the target does not');
DROP TABLE pg_temp.roles;
SELECT reset();

SELECT signs_up('an account made by a service role has its owner from the row', 1, role => 'reconcile_test_service');
SELECT results_eq('SELECT user_id FROM private.roles', 'VALUES (1)', 'not from the session');
SELECT reset();

-- ---------------------------------------------------------------- what is changed later

ALTER TABLE private.roles RENAME TO positions;
SELECT signs_up('a renamed target is still the target', 1);
SELECT is((SELECT count(*) FROM private.positions), 1::bigint, 'it has the row');
ALTER TABLE private.positions RENAME TO roles;
SELECT heals('a renamed target');

ALTER TABLE private.roles RENAME COLUMN role TO position;
SELECT signs_up('a renamed column of the target queues', 1, '42703 reconcile_test_signup {"role": "owner", "user_id": 1}');
SELECT results_eq('SELECT severity, state FROM reconcile.audit(''roles'')', $$VALUES ('error', 'not checked')$$, 'and audit tells');
ALTER TABLE private.roles RENAME COLUMN position TO role;
SELECT heals('a renamed column of the target');

ALTER TABLE users RENAME COLUMN created_by TO creator;
SELECT signs_up('a renamed column that the query reads queues the written row', 1,
	'42703 reconcile_test_signup {"id": 1, "email": null, "creator": null}');
SELECT results_eq('SELECT severity, state FROM reconcile.audit(''roles'')', $$VALUES ('error', 'not checked')$$, 'and audit tells');
ALTER TABLE users RENAME COLUMN creator TO created_by;
SELECT heals('a renamed column that the query reads');

DROP TABLE private.roles;
SELECT signs_up('a dropped target queues', 1, '42P01 reconcile_test_signup {"role": "owner", "user_id": 1}');
SELECT results_eq('SELECT severity, state FROM reconcile.audit(''roles'')', $$VALUES ('error', 'not checked')$$, 'and audit tells');
SELECT reset();


ALTER TABLE private.roles DROP CONSTRAINT roles_pkey;
SELECT signs_up('a dropped unique index queues', 1, 'RC007 reconcile_test_signup {"role": "owner", "user_id": 1}');
ALTER TABLE private.roles ADD PRIMARY KEY (user_id, role);
SELECT heals('a dropped unique index');

CREATE ROLE reconcile_test_modest;
GRANT USAGE, CREATE ON SCHEMA app TO reconcile_test_modest;
GRANT USAGE ON SCHEMA private TO reconcile_test_modest;
CREATE FUNCTION owned_by_modest() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	GRANT SELECT ON users, private.roles TO reconcile_test_modest;
	GRANT INSERT ON private.roles TO reconcile_test_modest;
	UPDATE reconcile.invariant SET owner = 'reconcile_test_modest';
	PERFORM reconcile.guard('roles', on_failure => 'queue');
END $$;
SELECT owned_by_modest();
REVOKE INSERT ON private.roles FROM reconcile_test_modest;
SELECT signs_up('a missing grant of the owner queues', 1, '42501 reconcile_test_signup {"role": "owner", "user_id": 1}');
GRANT INSERT ON private.roles TO reconcile_test_modest;
SELECT heals('a missing grant of the owner');
SELECT owned_by_modest();
REVOKE USAGE ON SCHEMA private FROM reconcile_test_modest;
SELECT signs_up('a missing USAGE of the owner queues', 1, '42501 reconcile_test_signup {"role": "owner", "user_id": 1}');
GRANT USAGE ON SCHEMA private TO reconcile_test_modest;
SELECT heals('a missing USAGE of the owner');

-- ---------------------------------------------------------------- bad rows

ALTER TABLE private.roles ADD CHECK (user_id <> 2);
INSERT INTO users SELECT n FROM generate_series(1, 50) AS n;
SELECT is(waiting(), format('23514 %s {"role": "owner", "user_id": 2}', current_user), 'of many rows, the one that is refused waits');
SELECT is((SELECT count(*) FROM private.roles), 49::bigint, 'and the others are written');
SELECT results_eq('SELECT fixed, remaining FROM reconcile.retry_failures()', 'VALUES (0::bigint, 1::bigint)', 'a retry in vain');
SELECT is((SELECT attempts FROM reconcile.failures), 2::bigint, 'counts as an attempt');
ALTER TABLE private.roles DROP CONSTRAINT roles_user_id_check;
DELETE FROM private.roles WHERE user_id = 3;
SELECT results_eq('SELECT fixed, remaining FROM reconcile.retry_failures(''roles'')', 'VALUES (1::bigint, 0::bigint)', 'a retry fixes it');
SELECT results_eq('SELECT missing FROM reconcile.audit(''roles'')', 'VALUES (1::bigint)', 'and leaves alone what was deleted on purpose');
SELECT is_empty('SELECT * FROM reconcile.retry_failures()', 'nothing waits any more');
SELECT reset();

CREATE FUNCTION careless() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'careless' USING ERRCODE = 'P0001'; END $$;
CREATE TRIGGER careless BEFORE INSERT ON private.roles FOR EACH ROW EXECUTE FUNCTION careless();
SELECT signs_up('an error of the target''s own trigger queues', 1, 'P0001 reconcile_test_signup {"role": "owner", "user_id": 1}');
DROP TRIGGER careless ON private.roles;
SELECT heals('an error of the target''s own trigger');

-- A guard that blocks does what hand-written triggers do, with the reason.
SELECT reconcile.guard('roles', on_failure => 'block');
ALTER TABLE private.roles ADD CHECK (user_id <> 1);
SELECT raised('the write that a guard blocks', 'INSERT INTO users VALUES (1)', '23514',
	'new row for relation "roles" violates check constraint "roles_user_id_check"');
SELECT is_empty('SELECT * FROM users', 'the user is not stored');
SELECT is(waiting(), NULL, 'and nothing waits');
SELECT reset();

-- ---------------------------------------------------------------- cancels

CREATE FUNCTION slow(integer) RETURNS integer LANGUAGE plpgsql STABLE AS $$ BEGIN PERFORM pg_sleep(10); RETURN $1; END $$;
SELECT reconcile.alter_invariant('roles', expects => 'SELECT app.slow(id) AS user_id, ''owner'' AS role FROM app.users');
CREATE FUNCTION cancelled() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO users VALUES (1);
	RETURN false;
EXCEPTION WHEN query_canceled THEN
	RETURN true;
END $$;
SET statement_timeout = '100ms';
SELECT ok(cancelled(), 'a cancel is not swallowed');
RESET statement_timeout;
SELECT is(waiting(), NULL, 'nor queued');
SELECT reset();

-- ---------------------------------------------------------------- statements

COPY users FROM PROGRAM 'printf "1\\t\\\\N\\t\\\\N\\n2\\t\\\\N\\t\\\\N\\n"';
SELECT results_eq('SELECT user_id FROM private.roles ORDER BY 1', 'VALUES (1), (2)', 'COPY is seen');
SELECT heals('COPY');
INSERT INTO users VALUES (1), (2), (3);
SELECT is((SELECT count(*) FROM private.roles), 3::bigint, 'every row of a multi-row INSERT is seen');
INSERT INTO users VALUES (1) ON CONFLICT DO NOTHING;
SELECT is(waiting(), NULL, 'INSERT ... ON CONFLICT DO NOTHING without a row does nothing, and is no error');
UPDATE users SET created_by = 3 WHERE id = 1;
SELECT results_eq('SELECT user_id FROM private.roles ORDER BY 1', 'VALUES (1), (2), (3)', 'ownership moves to one who owns already');
DELETE FROM private.roles WHERE user_id = 3;
UPDATE users SET created_by = 3 WHERE id = 2;
SELECT results_eq('SELECT user_id FROM private.roles ORDER BY 1', 'VALUES (1), (2), (3)',
	'the new owner gets the role, the old one keeps it: a guard takes nothing away');
SELECT reset();

SET session_replication_role = replica;
INSERT INTO users VALUES (1);
RESET session_replication_role;
SELECT is(audited(), 'drift', 'in replica role a guard does not fire, and audit finds the gap');
SELECT reconcile.guard('roles', enable => 'always');
SET session_replication_role = replica;
INSERT INTO users VALUES (2);
RESET session_replication_role;
SELECT results_eq('SELECT user_id FROM private.roles', 'VALUES (2)', 'with enable => always it does');
SELECT is((SELECT array_agg(DISTINCT state) FROM reconcile.guards), '{always}', 'and the view says so');
SELECT reset();

DELETE FROM users;
INSERT INTO users VALUES (1), (2);
DELETE FROM private.roles WHERE user_id = 1;
SELECT results_eq('SELECT user_id FROM private.roles', 'VALUES (2)', 'a derived row that the application deletes is gone by default');
SELECT reconcile.guard('roles', on_delete => 'recreate');
DELETE FROM private.roles WHERE user_id = 2;
SELECT results_eq('SELECT user_id FROM private.roles', 'VALUES (2)', 'with on_delete => recreate it comes back');
SELECT lives_ok('DELETE FROM users WHERE id = 2', 'and does not keep the user from being deleted');
SELECT is_empty('SELECT * FROM private.roles', 'with whom it goes');
SELECT reset();

-- An application that inserts the derived row itself, a statement later, as at signup.
SELECT reconcile.guard('roles', timing => 'commit');
CREATE FUNCTION at_commit() RETURNS void LANGUAGE sql AS $$ SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED $$;
INSERT INTO users VALUES (1), (2);
SELECT lives_ok($$INSERT INTO private.roles VALUES (1, 'owner')$$, 'the application''s own row meets no duplicate');
SAVEPOINT s;
INSERT INTO users VALUES (3);
ROLLBACK TO s;
DELETE FROM users WHERE id = 2;
INSERT INTO users VALUES (4);
SELECT at_commit();
SELECT results_eq('SELECT user_id FROM private.roles ORDER BY 1', 'VALUES (1), (4)',
	'at the end the rest is written: not what a savepoint took back, not what was deleted since');
SELECT is_empty('SELECT * FROM reconcile.guard_pending', 'nothing is left of it');
INSERT INTO users VALUES (8), (9);
UPDATE users SET id = 18 WHERE id = 8;
UPDATE users SET created_by = 1 WHERE id = 9;
SELECT at_commit();
SELECT results_eq('SELECT user_id FROM private.roles ORDER BY 1', 'VALUES (1), (4), (18)', 'what counts are the rows as they are at commit');
UPDATE users SET created_by = 4 WHERE id = 4;
DELETE FROM private.roles WHERE user_id = 4;
SELECT at_commit();
SELECT results_eq('SELECT user_id FROM private.roles ORDER BY 1', 'VALUES (1), (18)', 'a derived row that was there after the statement and is deleted later stays away');
ALTER TABLE private.roles ADD CHECK (user_id <> 5);
INSERT INTO users VALUES (5);
SELECT throws_ok('SELECT at_commit()', '23514', NULL, 'a guard that blocks refuses at commit');
SELECT reset();
SELECT reconcile.guard('roles', timing => 'commit', on_failure => 'queue');
ALTER TABLE private.roles ADD CHECK (user_id <> 5);
INSERT INTO users VALUES (5), (6);
SELECT lives_ok('SELECT at_commit()', 'one that queues does not');
SELECT is(waiting(), format('23514 %s {"role": "owner", "user_id": 5}', current_user), 'what is refused waits');
SELECT results_eq('SELECT user_id FROM private.roles', 'VALUES (6)', 'the other row is written');
CREATE TABLE others (id integer PRIMARY KEY);
INSERT INTO users VALUES (11);
SELECT reconcile.alter_invariant('roles', expects => 'SELECT id AS user_id, ''owner'' AS role FROM others');
SELECT lives_ok('SELECT at_commit()', 'nor does a query that does not read the table any more');
SELECT is_empty('SELECT * FROM private.roles WHERE user_id = 11', 'it expects nothing of the row');
SELECT reconcile.alter_invariant('roles', expects => 'SELECT id AS user_id, ''owner'' AS role FROM users');
INSERT INTO users VALUES (12);
ALTER TABLE users DROP CONSTRAINT users_pkey CASCADE;
SELECT lives_ok('SELECT at_commit()', 'nor one whose rows cannot be found again');
SELECT results_eq('SELECT sqlstate, message, key, source FROM reconcile.failures WHERE sqlstate = ''55000''',
	$$VALUES ('55000', 'rows of app.users cannot be found again at commit', NULL::jsonb, '{"id": 12}'::jsonb)$$, 'they wait for a repair');
SELECT is((SELECT sum(remaining)::integer FROM reconcile.retry_failures()), 1, 'which finds them');
SELECT is((SELECT count(*) FROM private.roles WHERE user_id = 12), 1::bigint, 'and writes what they are expected to have');
ALTER TABLE users ADD PRIMARY KEY (id);
INSERT INTO users VALUES (13, 'x', 14);
SELECT reconcile.alter_invariant('roles', expects => 'SELECT created_by AS user_id, ''owner'' AS role FROM users');
SELECT at_commit();
SELECT is((SELECT count(*) FROM private.roles WHERE user_id = 14), 1::bigint, 'a query that does not read the primary key any more does not matter');
SELECT reconcile.alter_invariant('roles', expects => 'SELECT id AS user_id, ''owner'' AS role FROM users');
INSERT INTO users VALUES (15, 'x', 16);
ALTER TABLE users DROP CONSTRAINT users_pkey;
DELETE FROM users WHERE created_by IS NULL;
ALTER TABLE users ADD PRIMARY KEY (created_by);
SELECT reconcile.alter_invariant('roles', expects => 'SELECT created_by AS user_id, ''owner'' AS role FROM users');
SELECT lives_ok('SELECT at_commit()', 'another primary key finds no rows of the former one');
SELECT is((SELECT count(*) FROM reconcile.failures WHERE sqlstate = '55000' AND source = '{"id": 15}'), 1::bigint, 'which wait, and are not lost');
SELECT reconcile.alter_invariant('roles', expects => 'SELECT id AS user_id, ''owner'' AS role FROM users');
ALTER TABLE users DROP CONSTRAINT users_pkey, ALTER created_by DROP NOT NULL, ADD PRIMARY KEY (id);
INSERT INTO users VALUES (7);
DROP TABLE private.roles;
SELECT lives_ok('SELECT at_commit()', 'nor when the target is gone by then');
SELECT is((SELECT count(*) FROM reconcile.failures WHERE sqlstate = '42P01' AND key = '{"role": "owner", "user_id": 7}'), 1::bigint, 'its key waits');
SELECT reset();

-- ---------------------------------------------------------------- what waits for the commit, and savepoints

-- Each case is a story in one transaction, in which "end" stands for the commit, and the users who have their role then.
CREATE TABLE stories (what text PRIMARY KEY, steps text[], wanted integer[]);
INSERT INTO stories VALUES
	('a savepoint that is rolled back takes its rows along', '{INSERT 1,SAVEPOINT a,INSERT 2,ROLLBACK TO a,end}', '{1}'),
	('and leaves what came before it alone', '{INSERT 1,SAVEPOINT a,ROLLBACK TO a,INSERT 2,end}', '{1,2}'),
	('one that is released hands them on', '{SAVEPOINT a,INSERT 1,RELEASE a,INSERT 2,end}', '{1,2}'),
	('to the savepoint around it', '{INSERT 1,SAVEPOINT a,INSERT 2,SAVEPOINT b,INSERT 3,RELEASE b,ROLLBACK TO a,end}', '{1}'),
	('or to the transaction', '{INSERT 1,SAVEPOINT a,INSERT 2,SAVEPOINT b,INSERT 3,RELEASE b,RELEASE a,end}', '{1,2,3}'),
	('what was done within a savepoint is done again when it is rolled back', '{INSERT 1,SAVEPOINT a,end,ROLLBACK TO a,end}', '{1}'),
	('with what came later in it', '{INSERT 1,SAVEPOINT a,end,INSERT 2,ROLLBACK TO a,INSERT 3,end}', '{1,3}'),
	('also two savepoints deep', '{INSERT 1,SAVEPOINT a,SAVEPOINT b,end,RELEASE b,ROLLBACK TO a,end}', '{1}'),
	('and not once more when it is released', '{INSERT 1,SAVEPOINT a,end,RELEASE a,DELETE 1,end}', '{}'),
	('the only row may be that of a savepoint', '{SAVEPOINT a,INSERT 1,ROLLBACK TO a,INSERT 2,end}', '{2}'),
	('the end may come more than once', '{INSERT 1,end,INSERT 2,end,INSERT 3,end}', '{1,2,3}'),
	('nor does it concern anybody who has its key then', '{INSERT 1,SAVEPOINT a,INSERT 2,ROLLBACK TO a,UNSEEN 2,end}', '{1}'),
	('and at once, after SET CONSTRAINTS', '{end,IMMEDIATE,INSERT 1,INSERT 2}', '{1,2}');
SELECT reset();
-- Savepoints are not for functions, so psql runs the steps.
SELECT format('SELECT count(*) FROM reconcile.guard(''roles'', timing => ''commit'', on_failure => %L); TRUNCATE users CASCADE; %s; SET CONSTRAINTS ALL DEFERRED; SELECT results_eq(%L, %L, %L)',
	policy, (SELECT string_agg(CASE
		WHEN step ~ '^INSERT' THEN format('INSERT INTO users VALUES (%s)', split_part(step, ' ', 2))
		WHEN step ~ '^DELETE' THEN format('DELETE FROM private.roles WHERE user_id = %s', split_part(step, ' ', 2))
		WHEN step ~ '^UNSEEN' THEN format('ALTER TABLE users DISABLE TRIGGER USER; INSERT INTO users VALUES (%s); ALTER TABLE users ENABLE TRIGGER USER', split_part(step, ' ', 2))
		WHEN step = 'end' THEN 'SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED'
		WHEN step = 'IMMEDIATE' THEN 'SET CONSTRAINTS ALL IMMEDIATE' ELSE step END, '; ' ORDER BY n)
	 FROM unnest(steps) WITH ORDINALITY AS s(step, n)),
	'SELECT user_id FROM private.roles ORDER BY 1', format('SELECT unnest(%L::integer[])', wanted), policy || ': ' || what)
FROM stories, unnest('{queue,block}'::text[]) AS policy ORDER BY policy DESC, what
\gexec
CREATE FUNCTION many_savepoints() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	FOR n IN 1..500 LOOP
		BEGIN
			INSERT INTO users VALUES (n);
			PERFORM 1 / (n % 5);
		EXCEPTION WHEN division_by_zero THEN
			NULL;
		END;
	END LOOP;
END $$;
TRUNCATE users CASCADE;
SELECT many_savepoints();
SELECT at_commit();
SELECT is((SELECT count(*) FROM private.roles), 400::bigint, 'what many savepoints hand on is written once, without those that were rolled back');
SELECT is_empty('SELECT * FROM reconcile.guard_pending', 'nothing is left of any of it');

-- A row is found again by its primary key although the query does not read that, and also when it changes.
SELECT reconcile.alter_invariant('roles', expects => 'SELECT created_by AS user_id, ''creator'' AS role FROM users WHERE created_by IS NOT NULL');
SELECT count(*) FROM reconcile.guard('roles', timing => 'commit');
TRUNCATE users CASCADE;
INSERT INTO users VALUES (1), (4);
INSERT INTO users VALUES (2, 'x', 1), (3, 'y', 4);
UPDATE users SET id = 12 WHERE id = 2;
DELETE FROM users WHERE id = 3;
SELECT at_commit();
SELECT results_eq('SELECT * FROM private.roles', $$VALUES (1, 'creator')$$, 'a row whose primary key changes is found at commit');
SELECT is_empty('SELECT * FROM reconcile.guard_pending', 'and nothing is left');

-- A key that the target cannot hold is an error at commit as well.
CREATE TABLE wide (id bigint, label text);
CREATE TABLE narrow (id integer, label varchar(3), PRIMARY KEY (id, label));
SELECT reconcile.create_invariant('narrow', 'narrow', '{id,label}', 'SELECT id, label FROM wide');
SELECT count(*) FROM reconcile.guard('narrow', timing => 'commit');
CREATE FUNCTION ends_with(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	PERFORM at_commit();
	RETURN (SELECT count(*) FROM narrow);
EXCEPTION WHEN OTHERS THEN
	SET CONSTRAINTS ALL DEFERRED;
	RETURN SQLSTATE;
END $$;
SELECT is(ends_with('INSERT INTO wide VALUES (1, ''abc''), (2, ''ab '')'), '2', 'keys that fit are written');
ALTER TABLE wide ADD PRIMARY KEY (id);
SELECT is(ends_with('INSERT INTO wide VALUES (5000000000, ''abc'')'), '22003', 'a number that does not fit refuses the commit');
SELECT is(ends_with('INSERT INTO wide VALUES (3, ''abcd'')'), '22001', 'so does a text');
SELECT is(ends_with('INSERT INTO wide VALUES (3, NULL)'), '23502', 'and a NULL');
SELECT is(ends_with('INSERT INTO wide VALUES (3, ''x'')'), '3', 'and what fits is written');
SELECT reconcile.drop_invariant('narrow');

-- A chain without end comes to its end at commit as well, whether its rows are noted in memory or in a table.
CREATE FUNCTION chain(by text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE TABLE tick (n integer NOT NULL %1$s); CREATE TABLE tock (n integer NOT NULL %1$s)', by);
	PERFORM reconcile.create_invariant('tick', 'tock', '{n}', 'SELECT n + 1 AS n FROM tick');
	PERFORM reconcile.create_invariant('tock', 'tick', '{n}', 'SELECT n + 1 AS n FROM tock');
	PERFORM reconcile.guard(name, timing => 'commit') FROM unnest('{tick,tock}'::text[]) AS name;
	RETURN NEXT throws_ok('INSERT INTO tick VALUES (1); SELECT at_commit()', '54001', 'guards set off each other more than 32 levels deep',
		'guards that set off each other at commit do not do so for ever: ' || by);
	SET CONSTRAINTS ALL DEFERRED;
	PERFORM reconcile.drop_invariant(name) FROM unnest('{tick,tock}'::text[]) AS name;
	DROP TABLE tick, tock;
END $$;
SELECT chain(by) FROM unnest('{PRIMARY KEY,UNIQUE}'::text[]) AS by;
SELECT reset();

-- ---------------------------------------------------------------- deferred constraints of the target

ALTER TABLE private.roles ADD COLUMN slug text DEFAULT 'x';
ALTER TABLE private.roles ADD CONSTRAINT one_slug UNIQUE (slug) DEFERRABLE INITIALLY DEFERRED;
INSERT INTO users VALUES (1), (2);
SELECT lives_ok('SET CONSTRAINTS ALL IMMEDIATE', 'a constraint that waits for the commit does not fail there');
SET CONSTRAINTS ALL DEFERRED;
SELECT is(waiting(), format('23505 %s {"role": "owner", "user_id": 2}', current_user), 'its row waits in the queue');
SELECT reset();

-- ---------------------------------------------------------------- causes of "database error saving new user"

CREATE TYPE job AS ENUM ('owner', 'member');
SELECT reconcile.alter_invariant('roles', expects => 'SELECT coalesce(created_by, id) AS user_id, ''owner''::job::text AS role FROM users');
SET search_path = '';
INSERT INTO app.users VALUES (1);
SET search_path = app, public;
SELECT is(waiting(), NULL, 'an unqualified type in the query is found, whatever the writer''s search_path');
SELECT heals('an unqualified type');

ALTER TABLE private.roles SET SCHEMA app;
SELECT signs_up('a target that moved to another schema is still the target', 1);
SELECT is((SELECT count(*) FROM app.roles), 1::bigint, 'it has the row');
ALTER TABLE app.roles SET SCHEMA private;
SELECT heals('a target that moved');

SELECT throws_ok($$SELECT reconcile.create_invariant('misnamed', 'private.roles', '{user_id,role}', 'SELECT uid AS user_id, ''x'' AS role FROM users')$$,
	'42703', 'column "uid" does not exist', 'a misnamed column is found when the invariant is created, not at the first signup');

CREATE FUNCTION mistaken() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN SELECT 1; RETURN NEW; END $$;
CREATE TRIGGER mistaken BEFORE INSERT ON private.roles FOR EACH ROW EXECUTE FUNCTION mistaken();
SELECT signs_up('a SELECT without destination in the target''s own trigger queues', 1, '42601 reconcile_test_signup {"role": "owner", "user_id": 1}');
DROP TRIGGER mistaken ON private.roles;
SELECT heals('a bug in the target''s own trigger');

CREATE FUNCTION wrong(integer) RETURNS integer LANGUAGE plpgsql STABLE AS $$ BEGIN SELECT 1; RETURN $1; END $$;
SELECT reconcile.alter_invariant('roles', expects => 'SELECT wrong(id) AS user_id, ''owner'' AS role FROM users');
SELECT signs_up('the same in a function of the query queues the written row', 1, '42601 reconcile_test_signup {"id": 1, "email": null, "created_by": null}');
CREATE OR REPLACE FUNCTION wrong(integer) RETURNS integer LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN $1; END $$;
SELECT heals('a bug in a function of the query');

CREATE TABLE accounts (id uuid PRIMARY KEY, email text);
CREATE TABLE profiles (account_id text PRIMARY KEY, email text UNIQUE);
SELECT reconcile.create_invariant('profiles', 'profiles', '{account_id}', 'SELECT id AS account_id, email FROM accounts');
INSERT INTO accounts VALUES ('00000000-0000-0000-0000-000000000001', 'old@example.com');
SELECT reconcile.guard('profiles', on_failure => 'queue');
INSERT INTO accounts VALUES ('00000000-0000-0000-0000-000000000002', 'a@example.com');
SELECT results_eq('SELECT account_id FROM profiles', $$VALUES ('00000000-0000-0000-0000-000000000002')$$, 'a uuid goes into a column of text');
SELECT results_eq('SELECT state, missing FROM reconcile.audit(''profiles'')', $$VALUES ('drift', 1::bigint)$$,
	'who was there before the guard is not forgotten: audit finds them');
SELECT results_eq('SELECT changed FROM reconcile.repair(''profiles'', dry_run => false)', 'VALUES (1::bigint)', 'and a repair brings them in');
SELECT lives_ok($$INSERT INTO accounts VALUES ('00000000-0000-0000-0000-000000000003', 'a@example.com'), ('00000000-0000-0000-0000-000000000004', 'b@example.com')$$,
	'a second unique index of the target does not fail the write');
SELECT results_eq('SELECT sqlstate, message, key FROM reconcile.failures',
	$$VALUES ('23505', 'duplicate key value violates unique constraint "profiles_email_key"', '{"account_id": "00000000-0000-0000-0000-000000000003"}'::jsonb)$$,
	'nor is the real error hidden');
SELECT is((SELECT count(*) FROM profiles), 3::bigint, 'the other row is written');
SELECT throws_ok('SELECT reconcile.assert_clean(''profiles'')', 'RC001', NULL,
	'a migration that relies on the rows learns beforehand that one is missing');
UPDATE accounts SET email = 'c@example.com' WHERE email = 'a@example.com' AND id::text ~ '3$';
SELECT is_empty('SELECT * FROM reconcile.failures f WHERE (SELECT remaining FROM reconcile.retry_failures()) > 0', 'which is then mended');
SELECT lives_ok('SELECT reconcile.assert_clean(''profiles'')', 'and the migration may go on');
SELECT reconcile.drop_invariant('profiles');

-- ---------------------------------------------------------------- what was seeded once, and who has less than they should

CREATE TABLE teams (id integer PRIMARY KEY, created_by integer);
CREATE TABLE team_members (team_id integer, user_id integer, role text NOT NULL, PRIMARY KEY (team_id, user_id));
SELECT reconcile.create_invariant('creators', 'team_members', '{team_id,user_id}', 'SELECT id AS team_id, created_by AS user_id, ''owner'' AS role FROM teams',
	compare => '{role}');
SELECT count(*) FROM reconcile.guard('creators');
INSERT INTO teams VALUES (1, 5);
SELECT results_eq('SELECT * FROM team_members', $$VALUES (1, 5, 'owner')$$, 'no creator is locked out of the team');
INSERT INTO team_members VALUES (2, 5, 'member');
INSERT INTO teams VALUES (2, 5);
SELECT results_eq('SELECT missing, differing FROM reconcile.audit(''creators'')', 'VALUES (0::bigint, 1::bigint)', 'a creator with a lower role differs');
SELECT results_eq('SELECT changed FROM reconcile.repair(''creators'', dry_run => false)', 'VALUES (0::bigint)', 'and does not count as fixed');

CREATE TABLE jobs (id integer PRIMARY KEY);
CREATE TABLE permissions (id integer PRIMARY KEY);
CREATE TABLE granted (job_id integer, permission_id integer, PRIMARY KEY (job_id, permission_id));
SELECT reconcile.create_invariant('granted', 'granted', '{job_id,permission_id}', 'SELECT j.id AS job_id, p.id AS permission_id FROM jobs j, permissions p');
SELECT count(*) FROM reconcile.guard('granted');
INSERT INTO permissions VALUES (1);
INSERT INTO jobs VALUES (1), (2);
INSERT INTO permissions VALUES (2);
SELECT results_eq('SELECT * FROM granted ORDER BY 1, 2', 'VALUES (1, 1), (1, 2), (2, 1), (2, 2)', 'a permission that is added later comes to the jobs there are');
CREATE TABLE loose (permission_id integer);
SELECT throws_ok($$SELECT reconcile.create_invariant('none', 'loose', '{permission_id}', 'SELECT id AS permission_id FROM permissions')$$, 'RC007', NULL,
	'without a unique index nothing is declared that would insert duplicates');
SELECT reset();

-- ---------------------------------------------------------------- migration tools

ALTER TABLE users DISABLE TRIGGER reconcile_insert_roles;
INSERT INTO users VALUES (1);
SELECT results_eq('SELECT severity, state, missing FROM reconcile.audit(''roles'')', $$VALUES ('error', 'drift', 1::bigint)$$,
	'a disabled trigger is reported, with the rows missed meanwhile');
SELECT results_eq('SELECT guard, guard_state FROM reconcile.invariants', $$VALUES ('queue', 'partly on')$$, 'in the list of invariants, too');
DROP TRIGGER reconcile_update_roles ON users;
SELECT is((SELECT message FROM reconcile.audit('roles')),
	'guard: trigger "reconcile_insert_roles" of app.users is disabled; guard: trigger "reconcile_update_roles" of app.users is dropped; '
	'SELECT * FROM reconcile.findings(''roles'');', 'a dropped trigger is reported');
CREATE OR REPLACE TRIGGER reconcile_insert_roles BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION careless();
SELECT matches((SELECT message FROM reconcile.audit('roles')), 'trigger "reconcile_insert_roles" of app.users is replaced', 'a replaced function is reported');
DROP TRIGGER reconcile_insert_roles ON users;
SELECT count(*) FROM reconcile.guard('roles');
SELECT results_eq('SELECT guard, guard_state FROM reconcile.invariants', $$VALUES ('block', 'on')$$, 'guard() mends them');
SELECT results_eq('SELECT severity, message FROM reconcile.audit(''roles'')', $$VALUES ('error', 'SELECT * FROM reconcile.findings(''roles'');')$$,
	'and audit is content');
SELECT reset();

SELECT reconcile.create_invariant('members', 'private.roles', '{user_id,role}', 'SELECT id AS user_id, ''member'' AS role FROM users');
SELECT count(*) FROM reconcile.guard('members');
INSERT INTO users VALUES (1);
SELECT results_eq('SELECT role FROM private.roles ORDER BY 1', $$VALUES ('member'), ('owner')$$, 'two guards on one table do their work');
SELECT reconcile.unguard('roles');
INSERT INTO users VALUES (2);
SELECT results_eq('SELECT role FROM private.roles WHERE user_id = 2', $$VALUES ('member')$$, 'and do not depend on each other');
SELECT reset();

-- ---------------------------------------------------------------- partitions that come with rows

DROP TABLE private.roles, users;
CREATE TABLE users (id integer PRIMARY KEY, created_by integer) PARTITION BY RANGE (id);
CREATE TABLE users_1 PARTITION OF users FOR VALUES FROM (1) TO (10);
CREATE TABLE users_2 (id integer NOT NULL, created_by integer);
CREATE TABLE private.roles (user_id integer NOT NULL, role text NOT NULL, PRIMARY KEY (user_id, role));
SELECT reconcile.drop_invariant('roles');
SELECT reconcile.create_invariant('roles', 'private.roles', '{user_id,role}', 'SELECT id AS user_id, ''owner'' AS role FROM users');
SELECT count(*) FROM reconcile.guard('roles');
INSERT INTO users_2 VALUES (10);
ALTER TABLE users ATTACH PARTITION users_2 FOR VALUES FROM (10) TO (20);
SELECT results_eq('SELECT severity, state, message FROM reconcile.audit(''roles'')',
	$$VALUES ('error', 'drift', 'guard: app.users_2 has no trigger of the guard; SELECT * FROM reconcile.findings(''roles'');')$$,
	'rows of an attached partition fire nothing, and audit reports both');
CREATE SUBSCRIPTION reconcile_test CONNECTION 'dbname=none' PUBLICATION none WITH (connect = false);
INSERT INTO pg_subscription_rel SELECT oid, 'users_1'::regclass, 'r', NULL FROM pg_subscription WHERE subname = 'reconcile_test';
SELECT matches((SELECT message FROM reconcile.audit('roles')), 'users_1 is in a subscription, and what is replicated fires no statement trigger',
	'a table of a subscription is reported');

-- ---------------------------------------------------------------- a view that is replaced

CREATE TABLE seen (id integer PRIMARY KEY);
CREATE TABLE private.seen (id integer PRIMARY KEY);
CREATE VIEW inner_view AS SELECT id FROM seen WHERE id > 10;
CREATE VIEW outer_view AS SELECT id FROM inner_view;
SELECT reconcile.create_invariant('through_views', 'private.seen', '{id}', 'SELECT id FROM outer_view');
CREATE FUNCTION seen_after_a_change(timing text) RETURNS integer[] LANGUAGE plpgsql AS $$
BEGIN
	TRUNCATE seen, private.seen;
	CREATE OR REPLACE VIEW inner_view AS SELECT id FROM seen WHERE id > 10;
	PERFORM reconcile.guard('through_views', timing => timing);
	INSERT INTO seen VALUES (1), (11);
	SET CONSTRAINTS ALL IMMEDIATE;
	SET CONSTRAINTS ALL DEFERRED;
	CREATE OR REPLACE VIEW inner_view AS SELECT id FROM seen WHERE id > 0;
	INSERT INTO seen VALUES (2), (12);
	SET CONSTRAINTS ALL IMMEDIATE;
	SET CONSTRAINTS ALL DEFERRED;
	RETURN (SELECT array_agg(id ORDER BY id) FROM private.seen);
END $$;
SELECT is(seen_after_a_change('statement'), '{2,11,12}', 'a guard follows a view that its query reads through another');
SELECT is(seen_after_a_change('commit'), '{2,11,12}', 'also one that waits for the commit');

SELECT * FROM finish();
ROLLBACK;
