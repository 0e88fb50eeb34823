-- schema_checks(): each defect that needs no baseline is found once, with a fix that mends it; a sound schema has none.
\ir ../support/invariant.sql
SELECT no_plan();

-- ------------------------------------------------------------- a sound schema

CREATE TABLE app.customers (id serial PRIMARY KEY, name text NOT NULL);
CREATE TABLE app.users (
	id          integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	customer_id integer NOT NULL REFERENCES app.customers,
	email       text NOT NULL UNIQUE,
	note        text CHECK (note <> ''));
CREATE INDEX ON app.users (customer_id);
CREATE INDEX users_by_note ON app.users (lower(note)) WHERE note IS NOT NULL;
CREATE TABLE app.events (at date NOT NULL, id integer NOT NULL, PRIMARY KEY (at, id)) PARTITION BY RANGE (at);
CREATE TABLE app.events_2024 PARTITION OF app.events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE FUNCTION app.touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN new.note := 'x'; RETURN new; END $$;
CREATE TRIGGER touch BEFORE UPDATE ON app.users FOR EACH ROW EXECUTE FUNCTION app.touch();
SET search_path = app, public;
CREATE FUNCTION app.everyone() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM users';
SET search_path = public;  -- what the checks say does not depend on it
ALTER TABLE app.users ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON app.users USING (true);
INSERT INTO app.customers (name) VALUES ('a'), ('b');
INSERT INTO app.users (customer_id, email) SELECT 1, g::text FROM generate_series(1, 200) g;

-- shown gives the findings of a schema, as one row each.
CREATE FUNCTION shown(schema text) RETURNS TABLE (severity text, category text, kind text, object text, fix text)
	LANGUAGE sql AS $$ SELECT severity, category, kind, object, fix FROM reconcile.schema_checks(ARRAY[schema]) $$;

SELECT is_empty($$ SELECT * FROM shown('app') $$, 'a sound schema has no finding');
SELECT is_empty($$ SELECT * FROM shown('reconcile') $$, 'the extension itself is not looked at');

-- ------------------------------------------------------------------- defects

