-- What could not be written, and what else there is to know about guards.
-- src/invariant/guard_*.cpp

CREATE FUNCTION reconcile.retry_failures(invariant text DEFAULT NULL)
	RETURNS TABLE (invariant text, fixed bigint, remaining bigint)
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'reconcile_retry_failures';
REVOKE ALL ON FUNCTION reconcile.retry_failures(text) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.retry_failures(text) IS
	'repairs the rows that wait in reconcile.failures, of one invariant or of all that have any; changes user data';

-- What keeps a guard from doing its work, for audit().
CREATE FUNCTION reconcile.guard_troubles(invariant text) RETURNS TABLE (severity text, trouble text)
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		SELECT 'error', format('trigger "%s" of %s is %s', g.trigger_name, g.watched,
			CASE g.state WHEN 'replica' THEN 'enabled in replica role only' ELSE g.state END)
		FROM reconcile.guards g
		WHERE g.invariant = guard_troubles.invariant AND g.state <> g.enable
		UNION ALL
		SELECT 'error', format('%s has no trigger of the guard', missing.child)
		FROM (
			WITH RECURSIVE below (watched, event, child) AS (
				SELECT t.watched::oid, t.event, t.watched::oid FROM reconcile.guard_trigger t
				WHERE t.invariant = guard_troubles.invariant
				UNION
				SELECT b.watched, b.event, h.inhrelid FROM below b JOIN pg_inherits h ON h.inhparent = b.child)
			SELECT DISTINCT b.child::regclass AS child FROM below b
			WHERE NOT EXISTS (SELECT FROM reconcile.guard_trigger t
				WHERE t.invariant = guard_troubles.invariant AND t.watched = b.child AND t.event = b.event)) missing
		UNION ALL
		SELECT 'warning', format('%s is in a subscription, and what is replicated fires no statement trigger', s.srrelid::regclass)
		FROM pg_subscription_rel s
		WHERE s.srrelid IN (SELECT t.watched FROM reconcile.guard_trigger t WHERE t.invariant = guard_troubles.invariant)
		UNION ALL
		SELECT 'notice', format('%s for a repair, the last one: %s', CASE count(*) WHEN 1 THEN '1 failure waits' ELSE count(*) || ' failures wait' END,
			(array_agg(f.message ORDER BY f.last_failed_at DESC))[1])
		FROM reconcile.failures f
		WHERE f.invariant = guard_troubles.invariant
			AND EXISTS (SELECT FROM reconcile.guard g WHERE g.invariant = guard_troubles.invariant)
		HAVING count(*) > 0;
	END;
COMMENT ON FUNCTION reconcile.guard_troubles(text) IS
	'used by audit(): what keeps a guard from doing its work, and what it could not do';

-- On pg_cron, which runs a command in a session of its own as who scheduled it.

CREATE FUNCTION reconcile.scheduled_command(task text, invariant text) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	command text := CASE task
		WHEN 'audit' THEN 'SELECT reconcile.assert_clean(%L, severity => ''notice'')'
		WHEN 'repair' THEN 'SELECT reconcile.repair(%L, dry_run => false)'
		WHEN 'retry' THEN 'SELECT reconcile.retry_failures(%L)' END;
BEGIN
	IF task IS NULL OR invariant IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = format('argument "%s" must not be null',
			CASE WHEN task IS NULL THEN 'task' ELSE 'invariant' END);
	END IF;
	IF command IS NULL THEN
		RAISE invalid_parameter_value USING MESSAGE = format('invalid value for argument "task": "%s"', task),
			HINT = 'Valid values are "audit", "repair", "retry".';
	END IF;
	IF NOT EXISTS (SELECT FROM reconcile.invariants i WHERE i.name = scheduled_command.invariant) THEN
		RAISE undefined_object USING MESSAGE = format('invariant "%s" does not exist', invariant),
			HINT = reconcile.did_you_mean(invariant, ARRAY(SELECT name FROM reconcile.invariants ORDER BY name));
	END IF;
	RETURN format(command, invariant);
END $$;
COMMENT ON FUNCTION reconcile.scheduled_command(text, text) IS
	'used by schedule(): the statement that a task runs';

CREATE FUNCTION reconcile.check_pg_cron(command text) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_cron') THEN
		RAISE feature_not_supported USING MESSAGE = 'pg_cron is not installed in this database',
			DETAIL = 'Tasks are run by pg_cron, which is an extension of its own.',
			HINT = format('Install it, or let another scheduler run: %s;', command);
	END IF;
END $$;
COMMENT ON FUNCTION reconcile.check_pg_cron(text) IS
	'used by schedule(): refuses to go on without pg_cron';

