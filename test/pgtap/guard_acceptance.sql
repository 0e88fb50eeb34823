-- A row that is there is left alone, whatever is expected in its place: also where the target would refuse that before its
-- unique index could say that the row is there. Without the row, the same is refused.
\ir ../support/invariant.sql
SELECT no_plan();

CREATE DOMAIN short AS text CHECK (length(VALUE) < 4);
CREATE DOMAIN needed AS text NOT NULL;
CREATE DOMAIN still_needed AS needed;
CREATE DOMAIN filled AS text CHECK (VALUE IS NOT NULL);

-- Each case: the columns of the target beside its key, what they have there, what is expected of a row of source for the
-- first, and what source's columns a and b get; the SQLSTATE of the refusal; what happens between the guard and the write.
CREATE TABLE cases (what text PRIMARY KEY, columns text, present text, expects text, written text, refused text, meanwhile text);
INSERT INTO cases VALUES
	('a text that is too long', 'v varchar(3)', $$'a'$$, 's.a', $$'long', 'x'$$, '22001', NULL),
	('a longer varchar', 'v varchar(3)', $$'a'$$, 's.a::varchar(5)', $$'long', 'x'$$, '22001', NULL),
	('a text that is to be padded', 'v char(3)', $$'a'$$, 's.a', $$'long', 'x'$$, '22001', NULL),
	('a number that is too great', 'v integer', '1', 's.n::bigint * 10000000000', $$'x', 'x'$$, '22003', NULL),
	('a number with too many digits', 'v numeric(3)', '1', 's.n * 1000.0', $$'x', 'x'$$, '22003', NULL),
	('a value of a domain', 'v short', $$'a'$$, 's.a', $$'long', 'x'$$, '23514', NULL),
	('a NULL of a domain', 'v needed', $$'a'$$, 'NULL::text', $$'x', 'x'$$, '23502', NULL),
	('a NULL of a column', 'v text NOT NULL', $$'a'$$, 's.b', $$'x', NULL$$, '23502', NULL),
	('a NULL of a constant', 'v text NOT NULL', $$'a'$$, 'NULL::text', $$'x', 'x'$$, '23502', NULL),
	('a NULL of an operator', 'v text NOT NULL', $$'a'$$, 's.a || s.b', $$'x', NULL$$, '23502', NULL),
	('a NULL of a function', 'v text NOT NULL', $$'a'$$, $$substring(s.a, 'y')$$, $$'x', 'x'$$, '23502', NULL),
	('a NULL of nullif()', 'v text NOT NULL', $$'a'$$, $$nullif(s.a, 'x')$$, $$'x', 'x'$$, '23502', NULL),
	('a NULL of coalesce()', 'v text NOT NULL', $$'a'$$, 'coalesce(s.b, s.b)', $$'x', NULL$$, '23502', NULL),
	('a NULL of a cast', 'v varchar(3) NOT NULL', $$'a'$$, 's.b::varchar(3)', $$'x', NULL$$, '23502', NULL),
	('a NULL that source has learned to take', 'v text NOT NULL', $$'a'$$, 's.a', $$NULL, 'x'$$, '23502',
	 'ALTER TABLE source ALTER a DROP NOT NULL'),
	('a NULL that the target refuses by now', 'v text', $$'a'$$, 's.b', $$'x', NULL$$, '23502', 'ALTER TABLE target ALTER v SET NOT NULL'),
	('nothing for a column that has lost its default', $$v text, w text NOT NULL DEFAULT ''$$, $$'a'$$, 's.a', $$'x', 'x'$$, '23502',
	 'ALTER TABLE target ALTER w DROP DEFAULT'),
	('a value that a check refuses', $$v text CHECK (v <> 'x')$$, $$'a'$$, 's.a', $$'x', 'x'$$, '23514', NULL),
	('a constant that a check refuses', $$v text CHECK (v IN ('a', 'b'))$$, $$'a'$$, $$'x'::text$$, $$'x', 'x'$$, '23514', NULL),
	('a number that a check refuses', 'v integer CHECK (v > 5 AND v < 8)', '6', '9', $$'x', 'x'$$, '23514', NULL),
	('a constant where a check looks at another column', $$v text CHECK (v = w), w text DEFAULT 'a'$$, $$'a'$$, $$'x'::text$$,
	 $$'x', 'x'$$, '23514', NULL),
	('a key that a check refuses besides', 'v text CHECK (id > 5 OR v IS NULL)', 'NULL', $$'x'::text$$, $$'x', 'x'$$, '23514', NULL),
	('a constant that a new check refuses', 'v text', $$'a'$$, $$'x'::text$$, $$'x', 'x'$$, '23514',
	 $$ALTER TABLE target ADD CHECK (v <> 'x') NOT VALID$$),
	('a value of which another is computed', 'v integer, w integer GENERATED ALWAYS AS (1 / v) STORED', '1', 's.n - 1',
	 $$'x', 'x'$$, '22012', NULL),
	('a default that is NULL', $$v text, w text NOT NULL DEFAULT current_setting('app.tenant', true)$$, $$'a', 'w'$$, 's.a', $$'x', 'x'$$,
	 '23502', NULL),
	('a default that fails', $$v text, w text DEFAULT current_setting('app.tenant')$$, $$'a', 'w'$$, 's.a', $$'x', 'x'$$, '42704', NULL),
	('a default that its domain refuses', $$v text, w short DEFAULT 'long'$$, $$'a', 'w'$$, 's.a', $$'x', 'x'$$, '23514', NULL),
	('no value of a domain over a domain', 'v text, w still_needed', $$'a', 'w'$$, 's.a', $$'x', 'x'$$, '23502', NULL),
	('no value of a domain with a check', 'v text, w filled', $$'a', 'w'$$, 's.a', $$'x', 'x'$$, '23514', NULL),
	('a new default that is NULL', $$v text, w text NOT NULL DEFAULT 'a'$$, $$'a', 'w'$$, 's.a', $$'x', 'x'$$, '23502',
	 $$ALTER TABLE target ALTER w SET DEFAULT current_setting('app.tenant', true)$$),
	('a text looked up where there are longer ones by now', 'v varchar(3)', $$'a'$$, '(SELECT l.a FROM lookup l WHERE l.id = s.id)',
	 $$'x', 'x'$$, '22001', $$ALTER TABLE lookup ALTER a TYPE text; UPDATE lookup SET a = 'long'$$),
	('a number that cannot be divided', 'v integer', '1', '10 / (s.n - 1)', $$'x', 'x'$$, '22012', NULL),
	('a text that is no number', 'v integer', '1', 's.a::integer', $$'x', 'x'$$, '22P02', NULL);

