-- Keys: which expected rows count as present, for every kind of key column and unique index. Each case is a target, a
-- query, and what a repair must do; that the dry run shows the same, that the second run changes nothing and that the
-- audit is then clean holds for all of them.
\ir ../support/invariant.sql
SELECT no_plan();

-- ---------------------------------------------------------------- types

CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
CREATE DOMAIN given AS text NOT NULL;
CREATE TYPE pair AS (a integer, b text);

SELECT with_type(type, v, nulls)
FROM unnest(ARRAY['NOT NULL', 'NULL']) AS nulls, (VALUES
	('smallint', ARRAY['0', '1', '2']),
	('integer', '{0,1,-1}'),
	('bigint', '{0,9007199254740993,9007199254740992}'),
	('numeric', '{0,1.1,1.10001}'),
	('numeric(10,2)', '{0,1.1,1.2}'),
	('real', '{0,1.5,NaN}'),
	('double precision', '{0,-1,Infinity}'),
	('text', ARRAY['', 'a', 'A']),
	('varchar(10)', ARRAY['', 'a', 'a ']),
	('char(8)', ARRAY['ABC', 'ABD', 'A']),
	('"char"', ARRAY['a', 'b', 'c']),
	('name', ARRAY['a', 'b', 'c']),
	('bytea', ARRAY['', '\x00', '\x0000']),
	('uuid', ARRAY['00000000-0000-0000-0000-000000000000', '00000000-0000-0000-0000-000000000001',
	               '00000000-0000-0000-0000-000000000002']),
	('date', ARRAY['2000-01-01', '2000-01-02', 'infinity']),
	('timestamp', ARRAY['2000-01-01', '2000-01-01 00:00:00.000001', '-infinity']),
	('timestamptz', ARRAY['2000-01-01', '2000-01-02', '2000-01-03']),
	('time', ARRAY['00:00', '00:01', '24:00']),
	('interval', ARRAY['0', '1 month', '2 months']),
	('bit(8)', ARRAY['00000000', '10000000', '11111111']),
	('varbit', ARRAY['', '0', '00']),
	('inet', ARRAY['127.0.0.1', '::1', '10.0.0.0/8']),
	('jsonb', ARRAY['{}', '{"a": 1}', 'null']),
	('integer[]', ARRAY['{}', '{1}', '{NULL}']),
	('text[]', ARRAY['{}', '{a,b}', '{NULL}']),
	('int4range', ARRAY['empty', '[1,2)', '(,)']),
	('positive', ARRAY['1', '2', '3']),
	('given', ARRAY['', 'a', 'b']),
	('pair', ARRAY['(1,a)', '(2,)', '(,)']),
	('oid', ARRAY['0', '1', '4294967295']),
	('pg_lsn', ARRAY['0/0', '0/1', '1/0'])
) AS t(type, v)
WHERE (type, nulls) <> ('given', 'NULL');
SELECT converges('boolean and enum key', 'CREATE TABLE target (a boolean NOT NULL, b mood NOT NULL, UNIQUE (a, b));
	INSERT INTO target VALUES (true, ''sad'')', '{b,a}',
	$$SELECT a, b::mood FROM unnest('{t,f}'::boolean[]) AS a, unnest('{sad,happy}'::text[]) AS b$$, 3, 3);

-- ---------------------------------------------------------------- the value as the column stores it

SELECT converges('numeric rounded by its column', 'CREATE TABLE target (k numeric(10,2) PRIMARY KEY)',
	'{k}', 'SELECT 1.005 AS k', 1, 1);
SELECT converges('timestamp rounded by its column', 'CREATE TABLE target (k timestamp(0) PRIMARY KEY)',
	'{k}', 'SELECT timestamp ''2020-01-01 00:00:00.4'' AS k', 1, 1);
SELECT converges('bigint for an integer column', 'CREATE TABLE target (k integer PRIMARY KEY)', '{k}',
	'SELECT k FROM unnest(''{1,2,3000000000}''::bigint[]) AS k', 3, 2, 1);
