-- Pack team_roles: the rules that only a person can mend, and teams that are written in PostgreSQL. Tables of the test's own stand
-- for the collections; test/fault/test_team_roles.py has real ones.
\ir ../support/invariant.sql
SELECT no_plan();

CREATE SERVER app_mongo FOREIGN DATA WRAPPER reconcile_mongo OPTIONS (hosts 'localhost:1', database 'app');
CREATE TABLE mongo_teams (_id jsonb, name jsonb, created_by jsonb, is_deleted jsonb);
CREATE TABLE mongo_user_roles (_id text DEFAULT left(md5(random()::text), 24), user_id text NOT NULL, team_id text NOT NULL,
	role_name text NOT NULL, scope text NOT NULL, is_active boolean, created_at timestamptz, created_by text);
CREATE UNIQUE INDEX ON mongo_user_roles (user_id, team_id, role_name, scope) WHERE is_active;
CREATE TABLE mongo_memberships (user_id text, team_id text, is_active boolean);
CREATE TABLE postgres_user_roles (id serial PRIMARY KEY, mongo_id varchar(24) UNIQUE, user_id varchar(24) NOT NULL, role_name varchar(50) NOT NULL,
	scope varchar(20) NOT NULL, team_id varchar(24), is_active boolean NOT NULL, created_at timestamptz NOT NULL, created_by varchar(24) NOT NULL,
	last_sync_at timestamptz NOT NULL, sync_status varchar(20) NOT NULL, sync_error text);
CREATE UNIQUE INDEX unique_active_user_team_role ON postgres_user_roles (user_id, role_name, scope, team_id) WHERE is_active;
CREATE TABLE postgres_teams (id serial PRIMARY KEY, mongo_id varchar(24) UNIQUE, name varchar(100) NOT NULL, invite_code varchar(100) NOT NULL UNIQUE,
	created_by varchar(24) NOT NULL, updated_by varchar(24) NOT NULL, is_deleted boolean NOT NULL, created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL);

-- What is wrong in it: t2 has two owners, t3 none, t4 is deleted; cat has a role and is no member, dan's membership ended, ann created t5 and is no member.
INSERT INTO mongo_teams SELECT to_jsonb(id), to_jsonb(upper(id)), to_jsonb(who), d::jsonb
	FROM (VALUES ('t1', 'ann', 'false'), ('t2', 'ann', NULL), ('t3', 'ben', 'null'), ('t4', 'ann', 'true'), ('t5', 'ann', 'false')) AS v(id, who, d);
INSERT INTO mongo_user_roles (user_id, team_id, role_name, scope, is_active) VALUES
	('ann', 't1', 'owner', 'TEAM', true), ('ann', 't2', 'owner', 'TEAM', true), ('cat', 't2', 'owner', 'TEAM', NULL), ('ben', 't3', 'owner', 'TEAM', false),
	('ann', 't4', 'owner', 'TEAM', true), ('dan', 't1', 'member', 'TEAM', true), ('ann', 't5', 'owner', 'TEAM', true), ('eve', 'any', 'moderator', 'GLOBAL', true);
INSERT INTO mongo_memberships VALUES ('ann', 't1', true), ('ann', 't2', NULL), ('ben', 't3', true), ('ann', 't4', true), ('dan', 't1', false);
INSERT INTO postgres_user_roles (user_id, team_id, role_name, scope, is_active, created_at, created_by, last_sync_at, sync_status)
	SELECT u, t, r, s, a, now(), 'system', now(), 'SYNCED' FROM (VALUES ('ann', 't1', 'owner', 'TEAM', true), ('ann', 't2', 'owner', 'TEAM', true),
	('cat', 't2', 'owner', 'TEAM', false), ('ann', 't4', 'owner', 'TEAM', true), ('dan', 't1', 'admin', 'TEAM', true), ('ann', 't5', 'owner', 'TEAM', true),
	('eve', NULL, 'moderator', 'GLOBAL', true), ('eve', NULL, 'moderator', 'GLOBAL', true)) AS v(u, t, r, s, a);

