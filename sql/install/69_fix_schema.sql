-- fix_schema() and fix_schema_online(): the fixes of an audit, in an order in which they work.
--
-- A plan is made anew from the findings each time, so a second run has nothing
-- to do and one that was interrupted goes on with what is left.

-- ------------------------------------------------------------------ what data says

-- Identifiers as they stand in definitions, and lists of them.
CREATE FUNCTION reconcile.identifier_pattern() RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	BEGIN ATOMIC
		SELECT '(?:"(?:[^"]|"")+"|[a-z_][a-z0-9_$]*)'::text;
	END;
COMMENT ON FUNCTION reconcile.identifier_pattern() IS 'used by fix_schema(): a regular expression for an identifier in SQL';

-- A definition says which rows would break it: as a query that counts them,
-- with the table for %1$s.  Keys of expressions are left to the build itself.
CREATE FUNCTION reconcile.breaking_rows(definition text)
	RETURNS TABLE (query text, what text)
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH pattern AS (
		SELECT reconcile.identifier_pattern() AS name,
		       format('(%s(?:, %1$s)*)', reconcile.identifier_pattern()) AS names
	)
	SELECT format('SELECT count(*), min(k) FROM (SELECT format(''(%%%%s)'', concat_ws('', '', %s)) AS k FROM %%1$s WHERE %s%s'
	              ' GROUP BY %1$s HAVING count(*) > 1) d', replace(m[2], '%', '%%'),
	              CASE WHEN m[1] IS NULL THEN format('num_nulls(%s) = 0', replace(m[2], '%', '%%')) ELSE 'true' END,
	              coalesce(replace(m[3], '%', '%%'), '')),
	       format('keys (%s) that are there more than once', m[2])
	FROM pattern, regexp_match(definition, format('^(?:UNIQUE|PRIMARY KEY)( NULLS NOT DISTINCT)? \(%s\)()', pattern.names)) AS m
	WHERE m IS NOT NULL
	UNION ALL
	SELECT format('SELECT count(*), min(k) FROM (SELECT format(''(%%%%s)'', concat_ws('', '', %s)) AS k FROM %%1$s WHERE %s%s'
	              ' GROUP BY %1$s HAVING count(*) > 1) d', replace(m[1], '%', '%%'),
	              CASE WHEN m[3] IS NULL THEN format('num_nulls(%s) = 0', replace(m[1], '%', '%%')) ELSE 'true' END,
	              coalesce(' AND (' || replace(m[4], '%', '%%') || ')', '')),
	       format('keys (%s) that are there more than once', m[1])
	FROM pattern, regexp_match(definition,
		format('^CREATE UNIQUE INDEX .* USING btree \(%s\)(?: INCLUDE \(%1$s\))?( NULLS NOT DISTINCT)?(?: WITH \(.*\))?(?: WHERE (.*))?$', pattern.names)) AS m
	WHERE m IS NOT NULL
	UNION ALL
	SELECT format('SELECT count(*), NULL::text FROM %%1$s WHERE NOT (%s)', replace(m[1], '%', '%%')), 'rows that violate it'
	FROM regexp_match(definition, '^CHECK (\(.*\))(?: NO INHERIT)?(?: NOT VALID)?$') AS m
	WHERE m IS NOT NULL
	UNION ALL
	SELECT format('SELECT count(*), min(format(''(%%%%s)'', concat_ws('', '', %s))) FROM %%1$s c WHERE num_nulls(%1$s) = 0'
	              ' AND NOT EXISTS (SELECT FROM %s p WHERE (%s) = (%s))', replace(m[1], '%', '%%'), replace(m[2], '%', '%%'),
	              (SELECT string_agg('p.' || p[1], ', ' ORDER BY n) FROM regexp_matches(replace(m[3], '%', '%%'), pattern.name, 'g') WITH ORDINALITY AS p(p, n)),
	              (SELECT string_agg('c.' || c[1], ', ' ORDER BY n) FROM regexp_matches(replace(m[1], '%', '%%'), pattern.name, 'g') WITH ORDINALITY AS c(c, n))),
	       'rows that refer to no row'
	FROM pattern, regexp_match(definition,
		format('^FOREIGN KEY \(%s\) REFERENCES (%s(?:\.%2$s)?)\(%1$s\)', pattern.names, pattern.name)) AS m
	WHERE m IS NOT NULL;
END;
COMMENT ON FUNCTION reconcile.breaking_rows(text) IS
	'used by fix_schema(): queries that count the rows that would break a constraint or index';

-- to_regclass() fails where the caller may not use the schema.
CREATE FUNCTION reconcile.relation_named(qualified text) RETURNS regclass
	LANGUAGE sql STABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT c.oid::regclass FROM parse_ident(qualified) AS p(part)
	JOIN pg_namespace n ON n.nspname = p.part[1]
	JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = p.part[2];
END;
COMMENT ON FUNCTION reconcile.relation_named(text) IS 'used by fix_schema(): a relation by its qualified name, NULL when there is none';

CREATE FUNCTION reconcile.data_problem(category text, object text, fix text, definition text) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	part    text[];
	target  text;
	id      text;
	checked record;
	found   bigint;
	example text;