SELECT converges('numeric for an integer column', 'CREATE TABLE target (k integer PRIMARY KEY)', '{k}', 'SELECT 1.5 AS k', 1, 1);
SELECT converges('integer for a bigint column', 'CREATE TABLE target (k bigint PRIMARY KEY)', '{k}', 'SELECT 1 AS k', 1, 1);
SELECT converges('name for a text column', 'CREATE TABLE target (k text PRIMARY KEY)', '{k}', 'SELECT current_user AS k', 1, 1);
SELECT converges('too long for varchar(3)', 'CREATE TABLE target (k varchar(3) PRIMARY KEY); INSERT INTO target VALUES (''abc'')',
	'{k}', 'SELECT k FROM unnest(''{abc,abcd,ab}''::text[]) AS k', 2, 1, 1);
SELECT converges('trailing spaces are cut for varchar(3)', 'CREATE TABLE target (k varchar(3) PRIMARY KEY)',
	'{k}', 'SELECT ''ab '' AS k', 1, 1);
SELECT converges('blanks beyond varchar(3)', 'CREATE TABLE target (k varchar(3) PRIMARY KEY); INSERT INTO target VALUES (''ab ''), (''äöü'')',
	'{k}', 'SELECT k FROM unnest(''{"ab    ","äöü   ","a  ","x     ","    ",y}''::text[]) AS k', 4, 4);
SELECT converges('blanks beyond the length of ' || name, format('%s CREATE TABLE target (k %s UNIQUE, v text); INSERT INTO target VALUES (''abc'')', ddl, type),
	'{k}', format('SELECT k FROM unnest(%L::%s[]) AS k', ARRAY['abc  ', 'x  ', NULL, 'abcd ', ' '], given), 4, 3, 1)
FROM (VALUES ('a varchar', '', 'varchar(3)', 'varchar'), ('a longer varchar', '', 'varchar(3) COLLATE "C"', 'varchar(5)'),
             ('a domain', 'CREATE DOMAIN three AS varchar(3);', 'three', 'text')) AS v(name, ddl, type, given);
SELECT converges('too long for char(3)', 'CREATE TABLE target (k char(3) PRIMARY KEY)', '{k}', 'SELECT ''abcd'' AS k', 1, 0, 1);
SELECT converges('outside a domain', 'CREATE TABLE target (k positive PRIMARY KEY)', '{k}',
	'SELECT k FROM unnest(''{1,-1,2}''::integer[]) AS k', 3, 2, 1);

-- ---------------------------------------------------------------- collations

SELECT converges('key with another collation than the query''s', 'CREATE TABLE target (k text COLLATE "C" PRIMARY KEY)',
	'{k}', 'SELECT ''a'' COLLATE "POSIX" AS k', 1, 1);
SELECT converges('nullable key with another collation', 'CREATE TABLE target (k text COLLATE "C" UNIQUE)',
	'{k}', 'SELECT k COLLATE "POSIX" AS k FROM unnest(''{a,NULL}''::text[]) AS k', 2, 2);

-- ---------------------------------------------------------------- NULL

SELECT converges('NULL equals NULL', 'CREATE TABLE target (a integer, b text, UNIQUE (a, b));
	INSERT INTO target VALUES (1, NULL), (NULL, NULL)', '{a,b}',
	$$SELECT * FROM (VALUES (1, NULL), (NULL, NULL), (NULL, 'x'), (1, 'x'), (0, ''), (NULL, ''), (0, NULL)) AS t(a, b)$$, 5, 5);
SELECT converges('NULLS NOT DISTINCT', 'CREATE TABLE target (a integer, b text, UNIQUE NULLS NOT DISTINCT (a, b));
	INSERT INTO target VALUES (1, NULL), (NULL, NULL)', '{a,b}',
	$$SELECT * FROM (VALUES (1, NULL), (NULL, NULL), (NULL, 'x')) AS t(a, b)$$, 1, 1);
SELECT converges('NULL equals NULL in an array of a type without constants',
	'CREATE TABLE target (k jsonb UNIQUE); INSERT INTO target VALUES (NULL)',
	'{k}', $$SELECT k::jsonb FROM (VALUES (NULL), ('null'), ('{}')) AS t(k)$$, 2, 2);
SELECT converges('an empty array where the target has NULL', 'CREATE TABLE target (k integer[] UNIQUE); INSERT INTO target VALUES (NULL)', '{k}',
	$$SELECT '{}'::integer[] AS k$$, 1, 1);
