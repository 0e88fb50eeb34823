-- What users of comparable tools report about repairs, each as a test of what ours does.
\ir ../support/invariant.sql
SELECT no_plan();

-- ---------------------------------------------------------------- rows that are not due

-- A creator that is NULL, that is gone, and a team that is deleted ask for nothing; the others get their row.
CREATE TABLE users (id integer PRIMARY KEY, name text);
INSERT INTO users SELECT n, 'user ' || n FROM generate_series(1, 5) AS n;
CREATE TABLE teams (id integer PRIMARY KEY, created_by integer, deleted_at timestamptz);
INSERT INTO teams VALUES (1, 1, NULL), (2, NULL, NULL), (3, 99, NULL), (4, 2, now()), (5, 3, NULL);
CREATE TABLE roles (team_id integer REFERENCES teams, user_id integer REFERENCES users, role text, PRIMARY KEY (team_id, user_id, role));
SELECT reconcile.create_invariant('owners', 'roles', '{team_id,user_id,role}', $$
	SELECT t.id AS team_id, t.created_by AS user_id, 'owner' AS role FROM teams t JOIN users u ON u.id = t.created_by WHERE t.deleted_at IS NULL$$) \g /dev/null
SELECT is(counts('owners', false), '(2,2,0,0)', 'creators that are NULL or gone and deleted teams ask for nothing');
SELECT reconcile.alter_invariant('owners', expects => $$SELECT id AS team_id, created_by AS user_id, 'owner' AS role FROM teams$$) \g /dev/null
SELECT is(counts('owners', false), '(3,1,0,2)', 'a query without these conditions fails for these rows alone');
SELECT results_eq('SELECT key, sqlstate FROM reconcile.failures ORDER BY key', $$VALUES
	('{"role": "owner", "team_id": 2, "user_id": null}'::jsonb, '23502'), ('{"role": "owner", "team_id": 3, "user_id": 99}', '23503')$$, 'with the reason of each');
SELECT reconcile.drop_invariant('owners') \g /dev/null

-- A creator who is a member already.
TRUNCATE roles;
INSERT INTO roles VALUES (1, 1, 'member');
SELECT reconcile.create_invariant('owners', 'roles', '{team_id,user_id,role}', $$SELECT 1 AS team_id, 1 AS user_id, 'owner' AS role$$) \g /dev/null
SELECT is(counts('owners', false), '(1,1,0,0)', 'a lower role does not stand for the one that is missing, where the role is part of the key');
SELECT reconcile.drop_invariant('owners') \g /dev/null
CREATE TABLE one_role (team_id integer, user_id integer, role text, PRIMARY KEY (team_id, user_id));
INSERT INTO one_role VALUES (1, 1, 'member');
SELECT reconcile.create_invariant('owners', 'one_role', '{team_id,user_id}', $$SELECT 1 AS team_id, 1 AS user_id, 'owner' AS role$$, compare => '{role}') \g /dev/null
SELECT is(counts('owners', false), '(0,0,0,0)', 'where it is not, nothing is counted as fixed');
SELECT is((SELECT (state, missing, differing) FROM reconcile.audit('owners')), ('drift'::text, 0::bigint, 1::bigint), 'and the row differs');
SELECT reconcile.drop_invariant('owners') \g /dev/null

-- A cross product of which one side is empty, and what comes later.
CREATE TABLE orgs (id integer PRIMARY KEY);
CREATE TABLE modules (code text PRIMARY KEY);
CREATE TABLE entitlements (org_id integer, code text, PRIMARY KEY (org_id, code));
SELECT reconcile.create_invariant('entitlements', 'entitlements', '{org_id,code}', 'SELECT o.id AS org_id, m.code FROM orgs o CROSS JOIN modules m') \g /dev/null
INSERT INTO orgs VALUES (1), (2), (3);
SELECT is(counts('entitlements', false), '(0,0,0,0)', 'organizations without modules ask for nothing');
INSERT INTO modules VALUES ('email');
SELECT is(counts('entitlements', false), '(3,3,0,0)', 'a module gives a row to each');
INSERT INTO modules VALUES ('crm');
SELECT is(counts('entitlements', false), '(3,3,0,0)', 'one that comes later, too');
SELECT reconcile.drop_invariant('entitlements') \g /dev/null

-- ---------------------------------------------------------------- shapes of tables

-- A user has a workspace, which has an owner: each references the other.
CREATE TABLE members (id integer PRIMARY KEY, current_workspace bigint);
CREATE TABLE workspaces (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, owner integer NOT NULL UNIQUE REFERENCES members);
ALTER TABLE members ADD FOREIGN KEY (current_workspace) REFERENCES workspaces;
INSERT INTO members SELECT generate_series(1, 3);
SELECT reconcile.create_invariant('a current', 'members', '{id}', 'SELECT owner AS id, id AS current_workspace FROM workspaces', kind => 'fill') \g /dev/null
SELECT reconcile.create_invariant('b workspace', 'workspaces', '{owner}', 'SELECT id AS owner FROM members') \g /dev/null
SELECT results_eq('SELECT invariant, changed, failed FROM reconcile.repair(dry_run => false)',
	$$VALUES ('b workspace', 3::bigint, 0::bigint), ('a current', 3, 0)$$, 'tables that reference each other are filled in two steps');
