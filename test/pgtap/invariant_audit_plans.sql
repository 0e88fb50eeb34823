-- audit() counts expected rows in the middle of its plan: whatever plan that is, and in whatever processes, it counts each
-- once. The oracle are a count of the query and an anti-join, written by hand.
\ir ../support/invariant.sql
SELECT no_plan();

CREATE TABLE users (id integer PRIMARY KEY, plan text NOT NULL, team integer);
INSERT INTO users SELECT n, CASE WHEN n % 3 = 0 THEN 'gold' ELSE 'free' END, n % 7 FROM generate_series(1, 600) AS n;
CREATE TABLE parts (id integer NOT NULL, plan text NOT NULL) PARTITION BY RANGE (id);
SELECT format('CREATE TABLE parts%s PARTITION OF parts FOR VALUES FROM (%s) TO (%s)', n, n * 60, n * 60 + 60)
FROM generate_series(0, 10) AS n \gexec
INSERT INTO parts SELECT id, plan FROM users;
CREATE TABLE target (id integer NOT NULL, plan text NOT NULL, note text, UNIQUE (id, plan));
INSERT INTO target SELECT id, CASE WHEN id % 11 = 0 THEN 'other' ELSE plan END, CASE WHEN id % 13 = 0 THEN 'x' END FROM users WHERE id % 5 <> 0;
CREATE TABLE loose (id integer, plan text, note text, CONSTRAINT single UNIQUE (id, plan));

CREATE TABLE shape (name text PRIMARY KEY, expects text NOT NULL);
INSERT INTO shape VALUES
	('a table', 'SELECT id, plan FROM users'),
	('some of a table', 'SELECT id, plan FROM users WHERE team < 3'),
	('one row', 'SELECT id, plan FROM users WHERE id = 5'),
	('no row', 'SELECT id, plan FROM users WHERE false'),
	('two tables', 'SELECT u.id, p.plan FROM users AS u CROSS JOIN (VALUES (''gold''), (''free'')) AS p (plan)'),
	('an inner join', 'SELECT u.id, p.plan FROM users AS u JOIN parts AS p USING (id)'),
	('an outer join', 'SELECT u.id, coalesce(p.plan, ''none'') AS plan FROM users AS u LEFT JOIN parts AS p ON p.id = u.id + 400'),
	('a semi-join', 'SELECT id, plan FROM users AS u WHERE EXISTS (SELECT FROM parts AS p WHERE p.id = u.id AND p.plan = ''gold'')'),
	('partitions', 'SELECT id, plan FROM parts'),
	('a union', 'SELECT id, plan FROM users UNION SELECT id, plan FROM parts'),
	('a union of all', 'SELECT id, plan FROM users UNION ALL SELECT id + 600, plan FROM parts'),
	('distinct rows', 'SELECT DISTINCT id / 2 AS id, plan FROM users'),
	('one row of each team', 'SELECT DISTINCT ON (team) id, plan FROM users ORDER BY team, id DESC'),
	('groups', 'SELECT max(id) AS id, min(plan) AS plan FROM users GROUP BY team'),
	('the first rows', 'SELECT id, plan FROM users ORDER BY id LIMIT 200'),
	('rows in an order', 'SELECT id, plan FROM users ORDER BY plan, id DESC'),
	('numbered rows', 'SELECT row_number() OVER (ORDER BY id)::integer AS id, plan FROM users'),
	('a set of rows', 'SELECT n AS id, ''free'' AS plan FROM generate_series(1, 800) AS n'),
	('a set in the list', 'SELECT id, unnest(ARRAY[plan, ''silver'']) AS plan FROM users'),
	('a condition that changes', 'SELECT id, plan FROM users WHERE random() >= 0'),
	('a common table', 'WITH u AS MATERIALIZED (SELECT * FROM users) SELECT id, plan FROM u'),
	('a recursive one', 'WITH RECURSIVE r AS (SELECT 1 AS id UNION ALL SELECT id + 1 FROM r WHERE id < 100) SELECT id, ''free'' AS plan FROM r');

CREATE TABLE setting (name text PRIMARY KEY, settings text[] NOT NULL);
INSERT INTO setting VALUES
	('no workers', '{max_parallel_workers_per_gather=0}'),
	('workers', '{max_parallel_workers_per_gather=2,parallel_setup_cost=0,parallel_tuple_cost=0,min_parallel_table_scan_size=0,min_parallel_index_scan_size=0}'),
	('workers alone', '{max_parallel_workers_per_gather=2,parallel_setup_cost=0,parallel_tuple_cost=0,min_parallel_table_scan_size=0,parallel_leader_participation=off}'),
	('a nested loop', '{max_parallel_workers_per_gather=0,enable_hashjoin=off,enable_mergejoin=off}'),
	('a merge join', '{max_parallel_workers_per_gather=0,enable_hashjoin=off,enable_nestloop=off}'),
	('a hash join that spills', '{max_parallel_workers_per_gather=0,enable_mergejoin=off,enable_nestloop=off,work_mem=64kB}'),
	('joins of partitions', '{max_parallel_workers_per_gather=2,parallel_setup_cost=0,parallel_tuple_cost=0,min_parallel_table_scan_size=0,enable_partitionwise_join=on,enable_partitionwise_aggregate=on}');

