-- The preflight: every problem is named, with the statement that fixes it. That statement is run, and the problem is gone.
\ir ../support/invariant.sql
SELECT no_plan();

CREATE ROLE reconcile_test_owner;
CREATE ROLE reconcile_test_writer;
GRANT USAGE, CREATE ON SCHEMA app TO reconcile_test_owner;
GRANT USAGE ON SCHEMA app TO reconcile_test_writer;
CREATE SCHEMA elsewhere;
GRANT USAGE ON SCHEMA elsewhere TO reconcile_test_owner;
CREATE TABLE users (id integer PRIMARY KEY, customer_id integer);
CREATE TABLE elsewhere.prefs (user_id integer PRIMARY KEY, customer_id integer);
GRANT SELECT, TRIGGER ON users TO reconcile_test_owner;
GRANT INSERT ON users TO reconcile_test_writer;
GRANT SELECT, INSERT ON elsewhere.prefs TO reconcile_test_owner;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA reconcile TO reconcile_test_owner;
SET ROLE reconcile_test_owner;
SET search_path = app;
SELECT reconcile.create_invariant('prefs', 'elsewhere.prefs', '{user_id}', 'SELECT id AS user_id, customer_id FROM users');
RESET ROLE;
SET search_path = app, public;
CREATE FUNCTION loud() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;

-- checked is what check_guard() says as the owner, for what a role writes.
CREATE FUNCTION checked() RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	SET LOCAL ROLE reconcile_test_owner;
	RETURN QUERY SELECT format('%s: %s [%s]', severity, problem, object) FROM reconcile.check_guard('prefs', 'reconcile_test_writer');
	RESET ROLE;
END $$;
-- fixes runs, as a superuser, what check_guard() says to the owner that fixes a problem.
CREATE FUNCTION fixes() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	statements text[];
	statement text;
BEGIN
	SET LOCAL ROLE reconcile_test_owner;
	statements := ARRAY(SELECT fix FROM reconcile.check_guard('prefs', 'reconcile_test_writer') WHERE severity <> 'notice');
	RESET ROLE;
	FOREACH statement IN ARRAY statements LOOP
		EXECUTE replace(statement, '...', '0');
	END LOOP;
END $$;
SELECT is_empty('SELECT checked()', 'nothing is wrong');

CREATE FUNCTION problem(what text, breaks text, wanted text, refused text DEFAULT NULL) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE breaks;
	RETURN NEXT is((SELECT string_agg(c, ' | ' ORDER BY c) FROM checked() AS c), wanted, what);
	IF refused IS NOT NULL THEN
		SET LOCAL ROLE reconcile_test_owner;
		RETURN NEXT throws_ok($g$SELECT reconcile.guard('prefs')$g$, refused, NULL, what || ': guard() refuses');
		RESET ROLE;
	END IF;
	PERFORM fixes();
	RETURN NEXT is_empty($c$SELECT * FROM checked() AS c WHERE c !~ '^notice'$c$, what || ': fixed');
END $$;

SELECT problem('no USAGE on the schema of the target', 'REVOKE USAGE ON SCHEMA elsewhere FROM reconcile_test_owner',
	'error: role reconcile_test_owner, the owner, has no USAGE on schema elsewhere [elsewhere]', '42501');
SELECT problem('no INSERT on the target', 'REVOKE INSERT ON elsewhere.prefs FROM reconcile_test_owner',
	'error: role reconcile_test_owner, the owner, has no INSERT on elsewhere.prefs [elsewhere.prefs]', '42501');
SELECT problem('no SELECT on what the query reads', 'REVOKE SELECT ON users FROM reconcile_test_owner',
	'error: role reconcile_test_owner, the owner, has no SELECT on app.users [app.users]', '42501');
SELECT problem('no TRIGGER on what is watched', 'REVOKE TRIGGER ON users FROM reconcile_test_owner',
	'error: role reconcile_test_owner, which calls guard(), has no TRIGGER on app.users [app.users]', '42501');
