-- An ERP whose organizations are entitled to modules: models and migrations that agree for once, policies per tenant, roles seeded by a
-- trigger that swallows its errors.
CREATE SCHEMA erp;
CREATE TABLE erp.organizations (
	id serial PRIMARY KEY, name varchar NOT NULL UNIQUE, subdomain varchar NOT NULL UNIQUE, status varchar NOT NULL, plan_type varchar,
	enabled_modules json, org_code varchar UNIQUE);
CREATE TABLE erp.users (
	id serial PRIMARY KEY, organization_id integer REFERENCES erp.organizations, email varchar NOT NULL, role varchar NOT NULL);
CREATE INDEX ix_users_email ON erp.users (email);
CREATE INDEX ix_users_organization_id ON erp.users (organization_id);
CREATE TABLE erp.modules (
	id serial PRIMARY KEY, module_key varchar(100) NOT NULL, display_name varchar(200) NOT NULL, description text, icon varchar(100),
	sort_order integer NOT NULL DEFAULT 0, is_active boolean NOT NULL DEFAULT true, created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(), CONSTRAINT uq_modules_module_key UNIQUE (module_key));
CREATE TABLE erp.submodules (
	id serial PRIMARY KEY, module_id integer NOT NULL REFERENCES erp.modules ON DELETE CASCADE, submodule_key varchar(100) NOT NULL,
	display_name varchar(200) NOT NULL, menu_path varchar(500), permission_key varchar(200), sort_order integer NOT NULL DEFAULT 0,
	is_active boolean NOT NULL DEFAULT true, CONSTRAINT uq_submodules_module_submodule UNIQUE (module_id, submodule_key));
CREATE TABLE erp.plans (
	id serial PRIMARY KEY, plan_key varchar(100) NOT NULL UNIQUE, display_name varchar(200) NOT NULL, price_monthly numeric(10,2),
	price_annual numeric(10,2), is_active boolean NOT NULL DEFAULT true);
CREATE TABLE erp.plan_entitlements (
	id serial PRIMARY KEY, plan_id integer NOT NULL REFERENCES erp.plans ON DELETE CASCADE, module_id integer NOT NULL REFERENCES erp.modules ON DELETE CASCADE,
	submodule_id integer REFERENCES erp.submodules ON DELETE CASCADE, is_included boolean NOT NULL DEFAULT true,
	UNIQUE (plan_id, module_id, submodule_id));
CREATE TABLE erp.org_entitlements (
	id serial PRIMARY KEY, org_id integer NOT NULL REFERENCES erp.organizations ON DELETE CASCADE,
	module_id integer NOT NULL REFERENCES erp.modules ON DELETE CASCADE, status varchar(20) NOT NULL DEFAULT 'disabled',
	trial_expires_at timestamptz, source varchar(100) NOT NULL DEFAULT 'manual', created_at timestamptz NOT NULL DEFAULT now(),
	CONSTRAINT uq_org_entitlements_org_module UNIQUE (org_id, module_id),
	CONSTRAINT ck_org_entitlements_status CHECK (status IN ('enabled', 'disabled', 'trial')));
CREATE TABLE erp.org_subentitlements (
	id serial PRIMARY KEY, org_id integer NOT NULL REFERENCES erp.organizations ON DELETE CASCADE,
	module_id integer NOT NULL REFERENCES erp.modules ON DELETE CASCADE, submodule_id integer NOT NULL REFERENCES erp.submodules ON DELETE CASCADE,
	enabled boolean NOT NULL DEFAULT true, source varchar(100) NOT NULL DEFAULT 'manual',
	CONSTRAINT uq_org_subentitlements UNIQUE (org_id, module_id, submodule_id),
	CONSTRAINT fk_org_subentitlements_entitlement FOREIGN KEY (org_id, module_id) REFERENCES erp.org_entitlements (org_id, module_id) ON DELETE CASCADE);
CREATE TABLE erp.entitlement_events (
	id serial PRIMARY KEY, org_id integer NOT NULL REFERENCES erp.organizations ON DELETE CASCADE, event_type varchar(50) NOT NULL,
	actor_user_id integer REFERENCES erp.users ON DELETE SET NULL, reason text, payload jsonb, created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE erp.service_roles (
	id serial PRIMARY KEY, organization_id integer NOT NULL REFERENCES erp.organizations, name varchar(100) NOT NULL, UNIQUE (organization_id, name));
CREATE VIEW erp.v_effective_entitlements AS
	SELECT o.id AS org_id, m.module_key, s.submodule_key,
	       CASE WHEN e.status = 'trial' AND e.trial_expires_at < now() THEN 'disabled' ELSE coalesce(e.status, 'disabled') END AS status,
	       coalesce(x.enabled, true) AS enabled
	FROM erp.organizations o
	CROSS JOIN erp.modules m
	LEFT JOIN erp.submodules s ON s.module_id = m.id
	LEFT JOIN erp.org_entitlements e ON e.org_id = o.id AND e.module_id = m.id
	LEFT JOIN erp.org_subentitlements x ON x.org_id = o.id AND x.submodule_id = s.id;
CREATE FUNCTION erp.seed_org_roles() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO erp.service_roles (organization_id, name) SELECT new.id, r FROM unnest('{org_admin,management,manager,executive}'::text[]) AS r;
	RETURN new;
EXCEPTION WHEN OTHERS THEN
	RAISE WARNING 'roles of organization %: %', new.id, SQLERRM;
	RETURN new;
END $$;
CREATE TRIGGER trigger_seed_org_roles AFTER INSERT ON erp.organizations FOR EACH ROW EXECUTE FUNCTION erp.seed_org_roles();
ALTER TABLE erp.users ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON erp.users USING (organization_id = current_setting('app.organization_id')::integer);
ALTER TABLE erp.org_entitlements ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON erp.org_entitlements USING (org_id = current_setting('app.organization_id')::integer);
CREATE TABLE erp.alembic_version (version_num varchar(32) NOT NULL CONSTRAINT alembic_version_pkc PRIMARY KEY);
INSERT INTO erp.alembic_version VALUES ('7384d03ac956');
INSERT INTO erp.modules (module_key, display_name, sort_order)
	SELECT k, initcap(replace(k, '_', ' ')), n
	FROM unnest('{sales,inventory,manufacturing,vouchers,finance,service,projects,ai_analytics,reports,tasks_calendar,email,settings,master_data,'
	            'accounting,hr,marketing,administration}'::text[]) WITH ORDINALITY AS m(k, n);
INSERT INTO erp.organizations (name, subdomain, status, enabled_modules) VALUES ('Acme', 'acme', 'active', '{"CRM": true, "Email": true}'), ('Bolt', 'bolt', 'active', NULL);
