-- Pack entitlements: what flags mean, and what becomes of organizations, modules and the rows between them, on the product's own
-- tables, on none, and on half of them.
\ir ../support/invariant.sql
SELECT no_plan();

SET check_function_bodies = off;  -- the tables come later
-- installs installs the pack, which must do what its dry run had shown, and returns what is not as usual about it.
CREATE FUNCTION installs(options jsonb DEFAULT '{}') RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
	dry  text[] := ARRAY(SELECT i::text FROM reconcile.install_pack('entitlements', '{"schema": "app"}' || options, true) AS i);
	live text[] := ARRAY(SELECT i::text FROM reconcile.install_pack('entitlements', '{"schema": "app"}' || options) AS i);
BEGIN
	RETURN CASE WHEN dry = live THEN ARRAY(SELECT l FROM unnest(live) AS l WHERE l !~ '"?(keep|seed row|create table)|invariant')
	            ELSE ARRAY['dry run', dry::text, 'live', live::text] END;
END $$;
CREATE FUNCTION given(dry_run boolean) RETURNS text[] LANGUAGE sql AS $$
	SELECT array_agg(concat_ws(' ', organization, enabled, cardinality(disabled), already_present, failed)) FROM init_org_entitlements(dry_run) $$;
-- drift is what the audit finds: rows missing, or forbidden.
CREATE FUNCTION drift() RETURNS text[] LANGUAGE sql AS $$
	SELECT coalesce(array_agg(replace(invariant, 'entitlements_', '') || ' ' ||
		coalesce(CASE WHEN expected = 0 THEN present ELSE missing END || '', message) ORDER BY invariant), '{}')
	FROM reconcile.audit(pack => 'entitlements') WHERE state <> 'clean' $$;
CREATE FUNCTION forbidden(name text) RETURNS SETOF jsonb LANGUAGE sql AS $$
	SELECT coalesce(actual, key) FROM reconcile.findings('entitlements_' || name) $$;

-- ---------------------------------------------------------------- what flags mean

SELECT is(reconcile.flag_is_on(flag::jsonb), is_on, format('flag %s', flag))
FROM (VALUES ('true', true), ('false', false), ('null', false), ('1', true), ('0', false), ('0.0', false), ('-0', false), ('-1', true),
	('0.1', true), ('"true"', true), ('"t"', true), ('"yes"', true), ('"on"', true), ('"1"', true), ('"TRUE"', true), ('"Yes"', true),
	('"false"', false), ('"0"', false), ('"no"', false), ('"off"', false), ('""', false), ('"2"', false), ('"enabled"', false),
	('"y"', false), ('{}', false), ('{"a": true}', false), ('[]', false), ('[true]', false)) AS v(flag, is_on);
SELECT is(reconcile.flag_is_on(NULL), false, 'flag NULL');

SELECT is((SELECT array_agg(k ORDER BY k) FROM reconcile.modules_on(flags, '{"crm": "sales", "project": "projects"}') m, jsonb_object_keys(m.modules) AS k),
	expected::text[], format('flags %s', left(flags, 60)))
FROM (VALUES (NULL, NULL), ('null', NULL), ('{}', NULL), ('[]', NULL), ('7', NULL), ('true', NULL), ('"crm"', NULL), ('', NULL),
	('not JSON', NULL), ('{"hr": true', NULL), ('{"a": "\u0000", "hr": true}', NULL),
	('{"hr": true}', '{hr}'), ('{"HR": true}', '{hr}'), ('{"Hr": "yes", "SALES": 1}', '{hr,sales}'),
	('{"AI_Analytics": true}', '{ai_analytics}'), ('{"hr": false, "HR": true}', '{hr}'), ('{"hr": true, "hr": false}', NULL),
	('{"CRM": true}', '{crm,sales}'), ('{"crm": true, "Project": "on"}', '{crm,project,projects,sales}'), ('{"crm": false}', NULL),
	('["hr", "Sales", 7, null, {}]', '{hr,sales}'), ('["CRM"]', '{crm,sales}'),
	('"{\"hr\": \"t\"}"', '{hr}'), ('"[\"hr\"]"', NULL), ('"\"{}\""', NULL),
	('{"a''b\"; DROP TABLE t; --": true}', ARRAY['a''b"; drop table t; --']::text), ('{"": true}', '{""}'),
	('{"n": 1e400000}', NULL), (repeat('[', 20000), NULL), (repeat('[', 20000) || repeat(']', 20000), NULL)) AS v(flags, expected);
SELECT results_eq(format('SELECT modules FROM reconcile.modules_on(%L, %L, %L)', flags, aliases, always_on), ARRAY[expected::jsonb],
	format('flags %s, aliases %s, always on %s', flags, aliases, always_on))
