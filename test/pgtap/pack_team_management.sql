-- Pack team_management on the tables of the product that it is for, in the shapes and with the data that its scripts left behind.
\ir ../support/invariant.sql
SELECT no_plan();
SET check_function_bodies = off;  -- the tables come later

CREATE FUNCTION installs(options jsonb DEFAULT '{}') RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
	dry  text[] := ARRAY(SELECT i::text FROM reconcile.install_pack('team_management', '{"schema": "app"}' || options, true) AS i);
	live text[] := ARRAY(SELECT i::text FROM reconcile.install_pack('team_management', '{"schema": "app"}' || options) AS i);
BEGIN
	RETURN CASE WHEN dry = live THEN ARRAY(SELECT l FROM unnest(live) AS l WHERE l !~ 'keep|invariant|function|trigger')
	            ELSE ARRAY['dry run', dry::text, 'live', live::text] END;
END $$;
CREATE FUNCTION steps(dry_run boolean) RETURNS text[] LANGUAGE sql AS $$
	SELECT array_agg(replace(invariant, 'team_management_', '') || ' ' || planned || ' ' || changed || CASE WHEN failed > 0 THEN ' failed' ELSE '' END)
	FROM public.init_team_management(dry_run) WHERE planned > 0 $$;
CREATE FUNCTION drift() RETURNS text[] LANGUAGE sql AS $$
	SELECT coalesce(array_agg(replace(invariant, 'team_management_', '') || ' ' || coalesce(concat_ws(' ', nullif(missing, 0), nullif(differing, 0) || ' differ',
		nullif(duplicated, 0) || ' twice', CASE WHEN expected = 0 THEN present END), message) ORDER BY invariant COLLATE "C"), '{}')
	FROM reconcile.audit(pack => 'team_management') WHERE state <> 'clean' $$;
CREATE FUNCTION counters() RETURNS text[] LANGUAGE sql AS $$
	SELECT ARRAY(SELECT concat_ws(' ', customer_id, file_type, category, file_count, total_size) FROM storage_usage ORDER BY 1)
	    || ARRAY(SELECT concat_ws(' ', id, storage_used) FROM customers ORDER BY 1) $$;

SAVEPOINT nothing;
\ir ../../examples/team_management/postgresql.sql
SAVEPOINT world;

-- ---------------------------------------------------------------- the story of the document

SELECT is((SELECT array_agg(i) FROM unnest(installs()) AS i WHERE i ~ 'add'), ARRAY[
	'("add column","app.customers.""licenseNumber""",text)', '("add column",app.users.bio,text)',
	'("add column",app.users.is_temp_password,"boolean DEFAULT false")',
	'("add column",app.users.temp_password_expires_at,"timestamp without time zone")',
	'("add column",app.users.must_change_password,"boolean DEFAULT false")',
	'("add column",app.team_roles.can_create_invoices,"boolean DEFAULT false")',
	'("add column",app.team_roles.can_manage_projects,"boolean DEFAULT false")',
	'("add column",app.team_roles.can_view_reports,"boolean DEFAULT false")',
	'("add constraint",app.storage_usage,"UNIQUE NULLS NOT DISTINCT (customer_id, file_type, category)")'],
	'the critical columns are added, and the unique index that a counter without category needs');
SELECT is(drift(), ARRAY['approval_actions 1', 'approval_history 1', 'broken_trigger 1', 'foreign_role 1', 'no_customer 1', 'preferences 2',
	'roles 3 2 differ 1 twice', 'storage_rows 2', 'storage_usage 2 differ', 'storage_used 2 differ', 'templates 2 3 differ 3 twice'],
	'the audit finds what is missing, what differs, and what is there twice');
SELECT is(steps(true), ARRAY['roles 3 3', 'templates 2 2', 'preferences 2 2', 'storage_rows 2 2'], 'the dry run');
SELECT is((SELECT count(*) FROM team_roles), 4::bigint, 'writes nothing');
SELECT is(steps(false), ARRAY['roles 3 3', 'templates 2 2', 'preferences 2 2', 'storage_rows 2 2'], 'the live run does the same');
SELECT is(steps(false), NULL, 'the second changes nothing');
SELECT is((SELECT array_agg(DISTINCT name) FROM team_roles WHERE customer_id IS NULL), '{Accountant,"Finance Manager",Owner,"Project Manager",Viewer}',
	'five system roles');