BEGIN
	IF fix !~ '(SET NOT NULL|VALIDATE CONSTRAINT|ADD CONSTRAINT|CREATE UNIQUE INDEX|REINDEX INDEX|PRIMARY KEY USING INDEX)' THEN
		RETURN NULL;
	END IF;
	IF category = 'column' THEN
		part := parse_ident(object);
		target := format('%I.%I', part[1], part[2]);
	ELSE
		target := substring(fix FROM format('(?:ALTER TABLE (?:ONLY )?| ON (?:ONLY )?)(%s\.%1$s)', reconcile.identifier_pattern()));
		IF target IS NULL THEN  -- an index by its name
			SELECT r.sql INTO target FROM reconcile.checked_relation r JOIN pg_index i ON i.indrelid = r.oid
			CROSS JOIN LATERAL pg_identify_object('pg_class'::regclass, i.indexrelid, 0) AS x WHERE x.identity = object AND r.schema = (parse_ident(object))[1];
		END IF;
	END IF;
	IF NOT EXISTS (SELECT FROM reconcile.checked_relation r WHERE r.sql = target AND has_schema_privilege(r.schema, 'USAGE')
	               AND has_table_privilege(r.oid, 'SELECT') AND NOT row_security_active(r.oid)) THEN
		RETURN NULL;  -- without the table there are no rows; what cannot be read, the statement itself will tell
	END IF;

	FOR checked IN
		SELECT format('SELECT count(*), NULL::text FROM %%1$s WHERE %s IS NULL', replace(quote_ident(part[3]), '%', '%%')) AS query,
		       format('rows with NULL in %I', part[3]) AS what
		WHERE category = 'column' AND fix LIKE '%SET NOT NULL%'
		UNION ALL
		SELECT r.query, r.what FROM reconcile.breaking_rows(definition) r WHERE category IN ('constraint', 'index')
	LOOP
		BEGIN
			EXECUTE format(checked.query, target) INTO found, example;
		EXCEPTION WHEN syntax_error_or_access_rule_violation OR undefined_column OR undefined_table OR undefined_function
			OR undefined_object OR datatype_mismatch THEN
			CONTINUE;  -- it names what the same plan makes
		END;
		IF found > 0 AND category = 'column' THEN
			-- What mends the rows is an invariant of the user's, who knows the value.
			SELECT string_agg(quote_ident(a.attname), ',' ORDER BY a.attnum) INTO id
			FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey::smallint[])
			WHERE i.indrelid = reconcile.relation_named(target) AND i.indisprimary;
			RETURN format('%2$s: %1$s; find them by SELECT reconcile.create_invariant(%3$L, NULL, %4$L, %5$L, kind => ''check'');', found, checked.what,
				object || ' is not null', format('{%s}', coalesce(id, quote_ident(part[3]))),
				format('SELECT %s FROM %s WHERE %I IS NULL', replace(coalesce(id, quote_ident(part[3])), ',', ', '), target, part[3]));
		ELSIF found > 0 THEN
			RETURN format('%s: %s%s', checked.what, found, ', for example ' || example);
		END IF;
	END LOOP;
	RETURN NULL;
END $$;
COMMENT ON FUNCTION reconcile.data_problem(text, text, text, text) IS
	'used by fix_schema(): why the rows of a table do not allow a fix, NULL when they do';

-- A cast to a smaller type cuts, rounds or forgets without an error.  What a
-- value is afterwards is cast back, and compared as JSON, where 1.50 is 1.5.
CREATE FUNCTION reconcile.conversion_problem(object text, fix text, allow text[]) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	part    CONSTANT text[] := parse_ident(object);
	target  CONSTANT text := format('%I.%I', part[1], part[2]);
	allowed CONSTANT text := format('not done unless allowed: allow => ARRAY[%L]', 'rows:' || target);
	wanted  CONSTANT text := rtrim(split_part(fix, format(' USING %I::', part[3]), 2), ';');
	held    text;
	found   bigint;
	example text;
BEGIN
	SELECT format_type(a.atttypid, a.atttypmod) INTO held FROM pg_attribute a
	WHERE a.attrelid = reconcile.relation_named(target) AND a.attname = part[3];
	IF held IS NULL OR 'rows:' || target = ANY (allow) THEN
		RETURN NULL;
	END IF;
	IF NOT EXISTS (SELECT FROM reconcile.checked_relation r WHERE r.sql = target AND has_schema_privilege(r.schema, 'USAGE')
	               AND has_table_privilege(r.oid, 'SELECT') AND NOT row_security_active(r.oid)) THEN
		RETURN format('whether values would change cannot be told: the current role cannot see all rows; %s', allowed);
	END IF;
	EXECUTE format('SELECT count(*), min(t.%1$I::text) FROM %2$s t WHERE to_jsonb((t.%1$I::%3$s)::%4$s) IS DISTINCT FROM to_jsonb(t.%1$I)',
		part[3], target, wanted, held) INTO found, example;
	RETURN CASE WHEN found > 0 THEN format('rows whose %I would change: %s, for example %s; %s', part[3], found, example, allowed) END;
EXCEPTION
	WHEN undefined_object THEN
		RETURN NULL;  -- a type that the same plan makes
	WHEN cannot_coerce THEN
		RETURN format('whether values would change cannot be told: %s; %s', SQLERRM, allowed);
	WHEN data_exception OR integrity_constraint_violation THEN
		RETURN format('a value of %I cannot be converted: %s', part[3], SQLERRM);
END $$;
COMMENT ON FUNCTION reconcile.conversion_problem(text, text, text[]) IS
	'used by fix_schema(): why the values of a column do not allow to change its type, NULL when they do';

-- ------------------------------------------------------------------ the plan

CREATE FUNCTION reconcile.check_allow(allow text[]) RETURNS void
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	word text;
BEGIN
	IF allow IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'argument "allow" must not be null';
	END IF;
	FOREACH word IN ARRAY allow LOOP
		IF word IS NULL OR (word NOT IN ('privileges', 'owner', 'hints') AND word !~ '^(drop|rows):.') THEN
			RAISE invalid_parameter_value USING
				MESSAGE = format('invalid value in argument "allow": "%s"', word),
				HINT = 'Valid values are "drop:<object>", "rows:<table>", "privileges", "owner", "hints".';
		END IF;
	END LOOP;
END $$;
COMMENT ON FUNCTION reconcile.check_allow(text[]) IS 'used by fix_schema(): raises 22023 for a word that allow does not know';

