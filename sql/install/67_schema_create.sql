-- The statements that mend one difference, begun with those that create what is
-- missing.  They are text for people to read and for fix_schema() to run; names and
-- expressions in them are PostgreSQL's own, quoted and qualified, so they mean the
-- same under any search_path.
--
-- An empty database lacks a hundred thousand objects of a large one, so these are
-- in PL/pgSQL, which plans an expression once in a session: a function in SQL that
-- is called by another one is planned again for every object.  A kind of object
-- is an expression of its own, so that none is prepared for another one's sake.

CREATE FUNCTION reconcile.schema_list(list jsonb) RETURNS text
	LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN (SELECT string_agg(e.value, ', ' ORDER BY e.n) FROM jsonb_array_elements_text(list) WITH ORDINALITY AS e(value, n));
END $$;
COMMENT ON FUNCTION reconcile.schema_list(jsonb) IS 'used by schema_fix(): the elements of an array, separated by commas';

-- Those of the table for large values are called toast.<name>.
CREATE FUNCTION reconcile.schema_option_name(option text) RETURNS text
	LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	name CONSTANT text := split_part(option, '=', 1);
BEGIN
	RETURN CASE WHEN starts_with(name, 'toast.') THEN 'toast.' || quote_ident(substr(name, 7)) ELSE quote_ident(name) END;
END $$;
COMMENT ON FUNCTION reconcile.schema_option_name(text) IS 'used by schema_fix(): the name of an option as statements take it';

-- Stored options are name=value; statements want name = 'value', or for foreign
-- objects name 'value'.
CREATE FUNCTION reconcile.schema_options(list jsonb, separator text DEFAULT ' = ') RETURNS text
	LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN (
		SELECT string_agg(reconcile.schema_option_name(e.value) || separator || quote_literal(substr(e.value, position('=' IN e.value) + 1)), ', ' ORDER BY e.n)
		FROM jsonb_array_elements_text(list) WITH ORDINALITY AS e(value, n));
END $$;
COMMENT ON FUNCTION reconcile.schema_options(jsonb, text) IS 'used by schema_fix(): options as statements take them';

-- The statement that turns one list of options into another one.
CREATE FUNCTION reconcile.schema_options_change(prefix text, expected jsonb, actual jsonb) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN concat_ws(E'\n',
		prefix || ' RESET (' || (SELECT string_agg(reconcile.schema_option_name(a.o), ', ')
		    FROM jsonb_array_elements_text(actual) AS a(o)
		    WHERE NOT EXISTS (SELECT FROM jsonb_array_elements_text(expected) AS e(o) WHERE split_part(e.o, '=', 1) = split_part(a.o, '=', 1))) || ');',
		prefix || ' SET (' || reconcile.schema_options(expected) || ');');
END $$;
COMMENT ON FUNCTION reconcile.schema_options_change(text, jsonb, jsonb) IS
	'used by schema_fix(): the statements that turn one list of options into another one';

-- The same for foreign objects.
CREATE FUNCTION reconcile.schema_foreign_options_change(prefix text, expected jsonb, actual jsonb) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN (
		WITH e AS (SELECT split_part(o, '=', 1) AS name, substr(o, position('=' IN o) + 1) AS value FROM jsonb_array_elements_text(expected) AS o),
		     a AS (SELECT split_part(o, '=', 1) AS name, substr(o, position('=' IN o) + 1) AS value FROM jsonb_array_elements_text(actual) AS o)
		SELECT prefix || ' OPTIONS (' || string_agg(
			CASE WHEN e.name IS NULL THEN format('DROP %I', a.name) WHEN a.name IS NULL THEN format('ADD %I %L', e.name, e.value)
			     ELSE format('SET %I %L', e.name, e.value) END, ', ' ORDER BY coalesce(e.name, a.name)) || ');'
		FROM e FULL JOIN a ON a.name = e.name
		WHERE e.value IS DISTINCT FROM a.value);
END $$;
COMMENT ON FUNCTION reconcile.schema_foreign_options_change(text, jsonb, jsonb) IS
	'used by schema_fix(): the statement that turns one list of options of a foreign object into another one';

-- always (start 10 increment 5): what follows the word is what a sequence takes.
CREATE FUNCTION reconcile.schema_identity(identity text, sequence text DEFAULT NULL) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN ' GENERATED ' || upper((regexp_match(identity, '^(always|by default)'))[1]) || ' AS IDENTITY'
	       || coalesce(' (' || nullif(concat_ws(' ', 'SEQUENCE NAME ' || sequence, upper(substring(identity FROM '\((.*)\)$'))), '') || ')', '');
