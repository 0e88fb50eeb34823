-- Options: what CREATE and ALTER accept, what they refuse and why, and who may.
\getenv hosts MONGO_HOSTS
\set ON_ERROR_STOP 1
\set QUIET 1
BEGIN;
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_reconcile;
SELECT no_plan();

-- failure runs a statement in a subtransaction and returns "SQLSTATE message | detail | hint", or nothing.
CREATE FUNCTION failure(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	message text; detail text; hint text;
BEGIN
	BEGIN
		EXECUTE statement;
		RAISE SQLSTATE 'ZZZZZ';
	EXCEPTION WHEN OTHERS THEN
		GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
		RETURN CASE WHEN SQLSTATE = 'ZZZZZ' THEN 'accepted' ELSE concat_ws(' | ', SQLSTATE || ' ' || message, nullif(detail, ''), nullif(hint, '')) END;
	END;
END $$;
CREATE FUNCTION server(options text) RETURNS text LANGUAGE sql AS
	$$ SELECT failure('CREATE SERVER s FOREIGN DATA WRAPPER reconcile_mongo OPTIONS (' || options || ')') $$;

SELECT matches(server(options), '^' || expected, format('server (%s): %s', options, expected))
FROM (VALUES
	($$hosts 'h'$$, 'accepted'),
	($$hosts 'h1:27017, h2:27018,[::1]:27019', replica_set 'rs', database 'd', auth_source 'admin', auth_mechanism 'SCRAM-SHA-256', tls 'on', tls_ca_file '/ca.pem', read_preference 'secondary', read_concern 'majority', write_concern 'majority', connect_timeout '500ms', socket_timeout '2min', app_name 'x'$$, 'accepted'),
	($$database 'd'$$, 'HV00J option "hosts" is missing'),
	($$hosts ''$$, '22023 invalid value for option "hosts"'),
	($$hosts 'h:0'$$, '22023 invalid value for option "hosts"'),
	($$hosts 'h:99999'$$, '22023 invalid value'),
	($$hosts '''; DROP TABLE x; --'$$, '22023 invalid value'),
	($$hosts '/tmp/mongodb-27017.sock'$$, '0A000 Unix-domain sockets are not supported'),
	($$hosts 'mongodb://h'$$, '0A000 connection strings are not supported'),
	($$hosts 'mongodb\+srv://h'$$, '0A000 connection strings are not supported'),
	($$hosts 'h', auth_mechanism 'GSSAPI'$$, '0A000 authentication mechanism GSSAPI is not supported . It takes credentials'),
	($$hosts 'h', auth_mechanism 'MONGODB-AWS'$$, '0A000 '),
	($$hosts 'h', auth_mechanism 'x'$$, '22023 invalid value for option "auth_mechanism"'),
	($$hosts 'h', srv 'true'$$, '0A000 option "srv" is not supported . Names would be looked up'),
	($$hosts 'h', tls_insecure 'true'$$, '0A000 option "tls_insecure" is not supported . A connection that is not verified'),
	($$hosts 'h', uri 'mongodb://h'$$, '0A000 option "uri" is not supported'),
	($$hosts 'h', databse 'd'$$, 'HV00D invalid option "databse" . Valid options of a server are: app_name, .* Did you mean "database"'),
	($$hosts 'h', password 'p'$$, 'HV00D invalid option "password" . Valid options of a server are: .* Write it among the options of a user mapping'),
	($$hosts 'h', tls 'perhaps'$$, '22023 invalid value for option "tls"'),
	($$hosts 'h', connect_timeout '5h'$$, '22023 invalid value for option "connect_timeout"'),
	($$hosts 'h', connect_timeout '-1'$$, '22023 '),
	($$hosts 'h', socket_timeout '0'$$, '22023 '),
	($$hosts 'h', write_concern '0'$$, '0A000 '),
	($$hosts 'h', read_preference 'Primary'$$, '22023 invalid value for option "read_preference"'),
	($$hosts 'h', database 'a.b'$$, '42602 invalid name of a MongoDB database'),
	($$hosts 'h', tls_ca_file '/ca.pem'$$, '22023 option "tls_ca_file" needs option "tls"')
) AS c (options, expected);

CREATE SERVER valid FOREIGN DATA WRAPPER reconcile_mongo OPTIONS (hosts :'hosts', database 'pgtap_fdw_options');
SELECT matches(failure(replace(statement, '@', 'FOREIGN TABLE t (a integer) SERVER valid OPTIONS')), '^' || expected, statement || ': ' || expected)
FROM (VALUES
	($$CREATE @ (database 'd', collection 'c', key 'a', filter '{"a": {"$gt": 1}}', batch_size '100', updatable 'false', on_mismatch 'null', missing_collection 'empty')$$, 'accepted'),
	($$CREATE @ (collection 'a$b')$$, '42602 '),
	($$CREATE @ (batch_size '0')$$, '22023 invalid value for option "batch_size"'),
	($$CREATE @ (batch_size '10001')$$, '22023 '),
	($$CREATE @ (batch_size '-5')$$, '22023 '),
	($$CREATE @ (updatable 'x')$$, '22023 '),
	($$CREATE @ (on_mismatch 'ignore')$$, '22023 invalid value for option "on_mismatch": "ignore" . Write error, null or skip'),
	($$CREATE @ (missing_collection 'x')$$, '22023 '),
	($$CREATE @ (filter 'x')$$, '22P02 '),
	($$CREATE @ (key '')$$, '22023 '),
	($$CREATE @ (key 'a,,b')$$, '22023 '),
	($$CREATE @ (key '"a')$$, 'accepted'),
	($$CREATE @ (colection 'c')$$, 'HV00D invalid option "colection" .* Did you mean "collection"'),
	($$CREATE @ (hosts 'h')$$, 'HV00D '),
	($$CREATE FOREIGN TABLE t (a integer OPTIONS (path 'b.0.c', bson_type 'int')) SERVER valid$$, 'accepted'),
	($$CREATE FOREIGN TABLE t (a integer OPTIONS (path 'b..c')) SERVER valid$$, '22023 invalid path "b..c"'),
	($$CREATE FOREIGN TABLE t (a integer OPTIONS (path '$where')) SERVER valid$$, '22023 invalid path'),
	($$CREATE FOREIGN TABLE t (a integer OPTIONS (bson_type 'Int')) SERVER valid$$, '22023 invalid value for option "bson_type": "Int" . Write one of: double, string, .*int'),
	($$CREATE FOREIGN TABLE t (a integer OPTIONS (column_name 'x')) SERVER valid$$, 'HV00D '),
	($$CREATE USER MAPPING FOR PUBLIC SERVER valid OPTIONS (username 'u', password 'p', password_required 'false')$$, 'accepted'),
	($$CREATE USER MAPPING FOR PUBLIC SERVER valid OPTIONS (username 'u')$$, 'HV00J option "password" is missing'),
	($$CREATE USER MAPPING FOR PUBLIC SERVER valid OPTIONS (password 'secret')$$, 'HV00J option "username" is missing'),
	($$CREATE USER MAPPING FOR PUBLIC SERVER valid OPTIONS (hosts 'h')$$, 'HV00D invalid option "hosts" . Valid options of a user mapping are: password, password_required, username'),
	($$CREATE FOREIGN DATA WRAPPER w HANDLER reconcile.mongo_handler VALIDATOR reconcile.mongo_validator OPTIONS (x 'y')$$, 'HV00D ')
) AS c (statement, expected);

-- Wrong names are found when the table is used.
CREATE FOREIGN TABLE keyed (a integer, "b,c" integer) SERVER valid OPTIONS (key 'nobody', missing_collection 'empty');
SELECT throws_ok('SELECT * FROM keyed', '42703', NULL, 'a key column that does not exist');
ALTER FOREIGN TABLE keyed OPTIONS (SET key ' a , "b,c" ');
SELECT lives_ok('SELECT * FROM keyed', 'blanks, and a comma inside double quotes');
CREATE FOREIGN TABLE absent (a integer) SERVER valid OPTIONS (collection 'never there');
SELECT throws_ok('SELECT * FROM absent', 'HV00R', 'collection "pgtap_fdw_options.never there" does not exist', 'a missing collection is an error');
ALTER FOREIGN TABLE absent OPTIONS (ADD missing_collection 'empty');
SELECT is_empty('SELECT * FROM absent', 'unless the table says that it may be missing');

-- Who is not a superuser needs a password of his own, and cannot let PostgreSQL read files.
CREATE ROLE plain_role;
GRANT USAGE ON FOREIGN DATA WRAPPER reconcile_mongo TO plain_role;
GRANT USAGE ON FOREIGN SERVER valid TO plain_role;
GRANT SELECT ON keyed TO plain_role;
GRANT CREATE ON DATABASE :DBNAME TO plain_role;
SET ROLE plain_role;
SELECT throws_ok('SELECT * FROM keyed', '2F003', 'password is required to use server "valid"', 'no user mapping');
SELECT matches(failure($$CREATE SERVER s FOREIGN DATA WRAPPER reconcile_mongo OPTIONS (hosts 'h', tls 'on', tls_ca_file '/etc/passwd')$$),
	'^42501 permission denied to set option "tls_ca_file"', 'tls_ca_file is for superusers');
SELECT matches(failure($$CREATE USER MAPPING FOR CURRENT_USER SERVER valid OPTIONS (password_required 'false')$$),
	'^42501 permission denied to set option "password_required"', 'so is password_required');
SELECT lives_ok($$CREATE USER MAPPING FOR CURRENT_USER SERVER valid$$, 'an empty mapping');
SELECT throws_ok('SELECT * FROM keyed', '2F003', NULL, 'a mapping without password');
RESET ROLE;
ALTER USER MAPPING FOR plain_role SERVER valid OPTIONS (ADD password_required 'false');
SET ROLE plain_role;
SELECT lives_ok('SELECT * FROM keyed', 'a superuser may allow it');
RESET ROLE;

SELECT function_privs_are('reconcile', 'mongo_handler', '{}'::text[], 'public', '{}'::text[], 'nobody calls the handler');
SELECT function_privs_are('reconcile', 'mongo_validator', '{text[],oid}'::text[], 'public', '{}'::text[], 'nor the validator');

SELECT * FROM finish();
ROLLBACK;
