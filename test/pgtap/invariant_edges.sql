-- What others in the schema do to an invariant: namesakes, children, casts and operators of other roles, rows in the way.
\ir ../support/invariant.sql
SELECT no_plan();

-- ---------------------------------------------------------------- rows that do not count as present, but take the place

CREATE TABLE soft (id integer PRIMARY KEY, gone boolean NOT NULL DEFAULT false);
INSERT INTO soft VALUES (1, true);
SELECT reconcile.create_invariant('soft', 'soft', '{id}', 'SELECT id FROM generate_series(1, 3) AS id', where_absent => 'gone') \g /dev/null
SELECT is(counts('soft', true), '(3,2,1,0)', 'a dry run knows that a deleted row is in the way');
SELECT is(counts('soft', false), '(3,2,1,0)', 'as the live run finds it');

CREATE TABLE softly (id integer NOT NULL, gone boolean NOT NULL DEFAULT false);
CREATE UNIQUE INDEX ON softly (id) WHERE NOT gone;
INSERT INTO softly VALUES (1, true);
SELECT reconcile.create_invariant('softly', 'softly', '{id}', 'SELECT id FROM generate_series(1, 3) AS id', where_absent => 'gone') \g /dev/null
SELECT is(counts('softly', true), '(3,3,0,0)', 'a partial index has room beside it');
SELECT is(counts('softly', false), '(3,3,0,0)', 'and the live run uses it');

-- ---------------------------------------------------------------- children, intervals

CREATE TABLE parent (id integer PRIMARY KEY);
CREATE TABLE child () INHERITS (parent);
INSERT INTO parent VALUES (1);
INSERT INTO child VALUES (1), (1);
SELECT reconcile.create_invariant('family', 'parent', '{id}', 'SELECT id FROM generate_series(1, 2) AS id') \g /dev/null
SELECT results_eq($$SELECT expected, present, missing, duplicated FROM reconcile.audit('family')$$,
	'VALUES (2::bigint, 1::bigint, 1::bigint, 1::bigint)', 'rows of children count once, and are reported as duplicates');

CREATE TABLE every (span interval(0) PRIMARY KEY);
SELECT reconcile.create_invariant('every', 'every', '{span}', $$SELECT '1.6 seconds'::interval AS span$$) \g /dev/null
SELECT is(counts('every', false), '(1,1,0,0)', 'an interval is stored rounded');
SELECT is(counts('every', true), '(0,0,0,0)', 'and found again');

-- ---------------------------------------------------------------- namesakes of constraints

CREATE TABLE referenced (id integer PRIMARY KEY);
CREATE TABLE namesake (id integer PRIMARY KEY CONSTRAINT fk_p CHECK (id > 0));
CREATE TABLE referring (id integer PRIMARY KEY CONSTRAINT fk_p REFERENCES referenced DEFERRABLE INITIALLY DEFERRED);
INSERT INTO referenced VALUES (1);
SELECT reconcile.create_invariant('referring', 'referring', '{id}', 'SELECT id FROM generate_series(1, 2) AS id') \g /dev/null
SELECT is(counts('referring', false), '(2,1,0,1)', 'a constraint of the same name elsewhere does not stop a repair');
SELECT is(counts('referring', false), '(1,0,0,1)', 'nor the next one');

-- ---------------------------------------------------------------- code of others

CREATE ROLE edge_low;
CREATE SCHEMA edge_low AUTHORIZATION edge_low;
SET ROLE edge_low;
CREATE TABLE edge_low.caught (who name);
GRANT ALL ON edge_low.caught TO PUBLIC;
CREATE TABLE edge_low.u (id integer PRIMARY KEY);
CREATE TYPE edge_low.e AS ENUM ('a', 'b');
CREATE TABLE edge_low.c (u_id integer REFERENCES edge_low.u, k edge_low.e, PRIMARY KEY (u_id, k));
INSERT INTO edge_low.u SELECT generate_series(1, 20);
INSERT INTO edge_low.c SELECT id, 'a' FROM edge_low.u WHERE id < 20;
CREATE FUNCTION edge_low.spy(edge_low.e) RETURNS text LANGUAGE plpgsql AS
	'BEGIN INSERT INTO edge_low.caught VALUES (current_user); RETURN enum_out($1)::text; END';