SELECT is((SELECT array_agg(n ORDER BY n) FROM unnest('{invoice_approved,invoice_rejected,invoice_pending_approval,team_invitation,payment_received}'::text[]) AS n
           WHERE EXISTS (SELECT FROM notification_templates t WHERE t.name = n AND t.type = 'email' AND t.customer_id IS NULL)),
	'{invoice_approved,invoice_pending_approval,invoice_rejected,payment_received,team_invitation}',
	'five templates, found by their name and not by their type');
SELECT is((SELECT count(*) FROM notification_templates), 12::bigint, 'templates are added once, also without customer');
SELECT is((SELECT array_agg(user_id || ' ' || customer_id ORDER BY user_id) FROM notification_preferences), '{"ann acme","ben acme","cat bolt"}',
	'every user of a customer has preferences; a user without customer has none');
SELECT is((SELECT array_agg(DISTINCT subject) FROM notification_templates WHERE name = 'invoice_approved'), '{"Old subject"}', 'wording is the user''s');
SELECT is((SELECT array_agg(reason ORDER BY reason) FROM reconcile.findings('team_management_roles') WHERE kind = 'differs'),
	ARRAY['approval_limit is NULL, expected ''50000''; can_view_reports is ''f'', expected ''t'''], 'a role that differs is reported, with its values');
SELECT is((SELECT (key ->> 'trigger_name', actual ->> 'lacking', actual ->> 'what')::text FROM reconcile.findings('team_management_broken_trigger')),
	'(create_user_notification_preferences,users,"column (customer_id)")', 'so is a trigger that lets no user sign up, before anybody tries');
SELECT is((SELECT array_agg(key ->> 'history_id') FROM reconcile.findings('team_management_approval_actions')), '{h2}', 'and an action outside of the vocabulary');
SELECT is((SELECT array_agg(key ->> 'approval_id') FROM reconcile.findings('team_management_approval_history')), '{p2}', 'and a decision that the history does not have');
SELECT is((SELECT array_agg(key ->> 'member_id') FROM reconcile.findings('team_management_foreign_role')), '{m2}', 'and a role of another customer');
SELECT is(counters(), ARRAY['acme image 1 70', 'acme pdf 1 1000', 'bolt other 1 9', 'bolt pdf 3 300', 'acme 999', 'bolt 0'], 'init changes no counter');
SELECT is((SELECT array_agg(invariant || ' ' || changed ORDER BY invariant) FROM reconcile.repair(pack => 'team_management', dry_run => false) WHERE changed > 0),
	'{"team_management_storage_usage 2","team_management_storage_used 2"}', 'repair counts again');
SELECT is(counters(), ARRAY['acme image 1 70', 'acme pdf 2 1500', 'bolt other 1 9', 'bolt pdf 0 0', 'acme 1570', 'bolt 9'], 'and right');
SELECT is((SELECT sum(removed + restored) FROM reconcile.undo_last('team_management', dry_run => false)), 13::numeric, 'undo takes back what was done');
SELECT is(counters(), ARRAY['acme pdf 1 1000', 'bolt pdf 3 300', 'acme 999', 'bolt 0'], 'with the values that were there before');
SELECT is((SELECT count(*) FROM team_roles) + (SELECT count(*) FROM notification_templates), 14::bigint, 'and nothing else');

-- ---------------------------------------------------------------- what six scripts made of the same roles

ROLLBACK TO world;
DELETE FROM team_members;
DELETE FROM team_roles;
SELECT installs('{"guards": "none", "exact": {"team_roles": ["approval_limit", "can_create_invoices", "can_manage_projects"]}}');
SELECT steps(false);
-- after_script says what the audit finds after one of them, and whether a repair mends it.
CREATE FUNCTION after_script(finance_limit numeric, finance_creates boolean, manager_creates boolean, manager_manages boolean, accountant_creates boolean)
RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
	found text[];