-- outcome is what comes of a write to source: the target's rows, or the refusal.
CREATE FUNCTION outcome(c cases, timing text, is_there boolean) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM reconcile.drop_invariant(i.name) FROM reconcile.invariants i;
	DROP TABLE IF EXISTS source, target, lookup CASCADE;
	CREATE TABLE source (id integer PRIMARY KEY, n integer NOT NULL, a text NOT NULL, b text);
	CREATE TABLE lookup AS SELECT id, 'x'::varchar(3) AS a FROM unnest('{1,7}'::integer[]) AS id;
	EXECUTE format('CREATE TABLE target (id integer PRIMARY KEY, %s)', c.columns);
	PERFORM reconcile.create_invariant('accepted', target => 'target', key => '{id}',
		expects => format('SELECT s.id, %s AS v FROM source s', c.expects));
	PERFORM reconcile.guard('accepted', timing => outcome.timing);
	IF is_there THEN
		EXECUTE format('INSERT INTO target VALUES (1, %s)', c.present);
	END IF;
	IF c.meanwhile IS NOT NULL THEN -- a guard that has been at work before
		INSERT INTO source VALUES (7, 1, 'a', 'a');
		SET CONSTRAINTS ALL IMMEDIATE;
		EXECUTE c.meanwhile;
	END IF;
	SET CONSTRAINTS ALL DEFERRED;
	EXECUTE format('INSERT INTO source VALUES (1, 1, %s)', c.written);
	SET CONSTRAINTS ALL IMMEDIATE;
	RETURN (SELECT string_agg(coalesce(v::text, 'NULL'), ' ') FROM target WHERE id = 1);
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END $$;

