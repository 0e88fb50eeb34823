-- The tables of the product that pack entitlements is for, as its migrations leave them, with the data its bugs left behind.
CREATE TABLE organizations (
	id serial PRIMARY KEY, name varchar(255) NOT NULL UNIQUE, subdomain varchar(100) NOT NULL UNIQUE, status varchar(20) NOT NULL DEFAULT 'active',
	plan_type varchar(50), enabled_modules json, org_code varchar(50) UNIQUE, created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE users (
	id serial PRIMARY KEY, organization_id integer, email varchar NOT NULL, role varchar NOT NULL);
CREATE INDEX ON users (email);
CREATE TABLE modules (
	id serial PRIMARY KEY, module_key varchar(100) NOT NULL, display_name varchar(200) NOT NULL, description text, icon varchar(100),
	sort_order integer NOT NULL DEFAULT 0, is_active boolean NOT NULL DEFAULT true,
	created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now(),
	CONSTRAINT uq_modules_module_key UNIQUE (module_key));
CREATE TABLE submodules (
	id serial PRIMARY KEY, module_id integer NOT NULL REFERENCES modules ON DELETE CASCADE, submodule_key varchar(100) NOT NULL,
	display_name varchar(200) NOT NULL, description text, menu_path varchar(500), permission_key varchar(200),
	sort_order integer NOT NULL DEFAULT 0, is_active boolean NOT NULL DEFAULT true,
	created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now(), UNIQUE (module_id, submodule_key));
CREATE TABLE plans (
	id serial PRIMARY KEY, plan_key varchar(100) NOT NULL UNIQUE, display_name varchar(200) NOT NULL, description text,
	price_monthly numeric(10,2), price_annual numeric(10,2), is_active boolean NOT NULL DEFAULT true, sort_order integer NOT NULL DEFAULT 0,
	created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE plan_entitlements (
	id serial PRIMARY KEY, plan_id integer NOT NULL REFERENCES plans ON DELETE CASCADE, module_id integer NOT NULL REFERENCES modules ON DELETE CASCADE,
	submodule_id integer REFERENCES submodules ON DELETE CASCADE, is_included boolean NOT NULL DEFAULT true,
	created_at timestamptz NOT NULL DEFAULT now(), UNIQUE (plan_id, module_id, submodule_id));
CREATE TABLE org_entitlements (
	id serial PRIMARY KEY, org_id integer NOT NULL REFERENCES organizations ON DELETE CASCADE,
	module_id integer NOT NULL REFERENCES modules ON DELETE CASCADE,
	status varchar(20) NOT NULL DEFAULT 'disabled' CHECK (status IN ('enabled', 'disabled', 'trial')), trial_expires_at timestamptz,
	source varchar(100) NOT NULL DEFAULT 'manual', created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(), UNIQUE (org_id, module_id));
CREATE TABLE org_subentitlements (
	id serial PRIMARY KEY, org_id integer NOT NULL REFERENCES organizations ON DELETE CASCADE,
	module_id integer NOT NULL REFERENCES modules ON DELETE CASCADE, submodule_id integer NOT NULL REFERENCES submodules ON DELETE CASCADE,
	enabled boolean NOT NULL DEFAULT true, source varchar(100) NOT NULL DEFAULT 'manual',
	created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now(), UNIQUE (org_id, module_id, submodule_id));
CREATE TABLE entitlement_events (
	id serial PRIMARY KEY, org_id integer NOT NULL REFERENCES organizations ON DELETE CASCADE, event_type varchar(50) NOT NULL,
	actor_user_id integer REFERENCES users ON DELETE SET NULL, reason text, payload jsonb, created_at timestamptz NOT NULL DEFAULT now());

-- The flags that the application gives a new organization: 27 keys, all on. 19 of them name no module.
CREATE FUNCTION usual_flags() RETURNS json LANGUAGE sql AS $$
	SELECT json_object_agg(key, true) FROM unnest('{CRM,ERP,HR,Inventory,Service,Analytics,Finance,Manufacturing,Procurement,Project,Asset,
		Transport,SEO,Marketing,Payroll,Talent,Workflow,Integration,AI_Analytics,Streaming_Analytics,AB_Testing,Website_Agent,Email,
		Calendar,Task_Management,Order_Book,Exhibition_Mode}'::text[]) AS key
$$;

INSERT INTO organizations (name, subdomain, enabled_modules) VALUES
	('Usual', 'usual', usual_flags()), ('Upper', 'upper', '{"SALES": true, "HR": "f"}'), ('Null', 'null', NULL), ('Odd', 'odd', '"sales"');
INSERT INTO users (organization_id, email, role) VALUES (1, 'ann@example.com', 'org_admin'), (NULL, 'root@example.com', 'super_admin'),
	(99, 'lost@example.com', 'org_admin'), (1, 'ann@example.com', 'executive');