BEGIN
	UPDATE app.team_roles SET approval_limit = finance_limit, can_create_invoices = finance_creates WHERE name = 'Finance Manager';
	UPDATE app.team_roles SET can_create_invoices = manager_creates, can_manage_projects = manager_manages WHERE name = 'Project Manager';
	UPDATE app.team_roles SET can_create_invoices = accountant_creates WHERE name = 'Accountant';
	found := ARRAY(SELECT concat_ws(': ', key ->> 'name', reason) FROM reconcile.findings('team_management_exact_roles') ORDER BY 1);
	PERFORM reconcile.repair(pack => 'team_management', dry_run => false);
	RETURN found || ARRAY(SELECT 'not mended: ' || key::text FROM reconcile.findings('team_management_exact_roles'));
END $$;
SELECT is(after_script(finance_limit, finance_creates, manager_creates, manager_manages, accountant_creates), found, 'after ' || script || ' there is one set of roles')
FROM (VALUES
	('create_team_management_system.sql', NULL::numeric, false, false, false, false, ARRAY['Finance Manager: approval_limit is NULL, expected ''50000''',
		'Project Manager: can_create_invoices is ''f'', expected ''t''; can_manage_projects is ''f'', expected ''t''']),
	('insert_system_roles.sql', 50000, false, false, false, false, ARRAY['Project Manager: can_create_invoices is ''f'', expected ''t''; can_manage_projects is ''f'', expected ''t''']),
	('add_team_roles_permission_flags.sql', NULL, false, true, true, false, ARRAY['Finance Manager: approval_limit is NULL, expected ''50000''']),
	('add_missing_team_roles_columns.sql', NULL, true, false, true, true, ARRAY['Accountant: can_create_invoices is ''t'', expected ''f''',
		'Finance Manager: approval_limit is NULL, expected ''50000''; can_create_invoices is ''t'', expected ''f''', 'Project Manager: can_create_invoices is ''f'', expected ''t''']),
	('insert-system-roles-safe.js', 50000, false, true, true, false, '{}')
) AS v(script, finance_limit, finance_creates, manager_creates, manager_manages, accountant_creates, found);
INSERT INTO team_roles (id, name, is_system_role) VALUES ('role-developer-owner', 'Developer Owner', true);
SELECT is((SELECT count(*) FROM reconcile.findings('team_management_roles')) + (SELECT count(*) FROM reconcile.findings('team_management_exact_roles')), 0::bigint,
	'a sixth system role is the product''s own');

-- ---------------------------------------------------------------- triggers of earlier scripts

ROLLBACK TO world;
DROP TRIGGER create_user_notification_preferences ON users;
ALTER TABLE notification_preferences DROP COLUMN in_app_enabled;
SELECT installs('{"guards": "none"}');
CREATE FUNCTION lacks(source text) RETURNS text[] LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE OR REPLACE FUNCTION app.prefer() RETURNS trigger LANGUAGE plpgsql AS %L', 'BEGIN ' || source || ' RETURN NEW; END');
	EXECUTE 'CREATE OR REPLACE TRIGGER prefer AFTER INSERT ON app.users FOR EACH ROW EXECUTE FUNCTION app.prefer()';
	RETURN ARRAY(SELECT concat_ws(' ', actual ->> 'lacking', actual ->> 'what') FROM reconcile.findings('team_management_broken_trigger') ORDER BY 1);
END $$;
SELECT is(lacks(source), found, 'a trigger that runs ' || source)
FROM (VALUES
	('INSERT INTO notification_preferences (user_id, customer_id) VALUES (NEW.id, NEW."customerId") ON CONFLICT (user_id, customer_id) DO NOTHING;', '{}'::text[]),
	('INSERT INTO notification_preferences (user_id, customer_id) VALUES (NEW.id, NEW.customerId);', '{"users column (customerid)"}'),
	('INSERT INTO app.notification_preferences (user_id, in_app_enabled) VALUES (NEW.id, true);', '{"notification_preferences column (in_app_enabled)"}'),
	('insert into "notification_preferences" (user_id, "customer_id") SELECT NEW.id, u."customerId" FROM users u on conflict (user_id) do nothing;',
	 '{"notification_preferences unique key (user_id)"}'),
	('INSERT INTO notification_preferences (user_id) VALUES (NEW.id); INSERT INTO elsewhere (x) VALUES (1) ON CONFLICT (x) DO NOTHING;', '{}')
) AS v(source, found);

