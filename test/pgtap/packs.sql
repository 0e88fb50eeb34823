-- install_pack() and remove_pack(): what is refused, with SQLSTATE, message and hint; what is made, kept and left behind.
-- Nothing here talks to MongoDB: tables of the user's own stand for the collections where a pack is really installed.
\ir ../support/invariant.sql
SELECT no_plan();

CREATE SERVER app_mongo FOREIGN DATA WRAPPER reconcile_mongo OPTIONS (hosts 'localhost:1', database 'app');
CREATE FOREIGN DATA WRAPPER other;
CREATE SERVER other_server FOREIGN DATA WRAPPER other;

-- installs gives the statement that installs the pack with options.
CREATE FUNCTION installs(options text, dry_run boolean DEFAULT false) RETURNS text LANGUAGE sql AS $$
	SELECT format('SELECT * FROM reconcile.install_pack(''team_roles'', %L, %L)', options, dry_run)
$$;

-- --------------------------------------------------------------------- refused

SELECT raised(what, statement, code, message, hint)
FROM (VALUES
	('pack NULL', 'SELECT reconcile.install_pack(NULL)', '22004', 'argument "pack" must not be null', NULL),
	('dry_run NULL', $$SELECT reconcile.install_pack('team_roles', '{"server": "app_mongo"}', NULL)$$, '22004',
	 'argument "dry_run" must not be null', NULL),
	('an unknown pack', 'SELECT reconcile.install_pack(''team_role'')', '42704', 'pack "team_role" does not exist',
	 'Did you mean "team_roles"?'),
	('a pack with an odd name', $$SELECT reconcile.install_pack('x''; DROP TABLE t; --')$$, '42704',
	 'pack "x''; DROP TABLE t; --" does not exist', NULL),
	('removing NULL', 'SELECT reconcile.remove_pack(NULL)', '22004', 'argument "pack" must not be null', NULL),
	('removing an unknown pack', 'SELECT reconcile.remove_pack(''team_role'')', '42704', 'pack "team_role" does not exist',
	 'Did you mean "team_roles"?'),
	('removing a pack that is not installed', 'SELECT reconcile.remove_pack(''team_roles'')', 'RC005',
	 'pack "team_roles" is not installed', 'View reconcile.packs tells which are.'),
	('fix_team_roles() before', 'SELECT fix_team_roles(true)', 'RC005', 'pack "team_roles" is not installed',
	 'SELECT * FROM reconcile.install_pack(''team_roles'', ''{"server": "..."}'');'),
	('fix_team_roles(NULL)', 'SELECT fix_team_roles(NULL)', '22004', 'argument "dry_run" must not be null', NULL),
	('include_deleted NULL', 'SELECT fix_team_roles(true, NULL)', '22004', 'argument "include_deleted" must not be null', NULL)
) AS v(what, statement, code, message, hint);