CREATE FUNCTION found(rule text) RETURNS text[] LANGUAGE sql AS $$
	SELECT array_agg(concat_ws(' ', key ->> 'team_id', key ->> 'user_id', key ->> 'role_name', actual ->> 'owners', actual ->> 'mongodb', actual ->> 'postgresql',
	                           actual ->> 'rows') ORDER BY key::text)
	FROM reconcile.findings('team_roles_' || rule) $$;

SELECT is((SELECT array_agg(object) FROM reconcile.install_pack('team_roles', '{"server": "app_mongo", "schema": "app", "memberships": "user_team_details"}')
           WHERE action = 'create invariant' OR action = 'skip'),
	'{team_roles_mongodb,team_roles_postgresql,team_roles_one_owner,team_roles_deleted_team,team_roles_mirror,team_roles_twice,team_roles_no_membership,team_roles_creator_no_member}',
	'each rule is an invariant');
SELECT is(found('one_owner'), '{"t2 2","t3 0"}', 'a team has exactly one owner; an inactive role is none');
SELECT is(found('deleted_team'), '{"t4 ann owner"}', 'no active role on a deleted team');
SELECT is(found('no_membership'), '{"t1 dan member","t2 cat owner","t5 ann owner"}', 'no active role without active membership');
SELECT is(found('creator_no_member'), '{t5}', 'a creator is a member');
SELECT is(found('mirror'), '{"t1 dan admin missing active","t1 dan member active missing","t2 cat owner active inactive","t3 ben owner inactive missing"}',
	'the mirror is compared by content: equal numbers of rows hide nothing');
UPDATE postgres_user_roles SET mongo_id = 'another' WHERE user_id = 'dan';
SELECT is((found('mirror'))[1], 't1 dan admin missing active', 'whatever document a row says it was made from');
SELECT is((SELECT count(*) FROM mongo_user_roles WHERE scope = 'TEAM'), (SELECT count(*) + 1 FROM postgres_user_roles WHERE scope = 'TEAM'), 'which they nearly are');
SELECT is(found('twice'), '{"eve moderator 2"}', 'two active rows without team, which the unique index lets pass, are found');
CREATE TEMP TABLE before AS SELECT (SELECT array_agg(d::text ORDER BY d::text) FROM mongo_user_roles d) AS documents,
	(SELECT array_agg(p.id ORDER BY id) FROM postgres_user_roles p) AS ids;
SELECT is((SELECT array_agg(invariant || ' ' || changed ORDER BY invariant) FROM reconcile.repair(pack => 'team_roles', dry_run => false)),
	'{"team_roles_mongodb 9","team_roles_postgresql 9"}', 'a repair adds');
SELECT is((SELECT (SELECT documents FROM before) <@ array_agg(d::text) FROM mongo_user_roles d), true, 'and deletes or changes no document');
SELECT is((SELECT (SELECT ids FROM before) <@ array_agg(id) FROM postgres_user_roles), true, 'nor row');
SELECT is(found('one_owner'), '{"t2 2"}', 'who of two owners is the right one is for a person to say');
SELECT is((SELECT sum(removed) FROM reconcile.undo_last('team_roles', dry_run => false)), 18::numeric, 'undo cleans up what a run left, in both stores');
SELECT is((SELECT array_agg(d::text ORDER BY d::text) FROM mongo_user_roles d), (SELECT documents FROM before), 'and nothing else');

-- ---------------------------------------------------------------- memberships in PostgreSQL, or nowhere

SELECT is((SELECT detail FROM reconcile.install_pack('team_roles', '{"server": "app_mongo", "schema": "app"}') WHERE action = 'skip'),
	'nothing says who is a member; see the option "memberships"', 'without memberships two rules are left out, and said to be');
SELECT is((SELECT count(*) FROM reconcile.invariants WHERE name ~ 'member'), 0::bigint, 'not passed as clean');
CREATE TABLE postgres_user_team_details (id serial PRIMARY KEY, user_id varchar(24) NOT NULL, team_id varchar(24) NOT NULL, active boolean NOT NULL);
INSERT INTO postgres_user_team_details (user_id, team_id, active) SELECT user_id, team_id, coalesce(is_active, true) FROM mongo_memberships;
SELECT reconcile.install_pack('team_roles', '{"server": "app_mongo", "schema": "app", "columns": {"postgres_user_team_details": {"is_active": "active"}}}') IS NOT NULL AS installed \g /dev/null
SELECT is(found('no_membership'), '{"t1 dan member","t2 cat owner","t5 ann owner"}', 'the table in PostgreSQL serves as well');