CREATE TABLE kind (name text PRIMARY KEY, target regclass NOT NULL, kind text NOT NULL, compare text[] NOT NULL, wanted text NOT NULL);
INSERT INTO kind VALUES
	('missing rows', 'target', 'insert', '{}',
	 'SELECT count(*), count(*) FILTER (WHERE NOT EXISTS (SELECT FROM target AS t WHERE (t.id, t.plan) = (e.id, e.plan))), 0, 0 FROM (%s) AS e'),
	('rows of which there are several', 'loose', 'insert', '{}',
	 'SELECT count(*), count(*) FILTER (WHERE n = 0), 0, count(*) FILTER (WHERE n > 1) FROM (SELECT (SELECT count(*) FROM loose AS t
	  WHERE t.id = e.id AND t.plan = e.plan) AS n FROM (%s) AS e) AS e'),
	('values', 'target', 'insert', '{note}',
	 'SELECT count(*), count(*) FILTER (WHERE t.id IS NULL), count(*) FILTER (WHERE t.id IS NOT NULL AND t.note IS DISTINCT FROM e.note), 0
	  FROM (SELECT *, ''x'' AS note FROM (%s) AS e) AS e LEFT JOIN target AS t USING (id, plan)'),
	('empty values', 'target', 'fill', '{}',
	 'SELECT count(*), count(*) FILTER (WHERE t.note IS NULL), 0, 0
	  FROM (SELECT *, ''x'' AS note FROM (%s) AS e) AS e LEFT JOIN target AS t USING (id, plan)');

-- create makes the invariant of a shape and a kind, so that all of them are declared before anything is counted.
SELECT reconcile.create_invariant(k.name || ' of ' || s.name, k.target, '{id,plan}',
	CASE WHEN k.compare = '{}' AND k.kind = 'insert' THEN s.expects ELSE format('SELECT *, ''x''::text AS note FROM (%s) AS e', s.expects) END,
	kind => k.kind, compare => k.compare)
FROM kind AS k CROSS JOIN shape AS s \g /dev/null
ALTER TABLE loose DROP CONSTRAINT single;
INSERT INTO loose SELECT id, plan, note FROM target;
INSERT INTO loose SELECT id, plan, note FROM target WHERE id % 10 = 1;
INSERT INTO loose VALUES (NULL, 'gold'), (7, NULL);
ANALYZE users, parts, target, loose;

CREATE FUNCTION counted(statement text, settings text[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	numbers text;
BEGIN
	PERFORM set_config(split_part(s, '=', 1), split_part(s, '=', 2), true) FROM unnest(settings) AS s;
	EXECUTE 'SELECT r::text FROM (' || statement || ') AS r' INTO numbers;
	PERFORM set_config(name, reset_val, true) FROM pg_settings WHERE name IN (SELECT split_part(s, '=', 1) FROM unnest(settings) AS s);
	RETURN numbers;
END $$;
CREATE TABLE invariant AS
SELECT k.name || ' of ' || s.name AS name, counted(format(k.wanted, s.expects), '{}') AS wanted FROM kind AS k CROSS JOIN shape AS s;
SELECT is(counted(format('SELECT expected, missing, differing, duplicated FROM reconcile.audit(%L)', i.name), t.settings), i.wanted,
	concat_ws(', ', i.name, t.name))
FROM invariant AS i CROSS JOIN setting AS t ORDER BY i.name, t.name;
SELECT is(
	counted(format('SELECT present, jsonb_array_length(samples) FROM reconcile.audit(%L, samples => 3)', 'missing rows of ' || s), t.settings),
	(SELECT format('(%s,3)', count(*)) FROM users WHERE id % 5 <> 0 AND id % 11 <> 0), concat_ws(', ', 'three samples of ' || s, t.name))
FROM setting AS t CROSS JOIN (VALUES ('a table'), ('partitions')) AS v (s);
SELECT is((SELECT samples FROM reconcile.audit('missing rows of one row')), '[{"id": 5, "plan": "free"}]', 'a sample is the row that is expected');

-- ---------------------------------------------------------------- what is the same in all rows

-- A constant of the query chooses what is read of the target, though the planner does not look through the count.
CREATE TABLE kinds (id integer NOT NULL, kind text NOT NULL, day date NOT NULL, n numeric, PRIMARY KEY (kind, day, id)) PARTITION BY LIST (kind);
CREATE TABLE kinds_a PARTITION OF kinds FOR VALUES IN ('a');
CREATE TABLE kinds_b PARTITION OF kinds FOR VALUES IN ('b');
INSERT INTO kinds SELECT id, kind, current_date, 1 FROM users CROSS JOIN (VALUES ('a'), ('b')) AS k (kind) WHERE id % 5 <> 0;
SELECT reconcile.create_invariant('constants', 'kinds', '{kind,day,id}',
	$$SELECT 1.0 AS n, id, 'a'::varchar AS kind, current_date AS day FROM users$$, compare => '{n}') \g /dev/null
SELECT reconcile.create_invariant('nothing but constants', 'kinds', '{kind,day,id}',
	$$SELECT 1 AS id, 'b' AS kind, current_date AS day FROM users WHERE id <= 7$$) \g /dev/null
SELECT reconcile.create_invariant('sets of groups', 'kinds', '{kind,day,id}',
	$$SELECT id, 'a' AS kind, max(current_date) AS day FROM users GROUP BY GROUPING SETS ((1, 2), (1))$$) \g /dev/null
SET LOCAL max_parallel_workers_per_gather = 0;
SELECT pg_stat_get_xact_numscans('kinds_b'::regclass) AS scans_before \gset
SELECT results_eq($$SELECT expected, missing, differing, samples @> jsonb_build_array(jsonb_build_object('n', 1.0, 'id', 5, 'kind', 'a', 'day', current_date))
	FROM reconcile.audit('constants', samples => 1000)$$, 'VALUES (600::bigint, 120::bigint, 0::bigint, true)',
	'constants of several types');
SELECT is(pg_stat_get_xact_numscans('kinds_b'::regclass), :scans_before::bigint, 'no partition is read that a constant rules out');
SELECT results_eq($$SELECT expected, missing FROM reconcile.audit('nothing but constants')$$, 'VALUES (7::bigint, 0::bigint)',
	'as many rows as the query has, none of which it reads from its table');
SELECT results_eq($$SELECT expected, missing FROM reconcile.audit('sets of groups')$$, 'VALUES (1200::bigint, 720::bigint)',
	'a set of groups without a constant has NULL in its place');
RESET max_parallel_workers_per_gather;

-- ---------------------------------------------------------------- an audit within an audit

CREATE FUNCTION missing_in(name text) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
	RETURN (SELECT a.missing FROM reconcile.audit(name) AS a);
EXCEPTION WHEN query_canceled THEN
	RETURN -1;
END $$;
CREATE FUNCTION cancel(value integer) RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
	IF value > 20 THEN
		PERFORM pg_cancel_backend(pg_backend_pid()), pg_sleep(10);
	END IF;
	RETURN value;
END $$;
CREATE TABLE results (id integer, missing bigint, PRIMARY KEY (id, missing));
SELECT reconcile.create_invariant('canceled', 'target', '{id,plan}', 'SELECT cancel(id) AS id, plan FROM users') \g /dev/null
SELECT reconcile.create_invariant('outer', 'results', '{id,missing}', $$SELECT u.id, missing_in(v.name) AS missing FROM users AS u,
	(VALUES ('missing rows of a table'), ('canceled')) AS v (name) WHERE u.id <= 3$$) \g /dev/null
SELECT results_eq($$SELECT state, expected, missing, samples -> 0, samples -> 1 FROM reconcile.audit('outer')$$,
	$$SELECT 'drift', 6::bigint, 6::bigint, jsonb_build_object('id', 1, 'missing', 600 - count(*)), '{"id": 1, "missing": -1}'::jsonb
	  FROM users WHERE id % 5 <> 0 AND id % 11 <> 0$$, 'a query that audits, and one that is canceled while it does');
SELECT is((SELECT missing FROM reconcile.audit('missing rows of a table')), missing_in('missing rows of a table'), 'and another audit after it');

-- ---------------------------------------------------------------- what the statement calls

SELECT throws_ok('SELECT reconcile.count_row(4711)', '55000', 'no audit counts its rows as number 4711', 'nobody counts');
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
SET LOCAL parallel_leader_participation = off;
SELECT throws_ok('SELECT count(*) FROM users WHERE reconcile.count_row(4711)', '55000', 'no audit counts its rows as number 4711',
	'nor does a worker');
RESET parallel_leader_participation;
SELECT is(reconcile.count_row(NULL), NULL, 'nothing is no number');
SELECT is((SELECT count(*) FROM generate_series(1, 10) WHERE reconcile.is_among_first(3)), 3::bigint, 'the first calls');
SELECT is((SELECT count(*) FROM generate_series(1, 10) WHERE reconcile.is_among_first(0)), 0::bigint, 'no calls');

SELECT * FROM finish();
ROLLBACK;