FROM (VALUES (NULL, '{}', '["HR", "email"]', '{"hr": true, "email": true}'), ('{"hr": false}', '{}', '["hr"]', '{"hr": true}'),
	('{"hr": true}', NULL, '["hr", "hr"]', '{"hr": true}'), ('{"crm": 1}', '{"crm": null}', '[]', '{"crm": true}'),
	('{"crm": 1}', '["crm"]', '[null]', '{"crm": true}'), ('["CRM"]', '{"crm": "Sales"}', NULL, '{"crm": true, "Sales": true}'))
	AS v(flags, aliases, always_on, expected);

SELECT is((SELECT coalesce(array_agg(concat_ws(': ', key, problem) ORDER BY key), '{}') FROM reconcile.flag_problems(flags)), problems,
	format('problems of %s', flags))
FROM (VALUES (NULL, '{}'::text[]), ('null', '{}'), ('{}', '{}'), ('{"hr": "no", "a": 0, "b": null, "c": ""}', '{}'), ('["hr"]', '{}'),
	('{"hr": "maybe", "x": [], "y": {}}', ARRAY['hr: is the text "maybe", which is not on', 'x: is of type array, which is not on',
	                                           'y: is of type object, which is not on']),
	('["hr", 7]', ARRAY['7: is of type number, not the key of a module']),
	('7', ARRAY[': is of type number, not an object of flags']), ('"hr"', ARRAY[': is of type string, not an object of flags']),
	('{"a": "\u0000"}', ARRAY[': cannot be read as JSON']), ('nonsense', ARRAY[': cannot be read as JSON'])) AS v(flags, problems);

-- ---------------------------------------------------------------- before it is installed, and what is refused

SELECT raised('before it is installed', 'SELECT * FROM init_org_entitlements()', 'RC005', 'pack "entitlements" is not installed',
	'SELECT * FROM reconcile.install_pack(''entitlements'');');
SELECT raised('dry_run NULL', 'SELECT * FROM init_org_entitlements(NULL)', '22004', 'argument "dry_run" must not be null');
SELECT raised(options, format('SELECT * FROM reconcile.install_pack(''entitlements'', %L)', options), '22023', message)
FROM (VALUES ('{"always_on": [1]}', 'option "always_on" of pack "entitlements" must be a list of keys of modules'),
	('{"always_on": "email"}', 'option "always_on" of pack "entitlements" must be of JSON type array, not string'),
	('{"aliases": {"CRM": 1}}', '"CRM" in option "aliases" of pack "entitlements" must be the key of a module'),
	('{"source": ""}', 'option "source" of pack "entitlements" must have 1 to 100 characters'),
	(format('{"source": "%s"}', repeat('s', 101)), 'option "source" of pack "entitlements" must have 1 to 100 characters'),
	('{"guards": "maybe"}', 'option "guards" of pack "entitlements" must not be "maybe"'),
	('{"rows": {"modules": [{"module_key": "a"}, 1]}}', '"modules" in option "rows" of pack "entitlements" must be a list of JSON objects'),
	('{"rows": {"modules": [{"module_key": "a"}, {"module_key": "b", "dispaly_name": "B"}]}}',
	 'a row of "modules" in option "rows" of pack "entitlements" has no key "dispaly_name"'),
	('{"rows": {"submodules": [{"module": "sales", "submodule": "x", "module_key": "sales"}]}}',
	 'a row of "submodules" in option "rows" of pack "entitlements" has no key "module_key"'),
	('{"rows": {"module": []}}', 'option "rows" of pack "entitlements" has no name "module"'),
	('{"tables": {"organisations": "o"}}', 'option "tables" of pack "entitlements" has no name "organisations"')) AS v(options, message);

SELECT raised('a table of another schema', $$SELECT * FROM reconcile.install_pack('entitlements', '{"schema": "app", "tables": {"users": "pg_catalog.pg_class"}}', true)$$, '0A000',
	'option "tables" of pack "entitlements" names a table of another schema: "pg_catalog.pg_class"',
	'All tables of a pack are in one schema, here "app"; a view in it may stand for a table that is only read.');

-- ---------------------------------------------------------------- an empty database

SAVEPOINT nothing;
SELECT is(installs(), ARRAY['("create view",app.effective_entitlements,)',
	'("create guard",entitlements_org_entitlements,"on failure block, at the end of the statement")'], 'an empty database gets all tables');
SELECT is((SELECT array_agg(module_key::text ORDER BY sort_order) FROM modules), '{sales,inventory,manufacturing,vouchers,finance,service,
	projects,ai_analytics,reports,tasks_calendar,email,settings,master_data,accounting,hr,marketing,administration}', 'the 17 modules are there');
SELECT is((SELECT array_agg(p.plan_key || ' ' || n) FROM plans p, LATERAL (SELECT count(*) AS n FROM plan_entitlements e WHERE e.plan_id = p.id) c),
	'{"trial 17"}', 'and plan data, of which the original seeds none');
SELECT is(given(false), NULL, 'no organization: no row, no error');
SELECT is((SELECT array_agg(DISTINCT split_part(action, ' ', 1)) FROM reconcile.install_pack('entitlements', '{"schema": "app"}')),
	'{keep}', 'installing twice keeps everything');