END $$;
COMMENT ON FUNCTION reconcile.schema_identity(text, text) IS 'used by schema_fix(): the clause of an identity column';

-- The sequence of a serial column if it has a name of its own, which serial gives
-- to none.
CREATE FUNCTION reconcile.schema_own_sequence(attributes jsonb) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN CASE WHEN attributes ->> 'identity' LIKE 'serial%' THEN
		'CREATE SEQUENCE ' || (attributes ->> 'sequence') || ' AS ' || (attributes ->> 'type')
		|| coalesce(' ' || upper(substring(attributes ->> 'identity' FROM '\((.*)\)$')), '') || ';' END;
END $$;
COMMENT ON FUNCTION reconcile.schema_own_sequence(jsonb) IS 'used by schema_fix(): the sequence that a serial column does not bring with it';

CREATE FUNCTION reconcile.schema_column_clause(name text, attributes jsonb) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN name || ' '
	       || CASE WHEN attributes ->> 'identity' LIKE 'serial%' AND NOT attributes ? 'sequence'
	               THEN CASE attributes ->> 'type' WHEN 'smallint' THEN 'smallserial' WHEN 'bigint' THEN 'bigserial' ELSE 'serial' END
	               ELSE attributes ->> 'type' END
	       || coalesce(' OPTIONS (' || reconcile.schema_options(attributes -> 'foreign_options', ' ') || ')', '')
	       || coalesce(' COMPRESSION ' || (attributes ->> 'compression'), '')
	       || coalesce(' COLLATE ' || (attributes ->> 'collation'), '')
	       || coalesce(' DEFAULT ' || (attributes ->> 'default'), '')
	       || CASE WHEN attributes ->> 'identity' LIKE 'serial%' THEN coalesce(' DEFAULT nextval(' || quote_literal(attributes ->> 'sequence') || ')', '') ELSE '' END
	       || coalesce(' GENERATED ALWAYS AS (' || regexp_replace(attributes ->> 'generated', ' (stored|virtual)$', '') || ') '
	                   || upper((regexp_match(attributes ->> 'generated', ' (stored|virtual)$'))[1]), '')
	       || CASE WHEN attributes ->> 'identity' NOT LIKE 'serial%' THEN coalesce(reconcile.schema_identity(attributes ->> 'identity', attributes ->> 'sequence'), '') ELSE '' END
	       || CASE WHEN attributes -> 'not_null' = 'true' THEN ' NOT NULL' ELSE '' END;
END $$;
COMMENT ON FUNCTION reconcile.schema_column_clause(text, jsonb) IS 'used by schema_fix(): a column as CREATE TABLE takes it';

-- What a column has that CREATE TABLE and ADD COLUMN do not take.
CREATE FUNCTION reconcile.schema_column_extras("column" text, "table" text, attributes jsonb) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	altered CONSTANT text := format('ALTER TABLE %s ALTER COLUMN %s', "table", substr("column", length("table") + 2));
BEGIN
	RETURN nullif(concat_ws(E'\n',
		CASE WHEN attributes ->> 'identity' LIKE 'serial%' THEN 'ALTER SEQUENCE ' || (attributes ->> 'sequence') || ' OWNED BY ' || "column" || ';' END,
		altered || ' SET STORAGE ' || upper(attributes ->> 'storage') || ';',
		altered || ' SET STATISTICS ' || (attributes ->> 'statistics') || ';',
		altered || ' SET (' || reconcile.schema_options(attributes -> 'options') || ');',
		'COMMENT ON COLUMN ' || "column" || ' IS ' || quote_literal(attributes ->> 'comment') || ';'), '');
END $$;
COMMENT ON FUNCTION reconcile.schema_column_extras(text, text, jsonb) IS
	'used by schema_fix(): the statements that follow a column that was created';