-- A defect is planted in a schema of its own, which must then have this one finding; its fix must leave none.
CREATE TABLE defect (n serial, what text, plant text, severity text, category text, kind text, object text, fixable boolean, fix text);
INSERT INTO defect (what, plant, severity, category, kind, object, fixable, fix) VALUES
	('an invalid index', $$CREATE TABLE d.t (id int PRIMARY KEY, a int); CREATE INDEX i ON d.t (a);
		UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'd.i'::regclass$$,
	 'warning', 'index', 'invalid', 'd.i', true, 'REINDEX INDEX d.i;'),
	('an invalid unique index', $$CREATE TABLE d.t (id int PRIMARY KEY, a int); CREATE UNIQUE INDEX "I 1" ON d.t (a);
		UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'd."I 1"'::regclass$$,
	 'error', 'index', 'invalid', 'd."I 1"', true, 'REINDEX INDEX d."I 1";'),
	('what a concurrent rebuild left', $$CREATE TABLE d.t (id int PRIMARY KEY, a int); CREATE INDEX i_ccnew ON d.t (a);
		UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'd.i_ccnew'::regclass$$,
	 'warning', 'index', 'invalid', 'd.i_ccnew', true, 'DROP INDEX d.i_ccnew;'),
	('a partitioned index without its parts', $$CREATE TABLE d.t (id int PRIMARY KEY, a int) PARTITION BY RANGE (id);
		CREATE TABLE d.t1 PARTITION OF d.t FOR VALUES FROM (0) TO (10); CREATE INDEX i ON ONLY d.t (a)$$,
	 'warning', 'index', 'invalid', 'd.i', true, E'DROP INDEX d.i;\nCREATE INDEX i ON d.t USING btree (a);'),
	('a foreign key without index', $$CREATE TABLE d.p (id int PRIMARY KEY); CREATE TABLE d.t (id int PRIMARY KEY, "P" int CONSTRAINT f REFERENCES d.p)$$,
	 'notice', 'index', 'hint', 'f on d.t', true, 'CREATE INDEX "t_P_idx" ON d.t ("P");'),
	('a foreign key whose index is partial', $$CREATE TABLE d.p (id int PRIMARY KEY);
		CREATE TABLE d.t (id int PRIMARY KEY, p int CONSTRAINT f REFERENCES d.p); CREATE INDEX t_p_idx ON d.t (p) WHERE p > 0$$,
	 'notice', 'index', 'hint', 'f on d.t', true, NULL),
	('a foreign key of two columns, indexed in the second place', $$CREATE TABLE d.p (a int, b int, PRIMARY KEY (a, b));
		CREATE TABLE d.t (id int PRIMARY KEY, a int, b int, CONSTRAINT f FOREIGN KEY (a, b) REFERENCES d.p); CREATE INDEX ON d.t (id, a, b)$$,
	 'notice', 'index', 'hint', 'f on d.t', true, 'CREATE INDEX t_a_b_idx ON d.t (a, b);'),
	('a unique column indexed again', $$CREATE TABLE d.t (id int PRIMARY KEY, slug text UNIQUE); CREATE INDEX again ON d.t (slug)$$,
	 'notice', 'index', 'hint', 'd.again', true, 'DROP INDEX d.again;'),
	('two equal indexes', $$CREATE TABLE d.t (id int PRIMARY KEY, a text); CREATE INDEX one ON d.t (lower(a)) WHERE a > 'b';
		CREATE INDEX two ON d.t (lower(a)) WHERE a > 'b'$$,
	 'notice', 'index', 'hint', 'd.two', true, 'DROP INDEX d.two;'),
	('a constraint that is not validated', $$CREATE TABLE d.t (id int PRIMARY KEY); ALTER TABLE d.t ADD CONSTRAINT c CHECK (id > 0) NOT VALID$$,
	 'warning', 'constraint', 'invalid', 'c on d.t', true, 'ALTER TABLE d.t VALIDATE CONSTRAINT c;'),
	('one of a domain', $$CREATE DOMAIN d.positive AS int; ALTER DOMAIN d.positive ADD CONSTRAINT c CHECK (value > 0) NOT VALID$$,
	 'warning', 'constraint', 'invalid', 'c on d.positive', true, 'ALTER DOMAIN d.positive VALIDATE CONSTRAINT c;'),
	('a table without primary key', 'CREATE TABLE d.t (id int)', 'notice', 'table', 'hint', 'd.t', false, NULL),
	('one that has a fit unique index', 'CREATE TABLE d.t (id int NOT NULL); CREATE UNIQUE INDEX u ON d.t (id)',
	 'notice', 'table', 'hint', 'd.t', true, 'ALTER TABLE d.t ADD CONSTRAINT u PRIMARY KEY USING INDEX u;'),
	('a disabled trigger', $$CREATE TABLE d.t (id int PRIMARY KEY); CREATE TRIGGER g BEFORE INSERT ON d.t EXECUTE FUNCTION app.touch();
		ALTER TABLE d.t DISABLE TRIGGER g$$,
	 'warning', 'trigger', 'disabled', 'g on d.t', true, 'ALTER TABLE d.t ENABLE TRIGGER g;'),
	('a trigger disabled on one partition', $$CREATE TABLE d.t (id int PRIMARY KEY) PARTITION BY RANGE (id);
		CREATE TABLE d.t1 PARTITION OF d.t FOR VALUES FROM (0) TO (10);
		CREATE TRIGGER g AFTER INSERT ON d.t FOR EACH ROW EXECUTE FUNCTION app.touch(); ALTER TABLE d.t1 DISABLE TRIGGER g$$,
	 'warning', 'trigger', 'disabled', 'g on d.t1', true, 'ALTER TABLE d.t1 ENABLE TRIGGER g;'),
	('a foreign key that is not enforced', $$CREATE TABLE d.p (id int PRIMARY KEY); CREATE TABLE d.t (id int PRIMARY KEY CONSTRAINT f REFERENCES d.p);
		ALTER TABLE d.t DISABLE TRIGGER ALL; ALTER TABLE d.p DISABLE TRIGGER ALL$$,
	 'error', 'constraint', 'disabled', 'f on d.t', true, NULL),
	('policies that are not applied', $$CREATE TABLE d.t (id int PRIMARY KEY); CREATE POLICY p ON d.t USING (true); CREATE POLICY q ON d.t USING (true)$$,
	 'error', 'table', 'disabled', 'd.t', true, 'ALTER TABLE d.t ENABLE ROW LEVEL SECURITY;'),
	('row level security without policy', $$CREATE TABLE d.t (id int PRIMARY KEY); ALTER TABLE d.t ENABLE ROW LEVEL SECURITY$$,
	 'warning', 'policy', 'hint', 'd.t', false, NULL),
	('a partition that others may read past the policies', $$CREATE TABLE d.t (id int PRIMARY KEY) PARTITION BY RANGE (id);
		CREATE TABLE d.t1 PARTITION OF d.t FOR VALUES FROM (0) TO (10); ALTER TABLE d.t ENABLE ROW LEVEL SECURITY;
		CREATE POLICY p ON d.t USING (false); GRANT SELECT ON d.t1 TO PUBLIC$$,
	 'warning', 'policy', 'hint', 'd.t1', false, 'ALTER TABLE d.t1 ENABLE ROW LEVEL SECURITY;'),
	('a serial behind its rows', $$CREATE TABLE d.t (id serial PRIMARY KEY); INSERT INTO d.t VALUES (1), (41)$$,
	 'error', 'sequence', 'invalid', 'd.t_id_seq', true, NULL),
	('an identity behind its rows', $$CREATE TABLE d.t (id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY); INSERT INTO d.t VALUES (1)$$,
	 'error', 'sequence', 'invalid', 'd.t_id_seq', true, NULL),
	('a default of another sequence behind its rows', $$CREATE SEQUENCE d."S 1" INCREMENT -1;
		CREATE TABLE d.t (id int DEFAULT nextval('d."S 1"') PRIMARY KEY); INSERT INTO d.t VALUES (-7)$$,
	 'error', 'sequence', 'invalid', 'd."S 1"', true, NULL),
	('an SQL function whose table is gone', $$CREATE TABLE d.t (id int PRIMARY KEY);
		CREATE FUNCTION d.f(a int, b text) RETURNS int LANGUAGE sql AS 'SELECT id FROM d.t'; DROP TABLE d.t$$,
	 'error', 'function', 'invalid', 'd.f(integer,pg_catalog.text)', false, NULL),
	('a plpgsql function whose type is gone', $$CREATE TYPE d.y AS ENUM ('a');
		CREATE FUNCTION d.f() RETURNS int LANGUAGE plpgsql AS 'DECLARE v d.y; BEGIN RETURN 1; END'; DROP TYPE d.y;
		ALTER FUNCTION d.f() STABLE$$,
	 'error', 'function', 'invalid', 'd.f()', false, NULL),
	('a key column that is never NULL', $$CREATE TABLE d.t (id int PRIMARY KEY, a int UNIQUE); INSERT INTO d.t SELECT g, g FROM generate_series(1, 200) g;
		ANALYZE d.t$$,
	 'notice', 'column', 'hint', 'd.t.a', true, 'ALTER TABLE d.t ALTER COLUMN a SET NOT NULL;');

