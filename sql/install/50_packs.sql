-- Packs: what every pack shares.  A pack is one file of packs/, which adds
-- itself to reconcile.pack and brings a function reconcile.install_<pack>.

CREATE TABLE reconcile.pack (
	name        text PRIMARY KEY,
	description text NOT NULL,
	options     jsonb NOT NULL CHECK (jsonb_typeof(options) = 'object'),
	settle      text
);
COMMENT ON TABLE reconcile.pack IS 'packs that come with the extension; read view reconcile.packs';
COMMENT ON COLUMN reconcile.pack.name IS 'name of the pack';
COMMENT ON COLUMN reconcile.pack.description IS 'what it is for';
COMMENT ON COLUMN reconcile.pack.options IS 'its options with their defaults; null stands for a text that is required';
COMMENT ON COLUMN reconcile.pack.settle IS
	'function of schema reconcile that takes the options and returns them with what the database itself decides, if there is one';

-- What a pack consists of, as data.  Texts are templates, see reconcile.pack_sql:
-- they name tables and columns as the pack's documentation does.

CREATE TABLE reconcile.pack_layout (
	pack        text REFERENCES reconcile.pack,
	table_name  text,
	position    integer NOT NULL,
	columns     text[] NOT NULL CHECK (array_ndims(columns) = 2 AND array_length(columns, 2) = 3),
	constraints text[] NOT NULL DEFAULT '{}',
	PRIMARY KEY (pack, table_name)
);
COMMENT ON TABLE reconcile.pack_layout IS 'the tables that packs need';
COMMENT ON COLUMN reconcile.pack_layout.pack IS 'the pack';
COMMENT ON COLUMN reconcile.pack_layout.table_name IS 'usual name of the table';
COMMENT ON COLUMN reconcile.pack_layout.position IS 'tables are made in this order';
COMMENT ON COLUMN reconcile.pack_layout.columns IS
	'name, type and what follows the type in CREATE TABLE; the type @table.column@ is the type which that column has here; with OPTIONAL before what follows a column is not added to a table that is there, with OPTIONAL alone never made';
COMMENT ON COLUMN reconcile.pack_layout.constraints IS 'templates of its constraints and, beginning with INDEX or UNIQUE INDEX, indexes';

CREATE TABLE reconcile.pack_object (
	pack        text REFERENCES reconcile.pack,
	name        text,
	position    integer NOT NULL,
	type        text NOT NULL CHECK (type IN ('function', 'view', 'trigger')),
	on_table    text CHECK ((on_table IS NOT NULL) = (type = 'trigger')),
	definition  text NOT NULL,
	description text NOT NULL,
	is_guard    boolean NOT NULL DEFAULT false,
	PRIMARY KEY (pack, name)
);
COMMENT ON TABLE reconcile.pack_object IS 'functions, views and triggers that packs make over the tables of a user';
COMMENT ON COLUMN reconcile.pack_object.pack IS 'the pack';
COMMENT ON COLUMN reconcile.pack_object.name IS 'usual name; a function has its argument types in definition';
COMMENT ON COLUMN reconcile.pack_object.position IS 'objects are made in this order, after the tables';
COMMENT ON COLUMN reconcile.pack_object.type IS 'function, view or trigger';
COMMENT ON COLUMN reconcile.pack_object.on_table IS 'usual name of the table of a trigger';
COMMENT ON COLUMN reconcile.pack_object.definition IS
	'template of what follows its name in CREATE: (arguments) RETURNS ..., AS SELECT ..., AFTER INSERT ON @table@ ...';
COMMENT ON COLUMN reconcile.pack_object.description IS 'what it is for';
COMMENT ON COLUMN reconcile.pack_object.is_guard IS 'whether it is made only where the option guards is not "none"';

CREATE TABLE reconcile.pack_rule (
	pack         text REFERENCES reconcile.pack,
	name         text,
	position     integer NOT NULL,
	kind         text NOT NULL DEFAULT 'insert',
	target       text CHECK ((target IS NULL) = (kind = 'check')),
	key          text[] NOT NULL,
	expects      text NOT NULL,
	compare      text[] NOT NULL DEFAULT '{}',
	where_absent text,
	severity     text NOT NULL DEFAULT 'error',
	seed_label   text,
	guard_timing text CHECK (guard_timing IN ('statement', 'commit')),
	description  text NOT NULL,
	PRIMARY KEY (pack, name)
);
COMMENT ON TABLE reconcile.pack_rule IS 'the invariants of packs';
COMMENT ON COLUMN reconcile.pack_rule.pack IS 'the pack';
COMMENT ON COLUMN reconcile.pack_rule.name IS 'name of the invariant';
COMMENT ON COLUMN reconcile.pack_rule.position IS 'invariants are declared, and reference rows inserted, in this order';
COMMENT ON COLUMN reconcile.pack_rule.kind IS 'kind of the invariant';
COMMENT ON COLUMN reconcile.pack_rule.target IS 'usual name of its target, NULL for a check';
COMMENT ON COLUMN reconcile.pack_rule.key IS 'usual names of its key columns; of a check, names of columns of its query';
COMMENT ON COLUMN reconcile.pack_rule.expects IS 'template of its query; @.column@ is a column of the target';
COMMENT ON COLUMN reconcile.pack_rule.compare IS 'usual names of the columns that are compared';
COMMENT ON COLUMN reconcile.pack_rule.where_absent IS 'template of the condition on target rows that do not count as present';
COMMENT ON COLUMN reconcile.pack_rule.severity IS 'severity of the invariant';
COMMENT ON COLUMN reconcile.pack_rule.seed_label IS
	'where the rows are reference rows, inserted by install_pack(): template of how a row "s" of the query is called';
