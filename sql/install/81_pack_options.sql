-- Packs: their options, and the names that options give to tables and columns.
-- What is here writes nothing.

CREATE FUNCTION reconcile.did_you_mean(wrong text, valid text[]) RETURNS text
	LANGUAGE c STABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'reconcile_did_you_mean';
COMMENT ON FUNCTION reconcile.did_you_mean(text, text[]) IS
	'the hint after a wrong name: the valid names nearest to it';

CREATE FUNCTION reconcile.refuse(code text, message text, hint text DEFAULT NULL, detail text DEFAULT NULL) RETURNS void
	LANGUAGE c VOLATILE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'reconcile_refuse';
COMMENT ON FUNCTION reconcile.refuse(text, text, text, text) IS
	'used by packs: raises an error, without the CONTEXT that the functions between would add';

CREATE FUNCTION reconcile.pack_table(options jsonb, name text) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	BEGIN ATOMIC
		SELECT CASE WHEN options -> 'planned' ? name THEN quote_ident('planned ' || name)
		            WHEN name IS NOT NULL
		            THEN format('%I.%I', options ->> 'schema', coalesce(options -> 'tables' ->> name, name)) END;
	END;
COMMENT ON FUNCTION reconcile.pack_table(jsonb, text) IS
	'a table of a pack by its usual name: where the options schema and tables put it, quoted';

CREATE FUNCTION reconcile.pack_column(options jsonb, table_name text, name text) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	BEGIN ATOMIC
		SELECT format('%I', coalesce(options -> 'columns' -> table_name ->> name, name));
	END;
COMMENT ON FUNCTION reconcile.pack_column(jsonb, text, text) IS
	'a column of a pack by its usual name: what the option columns calls it, quoted';

CREATE FUNCTION reconcile.pack_check_exists(pack text) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF pack IS NULL THEN
		PERFORM reconcile.refuse('22004', 'argument "pack" must not be null');
	ELSIF NOT EXISTS (SELECT FROM reconcile.pack p WHERE p.name = pack_check_exists.pack) THEN
		PERFORM reconcile.refuse('42704', format('pack "%s" does not exist', pack),
			hint => reconcile.did_you_mean(pack, ARRAY(SELECT p.name FROM reconcile.pack p ORDER BY p.name)));
	END IF;
END $$;
COMMENT ON FUNCTION reconcile.pack_check_exists(text) IS
	'used by install_pack() and remove_pack(): refuses a name that no pack has';

CREATE FUNCTION reconcile.pack_options(pack text, given jsonb) RETURNS jsonb
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	defaults    jsonb;
	wrong       text;
	wanted_type text;
BEGIN
	PERFORM reconcile.pack_check_exists(pack);
	SELECT '{"schema": "public", "tables": {}, "columns": {}}'::jsonb || p.options INTO defaults
	FROM reconcile.pack p WHERE p.name = pack_options.pack;
	given := coalesce(given, '{}');
	IF jsonb_typeof(given) <> 'object' THEN
		PERFORM reconcile.refuse('22023', 'argument "options" must be a JSON object');
	END IF;
	SELECT key INTO wrong FROM jsonb_object_keys(given) AS key WHERE NOT defaults ? key LIMIT 1;
	IF FOUND THEN
		PERFORM reconcile.refuse('22023', format('pack "%s" has no option "%s"', pack, wrong),
			hint => reconcile.did_you_mean(wrong, ARRAY(SELECT jsonb_object_keys(defaults) ORDER BY 1)));
	END IF;
	SELECT key INTO wrong FROM jsonb_each(defaults || given) AS o(key, value)
	WHERE value = 'null' LIMIT 1;
	IF FOUND THEN
		PERFORM reconcile.refuse('22023', format('pack "%s" needs the option "%s"', pack, wrong),
			hint => format('SELECT * FROM reconcile.install_pack(''%s'', ''{"%s": ...}'');', pack, wrong));
	END IF;
	SELECT key, wanted INTO wrong, wanted_type
	FROM jsonb_each(given) AS o(key, value),
	     LATERAL (SELECT coalesce(nullif(jsonb_typeof(defaults -> key), 'null'), 'string')) AS t(wanted)
	WHERE jsonb_typeof(value) <> wanted LIMIT 1;
	IF FOUND THEN
		PERFORM reconcile.refuse('22023', format('option "%s" of pack "%s" must be of JSON type %s, not %s', wrong, pack,
			                 wanted_type, jsonb_typeof(given -> wrong)));
	END IF;
	IF coalesce(given ->> 'guards', 'none') NOT IN ('block', 'queue', 'none') THEN
		PERFORM reconcile.refuse('22023', format('option "guards" of pack "%s" must not be "%s"', pack, given ->> 'guards'),
			hint => 'Valid values: block, queue, none.');
	END IF;
	IF given ? 'rows' THEN
		PERFORM reconcile.pack_check_names(pack, 'rows', given -> 'rows',
			ARRAY(SELECT jsonb_object_keys(defaults -> 'rows') ORDER BY 1), 'array');
		PERFORM reconcile.pack_check_rows(pack, given -> 'rows');
		given := jsonb_set(given, '{rows}', (defaults -> 'rows') || (given -> 'rows'));
	END IF;
	IF to_regnamespace(quote_ident((defaults || given) ->> 'schema')) IS NULL THEN
		PERFORM reconcile.refuse('3F000', format('schema "%s" does not exist', (defaults || given) ->> 'schema'));
	END IF;
	RETURN defaults || given;
