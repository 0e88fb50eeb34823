-- export_invariants(), import_invariants(), alter_invariant(), assert_clean().
\ir ../support/invariant.sql
SELECT no_plan();

CREATE TABLE source (id integer PRIMARY KEY, v text);
INSERT INTO source SELECT n, 'v' || n FROM generate_series(1, 5) AS n;
CREATE TABLE target (id integer PRIMARY KEY, v text, n integer, deleted boolean);
CREATE UNIQUE INDEX ON target (id, v);
CREATE TABLE nothing_like_it (x integer PRIMARY KEY);
CREATE TABLE target2 (LIKE target INCLUDING ALL);

-- definition is all of an invariant that a user gave.
CREATE FUNCTION definition(name text) RETURNS jsonb LANGUAGE sql AS
	'SELECT to_jsonb(i) - ''created_at'' FROM reconcile.invariants AS i WHERE i.name = definition.name';

-- ---------------------------------------------------------------- alter_invariant

SELECT reconcile.create_invariant('i', 'target', '{id}', 'SELECT id, v FROM source', description => 'first') \g /dev/null
CREATE FUNCTION altered(argument text, value text, expected jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	before jsonb := definition('i');
BEGIN
	EXECUTE format('SELECT reconcile.alter_invariant(''i'', %I => %s)', argument, value);
	RETURN is(definition('i') - 'query_md5', before - 'query_md5' || expected, argument || ' alone');
END $$;
SELECT altered(argument, value, expected) FROM (VALUES
	('severity', '''warning''', '{"severity": "warning"}'::jsonb),
	('description', '''second''', '{"description": "second"}'),
	('description', '''''', '{"description": null}'),
	('compare', '''{v}''', '{"compare": ["v"]}'),
	('compare', '''{}''', '{"compare": []}'),
	('key', '''{id,v}''', '{"key": ["id", "v"]}'),
	('key', '''{id}''', '{"key": ["id"]}'),
	('where_absent', '''deleted''', '{"where_absent": "deleted"}'),
	('where_absent', '''''', '{"where_absent": null}'),
	('target', '''target2''', '{"target": "target2"}'),
	('target', '''target''', '{"target": "target"}'),
	('kind', '''insert''', '{}'),
	('expects', '''SELECT id, v FROM source WHERE id > 1''', '{"expects": "SELECT id, v FROM source WHERE id > 1"}')
) AS t(argument, value, expected);
SELECT definition('i') AS before \gset
SELECT lives_ok($$SELECT reconcile.alter_invariant('i')$$, 'no argument at all');
SELECT is(definition('i'), :'before'::jsonb, 'keeps everything');

-- New text means what it means here and now; what is not given keeps its path.
CREATE SCHEMA elsewhere;
CREATE TABLE elsewhere.source (id integer PRIMARY KEY, v text);
SET search_path = elsewhere, app, public;
SELECT reconcile.alter_invariant('i', severity => 'error') \g /dev/null
SELECT is(definition('i') ->> 'search_path', 'app, public, pg_temp', 'severity leaves the search_path');
SET LOCAL TimeZone = 'Asia/Tokyo';
SELECT definition('i') ->> 'time_zone' AS zone \gset
SELECT reconcile.alter_invariant('i', where_absent => 'v = ''gone''') \g /dev/null
SELECT is(definition('i') ->> 'search_path', 'app, public, pg_temp', 'so does a condition, which joins the query where that is');
SELECT is(definition('i') ->> 'time_zone', :'zone', 'and it leaves the time zone');
SELECT is((SELECT expected FROM reconcile.audit('i')), 4::bigint, 'the query reads what it read');
SELECT reconcile.alter_invariant('i', where_absent => '') \g /dev/null
RESET TimeZone;
SELECT is((SELECT expected FROM reconcile.audit('i')), 4::bigint, 'and the query');
SELECT reconcile.alter_invariant('i', expects => 'SELECT id, v FROM source') \g /dev/null
SELECT is(definition('i') ->> 'search_path', 'elsewhere, app, public, pg_temp', 'a new query brings its search_path');
SELECT is((SELECT expected FROM reconcile.audit('i')), 0::bigint, 'and reads what it names there');
SET search_path = app, public;
SELECT reconcile.alter_invariant('i', expects => 'SELECT id, v FROM source') \g /dev/null

-- A refused change leaves the old definition.
SELECT definition('i') AS before \gset
CREATE FUNCTION unaltered(arguments text, code text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	before jsonb := definition('i');
BEGIN
	RETURN NEXT throws_ok(format('SELECT reconcile.alter_invariant(''i'', %s)', arguments), code, NULL, arguments || ' is refused');
	RETURN NEXT is(definition('i'), before, arguments || ' changes nothing');
END $$;
SELECT unaltered(arguments, code) FROM (VALUES
	('target => ''nothing_like_it''', '42703'), ('target => ''pg_catalog.pg_class''', '42809'), ('key => ''{n}''', '42703'), ('key => ''{v}''', 'RC007'),
	('key => ''{}''', '22023'), ('key => ''{NULL}''', '22023'), ('expects => ''DELETE FROM source''', '42601'), ('expects => ''SELECT 1 AS x''', '42703'),
	('expects => ''''', '42601'), ('expects => ''SELECT id FROM nowhere''', '42P01'), ('kind => ''nothing''', '22023'), ('compare => ''{n}''', '42703'),
	('where_absent => ''nothing''', '42703'), ('where_absent => ''true; DROP TABLE source''', '42601'), ('severity => ''fatal''', '22023'),
	('severity => ''warning'', compare => ''{n}''', '42703')
) AS t(arguments, code);
SELECT throws_ok($$SELECT reconcile.alter_invariant(NULL)$$, '22004', 'argument "name" must not be null', 'no name');
SELECT throws_ok($$SELECT reconcile.alter_invariant('j')$$, '42704', 'invariant "j" does not exist', 'an unknown name');
CREATE ROLE document_reader;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA reconcile TO document_reader;
GRANT USAGE ON SCHEMA app TO document_reader;
SET LOCAL ROLE document_reader;
SELECT throws_ok($$SELECT reconcile.alter_invariant('i', severity => 'notice')$$, '42501', 'permission denied for invariant "i"', 'another role');
RESET ROLE;
SELECT is(definition('i'), :'before'::jsonb, 'nothing of that changed it');

-- ---------------------------------------------------------------- export

SELECT is(reconcile.export_invariants(), format('{"version": 1, "invariants": [{"name": "i", "kind": "insert", "target": "app.target", "key": ["id"],
	"expects": "SELECT id, v FROM source", "compare": [], "where_absent": null, "severity": "error", "description": null,
	"search_path": "app, public, pg_temp", "time_zone": %s}]}', to_json(current_setting('TimeZone')))::jsonb, 'a document');
SELECT is(reconcile.export_invariants()::text, reconcile.export_invariants()::text, 'is the same when repeated');
SET LOCAL search_path = elsewhere, app;
CREATE TEMP TABLE exported AS SELECT reconcile.export_invariants() AS document;
SET LOCAL search_path = app, public;
SELECT is((SELECT document::text FROM exported), reconcile.export_invariants()::text, 'whatever the search_path is');
SELECT throws_ok($$SELECT reconcile.export_invariants('none')$$, 'RC005', 'pack "none" is not installed', 'of an unknown pack');
SET LOCAL ROLE document_reader;
SELECT is(jsonb_array_length(reconcile.export_invariants() -> 'invariants'), 1, 'anybody may read the definitions');
RESET ROLE;

-- ---------------------------------------------------------------- import

-- Names and texts of all kinds.
CREATE TABLE "hostile ""t'" ("k "" '" integer PRIMARY KEY, "é 🐘" text);
SELECT reconcile.create_invariant(name, '"hostile ""t''"', ARRAY['k " '''], $$SELECT 1 AS "k "" '", E'\\ '' " \n' AS "é 🐘"$$,
	compare => ARRAY['é 🐘'], where_absent => $$"é 🐘" = 'x\'$$, severity => 'notice', description => name)
FROM unnest(ARRAY['a"b', 'a''b', '''; DROP TABLE source; --', E'new\nline', 'back\slash', '$x$', '%s %I %L', '🐘', '{"json": 1}', 'null', '1', repeat('n', 100)]) AS name \g /dev/null
SELECT reconcile.export_invariants() AS document \gset
CREATE TEMP TABLE definitions AS SELECT to_jsonb(i) - 'created_at' AS d FROM reconcile.invariants AS i;
SELECT results_eq(format('SELECT DISTINCT action FROM reconcile.import_invariants(%L)', :'document'), $$VALUES ('kept')$$, 'a document of what is there changes nothing');
SELECT reconcile.drop_invariant(name) FROM reconcile.invariants \g /dev/null
SELECT is((SELECT array_agg(DISTINCT action) FROM reconcile.import_invariants(:'document')), '{created}', 'imported where there is nothing, all are created');
SELECT set_eq('SELECT to_jsonb(i) - ''created_at'' FROM reconcile.invariants AS i', 'TABLE definitions', 'as they were');
SELECT is(reconcile.export_invariants()::text, :'document'::jsonb::text, 'exported again, the document is the same');
SELECT is((SELECT count(*) FROM reconcile.audit() WHERE state = 'drift'), 13::bigint, 'they can be audited');
SET LOCAL search_path = elsewhere, public;
SELECT is((SELECT array_agg(DISTINCT action) FROM reconcile.import_invariants(:'document')), '{kept}', 'whatever the search_path is');
SELECT is(current_setting('search_path'), 'elsewhere, public', 'which stays');
SET LOCAL search_path = app, public;

-- One changed part at a time: altered, then kept.
CREATE FUNCTION imported(what text, change jsonb) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	before jsonb := reconcile.export_invariants() #> '{invariants}' -> 0;
	document jsonb;
BEGIN
	PERFORM reconcile.drop_invariant(name) FROM reconcile.invariants WHERE name <> 'i';
	before := reconcile.export_invariants() #> '{invariants,0}';
	document := jsonb_build_object('version', 1, 'invariants', jsonb_build_array(before || change));
	RETURN NEXT is((SELECT action FROM reconcile.import_invariants(document)), 'altered', what || ' is altered');
	RETURN NEXT is(reconcile.export_invariants(), document, what || ' is as the document says');
	RETURN NEXT is((SELECT action FROM reconcile.import_invariants(document)), 'kept', what || ' is kept the next time');
	document := jsonb_set(document, '{invariants,0}', before);
	RETURN NEXT is((SELECT action FROM reconcile.import_invariants(document)), 'altered', what || ' is altered back');
	RETURN NEXT is(reconcile.export_invariants(), document, what || ' is as it was');
EXCEPTION WHEN OTHERS THEN
	RETURN NEXT fail(format('%s: %s %s', what, SQLSTATE, SQLERRM));
END $$;
SELECT imported(what, change) FROM (VALUES
	('target', '{"target": "app.target2"}'::jsonb), ('key', '{"key": ["id", "v"]}'), ('expects', '{"expects": "SELECT id, v FROM source WHERE id > 2"}'),
	('compare', '{"compare": ["v"]}'), ('where_absent', '{"where_absent": "deleted"}'), ('severity', '{"severity": "notice"}'),
	('description', '{"description": "words"}'), ('search_path', '{"search_path": "elsewhere, app, public, pg_temp"}'),
	('time_zone', '{"time_zone": "Asia/Kathmandu"}')
) AS t(what, change);

-- What a document may leave out.
SELECT reconcile.drop_invariant('i') \g /dev/null
SELECT is((SELECT action FROM reconcile.import_invariants('{"version": 1, "invariants": [{"name": "i", "target": "app.target", "key": ["id"],
	"expects": "SELECT id, v FROM app.source"}]}')), 'created', 'only what is needed');
SELECT is(definition('i') - '{owner,target,time_zone,query_md5}'::text[], '{"name": "i", "kind": "insert", "key": ["id"], "expects": "SELECT id, v FROM app.source", "compare": [], "pack": null,
	"severity": "error", "description": null, "where_absent": null, "search_path": "pg_catalog, pg_temp",
	"guard": null, "guard_state": null}', 'the rest has the defaults');
SELECT is((SELECT action FROM reconcile.import_invariants('{"version": 1, "invariants": [{"name": "i", "target": "app.target", "key": ["id"],
	"expects": "SELECT id, v FROM app.source"}]}')), 'kept', 'and is kept the next time');
SELECT is_empty($$SELECT * FROM reconcile.import_invariants('{"version": 1, "invariants": []}')$$, 'nothing to import');

-- Wrong documents: refused as a whole.
SELECT export_invariants::text AS before FROM reconcile.export_invariants() \gset
SELECT raised(document, format('SELECT * FROM reconcile.import_invariants(%L)', document), code, message) FROM (VALUES
	(NULL, '22004', 'argument "document" must not be null'),
	('{}', '22023', 'the document is not one of export_invariants()'), ('[]', '22023', 'the document is not one of export_invariants()'),
	('null', '22023', 'the document is not one of export_invariants()'), ('"x"', '22023', 'the document is not one of export_invariants()'),
	('{"version": 2, "invariants": []}', '22023', 'the document is not one of export_invariants()'),
	('{"version": 1}', '22023', 'the document is not one of export_invariants()'), ('{"version": 1, "invariants": {}}', '22023', 'the document is not one of export_invariants()'),
	('{"version": 1, "invariants": [1]}', '22023', '$.invariants[0] has no name, target, key or expects'),
	('{"version": 1, "invariants": [{"name": "x"}]}', '22023', '$.invariants[0] has no name, target, key or expects'),
	('{"version": 1, "invariants": [{"name": "n", "target": "app.target", "key": ["id"], "expects": "SELECT 1 AS id"},
	  {"name": "x", "target": "app.target", "key": ["id"]}]}', '22023', '$.invariants[1] has no name, target, key or expects'),
	('{"version": 1, "invariants": [{"name": null, "target": "app.target", "key": ["id"], "expects": "SELECT 1 AS id"}]}', '22004', 'argument "name" must not be null'),
	('{"version": 1, "invariants": [{"name": "x", "target": null, "key": ["id"], "expects": "SELECT 1 AS id"}]}', '22004', 'argument "target" must not be null'),
	('{"version": 1, "invariants": [{"name": "x", "target": "app.nowhere", "key": ["id"], "expects": "SELECT 1 AS id"}]}', '42P01', 'relation "app.nowhere" does not exist'),
	('{"version": 1, "invariants": [{"name": "n", "target": "app.target", "key": ["id"], "expects": "SELECT 1 AS id"},
	  {"name": "x", "target": "app.target", "key": ["id"], "expects": "DROP TABLE app.source"}]}', '42601', 'the query of an invariant must be a SELECT'),
	('{"version": 1, "invariants": [{"name": "x", "target": "app.target", "key": "id", "expects": "SELECT 1 AS id"}]}', '22023', '$.invariants[0] has a key or compare that is no array of names'),
	('{"version": 1, "invariants": [{"name": "x", "target": "app.target", "key": ["id"], "expects": "SELECT 1 AS id", "compare": {"a": 1}}]}', '22023', '$.invariants[0] has a key or compare that is no array of names'),
	('{"version": 1, "invariants": [{"name": "x", "target": "app.target", "key": ["id"], "expects": "SELECT 1 AS id", "severty": "notice"}]}', '22023', '$.invariants[0] has the unknown key "severty"'),
	('{"version": 1, "invariants": [{"name": "x", "target": "app.target", "key": ["id"], "expects": "SELECT 1 AS id", "time_zone": "Europe/Nowhere"}]}', '22023', '$.invariants[0] names the unknown time zone "Europe/Nowhere"')
) AS t(document, code, message);
SELECT is(reconcile.export_invariants()::text, :'before', 'nothing of them was imported');

-- A search_path of the document is no way to run operators as whoever imports.
CREATE SCHEMA hostile;
CREATE FUNCTION hostile.mine(text, text) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RAISE ''hijacked''; END';
CREATE OPERATOR hostile.= (LEFTARG = text, RIGHTARG = text, PROCEDURE = hostile.mine);
SELECT lives_ok($$SELECT * FROM reconcile.import_invariants('{"version": 1, "invariants": [{"name": "i", "target": "app.target", "key": ["id"],
	"expects": "SELECT id, v FROM app.source", "search_path": "hostile, pg_catalog"}, {"name": "j", "target": "app.target", "key": ["id"], "compare": ["v"],
	"expects": "SELECT id, v FROM app.source", "search_path": "hostile, pg_catalog"}]}')$$, 'operators of a document''s search_path are not used');

-- ---------------------------------------------------------------- assert_clean

SELECT reconcile.drop_invariant(name) FROM reconcile.invariants \g /dev/null
SELECT lives_ok('SELECT reconcile.assert_clean()', 'nothing declared is clean');
SELECT reconcile.create_invariant('e', 'target', '{id}', 'SELECT id, v FROM source') \g /dev/null
SELECT reconcile.create_invariant('w', 'target2', '{id}', 'SELECT id, v FROM source', compare => '{v}', severity => 'warning') \g /dev/null
INSERT INTO target2 VALUES (1, 'other');
SELECT raised('one missing', 'SELECT reconcile.assert_clean()', 'RC001', '1 invariant is not clean', 'SELECT * FROM reconcile.repair(''e'', dry_run => true);',
	E'e: 5 missing, 0 differing, 0 duplicated of 5\nFor example: {"v": "v1", "id": 1}');
SELECT raised('two', 'SELECT reconcile.assert_clean(severity => ''warning'')', 'RC001', '2 invariants are not clean', 'SELECT * FROM reconcile.repair(''e'', dry_run => true);',
	E'w: 4 missing, 1 differing, 0 duplicated of 5\ne: 5 missing, 0 differing, 0 duplicated of 5\nFor example: {"v": "v1", "id": 1}');
SELECT raised('by name', 'SELECT reconcile.assert_clean(''w'', severity => ''notice'')', 'RC001', '1 invariant is not clean', 'SELECT * FROM reconcile.repair(''w'', dry_run => true);');
SELECT lives_ok('SELECT reconcile.assert_clean(''w'')', 'a warning is no error');
SELECT lives_ok('SELECT reconcile.assert_clean(''w'', severity => ''error'')', 'as the default says');
SELECT counts('e', false) \g /dev/null
SELECT lives_ok('SELECT reconcile.assert_clean()', 'repaired, it is clean');
SELECT throws_ok('SELECT reconcile.assert_clean(severity => ''notice'')', 'RC001', '1 invariant is not clean', 'but for the warning');

-- What was not checked is not clean.
ALTER TABLE source RENAME v TO u;
SELECT raised('not checked', 'SELECT reconcile.assert_clean(''e'')', 'RC001', '1 invariant is not clean', NULL,
	'e: not checked: column "v" does not exist (SQLSTATE 42703)');
SELECT throws_ok('SELECT reconcile.assert_clean(severity => ''notice'')', 'RC001', '2 invariants are not clean', 'all of them');
ALTER TABLE source RENAME u TO v;
SELECT reconcile.alter_invariant('w', severity => 'error', compare => '{}') \g /dev/null
ALTER TABLE target DROP v CASCADE;
SELECT raised('one not checked and one with drift', 'SELECT reconcile.assert_clean()', 'RC001', '2 invariants are not clean');

-- Data and names that look like something else stay data.
SELECT reconcile.drop_invariant(name) FROM reconcile.invariants \g /dev/null
CREATE TABLE texts (v text PRIMARY KEY);
SELECT reconcile.create_invariant(E'%s %1$s ''\n"', 'texts', '{v}', $$SELECT E'%s %1$s \n''"\\ 🐘' AS v$$) \g /dev/null
SELECT raised('hostile data', 'SELECT reconcile.assert_clean()', 'RC001', '1 invariant is not clean', E'SELECT * FROM reconcile.repair(''%s %1$s \'\'\n"'', dry_run => true);',
	E'%s %1$s ''\n": 1 missing, 0 differing, 0 duplicated of 1\nFor example: {"v": "%s %1$s \\n''\\"\\\\ 🐘"}');

-- A check has violations.
CREATE TABLE members (team integer, role text);
INSERT INTO members VALUES (1, 'owner'), (1, 'owner'), (2, 'member');
SELECT reconcile.drop_invariant(name) FROM reconcile.invariants \g /dev/null
SELECT reconcile.create_invariant('one owner', NULL, '{team}', $$SELECT team, count(*) AS owners FROM members WHERE role = 'owner' GROUP BY team HAVING count(*) <> 1$$,
	kind => 'check') \g /dev/null
SELECT throws_ok('SELECT reconcile.assert_clean()', 'RC001', '1 invariant is not clean', 'a violated check');
SELECT reconcile.export_invariants() AS document \gset
SELECT reconcile.drop_invariant('one owner') \g /dev/null
SELECT is((SELECT action FROM reconcile.import_invariants(:'document')), 'created', 'a check is imported');
SELECT is(reconcile.export_invariants()::text, :'document'::jsonb::text, 'as it was');
SELECT is((SELECT action FROM reconcile.import_invariants(:'document')), 'kept', 'and kept');

-- Wrong arguments.
SELECT raised(call, 'SELECT reconcile.' || call, code, message, hint) FROM (VALUES
	('assert_clean(severity => ''fatal'')', '22023', 'invalid value for argument "severity": "fatal"', 'Valid values are "error", "warning", "notice".'),
	('assert_clean(severity => NULL)', '22004', 'argument "severity" must not be null', NULL),
	('assert_clean(''nothing'')', '42704', 'invariant "nothing" does not exist', NULL),
	('assert_clean(pack => ''nothing'')', 'RC005', 'pack "nothing" is not installed', NULL)
) AS t(call, code, message, hint);
SET TRANSACTION READ ONLY;
SELECT throws_ok('SELECT reconcile.assert_clean()', 'RC001', '1 invariant is not clean', 'in a read-only transaction as well');

SELECT * FROM finish();
ROLLBACK;
