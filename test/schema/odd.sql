-- What is rare, and what names and texts may do to a statement: all of it must be the same after a dump, and be built by fixes from
-- nothing but its baseline.
CREATE SCHEMA odd;
CREATE SCHEMA "q "".x on y";

-- Toast options, column options.
CREATE TABLE odd.toasty (id int PRIMARY KEY, doc text) WITH (toast.autovacuum_enabled = false, autovacuum_vacuum_threshold = 7);

-- Ranges.
CREATE FUNCTION odd.mydiff(a float8, b float8) RETURNS float8 LANGUAGE sql IMMUTABLE STRICT AS 'SELECT a - b';
CREATE TYPE odd.fr AS RANGE (SUBTYPE = float8, SUBTYPE_DIFF = odd.mydiff, MULTIRANGE_TYPE_NAME = odd.fr_many);
CREATE TYPE odd.tr AS RANGE (SUBTYPE = text, COLLATION = "C", SUBTYPE_OPCLASS = text_pattern_ops);
CREATE TABLE odd.ranges (id int PRIMARY KEY, f odd.fr, m odd.fr_many, t odd.tr[]);

-- Composite with comments.
CREATE TYPE odd.comp AS (a int, b text COLLATE "C", c numeric(5,2));
COMMENT ON TYPE odd.comp IS 'a pair'; COMMENT ON COLUMN odd.comp.b IS 'the b';
CREATE TYPE odd.nothing AS ();
CREATE DOMAIN odd.dom AS odd.comp CONSTRAINT ok CHECK ((VALUE).a > 0);
COMMENT ON CONSTRAINT ok ON DOMAIN odd.dom IS 'positive';
CREATE DOMAIN odd.dom2 AS text COLLATE "C" DEFAULT 'x' NOT NULL CHECK (length(VALUE) < 10) CONSTRAINT "b on c" CHECK (VALUE <> 'it''s');
CREATE DOMAIN odd.domarr AS int[] CHECK (array_length(VALUE, 1) < 5);

-- Typed table.
CREATE TABLE odd.typed OF odd.comp (a WITH OPTIONS PRIMARY KEY, b WITH OPTIONS DEFAULT 'x' NOT NULL, CHECK (c > 0));