-- examined plants a defect in schema d, looks, mends it and looks again, and takes all of it back.
CREATE FUNCTION examined(defect) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	found  text[];
	left_  text[];
	fix    text;
BEGIN
	BEGIN
		CREATE SCHEMA d;
		EXECUTE $1.plant;
		SELECT array_agg(concat_ws(' ', s.severity, s.category, s.kind, s.object)), min(s.fix) INTO found, fix FROM shown('d') s;
		IF $1.fixable AND cardinality(found) = 1 THEN
			EXECUTE fix;
			SELECT coalesce(array_agg(concat_ws(' ', s.severity, s.category, s.kind, s.object)), '{}') INTO left_ FROM shown('d') s;
		END IF;
		RAISE SQLSTATE 'ZZ000';
	EXCEPTION WHEN SQLSTATE 'ZZ000' THEN NULL;
	END;
	RETURN NEXT is(found, ARRAY[concat_ws(' ', $1.severity, $1.category, $1.kind, $1.object)], $1.what || ' is the one finding');
	IF $1.fix IS NOT NULL OR NOT $1.fixable THEN
		RETURN NEXT is(fix, $1.fix, $1.what || ': its fix');
	END IF;
	IF $1.fixable THEN
		RETURN NEXT is(left_, '{}', $1.what || ' is mended by it');
	END IF;
