-- Recording, moving and reading baselines.

CREATE FUNCTION reconcile.seed_key("row" jsonb, key text[]) RETURNS jsonb
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	BEGIN ATOMIC
		SELECT jsonb_agg(seed_key."row" -> k.name ORDER BY k.n) FROM unnest(key) WITH ORDINALITY AS k(name, n);
	END;
COMMENT ON FUNCTION reconcile.seed_key(jsonb, text[]) IS 'used by baselines: the values of the key columns of a row, in their order';

CREATE FUNCTION reconcile.may_change_baseline(role text, captured_by text) RETURNS boolean
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		SELECT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = role AND (r.rolsuper OR EXISTS (
			SELECT FROM pg_roles c WHERE c.rolname = captured_by AND pg_has_role(r.oid, c.oid, 'MEMBER'))));
	END;
COMMENT ON FUNCTION reconcile.may_change_baseline(text, text) IS
	'used by baselines: whether a role may replace or drop what another one recorded';

CREATE FUNCTION reconcile.capture_baseline(name text DEFAULT 'default', schemas text[] DEFAULT NULL,
                                           seed_tables regclass[] DEFAULT '{}') RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'reconcile_capture_baseline';
REVOKE ALL ON FUNCTION reconcile.capture_baseline(text, text[], regclass[]) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.capture_baseline(text, text[], regclass[]) IS
	'records the schema of this database, and the rows of these tables by their primary keys, as what must be there';

CREATE FUNCTION reconcile.baseline_seed(name text, seed_table regclass, key text[], ignore text[] DEFAULT '{}',
                                        mode text DEFAULT 'at least') RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'reconcile_baseline_seed';
REVOKE ALL ON FUNCTION reconcile.baseline_seed(text, regclass, text[], text[], text) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.baseline_seed(text, regclass, text[], text[], text) IS
	'adds the rows of a table to a baseline, or records them anew';

CREATE FUNCTION reconcile.import_baseline(document jsonb, name text DEFAULT 'default') RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'reconcile_import_baseline';
REVOKE ALL ON FUNCTION reconcile.import_baseline(jsonb, text) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.import_baseline(jsonb, text) IS
	'makes or replaces a baseline by what export_baseline() returned elsewhere';

CREATE FUNCTION reconcile.drop_baseline(name text) RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'reconcile_drop_baseline';
REVOKE ALL ON FUNCTION reconcile.drop_baseline(text) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.drop_baseline(text) IS 'forgets a baseline';

CREATE FUNCTION reconcile.require_baseline(name text) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF name IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'argument "name" must not be null';
	ELSIF NOT EXISTS (SELECT FROM reconcile.baselines b WHERE b.name = require_baseline.name) THEN
		RAISE undefined_object USING MESSAGE = format('baseline "%s" does not exist', name),
			HINT = CASE WHEN EXISTS (SELECT FROM reconcile.baselines)
			            THEN reconcile.did_you_mean(name, ARRAY(SELECT b.name FROM reconcile.baselines b ORDER BY b.name))
			            ELSE 'There are no baselines yet; reconcile.capture_baseline() records one.' END;
	END IF;
END $$;
COMMENT ON FUNCTION reconcile.require_baseline(text) IS 'used by baselines: fails, with the nearest names, unless there is this baseline';

-- Rows that the caller may not see would be missing without a word.
CREATE FUNCTION reconcile.require_readable_seeds(name text) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	hidden text;
BEGIN
	SELECT s.seed_table INTO hidden FROM reconcile.baseline_seeds s
	WHERE s.baseline = require_readable_seeds.name AND NOT s.readable ORDER BY 1 LIMIT 1;
	IF FOUND THEN
		RAISE insufficient_privilege USING MESSAGE = format('permission denied for the recorded rows of table %s', hidden),
			HINT = 'They are for roles that may read that table here, and for the role that recorded them.';
	END IF;
END $$;
COMMENT ON FUNCTION reconcile.require_readable_seeds(text) IS 'used by baselines: fails when one has recorded rows that the caller may not see';

