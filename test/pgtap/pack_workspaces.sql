-- Pack workspaces on the tables and the data of the product that it is for, in every state a migration left them in.
\ir ../support/invariant.sql
SELECT no_plan();

SET check_function_bodies = off;  -- the tables come later
CREATE FUNCTION installs(options jsonb DEFAULT '{}') RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
	dry  text[] := ARRAY(SELECT i::text FROM reconcile.install_pack('workspaces', '{"schema": "app"}' || options, true) AS i);
	live text[] := ARRAY(SELECT i::text FROM reconcile.install_pack('workspaces', '{"schema": "app"}' || options) AS i);
BEGIN
	RETURN CASE WHEN dry = live THEN ARRAY(SELECT l FROM unnest(live) AS l WHERE l !~ 'keep|invariant|guard')
	            ELSE ARRAY['dry run', dry::text, 'live', live::text] END;
END $$;
CREATE FUNCTION steps(dry_run boolean) RETURNS text[] LANGUAGE sql AS $$
	SELECT array_agg(replace(invariant, 'workspaces_', '') || ' ' || planned || ' ' || changed || CASE WHEN failed > 0 THEN ' failed' ELSE '' END)
	FROM public.init_workspaces(dry_run) WHERE planned > 0 $$;
-- drift is what the audit finds: rows missing, differing, or forbidden.
CREATE FUNCTION drift() RETURNS text[] LANGUAGE sql AS $$
	SELECT coalesce(array_agg(replace(invariant, 'workspaces_', '') || ' ' ||
		coalesce(missing + differing + CASE WHEN expected = 0 THEN present ELSE 0 END || '', message) ORDER BY invariant), '{}')
	FROM reconcile.audit(pack => 'workspaces') WHERE state <> 'clean' $$;
CREATE FUNCTION members() RETURNS text[] LANGUAGE sql AS $$
	SELECT array_agg(concat_ws(' ', w.slug, u.username, m.role) ORDER BY w.slug, u.username)
	FROM workspace_members m JOIN workspaces w ON w.id = m.workspace_id JOIN users u ON u.id = m.user_id $$;
-- schema_of describes the tables that the pack knows.
CREATE FUNCTION schema_of() RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(c.relname || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || ' ' || a.attnotnull, ', '
	                  ORDER BY c.relname, a.attname)
	FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
	WHERE c.relnamespace = 'app'::regnamespace AND c.relkind = 'r' $$;

-- ---------------------------------------------------------------- the story of the document

SAVEPOINT nothing;
\ir ../../examples/workspaces/postgresql.sql
SAVEPOINT world;
SELECT is(installs(), ARRAY['(differs,app.users,"INDEX (current_workspace_id) is missing")',
	'(differs,app.workspaces,"INDEX (created_by) is missing")', '("create function","app.workspaces_new_slug(anyelement,text)",)'],
	'the product''s own tables are kept');
SELECT is(drift(), ARRAY['default 1', 'migration 1', 'not_a_member 5', 'unassigned 8'],
	'a migration that was recorded and did nothing is found');
SELECT is((SELECT actual ->> 'version_num' FROM reconcile.findings('workspaces_migration')), '20251109220344', 'with its revision');
SELECT schema_of() AS described \gset
SELECT is(steps(true), ARRAY['default 1 1', 'creator 1 1', 'existing_users 4 4', 'settings 1 1', 'current 5 5', 'of_charts 2 2',
	'of_connections 1 1', 'of_dashboards 3 3', 'of_data_sources 2 2', 'of_logs 2 2'], 'the dry run shows the whole chain');
SELECT is((SELECT count(*) FROM workspaces), 0::bigint, 'and writes nothing');
SELECT is((SELECT is_called FROM workspaces_id_seq), false, 'nor takes a number');
SELECT is(steps(false), ARRAY['default 1 1', 'creator 1 1', 'existing_users 4 4', 'settings 1 1', 'current 5 5', 'of_charts 2 2',
	'of_connections 1 1', 'of_dashboards 3 3', 'of_data_sources 2 2', 'of_logs 2 2'], 'the live run does the same');
SELECT is(steps(false), NULL, 'the second run changes nothing');
SELECT is(drift(), '{}', 'all is well');
SELECT is(members(), ARRAY['default O''Neil admin', 'default ada admin', 'default ed admin', 'default ina admin', 'default vic admin'],
	'all existing users are admins of the default workspace, inactive ones too');
SELECT is((SELECT count(*) FROM users WHERE current_workspace_id IS NULL), 0::bigint, 'nobody is without a current workspace');
SELECT is((SELECT (name, slug, (SELECT username FROM users u WHERE u.id = w.created_by))::text FROM workspaces w),
	'("Default Workspace",default,ada)', 'its creator is an active admin, not the user with the lowest id');
