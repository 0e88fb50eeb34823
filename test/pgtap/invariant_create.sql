-- create_invariant() and drop_invariant(): what is refused, with SQLSTATE, message and hint; names; kinds of target.
\ir ../support/invariant.sql
SELECT no_plan();

CREATE TABLE users (id integer PRIMARY KEY, name text, customer_id integer);
INSERT INTO users VALUES (1, 'ada', 10), (2, 'bob', NULL);
CREATE TABLE preferences (user_id integer PRIMARY KEY, customer_id integer NOT NULL, theme text DEFAULT 'light', doc json,
                          made bigint GENERATED ALWAYS AS IDENTITY, twice integer GENERATED ALWAYS AS (user_id * 2) STORED);

-- ---------------------------------------------------------------- the query

-- refused calls create_invariant for table preferences.
CREATE FUNCTION refused(what text, expects text, code text, message text, hint text DEFAULT NULL, key text DEFAULT '{user_id}',
                        rest text DEFAULT '') RETURNS text LANGUAGE sql AS $$
	SELECT raised(what, format('SELECT reconcile.create_invariant(%L, %L, %L, %L%s)', 'i', 'preferences', key, expects, rest),
	              code, message, hint)
$$;
SELECT refused(what, expects, code, message, hint)
FROM (VALUES
	('two statements', 'SELECT 1 AS user_id; DROP TABLE users', '42601',
	 'the query of an invariant must be exactly one statement, not 2', 'Give a single SELECT that yields the expected rows.'),
	('no statement', '', '42601', 'the query of an invariant must be exactly one statement, not 0',
	 'Give a single SELECT that yields the expected rows.'),
	('only a comment', '-- nothing', '42601', 'the query of an invariant must be exactly one statement, not 0', NULL),
	('an unterminated string', 'SELECT ''x', '42601', 'unterminated quoted string at or near "''x"', NULL),
	('a syntax error', 'SELECT FROM FROM', '42601', 'syntax error at or near "FROM"', NULL),
	('INSERT', 'INSERT INTO users VALUES (3) RETURNING id AS user_id', '42601', 'the query of an invariant must be a SELECT',
	 'Give a single SELECT that yields the expected rows.'),
	('DELETE', 'DELETE FROM users', '42601', 'the query of an invariant must be a SELECT', NULL),
	('VALUES', 'VALUES (1)', '42601', 'the query of an invariant must be a SELECT', NULL),
	('EXPLAIN', 'EXPLAIN ANALYZE DELETE FROM users', '42601', 'the query of an invariant must be a SELECT', NULL),
	('DO', 'DO $do$ BEGIN DELETE FROM users; END $do$', '42601', 'the query of an invariant must be a SELECT', NULL),
	('COPY', 'COPY users TO PROGRAM ''true''', '42601', 'the query of an invariant must be a SELECT', NULL),
	('SELECT INTO', 'SELECT 1 AS user_id, 2 AS customer_id INTO t', '0A000', 'the query of an invariant must not have INTO',
	 'Leave it out: the rows go into the invariant''s target.'),
	('a WITH that writes', 'WITH w AS (DELETE FROM users RETURNING id) SELECT id AS user_id, 1 AS customer_id FROM w', '0A000',
	 'the query of an invariant must not have a data-modifying WITH', 'An invariant only reads; let a repair do the writing.'),
	('FOR UPDATE', 'SELECT id AS user_id, 1 AS customer_id FROM users FOR UPDATE', '0A000',
	 'the query of an invariant must not have a locking clause', 'Leave out FOR UPDATE or FOR SHARE.'),
	('FOR SHARE within', 'SELECT * FROM (SELECT id AS user_id, 1 AS customer_id FROM users FOR SHARE) AS s', '0A000',
	 'the query of an invariant must not have a locking clause', NULL),
	('FOR UPDATE in a WITH', 'WITH w AS (SELECT id FROM users FOR UPDATE) SELECT id AS user_id, 1 AS customer_id FROM w', '0A000',
	 'the query of an invariant must not have a locking clause', NULL),
	('a parameter', 'SELECT $1 AS user_id, 1 AS customer_id', '42P02', 'there is no parameter $1', NULL),
	('no column', 'SELECT FROM users', '42601', 'the query of an invariant yields no column',
	 'Let it yield columns of app.preferences, those of the key among them.'),
	('an unknown table', 'SELECT 1 AS user_id, 1 AS customer_id FROM nowhere', '42P01', 'relation "nowhere" does not exist', NULL),
	('an unknown column', 'SELECT u.idd AS user_id FROM users u', '42703', 'column u.idd does not exist',
	 'Perhaps you meant to reference the column "u.id".'),
	('a column that the target lacks', 'SELECT 1 AS user_id, 2 AS custom_id', '42703',
	 'column "custom_id" of the query is not a column of app.preferences', 'Did you mean "customer_id"?'),
	('a column without a name', 'SELECT 1 AS user_id, 2', '42703',
	 'column "?column?" of the query is not a column of app.preferences', NULL),
	('a column twice', 'SELECT 1 AS user_id, 2 AS customer_id, 3 AS user_id', '42701',
	 'the query yields column "user_id" more than once', 'Leave one of them out, or name it after another column.'),
	('a generated column', 'SELECT 1 AS user_id, 2 AS customer_id, 3 AS twice', '428C9',
	 'column "twice" of app.preferences is a generated column', 'Leave it out of the query: the table computes it.'),
	('an identity column', 'SELECT 1 AS user_id, 2 AS customer_id, 3 AS made', '428C9',
	 'column "made" of app.preferences is an identity column, generated always',
	 'Leave it out of the query: the table numbers its rows.'),
	('another type', 'SELECT ''x''::text AS user_id, 2 AS customer_id', '42804',
	 'column "user_id" of the query is of type text but the column of app.preferences is of type integer',
	 'Cast it in the query: (...)::integer.'),
	('a column that must be given', 'SELECT 1 AS user_id', '23502',
	 'column "customer_id" of app.preferences is not null, has no default and is not yielded by the query',
	 'Add the column to the query, or give it a default.')
) AS t(what, expects, code, message, hint);
SELECT is((SELECT count(*) FROM users), 2::bigint, 'no refused query ran');
SELECT is_empty('TABLE reconcile.invariants', 'nothing was stored');

