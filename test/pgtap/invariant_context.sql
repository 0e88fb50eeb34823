-- One call may deal with many invariants: the context of an error names the one at fault, whoever raised it.
\ir ../support/invariant.sql
SELECT no_plan();

-- context_of runs a statement that must fail and returns the first line of the context that is about an invariant.
CREATE FUNCTION context_of(sql text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	context text;
BEGIN
	EXECUTE sql;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS context = PG_EXCEPTION_CONTEXT;
	RETURN concat_ws(' ', SQLSTATE, substring(context FROM '[a-z]+ of invariant "[^"]*"'));
END $$;

CREATE TABLE prices (product integer PRIMARY KEY, region text);
CREATE TABLE stock (product integer PRIMARY KEY);
SELECT reconcile.create_invariant('a prices', 'prices', '{product}', $$SELECT 1 AS product, 'north' AS region$$) \g /dev/null
SELECT reconcile.create_invariant('b stock', 'stock', '{product}', 'SELECT p.product FROM prices p') \g /dev/null
SELECT reconcile.create_invariant('c others', 'stock', '{product}', 'SELECT 2 AS product') \g /dev/null

SELECT is(context_of(statement), expected, what) FROM (VALUES
	('an error of PostgreSQL in a definition', $$SELECT reconcile.create_invariant('broken', 'stock', '{product}', 'SELECT nothing AS product')$$,
		'42703 definition of invariant "broken"'),
	('an error of ours in a definition', $$SELECT reconcile.create_invariant('broken', 'stock', '{product}', 'SELECT 1 AS nothing')$$,
		'42703 definition of invariant "broken"'),
	('a definition that is changed', $$SELECT reconcile.alter_invariant('c others', key => '{nothing}')$$,
		'42703 definition of invariant "c others"')) AS c(what, statement, expected);

ALTER TABLE stock RENAME COLUMN product TO item;
SELECT is(context_of(format('SELECT * FROM reconcile.repair(dry_run => %L)', dry_run)), '42703 repair of invariant "b stock"',
	format('one invariant of many, dry_run %s', dry_run)) FROM (VALUES (true), (false)) AS c(dry_run);
SELECT is(context_of('SELECT reconcile.drop_invariant(''nothing'')'), '42704', 'an error about no invariant names none');

SELECT * FROM finish();
ROLLBACK;
