-- Pack organizations: persons, one row of settings each or two or none, become organizations, users, members and settings; on the
-- product's tables of two ages, on none, and where a migration before it died half-way.
\ir ../support/invariant.sql
SELECT no_plan();

SET check_function_bodies = off;  -- the tables come later
-- installs installs the pack, which must do what its dry run had shown, and returns what is not as usual about it.
CREATE FUNCTION installs(options jsonb DEFAULT '{}') RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
	dry  text[] := ARRAY(SELECT i::text FROM reconcile.install_pack('organizations', '{"schema": "app"}' || options, true) AS i);
	live text[] := ARRAY(SELECT i::text FROM reconcile.install_pack('organizations', '{"schema": "app"}' || options) AS i);
BEGIN
	RETURN CASE WHEN dry = live THEN ARRAY(SELECT l FROM unnest(live) AS l WHERE l !~ 'keep|invariant|guard')
	            ELSE ARRAY['dry run', dry::text, 'live', live::text] END;
END $$;
CREATE FUNCTION steps(dry_run boolean) RETURNS text[] LANGUAGE sql AS $$
	SELECT array_agg(replace(invariant, 'organizations_', '') || ' ' || planned || ' ' || changed || CASE WHEN failed > 0 THEN ' failed ' || failed ELSE '' END)
	FROM init_organizations(dry_run) $$;
CREATE FUNCTION drift() RETURNS text[] LANGUAGE sql AS $$
	SELECT coalesce(array_agg(replace(invariant, 'organizations_', '') || ' ' ||
		coalesce(CASE WHEN expected = 0 THEN present ELSE missing END || '', message) ORDER BY invariant), '{}')
	FROM reconcile.audit(pack => 'organizations') WHERE state <> 'clean' $$;
CREATE FUNCTION people() RETURNS text[] LANGUAGE sql AS $$
	SELECT array_agg(concat_ws(' ', u.keycloak_user_id, o.name, r.name, ou.status, s.language) ORDER BY u.keycloak_user_id, o.name)
	FROM "user" u JOIN org_user ou ON ou.user_id = u.id JOIN org o ON o.id = ou.org_id JOIN role r ON r.id = ou.role_id
	LEFT JOIN settings s ON s.org_id = o.id AND s.keycloak_user_id IS NULL $$;
CREATE FUNCTION forbidden(name text) RETURNS SETOF jsonb LANGUAGE sql AS $$
	SELECT coalesce(actual, key) FROM reconcile.findings('organizations_' || name) $$;

SELECT raised('before it is installed', 'SELECT * FROM init_organizations()', 'RC005', 'pack "organizations" is not installed',
	'SELECT * FROM reconcile.install_pack(''organizations'');');
SELECT raised(options, format('SELECT * FROM reconcile.install_pack(''organizations'', %L)', options), '22023', message, hint)
FROM (VALUES ('{"org_name": "team_{id}"}', 'option "org_name" of pack "organizations" must not be "team_{id}"',
	          'Valid values: user_{id}_org, user_{keycloak_user_id}_org.'),
	('{"columns": {"user": {"kc": "x"}}}', 'option "columns" of pack "organizations" has no name "kc"', NULL),
	('{"guards": "always"}', 'option "guards" of pack "organizations" must not be "always"', NULL)) AS v(options, message, hint);

-- ---------------------------------------------------------------- an empty database

SAVEPOINT nothing;
SELECT is(installs(), ARRAY['("create table",app.user_settings,)', '("create table",app.role,)', '("create table",app.org,)',
	'("create table","app.""user""",)', '("create table",app.org_user,)', '("create table",app.settings,)'], 'an empty database gets all tables');
