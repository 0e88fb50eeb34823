-- Packs: installing and removing one.

CREATE FUNCTION reconcile.record_pack(pack text, options jsonb, invariants text[]) RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'reconcile_record_pack';
REVOKE ALL ON FUNCTION reconcile.record_pack(text, jsonb, text[]) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.record_pack(text, jsonb, text[]) IS
	'used by install_pack(): notes that a pack is installed and which invariants are its own';

CREATE FUNCTION reconcile.forget_pack(pack text) RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'reconcile_forget_pack';
REVOKE ALL ON FUNCTION reconcile.forget_pack(text) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.forget_pack(text) IS
	'used by remove_pack(): notes that a pack is not installed any more';

-- The whole of a pack that is declared as data.
CREATE FUNCTION reconcile.pack_install(pack text, options jsonb, dry_run boolean)
	RETURNS TABLE (action text, object text, detail text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM reconcile.pack_check_renames(pack, options);
	RETURN QUERY SELECT * FROM reconcile.pack_ensure_tables(pack, options, dry_run);
	RETURN QUERY SELECT * FROM reconcile.pack_ensure_objects(pack, options, dry_run);
	RETURN QUERY
		SELECT d.* FROM reconcile.pack_rules(pack, options) r
		CROSS JOIN LATERAL reconcile.pack_declare(pack, options, r.name, r.target, r.key, r.expects, r.where_absent,
			r.description, r.kind, r.compare, r.severity, dry_run) AS d
		ORDER BY r.position;
	RETURN QUERY SELECT * FROM reconcile.pack_ensure_seeds(pack, options, dry_run);
	RETURN QUERY SELECT g.* FROM reconcile.pack_rules(pack, options) r
		CROSS JOIN LATERAL reconcile.pack_ensure_guard(r.name, options ->> 'guards', r.guard_timing, dry_run) AS g
		WHERE r.guard_timing IS NOT NULL ORDER BY r.position;
END $$;
REVOKE ALL ON FUNCTION reconcile.pack_install(text, jsonb, boolean) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.pack_install(text, jsonb, boolean) IS
	'used by packs: installs what is declared in pack_layout, pack_object and pack_rule; changes the schema and reference rows unless dry_run';

-- What a pack has and no longer wants, or what is removed with it.
CREATE FUNCTION reconcile.pack_drop(pack text, schema text, keep_invariants text[], keep_objects text[], dry_run boolean)
	RETURNS TABLE (action text, object text, detail text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	surplus record;
BEGIN
	FOR surplus IN
		SELECT s.* FROM (
			SELECT 'invariant' AS type, i.name FROM reconcile.invariants i
			WHERE i.pack = pack_drop.pack AND i.name <> ALL (keep_invariants)
			UNION ALL
			SELECT o.type, o.object FROM reconcile.pack_objects(pack, schema) o WHERE o.object <> ALL (keep_objects)) s
		ORDER BY array_position('{invariant,trigger,view,function}', s.type), s.name
	LOOP
		IF NOT dry_run AND surplus.type = 'invariant' THEN
			PERFORM reconcile.drop_invariant(surplus.name);
		ELSIF NOT dry_run THEN
			EXECUTE format('DROP %s %s', surplus.type, surplus.name);
		END IF;
		RETURN QUERY VALUES ('drop ' || surplus.type, surplus.name, NULL);
	END LOOP;
END $$;
REVOKE ALL ON FUNCTION reconcile.pack_drop(text, text, text[], text[], boolean) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.pack_drop(text, text, text[], text[], boolean) IS
	'used by packs: drops the invariants and generated objects of a pack except those to keep; changes the schema unless dry_run';

CREATE FUNCTION reconcile.install_pack(pack text, options jsonb DEFAULT '{}', dry_run boolean DEFAULT false)
	RETURNS TABLE (action text, object text, detail text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	settled    jsonb := reconcile.pack_options(pack, options);
	settle     constant text := (SELECT p.settle FROM reconcile.pack p WHERE p.name = pack);
	invariants text[] := '{}';
	objects    text[] := '{}';
BEGIN
	IF dry_run IS NULL THEN
		PERFORM reconcile.refuse('22004', 'argument "dry_run" must not be null');
	END IF;
	IF NOT dry_run THEN
		PERFORM pg_advisory_xact_lock(1919247726, hashtext('pack ' || pack));
	END IF;
	IF settle IS NOT NULL THEN
		EXECUTE format('SELECT reconcile.%I($1)', settle) INTO settled USING settled;
	END IF;
	FOR action, object, detail IN
		EXECUTE format('SELECT * FROM reconcile.%I($1, $2)', 'install_' || pack) USING settled, dry_run
	LOOP
		IF action LIKE '% invariant' THEN
			invariants := invariants || object;
		ELSIF action ~ ' (function|view|trigger)$' THEN
			objects := objects || object;
		END IF;
		RETURN NEXT;
	END LOOP;
	RETURN QUERY SELECT * FROM reconcile.pack_drop(pack, settled ->> 'schema', invariants, objects, dry_run);
	IF NOT dry_run THEN
		PERFORM reconcile.record_pack(pack, settled, invariants);
	END IF;
END $$;
REVOKE ALL ON FUNCTION reconcile.install_pack(text, jsonb, boolean) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.install_pack(text, jsonb, boolean) IS
	'installs a pack: its tables where they are missing, its invariants; changes the schema unless dry_run';

CREATE FUNCTION reconcile.remove_pack(pack text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	schema text;
BEGIN
	PERFORM reconcile.pack_check_exists(pack);
	SELECT p.options ->> 'schema' INTO schema FROM reconcile.packs p WHERE p.name = pack AND p.installed;
	IF NOT FOUND THEN
		PERFORM reconcile.refuse('RC005', format('pack "%s" is not installed', pack),
			hint => 'View reconcile.packs tells which are.');
	END IF;
	PERFORM pg_advisory_xact_lock(1919247726, hashtext('pack ' || pack));
	PERFORM reconcile.forget_pack(pack);
	PERFORM reconcile.pack_drop(pack, schema, '{}', '{}', false);
END $$;
REVOKE ALL ON FUNCTION reconcile.remove_pack(text) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.remove_pack(text) IS
	'removes a pack''s invariants; tables and rows stay';