-- What a baseline says becomes statements that run as the caller: nobody gets
-- there what somebody wrote who could not have run it himself.
CREATE FUNCTION reconcile.require_trusted_baseline(baseline text) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	recorder text;
BEGIN
	SELECT b.captured_by INTO recorder FROM reconcile.baselines b
	WHERE b.name = coalesce(baseline, 'default') AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = b.captured_by AND pg_has_role(r.oid, current_user, 'MEMBER'));
	IF FOUND THEN
		RAISE insufficient_privilege USING MESSAGE = format('permission denied for baseline "%s"', coalesce(baseline, 'default')),
			DETAIL = format('It was recorded by role "%s", who may not act as role "%s".', recorder, current_user),
			HINT = format('Review reconcile.baseline_text(%1$L), then make it yours: SELECT reconcile.import_baseline(reconcile.export_baseline(%1$L), ''<name>'');',
			              coalesce(baseline, 'default'));
	END IF;
END $$;
COMMENT ON FUNCTION reconcile.require_trusted_baseline(text) IS
	'used by fix_schema(): fails unless whoever recorded a baseline could run its statements himself';

-- Findings that have a fix, in an order in which the fixes work: what something
-- requires comes before it, and kinds of objects come in the order in which they
-- usually need each other.  What is dropped comes last, in the reverse order.
-- What the run itself created gets the privileges and the owner of the baseline.
CREATE FUNCTION reconcile.schema_plan(baseline text, allow text[], created text[] DEFAULT '{}')
	RETURNS TABLE (step bigint, object text, kind text, statement text, hazard text, refused text)
	LANGUAGE sql STABLE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET jit = off
BEGIN ATOMIC
	WITH RECURSIVE every AS MATERIALIZED (
		-- What is broken is found by comparing and by itself: once is enough, and to rebuild is better than to make anew.
		SELECT DISTINCT ON (f.category, f.object, f.part_of, CASE WHEN f.kind IN ('invalid', 'disabled') THEN f.kind ELSE f.attribute END, f.kind, f.fix
		                    IS NULL, CASE WHEN f.kind NOT IN ('invalid', 'disabled') THEN f.reason END) f.*
		FROM reconcile.schema_findings(schema_plan.baseline, NULL) f
		ORDER BY f.category, f.object, f.part_of, CASE WHEN f.kind IN ('invalid', 'disabled') THEN f.kind ELSE f.attribute END, f.kind, f.fix IS NULL,
		         CASE WHEN f.kind NOT IN ('invalid', 'disabled') THEN f.reason END, f.fix NOT LIKE 'REINDEX %'
	), new AS MATERIALIZED (
		SELECT unnest(created) AS object UNION SELECT e.object FROM every e WHERE e.kind = 'missing' AND e.needs IS NULL
	), finding AS MATERIALIZED (
		SELECT row_number() OVER () AS n, f.*,
		       f.fix IS NOT NULL AND f.fix ~ '^(DROP|ALTER TABLE [^;]* DROP) ' AND f.fix !~ '\nCREATE ' AND f.kind IN ('extra', 'hint', 'invalid') AS drops,
		       -- what an interrupted SET NOT NULL of ours leaves
		       f.category = 'constraint' AND f.kind = 'extra' AND f.object LIKE 'reconcile\_not\_null\_%' AS helper,
		       f.part_of IS NOT NULL OR f.needs IN ('privileges', 'owner') AND EXISTS (
		           SELECT FROM new c WHERE f.object = c.object OR right(f.object, length(c.object) + 4) = ' on ' || c.object
		              OR position(' on ' || c.object || '.' IN f.object) > 0 OR position(' in schema ' || c.object || ' on ' IN f.object) > 0) AS new,
		       array_position('{schema,extension,type,sequence,table,column,function,constraint,index,view,rule,trigger,policy,statistics,seed row,owner,privilege,migration}',
		                      f.category)
		       + CASE WHEN f.category = 'constraint' AND f.expected_object ->> 'definition' LIKE 'FOREIGN KEY%' THEN 1.5 ELSE 0 END AS rank
		FROM every f
		-- A part without a fix of its own comes with its whole.
		WHERE f.fix IS NOT NULL OR (f.part_of IS NULL AND f.severity <> 'notice' AND f.category <> 'migration')
	), edge AS MATERIALIZED (
		SELECT b.n AS before, a.n AS after
		FROM finding a
		CROSS JOIN LATERAL (SELECT a.part_of AS object WHERE a.part_of IS NOT NULL UNION SELECT unnest(a.requires)) AS need
		JOIN finding b ON b.object = need.object AND b.n <> a.n AND b.kind <> 'extra'
	), reached(n, depth, rank) AS (
		SELECT f.n, 0, f.rank FROM finding f
		UNION
		SELECT e.after, r.depth + 1, greatest(r.rank, f.rank)
		FROM reached r JOIN edge e ON e.before = r.n JOIN finding f ON f.n = e.after
		WHERE r.depth < 30
	), place AS (
		SELECT r.n, max(r.depth) AS depth, max(r.rank) AS rank FROM reached r GROUP BY r.n
	)
	SELECT row_number() OVER (ORDER BY f.drops, CASE WHEN f.drops THEN -p.rank ELSE p.rank END, p.depth, f.rank, f.object, f.attribute),
	       f.object, f.kind, f.fix, coalesce(f.hazard, ''),
	       CASE WHEN f.fix IS NULL THEN 'no statement mends this: ' || f.reason
	            WHEN f.helper OR f.new THEN NULL
	            WHEN f.needs IS NOT NULL AND f.needs <> ALL (allow)
	            THEN format('not done unless allowed: allow => ARRAY[%L]', f.needs)
	            WHEN f.needs IS NULL AND f.kind = 'hint' AND 'hints' <> ALL (allow)
	            THEN 'a hint, which is for you to judge: allow => ARRAY[''hints'']'
	            WHEN f.category = 'column' AND f.attribute = 'type' AND f.kind = 'differs' THEN reconcile.conversion_problem(f.object, f.fix, allow)
	            ELSE reconcile.data_problem(f.category, f.object, f.fix,
	                     CASE WHEN f.expected_object -> 'unique' = 'true' THEN 'CREATE UNIQUE INDEX i ' ELSE '' END || (f.expected_object ->> 'definition')) END
	FROM finding f JOIN place p ON p.n = f.n
	ORDER BY 1;
