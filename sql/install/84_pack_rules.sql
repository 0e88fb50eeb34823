-- Packs: their invariants, and the guards of these.

-- What a query yields as text for a column that is an enumeration here is cast
-- to it: no text is one by itself.
CREATE FUNCTION reconcile.pack_typed(pack text, options jsonb, target text, template text) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	enumerated record;
BEGIN
	FOR enumerated IN
		SELECT c.name, format_type(a.atttypid, a.atttypmod) AS type
		FROM reconcile.pack_columns(pack, options) c
		JOIN pg_attribute a ON a.attrelid = to_regclass(reconcile.pack_table(options, c.table_name)) AND NOT a.attisdropped
		 AND quote_ident(a.attname) = reconcile.pack_column(options, c.table_name, c.name)
		JOIN pg_type t ON t.oid = a.atttypid AND t.typtype = 'e'
		WHERE c.table_name = target
	LOOP
		template := replace(template, format(' AS @.%s@', enumerated.name), format('::%s AS @.%s@', enumerated.type, enumerated.name));
	END LOOP;
	RETURN template;
END $$;
COMMENT ON FUNCTION reconcile.pack_typed(text, jsonb, text, text) IS
	'used by packs: a template whose values fit columns that are enumerations';

-- The rules of a pack, or one of them, with the names of this database put in.
CREATE FUNCTION reconcile.pack_rules(pack text, options jsonb, rule text DEFAULT NULL)
	RETURNS TABLE (name text, "position" integer, kind text, target text, key text[], expects text, compare text[],
	               where_absent text, severity text, seed_label text, guard_timing text, description text,
	               table_name text, yields text[])
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		SELECT r.name, r.position, r.kind, reconcile.pack_table(options, r.target),
		       ARRAY(SELECT coalesce(options -> 'columns' -> r.target ->> k, k) FROM unnest(r.key) AS k),
		       reconcile.pack_sql(options, reconcile.pack_typed(r.pack, options, r.target, r.expects), r.target),
		       ARRAY(SELECT coalesce(options -> 'columns' -> r.target ->> c, c) FROM unnest(r.compare) AS c),
		       reconcile.pack_sql(options, r.where_absent, r.target), r.severity,
		       reconcile.pack_sql(options, r.seed_label, r.target), r.guard_timing, r.description, r.target,
		       ARRAY(SELECT m[1] FROM regexp_matches(r.expects, 'AS @\.(\w+)@', 'g') AS m)
		FROM reconcile.pack_rule r WHERE r.pack = pack_rules.pack AND r.name = coalesce(rule, r.name);
	END;
COMMENT ON FUNCTION reconcile.pack_rules(text, jsonb, text) IS
	'used by packs: their invariants, or one of them, with the names of this database';

-- The invariant is evaluated, and the application's own triggers on its target
-- fire, with the pack's schema on the search_path.
CREATE FUNCTION reconcile.pack_search_path(options jsonb) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		SELECT concat_ws(', ', quote_ident(options ->> 'schema'), nullif('public', options ->> 'schema'), 'pg_temp');
	END;
COMMENT ON FUNCTION reconcile.pack_search_path(jsonb) IS
	'used by packs: the search_path of their invariants';

CREATE FUNCTION reconcile.pack_declare(pack text, options jsonb, name text, target text, key text[], expects text,
                                       where_absent text, description text, kind text DEFAULT 'insert',
                                       compare text[] DEFAULT '{}', severity text DEFAULT 'error', dry_run boolean DEFAULT false)
	RETURNS TABLE (action text, object text, detail text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	old  record;
BEGIN
	SELECT i.* INTO old FROM reconcile.invariants i WHERE i.name = pack_declare.name;
	IF old.name IS NOT NULL AND old.pack IS DISTINCT FROM pack_declare.pack THEN
		PERFORM reconcile.refuse('42710', format('invariant "%s" exists and is not one of pack "%s"', name, pack),
			hint => format('Drop it first: SELECT reconcile.drop_invariant(%L);', name));
	END IF;
	object := name;
	detail := concat_ws(' ', target, '(' || array_to_string(key, ', ') || ')');
	action := CASE
		WHEN old.name IS NULL THEN 'create invariant'
		WHEN (old.kind, old.target, old.key, old.expects, old.where_absent, old.compare, old.severity, old.description)
		     IS NOT DISTINCT FROM (kind, to_regclass(target), key, expects, where_absent, compare, severity, description)
		THEN 'keep invariant' ELSE 'alter invariant' END;
	RETURN NEXT;
	IF dry_run OR action = 'keep invariant' THEN
		RETURN;
	END IF;
	-- From here on names and operators may be the application's.
	PERFORM set_config('search_path', reconcile.pack_search_path(options), true);
	IF old.kind <> kind THEN
		PERFORM reconcile.drop_invariant(name);
		old := NULL;
	END IF;
	IF old.name IS NULL THEN
		PERFORM reconcile.create_invariant(name, target::regclass, key, expects, kind, compare,
			where_absent => where_absent, severity => severity, description => description);
	ELSE
		PERFORM reconcile.alter_invariant(name, target::regclass, key, expects, compare => compare,
			where_absent => coalesce(where_absent, ''), severity => severity, description => description);
	END IF;
END $$;
REVOKE ALL ON FUNCTION reconcile.pack_declare(text, jsonb, text, text, text[], text, text, text, text, text[], text, boolean)
	FROM PUBLIC;
COMMENT ON FUNCTION reconcile.pack_declare(text, jsonb, text, text, text[], text, text, text, text, text[], text, boolean) IS
	'used by packs: creates an invariant, or alters it when its definition changed; changes no user data';

-- Guards are made anew each time: that adds what new partitions lack.
CREATE FUNCTION reconcile.pack_ensure_guard(invariant text, on_failure text, timing text, dry_run boolean)
	RETURNS TABLE (action text, object text, detail text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	old record;
BEGIN
	SELECT DISTINCT g.on_failure, g.timing INTO old FROM reconcile.guards g WHERE g.invariant = pack_ensure_guard.invariant;
	object := invariant;
	detail := format('on failure %s, at %s', on_failure, CASE timing WHEN 'commit' THEN 'commit' ELSE 'the end of the statement' END);
	IF on_failure = 'none' AND old.on_failure IS NULL THEN
		RETURN;
	ELSIF on_failure = 'none' THEN
		action := 'drop guard';
		detail := NULL;
		IF NOT dry_run THEN
			PERFORM reconcile.unguard(invariant);
		END IF;
	ELSE
		action := CASE WHEN old.on_failure IS NULL THEN 'create guard'
			WHEN (old.on_failure, old.timing) = (pack_ensure_guard.on_failure, pack_ensure_guard.timing) THEN 'keep guard' ELSE 'alter guard' END;
		IF NOT dry_run THEN
			PERFORM FROM reconcile.guard(invariant, on_failure => on_failure, timing => timing);
		END IF;
	END IF;
	RETURN NEXT;
END $$;
REVOKE ALL ON FUNCTION reconcile.pack_ensure_guard(text, text, text, boolean) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.pack_ensure_guard(text, text, text, boolean) IS
	'used by packs: guards an invariant as the option guards says, or does not; changes the schema unless dry_run';
