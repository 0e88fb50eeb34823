-- Comparing: a baseline with the live schema, or two baselines.

-- What is right of a baseline's attribute, and where a finding about it belongs.
CREATE FUNCTION reconcile.schema_severity(category text, attribute text) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	BEGIN ATOMIC
		SELECT CASE
			WHEN attribute IN ('comment', 'column_comments', 'check_comments', 'index_comment') THEN 'notice'
			WHEN attribute IN ('statistics', 'target', 'storage', 'compression', 'tablespace', 'options', 'clustered', 'cost', 'rows',
			                   'access_method', 'cache', 'version')
			     AND category <> 'view' THEN 'warning'
			WHEN attribute = 'owner' THEN 'warning'
			ELSE 'error' END;
	END;
COMMENT ON FUNCTION reconcile.schema_severity(text, text) IS 'used by audits: how bad it is that an attribute differs';

-- The order in which kinds of objects can be created, as far as kinds go.
CREATE FUNCTION reconcile.schema_order() RETURNS text[]
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	BEGIN ATOMIC
		SELECT '{schema,extension,type,sequence,function,table,column,owner,constraint,index,statistics,view,rule,trigger,policy,privilege,seed row,migration}'::text[];
	END;
COMMENT ON FUNCTION reconcile.schema_order() IS 'used by audits: categories in the order in which their objects can be created';

CREATE FUNCTION reconcile.schema_summary(category text, attributes jsonb) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	BEGIN ATOMIC
		SELECT CASE category
			WHEN 'column' THEN concat_ws(' ', attributes ->> 'type', CASE WHEN attributes -> 'not_null' = 'true' THEN 'NOT NULL' END,
			     'DEFAULT ' || (attributes ->> 'default'), 'generated ' || (attributes ->> 'generated'), attributes ->> 'identity')
			WHEN 'index' THEN concat_ws(' ', CASE WHEN attributes -> 'unique' = 'true' THEN 'UNIQUE' END, attributes ->> 'definition')
			WHEN 'privilege' THEN coalesce(nullif(concat_ws(', ', attributes ->> 'privileges', attributes ->> 'maintain'), ''), 'none')
			WHEN 'extension' THEN 'version ' || (attributes ->> 'version')
			WHEN 'policy' THEN concat_ws(' ', attributes ->> 'command', 'to', reconcile.schema_list(attributes -> 'roles'),
			     'using (' || (attributes ->> 'using') || ')', 'check (' || (attributes ->> 'check') || ')')
			WHEN 'function' THEN concat_ws(' ', attributes ->> 'kind', 'returns ' || (attributes ->> 'result'))
			ELSE coalesce(CASE WHEN category NOT IN ('view') THEN attributes ->> 'definition' END, attributes ->> 'kind', attributes ->> 'type', category) END;
	END;
COMMENT ON FUNCTION reconcile.schema_summary(text, jsonb) IS 'used by audits: an object in a few words';

CREATE FUNCTION reconcile.schema_reason(category text, attribute text, expected jsonb, actual jsonb) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN CASE
		WHEN category = 'type' AND attribute = 'labels' THEN concat_ws('; ',
		     'missing labels: ' || (SELECT string_agg(e.label, ', ') FROM jsonb_array_elements_text(expected -> 'labels') AS e(label) WHERE NOT actual -> 'labels' ? e.label),
		     'labels too many: ' || (SELECT string_agg(a.label, ', ') FROM jsonb_array_elements_text(actual -> 'labels') AS a(label) WHERE NOT expected -> 'labels' ? a.label),
		     CASE WHEN (SELECT jsonb_agg(e.label ORDER BY e.n) FROM jsonb_array_elements_text(expected -> 'labels') WITH ORDINALITY AS e(label, n) WHERE actual -> 'labels' ? e.label)
		          <> (SELECT jsonb_agg(a.label ORDER BY a.n) FROM jsonb_array_elements_text(actual -> 'labels') WITH ORDINALITY AS a(label, n) WHERE expected -> 'labels' ? a.label)
		          THEN 'the order differs' END)
		WHEN attribute = 'enabled' AND actual ->> 'enabled' = 'disabled' THEN 'it is disabled'
		WHEN attribute = 'valid' AND actual -> 'valid' = 'true' THEN 'it is valid, and was not when the baseline was recorded'
		WHEN category = 'index' AND attribute = 'valid' THEN 'it is invalid: queries do not use it'
		WHEN category = 'constraint' AND attribute = 'valid' THEN 'it was never validated: rows of before may violate it'
		ELSE attribute || ' differs from the baseline' END;
END $$;
COMMENT ON FUNCTION reconcile.schema_reason(text, text, jsonb, jsonb) IS 'used by audits: what an attribute that differs means';