SELECT is(differs, '{}'::text[], 'what the pack makes is as it wants it')
FROM (SELECT ARRAY(SELECT i::text FROM reconcile.install_pack('entitlements', '{"schema": "app"}', true) AS i WHERE action = 'differs')) AS d(differs);
SELECT throws_ok('INSERT INTO plan_entitlements (plan_id, module_id) SELECT plan_id, module_id FROM plan_entitlements', '23505', NULL,
	'its plan_entitlements takes a module once per plan');
ROLLBACK TO nothing;

-- ---------------------------------------------------------------- the product's own tables: the story of the document

\ir ../../examples/entitlements/postgresql.sql
SAVEPOINT world;
SELECT is(installs(), ARRAY['(differs,app.organizations.name,"is character varying(255), usually character varying")',
	'("add column",app.entitlement_events.event_key,"character varying(50)")',
	'(differs,app.plan_entitlements,"UNIQUE INDEX (plan_id, module_id) WHERE submodule_id IS NULL is missing")',
	'("add constraint",app.entitlement_events,"UNIQUE (org_id, event_key)")',
	'(differs,app.users,"FOREIGN KEY (organization_id) REFERENCES app.organizations (id) is missing")',
	'("create view",app.effective_entitlements,)',
	'("create guard",entitlements_org_entitlements,"on failure block, at the end of the statement")'], 'the product''s tables are kept, what differs is said');
SELECT is((SELECT count(*) FROM org_entitlements), 0::bigint, 'installing gives nobody anything');
SELECT is(given(true), ARRAY['Usual {inventory,manufacturing,finance,service,ai_analytics,email,hr,marketing} 9 0 0',
	'Upper {sales,email} 15 0 0', 'Null {email} 16 0 0', 'Odd {email} 16 0 0'], 'the dry run shows each organization');
SELECT is((SELECT count(*) FROM org_entitlements) + (SELECT count(*) FROM entitlement_events), 0::bigint, 'and writes nothing');
SELECT is((SELECT is_called FROM org_entitlements_id_seq), false, 'nor takes a number');
SELECT is(given(false), ARRAY['Usual {inventory,manufacturing,finance,service,ai_analytics,email,hr,marketing} 9 0 0',
	'Upper {sales,email} 15 0 0', 'Null {email} 16 0 0', 'Odd {email} 16 0 0'],
	'the live run does the same: AI_Analytics is found, of which no spelling of the original matches');
SELECT is(given(false), ARRAY['Usual {} 0 17 0', 'Upper {} 0 17 0', 'Null {} 0 17 0', 'Odd {} 0 17 0'], 'the second run changes nothing');
SELECT is((SELECT array_agg(DISTINCT source || ' ' || status) FROM org_entitlements), '{"migration disabled","migration enabled"}', 'the source is migration');
SELECT is((SELECT array_agg(payload -> 'enabled' ORDER BY org_id) FROM entitlement_events WHERE event_type = 'initialized'),
	ARRAY['["inventory", "manufacturing", "finance", "service", "ai_analytics", "email", "hr", "marketing"]', '["sales", "email"]',
	      '["email"]', '["email"]']::jsonb[], 'the audit trail has an event per organization, with what it was given');
SELECT is(drift(), ARRAY['orphaned_users 1', 'unknown_flags 19', 'unknown_names 1', 'unreadable_flags 1'], 'what the audit says');
SELECT is((SELECT f ->> 'email' FROM forbidden('orphaned_users') AS f), 'lost@example.com', 'a user of an organization that is gone is found, one of none is not');
SELECT is((SELECT f - 'times' FROM forbidden('unknown_names') AS f), '{"option": "always_on", "name": "dashboard"}', 'always on, but no module: dashboard');
SELECT is((SELECT f FROM forbidden('unreadable_flags') AS f),
	'{"org_id": 4, "key": "", "problem": "is of type string, not an object of flags"}', 'flags that cannot be read');
SELECT lives_ok('SELECT reconcile.assert_clean(''entitlements_org_entitlements'')', 'a migration may rely on it');
SELECT is((SELECT array_agg(concat_ws(' ', email, organization_id, role) ORDER BY id) FROM users),
	'{"ann@example.com 1 org_admin","root@example.com super_admin","lost@example.com 99 org_admin","ann@example.com 1 executive"}',
	'users keep their organization and their role, also those who are lost');
-- One program writes the keys in upper case, a migration in lower case.
UPDATE organizations SET enabled_modules = (SELECT json_object_agg(upper(key), value) FROM json_each(enabled_modules)) WHERE id < 3;
SELECT is(drift(), ARRAY['orphaned_users 1', 'unknown_flags 19', 'unknown_names 1', 'unreadable_flags 1'], 'flags rewritten with keys in upper case say the same');
UPDATE organizations SET enabled_modules = (SELECT json_object_agg(lower(key), value) FROM json_each(enabled_modules)) WHERE id < 3;
SELECT is(drift(), ARRAY['orphaned_users 1', 'unknown_flags 19', 'unknown_names 1', 'unreadable_flags 1'], 'and so do those in lower case');

