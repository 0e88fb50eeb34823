-- Undo: take back what a run inserted, and nothing else.  src/invariant/undo.cpp

CREATE FUNCTION reconcile.undo(run_id bigint, dry_run boolean DEFAULT true)
	RETURNS TABLE (run_id bigint, invariant text, removed bigint, kept_changed bigint,
	               kept_referenced bigint, already_gone bigint, restored bigint)
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'reconcile_undo';
REVOKE ALL ON FUNCTION reconcile.undo(bigint, boolean) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.undo(bigint, boolean) IS
	'deletes the rows that a run inserted and nobody changed or referenced since; changes user data unless dry_run';

CREATE FUNCTION reconcile.undo_last(pack text, dry_run boolean DEFAULT true)
	RETURNS TABLE (run_id bigint, invariant text, removed bigint, kept_changed bigint,
	               kept_referenced bigint, already_gone bigint, restored bigint)
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'reconcile_undo_last';
REVOKE ALL ON FUNCTION reconcile.undo_last(text, boolean) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.undo_last(text, boolean) IS
	'undoes the newest undoable run of each invariant of a pack, children first; changes user data unless dry_run';

CREATE FUNCTION reconcile.forget_runs(older_than interval) RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'reconcile_forget_runs';
REVOKE ALL ON FUNCTION reconcile.forget_runs(interval) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.forget_runs(interval) IS
	'removes runs that ended longer ago than that from the ledger, and says how many; they cannot be undone any more';
