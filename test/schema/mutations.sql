-- Single changes to the schema of base.sql. Each must give exactly one finding: category, kind and object of the line above it. Then
-- fix_schema() must bring back an empty audit, with what the line says it needs to be allowed, and touch no row; "unfixable" says that no
-- statement can do that without knowing more. "setup" is run before the baseline is captured, and "leaves" names a note
-- that stays: a column that was dropped comes back at the end.

--- schema missing other | setup CREATE SCHEMA other
DROP SCHEMA other
--- schema extra more | allow drop:more
CREATE SCHEMA more
--- schema differs app
COMMENT ON SCHEMA app IS 'nothing'
--- owner differs app | allow owner
ALTER SCHEMA app OWNER TO mutation_owner

--- type missing app.spare | setup CREATE TYPE app.spare AS ENUM ('a', 'it''s')
DROP TYPE app.spare
--- type missing app.spare | setup CREATE DOMAIN app.spare AS text CHECK (VALUE <> '')
DROP DOMAIN app.spare
--- type missing app.spare | setup CREATE TYPE app.spare AS (a integer, "B c" text)
DROP TYPE app.spare
--- type extra app.spare | allow drop:app.spare
CREATE TYPE app.spare AS ENUM ('a')
--- type differs app.spare | setup CREATE TYPE app.spare AS ENUM ('a', 'b', 'it''s')
DROP TYPE app.spare; CREATE TYPE app.spare AS ENUM ('a', 'it''s')
--- type differs app.spare | setup CREATE TYPE app.spare AS ENUM ('a', 'b')
DROP TYPE app.spare; CREATE TYPE app.spare AS ENUM ('a')
--- type differs app.mood | unfixable
ALTER TYPE app.mood ADD VALUE 'ecstatic'
--- type differs app.mood | unfixable
ALTER TYPE app.mood RENAME VALUE 'sad' TO 'blue'
--- type differs app.spare | unfixable | setup CREATE TYPE app.spare AS ENUM ('a', 'b')
DROP TYPE app.spare; CREATE TYPE app.spare AS ENUM ('b', 'a')
--- type differs app.positive
ALTER DOMAIN app.positive DROP CONSTRAINT above_zero; COMMENT ON DOMAIN app.positive IS 'x'; COMMENT ON DOMAIN app.positive IS NULL
--- type differs app.positive
ALTER DOMAIN app.positive SET DEFAULT 7
--- type differs app.positive
ALTER DOMAIN app.positive DROP DEFAULT
--- type differs app.spare | setup CREATE DOMAIN app.spare AS text NOT NULL
ALTER DOMAIN app.spare DROP NOT NULL
--- owner differs app.mood | allow owner
ALTER TYPE app.mood OWNER TO mutation_owner

--- sequence missing app.spare | setup CREATE SEQUENCE app.spare MINVALUE 5 CYCLE
DROP SEQUENCE app.spare
--- sequence extra app.spare | allow drop:app.spare
CREATE SEQUENCE app.spare
--- sequence differs app.ticket
ALTER SEQUENCE app.ticket INCREMENT 6
--- sequence differs app.ticket
ALTER SEQUENCE app.ticket MAXVALUE 99999
--- sequence differs app.ticket
ALTER SEQUENCE app.ticket CACHE 1
--- sequence differs app.ticket
ALTER SEQUENCE app.ticket CYCLE
--- sequence differs app.ticket
ALTER SEQUENCE app.ticket START 15
--- sequence differs app.spare | setup CREATE SEQUENCE app.spare OWNED BY app.roles.id
ALTER SEQUENCE app.spare OWNED BY NONE
--- owner differs app.ticket | allow owner
ALTER SEQUENCE app.ticket OWNER TO mutation_owner
--- sequence invalid app.orders_id_seq
SELECT setval('app.orders_id_seq', 3)
--- sequence invalid app.customers_id_seq
SELECT setval('app.customers_id_seq', 1, false)

--- table missing app.spare | setup CREATE TABLE app.spare (id integer PRIMARY KEY, "A b" text NOT NULL DEFAULT 'it''s', c numeric(5,1) CHECK (c > 0)); CREATE INDEX spare_c ON app.spare (c); COMMENT ON COLUMN app.spare.c IS 'c'; GRANT SELECT ON app.spare TO mutation_owner
DROP TABLE app.spare
--- table missing app.spare | setup CREATE TABLE app.spare (id serial PRIMARY KEY, a integer GENERATED ALWAYS AS IDENTITY UNIQUE, b integer GENERATED ALWAYS AS (1 + 1) STORED)
DROP TABLE app.spare
--- table missing app.spare | setup CREATE TABLE app.spare (id integer PRIMARY KEY); ALTER TABLE app.spare ENABLE ROW LEVEL SECURITY; ALTER TABLE app.spare FORCE ROW LEVEL SECURITY; CREATE POLICY all_rows ON app.spare USING (id > 0)
DROP TABLE app.spare
--- table missing app.spare | setup CREATE TABLE app.spare (id integer PRIMARY KEY); CREATE TRIGGER noted AFTER INSERT ON app.spare EXECUTE FUNCTION app.noted()
DROP TABLE app.spare
--- table missing app.events_2025 | setup CREATE TABLE app.events_2025 PARTITION OF app.events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')
DROP TABLE app.events_2025
--- table extra app.spare | allow drop:app.spare
CREATE TABLE app.spare (id integer PRIMARY KEY)
--- table differs app.cache | allow rows:app.cache
ALTER TABLE app.cache SET LOGGED
--- table differs app.cache
ALTER TABLE app.cache SET (fillfactor = 60)
--- table differs app.cache
ALTER TABLE app.cache RESET (fillfactor)
--- table differs app.roles
ALTER TABLE app.roles SET (autovacuum_enabled = false)
--- table differs app.roles
ALTER TABLE app.roles REPLICA IDENTITY FULL
--- table differs app.customers
COMMENT ON TABLE app.customers IS 'who sells'
--- table differs app.customers
COMMENT ON TABLE app.customers IS NULL
--- table differs app.customers | allow privileges
ALTER TABLE app.customers DISABLE ROW LEVEL SECURITY
--- table differs app.customers | allow privileges
ALTER TABLE app.customers FORCE ROW LEVEL SECURITY
--- owner differs app.people | allow owner
ALTER TABLE app.people OWNER TO mutation_owner