-- Undo is not TRUNCATE ... CASCADE.
INSERT INTO submodules (module_id, submodule_key, display_name) VALUES (1, 'orders', 'Orders');
UPDATE org_entitlements SET status = 'trial', source = 'manual', trial_expires_at = now() + interval '1 day' WHERE org_id = 2 AND module_id = 2;
INSERT INTO org_subentitlements (org_id, module_id, submodule_id) VALUES (2, 1, 1);
INSERT INTO entitlement_events (org_id, event_type) VALUES (1, 'manual');
SELECT is((SELECT array_agg((invariant, removed, kept_changed)::text) FROM reconcile.undo_last('entitlements', dry_run => false)),
	'{"(entitlements_events,4,0)","(entitlements_org_entitlements,67,1)"}', 'undo removes the rows of the run but not what was changed since');
SELECT is((SELECT array_agg(org_id || ' ' || source) FROM org_entitlements), '{"2 manual"}', 'what was changed by hand stays');
SELECT is((SELECT count(*) FROM org_subentitlements) + (SELECT count(*) FROM entitlement_events), 2::bigint, 'and so do rows of others');
SELECT is((SELECT count(*) FROM modules), 17::bigint, 'and the modules');
SELECT is((SELECT array_agg(concat_ws(' ', org_id, module_key, submodule_key, status, enabled, decided_by) ORDER BY org_id, module_key)
           FROM effective_entitlements WHERE (org_id, module_key) IN ((1, 'hr'), (1, 'sales'), (2, 'sales'), (2, 'inventory'), (3, 'email'))),
	'{"1 hr enabled t enabled_modules","1 sales orders disabled f enabled_modules","2 inventory trial t org_entitlements",
	  "2 sales orders enabled t enabled_modules","3 email enabled t enabled_modules"}', 'without rows the flags decide, as the document says');
UPDATE org_entitlements SET trial_expires_at = now() - interval '1 day';
UPDATE org_subentitlements SET enabled = false;
SELECT is((SELECT array_agg(concat_ws(' ', module_key, submodule_key, status, enabled) ORDER BY module_key) FROM effective_entitlements
           WHERE org_id = 2 AND module_key IN ('sales', 'inventory')), '{"inventory disabled f","sales orders enabled f"}',
	'an expired trial is disabled, and so is a submodule that is switched off');
ROLLBACK TO world;

-- ---------------------------------------------------------------- aliases, other options, other rows

SELECT installs('{"aliases": {"CRM": "sales", "project": "Projects", "Task_Management": "tasks_calendar", "Calendar": "tasks_calendar",
	"Analytics": "reports"}, "always_on": ["SETTINGS"], "source": "import", "guards": "none"}');
SELECT is((given(false))[1], 'Usual {sales,inventory,manufacturing,finance,service,projects,ai_analytics,reports,tasks_calendar,email,settings,hr,marketing} 4 0 0',
	'aliases enable what the flags meant, keys in any case');
SELECT is((SELECT count(*) FROM org_entitlements WHERE source <> 'import'), 0::bigint, 'source is an option');
SELECT is((SELECT count(*) FROM forbidden('unknown_flags')), 14::bigint, 'flags with an alias are known');
ROLLBACK TO world;

SELECT installs('{"guards": "none", "aliases": {"crm": "sales"}, "rows": {"modules": [{"module_key": "sales"}, {"module_key": "finance", "sort_order": 2}],
	"submodules": [{"module": "finance", "submodule": "ledger_book", "menu_path": "/ledger", "permission": "finance.view"},
	 {"module": "crm", "submodule": "leads", "menu_path": "/leads"}, {"module": "CRM", "submodule": "leads", "menu_path": "/again"},
	 {"module": "erp", "submodule": "orders"}, {"module": "erp", "submodule": "stock"}, {"module": "finance", "submodule": ""}],
	"plans": [{"plan_key": "basic", "price_monthly": 9.5}], "plan_entitlements": [{"plan_key": "basic", "module_key": "finance"},
	 {"plan_key": "basic", "module_key": "finance", "submodule_key": "ledger_book", "is_included": false}, {"plan_key": "gone", "module_key": "sales"}]}}');
SELECT is((SELECT array_agg(module_key || ' ' || display_name ORDER BY id) FROM modules), '{"sales sales","finance finance"}', 'a user''s own modules');
SELECT is((SELECT array_agg(concat_ws(' ', m.module_key, s.submodule_key, s.display_name, s.menu_path, s.permission_key) ORDER BY s.submodule_key)
           FROM submodules s JOIN modules m ON m.id = s.module_id),
	'{"sales leads Leads /again","finance ledger_book Ledger Book /ledger finance.view"}', 'the menu map: by the module''s key or its alias, once each');
SELECT is((SELECT array_agg(f ORDER BY f ->> 'name') FROM forbidden('unknown_names') AS f WHERE f ->> 'option' = 'rows.submodules'),
	ARRAY['{"option": "rows.submodules", "name": "erp", "times": 2}']::jsonb[], 'rows of the menu map without a module are reported, not dropped in silence');
