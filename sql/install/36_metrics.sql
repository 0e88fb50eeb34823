-- What a Prometheus SQL exporter reads.  From the ledger alone: reading it
-- costs nothing, whatever the size of the audited tables.

CREATE VIEW reconcile.metrics AS
	SELECT 'pg_reconcile_invariants'::text AS name, jsonb_build_object('severity', i.severity) AS labels,
	       count(*)::double precision AS value
	FROM reconcile.invariant i GROUP BY i.severity
	UNION ALL
	SELECT 'pg_reconcile_runs_total', jsonb_build_object('invariant', r.invariant, 'state', r.state), count(*)
	FROM reconcile.run r GROUP BY r.invariant, r.state
	UNION ALL
	SELECT 'pg_reconcile_rows_total', jsonb_build_object('invariant', r.invariant, 'outcome', o.outcome), sum(o.rows)
	FROM reconcile.run r CROSS JOIN LATERAL (VALUES ('changed', r.changed), ('already_present', r.already_present),
	                                                ('failed', r.failed)) AS o(outcome, rows)
	GROUP BY r.invariant, o.outcome
	UNION ALL
	SELECT 'pg_reconcile_last_run_timestamp_seconds', jsonb_build_object('invariant', r.invariant),
	       extract(epoch FROM max(r.finished_at))
	FROM reconcile.run r WHERE r.finished_at IS NOT NULL GROUP BY r.invariant
	UNION ALL
	SELECT 'pg_reconcile_failures', jsonb_build_object('invariant', i.name), count(f.invariant)
	FROM reconcile.invariant i LEFT JOIN reconcile.failure f ON f.invariant = i.name GROUP BY i.name;
COMMENT ON VIEW reconcile.metrics IS 'counters and gauges of the ledger, one sample per row';
COMMENT ON COLUMN reconcile.metrics.name IS 'name of the metric: _total counts up until forget_runs(), the others are gauges';
COMMENT ON COLUMN reconcile.metrics.labels IS 'its labels';
COMMENT ON COLUMN reconcile.metrics.value IS 'its value; times in seconds since 1970';

CREATE VIEW reconcile.candidate AS
	-- Foreign keys of one column, and columns named after the one primary key
	-- column of another table: user_id for users.id.
	SELECT f.conrelid AS child, f.conkey[1] AS child_column, f.confrelid AS parent, f.confkey[1] AS parent_column
	FROM pg_constraint f WHERE f.contype = 'f' AND cardinality(f.conkey) = 1 AND f.conparentid = 0
	UNION
	SELECT c.oid, a.attnum, p.oid, pa.attnum
	FROM pg_index i
	JOIN pg_class p ON p.oid = i.indrelid AND p.relkind IN ('r', 'p') AND NOT p.relispartition
	JOIN pg_attribute pa ON pa.attrelid = p.oid AND pa.attnum = i.indkey[0]
	JOIN pg_class c ON c.relnamespace = p.relnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.oid <> p.oid
	JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.atttypid = pa.atttypid
	 AND a.attname IN (p.relname || '_' || pa.attname, regexp_replace(p.relname, 's$', '') || '_' || pa.attname,
	                   regexp_replace(p.relname, 'ies$', 'y') || '_' || pa.attname)
	WHERE i.indisprimary AND i.indnkeyatts = 1;
COMMENT ON VIEW reconcile.candidate IS 'used by suggest_invariants(): columns of tables that name a row of another table';
COMMENT ON COLUMN reconcile.candidate.child IS 'the table that refers';
COMMENT ON COLUMN reconcile.candidate.child_column IS 'number of its column';
COMMENT ON COLUMN reconcile.candidate.parent IS 'the table that is referred to';
COMMENT ON COLUMN reconcile.candidate.parent_column IS 'number of its column';
