-- The drift of real products: an audit lists exactly what was done to them, and the fixes bring back what statements can.
\ir ../support/invariant.sql
SELECT no_plan();
\ir ../schema/teams.sql
\ir ../schema/erp.sql
\ir ../schema/hands.sql
\ir ../schema/viz.sql
\ir ../schema/propertyhub.sql
SET search_path = public;

-- Each is recorded with the rows that its code relies on.
CREATE TABLE public.system (name text PRIMARY KEY, seed regclass, key text[], ignore text[], mode text);
INSERT INTO public.system VALUES
	('teams', 'teams.postgres_roles', '{name}', '{id,mongo_id,created_at,updated_at}', 'exactly'),
	('erp', 'erp.modules', '{module_key}', '{id,created_at,updated_at}', 'exactly'),
	('hands', 'hands.role', '{name}', '{id}', 'at least'),
	('viz', NULL, NULL, NULL, NULL),
	('hub', 'hub.team_roles', '{id}', '{}', 'at least');
SELECT reconcile.capture_baseline(name, ARRAY[name]) FROM public.system;
SELECT reconcile.baseline_seed(name, seed, key, ignore, mode) FROM public.system WHERE seed IS NOT NULL;
SELECT reconcile.baseline_seed('hub', 'hub.notification_templates', '{name,type}', '{id}');

-- found gives the findings of an audit, one text each; what differs says in which attribute or column.
CREATE FUNCTION public.found(system text) RETURNS text[] LANGUAGE sql AS $$
	SELECT coalesce(array_agg(f.said ORDER BY f.said COLLATE "C"), '{}')
	FROM (SELECT concat_ws(' ', severity, category, kind, object, CASE kind WHEN 'differs' THEN split_part(expected, ' ', 1) END)
	      FROM audit_schema(system)) AS f(said) $$;
SELECT is(public.found(name), '{}', name || ': as it was recorded') FROM public.system;

-- What was done, what an audit must say, and what of that no statement mends. Drifts of production go together.
CREATE TABLE public.drift (n serial, system text REFERENCES public.system, production boolean, what text, does text, findings text[], stays text[] DEFAULT '{}');

