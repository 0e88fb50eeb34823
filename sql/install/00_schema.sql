\echo Use "CREATE EXTENSION pg_reconcile" to load this file. \quit

-- The engine's schema.  A plain CREATE: a schema that somebody else made first
-- would stay theirs, with everything in it.
CREATE SCHEMA reconcile;
COMMENT ON SCHEMA reconcile IS 'pg_reconcile: invariants, their audits, repairs and ledger';
GRANT USAGE ON SCHEMA reconcile TO PUBLIC;