--- column missing app.customers.tags | leaves table hint app.customers
ALTER TABLE app.customers DROP COLUMN tags
--- column missing app.customers."Vat No"
ALTER TABLE app.customers DROP COLUMN "Vat No"
--- column missing app.customers.doubled | leaves table hint app.customers
ALTER TABLE app.customers DROP COLUMN doubled
--- column missing app.staff.salary
ALTER TABLE app.staff DROP COLUMN salary
--- column extra app.cache.spare | allow drop:app.cache.spare
ALTER TABLE app.cache ADD COLUMN spare integer
--- column differs app.customers.name
ALTER TABLE app.customers ALTER COLUMN name SET DEFAULT 'other'
--- column differs app.customers.name
ALTER TABLE app.customers ALTER COLUMN name DROP DEFAULT
--- column differs app.customers.tags
ALTER TABLE app.customers ALTER COLUMN tags SET NOT NULL
--- column differs app.customers.email
ALTER TABLE app.customers ALTER COLUMN email DROP NOT NULL
--- column differs app.customers.balance
ALTER TABLE app.customers ALTER COLUMN balance SET DEFAULT 0.75
--- column differs app.customers.created
ALTER TABLE app.customers ALTER COLUMN created TYPE timestamp(6) with time zone
--- column differs app.customers.created
ALTER TABLE app.customers ALTER COLUMN created TYPE timestamp(3) without time zone
--- column differs app.orders.parent_id
ALTER TABLE app.orders ALTER COLUMN parent_id TYPE bigint
--- column differs app.customers."Vat No"
ALTER TABLE app.customers ALTER COLUMN "Vat No" TYPE varchar(20)
--- column differs app.customers.note
COMMENT ON COLUMN app.customers.note IS 'something else'
--- column differs app.customers.tags
ALTER TABLE app.customers ALTER COLUMN tags TYPE text[] COLLATE "C"
--- column differs app.customers.id
ALTER TABLE app.customers ALTER COLUMN id SET GENERATED ALWAYS
--- column differs app.customers.id
ALTER TABLE app.customers ALTER COLUMN id SET INCREMENT 2
--- column differs app.people.id
ALTER TABLE app.people ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (START 100)
--- column differs app.customers.doubled | allow drop:app.customers.doubled | leaves table hint app.customers
ALTER TABLE app.customers DROP COLUMN doubled; ALTER TABLE app.customers ADD COLUMN doubled numeric GENERATED ALWAYS AS (balance * 3) STORED
--- column differs app.orders.quantity
ALTER TABLE app.orders ALTER COLUMN quantity SET STATISTICS 100
--- column differs app.customers."Vat No"
ALTER TABLE app.customers ALTER COLUMN "Vat No" SET STORAGE EXTERNAL
--- column differs app.customers."Vat No"
ALTER TABLE app.customers ALTER COLUMN "Vat No" SET (n_distinct = 5)
--- column differs app.customers."Vat No"
COMMENT ON COLUMN app.customers."Vat No" IS 'x''; DROP TABLE app.roles; --'

--- constraint missing orders_customer_fkey on app.orders
ALTER TABLE app.orders DROP CONSTRAINT orders_customer_fkey
--- constraint missing customers_email_key on app.customers
ALTER TABLE app.customers DROP CONSTRAINT customers_email_key
--- constraint missing balance_in_range on app.customers
ALTER TABLE app.customers DROP CONSTRAINT balance_in_range
--- constraint missing no_overlap on app.orders
ALTER TABLE app.orders DROP CONSTRAINT no_overlap
--- constraint missing roles_pkey on app.roles
ALTER TABLE app.roles DROP CONSTRAINT roles_pkey
--- constraint missing events_pkey on app.events
ALTER TABLE app.events DROP CONSTRAINT events_pkey
--- constraint missing orders_code_key on app.orders
ALTER TABLE app.orders DROP CONSTRAINT orders_code_key
--- constraint extra spare on app.people | allow drop:spare on app.people
ALTER TABLE app.people ADD CONSTRAINT spare CHECK (id > 0) NO INHERIT
--- constraint extra spare on app.orders | allow drop:spare on app.orders
ALTER TABLE app.orders ADD CONSTRAINT spare FOREIGN KEY (parent_id) REFERENCES app.people (id)
--- constraint differs orders_customer_fkey on app.orders
ALTER TABLE app.orders DROP CONSTRAINT orders_customer_fkey, ADD CONSTRAINT orders_customer_fkey FOREIGN KEY (customer_id) REFERENCES app.customers
--- constraint differs orders_customer_fkey on app.orders
ALTER TABLE app.orders ALTER CONSTRAINT orders_customer_fkey DEFERRABLE
--- constraint differs orders_customer_fkey on app.orders
ALTER TABLE app.orders DROP CONSTRAINT orders_customer_fkey, ADD CONSTRAINT orders_customer_fkey FOREIGN KEY (customer_id) REFERENCES app.customers ON UPDATE CASCADE ON DELETE CASCADE
--- constraint differs orders_code_key on app.orders
ALTER TABLE app.orders DROP CONSTRAINT orders_code_key, ADD CONSTRAINT orders_code_key UNIQUE (code)
--- constraint differs balance_in_range on app.customers
ALTER TABLE app.customers DROP CONSTRAINT balance_in_range, ADD CONSTRAINT balance_in_range CHECK (balance > 0)
--- constraint invalid balance_in_range on app.customers
ALTER TABLE app.customers DROP CONSTRAINT balance_in_range, ADD CONSTRAINT balance_in_range CHECK (balance >= 0) NOT VALID
--- constraint invalid orders_customer_fkey on app.orders
ALTER TABLE app.orders DROP CONSTRAINT orders_customer_fkey, ADD CONSTRAINT orders_customer_fkey FOREIGN KEY (customer_id) REFERENCES app.customers ON DELETE CASCADE NOT VALID
--- constraint differs name_given on app.customers
ALTER TABLE app.customers RENAME CONSTRAINT name_given TO name_there
--- constraint differs balance_in_range on app.customers
COMMENT ON CONSTRAINT balance_in_range ON app.customers IS 'rich'

