-- fix_schema_online(): each fix in steps and transactions of its own, which hold no lock for long.

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

-- The ledger belongs to the extension; these write what a run of the caller has
-- to say: src/schema/step_ledger.cpp.
CREATE FUNCTION reconcile.begin_schema_run(baseline text) RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'reconcile_begin_schema_run';
REVOKE ALL ON FUNCTION reconcile.begin_schema_run(text) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.begin_schema_run(text) IS 'used by fix_schema_online(): enters a run of the caller';

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
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'reconcile_settle_schema_step';
REVOKE ALL ON FUNCTION reconcile.settle_schema_step(bigint, integer, integer) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.settle_schema_step(bigint, integer, integer) IS
	'used by fix_schema_online(): decides what becomes of a step whose worker has ended';

CREATE FUNCTION reconcile.end_schema_run(run_id bigint) RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'reconcile_end_schema_run';
REVOKE ALL ON FUNCTION reconcile.end_schema_run(bigint) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.end_schema_run(bigint) IS 'used by fix_schema_online(): a run of the caller has ended';

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
	PERFORM reconcile.tell_without_baseline(baseline);
	run := reconcile.begin_schema_run(baseline);

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
