-- Baselines: what was captured is found equal however it is spelled, and what differs is found once.
\ir ../support/invariant.sql
SELECT no_plan();
DROP SCHEMA app CASCADE;
\ir ../support/schema_objects.sql

-- drift gives what differs from a baseline, without what is found without one.
CREATE FUNCTION public.drift(baseline text DEFAULT 'default') RETURNS TABLE (category text, kind text, object text, attribute text, severity text)
	LANGUAGE sql AS $$ SELECT category, kind, object, attribute, severity FROM reconcile.schema_differences(baseline)
	                   WHERE part_of IS NULL AND object NOT LIKE 'public.%' AND object NOT LIKE '% on public.%' ORDER BY 1, 3, 4 $$;

-- ---------------------------------------------------------------- what was captured is there

SELECT lives_ok($$ SELECT reconcile.capture_baseline('default', '{app,"we ird.$x"}') $$, 'a schema with every kind of object is captured');
CREATE FUNCTION public.within() RETURNS SETOF reconcile.schema_finding LANGUAGE sql
	AS $$ SELECT * FROM reconcile.schema_differences('default', NULL, '{app,"we ird.$x"}') $$;
SELECT is_empty('SELECT * FROM public.within()', 'nothing differs from what was just captured');
SELECT cmp_ok((SELECT count(DISTINCT category) FROM reconcile.baseline_objects), '=', 15::bigint, 'objects of all fifteen categories were captured');
SELECT is(reconcile.export_baseline()::text, reconcile.export_baseline()::text, 'two exports are the same');
SELECT is((SELECT count(*) FROM reconcile.baseline_problems(reconcile.export_baseline())), 0::bigint, 'an export is a valid document');
SELECT lives_ok($$ SELECT reconcile.import_baseline(reconcile.export_baseline(), 'copy') $$, 'and can be imported');
SELECT is(reconcile.export_baseline('copy')::text, reconcile.export_baseline()::text, 'the import exports as the same bytes');
SELECT is_empty($$ SELECT * FROM reconcile.compare_baselines('default', 'copy') $$, 'nor do the two differ');
SELECT is((SELECT count(*) FROM regexp_split_to_table(rtrim(reconcile.baseline_text(), E'\n'), E'\n')),
          1 + (SELECT count(*) FROM reconcile.baseline_objects WHERE baseline = 'default'), 'the text has a line for the baseline and one for each object');

SET search_path = '';
SELECT count(*) AS found FROM public.within() \gset
SET search_path = public;
SELECT is(:found, 0, 'equal under an empty search_path');
SET search_path = app, pg_catalog, public;
SELECT is_empty('SELECT * FROM public.within()', 'equal with the schema in front of pg_catalog');
SET search_path = "we ird.$x", public;
SELECT is_empty('SELECT * FROM public.within()', 'equal with another schema in front');
SELECT is((SELECT type FROM reconcile.schema_columns WHERE object = 'app.users.mood'), 'app.mood', 'the views qualify names whatever the search_path');
SET search_path = app, public;
SELECT is((SELECT type FROM reconcile.schema_columns WHERE object = 'app.users.mood'), 'app.mood', 'and also what is in it');
SET search_path = public;

CREATE ROLE nobody_special;
SET ROLE nobody_special;
SELECT is_empty($$ SELECT 1 FROM public.audit_schema('default', '{app}') WHERE kind IN ('missing', 'extra', 'differs') $$, 'anyone may audit, and finds the same');
SELECT throws_ok($$ SELECT reconcile.capture_baseline('mine') $$, '42501', NULL, 'but not everyone may capture');
SELECT throws_ok($$ SELECT * FROM reconcile.baseline_object $$, '42501', NULL, 'nor read the tables behind the views');
RESET ROLE;

-- ---------------------------------------------------------------- all of it can be made again

-- make_all runs the fixes of missing objects until nothing more can be done.
CREATE FUNCTION public.make_all() RETURNS bigint LANGUAGE plpgsql SET check_function_bodies = off AS $$
DECLARE
	finding record;
	done    bigint;
BEGIN
	FOR round IN 1 .. 5 LOOP
		done := 0;
		FOR finding IN SELECT * FROM public.within() AS f WHERE f.fix IS NOT NULL AND f.kind IN ('missing', 'differs')
		               ORDER BY array_position(reconcile.schema_order(), f.category), f.object LOOP
			BEGIN
				EXECUTE finding.fix;
				done := done + 1;
			EXCEPTION WHEN OTHERS THEN
				NULL;    -- what it needs is not there yet
			END;
		END LOOP;
		EXIT WHEN done = 0;
	END LOOP;
	RETURN (SELECT count(*) FROM public.within());