COMMENT ON COLUMN reconcile.pack_rule.guard_timing IS 'timing of its guard, NULL when it has none';
COMMENT ON COLUMN reconcile.pack_rule.description IS 'what it means, in words';

-- Nothing of a user's is in them.
GRANT SELECT ON reconcile.pack, reconcile.pack_layout, reconcile.pack_object, reconcile.pack_rule TO PUBLIC;

CREATE VIEW reconcile.packs AS
	SELECT p.name, i.version, i.name IS NOT NULL AS installed, i.options, p.description,
	       p.options AS default_options
	FROM reconcile.pack p LEFT JOIN reconcile.installed_pack i ON i.name = p.name;
COMMENT ON VIEW reconcile.packs IS 'all packs, and which of them are installed with which options';
COMMENT ON COLUMN reconcile.packs.name IS 'name of the pack, as install_pack() takes it';
COMMENT ON COLUMN reconcile.packs.version IS 'version of pg_reconcile that installed it';
COMMENT ON COLUMN reconcile.packs.installed IS 'whether it is installed in this database';
COMMENT ON COLUMN reconcile.packs.options IS 'the options it was installed with, defaults included';
COMMENT ON COLUMN reconcile.packs.description IS 'what it is for';
COMMENT ON COLUMN reconcile.packs.default_options IS 'its options with their defaults; null stands for a text that is required';
GRANT SELECT ON reconcile.packs TO PUBLIC;

-- Helpers of the packs.  They write nothing, or check the caller themselves.

CREATE FUNCTION reconcile.did_you_mean(wrong text, valid text[]) RETURNS text
	LANGUAGE c STABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'reconcile_did_you_mean';
COMMENT ON FUNCTION reconcile.did_you_mean(text, text[]) IS
	'the hint after a wrong name: the valid names nearest to it';

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

CREATE FUNCTION reconcile.pack_options(pack text, given jsonb) RETURNS jsonb
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	defaults    jsonb;
	wrong       text;
	wanted_type text;
BEGIN
	IF pack IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'argument "pack" must not be null';
	END IF;
	SELECT '{"schema": "public", "tables": {}, "columns": {}}'::jsonb || p.default_options INTO defaults
	FROM reconcile.packs p WHERE p.name = pack_options.pack;
	IF NOT FOUND THEN
		RAISE undefined_object USING MESSAGE = format('pack "%s" does not exist', pack),
			HINT = reconcile.did_you_mean(pack, ARRAY(SELECT name FROM reconcile.packs ORDER BY name));
	END IF;

	given := coalesce(given, '{}');
	IF jsonb_typeof(given) <> 'object' THEN
		RAISE invalid_parameter_value USING MESSAGE = 'argument "options" must be a JSON object';
	END IF;
	SELECT key INTO wrong FROM jsonb_object_keys(given) AS key WHERE NOT defaults ? key LIMIT 1;
	IF FOUND THEN
		RAISE invalid_parameter_value USING MESSAGE = format('pack "%s" has no option "%s"', pack, wrong),
			HINT = reconcile.did_you_mean(wrong, ARRAY(SELECT jsonb_object_keys(defaults) ORDER BY 1));
	END IF;
	SELECT key INTO wrong FROM jsonb_each(defaults || given) AS o(key, value)
	WHERE value = 'null' LIMIT 1;
	IF FOUND THEN
		RAISE invalid_parameter_value USING MESSAGE = format('pack "%s" needs the option "%s"', pack, wrong),
			HINT = format('SELECT * FROM reconcile.install_pack(''%s'', ''{"%s": ...}'');', pack, wrong);
	END IF;
	SELECT key, wanted INTO wrong, wanted_type
	FROM jsonb_each(given) AS o(key, value),
	     LATERAL (SELECT coalesce(nullif(jsonb_typeof(defaults -> key), 'null'), 'string')) AS t(wanted)
	WHERE jsonb_typeof(value) <> wanted LIMIT 1;
	IF FOUND THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('option "%s" of pack "%s" must be of JSON type %s, not %s', wrong, pack,
			                 wanted_type, jsonb_typeof(given -> wrong));
	END IF;
	IF coalesce(given ->> 'guards', 'none') NOT IN ('block', 'queue', 'none') THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('option "guards" of pack "%s" must not be "%s"', pack, given ->> 'guards'),
			HINT = 'Valid values: block, queue, none.';
	END IF;
	IF given ? 'rows' THEN
		PERFORM reconcile.pack_check_names(pack, 'rows', given -> 'rows',
			ARRAY(SELECT jsonb_object_keys(defaults -> 'rows') ORDER BY 1), 'array');
		given := jsonb_set(given, '{rows}', (defaults -> 'rows') || (given -> 'rows'));
	END IF;
	IF to_regnamespace(quote_ident((defaults || given) ->> 'schema')) IS NULL THEN
		RAISE invalid_schema_name USING
			MESSAGE = format('schema "%s" does not exist', (defaults || given) ->> 'schema');
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
			RAISE invalid_parameter_value USING
				MESSAGE = format('option "%s" of pack "%s" has no name "%s"', option, pack, entry.name),
				HINT = reconcile.did_you_mean(entry.name, known);
		ELSIF jsonb_typeof(entry.value) <> wanted_type THEN
			RAISE invalid_parameter_value USING
				MESSAGE = format('"%s" in option "%s" of pack "%s" must be of JSON type %s, not %s', entry.name, option,
				                 pack, wanted_type, jsonb_typeof(entry.value));
		ELSIF entry.value = '""' THEN
			RAISE invalid_parameter_value USING
				MESSAGE = format('"%s" in option "%s" of pack "%s" must not be empty', entry.name, option, pack);
		END IF;
	END LOOP;