SELECT raised(options, installs(options), code, message, hint)
FROM (VALUES
	(NULL, '22023', 'pack "team_roles" needs the option "server"',
	 'SELECT * FROM reconcile.install_pack(''team_roles'', ''{"server": ...}'');'),
	('{}', '22023', 'pack "team_roles" needs the option "server"', NULL),
	('{"server": null}', '22023', 'pack "team_roles" needs the option "server"', NULL),
	('[]', '22023', 'argument "options" must be a JSON object', NULL),
	('"server"', '22023', 'argument "options" must be a JSON object', NULL),
	('null', '22023', 'argument "options" must be a JSON object', NULL),
	('{"servre": "app_mongo"}', '22023', 'pack "team_roles" has no option "servre"', 'Did you mean "server"?'),
	('{"server": "app_mongo", "": 1}', '22023', 'pack "team_roles" has no option ""', NULL),
	('{"server": "app_mango"}', '42704', 'server "app_mango" of foreign data wrapper reconcile_mongo does not exist',
	 'Did you mean "app_mongo"?'),
	('{"server": "other_server"}', '42704', 'server "other_server" of foreign data wrapper reconcile_mongo does not exist', NULL),
	('{"server": ""}', '42704', 'server "" of foreign data wrapper reconcile_mongo does not exist', NULL),
	('{"server": 7}', '22023', 'option "server" of pack "team_roles" must be of JSON type string, not number', NULL),
	('{"server": ["app_mongo"]}', '22023', 'option "server" of pack "team_roles" must be of JSON type string, not array', NULL),
	('{"server": "app_mongo", "schema": "nowhere"}', '3F000', 'schema "nowhere" does not exist', NULL),
	('{"server": "app_mongo", "schema": ""}', '3F000', 'schema "" does not exist', NULL),
	('{"server": "app_mongo", "schema": null}', '22023', 'pack "team_roles" needs the option "schema"', NULL),
	('{"server": "app_mongo", "schema": 7}', '22023', 'option "schema" of pack "team_roles" must be of JSON type string, not number', NULL),
	('{"server": "app_mongo", "database": ["app"]}', '22023',
	 'option "database" of pack "team_roles" must be of JSON type string, not array', NULL),
	('{"server": "app_mongo", "roles": "owner"}', '22023',
	 'option "roles" of pack "team_roles" must be of JSON type array, not string', NULL),
	('{"server": "app_mongo", "roles": {"owner": 1}}', '22023',
	 'option "roles" of pack "team_roles" must be of JSON type array, not object', NULL),
	('{"server": "app_mongo", "roles": []}', '22023', 'option "roles" of pack "team_roles" must be a list of role names', NULL),
	('{"server": "app_mongo", "roles": [""]}', '22023', 'option "roles" of pack "team_roles" must be a list of role names', NULL),
	('{"server": "app_mongo", "roles": ["owner", null]}', '22023',
	 'option "roles" of pack "team_roles" must be a list of role names', NULL),
	('{"server": "app_mongo", "roles": ["owner", 1]}', '22023',
	 'option "roles" of pack "team_roles" must be a list of role names', NULL),
	('{"server": "app_mongo", "roles": ["owner", ["admin"]]}', '22023',
	 'option "roles" of pack "team_roles" must be a list of role names', NULL),
	('{"server": "app_mongo", "roles": ["owner", "admin", "owner"]}', '22023',
	 'option "roles" of pack "team_roles" names "owner" more than once', NULL),
	('{"server": "app_mongo", "created_by": "migration_script_roles_fix"}', '22001',
	 'option "created_by" of pack "team_roles" is too long: "migration_script_roles_fix"', NULL),
	(format('{"server": "app_mongo", "roles": ["owner", "%s"]}', repeat('r', 51)), '22001',
	 format('role "%s" of option "roles" of pack "team_roles" is too long', repeat('r', 51)), NULL),
	('{"server": "app_mongo", "created_by": 7}', '22023',
	 'option "created_by" of pack "team_roles" must be of JSON type string, not number', NULL),
	('{"server": "app_mongo", "guards": "block"}', '42P01',
	 'pack "team_roles" cannot guard table public.postgres_teams, which does not exist',
	 'Use "guards": "none" and repair on a schedule, or name the table of teams in the option "tables".'),
	('{"server": "app_mongo", "tables": "t"}', '22023', 'option "tables" of pack "team_roles" must be of JSON type object, not string', NULL),
	('{"server": "app_mongo", "tables": {"postgres_user_role": "t"}}', '22023',
	 'option "tables" of pack "team_roles" has no name "postgres_user_role"', 'Did you mean "postgres_user_roles"?'),
	('{"server": "app_mongo", "tables": {"mongo_teams": 7}}', '22023',
	 '"mongo_teams" in option "tables" of pack "team_roles" must be of JSON type string, not number', NULL),
	('{"server": "app_mongo", "tables": {"mongo_teams": ""}}', '22023',
	 '"mongo_teams" in option "tables" of pack "team_roles" must not be empty', NULL),
	('{"server": "app_mongo", "columns": {"team": {"name": "title"}}}', '22023',
	 'option "columns" of pack "team_roles" has no name "team"', 'Did you mean "teams"?'),
	('{"server": "app_mongo", "columns": {"teams": "title"}}', '22023',
	 '"teams" in option "columns" of pack "team_roles" must be of JSON type object, not string', NULL),
	('{"server": "app_mongo", "columns": {"teams": {"nam": "title"}}}', '22023',
	 'option "columns" of pack "team_roles" has no name "nam"', 'Did you mean "name"?'),
	('{"server": "app_mongo", "columns": {"user_roles": {"user_id": null}}}', '22023',
	 '"user_id" in option "columns" of pack "team_roles" must be of JSON type string, not null', NULL),
	('{"server": "app_mongo", "columns": {"postgres_user_roles": {"rolename": "x"}}}', '22023',
	 'option "columns" of pack "team_roles" has no name "rolename"', 'Did you mean "role_name"?'),
	('{"server": "app_mongo", "teams": ""}', '42602', 'invalid name of a MongoDB collection: ""', NULL),
	('{"server": "app_mongo", "database": "a b"}', '42602', 'invalid name of a MongoDB database: "a b"', NULL),
	('{"server": "app_mongo", "columns": {"teams": {"name": "$x"}}}', '22023', 'invalid path "$x"', NULL)
) AS v(options, code, message, hint);
-- context_of is what psql prints of an error besides message, detail and hint.
CREATE FUNCTION context_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	context text;
BEGIN
	EXECUTE statement;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS context = PG_EXCEPTION_CONTEXT;
	RETURN context;
