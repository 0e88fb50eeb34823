-- What the suites of invariants share: test/pgtap/invariant_*.sql begin with it. It opens a transaction that the suite
-- rolls back, with the extension and a schema of its own.
\set ON_ERROR_STOP 1
\set QUIET 1
SET client_min_messages = warning;
BEGIN;
CREATE EXTENSION pg_reconcile;
CREATE SCHEMA app;
SET search_path = app, public;

-- counts are the numbers of one repair of one invariant.
CREATE TYPE counts AS (planned bigint, changed bigint, already_present bigint, failed bigint);
CREATE FUNCTION counts(invariant text, dry_run boolean, on_row_error text DEFAULT 'skip', record text DEFAULT 'auto')
RETURNS counts LANGUAGE sql AS $$
	SELECT ROW(planned, changed, already_present, failed)::app.counts
	FROM reconcile.repair(counts.invariant, dry_run => counts.dry_run, on_row_error => counts.on_row_error, record => counts.record)
$$;

-- converges makes a target and an invariant and repairs it: the numbers of the run, the same in the dry run, nothing to
-- do in the second run, and a clean audit.
CREATE FUNCTION converges(what text, ddl text, key text[], expects text, planned bigint, changed bigint,
                          failed bigint DEFAULT 0, where_absent text DEFAULT NULL) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	dry counts;
	live counts;
	again counts;
	audited record;
BEGIN
	EXECUTE 'DROP TABLE IF EXISTS target CASCADE';
	EXECUTE ddl;
	PERFORM reconcile.create_invariant('i', 'target', key, expects, where_absent => where_absent);
	dry := counts('i', true);
	live := counts('i', false);
	again := counts('i', false);
	SELECT * INTO audited FROM reconcile.audit('i');
	RETURN NEXT is(live, ROW(planned, changed, planned - changed - failed, failed)::counts, what || ': repaired');
	RETURN NEXT is((dry.planned, dry.changed), (planned, changed + failed), what || ': the dry run showed it');
	RETURN NEXT is(again, ROW(failed, 0, 0, failed)::counts, what || ': the second run changes nothing');
	RETURN NEXT is((audited.state, audited.missing), (CASE failed WHEN 0 THEN 'clean' ELSE 'drift' END, failed),
	               what || ': audited');
	PERFORM reconcile.drop_invariant('i');
EXCEPTION WHEN OTHERS THEN
	RETURN NEXT fail(format('%s: %s %s', what, SQLSTATE, SQLERRM));
END $$;

-- with_type is converges for a type as a key that may or may not be NULL, with three values that must all be told apart,
-- in a table that has the first of them.
CREATE FUNCTION with_type(type text, v text[], nulls text) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT converges(format('%s key, %s', type, nulls),
		format('CREATE TABLE target (k %s %s UNIQUE, v text); INSERT INTO target VALUES (%L)', type, nulls, v[1]),
		'{k}', format('SELECT k::%s AS k, ''expected'' AS v FROM unnest(%L::text[]) AS k', type, v), 2, 2)
$$;

-- raised runs a statement that must fail, and compares what it says. A part that is NULL is not compared.
CREATE FUNCTION raised(what text, sql text, code text, message text, hint text DEFAULT NULL, detail text DEFAULT NULL)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	said_hint text;
	said_detail text;
BEGIN
	EXECUTE sql;
	RETURN fail(what || ' is refused');
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS said_hint = PG_EXCEPTION_HINT, said_detail = PG_EXCEPTION_DETAIL;
	RETURN is(concat_ws(E'\n', SQLSTATE, SQLERRM, 'HINT: ' || CASE WHEN hint IS NOT NULL THEN said_hint END,
	                    'DETAIL: ' || CASE WHEN detail IS NOT NULL THEN said_detail END),
	          concat_ws(E'\n', code, message, 'HINT: ' || hint, 'DETAIL: ' || detail), what || ' is refused');
END $$;
