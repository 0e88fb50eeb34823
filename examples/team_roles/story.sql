-- What a user types.  Run by examples/demo.sh, which sets mongo_hosts and mongo_database.
CREATE EXTENSION pg_reconcile;
CREATE SERVER app_mongo FOREIGN DATA WRAPPER reconcile_mongo OPTIONS (hosts :'mongo_hosts', database :'mongo_database');
CREATE USER MAPPING FOR CURRENT_USER SERVER app_mongo :mongo_user;
SELECT * FROM reconcile.install_pack('team_roles', '{"server": "app_mongo"}');

-- What is missing?  A dry run changes nothing.
SELECT team_name, role_name, mongodb, postgresql, detail FROM fix_team_roles(true);

-- Repair both stores.
SELECT team_name, role_name, mongodb, postgresql, detail FROM fix_team_roles(false);

-- The second run finds everything.
SELECT mongodb, postgresql, count(*) FROM fix_team_roles(false) GROUP BY 1, 2 ORDER BY 1, 2;

-- Every run is in the ledger.
SELECT run_id, invariant, state, planned, changed, already_present, failed FROM reconcile.runs ORDER BY run_id;