CREATE CAST (edge_low.e AS text) WITH FUNCTION edge_low.spy(edge_low.e);
CREATE FUNCTION edge_low.same(text[], text[]) RETURNS boolean LANGUAGE plpgsql AS
	'BEGIN INSERT INTO edge_low.caught VALUES (current_user); RETURN array_eq($1, $2); END';
CREATE OPERATOR edge_low.= (LEFTARG = text[], RIGHTARG = text[], FUNCTION = edge_low.same);
RESET ROLE;

SELECT throws_ok($$SELECT * FROM reconcile.suggest_invariants('{edge_lo}')$$, '3F000', 'schema "edge_lo" does not exist',
	'nothing is suggested for a schema that does not exist, with an error');
SELECT results_eq($$SELECT child::text, missing, discriminator FROM reconcile.suggest_invariants('{edge_low}')$$,
	$$VALUES ('edge_low.c', 1::bigint, '{"k": "a"}'::jsonb)$$, 'a suggestion is made of the values of an enum');
SELECT is_empty('SELECT * FROM edge_low.caught', 'without calling a cast of the owner of the type');
CREATE TABLE edge_low.goal (id integer PRIMARY KEY);
CREATE FUNCTION declared() RETURNS text LANGUAGE sql AS $$
	SELECT action FROM reconcile.pack_declare('edge', '{"schema": "edge_low"}', 'goal', 'edge_low.goal', '{id}', 'SELECT 1 AS id', NULL, 'x')
$$;
SELECT is(declared(), 'create invariant', 'a pack declares an invariant');
SELECT reconcile.record_pack('edge', '{}', '{goal}') \g /dev/null
SELECT is(declared(), 'keep invariant', 'a pack declares an invariant once');
SELECT is_empty('SELECT * FROM edge_low.caught', 'without calling an operator of the schema it is for');
DROP SCHEMA edge_low CASCADE;
DROP ROLE edge_low;

-- ---------------------------------------------------------------- values and triggers that a key cannot take

CREATE TABLE small (k integer PRIMARY KEY);
SELECT reconcile.create_invariant('small', 'small', '{k}', 'SELECT k FROM (VALUES (1::numeric), (2), (99999999999)) AS v(k)') \g /dev/null
SELECT is(counts('small', true), '(3,3,0,0)', 'a key out of range is missing');
SELECT is(counts('small', false), '(3,2,0,1)', 'it is refused, and the others are inserted');

CREATE TABLE lowered (a text, b text, UNIQUE (a, b));
CREATE FUNCTION lowered() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.a := lower(NEW.a); RETURN NEW; END';
CREATE TRIGGER lowered BEFORE INSERT ON lowered FOR EACH ROW EXECUTE FUNCTION lowered();
SELECT reconcile.create_invariant('lowered', 'lowered', '{a,b}', $$SELECT 'ABC' AS a, NULL::text AS b$$) \g /dev/null
SELECT is(counts('lowered', false), '(1,0,0,1)', 'a trigger that changes the key does not multiply rows');
SELECT is((SELECT sqlstate FROM reconcile.failures WHERE invariant = 'lowered'), '27000', 'the failure says why');
SELECT is_empty('SELECT * FROM lowered', 'and nothing stays');

CREATE TABLE many (id integer PRIMARY KEY, filler text);
SELECT reconcile.create_invariant('many', 'many', '{id}', $$SELECT id, repeat('x', 2000) AS filler FROM generate_series(1, 1000) AS id$$) \g /dev/null
SELECT is((SELECT jsonb_array_length(samples) FROM reconcile.audit('many', samples => 1000)), 1000, 'a thousand samples');

-- ---------------------------------------------------------------- one of many that fails

CREATE FUNCTION corrupt() RETURNS integer LANGUAGE plpgsql AS $$BEGIN RAISE 'broken' USING ERRCODE = 'XX001'; END$$;
SELECT reconcile.create_invariant('corrupt', 'small', '{k}', 'SELECT corrupt() AS k') \g /dev/null
SELECT results_eq($$SELECT state, message FROM reconcile.audit('corrupt')$$,
	$$VALUES ('not checked', 'broken (SQLSTATE XX001)')$$, 'an internal error is the state of one invariant');