CREATE FUNCTION reconcile.schema_create_table(object text, expected jsonb) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN concat_ws(E'\n', expected ->> 'column_sequences',
		concat('CREATE ', CASE WHEN expected -> 'unlogged' = 'true' THEN 'UNLOGGED ' END,
		       CASE WHEN expected ->> 'kind' = 'foreign table' THEN 'FOREIGN ' END, 'TABLE ', object,
		       CASE WHEN expected ? 'partition_of' THEN ' PARTITION OF ' || (expected ->> 'partition_of') || ' ' || (expected ->> 'partition_bound')
		            WHEN expected ? 'of_type' THEN ' OF ' || (expected ->> 'of_type')
		            ELSE ' (' || coalesce(expected ->> 'columns', '') || ')' END,
		       ' INHERITS (' || reconcile.schema_list(expected -> 'inherits') || ')',
		       ' PARTITION BY ' || (expected ->> 'partition_key'),
		       ' SERVER ' || quote_ident(expected ->> 'server'),
		       ' OPTIONS (' || reconcile.schema_options(expected -> 'foreign_options', ' ') || ')',
		       ' USING ' || quote_ident(expected ->> 'access_method'),
		       ' WITH (' || reconcile.schema_options(expected -> 'options') || ')',
		       ' TABLESPACE ' || quote_ident(expected ->> 'tablespace'), ';'),
		CASE WHEN expected -> 'row_security' = 'true' THEN format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY;', object) END,
		CASE WHEN expected -> 'force_row_security' = 'true' THEN format('ALTER TABLE %s FORCE ROW LEVEL SECURITY;', object) END,
		expected ->> 'column_extras');
END $$;
COMMENT ON FUNCTION reconcile.schema_create_table(text, jsonb) IS 'used by schema_fix(): CREATE TABLE';

-- search_path and its like are stored as lists that are quoted already.
CREATE FUNCTION reconcile.schema_setting(setting text) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN (
		SELECT quote_ident(s.name) || ' TO ' || CASE
			WHEN s.name IN ('search_path', 'temp_tablespaces', 'session_preload_libraries', 'local_preload_libraries')
			THEN CASE WHEN s.value <> '' AND s.value !~ '(^|, )""(,|$)' AND length(s.value) < 64 THEN s.value
			     -- an empty or a long name is none: strings do as well
			     ELSE coalesce((SELECT string_agg(quote_literal(coalesce(replace(e.part[1], '""', '"'), e.part[2])), ', ' ORDER BY e.n)
			                    FROM regexp_matches(s.value, '"((?:[^"]|"")*)"|([^", ][^,]*)', 'g') WITH ORDINALITY AS e(part, n)), '''''') END
			ELSE quote_literal(s.value) END
		FROM (SELECT split_part(setting, '=', 1), substr(setting, length(split_part(setting, '=', 1)) + 2)) AS s(name, value));
END $$;
COMMENT ON FUNCTION reconcile.schema_setting(text) IS 'used by schema_fix(): a stored setting of a function as SET takes it';

CREATE FUNCTION reconcile.schema_create_function(object text, expected jsonb) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	name CONSTANT text := CASE WHEN position('"' IN object) = 0 THEN split_part(object, '(', 1)
		ELSE (regexp_match(object, '^((?:"(?:[^"]|"")*"|[^"(.])+(?:\.(?:"(?:[^"]|"")*"|[^"(])+)?)\('))[1] END;
	tag  text;
BEGIN
	IF expected ->> 'kind' = 'aggregate' THEN
		RETURN format('CREATE OR REPLACE AGGREGATE %s(%s) (%s);', name, coalesce(nullif(expected ->> 'arguments', ''), '*'), expected ->> 'aggregate');
	END IF;
	SELECT '$' || min(t.tag) || '$' INTO tag FROM unnest('{function,body,source,text_1,text_2,text_3}'::text[]) AS t(tag)
	WHERE position('$' || t.tag IN coalesce(expected ->> 'body', '')) = 0;
	RETURN concat('CREATE OR REPLACE ', CASE expected ->> 'kind' WHEN 'procedure' THEN 'PROCEDURE ' ELSE 'FUNCTION ' END,
		name, '(', expected ->> 'arguments', ')', E'\n RETURNS ' || (expected ->> 'result'),
		E'\n LANGUAGE ', quote_ident(expected ->> 'language'),
		CASE WHEN expected ->> 'kind' = 'window function' THEN ' WINDOW' END,
		CASE WHEN expected ->> 'kind' <> 'procedure' THEN ' ' || upper(expected ->> 'volatility') END,
		CASE WHEN expected -> 'leakproof' = 'true' THEN ' LEAKPROOF' END,
		CASE WHEN expected -> 'strict' = 'true' THEN ' STRICT' END,
		CASE WHEN expected -> 'security_definer' = 'true' THEN ' SECURITY DEFINER' END,
		' PARALLEL ' || upper(expected ->> 'parallel'), ' COST ' || (expected ->> 'cost'), ' ROWS ' || (expected ->> 'rows'),
		' SUPPORT ' || (expected ->> 'support'),
		' TRANSFORM ' || (SELECT string_agg('FOR TYPE ' || t.value, ', ' ORDER BY t.n) FROM jsonb_array_elements_text(expected -> 'transforms') WITH ORDINALITY AS t(value, n)),
		(SELECT string_agg(E'\n SET ' || reconcile.schema_setting(s.value), '' ORDER BY s.n)
		 FROM jsonb_array_elements_text(expected -> 'settings') WITH ORDINALITY AS s(value, n)),
		CASE WHEN expected -> 'body_is_sql' = 'true' THEN E'\n' || (expected ->> 'body')
		     WHEN expected ? 'library' THEN E'\n AS ' || quote_literal(expected ->> 'library') || ', ' || quote_literal(expected ->> 'body')
		     ELSE E'\n AS ' || tag || (expected ->> 'body') || tag END, ';');
