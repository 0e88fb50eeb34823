-- Packs: functions, views and triggers that they make over the tables of a user.

-- What a pack made is known by its comment, which goes wherever the object
-- goes.  Only an owner can write it, but an owner may be anybody: it is believed
-- in the schema at hand and in that of the installation, of whoever installed
-- the pack and of roles that may act as the caller or as the schema's owner.  A
-- trigger is as its function: tables are their owners', whoever that is.
CREATE FUNCTION reconcile.pack_objects(pack text, schema text) RETURNS TABLE (type text, object text, comment text)
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		SELECT i.type, CASE i.type WHEN 'function' THEN d.objoid::regprocedure::text ELSE i.identity END, d.description
		FROM (SELECT 'pg_proc'::regclass, f.oid, f.pronamespace, f.proowner FROM pg_proc f
		      UNION ALL SELECT 'pg_class'::regclass, c.oid, c.relnamespace, c.relowner FROM pg_class c WHERE c.relkind = 'v'
		      UNION ALL SELECT 'pg_trigger'::regclass, t.oid, c.relnamespace, f.proowner
		      FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc f ON f.oid = t.tgfoid) AS o(class, oid, namespace, owner)
		JOIN pg_namespace n ON n.oid = o.namespace
		JOIN pg_description d ON d.classoid = o.class AND d.objoid = o.oid AND d.objsubid = 0
		CROSS JOIN LATERAL pg_identify_object(o.class, o.oid, 0) AS i
		WHERE d.description LIKE '% (pg_reconcile, pack ' || pack || ', %)'
		  AND n.nspname IN (pack_objects.schema, (SELECT p.options ->> 'schema' FROM reconcile.packs p WHERE p.name = pack))
		  AND (reconcile.pack_stranger(o.owner, o.namespace) IS NULL
		       OR EXISTS (SELECT FROM reconcile.invariants v WHERE v.pack = pack_objects.pack AND v.owner = o.owner::regrole));
	END;
COMMENT ON FUNCTION reconcile.pack_objects(text, text) IS
	'used by packs: the functions, views and triggers that a pack made in a schema or where it is installed';

-- A trigger runs its function as whoever writes, so a function that is there is
-- taken only from roles that could get there without it.
CREATE FUNCTION reconcile.pack_check_function(there oid) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	owner name;
BEGIN
	SELECT reconcile.pack_stranger(f.proowner, f.pronamespace) INTO owner FROM pg_proc f WHERE f.oid = there;
	IF owner IS NOT NULL THEN
		PERFORM reconcile.refuse('42501', format('function %s is owned by role "%s"', there::regprocedure, owner),
			detail => 'The pack has a function of that name, which would run as whoever writes.',
			hint => 'Drop the function, or install the pack as its owner.');
	END IF;
END $$;
COMMENT ON FUNCTION reconcile.pack_check_function(oid) IS
	'used by packs: fails for a function of a role that may act neither as the caller nor as the owner of the schema';

CREATE FUNCTION reconcile.pack_ensure_objects(pack text, options jsonb, dry_run boolean)
	RETURNS TABLE (action text, object text, detail text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	wanted  record;
	text    text;
	identity text;
	there   oid;
	made    text;
	comment text;
BEGIN
	FOR wanted IN SELECT o.*, reconcile.pack_table(options, o.on_table) AS target FROM reconcile.pack_object o
		WHERE o.pack = pack_ensure_objects.pack AND NOT (o.is_guard AND options ->> 'guards' = 'none') ORDER BY o.position, o.name
	LOOP
		identity := CASE wanted.type WHEN 'trigger' THEN quote_ident(wanted.name)
		                             ELSE reconcile.pack_table(options, wanted.name) END;
		text := format('%s %s%s', upper(wanted.type), identity, reconcile.pack_sql(options, wanted.definition, wanted.on_table));
		object := CASE wanted.type WHEN 'trigger' THEN identity || ' on ' || wanted.target
			WHEN 'function' THEN identity || substring(wanted.definition FROM '^\([^)]*\)') ELSE identity END;
		there := CASE wanted.type WHEN 'function' THEN to_regprocedure(object) WHEN 'view' THEN to_regclass(object)
			ELSE (SELECT t.oid FROM pg_trigger t WHERE t.tgrelid = to_regclass(wanted.target) AND t.tgname = wanted.name) END;
		made := obj_description(there, CASE wanted.type WHEN 'function' THEN 'pg_proc' WHEN 'view' THEN 'pg_class' ELSE 'pg_trigger' END);
		comment := format('%s (pg_reconcile, pack %s, %s)', wanted.description, pack, md5(text));
		detail := NULL;
		IF wanted.type = 'function' THEN
			PERFORM reconcile.pack_check_function(there);
		END IF;
		IF there IS NOT NULL AND coalesce(made, '') NOT LIKE '% (pg_reconcile, pack ' || pack || ', %)' THEN
			action := 'differs';
			detail := format('a %s of that name is there, which the pack did not make; it stays', wanted.type);
		ELSIF made IS NOT DISTINCT FROM comment THEN
			action := 'keep ' || wanted.type;
		ELSE
			action := CASE WHEN there IS NULL THEN 'create ' ELSE 'replace ' END || wanted.type;
			IF NOT dry_run THEN
				EXECUTE 'CREATE OR REPLACE ' || text;
				EXECUTE format('COMMENT ON %s %s IS %L', upper(wanted.type), object, comment);
			END IF;
		END IF;
		RETURN NEXT;
	END LOOP;
END $$;
REVOKE ALL ON FUNCTION reconcile.pack_ensure_objects(text, jsonb, boolean) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.pack_ensure_objects(text, jsonb, boolean) IS
	'used by packs: makes their functions, views and triggers; changes the schema unless dry_run';
