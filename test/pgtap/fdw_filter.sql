-- What is asked of MongoDB may only save work: every query gives what it gives on a local copy of the same rows.
\getenv hosts MONGO_HOSTS
\set ON_ERROR_STOP 1
\set QUIET 1
BEGIN;
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_reconcile;
SET timezone = 'UTC';
SELECT no_plan();

CREATE SERVER filters FOREIGN DATA WRAPPER reconcile_mongo OPTIONS (hosts :'hosts', database 'pgtap_fdw_filter');
SELECT 'c_' || md5(clock_timestamp()::text || pg_backend_pid()) AS collection \gset
CREATE FOREIGN TABLE documents (doc jsonb OPTIONS (path '')) SERVER filters OPTIONS (collection :'collection');
INSERT INTO documents SELECT d::jsonb FROM (VALUES
	('{"_id": 1, "t": "b", "i": 1, "n": {"$numberDecimal": "0.1"}, "f": 0.1, "r": 0.1, "at": {"$date": "2026-01-01T00:00:00.001Z"}, "ok": true, "j": [1, null], "s": {"x": 1}}'),
	('{"_id": 2, "t": {"$oid": "0123456789abcdef01234567"}, "i": {"$numberDouble": "2.0"}, "n": 0.1, "f": {"$numberDouble": "NaN"}, "r": 3, "at": {"$date": "2026-01-02T23:59:59.999Z"}, "ok": false, "j": null, "s": {"x": null}}'),
	('{"_id": 3, "t": "0123456789abcdef01234567", "i": {"$numberLong": "3"}, "n": {"$numberDecimal": "NaN"}, "f": {"$numberDouble": "Infinity"}, "r": -1, "at": {"$date": "1969-12-31T23:59:59.999Z"}, "ok": null, "j": {}, "s": null}'),
	('{"_id": 4, "t": null, "i": null, "n": null, "f": null, "r": null, "at": null, "s": 5}'),
	('{"_id": 5}'),
	('{"_id": 6, "t": "B", "i": -6, "n": {"$numberDecimal": "1E+400"}, "f": -0.0, "r": 16777216, "at": {"$date": "2026-01-02T00:00:00Z"}, "ok": true, "j": 5, "s": {"x": 6}, "u": {"$binary": {"base64": "ERERESIiMzNERFVVVVVVVQ==", "subType": "04"}}}'),
	('{"_id": 7, "t": "", "i": 7, "n": {"$numberDecimal": "1.10"}, "f": 1e300, "r": 0.25, "at": {"$date": "2026-01-01T00:00:00Z"}, "ok": false, "j": "x", "u": {"$binary": {"base64": "AAAAAAAAAAAAAAAAAAAAAA==", "subType": "04"}}}'),
	('{"_id": 8, "t": "é", "i": 2147483647, "n": {"$numberLong": "9223372036854775807"}, "f": 2, "r": 2, "at": {"$date": "2026-06-01T12:00:00Z"}, "ok": true, "j": [null]}'),
	('{"_id": 9, "t": "ABCDEF6789ABCDEF01234567", "i": 0, "n": 1e22, "f": 0, "r": 0, "at": {"$date": "2026-01-01T00:00:00.002Z"}, "j": [[]]}')
) AS v (d);

CREATE FOREIGN TABLE remote (
	id integer OPTIONS (path '_id'), t text, tc text OPTIONS (path 't') COLLATE "C", i integer, b bigint OPTIONS (path 'i'),
	n numeric, f double precision, r real, at timestamptz, day date OPTIONS (path 'at'), ok boolean, j jsonb, u uuid,
	x integer OPTIONS (path 's.x')
) SERVER filters OPTIONS (collection :'collection');
CREATE TEMP TABLE local AS SELECT * FROM remote;
SELECT is((SELECT count(*) FROM local), 9::bigint, 'all documents are read');

