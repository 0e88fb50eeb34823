-- The baseline that comes with pack team_management: the guide's audit, and its fixes, by audit_schema() and report().
\ir ../support/invariant.sql
SELECT no_plan();
DROP SCHEMA app CASCADE;
SET search_path = public;
SAVEPOINT nothing;

-- ------------------------------------------------- it is what the pack makes

\ir ../schema/team_management.sql
SELECT reconcile.capture_baseline('made', '{public}');
-- pgTAP's objects are members of its extension; the guard comes with the pack, and check_guard() looks after it.
CREATE TEMP TABLE made AS
	SELECT jsonb_build_object('seeds', '{}'::jsonb, 'baseline', d.document -> 'baseline' || '{"mode": "at least"}',
		'objects', (SELECT jsonb_object_agg(c.category, c.objects)
			FROM (SELECT c.key AS category, jsonb_object_agg(o.key, o.value || CASE WHEN o.value ? 'owner' THEN '{"owner": ""}' ELSE '{}' END::jsonb) AS objects
			      FROM jsonb_each(d.document -> 'objects') AS c, jsonb_each(c.value) AS o
			      WHERE c.key NOT IN ('schema', 'extension', 'privilege') AND coalesce(o.value ->> 'definition', '') NOT LIKE '%reconcile%' GROUP BY c.key) AS c)) AS document
	FROM (SELECT reconcile.export_baseline('made')) AS d(document);
SELECT document AS made FROM made \gset
-- Recorded on PostgreSQL 15; what it should be now is in build/team_management_baseline.sql.
SELECT current_setting('server_version_num')::integer / 10000 = 15 AS same_version \gset
\if :same_version
SELECT jsonb_pretty(document) AS pretty FROM made \gset
\! mkdir -p build
\o build/team_management_baseline.sql
\qecho '-- The baseline of pack team_management: the tables of test/schema/team_management.sql, as test/pgtap/pack_baseline.sql exports them on'
\qecho '-- PostgreSQL 15.'
\qecho 'INSERT INTO reconcile.pack_document (pack, baseline) VALUES (\'team_management\', $baseline$'
\qecho :pretty '$baseline$);'
\o
SELECT ok((SELECT baseline FROM reconcile.pack_document WHERE pack = 'team_management') = :'made'::jsonb, 'the baseline is what the pack makes');
\endif
SELECT is((SELECT count(*) FROM jsonb_object_keys(reconcile.pack_baseline('team_management') -> 'objects' -> 'table')), 32::bigint, 'it has all tables of the list');
SELECT is_empty($$ SELECT * FROM reconcile.baseline_problems(reconcile.pack_baseline('team_management')) $$, 'and is a valid document');
SELECT reconcile.import_baseline(reconcile.pack_baseline('team_management'));
SELECT is_empty($$ SELECT severity, category, kind, object, expected, actual FROM audit_schema() $$, 'what the pack made is as it says');
SELECT is((SELECT substring(reconcile.report(sections => '{schema,migrations}') FROM '[^\n]*$')), 'IN SYNC', 'and the report says so');

-- What it does not speak of is the product's own.
CREATE TABLE public.project_vendors (id text PRIMARY KEY);
ALTER TABLE public.customers ADD "companyName" text;
SELECT is_empty($$ SELECT severity, category, kind, object FROM audit_schema() $$, 'other tables and columns are nobody''s business');
SELECT is_empty($$ SELECT * FROM fix_schema(allow => '{privileges,owner}') $$, 'and nothing is to be dropped');

-- ------------------------------------------------- production is out of sync

DROP TABLE public.approval_history, public.storage_transactions;
ALTER TABLE public.users DROP bio;
ALTER TABLE public.team_roles DROP can_view_reports;
DROP TRIGGER update_storage_on_attachment_insert ON public.invoice_attachments;
ALTER TABLE public.team_roles DISABLE TRIGGER update_team_roles_updated_at;
DROP INDEX public."users_customerId_idx";
ALTER TABLE public.team_members DROP CONSTRAINT team_members_role_id_fkey;
CREATE FUNCTION public.lines() RETURNS SETOF text LANGUAGE sql AS $$
	SELECT regexp_replace(btrim(l), '  +', ': ') FROM regexp_split_to_table(reconcile.report(sections => '{schema}'), E'\n') AS l
	WHERE l ~ '^  (tables|columns|constraints|indexes|triggers)  ' OR l ~ '^(IN|OUT OF) SYNC' $$;