END $$;
COMMENT ON FUNCTION reconcile.pack_check_names(text, text, jsonb, text[], text) IS
	'used by packs: refuses names in the options tables and columns that the pack does not have';

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

CREATE FUNCTION reconcile.pack_check_renames(pack text, options jsonb) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM reconcile.pack_check_names(pack, 'tables', options -> 'tables', ARRAY(
		SELECT l.table_name FROM reconcile.pack_layout l WHERE l.pack = pack_check_renames.pack
		UNION SELECT o.name FROM reconcile.pack_object o WHERE o.pack = pack_check_renames.pack AND o.type <> 'trigger'));
	PERFORM reconcile.pack_check_names(pack, 'columns', options -> 'columns', ARRAY(
		SELECT l.table_name FROM reconcile.pack_layout l WHERE l.pack = pack_check_renames.pack ORDER BY 1), 'object');
	PERFORM reconcile.pack_check_names(pack, 'columns', options -> 'columns' -> c.table_name, array_agg(c.name ORDER BY c.name))
	FROM reconcile.pack_columns(pack, options) c WHERE options -> 'columns' ? c.table_name GROUP BY c.table_name;
END $$;
COMMENT ON FUNCTION reconcile.pack_check_renames(text, jsonb) IS
	'used by packs: refuses names in the options tables and columns that the pack does not have';

-- How a column that is there differs from the one that a pack expects; "rest"
-- is what follows the type in CREATE TABLE, NULL to compare the type alone.
CREATE FUNCTION reconcile.pack_column_difference(target regclass, name text, type text, rest text) RETURNS text
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		SELECT nullif(concat_ws('; ',
			'is ' || nullif(format_type(a.atttypid, a.atttypmod), type) || ', usually ' || type,
			CASE WHEN rest LIKE 'NOT NULL%' AND NOT a.attnotnull THEN 'may be null, usually NOT NULL'
			     WHEN rest NOT LIKE 'NOT NULL%' AND rest NOT LIKE '%IDENTITY%' AND a.attnotnull
			     THEN 'is NOT NULL, usually may be null' END,
			CASE WHEN rest LIKE '%IDENTITY%' AND a.attidentity = '' AND d.adbin IS NULL THEN 'does not number its rows'
			     WHEN rest LIKE '%IDENTITY%' THEN NULL
			     WHEN d.adbin IS NULL THEN 'has no default, usually ' || substring(rest FROM 'DEFAULT (.*)$')
			     WHEN pg_get_expr(d.adbin, d.adrelid) <> substring(rest FROM 'DEFAULT (.*)$')
			     THEN format('has the default %s, usually %s', pg_get_expr(d.adbin, d.adrelid), substring(rest FROM 'DEFAULT (.*)$'))
			     WHEN rest NOT LIKE '%DEFAULT%' AND a.attgenerated = ''
			     THEN format('has the default %s, usually none', pg_get_expr(d.adbin, d.adrelid)) END), '')
		FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
		WHERE a.attrelid = target AND a.attname = name AND NOT a.attisdropped;
	END;
COMMENT ON FUNCTION reconcile.pack_column_difference(regclass, text, text, text) IS
	'used by packs: how a column differs from what a pack expects, NULL when it does not';

