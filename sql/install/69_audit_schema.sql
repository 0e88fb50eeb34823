-- Auditing: what is found of one state of the catalogs, by comparing and by itself.

CREATE FUNCTION reconcile.catalog_changes() RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'reconcile_catalog_changes';
COMMENT ON FUNCTION reconcile.catalog_changes() IS
	'used by audits and baselines: how often this session has heard that others changed a catalog';

-- A transaction that is REPEATABLE READ lists objects as they were when it began,
-- while the server prints their definitions as they are.
CREATE FUNCTION reconcile.require_current_catalogs() RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'reconcile_require_current_catalogs';
COMMENT ON FUNCTION reconcile.require_current_catalogs() IS
	'used by audits and baselines: raises 40001 in a transaction that no longer sees the catalogs as they are';

-- The catalog is read by the snapshot of one statement and by functions of the
-- server that see later changes: when an object goes in between, the statement
-- fails or finds nothing to print, and when it is renamed its parts say two names.
-- So what was read while catalogs changed is read again, until two times say the
-- same, or this fails.
CREATE FUNCTION reconcile.read_again(attempt integer, reason text) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	most_attempts CONSTANT integer := 10;
BEGIN
	IF attempt >= most_attempts THEN
		RAISE object_in_use USING MESSAGE = 'the schema was changed while it was read', DETAIL = reason || '.',
			HINT = 'Try again when fewer objects are being changed.';
	END IF;
END $$;
COMMENT ON FUNCTION reconcile.read_again(integer, text) IS
	'used by audits and baselines: fails when catalogs were read often enough, and changed each time meanwhile';

-- Two readings say the same when the recorded schema is the one that is there.
CREATE FUNCTION reconcile.record_objects(baseline text, schemas text[]) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	changes bigint;
	attempt integer := 0;
	reason  text;
BEGIN
	LOOP
		attempt := attempt + 1;
		changes := reconcile.catalog_changes();
		BEGIN
			DELETE FROM reconcile.baseline_object o WHERE o.baseline = record_objects.baseline;
			INSERT INTO reconcile.baseline_object (baseline, category, object, parent, attributes, requires)
				SELECT record_objects.baseline, r.category, r.object, r.parent, r.attributes, r.requires
				FROM reconcile.schema_requirements(schemas) r;
			PERFORM reconcile.require_current_catalogs();
			EXIT WHEN reconcile.catalog_changes() = changes OR NOT EXISTS (SELECT FROM reconcile.schema_pairs(baseline, NULL, schemas));
			reason := 'Others change catalogs all the time';
		EXCEPTION WHEN internal_error OR undefined_table OR undefined_object OR undefined_function OR undefined_column OR invalid_schema_name THEN
			reason := SQLERRM;
			PERFORM reconcile.require_current_catalogs();
		END;
		PERFORM reconcile.read_again(attempt, reason);
	END LOOP;
END $$;
REVOKE ALL ON FUNCTION reconcile.record_objects(text, text[]) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.record_objects(text, text[]) IS
	'used by capture_baseline(): records all objects of these schemas, as they are at one time';

-- Said once by whoever was called: an empty result is no proof where nothing was compared.
CREATE FUNCTION reconcile.tell_without_baseline(baseline text) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF baseline IS NULL AND NOT EXISTS (SELECT FROM reconcile.baselines b WHERE b.name = 'default') THEN
		RAISE NOTICE 'there is no baseline "default": only what needs none is checked'
			USING HINT = 'reconcile.capture_baseline() records one, and reconcile.import_baseline() brings one from elsewhere.';
	END IF;
END $$;
COMMENT ON FUNCTION reconcile.tell_without_baseline(text) IS
	'used by audit_schema(), fix_schema() and fix_schema_online(): says that there is nothing to compare with';

-- Every source of findings, for audit_schema() and fix_schema().
CREATE FUNCTION reconcile.schema_findings(baseline text, schemas text[])
	RETURNS SETOF reconcile.schema_finding
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	chosen   text := coalesce(baseline, (SELECT b.name FROM reconcile.baselines b WHERE b.name = 'default'));
	within   text[] := schemas;
	changes  bigint;
	attempt  integer := 0;
	findings reconcile.schema_finding[];
	before   reconcile.schema_finding[];
	reason   text;