SELECT is(steps(true), '{"role 2 2","org 0 0","user 0 0","org_user 0 0","settings 0 0"}', 'nobody there: the default roles alone');
SELECT is(steps(false), '{"role 2 2","org 0 0","user 0 0","org_user 0 0","settings 0 0"}', 'live as well');
SELECT is((SELECT array_agg(name || ' ' || rank ORDER BY rank) FROM role), '{"admin 1","user 1000"}', 'admin has rank 1, user 1000');
SELECT is(installs(), '{}', 'installing twice keeps everything');
SELECT is((SELECT array_agg(format('%s: %s', c.conrelid::regclass, pg_get_constraintdef(c.oid)) ORDER BY c.conrelid::regclass::text, pg_get_constraintdef(c.oid))
           FROM pg_constraint c WHERE c.contype = 'f' AND c.connamespace = 'app'::regnamespace),
	ARRAY['"user": FOREIGN KEY (role_id) REFERENCES role(id)', 'org_user: FOREIGN KEY (org_id) REFERENCES org(id)', 'org_user: FOREIGN KEY (role_id) REFERENCES role(id)',
	'org_user: FOREIGN KEY (user_id) REFERENCES "user"(id)', 'settings: FOREIGN KEY (keycloak_user_id) REFERENCES "user"(keycloak_user_id)',
	'settings: FOREIGN KEY (org_id) REFERENCES org(id)'], 'foreign keys hold the tables together');
SELECT is(drift(), '{}', 'all is well');
ROLLBACK TO nothing;

-- ---------------------------------------------------------------- the story of the guide

\ir ../../examples/organizations/postgresql.sql
SAVEPOINT world;
SELECT is(installs('{"guards": "none"}'), ARRAY['("create table",app.role,)', '("create table",app.org,)', '("create table","app.""user""",)',
	'("create table",app.org_user,)', '("create table",app.settings,)'], 'user_settings is kept, the rest is made');
SELECT is(steps(true), '{"role 2 2","org 3 3","user 3 3","org_user 3 3","settings 3 3"}', 'the dry run shows the whole chain');
SELECT is((SELECT count(*) FROM role) + (SELECT count(*) FROM org), 0::bigint, 'and writes nothing');
SELECT is((SELECT is_called FROM user_id_seq), false, 'nor takes a number');
SELECT is(steps(false), '{"role 2 2","org 3 3","user 3 3","org_user 3 3","settings 3 3"}', 'the live run does the same');
SELECT is(steps(false), '{"role 0 0","org 0 0","user 0 0","org_user 0 0","settings 0 0"}', 'the second run changes nothing');
SELECT is(people(), ARRAY['kc-ann user_1_org admin active en', 'kc-bob user_2_org admin active de', 'x''; DROP TABLE org; -- user_6_org admin active hostile'],
	'everybody is the admin of an organization with the own settings; of two rows the older one counts');
SELECT is((SELECT row_to_json(s)::jsonb - '{id,org_id,keycloak_user_id,settings_version}'::text[] FROM settings s WHERE language = 'en'),
	(SELECT row_to_json(u)::jsonb - '{id,keycloak_user_id,user_version,already_migrated}'::text[] FROM user_settings u WHERE id = 1), 'every column is carried over');
SELECT is((SELECT settings_version FROM settings WHERE language = 'en'), 3, 'the version too');
SELECT is((SELECT (accepted_tos, enable_sound_notifications)::text FROM "user" WHERE keycloak_user_id = 'kc-ann'), '("2025-01-02 00:00:00",t)', 'the user has accepted_tos and notifications');
SELECT is((SELECT contact_email::text FROM org WHERE name = 'user_1_org'), 'ann@example.com', 'and the organization the address');
SELECT is((SELECT count(*) FROM user_settings), 6::bigint, 'user_settings is only read');
SELECT is(drift(), '{"duplicate_settings 1","no_superadmin 1","without_login 2"}', 'what the audit says: duplicates, rows of nobody, and no admin of the installation');
SELECT is((SELECT f FROM forbidden('duplicate_settings') AS f), '{"keycloak_user_id": "kc-ann", "used": 1, "user_settings_ids": [1, 4]}', 'duplicates, and which is used');
SELECT is((SELECT count(*) FROM "user"), (SELECT count(DISTINCT keycloak_user_id) FROM user_settings WHERE keycloak_user_id <> ''),
	'the guide''s counts match when each person counts once; with duplicates they cannot');