END $$;
COMMENT ON FUNCTION reconcile.pack_options(text, jsonb) IS
	'the options of a pack with its defaults filled in; a wrong, missing or mistyped one is an error';

-- A name in the options tables or columns that the pack does not have would
-- otherwise be ignored in silence.
CREATE FUNCTION reconcile.pack_check_names(pack text, option text, given jsonb, known text[],
                                           wanted_type text DEFAULT 'string') RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	entry record;
BEGIN
	FOR entry IN SELECT * FROM jsonb_each(given) AS e(name, value) ORDER BY name LOOP
		IF entry.name <> ALL (known) THEN
			PERFORM reconcile.refuse('22023', format('option "%s" of pack "%s" has no name "%s"', option, pack, entry.name),
				hint => reconcile.did_you_mean(entry.name, known));
		ELSIF jsonb_typeof(entry.value) <> wanted_type THEN
			PERFORM reconcile.refuse('22023', format('"%s" in option "%s" of pack "%s" must be of JSON type %s, not %s', entry.name, option,
				                 pack, wanted_type, jsonb_typeof(entry.value)));
		ELSIF entry.value = '""' THEN
			PERFORM reconcile.refuse('22023', format('"%s" in option "%s" of pack "%s" must not be empty', entry.name, option, pack));
		END IF;
	END LOOP;
END $$;
COMMENT ON FUNCTION reconcile.pack_check_names(text, text, jsonb, text[], text) IS
	'used by packs: refuses names in the options tables and columns that the pack does not have';

CREATE FUNCTION reconcile.pack_check_rows(pack text, given jsonb) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	entry record;
	wrong text;
BEGIN
	FOR entry IN
		SELECT r.key AS name, r.value AS list, ARRAY(SELECT jsonb_array_elements_text(p.row_keys -> r.key)) AS keys
		FROM reconcile.pack p, jsonb_each(given) AS r WHERE p.name = pack_check_rows.pack ORDER BY r.key
	LOOP
		IF jsonb_path_exists(entry.list, 'strict $[*] ? (@.type() != "object")') THEN
			PERFORM reconcile.refuse('22023', format('"%s" in option "rows" of pack "%s" must be a list of JSON objects', entry.name, pack));
		END IF;
		SELECT key INTO wrong FROM jsonb_array_elements(entry.list) AS r(value), jsonb_object_keys(r.value) AS key
		WHERE key <> ALL (entry.keys) LIMIT 1;
		IF FOUND THEN
			PERFORM reconcile.refuse('22023', format('a row of "%s" in option "rows" of pack "%s" has no key "%s"', entry.name, pack, wrong),
				hint => reconcile.did_you_mean(wrong, entry.keys));
		END IF;
	END LOOP;
END $$;
COMMENT ON FUNCTION reconcile.pack_check_rows(text, jsonb) IS
	'used by packs: refuses reference rows that say what the pack does not read';

-- Templates.  @table@ stands for a table, view or function of the pack where
-- the options put it, @table.column@ for a column, @.column@ for a column of
-- the table at hand, and @'option'@ for the value of an option as a literal; a
-- path leads into an object: @'rows.modules'@.  @!facts.x@ is an expression
-- that the pack itself put into the options.  Names are put in once, so that
-- one that looks like a placeholder stays what it is.
CREATE FUNCTION reconcile.pack_sql(options jsonb, template text, this_table text DEFAULT NULL) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		SELECT string_agg(piece.text || coalesce(CASE
			WHEN hole.name LIKE '!%' THEN options #>> string_to_array(substr(hole.name, 2), '.')
			WHEN hole.name LIKE '''%'
			THEN coalesce(quote_literal(options #>> string_to_array(btrim(hole.name, ''''), '.')), 'NULL')
			WHEN hole.name LIKE '%.%'
			THEN reconcile.pack_column(options, coalesce(nullif(split_part(hole.name, '.', 1), ''), this_table),
			                           split_part(hole.name, '.', 2))
			ELSE reconcile.pack_table(options, hole.name) END, ''), '' ORDER BY piece.n)
		FROM regexp_split_to_table(template, '@[!''A-Za-z0-9_.]+@') WITH ORDINALITY AS piece(text, n)
		LEFT JOIN (SELECT found[1] AS name, n
		           FROM regexp_matches(template, '@([!''A-Za-z0-9_.]+)@', 'g') WITH ORDINALITY AS m(found, n)) AS hole
		  USING (n);
	END;
