-- One schema, recorded on PostgreSQL 15, is the same on every version: what a newer one prints or keeps otherwise is no finding.
--
-- test/schema/baseline_15.json is what these statements export on 15; where they no longer do, the test says so there, and
-- build/baseline_15.json is the new file.
\ir ../support/invariant.sql
SELECT no_plan();
DROP SCHEMA app CASCADE;
\ir ../support/schema_objects.sql
\ir ../schema/teams.sql
\ir ../schema/erp.sql
\ir ../schema/hands.sql
\ir ../schema/viz.sql
\ir ../schema/propertyhub.sql
SET search_path = public;

\set schemas '{app,"we ird.$x",teams,erp,hands,viz,hub}'
SELECT reconcile.capture_baseline('here', :'schemas', '{erp.modules,hub.team_roles}');
-- Rows that are made anew each time have no fixed values: the recorded ones are those of these keys.
SELECT reconcile.baseline_seed('here', 'erp.modules', '{module_key}', '{id,created_at,updated_at}', 'exactly');
-- What is printed otherwise by another server is not the schema: who owns it, and extensions.
CREATE FUNCTION public.neutral(document jsonb, owner text) RETURNS jsonb LANGUAGE sql AS
	$$ SELECT replace((document #- '{objects,extension}')::text, format('"owner": %s', to_jsonb(owner)), '"owner": "postgres"')::jsonb $$;
SELECT jsonb_pretty(public.neutral(reconcile.export_baseline('here'), current_user)) AS exported \gset

\set recorded `cat test/schema/baseline_15.json`
SELECT current_setting('server_version_num')::integer / 10000 = 15 AS same_version \gset
\if :same_version
\! mkdir -p build
\o build/baseline_15.json
\qecho :exported
\o
SELECT ok(:'exported'::jsonb = :'recorded'::jsonb, 'the file is what PostgreSQL 15 exports now');
\endif

SELECT is((:'recorded'::jsonb #>> '{baseline,server}')::integer, 15, 'the file was exported on PostgreSQL 15');
SELECT lives_ok(format('SELECT reconcile.import_baseline(%L, ''recorded'')', replace(:'recorded', '"owner": "postgres"', format('"owner": %s', to_jsonb(current_user::text)))),
	'it can be imported');
SELECT is_empty($$ SELECT severity, category, kind, object, expected, actual FROM audit_schema('recorded') WHERE category <> 'extension' $$,
	'and nothing differs from it here');
SELECT is_empty($$ SELECT severity, category, kind, object, expected, actual FROM reconcile.compare_baselines('recorded', 'here') WHERE category <> 'extension' $$,
	'nor does what is recorded here');

-- It is a baseline that still finds things.
ALTER TABLE hub.team_roles DROP can_view_reports;
DROP INDEX erp.ix_users_email;
UPDATE erp.modules SET display_name = 'x' WHERE module_key = 'hr';
SELECT set_eq($$ SELECT kind || ' ' || object FROM audit_schema('recorded') WHERE category <> 'extension' $$,
	'{missing hub.team_roles.can_view_reports,missing erp.ix_users_email,differs erp.modules (module_key=hr)}'::text[], 'what is changed now is found');

SELECT * FROM finish();
ROLLBACK;
