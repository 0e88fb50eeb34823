-- Whose rights an invariant uses: its owner's, in the search_path it was created with, whoever asks; and nobody lends it
-- more. Row-level security is an error, never a silent filter.
\ir ../support/invariant.sql
CREATE ROLE reconcile_owner;
CREATE ROLE reconcile_other;
CREATE ROLE reconcile_member IN ROLE reconcile_owner;
CREATE ROLE reconcile_gone;
GRANT USAGE, CREATE ON SCHEMA app TO reconcile_owner, reconcile_gone;
GRANT USAGE ON SCHEMA app TO reconcile_other, reconcile_member;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA reconcile TO reconcile_owner, reconcile_gone, reconcile_other, reconcile_member;
SELECT no_plan();
-- pgTAP keeps its results in temporary objects of whoever runs the test.
GRANT ALL ON ALL TABLES IN SCHEMA pg_temp TO PUBLIC;
GRANT ALL ON ALL SEQUENCES IN SCHEMA pg_temp TO PUBLIC;

CREATE FUNCTION state(invariant text) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(': ', state, message) FROM reconcile.audit(state.invariant)
$$;

-- ---------------------------------------------------------------- who may ask

SET ROLE reconcile_owner;
CREATE TABLE source (id integer PRIMARY KEY);
INSERT INTO source SELECT generate_series(1, 5);
CREATE TABLE target (id integer PRIMARY KEY, by text DEFAULT current_user);
SELECT reconcile.create_invariant('theirs', 'target', '{id}', 'SELECT id FROM source') \g /dev/null
SELECT is((SELECT owner FROM reconcile.invariants), 'reconcile_owner'::regrole, 'the creator owns the invariant');

SET ROLE reconcile_other;
SELECT is(state('theirs'), 'not checked: permission denied for invariant "theirs" (SQLSTATE 42501); It is evaluated as its owner, '
	'role "reconcile_owner".', 'a stranger''s audit is not checked');
SELECT raised(what, sql, '42501', 'permission denied for invariant "theirs"', 'Ask for membership in that role.',
	'It is evaluated as its owner, role "reconcile_owner".')
FROM (VALUES ('findings for a stranger', 'SELECT reconcile.findings(''theirs'')'),
             ('a dry run for a stranger', 'SELECT reconcile.repair(''theirs'')'),
             ('a live run for a stranger', 'SELECT reconcile.repair(''theirs'', dry_run => false)'),
             ('drop for a stranger', 'SELECT reconcile.drop_invariant(''theirs'')')) AS t(what, sql);
SET ROLE reconcile_member;
SELECT is(counts('theirs', false), '(5,5,0,0)', 'a member of the owner may repair');
RESET ROLE;
SELECT is((SELECT array_agg(DISTINCT by) FROM target), '{reconcile_owner}', 'as the owner');
SELECT is((SELECT DISTINCT run_by FROM reconcile.runs), 'reconcile_member', 'the ledger has who called');
SELECT is((SELECT count(*) FROM information_schema.routine_privileges WHERE specific_schema = 'reconcile' AND grantee = 'PUBLIC'
	AND routine_name IN ('repair', 'create_invariant', 'drop_invariant', 'undo')), 0::bigint, 'PUBLIC may not write');

-- ---------------------------------------------------------------- a superuser lends nothing

-- What a low role declared runs as that role, whoever calls it.
CREATE TABLE marker (who text, role text);
GRANT INSERT ON marker TO PUBLIC;
SET ROLE reconcile_owner;
CREATE FUNCTION grab() RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
	BEGIN
		EXECUTE 'SET ROLE postgres';
		RAISE EXCEPTION 'became %', current_user;
	EXCEPTION WHEN insufficient_privilege OR read_only_sql_transaction OR invalid_parameter_value THEN
		NULL;
	END;
	BEGIN
		EXECUTE 'SET SESSION AUTHORIZATION DEFAULT';
		RAISE EXCEPTION 'became %', current_user;
	EXCEPTION WHEN insufficient_privilege OR read_only_sql_transaction OR invalid_parameter_value THEN
		NULL;
	END;
	IF current_user <> 'reconcile_owner' THEN
		RAISE EXCEPTION 'is %', current_user;
	END IF;
	RETURN 100;
