-- Keys with expressions: what is found by them, what is refused, and that everything that knows rows by their keys knows
-- them by expressions, too. Broken on purpose: with the arbiter looked for by columns alone every case of the first table
-- fails; with expected values put into the expression as the query yields them, "a value as the column stores it" does.
\ir ../support/invariant.sql
SELECT no_plan();

CREATE FUNCTION loud(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT upper($1)';
CREATE FUNCTION moody(text) RETURNS text LANGUAGE plpgsql STABLE AS 'BEGIN RETURN upper($1); END';
CREATE FUNCTION nothing_for_odd(integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT CASE WHEN $1 % 2 = 0 THEN $1 END';
CREATE TYPE place AS (town text, zip integer);

-- ---------------------------------------------------------------- what is found

SELECT converges(what, ddl, key, expects, planned, changed, failed, where_absent)
FROM (VALUES
	('lower(email)', 'CREATE TABLE target (email text NOT NULL); CREATE UNIQUE INDEX ON target (lower(email));
	  INSERT INTO target VALUES (''Ada@X'')', '{lower(email)}',
	 'SELECT unnest(''{ada@x,BOB@x}''::text[]) AS email', 1, 1, 0, NULL),
	('a column and an expression', 'CREATE TABLE target (team_id integer, email text NOT NULL);
	  CREATE UNIQUE INDEX ON target (team_id, lower(email)); INSERT INTO target VALUES (1, ''Ada@X''), (2, ''ada@x'')', '{team_id,lower(email)}',
	 'SELECT t AS team_id, ''ADA@x'' AS email FROM generate_series(1, 3) AS t', 1, 1, 0, NULL),
	('the other order, another spelling', 'CREATE TABLE target (team_id integer NOT NULL, email text NOT NULL);
	  CREATE UNIQUE INDEX ON target (team_id, lower(email)); INSERT INTO target VALUES (1, ''Ada@X'')', '{"LOWER( email )",team_id}',
	 'SELECT t AS team_id, ''ADA@x'' AS email FROM generate_series(1, 3) AS t', 2, 2, 0, NULL),
	('two expressions', 'CREATE TABLE target (a text, b integer NOT NULL); CREATE UNIQUE INDEX ON target (abs(b), lower(a));
	  INSERT INTO target VALUES (''X'', -1)', '{lower(a),abs(b)}',
	 'SELECT a, b FROM unnest(''{x,y}''::text[]) AS a, unnest(''{1,2}''::integer[]) AS b', 3, 3, 0, NULL),
	('coalesce', 'CREATE TABLE target (k integer, x integer); CREATE UNIQUE INDEX ON target (k, COALESCE(x, 0));
	  INSERT INTO target VALUES (1, NULL), (2, 0)', '{k,"coalesce(x, 0)"}',
	 'SELECT k, x FROM (VALUES (1, 0), (2, NULL), (3, NULL), (1, 1)) AS v(k, x)', 2, 2, 0, NULL),
	('an operator', 'CREATE TABLE target (a integer, b integer); CREATE UNIQUE INDEX ON target ((a + b)); INSERT INTO target VALUES (1, 2)', '{a + b}',
	 'SELECT a, 3 - a AS b FROM generate_series(1, 1) AS a UNION ALL SELECT 2, 2', 1, 1, 0, NULL),
	('a function of a user', 'CREATE TABLE target (k text); CREATE UNIQUE INDEX ON target (loud(k)); INSERT INTO target VALUES (''a'')', '{loud(k)}',
	 'SELECT unnest(''{A,b}''::text[]) AS k', 1, 1, 0, NULL),
	('a collation', 'CREATE TABLE target (k text); CREATE UNIQUE INDEX ON target ((lower(k) COLLATE "C")); INSERT INTO target VALUES (''a'')',
	 '{"lower(k) COLLATE \"C\""}', 'SELECT k COLLATE "POSIX" AS k FROM unnest(''{A,b}''::text[]) AS k', 1, 1, 0, NULL),
	('two collations', 'CREATE TABLE target (k text, l text COLLATE "POSIX"); CREATE UNIQUE INDEX ON target ((lower(k) COLLATE "C"), lower(l)); INSERT INTO target VALUES (''a'', ''b'')',
	 '{"lower(k) COLLATE \"C\"",lower(l)}', 'SELECT k, ''B'' AS l FROM unnest(''{A,b}''::text[]) AS k', 1, 1, 0, NULL),
	('a field of a composite', 'CREATE TABLE target (p place); CREATE UNIQUE INDEX ON target (((p).zip)); INSERT INTO target VALUES (''(x,1)'')', '{(p).zip}',
	 'SELECT ROW(''y'', n)::place AS p FROM generate_series(1, 2) AS n', 1, 1, 0, NULL),
	('an element of an array', 'CREATE TABLE target (a integer[]); CREATE UNIQUE INDEX ON target ((a[1])); INSERT INTO target VALUES (''{1,2}'')', '{a[1]}',
	 'SELECT ARRAY[n, 7] AS a FROM generate_series(1, 2) AS n', 1, 1, 0, NULL),
	('a path of jsonb', 'CREATE TABLE target (d jsonb); CREATE UNIQUE INDEX ON target ((d ->> ''id'')); INSERT INTO target VALUES (''{"id": 1}'')', '{"d ->> ''id''"}',
	 'SELECT jsonb_build_object(''id'', n, ''more'', true) AS d FROM generate_series(1, 2) AS n', 1, 1, 0, NULL),
	('quotes, parameters and backslashes in constants', 'CREATE TABLE target (k text); CREATE UNIQUE INDEX ON target ((k || ''$1 "x" '''' \ E''));
	  INSERT INTO target VALUES (''a'')', ARRAY['k || ''$1 "x" '''' \ E'''], 'SELECT unnest(''{a,b}''::text[]) AS k', 1, 1, 0, NULL),
	('a column whose name ends the statement', 'CREATE TABLE target ("$1"")''; --" text, "e.x" text);
	  CREATE UNIQUE INDEX ON target (lower("$1"")''; --"), lower("e.x")); INSERT INTO target VALUES (''A'', ''B'')', ARRAY['lower("e.x")', 'lower("$1"")''; --")'],
	 'SELECT ''a'' AS "$1"")''; --", x AS "e.x" FROM unnest(''{b,c}''::text[]) AS x', 1, 1, 0, NULL),
	('columns named as the engine names things', 'CREATE TABLE target (e text, x text, t text, n text, k text);
	  CREATE UNIQUE INDEX ON target (lower(e), lower(x), lower(t), lower(n), lower(k)); INSERT INTO target VALUES (''a'', ''a'', ''a'', ''a'', ''a'')',
	 '{lower(e),lower(x),lower(t),lower(n),lower(k)}', 'SELECT v AS e, v AS x, v AS t, v AS n, v AS k FROM unnest(''{A,B}''::text[]) AS v', 1, 1, 0, NULL),
	('an expression longer than a name may be', 'CREATE TABLE target (k text); CREATE UNIQUE INDEX ON target (lower(k || ''0123456789012345678901234567890123456789012345678901234567890123456789''), upper(k || ''0123456789012345678901234567890123456789012345678901234567890123456789''));
	  INSERT INTO target VALUES (''A'')', '{lower(k || ''0123456789012345678901234567890123456789012345678901234567890123456789''),upper(k || ''0123456789012345678901234567890123456789012345678901234567890123456789'')}',
	 'SELECT unnest(''{a,b}''::text[]) AS k', 1, 1, 0, NULL),
	('a partial index: a row outside of it is present', 'CREATE TABLE target (k text, gone boolean NOT NULL DEFAULT false);
	  CREATE UNIQUE INDEX ON target (lower(k)) WHERE NOT gone; INSERT INTO target VALUES (''A'', true), (''B'', false)', '{lower(k)}',
	 'SELECT unnest(''{a,b,c}''::text[]) AS k', 1, 1, 0, NULL),
	('a partial index: where_absent', 'CREATE TABLE target (k text, gone boolean NOT NULL DEFAULT false);
	  CREATE UNIQUE INDEX ON target (lower(k)) WHERE NOT gone; INSERT INTO target VALUES (''A'', true), (''B'', false)', '{lower(k)}',
	 'SELECT unnest(''{a,b,c}''::text[]) AS k', 2, 2, 0, 'gone'),
	('the result is NULL', 'CREATE TABLE target (k integer NOT NULL); CREATE UNIQUE INDEX ON target (nothing_for_odd(k)); INSERT INTO target VALUES (1), (4)',
	 '{nothing_for_odd(k)}', 'SELECT k FROM unnest(''{5,4,6}''::integer[]) AS k', 1, 1, 0, NULL),
	('the result is NULL for one expected row', 'CREATE TABLE target (k integer NOT NULL); CREATE UNIQUE INDEX ON target (nothing_for_odd(k)); INSERT INTO target VALUES (4)',
	 '{nothing_for_odd(k)}', 'SELECT k FROM unnest(''{5,4,6}''::integer[]) AS k', 2, 2, 0, NULL),
	('NULLS NOT DISTINCT', 'CREATE TABLE target (k integer NOT NULL); CREATE UNIQUE INDEX ON target (nothing_for_odd(k)) NULLS NOT DISTINCT; INSERT INTO target VALUES (1)',
	 '{nothing_for_odd(k)}', 'SELECT k FROM unnest(''{5,4,6}''::integer[]) AS k', 2, 2, 0, NULL),
	('a value as the column stores it', 'CREATE TABLE target (n numeric(6,2)); CREATE UNIQUE INDEX ON target (abs(n)); INSERT INTO target VALUES (-1.01)', '{abs(n)}',
	 'SELECT unnest(''{1.006,2.004}''::numeric[]) AS n', 1, 1, 0, NULL),
	('a smaller type', 'CREATE TABLE target (n bigint); CREATE UNIQUE INDEX ON target (abs(n)); INSERT INTO target VALUES (-1)', '{abs(n)}',
	 'SELECT unnest(''{1,2}''::integer[]) AS n', 1, 1, 0, NULL),
	('varchar, and text for it', 'CREATE TABLE target (k varchar(5)); CREATE UNIQUE INDEX ON target (lower(k)); INSERT INTO target VALUES (''Ada'')', '{lower(k)}',
	 'SELECT unnest(''{ADA,Bob,Too long}''::text[]) AS k', 2, 1, 1, NULL),
	('NULL beside an empty array', 'CREATE TABLE target (k text); CREATE UNIQUE INDEX ON target (string_to_array(k, '','')); INSERT INTO target VALUES (NULL)',
	 '{"string_to_array(k, '','')"}', 'SELECT '''' AS k', 1, 1, 0, NULL),
	('char(n), and a shorter text for it', 'CREATE TABLE target (k char(5)); CREATE UNIQUE INDEX ON target (octet_length(k)); INSERT INTO target VALUES (''a'')',
	 '{octet_length(k)}', 'SELECT ''bob'' AS k', 0, 0, 0, NULL),
	('a row that the target refuses', 'CREATE TABLE target (k text CHECK (k <> ''bad'')); CREATE UNIQUE INDEX ON target (lower(k))', '{lower(k)}',
	 'SELECT unnest(''{good,bad}''::text[]) AS k', 2, 1, 1, NULL),
	('a partitioned target', 'CREATE TABLE target (id integer, k text) PARTITION BY LIST (id); CREATE TABLE target_1 PARTITION OF target FOR VALUES IN (1);
	  CREATE UNIQUE INDEX ON target (id, lower(k)); INSERT INTO target VALUES (1, ''A'')', '{id,lower(k)}',
	 'SELECT 1 AS id, unnest(''{a,b}''::text[]) AS k', 1, 1, 0, NULL),
	('a name in quotes is a column', 'CREATE TABLE target ("Mixed Case" integer PRIMARY KEY)', '{"\"Mixed Case\""}', 'SELECT 1 AS "Mixed Case"', 1, 1, 0, NULL),
	('a name of SQL is a column', 'CREATE TABLE target (k integer PRIMARY KEY)', '{K}', 'SELECT 1 AS k', 1, 1, 0, NULL),
	('a column that is named like an expression', 'CREATE TABLE target ("lower(k)" integer PRIMARY KEY, k text)', '{lower(k)}', 'SELECT 1 AS "lower(k)"', 1, 1, 0, NULL)
) AS t(what, ddl, key, expects, planned, changed, failed, where_absent);

-- ---------------------------------------------------------------- what is refused

CREATE TABLE members (team_id integer NOT NULL, email text, n integer, doc jsonb, role text DEFAULT 'member');
INSERT INTO members VALUES (1, 'A', 1), (1, 'a', 2), (2, 'B', 3), (2, NULL, 4), (2, NULL, 5);
CREATE TABLE users (id integer);
CREATE FUNCTION refused(what text, key text[], code text, message text, hint text DEFAULT NULL, detail text DEFAULT NULL,
                        expects text DEFAULT 'SELECT 1 AS team_id, ''x'' AS email') RETURNS text LANGUAGE sql AS $$
	SELECT raised(what, format('SELECT reconcile.create_invariant(%L, %L, %L, %L)', 'i', 'members', key, expects), code, message, hint, detail)
$$;
SELECT refused('no index', '{team_id,lower(email)}', 'RC007', 'there is no usable unique index on (team_id, lower(email)) of app.members',
	'CREATE UNIQUE INDEX CONCURRENTLY ON app.members (team_id, lower(email));',
	'Without one, two writers could insert the same row. A usable index is unique, valid, not deferrable, and on exactly these columns '
	'and expressions. Rows that share a key: {"team_id": 1, "lower(email)": "a"}.');
SELECT refused('no index on an operator', '{"team_id + 1"}', 'RC007', 'there is no usable unique index on (((team_id + 1))) of app.members',
	'CREATE UNIQUE INDEX CONCURRENTLY ON app.members (((team_id + 1)));');
SELECT refused(what, key, code, message, hint, detail)
FROM (VALUES
	('a text that ends the statement', ARRAY['1); DROP TABLE users'], '42601', '"1); DROP TABLE users" is neither a column of app.members nor an expression',
	 'A key is made of columns and of expressions over them, such as lower(email).', 'As an expression: syntax error at or near ")".'),
	('a statement', '{SELECT 1}', '42601', '"SELECT 1" is neither a column of app.members nor an expression', NULL, NULL),
	('two expressions in one', '{"team_id, email"}', '42601', '"team_id, email" is neither a column of app.members nor an expression', NULL,
	 'As an expression: a part of a key must be a column or one expression.'),
	('an expression with FROM', '{email FROM users}', '42601', '"email FROM users" is neither a column of app.members nor an expression', NULL, NULL),
	('an expression with a name', '{lower(email) AS x}', '42601', '"lower(email) AS x" is neither a column of app.members nor an expression', NULL, NULL),
	('nothing', ARRAY[''], '42601', '"" is neither a column of app.members nor an expression', NULL, NULL),
	('every column', '{*}', '42601', '"*" is neither a column of app.members nor an expression', NULL, NULL),
	('a column that is not there', '{lower(mail)}', '42703', 'column "mail" does not exist', NULL, NULL),
	('a column of another table', '{lower(users.id)}', '42P01', 'missing FROM-clause entry for table "users"', NULL, NULL),
	('a column that the query does not yield', '{lower(role)}', '42703', 'expression "lower(role)" of the key reads column "role", which the query does not yield',
	 'Let the query yield it.', NULL),
	('a function that is not there', '{"lower(email, 1)"}', '42883', 'function lower(text, integer) does not exist', NULL, NULL),
	('what is stable', '{moody(email)}', '42P17', 'expression "moody(email)" of the key is not immutable', 'Use functions that are IMMUTABLE.',
	 'No unique index can be on it: what was the same once may differ later.'),
	('what is volatile', '{team_id + random()}', '42P17', 'expression "team_id + random()" of the key is not immutable', NULL, NULL),
	('a constant', '{lower(''x'')}', '42P10', 'expression "lower(''x'')" of the key reads no column', 'Leave it out of the key.', 'It is the same for all rows.'),
	('a subquery', '{(SELECT email)}', '0A000', 'cannot use subquery in index expression', NULL, NULL),
	('an aggregate', '{max(email)}', '42803', 'aggregate functions are not allowed in index expressions', NULL, NULL),
	('a window function', '{row_number() OVER ()}', '42P20', 'window functions are not allowed in index expressions', NULL, NULL),
	('a set', '{"generate_series(1, team_id)"}', '0A000', 'set-returning functions are not allowed in index expressions', NULL, NULL),
	('a parameter', '{$1}', '42P02', 'there is no parameter $1', NULL, NULL),
	('a whole row', '{members::text}', '0A000', 'expression "members::text" of the key reads a whole row or a system column', NULL, NULL),
	('a system column', '{ctid::text}', '0A000', 'expression "ctid::text" of the key reads a whole row or a system column', NULL, NULL),
	('an expression twice', '{lower(email),lower(EMAIL)}', '42701', 'expression "lower(EMAIL)" of the key is given more than once', 'Name each expression once.', NULL),
	('a type without equality', '{email::json}', '42883', 'expression "email::json" of the key is of type json, which has no equality', NULL, NULL)
) AS t(what, key, code, message, hint, detail);
SELECT refused('a column of another type', '{"team_id + n"}', '42804',
	'expression "team_id + n" of the key needs column "n" of type integer, but the query yields type bigint', 'Cast it in the query: (...)::integer.',
	expects => 'SELECT 1 AS team_id, 2::bigint AS n');
SELECT has_table('app', 'users', 'nothing was executed');
SELECT is_empty('TABLE reconcile.invariants', 'nothing was stored');
SELECT raised('an expression of a check', $$SELECT reconcile.create_invariant('c', NULL, '{lower(email)}', 'SELECT ''A'' AS email', kind => 'check')$$,
	'42703', 'key column "lower(email)" is not a column of the query', 'Valid names are "email".');
SELECT raised('an expression that a fill writes', $$SELECT reconcile.create_invariant('f', 'members', '{lower(email)}', 'SELECT ''A'' AS email', kind => 'fill')$$,
	'22023', 'the query yields no column to fill');

-- Indexes that are on the key and cannot be used.
CREATE UNIQUE INDEX members_lower ON members (team_id, n, lower(email));
UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'members_lower'::regclass;
SELECT refused('an invalid index', '{team_id,n,lower(email)}', 'RC007',
	'there is no usable unique index on (team_id, n, lower(email)) of app.members', NULL,
	'Without one, two writers could insert the same row. A usable index is unique, valid, not deferrable, and on exactly these columns '
	'and expressions. Index app.members_lower is not valid: REINDEX INDEX CONCURRENTLY.', 'SELECT 1 AS team_id, 1 AS n, ''x'' AS email');
DROP TABLE members;

-- ---------------------------------------------------------------- what the key is called, wherever it is shown

CREATE TABLE people (id integer PRIMARY KEY, team_id integer NOT NULL, email text);
CREATE TABLE members (team_id integer NOT NULL, email text CHECK (email <> 'bad@x'), name text, id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY);
CREATE UNIQUE INDEX ON members (team_id, lower(email));
INSERT INTO people VALUES (1, 1, 'Ada@X'), (2, 1, 'Bob@X'), (3, 2, 'ada@x');
INSERT INTO members (team_id, email, name) VALUES (1, 'ADA@x', 'Ada');
SELECT reconcile.create_invariant('members', 'members', '{team_id,lower(email)}', 'SELECT team_id, email FROM people') \g /dev/null
SELECT results_eq($$SELECT kind, key, expected, reason FROM reconcile.findings('members') ORDER BY key$$, $$VALUES
	('missing', '{"team_id": 1, "lower(email)": "bob@x"}'::jsonb, '{"team_id": 1, "email": "Bob@X"}'::jsonb, 'app.members has no row with this key'),
	('missing', '{"team_id": 2, "lower(email)": "ada@x"}', '{"team_id": 2, "email": "ada@x"}', 'app.members has no row with this key')$$, 'findings');
SELECT reconcile.plan('members') AS plan \gset
SELECT results_eq(format('SELECT key, row FROM reconcile.plan_rows(%s) ORDER BY key', :plan), $$VALUES
	('{"team_id": 1, "lower(email)": "bob@x"}'::jsonb, '{"team_id": 1, "email": "Bob@X"}'::jsonb),
	('{"team_id": 2, "lower(email)": "ada@x"}', '{"team_id": 2, "email": "ada@x"}')$$, 'a plan');
INSERT INTO members (team_id, email) VALUES (2, 'ADA@X');  -- somebody else does what is planned
SELECT is((SELECT (planned, changed, already_present) FROM reconcile.repair(plan => :plan, dry_run => false)), (2::bigint, 1::bigint, 1::bigint), 'is applied');
SELECT is((SELECT key FROM reconcile.run ORDER BY run_id DESC LIMIT 1), '{team_id,email}', 'the ledger knows the columns');
INSERT INTO people VALUES (4, 3, 'Cat@X'), (5, 3, 'bad@x');
SELECT reconcile.plan('members') AS a \gset
DELETE FROM people WHERE id = 4;
SELECT reconcile.plan('members') AS b \gset
SELECT results_eq(format('SELECT key, change FROM reconcile.compare_plans(%s, %s)', :a, :b),
	$$VALUES ('{"team_id": 3, "lower(email)": "cat@x"}'::jsonb, 'only in a')$$, 'two plans');
SELECT raised('a plan of which a row is not expected any more', format('SELECT * FROM reconcile.repair(plan => %s, dry_run => false)', :a), 'RC002',
	format('plan %s is stale', :a), NULL, '1 planned row is not expected any more; one has the key {"team_id": 3, "lower(email)": "cat@x"}.');
SELECT is(counts('members', false), '(1,0,0,1)', 'a row that is refused');
SELECT results_eq('SELECT key, source, sqlstate FROM reconcile.failures',
	$$VALUES ('{"team_id": 3, "lower(email)": "bad@x"}'::jsonb, '{"team_id": 3, "email": "bad@x"}'::jsonb, '23514')$$, 'is a failure');
SELECT is(counts('members', false), '(1,0,0,1)', 'a second time');
SELECT is((SELECT attempts FROM reconcile.failures), 2::bigint, 'it is the same failure');
DELETE FROM people WHERE id = 5;
SELECT is(counts('members', false), '(0,0,0,0)', 'then nothing is left to do');
SELECT is_empty('SELECT FROM reconcile.failures', 'and none failed');

-- Two different rows for one key.
INSERT INTO people VALUES (6, 4, 'dan@x'), (7, 4, 'DAN@X');
SELECT raised('two spellings of one key', $$SELECT * FROM reconcile.repair('members', dry_run => false)$$, '21000',
	'invariant "members" expects different rows with the same key', NULL, 'Key: {"team_id": 4, "lower(email)": "dan@x"}.');
SELECT reconcile.alter_invariant('members', expects => 'SELECT DISTINCT ON (team_id, lower(email)) team_id, email FROM people ORDER BY team_id, lower(email), id') \g /dev/null
SELECT is(counts('members', false), '(1,1,0,0)', 'DISTINCT ON with the expression');

-- Undo, by xmin and by rows.
SELECT is((SELECT (removed, kept_changed) FROM reconcile.undo((SELECT max(run_id) FROM reconcile.runs), dry_run => false)), (1::bigint, 0::bigint), 'undo by xmin');
SELECT is(counts('members', false, record => 'rows'), '(1,1,0,0)', 'recorded row by row');
SELECT is((SELECT (removed, already_gone) FROM reconcile.undo((SELECT max(run_id) FROM reconcile.runs), dry_run => false)), (1::bigint, 0::bigint), 'undo by rows');
ALTER TABLE members DROP COLUMN id;
SELECT is(counts('members', false, record => 'rows'), '(1,1,0,0)', 'without a primary key');
UPDATE members SET name = 'Dan' WHERE team_id = 4;
SELECT is((SELECT (removed, kept_changed, already_gone) FROM reconcile.undo((SELECT max(run_id) FROM reconcile.runs), dry_run => false)),
	(0::bigint, 1::bigint, 0::bigint), 'a row that changed stays');

-- The columns that an expression reads need no equality.
CREATE TABLE documents (d json);
CREATE UNIQUE INDEX ON documents ((d ->> 'a'));
SELECT reconcile.create_invariant('documents', 'documents', '{d ->> ''a''}', $$SELECT '{"a": 1}'::json AS d$$) \g /dev/null
SELECT is(counts('documents', false, record => 'rows'), '(1,1,0,0)', 'a document');
SELECT is((SELECT (removed, kept_changed, already_gone) FROM reconcile.undo((SELECT max(run_id) FROM reconcile.runs), dry_run => false)),
	(1::bigint, 0::bigint, 0::bigint), 'is taken back');
SELECT reconcile.drop_invariant('documents') \g /dev/null

-- In batches: the list is a plan.
INSERT INTO people SELECT 100 + n, 5, 'P' || n || '@X' FROM generate_series(1, 10) AS n;
INSERT INTO members VALUES (5, 'p3@x');
SELECT reconcile.begin_batches('members') AS run \gset
INSERT INTO members VALUES (5, 'p9@X');
SELECT array_agg(reconcile.run_batch(:run, 'members', 4)) FROM generate_series(1, 3) \g /dev/null
SELECT is((SELECT (state, planned, changed, already_present, failed) FROM reconcile.runs WHERE run_id = :run), ('done'::text, 9::bigint, 8::bigint, 1::bigint, 0::bigint),
	'a run in batches');
SELECT is((SELECT (state, expected, present) FROM reconcile.audit('members')), ('clean'::text, 14::bigint, 14::bigint), 'is complete');

-- Documents.
SELECT reconcile.export_invariants() AS document \gset
SELECT is(:'document'::jsonb #> '{invariants,0,key}', '["team_id", "lower(email)"]', 'an exported definition');
SELECT results_eq(format('SELECT * FROM reconcile.import_invariants(%L)', :'document'), $$VALUES ('members', 'kept')$$, 'is the same when it is imported');
SELECT reconcile.drop_invariant('members') \g /dev/null
SELECT results_eq(format('SELECT * FROM reconcile.import_invariants(%L)', :'document'), $$VALUES ('members', 'created')$$, 'and can be made from the document');
SELECT is((SELECT state FROM reconcile.audit('members')), 'clean', 'as it was');

-- What is altered later.
ALTER TABLE members RENAME COLUMN email TO mail;
SELECT is((SELECT (state, message) FROM reconcile.audit('members')), ('not checked'::text, 'column "email" does not exist (SQLSTATE 42703)'::text), 'a renamed column');
ALTER TABLE members RENAME COLUMN mail TO email;
ALTER TABLE members ALTER COLUMN email TYPE varchar(100);
SELECT is((SELECT state FROM reconcile.audit('members')), 'clean', 'a column of another type');
SELECT is(counts('members', false), '(0,0,0,0)', 'finds its index, which was rebuilt');
DROP INDEX members_team_id_lower_idx;
INSERT INTO people VALUES (8, 1, 'Eve@X');
SELECT raised('a repair without the index', $$SELECT * FROM reconcile.repair('members', dry_run => false)$$, 'RC007',
	'there is no usable unique index on the key of invariant "members"');
CREATE UNIQUE INDEX ON members (team_id, lower(email));

-- compare, of a column that the key reads and of another one.
SELECT reconcile.alter_invariant('members', expects => 'SELECT team_id, email, ''x'' AS name FROM people WHERE id IN (1, 3)', compare => '{email,name}') \g /dev/null
SELECT results_eq($$SELECT key, actual, reason FROM reconcile.findings('members') ORDER BY key$$, $$VALUES
	('{"team_id": 1, "lower(email)": "ada@x"}'::jsonb, '{"name": "Ada", "email": "ADA@x"}'::jsonb, 'email is ''ADA@x'', expected ''Ada@X''; name is ''Ada'', expected ''x'''),
	('{"team_id": 2, "lower(email)": "ada@x"}', '{"name": null, "email": "ADA@X"}', 'email is ''ADA@X'', expected ''ada@x''; name is NULL, expected ''x''')$$,
	'compare');
SELECT reconcile.drop_invariant('members') \g /dev/null

-- ---------------------------------------------------------------- fill

CREATE TABLE names (email text, name text);
INSERT INTO names VALUES ('ada@X', 'Ada L.'), ('BOB@x', 'Bob');
CREATE TABLE accounts (email text NOT NULL, name text, note text DEFAULT 'kept');
CREATE UNIQUE INDEX ON accounts (lower(email));
INSERT INTO accounts VALUES ('Ada@x', NULL), ('bob@x', 'Robert'), ('cat@x', NULL);
SELECT reconcile.create_invariant('names', 'accounts', '{lower(email)}', 'SELECT email, name FROM names', kind => 'fill') \g /dev/null
SELECT results_eq($$SELECT kind, key, reason FROM reconcile.findings('names')$$,
	$$VALUES ('missing', '{"lower(email)": "ada@x"}'::jsonb, 'name is NULL, expected ''Ada L.''')$$, 'a fill finds rows by an expression');
SELECT is(counts('names', true), '(1,1,0,0)', 'its dry run');
SELECT is(counts('names', false), '(1,1,0,0)', 'its run');
SELECT results_eq('SELECT email, name, note FROM accounts ORDER BY email COLLATE "C"',
	$$VALUES ('Ada@x', 'Ada L.', 'kept'), ('bob@x', 'Robert', 'kept'), ('cat@x', NULL, 'kept')$$, 'writes the value, not the key');
SELECT is(counts('names', false), '(0,0,0,0)', 'its second run');
SELECT is((SELECT (restored, kept_changed) FROM reconcile.undo((SELECT max(run_id) FROM reconcile.runs WHERE changed > 0), dry_run => false)), (1::bigint, 0::bigint), 'its undo');
SELECT is((SELECT count(name) FROM accounts), 1::bigint, 'restores');
SELECT raised('a column that the key reads, in compare', $$SELECT reconcile.alter_invariant('names', compare => '{email}')$$, '22023', 'key column "email" cannot be in compare');
SELECT lives_ok($$SELECT count(*) FROM reconcile.guard('names')$$, 'it can be guarded');
INSERT INTO names VALUES ('CAT@X', 'Cat');
SELECT is((SELECT name FROM accounts WHERE email = 'cat@x'), 'Cat', 'a new value is filled in');
INSERT INTO names VALUES ('dan@x', 'Dan');
INSERT INTO accounts (email) VALUES ('DAN@x');
SELECT is((SELECT name FROM accounts WHERE email = 'DAN@x'), 'Dan', 'and a new row is filled');
SELECT reconcile.drop_invariant('names') \g /dev/null

-- ---------------------------------------------------------------- chains

CREATE TABLE teams (id integer PRIMARY KEY, slug text);
CREATE TABLE rooms (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, slug text);
CREATE UNIQUE INDEX ON rooms (lower(slug));
CREATE TABLE doors (room_id bigint NOT NULL, label text);
CREATE UNIQUE INDEX ON doors (room_id, upper(label));
INSERT INTO teams VALUES (1, 'Red'), (2, 'Blue'), (3, 'Green');
INSERT INTO rooms (slug) VALUES ('RED');
INSERT INTO doors VALUES (1, 'IN');
CREATE TABLE shelves (k text CHECK (k <> 'bad'), l text COLLATE "POSIX");
CREATE UNIQUE INDEX ON shelves ((lower(k) COLLATE "C"), lower(l));
SELECT reconcile.create_invariant('shelves', 'shelves', '{"lower(k) COLLATE \"C\"",lower(l)}', 'SELECT ''bad'' AS k, ''L'' AS l') \g /dev/null
SELECT is((SELECT key FROM reconcile.findings('shelves')), '{"lower(l)": "l", "lower(k) COLLATE \"C\"": "bad"}', 'parts of several collations: a finding');
SELECT is(counts('shelves', false), '(1,0,0,1)', 'parts of several collations: a repair');
SELECT is((SELECT key FROM reconcile.failures), '{"lower(l)": "l", "lower(k) COLLATE \"C\"": "bad"}', 'parts of several collations: its failure');
SELECT reconcile.drop_invariant('shelves') \g /dev/null
SELECT reconcile.create_invariant('rooms', 'rooms', '{lower(slug)}', 'SELECT slug FROM teams') \g /dev/null
SELECT reconcile.create_invariant('doors', 'doors', '{room_id,upper(label)}',
	'SELECT r.id AS room_id, l AS label FROM teams t JOIN rooms r ON lower(r.slug) = lower(t.slug), unnest(''{in,out}''::text[]) AS l') \g /dev/null
SELECT results_eq('SELECT invariant, planned, changed FROM reconcile.repair()', $$VALUES ('rooms', 2::bigint, 2::bigint), ('doors', 5, 5)$$, 'a dry run of a chain');
SELECT results_eq('SELECT invariant, planned, changed FROM reconcile.repair(dry_run => false)', $$VALUES ('rooms', 2::bigint, 2::bigint), ('doors', 5, 5)$$, 'shows what the run does');
SELECT results_eq('SELECT invariant, state FROM reconcile.audit()', $$VALUES ('rooms', 'clean'), ('doors', 'clean')$$, 'which ends clean');
SELECT reconcile.drop_invariant(name) FROM unnest('{rooms,doors}'::text[]) AS name \g /dev/null

-- ---------------------------------------------------------------- guards

TRUNCATE people, members;
SELECT reconcile.create_invariant('members', 'members', '{team_id,lower(email)}',
	'SELECT DISTINCT ON (team_id, lower(email)) team_id, email FROM people ORDER BY team_id, lower(email), id') \g /dev/null
CREATE FUNCTION mails() RETURNS text LANGUAGE sql AS $$SELECT string_agg(team_id || email, ' ' ORDER BY team_id, lower(email)) FROM members$$;
SELECT results_eq($$SELECT watched, events FROM reconcile.guard('members') ORDER BY events$$,
	$$VALUES ('people'::regclass, 'INSERT'), ('people', 'UPDATE OF id, team_id, email')$$, 'a guard with block');
INSERT INTO people VALUES (1, 1, 'Ada@X'), (2, 1, 'ADA@x'), (3, 2, 'ada@x');
SELECT is(mails(), '1Ada@X 2ada@x', 'writes one row per key');
INSERT INTO people VALUES (4, 1, 'aDA@x'), (5, 1, 'Bob@X');
SELECT is(mails(), '1Ada@X 1Bob@X 2ada@x', 'and none that is there');
UPDATE people SET email = upper(email) WHERE id = 5;
SELECT is(mails(), '1Ada@X 1Bob@X 2ada@x', 'an update that does not change the key');
UPDATE people SET email = 'Cat@X' WHERE id = 5;
SELECT is(mails(), '1Ada@X 1Bob@X 1Cat@X 2ada@x', 'and one that does');
INSERT INTO people VALUES (6, 1, NULL), (7, 1, NULL);
SELECT is((SELECT count(*) FROM members WHERE email IS NULL), 1::bigint, 'NULL is a value of an expression, too');
DELETE FROM people WHERE email IS NULL;
DELETE FROM members WHERE email IS NULL;
SELECT raised('a bad row', $$INSERT INTO people VALUES (8, 1, 'bad@x')$$, '23514',
	'new row for relation "members" violates check constraint "members_email_check"');
SELECT count(*) FROM reconcile.guard('members', on_failure => 'queue') \g /dev/null
INSERT INTO people VALUES (8, 1, 'bad@x'), (9, 1, 'Dan@X');
SELECT is(mails(), '1Ada@X 1Bob@X 1Cat@X 1Dan@X 2ada@x', 'a guard with queue writes what it can');
SELECT results_eq('SELECT key, source, sqlstate FROM reconcile.failures',
	$$VALUES ('{"team_id": 1, "lower(email)": "bad@x"}'::jsonb, '{"team_id": 1, "email": "bad@x"}'::jsonb, '23514')$$, 'and keeps what it cannot');
SELECT is((SELECT (fixed, remaining) FROM reconcile.retry_failures('members')), (0::bigint, 1::bigint), 'a retry in vain');
ALTER TABLE members DROP CONSTRAINT members_email_check;
DELETE FROM members WHERE email = 'Dan@X';  -- on purpose: a retry brings back what waits only
SELECT is((SELECT (fixed, remaining) FROM reconcile.retry_failures('members')), (1::bigint, 0::bigint), 'a retry finds the row by its key');
SELECT is(mails(), '1Ada@X 1bad@x 1Bob@X 1Cat@X 2ada@x', 'and no other');
SELECT count(*) FROM reconcile.guard('members', on_failure => 'block', timing => 'commit') \g /dev/null
INSERT INTO people VALUES (11, 1, 'Fay@X'), (12, 1, 'Gus@X');
INSERT INTO members VALUES (1, 'FAY@x');  -- the application does it itself
SET CONSTRAINTS ALL IMMEDIATE;
SELECT is((SELECT array_agg(email::text ORDER BY email COLLATE "C") FROM members WHERE lower(email) IN ('fay@x', 'gus@x')), '{FAY@x,Gus@X}', 'a guard at commit');
SET CONSTRAINTS ALL DEFERRED;
SELECT count(*) FROM reconcile.guard('members', on_delete => 'recreate') \g /dev/null
DELETE FROM members WHERE lower(email) = 'fay@x';
SELECT is((SELECT email FROM members WHERE lower(email) = 'fay@x'), 'Fay@X', 'a deleted row comes back');
SELECT is_empty($$SELECT * FROM reconcile.check_guard('members') WHERE severity = 'error'$$, 'the preflight finds nothing');
DELETE FROM people WHERE id = 9;
SELECT is(counts('members', false), '(0,0,0,0)', 'a repair has nothing to do');
SELECT raised('DISTINCT ON other expressions', $$SELECT reconcile.alter_invariant('members',
	expects => 'SELECT DISTINCT ON (team_id, upper(email)) team_id, email FROM people')$$, 'RC006', 'the query of invariant "members" cannot be guarded',
	'Use DISTINCT ON with the columns of the key.');
SELECT lives_ok($$SELECT reconcile.alter_invariant('members', expects => 'SELECT DISTINCT team_id, email FROM people WHERE id <> 2 AND id <> 4')$$, 'DISTINCT is fine');
SELECT reconcile.drop_invariant('members') \g /dev/null

-- By keys alone: where the watched rows are not found again by a key of their own.
CREATE TABLE watched (email text);
CREATE TABLE found (email text);
CREATE UNIQUE INDEX ON found (lower(email), length(email));
SELECT reconcile.create_invariant('found', 'found', '{lower(email),length(email)}', 'SELECT DISTINCT ON (length(email), lower(email)) email FROM watched ORDER BY length(email), lower(email), email COLLATE "C"') \g /dev/null
SELECT count(*) FROM reconcile.guard('found', timing => 'commit') \g /dev/null
INSERT INTO watched VALUES ('A'), ('b'), ('B'), (NULL);
SELECT is_empty('TABLE found', 'a guard that waits for the commit');
SET CONSTRAINTS ALL IMMEDIATE;
SELECT is((SELECT array_agg(email ORDER BY email COLLATE "C") FROM found), '{A,B,NULL}', 'looks up what is expected by the expressions');
SELECT reconcile.drop_invariant('found') \g /dev/null

SELECT * FROM finish();
ROLLBACK;
