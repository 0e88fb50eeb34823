-- The story of pack team_management as its guide tells it: audit, fix, audit again, verify, roll back.
\set QUIET 1
CREATE DATABASE reconcile_story_team_management;
\set story :DBNAME
\c reconcile_story_team_management
SET client_min_messages = warning;
\i examples/team_management/postgresql.sql
RESET client_min_messages;
CREATE EXTENSION pg_reconcile;
SELECT action, count(*) FROM reconcile.install_pack('team_management') GROUP BY action ORDER BY action;
-- Step 1, the audit.
SELECT invariant, severity, state, expected, present, missing, differing, duplicated FROM reconcile.audit(pack => 'team_management');
-- Step 2, the fix: dry run, live, second run; then what is wrong and not only missing.
SELECT invariant, planned, changed, failed FROM init_team_management(dry_run => true);
SELECT invariant, planned, changed, failed FROM init_team_management();
SELECT sum(changed) AS changed FROM init_team_management();
SELECT invariant, planned, changed FROM reconcile.repair(pack => 'team_management', dry_run => false) WHERE planned > 0;
-- Step 3, verification: roles, templates, an upload, a new user.
SELECT DISTINCT name FROM team_roles WHERE customer_id IS NULL ORDER BY name;
SELECT DISTINCT name FROM notification_templates ORDER BY name;
DROP TRIGGER create_user_notification_preferences ON users;
INSERT INTO users VALUES ('dan', 'dan@example.com', 'acme');
SELECT user_id FROM notification_preferences ORDER BY user_id;
INSERT INTO invoice_attachments (invoice_id, customer_id, file_path, file_name, file_size, file_type) VALUES ('i', 'bolt', '/', 'n', 91, 'pdf');
SELECT id, storage_used FROM customers ORDER BY id;
SELECT invariant, state, missing, differing, duplicated, present FROM reconcile.audit(pack => 'team_management') WHERE state <> 'clean';
-- Rollback of the runs.
SELECT invariant, removed, restored, kept_changed FROM reconcile.undo_last('team_management', dry_run => false) ORDER BY invariant;
SELECT id, storage_used FROM customers ORDER BY id;
\c :story
DROP DATABASE reconcile_story_team_management WITH (FORCE);