SELECT is((SELECT array_agg(concat_ws(' ', p.plan_key, m.module_key, s.submodule_key, e.is_included) ORDER BY s.submodule_key NULLS FIRST)
           FROM plan_entitlements e JOIN plans p ON p.id = e.plan_id JOIN modules m ON m.id = e.module_id LEFT JOIN submodules s ON s.id = e.submodule_id),
	'{"basic finance t","basic finance ledger_book f"}', 'plans, with modules and submodules');
SELECT installs('{"guards": "none", "rows": {"modules": [{"module_key": "sales", "display_name": "Changed"}]}}');
SELECT is((SELECT display_name::text FROM modules WHERE module_key = 'sales'), 'sales', 'what is there keeps its values');
ROLLBACK TO world;

-- The menu map has 223 rows, 128 of them under names that are no modules.
CREATE FUNCTION menu_map() RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_build_object('submodules', jsonb_agg(jsonb_build_object('module', module, 'submodule', module || n, 'menu_path', format('/%s/%s', module, n),
		'permission', module || '.view')))
	FROM (VALUES ('erp', 73), ('analytics', 30), ('crm', 25), ('finance', 24), ('service', 19), ('hr', 18), ('manufacturing', 18), ('settings', 15),
		('administration', 1)) AS v(module, rows), generate_series(1, rows) AS n $$;
SELECT installs(jsonb_build_object('guards', 'none', 'rows', menu_map()));
SELECT is((SELECT count(*) FROM submodules), 95::bigint, 'of the 223 rows of the menu map, 95 name a module');
SELECT is((SELECT count(*) FROM modules m WHERE NOT EXISTS (SELECT FROM submodules s WHERE s.module_id = m.id)), 11::bigint, 'eleven modules have no submodule');
SELECT is((SELECT array_agg(f ->> 'name' || ' ' || (f ->> 'times') ORDER BY f ->> 'name') FROM forbidden('unknown_names') AS f WHERE f ->> 'option' = 'rows.submodules'),
	'{"analytics 30","crm 25","erp 73"}', 'the other 128 are reported with the name that is no module');
SELECT is(ARRAY(SELECT i.object || ' ' || count(*) FROM reconcile.install_pack('entitlements', jsonb_build_object('schema', 'app', 'guards', 'none', 'rows', menu_map(),
	'aliases', '{"ERP": "inventory", "Analytics": "reports", "CRM": "sales"}'::jsonb)) AS i WHERE action = 'seed row' GROUP BY i.object), '{"app.submodules 128"}',
	'with aliases they become submodules, too');
ROLLBACK TO world;

-- ---------------------------------------------------------------- what is there is not touched; what must not be there is found

INSERT INTO modules (id, module_key, display_name, is_active) VALUES (1001, 'sales', 'Mine', true), (1002, 'typo', 'Typo', false);
INSERT INTO submodules (id, module_id, submodule_key, display_name) VALUES (1001, 1001, 'orders', 'Orders');
INSERT INTO org_entitlements (org_id, module_id, status, source) VALUES (1, 1001, 'disabled', 'manual'), (2, 1002, 'enabled', 'auto_creation');
INSERT INTO plans (id, plan_key, display_name) VALUES (1001, 'trial', 'Mine');
INSERT INTO plan_entitlements (plan_id, module_id) VALUES (1001, 1001), (1001, 1001);
INSERT INTO org_subentitlements (org_id, module_id, submodule_id) VALUES (3, 1002, 1001);
SELECT installs('{"aliases": {"crm": "sales"}}');
SELECT is((SELECT display_name::text FROM modules WHERE module_key = 'sales'), 'Mine', 'a module that is there keeps its name');
SELECT is((SELECT count(*) FROM plan_entitlements WHERE module_id = 1001), 2::bigint, 'duplicates are not multiplied');
SELECT is((given(false))[1:2], ARRAY['Usual {inventory,manufacturing,finance,service,ai_analytics,email,hr,marketing} 9 1 0',
	'Upper {sales,email} 15 1 0'], 'rows that are there are counted and stay');
SELECT is((SELECT status::text FROM org_entitlements WHERE org_id = 1 AND module_id = 1001), 'disabled', 'although the flags say otherwise');
SELECT is((SELECT count(*) FROM org_entitlements WHERE module_id = 1002), 4::bigint, 'a module that is not active counts');
SELECT is(drift(), ARRAY['auto_created 1', 'flags_differ 2', 'orphaned_users 1', 'plan_duplicates 1', 'plan_entitlements 0', 'submodule_mismatch 1',
	'unknown_flags 18', 'unknown_names 1', 'unreadable_flags 1'], 'what foreign keys and counts cannot see');
