-- The two doors between PostgreSQL and C++ (src/pg): what fails on one side must arrive on the other as it was, with
-- nothing left behind. The probes are in test/backend/boundary.cpp.
\set ON_ERROR_STOP 1
\set QUIET 1
BEGIN;
CREATE SCHEMA boundary;
SET search_path = boundary, public;

CREATE FUNCTION probe_live() RETURNS integer LANGUAGE c AS '$libdir/pg_reconcile_test', 'reconcile_probe_live';
CREATE FUNCTION probe_error() RETURNS integer LANGUAGE c AS '$libdir/pg_reconcile_test', 'reconcile_probe_error';
CREATE FUNCTION probe_exception() RETURNS integer LANGUAGE c AS '$libdir/pg_reconcile_test', 'reconcile_probe_exception';
CREATE FUNCTION probe_bad_alloc() RETURNS integer LANGUAGE c AS '$libdir/pg_reconcile_test', 'reconcile_probe_bad_alloc';
CREATE FUNCTION probe_unknown() RETURNS integer LANGUAGE c AS '$libdir/pg_reconcile_test', 'reconcile_probe_unknown';
CREATE FUNCTION probe_lost() RETURNS integer LANGUAGE c AS '$libdir/pg_reconcile_test', 'reconcile_probe_lost';
CREATE FUNCTION probe_long(text, integer) RETURNS integer LANGUAGE c STRICT
	AS '$libdir/pg_reconcile_test', 'reconcile_probe_long';
CREATE FUNCTION probe_run(text) RETURNS integer LANGUAGE c STRICT AS '$libdir/pg_reconcile_test', 'reconcile_probe_run';
CREATE FUNCTION probe_error_in_spi() RETURNS integer LANGUAGE c
	AS '$libdir/pg_reconcile_test', 'reconcile_probe_error_in_spi';
CREATE FUNCTION probe_attempt(text) RETURNS text LANGUAGE c STRICT AS '$libdir/pg_reconcile_test', 'reconcile_probe_attempt';
CREATE FUNCTION probe_raise_later(text) RETURNS integer LANGUAGE c STRICT
	AS '$libdir/pg_reconcile_test', 'reconcile_probe_raise_later';
CREATE FUNCTION probe_attempt_exception() RETURNS text LANGUAGE c
	AS '$libdir/pg_reconcile_test', 'reconcile_probe_attempt_exception';
CREATE FUNCTION probe_attempts(text, integer) RETURNS integer LANGUAGE c STRICT
	AS '$libdir/pg_reconcile_test', 'reconcile_probe_attempts';

-- What a caller of PostgreSQL sees of an error: all parts that plpgsql can read.
CREATE TYPE seen AS (sqlstate text, message text, detail text, hint text, context text,
                     constraint_name text, table_name text);
CREATE FUNCTION see(sql text) RETURNS seen LANGUAGE plpgsql AS $$
DECLARE
	s seen;
BEGIN
	EXECUTE sql;
	s.sqlstate := '00000';
	RETURN s;
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS s.sqlstate = RETURNED_SQLSTATE, s.message = MESSAGE_TEXT,
		s.detail = PG_EXCEPTION_DETAIL, s.hint = PG_EXCEPTION_HINT, s.context = PG_EXCEPTION_CONTEXT,
		s.constraint_name = CONSTRAINT_NAME, s.table_name = TABLE_NAME;
	RETURN s;
END $$;
-- nested wraps a query in so many calls C++ -> SPI -> C++ -> SPI ...
CREATE FUNCTION nested(sql text, depth integer, through text DEFAULT 'probe_run') RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. depth LOOP
		sql := format('SELECT %I(%L)', through, sql);
	END LOOP;
	RETURN sql;
END $$;
-- A function of PostgreSQL's own that raises every part.
CREATE FUNCTION complain() RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION 'the message' USING ERRCODE = 'AB123', DETAIL = 'The detail.', HINT = 'The hint.',
		CONSTRAINT = 'the constraint', TABLE = 'the table';
END $$;

SELECT no_plan();

-- ---------------------------------------------------------------- exceptions become errors

SELECT collect_tap(is((see('SELECT ' || probe || '()')).sqlstate, code, probe || ' has its SQLSTATE'),
                   is((see('SELECT ' || probe || '()')).message, message, probe || ' has its message'),
                   is((see('SELECT ' || probe || '()')).detail, detail, probe || ' has its detail'),
                   is((see('SELECT ' || probe || '()')).hint, hint, probe || ' has its hint'))
FROM (VALUES
	('probe_error',             '22023', 'an error of ours', 'A detail.', 'A hint.'),
	('probe_exception',         'XX000', 'out of range', '', ''),
	('probe_bad_alloc',         '53200', 'out of memory', '', ''),
	('probe_unknown',           'XX000', 'unrecognized C++ exception', '', ''),
	('probe_lost',              '53200', 'out of memory', '', ''),
	('probe_error_in_spi',      '22000', 'an error after 1 row', '', ''),
	('probe_attempt_exception', 'XX000', 'not to be survived', '', ''),
	('complain',                'AB123', 'the message', 'The detail.', 'The hint.')
) AS t(probe, code, message, detail, hint);
SELECT is(probe_live(), 0, 'no C++ object survived an error');