SELECT problem('a column that nobody fills', 'ALTER TABLE elsewhere.prefs ADD COLUMN lang integer NOT NULL',
	'error: column lang of elsewhere.prefs is not null, has no default and is not yielded by the query [elsewhere.prefs.lang]', '23502');
SELECT problem('row-level security', 'ALTER TABLE elsewhere.prefs ENABLE ROW LEVEL SECURITY',
	'error: row-level security of elsewhere.prefs applies to role reconcile_test_owner, the owner [elsewhere.prefs]', '42501');
SELECT problem('a foreign key that keeps users from being deleted',
	'ALTER TABLE elsewhere.prefs ADD CONSTRAINT of_user FOREIGN KEY (user_id) REFERENCES users',
	'warning: the rows that the guard writes will keep rows of app.users from being deleted [of_user on elsewhere.prefs]');
SELECT is((SELECT confdeltype FROM pg_constraint WHERE conname = 'of_user'), 'c', 'it cascades now');
SELECT problem('a deferrable constraint', 'ALTER TABLE elsewhere.prefs ADD CONSTRAINT later UNIQUE (customer_id) DEFERRABLE INITIALLY DEFERRED',
	'warning: constraint later is deferrable, and checked as soon as the guard has written [later on elsewhere.prefs]');
SELECT problem('a trigger on the target',
	'CREATE TRIGGER loud BEFORE INSERT ON elsewhere.prefs FOR EACH ROW EXECUTE FUNCTION loud()',
	'notice: trigger loud fires for the rows that the guard writes, as role reconcile_test_owner [loud on elsewhere.prefs]');
DROP TRIGGER loud ON elsewhere.prefs;
SELECT problem('a search_path that is not there', 'UPDATE reconcile.invariant SET search_path = ''app, gone, pg_temp'' WHERE name = ''prefs''',
	'warning: schema gone of the search_path does not exist [gone]');
SELECT problem('a search_path where everybody may create objects', 'GRANT CREATE ON SCHEMA app TO PUBLIC',
	'warning: everybody may create objects in schema app of the search_path, which the query would find [app]');
SELECT problem('a role that writes as a replica', 'ALTER ROLE reconcile_test_writer SET session_replication_role = replica',
	'error: role reconcile_test_writer writes with session_replication_role = replica, where the guard does not fire [reconcile_test_writer]');
SELECT problem('a role that never fires it', 'REVOKE INSERT ON users FROM reconcile_test_writer',
	'warning: role reconcile_test_writer may not insert into app.users, and never fires the guard [app.users]');
SELECT count(*) FROM reconcile.guard('prefs');
SELECT problem('a disabled trigger', 'ALTER TABLE users DISABLE TRIGGER reconcile_insert_prefs',
	'error: trigger "reconcile_insert_prefs" of app.users is disabled [guard of prefs]');
SELECT problem('a dropped trigger', 'DROP TRIGGER reconcile_update_prefs ON users',
	'error: trigger "reconcile_update_prefs" of app.users is dropped [guard of prefs]');

-- What no statement fixes says what it is.
ALTER TABLE elsewhere.prefs ALTER COLUMN customer_id TYPE date USING NULL;
SELECT is((SELECT array_agg(c) FROM checked() AS c), ARRAY['error: column "customer_id" is of type date but expression is of type integer [prefs]'],
	'a type that does not fit');
ALTER TABLE elsewhere.prefs ALTER COLUMN customer_id TYPE integer USING NULL;
ALTER TABLE elsewhere.prefs DROP CONSTRAINT prefs_pkey;
SELECT is((SELECT array_agg(c) FROM checked() AS c),
	ARRAY['error: there is no usable unique index on the key of invariant "prefs" [prefs]'], 'no unique index');
SELECT raised('a role that does not exist', $$SELECT * FROM reconcile.check_guard('prefs', '77')$$, '42704', 'role with OID 77 does not exist');
SELECT raised('another''s invariant', $$SET LOCAL ROLE reconcile_test_writer; SELECT * FROM reconcile.check_guard('prefs')$$, '42501',
	'permission denied for function check_guard');
SELECT * FROM finish();
ROLLBACK;
