-- A MongoDB as a foreign server: what is written, what is refused, and what would be sent.  No server is needed.
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO';
CREATE EXTENSION pg_reconcile;
BEGIN;

CREATE SERVER app_mongo FOREIGN DATA WRAPPER reconcile_mongo
	OPTIONS (hosts 'db1:27017', database 'app', connect_timeout '2s');
CREATE USER MAPPING FOR CURRENT_USER SERVER app_mongo OPTIONS (username 'reader', password 'p@ss:w/rd');
CREATE FOREIGN TABLE teams (
	id text OPTIONS (path '_id', bson_type 'objectId'),
	team_name text OPTIONS (path 'name'),
	creator text OPTIONS (path 'created_by.user_id'),
	first_tag text OPTIONS (path 'tags.0'),
	size integer,
	created_at timestamptz
) SERVER app_mongo OPTIONS (key 'id');

-- What MongoDB is asked for: only the fields that are needed, and what it can check first.
EXPLAIN (VERBOSE, COSTS off)
	SELECT team_name, first_tag FROM teams WHERE creator = '0123456789abcdef01234567' AND size BETWEEN 2 AND 5;
EXPLAIN (COSTS off)
	SELECT id FROM teams WHERE id = ANY ('{0123456789abcdef01234567,nonsense}') OR (created_at >= '2026-01-01 UTC' AND created_at < '2026-02-01 UTC');
EXPLAIN (COSTS off) SELECT count(*) FROM teams WHERE lower(team_name) = 'a';
EXPLAIN (COSTS off) SELECT * FROM teams LIMIT 3;
EXPLAIN (COSTS off) INSERT INTO teams (id, team_name) VALUES ('0123456789abcdef01234567', 'a') ON CONFLICT DO NOTHING;

-- What is refused, with what to do.
\set ON_ERROR_ROLLBACK on
CREATE SERVER refused FOREIGN DATA WRAPPER reconcile_mongo OPTIONS (databse 'app');
CREATE SERVER refused FOREIGN DATA WRAPPER reconcile_mongo OPTIONS (hosts 'mongodb+srv://cluster.example.com');
CREATE SERVER refused FOREIGN DATA WRAPPER reconcile_mongo OPTIONS (hosts 'db1', auth_mechanism 'GSSAPI');
CREATE SERVER refused FOREIGN DATA WRAPPER reconcile_mongo OPTIONS (hosts 'db1', username 'me');
ALTER FOREIGN TABLE teams OPTIONS (ADD on_mismatch 'ignore');
ALTER FOREIGN TABLE teams ALTER size OPTIONS (ADD bson_type 'Integer');
ALTER FOREIGN TABLE teams OPTIONS (DROP key);
INSERT INTO teams (team_name) VALUES ('a') ON CONFLICT DO NOTHING;
UPDATE teams SET size = 1;
ALTER FOREIGN TABLE teams ADD place point;
SELECT place FROM teams;

ROLLBACK;
DROP EXTENSION pg_reconcile;
