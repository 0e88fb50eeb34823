-- The story of pack workspaces as its document tells it: look, migrate, migrate again, verify, sign up, roll back.
\set QUIET 1
CREATE DATABASE reconcile_story_workspaces;
\set story :DBNAME
\c reconcile_story_workspaces
SET client_min_messages = warning;
\i examples/workspaces/postgresql.sql
RESET client_min_messages;
CREATE EXTENSION pg_reconcile;
SELECT action, count(*) FROM reconcile.install_pack('workspaces', dry_run => true) GROUP BY action ORDER BY action;
SELECT action, count(*) FROM reconcile.install_pack('workspaces') GROUP BY action ORDER BY action;
-- Dry run, live, second run.
SELECT invariant, planned, changed, already_present, failed FROM init_workspaces(dry_run => true);
SELECT count(*) FROM workspaces;
SELECT invariant, planned, changed, already_present, failed FROM init_workspaces();
SELECT sum(planned) AS planned, sum(changed) AS changed FROM init_workspaces();
-- Verification.
SELECT name, slug FROM workspaces WHERE slug = 'default';
SELECT u.username, w.name FROM users u LEFT JOIN workspaces w ON u.current_workspace_id = w.id ORDER BY u.id;
SELECT count(*) FROM users WHERE current_workspace_id IS NULL;
SELECT slug, count(*) FROM workspaces GROUP BY slug HAVING count(*) > 1;
SELECT reconcile.assert_clean(pack => 'workspaces');
-- A user signs up.
INSERT INTO users (username, email, password_hash, role) VALUES ('zoe', 'zoe@example.com', 'x', 'admin');
SELECT w.name, m.role, s.max_dashboards FROM users u JOIN workspaces w ON w.id = u.current_workspace_id
JOIN workspace_members m ON m.workspace_id = w.id AND m.user_id = u.id JOIN workspace_settings s ON s.workspace_id = w.id
WHERE username = 'zoe';
-- Rollback: of the runs, not of what users did since.
SELECT invariant, removed, restored, kept_referenced, kept_changed FROM reconcile.undo_last('workspaces', dry_run => false) ORDER BY invariant;
SELECT u.username, w.name FROM users u LEFT JOIN workspaces w ON u.current_workspace_id = w.id ORDER BY u.id;
\c :story
DROP DATABASE reconcile_story_workspaces WITH (FORCE);
