-- audit() and findings(): what they count, show, and refuse to guess.
\ir ../support/invariant.sql
SELECT no_plan();

CREATE TABLE users (id integer PRIMARY KEY, plan text);
INSERT INTO users SELECT n, 'free' FROM generate_series(1, 10) AS n;
CREATE TYPE pair AS (a integer, b text);
CREATE TABLE target (id integer, role text, plan text, tags integer[], part pair, amount numeric(10,2), deleted_at timestamptz,
                     UNIQUE (id, role));
SELECT reconcile.create_invariant('i', 'target', '{id,role}', $$SELECT u.id, r AS role, u.plan, '{1,2}'::integer[] AS tags,
	ROW(1, 'x')::pair AS part, 1.005 AS amount FROM users u, unnest('{owner,NULL}'::text[]) AS r$$,
	compare => '{plan,tags,part,amount,id}', severity => 'warning') \g /dev/null

CREATE FUNCTION audited(samples integer DEFAULT 5) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', state, expected, present, missing, differing, duplicated, jsonb_array_length(a.samples))
	FROM reconcile.audit('i', samples => audited.samples) AS a
$$;

-- ---------------------------------------------------------------- counts and samples

SELECT is(audited(), 'drift 20 0 20 0 0 5', 'all are missing');
SELECT is(audited(0), 'drift 20 0 20 0 0 0', 'no samples');
SELECT is(audited(1), 'drift 20 0 20 0 0 1', 'one sample');
SELECT is(audited(1000), 'drift 20 0 20 0 0 20', 'all samples');
SELECT is(counts('i', false), '(20,20,0,0)', 'repaired');
SELECT is(audited(), 'clean 20 20 0 0 0 0', 'clean');
SELECT results_eq($$SELECT invariant, severity, samples, message, elapsed >= interval '0' FROM reconcile.audit()$$,
	$$VALUES ('i', 'warning', '[]'::jsonb, NULL, true)$$, 'nothing to say of a clean one');
UPDATE target SET plan = 'gold', tags = '{}' WHERE id = 1 AND role = 'owner';
UPDATE target SET plan = NULL WHERE id = 1 AND role IS NULL;
UPDATE target SET part = NULL WHERE id = 2 AND role = 'owner';
UPDATE target SET amount = 1.02 WHERE id = 2 AND role IS NULL;
INSERT INTO target SELECT * FROM target WHERE id = 3 AND role IS NULL;
INSERT INTO target SELECT id, role, 'other', tags, part, amount FROM target WHERE id = 4 AND role IS NULL;
DELETE FROM target WHERE id = 5;
SELECT is((SELECT concat_ws(' ', state, expected, present, missing, duplicated) FROM reconcile.audit('i')), 'drift 20 18 2 2',
	'missing and duplicated');
SELECT cmp_ok((SELECT differing FROM reconcile.audit('i')), '>=', 4::bigint, 'and differing');
SELECT is((SELECT message FROM reconcile.audit('i')), 'SELECT * FROM reconcile.findings(''i'');', 'with where to look');

-- ---------------------------------------------------------------- findings

SELECT results_eq($$SELECT kind, key, expected -> 'plan', actual, reason FROM reconcile.findings('i') WHERE kind <> 'differs'
	ORDER BY kind, key::text COLLATE "C"$$, $$VALUES
	('duplicate', '{"id": 3, "role": null}'::jsonb, '"free"'::jsonb, '{"rows": 2}'::jsonb, 'app.target has 2 rows with this key'),
	('duplicate', '{"id": 4, "role": null}', '"free"', '{"rows": 2}', 'app.target has 2 rows with this key'),
	('missing', '{"id": 5, "role": "owner"}', '"free"', NULL, 'app.target has no row with this key'),
	('missing', '{"id": 5, "role": null}', '"free"', NULL, 'app.target has no row with this key')$$, 'missing and duplicate');
SELECT results_eq($$SELECT key, reason FROM reconcile.findings('i') WHERE kind = 'differs' ORDER BY key::text COLLATE "C"$$, $$VALUES
	('{"id": 1, "role": "owner"}'::jsonb, 'plan is ''gold'', expected ''free''; tags is ''{}'', expected ''{1,2}'''),
	('{"id": 1, "role": null}', 'plan is NULL, expected ''free'''),
	('{"id": 2, "role": "owner"}', 'part is NULL, expected ''(1,x)'''),
	('{"id": 2, "role": null}', 'amount is ''1.02'', expected ''1.005''')$$, 'what differs, and how');
