-- A dashboard product in the state that made people ask: its database was
-- stamped with the newest migration, so the tables of workspaces are there and
-- nothing is in them.
CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY);
INSERT INTO alembic_version VALUES ('20251109220344');

CREATE TABLE users (
	id                   serial PRIMARY KEY,
	username             varchar(50) NOT NULL UNIQUE,
	email                varchar(100) NOT NULL UNIQUE,
	password_hash        varchar(255) NOT NULL,
	role                 varchar(20) NOT NULL,
	current_workspace_id integer,
	email_verified       boolean NOT NULL DEFAULT false,
	theme_preference     varchar(20),
	is_active            boolean NOT NULL DEFAULT true,
	created_at           timestamp NOT NULL DEFAULT now(),
	updated_at           timestamp NOT NULL DEFAULT now()
);
CREATE TABLE workspaces (
	id         serial PRIMARY KEY,
	name       varchar(100) NOT NULL,
	slug       varchar(100) NOT NULL,
	created_by integer NOT NULL REFERENCES users ON DELETE RESTRICT,
	created_at timestamp NOT NULL,
	updated_at timestamp NOT NULL,
	CONSTRAINT uq_workspaces_slug UNIQUE (slug)
);
CREATE INDEX idx_workspaces_slug ON workspaces (slug);
ALTER TABLE users ADD FOREIGN KEY (current_workspace_id) REFERENCES workspaces ON DELETE SET NULL;
CREATE TABLE workspace_members (
	id           serial PRIMARY KEY,
	workspace_id integer NOT NULL REFERENCES workspaces ON DELETE CASCADE,
	user_id      integer NOT NULL REFERENCES users ON DELETE CASCADE,
	role         varchar(20) NOT NULL,
	invited_by   integer REFERENCES users ON DELETE SET NULL,
	joined_at    timestamp NOT NULL,
	CONSTRAINT uq_workspace_user UNIQUE (workspace_id, user_id),
	CONSTRAINT check_valid_role CHECK (role IN ('admin', 'editor', 'viewer'))
);
CREATE TABLE workspace_settings (
	id             serial PRIMARY KEY,
	workspace_id   integer NOT NULL UNIQUE REFERENCES workspaces ON DELETE CASCADE,
	redis_enabled  boolean NOT NULL DEFAULT false,
	redis_host     varchar(255),
	redis_port     integer,
	redis_password text,
	max_dashboards integer,
	max_members    integer,
	updated_by     integer REFERENCES users ON DELETE SET NULL,
	updated_at     timestamp
);

-- What users own.  A data source has its connection, and so a workspace twice.
CREATE TABLE dashboards (
	id           serial PRIMARY KEY,
	title        varchar(200) NOT NULL,
	workspace_id integer REFERENCES workspaces ON DELETE CASCADE,
	created_by   integer NOT NULL REFERENCES users ON DELETE CASCADE
);
CREATE TABLE charts (
	id           serial PRIMARY KEY,
	title        varchar(200) NOT NULL,
	workspace_id integer REFERENCES workspaces ON DELETE CASCADE,
	created_by   integer NOT NULL REFERENCES users ON DELETE CASCADE
);
CREATE TABLE connections (
	id           serial PRIMARY KEY,
	title        varchar(200) NOT NULL,
	workspace_id integer REFERENCES workspaces ON DELETE CASCADE,
	created_by   integer NOT NULL REFERENCES users ON DELETE CASCADE
);
CREATE TABLE data_sources (
	id            serial PRIMARY KEY,
	title         varchar(200) NOT NULL,
	connection_id integer REFERENCES connections ON DELETE CASCADE,
	workspace_id  integer REFERENCES workspaces ON DELETE CASCADE,
	created_by    integer NOT NULL REFERENCES users ON DELETE CASCADE
);
CREATE TABLE dashboard_charts (
	dashboard_id integer NOT NULL REFERENCES dashboards ON DELETE CASCADE,
	chart_id     integer NOT NULL REFERENCES charts ON DELETE CASCADE,
	PRIMARY KEY (dashboard_id, chart_id)
);
CREATE TABLE logs (
	id           bigserial PRIMARY KEY,
	message      text NOT NULL,
	user_id      integer REFERENCES users ON DELETE SET NULL,
	workspace_id integer REFERENCES workspaces ON DELETE SET NULL
);

-- The first user is a viewer; one is inactive, one has a role that is none of
-- the workspaces', one a name that is awkward.
INSERT INTO users (username, email, password_hash, role, is_active) VALUES
	('vic',     'vic@example.com',   'x', 'viewer', true),
	('ada',     'ada@example.com',   'x', 'admin',  true),
	('ed',      'ed@example.com',    'x', 'editor', true),
	('ina',     'ina@example.com',   'x', 'viewer', false),
	('O''Neil', 'oneil@example.com', 'x', 'guest',  true);
INSERT INTO dashboards (title, created_by) VALUES ('Sales', 1), ('Costs', 3), ('Old', 4);
INSERT INTO charts (title, created_by) VALUES ('Bars', 1), ('Lines', 2);
INSERT INTO connections (title, created_by) VALUES ('Warehouse', 2);
INSERT INTO data_sources (title, connection_id, created_by) VALUES ('Orders', 1, 1), ('Upload', NULL, 5);
INSERT INTO dashboard_charts VALUES (1, 1), (1, 2);
INSERT INTO logs (message, user_id) VALUES ('login', 1), ('login', 4), ('startup', NULL);