-- "columns" has a row per column: its name here, its type, and what follows
-- the type in CREATE TABLE or NULL.  A column is added without NOT NULL: the
-- rows that are there have no value for it.
CREATE FUNCTION reconcile.pack_ensure_columns(target regclass, columns text[], dry_run boolean)
	RETURNS TABLE (action text, object text, detail text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	wish      record;
	is_view   constant boolean := (SELECT c.relkind IN ('v', 'm') FROM pg_class c WHERE c.oid = target);
BEGIN
	FOR wish IN
		SELECT columns[i][1] AS name, columns[i][2] AS type, columns[i][3] AS rest, a.attname IS NOT NULL AS there,
		       concat_ws(' ', columns[i][2], substring(columns[i][3] FROM 'DEFAULT .*$')) AS definition
		FROM generate_subscripts(columns, 1) AS i
		LEFT JOIN pg_attribute a ON a.attrelid = target AND a.attname = columns[i][1] AND NOT a.attisdropped
		ORDER BY i
	LOOP
		object := format('%s.%I', target, wish.name);
		IF NOT wish.there AND is_view THEN
			action := 'differs';
			detail := 'the view lacks it';
			RETURN NEXT;
		ELSIF NOT wish.there THEN
			action := 'add column';
			detail := wish.definition;
			IF NOT dry_run THEN
				EXECUTE format('ALTER TABLE %s ADD COLUMN %I %s', target, wish.name, wish.definition);
			END IF;
			RETURN NEXT;
		ELSE
			detail := reconcile.pack_column_difference(target, wish.name, wish.type, wish.rest);
			IF detail IS NOT NULL AND NOT is_view THEN
				action := 'differs';
				RETURN NEXT;
			END IF;
		END IF;
	END LOOP;
END $$;
REVOKE ALL ON FUNCTION reconcile.pack_ensure_columns(regclass, text[], boolean) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.pack_ensure_columns(regclass, text[], boolean) IS
	'used by packs: adds the columns that a table lacks, reports those that differ; changes the table unless dry_run';

-- A constraint that is there is found by its kind and its columns.
CREATE FUNCTION reconcile.pack_constraint_difference(target regclass, kind text, columns text[], refers_to regclass,
                                                     on_delete text) RETURNS text
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		SELECT CASE
			WHEN kind IN ('PRIMARY KEY', 'UNIQUE', 'UNIQUE INDEX', 'INDEX') THEN (
				SELECT CASE WHEN NOT EXISTS (
					SELECT FROM pg_index i
					WHERE i.indrelid = target AND i.indisvalid AND (i.indisunique OR kind = 'INDEX')
					  AND (kind LIKE '%INDEX' OR i.indimmediate AND i.indpred IS NULL)
					  AND columns <@ (SELECT array_agg(quote_ident(a.attname)) FROM pg_attribute a
					                  WHERE a.attrelid = target AND a.attnum = ANY (i.indkey))
					  AND (i.indnkeyatts = cardinality(columns) OR kind = 'INDEX'))
				THEN 'is missing' END)
			WHEN kind = 'FOREIGN KEY' THEN (
				SELECT CASE WHEN count(*) = 0 THEN 'is missing'
				            WHEN count(*) FILTER (WHERE f.action = coalesce(on_delete, 'NO ACTION')) = 0
				            THEN format('is ON DELETE %s, usually %s', min(f.action), coalesce(on_delete, 'NO ACTION'))
				            WHEN bool_and(NOT f.convalidated) THEN 'is not validated' END
				FROM (SELECT c.convalidated, CASE c.confdeltype WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL'
				                                  WHEN 'd' THEN 'SET DEFAULT' WHEN 'r' THEN 'RESTRICT' ELSE 'NO ACTION' END AS action
				      FROM pg_constraint c
				      WHERE c.conrelid = target AND c.contype = 'f' AND c.confrelid = refers_to
				        AND cardinality(c.conkey) = cardinality(columns)
				        AND columns <@ (SELECT array_agg(quote_ident(a.attname)) FROM pg_attribute a
				                        WHERE a.attrelid = target AND a.attnum = ANY (c.conkey))) AS f)
			ELSE (
				SELECT CASE WHEN NOT EXISTS (
					SELECT FROM pg_constraint c
					WHERE c.conrelid = target AND c.contype = 'c'
					  AND columns <@ (SELECT array_agg(quote_ident(a.attname)) FROM pg_attribute a
					                  WHERE a.attrelid = target AND a.attnum = ANY (c.conkey)))
				THEN 'is missing' END)
			END;
	END;
COMMENT ON FUNCTION reconcile.pack_constraint_difference(regclass, text, text[], regclass, text) IS
	'used by packs: how a table differs from a constraint that a pack expects, NULL when it does not';

-- A table that is not there yet will be one.
CREATE FUNCTION reconcile.pack_is_table(name text) RETURNS boolean
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		SELECT NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = to_regclass(name) AND c.relkind NOT IN ('r', 'p'));
	END;
COMMENT ON FUNCTION reconcile.pack_is_table(text) IS
	'used by packs: whether constraints can be put on a relation, and foreign keys refer to it';