-- ---------------------------------------------------------------- teams that are written in PostgreSQL

SELECT is((SELECT array_agg(action || ' ' || object) FROM reconcile.install_pack('team_roles', '{"server": "app_mongo", "schema": "app", "columns": {"postgres_user_team_details": {"is_active": "active"}}, "guards": "block"}') WHERE object ~ 'teams$' AND action !~ 'keep'),
	'{"create invariant team_roles_postgres_teams","create guard team_roles_postgres_teams"}', 'they can be guarded');
INSERT INTO postgres_teams (mongo_id, name, invite_code, created_by, updated_by, is_deleted, created_at, updated_at) VALUES
	('m1', 'One', 'i1', 'fay', 'fay', false, now(), now()), (NULL, 'Two', 'i2', 'fay', 'fay', false, now(), now()), ('m3', 'Gone', 'i3', 'fay', 'fay', true, now(), now());
SELECT is((SELECT array_agg(concat_ws(' ', team_id, role_name, scope, is_active, created_by, sync_status) ORDER BY team_id DESC, role_name) FROM postgres_user_roles WHERE user_id = 'fay'),
	ARRAY['m1 admin TEAM t pg_reconcile PENDING', 'm1 member TEAM t pg_reconcile PENDING', 'm1 owner TEAM t pg_reconcile PENDING',
	'2 admin TEAM t pg_reconcile PENDING', '2 member TEAM t pg_reconcile PENDING', '2 owner TEAM t pg_reconcile PENDING'],
	'whoever creates a team there has its roles at once, to be synchronized; a deleted team brings none');
UPDATE postgres_teams SET created_by = 'gus' WHERE mongo_id = 'm1';
SELECT is((SELECT count(*) FROM postgres_user_roles WHERE user_id IN ('fay', 'gus') AND team_id = 'm1'), 6::bigint, 'a new owner has theirs, the old one keeps theirs');
ALTER TABLE postgres_user_roles ADD CONSTRAINT nobody CHECK (user_id <> 'nil');
SELECT throws_ok($$INSERT INTO postgres_teams (name, invite_code, created_by, updated_by, is_deleted, created_at, updated_at) VALUES ('T', 'i4', 'nil', 'nil', false, now(), now())$$,
	'23514', NULL, 'with block, a side effect that fails ends the creation of the team');
SELECT is((SELECT array_agg(action || ' ' || object) FROM reconcile.install_pack('team_roles', '{"server": "app_mongo", "schema": "app", "columns": {"postgres_user_team_details": {"is_active": "active"}}, "guards": "queue"}') WHERE action ~ 'guard'),
	'{"alter guard team_roles_postgres_teams"}', 'or they queue');
INSERT INTO postgres_teams (name, invite_code, created_by, updated_by, is_deleted, created_at, updated_at) VALUES ('T', 'i4', 'nil', 'nil', false, now(), now());
SELECT is((SELECT array_agg(DISTINCT invariant || ' ' || sqlstate) FROM reconcile.failures), '{"team_roles_postgres_teams 23514"}', 'then the team is there, and the failure recorded');
SELECT is((SELECT array_agg(action || ' ' || object) FROM reconcile.install_pack('team_roles', '{"server": "app_mongo", "schema": "app", "columns": {"postgres_user_team_details": {"is_active": "active"}}}') WHERE object ~ 'postgres_teams'),
	'{"drop invariant team_roles_postgres_teams"}', 'without guards the invariant goes, too');
SELECT is((SELECT count(*) FROM pg_trigger WHERE tgrelid = 'postgres_teams'::regclass AND NOT tgisinternal), 0::bigint, 'with its triggers');

SELECT * FROM finish();
ROLLBACK;