END $$;
COMMENT ON FUNCTION reconcile.schema_create_function(text, jsonb) IS 'used by schema_fix(): CREATE FUNCTION, PROCEDURE or AGGREGATE';

CREATE FUNCTION reconcile.schema_create_policy(name text, parent text, expected jsonb) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN concat('CREATE POLICY ', name, ' ON ', parent, CASE WHEN expected -> 'permissive' = 'false' THEN ' AS RESTRICTIVE' END,
	              ' FOR ', upper(expected ->> 'command'), ' TO ', reconcile.schema_list(expected -> 'roles'),
	              ' USING (' || (expected ->> 'using') || ')', ' WITH CHECK (' || (expected ->> 'check') || ')', ';');
END $$;
COMMENT ON FUNCTION reconcile.schema_create_policy(text, text, jsonb) IS 'used by schema_fix(): CREATE POLICY';

-- of: what has a comment, with %I for the names that these are given by.
CREATE FUNCTION reconcile.schema_comments("of" text, expected jsonb, actual jsonb) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN (
		SELECT string_agg(format('COMMENT ON %s IS %s;', replace("of", '%I', quote_ident(k.name)), coalesce(quote_literal(expected ->> k.name), 'NULL')),
		                  E'\n' ORDER BY k.name)
		FROM jsonb_object_keys(coalesce(expected, '{}') || coalesce(actual, '{}')) AS k(name)
		WHERE expected -> k.name IS DISTINCT FROM actual -> k.name);
END $$;
COMMENT ON FUNCTION reconcile.schema_comments(text, jsonb, jsonb) IS 'used by schema_fix(): turns the comments of an object''s parts into others';

CREATE FUNCTION reconcile.schema_create_type(object text, expected jsonb) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	CASE expected ->> 'kind'
	WHEN 'enum' THEN
		RETURN format('CREATE TYPE %s AS ENUM (%s);', object, (SELECT string_agg(quote_literal(l.value), ', ' ORDER BY l.n)
			FROM jsonb_array_elements_text(expected -> 'labels') WITH ORDINALITY AS l(value, n)));
	WHEN 'composite' THEN
		RETURN concat_ws(E'\n', format('CREATE TYPE %s AS (%s);', object, coalesce(reconcile.schema_list(expected -> 'columns'), '')),
			reconcile.schema_comments('COLUMN ' || object || '.%I', expected -> 'column_comments', NULL));
	WHEN 'range' THEN
		RETURN concat('CREATE TYPE ', object, ' AS RANGE (SUBTYPE = ', expected ->> 'base', ', ' || reconcile.schema_list(expected -> 'parameters'), ');');
	WHEN 'domain' THEN
		RETURN concat_ws(E'\n', concat('CREATE DOMAIN ', object, ' AS ', expected ->> 'base', ' COLLATE ' || (expected ->> 'collation'),
			' DEFAULT ' || (expected ->> 'default'), CASE WHEN expected -> 'not_null' = 'true' THEN ' NOT NULL' END,
			(SELECT string_agg(format(' CONSTRAINT %I %s', c.key, c.value), '' ORDER BY c.key) FROM jsonb_each_text(expected -> 'checks') AS c), ';'),
			reconcile.schema_comments('CONSTRAINT %I ON DOMAIN ' || object, expected -> 'check_comments', NULL));
	ELSE
		RETURN NULL;   -- of a base type the functions say what it is
	END CASE;
