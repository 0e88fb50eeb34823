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
	FROM reconcile.invariant i LEFT JOIN reconcile.failures f ON f.invariant = i.name GROUP BY i.name;
COMMENT ON VIEW reconcile.metrics IS 'counters and gauges of the ledger, one sample per row';
COMMENT ON COLUMN reconcile.metrics.name IS 'name of the metric: _total counts up until forget_runs(), the others are gauges';
COMMENT ON COLUMN reconcile.metrics.labels IS 'its labels';
COMMENT ON COLUMN reconcile.metrics.value IS 'its value; times in seconds since 1970';