CREATE FUNCTION filter_of(condition text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS off) SELECT id FROM remote WHERE ' || condition LOOP
		IF line LIKE '%MongoDB Filter: %' THEN
			RETURN regexp_replace(line, '.*MongoDB Filter: ', '');
		END IF;
	END LOOP;
	RETURN NULL;
END $$;

SELECT collect_tap(
	results_eq('SELECT id FROM remote WHERE ' || condition || ' ORDER BY id',
		'SELECT id FROM local WHERE ' || condition || ' ORDER BY id', condition),
	is(filter_of(condition) IS NOT NULL, sent, CASE WHEN sent THEN 'sent: ' ELSE 'not sent: ' END || condition))
FROM (VALUES
	($$t = 'b'$$, true), ($$t = 'B'$$, true), ($$t = ''$$, true), ($$t = 'é'$$, true),
	($$t = '0123456789abcdef01234567'$$, true), ($$t = '0123456789ABCDEF01234567'$$, true), ($$t = 'ABCDEF6789ABCDEF01234567'$$, true),
	($$'b' = t$$, true), ($$t IN ('b', '0123456789abcdef01234567', 'nobody')$$, true), ($$t IN ('b', NULL)$$, true), ($$t = ANY ('{}')$$, true),
	($$t > 'B'$$, false), ($$tc > 'B'$$, true), ($$tc <= 'B'$$, true), ($$tc >= '0123456789abcdef01234567'$$, true), ($$tc < '1'$$, true),
	($$t COLLATE "C" < 'a'$$, true), ($$t <> 'b'$$, false), ($$t LIKE 'b%'$$, true), ($$t LIKE '%b'$$, false), ($$t LIKE 'b'$$, true), ($$t LIKE ''$$, false), ($$t LIKE '01%7'$$, true), ($$t LIKE 'b\%%'$$, true),
	($$t NOT LIKE 'b%'$$, false), ($$t ILIKE 'b%'$$, false), ($$tc LIKE 'é%'$$, true), ($$upper(t) = 'B'$$, false),
	($$t IS NULL$$, true), ($$t IS NOT NULL$$, true), ($$j IS NULL$$, true), ($$j IS NOT NULL$$, true), ($$x IS NULL$$, true), ($$x IS NOT NULL$$, true),
	($$i = 2$$, true), ($$i = 2147483648$$, true), ($$b = 3$$, true), ($$i < 2$$, true), ($$i >= 2$$, true), ($$2 < i$$, true), ($$i BETWEEN 1 AND 3$$, true),
	($$i IN (1, 2, 3)$$, true), ($$b = ANY ('{1,7,NULL}'::bigint[])$$, true), ($$i / 2 = 1$$, false), ($$i = id$$, false),
	($$n = 0.1$$, true), ($$n = 1.1$$, true), ($$n > 0.1$$, true), ($$n >= 0.1$$, true), ($$n < 0.1$$, true), ($$n <= 0.1$$, true), ($$n = 'NaN'$$, false),
	($$n > 1e399$$, true), ($$n = 1e400$$, true), ($$n < 'NaN'$$, false), ($$n = 9223372036854775807$$, true), ($$n = 9223372036854775806$$, true), ($$n = 1e22$$, true),
	($$f = 0.1$$, true), ($$f > 1$$, true), ($$f >= 'Infinity'$$, true), ($$f < 'Infinity'$$, true), ($$f = 'NaN'$$, false), ($$f = 0$$, true), ($$f IN (0.1, 2)$$, true), ($$f <= 0$$, true),
	($$r = 0.1::real$$, true), ($$r = 0.25$$, true), ($$r > 0.1::real$$, true), ($$r < 0.1::real$$, true), ($$r >= 0.1::real$$, true), ($$r = 16777216$$, true), ($$r = 0.1$$, true),
	($$at = '2026-01-01 00:00:00.001+00'$$, true), ($$at = '2026-01-01 00:00:00.0015+00'$$, true), ($$at > '2026-01-01 00:00:00.0015+00'$$, true),
	($$at < '2026-01-01 00:00:00.0015+00'$$, true), ($$at <= '2026-01-01 00:00:00.001+00'$$, true), ($$at >= '2026-01-01 00:00:00.001+00'$$, true),
	($$at < 'infinity'$$, true), ($$at > 'infinity'$$, true), ($$at > '-infinity'$$, true), ($$at <> 'infinity'$$, false), ($$at <> '2026-01-01 00:00:00.001+00'$$, true), ($$day < 'infinity'$$, true), ($$at = 'infinity'$$, true), ($$at < '1970-01-01'$$, true), ($$at >= '1969-12-31 23:59:59.9985+00'$$, true),
	($$at IN ('2026-01-02', '2026-01-01 00:00:00.0015')$$, true), ($$at > now() - interval '100 years'$$, true),
	($$day = '2026-01-02'$$, true), ($$day > '2026-01-01'$$, true), ($$day >= '2026-01-02'$$, true), ($$day < '2026-01-02'$$, true), ($$day <= '1969-12-31'$$, true),
	($$ok$$, true), ($$NOT ok$$, true), ($$ok = true$$, true), ($$ok IS NULL$$, true), ($$ok IS NOT TRUE$$, true), ($$ok IS NOT FALSE$$, true), ($$ok IS TRUE$$, true), ($$ok IS FALSE$$, true), ($$ok IS UNKNOWN$$, true), ($$ok IS NOT UNKNOWN$$, true), ($$ok <> true$$, true),
	($$u = '11111111-2222-3333-4444-555555555555'$$, true), ($$u IN ('00000000-0000-0000-0000-000000000000')$$, true), ($$u > '00000000-0000-0000-0000-000000000000'$$, false),
	($$x = 6$$, true), ($$j = '[1, null]'$$, false),
	($$i = 1 OR t = 'B'$$, true), ($$i = 1 OR upper(t) = 'B'$$, false), ($$(i = 1 OR t = 'B') AND ok$$, true), ($$i > 0 AND upper(t) = 'B'$$, true),
	($$(i = 1 AND upper(t) = 'B') OR t = ''$$, true), ($$NOT (i = 1)$$, true), ($$i <> 2$$, true), ($$2 <> b$$, true), ($$i NOT IN (1, 2)$$, true), ($$i NOT IN (1, NULL)$$, true), ($$f <> 0$$, false), ($$n <> 0.1$$, false), ($$x <> 6$$, true),
	($$NOT (i = 1 AND ok)$$, true), ($$NOT (i > 1 OR t = 'B')$$, true), ($$NOT (i > 1 AND t = 'B')$$, false), ($$i = 1 OR n = 'NaN'$$, false), ($$at = '2026-01-01 00:00:00.0015+00' OR i = 7$$, true)
) AS c (condition, sent);