END $$;
COMMENT ON FUNCTION reconcile.schema_create_type(text, jsonb) IS 'used by schema_fix(): CREATE TYPE or DOMAIN';

CREATE FUNCTION reconcile.schema_sequence_clauses(expected jsonb) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN format('AS %s START %s INCREMENT %s MINVALUE %s MAXVALUE %s CACHE %s %s', expected ->> 'type', expected ->> 'start',
	              expected ->> 'increment', expected ->> 'minimum', expected ->> 'maximum', expected ->> 'cache',
	              CASE WHEN expected -> 'cycle' = 'true' THEN 'CYCLE' ELSE 'NO CYCLE' END);
END $$;
COMMENT ON FUNCTION reconcile.schema_sequence_clauses(jsonb) IS 'used by schema_fix(): all settings of a sequence';

-- New labels in their places; NULL when labels are too many or in another order,
-- which no statement mends.
CREATE FUNCTION reconcile.schema_enum_change(object text, expected jsonb, actual jsonb) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN (
		WITH e AS (SELECT l.value, l.n, lead(l.value) OVER (ORDER BY l.n) AS next, actual ? l.value AS there
		           FROM jsonb_array_elements_text(expected) WITH ORDINALITY AS l(value, n))
		SELECT CASE WHEN (SELECT jsonb_agg(e.value ORDER BY e.n) FROM e WHERE e.there) IS NOT DISTINCT FROM nullif(actual, '[]')
			THEN (SELECT string_agg(format('ALTER TYPE %s ADD VALUE %L', object, e.value)
			                        || CASE WHEN e.next IS NULL THEN '' ELSE format(' BEFORE %L', e.next) END || ';', E'\n' ORDER BY e.n DESC)
			      FROM e WHERE NOT e.there) END);
END $$;
COMMENT ON FUNCTION reconcile.schema_enum_change(text, jsonb, jsonb) IS 'used by schema_fix(): adds labels to an enum';

-- GRANT and REVOKE from one list of privileges to another one.  Where rights are
-- reduced, no list means all of them.
CREATE FUNCTION reconcile.schema_grants(object text, parent text, expected jsonb, actual jsonb) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN (
		WITH target AS (
			SELECT left(object, length(object) - length(parent) - 4) AS grantee,
			       CASE coalesce(expected, actual) ->> 'kind'
			            WHEN 'COLUMN' THEN '(' || (regexp_match(parent, '\.("(?:[^"]|"")*"|[^".]+)$'))[1] || ')' ELSE '' END AS columns,
			       CASE coalesce(expected, actual) ->> 'kind'
			            WHEN 'COLUMN' THEN 'TABLE ' || regexp_replace(parent, '\.("(?:[^"]|"")*"|[^".]+)$', '')
			            ELSE (coalesce(expected, actual) ->> 'kind') || ' ' || parent END AS target,
			       (regexp_match(parent, '^for role (.+?)(?: in schema (.+))? on ([a-z]+)$')) AS usual
		),
		wanted AS (
			SELECT p.word FROM regexp_split_to_table(concat_ws(', ', expected ->> 'privileges', expected ->> 'maintain'), ', ') AS p(word) WHERE p.word <> ''
			UNION ALL SELECT 'ALL' WHERE expected IS NULL AND actual ? 'reduced'
		),
		there AS (
			SELECT p.word FROM regexp_split_to_table(concat_ws(', ', actual ->> 'privileges', actual ->> 'maintain'), ', ') AS p(word)
			WHERE p.word <> '' AND (expected IS NOT NULL OR NOT actual ? 'reduced')
			UNION ALL SELECT 'ALL' WHERE actual IS NULL AND expected ? 'reduced'
		),
		change AS (
			SELECT 1 AS step, replace(t.word, ' WITH GRANT OPTION', '') AS word, false AS with_option
			FROM there t WHERE t.word NOT IN (SELECT word FROM wanted)
			UNION ALL
			SELECT 2, replace(w.word, ' WITH GRANT OPTION', ''), w.word LIKE '% WITH GRANT OPTION'
			FROM wanted w WHERE w.word NOT IN (SELECT word FROM there)
		)
		SELECT string_agg(
			CASE WHEN t.usual IS NOT NULL
			     THEN 'ALTER DEFAULT PRIVILEGES FOR ROLE ' || t.usual[1] || coalesce(' IN SCHEMA ' || t.usual[2], '') || ' ' ELSE '' END
			|| CASE c.step WHEN 1 THEN 'REVOKE ' ELSE 'GRANT ' END
			|| (SELECT string_agg(x.word || t.columns, ', ' ORDER BY x.word) FROM change x WHERE x.step = c.step AND x.with_option = c.with_option)
			|| ' ON ' || CASE WHEN t.usual IS NOT NULL THEN upper(t.usual[3]) ELSE t.target END
			|| CASE c.step WHEN 1 THEN ' FROM ' ELSE ' TO ' END || t.grantee
			|| CASE WHEN c.with_option THEN ' WITH GRANT OPTION' ELSE '' END || ';', E'\n' ORDER BY c.step, c.with_option)
		FROM (SELECT DISTINCT step, with_option FROM change) AS c, target t);