-- ---------------------------------------------------------------- arguments

SELECT refused(what, expects, code, message, hint, key, rest)
FROM (SELECT 'SELECT id AS user_id, 1 AS customer_id, ''{}''::json AS doc FROM users') AS q(expects), (VALUES
	('a key column that the query lacks', '42703', 'key column "userid" is not a column of the query', 'Did you mean "user_id"?',
	 '{userid}', ''),
	('a key column that only the target has', '42703', 'key column "theme" is not a column of the query',
	 'Let the query yield it: app.preferences has a column of that name.', '{theme}', ''),
	('a key column that nobody has', '42703', 'key column "nowhere" is not a column of the query',
	 'Valid names are "customer_id", "doc", "user_id".', '{nowhere}', ''),
	('a key column twice', '42701', 'key column "user_id" is given more than once', 'Name each column once.', '{user_id,user_id}', ''),
	('a key of type json', '42883', 'key column "doc" is of type json, which has no equality',
	 'Leave it out: values of this type cannot be compared.', '{doc}', ''),
	('an empty key', '22023', 'argument "key" must name at least one column',
	 'Name the columns by which an expected row is found in the target.', '{}', ''),
	('a NULL in the key', '22023', 'argument "key" must be a one-dimensional array without nulls', NULL, '{user_id,NULL}', ''),
	('a key of two dimensions', '22023', 'argument "key" must be a one-dimensional array without nulls', NULL,
	 '{{user_id,customer_id},{a,b}}', ''),
	('a compared column that the query lacks', '42703', 'compare column "theme" is not a column of the query', NULL,
	 '{user_id}', ', compare => ''{theme}'''),
	('a compared column of type json', '42883', 'compare column "doc" is of type json, which has no equality', NULL,
	 '{user_id}', ', compare => ''{doc}'''),
	('a compared column twice', '42701', 'compare column "customer_id" is given more than once', NULL,
	 '{user_id}', ', compare => ''{customer_id,customer_id}'''),
	('an unknown kind', '22023', 'invalid value for argument "kind": "upsert"', 'Valid values are "insert", "fill", "check".',
	 '{user_id}', ', kind => ''upsert'''),
	('an unknown severity', '22023', 'invalid value for argument "severity": "Error"',
	 'Valid values are "error", "warning", "notice".', '{user_id}', ', severity => ''Error'''),
	('where_absent with a syntax error', '42601', 'syntax error at end of input', NULL, '{user_id}', ', where_absent => ''IS'''),
	('where_absent with two conditions', '42601', 'where_absent must be a condition, as after WHERE', NULL, '{user_id}',
	 ', where_absent => ''true, false'''),
	('where_absent that is every column', '42601', 'where_absent must be a condition, as after WHERE', NULL, '{user_id}',
	 ', where_absent => ''*'''),
	('where_absent with FROM', '42601', 'where_absent must be a condition, as after WHERE', NULL, '{user_id}',
	 ', where_absent => ''true FROM users'''),
	('where_absent that ends the statement', '42601', 'syntax error at or near ";"', NULL, '{user_id}',
	 ', where_absent => ''true; DROP TABLE users'''),
	('where_absent that is no condition', '42804', 'argument of where_absent must be type boolean, not type integer', NULL,
	 '{user_id}', ', where_absent => ''user_id'''),
	('where_absent with an unknown column', '42703', 'column "deleted" does not exist', NULL, '{user_id}',
	 ', where_absent => ''deleted'''),
	('where_absent with an aggregate', '42803', 'aggregate functions are not allowed in WHERE', NULL, '{user_id}',
	 ', where_absent => ''count(*) > 1'''),
	('where_absent with a parameter', '42P02', 'there is no parameter $1', NULL, '{user_id}', ', where_absent => ''$1''')
) AS t(what, code, message, hint, key, rest);