SELECT converges('NULL where the target has an empty array', 'CREATE TABLE target (k text[] UNIQUE); INSERT INTO target VALUES (''{}'')', '{k}',
	$$SELECT k::text[] FROM (VALUES (NULL), ('{}'), ('{NULL}')) AS t(k)$$, 2, 2);
CREATE TABLE lists (k integer[] UNIQUE, v text);
INSERT INTO lists VALUES (NULL, NULL), ('{}', NULL);
SELECT reconcile.create_invariant('lists', 'lists', '{k}', $$SELECT '{}'::integer[] AS k, 'empty' AS v$$, kind => 'fill') \g /dev/null
SELECT is(counts('lists', false), '(1,1,0,0)', 'a fill finds the row with the empty array');
SELECT results_eq('SELECT k, v FROM lists ORDER BY k', $$VALUES ('{}'::integer[], 'empty'), (NULL, NULL)$$, 'and not the one with NULL');
SELECT reconcile.drop_invariant('lists') \g /dev/null
SELECT converges('NULL for a column that may not be NULL', 'CREATE TABLE target (k integer PRIMARY KEY)', '{k}',
	'SELECT k FROM unnest(''{1,NULL}''::integer[]) AS k', 2, 1, 1);
SELECT converges('many NULLs', 'CREATE TABLE target (a integer, b text, UNIQUE (a, b))', '{a,b}',
	$$SELECT nullif(a, a) AS a, a::text AS b FROM generate_series(1, 1000) AS a$$, 1000, 1000);

-- ---------------------------------------------------------------- keys that the query repeats

SELECT converges('a row twice', 'CREATE TABLE target (k integer PRIMARY KEY, v text)', '{k}',
	$$SELECT * FROM (VALUES (1, 'a'), (1, 'a'), (2, 'b')) AS t(k, v)$$, 3, 2);
SELECT converges('a row twice with NULL key', 'CREATE TABLE target (k integer UNIQUE, v text)', '{k}',
	$$SELECT * FROM (VALUES (NULL::integer, 'a'), (NULL, 'a'), (2, 'b')) AS t(k, v)$$, 3, 2);
SELECT converges('a row twice, with a json value and a key that may be NULL', 'CREATE TABLE target (k integer UNIQUE, v json)',
	'{k}', $$SELECT k, v::json FROM (VALUES (NULL::integer, '{}'), (NULL, '{}'), (2, '[]')) AS t(k, v)$$, 3, 2);
SELECT converges('a row twice, beside bad ones', 'CREATE TABLE target (k integer UNIQUE, v text CHECK (v <> ''bad''))', '{k}',
	$$SELECT * FROM (VALUES (NULL::integer, 'a'), (1, 'bad'), (NULL, 'a'), (2, 'bad'), (NULL, 'a')) AS t(k, v)$$, 5, 1, 2);