END $$;
CREATE FUNCTION mark() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO app.marker VALUES (TG_TABLE_NAME, current_user);
	BEGIN
		EXECUTE 'SET ROLE postgres';
		INSERT INTO app.marker VALUES ('escaped', current_user);
	EXCEPTION WHEN insufficient_privilege THEN
		NULL;
	END;
	RETURN NEW;
END $$;
CREATE TABLE lure (id integer PRIMARY KEY);
CREATE TRIGGER mark BEFORE INSERT ON lure FOR EACH ROW EXECUTE FUNCTION mark();
CREATE CONSTRAINT TRIGGER mark_later AFTER INSERT ON lure DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION mark();
SELECT reconcile.create_invariant('lure', 'lure', '{id}', 'SELECT grab() AS id') \g /dev/null
RESET ROLE;
SELECT is((SELECT state FROM reconcile.audit('lure')), 'drift', 'a superuser may audit what a low role declared');
SELECT is(counts('lure', false), '(1,1,0,0)', 'and repair it, deferred triggers included');
SET CONSTRAINTS ALL IMMEDIATE;
SET CONSTRAINTS ALL DEFERRED;
SELECT results_eq('SELECT * FROM marker', $$VALUES ('lure', 'reconcile_owner'), ('lure', 'reconcile_owner')$$,
	'its triggers run as the low role and stay it');
SELECT is(current_user::text, session_user::text, 'the session is who it was');
SELECT throws_ok('SET LOCAL ROLE nobody_at_all', '22023', NULL, 'and may change its role');
SELECT is(current_setting('search_path'), 'app, public', 'search_path is as it was');
SELECT is(current_setting('row_security'), 'on', 'row_security is as it was');
SELECT is(current_setting('transaction_read_only'), 'off', 'the transaction may write');

-- A trigger that waits for the end of the transaction would run as whoever ends it: a low role may set off none.
SET ROLE reconcile_owner;
CREATE TABLE trap (id integer);
CREATE CONSTRAINT TRIGGER mark_at_the_end AFTER INSERT ON trap DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION mark();
CREATE TABLE bait (id integer PRIMARY KEY);
CREATE FUNCTION into_the_trap() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO app.trap VALUES (1); RETURN NEW; END';
CREATE TRIGGER into_the_trap BEFORE INSERT ON bait FOR EACH ROW EXECUTE FUNCTION into_the_trap();
SELECT reconcile.create_invariant('bait', 'bait', '{id}', 'SELECT 1 AS id') \g /dev/null
RESET ROLE;
SELECT throws_ok('SELECT counts(''bait'', false)', '42501', 'cannot fire deferred trigger within security-restricted operation',
	'a deferred trigger of another table is not queued for the superuser');
SET ROLE reconcile_owner;
SELECT is(counts('bait', false), '(1,1,0,0)', 'the low role itself may');
SET CONSTRAINTS ALL IMMEDIATE;
SET CONSTRAINTS ALL DEFERRED;
SELECT reconcile.drop_invariant('bait') \g /dev/null
RESET ROLE;

-- The same settings after an error.
SET ROLE reconcile_owner;
CREATE FUNCTION fails() RETURNS integer LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no''; END';
SELECT reconcile.create_invariant('fails', 'lure', '{id}', 'SELECT fails() AS id') \g /dev/null
RESET ROLE;
SELECT is(state('fails'), 'not checked: no (SQLSTATE P0001)', 'an error in a query is the audit''s reason');
SELECT throws_ok('SELECT reconcile.repair(''fails'', dry_run => false)', 'P0001', 'no', 'and a repair''s error');
SELECT is(concat_ws('|', current_user, current_setting('search_path'), current_setting('row_security'),
	current_setting('transaction_read_only')), session_user || '|app, public|on|off', 'user and settings are as they were');