BEGIN
	IF chosen IS NOT NULL THEN
		PERFORM reconcile.require_baseline(chosen);
		within := coalesce(schemas, (SELECT b.schemas FROM reconcile.baselines b WHERE b.name = chosen));
	END IF;
	PERFORM reconcile.require_schemas(schemas, chosen);
	LOOP
		attempt := attempt + 1;
		changes := reconcile.catalog_changes();
		BEGIN
			findings := ARRAY(
				SELECT ROW(f.*)::reconcile.schema_finding FROM (
					SELECT d.* FROM reconcile.schema_differences(chosen, NULL, within) d JOIN reconcile.baselines b ON b.name = chosen
					WHERE chosen IS NOT NULL AND (b.mode = 'exactly' OR (d.kind <> 'extra' AND d.attribute IS DISTINCT FROM 'column order'))
					UNION ALL
					-- What a baseline has is as it is meant to be: beside it, only what is broken counts.
					SELECT c.* FROM reconcile.schema_checks(within, chosen IS NULL) c
					WHERE chosen IS NULL OR c.actual = 'not checked'
					   OR (c.kind IN ('invalid', 'disabled') AND coalesce(c.fix, '') NOT LIKE 'ALTER DOMAIN %'   -- which is an attribute of the type
					       AND NOT EXISTS (SELECT FROM reconcile.baseline_objects o
					         WHERE o.baseline = chosen AND o.object = c.object AND o.category = c.category
					           AND CASE c.kind WHEN 'invalid' THEN c.category = 'constraint' AND o.attributes -> 'valid' = 'false'
					                    ELSE c.category <> 'constraint' END))) AS f
				ORDER BY f.category, f.object, f.part_of, f.kind, f.attribute, f.reason);
			PERFORM reconcile.require_current_catalogs();
			EXIT WHEN findings = '{}' OR findings = before OR reconcile.catalog_changes() = changes;
			before := findings;
			reason := 'Others change catalogs all the time';
		EXCEPTION WHEN internal_error OR undefined_table OR undefined_object OR undefined_function OR undefined_column OR invalid_schema_name THEN
			reason := SQLERRM;
			PERFORM reconcile.require_current_catalogs();
		END;
		PERFORM reconcile.read_again(attempt, reason);
	END LOOP;
	RETURN QUERY SELECT * FROM unnest(findings);
	IF chosen IS NOT NULL THEN
		RETURN QUERY SELECT * FROM reconcile.seed_differences(chosen, NULL, within);
	END IF;
	RETURN QUERY SELECT * FROM reconcile.migration_findings(chosen, within);
END $$;
COMMENT ON FUNCTION reconcile.schema_findings(text, text[]) IS
	'used by audit_schema() and fix_schema(): all findings, with what their fixes need to know';

CREATE FUNCTION @extschema@.audit_schema(baseline text DEFAULT NULL, schemas text[] DEFAULT NULL)
	RETURNS TABLE (severity text, category text, kind text, object text, expected text, actual text, reason text, hazard text, fix text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET jit = off  -- it takes longer to compile plans over catalogs than to run them
AS $$
BEGIN
	PERFORM reconcile.tell_without_baseline(baseline);
	RETURN QUERY
		WITH finding AS MATERIALIZED (
			-- What is invalid or disabled, and should not be, is found by comparing and by itself: once is enough.
			SELECT DISTINCT ON (coalesce(x.part_of, ''), x.category, x.object, coalesce(x.attribute, CASE x.kind WHEN 'invalid' THEN 'valid' WHEN 'disabled' THEN 'enabled' END),
			                    CASE WHEN x.kind IN ('invalid', 'disabled') THEN '' ELSE x.reason END) x.*
			FROM reconcile.schema_findings(baseline, schemas) x
			ORDER BY coalesce(x.part_of, ''), x.category, x.object, coalesce(x.attribute, CASE x.kind WHEN 'invalid' THEN 'valid' WHEN 'disabled' THEN 'enabled' END),
			         CASE WHEN x.kind IN ('invalid', 'disabled') THEN '' ELSE x.reason END, x.expected_object IS NULL, x.attribute IS NULL),
		part AS (SELECT p.part_of, string_agg(p.fix, E'\n' ORDER BY array_position(reconcile.schema_order(), p.category), p.object) AS fix
		         FROM finding p WHERE p.part_of IS NOT NULL GROUP BY p.part_of)
		SELECT f.severity, f.category, f.kind, f.object, f.expected, f.actual, f.reason, f.hazard, concat_ws(E'\n', f.fix, p.fix)
		FROM finding f LEFT JOIN part p ON p.part_of = f.object AND f.kind = 'missing' AND f.category IN ('schema', 'table', 'view', 'sequence', 'function', 'type', 'column')
		WHERE f.part_of IS NULL
		ORDER BY array_position('{error,warning,notice}'::text[], f.severity), array_position(reconcile.schema_order(), f.category),
		         f.object COLLATE "C", f.attribute COLLATE "C";
END $$;
COMMENT ON FUNCTION @extschema@.audit_schema(text, text[]) IS
	'what this database lacks or has otherwise than its baseline, and what is wrong without one, with the statements that mend it; changes nothing';