CREATE FUNCTION reconcile.schedule(task text, invariant text, cron text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	command text := reconcile.scheduled_command(task, invariant);
BEGIN
	IF cron IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'argument "cron" must not be null';
	END IF;
	PERFORM reconcile.check_pg_cron(command);
	EXECUTE 'SELECT cron.schedule($1, $2, $3)' USING format('pg_reconcile %s %s', task, invariant), cron, command;
END $$;
REVOKE ALL ON FUNCTION reconcile.schedule(text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.schedule(text, text, text) IS
	'lets pg_cron audit or repair an invariant, or retry its failures, at regular times; the task changes user data';

CREATE FUNCTION reconcile.unschedule(task text, invariant text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM reconcile.check_pg_cron(reconcile.scheduled_command(task, invariant));
	EXECUTE 'SELECT cron.unschedule($1)' USING format('pg_reconcile %s %s', task, invariant);
END $$;
REVOKE ALL ON FUNCTION reconcile.unschedule(text, text) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.unschedule(text, text) IS
	'ends what schedule() began; changes no user data';

-- The preflight.  What the catalog knows is asked for here; what only analysing
-- the query can tell is added by check_guard(): src/invariant/guard_check.cpp.
CREATE FUNCTION reconcile.guard_problems(
	invariant text, kind text, owner oid, writer oid, installer oid, target oid, watched oid[], yielded text[], path text[])
	RETURNS TABLE (severity text, problem text, object text, fix text, sqlstate text)
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		WITH used AS (
			SELECT c.oid, c.relname, c.relnamespace, n.nspname, c.relowner, c.relrowsecurity, c.relforcerowsecurity,
			       c.oid::regclass::text AS name, c.oid = target AS is_target, c.oid = ANY (watched) AS is_watched
			FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
			WHERE c.oid = target OR c.oid = ANY (watched)
		), needed AS (
			SELECT u.*, p.privilege FROM used u, LATERAL (
				SELECT 'SELECT' UNION ALL SELECT CASE kind WHEN 'fill' THEN 'UPDATE' ELSE 'INSERT' END WHERE u.is_target) p(privilege)
		)
		-- what the owner may not do
		SELECT 'error', format('role %s, the owner, has no USAGE on schema %s', quote_ident(pg_get_userbyid(owner)), quote_ident(u.nspname)),
		       quote_ident(u.nspname), format('GRANT USAGE ON SCHEMA %I TO %I;', u.nspname, pg_get_userbyid(owner)), '42501'
		FROM (SELECT DISTINCT relnamespace, nspname FROM used) u WHERE NOT has_schema_privilege(owner, u.relnamespace, 'USAGE')
		UNION ALL
		SELECT 'error', format('role %s, the owner, has no %s on %s', quote_ident(pg_get_userbyid(owner)), n.privilege, n.name), n.name,
		       format('GRANT %s ON %s TO %I;', n.privilege, n.name, pg_get_userbyid(owner)), '42501'
		FROM needed n WHERE NOT has_table_privilege(owner, n.oid, n.privilege)
			AND NOT has_any_column_privilege(owner, n.oid, n.privilege)
		UNION ALL
		SELECT 'error', format('role %s, which calls guard(), has no TRIGGER on %s', quote_ident(pg_get_userbyid(installer)), u.name), u.name,
		       format('GRANT TRIGGER ON %s TO %I;', u.name, pg_get_userbyid(installer)), '42501'
		FROM used u WHERE u.is_watched AND NOT has_table_privilege(installer, u.oid, 'TRIGGER')
		UNION ALL
		SELECT 'error', format('row-level security of %s applies to role %s, the owner', u.name, quote_ident(r.rolname)), u.name,
		       format('ALTER ROLE %I BYPASSRLS;', r.rolname), '42501'
		FROM used u JOIN pg_roles r ON r.oid = owner
		WHERE u.relrowsecurity AND NOT r.rolsuper AND NOT r.rolbypassrls
			AND (u.relforcerowsecurity OR NOT pg_has_role(owner, u.relowner, 'USAGE'))
		-- where its names are looked up
		UNION ALL
		SELECT 'warning', format('schema %s of the search_path does not exist', quote_ident(s.name)), quote_ident(s.name),
		       format('CREATE SCHEMA %I;', s.name), '3F000'
		FROM unnest(path) AS s(name)
		WHERE s.name NOT IN ('$user', 'pg_temp') AND NOT EXISTS (SELECT FROM pg_namespace n WHERE n.nspname = s.name)
		UNION ALL
		SELECT 'warning', format('everybody may create objects in schema %s of the search_path, which the query would find', quote_ident(n.nspname)),
		       quote_ident(n.nspname), format('REVOKE CREATE ON SCHEMA %I FROM PUBLIC;', n.nspname), '42501'
		FROM pg_namespace n, LATERAL aclexplode(n.nspacl) a
		WHERE n.nspname = ANY (path) AND a.grantee = 0 AND a.privilege_type = 'CREATE'
		-- what the target refuses or does besides
		UNION ALL
		SELECT 'error', format('column %s of %s is not null, has no default and is not yielded by the query', quote_ident(a.attname), u.name),
		       format('%s.%I', u.name, a.attname), format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT ...;', u.name, a.attname), '23502'
		FROM used u JOIN pg_attribute a ON a.attrelid = u.oid JOIN pg_type t ON t.oid = a.atttypid
		WHERE u.is_target AND kind = 'insert' AND a.attnum > 0 AND NOT a.attisdropped AND NOT a.atthasdef AND a.attidentity = ''
			AND (a.attnotnull OR t.typnotnull) AND t.typdefault IS NULL AND a.attname::text <> ALL (yielded)
		UNION ALL
		SELECT 'warning', format('the rows that the guard writes will keep rows of %s from being deleted', f.confrelid::regclass),
		       format('%I on %s', f.conname, f.conrelid::regclass),
		       format('ALTER TABLE %s DROP CONSTRAINT %I, ADD CONSTRAINT %2$I %s ON DELETE CASCADE;', f.conrelid::regclass, f.conname,
		              regexp_replace(pg_get_constraintdef(f.oid), ' ON DELETE RESTRICT', '')), '23503'
		FROM pg_constraint f
		WHERE f.conrelid = target AND f.contype = 'f' AND f.confrelid = ANY (watched) AND f.confdeltype IN ('a', 'r') AND kind = 'insert'
		UNION ALL
		SELECT 'warning', format('constraint %s is deferrable, and checked as soon as the guard has written', quote_ident(d.conname)),
		       format('%I on %s', d.conname, d.conrelid::regclass),
		       format('ALTER TABLE %s DROP CONSTRAINT %I, ADD CONSTRAINT %2$I %s;', d.conrelid::regclass, d.conname,
		              regexp_replace(pg_get_constraintdef(d.oid), ' DEFERRABLE( INITIALLY DEFERRED)?', '')), '55000'
		FROM pg_constraint d WHERE d.conrelid = target AND d.condeferrable
		UNION ALL
		SELECT 'notice', format('trigger %s fires for the rows that the guard writes, as role %s', quote_ident(g.tgname),
		                        quote_ident(pg_get_userbyid(owner))),
		       format('%I on %s', g.tgname, g.tgrelid::regclass), format('SELECT pg_get_functiondef(%L::regprocedure);', g.tgfoid::regprocedure), '27000'
		FROM pg_trigger g
		WHERE g.tgrelid = target AND NOT g.tgisinternal AND g.tgenabled <> 'D' AND g.tgfoid <> 'reconcile.fire_guard'::regproc
			AND (g.tgtype & CASE kind WHEN 'fill' THEN 16 ELSE 4 END) <> 0
		-- what keeps it from firing
		UNION ALL
		SELECT 'error', format('role %s writes with session_replication_role = replica, where the guard does not fire', quote_ident(r.rolname)),
		       quote_ident(r.rolname), format('ALTER ROLE %I%s RESET session_replication_role;', r.rolname,
		              CASE WHEN s.setdatabase <> 0 THEN format(' IN DATABASE %I', current_database()) ELSE '' END), '55000'
		FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole
		WHERE r.oid = writer AND s.setdatabase IN (0, (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()))
			AND 'session_replication_role=replica' = ANY (s.setconfig)
			AND NOT EXISTS (SELECT FROM reconcile.guard g WHERE g.invariant = guard_problems.invariant AND g.enable = 'always')
		UNION ALL
		SELECT 'warning', format('role %s may not insert into %s, and never fires the guard', quote_ident(pg_get_userbyid(writer)), u.name), u.name,
		       format('GRANT INSERT ON %s TO %I;', u.name, pg_get_userbyid(writer)), '42501'
		FROM used u WHERE u.is_watched AND NOT has_any_column_privilege(writer, u.oid, 'INSERT')
		UNION ALL
		SELECT 'warning', format('%s is in a subscription, and what is replicated fires no statement trigger', s.srrelid::regclass),
		       s.srrelid::regclass::text, format('SELECT reconcile.schedule(''repair'', %L, ''*/5 * * * *'');', guard_problems.invariant), '0A000'
		FROM pg_subscription_rel s WHERE s.srrelid = ANY (watched)
		UNION ALL
		SELECT t.severity, t.trouble, format('guard of %s', guard_problems.invariant), format('SELECT * FROM reconcile.guard(%L);', guard_problems.invariant), '55000'
		FROM reconcile.guard_troubles(guard_problems.invariant) t WHERE t.severity = 'error';
	END;
COMMENT ON FUNCTION reconcile.guard_problems(text, text, oid, oid, oid, oid, oid[], text[], text[]) IS
	'used by check_guard(): problems of a guard that the catalog tells';

CREATE FUNCTION reconcile.check_guard(invariant text, role regrole DEFAULT NULL)
	RETURNS TABLE (severity text, problem text, object text, fix text)
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'reconcile_check_guard';
REVOKE ALL ON FUNCTION reconcile.check_guard(text, regrole) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.check_guard(text, regrole) IS
	'tells what would keep a guard from working for the writes of a role, each with the statement that fixes it; writes nothing';