SELECT is((SELECT f FROM forbidden('plan_duplicates') AS f), '{"plan_id": 1001, "module_id": 1001, "rows": 2}', 'a plan with a module twice');
SELECT is((SELECT f ->> 'module_of_submodule' FROM forbidden('submodule_mismatch') AS f), '1001', 'a submodule under another module');
SELECT is((SELECT f ->> 'module_key' FROM forbidden('auto_created') AS f), 'typo', 'a typo that became a granted module');
DELETE FROM org_entitlements WHERE org_id = 3 AND module_id = 1002;
SELECT is((SELECT count(*) FROM forbidden('subentitlement_alone')), 1::bigint, 'a submodule without its module''s entitlement');
SELECT is((SELECT missing FROM reconcile.audit('entitlements_org_entitlements')), 1::bigint,
	'a missing row is found though there are as many rows as organizations times modules, or more');
UPDATE organizations SET enabled_modules = '{"sales": true, "hr": false}' WHERE id = 1;
SELECT is((SELECT count(*) FROM forbidden('flags_differ') AS f WHERE f ->> 'org_id' = '1'), 8::bigint, 'flags that say other than the entitlements');
ROLLBACK TO world;

-- The status as an enumeration.
CREATE TYPE status AS ENUM ('trial', 'enabled', 'disabled');
ALTER TABLE org_entitlements DROP CONSTRAINT org_entitlements_status_check, ALTER status DROP DEFAULT, ALTER status TYPE status USING status::status;
SELECT ok('(differs,app.org_entitlements.status,"is app.status, usually character varying(20); has no default, usually ''disabled''::character varying")' = ANY (installs()), 'a status may be an enumeration');
SELECT is((given(true))[2], 'Upper {sales,email} 15 0 0', 'the dry run');
SELECT is((given(false))[2], 'Upper {sales,email} 15 0 0', 'and the live run');
INSERT INTO organizations (name, subdomain) VALUES ('New', 'new');
SELECT is((SELECT count(*) FROM effective_entitlements WHERE org_id = 5 AND enabled), 1::bigint, 'the guard, and the view');
ROLLBACK TO world;

-- Reading the entitlements of an organization once made them, all off.
INSERT INTO modules (module_key, display_name) VALUES ('sales', 'Sales'), ('hr', 'HR'), ('email', 'Email');
INSERT INTO org_entitlements (org_id, module_id, status, source) SELECT 1, id, 'disabled', 'auto_migration' FROM modules WHERE module_key IN ('hr', 'email');
SELECT installs('{"guards": "none"}');
SELECT is((given(false))[1], 'Usual {inventory,manufacturing,finance,service,ai_analytics,marketing} 9 2 0', 'entitlements that were made by reading stay');
SELECT is((SELECT array_agg(f ->> 'module_key') FROM forbidden('flags_differ') AS f), '{hr}', 'and are reported where the flags say otherwise');
ROLLBACK TO world;

-- ---------------------------------------------------------------- guards

-- How the application creates an organization: with its usual flags, and roles by a trigger that swallows its own failure.
CREATE FUNCTION seed_org_roles() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO service_roles (organization_id, name) VALUES (NEW.id, 'org_admin');
	RETURN NEW;
EXCEPTION WHEN OTHERS THEN
	RAISE WARNING 'failed to seed roles: %', SQLERRM;
	RETURN NEW;
END $$;
CREATE TRIGGER trigger_seed_org_roles AFTER INSERT ON organizations FOR EACH ROW EXECUTE FUNCTION seed_org_roles();
SELECT installs();
SELECT given(false);
SET client_min_messages = error;
INSERT INTO organizations (name, subdomain, plan_type, enabled_modules) VALUES ('New', 'new', 'trial', usual_flags()), ('Newer', 'newer', 'trial', NULL);
SELECT is((SELECT array_agg(o.name || ' ' || c.n || ' ' || c.enabled ORDER BY o.id) FROM organizations o, LATERAL (
	SELECT count(*) AS n, count(*) FILTER (WHERE status = 'enabled') AS enabled FROM org_entitlements e WHERE e.org_id = o.id) c WHERE o.id > 4),
	'{"New 17 8","Newer 17 1"}', 'a new organization has all its modules when the statement ends');
INSERT INTO modules (module_key, display_name) VALUES ('payroll', 'Payroll');
SELECT is((SELECT array_agg(status || ' ' || n ORDER BY status) FROM (SELECT status, count(*) AS n FROM org_entitlements e JOIN modules m ON m.id = e.module_id
	WHERE m.module_key = 'payroll' GROUP BY status) c), '{"disabled 4","enabled 2"}', 'a new module reaches all organizations, by their flags');
SELECT is((SELECT missing FROM reconcile.audit('entitlements_org_entitlements')), 0::bigint, 'nothing is missing');
SELECT is((SELECT count(*) FROM init_org_entitlements() WHERE already_present <> 18), 0::bigint, 'nothing is left to do');
INSERT INTO organizations (name, subdomain) VALUES ('Usual', 'other') ON CONFLICT DO NOTHING;
SELECT is((SELECT count(*) FROM organizations), 6::bigint, 'a statement that inserts nothing sets off nothing');
DELETE FROM organizations WHERE name = 'New';
SELECT is((SELECT count(*) FROM org_entitlements WHERE org_id = 5), 0::bigint, 'the rows do not keep an organization from being deleted');