CREATE FUNCTION reconcile.in_schemas(object text, schemas text[]) RETURNS boolean
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	BEGIN ATOMIC
		SELECT EXISTS (SELECT FROM unnest(schemas) AS s
		               WHERE starts_with(object, quote_ident(s) || '.') OR object = quote_ident(s)
		                  OR position(format(' in schema %I on ', s) IN object) > 0);
	END;
COMMENT ON FUNCTION reconcile.in_schemas(text, text[]) IS 'used by audits: whether an identity is in one of these schemas';

-- Whatever is not the same on both sides, compared as bytes.  Its settings are
-- those of catalogs, which have statistics; what it returns is usually little.
-- The plan is for any arguments and kept for the session: for a small schema it
-- takes longer to make than to run.
CREATE FUNCTION reconcile.schema_pairs(expected_baseline text, actual_baseline text, schemas text[])
	RETURNS TABLE (category text, object text, parent text, requires text[], expected jsonb, actual jsonb)
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE ROWS 100
	SET search_path = pg_catalog, pg_temp
	SET plan_cache_mode = force_generic_plan
	SET jit = off
	SET max_parallel_workers_per_gather = 0   -- many small joins: a worker starts for longer than it helps
	SET random_page_cost = 1.5                -- catalogs are in memory, and most of each is read
	SET enable_nestloop = off                 -- the planner takes the schemas of users for few
	SET enable_mergejoin = off                -- and sorts what it takes for few
	SET work_mem = '32MB'                     -- the two schemas are compared in memory
AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY
	WITH e AS (
		SELECT o.category, o.object, o.parent, o.attributes, o.requires FROM reconcile.baseline_objects o
		WHERE o.baseline = expected_baseline AND o.category <> 'migration'
		  AND (schemas IS NULL OR o.category = 'extension' OR reconcile.in_schemas(coalesce(o.parent, o.object), schemas))
	),
	a AS (
		SELECT m.category, m.object, m.parent, m.attributes FROM reconcile.schema_objects m
		WHERE actual_baseline IS NULL AND (schemas IS NULL OR m.category = 'extension' OR m.schema = ANY (schemas))
		UNION ALL
		SELECT o.category, o.object, o.parent, o.attributes FROM reconcile.baseline_objects o
		WHERE actual_baseline IS NOT NULL AND o.baseline = actual_baseline AND o.category <> 'migration'
		  AND (schemas IS NULL OR o.category = 'extension' OR reconcile.in_schemas(coalesce(o.parent, o.object), schemas))
	)
	SELECT coalesce(e.category, a.category), coalesce(e.object, a.object), coalesce(e.parent, a.parent), e.requires, e.attributes, a.attributes
	FROM e FULL JOIN a ON a.category = e.category AND a.object = e.object
	WHERE record_image_ne(ROW(e.attributes), ROW(a.attributes));
END $$;
COMMENT ON FUNCTION reconcile.schema_pairs(text, text, text[]) IS
	'used by schema_differences(): the objects that a baseline and another one, or the live schema, have not in common';

CREATE FUNCTION reconcile.schema_differences(expected text, actual text DEFAULT NULL, schemas text[] DEFAULT NULL)
	RETURNS SETOF reconcile.schema_finding
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE ROWS 100
	SET search_path = pg_catalog, pg_temp
	SET plan_cache_mode = force_generic_plan
	SET jit = off
	SET enable_nestloop = off   -- what CTEs hold is not estimated, and may be much
AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY
	WITH side AS (
		SELECT (SELECT b.server FROM reconcile.baselines b WHERE b.name = schema_differences.expected) AS expected_server,
		       coalesce((SELECT b.server FROM reconcile.baselines b WHERE b.name = schema_differences.actual),
		                current_setting('server_version_num')::integer / 10000) AS actual_server
	),
	pair AS MATERIALIZED (
		SELECT p.category, p.object, p.parent, p.requires, p.expected, p.actual
		FROM reconcile.schema_pairs(schema_differences.expected, schema_differences.actual, schemas) p
	),
	-- One side has a view and the other one a table of this name: the kind differs, nothing is missing.
	other_kind AS MATERIALIZED (
		SELECT m.object, m.category, x.category AS actual_category, m.expected, x.actual
		FROM pair m JOIN pair x ON x.object = m.object AND x.category <> m.category
		WHERE m.actual IS NULL AND x.expected IS NULL AND m.category IN ('table', 'view', 'sequence') AND x.category IN ('table', 'view', 'sequence')
	),
	-- A table alone lists what a partition has of its parent: all of that comes and goes with being one.
	attached AS MATERIALIZED (
		SELECT p.object FROM pair p
		WHERE p.category = 'table' AND p.expected IS NOT NULL AND p.actual IS NOT NULL AND p.expected ? 'partition_of' <> p.actual ? 'partition_of'
	),
	-- A serial column on one side, and on the other one a default from the same sequence, which the column does not own.
	disowned AS MATERIALIZED (
		SELECT p.object, d.sequence
		FROM pair p
		CROSS JOIN LATERAL (SELECT CASE WHEN p.expected ->> 'identity' LIKE 'serial%' AND NOT p.actual ? 'identity' THEN p.expected
		                                WHEN p.actual ->> 'identity' LIKE 'serial%' AND NOT p.expected ? 'identity' THEN p.actual END) AS serial(attributes)
		CROSS JOIN LATERAL (SELECT reconcile.schema_default_sequence(coalesce(p.expected ->> 'default', p.actual ->> 'default'))) AS d(sequence)
		WHERE p.category = 'column' AND p.expected IS NOT NULL AND p.actual IS NOT NULL
		  AND d.sequence = reconcile.schema_serial_sequence(p.object, serial.attributes) AND serial.attributes IS NOT NULL
	),
	-- Constraints and indexes that differ in nothing but their name, matched one to one.
	numbered AS (
		SELECT p.category, p.object, p.parent, p.requires, p.expected, p.actual,
		       row_number() OVER (PARTITION BY p.category, p.parent, coalesce(p.expected, p.actual), p.actual IS NULL ORDER BY p.object) AS n
		FROM pair p WHERE p.category IN ('constraint', 'index') AND (p.expected IS NULL OR p.actual IS NULL)
	),
	renamed AS MATERIALIZED (
		SELECT m.category, m.parent, m.object, x.object AS actual_object, m.expected, x.actual, m.requires
		FROM numbered m JOIN numbered x ON x.category = m.category AND x.parent = m.parent AND x.actual = m.expected AND x.n = m.n
		WHERE m.actual IS NULL AND x.expected IS NULL
	),
	-- A role of the baseline that this cluster lacks is one finding, not one for each thing it owns or may.
	named_role AS (
		SELECT p.category, p.object, p.expected ->> 'owner' AS role, quote_ident(p.expected ->> 'owner') AS grantee FROM pair p
		WHERE p.expected ->> 'owner' IS DISTINCT FROM p.actual ->> 'owner' AND p.expected ? 'owner'
		UNION ALL
		SELECT p.category, p.object, g.grantee, g.grantee FROM pair p,
		     LATERAL (SELECT left(p.object, length(p.object) - length(p.parent) - 4)) AS g(grantee)
		WHERE p.category = 'privilege' AND p.actual IS NULL AND g.grantee <> 'PUBLIC'
	),
	absent AS MATERIALIZED (
		SELECT n.category, n.object, n.role, n.grantee FROM named_role n
		WHERE schema_differences.actual IS NULL
		  AND NOT EXISTS (SELECT FROM pg_roles r WHERE quote_ident(r.rolname) = n.grantee)
	),
	whole AS MATERIALIZED (
		SELECT p.category, p.object, p.parent, p.requires, p.expected, p.actual,
		       CASE WHEN p.actual IS NULL THEN 'missing' ELSE 'extra' END AS kind,
		       CASE WHEN p.actual IS NULL THEN coalesce(up.object, v.object) END AS part_of
		FROM pair p
		LEFT JOIN pair up ON up.object = p.parent AND (up.actual IS NULL) = (p.actual IS NULL) AND (up.expected IS NULL) = (p.expected IS NULL)
		     AND (up.parent IS NULL OR up.category = 'column') AND up.category <> 'privilege'
		-- Of a view the columns are not listed.
		LEFT JOIN pair v ON v.category = 'view' AND (v.actual IS NULL) = (p.actual IS NULL) AND (v.expected IS NULL) = (p.expected IS NULL)
		     AND v.object = CASE WHEN p.category = 'privilege' AND coalesce(p.expected, p.actual) ->> 'kind' = 'COLUMN'
		                         THEN regexp_replace(p.parent, '\.("(?:[^"]|"")*"|[^".]+)$', '') END
		LEFT JOIN renamed was ON was.category = p.category AND was.object = p.object AND p.actual IS NULL
		LEFT JOIN renamed now ON now.category = p.category AND now.actual_object = p.object AND p.expected IS NULL
		LEFT JOIN other_kind k ON k.object = p.object
		LEFT JOIN other_kind pk ON pk.object = p.parent
		LEFT JOIN absent r ON r.category = p.category AND r.object = p.object AND p.category = 'privilege'
		LEFT JOIN attached t ON t.object = p.parent
		LEFT JOIN disowned s ON s.sequence = p.object AND p.category = 'sequence'
		WHERE s.sequence IS NULL AND (p.expected IS NULL OR p.actual IS NULL) AND was.object IS NULL AND now.object IS NULL AND k.object IS NULL AND pk.object IS NULL AND t.object IS NULL
		  AND r.object IS NULL AND NOT (p.expected IS NULL AND coalesce(up.object, v.object) IS NOT NULL)
	),
	-- What a table is made of, for CREATE TABLE and for guessing at a new name.
	shape AS MATERIALIZED (
		SELECT p.parent, p.actual IS NULL AS missing,
		       string_agg(reconcile.schema_column_clause(c.name, coalesce(p.expected, p.actual)), ', '
		                  ORDER BY (coalesce(p.expected, p.actual) -> 'position')::integer) FILTER (WHERE NOT coalesce(p.expected, p.actual) ? 'inherited') AS columns,
		       string_agg(CASE WHEN p.expected ? 'inherited' THEN reconcile.schema_fix_missing(p.category, p.object, p.parent, p.expected)
		                       ELSE reconcile.schema_column_extras(p.object, p.parent, p.expected) END, E'\n'
		                  ORDER BY (p.expected -> 'position')::integer) AS extras,
		       string_agg(reconcile.schema_own_sequence(p.expected), E'\n' ORDER BY (p.expected -> 'position')::integer) AS sequences
		FROM pair p, LATERAL (SELECT substr(p.object, length(p.parent) + 2)) AS c(name)
		WHERE p.category = 'column' AND (p.actual IS NULL OR p.expected IS NULL) AND NOT coalesce(p.expected, p.actual) ? 'of_partition' GROUP BY p.parent, p.actual IS NULL
	),
	likeness AS (
		SELECT w.category, w.object, w.parent, w.kind,
		       CASE WHEN w.category = 'table' THEN s.columns
		            WHEN w.category IN ('column', 'type', 'view', 'sequence', 'policy') THEN (coalesce(w.expected, w.actual) - '{position,sequence}'::text[])::text END AS likeness
		FROM whole w LEFT JOIN shape s ON w.category = 'table' AND s.parent = w.object AND s.missing = (w.kind = 'missing')
		WHERE w.part_of IS NULL
	),
	guess AS (
		SELECT m.category, m.object, min(x.object) AS renamed, NULL AS misspelt
		FROM likeness m JOIN likeness x ON x.category = m.category AND x.likeness = m.likeness AND coalesce(x.parent, '') = coalesce(m.parent, '')
		WHERE m.kind = 'missing' AND x.kind = 'extra' GROUP BY m.category, m.object
		UNION ALL
		SELECT m.category, m.object, NULL, min(x.object)
		FROM likeness m JOIN likeness x ON x.category = m.category AND lower(replace(x.object, '"', '')) = lower(replace(m.object, '"', ''))
		WHERE m.kind = 'missing' AND x.kind = 'extra' GROUP BY m.category, m.object
	),
	hint AS (SELECT g.category, g.object, max(g.renamed) AS renamed, max(g.misspelt) AS misspelt FROM guess g GROUP BY g.category, g.object),
	-- One finding an attribute; when the kind differs, it alone.
	attribute AS (
		SELECT p.category, p.object, p.parent, p.requires, p.expected, p.actual, k.attribute
		FROM pair p
		CROSS JOIN side s
		CROSS JOIN LATERAL (SELECT jsonb_object_keys(p.expected || p.actual)) AS k(attribute)
		LEFT JOIN absent r ON r.category = p.category AND r.object = p.object AND k.attribute = 'owner'
		LEFT JOIN attached t ON t.object = CASE k.attribute WHEN 'partition_bound' THEN p.object ELSE p.parent END
		LEFT JOIN disowned d ON d.object = p.object AND p.category = 'column' AND k.attribute = 'default'
		WHERE p.expected IS NOT NULL AND p.actual IS NOT NULL AND r.object IS NULL AND t.object IS NULL AND d.object IS NULL
		  AND p.expected -> k.attribute IS DISTINCT FROM p.actual -> k.attribute
		  AND k.attribute NOT IN ('position', 'inherited', 'sequence') AND (p.category <> 'view' OR k.attribute <> 'columns')   -- which follow from the definition
		  AND (k.attribute <> 'maintain' OR least(s.expected_server, s.actual_server) >= 17)
		  AND (k.attribute = 'kind' OR p.expected -> 'kind' IS NOT DISTINCT FROM p.actual -> 'kind')
	),
	-- A column that was dropped and added again stands elsewhere: worth a note, when it changes the order.
	reordered AS MATERIALIZED (
		SELECT DISTINCT p.parent FROM pair p
		WHERE schema_differences.actual IS NULL AND p.category = 'column' AND p.expected -> 'position' <> p.actual -> 'position'
	),
	moved AS (
		SELECT t.parent FROM reordered t
		JOIN reconcile.baseline_objects o ON o.baseline = schema_differences.expected AND o.category = 'column' AND o.parent = t.parent
		JOIN reconcile.schema_columns c ON c.parent = t.parent AND c.object = o.object
		WHERE EXISTS (SELECT FROM reordered)   -- or all columns would be read for none
		  -- A dump writes inherited columns first.
		  AND NOT EXISTS (SELECT FROM reconcile.baseline_objects i WHERE i.baseline = schema_differences.expected AND i.category = 'table'
		                  AND i.object = t.parent AND i.attributes ? 'inherits')
		GROUP BY t.parent
		HAVING array_agg(o.object ORDER BY (o.attributes -> 'position')::integer) <> array_agg(o.object ORDER BY c.position)
	),
	-- Nothing but a new table makes a column inherited alone again once it was not.
	adopted AS (
		SELECT p.parent, string_agg(substr(p.object, length(p.parent) + 2), ', ' ORDER BY (p.expected -> 'position')::integer) AS columns
		FROM pair p
		WHERE p.category = 'column' AND p.expected -> 'inherited' IS DISTINCT FROM p.actual -> 'inherited' AND p.expected IS NOT NULL AND p.actual IS NOT NULL
		  AND NOT EXISTS (SELECT FROM attribute t WHERE t.category = 'table' AND t.object = p.parent AND t.attribute IN ('inherits', 'partition_of'))
		GROUP BY p.parent
	)
	SELECT CASE WHEN w.kind = 'missing' OR own.partition THEN 'error' WHEN w.category = 'privilege' THEN 'warning' ELSE 'notice' END,
	       w.category, CASE WHEN own.partition AND w.part_of IS NULL THEN CASE w.actual ->> 'enabled' WHEN 'disabled' THEN 'disabled' ELSE 'differs' END ELSE w.kind END, w.object,
	       CASE WHEN w.kind = 'missing' THEN reconcile.schema_summary(w.category, w.expected) WHEN own.partition THEN 'as the parent has it' END,
	       CASE WHEN w.kind = 'extra' THEN reconcile.schema_summary(w.category, w.actual) WHEN own.partition THEN 'as the parent has it' END,
	       CASE WHEN own.partition THEN 'the partition has it otherwise than its parent, or should'
	            WHEN w.kind = 'extra' THEN 'it is not in the baseline'
	            ELSE 'it does not exist' || coalesce('; there is ' || h.misspelt || ': quoted identifier?', '; possibly renamed to ' || h.renamed, '') END,
	       CASE WHEN w.part_of IS NULL THEN f.hazard ELSE '' END,
	       CASE WHEN w.category = 'column' AND w.part_of IS NOT NULL AND NOT own.partition THEN NULL ELSE f.fix END, CASE WHEN own.partition AND w.category = 'trigger' THEN 'enabled' END, w.part_of,
	       CASE WHEN w.part_of IS NULL THEN f.needs END,   -- what is created comes with what the baseline grants on it
	       w.expected, w.actual, CASE w.category WHEN 'sequence' THEN '{}' ELSE coalesce(w.requires, '{}') END
	FROM whole w
	LEFT JOIN hint h ON h.category = w.category AND h.object = w.object AND w.kind = 'missing'
	LEFT JOIN shape c ON w.category = 'table' AND c.parent = w.object AND c.missing
	LEFT JOIN pair open ON open.category = 'privilege' AND open.object = 'PUBLIC on ' || w.object AND w.category IN ('function', 'type')
	CROSS JOIN LATERAL (SELECT coalesce(coalesce(w.expected, w.actual) ? 'of_partition', false)) AS own(partition)
	CROSS JOIN LATERAL reconcile.schema_fix(w.category, w.kind, w.object, w.parent, NULL,
	       CASE WHEN w.category IN ('table', 'function', 'type')
	            THEN w.expected || jsonb_strip_nulls(jsonb_build_object('columns', c.columns, 'column_extras', c.extras, 'column_sequences', c.sequences,
	                     'private', CASE WHEN w.category <> 'table' AND open.expected IS NULL THEN true END))
	            ELSE w.expected END, w.actual) AS f
	UNION ALL
	-- A sequence may number the column that owns it: it comes before the column, and is owned afterwards.
	SELECT 'error', w.category, w.kind, w.object, reconcile.schema_summary(w.category, w.expected), NULL, 'it is not owned', '',
	       reconcile.schema_fix_sequence('owned_by', w.object, w.expected), 'owned_by', w.object, NULL, w.expected, NULL,
	       ARRAY[w.expected ->> 'owned_by', regexp_replace(w.expected ->> 'owned_by', '\.("(?:[^"]|"")*"|[^".]+)$', '')]
	FROM whole w WHERE w.category = 'sequence' AND w.kind = 'missing' AND w.expected ? 'owned_by'
	UNION ALL
	SELECT CASE WHEN x.line_ends OR t.attribute = 'valid' AND t.actual -> 'valid' = 'true' THEN 'notice' ELSE reconcile.schema_severity(t.category, t.attribute) END,
	       CASE t.attribute WHEN 'owner' THEN 'owner' ELSE t.category END,
	       CASE WHEN t.attribute = 'enabled' AND t.actual ->> 'enabled' = 'disabled' THEN 'disabled'
	            WHEN t.attribute = 'valid' AND t.actual -> 'valid' = 'false' THEN 'invalid'
	            ELSE 'differs' END,
	       t.object,
	       t.attribute || ' ' || coalesce(nullif(t.expected ->> t.attribute, ''), 'none'),
	       t.attribute || ' ' || coalesce(nullif(t.actual ->> t.attribute, ''), 'none'),
	       CASE WHEN x.line_ends THEN 'body differs in its line ends only' ELSE reconcile.schema_reason(t.category, t.attribute, t.expected, t.actual) END,
	       f.hazard, f.fix, t.attribute, NULL, f.needs, t.expected, t.actual, coalesce(t.requires, '{}')
	FROM attribute t
	CROSS JOIN LATERAL (SELECT t.attribute = 'body' AND replace(t.expected ->> 'body', E'\r\n', E'\n') = replace(t.actual ->> 'body', E'\r\n', E'\n')) AS x(line_ends)
	CROSS JOIN LATERAL reconcile.schema_fix(t.category, 'differs', t.object, t.parent, t.attribute, t.expected, t.actual) AS f
	UNION ALL
	SELECT 'notice', r.category, 'differs', r.object, 'name ' || r.object, 'name ' || r.actual_object, 'the definition is the same, the name is another',
	       f.hazard, f.fix, 'name', NULL, f.needs, r.expected, r.actual, coalesce(r.requires, '{}')
	FROM renamed r
	CROSS JOIN LATERAL reconcile.schema_fix(r.category, 'differs', r.object, r.parent, 'name', r.expected,
	                                        r.actual || jsonb_build_object('name', r.actual_object)) AS f
	UNION ALL
	SELECT 'error', k.category, 'differs', k.object, 'kind ' || (k.expected ->> 'kind'), 'kind ' || coalesce(k.actual ->> 'kind', k.actual_category),
	       'it is of another kind', '', NULL, 'kind', NULL, NULL, k.expected, k.actual, '{}'
	FROM other_kind k
	UNION ALL
	SELECT 'error', CASE WHEN bool_or(r.category <> 'privilege') THEN 'owner' ELSE 'privilege' END, 'missing', r.grantee, 'role ' || r.grantee, NULL,
	       format('role missing: %s objects name it', count(*)), '', NULL, NULL, NULL, NULL, NULL, NULL, '{}'
	FROM absent r GROUP BY r.grantee
	UNION ALL
	SELECT 'notice', 'table', 'hint', m.parent, NULL, NULL, 'its columns are in another order', '', NULL, 'column order', NULL, NULL, NULL, NULL, '{}'
	FROM moved m
	UNION ALL
	SELECT 'notice', 'table', 'hint', a.parent, NULL, NULL, format('inherited alone on one side, and its own on the other one: %s', a.columns), '', NULL, 'inherited',
	       NULL, NULL, NULL, NULL, '{}'
	FROM adopted a;