END $$;
COMMENT ON FUNCTION reconcile.schema_grants(text, text, jsonb, jsonb) IS 'used by schema_fix(): GRANT and REVOKE';

-- What COMMENT, ALTER and DROP call an object.
CREATE FUNCTION reconcile.schema_words(category text, object text, parent text, attributes jsonb) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN CASE
		WHEN category = 'table' THEN CASE attributes ->> 'kind' WHEN 'foreign table' THEN 'FOREIGN TABLE ' ELSE 'TABLE ' END
		WHEN category IN ('view', 'function') AND attributes ->> 'kind' = 'window function' THEN 'FUNCTION '
		WHEN category IN ('view', 'function') THEN upper(attributes ->> 'kind') || ' '
		WHEN category = 'type' THEN CASE attributes ->> 'kind' WHEN 'domain' THEN 'DOMAIN ' ELSE 'TYPE ' END
		WHEN category = 'trigger' AND parent IS NULL THEN 'EVENT TRIGGER '
		ELSE upper(category) || ' ' END
		|| CASE WHEN category IN ('constraint', 'trigger', 'rule', 'policy') AND parent IS NOT NULL
		        THEN reconcile.schema_part_name(object, parent) || ' ON ' || parent
		        WHEN attributes ->> 'kind' = 'aggregate' THEN regexp_replace(object, '\(\)$', '(*)') ELSE object END;
END $$;
COMMENT ON FUNCTION reconcile.schema_words(text, text, text, jsonb) IS 'used by schema_fix(): kind and name of an object, as statements take them';

CREATE FUNCTION reconcile.schema_enable(what text, name text, "table" text, enabled text) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN CASE WHEN "table" IS NULL THEN 'ALTER EVENT TRIGGER ' || name || ' ' ELSE 'ALTER TABLE ' || "table" || ' ' END
	       || CASE enabled WHEN 'origin' THEN 'ENABLE' WHEN 'disabled' THEN 'DISABLE' WHEN 'replica' THEN 'ENABLE REPLICA' ELSE 'ENABLE ALWAYS' END
	       || CASE WHEN "table" IS NULL THEN ';' ELSE ' ' || what || ' ' || name || ';' END;
END $$;
COMMENT ON FUNCTION reconcile.schema_enable(text, text, text, text) IS 'used by schema_fix(): the statement that says when a trigger or rule fires';

CREATE FUNCTION reconcile.schema_create_view(object text, expected jsonb) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN concat_ws(E'\n', concat('CREATE ', upper(expected ->> 'kind'), ' ', object,
		' WITH (' || reconcile.schema_options(expected -> 'options') || ')', ' TABLESPACE ' || quote_ident(expected ->> 'tablespace'),
		E' AS\n', expected ->> 'definition', ';'),
		reconcile.schema_comments('COLUMN ' || object || '.%I', expected -> 'column_comments', NULL),
		(SELECT string_agg(format('ALTER VIEW %s ALTER COLUMN %I SET DEFAULT %s;', object, c.key, c.value), E'\n' ORDER BY c.key)
		 FROM jsonb_each_text(expected -> 'column_defaults') AS c));
END $$;
COMMENT ON FUNCTION reconcile.schema_create_view(text, jsonb) IS 'used by schema_fix(): CREATE VIEW or MATERIALIZED VIEW';

