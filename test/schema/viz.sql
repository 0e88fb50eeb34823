-- Dashboards that came to belong to workspaces, as the migration leaves a database that had users.
CREATE SCHEMA viz;
CREATE TABLE viz.users (
	id serial PRIMARY KEY, username varchar(50) NOT NULL UNIQUE, email varchar(100) NOT NULL UNIQUE, password_hash varchar(255) NOT NULL,
	current_workspace_id integer, email_verified boolean, theme_preference varchar(20), custom_theme_colors text, is_active boolean,
	created_at timestamp, updated_at timestamp);
CREATE TABLE viz.workspaces (
	id serial PRIMARY KEY, name varchar(100) NOT NULL, slug varchar(100) NOT NULL CONSTRAINT uq_workspaces_slug UNIQUE,
	created_by integer NOT NULL REFERENCES viz.users ON DELETE RESTRICT, created_at timestamp NOT NULL, updated_at timestamp NOT NULL);
CREATE INDEX idx_workspaces_slug ON viz.workspaces (slug);
ALTER TABLE viz.users ADD CONSTRAINT fk_users_current_workspace FOREIGN KEY (current_workspace_id) REFERENCES viz.workspaces ON DELETE SET NULL;
CREATE TABLE viz.workspace_members (
	id serial PRIMARY KEY, workspace_id integer NOT NULL REFERENCES viz.workspaces ON DELETE CASCADE,
	user_id integer NOT NULL REFERENCES viz.users ON DELETE CASCADE, role varchar(20) NOT NULL,
	invited_by integer REFERENCES viz.users ON DELETE SET NULL, joined_at timestamp NOT NULL,
	CONSTRAINT uq_workspace_user UNIQUE (workspace_id, user_id), CONSTRAINT check_valid_role CHECK (role IN ('admin', 'editor', 'viewer')));
CREATE TABLE viz.workspace_settings (
	id serial PRIMARY KEY, workspace_id integer NOT NULL UNIQUE REFERENCES viz.workspaces ON DELETE CASCADE, redis_enabled boolean,
	redis_host varchar(255), redis_port integer, redis_password text, max_dashboards integer DEFAULT 1000, max_members integer DEFAULT 100,
	updated_by integer REFERENCES viz.users ON DELETE SET NULL, updated_at timestamp);
CREATE TABLE viz.dashboards (
	id serial PRIMARY KEY, name varchar(100) NOT NULL, workspace_id integer NOT NULL CONSTRAINT fk_dashboards_workspace REFERENCES viz.workspaces ON DELETE CASCADE,
	created_by integer NOT NULL REFERENCES viz.users ON DELETE CASCADE);
CREATE INDEX idx_dashboards_workspace ON viz.dashboards (workspace_id);
CREATE TABLE viz.connections (
	id serial PRIMARY KEY, name varchar(100) NOT NULL, workspace_id integer NOT NULL CONSTRAINT fk_connections_workspace REFERENCES viz.workspaces ON DELETE CASCADE,
	created_by integer NOT NULL REFERENCES viz.users ON DELETE CASCADE);
CREATE INDEX idx_connections_workspace ON viz.connections (workspace_id);
CREATE TABLE viz.charts (
	id serial PRIMARY KEY, title varchar(100) NOT NULL, workspace_id integer NOT NULL CONSTRAINT fk_charts_workspace REFERENCES viz.workspaces ON DELETE CASCADE,
	created_by integer NOT NULL REFERENCES viz.users ON DELETE CASCADE);
CREATE INDEX idx_charts_workspace ON viz.charts (workspace_id);
CREATE TABLE viz.csv_data (id serial PRIMARY KEY, chart_id integer NOT NULL REFERENCES viz.charts ON DELETE CASCADE, data text);
CREATE TABLE viz.logs (id serial PRIMARY KEY, workspace_id integer CONSTRAINT fk_logs_workspace REFERENCES viz.workspaces ON DELETE SET NULL, message text);
CREATE TABLE viz.connection_permissions (
	id serial PRIMARY KEY, connection_id integer NOT NULL REFERENCES viz.connections ON DELETE CASCADE, user_id integer NOT NULL REFERENCES viz.users ON DELETE CASCADE,
	permission_level varchar(20) NOT NULL CHECK (permission_level IN ('owner', 'editor', 'viewer')), UNIQUE (connection_id, user_id));
CREATE TABLE viz.alembic_version (version_num varchar(32) NOT NULL CONSTRAINT alembic_version_pkc PRIMARY KEY);
INSERT INTO viz.alembic_version VALUES ('20251109220344');
INSERT INTO viz.users (username, email, password_hash, is_active) VALUES ('ann', 'ann@example.com', 'x', true), ('ben', 'ben@example.com', 'x', false);