-- ---------------------------------------------------------------- every depth

SELECT collect_tap(is((s).sqlstate, 'AB123', 'SQLSTATE at depth ' || depth),
                   is((s).message, 'the message', 'message at depth ' || depth),
                   is((s).detail, 'The detail.', 'detail at depth ' || depth),
                   is((s).hint, 'The hint.', 'hint at depth ' || depth),
                   is((s).constraint_name, 'the constraint', 'constraint name at depth ' || depth),
                   is((s).table_name, 'the table', 'table name at depth ' || depth),
                   ok((s).context LIKE 'PL/pgSQL function complain() line 3 at RAISE%',
                      'context begins where it happened at depth ' || depth),
                   is((length((s).context) - length(replace((s).context, 'SQL statement "SELECT', '')))
                      / length('SQL statement "SELECT'), depth + 1, 'context names every level at depth ' || depth))
FROM (SELECT depth, see(nested('SELECT complain()', depth)) AS s FROM unnest(ARRAY[0, 1, 2, 5]) AS depth) AS t;

SELECT collect_tap(is((see(nested('SELECT probe_error()', depth))).sqlstate, '22023', 'our own error at depth ' || depth),
                   is((see(nested('SELECT probe_error()', depth))).detail, 'A detail.', 'its detail at depth ' || depth),
                   is((see(nested('SELECT probe_error()', depth))).hint, 'A hint.', 'its hint at depth ' || depth),
                   is((see(nested('SELECT probe_bad_alloc()', depth))).sqlstate, '53200', 'bad_alloc at depth ' || depth),
                   is((see(nested('SELECT 1/0', depth))).sqlstate, '22012', 'division by zero at depth ' || depth))
FROM unnest(ARRAY[1, 2, 5]) AS depth;

-- Parameters must not be taken for more levels: quoting doubles at each, so a deep one is done by a function.
CREATE FUNCTION deep(n integer) RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
	IF n = 0 THEN
		RAISE EXCEPTION 'at the bottom' USING HINT = 'Go up.';
	END IF;
	RETURN probe_run(format('SELECT deep(%s)', n - 1));
END $$;
SELECT collect_tap(is((see('SELECT deep(60)')).message, 'at the bottom', 'an error passes through 60 levels'),
                   is((see('SELECT deep(60)')).hint, 'Go up.', 'with its hint'));
SELECT is((see('SELECT deep(1000000)')).sqlstate, '54001', 'too deep is an error, not a crash');
SELECT is(probe_live(), 0, 'no C++ object survived an error at any depth');

-- ---------------------------------------------------------------- attempts

SELECT is(probe_attempt(sql), wanted, 'attempt: ' || what)
FROM (VALUES
	('SELECT 1', 'ok, then 7', 'success'),
	('SELECT 1/0', '22012 division by zero, then 7', 'an error of PostgreSQL'),
	('SELECT probe_error()', '22023 an error of ours, then 7', 'an error of ours'),
	('SELECT complain()', 'AB123 the message, then 7', 'an error of a function'),
	('SELECT nothing', '42703 column "nothing" does not exist, then 7', 'an error of the parser'),
	('SELECT probe_attempt(''SELECT 1/0'')', 'ok, then 7', 'an attempt within'),
	('SELECT probe_attempt(''SELECT 1'') || 1/0', '22012 division by zero, then 7', 'failing after an attempt within'),
	(nested('SELECT complain()', 3), 'AB123 the message, then 7', 'three levels down')
) AS t(sql, wanted, what);

SELECT is((see(format('SELECT probe_attempt(%L)', 'SELECT ' || probe || '()'))).sqlstate, '53200',
          probe || ' is not survived: it concerns more than the attempt')
FROM (VALUES ('probe_bad_alloc'), ('probe_lost')) AS t(probe);
SELECT is(left(probe_attempt('SELECT ' || probe || '()'), 5), 'XX000', probe || ' concerns the attempt alone')
FROM (VALUES ('probe_exception'), ('probe_unknown')) AS t(probe);

SELECT collect_tap(is((s).sqlstate, 'AB123', 'raised later: SQLSTATE'), is((s).detail, 'The detail.', 'raised later: detail'),
                   is((s).hint, 'The hint.', 'raised later: hint'), is((s).constraint_name, 'the constraint', 'raised later: constraint'),
                   ok((s).context LIKE 'PL/pgSQL function complain() line 3 at RAISE%', 'raised later: context'))
FROM see(nested('SELECT complain()', 3, 'probe_raise_later')) AS s;
SELECT collect_tap(is((s).sqlstate, '22023', 'ours, raised later: SQLSTATE'), is((s).detail, 'A detail.', 'ours, raised later: detail'),
                   is((s).hint, 'A hint.', 'ours, raised later: hint'))
FROM see('SELECT probe_raise_later(''SELECT probe_error()'')') AS s;

CREATE TABLE written (n integer);
CREATE FUNCTION write_and_fail() RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO written VALUES (1);
	RETURN 1/0;
