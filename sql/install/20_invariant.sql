-- Invariants: define, audit, repair.  The functions are in src/invariant.

CREATE FUNCTION reconcile.create_invariant(
	name         text,
	target       regclass,
	key          text[],
	expects      text,
	kind         text DEFAULT 'insert',
	compare      text[] DEFAULT '{}',
	where_absent text DEFAULT NULL,
	severity     text DEFAULT 'error',
	description  text DEFAULT NULL) RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'reconcile_create_invariant';
REVOKE ALL ON FUNCTION reconcile.create_invariant(text, regclass, text[], text, text, text[], text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.create_invariant(text, regclass, text[], text, text, text[], text, text, text) IS
	'declares that the rows of a query must exist in a table, or have its values; changes no user data';

CREATE FUNCTION reconcile.alter_invariant(
	name         text,
	target       regclass DEFAULT NULL,
	key          text[] DEFAULT NULL,
	expects      text DEFAULT NULL,
	kind         text DEFAULT NULL,
	compare      text[] DEFAULT NULL,
	where_absent text DEFAULT NULL,
	severity     text DEFAULT NULL,
	description  text DEFAULT NULL) RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'reconcile_alter_invariant';
REVOKE ALL ON FUNCTION reconcile.alter_invariant(text, regclass, text[], text, text, text[], text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.alter_invariant(text, regclass, text[], text, text, text[], text, text, text) IS
	'changes what is given of an invariant''s definition, NULL keeps; an empty where_absent or description removes it; changes no user data';

CREATE FUNCTION reconcile.drop_invariant(name text) RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'reconcile_drop_invariant';
REVOKE ALL ON FUNCTION reconcile.drop_invariant(text) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.drop_invariant(text) IS
	'forgets an invariant; its ledger stays; changes no user data';

CREATE FUNCTION reconcile.audit(
	invariant text DEFAULT NULL,
	pack      text DEFAULT NULL,
	samples   integer DEFAULT 5)
	RETURNS TABLE (invariant text, severity text, state text, expected bigint, present bigint,
	               missing bigint, differing bigint, duplicated bigint, samples jsonb, message text,
	               elapsed interval)
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'reconcile_audit';
COMMENT ON FUNCTION reconcile.audit(text, text, integer) IS
	'counts what is missing, differs or is duplicated, one row per invariant; writes nothing';

CREATE FUNCTION reconcile.findings(invariant text, max_rows bigint DEFAULT NULL)
	RETURNS TABLE (invariant text, kind text, key jsonb, expected jsonb, actual jsonb, reason text)
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'reconcile_findings';
COMMENT ON FUNCTION reconcile.findings(text, bigint) IS
	'lists every deviation of an invariant with what was expected and what is there; writes nothing';

CREATE FUNCTION reconcile.repair(
	invariant    text DEFAULT NULL,
	pack         text DEFAULT NULL,
	dry_run      boolean DEFAULT true,
	plan         bigint DEFAULT NULL,
	on_row_error text DEFAULT 'skip',
	record       text DEFAULT 'auto')
	RETURNS TABLE (invariant text, run_id bigint, planned bigint, changed bigint,
	               already_present bigint, failed bigint, elapsed interval)
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'reconcile_repair';
REVOKE ALL ON FUNCTION reconcile.repair(text, text, boolean, bigint, text, text) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.repair(text, text, boolean, bigint, text, text) IS
	'inserts the missing rows, or fills the empty values, of an invariant, of a pack or of all; changes user data unless dry_run';

-- Some invariants in a given order, as one chain: what entry points of packs do.
CREATE FUNCTION reconcile.repair_steps(steps text[], dry_run boolean)
	RETURNS TABLE (invariant text, run_id bigint, planned bigint, changed bigint,
	               already_present bigint, failed bigint, elapsed interval)
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'reconcile_repair_steps';
REVOKE ALL ON FUNCTION reconcile.repair_steps(text[], boolean) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.repair_steps(text[], boolean) IS
	'used by packs: repairs invariants one after the other; changes user data unless dry_run';

-- What the statement of an audit calls: it counts rows in the middle of its plan, and shows the first that deviate.
CREATE FUNCTION reconcile.count_row(tally integer) RETURNS boolean
	LANGUAGE c VOLATILE STRICT PARALLEL SAFE COST 0.01
	AS 'MODULE_PATHNAME', 'reconcile_count_row';
COMMENT ON FUNCTION reconcile.count_row(integer) IS
	'used by audit(): counts a row that passes here, in whatever process; always true';
CREATE FUNCTION reconcile.is_among_first(most integer) RETURNS boolean
	LANGUAGE c VOLATILE STRICT PARALLEL SAFE COST 0.01
	AS 'MODULE_PATHNAME', 'reconcile_is_among_first';
COMMENT ON FUNCTION reconcile.is_among_first(integer) IS
	'used by audit(): whether it was called no more than so many times in this statement, by this process';
CREATE AGGREGATE reconcile.samples(jsonb) (
	SFUNC = array_append,
	STYPE = jsonb[],
	COMBINEFUNC = array_cat,
	PARALLEL = SAFE);
COMMENT ON AGGREGATE reconcile.samples(jsonb) IS
	'used by audit(): its rows as an array; array_agg() is not for parallel workers before PostgreSQL 16';