END $$;
DROP SCHEMA app CASCADE;
DROP SCHEMA "we ird.$x" CASCADE;
SELECT set_eq($$ SELECT category, object FROM public.within() WHERE part_of IS NULL AND category IN ('schema', 'table') $$,
	$$ SELECT category, object FROM reconcile.baseline_objects WHERE baseline = 'default' AND category IN ('schema', 'table') $$,
	'with all objects gone all of them are missing');
SELECT is_empty($$ SELECT object FROM public.within() WHERE part_of IS NULL AND category IN ('column', 'constraint', 'index', 'trigger', 'policy') $$,
	'what is part of a missing table is not missing by itself');
SELECT is(public.make_all(), 0::bigint, 'their fixes make all of them again, and then nothing differs');

-- ---------------------------------------------------------------- two spellings of the same

-- equal tells whether a schema made in two ways is the same: how the first differs from the second.
CREATE FUNCTION public.equal(what text, one text, other text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	DROP SCHEMA IF EXISTS s CASCADE;
	CREATE SCHEMA s;
	PERFORM set_config('search_path', 's, public', true);
	EXECUTE one;
	PERFORM reconcile.capture_baseline('one', '{s}');
	DROP SCHEMA s CASCADE;
	CREATE SCHEMA s;
	EXECUTE other;
	RETURN is((SELECT string_agg(concat_ws(' ', f.category, f.kind, f.object, f.attribute, f.expected, f.actual), '; ')
	           FROM reconcile.schema_differences('one', NULL, '{s}') f WHERE f.category <> 'extension'), NULL, what);
END $$;
CREATE ROLE grants_on;
CREATE TABLE public.spelling (n serial, what text, one text, other text);
INSERT INTO public.spelling (what, one, other) VALUES
	('names of types', 'CREATE TABLE t (a int4, b bool, c decimal(10,2), d timestamptz, e varchar(20), f _text)',
	 'CREATE TABLE t (a integer, b boolean, c numeric(10,2), d timestamp with time zone, e character varying(20), f text[])'),
	('a text default', $$CREATE TABLE t (a varchar DEFAULT 'x')$$, $$CREATE TABLE t (a varchar DEFAULT 'x'::character varying)$$),
	('a boolean default', $$CREATE TABLE t (a boolean DEFAULT 'true')$$, 'CREATE TABLE t (a boolean DEFAULT true)'),
	('an interval', $$CREATE TABLE t (a interval DEFAULT interval '90 days')$$, $$CREATE TABLE t (a interval DEFAULT '90 days'::interval)$$),
	('the current time', 'CREATE TABLE t (a timestamptz DEFAULT now())', 'CREATE TABLE t (a timestamptz DEFAULT CURRENT_TIMESTAMP)'),
	('a number with zeros', 'CREATE TABLE t (a numeric(10,2) DEFAULT 0.5)', 'CREATE TABLE t (a numeric(10,2) DEFAULT 0.50)'),
	('an integer for a numeric', 'CREATE TABLE t (a numeric(10,2) DEFAULT 0)', $$CREATE TABLE t (a numeric(10,2) DEFAULT '0.00')$$),
	('an integer in quotes', 'CREATE TABLE t (a bigint DEFAULT -7)', $$CREATE TABLE t (a bigint DEFAULT '-7')$$),
	('IN and ANY', $$CREATE TABLE t (a text CHECK (a IN ('p', 'q')))$$, $$CREATE TABLE t (a text CHECK (a = ANY (ARRAY['p'::text, 'q'::text])))$$),
	('IN over varchar, as a dump has it', $$CREATE TABLE t (a varchar CHECK (a IN ('p', 'q')))$$,
	 $$CREATE TABLE t (a varchar CHECK (((a)::text = ANY ((ARRAY['p'::character varying, 'q'::character varying])::text[]))))$$),
	('IN with one element', $$CREATE TABLE t (a text CHECK (a IN ('p')))$$, $$CREATE TABLE t (a text CHECK ((a = 'p'::text)))$$),
	('NOT DISTINCT', $$CREATE TABLE t (a text CHECK (a IS NOT DISTINCT FROM 'z'))$$, $$CREATE TABLE t (a text CHECK (NOT (a IS DISTINCT FROM 'z'::text)))$$),
	('BETWEEN', 'CREATE TABLE t (a int CONSTRAINT c CHECK (a BETWEEN 1 AND 2))', 'CREATE TABLE t (a int CONSTRAINT c CHECK (a >= 1 AND a <= 2))'),
	('LIKE', $$CREATE TABLE t (a text CHECK (a LIKE 'x%'))$$, $$CREATE TABLE t (a text CHECK (a ~~ 'x%'))$$),
	('a subselect in a policy', 'CREATE TABLE t (a name); CREATE POLICY p ON t USING (a = (SELECT current_user))',
	 'CREATE TABLE t (a name); CREATE POLICY p ON t USING ((a = ( SELECT CURRENT_USER AS "current_user")))'),
	('names with and without schema', 'CREATE TYPE e AS ENUM (''a''); CREATE TABLE t (a e DEFAULT ''a''); CREATE VIEW v AS SELECT a FROM t',
	 'CREATE TYPE s.e AS ENUM (''a''); CREATE TABLE s.t (a s.e DEFAULT ''a''::s.e); CREATE VIEW s.v AS SELECT t.a FROM s.t'),
	('an empty search_path of a function', 'CREATE FUNCTION f() RETURNS int LANGUAGE sql SET search_path = '''' AS ''SELECT 1''',
	 'CREATE FUNCTION f() RETURNS int LANGUAGE sql SET search_path TO '''' AS ''SELECT 1'''),
	('a partial index over varchar', $$CREATE TABLE t (a varchar); CREATE INDEX i ON t (a) WHERE a = 'published'$$,
	 $$CREATE TABLE t (a varchar); CREATE INDEX i ON t (a) WHERE ((a)::text = 'published'::text)$$),
	('a view as the server prints it', $$CREATE TABLE t (a varchar, b int); CREATE VIEW v AS SELECT a, b FROM t WHERE a IN ('x', 'y') ORDER BY b$$,
	 $$CREATE TABLE t (a varchar, b int); CREATE VIEW v AS SELECT t.a, t.b FROM s.t WHERE ((t.a)::text = ANY ((ARRAY['x'::character varying, 'y'::character varying])::text[])) ORDER BY t.b$$),
	('no ACL and the usual one', 'CREATE TABLE t (a int)', 'CREATE TABLE t (a int); GRANT SELECT ON t TO nobody_special; REVOKE SELECT ON t FROM nobody_special'),
	('no ACL of a function and EXECUTE for PUBLIC', 'CREATE FUNCTION f() RETURNS int LANGUAGE sql AS ''SELECT 1''',
	 'CREATE FUNCTION f() RETURNS int LANGUAGE sql AS ''SELECT 1''; REVOKE ALL ON FUNCTION f() FROM PUBLIC; GRANT EXECUTE ON FUNCTION f() TO PUBLIC'),
	('grants that another role gave', 'CREATE TABLE t (a int); GRANT USAGE ON SCHEMA s TO grants_on; GRANT SELECT ON t TO grants_on WITH GRANT OPTION; GRANT SELECT ON t TO nobody_special',
	 'CREATE TABLE t (a int); GRANT USAGE ON SCHEMA s TO grants_on; GRANT SELECT ON t TO grants_on WITH GRANT OPTION; SET LOCAL ROLE grants_on; GRANT SELECT ON s.t TO nobody_special; RESET ROLE'),
	('a name that is cut', format('CREATE TABLE t (a int CONSTRAINT %s CHECK (a > 0))', repeat('n', 70)), format('CREATE TABLE t (a int CONSTRAINT %s CHECK (a > 0))', repeat('n', 63))),
	('a name that is cut between characters of two bytes', format('CREATE TABLE t (a int CONSTRAINT %s CHECK (a > 0))', repeat('é', 40)),
	 format('CREATE TABLE t (a int CONSTRAINT %s CHECK (a > 0))', repeat('é', 31))),
	('a dropped column before others', 'CREATE TABLE t (a int, b text)', 'CREATE TABLE t (x int, a int, b text); ALTER TABLE t DROP COLUMN x'),
	('serial, and what it stands for', 'CREATE TABLE t (a serial)',
	 'CREATE SEQUENCE t_a_seq AS integer; CREATE TABLE t (a integer NOT NULL DEFAULT nextval(''t_a_seq'')); ALTER SEQUENCE t_a_seq OWNED BY t.a'),
	('serial with another name of its sequence', 'CREATE TABLE t (a serial)',
	 'CREATE TABLE t (a serial); ALTER SEQUENCE t_a_seq RENAME TO other'),
	('a serial with a long name', 'CREATE TABLE a_table_with_a_name_of_more_than_fifty_eight_characters_xx (a_long_column serial)',
	 'CREATE TABLE a_table_with_a_name_of_more_than_fifty_eight_characters_xx (a_long_column serial)'),
	('what an extension owns', 'CREATE TABLE t (a int)', 'CREATE TABLE t (a int); CREATE TEMP TABLE t2 (b int)'),
	('a partition attached and one created', 'CREATE TABLE p (a int, b text) PARTITION BY LIST (a); CREATE INDEX i ON p (b); CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1)',
	 'CREATE TABLE p (a int, b text) PARTITION BY LIST (a); CREATE INDEX i ON p (b); CREATE TABLE p1 (a int, b text); CREATE INDEX p1_b_idx ON p1 (b); ALTER TABLE p ATTACH PARTITION p1 FOR VALUES IN (1)'),
	('domain checks with IN', $$CREATE DOMAIN d AS varchar CONSTRAINT c CHECK (VALUE IN ('a', 'b'))$$,
	 $$CREATE DOMAIN d AS varchar CONSTRAINT c CHECK (((VALUE)::text = ANY ((ARRAY['a'::character varying, 'b'::character varying])::text[])))$$);
SELECT public.equal(what, one, other) FROM public.spelling ORDER BY n;

-- What PostgreSQL prints of IN over varchar it reads back as another tree, which prints otherwise: so does a dump and restore.
CREATE FUNCTION public.reread(what text, one text, script text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	first text;
	again text;
BEGIN
	DROP SCHEMA IF EXISTS s CASCADE;
	CREATE SCHEMA s;
	PERFORM set_config('search_path', 's, public', true);
	EXECUTE one;
	PERFORM reconcile.capture_baseline('one', '{s}');
	EXECUTE script INTO first;
	EXECUTE first;
	EXECUTE script INTO again;
	RETURN NEXT isnt(again, first, what || ' is printed otherwise when it was read back');
	RETURN NEXT is((SELECT string_agg(concat_ws(' ', f.category, f.kind, f.object, f.attribute, f.expected, f.actual), '; ')
	                FROM reconcile.schema_differences('one', NULL, '{s}') f WHERE f.category <> 'extension'), NULL, what || ' is the same');
END $$;
SELECT public.reread(concat_ws(' of ', w.what, v.what), replace(w.one, '%', replace(v.condition, 'x', w.x)), w.script)
FROM (VALUES ('IN', $$x IN ('p', 'q')$$), ('many lengths', $$x::varchar(7) IN ('p', 'q'::varchar(3))$$),
	('what looks like it', $$x IN ('it''s', '(ARRAY[''a''::varchar])::text[]', "right"('"])::', 1)::varchar, CASE WHEN x IN ('a', ')') THEN ',' END)$$),
	('arrays in arrays', $$jsonb_object(ARRAY[ARRAY[x, '],'], ARRAY['c', (ARRAY['d'::varchar, x])[1]]]) IS NOT NULL$$)) AS v(what, condition),
(VALUES
	('a check', 'x', 'CREATE TABLE t (x varchar CONSTRAINT c CHECK (%))',
	 $$SELECT format('ALTER TABLE t DROP CONSTRAINT c, ADD CONSTRAINT c %s', pg_get_constraintdef(oid)) FROM pg_constraint WHERE conname = 'c' AND conrelid = 's.t'::regclass$$),
	('a domain', 'VALUE', 'CREATE DOMAIN d AS varchar CONSTRAINT c CHECK (%)',
	 $$SELECT format('ALTER DOMAIN d DROP CONSTRAINT c; ALTER DOMAIN d ADD CONSTRAINT c %s', pg_get_constraintdef(oid)) FROM pg_constraint WHERE contypid = 's.d'::regtype$$),
	('an index', 'x', 'CREATE TABLE t (x varchar); CREATE INDEX i ON t ((%), x) WHERE NOT (%)',
	 $$SELECT format('DROP INDEX i; %s', pg_get_indexdef('s.i'::regclass))$$),
	('statistics', 'x', 'CREATE TABLE t (x varchar, n integer); CREATE STATISTICS i (mcv) ON n, (%), (NOT (%)) FROM t',
	 $$SELECT format('DROP STATISTICS i; %s', pg_get_statisticsobjdef(oid)) FROM pg_statistic_ext WHERE stxrelid = 's.t'::regclass$$),
	('statistics of one expression', 'x', 'CREATE TABLE t (x varchar); CREATE STATISTICS "ON (i" ON (%) FROM t',
	 $$SELECT format('DROP STATISTICS "ON (i"; %s', pg_get_statisticsobjdef(oid)) FROM pg_statistic_ext WHERE stxrelid = 's.t'::regclass$$),
	('a trigger', 'new.a', 'CREATE TABLE t (a varchar); CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS ''BEGIN RETURN NULL; END'';
	   CREATE TRIGGER r AFTER INSERT ON t FOR EACH ROW WHEN (%) EXECUTE FUNCTION f()',
	 $$SELECT format('DROP TRIGGER r ON t; %s', pg_get_triggerdef(oid)) FROM pg_trigger WHERE tgrelid = 's.t'::regclass$$),
	('a rule', 'old.a', 'CREATE TABLE t (a varchar); CREATE RULE r AS ON UPDATE TO t WHERE % DO INSTEAD NOTHING',
	 $$SELECT format('DROP RULE r ON t; %s', pg_get_ruledef(oid)) FROM pg_rewrite WHERE ev_class = 's.t'::regclass$$),
	('a body of SQL', 'f.a', 'CREATE FUNCTION f(a varchar) RETURNS boolean LANGUAGE sql BEGIN ATOMIC SELECT %; END',
	 $$SELECT pg_get_functiondef('s.f'::regproc)$$),
	('a policy', 'x', 'CREATE TABLE t (x varchar); CREATE POLICY p ON t USING (%)',
	 $$SELECT format('DROP POLICY p ON t; CREATE POLICY p ON t USING (%s)', pg_get_expr(polqual, polrelid)) FROM pg_policy WHERE polrelid = 's.t'::regclass$$),
	('a generated column', 'x', 'CREATE TABLE t (x varchar, b boolean GENERATED ALWAYS AS (%) STORED)',
	 $$SELECT format('DROP TABLE t; CREATE TABLE t (x varchar, b boolean GENERATED ALWAYS AS (%s) STORED)', pg_get_expr(adbin, adrelid)) FROM pg_attrdef WHERE adrelid = 's.t'::regclass$$),
	('a view', 'x', 'CREATE TABLE t (x varchar); CREATE VIEW w AS SELECT FROM t WHERE %',
	 $$SELECT format('CREATE OR REPLACE VIEW w AS %s', pg_get_viewdef('s.w'::regclass))$$)) AS w(what, x, one, script);
SET search_path = public;

-- The same definition under another name is a notice, each matched once.
CREATE SCHEMA n;
CREATE TABLE n.t (a int CHECK (a > 0), b int UNIQUE, c int REFERENCES n.t (b));
CREATE INDEX i1 ON n.t (c); CREATE INDEX i2 ON n.t (c);
SELECT reconcile.capture_baseline('names', '{n}');
ALTER TABLE n.t RENAME CONSTRAINT t_a_check TO other_check;
ALTER INDEX n.i1 RENAME TO i3; ALTER INDEX n.i2 RENAME TO i4;
SELECT results_eq($$ SELECT category, kind, object, attribute, severity FROM reconcile.schema_differences('names', NULL, '{n}') ORDER BY 1, 3 $$,
	$$ VALUES ('constraint', 'differs', 't_a_check on n.t', 'name', 'notice'), ('index', 'differs', 'n.i1', 'name', 'notice'), ('index', 'differs', 'n.i2', 'name', 'notice') $$,
	'another name of the same is a notice, one to one');
DO $$ DECLARE f text; BEGIN FOR f IN SELECT fix FROM reconcile.schema_differences('names', NULL, '{n}') LOOP EXECUTE f; END LOOP; END $$;
SELECT is_empty($$ SELECT * FROM reconcile.schema_differences('names', NULL, '{n}') $$, 'its fix renames');

-- Guesses.
ALTER TABLE n.t RENAME a TO "B 2";
SELECT matches((SELECT reason FROM reconcile.schema_differences('names', NULL, '{n}') WHERE kind = 'missing' AND category = 'column'),
	'possibly renamed to n\.t\."B 2"', 'a column of another name and the same type may be renamed');
ALTER TABLE n.t RENAME "B 2" TO "A";
SELECT matches((SELECT reason FROM reconcile.schema_differences('names', NULL, '{n}') WHERE kind = 'missing' AND category = 'column'),
	'there is n\.t\."A": quoted identifier\?', 'a name in other letters is said to be one');
ALTER TABLE n.t RENAME "A" TO a;
ALTER TABLE n.t RENAME TO u;
SELECT matches((SELECT reason FROM reconcile.schema_differences('names', NULL, '{n}') WHERE kind = 'missing' AND category = 'table'),
	'possibly renamed to n\.u', 'so may a table with the same columns');
SELECT is((SELECT count(*) FROM reconcile.schema_differences('names', NULL, '{n}') WHERE part_of IS NULL), 2::bigint, 'one is missing, one is extra, and nothing else');
ALTER TABLE n.u RENAME TO t;
SELECT is_empty($$ SELECT * FROM reconcile.schema_differences('names', NULL, '{n}') $$, 'and back');

-- Another kind of the same name; a role that is not here; another order.
ALTER TABLE n.t RENAME TO t_old; CREATE VIEW n.t AS SELECT 1 AS a;
SELECT results_eq($$ SELECT category, kind, object, attribute FROM reconcile.schema_differences('names', NULL, '{n}') WHERE object = 'n.t' $$,
	$$ VALUES ('table', 'differs', 'n.t', 'kind') $$, 'a view in place of a table is of another kind, not missing');
DROP VIEW n.t; ALTER TABLE n.t_old RENAME TO t;
SELECT reconcile.import_baseline(replace(replace(reconcile.export_baseline('names')::text, '"owner": "postgres"', '"owner": "a role"'),
	format('"owner": "%s"', current_user), '"owner": "a role"')::jsonb, 'names');
SELECT results_eq($$ SELECT category, kind, object FROM reconcile.schema_differences('names', NULL, '{n}') WHERE kind <> 'extra' $$,
	$$ VALUES ('owner', 'missing', '"a role"') $$, 'a role that this cluster lacks is one finding, whatever it owns');
SELECT reconcile.capture_baseline('names', '{n}');
ALTER TABLE n.t DROP COLUMN b CASCADE, ADD COLUMN b int UNIQUE;
ALTER TABLE n.t ADD CONSTRAINT t_c_fkey FOREIGN KEY (c) REFERENCES n.t (b);
SELECT results_eq($$ SELECT category, kind, object, severity FROM reconcile.schema_differences('names', NULL, '{n}') $$,
	$$ VALUES ('table', 'hint', 'n.t', 'notice') $$, 'another order of columns is a note');

-- What an extension owns is its own affair; what merely has the number of such an object in another catalog is not.
CREATE TABLE n.owned (a int);
CREATE FUNCTION n.owned() RETURNS int LANGUAGE sql AS 'SELECT 1';
GRANT SELECT ON n.owned TO nobody_special;
ALTER EXTENSION pgtap ADD TABLE n.owned;
ALTER EXTENSION pgtap ADD FUNCTION n.owned();
SELECT results_eq($$ SELECT category, kind, object FROM reconcile.schema_differences('names', NULL, '{n}') $$,
	$$ VALUES ('table', 'hint', 'n.t') $$, 'members of an extension are not looked at, nor who may use them');
INSERT INTO pg_depend SELECT 'pg_proc'::regclass, 'n.t'::regclass, 0, 'pg_extension'::regclass, oid, 0, 'e' FROM pg_extension WHERE extname = 'pgtap';
ALTER TABLE n.t ALTER c SET DEFAULT 7;
SELECT results_eq($$ SELECT category, kind, object FROM reconcile.schema_differences('names', NULL, '{n}') ORDER BY 1 $$,
	$$ VALUES ('column', 'differs', 'n.t.c'), ('table', 'hint', 'n.t') $$, 'a table whose number a member has in another catalog is');
DELETE FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = 'n.t'::regclass;
ALTER TABLE n.t ALTER c DROP DEFAULT;
ALTER EXTENSION pgtap DROP TABLE n.owned;
ALTER EXTENSION pgtap DROP FUNCTION n.owned();
DROP TABLE n.owned;
DROP FUNCTION n.owned();

-- Serial and identity make a sequence, a default and NOT NULL: one difference.
CREATE TABLE n.counted (a serial);
SELECT reconcile.capture_baseline('names', '{n}');
DROP TABLE n.counted;
CREATE TABLE n.counted (a integer GENERATED BY DEFAULT AS IDENTITY);
SELECT results_eq($$ SELECT category, kind, object, attribute FROM reconcile.schema_differences('names', NULL, '{n}') $$,
	$$ VALUES ('column', 'differs', 'n.counted.a', 'identity') $$, 'identity instead of serial is one finding');
DROP TABLE n.counted;

-- Line ends.
CREATE FUNCTION n.f() RETURNS int LANGUAGE sql AS E'SELECT\n1';
SELECT reconcile.capture_baseline('names', '{n}');
CREATE OR REPLACE FUNCTION n.f() RETURNS int LANGUAGE sql AS E'SELECT\r\n1';
SELECT results_eq($$ SELECT category, kind, attribute, severity FROM reconcile.schema_differences('names', NULL, '{n}') $$,
	$$ VALUES ('function', 'differs', 'body', 'notice') $$, 'other line ends are a notice');

-- ---------------------------------------------------------------- documents

CREATE TABLE public.document (n serial, what text, path text, problem text, change jsonb, at text[]);
INSERT INTO public.document (what, path, problem, at, change) VALUES
	('another format', '$.baseline.format', 'unknown format version 2, known is 1', '{baseline,format}', '2'),
	('no server', '$.baseline.server', 'it is not the number', '{baseline,server}', '"x"'),
	('schemas of another type', '$.baseline.schemas', 'it is neither null nor an array', '{baseline,schemas}', '7'),
	('an unknown key', '$."more"', 'unknown key', '{more}', '1'),
	('an unknown category', '$.objects."tabel"', 'unknown category', '{objects,tabel}', '{}'),
	('an unknown attribute', '$.objects."table"."n.t"."colour"', 'unknown attribute', '{objects,table,n.t,colour}', '"red"'),
	('a mistyped attribute', '$.objects."table"."n.t"."owner"', 'it must be of JSON type string, not number', '{objects,table,n.t,owner}', '1'),
	('a word that is none', '$.objects."table"."n.t"."kind"', 'it must be one of table, partitioned table, foreign table, not "stool"', '{objects,table,n.t,kind}', '"stool"'),
	('a list of numbers', '$.objects."table"."n.t"."options"', 'its elements must be strings', '{objects,table,n.t,options}', '[1]'),
	('an object that is none', '$.objects."table"."n.t"', 'it is not an object', '{objects,table,n.t}', '[]'),
	('seeds without a key', '$.seeds."n.t".key', 'it is not an array of names', '{seeds,n.t}', '{"key": [], "ignore": [], "mode": "exactly", "rows": []}'),
	('seeds with one key twice', '$.seeds."n.t".rows', 'a key occurs more than once: [1]', '{seeds,n.t}', '{"key": ["a"], "ignore": [], "mode": "exactly", "rows": [{"a": 1}, {"a": 1}]}');
SELECT throws_like(format('SELECT reconcile.import_baseline(%L, ''bad'')', jsonb_set(reconcile.export_baseline('names'), at, change)),
	'invalid baseline document: ' || problem || '%', what) FROM public.document ORDER BY n;
SELECT results_eq($$ SELECT n, p.path FROM public.document d, reconcile.baseline_problems(jsonb_set(reconcile.export_baseline('names'), at, change)) p ORDER BY n $$,
	'SELECT n, path FROM public.document ORDER BY n', 'each is one problem, at its path');
SELECT is_empty($$ SELECT FROM reconcile.baselines WHERE name = 'bad' $$, 'and nothing of it was imported');
SELECT throws_ok($$ SELECT reconcile.export_baseline('defalt') $$, '42704', 'baseline "defalt" does not exist', 'a wrong name is an error');
SELECT throws_ok($$ SELECT * FROM audit_schema('defalt') $$, '42704', 'baseline "defalt" does not exist', 'for an audit, too');
SELECT throws_ok($$ SELECT reconcile.capture_baseline('x', '{apq}') $$, '3F000', 'schema "apq" does not exist', 'so is a schema that does not exist');
SELECT throws_ok($$ SELECT reconcile.capture_baseline('x', '{}') $$, '22023', 'argument "schemas" must name at least one schema', 'no baseline of nothing, which would always be met');
SELECT throws_ok($$ SELECT * FROM audit_schema(NULL, '{}') $$, '22023', 'argument "schemas" must name at least one schema', 'no audit of nothing');
SELECT throws_ok($$ SELECT * FROM audit_schema(NULL, '{public,apq}') $$, '3F000', 'schema "apq" does not exist', 'an audit of a schema that does not exist is an error, not clean');
SELECT throws_ok($$ SELECT * FROM audit_schema(NULL, '{NULL}') $$, '22004', 'argument "schemas" must not contain null', 'nor is NULL a schema');
CREATE SCHEMA "Gone Away";
SELECT reconcile.capture_baseline('gone');
DROP SCHEMA "Gone Away";
SELECT results_eq($$ SELECT kind FROM audit_schema('gone', '{"Gone Away"}') WHERE category = 'schema' $$, $$ VALUES ('missing') $$, 'one that only the baseline has is a finding');
SELECT reconcile.drop_baseline('gone');
SELECT lives_ok($$ SELECT reconcile.drop_baseline('copy') $$, 'a baseline can be dropped');
SELECT is_empty($$ SELECT FROM reconcile.baseline_objects WHERE baseline = 'copy' $$, 'with its objects');

-- ---------------------------------------------------------------- seed rows

CREATE SCHEMA seeds;
CREATE TABLE seeds.role (id int PRIMARY KEY, name text, rank numeric, at timestamptz DEFAULT now(), note jsonb);
INSERT INTO seeds.role (id, name, rank, note) VALUES (1, 'owner', 1.50, '{"a": null}'), (2, 'it''s; DROP', NULL, NULL);
SELECT reconcile.capture_baseline('seeds', '{seeds}', '{seeds.role}');
SELECT is_empty($$ SELECT * FROM reconcile.seed_differences('seeds') $$, 'recorded rows are there');
SET timezone = 'Asia/Tokyo'; SET datestyle = 'German';
SELECT is_empty($$ SELECT * FROM reconcile.seed_differences('seeds') $$, 'in any time zone and date style');
RESET timezone; RESET datestyle;
SELECT reconcile.baseline_seed('seeds', 'seeds.role', '{name}', '{at,id}', 'exactly');
UPDATE seeds.role SET rank = 2 WHERE id = 1; DELETE FROM seeds.role WHERE id = 2; INSERT INTO seeds.role (id, name) VALUES (3, 'new');
SELECT results_eq($$ SELECT kind, object, attribute FROM reconcile.seed_differences('seeds') ORDER BY 1 $$,
	$$ VALUES ('differs', 'seeds.role (name=owner)', 'rank'), ('extra', 'seeds.role (name=new)', NULL), ('missing', 'seeds.role (name=it''s; DROP)', NULL) $$,
	'a changed, a lost and a new row are one finding each');
ALTER TABLE seeds.role ALTER id SET DEFAULT 2;
DO $$ DECLARE f text; BEGIN FOR f IN SELECT fix FROM reconcile.seed_differences('seeds') LOOP EXECUTE f; END LOOP; END $$;
SELECT results_eq('SELECT id, name, rank, note FROM seeds.role ORDER BY id',
	$$ VALUES (1, 'owner', 1.50, '{"a": null}'::jsonb), (2, 'it''s; DROP', NULL, NULL) $$, 'their fixes mend all three');
SELECT throws_ok($$ SELECT reconcile.baseline_seed('seeds', 'seeds.role', '{nam}') $$, '42703', 'column of table seeds.role "nam" does not exist', 'a wrong column is an error');
INSERT INTO seeds.role (id, name) VALUES (4, 'owner');
SELECT throws_ok($$ SELECT reconcile.baseline_seed('seeds', 'seeds.role', '{name}') $$, '23505', 'key (name) of seed table seeds.role is not unique', 'so is a key that is none');
SELECT results_eq($$ SELECT kind, actual FROM reconcile.seed_differences('seeds') $$, $$ VALUES ('invalid', '2 rows') $$, 'two rows of one key are found');
SET ROLE nobody_special;
SELECT throws_ok($$ SELECT reconcile.export_baseline('seeds') $$, '42501', NULL, 'who may not read the table may not export its rows');
SELECT is_empty($$ SELECT * FROM reconcile.baseline_seed_rows $$, 'nor see them');
SELECT results_eq($$ SELECT kind, reason FROM reconcile.seed_differences('seeds') $$,
	$$ VALUES ('hint', 'not checked: the current role cannot see all its rows') $$, 'and an audit says that they were not checked');
RESET ROLE;

-- Two baselines are compared with the rows that they recorded.
CREATE SCHEMA two;
CREATE TABLE two.role (id integer PRIMARY KEY, name text, noted text);
CREATE TABLE two.only_one (id integer PRIMARY KEY);
CREATE TABLE two.only_other (id integer PRIMARY KEY);
INSERT INTO two.role VALUES (1, 'owner', 'a'), (2, 'editor', 'a'), (3, 'guest', 'a');
SELECT reconcile.capture_baseline('seeds one', '{two}', '{two.role,two.only_one}');
SELECT reconcile.baseline_seed('seeds one', 'two.role', '{id}', '{noted}', 'exactly');
UPDATE two.role SET name = 'Editor', noted = 'b' WHERE id = 2;
DELETE FROM two.role WHERE id = 3;
INSERT INTO two.role VALUES (4, 'new', 'b');
SELECT reconcile.capture_baseline('seeds other', '{two}', '{two.role,two.only_other}');
SELECT results_eq($$ SELECT severity, kind, object, expected, actual FROM reconcile.compare_baselines('seeds one', 'seeds other') WHERE category = 'seed row' $$, $$ VALUES
	('error', 'missing', 'two.only_one', 'rows by key (id)', NULL),
	('notice', 'extra', 'two.only_other', NULL, 'rows by key (id)'),
	('error', 'differs', 'two.role (id=2)', 'name "editor"', 'name "Editor"'),
	('error', 'missing', 'two.role (id=3)', '{"id": 3, "name": "guest"}', NULL),
	('error', 'extra', 'two.role (id=4)', NULL, '{"id": 4, "name": "new"}') $$, 'seed rows of two baselines');
SELECT is((SELECT fix FROM reconcile.compare_baselines('seeds one', 'seeds other') WHERE object = 'two.role (id=3)'),
	'INSERT INTO two.role (id, name) SELECT id, name FROM jsonb_populate_record(NULL::two.role, ''{"id": 3, "name": "guest"}'');', 'with the fix of a live audit');
SELECT results_eq($$ SELECT severity, kind, object, reason FROM reconcile.compare_baselines('seeds other', 'seeds one') WHERE reason LIKE 'not checked%' $$, $$ VALUES
	('warning', 'hint', 'two.role', 'not checked: column noted is ignored by baseline "seeds one"') $$, 'a column that the other baseline ignores was not compared');
SELECT lives_ok($$ SELECT reconcile.import_baseline(jsonb_set(reconcile.export_baseline('seeds one'), '{baseline,mode}', '"at least"'), 'seeds one') $$, 'as one that does not speak of everything');
SELECT results_eq($$ SELECT kind, object FROM reconcile.compare_baselines('seeds one', 'seeds other') WHERE category = 'seed row' $$, $$ VALUES
	('missing', 'two.only_one'), ('differs', 'two.role (id=2)'), ('missing', 'two.role (id=3)'), ('extra', 'two.role (id=4)') $$,
	'rows that are exactly these have a mode of their own');
SELECT is_empty($$ SELECT * FROM reconcile.compare_baselines('seeds other', 'seeds other') $$, 'a baseline has the rows that it has');

SELECT throws_ok($$ SELECT * FROM reconcile.schema_model('{publik}') $$, '3F000', 'schema "publik" does not exist', 'no model of a schema that is not there');
SELECT throws_ok($$ SELECT * FROM reconcile.schema_model('{}') $$, '22023', 'argument "schemas" must name at least one schema', 'nor of none');

SELECT * FROM finish();
ROLLBACK;