SELECT is((SELECT actual FROM reconcile.findings('i') WHERE kind = 'differs' AND key = '{"id": 1, "role": "owner"}'),
	'{"plan": "gold", "tags": [], "part": {"a": 1, "b": "x"}, "amount": 1.01, "id": 1}', 'the values that are there');
SELECT is((SELECT count(*) FROM reconcile.findings('i', n)), wanted, coalesce(n::text, 'NULL') || ' as max_rows')
FROM (VALUES (0::bigint, 0::bigint), (1, 1), (7, 7), (9223372036854775807, 8), (NULL, 8)) AS t(n, wanted);
SELECT is(counts('i', false), '(2,2,0,0)', 'a repair inserts what is missing');
SELECT is((SELECT count(*) FROM reconcile.findings('i')), 6::bigint, 'and leaves alone what differs or is there twice');
SELECT is((SELECT count(*) FROM target WHERE id IN (3, 4) AND role IS NULL), 4::bigint, 'duplicates are not multiplied');
SELECT is_empty($$SELECT FROM reconcile.failures$$, 'nor an error');

-- ---------------------------------------------------------------- empty things

SELECT reconcile.create_invariant('empty', 'target', '{id,role}', 'SELECT id, ''x'' AS role FROM users WHERE false') \g /dev/null
SELECT results_eq($$SELECT state, expected, present, missing, differing, duplicated FROM reconcile.audit('empty')$$,
	$$VALUES ('clean', 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint)$$, 'nothing is expected');
SELECT is_empty($$SELECT * FROM reconcile.findings('empty')$$, 'nothing is found');
SELECT reconcile.drop_invariant('empty') \g /dev/null
SELECT is((SELECT count(*) FROM reconcile.audit()), 1::bigint, 'a dropped one is audited no more');
DELETE FROM target;
DELETE FROM users;
SELECT is(audited(), 'clean 0 0 0 0 0 0', 'empty tables are clean');
INSERT INTO users VALUES (1, 'free');

-- ---------------------------------------------------------------- rows that do not count

SELECT lives_ok($$SELECT reconcile.create_invariant('living', 'target', '{id,role}', 'SELECT id, ''x'' AS role FROM users',
	where_absent => 'deleted_at IS NOT NULL AND EXISTS (SELECT FROM users t WHERE t.id = 1)')$$, 'where_absent with a subquery');
INSERT INTO target (id, role, deleted_at) VALUES (1, 'x', now());
SELECT is((SELECT state FROM reconcile.audit('living')), 'drift', 'a deleted row does not count');
SELECT is(counts('living', false), '(1,0,1,0)', 'but it is in the way of a whole unique index: already present');
UPDATE target SET deleted_at = NULL;
SELECT is((SELECT state FROM reconcile.audit('living')), 'clean', 'a living row counts');
SELECT reconcile.drop_invariant('living') \g /dev/null

-- ---------------------------------------------------------------- what changed since it was declared

CREATE FUNCTION after(what text, ddl text, state text, code text DEFAULT NULL, message text DEFAULT NULL) RETURNS SETOF text
LANGUAGE plpgsql AS $$
DECLARE
	said record;
BEGIN
	DROP TABLE IF EXISTS moved, derived, renamed CASCADE;
	CREATE TABLE moved (id integer PRIMARY KEY, v text, w integer);
	INSERT INTO moved VALUES (1, 'a', 1);
	CREATE TABLE derived (id integer PRIMARY KEY, v text, w integer);
	INSERT INTO derived VALUES (1, 'b', 1);
	PERFORM reconcile.create_invariant('d', 'derived', '{id}', 'SELECT id, v, w FROM moved', compare => '{v}');
	EXECUTE ddl;
	SELECT a.state, a.message INTO said FROM reconcile.audit('d') AS a;
	RETURN NEXT is(said.state, after.state, what || ': audit');
	IF after.state = 'not checked' THEN
		RETURN NEXT is(said.message, format('%s (SQLSTATE %s)', message, code), what || ': and why');
		RETURN NEXT throws_ok('SELECT * FROM reconcile.findings(''d'')', code, message, what || ': findings');
		RETURN NEXT throws_ok('SELECT * FROM reconcile.repair(''d'')', code, message, what || ': dry run');
	END IF;
	IF code IS NOT NULL THEN
		INSERT INTO moved (id) SELECT 2 WHERE to_regclass('moved') IS NOT NULL;
		RETURN NEXT throws_ok('SELECT * FROM reconcile.repair(''d'', dry_run => false)', code, message, what || ': repair');
	END IF;
	RETURN NEXT lives_ok('SELECT reconcile.drop_invariant(''d'')', what || ': dropped');