END $$;
COMMENT ON FUNCTION reconcile.schema_differences(text, text, text[]) IS
	'used by audit_schema(): what differs between a baseline and another one, or the live schema';

-- Seed rows: one statement a table, since the tables' names are in the baseline.
-- The rows of the table are compared as capture_baseline() recorded them, or those
-- that another baseline has recorded.
CREATE FUNCTION reconcile.seed_differences(baseline text, actual text DEFAULT NULL, schemas text[] DEFAULT NULL)
	RETURNS SETOF reconcile.schema_finding
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET row_security = off
	SET timezone = 'UTC'
	SET datestyle = 'ISO'
	SET intervalstyle = 'postgres'
	SET extra_float_digits = 3
	SET bytea_output = 'hex'
AS $$
DECLARE
	seed    record;
	columns text[];
	writable text[];
	numbered boolean := false;
	unknown text;
	source  text;
BEGIN
	FOR seed IN SELECT s.*, o.readable AS other_readable, o.ignore AS other_ignore FROM reconcile.baseline_seeds s
	            LEFT JOIN reconcile.baseline_seeds o ON o.baseline = seed_differences.actual AND o.seed_table = s.seed_table
	            WHERE s.baseline = seed_differences.baseline AND (schemas IS NULL OR reconcile.in_schemas(s.seed_table, schemas))
	            ORDER BY s.seed_table COLLATE "C" LOOP
		CONTINUE WHEN actual IS NULL AND seed.relation IS NULL;   -- a missing table is a finding of its own
		IF actual IS NOT NULL AND seed.other_readable IS NULL THEN
			RETURN NEXT ROW('error', 'seed row', 'missing', seed.seed_table, format('rows by key (%s)', array_to_string(seed.key, ', ')), NULL,
				'the other baseline has no rows of it', '', NULL, NULL, NULL, NULL, NULL, NULL, '{}')::reconcile.schema_finding;
			CONTINUE;
		ELSIF NOT (seed.readable AND CASE WHEN actual IS NULL THEN has_table_privilege(seed.relation, 'SELECT') AND NOT row_security_active(seed.relation)
		                                  ELSE seed.other_readable END) THEN
			RETURN NEXT ROW('warning', 'seed row', 'hint', seed.seed_table, NULL, NULL,
				'not checked: the current role cannot see all its rows', '', NULL, NULL, NULL, NULL, NULL, NULL, '{}')::reconcile.schema_finding;
			CONTINUE;
		END IF;
		IF actual IS NULL THEN
			columns := ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = seed.relation AND attnum > 0 AND NOT attisdropped);
			writable := ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = seed.relation AND attname = ANY (columns) AND attgenerated = '');
			numbered := EXISTS (SELECT FROM pg_attribute WHERE attrelid = seed.relation AND attidentity = 'a' AND NOT attisdropped);
			source := format('SELECT to_jsonb(t) - $4 AS row FROM %s AS t', seed.relation);
		ELSE
			columns := seed.key || ARRAY(SELECT DISTINCT k FROM reconcile.baseline_seed_rows r, jsonb_object_keys(r.row) AS k
				WHERE r.baseline IN (seed_differences.baseline, actual) AND r.seed_table = seed.seed_table AND k <> ALL (seed.key));
			writable := columns;
			source := 'SELECT r.row - $4 AS row FROM reconcile.baseline_seed_rows r WHERE r.baseline = $7 AND r.seed_table = $2';
		END IF;
		SELECT k INTO unknown FROM unnest(seed.key) AS k WHERE k <> ALL (columns) LIMIT 1;
		IF FOUND THEN
			RETURN NEXT ROW('warning', 'seed row', 'hint', seed.seed_table, NULL, NULL,
				format('not checked: there is no column %I, which is part of its key', unknown), '', NULL, NULL, NULL, NULL, NULL, NULL, '{}')::reconcile.schema_finding;
			CONTINUE;
		END IF;
		RETURN QUERY SELECT 'warning', 'seed row', 'hint', seed.seed_table, NULL, NULL, format('not checked: column %I is ignored by baseline "%s"', i.name, actual),
		       '', NULL, i.name, NULL, NULL, NULL::jsonb, NULL::jsonb, '{}'::text[]
			FROM unnest(seed.other_ignore) AS i(name) WHERE i.name <> ALL (seed.ignore) ORDER BY i.name COLLATE "C";
		RETURN QUERY EXECUTE format($sql$
			WITH expected AS (
				SELECT reconcile.seed_key(r.row, $3) AS key, r.row FROM reconcile.baseline_seed_rows r WHERE r.baseline = $1 AND r.seed_table = $2),
			actual AS (
				SELECT reconcile.seed_key(t.row, $3) AS key, t.row FROM (%s) AS t
				WHERE $5 = 'exactly' OR reconcile.seed_key(t.row, $3) IN (SELECT key FROM expected)),
			counted AS (
				SELECT a.key, a.row, count(*) OVER (PARTITION BY a.key) AS copies, row_number() OVER (PARTITION BY a.key) AS n FROM actual a),
			both_sides AS (
				SELECT coalesce(e.key, c.key) AS key, e.row AS expected, c.row AS actual, coalesce(c.copies, 0) AS copies
				FROM expected e FULL JOIN (SELECT * FROM counted WHERE n = 1) AS c ON c.key = e.key
				WHERE e.row IS DISTINCT FROM c.row OR c.copies > 1),
			finding AS (
				SELECT b.*, reconcile.seed_identity($2, $3, b.key) AS object, CASE WHEN b.copies > 1 THEN 'invalid' WHEN b.actual IS NULL THEN 'missing'
				       WHEN b.expected IS NULL THEN 'extra' END AS kind, NULL::text AS attribute
				FROM both_sides b WHERE b.copies > 1 OR b.actual IS NULL OR b.expected IS NULL
				UNION ALL
				SELECT b.*, reconcile.seed_identity($2, $3, b.key), 'differs', k.name
				FROM both_sides b CROSS JOIN LATERAL (SELECT jsonb_object_keys(b.expected || b.actual)) AS k(name)
				WHERE b.copies = 1 AND b.expected IS NOT NULL AND b.actual IS NOT NULL
				  AND b.actual ? k.name     -- a column that is missing is a finding of its own
				  AND b.expected ? k.name AND b.expected -> k.name IS DISTINCT FROM b.actual -> k.name)
			SELECT 'error', 'seed row', f.kind, f.object,
			       CASE WHEN f.kind = 'differs' THEN f.attribute || ' ' || (f.expected -> f.attribute) ELSE f.expected::text END,
			       CASE WHEN f.kind = 'differs' THEN f.attribute || ' ' || (f.actual -> f.attribute) WHEN f.kind = 'invalid' THEN f.copies || ' rows' ELSE f.actual::text END,
			       CASE f.kind WHEN 'missing' THEN 'it does not exist' WHEN 'extra' THEN 'it is not in the baseline, which has all rows of the table'
			            WHEN 'invalid' THEN 'more than one row has this key: there is no unique index' ELSE f.attribute || ' differs from the baseline' END,
			       CASE f.kind WHEN 'extra' THEN 'deletes data' ELSE '' END,
			       reconcile.seed_fix($2, $3, f.kind, f.attribute, f.expected, f.actual, $6, $8), f.attribute, NULL::text,
			       CASE f.kind WHEN 'extra' THEN 'drop:' || f.object WHEN 'differs' THEN 'rows:' || $2 END, f.expected, f.actual, ARRAY[$2]
			FROM finding f ORDER BY f.object, f.attribute
			$sql$, source)
			USING baseline, seed.seed_table, seed.key, seed.ignore, seed.mode, writable, actual, numbered;
	END LOOP;
	RETURN QUERY SELECT 'notice', 'seed row', 'extra', o.seed_table, NULL, format('rows by key (%s)', array_to_string(o.key, ', ')),
	       'the baseline has no rows of it', '', NULL, NULL, NULL, NULL, NULL::jsonb, NULL::jsonb, '{}'::text[]
		FROM reconcile.baseline_seeds o JOIN reconcile.baselines b ON b.name = seed_differences.baseline AND b.mode = 'exactly'
		WHERE o.baseline = seed_differences.actual AND NOT EXISTS (
			SELECT FROM reconcile.baseline_seeds s WHERE s.baseline = seed_differences.baseline AND s.seed_table = o.seed_table)
		ORDER BY o.seed_table COLLATE "C";
