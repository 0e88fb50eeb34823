-- The story of pack entitlements, as in the guide it replaces: look, initialize, verify, and take it back.
SET client_min_messages = warning;
CREATE EXTENSION pg_reconcile;
CREATE TABLE organizations (id serial PRIMARY KEY, name varchar NOT NULL UNIQUE, enabled_modules json);
CREATE TABLE users (id serial PRIMARY KEY, email varchar NOT NULL, organization_id integer REFERENCES organizations);
INSERT INTO organizations (name, enabled_modules) VALUES
	('Acme', '{"CRM": true, "HR": "yes", "finance": 0, "AI_Analytics": 1}'), ('Bolt', '["Sales"]'), ('Core', NULL);

-- What is not there yet, and what the installation would do
SELECT * FROM init_org_entitlements();
SELECT action, count(*) FROM reconcile.install_pack('entitlements', '{"aliases": {"CRM": "sales"}}', dry_run => true) GROUP BY action ORDER BY action COLLATE "C";
SELECT action, count(*) FROM reconcile.install_pack('entitlements', '{"aliases": {"CRM": "sales"}}') GROUP BY action ORDER BY action COLLATE "C";
SELECT action, count(*) FROM reconcile.install_pack('entitlements', '{"aliases": {"CRM": "sales"}}') GROUP BY action ORDER BY action COLLATE "C";

-- Dry run, live, and again
SELECT org_id, organization, enabled, cardinality(disabled) AS disabled, already_present, failed FROM init_org_entitlements(dry_run => true);
SELECT count(*) FROM org_entitlements;
SELECT org_id, organization, enabled, cardinality(disabled) AS disabled, already_present, failed FROM init_org_entitlements();
SELECT org_id, organization, enabled, cardinality(disabled) AS disabled, already_present, failed FROM init_org_entitlements();

-- Verification
SELECT (SELECT count(*) FROM organizations) AS organizations, (SELECT count(*) FROM modules) AS modules, (SELECT count(*) FROM org_entitlements) AS entitlements;
SELECT reconcile.assert_clean(pack => 'entitlements');
SELECT invariant, severity, samples FROM reconcile.audit(pack => 'entitlements') WHERE state <> 'clean' ORDER BY invariant;

-- A new organization and a new module
INSERT INTO organizations (name, enabled_modules) VALUES ('Dune', '{"PAYROLL": true}');
INSERT INTO modules (module_key, display_name) VALUES ('payroll', 'Payroll');
SELECT o.name, e.status FROM organizations o JOIN org_entitlements e ON e.org_id = o.id JOIN modules m ON m.id = e.module_id
WHERE m.module_key = 'payroll' ORDER BY o.id;

-- Undo
SELECT invariant, removed, kept_changed, kept_referenced FROM reconcile.undo_last('entitlements');
SELECT invariant, removed, kept_changed, kept_referenced FROM reconcile.undo_last('entitlements', dry_run => false);
SELECT org_id, status, decided_by FROM effective_entitlements WHERE module_key = 'hr' ORDER BY org_id;

SELECT reconcile.remove_pack('entitlements');
SELECT count(*) FROM reconcile.invariants;
DROP EXTENSION pg_reconcile;
DROP TABLE entitlement_events, org_subentitlements, org_entitlements, plan_entitlements, plans, submodules, modules, users, organizations;
