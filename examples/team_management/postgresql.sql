-- A property product after several sets of scripts: names in two styles, ids
-- as text, roles and templates as the first scripts made them, run twice.
CREATE TABLE customers (
	id                      text PRIMARY KEY,
	"companyName"           text NOT NULL,
	storage_used            bigint NOT NULL DEFAULT 0,
	storage_limit           bigint NOT NULL DEFAULT 5368709120,
	storage_last_calculated timestamp
);
CREATE TABLE users (
	id           text PRIMARY KEY,
	email        text NOT NULL UNIQUE,
	"customerId" text REFERENCES customers ON DELETE CASCADE
);
CREATE TABLE team_roles (
	id                     text PRIMARY KEY DEFAULT gen_random_uuid()::text,
	customer_id            text REFERENCES customers ON DELETE CASCADE,
	name                   text NOT NULL,
	description            text,
	is_system_role         boolean DEFAULT false,
	permissions            jsonb NOT NULL DEFAULT '{}',
	can_approve_invoices   boolean DEFAULT false,
	approval_limit         numeric(15,2),
	requires_approval_from text[],
	created_at             timestamp DEFAULT CURRENT_TIMESTAMP,
	updated_at             timestamp DEFAULT CURRENT_TIMESTAMP,
	UNIQUE (customer_id, name)
);
CREATE TABLE team_members (
	id          text PRIMARY KEY DEFAULT gen_random_uuid()::text,
	customer_id text NOT NULL REFERENCES customers ON DELETE CASCADE,
	user_id     text REFERENCES users,
	role_id     text NOT NULL REFERENCES team_roles,
	first_name  text NOT NULL,
	last_name   text NOT NULL,
	email       text NOT NULL,
	status      text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'inactive', 'suspended', 'invited')),
	updated_at  timestamp DEFAULT CURRENT_TIMESTAMP,
	UNIQUE (customer_id, email)
);
CREATE TABLE invoice_approvals (
	id          text PRIMARY KEY DEFAULT gen_random_uuid()::text,
	invoice_id  text NOT NULL,
	customer_id text NOT NULL REFERENCES customers ON DELETE CASCADE,
	status      text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'approved', 'rejected', 'delegated', 'expired')),
	updated_at  timestamp DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE approval_history (
	id          text PRIMARY KEY DEFAULT gen_random_uuid()::text,
	approval_id text NOT NULL REFERENCES invoice_approvals ON DELETE CASCADE,
	action      text NOT NULL,
	created_at  timestamp DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE notification_templates (
	id          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	customer_id text REFERENCES customers ON DELETE CASCADE,
	name        varchar(100) NOT NULL,
	type        varchar(50) NOT NULL,
	subject     text,
	body_html   text,
	body_text   text,
	variables   jsonb,
	is_system   boolean DEFAULT false,
	is_active   boolean DEFAULT true,
	created_by  text,
	updated_at  timestamp DEFAULT CURRENT_TIMESTAMP,
	UNIQUE (customer_id, name, type)
);
CREATE TABLE notification_preferences (
	id                     uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	user_id                text NOT NULL REFERENCES users ON DELETE CASCADE,
	customer_id            text NOT NULL REFERENCES customers ON DELETE CASCADE,
	email_invoice_approval boolean DEFAULT true,
	in_app_enabled         boolean DEFAULT true,
	updated_at             timestamp DEFAULT CURRENT_TIMESTAMP,
	UNIQUE (user_id, customer_id)
);
CREATE TABLE storage_usage (
	id           text PRIMARY KEY,
	customer_id  text NOT NULL REFERENCES customers ON DELETE CASCADE,
	file_type    text NOT NULL,
	category     text,
	file_count   integer NOT NULL DEFAULT 0,
	total_size   bigint NOT NULL DEFAULT 0,
	last_updated timestamp DEFAULT CURRENT_TIMESTAMP,
	UNIQUE (customer_id, file_type, category)
);
CREATE TABLE invoice_attachments (
	id          text PRIMARY KEY DEFAULT gen_random_uuid()::text,
	invoice_id  text NOT NULL,
	customer_id text NOT NULL REFERENCES customers ON DELETE CASCADE,
	file_path   text NOT NULL,
	file_name   text NOT NULL,
	file_size   bigint NOT NULL,
	file_type   text,
	uploaded_at timestamp DEFAULT CURRENT_TIMESTAMP
);

INSERT INTO customers (id, "companyName", storage_used) VALUES ('acme', 'Acme', 999), ('bolt', 'Bolt', 0);
INSERT INTO users VALUES ('ann', 'ann@acme.example.com', 'acme'), ('ben', 'ben@acme.example.com', 'acme'),
	('cat', 'cat@bolt.example.com', 'bolt'), ('root', 'root@example.com', NULL);

-- The first script knew no limit for the finance manager.  A role without
-- customer may be there twice, as NULL equals nothing in the constraint.
INSERT INTO team_roles (id, name, description, is_system_role, permissions, can_approve_invoices) VALUES
	('role-owner', 'Owner', 'Full access', true, '{"all": true}', true),
	('role-finance-manager', 'Finance Manager', 'Money', true, '{"invoices": ["view", "approve"], "reports": ["view"]}', true);
INSERT INTO team_roles (name, is_system_role) VALUES ('Owner', true);
INSERT INTO team_roles (id, customer_id, name) VALUES ('acme-owner', 'acme', 'Owner');
INSERT INTO team_members (id, customer_id, user_id, role_id, first_name, last_name, email) VALUES
	('m1', 'acme', 'ann', 'role-owner', 'Ann', 'A', 'ann@acme.example.com'),
	('m2', 'bolt', 'cat', 'acme-owner', 'Cat', 'C', 'cat@bolt.example.com');

-- ON CONFLICT (customer_id, name, type) never sees a conflict without customer.
INSERT INTO notification_templates (name, type, subject, is_system)
	SELECT n, 'email', 'Old subject', true
	FROM unnest('{invoice_approval_request,invoice_approved,invoice_rejected,delegation_assigned,team_invitation}'::text[]) AS n,
	     generate_series(1, 2);
INSERT INTO notification_preferences (user_id, customer_id) VALUES ('ann', 'acme');

INSERT INTO invoice_attachments (id, invoice_id, customer_id, file_path, file_name, file_size, file_type) VALUES
	('a1', 'i1', 'acme', '/1', 'one.pdf', 1000, 'pdf'), ('a2', 'i1', 'acme', '/2', 'two.pdf', 500, 'pdf'),
	('a3', 'i2', 'acme', '/3', 'scan.png', 70, 'image'), ('a4', 'i3', 'bolt', '/4', 'odd', 9, NULL);
INSERT INTO storage_usage (id, customer_id, file_type, file_count, total_size) VALUES ('s1', 'acme', 'pdf', 1, 1000), ('s2', 'bolt', 'pdf', 3, 300);

INSERT INTO invoice_approvals (id, invoice_id, customer_id, status) VALUES ('p1', 'i1', 'acme', 'approved'), ('p2', 'i2', 'acme', 'expired');
INSERT INTO approval_history (id, approval_id, action) VALUES ('h1', 'p1', 'approved'), ('h2', 'p2', 'updated');

-- The trigger that was to make preferences: users have no customer_id, they
-- have "customerId", so no user can sign up any more.
CREATE FUNCTION create_default_notification_preferences() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO notification_preferences (user_id, customer_id) VALUES (NEW.id, NEW.customer_id)
	ON CONFLICT (user_id, customer_id) DO NOTHING;
	RETURN NEW;
END $$;
CREATE TRIGGER create_user_notification_preferences AFTER INSERT ON users
	FOR EACH ROW EXECUTE FUNCTION create_default_notification_preferences();