END $$;
COMMENT ON FUNCTION reconcile.seed_differences(text, text, text[]) IS
	'used by audit_schema() and compare_baselines(): what differs between recorded rows and the rows of their tables, or those of another baseline';

CREATE FUNCTION reconcile.compare_baselines(a text, b text)
	RETURNS TABLE (severity text, category text, kind text, object text, expected text, actual text, reason text, hazard text, fix text)
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM reconcile.require_baseline(a), reconcile.require_baseline(b);
	RETURN QUERY SELECT d.severity, d.category, d.kind, d.object, d.expected, d.actual, d.reason, d.hazard, d.fix
	             FROM (SELECT s.* FROM reconcile.schema_differences(a, b) s JOIN reconcile.baselines r ON r.name = a
	                   WHERE r.mode = 'exactly' OR (s.kind <> 'extra' AND s.attribute IS DISTINCT FROM 'column order')
	                   UNION ALL SELECT * FROM reconcile.seed_differences(a, b)) AS d  -- rows have a mode of their own
	             WHERE d.part_of IS NULL
	             ORDER BY d.category, d.object, d.attribute;
END $$;
COMMENT ON FUNCTION reconcile.compare_baselines(text, text) IS
	'what one baseline has otherwise than another one: findings as audit_schema() gives them, with a as what is expected';