EXCEPTION WHEN undefined_table THEN
	RETURN NEXT fail(what || ': ' || SQLERRM);
END $$;
SELECT after('target renamed', 'ALTER TABLE derived RENAME TO renamed', 'drift');
SELECT after('target moved to another schema', 'CREATE SCHEMA elsewhere; ALTER TABLE derived SET SCHEMA elsewhere', 'drift');
DROP SCHEMA elsewhere CASCADE;
SELECT after('source column dropped', 'ALTER TABLE moved DROP v', 'not checked', '42703', 'column "v" does not exist');
SELECT after('source column renamed', 'ALTER TABLE moved RENAME w TO x', 'not checked', '42703', 'column "w" does not exist');
SELECT after('source type changed', 'ALTER TABLE moved ALTER v TYPE integer USING 1', 'drift');
SELECT after('compared column dropped', 'ALTER TABLE derived DROP v', 'not checked', '42703', 'column "v" of app.derived does not exist');
SELECT after('compared column renamed', 'ALTER TABLE derived RENAME v TO x', 'not checked', '42703',
	'column "v" of app.derived does not exist');
SELECT after('key column renamed', 'ALTER TABLE derived RENAME id TO x', 'not checked', '42703',
	'column "id" of app.derived does not exist');
SELECT after('key column dropped', 'ALTER TABLE derived DROP id', 'not checked', '42703', 'column "id" of app.derived does not exist');
SELECT after('plain column dropped', 'ALTER TABLE derived DROP w', 'not checked', '42703',
	'column "w" of app.derived does not exist');
SELECT after('column added to both', 'ALTER TABLE moved ADD x integer; ALTER TABLE derived ADD x integer', 'drift');
SELECT after('unique index dropped', 'ALTER TABLE derived DROP CONSTRAINT derived_pkey', 'drift', 'RC007',
	'there is no usable unique index on the key of invariant "d"');
SELECT after('required column added', 'ALTER TABLE derived ADD x integer NOT NULL DEFAULT 0; ALTER TABLE derived ALTER x DROP DEFAULT', 'drift');

-- A target that is gone has no name any more, only its number.
CREATE TABLE gone (id integer PRIMARY KEY);
SELECT reconcile.create_invariant('gone', 'gone', '{id}', 'SELECT 1 AS id') \g /dev/null
DROP TABLE gone;
CREATE TABLE gone (id integer PRIMARY KEY);
SELECT is((SELECT state || ': ' || message FROM reconcile.audit('gone')),
	'not checked: the target of invariant "gone" does not exist (SQLSTATE 42P01)', 'target dropped, and another made: audit');
SELECT raised('target dropped, and another made: ' || call, format('SELECT reconcile.%s', call), '42P01', 'the target of invariant "gone" does not exist',
	'Drop the invariant with reconcile.drop_invariant(), or give it another target with reconcile.alter_invariant().')
FROM unnest(ARRAY['findings(''gone'')', 'repair(''gone'')', 'repair(''gone'', dry_run => false)', 'plan(''gone'')', 'begin_batches(''gone'')',
	'alter_invariant(''gone'', severity => ''notice'')']) AS call;
SELECT is_empty('TABLE gone', 'the other one is left alone');
SELECT is((SELECT count(*) FROM reconcile.audit()), 2::bigint, 'an audit of all goes on');
SELECT lives_ok('SELECT reconcile.drop_invariant(''gone'')', 'and it can be dropped');

SELECT * FROM finish();
ROLLBACK;
