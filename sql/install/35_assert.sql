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
	IF severity IS NULL OR severity <> ALL (ranks) THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('invalid value for argument "severity": "%s"', severity),
			HINT = 'Valid values are "error", "warning", "notice".';
	END IF;

	FOR worst IN
		SELECT a.* FROM reconcile.audit(assert_clean.invariant, assert_clean.pack, 1) a
		WHERE a.state <> 'clean' AND array_position(ranks, a.severity) >= array_position(ranks, assert_clean.severity)
		ORDER BY array_position(ranks, a.severity), a.missing + a.differing + a.duplicated NULLS LAST
	LOOP
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
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		SELECT jsonb_build_object('version', 1, 'invariants', coalesce(jsonb_agg(jsonb_build_object(
				'name', i.name, 'kind', i.kind, 'target', i.target::text, 'key', i.key, 'expects', i.expects,
				'compare', i.compare, 'where_absent', i.where_absent, 'severity', i.severity,
				'description', i.description, 'search_path', i.search_path)
			ORDER BY i.name), '[]'))
		FROM reconcile.invariants i WHERE export_invariants.pack IS NULL OR i.pack = export_invariants.pack;
	END;
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
	old     record;
	place   integer := 0;
BEGIN
	IF document IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'argument "document" must not be null';
	END IF;
	IF document -> 'version' IS DISTINCT FROM '1' OR jsonb_typeof(document -> 'invariants') IS DISTINCT FROM 'array' THEN
		RAISE invalid_parameter_value USING MESSAGE = 'the document is not one of export_invariants()',
			DETAIL = 'It must be an object with "version" 1 and an array "invariants".';
	END IF;
	FOR element IN SELECT * FROM jsonb_array_elements(document -> 'invariants') LOOP
		IF jsonb_typeof(element) <> 'object' OR NOT element ?& '{name,target,key,expects}' THEN
			RAISE invalid_parameter_value USING
				MESSAGE = format('$.invariants[%s] has no name, target, key or expects', place);
		END IF;
		SELECT * INTO wanted FROM jsonb_to_record(element) AS e(name text, kind text, target text, key text[],
			expects text, compare text[], where_absent text, severity text, description text, search_path text);
		PERFORM set_config('search_path', coalesce(wanted.search_path, 'pg_catalog, pg_temp'), true);
		SELECT i.* INTO old FROM reconcile.invariants i WHERE i.name = wanted.name;
		invariant := wanted.name;
		IF old.name IS NULL THEN
			action := 'created';
			PERFORM reconcile.create_invariant(wanted.name, wanted.target::regclass, wanted.key, wanted.expects,
				coalesce(wanted.kind, 'insert'), coalesce(wanted.compare, '{}'), wanted.where_absent,
				coalesce(wanted.severity, 'error'), wanted.description);
		ELSIF (old.kind, old.target, old.key, old.expects, old.compare, old.where_absent, old.severity, old.description)
			IS NOT DISTINCT FROM (coalesce(wanted.kind, 'insert'), wanted.target::regclass, wanted.key, wanted.expects,
				coalesce(wanted.compare, '{}'), wanted.where_absent, coalesce(wanted.severity, 'error'), wanted.description) THEN
			action := 'kept';
		ELSE
			action := 'altered';
			PERFORM reconcile.alter_invariant(wanted.name, wanted.target::regclass, wanted.key, wanted.expects,
				coalesce(wanted.kind, 'insert'), coalesce(wanted.compare, '{}'), coalesce(wanted.where_absent, ''),
				coalesce(wanted.severity, 'error'), coalesce(wanted.description, ''));
		END IF;
		RETURN NEXT;
		place := place + 1;
	END LOOP;
END $$;
REVOKE ALL ON FUNCTION reconcile.import_invariants(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.import_invariants(jsonb) IS
	'creates or alters invariants as a document of export_invariants() says; changes no user data';