SELECT reconcile.drop_invariant(name) FROM unnest('{fails,lure}'::text[]) AS name \g /dev/null

-- ---------------------------------------------------------------- the deferred constraints of others wait

CREATE TABLE later (id integer PRIMARY KEY REFERENCES source DEFERRABLE INITIALLY DEFERRED);
SAVEPOINT later;
INSERT INTO later VALUES (999);
DELETE FROM target;
SELECT is(counts('theirs', false), '(5,5,0,0)', 'the application''s deferred constraints stay deferred');
ROLLBACK TO later;

-- ---------------------------------------------------------------- row-level security

SET ROLE reconcile_owner;
CREATE TABLE guarded (id integer PRIMARY KEY, tenant text DEFAULT 'a');
INSERT INTO guarded VALUES (1, 'a'), (2, 'b');
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
ALTER TABLE guarded FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON guarded USING (tenant = 'a');
SELECT throws_ok($$SELECT reconcile.create_invariant('hidden', 'guarded', '{id}', 'SELECT id FROM source')$$, '42501',
	'query would be affected by row-level security policy for table "guarded"', 'rows hidden from the owner: refused at creation');
ALTER TABLE guarded DISABLE ROW LEVEL SECURITY;
SELECT reconcile.create_invariant('hidden', 'guarded', '{id}', 'SELECT id FROM source') \g /dev/null
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
SELECT is(state('hidden'), 'not checked: query would be affected by row-level security policy for table "guarded" (SQLSTATE 42501)',
	'hidden later: not checked');
SELECT throws_ok(format('SELECT reconcile.%s', call), '42501', 'query would be affected by row-level security policy for table "guarded"',
	'hidden later: ' || call)
FROM unnest(ARRAY['findings(''hidden'')', 'repair(''hidden'')', 'repair(''hidden'', dry_run => false)']) AS call;
RESET ROLE;
SELECT is((SELECT state FROM reconcile.audit('hidden')), 'not checked', 'also for a superuser, who would see all rows');

-- ---------------------------------------------------------------- rights and roles that go

REVOKE SELECT ON source FROM reconcile_owner;
SELECT is(state('theirs'), 'not checked: permission denied for table source (SQLSTATE 42501)', 'the owner lost SELECT: not checked');
SELECT throws_ok('SELECT counts(''theirs'', false)', '42501', 'permission denied for table source', 'the owner lost SELECT: no repair');
GRANT SELECT ON source TO reconcile_owner;
REVOKE INSERT ON target FROM reconcile_owner;
DELETE FROM target;
SELECT is((SELECT state FROM reconcile.audit('theirs')), 'drift', 'the owner lost INSERT: still audited');
SELECT throws_ok('SELECT counts(''theirs'', false)', '42501', 'permission denied for table target', 'the owner lost INSERT: no repair');
GRANT INSERT ON target TO reconcile_owner;

SET ROLE reconcile_other;
SELECT throws_ok($$SELECT reconcile.create_invariant('i', 'app.target', '{id}', 'SELECT id FROM app.source')$$, '42501',
	'permission denied for table source', 'a query needs rights when it is declared');
SELECT throws_ok($$SELECT reconcile.create_invariant('i', 'app.target', '{id}', 'SELECT 1 AS id')$$, '42501',
	'permission denied for table target', 'and so does the target');
RESET ROLE;

SET ROLE reconcile_gone;
CREATE TABLE left_behind (id integer PRIMARY KEY);
SELECT reconcile.create_invariant('orphan', 'left_behind', '{id}', 'SELECT 1 AS id') \g /dev/null
RESET ROLE;
REASSIGN OWNED BY reconcile_gone TO reconcile_owner;
DROP OWNED BY reconcile_gone;
DROP ROLE reconcile_gone;
SELECT is(state('orphan'), 'not checked: the owner of invariant "orphan" does not exist any more (SQLSTATE 42704)',
	'the owner is gone: not checked');
SELECT raised('a repair without owner', 'SELECT counts(''orphan'', false)', '42704',
	'the owner of invariant "orphan" does not exist any more', 'A superuser can drop the invariant; create it again as a role that exists.');