-- Values that are known only when the scan starts.
PREPARE by_value(text, integer, text[]) AS SELECT id FROM remote WHERE (t = $1 AND i = $2) OR t = ANY ($3) ORDER BY id;
SET plan_cache_mode = force_generic_plan;
SELECT results_eq($$EXECUTE by_value('b', 1, '{B}')$$, 'VALUES (1), (6)', 'parameters');
SELECT results_eq($$EXECUTE by_value(NULL, 1, NULL)$$, 'SELECT 1 WHERE false', 'NULL parameters find nothing');
SELECT results_eq($$EXECUTE by_value('', 7, '{é,NULL}')$$, 'VALUES (7), (8)', 'other parameters of the same plan');
SELECT results_eq($$SELECT id FROM remote WHERE i = (SELECT min(i) FROM local WHERE i > 5)$$, 'VALUES (7)', 'the result of a subquery');
SELECT results_eq($$SELECT v.x, l.id FROM (VALUES (1), (7), (99)) v(x) LEFT JOIN LATERAL (SELECT id FROM remote WHERE i = v.x LIMIT 1) l ON true ORDER BY 1$$,
	$$VALUES (1, 1), (7, 7), (99, NULL)$$, 'a lateral join scans again for each row');
SELECT results_eq($$SELECT a.id, b.id FROM remote a JOIN remote b ON a.b = b.b + 1 WHERE a.i IS NOT NULL ORDER BY 1$$,
	$$SELECT a.id, b.id FROM local a JOIN local b ON a.b = b.b + 1 WHERE a.i IS NOT NULL ORDER BY 1$$, 'two scans at once');
