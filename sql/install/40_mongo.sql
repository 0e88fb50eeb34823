
-- MongoDB as a foreign server.  The functions are in a library of their own,
-- so that sessions that never read MongoDB do not load its driver.
CREATE FUNCTION reconcile.mongo_handler() RETURNS fdw_handler
	LANGUAGE c STRICT AS 'pg_reconcile_mongo', 'reconcile_mongo_handler';
COMMENT ON FUNCTION reconcile.mongo_handler() IS
	'implements the foreign data wrapper reconcile_mongo';
REVOKE ALL ON FUNCTION reconcile.mongo_handler() FROM PUBLIC;

CREATE FUNCTION reconcile.mongo_validator(options text[], catalog oid) RETURNS void
	LANGUAGE c STRICT AS 'pg_reconcile_mongo', 'reconcile_mongo_validator';
COMMENT ON FUNCTION reconcile.mongo_validator(text[], oid) IS
	'checks the options of the foreign data wrapper reconcile_mongo';
REVOKE ALL ON FUNCTION reconcile.mongo_validator(text[], oid) FROM PUBLIC;

CREATE FOREIGN DATA WRAPPER reconcile_mongo
	HANDLER reconcile.mongo_handler VALIDATOR reconcile.mongo_validator;
COMMENT ON FOREIGN DATA WRAPPER reconcile_mongo IS
	'reads and writes MongoDB collections as foreign tables';
