-- A property management product: tables of Prisma with quoted names in camel case, newer ones in snake case, reference data.
CREATE SCHEMA hub;
CREATE TABLE hub.customers (id text PRIMARY KEY, "licenseNumber" text, storage_used bigint NOT NULL DEFAULT 0, storage_limit bigint NOT NULL DEFAULT 5368709120);
CREATE TABLE hub.users (id text PRIMARY KEY, "customerId" text REFERENCES hub.customers ON DELETE CASCADE, email text NOT NULL UNIQUE, bio text,
	is_temp_password boolean NOT NULL DEFAULT false);
CREATE INDEX users_customer ON hub.users ("customerId");
CREATE TABLE hub.team_roles (
	id text PRIMARY KEY DEFAULT gen_random_uuid()::text,
	customer_id text REFERENCES hub.customers ON DELETE CASCADE,
	name text NOT NULL,
	is_system_role boolean NOT NULL DEFAULT false,
	permissions jsonb NOT NULL DEFAULT '{}',
	can_approve_invoices boolean, approval_limit numeric(15,2),
	can_create_invoices boolean, can_manage_projects boolean, can_view_reports boolean,
	UNIQUE (customer_id, name));
CREATE TABLE hub.notification_templates (
	id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	customer_id text REFERENCES hub.customers ON DELETE CASCADE,
	name varchar(100) NOT NULL,
	type varchar(50) NOT NULL,
	subject text NOT NULL,
	UNIQUE (customer_id, name, type));
CREATE TABLE hub.notification_preferences (
	id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	user_id text NOT NULL REFERENCES hub.users ON DELETE CASCADE,
	customer_id text NOT NULL REFERENCES hub.customers ON DELETE CASCADE,
	in_app_enabled boolean NOT NULL DEFAULT true,
	CONSTRAINT preferences_of_user UNIQUE (user_id, customer_id));
CREATE INDEX preferences_customer ON hub.notification_preferences (customer_id);
CREATE TABLE hub.storage_usage (id text PRIMARY KEY, customer_id text NOT NULL REFERENCES hub.customers, file_type text NOT NULL, total_size bigint NOT NULL,
	UNIQUE (customer_id, file_type));
CREATE FUNCTION hub.touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN new; END $$;
CREATE FUNCTION hub.default_preferences() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	INSERT INTO hub.notification_preferences (user_id, customer_id) SELECT new.id, new."customerId" WHERE new."customerId" IS NOT NULL
	ON CONFLICT (user_id, customer_id) DO NOTHING;
	RETURN new;
END $$;
CREATE TRIGGER update_team_roles_updated_at BEFORE UPDATE ON hub.team_roles FOR EACH ROW EXECUTE FUNCTION hub.touch();
CREATE TRIGGER create_user_notification_preferences AFTER INSERT ON hub.users FOR EACH ROW EXECUTE FUNCTION hub.default_preferences();
CREATE TABLE hub._prisma_migrations (id varchar(36) PRIMARY KEY, checksum varchar(64) NOT NULL, finished_at timestamptz, migration_name varchar(255) NOT NULL,
	logs text, rolled_back_at timestamptz, started_at timestamptz NOT NULL DEFAULT now(), applied_steps_count integer NOT NULL DEFAULT 0);
INSERT INTO hub._prisma_migrations VALUES ('1', 'a1', '2025-11-01', '20251101_init', NULL, NULL, '2025-11-01', 1),
	('2', 'a2', '2025-11-20', '20251120_team', NULL, NULL, '2025-11-20', 1);
INSERT INTO hub.team_roles (id, name, is_system_role, can_approve_invoices, approval_limit, can_create_invoices, can_manage_projects) VALUES
	('role-owner', 'Owner', true, true, NULL, true, true),
	('role-finance-manager', 'Finance Manager', true, true, 50000, false, false),
	('role-project-manager', 'Project Manager', true, false, 1000000, true, true),
	('role-accountant', 'Accountant', true, false, NULL, false, false),
	('role-viewer', 'Viewer', true, false, NULL, false, false);
INSERT INTO hub.notification_templates (name, type, subject)
	SELECT n, 'email', initcap(replace(n, '_', ' '))
	FROM unnest('{invoice_approved,invoice_rejected,invoice_pending_approval,team_invitation,payment_received}'::text[]) AS n;
