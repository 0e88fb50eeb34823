-- Nobody gets statements run by others: neither by a baseline, nor by the steps of a run.
\ir ../support/invariant.sql
SELECT no_plan();
CREATE ROLE trust_low;
CREATE ROLE trust_group;
CREATE ROLE trust_member IN ROLE trust_group;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA reconcile TO trust_low, trust_group;
GRANT EXECUTE ON FUNCTION fix_schema TO trust_group;
ALTER SCHEMA app RENAME TO helpers;
SET search_path = public, helpers;
CREATE SCHEMA app;
CREATE TABLE app.thing (id integer PRIMARY KEY);
CREATE TABLE app.kind (id integer PRIMARY KEY);
GRANT USAGE ON SCHEMA app, helpers TO trust_low, trust_group, trust_member;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA helpers TO trust_low;
GRANT SELECT ON app.kind TO trust_low;
SELECT reconcile.capture_baseline(schemas => '{app}');

-- forged is the default baseline with a column whose default is more than that.
CREATE FUNCTION helpers.forged() RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_set(reconcile.export_baseline(), '{objects,column,app.thing.extra}',
		'{"type": "integer", "position": 2, "not_null": false, "parent": "app.thing", "default": "0; ALTER ROLE trust_low CREATEROLE"}') $$;

-- ---------------------------------------------- a baseline is its recorder's

SET ROLE trust_low;
SELECT throws_ok(v.statement, '42501', 'permission denied for baseline "default"', v.what)
FROM (VALUES
	('another''s baseline is not replaced by a document', 'SELECT reconcile.import_baseline(helpers.forged())'),
	('nor by what is there now', 'SELECT reconcile.capture_baseline(schemas => ''{app}'')'),
	('nor does it get seed rows', 'SELECT reconcile.baseline_seed(''default'', ''app.kind'', ''{id}'')'),
	('nor is it dropped', 'SELECT reconcile.drop_baseline(''default'')')) AS v(what, statement);
SELECT lives_ok($$ SELECT reconcile.import_baseline(helpers.forged(), 'low') $$, 'a new one may be made');
SELECT lives_ok($$ SELECT reconcile.import_baseline(helpers.forged(), 'low') $$, 'and replaced by the same role');
RESET ROLE;
SELECT is((SELECT captured_by FROM reconcile.baselines WHERE name = 'default'), current_user::text, 'the recorder is the same as before');
SELECT is((SELECT count(*) FROM reconcile.baseline_objects WHERE baseline = 'default' AND object = 'app.thing.extra'), 0::bigint, 'and so is what it says');

SELECT raised(what, statement, '42501', 'permission denied for baseline "low"', NULL)
FROM (VALUES
	('a dry run of another''s baseline', 'SELECT fix_schema(baseline => ''low'')'),
	('a live run', 'SELECT fix_schema(false, ''low'')'),
	('the plan of an online run', 'SELECT reconcile.plan_schema_run(reconcile.begin_schema_run(''low''), ''low'', ''{}'')')) AS v(what, statement);
