-- What users read of the engine's tables.

CREATE VIEW reconcile.invariants AS
	SELECT i.name, i.pack, i.kind, i.severity, i.target, i.key, i.expects, i.compare, i.where_absent,
	       i.description, i.owner, i.search_path, i.created_at,
	       g.on_failure AS guard, g.state AS guard_state, i.time_zone, i.query_md5
	FROM reconcile.invariant i LEFT JOIN (
		SELECT t.invariant, t.on_failure,
		       CASE WHEN bool_and(t.state = t.enable) THEN 'on' WHEN bool_or(t.state = t.enable) THEN 'partly on' ELSE 'off' END AS state
		FROM reconcile.guards t GROUP BY t.invariant, t.on_failure) g ON g.invariant = i.name;
COMMENT ON VIEW reconcile.invariants IS 'all invariants, with definition, owner, pack and guard';
COMMENT ON COLUMN reconcile.invariants.guard IS 'what a failure of its guard does: block or queue, NULL when it has no guard';
COMMENT ON COLUMN reconcile.invariants.guard_state IS 'on when all triggers of its guard fire, else partly on or off; audit() says why';
COMMENT ON COLUMN reconcile.invariants.name IS 'the name that audit, repair and findings take';
COMMENT ON COLUMN reconcile.invariants.pack IS 'the pack that installed it, NULL for one created by hand';
COMMENT ON COLUMN reconcile.invariants.kind IS 'insert: the expected rows must exist; fill: rows must have the expected values; check: the rows of the query must not exist';
COMMENT ON COLUMN reconcile.invariants.severity IS 'how bad drift is: error, warning or notice';
COMMENT ON COLUMN reconcile.invariants.target IS 'the table that must hold the expected rows, NULL for a check';
COMMENT ON COLUMN reconcile.invariants.key IS 'columns, and expressions over columns, by which an expected row is found in the target';
COMMENT ON COLUMN reconcile.invariants.expects IS 'the query that yields the expected rows, or those that must not exist, as it was given';
COMMENT ON COLUMN reconcile.invariants.compare IS 'columns whose values must be equal as well';
COMMENT ON COLUMN reconcile.invariants.where_absent IS 'condition on target rows that do not count as present';
COMMENT ON COLUMN reconcile.invariants.description IS 'what it means, in words';
COMMENT ON COLUMN reconcile.invariants.owner IS 'the role as which it is evaluated, whoever asks';
COMMENT ON COLUMN reconcile.invariants.search_path IS 'the search_path under which it is evaluated';
COMMENT ON COLUMN reconcile.invariants.created_at IS 'when it was created';
COMMENT ON COLUMN reconcile.invariants.time_zone IS 'the time zone in which it is evaluated';
COMMENT ON COLUMN reconcile.invariants.query_md5 IS 'hash of expects: tells whether two databases have the same query';
GRANT SELECT ON reconcile.invariants TO PUBLIC;

-- Why a run cannot be undone, or NULL when it can.  The transaction ids of a
-- run name its rows only in the cluster and database that wrote them, and only
-- until the 32 bits that a row keeps of them are used again.
CREATE FUNCTION reconcile.undo_refusal(r reconcile.run) RETURNS text
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		SELECT CASE
			WHEN r.state = 'undone' THEN format('it was undone at %s', r.undone_at)
			WHEN r.changed = 0 THEN 'it changed nothing'
			WHEN c.oid IS NULL THEN 'its target does not exist any more'
			WHEN NOT EXISTS (SELECT FROM pg_roles o WHERE o.oid = r.owner) THEN 'the role as which it ran does not exist any more'
			WHEN r.record = 'rows' AND r.filled IS NULL AND (pg_relation_is_updatable(c.oid, false) & 16) = 0
			THEN 'rows of its target cannot be deleted'
			WHEN r.filled IS NOT NULL AND (pg_relation_is_updatable(c.oid, false) & 4) = 0
			THEN 'rows of its target cannot be updated'
			WHEN EXISTS (SELECT FROM unnest(r.columns) AS name WHERE NOT EXISTS (
				SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = name AND NOT a.attisdropped))
			THEN 'its target does not have all columns of the recorded rows any more'
			WHEN r.record = 'xmin' AND r.system_identifier <> (SELECT system_identifier FROM pg_control_system())
			THEN 'it was made in another cluster, where its transaction ids mean other rows'
			WHEN r.record = 'xmin' AND r.database <> (SELECT oid FROM pg_database WHERE datname = current_database())
			THEN 'it was made in another database, where its transaction ids mean other rows'
			WHEN r.record = 'xmin' AND EXISTS (
				SELECT FROM unnest(r.xids) AS xid
				WHERE pg_snapshot_xmax(pg_current_snapshot())::text::numeric - xid::text::numeric > 2147483648)
			THEN 'more than 2147483648 transactions have passed since'
		END
		FROM (SELECT) AS one LEFT JOIN pg_class c ON c.oid = r.target;
	END;