CREATE FUNCTION ambiguous(what text, ddl text, expects text, key text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	dry_run boolean;
	said text;
BEGIN
	EXECUTE 'DROP TABLE IF EXISTS target CASCADE';
	EXECUTE ddl;
	PERFORM reconcile.create_invariant('i', 'target', '{k}', expects);
	FOREACH dry_run IN ARRAY '{t,f}'::boolean[] LOOP
		BEGIN
			PERFORM reconcile.repair('i', dry_run => dry_run);
			RETURN NEXT fail(what || ' is an error');
		EXCEPTION WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS said = PG_EXCEPTION_DETAIL;
			RETURN NEXT is((SQLSTATE, SQLERRM, said),
				('21000'::text, 'invariant "i" expects different rows with the same key'::text, 'Key: ' || key || '.'),
				what || CASE WHEN dry_run THEN ' is an error of the dry run' ELSE ' is an error of the run' END);
		END;
	END LOOP;
	PERFORM reconcile.drop_invariant('i');
	RETURN NEXT is_empty('TABLE target', what || ' writes nothing');
END $$;
SELECT ambiguous('a key with two values', 'CREATE TABLE target (k integer PRIMARY KEY, v text)',
	$$SELECT * FROM (VALUES (1, 'a'), (2, 'b'), (1, 'c')) AS t(k, v)$$, '{"k": 1}');
SELECT ambiguous('a NULL key with two values', 'CREATE TABLE target (k integer UNIQUE, v text)',
	$$SELECT * FROM (VALUES (NULL::integer, 'a'), (2, 'b'), (NULL, 'c')) AS t(k, v)$$, '{"k": null}');
SELECT ambiguous('a key with a value and NULL', 'CREATE TABLE target (k integer PRIMARY KEY, v text)',
	$$SELECT * FROM (VALUES (1, 'a'), (1, NULL)) AS t(k, v)$$, '{"k": 1}');
SELECT ambiguous('a key with a good and a bad value', 'CREATE TABLE target (k integer PRIMARY KEY, v text CHECK (v <> ''bad''))',
	$$SELECT * FROM (VALUES (1, 'a'), (1, 'bad')) AS t(k, v)$$, '{"k": 1}');
SELECT ambiguous('a key with two spellings of one value', 'CREATE TABLE target (k integer PRIMARY KEY, v json)',
	$$SELECT k, v::json FROM (VALUES (1, '{"a":1}'), (1, '{"a": 1}')) AS t(k, v)$$, '{"k": 1}');

-- ---------------------------------------------------------------- indexes

SELECT converges('composite key in another order', 'CREATE TABLE target (a integer, b integer, c integer, PRIMARY KEY (c, a, b));
	INSERT INTO target VALUES (1, 11, 0)', '{a,b,c}',
	'SELECT a, b, 0 AS c FROM (VALUES (1, 11), (11, 1)) AS t(a, b)', 1, 1);
SELECT converges('index with included columns', 'CREATE TABLE target (k integer NOT NULL, v text);
	CREATE UNIQUE INDEX ON target (k) INCLUDE (v)', '{k}', 'SELECT 1 AS k', 1, 1);
SELECT converges('partial index: a row outside its predicate is present',
	'CREATE TABLE target (k integer NOT NULL, deleted boolean NOT NULL DEFAULT false);
	CREATE UNIQUE INDEX ON target (k) WHERE NOT deleted; INSERT INTO target VALUES (1, true), (2, false)',
	'{k}', 'SELECT k FROM generate_series(1, 3) AS k', 1, 1);
SELECT converges('partial index: unless where_absent says that it is not',
	'CREATE TABLE target (k integer NOT NULL, deleted boolean NOT NULL DEFAULT false);
	CREATE UNIQUE INDEX ON target (k) WHERE NOT deleted; INSERT INTO target VALUES (1, true), (1, true), (2, false)',
	'{k}', 'SELECT k FROM generate_series(1, 3) AS k', 2, 2, where_absent => 'deleted');
SELECT converges('where_absent that is NULL leaves a row present',
	'CREATE TABLE target (k integer NOT NULL, deleted boolean);
	CREATE UNIQUE INDEX ON target (k) WHERE deleted IS NOT TRUE; INSERT INTO target VALUES (1, NULL), (2, true)',
	'{k}', 'SELECT k FROM generate_series(1, 2) AS k', 1, 1, where_absent => 'deleted');
-- A row that does not count as present holds up another one in the unique index only.
SELECT converges('an absent row with NULL in its key holds up nothing', 'CREATE TABLE target (k integer UNIQUE, dead boolean NOT NULL DEFAULT false);
	INSERT INTO target VALUES (NULL, true), (2, false)',
	'{k}', 'SELECT k FROM unnest(''{2,3,NULL}''::integer[]) AS k', 2, 2, where_absent => 'dead');
SELECT converges('nor does one for a row that is outside of the index', 'CREATE TABLE target (k integer NOT NULL, kind text NOT NULL,
		dead boolean NOT NULL DEFAULT false, upper_kind text GENERATED ALWAYS AS (upper(kind)) STORED);
	CREATE UNIQUE INDEX ON target (k) WHERE upper_kind = ''A''; INSERT INTO target VALUES (1, ''a'', true), (2, ''b'', false)',
	'{k}', 'SELECT k, ''b'' AS kind FROM generate_series(1, 3) AS k', 2, 2, where_absent => 'dead');
SELECT converges('partial index beside a whole one', 'CREATE TABLE target (k integer NOT NULL, deleted boolean);
	CREATE UNIQUE INDEX ON target (k) WHERE NOT deleted; CREATE UNIQUE INDEX ON target (k); INSERT INTO target VALUES (1, true)',
	'{k}', 'SELECT k FROM generate_series(1, 2) AS k', 1, 1);
-- ON CONFLICT by the columns would take all three, and fail.
SELECT converges('a unique constraint beside a deferrable one', 'CREATE TABLE target (a integer, b integer, UNIQUE (a, b) DEFERRABLE INITIALLY DEFERRED, CONSTRAINT "B a" UNIQUE (b, a));
	CREATE UNIQUE INDEX ON target (a, b); ALTER TABLE target ADD FOREIGN KEY (b, a) REFERENCES target (b, a); INSERT INTO target VALUES (1, 1), (2, NULL)',
	'{a,b}', 'SELECT * FROM (VALUES (1, 1), (2, 2), (2, NULL), (NULL, 3)) AS v(a, b)', 2, 2);
SELECT converges('the same of a partitioned table', 'CREATE TABLE target (k integer, UNIQUE (k) DEFERRABLE, UNIQUE (k)) PARTITION BY RANGE (k);
	CREATE TABLE target1 PARTITION OF target FOR VALUES FROM (0) TO (2); CREATE TABLE target2 PARTITION OF target FOR VALUES FROM (2) TO (9); INSERT INTO target VALUES (1)',
	'{k}', 'SELECT k FROM generate_series(1, 3) AS k', 2, 2);
SELECT converges('the only unique index that is not the key''s refuses a row',
	'CREATE TABLE target (k integer PRIMARY KEY, slug text UNIQUE); INSERT INTO target VALUES (1, ''a'')',
	'{k}', $$SELECT * FROM (VALUES (2, 'a'), (3, 'b')) AS t(k, slug)$$, 2, 1, 1);

-- An index that takes other texts for equal than the key does would keep rows out that are missing.
SELECT EXISTS (SELECT FROM pg_collation WHERE collname = 'und-x-icu') AS has_icu \gset
\if :has_icu
CREATE COLLATION any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE cased (k text, c text COLLATE any_case);
CREATE UNIQUE INDEX ON cased (k COLLATE any_case);
CREATE UNIQUE INDEX ON cased ((k || '') COLLATE any_case);
SELECT throws_ok(format($$SELECT reconcile.create_invariant('cased', 'cased', %L, 'SELECT ''a'' AS k')$$, key), 'RC007',
	format('there is no usable unique index on (%s) of app.cased', indexed), 'an index by another equality: ' || indexed)
FROM (VALUES (ARRAY['k'], 'k'), (ARRAY['k || '''''], '((k || ''''::text))')) AS t(key, indexed);
SELECT converges('the collation of the column', 'CREATE TABLE target (k text COLLATE any_case PRIMARY KEY); INSERT INTO target VALUES (''Ada'')',
	'{k}', 'SELECT unnest(''{ada,bob}''::text[]) AS k', 1, 1);
SELECT converges('the collation of an expression', 'CREATE TABLE target (k text COLLATE any_case); CREATE UNIQUE INDEX ON target ((k || ''''));
	INSERT INTO target VALUES (''Ada'')', '{"k || ''''"}', 'SELECT unnest(''{ada,bob}''::text[]) AS k', 1, 1);
\endif

-- Without its index nothing can be written, and whoever only looks learns it, too.
CREATE TABLE loose (k integer);
CREATE UNIQUE INDEX loose_k ON loose (k);
SELECT reconcile.create_invariant('loose', 'loose', '{k}', 'SELECT 1 AS k') \g /dev/null
SELECT reconcile.plan('loose') AS plan \gset
DROP INDEX loose_k;
SELECT throws_ok(statement, 'RC007', 'there is no usable unique index on the key of invariant "loose"', statement) FROM unnest(ARRAY[
	$$SELECT * FROM reconcile.repair('loose', dry_run => true)$$, $$SELECT * FROM reconcile.repair('loose', dry_run => false)$$,
	$$SELECT reconcile.plan('loose')$$]) AS statement;
CREATE FUNCTION hint_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	hint text;
BEGIN
	EXECUTE statement;
	RETURN NULL;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
	RETURN hint;
END $$;
SELECT is(hint_of($$SELECT * FROM reconcile.repair('loose')$$), 'CREATE UNIQUE INDEX CONCURRENTLY ON app.loose (k);', 'the hint makes it');
SELECT is((SELECT (state, missing) FROM reconcile.audit('loose')), ('drift'::text, 1::bigint), 'an audit needs no index');
CREATE UNIQUE INDEX loose_k ON loose (k) WHERE k > 0;
SELECT throws_ok(format('SELECT * FROM reconcile.repair(plan => %s, dry_run => false)', :plan), 'RC002', format('plan %s is stale', :plan),
	'a plan knows what its index was, not its name alone');
SELECT reconcile.drop_invariant('loose') \g /dev/null

-- What a plan calls a key is what findings call it, whatever its types.
CREATE TABLE odd (a integer[] NOT NULL, p pair NOT NULL, d jsonb NOT NULL, b bytea NOT NULL, n integer NOT NULL, UNIQUE (a, p, d, b, n));
SELECT reconcile.create_invariant('odd', 'odd', '{a,p,d,b,n}',
	$$SELECT '{1,2}'::integer[] AS a, ROW(1, 'x')::pair AS p, '5'::jsonb AS d, '\xdead'::bytea AS b, 1 AS n$$) \g /dev/null
SELECT results_eq(format('SELECT key FROM reconcile.plan_rows(%s)', reconcile.plan('odd')), $$SELECT key FROM reconcile.findings('odd')$$,
	'a plan and findings name a key alike');
SELECT results_eq($$SELECT key FROM reconcile.findings('odd')$$,
	$$SELECT '{"a": [1, 2], "p": {"a": 1, "b": "x"}, "d": 5, "b": "\\xdead", "n": 1}'::jsonb$$, 'with values as JSON has them');
SELECT reconcile.drop_invariant('odd') \g /dev/null

-- ---------------------------------------------------------------- the target's columns

SELECT converges('other order of columns, dropped, generated, identity, default columns',
	'CREATE TABLE target (gone integer, v text DEFAULT ''given'', id bigint GENERATED ALWAYS AS IDENTITY, k integer,
	 twice integer GENERATED ALWAYS AS (k * 2) STORED, UNIQUE (k));
	 ALTER TABLE target DROP COLUMN gone; ALTER TABLE target ADD COLUMN late text', '{k}',
	'SELECT ''late'' AS late, k FROM generate_series(1, 3) AS k', 3, 3);
SELECT is_empty($$SELECT * FROM target WHERE id NOT IN (1, 2, 3) OR (v, twice, late) IS DISTINCT FROM ('given', k * 2, 'late')$$,
	'each value is in its column');
SELECT converges('identity by default, given', 'CREATE TABLE target (k bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY)',
	'{k}', 'SELECT 7 AS k', 1, 1);
SELECT converges('domain that has a default and forbids NULL',
	'CREATE DOMAIN flag AS boolean NOT NULL DEFAULT true; CREATE TABLE target (k integer PRIMARY KEY, f flag, g flag NOT NULL)',
	'{k}', 'SELECT 1 AS k', 1, 1);
SELECT converges('columns named as the engine names things',
	'CREATE TABLE target (e integer, x integer, t text, w text, k text, r text, key text, "rows" text, variants text,
	 "copies of the key" text, expected text, actual text, reason text, PRIMARY KEY (e, x))', '{x,e}',
	$$SELECT a AS e, a AS x, 't' AS t, 'w' AS w, 'k' AS k, 'r' AS r, 'key' AS key, 'rows' AS "rows", 'v' AS variants,
	  'c' AS "copies of the key" FROM (VALUES (1), (2), (2)) AS v(a)$$, 3, 2);
SELECT converges('one column named e', 'CREATE TABLE target (e integer PRIMARY KEY CHECK (e < 3))', '{e}',
	'SELECT e FROM generate_series(1, 3) AS e', 3, 2, 1);
SELECT is((SELECT (key, source) FROM reconcile.failures), NULL, 'failures go with their invariant');
SELECT converges('whole rows in the query', 'CREATE TABLE target (k integer PRIMARY KEY, v text)', '{k}',
	$$SELECT (s).a AS k, (s).b AS v FROM (SELECT ROW(1, 'x')::pair AS s) AS q$$, 1, 1);
SELECT converges('no expected rows', 'CREATE TABLE target (k integer PRIMARY KEY)', '{k}', 'SELECT 1 AS k WHERE false', 0, 0);

SELECT * FROM finish();
ROLLBACK;