--- index missing app.orders_by_customer
DROP INDEX app.orders_by_customer
--- index missing app.orders_open
DROP INDEX app.orders_open
--- index missing app.events_by_what
DROP INDEX app.events_by_what
--- index missing app.sales_key
DROP INDEX app.sales_key
--- index extra app.spare | allow drop:app.spare
CREATE INDEX spare ON app.roles (name)
--- index differs app.orders_recent
DROP INDEX app.orders_recent; CREATE INDEX orders_recent ON app.orders (placed DESC NULLS LAST) INCLUDE (quantity) WITH (fillfactor = 90)
--- index differs app.orders_recent
DROP INDEX app.orders_recent; CREATE INDEX orders_recent ON app.orders (placed DESC) INCLUDE (code) WITH (fillfactor = 90)
--- index differs app.orders_recent
ALTER INDEX app.orders_recent SET (fillfactor = 80)
--- index differs app.orders_open
DROP INDEX app.orders_open; CREATE UNIQUE INDEX orders_open ON app.orders (lower(code)) WHERE quantity > 1
--- index differs app.orders_open
DROP INDEX app.orders_open; CREATE UNIQUE INDEX orders_open ON app.orders (upper(code)) WHERE quantity > 0
--- index differs app.orders_pattern
DROP INDEX app.orders_pattern; CREATE INDEX orders_pattern ON app.orders (code COLLATE "C")
--- index differs app.orders_pattern
DROP INDEX app.orders_pattern; CREATE INDEX orders_pattern ON app.orders USING hash (code)
--- index differs app.orders_parent
DROP INDEX app.orders_parent; CREATE UNIQUE INDEX orders_parent ON app.orders (id, parent_id)
--- index invalid app.orders_recent
UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'app.orders_recent'::regclass
--- index differs app.orders_recent
ALTER INDEX app.orders_recent RENAME TO orders_latest
--- index differs app.orders_recent
COMMENT ON INDEX app.orders_recent IS 'newest first'

--- trigger missing touch on app.customers
DROP TRIGGER touch ON app.customers
--- trigger missing late on app.orders
DROP TRIGGER late ON app.orders
--- trigger extra spare on app.orders | allow drop:spare on app.orders
CREATE TRIGGER spare AFTER DELETE ON app.orders EXECUTE FUNCTION app.noted()
--- trigger disabled touch on app.customers
ALTER TABLE app.customers DISABLE TRIGGER touch
--- trigger differs touch on app.customers
ALTER TABLE app.customers ENABLE ALWAYS TRIGGER touch
--- trigger differs touch on app.customers
ALTER TABLE app.customers ENABLE REPLICA TRIGGER touch
--- trigger differs touch on app.customers
DROP TRIGGER touch ON app.customers; CREATE TRIGGER touch BEFORE UPDATE ON app.customers FOR EACH ROW EXECUTE FUNCTION app.touch()
--- trigger differs late on app.orders
DROP TRIGGER late ON app.orders; CREATE CONSTRAINT TRIGGER late AFTER INSERT ON app.orders DEFERRABLE FOR EACH ROW EXECUTE FUNCTION app.noted()
--- constraint disabled orders_customer_fkey on app.orders
DO $$ DECLARE t text; BEGIN FOR t IN SELECT format('ALTER TABLE %s DISABLE TRIGGER %I', tgrelid::regclass, tgname) FROM pg_trigger WHERE tgconstraint = (SELECT oid FROM pg_constraint WHERE conname = 'orders_customer_fkey') LOOP EXECUTE t; END LOOP; END $$

--- rule missing no_delete on app.roles
DROP RULE no_delete ON app.roles
--- rule differs no_delete on app.roles
CREATE OR REPLACE RULE no_delete AS ON DELETE TO app.roles WHERE old.id = 'viewer' DO INSTEAD NOTHING
--- rule disabled no_delete on app.roles
ALTER TABLE app.roles DISABLE RULE no_delete
--- rule extra spare on app.cache | allow drop:spare on app.cache
CREATE RULE spare AS ON UPDATE TO app.cache DO ALSO NOTHING

