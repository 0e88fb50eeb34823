-- Objects of every kind, with names and texts that want quoting: what a baseline must record and an audit must find equal.
CREATE SCHEMA app; CREATE SCHEMA "we ird.$x";
COMMENT ON SCHEMA app IS 'the app';
CREATE TYPE app.mood AS ENUM ('sad', 'it''s', 'happy');
CREATE DOMAIN app.code AS varchar(20) DEFAULT 'a' NOT NULL CONSTRAINT code_ok CHECK (VALUE IN ('a', 'b', 'c'));
CREATE TYPE app.pair AS (a integer, b text COLLATE "C");
CREATE TYPE app.span AS RANGE (SUBTYPE = numeric);
CREATE SEQUENCE app.numbers INCREMENT 5 MINVALUE 10 CACHE 3 CYCLE;
CREATE FUNCTION app.add(a integer, b integer DEFAULT 2) RETURNS integer LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE COST 7 AS 'SELECT a + b';
CREATE FUNCTION app.add(a text) RETURNS text LANGUAGE sql BEGIN ATOMIC SELECT a || 'x'; END;
CREATE FUNCTION app.touch() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' SET work_mem = '8MB' AS $$ BEGIN NEW.at := now(); RETURN NEW; END $$;
CREATE PROCEDURE app.work(INOUT n integer) LANGUAGE plpgsql AS $$ BEGIN n := n + 1; END $$;
CREATE FUNCTION app.rows_of(n integer) RETURNS TABLE (a integer, b text) LANGUAGE sql ROWS 10 AS 'SELECT 1, ''x''';
CREATE AGGREGATE app.total(integer) (SFUNC = int4pl, STYPE = integer, INITCOND = '0');
CREATE TABLE app.users (id serial PRIMARY KEY, name varchar(50) NOT NULL DEFAULT 'x', mood app.mood DEFAULT 'sad', moods app.mood[], code app.code,
  price numeric(10,2) DEFAULT 0.5, at timestamptz DEFAULT CURRENT_TIMESTAMP, day date DEFAULT '2024-01-01', span interval DEFAULT interval '90 days',
  total integer GENERATED ALWAYS AS (app.add(1, 2)) STORED, doc jsonb DEFAULT '{}', arr text[] DEFAULT '{a,b}', big bigint DEFAULT '-7',
  st varchar(10) CHECK (st IN ('p', 'q')), CONSTRAINT named CHECK (price >= 0), UNIQUE (name, at) DEFERRABLE) WITH (fillfactor = 70);
COMMENT ON COLUMN app.users.name IS 'who';
ALTER TABLE app.users ALTER name SET STATISTICS 50, ALTER doc SET STORAGE EXTERNAL, ALTER name SET (n_distinct = 5);
CREATE INDEX users_st ON app.users (lower(st) COLLATE "C" DESC NULLS LAST, id) INCLUDE (name) WITH (fillfactor = 50) WHERE st IN ('p', 'q');
CREATE UNIQUE INDEX "Index; drop" ON app.users ((CASE WHEN st IN ('p', 'q') THEN 1 ELSE id END));
CREATE TABLE app.posts (id bigint GENERATED ALWAYS AS IDENTITY (START 100 INCREMENT 2) PRIMARY KEY, owner integer REFERENCES app.users ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED, body text COLLATE "C" NOT NULL);
ALTER TABLE app.posts ADD CONSTRAINT later CHECK (body <> '') NOT VALID;
CREATE TRIGGER touch BEFORE UPDATE OF name ON app.users FOR EACH ROW WHEN (OLD.name IS DISTINCT FROM NEW.name) EXECUTE FUNCTION app.touch();
CREATE TRIGGER off AFTER INSERT ON app.users FOR EACH STATEMENT EXECUTE FUNCTION app.touch();
ALTER TABLE app.users DISABLE TRIGGER off;
ALTER TABLE app.users ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON app.users AS RESTRICTIVE FOR SELECT TO PUBLIC USING (st IN ('p', 'q') AND id = (SELECT max(p.id) FROM app.posts p));
CREATE VIEW app.active WITH (security_barrier = true) AS SELECT u.id, u.name AS "the name", u.st FROM app.users u WHERE u.st IN ('p', 'q') WITH LOCAL CHECK OPTION;
CREATE VIEW app.names AS SELECT a."the name" FROM app.active a;
COMMENT ON COLUMN app.names."the name" IS 'n';
CREATE MATERIALIZED VIEW app.counts AS SELECT count(*) AS n FROM app.posts;
CREATE UNIQUE INDEX ON app.counts (n);
CREATE RULE quiet AS ON INSERT TO app.names DO INSTEAD NOTHING;
CREATE STATISTICS app.st (dependencies) ON name, st FROM app.users;
CREATE TABLE app.events (at date NOT NULL, id integer NOT NULL, note text DEFAULT 'n', owner integer REFERENCES app.users, PRIMARY KEY (at, id)) PARTITION BY RANGE (at);
CREATE INDEX ON app.events (note);
CREATE TABLE app.events_1 PARTITION OF app.events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE app.events_2 PARTITION OF app.events (note DEFAULT 'other') FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TRIGGER touch BEFORE UPDATE ON app.events FOR EACH ROW EXECUTE FUNCTION app.touch();
CREATE TABLE app.base (a integer, b text); CREATE TABLE app.child (c integer) INHERITS (app.base);
CREATE UNLOGGED TABLE app.fast (a integer);
CREATE TABLE "we ird.$x"."T ""q"" on; DROP" ("c.o l" integer PRIMARY KEY, "select" text DEFAULT 'x''; DROP TABLE t; --' CHECK ("select" <> '$function$'));
CREATE INDEX "i on x" ON "we ird.$x"."T ""q"" on; DROP" ("select");
CREATE FUNCTION "we ird.$x"."f(x"("a b" text DEFAULT ')') RETURNS text LANGUAGE sql AS $x$ SELECT '$function$' $x$;
CREATE VIEW "we ird.$x"."V W" AS SELECT "c.o l" AS "x y" FROM "we ird.$x"."T ""q"" on; DROP";
GRANT SELECT, INSERT ON app.users TO PUBLIC; GRANT SELECT (id), UPDATE (body) ON app.posts TO PUBLIC; REVOKE EXECUTE ON FUNCTION app.add(integer, integer) FROM PUBLIC;
GRANT USAGE ON SCHEMA app TO PUBLIC; ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT SELECT ON TABLES TO PUBLIC;