-- ---------------------------------------------------------------- counters kept by triggers

ROLLBACK TO world;
SELECT installs();
SELECT steps(false);
SELECT invariant FROM reconcile.repair(pack => 'team_management', dry_run => false);
INSERT INTO invoice_attachments (id, invoice_id, customer_id, file_path, file_name, file_size, file_type) VALUES
	('b1', 'i1', 'bolt', '/', 'n', 1, 'pdf'), ('b2', 'i1', 'acme', '/', 'n', 2, 'doc'), ('b3', 'i1', 'acme', '/', 'n', 3, 'doc');
SELECT is(counters(), ARRAY['acme doc 2 5', 'acme image 1 70', 'acme pdf 2 1500', 'bolt other 1 9', 'bolt pdf 1 1', 'acme 1575', 'bolt 10'],
	'an upload is counted');
UPDATE invoice_attachments SET file_size = file_size + 10, customer_id = CASE id WHEN 'b3' THEN 'bolt' ELSE customer_id END WHERE id IN ('b2', 'b3');
SELECT is(counters(), ARRAY['acme doc 1 12', 'acme image 1 70', 'acme pdf 2 1500', 'bolt doc 1 13', 'bolt other 1 9', 'bolt pdf 1 1', 'acme 1582', 'bolt 23'],
	'so is a change, also of the customer');
DELETE FROM invoice_attachments WHERE id IN ('a1', 'b1');
SELECT is(counters(), ARRAY['acme doc 1 12', 'acme image 1 70', 'acme pdf 1 500', 'bolt doc 1 13', 'bolt other 1 9', 'bolt pdf 0 0', 'acme 582', 'bolt 22'],
	'and a deletion');
UPDATE invoice_attachments SET file_name = 'x' WHERE false;
INSERT INTO invoice_attachments (id, invoice_id, customer_id, file_path, file_name, file_size) VALUES ('b1', 'i', 'acme', '/', 'n', 0) ON CONFLICT DO NOTHING;
SELECT is((SELECT array_agg(invariant || differing) FROM reconcile.audit(pack => 'team_management') WHERE invariant ~ 'storage' AND state <> 'clean'), NULL,
	'the counters agree with the attachments');
-- Names and types that nobody thought of.
INSERT INTO customers (id, "companyName") VALUES ('x''; DROP TABLE users; --', '"'), ('', '%s %1$I');
INSERT INTO invoice_attachments (invoice_id, customer_id, file_path, file_name, file_size, file_type) VALUES
	('i', 'x''; DROP TABLE users; --', '', '', 9007199254740993, 'pdf"; --'), ('i', 'x''; DROP TABLE users; --', '', '', 0, ''), ('i', '', '', '', 1, NULL);
SELECT is(ARRAY(SELECT c FROM unnest(counters()) AS c WHERE c !~ '^(acme|bolt)'), ARRAY[' other 1 1', 'x''; DROP TABLE users; --  1 0',
	'x''; DROP TABLE users; -- pdf"; -- 1 9007199254740993', ' 1', 'x''; DROP TABLE users; -- 9007199254740993'], 'any text is a customer, and a type');
SELECT is((SELECT array_agg(invariant) FROM reconcile.audit(pack => 'team_management') WHERE invariant ~ 'storage' AND state <> 'clean'), NULL, 'and counted right');
-- Where the product lets them be NULL: an attachment without size is one of size 0, one without customer is nobody's.
ALTER TABLE invoice_attachments ALTER file_size DROP NOT NULL, ALTER customer_id DROP NOT NULL;
INSERT INTO invoice_attachments (id, invoice_id, customer_id, file_path, file_name, file_size, file_type) VALUES
	('z1', 'i', 'acme', '/', 'n', NULL, 'doc'), ('z2', 'i', 'bolt', '/', 'n', NULL, 'new'), ('z3', 'i', NULL, '/', 'n', 9, 'doc');