INSERT INTO public.drift (system, production, what, does, findings, stays) VALUES
	('teams', true, 'the last migration was not applied',
	 $$DROP INDEX teams.unique_active_user_team_role;
	 ALTER TABLE teams.postgres_user_roles ADD CONSTRAINT unique_user_team_role UNIQUE (user_id, role_name, scope, team_id);
	 DELETE FROM teams.django_migrations WHERE name = '0003_one_active_role'$$,
	 '{error index missing teams.unique_active_user_team_role,notice constraint extra unique_user_team_role on teams.postgres_user_roles,
	   error migration missing teams.django_migrations todo.0003_one_active_role}', '{error migration missing teams.django_migrations todo.0003_one_active_role}'),
	('teams', true, 'a column was widened so that the marker of a script fits', 'ALTER TABLE teams.postgres_user_roles ALTER created_by TYPE varchar(64)',
	 '{error column differs teams.postgres_user_roles.created_by type}', '{}'),
	('teams', true, 'defaults of Python were given to the database', 'ALTER TABLE teams.postgres_user_roles ALTER is_active SET DEFAULT true',
	 '{error column differs teams.postgres_user_roles.is_active default}', '{}'),
	('teams', true, 'the mirror wrote ids itself',
	 $$ALTER SEQUENCE teams.postgres_teams_id_seq RESTART;
	 INSERT INTO teams.postgres_teams SELECT 900, 'm', name, NULL, 'code', NULL, created_by, updated_by, false, created_at, updated_at, last_sync_at, 'SYNCED', NULL
	 FROM teams.postgres_teams LIMIT 1$$, '{error sequence invalid teams.postgres_teams_id_seq}', '{}'),
	('teams', true, 'the mirror has a document twice, so its key went', 'ALTER TABLE teams.postgres_user_roles DROP CONSTRAINT postgres_user_roles_mongo_id_key',
	 '{error constraint missing postgres_user_roles_mongo_id_key on teams.postgres_user_roles}', '{}'),
	('teams', true, 'the build of an index failed', $$UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'teams.postgres_us_user_id'::regclass$$,
	 '{error index invalid teams.postgres_us_user_id}', '{}'),
	('teams', true, 'a role was added by hand',
	 $$INSERT INTO teams.postgres_roles (name, permissions, created_at, updated_at) VALUES ('superuser', '{}', '2025-10-01', '2025-10-01')$$,
	 '{error seed row extra teams.postgres_roles (name=superuser)}', '{}'),
	('teams', false, 'a migration is recorded, and its table is not there', 'DROP TABLE teams.postgres_user_team_details',
	 '{error table missing teams.postgres_user_team_details,error migration invalid teams.django_migrations}', '{}'),

	('erp', true, 'the model has a key that the migration lacks', 'ALTER TABLE erp.org_subentitlements DROP CONSTRAINT fk_org_subentitlements_entitlement',
	 '{error constraint missing fk_org_subentitlements_entitlement on erp.org_subentitlements}', '{}'),
	('erp', true, 'flags are jsonb', 'ALTER TABLE erp.organizations ALTER enabled_modules TYPE jsonb USING enabled_modules::jsonb',
	 '{error column differs erp.organizations.enabled_modules type}', '{}'),
	('erp', true, 'a role belongs to one organization only, as a later model has it',
	 $$ALTER TABLE erp.service_roles DROP CONSTRAINT service_roles_organization_id_name_key, ADD role_key varchar(50) CONSTRAINT one_of_all UNIQUE$$,
	 '{error constraint missing service_roles_organization_id_name_key on erp.service_roles,notice column extra erp.service_roles.role_key,
	   notice constraint extra one_of_all on erp.service_roles}', '{}'),
	('erp', true, 'a misspelt module was granted, and so made', $$INSERT INTO erp.modules (module_key, display_name, sort_order) VALUES ('slaes', 'Slaes', 999)$$,
	 '{error seed row extra erp.modules (module_key=slaes)}', '{}'),
	('erp', true, 'a module was switched off, another one removed',
	 $$UPDATE erp.modules SET is_active = false WHERE module_key = 'hr'; DELETE FROM erp.modules WHERE module_key = 'vouchers'$$,
	 '{error seed row differs erp.modules (module_key=hr) is_active,error seed row missing erp.modules (module_key=vouchers)}', '{}'),
	('erp', true, 'a policy lets everything through', 'ALTER POLICY tenant_isolation ON erp.org_entitlements USING (true)',
	 '{error policy differs tenant_isolation on erp.org_entitlements using}', '{}'),
	('erp', true, 'policies are not applied', 'ALTER TABLE erp.users DISABLE ROW LEVEL SECURITY', '{error table differs erp.users row_security}', '{}'),
	('erp', true, 'the trigger fills the column of a later model',
	 $$CREATE OR REPLACE FUNCTION erp.seed_org_roles() RETURNS trigger LANGUAGE plpgsql AS $f$
	 BEGIN
		INSERT INTO erp.service_roles (organization_id, role_key) VALUES (new.id, 'org_admin');
		RETURN new;
	 EXCEPTION WHEN OTHERS THEN RETURN new;
	 END $f$ $$, '{error function differs erp.seed_org_roles() body}', '{}'),
	('erp', false, 'or is disabled', 'ALTER TABLE erp.organizations DISABLE TRIGGER trigger_seed_org_roles',
	 '{error trigger disabled trigger_seed_org_roles on erp.organizations}', '{}'),
	('erp', true, 'the view knows no trials',
	 $$CREATE OR REPLACE VIEW erp.v_effective_entitlements AS
	 SELECT o.id AS org_id, m.module_key, NULL::varchar(100) AS submodule_key, coalesce(e.status, 'disabled') AS status, true AS enabled
	 FROM erp.organizations o CROSS JOIN erp.modules m LEFT JOIN erp.org_entitlements e ON e.org_id = o.id AND e.module_id = m.id$$,
	 '{error view differs erp.v_effective_entitlements definition}', '{}'),
	('erp', true, 'a status more is allowed',
	 $$ALTER TABLE erp.org_entitlements DROP CONSTRAINT ck_org_entitlements_status, ADD CONSTRAINT ck_org_entitlements_status
	 CHECK (status IN ('enabled', 'disabled', 'trial', 'expired'))$$,
	 '{error constraint differs ck_org_entitlements_status on erp.org_entitlements definition}', '{}'),
	('erp', true, 'the migrations ended where the guide says', $$UPDATE erp.alembic_version SET version_num = '20251104_01'$$,
	 '{error migration differs erp.alembic_version 7384d03ac956}', '{error migration differs erp.alembic_version 7384d03ac956}'),

	('hands', true, 'the default is the migration''s, not the model''s', 'ALTER TABLE hands.user_settings ALTER enable_solvability_analysis SET DEFAULT true',
	 '{error column differs hands.user_settings.enable_solvability_analysis default}', '{}'),
	('hands', true, 'three defaults are in the ORM alone',
	 'ALTER TABLE hands.org ALTER enable_default_condenser DROP DEFAULT, ALTER enable_proactive_conversation_starters DROP DEFAULT, ALTER org_version DROP DEFAULT',
	 '{error column differs hands.org.enable_default_condenser default,error column differs hands.org.enable_proactive_conversation_starters default,
	   error column differs hands.org.org_version default}', '{}'),
	('hands', true, 'one key is indexed twice', 'CREATE UNIQUE INDEX ix_user_keycloak_user_id ON hands."user" (keycloak_user_id)',
	 '{notice index extra hands.ix_user_keycloak_user_id}', '{}'),
	('hands', true, 'a table with a hyphen was forgotten', 'ALTER TABLE hands."user-repos" DROP org_id',
	 '{"error column missing hands.\"user-repos\".org_id","error constraint missing \"user-repos_org_id_fkey\" on hands.\"user-repos\""}', '{}'),
	('hands', true, 'a role has another name', $$UPDATE hands.role SET name = 'member' WHERE name = 'user'$$,
	 '{error seed row missing hands.role (name=user)}', '{}'),
	('hands', true, 'a column must be there', 'ALTER TABLE hands.stripe_customers ALTER keycloak_user_id SET NOT NULL',
	 '{error column differs hands.stripe_customers.keycloak_user_id not_null}', '{}'),
	('hands', true, 'two migrations have one number, and both are recorded', $$INSERT INTO hands.alembic_version VALUES ('138b')$$,
	 '{error migration differs hands.alembic_version 138,error migration invalid hands.alembic_version}',
	 '{error migration differs hands.alembic_version 138,error migration invalid hands.alembic_version}'),
	('hands', false, 'the table of members has its later name',
	 'ALTER TABLE hands.org_user RENAME TO org_member; ALTER TABLE hands.org_member ADD max_iterations integer, ADD llm_model varchar',
	 '{error table missing hands.org_user,notice table extra hands.org_member,error migration invalid hands.alembic_version}', '{}'),

	('viz', true, 'nobody was there to be migrated, so the migration returned early, and is recorded',
	 $$ALTER TABLE viz.dashboards ALTER workspace_id DROP NOT NULL, DROP CONSTRAINT fk_dashboards_workspace;
	 ALTER TABLE viz.connections ALTER workspace_id DROP NOT NULL, DROP CONSTRAINT fk_connections_workspace;
	 ALTER TABLE viz.charts ALTER workspace_id DROP NOT NULL, DROP CONSTRAINT fk_charts_workspace;
	 DROP INDEX viz.idx_dashboards_workspace, viz.idx_connections_workspace, viz.idx_charts_workspace;
	 ALTER TABLE viz.users ADD role varchar(20)$$,
	 '{error column differs viz.charts.workspace_id not_null,error column differs viz.connections.workspace_id not_null,
	   error column differs viz.dashboards.workspace_id not_null,error constraint missing fk_charts_workspace on viz.charts,
	   error constraint missing fk_connections_workspace on viz.connections,error constraint missing fk_dashboards_workspace on viz.dashboards,
	   error index missing viz.idx_charts_workspace,error index missing viz.idx_connections_workspace,error index missing viz.idx_dashboards_workspace,
	   notice column extra viz.users.role}', '{}'),
	('viz', true, 'the first workspace was given its id',
	 $$ALTER SEQUENCE viz.workspaces_id_seq RESTART;
	 INSERT INTO viz.workspaces VALUES (1, 'Default Workspace', 'default', 1, '2025-11-01', '2025-11-01')$$, '{error sequence invalid viz.workspaces_id_seq}', '{}'),
	('viz', true, 'members have other roles',
	 $$ALTER TABLE viz.workspace_members DROP CONSTRAINT check_valid_role, ADD CONSTRAINT check_valid_role CHECK (role IN ('admin', 'editor', 'viewer', 'owner'))$$,
	 '{error constraint differs check_valid_role on viz.workspace_members definition}', '{}'),
	('viz', true, 'truth is a number, as in SQLite', 'ALTER TABLE viz.users ALTER is_active TYPE integer USING is_active::integer',
	 '{error column differs viz.users.is_active type}', '{}'),
	('viz', true, 'an index was thought to be redundant', 'DROP INDEX viz.idx_workspaces_slug', '{error index missing viz.idx_workspaces_slug}', '{}'),
	('viz', true, 'the last migrations were not applied', $$UPDATE viz.alembic_version SET version_num = '002'$$,
	 '{error migration differs viz.alembic_version 20251109220344}', '{error migration differs viz.alembic_version 20251109220344}'),
	('viz', false, 'all are recorded, yet no workspace exists',
	 $$DROP TABLE viz.workspaces, viz.workspace_members, viz.workspace_settings CASCADE$$,
	 '{error table missing viz.workspace_members,error table missing viz.workspace_settings,error table missing viz.workspaces,
	   error constraint missing fk_charts_workspace on viz.charts,error constraint missing fk_connections_workspace on viz.connections,
	   error constraint missing fk_dashboards_workspace on viz.dashboards,error constraint missing fk_logs_workspace on viz.logs,
	   error constraint missing fk_users_current_workspace on viz.users,error migration invalid viz.alembic_version}', '{}');