SELECT is((SELECT count(*) FROM reconcile.audit()), 3::bigint, 'an audit of all goes on');
SET ROLE reconcile_other;
SELECT throws_ok('SELECT reconcile.drop_invariant(''orphan'')', '42704', NULL, 'a stranger may not drop it');
RESET ROLE;
SELECT lives_ok('SELECT reconcile.drop_invariant(''orphan'')', 'a superuser may drop it');

-- ---------------------------------------------------------------- search_path

SELECT reconcile.drop_invariant(name) FROM reconcile.invariants \g /dev/null
SELECT reconcile.create_invariant('pinned', 'target', '{id}', 'SELECT id FROM source WHERE id > 0', compare => '{id}',
	where_absent => 'id < 0') \g /dev/null
DELETE FROM target;

-- Whatever the caller's path, and whatever hostile things it shows first.
CREATE SCHEMA evil;
CREATE TABLE evil.source AS SELECT 666 AS id;
CREATE FUNCTION evil.equal(integer, integer) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'evil equality was called by %', current_user; END $$;
CREATE OPERATOR evil.= (LEFTARG = integer, RIGHTARG = integer, FUNCTION = evil.equal);
CREATE OPERATOR evil.> (LEFTARG = integer, RIGHTARG = integer, FUNCTION = evil.equal);
CREATE FUNCTION evil.count(integer) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'evil count'; END $$;
CREATE FUNCTION evil.format(text, VARIADIC text[]) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'evil format'; END $$;
CREATE FUNCTION evil.to_jsonb(anyelement) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'evil to_jsonb'; END $$;
CREATE FUNCTION evil.md5(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'evil md5'; END $$;
CREATE TEMP TABLE source AS SELECT 667 AS id;
SET LOCAL search_path = evil, pg_catalog, app;
CREATE TEMP TABLE seen AS SELECT app.counts('pinned', true) AS dry;
ALTER TABLE seen ADD live app.counts, ADD state text, ADD findings bigint, ADD empty_path text, ADD hostile text, ADD hostile_live app.counts;
UPDATE seen SET live = app.counts('pinned', false);
UPDATE seen SET state = (SELECT a.state FROM reconcile.audit('pinned') AS a),
	findings = (SELECT pg_catalog.count(*) FROM reconcile.findings('pinned'));
SET LOCAL search_path = '';
UPDATE pg_temp.seen SET empty_path = (SELECT a.state FROM reconcile.audit('pinned') AS a);
-- An invariant created under the hostile path calls what its creator wrote; the engine's own part of a statement does not.
SET LOCAL search_path = evil, pg_catalog, app;
SELECT reconcile.create_invariant('hostile', 'target', '{id}', 'SELECT id FROM app.source', compare => '{id}') \g /dev/null
UPDATE seen SET hostile = (SELECT pg_catalog.concat_ws(': ', a.state, a.message) FROM reconcile.audit('hostile') AS a);
DELETE FROM app.target;
UPDATE seen SET hostile_live = app.counts('hostile', false);
SET LOCAL search_path = app, public;
SELECT is(dry, '(5,5,0,0)', 'the path is the creator''s: dry run') FROM seen;
SELECT is(live, '(5,5,0,0)', 'the path is the creator''s: live run') FROM seen;
SELECT is(state, 'clean', 'the path is the creator''s: audit') FROM seen;
SELECT is(findings, 0::bigint, 'the path is the creator''s: findings') FROM seen;
SELECT is(empty_path, 'clean', 'also under an empty path') FROM seen;
SELECT is(hostile, 'clean', 'the engine''s own operators are PostgreSQL''s: audit') FROM seen;
SELECT is(hostile_live, '(5,5,0,0)', 'the engine''s own operators are PostgreSQL''s: live run') FROM seen;
SELECT is((SELECT array_agg(id ORDER BY id) FROM target), '{1,2,3,4,5}', 'nothing else was written');

SELECT * FROM finish();
ROLLBACK;