END $$;
SELECT is(context_of(statement), '', 'no line of CONTEXT hides the hint of ' || statement)
FROM unnest(ARRAY['SELECT * FROM reconcile.install_pack(''team_role'')', 'SELECT reconcile.remove_pack(''team_role'')', installs('{}'),
	installs('{"server": "app_mongo", "columns": {"team": {}}}'), 'SELECT * FROM fix_team_roles(true)', 'SELECT * FROM init_workspaces()']) AS statement;
SELECT raised(code, format('SELECT reconcile.refuse(%L, ''no'')', code), '22023', format('invalid SQLSTATE "%s"', code))
FROM unnest('{"",2202,220233,22-02,ab123}'::text[]) AS code;
SELECT is((SELECT count(*) FROM reconcile.packs WHERE installed), 0::bigint, 'none of these left a pack behind');
SELECT is((SELECT count(*) FROM pg_class WHERE relname ~ 'mongo_|postgres_user_roles'), 0::bigint, 'nor a table');

-- --------------------------------------------------------------------- a dry run

SELECT results_eq(installs('{"server": "app_mongo", "schema": "app", "tables": {"mongo_teams": "my teams"}}', true),
	$$VALUES ('create foreign table', 'app."my teams"', NULL), ('create foreign table', 'app.mongo_user_roles', NULL),
	         ('create table', 'app.postgres_user_roles', NULL),
	         ('create invariant', 'team_roles_mongodb', 'app.mongo_user_roles (user_id, team_id, role_name, scope)'),
	         ('create invariant', 'team_roles_postgresql', 'app.postgres_user_roles (user_id, role_name, scope, team_id)'),
	         ('create invariant', 'team_roles_one_owner', '(team_id)'),
	         ('create invariant', 'team_roles_deleted_team', '(team_id, user_id, role_name)'),
	         ('create invariant', 'team_roles_mirror', '(user_id, team_id, role_name)'),
	         ('create invariant', 'team_roles_twice', '(user_id, role_name, scope, team_id)'),
	         ('skip', 'team_roles_no_membership', 'nothing says who is a member; see the option "memberships"')$$, 'a dry run shows what would be made');
SELECT is((SELECT count(*) FROM pg_class WHERE relname ~ 'mongo_|postgres_user_roles|my teams'), 0::bigint, 'and makes nothing');

-- ---------------------------------------------------------- tables of the user's own

CREATE TABLE mongo_teams (_id jsonb, name jsonb, created_by jsonb, is_deleted jsonb);
CREATE TABLE mongo_user_roles (_id text DEFAULT left(md5(random()::text), 24), user_id text NOT NULL, team_id text NOT NULL,
	role_name text NOT NULL, scope text NOT NULL, is_active boolean, created_at timestamptz, created_by text);
CREATE UNIQUE INDEX ON mongo_user_roles (user_id, team_id, role_name, scope) WHERE is_active;
INSERT INTO mongo_teams VALUES ('"t1"', '"Core"', '"ann"', 'false'), ('"t2"', '"None"', NULL, NULL);

SELECT results_eq(installs('{"server": "app_mongo", "schema": "app"}'),
	$$VALUES ('keep', 'app.mongo_teams', NULL), ('keep', 'app.mongo_user_roles', NULL),
	         ('create table', 'app.postgres_user_roles', NULL),
	         ('create invariant', 'team_roles_mongodb', 'app.mongo_user_roles (user_id, team_id, role_name, scope)'),
	         ('create invariant', 'team_roles_postgresql', 'app.postgres_user_roles (user_id, role_name, scope, team_id)'),
	         ('create invariant', 'team_roles_one_owner', '(team_id)'),
	         ('create invariant', 'team_roles_deleted_team', '(team_id, user_id, role_name)'),
	         ('create invariant', 'team_roles_mirror', '(user_id, team_id, role_name)'),
	         ('create invariant', 'team_roles_twice', '(user_id, role_name, scope, team_id)'),
	         ('skip', 'team_roles_no_membership', 'nothing says who is a member; see the option "memberships"')$$,
	'tables that are there are kept');