COMMENT ON FUNCTION reconcile.pack_sql(jsonb, text, text) IS
	'used by packs: a template with the names of this database, quoted, and the values of options';

-- The columns of a pack's tables as they should be here: those of its layout,
-- and those that the pack computed from the tables that are there.
CREATE FUNCTION reconcile.pack_columns(pack text, options jsonb)
	RETURNS TABLE (table_name text, "position" integer, name text, type text, rest text)
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		WITH declared AS (
			SELECT l.table_name, i AS position, l.columns[i][1] AS name, l.columns[i][2] AS type, l.columns[i][3] AS rest
			FROM reconcile.pack_layout l, generate_subscripts(l.columns, 1) AS i
			WHERE l.pack = pack_columns.pack
			UNION ALL
			SELECT t.key, 1000 + e.n::integer, e.value ->> 0, e.value ->> 1, e.value ->> 2
			FROM jsonb_each(options -> 'extra_columns') AS t(key, list)
			CROSS JOIN LATERAL jsonb_array_elements(t.list) WITH ORDINALITY AS e(value, n))
		SELECT d.table_name, d.position, d.name, coalesce(
			(SELECT format_type(a.atttypid, a.atttypmod) FROM pg_attribute a
			 WHERE a.attrelid = to_regclass(reconcile.pack_table(options, other.table_name)) AND NOT a.attisdropped
			   AND quote_ident(a.attname) = reconcile.pack_column(options, other.table_name, other.column_name)),
			(SELECT o.type FROM declared o WHERE o.table_name = other.table_name AND o.name = other.column_name),
			d.type), d.rest
		FROM declared d CROSS JOIN LATERAL (
			SELECT substring(d.type FROM '^@(\w+)\.\w+@$') AS table_name,
			       substring(d.type FROM '^@\w+\.(\w+)@$') AS column_name) AS other;
	END;
COMMENT ON FUNCTION reconcile.pack_columns(text, jsonb) IS
	'used by packs: the columns that their tables should have';

CREATE FUNCTION reconcile.pack_has_column(options jsonb, table_name text, name text) RETURNS boolean
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		SELECT to_regclass(reconcile.pack_table(options, table_name)) IS NULL OR EXISTS (
			SELECT FROM pg_attribute a WHERE a.attrelid = to_regclass(reconcile.pack_table(options, table_name)) AND NOT a.attisdropped
			  AND quote_ident(a.attname) = reconcile.pack_column(options, table_name, name));
	END;
COMMENT ON FUNCTION reconcile.pack_has_column(jsonb, text, text) IS
	'used by packs: whether a table has, or will be made with, a column';

CREATE FUNCTION reconcile.pack_check_renames(pack text, options jsonb) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	elsewhere text;
BEGIN
	PERFORM reconcile.pack_check_names(pack, 'tables', options -> 'tables', ARRAY(
		SELECT l.table_name FROM reconcile.pack_layout l WHERE l.pack = pack_check_renames.pack
		UNION SELECT o.name FROM reconcile.pack_object o WHERE o.pack = pack_check_renames.pack AND o.type <> 'trigger'));
	SELECT t.value INTO elsewhere FROM jsonb_each_text(options -> 'tables') AS t
	WHERE t.value ~ '^\w+\.\w+$' AND to_regclass(t.value) IS NOT NULL AND to_regclass(reconcile.pack_table(options, t.key)) IS NULL LIMIT 1;
	IF FOUND THEN
		PERFORM reconcile.refuse('0A000', format('option "tables" of pack "%s" names a table of another schema: "%s"', pack, elsewhere),
			hint => format('All tables of a pack are in one schema, here "%s"; a view in it may stand for a table that is only read.', options ->> 'schema'));
	END IF;
	PERFORM reconcile.pack_check_names(pack, 'columns', options -> 'columns', ARRAY(
		SELECT l.table_name FROM reconcile.pack_layout l WHERE l.pack = pack_check_renames.pack ORDER BY 1), 'object');
	PERFORM reconcile.pack_check_names(pack, 'columns', options -> 'columns' -> c.table_name, array_agg(c.name ORDER BY c.name))
	FROM reconcile.pack_columns(pack, options) c WHERE options -> 'columns' ? c.table_name GROUP BY c.table_name;
END $$;
COMMENT ON FUNCTION reconcile.pack_check_renames(text, jsonb) IS
	'used by packs: refuses names in the options tables and columns that the pack does not have';