-- Every argument that may not be NULL.
SELECT raised(format('NULL for %s of %s', argument, function),
              format('SELECT * FROM reconcile.%s(%s)', function, replace(arguments, argument || ' => x', argument || ' => NULL')),
              '22004', format('argument "%s" must not be null', argument))
FROM (VALUES
	('create_invariant', 'name => x, target => x, key => x, expects => x, kind => x, compare => x, severity => x'),
	('drop_invariant', 'name => x'),
	('audit', 'samples => x'),
	('findings', 'invariant => x'),
	('repair', 'dry_run => x, on_row_error => x, record => x')
) AS f(function, given),
LATERAL regexp_split_to_table(replace(given, ' => x', ''), ', ') AS argument,
LATERAL (SELECT string_agg(a || ' => ' || CASE
		WHEN a = argument THEN 'x'
		ELSE CASE a WHEN 'name' THEN '''i''' WHEN 'target' THEN '''preferences''' WHEN 'key' THEN '''{user_id}'''
			WHEN 'expects' THEN '''SELECT 1 AS user_id, 1 AS customer_id''' WHEN 'kind' THEN '''insert'''
			WHEN 'compare' THEN '''{}''' WHEN 'severity' THEN '''error''' WHEN 'dry_run' THEN 'true'
			WHEN 'on_row_error' THEN '''skip''' WHEN 'record' THEN '''auto''' END END, ', ')
	FROM regexp_split_to_table(replace(given, ' => x', ''), ', ') AS a) AS c(arguments);