SELECT is(ARRAY(SELECT c FROM unnest(counters()) AS c WHERE c ~ '(acme|bolt) (doc|new)'), '{"acme doc 2 12","bolt doc 1 13","bolt new 1 0"}', 'sizes and customers that are NULL');
SELECT is((SELECT array_agg(invariant) FROM reconcile.audit(pack => 'team_management') WHERE invariant ~ 'storage' AND state <> 'clean'), NULL, 'are counted as the audit counts them');
DELETE FROM storage_usage WHERE customer_id = 'bolt';
SELECT is(steps(false), ARRAY['storage_rows 3 3'], 'also where a counter is made of them');
UPDATE invoice_attachments SET file_size = 5 WHERE id LIKE 'z_';
DELETE FROM invoice_attachments WHERE id LIKE 'z_';
SELECT is((SELECT array_agg(invariant) FROM reconcile.audit(pack => 'team_management') WHERE invariant ~ 'storage' AND state <> 'clean'), NULL, 'and afterwards');
DELETE FROM storage_usage;
DELETE FROM invoice_attachments WHERE id = 'a4';
SELECT is((SELECT min(storage_used) >= 0 AND (SELECT count(*) FROM storage_usage) = 0 FROM customers), true, 'no counter becomes negative where there was none');
SELECT is((SELECT proconfig::text FROM pg_proc WHERE proname = 'team_management_count_insert'), '{"search_path=pg_catalog, pg_temp"}', 'its functions look in no schema of a user''s');
UPDATE team_roles SET updated_at = '2000-01-01';
SELECT is((SELECT bool_and(updated_at = now()) FROM team_roles), true, 'updated_at is kept by a trigger');

-- ---------------------------------------------------------------- signing up

ROLLBACK TO world;
SELECT raised('signing up with the trigger that was there', 'INSERT INTO users VALUES (''dan'', ''dan@example.com'', ''acme'')', '42703', 'record "new" has no field "customer_id"');
DROP TRIGGER create_user_notification_preferences ON users;
SELECT is((SELECT array_agg(i::text) FROM reconcile.install_pack('team_management', '{"schema": "app"}') AS i WHERE action ~ 'guard'),
	ARRAY['("create guard",team_management_preferences,"on failure queue, at the end of the statement")'], 'the guard takes its place');
INSERT INTO users VALUES ('dan', 'dan@example.com', 'acme'), ('eve', 'eve@example.com', NULL);
SELECT is((SELECT array_agg(user_id || ' ' || customer_id) FROM notification_preferences WHERE user_id IN ('dan', 'eve')), '{"dan acme"}',
	'whoever signs up has preferences; a user without customer signs up, too');
UPDATE users SET "customerId" = 'bolt' WHERE id = 'eve';
SELECT is((SELECT customer_id FROM notification_preferences WHERE user_id = 'eve'), 'bolt', 'and has them once they belong to one');
ALTER TABLE notification_preferences ADD CONSTRAINT broken CHECK (user_id <> 'fay');
INSERT INTO users VALUES ('fay', 'fay@example.com', 'acme');
SELECT is((SELECT (SELECT count(*) FROM users WHERE id = 'fay') || ' ' || invariant || ' ' || sqlstate FROM reconcile.failures), '1 team_management_preferences 23514',
	'a side effect that fails does not end the signup, and is recorded');
ALTER TABLE notification_preferences DROP CONSTRAINT broken;
SELECT steps(false);
SELECT is((SELECT count(*) FROM notification_preferences WHERE user_id = 'fay') || ' ' || (SELECT count(*) FROM reconcile.failures), '1 0', 'the next run mends it');
SELECT is((SELECT array_agg(DISTINCT action) FROM reconcile.install_pack('team_management', '{"schema": "app", "guards": "block"}') WHERE action ~ 'guard'), '{alter guard}', 'guards may block');
ALTER TABLE notification_preferences ADD CONSTRAINT broken CHECK (user_id <> 'gil');
SELECT throws_ok('INSERT INTO users VALUES (''gil'', ''gil@example.com'', ''acme'')', '23514', NULL, 'then a side effect that fails ends the signup');