-- The guide's validation queries.
DELETE FROM settings WHERE language = 'de';
SELECT is((SELECT f - 'user_settings_id' FROM forbidden('not_migrated') AS f), '{"keycloak_user_id": "kc-bob", "has_org": true, "has_user": true, "has_settings": false}',
	'data that got lost is found row by row');
UPDATE org_user SET role_id = (SELECT id FROM role WHERE name = 'user'), status = 'new' WHERE user_id = (SELECT id FROM "user" WHERE keycloak_user_id = 'kc-bob');
SELECT is((SELECT count(*) FROM forbidden('role_assignments')), 1::bigint, 'somebody who is not the admin of the own organization');
SELECT is((SELECT f ->> 'name' FROM forbidden('without_admin') AS f), 'user_2_org', 'which then has none');
UPDATE org_user SET status = NULL WHERE user_id = (SELECT id FROM "user" WHERE keycloak_user_id = 'kc-ann');
SELECT is((SELECT array_agg(f -> 'status' ORDER BY f ->> 'status') FROM forbidden('unknown_status') AS f), ARRAY['"new"', 'null']::jsonb[], 'a status that is none, or missing');
ALTER TABLE org_user DROP CONSTRAINT org_user_user_id_fkey;
INSERT INTO org_user (org_id, user_id, role_id, status) SELECT id, 999, 1, 'active' FROM org WHERE name = 'user_1_org';
SELECT is((SELECT f ->> 'user_id' FROM forbidden('orphaned_members') AS f), '999', 'a membership of nobody');
UPDATE "user" SET role_id = (SELECT id FROM role WHERE name = 'admin') WHERE keycloak_user_id = 'kc-ann';
SELECT is((SELECT count(*) FROM forbidden('no_superadmin')), 0::bigint, 'with an admin the installation is complete');
ROLLBACK TO world;

SELECT installs('{"guards": "none"}');
SELECT steps(false);
INSERT INTO role (name, rank) VALUES ('owner', 10);
UPDATE settings SET language = 'pt' WHERE language = 'de';
INSERT INTO org (name) VALUES ('Team');
SELECT is((SELECT array_agg((invariant, removed, kept_changed, kept_referenced)::text) FROM reconcile.undo_last('organizations', dry_run => false)),
	'{"(organizations_settings,2,1,0)","(organizations_org_user,3,0,0)","(organizations_user,3,0,0)","(organizations_role,2,0,0)","(organizations_org,2,0,1)"}',
	'the rollback removes the rows of the runs; what was changed since, or is needed by it, stays');
SELECT is((SELECT array_agg(name::text ORDER BY name) FROM org), '{Team,user_2_org}', 'and what others made');
SELECT is(steps(false), '{"role 2 2","org 2 2","user 3 3","org_user 3 3","settings 2 2"}', 'and it can be done again');
SELECT is((SELECT array_agg(name::text ORDER BY rank) FROM role), '{admin,owner,user}', 'with the roles');
ROLLBACK TO world;

-- ---------------------------------------------------------------- the guide's own migration, dead after its users

SELECT installs('{"guards": "none"}');
SELECT steps(false);
DELETE FROM settings;
DELETE FROM org_user WHERE user_id <> (SELECT id FROM "user" WHERE keycloak_user_id = 'kc-ann');
SELECT reconcile.remove_pack('organizations');
ALTER TABLE org DROP COLUMN personal_of;
SELECT is(installs('{"guards": "none"}'), '{"(\"add column\",app.org.personal_of,\"character varying\")","(\"add constraint\",app.org,\"UNIQUE (personal_of)\")",
	"(\"fill column\",app.org.personal_of,\"3 personal organizations that were there\")"}', 'a migration that died half-way is taken up');