-- Wrong values.
SELECT raised(what, sql, code, message, hint)
FROM (VALUES
	('an empty name', 'SELECT reconcile.create_invariant('''', ''preferences'', ''{user_id}'', ''SELECT 1'')', '22023',
	 'the name of an invariant must not be empty', NULL),
	('a target that does not exist', 'SELECT reconcile.create_invariant(''i'', 4294967290::oid::regclass, ''{a}'', ''SELECT 1'')',
	 '42P01', 'the target of invariant "i" does not exist', NULL),
	('drop of an unknown invariant', 'SELECT reconcile.drop_invariant(''nothing'')', '42704',
	 'invariant "nothing" does not exist', 'There are no invariants yet; reconcile.create_invariant() makes one.'),
	('audit of an unknown invariant', 'SELECT reconcile.audit(''nothing'')', '42704', 'invariant "nothing" does not exist', NULL),
	('findings of an unknown invariant', 'SELECT reconcile.findings(''nothing'')', '42704',
	 'invariant "nothing" does not exist', NULL),
	('repair of an unknown invariant', 'SELECT reconcile.repair(''nothing'')', '42704', 'invariant "nothing" does not exist', NULL),
	('an unknown pack', 'SELECT reconcile.repair(pack => ''teams'')', 'RC005', 'pack "teams" is not installed',
	 'Install it with reconcile.install_pack().'),
	('an unknown pack in an audit', 'SELECT reconcile.audit(pack => ''teams'')', 'RC005', 'pack "teams" is not installed', NULL),
	('a plan that does not exist', 'SELECT reconcile.repair(plan => 7)', '42704', 'plan 7 does not exist', NULL),
	('less than no samples', 'SELECT reconcile.audit(samples => -1)', '22023',
	 'argument "samples" must be between 0 and 1000', NULL),
	('too many samples', 'SELECT reconcile.audit(samples => 2147483647)', '22023',
	 'argument "samples" must be between 0 and 1000', NULL),
	('an unknown on_row_error', 'SELECT reconcile.repair(on_row_error => ''ignore'')', '22023',
	 'invalid value for argument "on_row_error": "ignore"', 'Valid values are "skip", "stop".'),
	('an unknown record', 'SELECT reconcile.repair(record => ''ctid'')', '22023',
	 'invalid value for argument "record": "ctid"', 'Valid values are "auto", "xmin", "rows".')
) AS t(what, sql, code, message, hint);

SELECT lives_ok($$SELECT reconcile.create_invariant('user_preferences', 'preferences', '{user_id}',
	'SELECT id AS user_id, customer_id FROM users WHERE customer_id IS NOT NULL;  -- one statement')$$, 'a good one is accepted');
SELECT raised('the same name', $$SELECT reconcile.create_invariant('user_preferences', 'preferences', '{user_id}',
	'SELECT 1 AS user_id, 1 AS customer_id')$$, '42710', 'invariant "user_preferences" already exists',
	'Change it with reconcile.alter_invariant(), or drop it first with reconcile.drop_invariant().');
SELECT raised('a name that is nearly right', $$SELECT reconcile.audit('user_preference')$$, '42704',
	'invariant "user_preference" does not exist', 'Did you mean "user_preferences"?');
SELECT raised('a name of 300 bytes that is wrong', $$SELECT reconcile.audit(repeat('€', 100))$$, '42704',
	format('invariant "%s" does not exist', repeat('€', 100)), 'Valid names are "user_preferences".');
SELECT raised('negative max_rows', $$SELECT reconcile.findings('user_preferences', -1)$$, '22023',
	'argument "max_rows" must not be negative');
SELECT results_eq($$SELECT name, pack, kind, severity, target, key, expects, compare, where_absent, description, owner, search_path
	FROM reconcile.invariants$$, $$VALUES ('user_preferences', NULL, 'insert', 'error', 'preferences'::regclass, '{user_id}'::text[],
	'SELECT id AS user_id, customer_id FROM users WHERE customer_id IS NOT NULL;  -- one statement', '{}'::text[], NULL, NULL,
	current_user::regrole, 'app, public, pg_temp')$$, 'the view shows what was declared');
SELECT lives_ok($$SELECT reconcile.drop_invariant('user_preferences')$$, 'and it can be dropped');
SELECT is_empty('TABLE reconcile.invariants', 'then it is gone');

-- ---------------------------------------------------------------- unique indexes

CREATE FUNCTION without_index(what text, ddl text, key text DEFAULT 'k', hint text DEFAULT 'CREATE UNIQUE INDEX CONCURRENTLY ON app.t (%s);') RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	DROP TABLE IF EXISTS t;
	EXECUTE ddl;
	RETURN raised(what, format('SELECT reconcile.create_invariant(%L, %L, %L, %L)', 'i', 't', '{' || key || '}',
	                           'SELECT 1 AS k, 2 AS l'),
		'RC007', format('there is no usable unique index on (%s) of app.t', replace(key, ',', ', ')),
		format(hint, replace(key, ',', ', ')));
END $$;
SELECT without_index('no index', 'CREATE TABLE t (k integer, l integer)');
SELECT without_index('an index that is not unique', 'CREATE TABLE t (k integer, l integer); CREATE INDEX ON t (k)');
SELECT without_index(what, ddl, hint => 'ALTER TABLE app.t ADD UNIQUE (%s);') FROM (VALUES  -- ON CONFLICT would take an index and fail for the other
	('a deferrable key', 'CREATE TABLE t (k integer, l integer, UNIQUE (k) DEFERRABLE)'),
	('a deferred key', 'CREATE TABLE t (k integer PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, l integer)'),
	('an index beside a deferrable key', 'CREATE TABLE t (k integer, l integer, UNIQUE (k) DEFERRABLE); CREATE UNIQUE INDEX ON t (k)')) AS v(what, ddl);
SELECT without_index('an expression index', 'CREATE TABLE t (k integer, l integer); CREATE UNIQUE INDEX ON t (abs(k))');
SELECT without_index('an index on more columns', 'CREATE TABLE t (k integer, l integer, UNIQUE (k, l))');
SELECT without_index('an index on fewer columns', 'CREATE TABLE t (k integer PRIMARY KEY, l integer)', 'k,l');
SELECT without_index('an exclusion constraint', 'CREATE TABLE t (k integer, l integer, EXCLUDE (k WITH =))');
SELECT without_index('a unique index on a column and an expression',
	'CREATE TABLE t (k integer, l integer); CREATE UNIQUE INDEX ON t (k, abs(l))');
CREATE TABLE doubled (k integer, l integer);
INSERT INTO doubled VALUES (1, 1), (1, 2), (2, 1), (NULL, 1), (NULL, 2);
SELECT raised('no index, with duplicates', $$SELECT reconcile.create_invariant('i', 'doubled', '{k}', 'SELECT 1 AS k')$$,
	'RC007', 'there is no usable unique index on (k) of app.doubled', NULL,
	'Without one, two writers could insert the same row. A usable index is unique, valid, not deferrable, and on exactly '
	'these columns. Rows that share a key: {"k": 1}.');

-- An index that looks usable is named, with what keeps it from being used.
CREATE FUNCTION unusable(what text, ddl text, key text, why text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	DROP TABLE IF EXISTS t;
	EXECUTE ddl;
	RETURN raised(what, format('SELECT reconcile.create_invariant(''i'', ''t'', %L, ''SELECT 1 AS k, 2 AS l'')', key), 'RC007',
		format('there is no usable unique index on (%s) of app.t', array_to_string(key::text[], ', ')), NULL,
		'Without one, two writers could insert the same row. A usable index is unique, valid, not deferrable, and on exactly these columns. ' || why);
END $$;
SELECT unusable('a deferrable constraint', 'CREATE TABLE t (k integer, l integer, CONSTRAINT "K once" UNIQUE (k) DEFERRABLE)', '{k}', 'Index app."K once" is deferrable.');
SELECT unusable('an expression', 'CREATE TABLE t (k integer, l integer); CREATE UNIQUE INDEX t_abs ON t (l, abs(k))', '{k,l}',
	'Index app.t_abs is on (l, abs(k)).');
SELECT unusable('an invalid index', 'CREATE TABLE t (k integer, l integer); CREATE UNIQUE INDEX t_k ON t (k);
	UPDATE pg_index SET indisvalid = false WHERE indexrelid = ''t_k''::regclass', '{k}', 'Index app.t_k is not valid: REINDEX INDEX CONCURRENTLY.');
CREATE TABLE folded (email text NOT NULL, key text GENERATED ALWAYS AS (lower(email)) STORED UNIQUE, note text);
SELECT lives_ok($$SELECT reconcile.create_invariant('folded', 'folded', '{key}', 'SELECT lower(email) AS key, ''n'' AS note FROM (VALUES (''A@b'')) AS v(email)', kind => 'fill')$$,
	'a generated column with a unique index can be the key of a fill');
SELECT reconcile.drop_invariant('folded') \g /dev/null

-- ---------------------------------------------------------------- kinds of target

CREATE VIEW a_view AS SELECT id FROM users;
CREATE MATERIALIZED VIEW a_matview AS SELECT id FROM users;
CREATE SEQUENCE a_sequence;
CREATE TYPE a_type AS (id integer);
CREATE TEMP TABLE a_temp (id integer PRIMARY KEY);
CREATE TABLE a_root (id integer PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE a_partition PARTITION OF a_root FOR VALUES FROM (0) TO (100);
CREATE TABLE a_parent (id integer PRIMARY KEY);
CREATE TABLE a_child (PRIMARY KEY (id)) INHERITS (a_parent);
CREATE UNLOGGED TABLE a_unlogged (id integer PRIMARY KEY);
SELECT raised(target, format('SELECT reconcile.create_invariant(%L, %L, %L, %L)', 'i', target, '{' || key || '}',
	'SELECT 1 AS ' || key), code, message, hint)
FROM (VALUES
	('a_view', 'id', '42809', 'app.a_view is not a table, a partitioned table or a foreign table', NULL),
	('a_matview', 'id', '42809', 'app.a_matview is not a table, a partitioned table or a foreign table', NULL),
	('a_sequence', 'last_value', '42809', 'app.a_sequence is not a table, a partitioned table or a foreign table', NULL),
	('a_type', 'id', '42809', 'app.a_type is not a table, a partitioned table or a foreign table', NULL),
	('users_pkey', 'id', '42809', 'app.users_pkey is not a table, a partitioned table or a foreign table', NULL),
	('a_temp', 'id', '42809', pg_my_temp_schema()::regnamespace || '.a_temp is a temporary table', 'The target of an invariant must outlive the session.'),
	('pg_catalog.pg_class', 'oid', '42809', 'pg_catalog.pg_class is a system catalog',
	 'The target of an invariant is a table of yours.'),
	('information_schema.sql_features', 'feature_id', '42809', 'information_schema.sql_features is a system catalog', NULL)
) AS t(target, key, code, message, hint);
SELECT lives_ok(format('SELECT reconcile.create_invariant(%L, %L, %L, %L)', target, target, '{id}',
	'SELECT id FROM generate_series(1, 3) AS id'), target || ' can be a target')
FROM unnest('{a_root,a_partition,a_parent,a_child,a_unlogged}'::text[]) AS target;
SELECT is((SELECT sum(failed) FROM reconcile.repair(dry_run => false)), 0::numeric, 'and they are repaired');
SELECT results_eq($$SELECT invariant, state FROM reconcile.audit() ORDER BY 1$$,
	$$SELECT name, 'clean' FROM reconcile.invariants ORDER BY 1$$, 'and audited');
SELECT is((SELECT array_agg(tableoid::regclass::text || id ORDER BY id) FROM a_root),
	'{a_partition1,a_partition2,a_partition3}', 'the partition has each row once');
SELECT reconcile.drop_invariant(name) FROM reconcile.invariants \g /dev/null

-- The query must not read what is gone with the session.
CREATE TEMP TABLE users_of_today (id integer);
SELECT refused('a query that reads a temporary table', 'SELECT id AS user_id, 1 AS customer_id FROM users_of_today', '42809',
	'the query of an invariant must not read a temporary table');

-- ---------------------------------------------------------------- names

CREATE TABLE victim (id integer);
CREATE FUNCTION survives(name text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	other text := name || '2';
BEGIN
	EXECUTE format('CREATE SCHEMA %I', name);
	EXECUTE format('CREATE TABLE %I.%I (%I integer PRIMARY KEY, %I text COLLATE "C")', name, name, name, other);
	PERFORM reconcile.create_invariant(name, format('%I.%I', name, name)::regclass, ARRAY[left(name, 63)],
		format('SELECT n AS %I, ''v'' AS %I FROM generate_series(1, 2) AS n', name, other), compare => ARRAY[left(other, 63)],
		description => name);
	EXECUTE format('INSERT INTO %I.%I VALUES (1, ''w'')', name, name);
	RETURN NEXT is((SELECT jsonb_object_agg(kind, f.key) FROM reconcile.findings(name) AS f),
		jsonb_build_object('missing', jsonb_build_object(left(name, 63), 2), 'differs', jsonb_build_object(left(name, 63), 1)),
		quote_literal(name) || ': findings');
	RETURN NEXT is((SELECT (r.invariant, changed, failed)::text FROM reconcile.repair(name, dry_run => false, record => 'rows') AS r),
		ROW(name, 1, 0)::text, quote_literal(name) || ': repaired');
	RETURN NEXT is((SELECT (state, differing)::text FROM reconcile.audit(name)), '(drift,1)', quote_literal(name) || ': audited');
	RETURN NEXT is((SELECT message FROM reconcile.audit(name)), format('SELECT * FROM reconcile.findings(%L);', name),
		quote_literal(name) || ': the hint is quoted');
	PERFORM reconcile.drop_invariant(name);
	EXECUTE format('DROP SCHEMA %I CASCADE', name);
EXCEPTION WHEN OTHERS THEN
	RETURN NEXT fail(format('%L: %s %s', name, SQLSTATE, SQLERRM));
END $$;
SELECT survives(name)
FROM unnest(ARRAY['Mixed Case', 'a"b', 'a''b', '''; DROP TABLE victim; --', '"; DROP TABLE victim; --', E'new\nline', 'a.b',
	'$1', '$x$', E'back\\slash', '%s %I %L', 'select', 'ünïcödé', '🐘', E'\t', 'e', 'x', 't', 'w', ')', '/*', '--',
	repeat('n', 62)]) AS name;