COMMENT ON FUNCTION reconcile.undo_refusal(reconcile.run) IS
	'used by view runs and undo(): why a run cannot be undone, NULL when it can';

CREATE VIEW reconcile.runs AS
	SELECT r.run_id, r.invariant, r.pack, r.state, r.planned, r.changed, r.already_present, r.failed,
	       r.changed + r.already_present + r.failed AS progress,
	       r.started_at, r.finished_at, r.run_by, r.plan,
	       u.refusal IS NULL AS undoable, u.refusal AS undo_refused_because
	FROM reconcile.run r CROSS JOIN LATERAL (SELECT reconcile.undo_refusal(r) AS refusal OFFSET 0) AS u;
COMMENT ON VIEW reconcile.runs IS 'the ledger: one row per executed repair';
COMMENT ON COLUMN reconcile.runs.run_id IS 'number of the run, as repair() returned it';
COMMENT ON COLUMN reconcile.runs.invariant IS 'name of the repaired invariant';
COMMENT ON COLUMN reconcile.runs.pack IS 'its pack at that time';
COMMENT ON COLUMN reconcile.runs.state IS 'running, paused: lag, done, done with failures when rows were refused, or undone';
COMMENT ON COLUMN reconcile.runs.planned IS 'rows that were due when the run began; in the end changed + already_present + failed';
COMMENT ON COLUMN reconcile.runs.changed IS 'rows that the run wrote';
COMMENT ON COLUMN reconcile.runs.already_present IS 'rows that somebody else wrote meanwhile';
COMMENT ON COLUMN reconcile.runs.failed IS 'rows that the target refused; see reconcile.failures';
COMMENT ON COLUMN reconcile.runs.progress IS 'rows dealt with so far';
COMMENT ON COLUMN reconcile.runs.started_at IS 'when the run began';
COMMENT ON COLUMN reconcile.runs.finished_at IS 'when the run ended, NULL while it is running';
COMMENT ON COLUMN reconcile.runs.run_by IS 'the role that called it';
COMMENT ON COLUMN reconcile.runs.plan IS 'the plan that it applied, NULL when it took what was missing';
COMMENT ON COLUMN reconcile.runs.undoable IS 'whether undo() can take its rows back';
COMMENT ON COLUMN reconcile.runs.undo_refused_because IS 'why it cannot, NULL when it can';

CREATE VIEW reconcile.failures AS
	SELECT f.invariant, max(f.run_id) AS run_id, f.key,
	       (array_agg(f.source ORDER BY f.last_failed_at DESC))[1] AS source,
	       (array_agg(f.sqlstate ORDER BY f.last_failed_at DESC))[1] AS sqlstate,
	       (array_agg(f.message ORDER BY f.last_failed_at DESC))[1] AS message,
	       (array_agg(f.role ORDER BY f.last_failed_at DESC))[1] AS role,
	       sum(f.attempts)::bigint AS attempts, min(f.first_failed_at) AS first_failed_at,
	       max(f.last_failed_at) AS last_failed_at
	FROM (
		SELECT r.invariant, r.run_id, r.key, r.source, r.sqlstate, r.message, r.role, r.attempts,
		       r.first_failed_at, r.last_failed_at
		FROM reconcile.failure r
		UNION ALL
		SELECT g.invariant, NULL, g.key, g.source, g.sqlstate, g.message, g.role, 1, g.failed_at, g.failed_at
		FROM reconcile.guard_failure g) f
	GROUP BY f.invariant, f.key, CASE WHEN f.key IS NULL THEN f.source END;
COMMENT ON VIEW reconcile.failures IS 'rows that repairs and guards could not write, and that wait for the next repair';
COMMENT ON COLUMN reconcile.failures.invariant IS 'the invariant whose row was refused';
COMMENT ON COLUMN reconcile.failures.run_id IS 'the last run that tried it, NULL when only a guard has';
COMMENT ON COLUMN reconcile.failures.key IS 'key columns of the refused row, NULL when they could not be computed';
COMMENT ON COLUMN reconcile.failures.source IS 'the whole refused row; the row that was written when the key could not be computed';
COMMENT ON COLUMN reconcile.failures.sqlstate IS 'SQLSTATE of the refusal';
COMMENT ON COLUMN reconcile.failures.message IS 'text of the refusal';
COMMENT ON COLUMN reconcile.failures.role IS 'the role that ran the repair, or wrote what the guard watches';
COMMENT ON COLUMN reconcile.failures.attempts IS 'how often it was tried';
COMMENT ON COLUMN reconcile.failures.first_failed_at IS 'when it was refused first';
COMMENT ON COLUMN reconcile.failures.last_failed_at IS 'when it was refused last';