END $$;
SELECT is(probe_attempt('SELECT write_and_fail()'), '22012 division by zero, then 7', 'an attempt that wrote fails');
SELECT is((SELECT count(*) FROM written), 0::bigint, 'and what it wrote is undone');
SELECT is(probe_live(), 0, 'no C++ object survived an attempt');

-- ---------------------------------------------------------------- cancel

SELECT is((see(format(sql, 'SELECT pg_cancel_backend(pg_backend_pid()), pg_sleep(10)'))).sqlstate, '57014',
          'cancel stays 57014 ' || what)
FROM (VALUES
	('SELECT probe_run(%L)', 'through C++'),
	('SELECT probe_attempt(%L)', 'through an attempt'),
	('SELECT probe_raise_later(%L)', 'through an attempt that would raise later'),
	('SELECT probe_attempts(%L, 1000)', 'through a loop of attempts')
) AS t(sql, what);
SELECT is((see(nested('SELECT pg_cancel_backend(pg_backend_pid()), pg_sleep(10)', 4))).sqlstate, '57014',
          'cancel stays 57014 through four levels');
-- statement_timeout counts from the start of the client's statement, so each case is one.
SET LOCAL statement_timeout = '100ms';
SELECT is((see($$SELECT probe_run('SELECT pg_sleep(10)')$$)).sqlstate, '57014', 'statement_timeout through C++');
SELECT is((see($$SELECT probe_attempt('SELECT pg_sleep(10)')$$)).sqlstate, '57014', 'statement_timeout through an attempt');
SELECT is((see(nested('SELECT pg_sleep(10)', 3, 'probe_attempt'))).sqlstate, '57014',
          'statement_timeout through three attempts');
RESET statement_timeout;
SELECT is(probe_live(), 0, 'no C++ object survived a cancel');

-- ---------------------------------------------------------------- long texts

-- A report holds 1023 bytes of message and hint, 2047 of detail; the first byte of the text shifts the characters.
SELECT collect_tap(is((s).message, rpad('x', 1 + 1022 / octet_length(letter), letter), 'message cut after a whole ' || what),
                   is((s).detail, rpad('x', 1 + 2046 / octet_length(letter), letter), 'detail cut after a whole ' || what),
                   is((s).hint, rpad('x', 1 + 1022 / octet_length(letter), letter), 'hint cut after a whole ' || what))
FROM (SELECT letter, what, see(format('SELECT probe_long(%L, 10240)', letter)) AS s
      FROM (VALUES ('y', 'letter of one byte'), ('ä', 'letter of two bytes'), ('€', 'letter of three bytes'),
                   ('🐘', 'letter of four bytes')) AS t(letter, what)) AS t;
SELECT is((see(format('SELECT probe_long(%L, 340)', '€'))).message, 'x' || repeat('€', 340),
          'a message of 1021 bytes is not cut');
-- An error of PostgreSQL is passed on, not copied into a report: it has no limit.
SELECT is((see(nested($$SELECT 'x'::text::integer + length(repeat('€', 1))$$, 1))).sqlstate, '22P02', 'a short one');
CREATE FUNCTION complain_at_length() RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION '%', repeat('€', 10240);
END $$;
SELECT is((see(nested('SELECT complain_at_length()', 2))).message, repeat('€', 10240),
          'an error of PostgreSQL with a message of 30 kB arrives whole');

-- ---------------------------------------------------------------- 100,000 errors

CREATE FUNCTION memory() RETURNS bigint LANGUAGE sql AS 'SELECT sum(total_bytes) FROM pg_backend_memory_contexts';
CREATE FUNCTION caught(sql text, times integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
	n integer := 0;
BEGIN
	FOR i IN 1 .. times LOOP
		BEGIN
			PERFORM probe_run(sql);
		EXCEPTION WHEN OTHERS THEN
			n := n + 1;
		END;
	END LOOP;
	RETURN n;
END $$;

-- The first thousand warm up caches.
SELECT caught('SELECT 1/0', 1000), caught('SELECT probe_error()', 1000), probe_attempts('SELECT 1/0', 1000),
       probe_attempts('SELECT probe_error()', 1000) \g /dev/null
CREATE TEMP TABLE before AS SELECT memory();
SELECT is(caught('SELECT 1/0', 30000), 30000, '30,000 errors of PostgreSQL, caught by plpgsql');
SELECT is(caught('SELECT probe_error()', 30000), 30000, '30,000 errors of ours, caught by plpgsql');
SELECT is(probe_attempts('SELECT 1/0', 20000), 20000, '20,000 errors of PostgreSQL, survived by attempts');
SELECT is(probe_attempts('SELECT probe_error()', 20000), 20000, '20,000 errors of ours, survived by attempts');
SELECT cmp_ok(memory() - (SELECT memory FROM before), '<', 256 * 1024::bigint, 'memory is flat over 100,000 errors');
SELECT is((SELECT count(*) FROM pg_backend_memory_contexts WHERE name = 'pg_reconcile error'), 0::bigint,
          'no copy of an error is left');
SELECT is(probe_live(), 0, 'no C++ object survived 100,000 errors');

SELECT * FROM finish();
ROLLBACK;