SELECT is(outcome(c, timing, is_there), CASE WHEN is_there THEN trim(split_part(c.present, ',', 1), '''') ELSE c.refused END,
          format('%s, at %s: %s', what, timing, CASE WHEN is_there THEN 'the row that is there stays' ELSE 'refused' END))
FROM cases c, unnest('{statement,commit}'::text[]) AS timing, unnest('{true,false}'::boolean[]) AS is_there;

-- What the target is sure to take is written, and left alone where it is there, all the same.
CREATE TABLE taken (what text PRIMARY KEY, columns text, present text, expects text, written text, wanted text);
INSERT INTO taken VALUES
	('a column', 'v text NOT NULL', $$'y'$$, 's.a', $$'x', 'x'$$, 'x'),
	('a constant', $$v varchar(5) NOT NULL CHECK (v IN ('admin', 'y'))$$, $$'y'$$, $$'admin'::text$$, $$'x', 'x'$$, 'admin'),
	('a number', 'v bigint NOT NULL CHECK (v > 0 AND v < 1000)', '5', '100', $$'x', 'x'$$, '100'),
	('a time', 'v timestamp NOT NULL', $$'2020-01-01 00:00:00'$$, 'now()', $$'x', 'x'$$, now()::timestamp::text),
	('an expression', 'v varchar(4) NOT NULL', $$'y'$$, $$(upper(s.a) || 'longer')::varchar(4)$$, $$'x', 'x'$$, 'Xlon'),
	('one value of two', 'v text NOT NULL', $$'y'$$, $$coalesce(s.b, s.a)$$, $$'x', NULL$$, 'x'),
	('a column beside defaults', $$v text NOT NULL, w serial, x varchar(5) NOT NULL DEFAULT 'a' CHECK (x IN ('a', 'b')),
	 y uuid NOT NULL DEFAULT gen_random_uuid(), z date NOT NULL DEFAULT now(), n integer GENERATED ALWAYS AS IDENTITY$$,
	 $$'y'$$, 's.a', $$'x', 'x'$$, 'x'),
	('no value', 'v varchar(3)', $$'y'$$, 'NULL::text', $$'x', 'x'$$, 'NULL');
SELECT is(outcome(ROW(t.what, t.columns, t.present, t.expects, t.written, NULL, NULL)::cases, timing, is_there),
          CASE WHEN is_there THEN trim(t.present, '''') ELSE t.wanted END,
          format('%s, at %s: %s', t.what, timing, CASE WHEN is_there THEN 'the row that is there stays' ELSE 'written' END))
FROM taken t, unnest('{statement,commit}'::text[]) AS timing, unnest('{true,false}'::boolean[]) AS is_there;

-- A partition has bounds; and the column of an expression in the key may have another value in the row that is there.
SELECT reconcile.drop_invariant(name) FROM reconcile.invariants;
DROP TABLE source, target;
CREATE TABLE source (id integer PRIMARY KEY, a text);
CREATE TABLE whole (id integer, v integer) PARTITION BY LIST (v);
CREATE TABLE part PARTITION OF whole (PRIMARY KEY (id)) FOR VALUES IN (1);
CREATE TABLE named (a text NOT NULL);
CREATE UNIQUE INDEX ON named (coalesce(a, 'none')) NULLS NOT DISTINCT;
SELECT reconcile.create_invariant('in_bounds', 'part', '{id}', 'SELECT id, 2 AS v FROM source');
SELECT reconcile.create_invariant('by_expression', 'named', $${"coalesce(a, 'none')"}$$, 'SELECT a FROM source');
SELECT reconcile.guard(name) FROM reconcile.invariants;
INSERT INTO part VALUES (1, 1);
INSERT INTO named VALUES ('none');
SELECT lives_ok('INSERT INTO source VALUES (1, NULL)', 'rows that are there stay: in a partition, and by an expression');
SELECT results_eq('SELECT id, v, a FROM part, named', $$VALUES (1, 1, 'none')$$, 'and there are no others');
SELECT throws_ok($$INSERT INTO source VALUES (2, NULL)$$, '23514', NULL, 'a row outside of the bounds of the partition is refused');

-- Equal values of a key may not be alike to a domain.
SELECT reconcile.drop_invariant(name) FROM reconcile.invariants;
CREATE DOMAIN cents AS numeric CHECK (scale(VALUE) <= 2);
CREATE TABLE price (id integer PRIMARY KEY, n numeric);
CREATE TABLE known_price (n cents PRIMARY KEY, v text);
SELECT reconcile.create_invariant('known_prices', 'known_price', '{n}', $$SELECT n, 'x'::text AS v FROM price$$);
SELECT reconcile.guard('known_prices');
INSERT INTO known_price VALUES (1.00, 'a');
SELECT lives_ok('INSERT INTO price VALUES (1, 1.000)', 'a row with an equal key stays');
SELECT throws_ok('INSERT INTO price VALUES (2, 2.000)', '23514', NULL, 'which is refused where there is none');
SELECT results_eq('SELECT n, v FROM known_price', $$VALUES (1.00::cents, 'a')$$, 'and there are no others');

SELECT * FROM finish();
ROLLBACK;
