-- Every BSON type into PostgreSQL types and back, and what does not fit.
\getenv hosts MONGO_HOSTS
\set ON_ERROR_STOP 1
\set QUIET 1
BEGIN;
SET client_min_messages = error; -- else each error that is caught warns that its document stays
CREATE EXTENSION IF NOT EXISTS pg_reconcile;
SET timezone = 'UTC';
SET intervalstyle = 'postgres';
SELECT no_plan();

CREATE SERVER types FOREIGN DATA WRAPPER reconcile_mongo OPTIONS (hosts :'hosts', database 'pgtap_fdw_types');
CREATE FOREIGN TABLE documents (doc jsonb OPTIONS (path '')) SERVER types OPTIONS (collection 'values');

-- All documents go into one collection, which stays: new_id tells them apart, also from those of other runs.
CREATE FUNCTION new_id() RETURNS text LANGUAGE sql AS $$ SELECT md5(random()::text || clock_timestamp() || pg_backend_pid()) $$;

-- stored puts one document with field v there and returns its _id.
CREATE FUNCTION stored(value text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	id text := new_id();
BEGIN
	INSERT INTO documents VALUES ((format('{"_id": "%s"', id) || coalesce(', "v": ' || value, '') || '}')::jsonb);
	RETURN id;
END $$;

-- only_field makes a foreign table of one column that sees only one document.
CREATE FUNCTION only_field(declaration text, id text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE FOREIGN TABLE field (%s) SERVER types OPTIONS (collection %L, filter %L)', declaration, 'values',
		format('{"_id": "%s"}', id));
END $$;

-- seen reads field v as a column of a type, as text; an error as its SQLSTATE.
CREATE FUNCTION seen(value text, type text, bson_type text DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	PERFORM only_field(format('v %s %s', type, 'OPTIONS (bson_type ' || quote_literal(bson_type) || ')'), stored(value));
	EXECUTE 'SELECT v::text FROM field' INTO STRICT result;
	DROP FOREIGN TABLE field;
	RETURN coalesce(result, 'NULL');
EXCEPTION WHEN OTHERS THEN
	RETURN 'error ' || SQLSTATE;
END $$;

-- written writes a value of a type and returns field v as MongoDB has it.
CREATE FUNCTION written(value text, type text, bson_type text DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
	id text := new_id();
BEGIN
	EXECUTE format('CREATE FOREIGN TABLE field (id text OPTIONS (path %L), v %s %s) SERVER types OPTIONS (collection %L)', '_id', type,
		'OPTIONS (bson_type ' || quote_literal(bson_type) || ')', 'values');
	EXECUTE format('INSERT INTO field VALUES (%L, %L)', id, value);
	DROP FOREIGN TABLE field;
	PERFORM only_field($f$doc jsonb OPTIONS (path '')$f$, id);
	EXECUTE 'SELECT doc -> ''v'' FROM field' INTO STRICT result;
	DROP FOREIGN TABLE field;
	RETURN coalesce(result, 'missing');
EXCEPTION WHEN OTHERS THEN
	RETURN 'error ' || SQLSTATE;
END $$;

SELECT is(seen(value, type, bson), expected, format('%s as %s%s is %s', value, type, ' strictly ' || bson, expected))
FROM (VALUES
	-- text
	('"abc"', 'text', NULL, 'abc'),
	('""', 'text', NULL, ''),
	('"äöü€😀"', 'text', NULL, 'äöü€😀'),
	('{"$oid":"0123456789abcdef01234567"}', 'text', NULL, '0123456789abcdef01234567'),
	('{"$oid":"0123456789abcdef01234567"}', 'varchar(24)', NULL, '0123456789abcdef01234567'),
	('{"$oid":"0123456789abcdef01234567"}', 'varchar(23)', NULL, 'error 22001'),
	('"abc"', 'varchar(3)', NULL, 'abc'),
	('"äöü"', 'varchar(3)', NULL, 'äöü'),
	('"abcd"', 'varchar(3)', NULL, 'error 22001'),
	('"ab"', 'char(4)', NULL, 'ab'),
	('"abcde"', 'char(4)', NULL, 'error 22001'),
	('5', 'text', NULL, 'error 22018'),
	('true', 'text', NULL, 'error 22018'),
	('{}', 'text', NULL, 'error 22018'),
	('[]', 'text', NULL, 'error 22018'),
	('{"$symbol":"s"}', 'text', NULL, 'error 22018'),
	('"abc"', 'text', 'string', 'abc'),
	('"0123456789abcdef01234567"', 'text', 'objectId', 'error 22018'),
	('{"$oid":"0123456789abcdef01234567"}', 'text', 'string', 'error 22018'),
	-- null and missing
	('null', 'text', NULL, 'NULL'),
	(NULL, 'text', NULL, 'NULL'),
	('null', 'jsonb', NULL, 'NULL'),
	('null', 'integer', 'int', 'NULL'),
	-- booleans
	('true', 'boolean', NULL, 'true'),
	('false', 'boolean', NULL, 'false'),
	('1', 'boolean', NULL, 'error 22018'),
	('"true"', 'boolean', NULL, 'error 22018'),
	-- whole numbers
	('1', 'integer', NULL, '1'),
	('2147483647', 'integer', NULL, '2147483647'),
	('2147483648', 'integer', NULL, 'error 22003'),
	('-2147483649', 'integer', NULL, 'error 22003'),
	('32767', 'smallint', NULL, '32767'),
	('32768', 'smallint', NULL, 'error 22003'),
	('9007199254740993', 'bigint', NULL, '9007199254740993'),
	('9223372036854775807', 'bigint', NULL, '9223372036854775807'),
	('{"$numberDouble":"2.0"}', 'integer', NULL, '2'),
	('1.9', 'integer', NULL, 'error 22003'),
	('1e300', 'bigint', NULL, 'error 22003'),
	('{"$numberDouble":"NaN"}', 'integer', NULL, 'error 22003'),
	('{"$numberDouble":"9223372036854775808"}', 'bigint', NULL, 'error 22003'),
	('{"$numberDecimal":"7"}', 'integer', NULL, '7'),
	('{"$numberDecimal":"1E+3"}', 'integer', NULL, '1000'),
	('{"$numberDecimal":"7.5"}', 'integer', NULL, 'error 22003'),
	('{"$numberDecimal":"1E+30"}', 'bigint', NULL, 'error 22003'),
	('"5"', 'integer', NULL, 'error 22018'),
	('5', 'integer', 'long', 'error 22018'),
	('{"$numberLong":"5"}', 'integer', 'long', '5'),
	-- fractions
	('0.1', 'double precision', NULL, '0.1'),
	('9007199254740992', 'double precision', NULL, '9.007199254740992e+15'),
	('9007199254740993', 'double precision', NULL, 'error 22003'),
	('{"$numberDouble":"NaN"}', 'double precision', NULL, 'NaN'),
	('{"$numberDouble":"-Infinity"}', 'double precision', NULL, '-Infinity'),
	('{"$numberDecimal":"0.1"}', 'double precision', NULL, 'error 22018'),
	('0.1', 'real', NULL, '0.1'),
	('1e300', 'real', NULL, 'error 22003'),
	('16777217', 'real', NULL, 'error 22003'),
	('{"$numberDecimal":"1.10"}', 'numeric', NULL, '1.10'),
	('{"$numberDecimal":"NaN"}', 'numeric', NULL, 'NaN'),
	('{"$numberDecimal":"Infinity"}', 'numeric', NULL, 'Infinity'),
	('{"$numberDecimal":"1234567890123456789012345678901234"}', 'numeric', NULL, '1234567890123456789012345678901234'),
	('0.1', 'numeric', NULL, '0.1'),
	('1e21', 'numeric', NULL, '1000000000000000000000'),
	('9223372036854775807', 'numeric', NULL, '9223372036854775807'),
	('1.25', 'numeric(3,2)', NULL, '1.25'),
	('1.255', 'numeric(3,2)', NULL, 'error 22003'),
	('12.5', 'numeric(3,2)', NULL, 'error 22003'),
	('1', 'numeric', 'decimal', 'error 22018'),
	-- times
	('{"$date":"2026-01-31T10:20:30.123Z"}', 'timestamptz', NULL, '2026-01-31 10:20:30.123+00'),
	('{"$date":"2026-01-31T10:20:30.123Z"}', 'timestamp', NULL, '2026-01-31 10:20:30.123'),
	('{"$date":"2026-01-31T10:20:30.123Z"}', 'timestamptz(0)', NULL, 'error 22008'),
	('{"$date":"2026-01-31T10:20:30Z"}', 'timestamptz(0)', NULL, '2026-01-31 10:20:30+00'),
	('{"$date":"2026-01-31T10:20:30Z"}', 'date', NULL, '2026-01-31'),
	('{"$date":{"$numberLong":"-1"}}', 'date', NULL, '1969-12-31'),
	('{"$date":{"$numberLong":"-1"}}', 'timestamp', NULL, '1969-12-31 23:59:59.999'),
	('{"$date":{"$numberLong":"9223372036854775807"}}', 'timestamptz', NULL, 'error 22008'),
	('{"$date":{"$numberLong":"-9223372036854775808"}}', 'timestamptz', NULL, 'error 22008'),
	('{"$date":{"$numberLong":"-9223372036854775808"}}', 'date', NULL, 'error 22008'),
	('{"$date":{"$numberLong":"-210866803200000"}}', 'date', NULL, '4714-11-24 BC'),
	('{"$date":{"$numberLong":"-210866803200001"}}', 'date', NULL, 'error 22008'),
	('"2026-01-31"', 'timestamptz', NULL, 'error 22018'),
	('{"$timestamp":{"t":1,"i":1}}', 'timestamptz', NULL, 'error 22018'),
	-- binary
	('{"$binary":{"base64":"AAEC/w==","subType":"00"}}', 'bytea', NULL, '\x000102ff'),
	('{"$binary":{"base64":"","subType":"00"}}', 'bytea', NULL, '\x'),
	('{"$binary":{"base64":"AAEC","subType":"80"}}', 'bytea', NULL, '\x000102'),
	('{"$oid":"0123456789abcdef01234567"}', 'bytea', NULL, '\x0123456789abcdef01234567'),
	('"abc"', 'bytea', NULL, 'error 22018'),
	('{"$binary":{"base64":"ERERESIiMzNERFVVVVVVVQ==","subType":"04"}}', 'uuid', NULL, '11111111-2222-3333-4444-555555555555'),
	('{"$binary":{"base64":"ERERESIiMzNERFVVVVVVVQ==","subType":"03"}}', 'uuid', NULL, 'error 22018'),
	('{"$binary":{"base64":"AAEC","subType":"04"}}', 'uuid', NULL, 'error 22018'),
	('"11111111-2222-3333-4444-555555555555"', 'uuid', NULL, 'error 22018'),
	('"11111111-2222-3333-4444-AAAAAAAAAAAA"', 'uuid', 'string', '11111111-2222-3333-4444-aaaaaaaaaaaa'),
	('"11111111-2222-3333-4444-55555555555"', 'uuid', 'string', 'error 22018'),
	-- jsonb
	('5', 'jsonb', NULL, '5'),
	('0.1', 'jsonb', NULL, '0.1'),
	('9223372036854775807', 'jsonb', NULL, '9223372036854775807'),
	('true', 'jsonb', NULL, 'true'),
	('"x"', 'jsonb', NULL, '"x"'),
	('[1, [2, null], {"a": "b"}]', 'jsonb', NULL, '[1, [2, null], {"a": "b"}]'),
	('{"b": {"c": []}, "a": {}}', 'jsonb', NULL, '{"a": {}, "b": {"c": []}}'),
	('{"$oid":"0123456789abcdef01234567"}', 'jsonb', NULL, '{"$oid": "0123456789abcdef01234567"}'),
	('{"$date":"2026-01-31T10:20:30.123Z"}', 'jsonb', NULL, '{"$date": "2026-01-31T10:20:30.123Z"}'),
	('{"$date":"2026-01-31T10:20:30Z"}', 'jsonb', NULL, '{"$date": "2026-01-31T10:20:30Z"}'),
	('{"$date":{"$numberLong":"-1"}}', 'jsonb', NULL, '{"$date": {"$numberLong": "-1"}}'),
	('{"$numberDecimal":"1.10"}', 'jsonb', NULL, '{"$numberDecimal": "1.10"}'),
	('{"$numberDouble":"NaN"}', 'jsonb', NULL, '{"$numberDouble": "NaN"}'),
	('{"$numberDouble":"-0.0"}', 'jsonb', NULL, '{"$numberDouble": "-0.0"}'),
	('{"$binary":{"base64":"AAEC","subType":"80"}}', 'jsonb', NULL, '{"$binary": {"base64": "AAEC", "subType": "80"}}'),
	('{"$regularExpression":{"pattern":"^a","options":"i"}}', 'jsonb', NULL, '{"$regularExpression": {"options": "i", "pattern": "^a"}}'),
	('{"$timestamp":{"t":7,"i":8}}', 'jsonb', NULL, '{"$timestamp": {"i": 8, "t": 7}}'),
	('{"$minKey":1}', 'jsonb', NULL, '{"$minKey": 1}'),
	('{"$maxKey":1}', 'jsonb', NULL, '{"$maxKey": 1}'),
	('{"$code":"f()"}', 'jsonb', NULL, '{"$code": "f()"}'),
	('5', 'jsonb', 'object', 'error 22018'),
	('{"a":1}', 'jsonb', 'object', '{"a": 1}'),
	-- arrays
	('["a", "b"]', 'text[]', NULL, '{a,b}'),
	('[]', 'text[]', NULL, '{}'),
	('null', 'text[]', NULL, 'NULL'),
	(NULL, 'text[]', NULL, 'NULL'),
	('["a", null, ""]', 'text[]', NULL, '{a,NULL,""}'),
	('[null, null]', 'integer[]', NULL, '{NULL,NULL}'),
	('[1, {"$numberLong":"2"}, 3.0]', 'integer[]', NULL, '{1,2,3}'),
	('[[1, 2], [3, null]]', 'integer[]', NULL, '{{1,2},{3,NULL}}'),
	('[[[1], [2]], [[3], [4]]]', 'bigint[]', NULL, '{{{1},{2}},{{3},{4}}}'),
	('[[[[[[7]]]]]]', 'smallint[]', NULL, '{{{{{{7}}}}}}'),
	('[[[[[[[7]]]]]]]', 'smallint[]', NULL, 'error 2202E'),
	('[[1, 2], [3]]', 'integer[]', NULL, 'error 2202E'),
	('[[1], 2]', 'integer[]', NULL, 'error 2202E'),
	('[1, [2]]', 'integer[]', NULL, 'error 2202E'),
	('[[1], null]', 'integer[]', NULL, 'error 2202E'),
	('[[]]', 'integer[]', NULL, 'error 2202E'),
	('[[], []]', 'integer[]', NULL, 'error 2202E'),
	('[1, "x"]', 'integer[]', NULL, 'error 22018'),
	('[1, 2147483648]', 'integer[]', NULL, 'error 22003'),
	('[1.5]', 'integer[]', NULL, 'error 22003'),
	('5', 'integer[]', NULL, 'error 22018'),
	('{"0": 1}', 'integer[]', NULL, 'error 22018'),
	('["abc"]', 'varchar(3)[]', NULL, '{abc}'),
	('["abcd"]', 'varchar(3)[]', NULL, 'error 22001'),
	('["ab"]', 'char(3)[]', NULL, '{"ab "}'),
	('[1.25]', 'numeric(3,2)[]', NULL, '{1.25}'),
	('[1.255]', 'numeric(3,2)[]', NULL, 'error 22003'),
	('[{"$numberDecimal":"1.10"}, {"$numberDecimal":"NaN"}]', 'numeric[]', NULL, '{1.10,NaN}'),
	('[true, null]', 'boolean[]', NULL, '{t,NULL}'),
	('[0.5]', 'double precision[]', NULL, '{0.5}'),
	('[{"$date":"2026-01-31T10:20:30Z"}]', 'timestamptz[]', NULL, '{"2026-01-31 10:20:30+00"}'),
	('[{"$date":"2026-01-31T10:20:30Z"}]', 'date[]', NULL, '{2026-01-31}'),
	('[{"$oid":"0123456789abcdef01234567"}]', 'text[]', NULL, '{0123456789abcdef01234567}'),
	('[{"$oid":"0123456789abcdef01234567"}]', 'text[]', 'objectId', '{0123456789abcdef01234567}'),
	('["0123456789abcdef01234567"]', 'text[]', 'objectId', 'error 22018'),
	('[{"$binary":{"base64":"AAEC","subType":"00"}}]', 'bytea[]', NULL, '{"\\x000102"}'),
	('[{"$binary":{"base64":"ERERESIiMzNERFVVVVVVVQ==","subType":"04"}}]', 'uuid[]', NULL, '{11111111-2222-3333-4444-555555555555}'),
	('[1, [2, "x"], {"a": null}, null]', 'jsonb[]', NULL, '{1,"[2, \"x\"]","{\"a\": null}",NULL}'),
	('[]', 'jsonb[]', NULL, '{}'),
	('[1]', 'point[]', NULL, 'error HV004'),
	('[1]', 'int2vector', NULL, 'error HV004'),
	('[1]', 'integer[]', 'string', 'error HV004'),
	-- types that MongoDB has, and PostgreSQL has not
	('{"$symbol":"s"}', 'jsonb', NULL, '{"$symbol": "s"}'),
	('{"$code":"f()","$scope":{"a":1}}', 'jsonb', NULL, '{"$code": "f()", "$scope": {"a": 1}}'),
	('{"$numberDecimal":"-Infinity"}', 'numeric', NULL, '-Infinity'),
	('{"$numberDecimal":"Infinity"}', 'numeric(5,2)', NULL, 'error 22003'),
	('{"$numberDecimal":"1E+6144"}', 'numeric', NULL, '1' || repeat('0', 6144)),
	('{"$numberDecimal":"1E-6176"}', 'numeric', NULL, '0.' || repeat('0', 6175) || '1'),
	('{"$numberDecimal":"-0"}', 'numeric', NULL, '0'),
	('{"$numberDecimal":"NaN"}', 'integer', NULL, 'error 22003'),
	('{"$numberDecimal":"Infinity"}', 'bigint', NULL, 'error 22003'),
	('{"$date":{"$numberLong":"9224318015999999"}}', 'timestamptz', NULL, '294276-12-31 23:59:59.999+00'),
	('{"$date":{"$numberLong":"9224318016000000"}}', 'timestamptz', NULL, 'error 22008'),
	('{"$date":{"$numberLong":"-210866803200000"}}', 'timestamptz', NULL, '4714-11-24 00:00:00+00 BC'),
	('{"$date":{"$numberLong":"-210866803200001"}}', 'timestamptz', NULL, 'error 22008'),
	('{"$date":{"$numberLong":"9224318016000000"}}', 'date', NULL, '294277-01-01'),
	('{"$binary":{"base64":"AAEC","subType":"05"}}', 'bytea', NULL, '\x000102'),
	('{"$binary":{"base64":"AAEC","subType":"06"}}', 'jsonb', NULL, '{"$binary": {"base64": "AAEC", "subType": "06"}}'),
	('{"$binary":{"base64":"ERERESIiMzNERFVVVVVVVQ==","subType":"03"}}', 'bytea', NULL, '\x11111111222233334444555555555555'),
	('{"$regularExpression":{"pattern":"^a","options":"i"}}', 'text', NULL, 'error 22018'),
	('{"$timestamp":{"t":7,"i":8}}', 'bigint', NULL, 'error 22018'),
	('{"$minKey":1}', 'integer', NULL, 'error 22018'),
	('{"$maxKey":1}', 'text', NULL, 'error 22018'),
	('{"$code":"f()"}', 'text', NULL, 'error 22018'),
	('{"a": {"$numberDouble":"NaN"}, "b": [{"$numberDouble":"Infinity"}]}', 'jsonb', NULL, '{"a": {"$numberDouble": "NaN"}, "b": [{"$numberDouble": "Infinity"}]}'),
	-- types that nothing fits
	('5', 'point', NULL, 'error HV004'),
	('5', 'integer', 'string', 'error HV004')
) AS c (value, type, bson, expected);

SELECT is(written(value, type, bson), expected, format('%s %s is written%s as %s', type, value, ' as ' || bson, expected))
FROM (VALUES
	('abc', 'text', NULL, '"abc"'),
	(NULL, 'text', NULL, 'missing'),
	('0123456789abcdef01234567', 'text', 'objectId', '{"$oid": "0123456789abcdef01234567"}'),
	('0123456789abcdef0123456', 'text', 'objectId', 'error 22P02'),
	('0123456789abcdef0123456x', 'text', 'objectId', 'error 22P02'),
	('ab', 'char(4)', NULL, '"ab"'),
	('\x0102', 'bytea', NULL, '{"$binary": {"base64": "AQI=", "subType": "00"}}'),
	('\x0123456789abcdef01234567', 'bytea', 'objectId', '{"$oid": "0123456789abcdef01234567"}'),
	('\x01', 'bytea', 'objectId', 'error 22P03'),
	('t', 'boolean', NULL, 'true'),
	('5', 'smallint', NULL, '5'),
	('5', 'bigint', NULL, '5'),
	('9007199254740993', 'bigint', NULL, '9007199254740993'),
	('9007199254740993', 'bigint', 'double', 'error 22003'),
	('2147483648', 'bigint', 'int', 'error 22003'),
	('5', 'integer', 'decimal', '{"$numberDecimal": "5"}'),
	('0.1', 'double precision', NULL, '0.1'),
	('NaN', 'double precision', NULL, '{"$numberDouble": "NaN"}'),
	('-0', 'double precision', NULL, '{"$numberDouble": "-0.0"}'),
	('1.10', 'numeric', NULL, '{"$numberDecimal": "1.10"}'),
	('NaN', 'numeric', NULL, '{"$numberDecimal": "NaN"}'),
	('-Infinity', 'numeric', NULL, '{"$numberDecimal": "-Infinity"}'),
	('1.23456789012345678901234567890123456', 'numeric', NULL, 'error 22003'),
	('0.1', 'numeric', 'double', '0.1'),
	('0.12345678901234567890', 'numeric', 'double', 'error 22003'),
	('1.5', 'numeric', 'int', 'error 22003'),
	('2026-01-31 10:20:30.123456+00', 'timestamptz', NULL, '{"$date": "2026-01-31T10:20:30.123Z"}'),
	('1969-12-31 23:59:59.9995+00', 'timestamptz', NULL, '{"$date": {"$numberLong": "-1"}}'),
	('infinity', 'timestamptz', NULL, 'error 22008'),
	('2026-01-31', 'date', NULL, '{"$date": "2026-01-31T00:00:00Z"}'),
	('-infinity', 'date', NULL, 'error 22008'),
	('11111111-2222-3333-4444-555555555555', 'uuid', NULL, '{"$binary": {"base64": "ERERESIiMzNERFVVVVVVVQ==", "subType": "04"}}'),
	('11111111-2222-3333-4444-555555555555', 'uuid', 'string', '"11111111-2222-3333-4444-555555555555"'),
	('null', 'jsonb', NULL, 'null'),
	('[1, 2147483648, 0.5, 1e20, {"$oid": "0123456789abcdef01234567"}]', 'jsonb', NULL,
		'[1, 2147483648, 0.5, 100000000000000000000, {"$oid": "0123456789abcdef01234567"}]'),
	('12345678901234567890.5', 'jsonb', NULL, '{"$numberDecimal": "12345678901234567890.5"}'),
	('1.23456789012345678901234567890123456', 'jsonb', NULL, 'error 22003'),
	('{"$oid": "xyz"}', 'jsonb', NULL, 'error 22P02'),
	('5', 'jsonb', 'long', '5'),
	('"x"', 'jsonb', 'int', 'error 22018'),
	('{"a": 1}', 'jsonb', 'object', '{"a": 1}'),
	('[]', 'jsonb', 'object', 'error 22018'),
	('{a,NULL,""}', 'text[]', NULL, '["a", null, ""]'),
	('{}', 'text[]', NULL, '[]'),
	('{{1,2},{3,NULL}}', 'integer[]', NULL, '[[1, 2], [3, null]]'),
	('{{{1},{2}},{{3},{4}}}', 'bigint[]', NULL, '[[[1], [2]], [[3], [4]]]'),
	('[5:6]={7,8}', 'integer[]', NULL, '[7, 8]'),
	('{1.10,NaN}', 'numeric[]', NULL, '[{"$numberDecimal": "1.10"}, {"$numberDecimal": "NaN"}]'),
	('{1,2}', 'integer[]', 'double', '[1, 2]'),
	('{0123456789abcdef01234567}', 'text[]', 'objectId', '[{"$oid": "0123456789abcdef01234567"}]'),
	('{x}', 'text[]', 'objectId', 'error 22P02'),
	('{"2026-01-31 10:20:30+00"}', 'timestamptz[]', NULL, '[{"$date": "2026-01-31T10:20:30Z"}]'),
	('{infinity}', 'timestamptz[]', NULL, 'error 22008'),
	('{t,f}', 'boolean[]', NULL, '[true, false]'),
	('{"{\"a\": 1}","[2]",NULL}', 'jsonb[]', NULL, '[{"a": 1}, [2], null]'),
	('{11111111-2222-3333-4444-555555555555}', 'uuid[]', 'string', '["11111111-2222-3333-4444-555555555555"]'),
	('{"$symbol": "s"}', 'jsonb', NULL, '{"$symbol": "s"}'),
	('{"$code": "f()", "$scope": {"a": 1}}', 'jsonb', NULL, '{"$code": "f()", "$scope": {"a": 1}}'),
	('{"$timestamp": {"i": 8, "t": 7}}', 'jsonb', 'timestamp', '{"$timestamp": {"i": 8, "t": 7}}'),
	('{"$regularExpression": {"options": "i", "pattern": "^a"}}', 'jsonb', 'regex', '{"$regularExpression": {"options": "i", "pattern": "^a"}}'),
	('Infinity', 'numeric', NULL, '{"$numberDecimal": "Infinity"}'),
	('294276-12-31 23:59:59.999+00', 'timestamptz', NULL, '{"$date": {"$numberLong": "9224318015999999"}}'),
	('4713-01-01 00:00:00+00 BC', 'timestamptz', NULL, '{"$date": {"$numberLong": "-210863520000000"}}')
) AS c (value, type, bson, expected);

-- Domains keep their promises.
CREATE DOMAIN percent AS integer CHECK (VALUE BETWEEN 0 AND 100);
CREATE DOMAIN given AS text NOT NULL;
SELECT is(seen(value, type), expected, format('%s as domain %s is %s', value, type, expected))
FROM (VALUES
	('50', 'percent', '50'),
	('101', 'percent', 'error 23514'),
	('"x"', 'percent', 'error 22018'),
	('"x"', 'given', 'x'),
	(NULL, 'given', 'error 23502')
) AS c (value, type, expected);

-- Nested fields.
SELECT is(seen(NULL, 'text'), 'NULL', 'a document without the field');
CREATE FUNCTION at_path(value text, path text, type text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	PERFORM only_field(format('p %s OPTIONS (path %L)', type, path), stored(value));
	EXECUTE 'SELECT p::text FROM field' INTO STRICT result;
	DROP FOREIGN TABLE field;
	RETURN coalesce(result, 'NULL');
EXCEPTION WHEN OTHERS THEN
	RETURN 'error ' || SQLSTATE;
END $$;
SELECT is(at_path(value, path, type), expected, format('%s of %s is %s', path, value, expected))
FROM (VALUES
	('{"a": {"b": 7}}', 'v.a.b', 'integer', '7'),
	('{"a": {"b": 7}}', 'v.a.c', 'integer', 'NULL'),
	('{"a": null}', 'v.a.b', 'integer', 'NULL'),
	('{"a": [1, 2, 3]}', 'v.a.1', 'integer', '2'),
	('{"a": [1]}', 'v.a.1', 'integer', 'NULL'),
	('[{"b": 5}]', 'v.0.b', 'integer', '5'),
	('[{"b": 5}]', 'v.b', 'integer', 'error 22018'),
	('"scalar"', 'v.b', 'integer', 'NULL'),
	('{"a": 1}', '', 'integer', 'error HV004'),
	('{"a": 1}', '', 'text', 'error HV004')
) AS c (value, path, type, expected);

-- Conditions on arrays are PostgreSQL's, whatever MongoDB would say of their elements.
SELECT only_field('v integer[]', stored('[null, 3]'));
SELECT results_eq('SELECT count(*) FILTER (WHERE v IS NULL), count(*) FILTER (WHERE v = ''{NULL,3}''), count(*) FILTER (WHERE 3 = ANY (v)) FROM field',
	'VALUES (0::bigint, 1::bigint, 1::bigint)', 'an array with a null is compared as a whole');
SELECT results_eq(format('SELECT count(*) FROM field WHERE %s', condition), format('VALUES (%s::bigint)', rows), condition) FROM (VALUES
	('v IS NOT NULL', 1), ('v IS NULL', 0), ('v = ''{NULL,3}''', 1), ('v = ''{3}''', 0), ('3 = ANY (v)', 1), ('v > ''{2}''', 1), ('v[2] = 3', 1)
) AS c (condition, rows);
DROP FOREIGN TABLE field;

-- The error names everything one needs to find the value.
SELECT stored('"many"') AS id \gset
SELECT only_field($$n integer OPTIONS (path 'v')$$, :'id');
ALTER FOREIGN TABLE field RENAME TO named;
SELECT throws_ok('SELECT n FROM named', '22018',
	format('field "v" of document "%s" in collection "pgtap_fdw_types.values" does not fit column "n": BSON type string, column type integer', :'id'),
	'an error names collection, _id, field and both types');
ALTER FOREIGN TABLE named OPTIONS (ADD on_mismatch 'null');
SELECT results_eq('SELECT n FROM named', 'SELECT NULL::integer', 'on_mismatch null reads null');
SELECT results_eq('SELECT count(*) FROM named WHERE n IS NULL', 'VALUES (1::bigint)', 'and the condition IS NULL finds it');
ALTER FOREIGN TABLE named OPTIONS (SET on_mismatch 'skip');
SELECT is_empty('SELECT n FROM named', 'on_mismatch skip leaves the document out');

SELECT * FROM finish();
ROLLBACK;