CREATE FUNCTION reconcile.export_baseline(name text DEFAULT 'default') RETURNS jsonb
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET jit = off
AS $$
BEGIN
	PERFORM reconcile.require_baseline(name), reconcile.require_readable_seeds(name);
	RETURN jsonb_build_object(
		'baseline', (SELECT jsonb_build_object('format', b.format, 'server', b.server, 'schemas', b.schemas)
		                    || CASE b.mode WHEN 'exactly' THEN '{}' ELSE jsonb_build_object('mode', b.mode) END
		             FROM reconcile.baselines b WHERE b.name = export_baseline.name),
		'objects', (SELECT coalesce(jsonb_object_agg(c.category, c.objects), '{}')
		            FROM (SELECT o.category, jsonb_object_agg(o.object, o.attributes
		                         || CASE WHEN o.parent IS NULL THEN '{}' ELSE jsonb_build_object('parent', o.parent) END
		                         || CASE WHEN o.requires = '{}' THEN '{}' ELSE jsonb_build_object('requires', o.requires) END) AS objects
		                  FROM reconcile.baseline_objects o WHERE o.baseline = export_baseline.name GROUP BY o.category) AS c),
		'seeds', (SELECT coalesce(jsonb_object_agg(s.seed_table, jsonb_build_object('key', s.key, 'ignore', s.ignore, 'mode', s.mode,
		                     'rows', (SELECT coalesce(jsonb_agg(r.row ORDER BY reconcile.seed_key(r.row, s.key)::text COLLATE "C"), '[]')
		                              FROM reconcile.baseline_seed_rows r WHERE r.baseline = s.baseline AND r.seed_table = s.seed_table))), '{}')
		          FROM reconcile.baseline_seeds s WHERE s.baseline = export_baseline.name));
END $$;
COMMENT ON FUNCTION reconcile.export_baseline(text) IS
	'a baseline as a document for import_baseline(): the same bytes for the same baseline';

CREATE FUNCTION reconcile.baseline_text(name text DEFAULT 'default') RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET jit = off
AS $$
BEGIN
	PERFORM reconcile.require_baseline(name), reconcile.require_readable_seeds(name);
	RETURN (
		SELECT string_agg(line.text, E'\n' ORDER BY line.part, line.sort COLLATE "C", line.text COLLATE "C") || E'\n'
		FROM (SELECT 1, '', format('baseline format %s, PostgreSQL %s, %s%s', b.format, b.server,
		                           coalesce('schemas ' || array_to_string(b.schemas, ', '), 'all schemas'),
		                           CASE b.mode WHEN 'exactly' THEN '' ELSE ', ' || b.mode END)
		      FROM reconcile.baselines b WHERE b.name = baseline_text.name
		      UNION ALL
		      SELECT 2, CASE WHEN o.category = 'privilege' THEN o.parent ELSE concat(coalesce(o.parent, o.object), ' ') END,
		             format('%s %s %s', o.category, replace(o.object, E'\n', '\n'), o.attributes)
		      FROM reconcile.baseline_objects o WHERE o.baseline = baseline_text.name
		      UNION ALL
		      SELECT 3, s.seed_table, format('seed table %s key (%s)%s, %s', s.seed_table, array_to_string(s.key, ', '),
		                                     CASE WHEN s.ignore = '{}' THEN '' ELSE format(' without (%s)', array_to_string(s.ignore, ', ')) END,
		                                     s.mode)
		      FROM reconcile.baseline_seeds s WHERE s.baseline = baseline_text.name
		      UNION ALL
		      SELECT 4, r.seed_table, format('seed row %s %s', r.seed_table, r.row)
		      FROM reconcile.baseline_seed_rows r WHERE r.baseline = baseline_text.name) AS line(part, sort, text));
END $$;
COMMENT ON FUNCTION reconcile.baseline_text(text) IS
	'a baseline as text to be reviewed, one object a line, the parts of a table next to it';

