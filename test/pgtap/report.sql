-- report(): what audit_schema(), invariants, guards and histories say, in each format, and who may ask.
\ir ../support/invariant.sql
SELECT no_plan();
SET search_path = public;

CREATE TABLE app.teams (id integer PRIMARY KEY, name text);
CREATE TABLE app.owners (team_id integer PRIMARY KEY REFERENCES app.teams);
CREATE TABLE app.alembic_version (version_num varchar(32) PRIMARY KEY);
INSERT INTO app.alembic_version VALUES ('a');

SELECT is(reconcile.report('text', '{migrations}'), E'Database ' || current_database() || E', no baseline: only what needs none was checked\n\nMigrations\n'
	'  migration history     not checked\n\nNOT CHECKED: 1 part; nothing is wrong with the rest', 'without a baseline nothing is said to be in sync');
SELECT is(reconcile.report('json')::jsonb -> 'in_sync', 'null', 'as a value, too');

SELECT reconcile.capture_baseline();

SELECT is((SELECT string_agg(reconcile.counted(n, 'part'), ', ' ORDER BY n) FROM generate_series(0, 2) AS n), '0 parts, 1 part, 2 parts', 'one is not many');

-- printed gives one line of the text report.
CREATE FUNCTION printed(like_ text, format text DEFAULT 'text') RETURNS text LANGUAGE sql AS $$
	SELECT max(l) FROM regexp_split_to_table(reconcile.report(format), E'\n') AS l WHERE l LIKE like_ $$;
CREATE FUNCTION last_line() RETURNS text LANGUAGE sql AS $$ SELECT substring(reconcile.report() FROM '[^\n]*$') $$;

SELECT is(last_line(), 'IN SYNC', 'a database that is as recorded is in sync');
SELECT is(printed('  tables%'), '  tables                OK', 'each category has a line');
SELECT is(printed('  seed rows%'), '  seed rows             OK', 'also one that has nothing in it');
SELECT is(printed('  migration history%'), '  migration history     OK', 'and the migrations');

ALTER TABLE app.teams DROP COLUMN name;
ALTER TABLE app.owners ADD COLUMN "<b>|`x`" text;
CREATE TABLE app."two
lines" (id integer PRIMARY KEY);
INSERT INTO app.alembic_version VALUES ('b');
INSERT INTO app.teams VALUES (1), (2);
SELECT reconcile.create_invariant('every team & its owner', 'app.owners', '{team_id}', 'SELECT id AS team_id FROM app.teams');

SELECT is(last_line(), 'OUT OF SYNC: 5 errors, 0 warnings', 'the last line counts what is wrong, notices do not');
SELECT is(printed('  columns%'), '  columns               1 error, 1 notice', 'a line counts by severity');
SELECT is(printed('  every team%'), '  every team & its owner  2 errors', 'an invariant counts its rows');
SELECT is(printed('ALTER TABLE app.teams ADD%'), 'ALTER TABLE app.teams ADD COLUMN name text;', 'the fixes are listed');
SELECT is(printed('SELECT * FROM reconcile.repair%'), 'SELECT * FROM reconcile.repair(''every team & its owner'', dry_run => false);', 'the repair of an invariant too');
SELECT is(reconcile.report(), reconcile.report(), 'the same database gives the same report');

SELECT is(reconcile.report('text', '{invariants}'), E'Database ' || current_database() || E', baseline default\n\nInvariants\n  every team & its owner  2 errors\n\n'
	'Findings\n  error    invariants: every team & its owner: 2 missing\n\n'
	'Fixes\n-- every team & its owner: 2 missing\n'
	'SELECT * FROM reconcile.repair(''every team & its owner'', dry_run => false);\n\nOUT OF SYNC: 2 errors, 0 warnings', 'a report of one section');

SELECT is(reconcile.report('json')::jsonb #>> '{in_sync}', 'false', 'json says so as a value');
SELECT is(reconcile.report('json', '{migrations}')::jsonb #>> '{sections,0,lines,0,errors}', '2', 'and has all lines');
SELECT is(printed('| app%', 'markdown'), NULL, 'markdown escapes what it would take for markup');
SELECT is(printed('| notice | columns%', 'markdown'), '| notice | columns: app.owners."\<b\>\|\`x\`" | it is not in the baseline |', 'in each cell');
SELECT ok(reconcile.report('html') LIKE '<!DOCTYPE html>%&lt;b&gt;|`x`%</html>', 'html escapes, too');
SELECT unalike(reconcile.report('html'), '%<b>%', 'and lets no markup through');
SELECT unalike(reconcile.report('html'), '%<link%', 'and is one file');
SELECT is(printed('1..%', 'tap'), '1..19', 'tap has a plan');
SELECT is((SELECT count(*) FROM regexp_matches(reconcile.report('tap'), '^(not )?ok [0-9]+ - ', 'gn')), 19::bigint, 'and as many results');
SELECT is(printed('not ok % - invariants%', 'tap'), 'not ok 18 - invariants: every team & its owner', 'what is out of sync is not ok');
SELECT ok(NOT EXISTS (SELECT FROM regexp_split_to_table(reconcile.report('tap'), E'\n') l WHERE l !~ '^(TAP|1\.\.|ok|not ok|#)'), 'and a name of two lines stays a comment');
SELECT is(printed('%<testsuite name="invariants"%', 'junit'), '<testsuite name="invariants" tests="1" failures="1" errors="0" skipped="0">', 'junit counts failures');
SELECT ok(reconcile.report('junit') LIKE '%every team &amp; its owner%', 'and escapes names');

SELECT throws_ok(format('SELECT reconcile.report(%L)', f), c, m) FROM (VALUES
	('pdf', '22023', 'invalid value for argument "format": "pdf"'),
	(NULL, '22004', 'arguments "format" and "sections" must not be null')) AS v(f, c, m);
SELECT throws_ok($$ SELECT reconcile.report('text', '{schema,invariant}') $$, '22023', 'invalid value in argument "sections": "invariant"');

CREATE ROLE somebody;
GRANT EXECUTE ON FUNCTION printed(text, text), last_line() TO somebody;
SET ROLE somebody;
SELECT is(printed('  all guards%'), '  all guards            not checked', 'what a role may not see is not checked');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