SELECT hasnt_column('app', 'thing', 'extra', 'nothing of it was done');
SELECT is((SELECT rolcreaterole FROM pg_roles WHERE rolname = 'trust_low'), false, 'and nothing else');
SELECT lives_ok($$ SELECT reconcile.import_baseline(reconcile.export_baseline('low') #- '{objects,column,app.thing.extra}', 'low') $$,
	'a superuser replaces any');
SELECT lives_ok($$ SELECT fix_schema(false, 'low') $$, 'and then it is his');

-- Members of the recorder may change it; the recorder's role trusts superusers, and its own.
SET ROLE trust_group;
SELECT reconcile.capture_baseline('group', '{app}');
SELECT lives_ok($$ SELECT fix_schema(true, 'group') $$, 'who recorded it');
SELECT lives_ok($$ SELECT fix_schema(true, 'default') $$, 'what a superuser recorded');
SET ROLE trust_member;
SELECT lives_ok($$ SELECT reconcile.capture_baseline('group', '{app}') $$, 'a member of the recorder replaces it');
SET ROLE trust_group;
SELECT lives_ok($$ SELECT fix_schema(true, 'group') $$, 'and may act as the group, which therefore may run it');
RESET ROLE;

-- ---------------------------------------------------- a run is its beginner's

CREATE TEMP TABLE run AS SELECT reconcile.begin_schema_run('default') AS id;
GRANT SELECT ON run TO trust_low;
SET ROLE trust_low;
SELECT throws_ok(format($$ SELECT reconcile.enter_schema_steps(%s, '[{"fix": 1, "object": "x", "statement": "ALTER ROLE trust_low CREATEROLE", "hazard": "",
	"state": "planned"}]') $$, id), '42501', format('permission denied for run %s', id), 'another''s run gets no steps') FROM run;
SELECT throws_ok($$ SELECT reconcile.enter_schema_steps(-1, '[]') $$, '42501', 'permission denied for run -1', 'a run that is not there neither');
SELECT throws_ok(format('SELECT reconcile.settle_schema_step(%s, 1, 0)', id), '42501', format('permission denied for run %s', id),
	'nor are its steps settled') FROM run;
SELECT throws_ok(format('SELECT reconcile.end_schema_run(%s)', id), '42501', format('permission denied for run %s', id), 'nor is it ended') FROM run;
SELECT lives_ok($$ SELECT reconcile.begin_schema_run('default') $$, 'a run of its own is begun');
RESET ROLE;
SELECT is((SELECT max(run_id) FROM reconcile.schema_runs WHERE run_by = 'trust_low'), (SELECT max(run_id) FROM reconcile.schema_runs), 'who begins a run is who calls');
SELECT is((SELECT finished_at FROM reconcile.schema_runs JOIN run ON run_id = id), NULL, 'and the run of the other one goes on');
SELECT is((SELECT count(*) FROM reconcile.schema_steps JOIN run ON run_id = id), 0::bigint, 'none were entered');
SELECT is(reconcile.enter_schema_steps(id, '[{"fix": 1, "object": "x", "statement": "SELECT 1", "hazard": "", "state": "planned"},
	{"fix": 1, "object": "x", "hazard": "", "state": "refused", "message": "no"}]'), 1::bigint, 'who began it enters some') FROM run;
SELECT is(reconcile.enter_schema_steps(id, '[{"fix": 1, "object": "y", "statement": "SELECT 2", "hazard": "", "state": "planned"}]'), 1::bigint, 'and more') FROM run;
SELECT results_eq('SELECT step, fix, object, statement, state, message FROM reconcile.schema_step JOIN run ON run_id = id ORDER BY step',
	$$ VALUES (1, 1, 'x', 'SELECT 1', 'planned', NULL), (2, 1, 'x', NULL, 'refused', 'no'), (3, 2, 'y', 'SELECT 2', 'planned', NULL) $$, 'in their order');

-- Settling: the steps of one fix stand and fall together, a taken lock is asked for again as often as is allowed.
SELECT reconcile.enter_schema_steps(id, '[{"fix": 1, "object": "y", "statement": "SELECT 3", "hazard": "", "state": "planned"}]') FROM run;
UPDATE reconcile.schema_step s SET fix = 2 FROM run WHERE s.run_id = id AND s.step = 4;
UPDATE reconcile.schema_step s SET state = 'failed', sqlstate = '55P03', attempts = 1 FROM run WHERE s.run_id = id AND s.step = 3;
SELECT is(reconcile.settle_schema_step(id, 3, 1), 'again', 'a lock that was taken is asked for again') FROM run;
SELECT is((SELECT state FROM reconcile.schema_step JOIN run ON run_id = id WHERE step = 3), 'planned', 'so the step is planned');
UPDATE reconcile.schema_step s SET state = 'failed', attempts = 2 FROM run WHERE s.run_id = id AND s.step = 3;
SELECT is(reconcile.settle_schema_step(id, 3, 1), 'failed', 'not more often than allowed') FROM run;
UPDATE reconcile.schema_step s SET state = 'running' FROM run WHERE s.run_id = id AND s.step = 1;
SELECT is(reconcile.settle_schema_step(id, 1, 9), 'failed', 'a step that has lost its worker failed') FROM run;
SELECT results_eq('SELECT step, state, message FROM reconcile.schema_step JOIN run ON run_id = id ORDER BY step',
	$$ VALUES (1, 'failed', 'its worker was ended'), (2, 'refused', 'no'), (3, 'failed', NULL), (4, 'refused', 'step 3 failed') $$,
	'the other steps of a fix that failed are refused');
SELECT throws_ok(format('SELECT reconcile.settle_schema_step(%s, 9, 0)', id), '42704', format('run %s has no step 9', id), 'a step that is not there') FROM run;
SELECT reconcile.end_schema_run(id) FROM run;
SELECT isnt((SELECT finished_at FROM reconcile.schema_runs JOIN run ON run_id = id), NULL, 'who began it ends it');

-- ------------------------------------ reading a view back runs no code of others

-- The literal of a view is read by its type's input, which asks the domain, which asks a function.
CREATE TABLE app.seen (by name, at text);
GRANT INSERT ON app.seen TO PUBLIC;
GRANT CREATE, USAGE ON SCHEMA app TO trust_low;
CREATE SEQUENCE app.superusers;
GRANT USAGE ON SEQUENCE app.superusers TO PUBLIC;
SET ROLE trust_low;
CREATE FUNCTION app.spy(integer) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	IF current_setting('is_superuser') = 'on' OR current_user <> 'trust_low' THEN
		RAISE EXCEPTION 'runs as %', current_user;
	END IF;
	INSERT INTO app.seen VALUES (current_user, 'read');
	RETURN true;
END $$;
CREATE DOMAIN app.spied AS integer CHECK (app.spy(value));
CREATE TYPE app.spied_row AS (id integer, n app.spied);
CREATE VIEW app.lure AS SELECT '{1}'::app.spied[] AS x;
CREATE VIEW app.lure_of_rows AS SELECT '(1,2)'::app.spied_row AS x;
RESET ROLE;
TRUNCATE app.seen;
CREATE FUNCTION helpers.lure() RETURNS text LANGUAGE sql AS $$ SELECT reconcile.schema_definition('pg_class'::regclass, 'app.lure'::regclass) $$;
GRANT EXECUTE ON FUNCTION helpers.lure() TO PUBLIC;
SELECT helpers.lure() AS printed \gset
SELECT isnt(:'printed'::text, '', 'it is printed all the same');
SET ROLE trust_low;
SELECT is(helpers.lure(), :'printed'::text, 'for its owner');
SET ROLE trust_group;
SELECT is(helpers.lure(), :'printed'::text, 'and for others');
RESET ROLE;
SELECT lives_ok($$ SELECT reconcile.capture_baseline('lured', '{app}') $$, 'a superuser records it');
SELECT lives_ok($$ SELECT audit_schema('lured') $$, 'and audits it');
SELECT is_empty('SELECT * FROM app.seen', 'nothing was written by it, whoever asked');
-- Of a row of columns that run nothing, what a superuser made is read by others, too: 15 prints pair.id, which is id when it is read back.
CREATE TABLE app.pair (id integer, name text);
CREATE VIEW app.paired AS SELECT pair.id FROM app.pair WHERE pair = '(1,x)'::app.pair;
CREATE FUNCTION helpers.paired() RETURNS text LANGUAGE sql AS $$ SELECT reconcile.schema_definition('pg_class'::regclass, (SELECT oid FROM pg_class WHERE relname = 'paired')) $$;
GRANT EXECUTE ON FUNCTION helpers.paired() TO PUBLIC;
SELECT helpers.paired() AS printed_pair \gset
SET ROLE trust_group;
SELECT is(helpers.paired(), :'printed_pair'::text, 'a literal of a table''s rows is the same for all');
RESET ROLE;
CREATE OR REPLACE FUNCTION app.spy(integer) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'as %', current_user; END $$;
SELECT is(helpers.lure(), :'printed'::text, 'an error of it is nobody else''s');
-- What outlives the reading is a lock: it says as whom the function ran.
CREATE OR REPLACE FUNCTION app.spy(integer) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_advisory_xact_lock(7, (SELECT oid::integer FROM pg_roles WHERE rolname = current_user));
	RETURN true;
END $$;
CREATE FUNCTION helpers.ran_as() RETURNS name[] LANGUAGE sql AS $$
	SELECT coalesce(array_agg(objid::regrole::name ORDER BY 1), '{}') FROM pg_locks WHERE locktype = 'advisory' AND classid = 7 $$;
GRANT EXECUTE ON FUNCTION helpers.ran_as() TO PUBLIC;
ALTER VIEW app.lure OWNER TO CURRENT_USER;
SET ROLE trust_group;
SELECT is(helpers.lure(), :'printed'::text, 'what a superuser made is printed for others, too');
SELECT is(helpers.ran_as(), '{}', 'but not read back');
RESET ROLE;
ALTER VIEW app.lure OWNER TO trust_low;
SELECT is(helpers.lure(), :'printed'::text, 'a superuser reads back');
SELECT is(helpers.ran_as(), '{trust_low}', 'as the owner of the view');

SELECT * FROM finish();
ROLLBACK;
