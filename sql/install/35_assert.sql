-- assert_clean(): the end of a migration or of a CI job.

CREATE FUNCTION reconcile.assert_clean(
	invariant text DEFAULT NULL,
	pack      text DEFAULT NULL,
	severity  text DEFAULT 'error') RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	ranks   constant text[] := '{notice,warning,error}';
	drifted text[];
	worst   record;
BEGIN
	IF severity IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'argument "severity" must not be null';
	END IF;
	IF severity <> ALL (ranks) THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('invalid value for argument "severity": "%s"', severity),
			HINT = 'Valid values are "error", "warning", "notice".';
	END IF;

	FOR worst IN
		SELECT a.* FROM reconcile.audit(assert_clean.invariant, assert_clean.pack, 1) a
		WHERE a.state <> 'clean'
		ORDER BY array_position(ranks, a.severity), a.missing + a.differing + a.duplicated NULLS LAST
	LOOP
		IF array_position(ranks, worst.severity) < array_position(ranks, severity) THEN
			IF worst.invariant = assert_clean.invariant THEN  -- asked for by name: not in silence
				RAISE WARNING 'invariant "%" is not clean, but its severity is %', worst.invariant, worst.severity;
			END IF;
			CONTINUE;
		END IF;
		drifted := drifted || format(CASE WHEN worst.state = 'not checked' THEN '%1$s: not checked: %5$s'
				WHEN worst.present > worst.expected THEN '%1$s: %7$s row(s) that must not exist'
				ELSE '%1$s: %2$s missing, %3$s differing, %4$s duplicated of %6$s' END,
			worst.invariant, worst.missing, worst.differing, worst.duplicated, worst.message, worst.expected,
			worst.present);
	END LOOP;
	IF drifted IS NOT NULL THEN
		RAISE SQLSTATE 'RC001' USING
			MESSAGE = format('%s not clean', CASE cardinality(drifted) WHEN 1 THEN '1 invariant is'
				ELSE cardinality(drifted) || ' invariants are' END),
			DETAIL = array_to_string(drifted, E'\n') || coalesce(E'\nFor example: ' || nullif(worst.samples ->> 0, ''), ''),
			HINT = CASE WHEN worst.missing > 0
				THEN format('SELECT * FROM reconcile.repair(%L, dry_run => true);', worst.invariant)
				WHEN worst.state = 'drift'
				THEN format('SELECT * FROM reconcile.findings(%L);', worst.invariant)
				ELSE 'What cannot be checked is not clean; its reason is in the detail.' END;
	END IF;
END $$;
COMMENT ON FUNCTION reconcile.assert_clean(text, text, text) IS
	'raises RC001 unless the invariants are clean; for migrations and CI; writes nothing';

-- Definitions as a document, to be kept beside the migrations.

CREATE FUNCTION reconcile.export_invariants(pack text DEFAULT NULL) RETURNS jsonb
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM reconcile.packs p WHERE p.installed AND p.name = pack) AND pack IS NOT NULL THEN
		RAISE SQLSTATE 'RC005' USING MESSAGE = format('pack "%s" is not installed', pack),
			HINT = reconcile.did_you_mean(pack, ARRAY(SELECT name FROM reconcile.packs WHERE installed ORDER BY name));
	END IF;
	RETURN jsonb_build_object('version', 1, 'invariants', (
		SELECT coalesce(jsonb_agg(jsonb_build_object(
				'name', i.name, 'kind', i.kind, 'target', i.target::text, 'key', i.key, 'expects', i.expects,
				'compare', i.compare, 'where_absent', i.where_absent, 'severity', i.severity,
				'description', i.description, 'search_path', i.search_path, 'time_zone', i.time_zone)
			ORDER BY i.name), '[]')
		FROM reconcile.invariants i WHERE export_invariants.pack IS NULL OR i.pack = export_invariants.pack));
END $$;
COMMENT ON FUNCTION reconcile.export_invariants(text) IS
	'the definitions of a pack or of all invariants as JSON, the same each time';