END;
COMMENT ON FUNCTION reconcile.schema_plan(text, text[], text[]) IS
	'used by fix_schema(): the fixes of an audit in the order in which they are done, and why some are not';

CREATE FUNCTION @extschema@.fix_schema(dry_run boolean DEFAULT true, baseline text DEFAULT NULL, allow text[] DEFAULT '{}')
	RETURNS TABLE (step integer, state text, object text, statement text, hazard text, message text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET check_function_bodies = off
	SET jit = off
AS $$
DECLARE
	most_rounds CONSTANT integer := 5;  -- of planning: what one round mends may show what the next one has to
	steps    record;
	done     text[] := '{}';  -- statements
	created  text[] := '{}';  -- objects
	failures jsonb;
	reason   text;
	detail   text;
	progress boolean;
BEGIN
	IF dry_run IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'argument "dry_run" must not be null';
	END IF;
	PERFORM reconcile.check_allow(allow);
	PERFORM reconcile.require_trusted_baseline(baseline);
	IF NOT dry_run AND current_setting('transaction_read_only')::boolean THEN
		RAISE read_only_sql_transaction USING MESSAGE = 'cannot fix the schema in a read-only transaction';
	END IF;
	step := 0;

	IF dry_run THEN
		FOR steps IN SELECT * FROM reconcile.schema_plan(baseline, allow) LOOP
			step := step + 1;
			state := CASE WHEN steps.refused IS NULL THEN 'planned' ELSE 'refused' END;
			object := steps.object; statement := steps.statement; hazard := steps.hazard; message := steps.refused;
			RETURN NEXT;
		END LOOP;
		RETURN;
	END IF;

	-- One run at a time: the second one then finds nothing to do.
	PERFORM pg_advisory_xact_lock(hashtextextended('pg_reconcile fix_schema', 0));
	FOR round IN 1..most_rounds LOOP
		progress := false;
		failures := '{}';
		FOR steps IN SELECT * FROM reconcile.schema_plan(baseline, allow, created) LOOP
			object := steps.object; statement := steps.statement; hazard := steps.hazard; message := steps.refused;
			IF steps.refused IS NOT NULL THEN
				failures := failures || jsonb_build_object(coalesce(statement, object),
					jsonb_build_object('state', 'refused', 'object', object, 'statement', statement, 'hazard', hazard, 'message', message));
				CONTINUE;
			END IF;
			IF statement = ANY (done) THEN
				failures := failures || jsonb_build_object(statement, jsonb_build_object('state', 'failed', 'object', object,
					'statement', statement, 'hazard', hazard, 'message', 'it ran, yet the finding is still there'));
				CONTINUE;
			END IF;
			BEGIN
				EXECUTE statement;
				step := step + 1;
				state := 'done';
				done := done || statement;
				created := created || CASE WHEN steps.kind = 'missing' OR statement ~ '\nCREATE ' THEN object END;
				progress := true;
				RETURN NEXT;
			EXCEPTION WHEN OTHERS THEN
				IF SQLSTATE ~ '^(40|53|57|58|XX)' THEN
					RAISE;  -- concerns more than this step
				END IF;
				GET STACKED DIAGNOSTICS reason = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
				failures := failures || jsonb_build_object(statement, jsonb_build_object('object', object, 'statement', statement, 'hazard', hazard,
					'state', CASE WHEN SQLSTATE ~ '^23' THEN 'refused' ELSE 'failed' END,
					'message', format('%s (SQLSTATE %s)', concat_ws('; ', reason, nullif(detail, '')), SQLSTATE)
						|| CASE WHEN SQLSTATE = '55P04' THEN '; after COMMIT, call fix_schema() again' ELSE '' END));
			END;
		END LOOP;
		-- What failed may work once the rest is there; without progress it never will.
		EXIT WHEN NOT progress;
	END LOOP;

	FOR steps IN SELECT * FROM jsonb_to_recordset((SELECT jsonb_agg(value) FROM jsonb_each(failures)))
		AS f(object text, statement text, hazard text, state text, message text) ORDER BY f.object, f.statement
	LOOP
		step := step + 1;
		state := steps.state; object := steps.object; statement := steps.statement; hazard := steps.hazard; message := steps.message;
		RETURN NEXT;
	END LOOP;
END $$;
REVOKE ALL ON FUNCTION @extschema@.fix_schema(boolean, text, text[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.fix_schema(boolean, text, text[]) IS
	'runs the fixes of audit_schema() in the order of their dependencies; changes the schema, and rows where a seed row is missing';

-- ------------------------------------------------------------------ online

CREATE TABLE reconcile.schema_run (
	run_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	baseline    text,
	run_by      text NOT NULL,
	started_at  timestamptz NOT NULL DEFAULT now(),
	finished_at timestamptz
);
COMMENT ON TABLE reconcile.schema_run IS 'ledger: one row per fix_schema_online(); read view reconcile.schema_runs';
COMMENT ON COLUMN reconcile.schema_run.run_id IS 'number of the run';
COMMENT ON COLUMN reconcile.schema_run.baseline IS 'the baseline, NULL for the default';
COMMENT ON COLUMN reconcile.schema_run.run_by IS 'the role that runs it';
COMMENT ON COLUMN reconcile.schema_run.started_at IS 'when it began';
COMMENT ON COLUMN reconcile.schema_run.finished_at IS 'when it ended, NULL while it is running or when it was interrupted';

CREATE TABLE reconcile.schema_step (
	run_id      bigint NOT NULL REFERENCES reconcile.schema_run ON DELETE CASCADE,
	step        integer NOT NULL,
	fix         integer NOT NULL,
	object      text NOT NULL,
	statement   text,
	cleanup     text,
	hazard      text NOT NULL,
	state       text NOT NULL CHECK (state IN ('planned', 'running', 'done', 'refused', 'failed')),
	sqlstate    text,
	message     text,
	attempts    integer NOT NULL DEFAULT 0,
	pid         integer,
	started_at  timestamptz,
	finished_at timestamptz,
	PRIMARY KEY (run_id, step)
);
COMMENT ON TABLE reconcile.schema_step IS 'ledger: the steps of fix_schema_online(); read view reconcile.schema_steps';
COMMENT ON COLUMN reconcile.schema_step.run_id IS 'the run';
COMMENT ON COLUMN reconcile.schema_step.step IS 'position in the run, from 1';
COMMENT ON COLUMN reconcile.schema_step.fix IS 'the same number for steps that mend one finding together';
COMMENT ON COLUMN reconcile.schema_step.object IS 'what the step mends';
COMMENT ON COLUMN reconcile.schema_step.statement IS 'what is run';
COMMENT ON COLUMN reconcile.schema_step.cleanup IS 'what is run when that fails, so that nothing half-done is left';
COMMENT ON COLUMN reconcile.schema_step.hazard IS 'what it does to others';
COMMENT ON COLUMN reconcile.schema_step.state IS 'planned, running, done, refused or failed';
COMMENT ON COLUMN reconcile.schema_step.sqlstate IS 'SQLSTATE of the last failure';
COMMENT ON COLUMN reconcile.schema_step.message IS 'why it was refused or failed';
COMMENT ON COLUMN reconcile.schema_step.attempts IS 'how often it was tried: a lock that is taken is asked for again';
COMMENT ON COLUMN reconcile.schema_step.pid IS 'the background worker that runs it, or ran it last';
COMMENT ON COLUMN reconcile.schema_step.started_at IS 'when it was tried last';
COMMENT ON COLUMN reconcile.schema_step.finished_at IS 'when it ended';

SELECT pg_catalog.pg_extension_config_dump('reconcile.schema_run', '');
SELECT pg_catalog.pg_extension_config_dump('reconcile.schema_run_run_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('reconcile.schema_step', '');

CREATE VIEW reconcile.schema_runs AS
	SELECT r.run_id, r.baseline, r.run_by, r.started_at, r.finished_at,
	       count(*) FILTER (WHERE s.state IN ('planned', 'running')) AS left_to_do, count(*) FILTER (WHERE s.state = 'done') AS done,
	       count(*) FILTER (WHERE s.state = 'refused') AS refused, count(*) FILTER (WHERE s.state = 'failed') AS failed
	FROM reconcile.schema_run r LEFT JOIN reconcile.schema_step s ON s.run_id = r.run_id
	GROUP BY r.run_id;
COMMENT ON VIEW reconcile.schema_runs IS 'runs of fix_schema_online(), with the numbers of their steps';
COMMENT ON COLUMN reconcile.schema_runs.run_id IS 'number of the run';
COMMENT ON COLUMN reconcile.schema_runs.baseline IS 'the baseline, NULL for the default';
COMMENT ON COLUMN reconcile.schema_runs.run_by IS 'the role that runs it';
COMMENT ON COLUMN reconcile.schema_runs.started_at IS 'when it began';
COMMENT ON COLUMN reconcile.schema_runs.finished_at IS 'when it ended, NULL while it is running or when it was interrupted';
COMMENT ON COLUMN reconcile.schema_runs.left_to_do IS 'steps that are planned or running';
COMMENT ON COLUMN reconcile.schema_runs.done IS 'steps that are done';
COMMENT ON COLUMN reconcile.schema_runs.refused IS 'steps that were not tried';
COMMENT ON COLUMN reconcile.schema_runs.failed IS 'steps that failed';

CREATE VIEW reconcile.schema_steps AS
	SELECT s.run_id, s.step, s.object, s.statement, s.hazard, s.state, s.sqlstate, s.message, s.attempts, s.pid, s.started_at, s.finished_at
	FROM reconcile.schema_step s;
COMMENT ON VIEW reconcile.schema_steps IS 'the steps of fix_schema_online(), to be watched from another connection';
COMMENT ON COLUMN reconcile.schema_steps.run_id IS 'the run';
COMMENT ON COLUMN reconcile.schema_steps.step IS 'position in the run, from 1';
COMMENT ON COLUMN reconcile.schema_steps.object IS 'what the step mends';
COMMENT ON COLUMN reconcile.schema_steps.statement IS 'what is run';
COMMENT ON COLUMN reconcile.schema_steps.hazard IS 'what it does to others';
COMMENT ON COLUMN reconcile.schema_steps.state IS 'planned, running, done, refused or failed';
COMMENT ON COLUMN reconcile.schema_steps.sqlstate IS 'SQLSTATE of the last failure';
COMMENT ON COLUMN reconcile.schema_steps.message IS 'why it was refused or failed';
COMMENT ON COLUMN reconcile.schema_steps.attempts IS 'how often it was tried: a lock that is taken is asked for again';
COMMENT ON COLUMN reconcile.schema_steps.pid IS 'the background worker that runs it, or ran it last';
COMMENT ON COLUMN reconcile.schema_steps.started_at IS 'when it was tried last';
COMMENT ON COLUMN reconcile.schema_steps.finished_at IS 'when it ended';

CREATE FUNCTION reconcile.statements_of(script text) RETURNS text[]
	LANGUAGE c IMMUTABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'reconcile_statements_of';
COMMENT ON FUNCTION reconcile.statements_of(text) IS 'used by fix_schema_online(): the statements of a script, cut where the parser cuts';

CREATE FUNCTION reconcile.start_step(run_id bigint, step integer, lock_timeout integer) RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'reconcile_start_step';
REVOKE ALL ON FUNCTION reconcile.start_step(bigint, integer, integer) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.start_step(bigint, integer, integer) IS
	'used by fix_schema_online(): starts a background worker that runs a step as the caller; changes the schema';

CREATE FUNCTION reconcile.await_step(milliseconds integer) RETURNS boolean
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'reconcile_await_step';
REVOKE ALL ON FUNCTION reconcile.await_step(integer) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.await_step(integer) IS
	'used by fix_schema_online(): waits for the worker of this session, true when it has ended';

-- An index of a partitioned table without a long lock: an empty one, one for
-- each partition, and then they are attached.
CREATE FUNCTION reconcile.partitioned_index_steps(parent regclass, parent_index text, made text, rest text, top boolean DEFAULT true)
	RETURNS TABLE (statement text, cleanup text)
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	namespace text;
	part      record;
	name      text;
BEGIN
	SELECT quote_ident(n.nspname) INTO namespace FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = parent;
	statement := format('%s %s ON ONLY %s %s', made, parent_index, parent, rest);
	cleanup := CASE WHEN top THEN format('DROP INDEX IF EXISTS %s.%s', namespace, parent_index) END;
	RETURN NEXT;
	FOR part IN
		SELECT c.oid::regclass AS relation, c.relkind, c.relname, quote_ident(n.nspname) AS namespace
		FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE i.inhparent = parent AND c.relkind IN ('r', 'p') ORDER BY c.oid
	LOOP
		name := quote_ident(left(part.relname, 40) || '_' || substr(md5(part.relation || parent_index), 1, 8) || '_idx');
		IF part.relkind = 'p' THEN
			RETURN QUERY SELECT s.statement, s.cleanup FROM reconcile.partitioned_index_steps(part.relation, name, made, rest, false) s;
		ELSE
			statement := format('%s CONCURRENTLY %s ON %s %s', made, name, part.relation, rest);
			cleanup := format('DROP INDEX IF EXISTS %s.%s', part.namespace, name);
			RETURN NEXT;
		END IF;
		statement := format('ALTER INDEX %s.%s ATTACH PARTITION %s.%s', namespace, parent_index, part.namespace, name);
		cleanup := NULL;
		RETURN NEXT;
	END LOOP;
END $$;
COMMENT ON FUNCTION reconcile.partitioned_index_steps(regclass, text, text, text, boolean) IS
	'used by fix_schema_online(): builds an index on a partitioned table partition by partition';

-- A column becomes NOT NULL without reading its table under an exclusive lock
-- when a valid CHECK constraint already says so.
CREATE FUNCTION reconcile.not_null_steps(relation text, column_name text) RETURNS TABLE (statement text, cleanup text)
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT s.statement, s.cleanup
	FROM (SELECT quote_ident('reconcile_not_null_' || substr(md5(column_name), 1, 8)) AS name) h
	CROSS JOIN LATERAL (VALUES
		(format('ALTER TABLE %1$s DROP CONSTRAINT IF EXISTS %2$s; ALTER TABLE %1$s ADD CONSTRAINT %2$s CHECK (%3$s IS NOT NULL) NOT VALID',
			relation, h.name, column_name), NULL),
		(format('ALTER TABLE %s VALIDATE CONSTRAINT %s', relation, h.name), format('ALTER TABLE %s DROP CONSTRAINT IF EXISTS %s', relation, h.name)),
		(format('ALTER TABLE %1$s ALTER COLUMN %2$s SET NOT NULL; ALTER TABLE %1$s DROP CONSTRAINT %3$s', relation, column_name, h.name),
			format('ALTER TABLE %s DROP CONSTRAINT IF EXISTS %s', relation, h.name))) AS s(statement, cleanup);
END;
COMMENT ON FUNCTION reconcile.not_null_steps(text, text) IS 'used by fix_schema_online(): declares a column NOT NULL by a validated CHECK constraint';

-- The same fix as steps that hold no lock for long.  Tables that are not there
-- yet are made in the same run and have no rows; for them the fix stays as it is.
CREATE FUNCTION reconcile.online_steps(fix text) RETURNS TABLE (statement text, cleanup text)
	LANGUAGE plpgsql STABLE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	name      CONSTANT text := reconcile.identifier_pattern();
	qualified CONSTANT text := format('%s\.%1$s', name);
	names     CONSTANT text := format('%s(?:, %1$s)*', name);
	whole     text;
	part      text[];
	kind      "char";
BEGIN
	FOREACH whole IN ARRAY reconcile.statements_of(fix) LOOP
		cleanup := NULL;

		part := regexp_match(whole, format('^(CREATE (?:UNIQUE )?INDEX) (%s )?ON (%s) (.*)$', name, qualified));
		SELECT c.relkind INTO kind FROM pg_class c WHERE c.oid = reconcile.relation_named(part[3]);
		IF kind = 'p' AND part[2] IS NOT NULL THEN
			RETURN QUERY SELECT s.statement, s.cleanup
				FROM reconcile.partitioned_index_steps(reconcile.relation_named(part[3]), rtrim(part[2]), part[1], part[4]) s;
			CONTINUE;
		ELSIF kind IN ('r', 'm') THEN
			statement := format('%s CONCURRENTLY %sON %s %s', part[1], part[2], part[3], part[4]);
			cleanup := format('DROP INDEX IF EXISTS %s.%s', substring(part[3] FROM '^' || name), rtrim(part[2]));
			RETURN NEXT;
			CONTINUE;
		END IF;

		part := regexp_match(whole, format('^(DROP|REINDEX) INDEX (%s)$', qualified));
		SELECT c.relkind INTO kind FROM pg_class c
		WHERE c.oid = reconcile.relation_named(part[2]) AND NOT EXISTS (SELECT FROM pg_constraint k WHERE part[1] = 'DROP' AND k.conindid = c.oid);
		IF kind = 'i' THEN
			statement := format('%s INDEX CONCURRENTLY %s', part[1], part[2]);
			RETURN NEXT;
			CONTINUE;
		END IF;

		part := regexp_match(whole, format('^ALTER TABLE (?:ONLY )?(%s) ALTER (?:COLUMN )?(%s) SET NOT NULL$', qualified, name));
		IF reconcile.relation_named(part[1]) IS NOT NULL THEN
			RETURN QUERY SELECT s.statement, s.cleanup FROM reconcile.not_null_steps(part[1], part[2]) s;
			CONTINUE;
		END IF;

		part := regexp_match(whole, format('^ALTER TABLE (?:ONLY )?(%s) ADD CONSTRAINT (%s) (CHECK|FOREIGN KEY) .*$', qualified, name));
		SELECT c.relkind INTO kind FROM pg_class c WHERE c.oid = reconcile.relation_named(part[1]);
		IF whole !~ ' NOT VALID$' AND (kind = 'r' OR (kind = 'p' AND part[3] = 'CHECK')) THEN
			statement := whole || ' NOT VALID';
			RETURN NEXT;
			statement := format('ALTER TABLE %s VALIDATE CONSTRAINT %s', part[1], part[2]);
			RETURN NEXT;
			CONTINUE;
		END IF;

		part := regexp_match(whole, format('^ALTER TABLE (?:ONLY )?(%s) ADD CONSTRAINT (%s) (UNIQUE|PRIMARY KEY)( NULLS NOT DISTINCT)? \((%s)\)'
			'( INCLUDE \(%3$s\))?((?: NOT)? DEFERRABLE.*)?$', qualified, name, names));
		SELECT c.relkind INTO kind FROM pg_class c WHERE c.oid = reconcile.relation_named(part[1]);
		IF kind = 'r' THEN
			RETURN QUERY SELECT n.statement, n.cleanup
				FROM regexp_matches(part[5], name, 'g') WITH ORDINALITY AS c(c, n)
				JOIN pg_attribute a ON a.attrelid = reconcile.relation_named(part[1]) AND a.attname = (parse_ident(c.c[1]))[1] AND NOT a.attnotnull
				CROSS JOIN LATERAL reconcile.not_null_steps(part[1], c.c[1]) n
				WHERE part[3] = 'PRIMARY KEY' ORDER BY c.n;
			cleanup := format('DROP INDEX IF EXISTS %s.%s', substring(part[1] FROM '^' || name), part[2]);
			-- An index of this name is what an interrupted run left: it is adopted, or refused, by the last step.
			IF reconcile.relation_named(substring(cleanup FROM 'EXISTS (.*)$')) IS NULL THEN
				statement := format('CREATE UNIQUE INDEX CONCURRENTLY %s ON %s (%s)%s%s', part[2], part[1], part[5], part[6], part[4]);
				RETURN NEXT;
			END IF;
			statement := format('ALTER TABLE %1$s ADD CONSTRAINT %2$s %3$s USING INDEX %2$s%4$s', part[1], part[2], part[3], part[7]);
			RETURN NEXT;
			CONTINUE;
		END IF;

		statement := whole;
		RETURN NEXT;
	END LOOP;
END $$;
COMMENT ON FUNCTION reconcile.online_steps(text) IS 'used by fix_schema_online(): a fix as steps that hold no lock for long';

-- The ledger belongs to the extension; these write what a run has to say.
CREATE FUNCTION reconcile.begin_schema_run(baseline text, role name) RETURNS bigint
	LANGUAGE sql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	INSERT INTO reconcile.schema_run (baseline, run_by) VALUES (baseline, role) RETURNING run_id;
END;
REVOKE ALL ON FUNCTION reconcile.begin_schema_run(text, name) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.begin_schema_run(text, name) IS 'used by fix_schema_online(): enters a run';

CREATE FUNCTION reconcile.enter_schema_steps(run_id bigint, steps jsonb) RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'reconcile_enter_schema_steps';
REVOKE ALL ON FUNCTION reconcile.enter_schema_steps(bigint, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.enter_schema_steps(bigint, jsonb) IS
	'used by fix_schema_online(): adds steps to a run of the caller and returns how many are to be done';

CREATE FUNCTION reconcile.schema_steps_of(run_id bigint) RETURNS SETOF reconcile.schema_step
	LANGUAGE sql STABLE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT s.* FROM reconcile.schema_step s WHERE s.run_id = schema_steps_of.run_id ORDER BY s.step;
END;
REVOKE ALL ON FUNCTION reconcile.schema_steps_of(bigint) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.schema_steps_of(bigint) IS 'used by fix_schema_online(): the steps of a run';

-- What becomes of a step whose worker has ended: a lock that was taken is asked
-- for again; when a step failed, the others of its fix are not tried.
CREATE FUNCTION reconcile.settle_schema_step(run_id bigint, step integer, retries integer) RETURNS text
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	settled reconcile.schema_step;
BEGIN
	SELECT * INTO settled FROM reconcile.schema_step s
	WHERE s.run_id = settle_schema_step.run_id AND s.step = settle_schema_step.step;
	IF settled.state = 'failed' AND settled.sqlstate IN ('55P03', '40P01') AND settled.attempts <= retries THEN
		UPDATE reconcile.schema_step s SET state = 'planned' WHERE (s.run_id, s.step) = (settled.run_id, settled.step);
		RETURN 'again';
	ELSIF settled.state IN ('planned', 'running') THEN
		UPDATE reconcile.schema_step s SET state = 'failed', message = 'its worker was ended', finished_at = clock_timestamp()
		WHERE (s.run_id, s.step) = (settled.run_id, settled.step);
		settled.state := 'failed';
	END IF;
	IF settled.state = 'failed' THEN
		UPDATE reconcile.schema_step s SET state = 'refused', message = format('step %s failed', settled.step)
		WHERE s.run_id = settled.run_id AND s.fix = settled.fix AND s.state = 'planned';
	END IF;
	RETURN settled.state;
END $$;
REVOKE ALL ON FUNCTION reconcile.settle_schema_step(bigint, integer, integer) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.settle_schema_step(bigint, integer, integer) IS
	'used by fix_schema_online(): decides what becomes of a step whose worker has ended';

CREATE FUNCTION reconcile.end_schema_run(run_id bigint) RETURNS void
	LANGUAGE sql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	UPDATE reconcile.schema_run r SET finished_at = clock_timestamp() WHERE r.run_id = end_schema_run.run_id;
END;
REVOKE ALL ON FUNCTION reconcile.end_schema_run(bigint) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.end_schema_run(bigint) IS 'used by fix_schema_online(): the run has ended';

-- The first round plans all that is to do; a later one what the first has
-- brought to light, and nothing that was tried before.
CREATE FUNCTION reconcile.plan_schema_run(run_id bigint, baseline text, allow text[]) RETURNS bigint
	LANGUAGE sql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT reconcile.require_trusted_baseline(baseline);
	SELECT reconcile.enter_schema_steps(run_id, coalesce(jsonb_agg(jsonb_build_object('fix', p.step, 'object', p.object, 'statement', o.statement,
		'cleanup', o.cleanup, 'hazard', p.hazard, 'state', CASE WHEN p.refused IS NULL THEN 'planned' ELSE 'refused' END,
		'message', p.refused) ORDER BY p.step, o.n), '[]'))
	FROM reconcile.schema_plan(baseline, allow, ARRAY(
		SELECT t.object FROM reconcile.schema_steps_of(run_id) t WHERE t.state = 'done')) p
	LEFT JOIN LATERAL reconcile.online_steps(p.statement) WITH ORDINALITY AS o(statement, cleanup, n) ON p.statement IS NOT NULL
	WHERE NOT EXISTS (SELECT FROM reconcile.schema_steps_of(plan_schema_run.run_id) t
	                  WHERE t.object = p.object AND t.statement IS NOT DISTINCT FROM o.statement);
END;
REVOKE ALL ON FUNCTION reconcile.plan_schema_run(bigint, text, text[]) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.plan_schema_run(bigint, text, text[]) IS
	'used by fix_schema_online(): enters what is to do and returns how many steps that is';

-- Like every procedure that commits it has no SET clause: everything in it is
-- qualified.  It waits in short transactions, since a build waits for long ones.
CREATE PROCEDURE reconcile.fix_schema_online(
	baseline     text DEFAULT NULL,
	lock_timeout interval DEFAULT '3s',
	retries      integer DEFAULT 10,
	allow        text[] DEFAULT '{}')
	LANGUAGE plpgsql
AS $$
DECLARE
	patience CONSTANT integer := 50;  -- milliseconds that one transaction waits
	run     bigint;
	next    integer;
	tried   integer;
	outcome text;
	summary text;
BEGIN
	IF lock_timeout IS NULL OR retries IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'arguments "lock_timeout" and "retries" must not be null';
	END IF;
	IF lock_timeout OPERATOR(pg_catalog.<=) '0'::pg_catalog.interval OR retries OPERATOR(pg_catalog.<) 0 THEN
		RAISE invalid_parameter_value USING MESSAGE = 'argument "lock_timeout" must be positive, "retries" not negative';
	END IF;
	PERFORM reconcile.check_allow(allow);
	PERFORM reconcile.refuse_transaction_block('CALL reconcile.fix_schema_online()');
	run := reconcile.begin_schema_run(baseline, current_user);

	WHILE reconcile.plan_schema_run(run, baseline, allow) OPERATOR(pg_catalog.>) 0 LOOP
		LOOP
			COMMIT;
			SELECT pg_catalog.min(s.step), pg_catalog.min(s.attempts) INTO next, tried
			FROM reconcile.schema_steps_of(run) s WHERE s.state OPERATOR(pg_catalog.=) 'planned';
			EXIT WHEN next IS NULL;
			PERFORM reconcile.start_step(run, next,
				greatest(1, pg_catalog.date_part('epoch', lock_timeout) OPERATOR(pg_catalog.*) 1000)::pg_catalog.int4);
			COMMIT;
			WHILE NOT reconcile.await_step(patience) LOOP
				COMMIT;
			END LOOP;
			COMMIT;
			outcome := reconcile.settle_schema_step(run, next, retries);
			COMMIT;
			IF outcome OPERATOR(pg_catalog.=) 'again' THEN  -- twice as long each time, 0.1 s to 12.8 s
				PERFORM pg_catalog.pg_sleep(0.1 OPERATOR(pg_catalog.*) pg_catalog.power(2, least(tried, 7)));
			END IF;
		END LOOP;
	END LOOP;

	PERFORM reconcile.end_schema_run(run);
	SELECT pg_catalog.format('fix_schema_online: run %s: %s done, %s refused, %s failed', run,
			pg_catalog.count(*) FILTER (WHERE s.state OPERATOR(pg_catalog.=) 'done'),
			pg_catalog.count(*) FILTER (WHERE s.state OPERATOR(pg_catalog.=) 'refused'),
			pg_catalog.count(*) FILTER (WHERE s.state OPERATOR(pg_catalog.=) 'failed'))
		INTO summary FROM reconcile.schema_steps_of(run) s;
	RAISE NOTICE '%', summary USING HINT = pg_catalog.format('SELECT * FROM reconcile.schema_steps WHERE run_id = %s;', run);
END $$;
REVOKE ALL ON PROCEDURE reconcile.fix_schema_online(text, interval, integer, text[]) FROM PUBLIC;
COMMENT ON PROCEDURE reconcile.fix_schema_online(text, interval, integer, text[]) IS
	'runs the fixes of audit_schema() one by one in transactions of their own, without long locks; changes the schema';
