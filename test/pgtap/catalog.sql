-- What CREATE EXTENSION leaves in the catalog, checked as a whole: so that no later addition can forget it.
\set ON_ERROR_STOP 1
\set QUIET 1
SET client_min_messages = warning;
BEGIN;
SELECT no_plan();

-- A schema that somebody made first stays theirs.
SAVEPOINT before;
CREATE SCHEMA reconcile;
SELECT throws_ok('CREATE EXTENSION pg_reconcile', '42P06', 'schema "reconcile" already exists', 'a schema that is there is not taken over');
SELECT is((SELECT count(*) FROM pg_extension WHERE extname = 'pg_reconcile'), 0::bigint, 'and nothing is installed');
SELECT is((SELECT count(*) FROM pg_proc WHERE pronamespace = 'reconcile'::regnamespace), 0::bigint, 'into it');
ROLLBACK TO before;
CREATE EXTENSION pg_reconcile;

-- The members of the extension, and the columns of its tables and views.
CREATE TEMP VIEW member AS
	SELECT d.classid, d.objid, o.type, o.identity
	FROM pg_depend AS d
	JOIN pg_extension AS e ON e.oid = d.refobjid
	CROSS JOIN LATERAL pg_identify_object(d.classid, d.objid, 0) AS o
	WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND e.extname = 'pg_reconcile';
CREATE TEMP VIEW member_function AS
	SELECT p.*, m.identity FROM pg_proc AS p JOIN member AS m ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid;
CREATE TEMP VIEW member_relation AS
	SELECT c.*, m.identity FROM pg_class AS c JOIN member AS m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid;

SELECT cmp_ok((SELECT count(*) FROM member_function), '>=', 10::bigint, 'there are functions to check');
SELECT cmp_ok((SELECT count(*) FROM member_relation WHERE relkind IN ('r', 'v')), '>=', 8::bigint, 'and tables and views');

-- ---------------------------------------------------------------- everything is described

SELECT is_empty($$SELECT type, identity FROM member WHERE type IN ('function', 'procedure', 'aggregate', 'table', 'view', 'schema',
	'foreign-data wrapper', 'type') AND obj_description(objid, classid::regclass::name) IS NULL
	AND NOT (type = 'type' AND EXISTS (SELECT FROM pg_type AS t WHERE t.oid = objid AND (t.typrelid <> 0 OR t.typelem <> 0)))$$,
	'every function, table and view has a comment');
SELECT is_empty($$SELECT r.identity, a.attname FROM member_relation AS r JOIN pg_attribute AS a ON a.attrelid = r.oid
	WHERE r.relkind IN ('r', 'v') AND a.attnum > 0 AND NOT a.attisdropped AND col_description(r.oid, a.attnum) IS NULL$$,
	'every column of a table or view has a comment');
SELECT is_empty($$SELECT identity, obj_description(objid, classid::regclass::name) FROM member
	WHERE obj_description(objid, classid::regclass::name) ~ '\.$|^[A-Z][a-z]'$$, 'comments are phrases, not sentences');

-- ---------------------------------------------------------------- rights

SELECT is_empty($$SELECT identity FROM member_function WHERE prosecdef AND NOT coalesce(proconfig::text LIKE '%search_path=%', false)$$,
	'a function is not SECURITY DEFINER, or has its search_path pinned');
SELECT is_empty($$SELECT identity FROM member_function AS f JOIN pg_language AS l ON l.oid = f.prolang
	WHERE l.lanname IN ('sql', 'plpgsql') AND f.prokind <> 'p' AND f.prosqlbody IS NULL AND NOT coalesce(f.proconfig::text LIKE '%search_path=%', false)$$,
	'a function in SQL or PL/pgSQL has its search_path pinned, or names bound when it was created; a procedure that commits '
	'may not have settings');

-- A function that is declared stable cannot write. Of the others these only read, and refuse by themselves what the
-- caller may not see, or are trigger functions, which nobody can call; all else is for whom it is granted to.
CREATE TEMP TABLE open_to_all (name name PRIMARY KEY);
INSERT INTO open_to_all VALUES ('audit'), ('audit_schema'), ('schema_findings'), ('report'), ('report_document'), ('report_schema_lines'), ('report_invariant_lines'), ('report_guard_lines'), ('findings'), ('assert_clean'), ('export_invariants'), ('count_row'), ('is_among_first'),
	('run_rows'), ('fire_guard'), ('refuse_transaction_block'), ('refuse'), ('catalog_changes'), ('require_current_catalogs'), ('run_failures'), ('run_xids'), ('pack_report'), ('mongo_check'), ('mongo_collections'),
	('reconcile_mongo_handler'), ('reconcile_mongo_validator');