CREATE FUNCTION reconcile.import_invariants(document jsonb)
	RETURNS TABLE (invariant text, action text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	element jsonb;
	wanted  record;
	goal    regclass;
	same    boolean;
	zone    constant text := current_setting('TimeZone');
	place   text;
	part    text;
BEGIN
	IF document IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'argument "document" must not be null';
	END IF;
	IF document -> 'version' IS DISTINCT FROM '1' OR jsonb_typeof(document -> 'invariants') IS DISTINCT FROM 'array' THEN
		RAISE invalid_parameter_value USING MESSAGE = 'the document is not one of export_invariants()',
			DETAIL = 'It must be an object with "version" 1 and an array "invariants".';
	END IF;
	FOR element, place IN SELECT e, format('$.invariants[%s]', n - 1)
		FROM jsonb_array_elements(document -> 'invariants') WITH ORDINALITY AS t(e, n)
	LOOP
		IF jsonb_typeof(element) <> 'object' OR NOT element ?& '{name,target,key,expects}' THEN
			RAISE invalid_parameter_value USING MESSAGE = place || ' has no name, target, key or expects';
		END IF;
		IF jsonb_typeof(element -> 'key') <> 'array' OR jsonb_typeof(element -> 'compare') NOT IN ('array', 'null') THEN
			RAISE invalid_parameter_value USING MESSAGE = place || ' has a key or compare that is no array of names';
		END IF;
		SELECT k INTO part FROM jsonb_object_keys(element) AS k WHERE k <> ALL ('{name,kind,target,key,expects,compare,where_absent,severity,description,search_path,time_zone}');
		IF FOUND THEN
			RAISE invalid_parameter_value USING MESSAGE = format('%s has the unknown key "%s"', place, part);
		END IF;
		SELECT e.name, e.target, e.key, e.expects, coalesce(e.kind, 'insert') AS kind, coalesce(e.compare, '{}') AS compare,
		       nullif(e.where_absent, '') AS where_absent, coalesce(e.severity, 'error') AS severity,
		       nullif(e.description, '') AS description, coalesce(e.search_path, 'pg_catalog, pg_temp') AS search_path,
		       coalesce(e.time_zone, zone) AS time_zone
			INTO wanted
			FROM jsonb_to_record(element) AS e(name text, kind text, target text, key text[],
				expects text, compare text[], where_absent text, severity text, description text, search_path text, time_zone text);
		-- the path is for names, in three places only: operators of its schemas are not ours
		PERFORM set_config('search_path', wanted.search_path, true);
		goal := wanted.target::pg_catalog.regclass;
		PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
		SELECT (i.kind, i.target, i.key, i.expects, i.compare, i.where_absent, i.severity, i.description, i.search_path, i.time_zone)
			IS NOT DISTINCT FROM (wanted.kind, goal, wanted.key, wanted.expects, wanted.compare,
				wanted.where_absent, wanted.severity, wanted.description, wanted.search_path, wanted.time_zone)
			INTO same FROM reconcile.invariants i WHERE i.name = wanted.name;
		invariant := wanted.name;
		action := CASE WHEN same THEN 'kept' WHEN same IS NULL THEN 'created' ELSE 'altered' END;
		BEGIN
			PERFORM set_config('TimeZone', wanted.time_zone, true);
		EXCEPTION WHEN invalid_parameter_value THEN
			RAISE invalid_parameter_value USING
				MESSAGE = format('%s names the unknown time zone "%s"', place, wanted.time_zone),
				HINT = 'View pg_timezone_names lists those there are.';
		END;
		PERFORM set_config('search_path', wanted.search_path, true);
		IF same IS NULL THEN
			PERFORM reconcile.create_invariant(wanted.name, goal, wanted.key, wanted.expects,
				wanted.kind, wanted.compare, wanted.where_absent, wanted.severity, wanted.description);
		ELSIF NOT same THEN
			PERFORM reconcile.alter_invariant(wanted.name, goal, wanted.key, wanted.expects,
				wanted.kind, wanted.compare, coalesce(wanted.where_absent, ''), wanted.severity, coalesce(wanted.description, ''));
		END IF;
		PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
		PERFORM set_config('TimeZone', zone, true);
		RETURN NEXT;
	END LOOP;
END $$;
REVOKE ALL ON FUNCTION reconcile.import_invariants(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.import_invariants(jsonb) IS
	'creates or alters invariants as a document of export_invariants() says; changes no user data';