CREATE FUNCTION reconcile.seed_identity(seed_table text, key text[], "values" jsonb) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	BEGIN ATOMIC
		SELECT seed_table || ' (' || (SELECT string_agg(k.name || '=' || coalesce(("values" ->> (k.n - 1)::integer), 'null'), ', ' ORDER BY k.n)
		                              FROM unnest(key) WITH ORDINALITY AS k(name, n)) || ')';
	END;
COMMENT ON FUNCTION reconcile.seed_identity(text, text[], jsonb) IS 'used by audits: what a finding calls a row';

CREATE FUNCTION reconcile.seed_fix(seed_table text, key text[], kind text, attribute text, expected jsonb, actual jsonb, columns text[], numbered boolean) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	BEGIN ATOMIC
		SELECT CASE kind
			WHEN 'missing' THEN format('INSERT INTO %1$s (%2$s)%4$s SELECT %2$s FROM jsonb_populate_record(NULL::%1$s, %3$L);', seed_table,
			     (SELECT string_agg(quote_ident(c.name), ', ' ORDER BY c.name) FROM jsonb_object_keys(expected) AS c(name) WHERE c.name = ANY (columns)), expected,
			     CASE WHEN numbered THEN ' OVERRIDING SYSTEM VALUE' ELSE '' END)
			WHEN 'differs' THEN CASE WHEN attribute = ANY (columns) THEN format('UPDATE %1$s AS t SET %2$I = r.%2$I FROM jsonb_populate_record(NULL::%1$s, %3$L) AS r WHERE %4$s;', seed_table, attribute, expected, same.text) END
			WHEN 'extra' THEN format('DELETE FROM %1$s AS t USING jsonb_populate_record(NULL::%1$s, %2$L) AS r WHERE %3$s;', seed_table, actual, same.text) END
		FROM (SELECT string_agg(format('t.%I IS NOT DISTINCT FROM r.%1$I', k.name), ' AND ' ORDER BY k.n) FROM unnest(key) WITH ORDINALITY AS k(name, n)) AS same(text);
	END;
COMMENT ON FUNCTION reconcile.seed_fix(text, text[], text, text, jsonb, jsonb, text[], boolean) IS 'used by audits: the statement that mends a row';