SELECT is_empty('SELECT FROM members m JOIN workspaces w ON w.owner = m.id WHERE w.id IS DISTINCT FROM m.current_workspace', 'and point at each other');
SELECT reconcile.drop_invariant(name) FROM reconcile.invariants \g /dev/null
CREATE TABLE hens (id integer PRIMARY KEY, egg integer NOT NULL);
CREATE TABLE eggs (id integer PRIMARY KEY, hen integer NOT NULL REFERENCES hens DEFERRABLE INITIALLY DEFERRED);
ALTER TABLE hens ADD FOREIGN KEY (egg) REFERENCES eggs DEFERRABLE INITIALLY DEFERRED;
SELECT reconcile.create_invariant('hens', 'hens', '{id}', 'SELECT 1 AS id, 1 AS egg') \g /dev/null
SELECT is(counts('hens', false), '(1,0,0,1)', 'a row that waits for one of another invariant is set apart, not left to fail at commit');
SELECT is((SELECT sqlstate FROM reconcile.failures), '23503', 'with its reason');
SELECT reconcile.drop_invariant('hens') \g /dev/null

-- Ids that are far apart: batches are of rows, not of ranges.
CREATE TABLE sparse (id bigint PRIMARY KEY);
CREATE TABLE of_sparse (id bigint PRIMARY KEY);
INSERT INTO sparse SELECT n * n * 40000000000 FROM generate_series(1::bigint, 10) AS n;
SELECT reconcile.create_invariant('sparse', 'of_sparse', '{id}', 'TABLE sparse') \g /dev/null
SELECT reconcile.begin_batches('sparse') AS run \gset
SELECT results_eq(format('SELECT reconcile.run_batch(%s, ''sparse'', 4) FROM generate_series(1, 3)', :run), 'VALUES (true), (true), (false)', 'ten sparse ids are three batches of four');
SELECT is((SELECT (state, changed) FROM reconcile.runs WHERE run_id = :run), ('done'::text, 10::bigint), 'all of them');
SELECT reconcile.drop_invariant('sparse') \g /dev/null

-- ---------------------------------------------------------------- a run of an older definition

CREATE TABLE ruled (id integer PRIMARY KEY, v text);
SELECT reconcile.create_invariant('ruled', 'ruled', '{id}', $$SELECT id, 'old' AS v FROM users$$) \g /dev/null
SELECT run_id AS old FROM reconcile.repair('ruled', dry_run => false) \gset
DELETE FROM ruled WHERE id > 3;
SELECT reconcile.alter_invariant('ruled', expects => $$SELECT id, 'new' AS v FROM users WHERE id > 3$$) \g /dev/null
SELECT run_id AS new FROM reconcile.repair('ruled', dry_run => false) \gset
SELECT is((SELECT count(DISTINCT definition) FROM reconcile.run WHERE run_id IN (:old, :new)), 2::bigint, 'the ledger knows which definition was in force');
SELECT is((SELECT removed FROM reconcile.undo(:old, dry_run => false)), 3::bigint, 'undo of the older run takes the rows it wrote, whatever the invariant says now');
SELECT results_eq('SELECT * FROM ruled ORDER BY id', $$VALUES (4, 'new'), (5, 'new')$$, 'and those only');
SELECT reconcile.drop_invariant('ruled') \g /dev/null
SELECT is((SELECT removed FROM reconcile.undo(:new, dry_run => false)), 2::bigint, 'also when the invariant is gone');

-- ---------------------------------------------------------------- the target's own triggers

-- They fire as for any INSERT; nothing turns them off.
CREATE TABLE mails (to_user integer);
CREATE TABLE greeted (id integer PRIMARY KEY);
CREATE FUNCTION greets() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO mails VALUES (NEW.id); RETURN NEW; END';
CREATE TRIGGER greets AFTER INSERT ON greeted FOR EACH ROW EXECUTE FUNCTION greets();
SELECT reconcile.create_invariant('greeted', 'greeted', '{id}', 'SELECT id FROM users') \g /dev/null
SELECT is(counts('greeted', true), '(5,5,0,0)', 'a dry run');
SELECT is_empty('TABLE mails', 'sets off no trigger of the target');
SELECT is(counts('greeted', false), '(5,5,0,0)', 'a live run');
SELECT is((SELECT count(*) FROM mails), 5::bigint, 'sets off each once for each row');
SELECT is(counts('greeted', false), '(0,0,0,0)', 'a second one');
SELECT is((SELECT count(*) FROM mails), 5::bigint, 'sets off none');

-- ---------------------------------------------------------------- names that are nearly right

CREATE FUNCTION meant(wrong text, valid text[], hint text) RETURNS text LANGUAGE sql AS
	'SELECT is(reconcile.did_you_mean(wrong, valid), hint, format(''%L among %s'', wrong, valid))';
SELECT meant(wrong, valid, hint) FROM (VALUES
	('user_preference', '{user_preferences,users}'::text[], 'Did you mean "user_preferences"?'),
	('nmae', '{name,email}', 'Did you mean "name"?'),
	('ab', '{ac,ad}', 'Did you mean "ac", "ad"?'),
	('invoices_of_customers', '{user_preferences}', 'Valid names are "user_preferences".'),
	('b', '{a}', 'Valid names are "a".'),
	('nothing at all like it', '{f,e,d,c,b,a}', 'Valid names are "a", "b", "c", "d", "e", ...'),
	('x', '{}', 'There are none.')) AS t(wrong, valid, hint);

SELECT * FROM finish();
ROLLBACK;