-- Aggregates.
CREATE FUNCTION odd.sf(int, int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 + $2';
CREATE FUNCTION odd.ff(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1';
CREATE AGGREGATE odd.agg(int) (SFUNC = odd.sf, STYPE = int, SSPACE = 100, FINALFUNC = odd.ff, FINALFUNC_MODIFY = SHAREABLE, INITCOND = '0', MSFUNC = odd.sf, MINVFUNC = odd.sf, MSTYPE = int, MSSPACE = 50, MFINALFUNC = odd.ff, MFINALFUNC_MODIFY = READ_WRITE, MINITCOND = '0', COMBINEFUNC = odd.sf, PARALLEL = SAFE);
CREATE AGGREGATE odd.pct(float8 ORDER BY float8) (SFUNC = ordered_set_transition, STYPE = internal, FINALFUNC = percentile_cont_float8_final);
CREATE AGGREGATE odd.anyagg(*) (SFUNC = int8inc, STYPE = int8, INITCOND = '0');

-- Functions.
CREATE FUNCTION odd.supported(a int) RETURNS SETOF int LANGUAGE sql IMMUTABLE ROWS 5 SUPPORT generate_series_int4_support AS 'SELECT 1';
CREATE FUNCTION odd.paths() RETURNS int LANGUAGE sql SET search_path = '', public SET "my.thing" = 'it''s' SET work_mem = '1MB' AS 'SELECT 1';
CREATE FUNCTION odd.paths2() RETURNS int LANGUAGE sql SET search_path FROM CURRENT SET datestyle = 'ISO, DMY' AS 'SELECT 1';
CREATE FUNCTION odd.outs(IN a int, OUT b int, INOUT c text, VARIADIC d int[] DEFAULT '{}') LANGUAGE sql AS 'SELECT 1, ''x''';
CREATE FUNCTION odd.tab(a int = 3, b text DEFAULT 'x''y') RETURNS TABLE (c int, "D e" odd.comp) LANGUAGE sql AS 'SELECT 1, NULL::odd.comp';
CREATE FUNCTION odd.poly(anyelement, anyarray) RETURNS anyelement LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION odd.std(a int) RETURNS int LANGUAGE sql RETURN a + 1;
CREATE FUNCTION odd.typ(odd.comp, odd.dom2[]) RETURNS odd.fr LANGUAGE sql AS 'SELECT NULL::odd.fr';
CREATE PROCEDURE odd.proc(IN a int, OUT b int) LANGUAGE plpgsql SECURITY DEFINER SET search_path = odd AS $$ BEGIN b := a; END $$;
CREATE FUNCTION odd.et() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$;
CREATE EVENT TRIGGER "odd on et" ON ddl_command_end WHEN TAG IN ('CREATE TABLE', 'DROP TABLE') EXECUTE FUNCTION odd.et();
COMMENT ON EVENT TRIGGER "odd on et" IS 'x';
ALTER EVENT TRIGGER "odd on et" ENABLE ALWAYS;
CREATE FUNCTION odd.tf() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN new; END $$;

-- Hostile names with on.
CREATE TABLE odd."t on u" ("a on b" int CONSTRAINT "c on d" CHECK ("a on b" > 0), "x.y" text, "a""b" int, PRIMARY KEY ("a on b", "x.y"));
COMMENT ON CONSTRAINT "c on d" ON odd."t on u" IS 'hm';
CREATE TRIGGER "e on f" BEFORE INSERT ON odd."t on u" FOR EACH ROW EXECUTE FUNCTION odd.tf('a on b', 'it''s');
COMMENT ON TRIGGER "e on f" ON odd."t on u" IS 'hm';
CREATE RULE "g on h" AS ON DELETE TO odd."t on u" DO INSTEAD NOTHING;
COMMENT ON RULE "g on h" ON odd."t on u" IS 'hm';
ALTER TABLE odd."t on u" ENABLE ROW LEVEL SECURITY;
CREATE POLICY "i on j" ON odd."t on u" USING ("x.y" IN ('a', 'b'));
COMMENT ON POLICY "i on j" ON odd."t on u" IS 'hm';
CREATE INDEX "k on l" ON odd."t on u" ("a""b" DESC);
COMMENT ON INDEX odd."k on l" IS 'hm';
GRANT SELECT ("a on b"), UPDATE ("x.y"), INSERT ("a""b") ON odd."t on u" TO mutation_reader;
COMMENT ON COLUMN odd."t on u"."x.y" IS 'dotted';
CREATE TABLE "q "".x on y"."T ""on"" t" ("a.b" serial PRIMARY KEY, b int GENERATED ALWAYS AS IDENTITY UNIQUE);
CREATE VIEW "q "".x on y"."V on w" AS SELECT "a.b" AS "x on y" FROM "q "".x on y"."T ""on"" t";
GRANT SELECT ON "q "".x on y"."V on w" TO mutation_reader;
CREATE SEQUENCE "q "".x on y"."s on t" OWNED BY "q "".x on y"."T ""on"" t".b;
CREATE FUNCTION "q "".x on y"."f(a, b) on g"("p q" int) RETURNS int LANGUAGE sql AS 'SELECT 1';
GRANT EXECUTE ON FUNCTION "q "".x on y"."f(a, b) on g"(int) TO mutation_reader;
ALTER DEFAULT PRIVILEGES IN SCHEMA "q "".x on y" GRANT SELECT ON TABLES TO mutation_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE mutation_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE mutation_owner GRANT USAGE ON SCHEMAS TO mutation_reader;

-- Constraints.
CREATE TABLE odd.cons (id int, r int4range, s tsrange, t text, u text, v int,
  CONSTRAINT ex EXCLUDE USING gist (r WITH &&) WHERE (id > 3) DEFERRABLE,
  CONSTRAINT ex2 EXCLUDE (t WITH =, lower(u) WITH =) INCLUDE (v) WITH (fillfactor = 60),
  CONSTRAINT un UNIQUE NULLS NOT DISTINCT (t, u) INCLUDE (v) WITH (fillfactor = 55) DEFERRABLE INITIALLY DEFERRED,
  CONSTRAINT pk PRIMARY KEY (id) INCLUDE (v),
  CONSTRAINT noinh CHECK (v > 0) NO INHERIT,
  CONSTRAINT nv CHECK (true));
ALTER TABLE odd.cons ADD CONSTRAINT fk FOREIGN KEY (v) REFERENCES odd.cons MATCH FULL ON UPDATE SET DEFAULT ON DELETE SET NULL (v) NOT VALID;
ALTER TABLE odd.cons ADD CONSTRAINT nv2 CHECK (v < 1000) NOT VALID;
COMMENT ON CONSTRAINT pk ON odd.cons IS 'key';
COMMENT ON INDEX odd.pk IS 'key index';
ALTER TABLE odd.cons CLUSTER ON pk;
ALTER TABLE odd.cons REPLICA IDENTITY USING INDEX pk;

-- Indexes.
CREATE INDEX ix1 ON odd.cons USING gin (to_tsvector('english', t)) WITH (fastupdate = off);
CREATE INDEX ix2 ON odd.cons USING brin (id) WITH (pages_per_range = 4, autosummarize = on);
CREATE INDEX ix3 ON odd.cons USING hash (t);
CREATE INDEX ix4 ON odd.cons USING gist (r range_ops, s);
CREATE INDEX ix5 ON odd.cons (lower(t) text_pattern_ops, (id + v), u COLLATE "C" DESC NULLS LAST) INCLUDE (v) WITH (deduplicate_items = off) WHERE u IS NOT NULL AND t IN ('a', 'b');
CREATE INDEX ix6 ON odd.cons USING gist (to_tsvector('simple', t) tsvector_ops (siglen = 100));
CREATE INDEX ix7 ON odd.cons USING brin (v int4_minmax_multi_ops (values_per_range = 16));
ALTER INDEX odd.ix5 ALTER COLUMN 2 SET STATISTICS 77;

-- Storage etc.
CREATE TABLE odd.stor (id int PRIMARY KEY, a text COMPRESSION pglz, b text COMPRESSION pglz, c text, d text);
ALTER TABLE odd.stor ALTER a SET STORAGE EXTERNAL, ALTER c SET STORAGE MAIN, ALTER d SET STATISTICS 0, ALTER d SET (n_distinct = -0.5, n_distinct_inherited = 7);

-- Identity.
CREATE TABLE odd.idents (a int GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME odd.my_seq START 10 INCREMENT 5 MINVALUE 5 MAXVALUE 1000 CACHE 7 CYCLE), b smallint GENERATED BY DEFAULT AS IDENTITY (INCREMENT -1), c bigserial, d serial PRIMARY KEY);
ALTER SEQUENCE odd.idents_c_seq RENAME TO other_seq;
ALTER SEQUENCE odd.idents_d_seq INCREMENT 3 START 100;
COMMENT ON SEQUENCE odd.my_seq IS 'mine';
GRANT USAGE ON SEQUENCE odd.my_seq, odd.other_seq TO PUBLIC;
-- What PostgreSQL 9.6 dumped, one that was left over, and two that number each other's columns.
CREATE SEQUENCE odd.dumped_a_seq;
CREATE TABLE odd.dumped (a int DEFAULT nextval('odd.dumped_a_seq') NOT NULL, b int);
ALTER SEQUENCE odd.dumped_a_seq OWNED BY odd.dumped.a;
CREATE SEQUENCE odd.left_a_seq;
CREATE TABLE odd.left (a int GENERATED ALWAYS AS IDENTITY, b serial);
ALTER SEQUENCE odd.left_a_seq OWNED BY odd.left.a;
CREATE SEQUENCE odd.of_b OWNED BY odd.dumped.b;
ALTER TABLE odd.left ADD d bigint DEFAULT nextval('odd.of_b');
CREATE TABLE odd.old_name ("i'd" serial);
ALTER TABLE odd.old_name RENAME TO "new""name";
GRANT USAGE ON SEQUENCE odd."old_name_i'd_seq" TO PUBLIC;

-- Generated.
CREATE FUNCTION odd.imm(a int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT a * 2';
CREATE TABLE odd.gen (a int PRIMARY KEY, b int GENERATED ALWAYS AS (odd.imm(a)) STORED, c text GENERATED ALWAYS AS (CASE WHEN a > 3 THEN 'x' ELSE 'y' END) STORED NOT NULL);

-- Inheritance.
CREATE TABLE odd.par (a int DEFAULT 1 NOT NULL, b text CHECK (b <> ''), c int);
CREATE TABLE odd.par2 (b text, d int);
CREATE TABLE odd.kid (e int, b text DEFAULT 'k') INHERITS (odd.par2, odd.par);
CREATE TABLE odd.grandkid (CONSTRAINT par_b_check CHECK (b <> '')) INHERITS (odd.kid);
ALTER TABLE odd.kid ALTER a SET DEFAULT 5, ALTER c SET NOT NULL;
CREATE TABLE odd.adopted (x int, a int DEFAULT 1 NOT NULL, b text CONSTRAINT par_b_check CHECK (b <> ''), c int);
ALTER TABLE odd.adopted INHERIT odd.par;
CREATE TABLE odd.sums (a int GENERATED BY DEFAULT AS IDENTITY, b int GENERATED ALWAYS AS (1 + 1) STORED, c serial, d text COLLATE "C" DEFAULT 'd');
CREATE TABLE odd.more_sums (e int) INHERITS (odd.sums);
CREATE TABLE odd.same_sums () INHERITS (odd.more_sums, odd.sums);
ALTER TABLE odd.more_sums ALTER d DROP DEFAULT;
ALTER TABLE odd.same_sums ALTER d SET STORAGE MAIN, ALTER d SET STATISTICS 7;
COMMENT ON COLUMN odd.same_sums.d IS 'd of same';

-- Partitions.
CREATE TABLE odd.parts (k int NOT NULL, r text NOT NULL DEFAULT 'r', n int CHECK (n > 0), g int GENERATED ALWAYS AS (k * 2) STORED) PARTITION BY LIST (k);
CREATE TABLE odd.parts_b (r text NOT NULL DEFAULT 'rr', extra int, k int NOT NULL, n int CONSTRAINT parts_n_check CHECK (n > 0), g int GENERATED ALWAYS AS (k * 2) STORED);
ALTER TABLE odd.parts_b DROP COLUMN extra;
ALTER TABLE odd.parts ATTACH PARTITION odd.parts_b FOR VALUES IN (2, 3, NULL);
CREATE TABLE odd.parts_a PARTITION OF odd.parts FOR VALUES IN (1) PARTITION BY RANGE (lower(r), k);
CREATE TABLE odd.parts_a1 PARTITION OF odd.parts_a FOR VALUES FROM (MINVALUE, MINVALUE) TO ('m', 5) WITH (fillfactor = 50);
CREATE TABLE odd.parts_a2 PARTITION OF odd.parts_a DEFAULT;
CREATE TABLE odd.parts_d PARTITION OF odd.parts (n DEFAULT 4, CONSTRAINT own CHECK (r <> 'q')) DEFAULT;
CREATE INDEX parts_n ON odd.parts (n);
CREATE INDEX parts_only_a ON odd.parts_a (r);
CREATE INDEX parts_own ON odd.parts_b (n, r);
ALTER TABLE odd.parts_a1 ALTER r DROP DEFAULT;
COMMENT ON COLUMN odd.parts_a1.n IS 'n of a1';
CREATE TRIGGER tp AFTER INSERT ON odd.parts FOR EACH ROW EXECUTE FUNCTION odd.tf();
CREATE TABLE odd.hashed (id uuid, v text, PRIMARY KEY (id)) PARTITION BY HASH (id);
CREATE TABLE odd.hashed_0 PARTITION OF odd.hashed FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE odd.hashed_1 PARTITION OF odd.hashed FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE odd.refers (id int PRIMARY KEY, h uuid REFERENCES odd.hashed ON DELETE CASCADE);

-- Views.
CREATE VIEW odd.v1 (x, "Y z") WITH (security_barrier, security_invoker = false, check_option = cascaded) AS SELECT a, b FROM odd.par WHERE a IN (1, 2);
CREATE VIEW odd.nums AS WITH RECURSIVE n(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM n WHERE n < 10) SEARCH DEPTH FIRST BY n SET o CYCLE n SET is_c USING p SELECT n FROM n;
CREATE VIEW odd.v2 AS SELECT x.*, row_number() OVER w AS rn, sum(x.x) FILTER (WHERE x.x > 1) OVER w FROM odd.v1 x WINDOW w AS (PARTITION BY x."Y z" ORDER BY x.x ROWS 3 PRECEDING);
CREATE VIEW odd.v3 AS SELECT p.a, l.e FROM odd.par p LEFT JOIN LATERAL (SELECT k.e FROM odd.kid k WHERE k.a = p.a ORDER BY k.e LIMIT 1) l ON true GROUP BY GROUPING SETS ((p.a, l.e), ()) HAVING count(*) > 0;
CREATE VIEW odd.v4 AS SELECT t.a, t.b FROM odd.gen t TABLESAMPLE bernoulli (10) REPEATABLE (5);
CREATE VIEW odd.v5 AS SELECT * FROM odd.par JOIN odd.par2 USING (b) AS j;
CREATE VIEW odd.v6 AS SELECT '2024-01-01'::date AS d, interval '1 day' AS i, ARRAY[1,2]::bigint[] AS a, 'a'::varchar(3) COLLATE "C" AS cc, $$it's \ $$ AS s;
CREATE VIEW odd.v7 AS SELECT (f.c).a AS fa FROM odd.tab() f(c1, c) ;
CREATE VIEW odd.v8 AS SELECT * FROM ROWS FROM (generate_series(1, 3), odd.supported(2)) WITH ORDINALITY AS t(a, b, o);
CREATE RULE ins AS ON INSERT TO odd.v1 WHERE new.x > 3 DO INSTEAD (INSERT INTO odd.par VALUES (new.x, new."Y z"); UPDATE odd.par SET b = 'x' WHERE a = new.x);
CREATE FUNCTION odd.vt() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN new; END $$;
CREATE TRIGGER iv INSTEAD OF UPDATE ON odd.v3 FOR EACH ROW EXECUTE FUNCTION odd.vt();
CREATE MATERIALIZED VIEW odd.mv WITH (fillfactor = 70) AS SELECT a, b FROM odd.par WITH NO DATA;
CREATE INDEX mvi ON odd.mv (b);
COMMENT ON COLUMN odd.mv.a IS 'mv a';
ALTER MATERIALIZED VIEW odd.mv CLUSTER ON mvi;

-- Triggers.
CREATE TABLE odd.trg (id int PRIMARY KEY, a int, b text);
CREATE TRIGGER t1 AFTER UPDATE ON odd.trg REFERENCING OLD TABLE AS o NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION odd.tf();
CREATE CONSTRAINT TRIGGER t2 AFTER INSERT OR DELETE ON odd.trg FROM odd.par DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (pg_trigger_depth() < 3) EXECUTE FUNCTION odd.tf('x', '');
CREATE TRIGGER t3 BEFORE TRUNCATE ON odd.trg EXECUTE FUNCTION odd.tf();
ALTER TABLE odd.trg ENABLE REPLICA TRIGGER t3;
COMMENT ON TRIGGER t1 ON odd.trg IS 't1';

-- FDW.
CREATE FOREIGN DATA WRAPPER odd; CREATE SERVER odd FOREIGN DATA WRAPPER odd OPTIONS (host 'it''s');
CREATE FOREIGN TABLE odd.ft (a int OPTIONS (column_name 'A x') NOT NULL, b text COLLATE "C" DEFAULT 'q', CHECK (a > 0)) SERVER odd OPTIONS (table_name 'T "x"');
COMMENT ON FOREIGN TABLE odd.ft IS 'far';
GRANT SELECT ON odd.ft TO mutation_reader;

-- Statistics.
CREATE STATISTICS odd.st1 ON a, b FROM odd.par; CREATE STATISTICS odd.st2 (mcv, ndistinct) ON (a + 1), lower(b), c FROM odd.par; ALTER STATISTICS odd.st2 SET STATISTICS 44;
COMMENT ON STATISTICS odd.st1 IS 'st';

-- ACL.
CREATE FUNCTION odd.priv() RETURNS int LANGUAGE sql AS 'SELECT 1'; REVOKE ALL ON FUNCTION odd.priv() FROM PUBLIC;
CREATE TYPE odd.en AS ENUM ('a', 'it''s', 'z on y'); REVOKE ALL ON TYPE odd.en FROM PUBLIC; GRANT USAGE ON TYPE odd.en TO mutation_reader;
REVOKE ALL ON odd.par2 FROM postgres; GRANT SELECT, INSERT ON odd.par2 TO mutation_reader WITH GRANT OPTION;
ALTER TABLE odd.gen OWNER TO mutation_owner; GRANT ALL ON odd.gen TO mutation_reader; REVOKE UPDATE ON odd.gen FROM mutation_owner;
GRANT USAGE ON SCHEMA odd TO PUBLIC;
ALTER FUNCTION odd.std(int) OWNER TO mutation_owner;
CREATE UNLOGGED SEQUENCE odd.useq; 
CREATE SEQUENCE odd.desc_seq AS smallint INCREMENT -2 MINVALUE -100 MAXVALUE -1 START -5 NO CYCLE;
CREATE UNLOGGED TABLE odd.unl (id serial PRIMARY KEY, g int GENERATED ALWAYS AS IDENTITY);

-- Types, defaults and expressions in all spellings.
CREATE SEQUENCE odd.sq;
-- things with data types & aliases & casts
CREATE TABLE odd.spell (id int4 PRIMARY KEY, a decimal(10,2) DEFAULT '0.5', b bool DEFAULT 't', c timestamptz(3) DEFAULT 'now', d bpchar(3) DEFAULT 'ab', e varchar DEFAULT ''::text, f "char" DEFAULT 'x', g name DEFAULT current_user, h bit(3) DEFAULT B'101', i bit varying DEFAULT b'1', j time DEFAULT '10:00', k timetz DEFAULT '10:00+02', l interval DEFAULT '1 day', m interval day to second(2) DEFAULT '1 day 02:03:04.5', n money DEFAULT 3, o inet DEFAULT '10.0.0.1', p cidr DEFAULT '10.0.0.0/8', q macaddr DEFAULT '08:00:2b:01:02:03', r point DEFAULT '(1,2)', s tsvector DEFAULT 'a b', t tsquery DEFAULT 'a & b', u uuid DEFAULT gen_random_uuid(), w json DEFAULT '{"a": 1}', x jsonb DEFAULT '{"b":1,"a":2}', y int4range DEFAULT '[1,5)', z int[][] DEFAULT '{{1,2},{3,4}}', bb oid DEFAULT 1, cc float4 DEFAULT 0.1, dd float8 DEFAULT 1e10, ee numeric DEFAULT 1e-5, ff bigint DEFAULT 12345678901, gg smallint DEFAULT -1, hh text DEFAULT E'a\nb\\c\'d', ii date DEFAULT CURRENT_DATE, jj time DEFAULT LOCALTIME, kk timestamp DEFAULT timezone('utc', now()), ll int DEFAULT nextval('odd.sq'::regclass), mm text[] DEFAULT ARRAY['a','b']::text[], nn varchar(5)[] DEFAULT '{a,b}', oo text DEFAULT ('a' || 'b'), pp int DEFAULT (1 + 2) * 3, qq numeric(6,2)[] DEFAULT '{1.5,2}', ss pg_lsn DEFAULT '0/0', tt bytea DEFAULT '\xdead');
CREATE TABLE odd.chk (a varchar(10), b text, c numeric, d date, e int, f char(3), g timestamptz, h text[], i jsonb, j varchar[],
 CHECK (a IN ('x','y')), CHECK (a NOT IN ('p')), CHECK (b IS NOT DISTINCT FROM 'z'), CHECK (c BETWEEN 1 AND 5.5), CHECK (b LIKE 'a%' OR b ILIKE '_b' ESCAPE '!'), CHECK (b SIMILAR TO '(a|b)%'), CHECK (b ~ '^[a-z]+$' AND b !~* 'x'), CHECK (d > '2020-01-01'), CHECK (e = ANY (ARRAY[1,2,3])), CHECK (e <> ALL ('{1,2}')), CHECK (f = 'ab'), CHECK (g > 'epoch'), CHECK (h @> '{a}' AND array_length(h, 1) > 0), CHECK (i ? 'a' AND i ->> 'b' IN ('c', 'd')), CHECK (CASE a WHEN 'x' THEN true WHEN 'y' THEN false ELSE NULL END), CHECK (coalesce(a, b, 'q') <> '' AND nullif(a, b) IS NULL), CHECK (greatest(c, 1, e) > least(1.0, c)), CHECK ((a, b) IS DISTINCT FROM ('x', 'y')), CHECK (row(a, b) < row('x'::varchar, 'y'::text)), CHECK (extract(year FROM g) > 2000), CHECK (substring(b FROM 2 FOR 3) = 'abc' AND position('a' IN b) > 0 AND overlay(b placing 'x' from 2) <> '' AND trim(both 'x' from b) <> ''), CHECK (a::text = ANY (ARRAY['p'::text, 'q'])), CHECK (j && ARRAY['a','b']::varchar[]), CHECK (e % 2 = 0 AND - e < 0 AND @ e > 1 AND e::text || 'x' <> 'y'), CHECK (b COLLATE "C" > 'a'), CHECK (NOT (e IS NULL) AND (e > 3) IS TRUE AND (e > 4) IS NOT UNKNOWN), CHECK (g AT TIME ZONE 'UTC' > '2000-01-01' AND d - 3 > DATE '2000-01-01' AND g + interval '1 hour' > now() - '1 day'::interval), CHECK (a IN ('x', 'y') OR a IN (b, 'z')), CHECK (c IN (1, 2.5)), CHECK ('x' = a), CHECK (b = $q$it's$q$));
CREATE INDEX e1 ON odd.chk ((a IN ('x','y')), (CASE WHEN a IN ('p','q') THEN 1 END)) WHERE a IN ('p','q') AND j && ARRAY['a']::varchar[];
CREATE INDEX e2 ON odd.chk USING gin (h, i jsonb_path_ops);
CREATE INDEX e3 ON odd.chk (date_trunc('day', g AT TIME ZONE 'utc'), (i ->> 'a'), ((i -> 'b' ->> 'c')::int));
CREATE UNIQUE INDEX e4 ON odd.chk (coalesce(b, ''), (h[1]));
CREATE VIEW odd.qx AS SELECT a, b, c::numeric(5,1) AS c1, a::varchar(3) AS a3, (SELECT max(x.e) FROM odd.chk x WHERE x.a IN ('p', y.a)) AS m, EXISTS (SELECT 1 FROM odd.spell s WHERE s.id = y.e) AS ex, y.e IN (SELECT id FROM odd.spell) AS ins, ARRAY(SELECT id FROM odd.spell ORDER BY 1 DESC) AS arr, y.* IS NULL AS isn, y AS whole, (y.h)[1:2] AS sl, y.e::regtype AS rt, 'x'::text COLLATE "C" || y.b AS coll, cast(y.e AS text) AS ct, interval '3' day AS i3, timestamp 'epoch' AS ep, y.a IN ('a','b') AS inn FROM odd.chk y;
CREATE VIEW odd.qu AS SELECT 'a' AS c UNION SELECT a FROM odd.chk WHERE a IN ('x','y') UNION ALL (SELECT b FROM odd.chk INTERSECT SELECT 'x' ORDER BY 1 LIMIT 3 OFFSET 1) EXCEPT SELECT NULL;
CREATE VIEW odd.qc AS WITH x AS MATERIALIZED (SELECT a FROM odd.chk), y AS NOT MATERIALIZED (SELECT b FROM odd.chk) SELECT DISTINCT ON (x.a) x.a, y.b FROM x CROSS JOIN y NATURAL LEFT JOIN (SELECT a FROM odd.chk) z FULL JOIN odd.spell s ON s.id = 1 ORDER BY x.a NULLS FIRST, y.b USING > FETCH FIRST 3 ROWS WITH TIES;
CREATE VIEW odd.qj AS SELECT string_agg(DISTINCT a, ',' ORDER BY a) FILTER (WHERE a IN ('x','y')), percentile_cont(0.5) WITHIN GROUP (ORDER BY e), jsonb_build_object('a', array_agg(e ORDER BY e DESC NULLS LAST)), count(*) OVER (), lag(e, 1, 0) OVER (PARTITION BY a ORDER BY e RANGE BETWEEN UNBOUNDED PRECEDING AND 1 FOLLOWING EXCLUDE TIES) FROM odd.chk GROUP BY a, e;
CREATE VIEW odd.qf AS SELECT g.i, u.v, u.o, j.k FROM generate_series(1, 3) AS g(i), unnest(ARRAY['a'], ARRAY[1]) WITH ORDINALITY AS u(v, w, o), jsonb_to_recordset('[]') AS j(k text, l int) WHERE g.i IN (1, 2);
CREATE FUNCTION odd.sqlbody(a varchar, VARIADIC b text[]) RETURNS TABLE (x int, y text) LANGUAGE sql BEGIN ATOMIC SELECT e, b FROM odd.chk WHERE a IN ('x','y') AND chk.b = ANY (sqlbody.b); INSERT INTO odd.chk (a, b) VALUES (a, 'x') RETURNING e, chk.b; END;
CREATE FUNCTION odd.sqlret(a varchar) RETURNS boolean LANGUAGE sql RETURN a IN ('x', 'y') AND (SELECT count(*) FROM odd.chk WHERE chk.a IN ('p', 'q')) > 0;
CREATE FUNCTION odd.defs(a varchar DEFAULT 'x', b numeric DEFAULT 0.50, c timestamptz DEFAULT now(), d text[] DEFAULT ARRAY['a'], e boolean DEFAULT 'a'::varchar IN ('x','y')) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE RULE rr AS ON UPDATE TO odd.chk WHERE old.a IN ('x','y') AND new.b IS DISTINCT FROM old.b DO ALSO (INSERT INTO odd.chk (a) SELECT new.a WHERE new.a IN ('p','q'); DELETE FROM odd.spell WHERE id = old.e);
CREATE FUNCTION odd.watch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN new; END $$;
CREATE TRIGGER tw BEFORE UPDATE OF a, b ON odd.chk FOR EACH ROW WHEN (old.a IN ('x','y') AND (new.*) IS DISTINCT FROM (old.*)) EXECUTE FUNCTION odd.tf('a,b', E'x\ny', '1');
ALTER TABLE odd.chk ENABLE ROW LEVEL SECURITY;
CREATE POLICY p1 ON odd.chk FOR SELECT TO PUBLIC USING (a IN ('x','y') AND EXISTS (SELECT FROM odd.spell s WHERE s.id = chk.e AND s.g = CURRENT_USER));
CREATE POLICY p2 ON odd.chk FOR INSERT TO mutation_reader, mutation_owner WITH CHECK ((SELECT current_setting('a.b', true)) = a::text);
CREATE POLICY p3 ON odd.chk AS RESTRICTIVE FOR ALL TO CURRENT_USER USING (true);
CREATE DOMAIN odd.dd AS varchar(5) DEFAULT 'x' CHECK (VALUE IN ('x','y')) CHECK (VALUE ~ 'a') NOT NULL;
CREATE DOMAIN odd.d2 AS odd.dd DEFAULT 'y' CHECK (VALUE <> 'q');
CREATE TABLE odd.usesd (a odd.d2 PRIMARY KEY, b odd.dd[] DEFAULT ARRAY['x']::odd.dd[], c odd.d2 DEFAULT 'z' CHECK (c IN ('x','z')));
CREATE TABLE odd.genx (a varchar, b boolean GENERATED ALWAYS AS (a IN ('x','y')) STORED, c numeric(5,2) GENERATED ALWAYS AS (1.50) STORED, d text GENERATED ALWAYS AS (a || 'x'::varchar(3)) STORED);
CREATE TABLE odd.pt (a varchar, b int, c date) PARTITION BY RANGE ((a IN ('x','y')), b, (lower(a)) COLLATE "C" text_pattern_ops);
CREATE TABLE odd.pt1 PARTITION OF odd.pt FOR VALUES FROM (false, MINVALUE, MINVALUE) TO (true, 5, 'it''s');
CREATE TABLE odd.pl (a text, c date) PARTITION BY LIST (a);
CREATE TABLE odd.pl1 PARTITION OF odd.pl FOR VALUES IN ('b', 'a', NULL) PARTITION BY RANGE (c);
CREATE TABLE odd.pl11 PARTITION OF odd.pl1 FOR VALUES FROM ('2024-01-01') TO (MAXVALUE);
CREATE STATISTICS odd.s1 ON (a IN ('x','y')), (lower(b)), (e % 2) FROM odd.chk;
CREATE TABLE odd.fk1 (a int, b int, c int, PRIMARY KEY (a, b)); CREATE TABLE odd.fk2 (x int, y int, FOREIGN KEY (y, x) REFERENCES odd.fk1 (a, b) MATCH FULL DEFERRABLE, CONSTRAINT self CHECK (x > y));