-- ---------------------------------------------------------------- exact and kept

ROLLBACK TO world;
SELECT installs('{"exact": {"team_roles": ["approval_limit", "can_view_reports"], "notification_templates": ["subject"]},
	"kept": {"notification_templates": ["body_html", "body_text", "variables", "is_active"]}}');
DELETE FROM notification_templates;
SELECT steps(false);
UPDATE team_roles SET description = 'mine', approval_limit = 1 WHERE name = 'Accountant';
UPDATE notification_templates SET subject = 'mine', body_text = 'mine' WHERE name = 'team_invitation';
SELECT is((SELECT array_agg(d) FROM unnest(drift()) AS d WHERE d ~ 'role|template'), ARRAY['exact_roles 2 differ 1 twice', 'exact_templates 1 differ', 'foreign_role 1',
	'roles 3 differ 1 twice'], 'what is declared as exact is compared for itself, what is kept not at all');
SELECT is(steps(false), NULL, 'init corrects nothing');
SELECT is((SELECT array_agg(invariant || ' ' || changed ORDER BY invariant) FROM reconcile.repair(pack => 'team_management', dry_run => false)
           WHERE changed > 0 AND invariant ~ 'exact'), '{"team_management_exact_roles 2","team_management_exact_templates 1"}', 'repair does');
SELECT is((SELECT array_agg(approval_limit ORDER BY id) FROM team_roles WHERE name IN ('Accountant', 'Finance Manager')), '{NULL,50000}', 'roles are as declared');
SELECT is((SELECT (subject, body_text)::text FROM notification_templates WHERE name = 'team_invitation'), '("{{inviter_name}} invites you to {{company_name}}",mine)',
	'an edit that is kept stays');

-- ---------------------------------------------------------------- NULL is a customer, too

ROLLBACK TO world;
DELETE FROM team_roles WHERE id NOT IN ('role-owner', 'role-finance-manager', 'acme-owner');
DELETE FROM notification_templates;
SELECT is((SELECT array_agg(i ORDER BY i) FROM unnest(installs()) AS i WHERE i ~ 'NULLS'), ARRAY[
	'("add constraint",app.notification_templates,"UNIQUE NULLS NOT DISTINCT (customer_id, name, type)")',
	'("add constraint",app.storage_usage,"UNIQUE NULLS NOT DISTINCT (customer_id, file_type, category)")',
	'("add constraint",app.team_roles,"UNIQUE NULLS NOT DISTINCT (customer_id, name)")'], 'without duplicates the unique indexes are made');
SELECT raised('a second system role', 'INSERT INTO team_roles (name) VALUES (''Owner'')', '23505',
	'duplicate key value violates unique constraint "team_roles_customer_id_name_idx"');
SELECT steps(false);
SELECT raised('a second template', 'INSERT INTO notification_templates (name, type) VALUES (''invoice_approved'', ''email'')', '23505',
	'duplicate key value violates unique constraint "notification_templates_customer_id_name_type_idx"');

-- ---------------------------------------------------------------- the shape that the consolidated migration makes

ROLLBACK TO world;
DROP TABLE notification_templates, notification_preferences;
CREATE TABLE notification_templates (id text PRIMARY KEY, type text NOT NULL UNIQUE, subject text NOT NULL, body_html text, body_text text,
	variables jsonb, is_active boolean NOT NULL DEFAULT true, updated_at timestamp(3) NOT NULL);