-- Tenants see their own rows.
CREATE ROLE tenant;
GRANT USAGE ON SCHEMA app TO tenant;
GRANT SELECT, INSERT ON organizations TO tenant;
GRANT USAGE ON SEQUENCE organizations_id_seq TO tenant;
ALTER TABLE org_entitlements ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON org_entitlements USING (org_id::text = current_setting('app.tenant', true));
SET ROLE tenant;
INSERT INTO organizations (name, subdomain) VALUES ('Tenant', 'tenant');
RESET ROLE;
SELECT is((SELECT count(*) FROM organizations o JOIN org_entitlements e ON e.org_id = o.id WHERE o.name = 'Tenant'), 18::bigint,
	'whoever may create an organization need not see its entitlements');
DELETE FROM organizations WHERE name = 'Tenant';

CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no entitlements today' USING ERRCODE = 'XX001'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON org_entitlements FOR EACH ROW EXECUTE FUNCTION refuse();
SELECT throws_ok($$INSERT INTO organizations (name, subdomain) VALUES ('Late', 'late')$$, 'XX001', NULL, 'block: an organization without its rows cannot be created');
SELECT is((SELECT count(*) FROM organizations WHERE name = 'Late'), 0::bigint, 'and is not there');
SELECT is((SELECT action || ' ' || detail FROM reconcile.install_pack('entitlements', '{"schema": "app", "guards": "queue"}') WHERE action LIKE '%guard'),
	'alter guard on failure queue, at the end of the statement', 'the policy can be changed');
SELECT lives_ok($$INSERT INTO organizations (name, subdomain) VALUES ('Late', 'late')$$, 'queue: it is created all the same');
SELECT is((SELECT count(*) FROM organizations o JOIN org_entitlements e ON e.org_id = o.id WHERE o.name = 'Late'), 0::bigint, 'without its rows');
SELECT cmp_ok((SELECT count(*) FROM reconcile.failures WHERE invariant = 'entitlements_org_entitlements' AND sqlstate = 'XX001'), '>', 0::bigint, 'which wait');
SELECT is((SELECT organization || ' ' || cardinality(enabled) || ' ' || failed FROM init_org_entitlements() WHERE organization = 'Late'), 'Late 0 18',
	'init says what failed, per organization');
DROP TRIGGER refuse ON org_entitlements;
SELECT is((SELECT cardinality(enabled) + cardinality(disabled) FROM init_org_entitlements() WHERE organization = 'Late'), 18, 'and does it once it can');
SELECT is((SELECT count(*) FROM reconcile.failures), 0::bigint, 'then nothing waits any more');
SELECT is((SELECT array_agg(action || ' ' || object) FROM reconcile.install_pack('entitlements', '{"schema": "app", "guards": "none"}') WHERE action LIKE '%guard'),
	'{"drop guard entitlements_org_entitlements"}', 'and none takes the guard away');
INSERT INTO organizations (name, subdomain) VALUES ('Bare', 'bare');
SELECT is((SELECT count(*) FROM organizations o JOIN org_entitlements e ON e.org_id = o.id WHERE o.name = 'Bare'), 0::bigint, 'then a new organization has nothing until the next run');
SET client_min_messages = warning;
ROLLBACK TO world;

-- ---------------------------------------------------------------- half migrated, renamed, removed and installed again

DROP TABLE entitlement_events, org_subentitlements, plan_entitlements;
ALTER TABLE modules DROP COLUMN sort_order, DROP COLUMN icon;
ALTER TABLE organizations DROP COLUMN enabled_modules;
SELECT ok('("add column",app.organizations.enabled_modules,json)' = ANY (installs()), 'a half-migrated database is completed');
SELECT is((given(false))[1], 'Usual {email} 16 0 0', 'and works');
SELECT reconcile.remove_pack('entitlements');
SELECT is((SELECT count(*) FROM reconcile.invariants) + (SELECT count(*) FROM reconcile.guards) + (SELECT count(*) FROM pg_views WHERE viewname = 'effective_entitlements'),
	0::bigint, 'remove_pack takes invariants, guards and the view');
SELECT is((SELECT count(*) FROM org_entitlements), 68::bigint, 'tables and rows stay');
SELECT is((SELECT count(*) FROM reconcile.install_pack('entitlements', '{"schema": "app"}') WHERE action IN ('seed row', 'create table', 'add column')), 0::bigint,
	'installed again it finds everything');
SELECT is((given(false))[1], 'Usual {} 0 17 0', 'and has nothing to do');
ROLLBACK TO world;

CREATE SCHEMA "Our App";
CREATE TABLE "Our App"."Tenants" ("Key" uuid PRIMARY KEY DEFAULT gen_random_uuid(), "the name" text NOT NULL UNIQUE, flags jsonb);
INSERT INTO "Our App"."Tenants" ("the name", flags) VALUES ('x''; --', '{"HR": 1}');
SELECT count(*) FROM reconcile.install_pack('entitlements', '{"schema": "Our App", "tables": {"organizations": "Tenants", "users": "people",
	"modules": "select", "effective_entitlements": "May Use"}, "columns": {"organizations": {"id": "Key", "name": "the name", "enabled_modules": "flags"},
	"org_entitlements": {"org_id": "tenant", "status": "State"}, "modules": {"module_key": "from"}}}');