SELECT is((SELECT (name, version, installed, options)::text FROM reconcile.packs WHERE name = 'team_roles'),
	ROW('team_roles', (SELECT extversion FROM pg_extension WHERE extname = 'pg_reconcile'), true,
	    '{"roles": ["owner", "admin", "member"], "teams": "teams", "guards": "none", "schema": "app", "server": "app_mongo",
	      "tables": {}, "columns": {}, "database": "", "created_by": "pg_reconcile", "user_roles": "user_roles", "memberships": ""}'::jsonb)::text,
	'view packs shows options and version');
SELECT is((SELECT array_agg((name, pack)::text ORDER BY name) FROM reconcile.invariants WHERE kind <> 'check'),
	'{"(team_roles_mongodb,team_roles)","(team_roles_postgresql,team_roles)"}'::text[], 'both invariants belong to the pack');
SELECT results_eq(installs('{"server": "app_mongo", "schema": "app"}'),
	$$VALUES ('keep', 'app.mongo_teams', NULL), ('keep', 'app.mongo_user_roles', NULL), ('keep', 'app.postgres_user_roles', NULL),
	         ('keep invariant', 'team_roles_mongodb', 'app.mongo_user_roles (user_id, team_id, role_name, scope)'),
	         ('keep invariant', 'team_roles_postgresql', 'app.postgres_user_roles (user_id, role_name, scope, team_id)'),
	         ('keep invariant', 'team_roles_one_owner', '(team_id)'),
	         ('keep invariant', 'team_roles_deleted_team', '(team_id, user_id, role_name)'),
	         ('keep invariant', 'team_roles_mirror', '(user_id, team_id, role_name)'),
	         ('keep invariant', 'team_roles_twice', '(user_id, role_name, scope, team_id)'),
	         ('skip', 'team_roles_no_membership', 'nothing says who is a member; see the option "memberships"')$$,
	'installing again keeps everything');
SELECT is((SELECT array_agg(action ORDER BY action) FROM reconcile.install_pack('team_roles',
	'{"server": "app_mongo", "schema": "app", "roles": ["owner"]}')),
	'{alter invariant,alter invariant,keep,keep,keep,keep invariant,keep invariant,keep invariant,keep invariant,skip}'::text[], 'other options alter the invariants');
SELECT is((SELECT array_agg((invariant, planned, changed)::text ORDER BY invariant) FROM reconcile.repair(pack => 'team_roles')),
	'{"(team_roles_mongodb,1,1)","(team_roles_postgresql,1,1)"}'::text[], 'a dry run sees the chain');
SELECT is((SELECT array_agg((invariant, planned, changed)::text ORDER BY invariant)
           FROM reconcile.repair(pack => 'team_roles', dry_run => false)),
	'{"(team_roles_mongodb,1,1)","(team_roles_postgresql,1,1)"}'::text[], 'a live run does the same');
SELECT is((SELECT array_agg((user_id, role_name, team_id, scope, is_active, created_by, sync_status)::text) FROM postgres_user_roles),
	'{"(ann,owner,t1,TEAM,t,pg_reconcile,SYNCED)"}'::text[], 'and fills the mirror');

SELECT is(reconcile.remove_pack('team_roles')::text, '', 'the pack can be removed');
SELECT is((SELECT count(*) FROM reconcile.invariants), 0::bigint, 'its invariants are gone');
SELECT is((SELECT count(*) FROM postgres_user_roles), 1::bigint, 'its tables and their rows stay');
SELECT is((SELECT installed FROM reconcile.packs WHERE name = 'team_roles'), false, 'the view knows');
SELECT raised('removing it twice', 'SELECT reconcile.remove_pack(''team_roles'')', 'RC005', 'pack "team_roles" is not installed');

-- ---------------------------------------------------------------- values as ids

SELECT is(reconcile.id_of(value::jsonb), id, format('id_of(%s)', value))
FROM (VALUES ('"a"', 'a'), ('""', ''), ('{"$oid": "66e1a0b0c0d0e0f001020001"}', '66e1a0b0c0d0e0f001020001'), ('{}', NULL),
	('{"$date": "2025"}', NULL), ('7', NULL), ('true', NULL), ('null', NULL), ('["a"]', NULL), (NULL, NULL)) AS v(value, id);

SELECT * FROM finish();
ROLLBACK;