CREATE FUNCTION reconcile.pack_create_table(pack text, options jsonb, wanted text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE (SELECT format('CREATE TABLE %s (%s)', reconcile.pack_table(options, wanted), string_agg(concat_ws(' ',
		reconcile.pack_column(options, wanted, c.name), c.type, regexp_replace(c.rest, '^OPTIONAL ', '')), ', ' ORDER BY c.position))
		FROM reconcile.pack_columns(pack, options) c WHERE c.table_name = wanted AND c.rest IS DISTINCT FROM 'OPTIONAL');
END $$;
REVOKE ALL ON FUNCTION reconcile.pack_create_table(text, jsonb, text) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.pack_create_table(text, jsonb, text) IS
	'used by packs: creates one of their tables, without its constraints; changes the schema';

-- The constraints of new tables, and of columns that were added, are made; of
-- the others a missing one is reported.  "fresh" lists the new tables and, as
-- table.column, the added columns.
CREATE FUNCTION reconcile.pack_ensure_constraints(pack text, options jsonb, fresh text[], dry_run boolean)
	RETURNS TABLE (action text, object text, detail text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	wish record;
	text text;
BEGIN
	FOR wish IN
		SELECT l.table_name, c.template, reconcile.pack_table(options, l.table_name) AS target,
		       substring(c.template FROM '^(PRIMARY KEY|UNIQUE INDEX|UNIQUE|INDEX|FOREIGN KEY|CHECK)') AS kind,
		       reconcile.pack_table(options, substring(c.template FROM 'REFERENCES @(\w+)@')) AS refers_to,
		       substring(c.template FROM 'ON DELETE (CASCADE|SET NULL|SET DEFAULT|RESTRICT)') AS on_delete,
		       ARRAY(SELECT DISTINCT m[1] FROM regexp_matches(split_part(split_part(c.template, ' REFERENCES ', 1),
		             ' WHERE ', 1), '@\.(\w+)@', 'g') AS m) AS columns
		FROM reconcile.pack_layout l CROSS JOIN LATERAL unnest(l.constraints) WITH ORDINALITY AS c(template, n)
		WHERE l.pack = pack_ensure_constraints.pack
		  AND reconcile.pack_is_table(reconcile.pack_table(options, l.table_name))
		ORDER BY c.template LIKE 'FOREIGN KEY%', l.position, c.n
	LOOP
		object := wish.target;
		text := reconcile.pack_sql(options, wish.template, wish.table_name);
		IF NOT reconcile.pack_is_table(wish.refers_to) THEN
			action := 'differs';
			detail := text || ' is left out: ' || wish.refers_to || ' is not a table';
			RETURN NEXT;
		ELSIF wish.table_name = ANY (fresh)
		   OR EXISTS (SELECT FROM unnest(wish.columns) AS c WHERE wish.table_name || '.' || c = ANY (fresh)) THEN
			IF NOT dry_run THEN
				EXECUTE CASE WHEN wish.kind LIKE '%INDEX'
					THEN format('CREATE %s ON %s%s', wish.kind, wish.target, substr(text, length(wish.kind) + 1))
					ELSE format('ALTER TABLE %s ADD %s', wish.target, text) END;
			END IF;
			action := 'add constraint';
			detail := text;
			IF wish.table_name <> ALL (fresh) THEN
				RETURN NEXT;
			END IF;
		ELSIF EXISTS (SELECT FROM reconcile.pack_columns(pack, options) o
		              WHERE o.table_name = wish.table_name AND o.name = ANY (wish.columns) AND o.rest LIKE 'OPTIONAL%'
		                AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = to_regclass(wish.target) AND NOT a.attisdropped
		                                AND quote_ident(a.attname) = reconcile.pack_column(options, o.table_name, o.name))) THEN
			CONTINUE;  -- it is about a column that the table does without
		ELSE
			action := 'differs';
			detail := text || ' ' || reconcile.pack_constraint_difference(to_regclass(wish.target), wish.kind,
				ARRAY(SELECT reconcile.pack_column(options, wish.table_name, c) FROM unnest(wish.columns) AS c),
				to_regclass(wish.refers_to), wish.on_delete);
			IF detail IS NOT NULL THEN
				RETURN NEXT;
			END IF;
		END IF;
	END LOOP;
END $$;
REVOKE ALL ON FUNCTION reconcile.pack_ensure_constraints(text, jsonb, text[], boolean) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.pack_ensure_constraints(text, jsonb, text[], boolean) IS
	'used by packs: constrains what they created, reports constraints that existing tables lack; changes the schema unless dry_run';

CREATE FUNCTION reconcile.pack_ensure_tables(pack text, options jsonb, dry_run boolean)
	RETURNS TABLE (action text, object text, detail text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	wanted record;
	fresh  text[] := '{}';
BEGIN
	FOR wanted IN
		SELECT l.table_name, array_agg(ARRAY[coalesce(options -> 'columns' -> l.table_name ->> c.name, c.name), c.type, c.rest]
		                               ORDER BY c.position) FILTER (WHERE coalesce(c.rest, '') NOT LIKE 'OPTIONAL%') AS columns,
		       array_agg(c.name ORDER BY c.position) FILTER (WHERE coalesce(c.rest, '') NOT LIKE 'OPTIONAL%') AS names
		FROM reconcile.pack_layout l
		JOIN reconcile.pack_columns(pack_ensure_tables.pack, pack_ensure_tables.options) c USING (table_name)
		WHERE l.pack = pack_ensure_tables.pack AND c.rest IS DISTINCT FROM 'OPTIONAL'
		GROUP BY l.table_name, l.position ORDER BY l.position
	LOOP
		object := reconcile.pack_table(options, wanted.table_name);
		detail := NULL;
		IF to_regclass(object) IS NULL THEN
			action := 'create table';
			fresh := fresh || wanted.table_name;
			IF NOT dry_run THEN
				PERFORM reconcile.pack_create_table(pack, options, wanted.table_name);
			END IF;
			RETURN NEXT;
		ELSE
			action := 'keep';
			RETURN NEXT;
			fresh := fresh || ARRAY(SELECT wanted.table_name || '.' || wanted.names[i]
				FROM generate_subscripts(wanted.names, 1) AS i
				WHERE NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = to_regclass(object)
				                  AND a.attname = wanted.columns[i][1] AND NOT a.attisdropped));
			RETURN QUERY SELECT * FROM reconcile.pack_ensure_columns(to_regclass(object), wanted.columns, dry_run);
		END IF;
	END LOOP;
	RETURN QUERY SELECT * FROM reconcile.pack_ensure_constraints(pack, options, fresh, dry_run);
END $$;
REVOKE ALL ON FUNCTION reconcile.pack_ensure_tables(text, jsonb, boolean) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.pack_ensure_tables(text, jsonb, boolean) IS
	'used by packs: makes the tables and columns that are missing, reports what differs; changes the schema unless dry_run';

-- A unique index that a pack cannot do without, or that the system should have
-- had, on a table that was there before.  NULL counts as a value.  Where rows
-- share a key it cannot be made: then it is reported with those rows, or, for
-- an index that the invariants need, refused with them.
CREATE FUNCTION reconcile.pack_ensure_unique(options jsonb, table_name text, columns text[], needed boolean, dry_run boolean)
	RETURNS TABLE (action text, object text, detail text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	target   constant text := reconcile.pack_table(options, table_name);
	names    constant text[] := ARRAY(SELECT reconcile.pack_column(options, table_name, c)
	                                  FROM unnest(columns) WITH ORDINALITY AS u(c, n) ORDER BY n);
	list     constant text := array_to_string(names, ', ');
	nullable constant boolean := EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = to_regclass(target)
	                                     AND quote_ident(a.attname) = ANY (names) AND NOT a.attnotnull);
	twice    record;
BEGIN
	IF to_regclass(target) IS NULL OR EXISTS (
		SELECT FROM pg_index i
		WHERE i.indrelid = to_regclass(target) AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL
		  AND (i.indnullsnotdistinct OR NOT nullable) AND i.indnkeyatts = cardinality(names)
		  AND names <@ (SELECT array_agg(quote_ident(a.attname)) FROM pg_attribute a
		                WHERE a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey))) THEN
		RETURN;
	END IF;
	object := target;
	detail := format('UNIQUE%s (%s)', CASE WHEN nullable THEN ' NULLS NOT DISTINCT' ELSE '' END, list);
	EXECUTE format('SELECT count(*) AS rows, jsonb_build_array(%s)::text AS key FROM %s GROUP BY %s HAVING count(*) > 1 ORDER BY 2 LIMIT 1',
		list, target, list) INTO twice;
	IF twice.key IS NOT NULL AND needed THEN
		RAISE unique_violation USING
			MESSAGE = format('%s rows of %s have the same (%s)', twice.rows, target, list),
			DETAIL = format('They are %s. The pack needs a unique index there.', twice.key),
			HINT = format('Find all: SELECT %s, count(*) FROM %s GROUP BY %s HAVING count(*) > 1; then change all but one of each.', list, target, list);
	ELSIF twice.key IS NOT NULL THEN
		action := 'differs';
		detail := format('%s is missing, and cannot be made: %s rows have %s', detail, twice.rows, twice.key);
	ELSE
		action := 'add constraint';
		IF NOT dry_run THEN
			EXECUTE format('CREATE UNIQUE INDEX ON %s (%s)%s', target, list, CASE WHEN nullable THEN ' NULLS NOT DISTINCT' ELSE '' END);
		END IF;
	END IF;
	RETURN NEXT;