SELECT results_eq('SELECT public.lines()', ARRAY['tables: 2 errors', 'columns: 2 errors', 'constraints: 1 error', 'indexes: 1 error', 'triggers: 2 errors',
	'OUT OF SYNC: 8 errors, 0 warnings'], 'each part of the audit has a line, and the last one the verdict');
SELECT set_eq($$ SELECT concat_ws(' ', category, kind, object) FROM audit_schema() $$, ARRAY['table missing public.approval_history',
	'table missing public.storage_transactions', 'column missing public.users.bio', 'column missing public.team_roles.can_view_reports',
	'trigger missing update_storage_on_attachment_insert on public.invoice_attachments', 'trigger disabled update_team_roles_updated_at on public.team_roles',
	'index missing public."users_customerId_idx"', 'constraint missing team_members_role_id_fkey on public.team_members'], 'exactly what was done is found');
SELECT is_empty($$ SELECT * FROM fix_schema(false) WHERE state <> 'done' $$, 'all of it is mended');
SELECT results_eq('SELECT public.lines()', '{tables: OK,columns: OK,constraints: OK,indexes: OK,triggers: OK,IN SYNC}'::text[], 'and everything is in sync');
ROLLBACK TO nothing;

-- ------------------------------------------------- elsewhere, and without some tables

CREATE SCHEMA "My App";
SELECT reconcile.import_baseline(reconcile.pack_baseline('team_management', 'My App', '{admins,project_budgets,subscriptions,vendors}'));
SELECT is((SELECT count(*) FROM audit_schema() WHERE kind = 'missing' AND category = 'table'), 28::bigint, 'in another schema, without tables that the product lacks');
SELECT is_empty($$ SELECT * FROM fix_schema(false) WHERE state <> 'done' $$, 'an empty schema is filled');
SELECT is_empty('SELECT * FROM audit_schema()', 'and then nothing is missing');
SELECT is((SELECT tgfoid::regproc::text FROM pg_trigger WHERE tgname = 'update_team_roles_updated_at'), '"My App".team_management_touch', 'its triggers are its own');
SELECT throws_ok(v.statement, v.code, v.message, v.message) FROM (VALUES
	('SELECT reconcile.pack_baseline(''workspaces'')', '42704', 'there is no baseline of pack "workspaces"'),
	('SELECT reconcile.pack_baseline(NULL)', '22004', 'arguments "pack", "schema" and "without" must not be null'),
	('SELECT reconcile.pack_baseline(''team_management'', without => ''{vendor}'')', '42P01', 'the baseline of pack "team_management" has no table "vendor"'))
	AS v(statement, code, message);

-- What refers to a table that the product lacks goes with it: keys of other tables, functions, and triggers of those.
CREATE SCHEMA "Other";
SELECT reconcile.import_baseline(reconcile.pack_baseline('team_management', 'Other', '{customers}'));
SELECT is_empty($$ SELECT object, state, message FROM fix_schema(false) WHERE state <> 'done' $$, 'an empty schema is filled without a table that others refer to');
SELECT is_empty('SELECT * FROM audit_schema()', 'and then nothing is missing');
SELECT is((SELECT array_agg(proname) FROM pg_proc WHERE pronamespace = '"Other"'::regnamespace), '{team_management_touch}', 'nor does a function read it');
SELECT lives_ok('INSERT INTO "Other".invoice_attachments (id, invoice_id, customer_id, file_path, file_name, file_size) VALUES (''a'', ''i'', ''c'', ''p'', ''n'', 1)',
	'no trigger does');

-- ------------------------------------------------- beside an installation of the pack with options