SELECT results_eq($$SELECT (SELECT r.id FROM remote r WHERE r.i = l.i) FROM local l WHERE l.i IS NOT NULL ORDER BY l.id$$,
	$$SELECT id FROM local WHERE i IS NOT NULL ORDER BY id$$, 'a correlated subquery');
SELECT is((SELECT count(*) FROM remote), 9::bigint, 'counting needs no column');
SELECT is((SELECT count(*) FROM (SELECT * FROM remote LIMIT 4) l), 4::bigint, 'LIMIT');
SELECT is((SELECT count(*) FROM (SELECT * FROM remote OFFSET 4 LIMIT 3) l), 3::bigint, 'OFFSET and LIMIT');
SELECT is((SELECT count(*) FROM (SELECT i FROM remote WHERE i > 0 ORDER BY i LIMIT 2) l), 2::bigint, 'LIMIT of sorted rows');
CREATE FUNCTION changing() RETURNS bigint STABLE LANGUAGE sql AS $$ SELECT current_setting('my.wanted')::bigint $$;
SET my.wanted = 2;
PREPARE by_limit AS SELECT id FROM remote LIMIT changing();
CREATE TEMP TABLE few AS EXECUTE by_limit;
SET my.wanted = 5;
CREATE TEMP TABLE more AS EXECUTE by_limit;
SELECT is((SELECT count(*) FROM more), 5::bigint, 'a LIMIT that changes after planning');
SELECT is((SELECT remote FROM remote WHERE id = 5)::text, '(5,,,,,,,,,,,,,)', 'a whole row');

-- What MongoDB also does where its result is certain to be the same.
CREATE FUNCTION sent(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	line text;
	words text := '';
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS off) ' || query LOOP
		words := words || coalesce(' ' || lower(substring(line FROM 'MongoDB (Limit|Sort|Aggregate)')), '');
	END LOOP;
	RETURN ltrim(words);
END $$;
CREATE FOREIGN TABLE exact (
	id integer OPTIONS (path '_id') NOT NULL, s text OPTIONS (path 't', bson_type 'string') COLLATE "C", t text, i integer, b bigint OPTIONS (path 'i'),
	n numeric, at timestamptz, ok boolean, x integer OPTIONS (path 's.x'), e integer OPTIONS (path 'j.0')
) SERVER filters OPTIONS (collection :'collection', filter '{"_id": {"$ne": 2}}');
SELECT collect_tap(is(sent('SELECT ' || query), words, query),
	CASE WHEN words <> 'limit' THEN
		results_eq('SELECT ' || query, 'SELECT ' || replace(query, 'FROM exact', 'FROM (SELECT * FROM exact OFFSET 0) e'), 'right: ' || query) END)