-- The last part of a name that is qualified, and the first one.
CREATE FUNCTION reconcile.schema_last_name(identity text) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN (regexp_match(identity, '\.("(?:[^"]|"")*"|[^".]+)$'))[1];
END $$;
COMMENT ON FUNCTION reconcile.schema_last_name(text) IS 'used by schema_fix(): a name without its schema';

CREATE FUNCTION reconcile.schema_first_name(identity text) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN (regexp_match(identity, '^("(?:[^"]|"")*"|[^".]+)\.'))[1];
END $$;
COMMENT ON FUNCTION reconcile.schema_first_name(text) IS 'used by schema_fix(): the schema of a name';

-- The name of what pg_identify_object() prints as "name on table".
CREATE FUNCTION reconcile.schema_part_name(object text, parent text) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN left(object, length(object) - length(parent) - 4);
END $$;
COMMENT ON FUNCTION reconcile.schema_part_name(text, text) IS 'used by schema_fix(): a name without its table';

CREATE FUNCTION reconcile.schema_create_constraint(object text, parent text, expected jsonb) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	name  CONSTANT text := reconcile.schema_part_name(object, parent);
	index CONSTANT text := reconcile.schema_first_name(parent) || '.' || name;
BEGIN
	RETURN concat_ws(E'\n', format('ALTER TABLE %s ADD CONSTRAINT %s %s%s;', parent, name, expected ->> 'definition',
			CASE WHEN expected -> 'valid' = 'false' THEN ' NOT VALID' ELSE '' END),
		CASE WHEN expected ? 'options' THEN format('ALTER INDEX %s SET (%s);', index, reconcile.schema_options(expected -> 'options')) END,
		CASE WHEN expected ? 'tablespace' THEN format('ALTER INDEX %s SET TABLESPACE %I;', index, expected ->> 'tablespace') END,
		CASE WHEN expected -> 'clustered' = 'true' THEN format('ALTER TABLE %s CLUSTER ON %s;', parent, name) END,
		format('COMMENT ON INDEX %s IS ', index) || quote_literal(expected ->> 'index_comment') || ';');
END $$;
COMMENT ON FUNCTION reconcile.schema_create_constraint(text, text, jsonb) IS 'used by schema_fix(): ADD CONSTRAINT';

CREATE FUNCTION reconcile.schema_index_statistics(object text, expected jsonb, actual jsonb) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN (
		SELECT string_agg(format('ALTER INDEX %s ALTER COLUMN %s SET STATISTICS %s;', object, k.number, coalesce(expected ->> k.number, '-1')),
		                  E'\n' ORDER BY k.number::integer)
		FROM jsonb_object_keys(coalesce(expected, '{}') || coalesce(actual, '{}')) AS k(number)
		WHERE expected -> k.number IS DISTINCT FROM actual -> k.number);
END $$;
COMMENT ON FUNCTION reconcile.schema_index_statistics(text, jsonb, jsonb) IS 'used by schema_fix(): statistics targets of the expressions of an index';

CREATE FUNCTION reconcile.schema_create_index(object text, parent text, expected jsonb) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	name CONSTANT text := reconcile.schema_last_name(object);
BEGIN
	RETURN concat_ws(E'\n', format('CREATE %sINDEX %s ON %s %s;', CASE WHEN expected -> 'unique' = 'true' THEN 'UNIQUE ' ELSE '' END,
			name, parent, expected ->> 'definition'),
		CASE WHEN expected ? 'tablespace' THEN format('ALTER INDEX %s SET TABLESPACE %I;', object, expected ->> 'tablespace') END,
		CASE WHEN expected -> 'clustered' = 'true' THEN format('ALTER TABLE %s CLUSTER ON %s;', parent, name) END,
		reconcile.schema_index_statistics(object, expected -> 'statistics', NULL));
END $$;
COMMENT ON FUNCTION reconcile.schema_create_index(text, text, jsonb) IS 'used by schema_fix(): CREATE INDEX';

-- A column of a partition is the parent's, as are those that are there by
-- inheritance alone, and has what it may have otherwise.
CREATE FUNCTION reconcile.schema_create_column(object text, parent text, expected jsonb) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	name    CONSTANT text := substr(object, length(parent) + 2);
	altered CONSTANT text := format('ALTER TABLE %s ALTER COLUMN %s', parent, name);