-- as_installed yields what is found of a new baseline, and what the installation says when all of that was mended.
CREATE FUNCTION pg_temp.as_installed(options jsonb, schema text DEFAULT 'public') RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM reconcile.install_pack('team_management', options || jsonb_build_object('schema', schema));
	PERFORM reconcile.import_baseline(reconcile.pack_baseline('team_management', schema));
	RETURN QUERY SELECT concat_ws(' ', category, kind, object, expected) FROM audit_schema() WHERE kind <> 'missing' OR category IN ('trigger', 'function');
	PERFORM FROM fix_schema(false);
	RETURN QUERY SELECT concat_ws(' ', action, object, detail) FROM reconcile.install_pack('team_management', options || jsonb_build_object('schema', schema))
		WHERE action NOT LIKE 'keep%';
	RETURN QUERY SELECT concat_ws(' ', category, kind, object, expected) FROM audit_schema();
END $$;
SELECT is_empty(format('SELECT * FROM pg_temp.as_installed(%L, %L)', options, schema), format('nothing is found beside %s in %s', options, schema))
FROM (VALUES ('{"storage_category": "invoice_attachments"}', 'public'), ('{"guards": "none"}', 'public'), ('{}', 'My App')) AS v(options, schema);
SELECT count(*) AS made FROM reconcile.install_pack('team_management', '{"storage_category": "invoice_attachments"}') \gset
SELECT reconcile.import_baseline(reconcile.pack_baseline('team_management'));
ALTER TABLE public.team_roles DISABLE TRIGGER update_team_roles_updated_at;
DROP TRIGGER update_storage_on_attachment_insert ON public.invoice_attachments;
SELECT set_eq('SELECT category || '' '' || kind FROM audit_schema()', ARRAY['trigger disabled', 'trigger missing'], 'its triggers are looked after still');
SELECT is_empty($$ SELECT object, message FROM fix_schema(false) WHERE state <> 'done' $$, 'and made again');
SELECT is_empty($$ SELECT action, object, detail FROM reconcile.install_pack('team_management', '{"storage_category": "invoice_attachments"}') WHERE action NOT LIKE 'keep%' $$,
	'as the pack''s');

-- ------------------------------------------------- the product as its scripts left it

ROLLBACK TO nothing;
\ir ../../examples/team_management/postgresql.sql
SELECT reconcile.import_baseline(reconcile.pack_baseline('team_management'));
SELECT is((SELECT array_agg(category || ' ' || n ORDER BY category) FROM (SELECT category, count(*) AS n FROM audit_schema() WHERE kind = 'missing' GROUP BY 1) AS c),
	'{"column 21","function 4","index 10","table 22","trigger 8"}', 'what is missing');
SELECT set_eq($$ SELECT concat_ws(' ', severity, category, kind, object, expected) FROM audit_schema() WHERE kind <> 'missing' $$, ARRAY[
	'error column differs public.customers.id default (gen_random_uuid())::text', 'error column differs public.users.id default (gen_random_uuid())::text',
	'error column differs public.storage_usage.id default (gen_random_uuid())::text',
	'error constraint differs team_members_user_id_fkey on public.team_members definition FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE SET NULL'],
	'what differs is what the installation of the pack says, too');
SELECT set_eq($$ SELECT object || ': ' || message FROM fix_schema(false) WHERE state <> 'done' $$, ARRAY[
	'public.notification_templates_customer_id_name_type_idx: keys (customer_id, name, type) that are there more than once: 5, for example (null, delegation_assigned, email)',
	'public.team_roles_customer_id_name_idx: keys (customer_id, name) that are there more than once: 1, for example (null, Owner)'],
	'all is mended but what duplicates are in the way of');
SELECT is((SELECT count(*) FROM audit_schema()), 2::bigint, 'and that is all that is left');
SELECT FROM reconcile.install_pack('team_management');
SELECT FROM init_team_management();
SELECT is((SELECT array_agg(l) FROM regexp_split_to_table(reconcile.report(), E'\n') AS l WHERE l ~ '^  (tables|columns|triggers|indexes|team_management_(roles|templates)) ' OR l ~ 'SYNC'),
	ARRAY['  tables                OK', '  columns               OK', '  indexes               2 errors', '  triggers              OK',
	'  team_management_roles  3 errors', '  team_management_templates  6 errors', 'OUT OF SYNC: 18 errors, 1 warning'], 'the report has the rows beside the schema');

SELECT * FROM finish();
ROLLBACK;
