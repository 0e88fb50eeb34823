-- Which queries can be guarded: those to which new rows only add. Every other is refused with the clause and a way out.
\ir ../support/invariant.sql
SELECT no_plan();

CREATE TABLE users (id integer PRIMARY KEY, name text, boss integer, data jsonb);
CREATE TABLE roles (user_id integer NOT NULL, role text NOT NULL, note text, PRIMARY KEY (user_id, role));
CREATE TABLE kinds (role text PRIMARY KEY, active boolean);
CREATE VIEW named_users AS SELECT id, name FROM users WHERE name IS NOT NULL;
CREATE VIEW last_user AS SELECT max(id) AS id FROM users;
CREATE MATERIALIZED VIEW kept_users AS SELECT id FROM users;
CREATE FOREIGN DATA WRAPPER nothing;
CREATE SERVER nowhere FOREIGN DATA WRAPPER nothing;
CREATE FOREIGN TABLE elsewhere (id integer) SERVER nowhere;
CREATE FUNCTION of_user(users) RETURNS text LANGUAGE sql RETURN 'x';

-- guarded makes an invariant of roles by (user_id, role) and guards it.
CREATE FUNCTION guarded(expects text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	said text;
	hinted text;
	made text;
BEGIN
	PERFORM reconcile.create_invariant('i', 'roles', '{user_id,role}', expects);
	SELECT string_agg(format('%s: %s', g.watched, g.events), ', ' ORDER BY g.watched::text, g.events) INTO made FROM reconcile.guard('i') AS g;
	RAISE SQLSTATE 'ZZ000' USING MESSAGE = made;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS said = PG_EXCEPTION_DETAIL, hinted = PG_EXCEPTION_HINT;
	RETURN CASE SQLSTATE WHEN 'ZZ000' THEN SQLERRM
		WHEN 'RC006' THEN said || CASE hinted WHEN '' THEN ' (no hint)' ELSE '' END
		ELSE SQLSTATE || ' ' || SQLERRM END;
END $$;

SELECT is(guarded(query), wanted, what) FROM (VALUES
	-- new rows only add
	('a filter', 'SELECT id AS user_id, ''member'' AS role FROM users WHERE name IS NOT NULL',
		'users: INSERT, users: UPDATE OF id, name'),
	('a join', 'SELECT u.id AS user_id, k.role FROM users u JOIN kinds k ON k.active',
		'kinds: INSERT, kinds: UPDATE OF role, active, users: INSERT, users: UPDATE OF id'),
	('CROSS JOIN, also of values', 'SELECT u.id AS user_id, r AS role FROM users u, unnest(ARRAY[''a'', ''b'']) r',
		'users: INSERT, users: UPDATE OF id'),
	('a view', 'SELECT id AS user_id, ''member'' AS role FROM named_users', 'users: INSERT, users: UPDATE OF id, name'),
	('WITH', 'WITH n AS (SELECT id FROM users WHERE name <> '''') SELECT id AS user_id, ''member'' AS role FROM n',
		'users: INSERT, users: UPDATE OF id, name'),
	('a subquery with DISTINCT', 'SELECT b.boss AS user_id, ''boss'' AS role FROM (SELECT DISTINCT boss FROM users) b',
		'users: INSERT, users: UPDATE OF boss'),
	('DISTINCT', 'SELECT DISTINCT boss AS user_id, ''boss'' AS role FROM users', 'users: INSERT, users: UPDATE OF boss'),
	('DISTINCT ON the key', 'SELECT DISTINCT ON (boss, name) boss AS user_id, name AS role, data::text AS note FROM users ORDER BY boss, name, id',
		'users: INSERT, users: UPDATE OF id, name, boss, data'),
	('EXISTS', 'SELECT id AS user_id, ''member'' AS role FROM users u WHERE EXISTS (SELECT FROM kinds k WHERE k.role = u.name)',
		'kinds: INSERT, kinds: UPDATE OF role, users: INSERT, users: UPDATE OF id, name'),
	('IN and OR', 'SELECT id AS user_id, ''member'' AS role FROM users u WHERE u.name = ''x'' OR u.name IN (SELECT role FROM kinds)',
		'kinds: INSERT, kinds: UPDATE OF role, users: INSERT, users: UPDATE OF id, name'),
	('NOT without a table', 'SELECT id AS user_id, ''member'' AS role FROM users u WHERE NOT (u.name IN (''a'', ''b''))',
		'users: INSERT, users: UPDATE OF id, name'),
	('a looked-up value outside of the key',
		'SELECT id AS user_id, ''member'' AS role, (SELECT max(k.role) FROM kinds k) AS note FROM users', 'users: INSERT, users: UPDATE OF id'),
	('a whole row as jsonb', 'SELECT id AS user_id, to_jsonb(u) ->> ''name'' AS role FROM users u',
		'users: INSERT, users: UPDATE OF id, name, boss, data'),
	('a table that only says which row of a key is kept',
		'SELECT DISTINCT ON (u.boss, u.name) u.boss AS user_id, u.name AS role FROM users u LEFT JOIN kinds k ON k.role = u.name ORDER BY u.boss, u.name, k.active',
		'users: INSERT, users: UPDATE OF name, boss'),
	('or gives a value outside of the key',
		'SELECT DISTINCT ON (u.boss, u.name) u.boss AS user_id, u.name AS role, k.active::text AS note FROM users u LEFT JOIN kinds k ON k.role = u.name',
		'users: INSERT, users: UPDATE OF name, boss'),
	('a value looked up in a table that says which row is kept',
		'SELECT DISTINCT ON (u.boss, u.name) u.boss AS user_id, u.name AS role, (SELECT count(x.role) FROM kinds x)::text AS note FROM users u LEFT JOIN kinds k ON k.role = u.name ORDER BY u.boss, u.name, k.active',
		'users: INSERT, users: UPDATE OF name, boss'),
	('the nullable side of nothing', 'SELECT u.id AS user_id, v.r AS role FROM users u LEFT JOIN (VALUES (1, ''a'')) AS v (n, r) ON v.n = u.boss',
		'users: INSERT, users: UPDATE OF id, boss'),
	('no column that an UPDATE could change', 'SELECT 1 AS user_id, ''member'' AS role FROM users', 'users: INSERT'),
	('the target itself', 'SELECT r.user_id, ''reader'' AS role FROM roles r WHERE r.role = ''writer''',
		'roles: INSERT, roles: UPDATE OF user_id, role'),
	('a function of the row type', 'SELECT id AS user_id, of_user(u) AS role FROM users u',
		'users: INSERT, users: UPDATE OF id, name, boss, data'),
	-- new rows do not tell
	('an aggregate', 'SELECT max(id) AS user_id, ''last'' AS role FROM users',
		'It reads app.users under an aggregate, where new rows alone do not tell what is expected.'),
	('an aggregate in a view', 'SELECT id AS user_id, ''last'' AS role FROM last_user',
		'It reads app.users under an aggregate, where new rows alone do not tell what is expected.'),
	('GROUP BY', 'SELECT boss AS user_id, ''boss'' AS role FROM users GROUP BY boss',
		'It reads app.users under GROUP BY, where new rows alone do not tell what is expected.'),
	('a window function', 'SELECT id AS user_id, (row_number() OVER ())::text AS role FROM users',
		'It reads app.users under a window function, where new rows alone do not tell what is expected.'),
	('LIMIT', 'SELECT id AS user_id, ''first'' AS role FROM users ORDER BY id LIMIT 1',
		'It reads app.users under LIMIT or OFFSET, where new rows alone do not tell what is expected.'),
	('one that also filters',
		'SELECT DISTINCT ON (u.boss, u.name) u.boss AS user_id, u.name AS role FROM users u LEFT JOIN kinds k ON k.role = u.name WHERE k.active IS NOT TRUE',
		'It reads app.kinds on the nullable side of an outer join, where new rows alone do not tell what is expected.'),
	('one that gives a part of the key',
		'SELECT DISTINCT ON (u.boss, k.role) u.boss AS user_id, k.role FROM users u LEFT JOIN kinds k ON k.role = u.name',
		'It reads app.kinds on the nullable side of an outer join, where new rows alone do not tell what is expected.'),
	('one by which rows are distinct',
		'SELECT DISTINCT ON (u.boss, u.name, k.active) u.boss AS user_id, u.name AS role FROM users u LEFT JOIN kinds k ON k.role = u.name',
		'It reads app.kinds on the nullable side of an outer join, where new rows alone do not tell what is expected.'),
	('one that another join reads',
		'SELECT DISTINCT ON (u.boss, u.name) u.boss AS user_id, u.name AS role FROM users u LEFT JOIN kinds k ON k.role = u.name JOIN named_users n ON n.name = k.role',
		'It reads app.kinds on the nullable side of an outer join, where new rows alone do not tell what is expected.'),
	('one that a subquery reads',
		'SELECT DISTINCT ON (u.boss, u.name) u.boss AS user_id, u.name AS role FROM users u LEFT JOIN kinds k ON k.role = u.name WHERE EXISTS (SELECT FROM generate_series(1, 2) n WHERE k.active)',
		'It reads app.kinds on the nullable side of an outer join, where new rows alone do not tell what is expected.'),
	('one that is read besides',
		'SELECT DISTINCT ON (u.boss, u.name) u.boss AS user_id, u.name AS role FROM users u LEFT JOIN kinds k ON k.role = u.name WHERE EXISTS (SELECT FROM kinds x WHERE x.role = u.name)',
		'It reads app.kinds more than once.'),
	('one that says how many rows there are of a key',
		'SELECT DISTINCT ON (u.boss, u.name) u.boss AS user_id, u.name AS role, unnest(ARRAY[k.role]) AS note FROM users u LEFT JOIN kinds k ON k.role = u.name',
		'It reads app.kinds on the nullable side of an outer join, where new rows alone do not tell what is expected.'),
	('or does so in ORDER BY',
		'SELECT DISTINCT ON (u.boss, u.name) u.boss AS user_id, u.name AS role FROM users u LEFT JOIN kinds k ON k.role = u.name ORDER BY u.boss, u.name, unnest(ARRAY[k.role])',
		'It reads app.kinds on the nullable side of an outer join, where new rows alone do not tell what is expected.'),
	('a subquery that says how many rows there are',
		'SELECT id AS user_id, ''member'' AS role, unnest((SELECT array_agg(k.role) FROM kinds k)) AS note FROM users',
		'It reads app.kinds in a subquery in the select list, where new rows alone do not tell what is expected.'),
	('the nullable side of an outer join', 'SELECT u.id AS user_id, coalesce(k.role, ''x'') AS role FROM users u LEFT JOIN kinds k ON k.role = u.name',
		'It reads app.kinds on the nullable side of an outer join, where new rows alone do not tell what is expected.'),
	('the other side of a right join', 'SELECT u.id AS user_id, coalesce(k.role, ''x'') AS role FROM kinds k RIGHT JOIN users u ON k.role = u.name',
		'It reads app.kinds on the nullable side of an outer join, where new rows alone do not tell what is expected.'),
	('UNION', 'SELECT id AS user_id, ''a'' AS role FROM users UNION ALL SELECT boss, ''b'' FROM users',
		'It reads app.users in a set operation, where new rows alone do not tell what is expected.'),
	('NOT EXISTS', 'SELECT id AS user_id, ''a'' AS role FROM users u WHERE NOT EXISTS (SELECT FROM kinds k WHERE k.role = u.name)',
		'It reads app.kinds under NOT, as in NOT EXISTS or NOT IN, where new rows alone do not tell what is expected.'),
	('NOT EXISTS of the target', 'SELECT id AS user_id, ''a'' AS role FROM users u WHERE NOT EXISTS (SELECT FROM roles r WHERE r.user_id = u.id)',
		'It reads app.roles under NOT, as in NOT EXISTS or NOT IN, where new rows alone do not tell what is expected.'),
	('a value in a condition', 'SELECT id AS user_id, ''a'' AS role FROM users u WHERE u.name = (SELECT max(k.role) FROM kinds k)',
		'It reads app.kinds in a subquery whose value a condition uses, where new rows alone do not tell what is expected.'),
	('EXISTS under a function', 'SELECT id AS user_id, ''a'' AS role FROM users u WHERE coalesce(EXISTS (SELECT FROM kinds), false)',
		'It reads app.kinds in a subquery whose value a condition uses, where new rows alone do not tell what is expected.'),
	('a looked-up part of the key', 'SELECT id AS user_id, (SELECT k.role FROM kinds k WHERE k.role = u.name) AS role FROM users u',
		'It reads app.kinds in a subquery in the select list, where new rows alone do not tell what is expected.'),
	('DISTINCT ON something else', 'SELECT DISTINCT ON (boss) boss AS user_id, name AS role FROM users ORDER BY boss, id',
		'It reads app.users under DISTINCT ON other columns than the key, where new rows alone do not tell what is expected.'),
	('WITH RECURSIVE', 'WITH RECURSIVE up AS (SELECT id, boss FROM users UNION SELECT u.id, up.boss FROM up JOIN users u ON u.boss = up.id)
		SELECT id AS user_id, ''a'' AS role FROM up', 'It reads app.users in WITH RECURSIVE, where new rows alone do not tell what is expected.'),
	('TABLESAMPLE', 'SELECT id AS user_id, ''a'' AS role FROM users TABLESAMPLE bernoulli (50)',
		'It reads app.users through TABLESAMPLE, where new rows alone do not tell what is expected.'),
	('ONLY', 'SELECT id AS user_id, ''a'' AS role FROM ONLY users',
		'It reads app.users with ONLY, where new rows alone do not tell what is expected.'),
	('a self-join', 'SELECT u.id AS user_id, b.name AS role FROM users u JOIN users b ON b.id = u.boss', 'It reads app.users more than once.'),
	('a value looked up in the table itself',
		'SELECT u.id AS user_id, ''a'' AS role, (SELECT count(*) FROM users o WHERE o.boss = u.boss)::text AS note FROM users u',
		'It reads app.users more than once.'),
	('or through a view, in an order',
		'SELECT DISTINCT ON (u.boss, u.name) u.boss AS user_id, u.name AS role FROM users u ORDER BY u.boss, u.name, (SELECT count(*) FROM named_users n WHERE n.id = u.id)',
		'It reads app.users more than once.'),
	('or through WITH', 'WITH n AS (SELECT id FROM users) SELECT id AS user_id, ''a'' AS role, (SELECT count(*) FROM n)::text AS note FROM users',
		'It reads app.users more than once.'),
	('WITH read twice', 'WITH n AS (SELECT id, name FROM users) SELECT a.id AS user_id, b.name AS role FROM n a, n b',
		'It reads app.users more than once.'),
	('no table', 'SELECT 1 AS user_id, ''a'' AS role', 'It reads no table.'),
	('a catalog', 'SELECT oid::integer AS user_id, relname::text AS role FROM pg_class', 'It reads pg_catalog.pg_class, a system catalog.'),
	('a materialized view', 'SELECT id AS user_id, ''a'' AS role FROM kept_users', 'It reads app.kept_users, which is not a table.'),
	('a system column', 'SELECT id AS user_id, ctid::text AS role FROM users', 'It reads a system column of app.users.')
) AS cases (what, query, wanted);

-- A column that is computed when a stored row is read, which PostgreSQL has from 18 on.
SELECT current_setting('server_version_num')::integer >= 180000 AS has_virtual_columns \gset
\if :has_virtual_columns
CREATE TABLE computed (id integer PRIMARY KEY, n integer, next integer GENERATED ALWAYS AS (n + 1) VIRTUAL);
CREATE VIEW computed_rows AS SELECT id, next FROM computed;
SELECT is(guarded(query), wanted, what) FROM (VALUES
	('a virtual column', 'SELECT id AS user_id, next::text AS role FROM computed',
		'It reads a virtual generated column of app.computed, which new rows do not have.'),
	('or through a view', 'SELECT id AS user_id, ''a'' AS role FROM computed_rows WHERE next > 1',
		'It reads a virtual generated column of app.computed, which new rows do not have.'),
	('or in the whole row', 'SELECT id AS user_id, to_jsonb(c) ->> ''next'' AS role FROM computed c',
		'It reads a virtual generated column of app.computed, which new rows do not have.'),
	('what it is computed of', 'SELECT id AS user_id, (n + 1)::text AS role FROM computed', 'computed: INSERT, computed: UPDATE OF id, n')
) AS cases (what, query, wanted);
\endif

-- A fill of any value that is not NULL is due for the same rows whichever row is kept.
CREATE TABLE homes (user_id integer, home integer NOT NULL, perhaps integer);
CREATE FUNCTION guarded_fill(value text, compare text[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	said text;
BEGIN
	PERFORM reconcile.create_invariant('f', 'users', '{id}', format('SELECT DISTINCT ON (h.user_id) h.user_id AS id, h.%s AS boss
		FROM homes h LEFT JOIN kinds k ON k.role = h.user_id::text ORDER BY h.user_id, k.active', value), kind => 'fill', compare => compare);
	SELECT string_agg(format('%s: %s', g.watched, g.events), ', ' ORDER BY g.watched::text, g.events) INTO said FROM reconcile.guard('f') AS g;
	PERFORM reconcile.drop_invariant('f');
	RETURN said;
EXCEPTION WHEN SQLSTATE 'RC006' THEN
	GET STACKED DIAGNOSTICS said = PG_EXCEPTION_DETAIL;
	RETURN said;
END $$;
SELECT is(guarded_fill(value, compare), wanted, what) FROM (VALUES
	('a value that is never NULL', 'home', '{}'::text[],
		'homes: INSERT, homes: UPDATE OF user_id, home, users: INSERT, users: UPDATE OF id, boss'),
	('a value that may be NULL', 'perhaps', '{}',
		'It reads app.kinds on the nullable side of an outer join, where new rows alone do not tell what is expected.'),
	('a value that must be this one', 'home', '{boss}',
		'It reads app.kinds on the nullable side of an outer join, where new rows alone do not tell what is expected.'))
	AS f(what, value, compare, wanted);
CREATE TABLE cottages () INHERITS (homes);
SELECT is(guarded_fill('home', '{}'), 'It reads app.kinds on the nullable side of an outer join, where new rows alone do not tell what is expected.',
	'a value that may be NULL in a table that inherits, which need not refuse what the other refuses');
DROP TABLE cottages;

SELECT reconcile.create_invariant('bad', NULL, '{id}', 'SELECT id FROM users WHERE name IS NULL', kind => 'check');
SELECT raised('a check', $$SELECT reconcile.guard('bad')$$, '0A000', 'invariant "bad" is a check, and is never repaired');
SELECT raised('an unknown invariant', $$SELECT reconcile.guard('baad')$$, '42704', 'invariant "baad" does not exist', 'Did you mean "bad"?');
SELECT reconcile.create_invariant('good', 'roles', '{user_id,role}', 'SELECT id AS user_id, ''member'' AS role FROM users');
SELECT raised(format('%s => NULL', argument), format('SELECT reconcile.guard(''good'', %s => NULL)', argument), '22004',
	format('argument "%s" must not be null', argument))
FROM unnest('{on_failure,timing,enable,on_delete}'::text[]) AS argument;
SELECT raised('another policy', $$SELECT reconcile.guard('good', on_failure => 'ignore')$$, '22023',
	'invalid value for argument "on_failure": "ignore"', 'Valid values are "block", "queue".');
SELECT raised('unguard of what is not guarded', $$SELECT reconcile.unguard('good')$$, '42704', 'invariant "good" has no guard');
SELECT raised('the trigger function called by hand', 'SELECT reconcile.fire_guard()', '39P01',
	'this function is called by the triggers of guards only');
SELECT raised(name || ' by hand', format('SELECT reconcile.%I()', name), '39P01', 'this function is called by the triggers of guards only')
FROM unnest('{settle_guard,settle_notes}'::text[]) AS name;
SELECT is(has_function_privilege('public', format('reconcile.%I()', name), 'EXECUTE'), false, name || ' is for nobody else''s triggers')
FROM unnest('{settle_guard,settle_notes}'::text[]) AS name;
CREATE TABLE own (keys jsonb[]);
CREATE TRIGGER settle AFTER INSERT ON own FOR EACH ROW EXECUTE FUNCTION reconcile.settle_guard();
SELECT raised('a trigger of a table of one''s own', 'INSERT INTO own DEFAULT VALUES', '39P01',
	'this function is called by the triggers of guards only');
CREATE OR REPLACE TRIGGER settle AFTER INSERT ON own FOR EACH ROW EXECUTE FUNCTION reconcile.settle_notes();
SELECT raised('another trigger of it', 'INSERT INTO own DEFAULT VALUES', '39P01',
	'this function is called by the triggers of guards only');

SELECT * FROM finish();
ROLLBACK;
