
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

-- For the person who sets a server up.  Anybody may call them, and needs USAGE
-- on the server, as for a foreign table.
CREATE FUNCTION reconcile.mongo_check(server text)
	RETURNS TABLE(step text, state text, detail text, fix text)
	LANGUAGE c VOLATILE PARALLEL RESTRICTED AS 'pg_reconcile_mongo', 'reconcile_mongo_check';
COMMENT ON FUNCTION reconcile.mongo_check(text) IS
	'says step by step whether a MongoDB server can be reached and used; writes nothing';

CREATE FUNCTION reconcile.mongo_collections(server text)
	RETURNS TABLE(database text, collection text, type text, documents bigint)
	LANGUAGE c VOLATILE PARALLEL RESTRICTED AS 'pg_reconcile_mongo', 'reconcile_mongo_collections';
COMMENT ON FUNCTION reconcile.mongo_collections(text) IS
	'lists the collections of a MongoDB server that its user may read, with the number of documents that MongoDB estimates';
