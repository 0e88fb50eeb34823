-- The story of pack team_roles as its document tells it: dry run, live, again, verify, clean up. The collections are in the
-- MongoDB server of MONGO_HOSTS, in a database of the story's own.
\getenv hosts MONGO_HOSTS
\if :{?hosts}
\else
\echo 'MONGO_HOSTS is not set: this story needs a MongoDB server, CONTRIBUTING.md tells how to start one'
\quit
\endif
SET client_min_messages = warning;
CREATE EXTENSION pg_reconcile;
CREATE SERVER story_mongo FOREIGN DATA WRAPPER reconcile_mongo OPTIONS (hosts :'hosts', database 'reconcile_story_team_roles');
CREATE USER MAPPING FOR CURRENT_USER SERVER story_mongo;
CREATE FOREIGN TABLE teams (id text OPTIONS (path '_id'), document jsonb OPTIONS (path '')) SERVER story_mongo OPTIONS (key 'id', missing_collection 'empty');
CREATE FOREIGN TABLE user_roles (id text OPTIONS (path '_id'), document jsonb OPTIONS (path '')) SERVER story_mongo OPTIONS (key 'id', missing_collection 'empty');
DELETE FROM teams;
DELETE FROM user_roles;
-- Core is complete in MongoDB, Mobile's creator is a member and nothing else, Orphan has no creator.
INSERT INTO teams (document) VALUES
	('{"_id": "t1", "name": "Core", "created_by": "ann", "is_deleted": false}'), ('{"_id": "t2", "name": "Mobile", "created_by": "ben", "is_deleted": false}'),
	('{"_id": "t3", "name": "Orphan", "created_by": null, "is_deleted": false}'), ('{"_id": "t4", "name": "Gone", "created_by": "ann", "is_deleted": true}');
INSERT INTO user_roles (document)
	SELECT jsonb_build_object('_id', team || role, 'user_id', person, 'team_id', team, 'role_name', role, 'scope', 'TEAM', 'is_active', true, 'created_by', 'system')
	FROM (VALUES ('ann', 't1', 'owner'), ('ann', 't1', 'admin'), ('ann', 't1', 'member'), ('ben', 't2', 'member')) AS v(person, team, role);
CREATE TABLE postgres_user_roles (id serial PRIMARY KEY, mongo_id varchar(24) UNIQUE, user_id varchar(24) NOT NULL, role_name varchar(50) NOT NULL,
	scope varchar(20) NOT NULL, team_id varchar(24), is_active boolean NOT NULL, created_at timestamptz NOT NULL, created_by varchar(24) NOT NULL,
	last_sync_at timestamptz NOT NULL, sync_status varchar(20) NOT NULL, sync_error text);
CREATE UNIQUE INDEX unique_active_user_team_role ON postgres_user_roles (user_id, role_name, scope, team_id) WHERE is_active;
INSERT INTO postgres_user_roles (user_id, role_name, scope, team_id, is_active, created_at, created_by, last_sync_at, sync_status)
	VALUES ('ann', 'owner', 'TEAM', 't1', true, now(), 'system', now(), 'SYNCED');

-- What is not there yet, and what the installation would do
SELECT * FROM fix_team_roles();
SELECT action, object FROM reconcile.install_pack('team_roles', '{"server": "story_mongo"}', dry_run => true) WHERE action NOT LIKE '%invariant';
SELECT action, count(*) FROM reconcile.install_pack('team_roles', '{"server": "story_mongo"}') GROUP BY action ORDER BY action COLLATE "C";
SELECT action, count(*) FROM reconcile.install_pack('team_roles', '{"server": "story_mongo"}') GROUP BY action ORDER BY action COLLATE "C";

-- Dry run, which is what happens unless one asks for more; live, and again
RESET client_min_messages;
SELECT team_name, role_name, mongodb, postgresql, detail FROM fix_team_roles();
SELECT count(*) FROM user_roles;
SELECT team_name, role_name, mongodb, postgresql, detail FROM fix_team_roles(false);
SELECT mongodb, postgresql, count(*) FROM fix_team_roles(false) GROUP BY 1, 2 ORDER BY 1, 2;

-- Verification
SELECT user_id, team_id, role_name, scope, is_active, created_by FROM mongo_user_roles ORDER BY team_id, user_id, role_name;
SELECT user_id, team_id, role_name, scope, is_active, created_by, sync_status FROM postgres_user_roles ORDER BY team_id, user_id, role_name;
SELECT invariant, severity, state, missing, present FROM reconcile.audit(pack => 'team_roles') ORDER BY invariant;
SELECT invariant, state, planned, changed, failed FROM reconcile.runs ORDER BY run_id;

-- Clean up what the run left, in both stores
SELECT invariant, removed, kept_changed, kept_referenced FROM reconcile.undo_last('team_roles');
SELECT invariant, removed, kept_changed, kept_referenced FROM reconcile.undo_last('team_roles', dry_run => false);
SELECT team_id, role_name FROM mongo_user_roles ORDER BY 1, 2;
SELECT team_id, role_name FROM postgres_user_roles ORDER BY 1, 2;

SELECT reconcile.remove_pack('team_roles');
SELECT count(*) FROM reconcile.invariants;
DELETE FROM teams;
DELETE FROM user_roles;
SET client_min_messages = warning;
DROP EXTENSION pg_reconcile CASCADE;
DROP TABLE postgres_user_roles;