-- Six ways to define the same five roles; what is there depends on which script ran last.
INSERT INTO public.drift (system, production, what, does, findings) VALUES
	('hub', false, 'roles of create_team_management_system.sql',
	 $$ALTER TABLE hub.team_roles DROP can_create_invoices, DROP can_manage_projects, DROP can_view_reports;
	 UPDATE hub.team_roles SET approval_limit = NULL WHERE id = 'role-finance-manager'$$,
	 '{error column missing hub.team_roles.can_create_invoices,error column missing hub.team_roles.can_manage_projects,
	   error column missing hub.team_roles.can_view_reports,error seed row differs hub.team_roles (id=role-finance-manager) approval_limit}'),
	('hub', false, 'roles of insert_system_roles.sql', 'ALTER TABLE hub.team_roles DROP can_create_invoices, DROP can_manage_projects, DROP can_view_reports',
	 '{error column missing hub.team_roles.can_create_invoices,error column missing hub.team_roles.can_manage_projects,
	   error column missing hub.team_roles.can_view_reports}'),
	('hub', false, 'roles of add_team_roles_permission_flags.sql, after the first', $$UPDATE hub.team_roles SET approval_limit = NULL WHERE id = 'role-finance-manager'$$,
	 '{error seed row differs hub.team_roles (id=role-finance-manager) approval_limit}'),
	('hub', false, 'roles of add_missing_team_roles_columns.sql, after the second',
	 $$UPDATE hub.team_roles SET can_create_invoices = NOT can_create_invoices WHERE id IN ('role-finance-manager', 'role-project-manager', 'role-accountant')$$,
	 '{error seed row differs hub.team_roles (id=role-accountant) can_create_invoices,
	   error seed row differs hub.team_roles (id=role-finance-manager) can_create_invoices,
	   error seed row differs hub.team_roles (id=role-project-manager) can_create_invoices}'),
	('hub', true, 'roles of add_missing_team_roles_columns.sql, after the first',
	 $$UPDATE hub.team_roles SET can_create_invoices = NOT can_create_invoices WHERE id IN ('role-finance-manager', 'role-project-manager', 'role-accountant');
	 UPDATE hub.team_roles SET approval_limit = NULL WHERE id = 'role-finance-manager'$$,
	 '{error seed row differs hub.team_roles (id=role-accountant) can_create_invoices,error seed row differs hub.team_roles (id=role-finance-manager) approval_limit,
	   error seed row differs hub.team_roles (id=role-finance-manager) can_create_invoices,
	   error seed row differs hub.team_roles (id=role-project-manager) can_create_invoices}'),
	('hub', false, 'roles of insert-system-roles-safe.js', 'SELECT', '{}'),
	('hub', true, 'a role is missing, a sixth one is there',
	 $$DELETE FROM hub.team_roles WHERE id = 'role-viewer'; INSERT INTO hub.team_roles (id, name) VALUES ('role-developer-owner', 'Developer Owner')$$,
	 '{error seed row missing hub.team_roles (id=role-viewer)}');