END $$;
REVOKE ALL ON FUNCTION reconcile.pack_ensure_unique(jsonb, text, text[], boolean, boolean) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.pack_ensure_unique(jsonb, text, text[], boolean, boolean) IS
	'used by packs: makes a unique index on a table that was there before, or says which rows are in its way; changes the schema unless dry_run';

-- What a pack made is known by its comment, which goes wherever the object
-- goes, and which only an owner can write.
CREATE FUNCTION reconcile.pack_objects(pack text) RETURNS TABLE (type text, object text, comment text)
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		SELECT i.type, CASE i.type WHEN 'function' THEN d.objoid::regprocedure::text ELSE i.identity END, d.description
		FROM pg_description d
		CROSS JOIN LATERAL pg_identify_object(d.classoid, d.objoid, 0) AS i
		WHERE d.objsubid = 0 AND d.classoid IN ('pg_proc'::regclass, 'pg_class'::regclass, 'pg_trigger'::regclass)
		  AND d.description LIKE '% (pg_reconcile, pack ' || pack || ', %)'
		  AND i.type IN ('function', 'view', 'trigger');
	END;
COMMENT ON FUNCTION reconcile.pack_objects(text) IS
	'used by packs: the functions, views and triggers that a pack made';

-- A trigger runs its function as whoever writes, so a function that is there is
-- taken only from roles that could get there without it.
CREATE FUNCTION reconcile.pack_check_function(there oid) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	owner name;
BEGIN
	SELECT pg_get_userbyid(f.proowner) INTO owner FROM pg_proc f JOIN pg_namespace n ON n.oid = f.pronamespace
	WHERE f.oid = there AND NOT pg_has_role(f.proowner, current_user, 'MEMBER') AND NOT pg_has_role(f.proowner, n.nspowner, 'MEMBER');
	IF FOUND THEN
		RAISE insufficient_privilege USING MESSAGE = format('function %s is owned by role "%s"', there::regprocedure, owner),
			DETAIL = 'The pack has a function of that name, which would run as whoever writes.',
			HINT = 'Drop the function, or install the pack as its owner.';
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
		RAISE duplicate_object USING MESSAGE = format('invariant "%s" exists and is not one of pack "%s"', name, pack),
			HINT = format('Drop it first: SELECT reconcile.drop_invariant(%L);', name);
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

-- The rules of a pack with the names of this database put in.
CREATE FUNCTION reconcile.pack_rules(pack text, options jsonb)
	RETURNS TABLE (name text, "position" integer, kind text, target text, key text[], expects text, compare text[],
	               where_absent text, severity text, seed_label text, guard_timing text, description text,
	               table_name text, yields text[])
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		SELECT r.name, r.position, r.kind, reconcile.pack_table(options, r.target),
		       ARRAY(SELECT coalesce(options -> 'columns' -> r.target ->> k, k) FROM unnest(r.key) AS k),
		       reconcile.pack_sql(options, r.expects, r.target),
		       ARRAY(SELECT coalesce(options -> 'columns' -> r.target ->> c, c) FROM unnest(r.compare) AS c),
		       reconcile.pack_sql(options, r.where_absent, r.target), r.severity,
		       reconcile.pack_sql(options, r.seed_label, r.target), r.guard_timing, r.description, r.target,
		       ARRAY(SELECT m[1] FROM regexp_matches(r.expects, 'AS @\.(\w+)@', 'g') AS m)
		FROM reconcile.pack_rule r WHERE r.pack = pack_rules.pack;
	END;