-- What doc/baseline.schema.json says, and what it cannot say.
CREATE FUNCTION reconcile.baseline_problems(document jsonb) RETURNS TABLE (path text, problem text)
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	SET jit = off
	BEGIN ATOMIC
		WITH part AS (   -- the three parts, with something to iterate over where there is nothing
			SELECT CASE WHEN jsonb_typeof(document -> 'baseline') = 'object' THEN document -> 'baseline' ELSE '{}' END AS head,
			       CASE WHEN jsonb_typeof(document -> 'objects') = 'object' THEN document -> 'objects' ELSE '{}' END AS objects,
			       CASE WHEN jsonb_typeof(document -> 'seeds') = 'object' THEN document -> 'seeds' ELSE '{}' END AS seeds
		),
		category AS (
			SELECT c.key AS category, '$.objects.' || to_jsonb(c.key)::text AS path, c.value FROM part, jsonb_each(part.objects) AS c
		),
		object AS (
			SELECT c.category, c.path || '.' || to_jsonb(o.key)::text AS path, o.value
			FROM category c, jsonb_each(CASE WHEN jsonb_typeof(c.value) = 'object' THEN c.value ELSE '{}' END) AS o
		),
		attribute AS (
			SELECT o.category, a.key AS attribute, o.path || '.' || to_jsonb(a.key)::text AS path, a.value
			FROM object o, jsonb_each(CASE WHEN jsonb_typeof(o.value) = 'object' THEN o.value ELSE '{}' END) AS a
		),
		seed AS (
			SELECT '$.seeds.' || to_jsonb(s.key)::text AS path, s.value FROM part, jsonb_each(part.seeds) AS s
		),
		seed_member AS (
			SELECT s.path || '.' || to_jsonb(m.key)::text AS path, m.key, m.value
			FROM seed s, jsonb_each(CASE WHEN jsonb_typeof(s.value) = 'object' THEN s.value ELSE '{}' END) AS m
		),
		known AS (
			SELECT category, attribute, type, words FROM reconcile.schema_attributes()
			UNION ALL SELECT DISTINCT category, 'parent', 'string', NULL::text[] FROM reconcile.schema_attributes()
			UNION ALL SELECT DISTINCT category, 'requires', 'array', NULL::text[] FROM reconcile.schema_attributes()
		)
		SELECT '$', 'it is not an object' WHERE jsonb_typeof(document) <> 'object'
		UNION ALL
		SELECT '$.' || wanted, 'it is not an object' FROM unnest('{baseline,objects,seeds}'::text[]) AS wanted
		WHERE jsonb_typeof(document) = 'object' AND jsonb_typeof(document -> wanted) IS DISTINCT FROM 'object'
		UNION ALL
		SELECT '$.' || to_jsonb(k.key)::text, 'unknown key' FROM jsonb_each(CASE WHEN jsonb_typeof(document) = 'object' THEN document ELSE '{}' END) AS k
		WHERE k.key NOT IN ('baseline', 'objects', 'seeds')
		UNION ALL
		SELECT '$.baseline.' || to_jsonb(k.key)::text, 'unknown key' FROM part, jsonb_each(part.head) AS k WHERE k.key NOT IN ('format', 'server', 'schemas', 'mode')
		UNION ALL
		SELECT '$.baseline.format', 'unknown format version ' || coalesce(part.head ->> 'format', 'null') || ', known is 1'
		FROM part WHERE part.head -> 'format' IS DISTINCT FROM '1'
		UNION ALL
		SELECT '$.baseline.server', 'it is not the number of a major version of PostgreSQL'
		FROM part WHERE jsonb_typeof(part.head -> 'server') IS DISTINCT FROM 'number' OR part.head ->> 'server' !~ '^[1-9][0-9](\.0+)?$'
		UNION ALL
		SELECT '$.baseline.mode', 'it must be one of at least, exactly' FROM part
		WHERE part.head ? 'mode' AND part.head -> 'mode' NOT IN ('"at least"', '"exactly"')
		UNION ALL
		SELECT '$.baseline.schemas', 'it is neither null nor an array of at least one name' FROM part
		WHERE jsonb_typeof(part.head -> 'schemas') IS DISTINCT FROM 'null'
		  AND (jsonb_typeof(part.head -> 'schemas') IS DISTINCT FROM 'array' OR part.head -> 'schemas' = '[]' OR EXISTS (
		         SELECT FROM jsonb_path_query(part.head -> 'schemas', 'lax $[*]') AS s WHERE jsonb_typeof(s) <> 'string'))
		UNION ALL
		SELECT c.path, 'unknown category' FROM category c WHERE c.category NOT IN (SELECT category FROM known)
		UNION ALL
		SELECT c.path, 'it is not an object' FROM category c WHERE jsonb_typeof(c.value) <> 'object'
		UNION ALL
		SELECT o.path, 'it is not an object' FROM object o WHERE jsonb_typeof(o.value) <> 'object'
		UNION ALL
		SELECT o.path || '.' || r.attribute, 'it is missing'
		FROM object o JOIN reconcile.schema_attributes() r ON r.category = o.category AND r.required
		WHERE jsonb_typeof(o.value) = 'object' AND NOT o.value ? r.attribute
		UNION ALL
		SELECT a.path, 'unknown attribute' FROM attribute a
		WHERE a.category IN (SELECT category FROM known)
		  AND NOT EXISTS (SELECT FROM known k WHERE k.category = a.category AND k.attribute = a.attribute)
		UNION ALL
		SELECT a.path, 'it must be of JSON type ' || k.type || ', not ' || jsonb_typeof(a.value)
		FROM attribute a JOIN known k ON k.category = a.category AND k.attribute = a.attribute WHERE jsonb_typeof(a.value) <> k.type
		UNION ALL
		SELECT a.path, format('it must be one of %s, not %s', array_to_string(k.words, ', '), a.value)
		FROM attribute a JOIN known k ON k.category = a.category AND k.attribute = a.attribute
		WHERE k.words IS NOT NULL AND jsonb_typeof(a.value) = 'string' AND a.value #>> '{}' <> ALL (k.words)
		UNION ALL
		SELECT a.path, 'its elements must be strings'
		FROM attribute a JOIN known k ON k.category = a.category AND k.attribute = a.attribute
		WHERE k.type = 'array' AND EXISTS (SELECT FROM jsonb_path_query(a.value, 'lax $[*]') AS e WHERE jsonb_typeof(e) <> 'string')
		UNION ALL
		SELECT s.path, 'it is not an object' FROM seed s WHERE jsonb_typeof(s.value) <> 'object'
		UNION ALL
		SELECT m.path, 'unknown key' FROM seed_member m WHERE m.key NOT IN ('key', 'ignore', 'mode', 'rows')
		UNION ALL
		SELECT s.path || '.mode', 'it must be one of at least, exactly' FROM seed s
		WHERE jsonb_typeof(s.value) = 'object' AND coalesce(s.value ->> 'mode', '') NOT IN ('at least', 'exactly')
		UNION ALL
		SELECT s.path || '.' || wanted, 'it is not an array of names' FROM seed s, unnest('{key,ignore}'::text[]) AS wanted
		WHERE jsonb_typeof(s.value) = 'object'
		  AND (jsonb_typeof(s.value -> wanted) IS DISTINCT FROM 'array' OR wanted = 'key' AND s.value -> 'key' = '[]'
		       OR EXISTS (SELECT FROM jsonb_path_query(s.value -> wanted, 'lax $[*]') AS e WHERE jsonb_typeof(e) <> 'string'))
		UNION ALL
		SELECT s.path || '.rows', 'it is not an array of objects' FROM seed s
		WHERE jsonb_typeof(s.value) = 'object'
		  AND (jsonb_typeof(s.value -> 'rows') IS DISTINCT FROM 'array'
		       OR EXISTS (SELECT FROM jsonb_path_query(s.value, 'lax $.rows[*]') AS e WHERE jsonb_typeof(e) <> 'object'))
		UNION ALL
		SELECT s.path || '.rows', 'a key occurs more than once: ' || min(k.key::text)
		FROM seed s, LATERAL (
			SELECT reconcile.seed_key(e, ARRAY(SELECT jsonb_path_query(s.value, 'lax $.key[*]') #>> '{}')) AS key
			FROM jsonb_path_query(s.value, 'lax $.rows[*]') AS e WHERE jsonb_typeof(e) = 'object') AS k
		WHERE jsonb_typeof(s.value) = 'object' GROUP BY s.path, k.key HAVING count(*) > 1;
	END;
COMMENT ON FUNCTION reconcile.baseline_problems(jsonb) IS
	'what keeps a document from being imported as a baseline, each with its JSON path; nothing if it can be';