INSERT INTO public.drift (system, production, what, does, findings, stays) VALUES
	('hub', false, 'the table of templates has its other shape, and CREATE TABLE IF NOT EXISTS kept it',
	 $$DROP TABLE hub.notification_templates;
	 CREATE TABLE hub.notification_templates (id text PRIMARY KEY, customer_id text REFERENCES hub.customers ON DELETE CASCADE, type varchar(50) NOT NULL UNIQUE, subject text NOT NULL)$$,
	 '{error column differs hub.notification_templates.id default,error column differs hub.notification_templates.id type,
	   error column missing hub.notification_templates.name,error constraint missing notification_templates_customer_id_name_type_key on hub.notification_templates,
	   notice constraint extra notification_templates_type_key on hub.notification_templates,warning seed row hint hub.notification_templates}',
	 '{notice table hint hub.notification_templates}'),
	('hub', false, 'preferences are kept per user alone, and the trigger names the other key',
	 'ALTER TABLE hub.notification_preferences DROP CONSTRAINT preferences_of_user, ADD CONSTRAINT preferences_of_user UNIQUE (user_id)',
	 '{error constraint differs preferences_of_user on hub.notification_preferences definition}', '{}'),
	('hub', true, 'the script of templates ran twice', $$INSERT INTO hub.notification_templates (name, type, subject) SELECT name, type, subject FROM hub.notification_templates$$,
	 '{"error seed row invalid hub.notification_templates (name=invoice_approved, type=email)","error seed row invalid hub.notification_templates (name=invoice_pending_approval, type=email)",
	   "error seed row invalid hub.notification_templates (name=invoice_rejected, type=email)","error seed row invalid hub.notification_templates (name=payment_received, type=email)",
	   "error seed row invalid hub.notification_templates (name=team_invitation, type=email)"}',
	 '{"error seed row invalid hub.notification_templates (name=invoice_approved, type=email)","error seed row invalid hub.notification_templates (name=invoice_pending_approval, type=email)",
	   "error seed row invalid hub.notification_templates (name=invoice_rejected, type=email)","error seed row invalid hub.notification_templates (name=payment_received, type=email)",
	   "error seed row invalid hub.notification_templates (name=team_invitation, type=email)"}'),
	('hub', true, 'the trigger reads a column by the name of the other style',
	 $$CREATE OR REPLACE FUNCTION hub.default_preferences() RETURNS trigger LANGUAGE plpgsql AS $f$
	 BEGIN
		INSERT INTO hub.notification_preferences (user_id, customer_id) VALUES (new.id, new.customer_id) ON CONFLICT (user_id, customer_id) DO NOTHING;
		RETURN new;
	 END $f$ $$, '{error function differs hub.default_preferences() body}', '{}'),
	('hub', true, 'columns of users are missing', 'ALTER TABLE hub.users DROP bio, DROP is_temp_password',
	 '{error column missing hub.users.bio,error column missing hub.users.is_temp_password}', '{}'),
	('hub', true, 'a column is written in small letters', 'ALTER TABLE hub.customers RENAME "licenseNumber" TO licensenumber',
	 '{"error column missing hub.customers.\"licenseNumber\"",notice column extra hub.customers.licensenumber}', '{notice table hint hub.customers}'),
	('hub', true, 'a trigger is disabled', 'ALTER TABLE hub.users DISABLE TRIGGER create_user_notification_preferences',
	 '{error trigger disabled create_user_notification_preferences on hub.users}', '{}'),
	('hub', false, 'storage of a customer is counted under another type',
	 $$DROP TABLE hub.storage_usage;
	 CREATE TABLE hub.storage_usage (id text PRIMARY KEY, customer_id uuid NOT NULL, file_type text NOT NULL, total_size bigint NOT NULL, UNIQUE (customer_id, file_type))$$,
	 '{error column differs hub.storage_usage.customer_id type,error constraint missing storage_usage_customer_id_fkey on hub.storage_usage}', '{}'),
	('hub', false, 'a migration is recorded, and its table is not there', 'DROP TABLE hub.storage_usage',
	 '{error table missing hub.storage_usage,error migration invalid hub._prisma_migrations}', '{}'),
	('hub', true, 'one migration failed, one was rolled back, one was edited',
	 $$INSERT INTO hub._prisma_migrations VALUES ('3', 'a3', NULL, '20251123_consolidated', 'ERROR: relation exists', NULL, '2025-11-23', 0),
		('4', 'a4', NULL, '20251122_x', 'ERROR', '2025-11-22', '2025-11-22', 0);
	 UPDATE hub._prisma_migrations SET checksum = 'edited' WHERE id = '2'$$,
	 '{error migration invalid hub._prisma_migrations 20251123_consolidated,error migration differs hub._prisma_migrations 20251120_team a2}',
	 '{error migration invalid hub._prisma_migrations 20251123_consolidated,error migration differs hub._prisma_migrations 20251120_team a2}');