--- function missing app.add(integer,integer)
DROP FUNCTION app.add(integer, integer)
--- function missing app.secret()
DROP FUNCTION app.secret()
--- function missing app.tidy(integer)
DROP PROCEDURE app.tidy
--- function missing app.total(integer)
DROP AGGREGATE app.total(integer)
--- function extra app.add(bigint,bigint) | allow drop:app.add(bigint,bigint)
CREATE FUNCTION app.add(a bigint, b bigint) RETURNS bigint LANGUAGE sql AS 'SELECT a + b'
--- function differs app.add(integer,integer)
CREATE OR REPLACE FUNCTION app.add(a integer, b integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT a - b'
--- function differs app.add(pg_catalog.text,pg_catalog.text)
CREATE OR REPLACE FUNCTION app.add(a text, b text DEFAULT 'x') RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT a || b'
--- function differs app.add(integer,integer)
ALTER FUNCTION app.add(integer, integer) STABLE
--- function differs app.add(integer,integer)
ALTER FUNCTION app.add(integer, integer) STRICT
--- function differs app.add(integer,integer)
ALTER FUNCTION app.add(integer, integer) PARALLEL SAFE
--- function differs app.add(integer,integer)
ALTER FUNCTION app.add(integer, integer) COST 7
--- function differs app.add(integer,integer)
ALTER FUNCTION app.add(integer, integer) LEAKPROOF
--- function differs app.secret() | allow privileges
ALTER FUNCTION app.secret() SECURITY INVOKER
--- function differs app.secret()
ALTER FUNCTION app.secret() RESET search_path
--- function differs app.secret()
ALTER FUNCTION app.secret() SET search_path = app
--- function differs app.add(integer,integer)
COMMENT ON FUNCTION app.add(integer, integer) IS 'adds'
--- owner differs app.secret() | allow owner
ALTER FUNCTION app.secret() OWNER TO mutation_owner
--- function differs app.touch()
CREATE OR REPLACE FUNCTION app.touch() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN RETURN new; END $f$

--- view missing app.poor
DROP VIEW app.poor
--- view missing app.richest
DROP VIEW app.richest
--- view missing app.sales
DROP MATERIALIZED VIEW app.sales
--- view extra app.spare | allow drop:app.spare
CREATE VIEW app.spare AS SELECT 1 AS one
--- view differs app.poor
CREATE OR REPLACE VIEW app.poor WITH (security_barrier) AS SELECT id, name FROM app.customers WHERE balance < 2
--- view differs app.poor
ALTER VIEW app.poor RESET (security_barrier)
--- view differs app.poor
ALTER VIEW app.poor SET (security_invoker)
--- view differs app.poor
DROP VIEW app.poor; CREATE VIEW app.poor WITH (security_barrier) AS SELECT id FROM app.customers WHERE balance < 1; REVOKE ALL ON app.poor FROM mutation_reader
--- view differs app.rich
COMMENT ON VIEW app.rich IS NULL
--- view differs app.rich
ALTER VIEW app.rich ALTER COLUMN name SET DEFAULT 'r'
--- owner differs app.rich | allow owner
ALTER VIEW app.rich OWNER TO mutation_owner
--- view differs app.sales
DROP MATERIALIZED VIEW app.sales; CREATE MATERIALIZED VIEW app.sales AS SELECT customer_id, sum(quantity) AS orders FROM app.orders GROUP BY customer_id; CREATE UNIQUE INDEX sales_key ON app.sales (customer_id); REVOKE ALL ON app.sales FROM mutation_reader

--- policy missing visible on app.customers
DROP POLICY visible ON app.customers
--- policy extra spare on app.customers | allow drop:spare on app.customers
CREATE POLICY spare ON app.customers USING (true)
--- policy differs visible on app.customers
ALTER POLICY visible ON app.customers USING (balance > 0)
--- policy differs visible on app.customers
ALTER POLICY visible ON app.customers TO mutation_reader
--- policy differs restricted on app.customers
ALTER POLICY restricted ON app.customers WITH CHECK (id > 1)
--- policy differs restricted on app.customers
DROP POLICY restricted ON app.customers; CREATE POLICY restricted ON app.customers TO mutation_reader USING (id > 0) WITH CHECK (id > 0)
--- policy differs visible on app.customers
DROP POLICY visible ON app.customers; CREATE POLICY visible ON app.customers FOR DELETE USING (balance >= 0)

--- statistics missing app.orders_related
DROP STATISTICS app.orders_related
--- statistics differs app.orders_related
DROP STATISTICS app.orders_related; CREATE STATISTICS app.orders_related (ndistinct) ON customer_id, quantity FROM app.orders
--- statistics differs app.orders_related
ALTER STATISTICS app.orders_related SET STATISTICS 50
--- statistics extra app.spare | allow drop:app.spare
CREATE STATISTICS app.spare ON name, approval_limit FROM app.roles

--- privilege differs mutation_reader on app.customers | allow privileges
REVOKE INSERT ON app.customers FROM mutation_reader
--- privilege differs mutation_reader on app.customers | allow privileges
GRANT DELETE ON app.customers TO mutation_reader
--- privilege missing mutation_reader on app.customers.email | allow privileges
REVOKE UPDATE (email) ON app.customers FROM mutation_reader
--- privilege extra mutation_reader on app.customers.name | allow privileges
GRANT UPDATE (name) ON app.customers TO mutation_reader
--- privilege missing mutation_reader on app.secret() | allow privileges
REVOKE EXECUTE ON FUNCTION app.secret() FROM mutation_reader
--- privilege missing mutation_reader on app | allow privileges
REVOKE USAGE ON SCHEMA app FROM mutation_reader
--- privilege extra mutation_owner on app.orders | allow privileges
GRANT SELECT ON app.orders TO mutation_owner
--- privilege differs mutation_reader on app.orders | allow privileges
REVOKE GRANT OPTION FOR SELECT ON app.orders FROM mutation_reader
--- privilege missing mutation_reader on app.ticket | allow privileges
REVOKE USAGE ON SEQUENCE app.ticket FROM mutation_reader
--- privilege missing PUBLIC on app.touch() | allow privileges
REVOKE EXECUTE ON FUNCTION app.touch() FROM PUBLIC
--- privilege extra PUBLIC on app.roles | allow privileges
GRANT SELECT ON app.roles TO PUBLIC

--- seed row missing app.roles (id=viewer)
DELETE FROM app.roles WHERE id = 'viewer'
--- seed row differs app.roles (id=finance) | allow rows:app.roles
UPDATE app.roles SET approval_limit = NULL WHERE id = 'finance'
--- seed row differs app.roles (id=finance) | allow rows:app.roles
UPDATE app.roles SET name = 'it''s' WHERE id = 'finance'

-- Names with the words that statements are made of.
--- constraint missing "c on d" on app."t on u" | setup CREATE TABLE app."t on u" (a integer PRIMARY KEY, CONSTRAINT "c on d" CHECK (a > 0)); COMMENT ON CONSTRAINT "c on d" ON app."t on u" IS 'x'
ALTER TABLE app."t on u" DROP CONSTRAINT "c on d"
--- trigger missing "c on d" on app."t on u" | setup CREATE TABLE app."t on u" (a integer PRIMARY KEY); CREATE TRIGGER "c on d" AFTER DELETE ON app."t on u" EXECUTE FUNCTION app.noted(); COMMENT ON TRIGGER "c on d" ON app."t on u" IS 'x'
DROP TRIGGER "c on d" ON app."t on u"
--- trigger differs "c on d" on app."t on u" | setup CREATE TABLE app."t on u" (a integer PRIMARY KEY); CREATE TRIGGER "c on d" AFTER DELETE ON app."t on u" EXECUTE FUNCTION app.noted()
DROP TRIGGER "c on d" ON app."t on u"; CREATE TRIGGER "c on d" AFTER UPDATE ON app."t on u" EXECUTE FUNCTION app.noted()
--- rule extra "c on d" on app."t on u" | setup CREATE TABLE app."t on u" (a integer PRIMARY KEY) | allow drop:"c on d" on app."t on u"
CREATE RULE "c on d" AS ON DELETE TO app."t on u" DO INSTEAD NOTHING
--- policy differs "c on d" on app."t on u" | setup CREATE TABLE app."t on u" (a integer PRIMARY KEY); ALTER TABLE app."t on u" ENABLE ROW LEVEL SECURITY; CREATE POLICY "c on d" ON app."t on u" USING (a > 1); COMMENT ON POLICY "c on d" ON app."t on u" IS 'x'
COMMENT ON POLICY "c on d" ON app."t on u" IS NULL
--- trigger missing "c on d" | setup CREATE FUNCTION app.heard() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$; CREATE EVENT TRIGGER "c on d" ON sql_drop WHEN TAG IN ('DROP TABLE') EXECUTE FUNCTION app.heard(); COMMENT ON EVENT TRIGGER "c on d" IS 'x'
DROP EVENT TRIGGER "c on d"
--- trigger differs "c on d" | setup CREATE FUNCTION app.heard() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$; CREATE EVENT TRIGGER "c on d" ON sql_drop WHEN TAG IN ('DROP TABLE') EXECUTE FUNCTION app.heard()
ALTER EVENT TRIGGER "c on d" ENABLE ALWAYS
--- privilege missing mutation_reader on app."t on u"."x on y" | setup CREATE TABLE app."t on u" ("x on y" integer PRIMARY KEY); GRANT SELECT ("x on y") ON app."t on u" TO mutation_reader | allow privileges
REVOKE SELECT ("x on y") ON app."t on u" FROM mutation_reader

-- What owners may do.
--- privilege missing postgres on app.roles | setup REVOKE DELETE ON app.roles FROM CURRENT_USER | allow privileges
GRANT DELETE ON app.roles TO CURRENT_USER
--- privilege extra postgres on app.roles | allow privileges
REVOKE DELETE ON app.roles FROM CURRENT_USER
--- privilege missing postgres on app.roles | setup REVOKE ALL ON app.roles FROM CURRENT_USER | allow privileges
GRANT ALL ON app.roles TO CURRENT_USER
--- privilege extra postgres on app.roles | allow privileges
REVOKE ALL ON app.roles FROM CURRENT_USER
--- privilege missing PUBLIC on for role mutation_owner on functions | setup ALTER DEFAULT PRIVILEGES FOR ROLE mutation_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC | allow privileges
ALTER DEFAULT PRIVILEGES FOR ROLE mutation_owner GRANT EXECUTE ON FUNCTIONS TO PUBLIC
--- privilege extra PUBLIC on for role mutation_owner on functions | allow privileges
ALTER DEFAULT PRIVILEGES FOR ROLE mutation_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC
--- privilege extra mutation_reader on for role mutation_owner on tables | allow privileges
ALTER DEFAULT PRIVILEGES FOR ROLE mutation_owner GRANT SELECT ON TABLES TO mutation_reader
--- privilege missing mutation_reader on for role postgres in schema app on tables | allow privileges
ALTER DEFAULT PRIVILEGES IN SCHEMA app REVOKE SELECT ON TABLES FROM mutation_reader

-- What only some commands show.
--- table differs app.roles | setup ALTER TABLE app.roles SET (toast.autovacuum_enabled = false)
ALTER TABLE app.roles RESET (toast.autovacuum_enabled)
--- table differs app.roles
ALTER TABLE app.roles SET (toast.vacuum_truncate = false, fillfactor = 90)
--- table missing app.spare | setup CREATE TABLE app.spare (id integer PRIMARY KEY, t text) WITH (toast.autovacuum_enabled = false)
DROP TABLE app.spare
--- type missing app.spare | setup CREATE FUNCTION app.spare_diff(a float8, b float8) RETURNS float8 LANGUAGE sql IMMUTABLE AS 'SELECT a - b'; CREATE TYPE app.spare AS RANGE (SUBTYPE = float8, SUBTYPE_DIFF = app.spare_diff, MULTIRANGE_TYPE_NAME = app.many)
DROP TYPE app.spare
--- type missing app.spare | setup CREATE TYPE app.spare AS RANGE (SUBTYPE = text, SUBTYPE_OPCLASS = text_pattern_ops, COLLATION = "C")
DROP TYPE app.spare
--- type differs app.spare | unfixable | setup CREATE TYPE app.spare AS RANGE (SUBTYPE = text, COLLATION = "C")
DROP TYPE app.spare; CREATE TYPE app.spare AS RANGE (SUBTYPE = text, COLLATION = "POSIX")
--- type differs app.address
COMMENT ON COLUMN app.address.zip IS 'code'
--- type missing app.spare | setup CREATE TYPE app.spare AS ("a b" integer, c text); COMMENT ON COLUMN app.spare."a b" IS 'it''s'
DROP TYPE app.spare
--- type differs app.positive
COMMENT ON CONSTRAINT above_zero ON DOMAIN app.positive IS 'more'
--- type missing app.spare | setup CREATE DOMAIN app.spare AS text CONSTRAINT "not empty" CHECK (VALUE <> ''); COMMENT ON CONSTRAINT "not empty" ON DOMAIN app.spare IS 'x'
DROP DOMAIN app.spare
--- function differs app.total(integer) | setup CREATE OR REPLACE AGGREGATE app.total(integer) (SFUNC = int4pl, STYPE = integer, INITCOND = '0', MSFUNC = int4pl, MINVFUNC = int4mi, MSTYPE = integer, MSSPACE = 50, MINITCOND = '0', MFINALFUNC = abs, MFINALFUNC_MODIFY = SHAREABLE)
CREATE OR REPLACE AGGREGATE app.total(integer) (SFUNC = int4pl, STYPE = integer, INITCOND = '0', MSFUNC = int4pl, MINVFUNC = int4mi, MSTYPE = integer, MSSPACE = 60, MINITCOND = '0', MFINALFUNC = abs, MFINALFUNC_MODIFY = SHAREABLE)
--- function differs app.total(integer) | setup CREATE OR REPLACE AGGREGATE app.total(integer) (SFUNC = int4pl, STYPE = integer, INITCOND = '0', MSFUNC = int4pl, MINVFUNC = int4mi, MSTYPE = integer, MINITCOND = '0', MFINALFUNC = abs, MFINALFUNC_MODIFY = SHAREABLE)
CREATE OR REPLACE AGGREGATE app.total(integer) (SFUNC = int4pl, STYPE = integer, INITCOND = '0', MSFUNC = int4pl, MINVFUNC = int4mi, MSTYPE = integer, MINITCOND = '0', MFINALFUNC = abs)
--- function differs app.spare(integer) | setup CREATE FUNCTION app.spare(integer) RETURNS SETOF integer LANGUAGE sql IMMUTABLE SUPPORT generate_series_int4_support AS 'SELECT 1'
CREATE OR REPLACE FUNCTION app.spare(integer) RETURNS SETOF integer LANGUAGE sql IMMUTABLE AS 'SELECT 1'
--- function missing app.spare() | setup CREATE FUNCTION app.spare() RETURNS integer LANGUAGE sql SET search_path = '', "$user", "a, b", "Q""x", public, '01234567890123456789012345678901234567890123456789012345678901234567890' SET "my.own" = 'it''s' AS 'SELECT 1'
DROP FUNCTION app.spare()
--- index differs app.orders_open
ALTER INDEX app.orders_open ALTER COLUMN 1 SET STATISTICS 77
--- index missing app.spare | setup CREATE INDEX spare ON app.orders ((quantity + 1), code, (lower(code))); ALTER INDEX app.spare ALTER COLUMN 3 SET STATISTICS 5
DROP INDEX app.spare
--- constraint differs roles_pkey on app.roles
COMMENT ON INDEX app.roles_pkey IS 'of the roles'

-- Partitions that are not as their parent.
--- column differs app.events_2024.what | setup ALTER TABLE app.events ALTER what SET DEFAULT 'e'; ALTER TABLE app.events_2024 ALTER what DROP DEFAULT
ALTER TABLE app.events_2024 ALTER what SET DEFAULT 'e'
--- trigger differs watch on app.events_2024 | setup CREATE TRIGGER watch AFTER INSERT ON app.events FOR EACH ROW EXECUTE FUNCTION app.noted()
ALTER TABLE app.events_2024 ENABLE ALWAYS TRIGGER watch
--- trigger disabled watch on app.events_2024 | setup CREATE TRIGGER watch AFTER INSERT ON app.events FOR EACH ROW EXECUTE FUNCTION app.noted()
ALTER TABLE app.events_2024 DISABLE TRIGGER watch
--- table missing app.events_2025 | setup CREATE TRIGGER watch AFTER INSERT ON app.events FOR EACH ROW EXECUTE FUNCTION app.noted(); CREATE TABLE app.events_2025 PARTITION OF app.events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01'); ALTER TABLE app.events_2025 DISABLE TRIGGER watch; ALTER TABLE app.events_2025 ALTER what SET NOT NULL
DROP TABLE app.events_2025
--- table differs app.events_2025 | setup CREATE TABLE app.events_2025 PARTITION OF app.events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')
ALTER TABLE app.events DETACH PARTITION app.events_2025
--- table differs app.events_2025 | setup CREATE TABLE app.events_2025 (LIKE app.events INCLUDING ALL)
ALTER TABLE app.events ATTACH PARTITION app.events_2025 FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')
--- view missing app.spare | setup CREATE VIEW app.spare AS SELECT 1 AS one; CREATE TRIGGER watch INSTEAD OF INSERT ON app.spare FOR EACH ROW EXECUTE FUNCTION app.noted(); GRANT SELECT (one) ON app.spare TO mutation_reader
DROP VIEW app.spare
--- column differs app.events_2024.what | setup ALTER TABLE app.events_2024 ALTER what SET COMPRESSION pglz
ALTER TABLE app.events_2024 ALTER what SET COMPRESSION default
--- column differs app.events_2024.what
ALTER TABLE app.events_2024 ALTER what SET DEFAULT 'f', ALTER what SET NOT NULL, ALTER what SET STATISTICS 7

-- Fixes that take several statements.
--- column differs app.spare.n | setup CREATE TABLE app.spare (n integer GENERATED ALWAYS AS IDENTITY (MINVALUE 5))
ALTER TABLE app.spare ALTER n SET INCREMENT 2
--- column differs app.spare.n | setup CREATE TABLE app.spare (n integer GENERATED ALWAYS AS IDENTITY (INCREMENT -1))
ALTER TABLE app.spare ALTER n SET CACHE 2
--- column differs app.spare.n | setup CREATE TABLE app.spare (n serial); ALTER SEQUENCE app.spare_n_seq INCREMENT 3 START 100
ALTER SEQUENCE app.spare_n_seq INCREMENT 1 START 1
--- table missing app.spare | setup CREATE TABLE app.spare (n serial PRIMARY KEY); ALTER SEQUENCE app.spare_n_seq INCREMENT 3 START 100
DROP TABLE app.spare
--- view differs app.poor
DROP VIEW app.poor; CREATE VIEW app.poor WITH (security_barrier) AS SELECT id, name, balance FROM app.customers WHERE balance < 1; REVOKE ALL ON app.poor FROM mutation_reader
--- column differs app.customers.mood
ALTER TABLE app.customers ALTER mood DROP DEFAULT, ALTER mood TYPE text; ALTER TABLE app.customers ALTER mood SET DEFAULT 'ok'::app.mood
--- column differs app.spare.n | setup CREATE TABLE app.spare (n integer DEFAULT 5)
ALTER TABLE app.spare ALTER n DROP DEFAULT, ALTER n TYPE text, ALTER n SET DEFAULT 5
--- seed row missing app.spare (id=7) | setup CREATE TABLE app.spare (id bigint GENERATED ALWAYS AS IDENTITY (START 100) PRIMARY KEY, n integer, twice integer GENERATED ALWAYS AS (n * 2) STORED); INSERT INTO app.spare (id, n) OVERRIDING SYSTEM VALUE VALUES (7, 1) | seeds app.spare
DELETE FROM app.spare
--- table missing app.spare | setup CREATE TABLE app.spare (id integer PRIMARY KEY); ALTER TABLE app.spare OWNER TO mutation_owner; REVOKE UPDATE ON app.spare FROM mutation_owner
DROP TABLE app.spare

-- Kinds and attributes that few have.
--- function differs app.nothing() | setup CREATE AGGREGATE app.nothing(*) (SFUNC = int8inc, STYPE = int8, INITCOND = '0')
COMMENT ON AGGREGATE app.nothing(*) IS 'x'
--- function extra app.nothing() | allow drop:app.nothing()
CREATE AGGREGATE app.nothing(*) (SFUNC = int8inc, STYPE = int8, INITCOND = '0')
--- owner differs app.nothing() | setup CREATE AGGREGATE app.nothing(*) (SFUNC = int8inc, STYPE = int8, INITCOND = '0') | allow owner
ALTER AGGREGATE app.nothing(*) OWNER TO mutation_owner
--- function missing app.nothing() | setup CREATE AGGREGATE app.nothing(*) (SFUNC = int8inc, STYPE = int8, INITCOND = '0'); COMMENT ON AGGREGATE app.nothing(*) IS 'x'; REVOKE ALL ON FUNCTION app.nothing() FROM PUBLIC
DROP AGGREGATE app.nothing(*)
--- function extra app.middle(double precision,double precision) | allow drop:app.middle(double precision,double precision)
CREATE AGGREGATE app.middle(float8 ORDER BY float8) (SFUNC = ordered_set_transition, STYPE = internal, FINALFUNC = percentile_cont_float8_final)
--- function extra app.many(pg_catalog.text[]) | allow drop:app.many(pg_catalog.text[])
CREATE FUNCTION app.many(VARIADIC a text[]) RETURNS integer LANGUAGE sql AS 'SELECT 1'
--- function differs app.around(integer,pg_catalog.text) | setup CREATE PROCEDURE app.around(IN a integer, OUT b integer, INOUT c text) LANGUAGE plpgsql AS $$ BEGIN END $$
COMMENT ON PROCEDURE app.around(integer, text) IS 'x'
--- type differs app.address
ALTER TYPE app.address DROP ATTRIBUTE zip
--- type differs app.spare | setup CREATE TYPE app.spare AS (a integer, "b C" text COLLATE "C", c numeric(5,2))
ALTER TYPE app.spare DROP ATTRIBUTE "b C", DROP ATTRIBUTE c
--- sequence differs app.ticket
ALTER SEQUENCE app.ticket AS integer
--- function differs app.tidy(integer)
DROP PROCEDURE app.tidy; CREATE PROCEDURE app.tidy(IN weeks integer) LANGUAGE plpgsql AS $$ BEGIN PERFORM days; END $$
--- table differs app.far | setup CREATE FOREIGN DATA WRAPPER far; CREATE SERVER far FOREIGN DATA WRAPPER far; CREATE FOREIGN TABLE app.far (a integer OPTIONS (x '1', y '2')) SERVER far OPTIONS (a '1', b '2')
ALTER FOREIGN TABLE app.far OPTIONS (SET a 'it''s', DROP b, ADD "c d" '3')
--- column differs app.far.a | setup CREATE FOREIGN DATA WRAPPER far; CREATE SERVER far FOREIGN DATA WRAPPER far; CREATE FOREIGN TABLE app.far (a integer OPTIONS (x '1', y '2')) SERVER far
ALTER FOREIGN TABLE app.far ALTER a OPTIONS (SET x '2', DROP y)
--- column missing app.far.a | setup CREATE FOREIGN DATA WRAPPER far; CREATE SERVER far FOREIGN DATA WRAPPER far; CREATE FOREIGN TABLE app.far (b integer, a text OPTIONS (x '1') COLLATE "C" NOT NULL DEFAULT 'q') SERVER far
ALTER FOREIGN TABLE app.far DROP a
--- constraint missing positive on app.far | setup CREATE FOREIGN DATA WRAPPER far; CREATE SERVER far FOREIGN DATA WRAPPER far; CREATE FOREIGN TABLE app.far (a integer, CONSTRAINT positive CHECK (a > 0)) SERVER far
ALTER FOREIGN TABLE app.far DROP CONSTRAINT positive
--- table differs app.spare | setup CREATE ACCESS METHOD pile TYPE TABLE HANDLER heap_tableam_handler; CREATE TABLE app.spare (a integer) USING pile
ALTER TABLE app.spare SET ACCESS METHOD heap
--- trigger differs heard | setup CREATE FUNCTION app.heard() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$; CREATE EVENT TRIGGER heard ON sql_drop EXECUTE FUNCTION app.heard()
DROP EVENT TRIGGER heard; CREATE EVENT TRIGGER heard ON ddl_command_end EXECUTE FUNCTION app.heard()
--- view differs app.sales
ALTER MATERIALIZED VIEW app.sales SET (toast.autovacuum_enabled = false, fillfactor = 60)
--- view differs app.poor
ALTER VIEW app.poor RESET (security_barrier)
--- column differs app.staff.name
ALTER TABLE app.staff ALTER name SET DEFAULT 's'
--- column differs app.staff.name
ALTER TABLE app.staff ALTER name SET NOT NULL
--- constraint extra spare on app.staff | allow drop:spare on app.staff
ALTER TABLE app.staff ADD CONSTRAINT spare CHECK (salary > 0)
--- table differs app.spare | leaves table hint app.spare | setup CREATE TABLE app.spare () INHERITS (app.people)
ALTER TABLE app.spare NO INHERIT app.people
--- table hint app.spare | unfixable | setup CREATE TABLE app.spare () INHERITS (app.people)
ALTER TABLE app.spare NO INHERIT app.people; ALTER TABLE app.spare INHERIT app.people
--- table missing app.spare | setup CREATE TABLE app.spare (b integer) INHERITS (app.people); ALTER TABLE app.spare ALTER name SET DEFAULT 's', ALTER name SET NOT NULL
DROP TABLE app.spare
--- column missing app.spare.a | setup CREATE TABLE app.spare (b integer, a smallserial); ALTER SEQUENCE app.spare_a_seq RENAME TO "own's ""x"; ALTER SEQUENCE app."own's ""x" INCREMENT 3
ALTER TABLE app.spare DROP a; INSERT INTO app.spare VALUES (1), (2)
--- column missing app.spare.a | setup CREATE TABLE app.spare (b integer, a integer GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME app."own's ""x" CYCLE))
ALTER TABLE app.spare DROP a; INSERT INTO app.spare VALUES (1), (2)
--- column differs app.spare.a | unfixable | setup CREATE TABLE app.spare (a serial); ALTER SEQUENCE app.spare_a_seq RENAME TO own
ALTER TABLE app.spare ALTER a DROP DEFAULT; DROP SEQUENCE app.own
--- table differs app.spare | setup CREATE TABLE app.spare (LIKE app.people)
ALTER TABLE app.spare INHERIT app.people
--- constraint differs roles_pkey on app.roles
ALTER TABLE app.roles CLUSTER ON roles_pkey
--- index differs app.orders_recent
ALTER TABLE app.orders CLUSTER ON orders_recent
--- constraint differs no_overlap on app.orders
ALTER TABLE app.orders DROP CONSTRAINT no_overlap, ADD CONSTRAINT no_overlap EXCLUDE USING gist (period WITH &&) WHERE (quantity > 0)
--- constraint differs no_overlap on app.orders
ALTER INDEX app.no_overlap SET (fillfactor = 80)
--- policy differs visible on app.customers
ALTER POLICY visible ON app.customers TO CURRENT_USER
--- constraint invalid spare on app.people | setup ALTER TABLE app.people ADD CONSTRAINT spare CHECK (id > 0)
ALTER TABLE app.people DROP CONSTRAINT spare; ALTER TABLE app.people ADD CONSTRAINT spare CHECK (id > 0) NOT VALID
--- type differs app.spare | setup CREATE DOMAIN app.spare AS integer
ALTER DOMAIN app.spare ADD CONSTRAINT spare CHECK (value > 0) NOT VALID
--- type differs app.spare | setup CREATE DOMAIN app.spare AS integer; ALTER DOMAIN app.spare ADD CONSTRAINT "sp are on x" CHECK (value > 0) NOT VALID
ALTER DOMAIN app.spare VALIDATE CONSTRAINT "sp are on x"
--- column differs app.spare.n | setup CREATE TABLE app.spare (n serial); ALTER SEQUENCE app.spare_n_seq INCREMENT 3
ALTER SEQUENCE app.spare_n_seq OWNED BY NONE
--- column differs app.spare.n | setup CREATE SEQUENCE app.spare_n_seq; CREATE TABLE app.spare (n bigint DEFAULT nextval('app.spare_n_seq'))
ALTER SEQUENCE app.spare_n_seq OWNED BY app.spare.n
--- column differs app.spare."i'd" | setup CREATE TABLE app.spare ("i'd" smallserial); ALTER SEQUENCE app."spare_i'd_seq" RENAME TO "own's ""x"
ALTER SEQUENCE app."own's ""x" OWNED BY NONE; ALTER SEQUENCE app."own's ""x" AS bigint