SELECT is((SELECT count(*) FROM workspace_settings), 1::bigint, 'it has one row of settings');
SELECT is((SELECT array_agg(workspace_id IS NULL ORDER BY id) FROM logs), '{f,f,t}', 'a log without user stays without workspace');
SELECT is((SELECT count(*) FROM data_sources WHERE workspace_id IS NULL), 0::bigint, 'a row gets the workspace of its parent, else of its owner');
SELECT is(:'described', schema_of(), 'no column was changed');
SELECT is((SELECT sum(removed + restored) FROM reconcile.undo_last('workspaces', dry_run => false)), 22::numeric,
	'undo takes back exactly what was done');
SELECT is((SELECT count(*) FROM workspaces) + (SELECT count(*) FROM users WHERE current_workspace_id IS NOT NULL), 0::bigint, 'nothing is left');
SELECT is((SELECT count(*) FROM users), 5::bigint, 'and nothing else is gone');

-- ---------------------------------------------------------------- roles

ROLLBACK TO world;
SELECT installs('{"member_role": "keep"}');
SELECT steps(false);
SELECT is(members(), ARRAY['default O''Neil viewer', 'default ada admin', 'default ed editor', 'default ina viewer', 'default vic viewer'],
	'with member_role keep everybody has the role they had, any other is viewer');
ROLLBACK TO world;
UPDATE users SET role = 'viewer';
SELECT installs('{"member_role": "keep"}');
SELECT steps(false);
SELECT is((SELECT array_agg(role ORDER BY role) FROM workspace_members), ARRAY['admin', 'viewer', 'viewer', 'viewer', 'viewer']::varchar[],
	'where there was no admin the creator becomes one');
ROLLBACK TO world;
ALTER TABLE users DROP COLUMN role;
SELECT raised('keeping roles that are not there', 'SELECT installs(''{"member_role": "keep"}'')', '42703',
	'table app.users has no column role whose values could be kept',
	'Use "member_role": "admin", or name the column in the option "columns".');
SELECT installs();
SELECT steps(false);
SELECT is(array_length(members(), 1), 5, 'after migration 002 dropped users.role it works all the same');

ROLLBACK TO world;
UPDATE users SET is_active = false;
SELECT installs();
SELECT is((steps(false))[1:3], ARRAY['default 1 1', 'creator 1 1', 'existing_users 4 4'], 'users of whom nobody is active are users');
SELECT is((SELECT username::text FROM users u JOIN workspaces w ON w.created_by = u.id), 'ada', 'an admin among them comes first');
SELECT is(:'described', schema_of(), 'and the schema is the same as with active ones');