-- A system as production has it: all of that at once.
INSERT INTO public.drift (system, what, does, findings, stays)
	SELECT d.system, 'all of it', string_agg(d.does, E';\n' ORDER BY d.n),
	       (SELECT array_agg(f) FROM public.drift x, unnest(x.findings) AS f WHERE x.system = d.system AND x.production),
	       (SELECT coalesce(array_agg(f), '{}') FROM public.drift x, unnest(x.stays) AS f WHERE x.system = d.system AND x.production)
	FROM public.drift d WHERE d.production GROUP BY d.system;

CREATE FUNCTION public.sorted(list text[]) RETURNS text[] LANGUAGE sql AS
	$$ SELECT coalesce(array_agg(btrim(l, E' \n\t') ORDER BY btrim(l, E' \n\t') COLLATE "C"), '{}') FROM unnest(list) AS l $$;
-- after makes a drift, looks, mends all that may be mended, looks again, and takes everything back.
CREATE FUNCTION public.after(drift) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	before text[];
	left_  text[];
	again  bigint;
	same   bigint;
	allow  text[] := '{privileges}';
BEGIN
	BEGIN
		EXECUTE $1.does;
		before := public.found($1.system);
		allow := allow || ARRAY(SELECT 'drop:' || regexp_replace(f, '^\w+ (\w+|seed row) extra ', '') FROM unnest(before) AS f WHERE f ~ '^\w+ (\w+|seed row) extra ')
			|| ARRAY(SELECT 'rows:' || seed FROM public.system WHERE name = $1.system AND seed IS NOT NULL);
		PERFORM fix_schema(false, $1.system, allow);
		left_ := public.found($1.system);
		IF $1.production IS NULL THEN
			SELECT count(*) INTO again FROM fix_schema(false, $1.system, allow) WHERE state = 'done';
			SELECT count(*) INTO same FROM audit_schema($1.system) WHERE expected = actual;
		END IF;
		RAISE SQLSTATE 'ZZ000';
	EXCEPTION WHEN SQLSTATE 'ZZ000' THEN NULL;
	END;
	RETURN NEXT is(before, public.sorted($1.findings), format('%s: %s: found', $1.system, $1.what));
	RETURN NEXT is(left_, public.sorted($1.stays), format('%s: %s: mended', $1.system, $1.what));
	IF $1.production IS NULL THEN
		RETURN NEXT is(again, 0::bigint, $1.system || ': a second run has nothing to do');
		RETURN NEXT is(same, 0::bigint, $1.system || ': nothing is said to differ from itself');
	END IF;
END $$;
SELECT public.after(d) FROM public.drift d ORDER BY n;
SELECT is(public.found(name), '{}', name || ': as it was recorded, again') FROM public.system;

-- What a fix is for: the product works again.
ALTER TABLE hub.notification_preferences DROP CONSTRAINT preferences_of_user, ADD CONSTRAINT preferences_of_user UNIQUE (user_id);
SELECT is_empty($$ SELECT * FROM fix_schema(false, 'hub') WHERE state <> 'done' $$, 'the key of preferences is mended');
INSERT INTO hub.customers (id) VALUES ('c');
INSERT INTO hub.users (id, "customerId", email) VALUES ('u', 'c', 'e');
SELECT is((SELECT count(*) FROM hub.notification_preferences), 1::bigint, 'and users can be added again');
ALTER TABLE hub.customers RENAME "licenseNumber" TO licensenumber;
SELECT ok((SELECT reason LIKE '%quoted identifier?%' FROM audit_schema('hub') WHERE object = 'hub.customers."licenseNumber"'), 'a name in another case is guessed');

SELECT * FROM finish();
ROLLBACK;