END $$;
SELECT examined(d) FROM defect d ORDER BY n;

-- -------------------------------------------------------------- more than one

CREATE SCHEMA e;
CREATE TABLE e.t (id serial PRIMARY KEY, f int, g text);
CREATE SEQUENCE e.cycles CYCLE;
CREATE TABLE e.u (id int DEFAULT nextval('e.cycles') PRIMARY KEY);
INSERT INTO e.u VALUES (100);
SELECT is_empty($$ SELECT * FROM shown('e') $$, 'a sequence that cycles is never behind');

INSERT INTO e.t VALUES (7);
SELECT is((SELECT expected || ', ' || actual FROM reconcile.schema_checks('{e}')), 'past 7, next value 1', 'a sequence behind says how far');
SELECT nextval('e.t_id_seq'), nextval('e.t_id_seq');
DO $$ BEGIN EXECUTE (SELECT fix FROM reconcile.schema_checks('{e}')); END $$;
SELECT is(nextval('e.t_id_seq'), 8::bigint, 'its fix goes on after the greatest value');

-- Two tables that share a sequence are both looked at; the fix never turns it back.
CREATE TABLE e.v (id int DEFAULT nextval('e.t_id_seq') PRIMARY KEY);
INSERT INTO e.v VALUES (3);
SELECT is_empty($$ SELECT * FROM shown('e') $$, 'a table that shares a sequence is fine when its rows are older');
INSERT INTO e.v VALUES (30);
DO $$ BEGIN EXECUTE (SELECT fix FROM reconcile.schema_checks('{e}')); END $$;
SELECT is(nextval('e.t_id_seq'), 31::bigint, 'and is mended when they are newer');

-- Where text sorts differently than when the index was built; collations of the C library may have no version.
SELECT EXISTS (SELECT FROM pg_collation WHERE collname = 'de-x-icu') AS icu \gset
\if :icu
CREATE COLLATION e.german (provider = icu, locale = 'de');
UPDATE pg_collation SET collversion = '1' WHERE collname = 'german';
SELECT is_empty($$ SELECT * FROM reconcile.schema_checks() WHERE category = 'index' AND object LIKE '%german%' $$,
	'a stale collation that no index uses does not matter');
CREATE INDEX by_name ON e.t (g COLLATE e.german);
PREPARE stale AS SELECT severity, kind, object, fix FROM reconcile.schema_checks() WHERE object = 'e.german';
SELECT results_eq('stale', $$ VALUES ('error', 'invalid', 'e.german',
	E'REINDEX INDEX e.by_name;\nALTER COLLATION e.german REFRESH VERSION;') $$, 'one that an index uses does');
SELECT is((SELECT reason FROM reconcile.schema_checks() WHERE object = 'e.german'),
	'text sorts differently since 1 index with this collation was built: it may miss rows and accept duplicates', 'one index is one');
CREATE SCHEMA e2;
CREATE TABLE e2.t (g text COLLATE e.german);
CREATE INDEX by_g ON e2.t (g);
CREATE SCHEMA e3;
SELECT is((SELECT count(*) FROM reconcile.schema_checks(schemas) WHERE object = 'e.german' AND fix =
	E'REINDEX INDEX e.by_name;\nREINDEX INDEX e2.by_g;\nALTER COLLATION e.german REFRESH VERSION;'), found::bigint,
	'a stale collation, asked about schemas ' || coalesce(schemas::text, 'of any name'))
FROM (VALUES (NULL::text[], 1), ('{e,e2}', 1), ('{e}', 1), ('{e2}', 1), ('{e3}', 0)) AS v(schemas, found);
SELECT reconcile.capture_baseline('of e2', '{e2}');
SELECT results_eq($$ SELECT kind, object FROM audit_schema('of e2') $$, $$ VALUES ('invalid', 'e.german') $$, 'it is found beside a baseline of a schema whose indexes have it');
SELECT reconcile.drop_baseline('of e2');
DO $$ BEGIN EXECUTE (SELECT fix FROM reconcile.schema_checks() WHERE object = 'e.german'); END $$;
SELECT is_empty('stale', 'and its fix mends it');
DROP SCHEMA e2, e3 CASCADE;
\endif