COMMENT ON FUNCTION reconcile.pack_rules(text, jsonb) IS
	'used by packs: their invariants, with the names of this database';

-- ------------------------------------------------------------------ reference rows
--
-- Reference rows are the rows of an invariant that are inserted at once, and
-- without a run: undo_last() takes back what a repair derived from them, not
-- them.  To list what is missing before the tables are there, the query reads
-- a WITH query in place of each table that the installation would create,
-- change, or fill before.

CREATE FUNCTION reconcile.pack_same_key(key text[]) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		SELECT string_agg(format('x.%1$I IS NOT DISTINCT FROM s.%1$I', k), ' AND ') FROM unnest(key) AS k;
	END;
COMMENT ON FUNCTION reconcile.pack_same_key(text[]) IS
	'used by packs: the condition that a row "x" has the key of a row "s"';

CREATE FUNCTION reconcile.pack_planned_rows(pack text, options jsonb, planned jsonb, of_table text, before integer) RETURNS text
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		WITH there (table_name) AS (
			SELECT to_regclass(reconcile.pack_table(options, of_table))),
		wanted AS (
			SELECT c.position, c.name, here.name AS here, a.attname IS NOT NULL AS there,
			       coalesce(format_type(a.atttypid, a.atttypmod), c.type) AS type,
			       c.rest ~ 'IDENTITY|gen_random_uuid' AS numbered
			FROM reconcile.pack_columns(pack, options) c CROSS JOIN there
			CROSS JOIN LATERAL (SELECT reconcile.pack_column(options, of_table, c.name) AS name) AS here
			LEFT JOIN pg_attribute a ON a.attrelid = there.table_name AND quote_ident(a.attname) = here.name AND NOT a.attisdropped
			WHERE c.table_name = of_table)
		SELECT concat_ws(' UNION ALL ',
			(SELECT format('SELECT %s %s', string_agg(format('%s AS %s',
				CASE WHEN w.there THEN w.here ELSE format('NULL::%s', w.type) END, w.here), ', ' ORDER BY w.position),
				CASE WHEN t.table_name IS NULL THEN 'WHERE false' ELSE format('FROM %s', t.table_name) END)
			 FROM wanted w CROSS JOIN there t GROUP BY t.table_name),
			(SELECT string_agg(format('SELECT %s FROM (%s) s WHERE %s',
				(SELECT string_agg(CASE
					WHEN w.name = ANY (r.yields) THEN format('s.%s', w.here)
					WHEN w.numbered AND w.type = 'uuid' THEN 'gen_random_uuid()'
					WHEN w.numbered THEN format('(- row_number() OVER ())::%s', w.type)
					ELSE format('NULL::%s', w.type) END, ', ' ORDER BY w.position) FROM wanted w),
				r.expects,
				coalesce((SELECT format('NOT EXISTS (SELECT FROM %s x WHERE %s)', t.table_name, reconcile.pack_same_key(r.key))
				          FROM there t WHERE t.table_name IS NOT NULL), 'true')), ' UNION ALL ' ORDER BY r.position)
			 FROM reconcile.pack_rules(pack, options || planned) r
			 WHERE r.table_name = of_table AND r.seed_label IS NOT NULL AND r.position < before));
	END;
COMMENT ON FUNCTION reconcile.pack_planned_rows(text, jsonb, jsonb, text, integer) IS
	'used by packs: the query for the rows that a table would have before a rule is applied';

CREATE FUNCTION reconcile.pack_missing_seeds(pack text, options jsonb, rule text, dry_run boolean) RETURNS text
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		SELECT concat_ws(' ', CASE WHEN dry_run THEN
				'WITH ' || (SELECT string_agg(format('%I AS (%s)', 'planned ' || l.table_name,
					reconcile.pack_planned_rows(pack, options, planned.tables, l.table_name, r.position)), ', ' ORDER BY l.position)
				FROM reconcile.pack_layout l WHERE l.pack = pack_missing_seeds.pack) END,
			format('SELECT %s AS "seed label", s.* FROM (%s) s WHERE NOT EXISTS (SELECT FROM %s x WHERE %s)', r.seed_label, r.expects,
				r.target, reconcile.pack_same_key(r.key)))
		FROM (SELECT CASE WHEN dry_run THEN jsonb_build_object('planned', jsonb_object_agg(l.table_name, true)) ELSE '{}' END AS tables
		      FROM reconcile.pack_layout l WHERE l.pack = pack_missing_seeds.pack) AS planned
		CROSS JOIN LATERAL reconcile.pack_rules(pack, options || planned.tables) AS r
		WHERE r.name = rule;
	END;
COMMENT ON FUNCTION reconcile.pack_missing_seeds(text, jsonb, text, boolean) IS
	'used by packs: the query for the reference rows that are missing';

