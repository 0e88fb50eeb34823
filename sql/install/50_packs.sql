-- Packs: what every pack shares.  A pack is one file of packs/, which adds
-- itself to reconcile.pack and brings a function reconcile.install_<pack>.

CREATE TABLE reconcile.pack (
	name        text PRIMARY KEY,
	description text NOT NULL,
	options     jsonb NOT NULL CHECK (jsonb_typeof(options) = 'object')
);
COMMENT ON TABLE reconcile.pack IS 'packs that come with the extension; read view reconcile.packs';
COMMENT ON COLUMN reconcile.pack.name IS 'name of the pack';
COMMENT ON COLUMN reconcile.pack.description IS 'what it is for';
COMMENT ON COLUMN reconcile.pack.options IS 'its options with their defaults; null stands for a text that is required';

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
		SELECT format('%I.%I', options ->> 'schema', coalesce(options -> 'tables' ->> name, name));
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

CREATE FUNCTION reconcile.pack_ensure_columns(target regclass, wanted jsonb, dry_run boolean)
	RETURNS TABLE (action text, object text, detail text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	wish record;
BEGIN
	FOR wish IN
		SELECT w.name, w.type, format_type(a.atttypid, a.atttypmod) AS actual
		FROM jsonb_each_text(wanted) AS w(name, type)
		LEFT JOIN pg_attribute a ON a.attrelid = target AND a.attname = w.name AND NOT a.attisdropped
		ORDER BY w.name
	LOOP
		object := format('%s.%I', target, wish.name);
		IF wish.actual IS NULL THEN
			action := 'add column';
			detail := wish.type;
			IF NOT dry_run THEN
				EXECUTE format('ALTER TABLE %s ADD COLUMN %I %s', target, wish.name, wish.type);
			END IF;
			RETURN NEXT;
		ELSIF wish.actual <> wish.type THEN
			action := 'differs';
			detail := format('is %s, usually %s', wish.actual, wish.type);
			RETURN NEXT;
		END IF;
	END LOOP;
END $$;
REVOKE ALL ON FUNCTION reconcile.pack_ensure_columns(regclass, jsonb, boolean) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.pack_ensure_columns(regclass, jsonb, boolean) IS
	'used by packs: adds the columns that a table lacks, reports those of another type; changes the table unless dry_run';

-- The invariant is evaluated, and the application's own triggers on its target
-- fire, with the pack's schema on the search_path.
CREATE FUNCTION reconcile.pack_declare(options jsonb, name text, target regclass, key text[], expects text,
                                       where_absent text, description text)
	RETURNS TABLE (action text, object text, detail text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	old  record;
	same boolean;
BEGIN
	SELECT i.* INTO old FROM reconcile.invariants i WHERE i.name = pack_declare.name;
	object := name;
	detail := format('%s (%s)', target, array_to_string(key, ', '));
	same := (old.target, old.key, old.expects, old.where_absent, old.description)
		IS NOT DISTINCT FROM (target, key, expects, where_absent, description);
	-- From here on names and operators may be the application's.
	PERFORM set_config('search_path',
		concat_ws(', ', quote_ident(options ->> 'schema'), nullif('public', options ->> 'schema'), 'pg_temp'), true);
	IF old.name IS NULL THEN
		action := 'create invariant';
		PERFORM reconcile.create_invariant(name, target, key, expects,
			where_absent => where_absent, description => description);
	ELSIF same THEN
		action := 'keep invariant';
	ELSE
		action := 'alter invariant';
		PERFORM reconcile.alter_invariant(name, target, key, expects,
			where_absent => coalesce(where_absent, ''), description => description);
	END IF;
	RETURN NEXT;
END $$;
REVOKE ALL ON FUNCTION reconcile.pack_declare(jsonb, text, regclass, text[], text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.pack_declare(jsonb, text, regclass, text[], text, text, text) IS
	'used by packs: creates an invariant, or alters it when its definition changed; changes no user data';

CREATE FUNCTION reconcile.pack_report(invariant text, query text, first_run bigint, second_run bigint)
	RETURNS SETOF record
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'reconcile_pack_report';
COMMENT ON FUNCTION reconcile.pack_report(text, text, bigint, bigint) IS
	'used by packs: runs a report as the owner of an invariant, read-only and restricted, with two runs as $1 and $2; only for who may act as that role';

-- Public.

CREATE FUNCTION reconcile.install_pack(pack text, options jsonb DEFAULT '{}', dry_run boolean DEFAULT false)
	RETURNS TABLE (action text, object text, detail text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	settled    jsonb := reconcile.pack_options(pack, options);
	invariants text[] := '{}';
BEGIN
	IF dry_run IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'argument "dry_run" must not be null';
	END IF;
	FOR action, object, detail IN
		EXECUTE format('SELECT * FROM reconcile.%I($1, $2)', 'install_' || pack) USING settled, dry_run
	LOOP
		IF action LIKE '% invariant' THEN
			invariants := invariants || object;
		END IF;
		RETURN NEXT;
	END LOOP;
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
	PERFORM reconcile.forget_pack(pack);
	PERFORM reconcile.drop_invariant(i.name) FROM reconcile.invariants i WHERE i.pack = remove_pack.pack;
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