SELECT has_table('app', 'victim', 'nothing was executed');

-- Names of invariants are text: they have no length at which two of them become one.
SELECT lives_ok($$SELECT reconcile.create_invariant(repeat('n', 63) || x, 'preferences', '{user_id}',
	'SELECT 1 AS user_id, 1 AS customer_id', severity => 'warning') FROM unnest('{a,b}'::text[]) AS x$$, 'names of 64 bytes');
SELECT is((SELECT count(*) FROM reconcile.audit()), 2::bigint, 'stay two');
SELECT is((SELECT severity FROM reconcile.audit(repeat('n', 63) || 'b')), 'warning', 'and have their severity');

-- ---------------------------------------------------------------- keys that are another value each time

CREATE TABLE keyed (k text PRIMARY KEY, at timestamptz UNIQUE, d date UNIQUE, v text);
CREATE SEQUENCE keyed_numbers;
CREATE FUNCTION normalized(text) RETURNS text LANGUAGE sql AS 'SELECT lower($1)';  -- volatile, as nobody said otherwise
-- outcome is the SQLSTATE and message with which a key is refused, NULL when it is taken; k is always yielded.
CREATE FUNCTION outcome(name text, expression text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM reconcile.create_invariant('keyed', 'keyed', ARRAY[name],
		format('SELECT %s AS %I', expression, name) || CASE WHEN name <> 'k' THEN ', ''x'' AS k' ELSE '' END);
	PERFORM reconcile.drop_invariant('keyed');
	RETURN NULL;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
SELECT is(outcome(column_name, expression),
	CASE WHEN refused THEN format('42P10 key column "%s" is another value each time the query runs', column_name) END, format('a key that is %s', expression))
FROM (VALUES
	('k', 'random()::text', true), ('k', 'gen_random_uuid()::text', true), ('k', 'upper(''x'' || clock_timestamp())', true),
	('k', '(SELECT random())::text', true), ('k', 'nextval(''keyed_numbers'')::text', true), ('at', 'now()', true), ('at', 'CURRENT_TIMESTAMP', true),
	('at', 'LOCALTIMESTAMP(0)', true), ('at', 'statement_timestamp()', true),
	('at', 'date_trunc(''day'', now())', false), ('d', 'CURRENT_DATE', false), ('d', 'now()::date', false), ('k', 'format(''%s'', 1)', false),
	('k', 'to_char(DATE ''2026-01-01'', ''YYYY'')', false), ('k', 'normalized(''A'')', false)
) AS t(column_name, expression, refused);
-- What is no key may be new each time.
SELECT lives_ok($$SELECT reconcile.create_invariant('keyed', 'keyed', '{k}', 'SELECT ''x'' AS k, now() AS at')$$, 'a column that is no key may be now()');
SELECT reconcile.drop_invariant('keyed') \g /dev/null

-- A text means the same date in every session, and findings show it the same way.
CREATE TABLE dated (d date PRIMARY KEY, i interval);
SET DateStyle = 'SQL, DMY';
SET IntervalStyle = 'iso_8601';
SELECT reconcile.create_invariant('dated', 'dated', '{d}', $$SELECT '02/03/2026'::date AS d, '1 day 2 hours'::interval AS i$$, compare => '{i}') \g /dev/null
SELECT is(counts('dated', false), '(1,1,0,0)', 'repaired in a session with another DateStyle');
SELECT is((SELECT d FROM dated), make_date(2026, 2, 3), 'month first, whoever asks');
UPDATE dated SET i = '2 days';
SELECT is((SELECT reason FROM reconcile.findings('dated')), 'i is ''2 days'', expected ''1 day 02:00:00''', 'intervals are shown as PostgreSQL does');
RESET DateStyle;
RESET IntervalStyle;
SELECT is((SELECT (state, missing) FROM reconcile.audit('dated')), ('drift'::text, 0::bigint), 'nothing is missing for others');
SELECT reconcile.drop_invariant('dated') \g /dev/null

-- A moment is the same day and hour for everybody: those of the time zone in which the invariant was created.
CREATE TABLE visits (at timestamptz PRIMARY KEY);
CREATE TABLE days (day date PRIMARY KEY, since timestamptz UNIQUE CHECK (since > '2026-01-01'));
SET TimeZone = 'America/New_York';
SELECT reconcile.create_invariant('days', 'days', '{day}', 'SELECT DISTINCT at::date AS day FROM visits') \g /dev/null
SELECT reconcile.create_invariant('since', 'days', '{since}', $$SELECT '2027-01-01 00:00'::timestamptz AS since, DATE '2000-01-01' AS day UNION ALL SELECT '2000-01-01', DATE '2000-01-02'$$) \g /dev/null
SELECT count(*) FROM reconcile.guard('days') \g /dev/null
SET TimeZone = 'Pacific/Kiritimati';
INSERT INTO visits VALUES ('2026-03-01 23:00 America/New_York');
SELECT results_eq('SELECT day FROM days', $$VALUES (DATE '2026-03-01')$$, 'the guard of a writer elsewhere');
SELECT is(counts('days', false), '(0,0,0,0)', 'a repair elsewhere finds nothing to do');
SELECT is((SELECT state FROM reconcile.audit('days')), 'clean', 'nor does an audit');
SELECT is(counts('since', false), '(2,1,0,1)', 'a constant in the query');
SELECT is((SELECT since FROM days WHERE since IS NOT NULL), '2027-01-01 00:00 America/New_York', 'is that of the creator');
SELECT is((SELECT key FROM reconcile.failures), '{"since": "2000-01-01T00:00:00-05:00"}', 'so are keys of failures');
SET TimeZone = 'UTC';
SELECT is(counts('since', false), '(1,0,0,1)', 'a third session');
SELECT is((SELECT (count(*), sum(attempts)) FROM reconcile.failures), (1::bigint, 2::numeric), 'knows the failure again');
SELECT is(current_setting('TimeZone'), 'UTC', 'the session''s own time zone stays');
SELECT is((SELECT time_zone FROM reconcile.invariants WHERE name = 'days'), 'America/New_York', 'and the invariant''s');
SELECT reconcile.alter_invariant('days', severity => 'warning') \g /dev/null
SELECT is((SELECT time_zone FROM reconcile.invariants WHERE name = 'days'), 'America/New_York', 'which another severity leaves');
SELECT reconcile.unguard('days'), reconcile.alter_invariant('days', expects => 'SELECT DISTINCT at::date AS day FROM visits') \g /dev/null
SELECT is((SELECT time_zone FROM reconcile.invariants WHERE name = 'days'), 'UTC', 'and a new query replaces');
SELECT is(counts('days', true), '(1,1,0,0)', 'the day may be another one then');
RESET TimeZone;
SELECT reconcile.drop_invariant(name) FROM unnest('{days,since}'::text[]) AS name \g /dev/null

SELECT * FROM finish();
ROLLBACK;