CREATE FUNCTION reconcile.pack_ensure_seeds(pack text, options jsonb, dry_run boolean)
	RETURNS TABLE (action text, object text, detail text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	rule    record;
	missing text;
BEGIN
	PERFORM set_config('search_path', reconcile.pack_search_path(options), true);
	FOR rule IN SELECT r.name, r.target, string_agg(reconcile.pack_column(options, r.table_name, y), ', ') AS columns
		FROM reconcile.pack_rules(pack, options) r LEFT JOIN LATERAL unnest(r.yields) AS y ON true
		WHERE r.seed_label IS NOT NULL GROUP BY r.name, r.target, r.position ORDER BY r.position
	LOOP
		missing := reconcile.pack_missing_seeds(pack, options, rule.name, dry_run);
		RETURN QUERY EXECUTE format('SELECT ''seed row'', %L::text, m."seed label"::text FROM (%s) m ORDER BY 3', rule.target, missing);
		IF NOT dry_run THEN
			EXECUTE format('INSERT INTO %1$s (%2$s) SELECT %2$s FROM (%3$s) m ON CONFLICT DO NOTHING',
				rule.target, rule.columns, missing);
		END IF;
	END LOOP;
END $$;
REVOKE ALL ON FUNCTION reconcile.pack_ensure_seeds(text, jsonb, boolean) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.pack_ensure_seeds(text, jsonb, boolean) IS
	'used by packs: inserts the reference rows that are missing; changes user data unless dry_run';

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

CREATE FUNCTION reconcile.pack_report(invariant text, query text, first_run bigint, second_run bigint)
	RETURNS SETOF record
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'reconcile_pack_report';
COMMENT ON FUNCTION reconcile.pack_report(text, text, bigint, bigint) IS
	'used by packs: runs a report as the owner of an invariant, read-only and restricted, with two runs as $1 and $2; only for who may act as that role';

-- What an entry point does: repairs these invariants, in this order.
CREATE FUNCTION reconcile.pack_init(pack text, steps text[], dry_run boolean)
	RETURNS TABLE (invariant text, run_id bigint, planned bigint, changed bigint, already_present bigint, failed bigint,
	               elapsed interval)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF dry_run IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'argument "dry_run" must not be null';
	END IF;
	IF NOT EXISTS (SELECT FROM reconcile.packs p WHERE p.name = pack AND p.installed) THEN
		RAISE SQLSTATE 'RC005' USING MESSAGE = format('pack "%s" is not installed', pack),
			HINT = format('SELECT * FROM reconcile.install_pack(%L);', pack);
	END IF;
	RETURN QUERY SELECT * FROM reconcile.repair_steps(steps, dry_run);
END $$;
REVOKE ALL ON FUNCTION reconcile.pack_init(text, text[], boolean) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.pack_init(text, text[], boolean) IS
	'used by packs: repairs some of their invariants; changes user data unless dry_run';

-- What an entry point leaves as it is, since it only adds.
CREATE FUNCTION reconcile.pack_tell_differences(pack text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	found record;
BEGIN
	FOR found IN
		SELECT a.invariant, a.differing FROM reconcile.invariants i CROSS JOIN LATERAL reconcile.audit(i.name, samples => 0) AS a
		WHERE i.pack = pack_tell_differences.pack AND i.compare <> '{}' AND a.differing > 0 ORDER BY i.name
	LOOP
		RAISE NOTICE '%: % rows differ', found.invariant, found.differing
			USING HINT = format('SELECT * FROM reconcile.findings(%L);', found.invariant);
	END LOOP;
END $$;
REVOKE ALL ON FUNCTION reconcile.pack_tell_differences(text) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.pack_tell_differences(text) IS
	'used by packs: says how many rows differ from what they should be; writes nothing';

-- What a pack has and no longer wants, or what is removed with it.
CREATE FUNCTION reconcile.pack_drop(pack text, keep_invariants text[], keep_objects text[], dry_run boolean)
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
			SELECT o.type, o.object FROM reconcile.pack_objects(pack) o WHERE o.object <> ALL (keep_objects)) s
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
REVOKE ALL ON FUNCTION reconcile.pack_drop(text, text[], text[], boolean) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.pack_drop(text, text[], text[], boolean) IS
	'used by packs: drops the invariants and generated objects of a pack except those to keep; changes the schema unless dry_run';

-- Public.

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
		RAISE null_value_not_allowed USING MESSAGE = 'argument "dry_run" must not be null';
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
	RETURN QUERY SELECT * FROM reconcile.pack_drop(pack, invariants, objects, dry_run);
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
BEGIN
	IF pack IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'argument "pack" must not be null';
	END IF;
	IF NOT EXISTS (SELECT FROM reconcile.packs p WHERE p.name = remove_pack.pack AND p.installed) THEN
		RAISE SQLSTATE 'RC005' USING MESSAGE = format('pack "%s" is not installed', pack),
			HINT = reconcile.did_you_mean(pack, ARRAY(SELECT name FROM reconcile.packs WHERE installed ORDER BY name));
	END IF;
	PERFORM pg_advisory_xact_lock(1919247726, hashtext('pack ' || pack));
	PERFORM reconcile.forget_pack(pack);
	PERFORM reconcile.pack_drop(pack, '{}', '{}', false);
END $$;
REVOKE ALL ON FUNCTION reconcile.remove_pack(text) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.remove_pack(text) IS
	'removes a pack''s invariants; tables and rows stay';

-- Values of MongoDB documents, as a jsonb column shows them.

-- Not STRICT, though NULL yields NULL: PostgreSQL would not inline it, and a call costs more than the rest of the query.
CREATE FUNCTION reconcile.id_of(document_value jsonb) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	RETURN CASE pg_catalog.jsonb_typeof(document_value)
		WHEN 'string' THEN document_value #>> '{}'::text[]
		WHEN 'object' THEN document_value ->> '$oid' END;
COMMENT ON FUNCTION reconcile.id_of(jsonb) IS
	'an id as text: the string itself or the hexadecimal digits of an ObjectId; NULL for anything else';