SELECT is_empty($$SELECT identity FROM member_function AS f WHERE provolatile = 'v' AND proname NOT IN (SELECT name FROM open_to_all)
	AND EXISTS (SELECT FROM aclexplode(coalesce(f.proacl, acldefault('f', f.proowner))) AS a WHERE a.grantee = 0)$$,
	'PUBLIC may execute nothing that writes');
SELECT is_empty($$SELECT identity FROM member_function WHERE identity ~ 'reconcile\.(create_invariant|drop_invariant|repair|undo)\('
	AND proacl IS NULL$$, 'writing functions are revoked');
SELECT is_empty($$SELECT r.identity, a.privilege_type FROM member_relation AS r,
	aclexplode(coalesce(r.relacl, acldefault(CASE r.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", r.relowner))) AS a
	WHERE a.grantee = 0 AND (a.privilege_type <> 'SELECT' OR r.relkind <> 'v' AND identity !~ '^reconcile\.pack(_|$)')$$,
	'PUBLIC may read views and what packs consist of only, and write nothing');
SELECT is_empty($$SELECT n.nspname, a.privilege_type FROM pg_namespace AS n, aclexplode(n.nspacl) AS a
	WHERE n.nspname = 'reconcile' AND a.grantee = 0 AND a.privilege_type <> 'USAGE'$$, 'PUBLIC may not create in the schema');

-- ---------------------------------------------------------------- functions say what they do

SELECT is_empty($$SELECT identity FROM member_function WHERE proname IN ('audit', 'findings', 'repair', 'create_invariant')
	AND (provolatile <> 'v' OR proparallel <> 'u' OR proisstrict)$$, 'what runs statements is volatile, not strict, never parallel');
SELECT is_empty($$SELECT identity FROM member_function WHERE prokind = 'f' AND identity LIKE '%repair(%'
	AND pg_get_function_arguments(oid) NOT LIKE '%dry_run boolean DEFAULT true%'$$, 'repair shows first');

-- ---------------------------------------------------------------- tables

SELECT is_empty($$SELECT identity FROM member_relation AS r WHERE r.relkind = 'r'
	AND NOT EXISTS (SELECT FROM pg_index AS i WHERE i.indrelid = r.oid AND i.indisprimary)$$, 'every table has a primary key');
SELECT is_empty($$SELECT identity FROM member_relation AS r WHERE r.relkind = 'r'
	AND NOT EXISTS (SELECT FROM pg_extension AS e WHERE e.extname = 'pg_reconcile' AND r.oid = ANY (e.extconfig))
	AND identity !~ '^reconcile\.(pack(_.*)?|guard_bell)$' AND relpersistence <> 'u'$$, 'every table is dumped with the database, but what outlives no transaction; what packs consist of comes with the extension, and so does the bell');
SELECT is_empty($$SELECT s.identity FROM member_relation AS s WHERE s.relkind = 'S' AND s.relpersistence <> 'u'
	AND NOT EXISTS (SELECT FROM pg_extension AS e WHERE e.extname = 'pg_reconcile' AND s.oid = ANY (e.extconfig))$$,
	'and so is every sequence');
SELECT is_empty($$SELECT identity FROM member_relation WHERE relkind = 'r' AND relrowsecurity$$, 'no table hides rows from pg_dump');
SELECT is((SELECT extrelocatable FROM pg_extension WHERE extname = 'pg_reconcile'), false, 'the extension stays where it is');

-- ---------------------------------------------------------------- the script

-- Read back from the server, which is the one that was installed.
SELECT setting || '/extension/pg_reconcile--' || (SELECT extversion FROM pg_extension WHERE extname = 'pg_reconcile') || '.sql' AS script
FROM pg_config WHERE name = 'SHAREDIR' \gset
CREATE TEMP TABLE script AS
	SELECT n, line FROM regexp_split_to_table(pg_read_file(:'script'), '\n') WITH ORDINALITY AS s(line, n);
SELECT cmp_ok((SELECT count(*) FROM script), '>', 100::bigint, 'the script is there');
SELECT is_empty($$SELECT n, line FROM script WHERE line ~* '^\s*(CREATE|ALTER)\y.*\y(OR\s+REPLACE|IF\s+NOT\s+EXISTS)\y'$$,
	'it takes over nothing that was there before');
SELECT is((SELECT line FROM script WHERE n = 1), '\echo Use "CREATE EXTENSION pg_reconcile" to load this file. \quit',
	'psql does not run it');

SELECT * FROM finish();
ROLLBACK;
