-- fix_schema(): the fixes of an audit, in an order in which they work.
--
-- A plan is made anew from the findings each time, so a second run has nothing
-- to do and one that was interrupted goes on with what is left.

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
		       + CASE WHEN f.category = 'constraint' AND f.expected_object ->> 'definition' LIKE 'FOREIGN KEY%' THEN 1.5
		              WHEN f.category = 'column' AND f.kind = 'missing' AND f.expected_object ? 'generated' THEN 0.5  -- of columns with their final types
		              ELSE 0 END AS rank
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
	            WHEN f.category = 'column' AND f.attribute = 'type' AND f.kind = 'differs'
	            THEN coalesce(reconcile.dependents_problem(f.object, f.category, allow), reconcile.conversion_problem(f.object, f.fix, allow))
	            WHEN f.category = 'view' AND f.kind = 'differs' AND f.fix LIKE 'DROP %' THEN reconcile.dependents_problem(f.object, f.category, allow)
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
	PERFORM reconcile.tell_without_baseline(baseline);
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
			-- What was granted to a role that became the owner later is to be granted again: only what else was done since can help.
			IF cardinality(array_positions(done, statement)) > 1 OR statement = ANY (done) AND NOT EXISTS (
			     SELECT FROM unnest(done) WITH ORDINALITY AS d(text, n) WHERE d.n > array_position(done, statement) AND d.n = array_position(done, d.text)) THEN
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