SELECT ok((SELECT count(*) > 5 FROM reconcile.audit()), 'and others are audited');

-- ---------------------------------------------------------------- a run that cannot go on

CREATE TABLE half (id integer PRIMARY KEY);
SELECT reconcile.create_invariant('half', 'half', '{id}', 'SELECT id FROM generate_series(1, 10) AS id') \g /dev/null
SELECT reconcile.begin_batches('half') AS run \gset
SELECT ok(reconcile.run_batch(:run, 'half', 4), 'four of ten rows');
SELECT is((SELECT removed FROM reconcile.undo(:run, false)), 4::bigint, 'a run that has not ended can be undone');
SELECT throws_ok(format('SELECT reconcile.run_batch(%s, ''half'', 4)', :run), '55000', format('run %s has ended', :run),
	'and does not go on');

-- ---------------------------------------------------------------- a plan that is gone

CREATE TABLE slow (id integer PRIMARY KEY);
SELECT reconcile.create_invariant('slow', 'slow', '{id}', 'SELECT id FROM generate_series(1, 10) AS id') \g /dev/null
SELECT reconcile.begin_batches('slow') AS run \gset
SELECT ok(reconcile.run_batch(:run, 'slow', 4), 'four of ten rows');
SELECT reconcile.drop_invariant('slow') \g /dev/null
SELECT reconcile.create_invariant('slow', 'slow', '{id}', 'SELECT id FROM generate_series(1, 10) AS id') \g /dev/null
SELECT throws_ok(format('SELECT reconcile.run_batch(%s, ''slow'', 4)', :run), 'RC002', format('run %s cannot go on', :run),
	'a run whose plan is gone does not pretend to go on');
SELECT is((SELECT count(*) FROM slow), 4::bigint, 'and writes nothing');

-- More columns than a function takes arguments.
CREATE TABLE broad (id integer PRIMARY KEY);
SELECT format('ALTER TABLE broad %s', string_agg(format('ADD c%s integer', n), ', ')) FROM generate_series(1, 120) AS n \gexec
SELECT string_agg(format('id AS c%s', n), ', ') AS wide, array_agg('c' || n) AS columns FROM generate_series(1, 120) AS n \gset
SELECT reconcile.create_invariant('broad', 'broad', '{id}', format('SELECT id, %s FROM generate_series(1, 3) AS id', :'wide'), compare => :'columns') \g /dev/null
SELECT is(counts('broad', false), '(3,3,0,0)', 'rows of 120 columns');
UPDATE broad SET c7 = 70, c120 = NULL WHERE id = 2;
SELECT results_eq($$SELECT kind, key, actual -> 'c7', actual -> 'c120', reason FROM reconcile.findings('broad')$$,
	$$VALUES ('differs', '{"id": 2}'::jsonb, '70'::jsonb, 'null'::jsonb, 'c7 is ''70'', expected ''2''; c120 is NULL, expected ''2''')$$, 'are compared');
SELECT reconcile.create_invariant('broad values', 'broad', '{id}', format('SELECT id, %s FROM generate_series(1, 3) AS id', :'wide'), kind => 'fill', compare => :'columns') \g /dev/null
SELECT results_eq($$SELECT reason FROM reconcile.findings('broad values')$$, $$VALUES ('c7 is ''70'', expected ''2''; c120 is NULL, expected ''2''')$$, 'and filled: what is found');
SELECT reconcile.plan('broad values') AS plan \gset
SELECT is((SELECT (planned, changed) FROM reconcile.repair(plan => :plan, dry_run => false)), (1::bigint, 1::bigint), 'what is planned');
SELECT is((SELECT restored FROM reconcile.undo((SELECT max(run_id) FROM reconcile.runs), dry_run => false)), 1::bigint, 'and what is undone');
SELECT is((SELECT (c7, c120) FROM broad WHERE id = 2), (70, NULL::integer), 'is as it was');
SELECT reconcile.drop_invariant(name) FROM unnest('{broad,broad values}'::text[]) AS name \g /dev/null

SELECT * FROM finish();
ROLLBACK;