CREATE TABLE notification_preferences (id text PRIMARY KEY, user_id text NOT NULL UNIQUE, customer_id text NOT NULL, updated_at timestamp(3) NOT NULL);
INSERT INTO notification_templates VALUES ('t', 'team_invitation', 'Join', NULL, NULL, '["inviter_name", "company_name", "role_name", "invitation_link"]', true, now());
INSERT INTO notification_preferences VALUES ('n', 'ann', 'bolt', now());
SELECT is((SELECT array_agg(i) FROM unnest(installs()) AS i WHERE i ~ 'add' AND i ~ 'notification'), NULL, 'no column is added to tables of another shape');
SELECT is(steps(false), ARRAY['roles 3 3', 'templates 4 4', 'preferences 2 2', 'storage_rows 2 2'], 'templates are found by their type, preferences by their user');
SELECT is(steps(false), NULL, 'once');
SELECT is((SELECT array_agg(type ORDER BY type) FROM notification_templates), '{invoice_approved,invoice_pending_approval,invoice_rejected,payment_received,team_invitation}',
	'with a value for each column that has no default');
ALTER TABLE notification_preferences DROP CONSTRAINT notification_preferences_user_id_key;
SELECT is((SELECT array_agg(i) FROM unnest(installs()) AS i WHERE i ~ 'add'), ARRAY['("add constraint",app.notification_preferences,"UNIQUE (user_id, customer_id)")'],
	'where a later migration dropped the unique index, another is made');
ALTER TABLE notification_preferences DROP CONSTRAINT notification_preferences_pkey;
DROP INDEX notification_preferences_user_id_customer_id_idx;
INSERT INTO notification_preferences VALUES ('n', 'ben', 'acme', now());
SELECT raised('rows that share the key', 'SELECT installs()', '23505', '2 rows of app.notification_preferences have the same (user_id, customer_id)',
	NULL, 'They are ["ben", "acme"]. The pack needs a unique index there.');

-- ---------------------------------------------------------------- empty, twice, removed, renamed

ROLLBACK TO nothing;
SELECT is((SELECT count(*) FROM unnest(installs()) AS i WHERE i ~ 'create table'), 10::bigint, 'an empty database gets the tables');
SELECT is(steps(false), ARRAY['roles 5 5', 'templates 5 5'], 'and the reference rows');
SELECT is(drift(), '{}', 'all is well');
DELETE FROM team_roles WHERE name = 'Viewer';
SELECT raised('drift stops a deployment', 'SELECT reconcile.assert_clean(pack => ''team_management'')', 'RC001', '1 invariant is not clean');
SELECT steps(false);
SELECT lives_ok('SELECT reconcile.assert_clean(pack => ''team_management'')', 'and then lets it pass');
SELECT is(installs(), '{}', 'a second installation finds nothing to do');
SELECT is((SELECT array_agg(tgname || ' on ' || tgrelid::regclass ORDER BY tgname) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
           WHERE c.relnamespace = 'app'::regnamespace AND tgname ~ '^update_'), ARRAY['update_invoice_approvals_updated_at on invoice_approvals',
	'update_notification_preferences_updated_at on notification_preferences', 'update_notification_templates_updated_at on notification_templates',
	'update_storage_on_attachment_delete on invoice_attachments', 'update_storage_on_attachment_insert on invoice_attachments',
	'update_storage_on_attachment_update on invoice_attachments', 'update_team_members_updated_at on team_members', 'update_team_roles_updated_at on team_roles'],
	'triggers have the names that the guide gives them');
SELECT is((SELECT array_agg(k.conname) FROM pg_constraint k WHERE k.contype = 'f' AND k.connamespace = 'app'::regnamespace
           AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = k.conrelid AND i.indkey[0] = k.conkey[1])), NULL, 'every foreign key has an index');
CREATE TABLE _prisma_migrations (id varchar(36) PRIMARY KEY, checksum varchar(64) NOT NULL, finished_at timestamptz, migration_name varchar(255) NOT NULL,
	logs text, rolled_back_at timestamptz, started_at timestamptz NOT NULL DEFAULT now(), applied_steps_count integer NOT NULL DEFAULT 0);
INSERT INTO _prisma_migrations VALUES ('1', 'c', now(), '20251120_create_team_management_system', NULL, NULL, now(), 1),
	('2', 'c', NULL, '20251123_add_storage', 'ERROR: foreign key cannot be implemented', NULL, now(), 0);
