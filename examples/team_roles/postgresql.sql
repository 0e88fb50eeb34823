-- The application's mirror of MongoDB's user_roles, as its migrations made it.
CREATE TABLE postgres_user_roles (
	id           serial PRIMARY KEY,
	mongo_id     varchar(24) UNIQUE,
	user_id      varchar(24) NOT NULL,
	role_name    varchar(50) NOT NULL,
	scope        varchar(20) NOT NULL,
	team_id      varchar(24),
	is_active    boolean NOT NULL,
	created_at   timestamptz NOT NULL,
	created_by   varchar(24) NOT NULL,
	last_sync_at timestamptz NOT NULL,
	sync_status  varchar(20) NOT NULL,
	sync_error   text
);
CREATE UNIQUE INDEX unique_active_user_team_role ON postgres_user_roles (user_id, role_name, scope, team_id)
	WHERE is_active;

INSERT INTO postgres_user_roles (user_id, team_id, role_name, scope, is_active, created_at, created_by,
                                 last_sync_at, sync_status)
SELECT u, t, r, s, a, '2025-09-01 12:00+00', 'system', '2025-09-01 12:00+00', 'SYNCED'
FROM (VALUES
	('66f0a1b2c3d4e5f607180001', '66e1a0b0c0d0e0f001020001', 'owner',     'TEAM',   true),
	('66f0a1b2c3d4e5f607180001', '66e1a0b0c0d0e0f001020001', 'admin',     'TEAM',   true),
	('66f0a1b2c3d4e5f607180001', '66e1a0b0c0d0e0f001020001', 'member',    'TEAM',   true),
	('66f0a1b2c3d4e5f607180002', '66e1a0b0c0d0e0f001020002', 'member',    'TEAM',   true),
	('66f0a1b2c3d4e5f607180003', '66e1a0b0c0d0e0f001020004', 'owner',     'TEAM',   true),
	('66f0a1b2c3d4e5f607180003', '66e1a0b0c0d0e0f001020004', 'admin',     'TEAM',   false),
	('66f0a1b2c3d4e5f607180003', '66e1a0b0c0d0e0f001020004', 'member',    'TEAM',   true),
	('66f0a1b2c3d4e5f607180004', NULL,                       'moderator', 'GLOBAL', true)
) AS v(u, t, r, s, a);