FROM (VALUES
	('count(*) FROM exact', 'aggregate'), ('count(*), count(*) + 1 FROM exact', 'aggregate'), ('count(i) FROM exact', ''),
	('count(*) FROM exact WHERE i = 7', 'aggregate'), ('count(*) FROM exact WHERE b = 7', 'aggregate'), ('count(*) FROM exact WHERE i = 7::bigint', ''),
	('count(*) FROM exact WHERE t = ''B''', 'aggregate'), ('count(*) FROM exact WHERE i > 1', ''), ('count(*) FROM exact WHERE n = 1', ''),
	('count(*) FROM exact WHERE ok', 'aggregate'), ('count(*) FROM exact WHERE NOT ok AND i = 7', 'aggregate'), ('count(*) FROM exact WHERE ok OR i = 1', 'aggregate'),
	('count(*) FROM exact WHERE i IN (1, 7, 8)', 'aggregate'), ('count(*) FROM exact WHERE i <> 7', ''), ('count(*) FROM exact WHERE i IS NULL', ''),
	('count(*) FROM exact WHERE at = ''2026-01-02''', 'aggregate'), ('count(*) FROM exact WHERE x = 6', 'aggregate'),
	('count(*) FILTER (WHERE ok) FROM exact', ''), ('count(*) FROM exact GROUP BY ok HAVING false', ''), ('count(*) FROM exact HAVING count(*) > 5', ''),
	('count(*) FROM exact WHERE upper(t) = ''B''', ''), ('count(*) FROM exact WHERE ok AND upper(t) = ''B''', ''),
	('count(*) FROM exact, (VALUES (1), (2)) v', ''), ('count(*) FROM exact WHERE false', ''),
	('id FROM exact LIMIT 2', 'limit'), ('id FROM exact WHERE i > 1 LIMIT 2', 'limit'), ('id FROM exact WHERE t LIKE ''a%'' LIMIT 2', ''),
	('id FROM exact WHERE i IS NOT NULL LIMIT 2', 'limit'), ('id FROM exact WHERE n = 1 LIMIT 2', ''), ('id FROM exact WHERE s > ''a'' LIMIT 2', 'limit'),
	('id FROM exact WHERE t > ''a'' COLLATE "C" LIMIT 2', ''), ('id FROM exact WHERE i <> 1 LIMIT 2', ''),
	('id FROM exact ORDER BY id LIMIT 3', 'sort limit'), ('id FROM exact ORDER BY id DESC LIMIT 3 OFFSET 2', 'sort limit'), ('id FROM exact ORDER BY id', 'sort'),
	('id FROM exact WHERE upper(t) = ''B'' ORDER BY id', 'sort'), ('id FROM exact ORDER BY i', ''), ('id FROM exact ORDER BY t', ''), ('id FROM exact ORDER BY id, random()', ''),
	('id FROM exact ORDER BY i, id LIMIT 3', ''), ('id FROM exact ORDER BY i NULLS FIRST, id LIMIT 5', 'sort limit'), ('id FROM exact ORDER BY i DESC NULLS LAST, id LIMIT 5', 'sort limit'),
	('id FROM exact WHERE i IS NOT NULL ORDER BY i LIMIT 3', 'sort limit'), ('id FROM exact WHERE i > 0 ORDER BY i DESC LIMIT 2', 'sort limit'),
	('id FROM exact WHERE i = 7 ORDER BY i LIMIT 2', 'limit'), ('id FROM exact ORDER BY n NULLS FIRST LIMIT 2', ''), ('id FROM exact ORDER BY t COLLATE "C" NULLS FIRST LIMIT 2', ''),
	('id FROM exact WHERE id IN (1, 6, 7) AND s IS NOT NULL ORDER BY s DESC LIMIT 2', 'sort limit'), ('id FROM exact ORDER BY at NULLS FIRST, id LIMIT 5', 'sort limit'),
	('id FROM exact ORDER BY id FETCH FIRST 2 ROWS WITH TIES', 'sort'), ('DISTINCT i FROM exact ORDER BY i NULLS FIRST LIMIT 2', 'sort'), ('max(i) FROM exact', 'sort limit'), ('count(*) || ''x'', 1 FROM exact WHERE ok', 'aggregate'),
	('id FROM exact JOIN (VALUES (1), (6)) v(id) USING (id) ORDER BY id LIMIT 2', 'sort')
) AS q (query, words);
SELECT is((SELECT count(*) FROM (SELECT id FROM exact WHERE i > 1 LIMIT 2) l), 2::bigint, 'LIMIT after a condition');
PREPARE counted(integer) AS SELECT count(*) FROM exact WHERE i = $1;
SELECT results_eq('EXECUTE counted(7)', 'VALUES (1::bigint)', 'counting what a parameter says');
SELECT results_eq('EXECUTE counted(NULL)', 'VALUES (0::bigint)', 'counting what equals NULL');
SELECT results_eq('SELECT v.x, (SELECT count(*) FROM exact WHERE i = v.x) FROM (VALUES (1), (7), (99)) v(x)',
	'VALUES (1, 1::bigint), (7, 1), (99, 0)', 'counting again for each row');

