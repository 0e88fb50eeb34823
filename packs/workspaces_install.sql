-- Pack workspaces: installing it, and init_workspaces().

CREATE FUNCTION reconcile.workspaces_ensure_owned(options jsonb, dry_run boolean)
	RETURNS TABLE (action text, object text, detail text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	workspaces constant text := reconcile.pack_table(options, 'workspaces');
	type       constant text := (SELECT c.type FROM reconcile.pack_columns('workspaces', options) c
	                             WHERE c.table_name = 'workspaces' AND c.name = 'id');
	owned      record;
BEGIN
	FOR owned IN
		SELECT n.name, o.target, o.key FROM jsonb_object_keys(options -> 'owned') AS n(name)
		LEFT JOIN reconcile.workspaces_owned(options) o USING (name) ORDER BY n.name
	LOOP
		object := coalesce(owned.target::text, format('%I.%I', options ->> 'schema', owned.name));
		detail := NULL;
		IF owned.target IS NULL THEN
			action := 'skip';
			detail := 'there is no such table; nothing to assign to a workspace';
			RETURN NEXT;
		ELSIF owned.key IS NULL THEN
			PERFORM reconcile.refuse('55000', format('%s has no primary key', owned.target),
				hint => 'Pack "workspaces" needs one to assign its rows; or leave the table out of the option "owned".');
		ELSIF reconcile.workspaces_has_column(options, owned.target) THEN
			action := 'keep';
			RETURN NEXT;
			RETURN QUERY SELECT * FROM reconcile.pack_tell_owner(owned.target);
		ELSE
			action := 'add column';
			object := format('%s.%I', owned.target, options ->> 'owned_column');
			detail := format('%s REFERENCES %s ON DELETE CASCADE', type, workspaces);
			IF NOT dry_run THEN
				EXECUTE format('ALTER TABLE %s ADD COLUMN %I %s', owned.target, options ->> 'owned_column', detail);
				EXECUTE format('CREATE INDEX ON %s (%I)', owned.target, options ->> 'owned_column');
			END IF;
			RETURN NEXT;
		END IF;
	END LOOP;
END $$;
REVOKE ALL ON FUNCTION reconcile.workspaces_ensure_owned(jsonb, boolean) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.workspaces_ensure_owned(jsonb, boolean) IS
	'used by pack workspaces: gives the owned tables the column of their workspace; changes the schema unless dry_run';

-- What a migration that wrote ids by hand left behind: a sequence that will
-- give out a number that is taken.
CREATE FUNCTION reconcile.workspaces_ensure_sequences(options jsonb, dry_run boolean)
	RETURNS TABLE (action text, object text, detail text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	counted record;
	highest bigint;
	reached bigint;
BEGIN
	FOR counted IN
		SELECT t.target, a.attname AS id, owned.sequence
		FROM (SELECT reconcile.pack_table(options, l.table_name) AS target, coalesce(options -> 'columns' -> l.table_name ->> 'id', 'id') AS id, l.position
		      FROM reconcile.pack_layout l WHERE l.pack = 'workspaces') AS t
		JOIN pg_attribute a ON a.attrelid = to_regclass(t.target) AND a.attname = t.id AND NOT a.attisdropped
		CROSS JOIN LATERAL pg_get_serial_sequence(t.target, a.attname) AS owned(sequence)
		WHERE owned.sequence IS NOT NULL ORDER BY t.position
	LOOP
		EXECUTE format('SELECT max(%I) FROM %s', counted.id, counted.target) INTO highest;
		EXECUTE format('SELECT last_value - (NOT is_called)::integer FROM %s', counted.sequence) INTO reached;
		IF highest > reached THEN
			action := 'advance sequence';
			object := counted.sequence;
			detail := format('from %s to %s, the highest %I of %s', reached, highest, counted.id, counted.target);
			IF NOT dry_run THEN
				PERFORM setval(counted.sequence, highest);
			END IF;
			RETURN NEXT;
		END IF;
	END LOOP;
END $$;
REVOKE ALL ON FUNCTION reconcile.workspaces_ensure_sequences(jsonb, boolean) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.workspaces_ensure_sequences(jsonb, boolean) IS
	'used by pack workspaces: advances sequences that are behind their tables; changes sequences unless dry_run';

-- A column of users that may not be there, as an expression over "u"; an
-- enumeration is read as text, a flag as entitlements read theirs.
CREATE FUNCTION reconcile.workspaces_of_user(options jsonb, name text, type text) RETURNS text
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		SELECT coalesce((SELECT format(CASE WHEN type = 'text' THEN 'u.%I::text' WHEN a.atttypid = 'boolean'::regtype THEN 'u.%I'
		                                    ELSE 'reconcile.flag_is_on(to_jsonb(u.%I))' END, a.attname) FROM pg_attribute a
		                 WHERE a.attrelid = to_regclass(reconcile.pack_table(options, 'users')) AND NOT a.attisdropped
		                   AND quote_ident(a.attname) = reconcile.pack_column(options, 'users', name)), 'NULL::' || type);
	END;
COMMENT ON FUNCTION reconcile.workspaces_of_user(jsonb, text, text) IS
	'used by pack workspaces: a column of users, or NULL where there is none';

CREATE FUNCTION reconcile.install_workspaces(options jsonb, dry_run boolean)
	RETURNS TABLE (action text, object text, detail text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	facts constant jsonb := options || jsonb_build_object('facts', jsonb_build_object(
		'role', reconcile.workspaces_of_user(options, 'role', 'text'),
		'is_active', reconcile.workspaces_of_user(options, 'is_active', 'boolean')));
	no_history constant boolean := to_regclass(reconcile.pack_table(options, 'alembic_version')) IS NULL;
BEGIN
	IF options ->> 'member_role' = 'keep' AND facts -> 'facts' ->> 'role' LIKE 'NULL%' THEN
		PERFORM reconcile.refuse('42703', format('table %s has no column %s whose values could be kept', reconcile.pack_table(options, 'users'),
			                 reconcile.pack_column(options, 'users', 'role')),
			hint => 'Use "member_role": "admin", or name the column in the option "columns".');
	END IF;
	RETURN QUERY SELECT * FROM reconcile.pack_ensure_tables('workspaces', facts, dry_run)
		AS t WHERE coalesce(t.detail, '') !~ '^UNIQUE .* is missing$';
	RETURN QUERY SELECT * FROM reconcile.pack_ensure_unique(facts, 'workspaces', '{slug}', true, dry_run);
	RETURN QUERY SELECT * FROM reconcile.pack_ensure_unique(facts, 'workspace_members', '{workspace_id,user_id}', true, dry_run);
	RETURN QUERY SELECT * FROM reconcile.pack_ensure_unique(facts, 'workspace_settings', '{workspace_id}', true, dry_run);
	RETURN QUERY SELECT * FROM reconcile.workspaces_ensure_sequences(facts, dry_run);
	RETURN QUERY SELECT * FROM reconcile.workspaces_ensure_owned(facts, dry_run);
	RETURN QUERY SELECT * FROM reconcile.pack_ensure_objects('workspaces', facts, dry_run);
	RETURN QUERY
		SELECT d.* FROM reconcile.pack_rules('workspaces', facts) r
		CROSS JOIN LATERAL reconcile.pack_declare('workspaces', facts, r.name, r.target, r.key, r.expects, r.where_absent,
			r.description, r.kind, r.compare, r.severity, dry_run) AS d
		WHERE NOT (no_history AND r.name = 'workspaces_migration') ORDER BY r.position;
	RETURN QUERY
		SELECT d.* FROM reconcile.workspaces_owned_rules(facts) r
		CROSS JOIN LATERAL reconcile.pack_declare('workspaces', facts, r.name, r.target, r.key, r.expects, NULL,
			r.description, r.kind, '{}', r.severity, dry_run) AS d;
	RETURN QUERY
		SELECT g.* FROM reconcile.pack_rules('workspaces', facts) r
		CROSS JOIN LATERAL reconcile.pack_ensure_guard(r.name, options ->> 'guards', r.guard_timing, dry_run) AS g
		WHERE r.guard_timing IS NOT NULL ORDER BY r.position;
END $$;
REVOKE ALL ON FUNCTION reconcile.install_workspaces(jsonb, boolean) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.install_workspaces(jsonb, boolean) IS
	'used by install_pack(): installs pack workspaces; changes the schema unless dry_run';

-- ------------------------------------------------------------------ entry point

CREATE FUNCTION @extschema@.init_workspaces(dry_run boolean DEFAULT false)
	RETURNS TABLE (invariant text, run_id bigint, planned bigint, changed bigint, already_present bigint, failed bigint,
	               elapsed interval)
	LANGUAGE sql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		SELECT * FROM reconcile.pack_init('workspaces', ARRAY(
			SELECT i.name FROM reconcile.invariants i LEFT JOIN reconcile.pack_rule r ON r.pack = i.pack AND r.name = i.name
			WHERE i.pack = 'workspaces' AND i.kind <> 'check' AND (i.kind = 'insert' OR i.compare = '{}')
			ORDER BY r.position, i.name), dry_run);
	END;
REVOKE ALL ON FUNCTION @extschema@.init_workspaces(boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.init_workspaces(boolean) IS
	'gives every user a workspace, its settings and an admin''s membership, fills current workspaces and the workspaces of what users own; changes user data unless dry_run';
