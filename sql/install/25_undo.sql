-- Undo: take back what a run wrote, and nothing else.  src/invariant/undo.cpp

CREATE FUNCTION reconcile.undo(run_id bigint, dry_run boolean DEFAULT true)
	RETURNS TABLE (run_id bigint, invariant text, removed bigint, kept_changed bigint,
	               kept_referenced bigint, already_gone bigint, restored bigint)
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'reconcile_undo';
REVOKE ALL ON FUNCTION reconcile.undo(bigint, boolean) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.undo(bigint, boolean) IS
	'deletes the rows that a run inserted, or restores the values it overwrote, where nobody changed or referenced them since; changes user data unless dry_run';

CREATE FUNCTION reconcile.undo_last(pack text, dry_run boolean DEFAULT true)
	RETURNS TABLE (run_id bigint, invariant text, removed bigint, kept_changed bigint,
	               kept_referenced bigint, already_gone bigint, restored bigint)
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'reconcile_undo_last';
REVOKE ALL ON FUNCTION reconcile.undo_last(text, boolean) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.undo_last(text, boolean) IS
	'undoes the newest undoable run of each invariant of a pack, children first; changes user data unless dry_run';

CREATE FUNCTION reconcile.run_rows(run_id bigint)
	RETURNS TABLE (ordinal bigint, "row" jsonb, was jsonb)
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'reconcile_run_rows';
COMMENT ON FUNCTION reconcile.run_rows(bigint) IS
	'the rows that a run wrote, where it recorded them one by one, and what a fill overwrote';

CREATE FUNCTION reconcile.run_failures(run_id bigint)
	RETURNS TABLE (key jsonb, sqlstate text, message text)
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'reconcile_run_failures';
COMMENT ON FUNCTION reconcile.run_failures(bigint) IS
	'the rows that a run could not write, as long as no later run tried them again';

CREATE FUNCTION reconcile.run_xids(run_id bigint) RETURNS TABLE (xid xid8)
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'reconcile_run_xids';
COMMENT ON FUNCTION reconcile.run_xids(bigint) IS
	'the transaction ids that the rows of a run carry as xmin, where it did not record them';

CREATE FUNCTION reconcile.forget_runs(older_than interval) RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'reconcile_forget_runs';
REVOKE ALL ON FUNCTION reconcile.forget_runs(interval) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.forget_runs(interval) IS
	'removes runs that ended, and plans that were applied or expired, longer ago than that; says how many runs; they cannot be undone any more';