-- Of an array MongoDB compares the elements, so it may count what is no integer.
INSERT INTO documents VALUES ('{"_id": 20, "i": [7, 8]}');
SELECT throws_ok('SELECT count(*) FROM exact WHERE i = 7', '22018', NULL, 'an array is an error when it is counted');
SELECT throws_ok('SELECT id FROM exact WHERE i = 7 LIMIT 5', '22018', NULL, 'and when it is read');
ALTER FOREIGN TABLE exact OPTIONS (ADD on_mismatch 'null');
SELECT results_eq('SELECT count(*) FROM exact WHERE i = 7', 'VALUES (1::bigint)', 'an array that reads as NULL is not counted');
SELECT results_eq('SELECT id FROM exact WHERE i = 7 LIMIT 1', 'VALUES (7)', 'nor does it use up a LIMIT');
ALTER FOREIGN TABLE exact OPTIONS (SET on_mismatch 'skip');
SELECT results_eq('SELECT count(*) FROM exact WHERE i = 7', 'VALUES (1::bigint)', 'nor is one that is skipped');
ALTER FOREIGN TABLE exact OPTIONS (SET collection 'missing');
SELECT throws_ok('SELECT count(*) FROM exact', 'HV00R', NULL, 'counting what does not exist');

-- The table's own filter.
ALTER FOREIGN TABLE remote OPTIONS (ADD filter '{"_id": {"$lte": 3}}');
SELECT results_eq('SELECT id FROM remote ORDER BY id', 'VALUES (1), (2), (3)', 'option filter limits the table');
SELECT results_eq($$SELECT id FROM remote WHERE i > 1 ORDER BY id$$, 'VALUES (2), (3)', 'together with a condition');

-- A cursor reads on demand, and may be left open.
DECLARE c CURSOR FOR SELECT id FROM remote ORDER BY id;
SELECT results_eq('FETCH 2 FROM c', 'VALUES (1), (2)', 'a cursor');
SELECT is((SELECT count(*) FROM remote), 3::bigint, 'another query while the cursor is open');
SELECT results_eq('FETCH ALL FROM c', 'VALUES (3)', 'the rest of the cursor');

-- Many documents, several answers of the server.
ALTER FOREIGN TABLE documents OPTIONS (SET collection 'many', ADD batch_size '7');
INSERT INTO documents SELECT jsonb_build_object('_id', g || :'collection', 'g', g, 'run', :'collection') FROM generate_series(1, 100) g;
CREATE FOREIGN TABLE many (g integer, run text) SERVER filters OPTIONS (batch_size '7');
SELECT results_eq(format('SELECT count(*), sum(g) FROM many WHERE run = %L', :'collection'), 'VALUES (100::bigint, 5050::bigint)', 'small batches');
SELECT is((SELECT count(*) FROM (SELECT 1 FROM many LIMIT 20) l), 20::bigint, 'a scan that ends in the middle');
SELECT is((SELECT count(*) FROM (SELECT 1 FROM many LIMIT 20) l), 20::bigint, 'and the next one');

SELECT * FROM finish();
ROLLBACK;