SELECT is(given(true), ARRAY['x''; -- {email,hr} 15 0 0'], 'with names and types of the user''s own the dry run works');
SELECT is(given(false), ARRAY['x''; -- {email,hr} 15 0 0'], 'and the live run');
SELECT is((SELECT count(*) FROM "Our App".org_entitlements e JOIN "Our App"."Tenants" t ON t."Key" = e.tenant WHERE e."State" = 'enabled'), 2::bigint,
	'in the columns that have other names');
INSERT INTO "Our App"."Tenants" ("the name") VALUES ('second');
SELECT is((SELECT count(*) FROM "Our App".org_entitlements), 34::bigint, 'and the guard');
SELECT is((SELECT count(*) FROM "Our App"."May Use" WHERE enabled), 3::bigint, 'and the view');

ROLLBACK TO world;

-- The audit trail is of what was taken over, not of what others wrote.
SELECT count(*) FROM reconcile.install_pack('entitlements', '{"schema": "app", "guards": "none"}');
INSERT INTO organizations (name, subdomain) VALUES ('By hand', 'hand'), ('Half', 'half');
INSERT INTO org_entitlements (org_id, module_id, status, source)
SELECT o.id, m.id, 'enabled', 'manual' FROM organizations o CROSS JOIN modules m WHERE o.name = 'By hand' OR o.name = 'Half' AND m.module_key = 'hr';
SELECT count(*) FROM init_org_entitlements();
SELECT is(ARRAY(SELECT concat_ws(' ', o.name, v.payload -> 'enabled', jsonb_array_length(v.payload -> 'disabled'))
	FROM entitlement_events v JOIN organizations o ON o.id = v.org_id WHERE o.name IN ('By hand', 'Half')), ARRAY['Half ["email"] 15'],
	'the audit trail has no rows of another source');
ROLLBACK TO world;

-- columns of the tables that are called as something in the pack's queries
ALTER TABLE organizations ADD COLUMN key text DEFAULT 'sales', ADD COLUMN modules text, ADD COLUMN flagged text;
ALTER TABLE modules ADD COLUMN key text DEFAULT 'nosuch', ADD COLUMN is_on boolean, ADD COLUMN flag text;
SELECT lives_ok('SELECT installs()', 'tables may have columns of any name');
UPDATE organizations SET enabled_modules = '{"nosuch": true, "NoSuch": 1}';
SELECT is(ARRAY(SELECT forbidden('unknown_flags')), ARRAY['{"key": "nosuch", "organizations": 4}'::jsonb], 'and what they hold is no key of a module');
ROLLBACK TO world;

-- A collation may take for equal what is no spelling of a key in another case.
SELECT EXISTS (SELECT FROM pg_collation WHERE collname = 'und-x-icu') AS has_icu \gset
\if :has_icu
CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level1', deterministic = false);
ALTER TABLE modules ALTER COLUMN module_key TYPE varchar(100) COLLATE loose;
INSERT INTO modules (module_key, display_name) VALUES ('Fináncé', 'Finance');
UPDATE organizations SET enabled_modules = CASE name WHEN 'Usual' THEN '{"FINÁNCÉ": true}'::json ELSE '{"finance": true}' END;
SELECT installs();
SELECT is(ARRAY(SELECT organization FROM init_org_entitlements() WHERE 'Fináncé' = ANY (enabled)), '{Usual}', 'an accent makes another key, whatever the collation');
SELECT is(ARRAY(SELECT forbidden('unknown_flags')), ARRAY['{"key": "finance", "organizations": 3}'::jsonb], 'and the audit says so');
\endif
ROLLBACK TO world;

-- The planner takes missing rows for rare, and would rather read the flags for each of them than for every organization.
SELECT count(*) FROM reconcile.install_pack('entitlements', '{"schema": "app", "guards": "none"}');
INSERT INTO organizations (name, subdomain, enabled_modules) SELECT 'Many ' || n, 'many' || n, '{"hr": true}' FROM generate_series(1, 200) n;
SELECT count(*) FROM init_org_entitlements();
ANALYZE organizations, modules, org_entitlements;
INSERT INTO organizations (name, subdomain, enabled_modules) SELECT 'Late ' || n, 'late' || n, '{"hr": true}' FROM generate_series(1, 5) n;
SET LOCAL track_functions = 'pl';
SELECT is((SELECT planned FROM reconcile.repair('entitlements_org_entitlements')), 5 * 17::bigint, 'of a few organizations all rows are missing');
SELECT is(pg_stat_get_xact_function_calls('reconcile.flags_of(text)'::regprocedure), (SELECT count(*) FROM organizations),
	'and flags are read once for each organization, not for each row');

SELECT * FROM finish();
ROLLBACK;
