-- Invariants of kind check: rows that must not exist are counted and listed, never repaired.
\set ON_ERROR_STOP 1
BEGIN;
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_reconcile;
SELECT plan(19);

CREATE TABLE team (id integer PRIMARY KEY);
CREATE TABLE team_role (team integer, role text, who integer);
INSERT INTO team SELECT generate_series(1, 5);
INSERT INTO team_role SELECT id, 'owner', id FROM team;

CREATE FUNCTION declare_owner(key text[] DEFAULT '{team}', target regclass DEFAULT NULL, compare text[] DEFAULT '{}',
                              where_absent text DEFAULT NULL) RETURNS void LANGUAGE sql AS $$
	SELECT reconcile.create_invariant('one_owner', target, key,
		$q$SELECT team, count(*) AS owners FROM team_role WHERE role = 'owner' GROUP BY team HAVING count(*) <> 1$q$,
		kind => 'check', compare => compare, where_absent => where_absent, description => 'a team has one owner');
$$;

-- What makes no sense for a check is refused.
SELECT throws_ok(format('SELECT declare_owner(%s)', c.arguments), c.sqlstate, c.message, c.what)
FROM (VALUES
	('a target', $$target => 'team'$$, '22023', 'an invariant of kind check has no target, compare or where_absent'),
	('a compared column', $$compare => '{owners}'$$, '22023', 'an invariant of kind check has no target, compare or where_absent'),
	('a condition', $$where_absent => 'true'$$, '22023', 'an invariant of kind check has no target, compare or where_absent'),
	('a key that is not yielded', $$key => '{who}'$$, '42703', 'key column "who" is not a column of the query')
) AS c(what, arguments, sqlstate, message);
SELECT lives_ok('SELECT declare_owner()', 'a check is declared');

-- Clean, then not.
SELECT results_eq('SELECT state, expected, present, samples FROM reconcile.audit()',
	$$VALUES ('clean', 0::bigint, 0::bigint, '[]'::jsonb)$$, 'no row that must not exist: clean');
SELECT lives_ok('SELECT reconcile.assert_clean()', 'and assert_clean() accepts it');
SELECT is_empty($$SELECT * FROM reconcile.findings('one_owner')$$, 'and there is no finding');
INSERT INTO team_role VALUES (3, 'owner', 9);
SELECT results_eq('SELECT state, expected, present, missing, differing, duplicated, samples FROM reconcile.audit()',
	$$VALUES ('drift', 0::bigint, 1::bigint, 0::bigint, 0::bigint, 0::bigint, '[{"team": 3, "owners": 2}]'::jsonb)$$,
	'each row that must not exist counts as present and is shown');
SELECT results_eq($$SELECT kind, key, expected, actual, reason FROM reconcile.findings('one_owner')$$,
	$$VALUES ('violation', '{"team": 3}'::jsonb, NULL::jsonb, '{"team": 3, "owners": 2}'::jsonb, 'a team has one owner')$$,
	'a finding shows the row and says the description');
SELECT throws_ok('SELECT reconcile.assert_clean()', 'RC001', '1 invariant is not clean', 'assert_clean() refuses it');

-- Nothing is repaired.
SELECT throws_ok(format(c.statement, 'one_owner'), '0A000', 'invariant "one_owner" is a check, and is never repaired', c.statement)
FROM (VALUES ('SELECT * FROM reconcile.repair(%L)'), ('SELECT * FROM reconcile.repair(%L, dry_run => false)'),
             ('SELECT reconcile.plan(%L)'), ('SELECT reconcile.begin_batches(%L)')) AS c(statement);
SELECT is_empty('SELECT * FROM reconcile.repair(dry_run => false)', 'a repair of all passes it over');
SELECT is((SELECT count(*) FROM team_role), 6::bigint, 'and leaves the table as it is');

-- It is exported and altered like any other.
SELECT results_eq('SELECT * FROM reconcile.import_invariants(reconcile.export_invariants())',
	$$VALUES ('one_owner', 'kept')$$, 'export and import keep it');
SELECT throws_ok($$SELECT reconcile.alter_invariant('one_owner', kind => 'insert')$$, '0A000',
	'the kind of an invariant cannot be changed', 'its kind stays');

SELECT * FROM finish();
ROLLBACK;