SELECT is(steps(false), '{"role 0 0","org 0 0","user 0 0","org_user 2 2","settings 3 3"}', 'only what it had not done is done');
SELECT is(people(), ARRAY['kc-ann user_1_org admin active en', 'kc-bob user_2_org admin active de', 'x''; DROP TABLE org; -- user_6_org admin active hostile'],
	'and everybody has what they should have');
ROLLBACK TO world;

-- ---------------------------------------------------------------- the other convention

SELECT is((SELECT count(*) FROM reconcile.install_pack('organizations', '{"schema": "app", "org_name": "user_{keycloak_user_id}_org", "guards": "none",
	"rows": {"role": [{"name": "admin", "rank": 10}]}}')), 22::bigint, 'with the other convention, and other roles');
SELECT is(steps(false), '{"role 1 1","org 3 3","user 3 3","org_user 3 3","settings 3 3"}', 'it works as well');
SELECT is((people())[1], 'kc-ann user_kc-ann_org admin active en', 'the organization is named after the login');
ROLLBACK TO world;

-- ---------------------------------------------------------------- the later tables, and what earlier migrations left

\ir ../support/organizations_076.sql
SELECT throws_ok('INSERT INTO org (name) VALUES (''x'')', '23502', NULL, 'in these an organization with a name alone is refused');
-- kc-bob was migrated at a login, under the other name; for kc-ann the guide's migration died after the organization.
INSERT INTO org (name, enable_default_condenser, enable_proactive_conversation_starters, org_version) VALUES
	('user_kc-bob_org', true, true, 1), ('user_1_org', true, true, 1);
INSERT INTO "user" (keycloak_user_id, current_org_id) SELECT 'kc-bob', id FROM org WHERE name = 'user_kc-bob_org';
INSERT INTO org_user SELECT o.id, u.id, 1, 'k', 'active' FROM org o, "user" u WHERE o.name = 'user_kc-bob_org';
SELECT is((SELECT array_agg(action || ' ' || object || coalesce(' ' || detail, '')) FROM reconcile.install_pack('organizations', '{"schema": "app", "guards": "none"}')
	WHERE action !~ 'keep|invariant'), ARRAY['add column app.org.personal_of character varying', 'create table app.settings',
	'add constraint app.org UNIQUE (personal_of)', 'fill column app.org.personal_of 2 personal organizations that were there'],
	'one column is added, and the organizations that were there are linked');
SELECT is((SELECT array_agg(name || ' ' || personal_of ORDER BY name) FROM org), '{"user_1_org kc-ann","user_kc-bob_org kc-bob"}', 'under both conventions');
SELECT is(steps(true), '{"role 0 0","org 1 1","user 2 2","org_user 2 2","settings 3 3"}', 'the dry run shows what is missing');
SELECT is(steps(false), '{"role 0 0","org 1 1","user 2 2","org_user 2 2","settings 3 3"}', 'the live run completes it');
SELECT is(people(), ARRAY['kc-ann user_1_org admin active en', 'kc-bob user_kc-bob_org admin active de', 'x''; DROP TABLE org; -- user_6_org admin active hostile'],
	'nobody has a second organization');
SELECT is((SELECT (o.org_version, o.enable_default_condenser, ou._llm_api_key, u.current_org_id = o.id, u.language, u.role_id)::text
           FROM org o JOIN org_user ou ON ou.org_id = o.id JOIN "user" u ON u.id = ou.user_id WHERE o.name = 'user_6_org'),
	'(0,t,"",t,hostile,)', 'columns that must not be null have the person''s value, or an empty text');
SELECT is((SELECT ou._llm_api_key::text FROM org_user ou JOIN org o ON o.id = ou.org_id WHERE o.name = 'user_1_org'), 'secret', 'secrets are carried into the columns with an underscore');
SELECT is(drift(), '{"duplicate_settings 1","no_superadmin 1","without_login 2"}', 'what the audit says');
INSERT INTO org (name, enable_default_condenser, enable_proactive_conversation_starters, org_version) VALUES ('Team', true, true, 1);
UPDATE "user" SET current_org_id = (SELECT id FROM org WHERE name = 'Team') WHERE keycloak_user_id = 'kc-ann';
SELECT is((SELECT count(*) FROM forbidden('current_org')), 1::bigint, 'somebody works in an organization without belonging to it');
INSERT INTO org (name, enable_default_condenser, enable_proactive_conversation_starters, org_version) VALUES ('user_2_org', true, true, 1);
INSERT INTO org_user SELECT o.id, u.id, 1, 'k', 'active' FROM org o, "user" u WHERE o.name = 'user_2_org' AND u.keycloak_user_id = 'kc-bob';
SELECT is((SELECT f ->> 'name' FROM forbidden('two_personal') AS f), 'user_2_org', 'a second personal organization is found');
ROLLBACK TO world;

-- Ids of persons as uuid, members in org_member, defaults in columns with that prefix.
CREATE TABLE role (id integer GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, name varchar NOT NULL UNIQUE, rank integer NOT NULL);
INSERT INTO role (name, rank) VALUES ('owner', 10), ('admin', 20), ('user', 1000);
CREATE TABLE org (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name varchar NOT NULL UNIQUE, contact_email varchar, default_llm_model varchar,
	default_max_iterations integer, enable_default_condenser boolean NOT NULL DEFAULT true, org_version integer NOT NULL DEFAULT 0);
CREATE TABLE "user" (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), current_org_id uuid NOT NULL REFERENCES org, role_id integer REFERENCES role, email varchar);
CREATE TABLE org_member (org_id uuid REFERENCES org, user_id uuid REFERENCES "user", role_id integer NOT NULL REFERENCES role, llm_model varchar,
	max_iterations integer, _llm_api_key varchar NOT NULL, status varchar, PRIMARY KEY (org_id, user_id));
UPDATE user_settings SET llm_model = 'model', max_iterations = 7 WHERE id = 1;
SELECT is((SELECT array_agg(i ORDER BY i) FROM unnest(installs('{"guards": "none", "tables": {"org_user": "org_member"}}')) AS i WHERE i ~ 'add column'), ARRAY[
	'("add column","app.""user"".accepted_tos","timestamp without time zone")', '("add column","app.""user"".enable_sound_notifications",boolean)',
	'("add column","app.""user"".keycloak_user_id","character varying")', '("add column",app.org.contact_name,"character varying")',
	'("add column",app.org.conversation_expiration,integer)', '("add column",app.org.personal_of,"character varying")'],
	'tables of a later migration get the columns that tell whose is what');
SELECT is(steps(false), '{"role 0 0","org 3 3","user 3 3","org_user 3 3","settings 3 3"}', 'and are filled');
SELECT is((SELECT (o.default_llm_model, o.default_max_iterations, m.llm_model, m.max_iterations, m._llm_api_key, u.current_org_id = o.id, r.rank)::text
           FROM org o JOIN org_member m ON m.org_id = o.id JOIN "user" u ON u.id = m.user_id JOIN role r ON r.id = m.role_id WHERE u.keycloak_user_id = 'kc-ann'),
	'(model,7,model,7,secret,t,20)', 'also their columns for defaults; a role that is there keeps its rank');
SELECT is(drift(), '{"duplicate_settings 1","no_superadmin 1","without_login 2"}', 'and their audit says the same');
ROLLBACK TO world;

-- Names that others took.
\ir ../support/organizations_076.sql
INSERT INTO org (name, enable_default_condenser, enable_proactive_conversation_starters, org_version) VALUES ('user_2_org', true, true, 1);
INSERT INTO "user" (keycloak_user_id, current_org_id) SELECT 'kc-thief', id FROM org;
INSERT INTO org_user SELECT o.id, u.id, 1, 'k', 'active' FROM org o, "user" u;
SELECT installs('{"guards": "none"}');
SELECT is(steps(false), '{"role 0 0","org 3 2 failed 1","user 2 2","org_user 2 2","settings 2 2"}', 'a name that is taken stops one person, not the rest');
SELECT is((SELECT (sqlstate, key)::text FROM reconcile.failures), '(23505,"{""personal_of"": ""kc-bob""}")', 'whose failure is kept');
SELECT is((SELECT f ->> 'keycloak_user_id' FROM forbidden('name_taken') AS f), 'kc-bob', 'and explained');
SELECT is((SELECT count(*) FROM org_user ou JOIN org o ON o.id = ou.org_id WHERE o.name = 'user_2_org'), 1::bigint, 'nobody gets into the organization of another');
SELECT is((SELECT count(*) FROM settings WHERE language = 'de'), 0::bigint, 'and nobody''s settings do');
ROLLBACK TO world;

-- ---------------------------------------------------------------- the guard: a login

SELECT installs();
SELECT steps(false);
INSERT INTO user_settings (keycloak_user_id, language, user_version) VALUES ('kc-cyd', 'nl', 4);
SELECT is((people())[3], format('kc-cyd user_%s_org admin active nl', (SELECT id FROM user_settings WHERE keycloak_user_id = 'kc-cyd')), 'a login finds everything in place');
INSERT INTO user_settings (keycloak_user_id, language) VALUES ('kc-cyd', 'second'), (NULL, 'none'), ('kc-dan', 'da');
SELECT is((SELECT count(*) FROM "user"), 5::bigint, 'several rows in a statement: one new person, a known one, nobody');
SELECT is((SELECT array_agg(language::text ORDER BY language) FROM settings), '{da,de,en,hostile,nl}', 'settings of the first row stay');
UPDATE user_settings SET keycloak_user_id = 'kc-eve' WHERE id = 3;
SELECT is((SELECT count(*) FROM org WHERE personal_of = 'kc-eve'), 1::bigint, 'a row that says later whose it is counts from then on');
SELECT is((SELECT count(*) FROM reconcile.failures), 0::bigint, 'nothing failed');
SELECT is(steps(false), '{"role 0 0","org 0 0","user 0 0","org_user 0 0","settings 0 0"}', 'nothing is left to do');

INSERT INTO org (name) VALUES ('user_500_org');
INSERT INTO org_user SELECT o.id, u.id, r.id, 'active' FROM org o, "user" u, role r WHERE o.name = 'user_500_org' AND u.keycloak_user_id = 'kc-bob' AND r.name = 'admin';
SELECT lives_ok($$INSERT INTO user_settings (id, keycloak_user_id) VALUES (500, 'kc-fay')$$, 'a login never fails, even where the name is taken');
SELECT is((SELECT array_agg(concat_ws(' ', invariant, sqlstate, key)) FROM reconcile.failures), '{"organizations_org 23505 {\"personal_of\": \"kc-fay\"}"}', 'the failure waits');
UPDATE org SET name = 'free' WHERE name = 'user_500_org';
SELECT is(steps(false), '{"role 0 0","org 1 1","user 1 1","org_user 1 1","settings 1 1"}', 'and is mended by the next run');
SELECT is((SELECT count(*) FROM reconcile.failures), 0::bigint, 'then it waits no more');
SELECT is((SELECT count(*) FROM org_user ou JOIN org o ON o.id = ou.org_id WHERE o.personal_of = 'kc-fay'), 1::bigint, 'with all that follows from it');

CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no settings today' USING ERRCODE = 'XX001'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON settings FOR EACH ROW EXECUTE FUNCTION refuse();
SELECT lives_ok($$INSERT INTO user_settings (keycloak_user_id) VALUES ('kc-gil')$$, 'queue: a side effect that fails does not fail the login');
SELECT is((SELECT array_agg(DISTINCT invariant || ' ' || sqlstate) FROM reconcile.failures), '{"organizations_settings XX001"}', 'the failure waits');
SELECT is((SELECT count(*) FROM org_user ou JOIN "user" u ON u.id = ou.user_id WHERE u.keycloak_user_id = 'kc-gil'), 1::bigint, 'the other steps were done');
SELECT installs('{"guards": "block"}');
SELECT throws_ok($$INSERT INTO user_settings (keycloak_user_id) VALUES ('kc-hal')$$, 'XX001', NULL, 'block: it does');
SELECT is((SELECT count(*) FROM user_settings WHERE keycloak_user_id = 'kc-hal') + (SELECT count(*) FROM org WHERE personal_of = 'kc-hal'), 0::bigint, 'and nothing is left of it');
DROP TRIGGER refuse ON settings;
SELECT is((steps(false))[5], 'settings 1 1', 'init mends what waits');
SELECT is((SELECT count(*) FROM reconcile.failures), 0::bigint, 'then nothing waits any more');
SELECT installs('{"guards": "none"}');
INSERT INTO user_settings (keycloak_user_id) VALUES ('kc-ivy');
SELECT is((SELECT count(*) FROM org WHERE personal_of = 'kc-ivy'), 0::bigint, 'none: a login waits for the next run');
SELECT installs('{"guards": "queue"}');
SELECT is(steps(true), '{"role 0 0","org 1 1","user 1 1","org_user 1 1","settings 1 1"}', 'the dry run of a guarded chain');
SELECT is(steps(false), '{"role 0 0","org 1 1","user 1 1","org_user 1 1","settings 1 1"}', 'its live run does the same: guards keep still for what has its turn');
SELECT is((SELECT sum(removed) FILTER (WHERE invariant <> 'organizations_role') FROM reconcile.undo_last('organizations', dry_run => false)), 4::numeric, 'and it can be undone');
ROLLBACK TO world;

-- ---------------------------------------------------------------- columns of the user's own, other names, removed and installed again

ALTER TABLE user_settings ADD COLUMN "Favourite Colour" text, DROP COLUMN email, ALTER COLUMN agent TYPE text;
UPDATE user_settings SET "Favourite Colour" = 'green' WHERE id = 1;
SELECT installs('{"guards": "none"}');
SELECT steps(false);
SELECT is((SELECT "Favourite Colour" FROM settings WHERE language = 'en'), 'green', 'a column that no guide knows is carried over');
ALTER TABLE user_settings ADD COLUMN theme text DEFAULT 'dark';
SELECT is(installs('{"guards": "none"}'), '{"(\"add column\",app.settings.theme,text)"}', 'a column that comes later is added');
INSERT INTO user_settings (keycloak_user_id) VALUES ('kc-late');
SELECT is((steps(false))[5], 'settings 1 1', 'and carried from then on');
SELECT is((SELECT array_agg(DISTINCT theme) FROM settings WHERE theme IS NOT NULL), '{dark}', 'by its value');
SELECT reconcile.remove_pack('organizations');
SELECT is((SELECT count(*) FROM reconcile.invariants) + (SELECT count(*) FROM reconcile.guards), 0::bigint, 'remove_pack takes invariants and guards');
SELECT is((SELECT count(*) FROM settings), 4::bigint, 'tables and rows stay');
SELECT is(installs(), '{}', 'installed again it finds everything');
SELECT is(steps(false), '{"role 0 0","org 0 0","user 0 0","org_user 0 0","settings 0 0"}', 'and has nothing to do');
ROLLBACK TO world;

-- user_settings with other types, without a number, with names that settings have for something else; members with an enumeration.
CREATE FUNCTION becomes(what text, ddl text, said text[]) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE ddl;
	RETURN NEXT is(ARRAY(SELECT i FROM unnest(installs()) AS i WHERE i !~ 'create|FOREIGN KEY'), said, what || ' is installed');
	RETURN NEXT is(steps(true), '{"role 2 2","org 3 3","user 3 3","org_user 3 3","settings 3 3"}', what || ': the dry run');
	RETURN NEXT is(steps(false), '{"role 2 2","org 3 3","user 3 3","org_user 3 3","settings 3 3"}', what || ': the live run');
	RETURN NEXT is(steps(false), '{"role 0 0","org 0 0","user 0 0","org_user 0 0","settings 0 0"}', what || ': once');
	EXECUTE format('INSERT INTO user_settings (keycloak_user_id) VALUES (%L)', gen_random_uuid());
	RETURN NEXT is((SELECT count(*) FROM settings), 4::bigint, what || ': a login is guarded');
	RETURN NEXT is((SELECT count(*) FROM forbidden('not_migrated')) + (SELECT count(*) FROM forbidden('role_assignments')) + (SELECT count(*) FROM forbidden('unknown_status'))
		+ (SELECT count(*) FROM reconcile.failures), 0::bigint, what || ': nothing is lost');
END $$;
SAVEPOINT odd;
SELECT becomes('a login that is a uuid', $$ALTER TABLE user_settings ALTER keycloak_user_id TYPE uuid USING md5(nullif(keycloak_user_id, ''))::uuid$$,
	ARRAY['(differs,app.user_settings.keycloak_user_id,"is uuid, usually character varying")']);
ROLLBACK TO odd;
SELECT becomes('a row whose number is a uuid', 'ALTER TABLE user_settings DROP id, ADD id uuid DEFAULT gen_random_uuid() PRIMARY KEY',
	ARRAY['(differs,app.user_settings.id,"is uuid, usually integer")']);
ROLLBACK TO odd;
SELECT becomes('a row without number', 'ALTER TABLE user_settings DROP id',
	ARRAY['("add column",app.user_settings.id,"integer GENERATED BY DEFAULT AS IDENTITY")', '("add constraint",app.user_settings,"PRIMARY KEY (id)")']);
ROLLBACK TO odd;
SELECT becomes('a column that settings have for something else', 'ALTER TABLE user_settings ADD org_id integer DEFAULT 7, ADD settings_version text, ADD status text, ADD role_id integer, ADD name text',
	ARRAY['(skip,app.user_settings.org_id,"settings have a column of that name for something else; not carried over")',
	      '(skip,app.user_settings.settings_version,"settings have a column of that name for something else; not carried over")']);
ROLLBACK TO odd;
SELECT becomes('a status that is an enumeration', $$CREATE TYPE status AS ENUM ('active', 'pending');
	CREATE TABLE org_user (org_id uuid NOT NULL, user_id integer NOT NULL, role_id integer NOT NULL, status status, PRIMARY KEY (org_id, user_id))$$,
	ARRAY['(differs,app.org_user.status,"is app.status, usually character varying")']);
ROLLBACK TO world;

CREATE SCHEMA "Our App";
CREATE TABLE "Our App"."user-settings" (id bigint PRIMARY KEY, "Login" text, lang text);
CREATE INDEX ON "Our App"."user-settings" ("Login");
INSERT INTO "Our App"."user-settings" VALUES (10000000000, 'o''neil', 'ga');
SELECT count(*) FROM reconcile.install_pack('organizations', '{"schema": "Our App", "tables": {"user_settings": "user-settings", "org": "tenant", "user": "select"},
	"columns": {"user_settings": {"keycloak_user_id": "Login", "language": "lang"}, "org": {"name": "Title"}, "user": {"keycloak_user_id": "who"},
	"org_user": {"role_id": "the role"}}}');
SELECT is(steps(true), '{"role 2 2","org 1 1","user 1 1","org_user 1 1","settings 1 1"}', 'with names and types of the user''s own the dry run works');
SELECT is(steps(false), '{"role 2 2","org 1 1","user 1 1","org_user 1 1","settings 1 1"}', 'and the live run');
SELECT is((SELECT (o."Title", u.who, s.language)::text FROM "Our App".tenant o JOIN "Our App".org_user ou ON ou.org_id = o.id JOIN "Our App"."select" u ON u.id = ou.user_id
           JOIN "Our App".settings s ON s.org_id = o.id), '(user_10000000000_org,o''neil,ga)', 'in the columns that have other names');
INSERT INTO "Our App"."user-settings" VALUES (2, 'second', 'en');
SELECT is((SELECT count(*) FROM "Our App".settings), 2::bigint, 'and the guard');

SELECT * FROM finish();
ROLLBACK;