-- Flags as numbers or text, of which ed's alone is on.
ROLLBACK TO world;
CREATE FUNCTION creator_of(type text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('ALTER TABLE users ALTER is_active DROP DEFAULT, ALTER is_active TYPE %1$s USING CASE WHEN username = ''ed'' THEN %2$L ELSE %3$L END::%1$s',
	               type, CASE type WHEN 'text' THEN 'yes' ELSE '1' END, CASE type WHEN 'text' THEN 'no' ELSE '0' END);
	PERFORM installs('{"guards": "none", "member_role": "keep"}');
	PERFORM steps(false);
	RETURN (SELECT username FROM users u JOIN workspaces w ON w.created_by = u.id);
END $$;
SAVEPOINT flags;
SELECT is(creator_of('integer'), 'ed', 'who is active is told by numbers');
ROLLBACK TO flags;
SELECT is(creator_of('text'), 'ed', 'or by words');
ROLLBACK TO world;
CREATE TYPE kind_of_user AS ENUM ('admin', 'guest');
ALTER TABLE users ALTER role TYPE kind_of_user USING CASE role WHEN 'admin' THEN role ELSE 'guest' END::kind_of_user;
SELECT installs('{"member_role": "keep"}');
SELECT steps(false);
SELECT is(members(), ARRAY['default O''Neil viewer', 'default ada admin', 'default ed viewer', 'default ina viewer', 'default vic viewer'],
	'a role that an enumeration does not have is nobody''s');

ROLLBACK TO world;
CREATE TYPE kind_of_member AS ENUM ('admin', 'editor', 'viewer');
ALTER TABLE workspace_members DROP CONSTRAINT check_valid_role, ALTER role TYPE kind_of_member USING role::kind_of_member;
SELECT installs('{"member_role": "keep"}');
SELECT steps(false);
SELECT is((SELECT array_agg(role || ' ' || n ORDER BY role) FROM (SELECT role, count(*) AS n FROM workspace_members GROUP BY role) AS c), '{"admin 1","editor 1","viewer 3"}',
	'the role of a member may be an enumeration');

-- A workspace that nobody created.
ROLLBACK TO world;
ALTER TABLE workspaces ALTER created_by DROP NOT NULL;
INSERT INTO workspaces (name, slug, created_at, updated_at) VALUES ('Nobody''s', 'nobody', now(), now());
SELECT installs();
SELECT is((steps(true))[2:4], ARRAY['creator 1 1', 'existing_users 4 4', 'settings 2 2'], 'a workspace that nobody created asks for no member');
SELECT is((steps(false))[2:4], ARRAY['creator 1 1', 'existing_users 4 4', 'settings 2 2'], 'and is no failure');

-- A membership that outlived its workspace, where no foreign key forbids it.
ROLLBACK TO world;
SELECT installs();
SELECT steps(false);
ALTER TABLE workspace_members DROP CONSTRAINT workspace_members_workspace_id_fkey;
INSERT INTO workspace_members (workspace_id, user_id, role, joined_at) SELECT -1, id, 'viewer', now() FROM users;
UPDATE users SET current_workspace_id = NULL;
SELECT is((steps(false))[1], 'current 5 5', 'users who are also in a workspace that is gone');
SELECT is((SELECT array_agg(DISTINCT w.slug) FROM users u LEFT JOIN workspaces w ON w.id = u.current_workspace_id), '{default}', 'work in one that is there');

-- Users in partitions, to which tables refer as to any other; a unique key that is checked at the end.
ROLLBACK TO world;
ALTER TABLE users RENAME TO users_before;
CREATE TABLE users (LIKE users_before INCLUDING DEFAULTS, PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE users_1 PARTITION OF users FOR VALUES FROM (MINVALUE) TO (3);
CREATE TABLE users_2 PARTITION OF users FOR VALUES FROM (3) TO (MAXVALUE);
INSERT INTO users TABLE users_before;
SELECT format('ALTER TABLE %s DROP CONSTRAINT %I, ADD %s', c.conrelid::regclass, c.conname, replace(pg_get_constraintdef(c.oid), 'users_before', 'users'))
FROM pg_constraint c WHERE c.contype = 'f' AND c.confrelid = 'users_before'::regclass \gexec
ALTER TABLE workspace_members DROP CONSTRAINT uq_workspace_user, ADD UNIQUE (user_id, workspace_id) DEFERRABLE INITIALLY DEFERRED;
SELECT is((SELECT array_agg(i) FROM unnest(installs()) AS i WHERE i ~ 'add'), ARRAY['("add constraint",app.workspace_members,"UNIQUE (workspace_id, user_id)")'],
	'users may be partitioned, and a key that is checked at the end gets one beside it');
SELECT is((steps(false))[1:5], ARRAY['default 1 1', 'creator 1 1', 'existing_users 4 4', 'settings 1 1', 'current 5 5'], 'the live run works');
SELECT is(steps(false), NULL, 'once');
INSERT INTO users (username, email, password_hash, role, is_active, created_at, updated_at) VALUES ('zoe', 'zoe@example.com', 'x', 'admin', true, now(), now());
SET CONSTRAINTS ALL IMMEDIATE;
SELECT is((SELECT w.name::text FROM users u JOIN workspaces w ON w.id = u.current_workspace_id WHERE username = 'zoe'), 'zoe''s Workspace', 'and so do the guards');
SET CONSTRAINTS ALL DEFERRED;

ROLLBACK TO world;
-- A row that has a workspace, and rows that nobody owns, in any table.
INSERT INTO workspaces (id, name, slug, created_by, created_at, updated_at) VALUES (70, 'Ed''s', 'ed', 3, now(), now());
UPDATE dashboards SET workspace_id = 70 WHERE created_by = 3;
ALTER TABLE dashboards ALTER created_by DROP NOT NULL;
ALTER TABLE charts ALTER created_by DROP NOT NULL;
ALTER TABLE connections ALTER created_by DROP NOT NULL;
UPDATE dashboards SET created_by = NULL WHERE id = 1;
UPDATE charts SET created_by = NULL WHERE id = 1;
UPDATE connections SET created_by = NULL;
SELECT installs('{"guards": "none"}');
SELECT steps(false);
SELECT is((SELECT array_agg(workspace_id = 70 ORDER BY id) FROM dashboards), '{NULL,t,f}', 'a row that has a workspace keeps it');
SELECT is((SELECT array_agg(concat_ws(' ', key ->> 'table_name', key ->> 'row_id') ORDER BY key ->> 'table_name') FROM reconcile.findings('workspaces_unassigned')),
	'{"charts 1","connections 1","dashboards 1"}', 'rows that nobody owns are reported, whatever table they are in');
SELECT is((SELECT count(*) FROM data_sources WHERE workspace_id IS NULL), 0::bigint, 'a row whose parent leads nowhere belongs where its owner is');

-- A table that knows its chart alone.
ROLLBACK TO world;
CREATE TABLE csv_data (id serial PRIMARY KEY, chart_id integer REFERENCES charts, line text);
INSERT INTO csv_data (chart_id) VALUES (1), (2), (NULL);
SELECT is((SELECT array_agg(i) FROM unnest(installs('{"guards": "none", "owned": {"charts": ["created_by"], "csv_data": ["chart_id"]}}')) AS i WHERE i ~ 'add'),
	ARRAY['("add column",app.csv_data.workspace_id,"integer REFERENCES app.workspaces ON DELETE CASCADE")'], 'csv_data gets the column of its workspace');
SELECT is((steps(false))[6:7], '{"of_charts 2 2","of_csv_data 2 2"}', 'through its chart');
SELECT is((SELECT array_agg(d.workspace_id = c.workspace_id ORDER BY d.id) FROM csv_data d LEFT JOIN charts c ON c.id = d.chart_id), '{t,t,NULL}', 'in which the chart is');
SELECT is((SELECT array_agg(key ->> 'row_id') FROM reconcile.findings('workspaces_unassigned')), '{3}', 'a line without chart is reported');

-- ---------------------------------------------------------------- what migration 002 left behind

ROLLBACK TO world;
ALTER SEQUENCE workspaces_id_seq RESTART;  -- ROLLBACK does not
INSERT INTO workspaces (id, name, slug, created_by, created_at, updated_at) VALUES (1, 'Default Workspace', 'default', 1, now(), now());
INSERT INTO workspace_members (workspace_id, user_id, role, joined_at) SELECT 1, id, CASE WHEN role IN ('editor') THEN role ELSE 'viewer' END, now()
	FROM users WHERE is_active;
UPDATE users SET current_workspace_id = 1 WHERE is_active;
UPDATE dashboards SET workspace_id = 1;
SELECT raised('the next workspace', $$INSERT INTO workspaces (name, slug, created_by, created_at, updated_at) VALUES ('N', 'n', 2, now(), now())$$, '23505',
	'duplicate key value violates unique constraint "workspaces_pkey"');
ALTER SEQUENCE workspaces_id_seq RESTART;
SELECT is((installs())[3], '("advance sequence",app.workspaces_id_seq,"from 0 to 1, the highest id of app.workspaces")', 'a sequence that was left behind is found');
SELECT is(drift(), ARRAY['existing_users 1', 'not_a_member 1', 'of_charts 2', 'of_connections 1', 'of_data_sources 2', 'of_logs 1', 'settings 1',
	'some_admin 1', 'stranger 1'],
	'the audit finds who was left out, what was not assigned, and that nobody is admin');
SELECT is(steps(false), ARRAY['existing_users 1 1', 'settings 1 1', 'current 1 1', 'of_charts 2 2', 'of_connections 1 1',
	'of_data_sources 2 2', 'of_logs 2 2'], 'init adds what is missing');
SELECT is(members(), ARRAY['default O''Neil viewer', 'default ada viewer', 'default ed editor', 'default ina admin', 'default vic viewer'],
	'and changes no role that somebody has');
SELECT is(drift(), '{}', 'ina, who was left out, is the admin there must be');
UPDATE workspace_members SET role = 'viewer' WHERE role = 'admin';
SELECT is(drift(), ARRAY['some_admin 1'], 'a workspace without admin is found');
SELECT is(steps(false), NULL, 'init does not change roles');
SELECT is((SELECT (planned, changed)::text FROM reconcile.repair(pack => 'workspaces', dry_run => false) WHERE planned > 0), '(1,1)', 'repair does');
SELECT is(members(), ARRAY['default O''Neil viewer', 'default ada viewer', 'default ed editor', 'default ina viewer', 'default vic admin'],
	'it makes the workspace''s creator an admin');
SELECT lives_ok($$INSERT INTO workspaces (name, slug, created_by, created_at, updated_at) VALUES ('N', 'n', 2, now(), now())$$,
	'the next workspace gets a number of its own');

-- ---------------------------------------------------------------- no users, no tables

ROLLBACK TO world;
TRUNCATE users CASCADE;
SELECT installs();
SELECT is(drift(), '{}', 'a product without users has no default workspace, and needs none');
SELECT is(steps(false), NULL, 'there is nothing to do');
SELECT is(:'described', schema_of(), 'and the schema is that of a product with users');
ROLLBACK TO nothing;
SELECT is(installs('{"guards": "none"}'), ARRAY['("create table",app.users,)', '("create table",app.workspaces,)', '("create table",app.workspace_members,)',
	'("create table",app.workspace_settings,)', '(skip,app.charts,"there is no such table; nothing to assign to a workspace")',
	'(skip,app.connections,"there is no such table; nothing to assign to a workspace")',
	'(skip,app.dashboards,"there is no such table; nothing to assign to a workspace")',
	'(skip,app.data_sources,"there is no such table; nothing to assign to a workspace")',
	'(skip,app.logs,"there is no such table; nothing to assign to a workspace")',
	'("create function","app.workspaces_new_slug(anyelement,text)",)'], 'an empty database gets the tables');
INSERT INTO users (username) VALUES ('first');
SELECT is(steps(false), ARRAY['personal 1 1', 'creator 1 1', 'settings 1 1', 'current 1 1'], 'the first user gets a workspace of their own');
SELECT is(members(), ARRAY['first-1 first admin'], 'as its admin');
SELECT is(installs('{"guards": "none"}'), ARRAY['(skip,app.charts,"there is no such table; nothing to assign to a workspace")',
	'(skip,app.connections,"there is no such table; nothing to assign to a workspace")',
	'(skip,app.dashboards,"there is no such table; nothing to assign to a workspace")',
	'(skip,app.data_sources,"there is no such table; nothing to assign to a workspace")',
	'(skip,app.logs,"there is no such table; nothing to assign to a workspace")'], 'a second installation changes nothing');

-- ---------------------------------------------------------------- users who come later

ROLLBACK TO nothing;
\ir ../../examples/workspaces/postgresql.sql
SAVEPOINT world;
SELECT installs('{"guards": "none"}');
SELECT steps(false);
INSERT INTO users (username, email, password_hash, role) VALUES ('new', 'new@example.com', 'x', 'admin'),
	('New', 'n2@example.com', 'x', 'admin'), ('日本', 'n3@example.com', 'x', 'admin'), ('x''; DROP TABLE users; --', 'n4@example.com', 'x', 'admin'),
	(repeat('w', 50), 'n5@example.com', 'x', 'admin'), ('', 'n6@example.com', 'x', 'admin'), ('$$@users@%s', 'n7@example.com', 'x', 'admin');
INSERT INTO workspaces (name, slug, created_by, created_at, updated_at) VALUES ('Mine', 'new-7', 1, now(), now());
SELECT is(steps(false), ARRAY['personal 7 7', 'creator 8 8', 'settings 8 8', 'current 7 7'], 'users who came without a guard are found');
SELECT is((SELECT array_agg(slug::text ORDER BY created_by) FROM workspaces WHERE created_by > 5),
	ARRAY['new-6', 'new-7-' || left(md5('new-7'), 8), 'user-8', 'x-drop-table-users-9', repeat('w', 50) || '-10', 'user-11', 'users-s-12'],
	'slugs are made of the name, and differ even where names do not, or somebody chose one before');
SELECT is((SELECT name::text FROM workspaces WHERE created_by = 9), 'x''; DROP TABLE users; --''s Workspace', 'the name is the user''s');
SELECT is(steps(false), NULL, 'once');
SELECT is((SELECT count(*) FROM workspace_members m JOIN workspaces w ON w.id = m.workspace_id WHERE w.slug = 'default'), 5::bigint,
	'none of them comes into the default workspace');
SELECT is(installs('{"guards": "none"}'), ARRAY['(differs,app.users,"INDEX (current_workspace_id) is missing")',
	'(differs,app.workspaces,"INDEX (created_by) is missing")'], 'installing again keeps who the existing users are');
SELECT is((SELECT options ->> 'existing_up_to' FROM reconcile.packs WHERE name = 'workspaces'), '5', 'they are those up to the highest id then');
SELECT reconcile.remove_pack('workspaces');
SELECT is((SELECT count(*) FROM reconcile.invariants) + (SELECT count(*) FROM pg_proc WHERE proname = 'workspaces_new_slug'), 0::bigint,
	'removed, the pack leaves no object');
SELECT is(array_length(members(), 1), 13, 'but the rows');
SELECT is((SELECT count(*) FROM reconcile.install_pack('workspaces', '{"schema": "app"}') WHERE action = 'create function'), 1::bigint, 'it can be installed again');
SELECT is((SELECT options ->> 'existing_up_to' FROM reconcile.packs WHERE name = 'workspaces'), '0', 'where nobody is without workspace there are no existing users');
SELECT is(drift(), '{}', 'and all is well');

-- ---------------------------------------------------------------- workspaces of their own

ROLLBACK TO world;
SELECT installs('{"mode": "personal"}');
SELECT is(steps(false), ARRAY['personal 5 5', 'creator 5 5', 'settings 5 5', 'current 5 5', 'of_charts 2 2', 'of_connections 1 1', 'of_dashboards 3 3',
	'of_data_sources 2 2', 'of_logs 2 2'], 'with mode personal everybody gets one');
SELECT is(members(), ARRAY['ada-2 ada admin', 'ed-3 ed admin', 'ina-4 ina admin', 'o-neil-5 O''Neil admin', 'vic-1 vic admin'], 'each as its admin');
SELECT is((SELECT array_agg(w.slug::text ORDER BY d.id) FROM data_sources d JOIN workspaces w ON w.id = d.workspace_id), '{ada-2,o-neil-5}',
	'a row with a parent is where its parent is, any other where its owner is');
SELECT is((SELECT array_agg((key ->> 'table_name', key ->> 'row_id', key ->> 'user_id')::text) FROM reconcile.findings('workspaces_stranger')), '{"(data_sources,1,1)"}',
	'an owner who is not a member there is reported');
SELECT is((SELECT array_agg((key ->> 'table_name', key ->> 'row_id', key ->> 'other_table', key ->> 'other_row')::text ORDER BY key::text)
           FROM reconcile.findings('workspaces_crossing')),
	'{"(charts,2,dashboards,1)"}', 'and rows of different workspaces that belong together');

-- ---------------------------------------------------------------- signing up, in one transaction
--
-- What a commit does is done here by SET CONSTRAINTS, so that each case can be rolled back.

ROLLBACK TO world;
SELECT is((SELECT array_agg(i::text) FROM reconcile.install_pack('workspaces', '{"schema": "app"}') AS i WHERE action ~ 'guard'),
	ARRAY['("create guard",workspaces_personal,"on failure block, at commit")', '("create guard",workspaces_creator,"on failure block, at commit")',
	'("create guard",workspaces_settings,"on failure block, at commit")', '("create guard",workspaces_current,"on failure block, at commit")'],
	'guards are made');
SELECT steps(false);
CREATE FUNCTION signed_up(who text) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(', ', (SELECT w.name::text FROM workspaces w WHERE w.id = u.current_workspace_id),
		(SELECT string_agg(w.slug || ' ' || m.role, ' + ' ORDER BY w.id) FROM workspace_members m JOIN workspaces w ON w.id = m.workspace_id WHERE m.user_id = u.id),
		(SELECT count(*) FROM workspace_settings s JOIN workspaces w ON w.id = s.workspace_id WHERE w.created_by = u.id) || ' settings')
	FROM users u WHERE username = who $$;
SAVEPOINT guarded;
INSERT INTO users (username, email, password_hash, role) VALUES ('zoe', 'zoe@example.com', 'x', 'admin');
SELECT is((SELECT count(*) FROM workspaces), 1::bigint, 'before the commit nothing is there');
SET CONSTRAINTS ALL IMMEDIATE;
SELECT is(signed_up('zoe'), 'zoe''s Workspace, ' || (SELECT slug FROM workspaces WHERE name ~ 'zoe') || ' admin, 1 settings', 'whoever signs up has a workspace, is its admin, has its settings, and works in it');
SELECT is(drift(), '{}', 'and nothing is missing');
ROLLBACK TO guarded;
-- As the application does: workspace, member, settings and current workspace one after the other.
INSERT INTO users (username, email, password_hash, role) VALUES ('zoe', 'zoe@example.com', 'x', 'admin');
INSERT INTO workspaces (name, slug, created_by, created_at, updated_at) SELECT 'Zoe''s own', 'zoe', id, now(), now() FROM users WHERE username = 'zoe';
INSERT INTO workspace_members (workspace_id, user_id, role, joined_at) SELECT id, created_by, 'admin', now() FROM workspaces WHERE slug = 'zoe';
INSERT INTO workspace_settings (workspace_id, max_dashboards) SELECT id, 5 FROM workspaces WHERE slug = 'zoe';
UPDATE users SET current_workspace_id = (SELECT id FROM workspaces WHERE slug = 'zoe') WHERE username = 'zoe';
SET CONSTRAINTS ALL IMMEDIATE;
SELECT is(signed_up('zoe'), 'Zoe''s own, zoe admin, 1 settings', 'an application that makes them itself meets no duplicate');
SELECT is((SELECT max_dashboards FROM workspace_settings s JOIN workspaces w ON w.id = s.workspace_id WHERE slug = 'zoe'), 5, 'and keeps its own values');
ROLLBACK TO guarded;
INSERT INTO users (username, email, password_hash, role) VALUES ('zoe', 'zoe@example.com', 'x', 'admin');
INSERT INTO workspace_members (workspace_id, user_id, role, joined_at) SELECT w.id, u.id, 'viewer', now() FROM users u, workspaces w WHERE username = 'zoe';
SET CONSTRAINTS ALL IMMEDIATE;
SELECT is(signed_up('zoe'), 'Default Workspace, default viewer, 0 settings', 'an invited user works where they were invited');
ROLLBACK TO guarded;
INSERT INTO users (username, email, password_hash, role) SELECT 'u' || n, n || '@example.com', 'x', 'admin' FROM generate_series(1, 50) AS n;
INSERT INTO users (username, email, password_hash, role) VALUES ('ada', 'again@example.com', 'x', 'admin') ON CONFLICT DO NOTHING;
SET CONSTRAINTS ALL IMMEDIATE;
SELECT is((SELECT count(*) FROM workspace_settings) + (SELECT count(DISTINCT current_workspace_id) FROM users), 102::bigint, 'fifty at once, and one who was there');
ROLLBACK TO guarded;
INSERT INTO workspaces (name, slug, created_by, created_at, updated_at) VALUES ('Second', 'second', 3, now(), now());
SET CONSTRAINTS ALL IMMEDIATE;
SELECT is((SELECT array_agg(m.role) FROM workspace_members m JOIN workspaces w ON w.id = m.workspace_id WHERE slug = 'second'), '{admin}', 'a workspace more has its admin');
SELECT is((SELECT w.slug::text FROM users u JOIN workspaces w ON w.id = u.current_workspace_id WHERE username = 'ed'), 'default', 'whoever works elsewhere goes on to');
ROLLBACK TO guarded;
ALTER TABLE workspace_settings ADD CONSTRAINT many CHECK (max_members > 100) NOT VALID;
INSERT INTO users (username, email, password_hash, role) VALUES ('zoe', 'zoe@example.com', 'x', 'admin');
SELECT throws_ok('SET CONSTRAINTS ALL IMMEDIATE', '23514', NULL, 'with block, a side effect that fails ends the signup');
ROLLBACK TO guarded;
SELECT is((SELECT array_agg(DISTINCT action) FROM reconcile.install_pack('workspaces', '{"schema": "app", "guards": "queue"}') WHERE action ~ 'guard'), '{alter guard}', 'guards may queue');
ALTER TABLE workspace_settings ADD CONSTRAINT many CHECK (max_members > 100) NOT VALID;
INSERT INTO users (username, email, password_hash, role) VALUES ('zoe', 'zoe@example.com', 'x', 'admin');
SET CONSTRAINTS ALL IMMEDIATE;
SELECT is(signed_up('zoe'), 'zoe''s Workspace, ' || (SELECT slug FROM workspaces WHERE name ~ 'zoe') || ' admin, 0 settings', 'then the user is there, and so is all that did not fail');
SELECT is((SELECT array_agg((invariant, sqlstate)::text) FROM reconcile.failures), '{"(workspaces_settings,23514)"}', 'and the failure is recorded');
ALTER TABLE workspace_settings DROP CONSTRAINT many;
SELECT is(steps(false), ARRAY['settings 1 1'], 'the next run mends it');
SELECT is((SELECT count(*) FROM reconcile.failures), 0::bigint, 'and forgets the failure');
SELECT is((SELECT array_agg(DISTINCT action) FROM reconcile.install_pack('workspaces', '{"schema": "app", "guards": "none"}') WHERE action ~ 'guard'), '{drop guard}', 'guards can go');
SET CONSTRAINTS ALL DEFERRED;

-- ---------------------------------------------------------------- rules that a person must mend

ROLLBACK TO world;
SELECT installs('{"guards": "none"}');
SELECT steps(false);
INSERT INTO workspaces (name, slug, created_by, created_at, updated_at) VALUES ('Ed''s', 'ed', 3, now(), now());
SELECT steps(false);
UPDATE users SET current_workspace_id = (SELECT id FROM workspaces WHERE slug = 'ed') WHERE username = 'vic';
SELECT is((SELECT array_agg(actual ->> 'username') FROM reconcile.findings('workspaces_not_a_member')), '{vic}', 'a current workspace that is not the user''s');
UPDATE connections SET workspace_id = (SELECT id FROM workspaces WHERE slug = 'ed');
SELECT is((SELECT array_agg((key ->> 'table_name', key ->> 'other_table')::text) FROM reconcile.findings('workspaces_crossing')), '{"(data_sources,connections)"}',
	'a child in another workspace than its parent');
SELECT is((SELECT array_agg((key ->> 'table_name', key ->> 'user_id')::text) FROM reconcile.findings('workspaces_stranger')), '{"(connections,2)"}',
	'an owner who is not a member');
ALTER TABLE dashboards ALTER created_by DROP NOT NULL;
UPDATE dashboards SET workspace_id = NULL, created_by = NULL WHERE title = 'Old';
SELECT is((SELECT array_agg((key ->> 'table_name', key ->> 'row_id')::text) FROM reconcile.findings('workspaces_unassigned')), '{"(dashboards,3)"}',
	'a row that nobody owns is counted, and not passed over');
SELECT is(steps(false), NULL, 'none of it is changed');
ALTER TABLE workspaces DROP CONSTRAINT uq_workspaces_slug;
INSERT INTO workspaces (name, slug, created_by, created_at, updated_at) VALUES ('Other', 'default', 2, now(), now());
SELECT is((SELECT (actual ->> 'slug', actual ->> 'names')::text FROM reconcile.findings('workspaces_duplicate_slug')), '(default,"[""Default Workspace"", ""Other""]")',
	'duplicate slugs are found with their workspaces');
SELECT raised('installing on duplicate slugs', 'SELECT installs(''{"guards": "none"}'')', '23505', '2 rows of app.workspaces have the same (slug)',
	'Find all: SELECT slug, count(*) FROM app.workspaces GROUP BY slug HAVING count(*) > 1; then change all but one of each.',
	'They are ["default"]. The pack needs a unique index there.');
UPDATE workspaces SET slug = 'default-' || id WHERE name = 'Other';
SAVEPOINT twice;
ALTER TABLE workspace_settings DROP CONSTRAINT workspace_settings_workspace_id_key;
INSERT INTO workspace_settings (workspace_id) SELECT id FROM workspaces WHERE slug = 'default';
SELECT raised('installing on two rows of settings of one workspace', 'SELECT installs(''{"guards": "none"}'')', '23505',
	'2 rows of app.workspace_settings have the same (workspace_id)');
ROLLBACK TO twice;
SELECT is((SELECT array_agg(i) FROM unnest(installs('{"guards": "none"}')) AS i WHERE i ~ 'add'), ARRAY['("add constraint",app.workspaces,"UNIQUE (slug)")'],
	'once they differ the index is made');

-- ---------------------------------------------------------------- before migration 001, with other names

ROLLBACK TO nothing;
CREATE SCHEMA "My App";
CREATE TABLE "My App".people ("person id" uuid PRIMARY KEY DEFAULT gen_random_uuid(), nick text NOT NULL);
CREATE TABLE "My App".boards (id bigint PRIMARY KEY, parent bigint REFERENCES "My App".boards, owner uuid REFERENCES "My App".people);
CREATE TABLE "My App".pins (board bigint REFERENCES "My App".boards, n integer, PRIMARY KEY (board, n));
CREATE TABLE "My App".nothing_to_hold_on_to (board bigint REFERENCES "My App".boards);
INSERT INTO "My App".people VALUES ('00000000-0000-0000-0000-000000000001', 'ann'), ('00000000-0000-0000-0000-000000000002', 'x''; --');
INSERT INTO "My App".boards VALUES (1, NULL, '00000000-0000-0000-0000-000000000001'), (2, 1, NULL), (3, NULL, NULL);
INSERT INTO "My App".pins VALUES (1, 1), (2, 1), (2, 2);
\set names '"schema": "My App", "tables": {"users": "people", "workspaces": "rooms"}, "columns": {"users": {"id": "person id", "username": "nick", "current_workspace_id": "room"}, "workspaces": {"slug": "link"}}, "owned_column": "room of", "owned": {"boards": [["owner"], ["parent", "owner"]], "pins": ["board", "owner"]}, "guards": "none"'
SELECT raised('the default workspace of users without numbers', format('SELECT installs(%L)', '{' || :'names' || '}'), '0A000',
	'mode "default" of pack "workspaces" needs users whose id is a number', 'Use "mode": "personal".');
SELECT is((SELECT array_agg(i) FROM unnest(installs(('{' || :'names' || ', "mode": "personal"}')::jsonb)) AS i WHERE i ~ 'add|create'), ARRAY[
	'("add column","""My App"".people.room",integer)', '("create table","""My App"".rooms",)', '("create table","""My App"".workspace_members",)',
	'("create table","""My App"".workspace_settings",)',
	'("add constraint","""My App"".people","INDEX (room)")',
	'("add constraint","""My App"".people","FOREIGN KEY (room) REFERENCES ""My App"".rooms ON DELETE SET NULL")',
	'("add column","""My App"".boards.""room of""","integer REFERENCES ""My App"".rooms ON DELETE CASCADE")',
	'("add column","""My App"".pins.""room of""","integer REFERENCES ""My App"".rooms ON DELETE CASCADE")',
	'("create function","""My App"".workspaces_new_slug(anyelement,text)",)'], 'what is missing is added, by the names and types that are there');
SELECT is(steps(false), ARRAY['personal 2 2', 'creator 2 2', 'settings 2 2', 'current 2 2', 'of_boards 2 2', 'of_pins 3 3'], 'any chain leads to the workspace');
SELECT is((SELECT array_agg(p.board || '.' || p.n || ' ' || r.link ORDER BY p.board, p.n) FROM "My App".pins p JOIN "My App".rooms r ON r.id = p."room of"),
	(SELECT array_agg(p || ' ann-00000000-0000-0000-0000-000000000001') FROM unnest('{1.1,2.1,2.2}'::text[]) AS p), 'over the parent''s own');
SELECT is((SELECT array_agg(key ->> 'row_id') FROM reconcile.findings('workspaces_unassigned')), '{3}', 'a chain that ends nowhere is reported');
SELECT is(steps(false), NULL, 'once');

-- ---------------------------------------------------------------- refused

SELECT raised(options, format('SELECT * FROM reconcile.install_pack(''workspaces'', %L)', '{' || :'names' || ', "mode": "personal", ' || options || '}'), code, message, hint)
FROM (VALUES
	('"mode": "shared"', '22023', 'option "mode" of pack "workspaces" must not be "shared"', 'Valid values: default, personal.'),
	('"member_role": "owner"', '22023', 'option "member_role" of pack "workspaces" must not be "owner"', 'Valid values: admin, keep.'),
	('"existing_up_to": "all"', '22023', 'option "existing_up_to" of pack "workspaces" must be the id of a user, not "all"', NULL),
	('"owned": {"boards": []}', '22023', '"boards" in option "owned" of pack "workspaces" must be a list of columns, or of such lists', NULL),
	('"owned": {"boards": [["owner"], 1]}', '22023', '"boards" in option "owned" of pack "workspaces" must be a list of columns, or of such lists', NULL),
	('"owned": {"boards": ["ownr"]}', '42704', 'column "ownr" of "My App".boards is not a foreign key', 'Did you mean "owner"?'),
	('"owned": {"nothing_to_hold_on_to": ["board"]}', '55000', '"My App".nothing_to_hold_on_to has no primary key', NULL),
	('"columns": {"users": {"nick": "x"}}', '22023', 'option "columns" of pack "workspaces" has no name "nick"', NULL)
) AS v(options, code, message, hint);

SELECT * FROM finish();
ROLLBACK;