BEGIN
	RETURN concat_ws(E'\n', reconcile.schema_own_sequence(expected),
		CASE WHEN NOT expected ?| '{of_partition,inherited}' THEN format('ALTER TABLE %s ADD COLUMN %s;', parent, reconcile.schema_column_clause(name, expected))
		     ELSE nullif(concat_ws(E'\n', CASE WHEN NOT expected ? 'generated' THEN altered || coalesce(' SET DEFAULT ' || (expected ->> 'default'), ' DROP DEFAULT') || ';' END,
		                           CASE WHEN expected -> 'not_null' = 'true' THEN altered || ' SET NOT NULL;' END,
		                           altered || ' SET COMPRESSION ' || (expected ->> 'compression') || ';'), '') END,
		reconcile.schema_column_extras(object, parent, expected - 'comment'));
END $$;
COMMENT ON FUNCTION reconcile.schema_create_column(text, text, jsonb) IS 'used by schema_fix(): ADD COLUMN';

CREATE FUNCTION reconcile.schema_create(category text, object text, parent text, expected jsonb) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	CASE category
	WHEN 'schema' THEN
		RETURN format('CREATE SCHEMA %s;', object);
	WHEN 'extension' THEN
		RETURN format('CREATE EXTENSION %s SCHEMA %I VERSION %L;', object, expected ->> 'schema', expected ->> 'version');
	WHEN 'table' THEN
		RETURN reconcile.schema_create_table(object, expected);
	WHEN 'column' THEN
		RETURN reconcile.schema_create_column(object, parent, expected);
	WHEN 'constraint' THEN
		RETURN reconcile.schema_create_constraint(object, parent, expected);
	WHEN 'index' THEN
		RETURN reconcile.schema_create_index(object, parent, expected);
	WHEN 'trigger', 'rule' THEN
		IF expected ? 'of_partition' THEN
			RETURN reconcile.schema_enable(upper(category), reconcile.schema_part_name(object, parent), parent, expected ->> 'enabled');
		END IF;
		RETURN concat_ws(E'\n', (expected ->> 'definition') || CASE category WHEN 'trigger' THEN ';' ELSE '' END,
			CASE WHEN expected ->> 'enabled' <> 'origin'
			     THEN reconcile.schema_enable(upper(category), coalesce(reconcile.schema_part_name(object, parent), object), parent, expected ->> 'enabled') END);
	WHEN 'function' THEN
		RETURN concat_ws(E'\n', reconcile.schema_create_function(object, expected),
			CASE WHEN expected -> 'private' = 'true'
			     THEN format('REVOKE ALL ON %s %s FROM PUBLIC;', CASE expected ->> 'kind' WHEN 'procedure' THEN 'PROCEDURE' ELSE 'FUNCTION' END, object) END);
	WHEN 'view' THEN
		RETURN reconcile.schema_create_view(object, expected);
	WHEN 'sequence' THEN
		RETURN concat('CREATE ', CASE WHEN expected -> 'unlogged' = 'true' THEN 'UNLOGGED ' END, 'SEQUENCE ', object, ' ',
			reconcile.schema_sequence_clauses(expected), ';');
	WHEN 'type' THEN
		RETURN concat_ws(E'\n', reconcile.schema_create_type(object, expected),
			CASE WHEN expected -> 'private' = 'true' THEN format('REVOKE ALL ON TYPE %s FROM PUBLIC;', object) END);
	WHEN 'statistics' THEN
		RETURN concat_ws(E'\n', (expected ->> 'definition') || ';',
			'ALTER STATISTICS ' || object || ' SET STATISTICS ' || (expected ->> 'target') || ';');
	WHEN 'policy' THEN
		RETURN reconcile.schema_create_policy(reconcile.schema_part_name(object, parent), parent, expected);
	WHEN 'privilege' THEN
		RETURN reconcile.schema_grants(object, parent, expected, NULL);
	END CASE;
END $$;
COMMENT ON FUNCTION reconcile.schema_create(text, text, text, jsonb) IS 'used by schema_fix(): creates an object without its comment';

CREATE FUNCTION reconcile.schema_fix_missing(category text, object text, parent text, expected jsonb) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN nullif(concat_ws(E'\n', reconcile.schema_create(category, object, parent, expected),
		CASE WHEN expected ? 'comment' AND category <> 'privilege'
		     THEN format('COMMENT ON %s IS %L;', reconcile.schema_words(category, object, parent, expected), expected ->> 'comment') END), '');
END $$;
COMMENT ON FUNCTION reconcile.schema_fix_missing(text, text, text, jsonb) IS 'used by schema_fix(): creates a missing object';