SELECT is((SELECT array_agg(concat_ws(' ', severity, kind, object, actual)) FROM public.audit_schema(schemas => '{app}') WHERE category = 'migration'),
	'{"error invalid app._prisma_migrations 20251123_add_storage failed"}', 'a migration that failed is no history that is in order');
DROP TABLE _prisma_migrations;
SELECT reconcile.remove_pack('team_management');
SELECT is((SELECT count(*) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE NOT tgisinternal AND relnamespace = 'app'::regnamespace) + (SELECT count(*) FROM pg_proc WHERE pronamespace = 'app'::regnamespace
	AND proname ~ 'team_management') + (SELECT count(*) FROM reconcile.invariants), 0::bigint, 'removed, it leaves no trigger, function or invariant');
SELECT is((SELECT count(*) FROM team_roles) + (SELECT count(*) FROM notification_templates), 10::bigint, 'but the rows');
SELECT is((SELECT count(*) FROM reconcile.install_pack('team_management', '{"schema": "app", "guards": "none"}') WHERE action ~ 'trigger|function'), 0::bigint,
	'without guards there are no triggers');
SELECT is(steps(false), NULL, 'it can be installed again');
SELECT reconcile.remove_pack('team_management');

CREATE SCHEMA "My App";
CREATE TABLE "My App".accounts ("Id" uuid PRIMARY KEY DEFAULT gen_random_uuid());
CREATE TABLE "My App"."Users" (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "account of" uuid REFERENCES "My App".accounts);
INSERT INTO "My App".accounts DEFAULT VALUES;
INSERT INTO "My App"."Users" ("account of") SELECT "Id" FROM "My App".accounts;
INSERT INTO "My App"."Users" ("account of") VALUES (NULL);
SELECT count(*) FROM reconcile.install_pack('team_management', '{"schema": "My App", "tables": {"customers": "accounts", "users": "Users", "team_roles": "it''s a \"role\""},
	"columns": {"customers": {"id": "Id", "storage_used": "used"}, "users": {"customerId": "account of"}, "team_roles": {"name": "the name", "updated_at": "changedAt"}}}') \gset
SELECT is(steps(false), ARRAY['roles 5 5', 'templates 5 5', 'preferences 1 1'], 'names and types of the user''s own');
UPDATE "My App"."it's a ""role""" SET "changedAt" = '2000-01-01';
SELECT is((SELECT bool_and("changedAt" = now()) FROM "My App"."it's a ""role"""), true, 'also in triggers');
INSERT INTO "My App".invoice_attachments (invoice_id, customer_id, file_path, file_name, file_size) SELECT 'i', "Id", '', '', 5 FROM "My App".accounts;
SELECT is((SELECT used FROM "My App".accounts), 5::bigint, 'and counters');

-- ---------------------------------------------------------------- refused

SELECT raised(options, format('SELECT * FROM reconcile.install_pack(''team_management'', %L)', options), code, message, hint)
FROM (VALUES
	('{"exact": {"team_role": []}}', '22023', 'option "exact" of pack "team_management" has no name "team_role"', 'Did you mean "team_roles"?'),
	('{"exact": {"team_roles": ["limit"]}}', '22023', 'option "exact" of pack "team_management" has no column "limit" of team_roles', NULL),
	('{"kept": {"team_roles": "description"}}', '22023', '"team_roles" in option "kept" of pack "team_management" must be of JSON type array, not string', NULL),
	('{"rows": {"notification_templates": [{"nmae": "x", "subject": "y"}]}}', '22023',
	 'a row of "notification_templates" in option "rows" of pack "team_management" has no key "nmae"', 'Did you mean "name"?'),
	('{"rows": {"roles": []}}', '22023', 'option "rows" of pack "team_management" has no name "roles"', NULL),
	('{"columns": {"users": {"customerid": "x"}}}', '22023', 'option "columns" of pack "team_management" has no name "customerid"', 'Did you mean "customerId"?')
) AS v(options, code, message, hint);

SELECT * FROM finish();
ROLLBACK;