-- ---------------------------------------------------------- who may see what

CREATE ROLE reader;
CREATE ROLE writer;
CREATE SCHEMA w AUTHORIZATION writer;
GRANT USAGE ON SCHEMA w TO PUBLIC;
SET ROLE writer;
CREATE TABLE w.t (id serial PRIMARY KEY);
INSERT INTO w.t VALUES (5);
CREATE FUNCTION w.f() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END';
RESET ROLE;
GRANT EXECUTE ON FUNCTION shown(text) TO reader;
SET ROLE reader;
SELECT results_eq($$ SELECT category, kind, actual FROM reconcile.schema_checks('{w}') ORDER BY 1 $$,
	$$ VALUES ('function', 'hint', 'not checked'), ('sequence', 'hint', 'not checked') $$, 'what a role cannot read is not checked');
SELECT throws_ok($$ SELECT reconcile.function_problem('w.f()'::regprocedure, 0) $$, '42501', 'permission denied to act as writer',
	'and no function is judged as a role that the caller is no member of');
RESET ROLE;
GRANT USAGE ON SEQUENCE w.t_id_seq TO reader;
GRANT SELECT ON w.t, w.t_id_seq TO reader;
GRANT writer TO reader;
SET ROLE reader;
SELECT results_eq($$ SELECT category, kind FROM reconcile.schema_checks('{w}') $$, $$ VALUES ('sequence', 'invalid') $$, 'with the rights it is');
RESET ROLE;

-- A function of another role is judged as that role: what planning runs of it gains nothing.
CREATE TABLE app.secret (id int PRIMARY KEY);
SET ROLE writer;
CREATE FUNCTION w.bad() RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN INSERT INTO app.secret VALUES (1); RETURN 1; END $$;
CREATE FUNCTION w.bait() RETURNS int LANGUAGE plpgsql AS $$ DECLARE v int; BEGIN v := w.bad() + 1; RETURN v; END $$;
RESET ROLE;
SELECT shown('w');
SELECT is_empty('SELECT * FROM app.secret', 'a function that is judged writes nothing');

-- With plpgsql_check, bodies are judged as far as their statements and the rows of their triggers.
RESET ROLE;
CREATE FUNCTION checker() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
	CREATE EXTENSION plpgsql_check;
	RETURN true;
EXCEPTION WHEN feature_not_supported OR undefined_file THEN RETURN false;
END $$;
SELECT checker() AS plpgsql_check \gset
CREATE SCHEMA k;
CREATE TABLE k.t (id int PRIMARY KEY, "customerId" int);
CREATE FUNCTION k.at_insert() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN new.customer_id := 1; RETURN new; END $$;
CREATE TRIGGER g BEFORE INSERT ON k.t FOR EACH ROW EXECUTE FUNCTION k.at_insert();
CREATE FUNCTION k.at_end() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM count(*) FROM added; RETURN NULL; END $$;
CREATE TRIGGER h AFTER INSERT ON k.t REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION k.at_end();
CREATE FUNCTION k.without_trigger() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN new.nothing := 1; RETURN new; END $$;
CREATE FUNCTION k.reads() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM vendor_id FROM k.t; END $$;
CREATE FUNCTION k.makes() RETURNS void LANGUAGE plpgsql AS $$ BEGIN CREATE TEMP TABLE work (a int); PERFORM a FROM work; END $$;
\if :plpgsql_check
SELECT results_eq($$ SELECT object, actual FROM reconcile.schema_checks('{k}') ORDER BY 1 $$, $$ VALUES
	('k.at_insert()', 'record "new" has no field "customer_id"'),
	('k.reads()', 'column "vendor_id" does not exist') $$, 'plpgsql_check finds columns that are not there, and cries no wolf');
\else
SELECT is_empty($$ SELECT * FROM reconcile.schema_checks('{k}') $$, 'without plpgsql_check only the syntax of plpgsql is judged');
\endif

SELECT * FROM finish();
ROLLBACK;
