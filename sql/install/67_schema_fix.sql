-- The statements that mend one difference.  They are text for people to read and
-- for fix_schema() to run; names and expressions in them are PostgreSQL's own,
-- quoted and qualified, so they mean the same under any search_path.
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

-- Stored options are name=value; statements want name = 'value', or for foreign
-- objects name 'value'.
CREATE FUNCTION reconcile.schema_options(list jsonb, separator text DEFAULT ' = ') RETURNS text
	LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN (
		SELECT string_agg(o.name || separator || quote_literal(substr(e.value, length(split_part(e.value, '=', 1)) + 2)), ', ' ORDER BY e.n)
		FROM jsonb_array_elements_text(list) WITH ORDINALITY AS e(value, n),
		     LATERAL (SELECT CASE WHEN split_part(e.value, '=', 1) LIKE 'toast.%' THEN split_part(e.value, '=', 1)
		                          ELSE quote_ident(split_part(e.value, '=', 1)) END) AS o(name));
END $$;
COMMENT ON FUNCTION reconcile.schema_options(jsonb, text) IS 'used by schema_fix(): options as statements take them';

-- The statement that turns one list of options into another one.
CREATE FUNCTION reconcile.schema_options_change(prefix text, expected jsonb, actual jsonb) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN concat_ws(E'\n',
		prefix || ' RESET (' || (SELECT string_agg(quote_ident(split_part(a.o, '=', 1)), ', ')
		    FROM jsonb_array_elements_text(actual) AS a(o)
		    WHERE NOT EXISTS (SELECT FROM jsonb_array_elements_text(expected) AS e(o) WHERE split_part(e.o, '=', 1) = split_part(a.o, '=', 1))) || ');',
		prefix || ' SET (' || reconcile.schema_options(expected) || ');');
END $$;
COMMENT ON FUNCTION reconcile.schema_options_change(text, jsonb, jsonb) IS
	'used by schema_fix(): the statements that turn one list of options into another one';

-- always (start 10 increment 5): what follows the word is what a sequence takes.
CREATE FUNCTION reconcile.schema_identity(identity text) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN ' GENERATED ' || upper((regexp_match(identity, '^(always|by default)'))[1]) || ' AS IDENTITY'
	       || upper(coalesce(' ' || (regexp_match(identity, '(\(.*\))$'))[1], ''));
END $$;
COMMENT ON FUNCTION reconcile.schema_identity(text) IS 'used by schema_fix(): the clause of an identity column';

CREATE FUNCTION reconcile.schema_column_clause(name text, attributes jsonb) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN name || ' '
	       || CASE WHEN attributes ->> 'identity' LIKE 'serial%'
	               THEN CASE attributes ->> 'type' WHEN 'smallint' THEN 'smallserial' WHEN 'bigint' THEN 'bigserial' ELSE 'serial' END
	               ELSE attributes ->> 'type' END
	       || coalesce(' OPTIONS (' || reconcile.schema_options(attributes -> 'foreign_options', ' ') || ')', '')
	       || coalesce(' COMPRESSION ' || (attributes ->> 'compression'), '')
	       || coalesce(' COLLATE ' || (attributes ->> 'collation'), '')
	       || coalesce(' DEFAULT ' || (attributes ->> 'default'), '')
	       || coalesce(' GENERATED ALWAYS AS (' || regexp_replace(attributes ->> 'generated', ' (stored|virtual)$', '') || ') '
	                   || upper((regexp_match(attributes ->> 'generated', ' (stored|virtual)$'))[1]), '')
	       || CASE WHEN attributes ->> 'identity' NOT LIKE 'serial%' THEN coalesce(reconcile.schema_identity(attributes ->> 'identity'), '') ELSE '' END
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
	RETURN concat_ws(E'\n',
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
			THEN CASE WHEN s.value IN ('', '""') THEN '''''' ELSE s.value END
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
		RETURN format('CREATE TYPE %s AS (%s);', object, coalesce(reconcile.schema_list(expected -> 'columns'), ''));
	WHEN 'range' THEN
		RETURN format('CREATE TYPE %s AS RANGE (SUBTYPE = %s);', object, expected ->> 'base');
	WHEN 'domain' THEN
		RETURN concat('CREATE DOMAIN ', object, ' AS ', expected ->> 'base', ' COLLATE ' || (expected ->> 'collation'),
			' DEFAULT ' || (expected ->> 'default'), CASE WHEN expected -> 'not_null' = 'true' THEN ' NOT NULL' END,
			(SELECT string_agg(format(' CONSTRAINT %I %s', c.key, c.value), '' ORDER BY c.key) FROM jsonb_each_text(expected -> 'checks') AS c), ';');
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

-- GRANT and REVOKE from one list of privileges to another one.
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
		),
		there AS (
			SELECT p.word FROM regexp_split_to_table(concat_ws(', ', actual ->> 'privileges', actual ->> 'maintain'), ', ') AS p(word) WHERE p.word <> ''
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
CREATE FUNCTION reconcile.schema_words(category text, object text, attributes jsonb) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN CASE
		WHEN category = 'table' THEN CASE attributes ->> 'kind' WHEN 'foreign table' THEN 'FOREIGN TABLE ' ELSE 'TABLE ' END
		WHEN category IN ('view', 'function') AND attributes ->> 'kind' = 'window function' THEN 'FUNCTION '
		WHEN category IN ('view', 'function') THEN upper(attributes ->> 'kind') || ' '
		WHEN category = 'type' THEN CASE attributes ->> 'kind' WHEN 'domain' THEN 'DOMAIN ' ELSE 'TYPE ' END
		WHEN category = 'trigger' AND position(' on ' IN object) = 0 THEN 'EVENT TRIGGER '
		ELSE upper(category) || ' ' END
		|| CASE WHEN category IN ('constraint', 'trigger', 'rule', 'policy') THEN replace(object, ' on ', ' ON ') ELSE object END;
END $$;
COMMENT ON FUNCTION reconcile.schema_words(text, text, jsonb) IS 'used by schema_fix(): kind and name of an object, as statements take them';

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
		(SELECT string_agg(format('COMMENT ON COLUMN %s.%I IS %L;', object, c.key, c.value), E'\n' ORDER BY c.key)
		 FROM jsonb_each_text(expected -> 'column_comments') AS c),
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
		CASE WHEN expected -> 'clustered' = 'true' THEN format('ALTER TABLE %s CLUSTER ON %s;', parent, name) END);
END $$;
COMMENT ON FUNCTION reconcile.schema_create_constraint(text, text, jsonb) IS 'used by schema_fix(): ADD CONSTRAINT';

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
		CASE WHEN expected -> 'clustered' = 'true' THEN format('ALTER TABLE %s CLUSTER ON %s;', parent, name) END);
END $$;
COMMENT ON FUNCTION reconcile.schema_create_index(text, text, jsonb) IS 'used by schema_fix(): CREATE INDEX';

-- A column of a partition is the parent's, and has what it may have otherwise.
CREATE FUNCTION reconcile.schema_create_column(object text, parent text, expected jsonb) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	name    CONSTANT text := substr(object, length(parent) + 2);
	altered CONSTANT text := format('ALTER TABLE %s ALTER COLUMN %s', parent, name);
BEGIN
	RETURN concat_ws(E'\n',
		CASE WHEN NOT expected ? 'of_partition' THEN format('ALTER TABLE %s ADD COLUMN %s;', parent, reconcile.schema_column_clause(name, expected))
		     ELSE nullif(concat_ws(E'\n', altered || ' SET DEFAULT ' || (expected ->> 'default') || ';',
		                           CASE WHEN expected -> 'not_null' = 'true' THEN altered || ' SET NOT NULL;' END), '') END,
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
		RETURN concat_ws(E'\n', (expected ->> 'definition') || CASE category WHEN 'trigger' THEN ';' ELSE '' END,
			CASE WHEN expected ->> 'enabled' <> 'origin'
			     THEN reconcile.schema_enable(upper(category), coalesce(reconcile.schema_part_name(object, parent), object), parent, expected ->> 'enabled') END);
	WHEN 'function' THEN
		RETURN concat_ws(E'\n', reconcile.schema_create_function(object, expected),
			CASE WHEN expected -> 'private' = 'true'
			     THEN format('REVOKE ALL ON %s FROM PUBLIC;', reconcile.schema_words('function', object, expected)) END);
	WHEN 'view' THEN
		RETURN reconcile.schema_create_view(object, expected);
	WHEN 'sequence' THEN
		RETURN concat('CREATE ', CASE WHEN expected -> 'unlogged' = 'true' THEN 'UNLOGGED ' END, 'SEQUENCE ', object, ' ',
			reconcile.schema_sequence_clauses(expected), ' OWNED BY ' || (expected ->> 'owned_by'), ';');
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
		     THEN format('COMMENT ON %s IS %L;', reconcile.schema_words(category, object, expected), expected ->> 'comment') END), '');
END $$;
COMMENT ON FUNCTION reconcile.schema_fix_missing(text, text, text, jsonb) IS 'used by schema_fix(): creates a missing object';

CREATE FUNCTION reconcile.schema_change_identity(altered text, expected jsonb, actual jsonb) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	wanted CONSTANT text := expected ->> 'identity';
	there  CONSTANT text := actual ->> 'identity';
BEGIN
	IF wanted LIKE 'serial%' OR there LIKE 'serial%' AND wanted IS NOT NULL THEN
		RETURN NULL;
	ELSIF wanted IS NULL THEN
		RETURN altered || CASE WHEN there LIKE 'serial%' THEN ' DROP DEFAULT;' ELSE ' DROP IDENTITY;' END;
	ELSIF there IS NULL THEN
		RETURN altered || ' ADD' || reconcile.schema_identity(wanted) || ';';
	ELSIF split_part(wanted, ' (', 1) <> split_part(there, ' (', 1) THEN
		RETURN altered || ' SET GENERATED ' || upper(split_part(wanted, ' (', 1)) || ';';
	END IF;
	RETURN altered || (SELECT string_agg(' SET ' || coalesce(upper((regexp_match(wanted, o.name || ' -?[0-9]+'))[1]), o.usual), '' ORDER BY o.name)
			FROM (VALUES ('cache', 'CACHE 1'), ('increment', 'INCREMENT 1'), ('maxvalue', 'NO MAXVALUE'), ('minvalue', 'NO MINVALUE'), ('start', 'START 1'))
			     AS o(name, usual))
		|| CASE WHEN wanted ~ '[( ]cycle' THEN ' SET CYCLE;' ELSE ' SET NO CYCLE;' END;
END $$;
COMMENT ON FUNCTION reconcile.schema_change_identity(text, jsonb, jsonb) IS 'used by schema_fix(): mends how a column is numbered';

CREATE FUNCTION reconcile.schema_fix_column(attribute text, object text, parent text, expected jsonb, actual jsonb) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	name    CONSTANT text := substr(object, length(parent) + 2);
	altered CONSTANT text := format('ALTER TABLE %s ALTER COLUMN %s', parent, name);
BEGIN
	CASE attribute
	WHEN 'type' THEN
		RETURN format('%1$s TYPE %2$s%3$s USING %4$s::%2$s;', altered, expected ->> 'type', coalesce(' COLLATE ' || (expected ->> 'collation'), ''), name);
	WHEN 'collation' THEN
		RETURN format('%s TYPE %s%s;', altered, expected ->> 'type', coalesce(' COLLATE ' || (expected ->> 'collation'), ''));
	WHEN 'not_null' THEN
		RETURN altered || CASE WHEN expected -> 'not_null' = 'true' THEN ' SET NOT NULL;' ELSE ' DROP NOT NULL;' END;
	WHEN 'default' THEN
		RETURN altered || coalesce(' SET DEFAULT ' || (expected ->> 'default') || ';', ' DROP DEFAULT;');
	WHEN 'generated' THEN
		RETURN CASE WHEN NOT expected ? 'generated' THEN altered || ' DROP EXPRESSION;'
			ELSE format(E'ALTER TABLE %1$s DROP COLUMN %2$s;\nALTER TABLE %1$s ADD COLUMN %3$s;', parent, name, reconcile.schema_column_clause(name, expected)) END;
	WHEN 'identity' THEN
		RETURN reconcile.schema_change_identity(altered, expected, actual);
	WHEN 'storage' THEN
		RETURN altered || ' SET STORAGE ' || coalesce(upper(expected ->> 'storage'), (
			SELECT CASE t.typstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END
			FROM pg_type t WHERE t.oid = to_regtype(expected ->> 'type'))) || ';';
	WHEN 'compression' THEN
		RETURN altered || ' SET COMPRESSION ' || coalesce(expected ->> 'compression', 'default') || ';';
	WHEN 'statistics' THEN
		RETURN altered || ' SET STATISTICS ' || coalesce(expected ->> 'statistics', '-1') || ';';
	WHEN 'options' THEN
		RETURN reconcile.schema_options_change(altered, expected -> 'options', actual -> 'options');
	ELSE
		RETURN NULL;
	END CASE;
END $$;
COMMENT ON FUNCTION reconcile.schema_fix_column(text, text, text, jsonb, jsonb) IS 'used by schema_fix(): mends an attribute of a column';

CREATE FUNCTION reconcile.schema_fix_table(attribute text, object text, expected jsonb, actual jsonb) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	altered CONSTANT text := CASE actual ->> 'kind' WHEN 'foreign table' THEN 'ALTER FOREIGN TABLE ' ELSE 'ALTER TABLE ' END || object;
BEGIN
	CASE attribute
	WHEN 'row_security' THEN
		RETURN altered || CASE WHEN expected -> 'row_security' = 'true' THEN ' ENABLE' ELSE ' DISABLE' END || ' ROW LEVEL SECURITY;';
	WHEN 'force_row_security' THEN
		RETURN altered || CASE WHEN expected -> 'force_row_security' = 'true' THEN ' FORCE' ELSE ' NO FORCE' END || ' ROW LEVEL SECURITY;';
	WHEN 'unlogged' THEN
		RETURN altered || CASE WHEN expected -> 'unlogged' = 'true' THEN ' SET UNLOGGED;' ELSE ' SET LOGGED;' END;
	WHEN 'options' THEN
		RETURN reconcile.schema_options_change(altered, expected -> 'options', actual -> 'options');
	WHEN 'tablespace' THEN
		RETURN altered || ' SET TABLESPACE ' || coalesce(quote_ident(expected ->> 'tablespace'), 'pg_default') || ';';
	WHEN 'replica_identity' THEN
		RETURN altered || ' REPLICA IDENTITY ' || CASE
			WHEN NOT expected ? 'replica_identity' THEN 'DEFAULT'
			WHEN expected ->> 'replica_identity' LIKE 'index %' THEN 'USING INDEX ' || substr(expected ->> 'replica_identity', 7)
			ELSE upper(expected ->> 'replica_identity') END || ';';
	WHEN 'partition_of' THEN
		RETURN CASE WHEN NOT actual ? 'partition_of'
			THEN format('ALTER TABLE %s ATTACH PARTITION %s %s;', expected ->> 'partition_of', object, expected ->> 'partition_bound')
			WHEN NOT expected ? 'partition_of' THEN format('ALTER TABLE %s DETACH PARTITION %s;', actual ->> 'partition_of', object) END;
	WHEN 'partition_bound' THEN
		RETURN CASE WHEN expected -> 'partition_of' = actual -> 'partition_of'
			THEN format(E'ALTER TABLE %1$s DETACH PARTITION %2$s;\nALTER TABLE %1$s ATTACH PARTITION %2$s %3$s;',
			            expected ->> 'partition_of', object, expected ->> 'partition_bound') END;
	WHEN 'inherits' THEN
		RETURN (
			SELECT string_agg(altered || x.change || ';', E'\n') FROM (
				SELECT ' NO INHERIT ' || a.parent FROM jsonb_array_elements_text(actual -> 'inherits') AS a(parent) WHERE NOT coalesce(expected -> 'inherits', '[]') ? a.parent
				UNION ALL
				SELECT ' INHERIT ' || e.parent FROM jsonb_array_elements_text(expected -> 'inherits') AS e(parent) WHERE NOT coalesce(actual -> 'inherits', '[]') ? e.parent) AS x(change));
	ELSE
		RETURN NULL;
	END CASE;
END $$;
COMMENT ON FUNCTION reconcile.schema_fix_table(text, text, jsonb, jsonb) IS 'used by schema_fix(): mends an attribute of a table';

CREATE FUNCTION reconcile.schema_fix_type(attribute text, object text, expected jsonb, actual jsonb) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	CASE attribute
	WHEN 'labels' THEN
		RETURN reconcile.schema_enum_change(object, expected -> 'labels', actual -> 'labels');
	WHEN 'default' THEN
		RETURN 'ALTER DOMAIN ' || object || coalesce(' SET DEFAULT ' || (expected ->> 'default') || ';', ' DROP DEFAULT;');
	WHEN 'not_null' THEN
		RETURN 'ALTER DOMAIN ' || object || CASE WHEN expected -> 'not_null' = 'true' THEN ' SET NOT NULL;' ELSE ' DROP NOT NULL;' END;
	WHEN 'checks' THEN
		RETURN (
			SELECT string_agg(x.change, E'\n' ORDER BY x.step, x.name) FROM (
				SELECT 1, a.key, format('ALTER DOMAIN %s DROP CONSTRAINT %I;', object, a.key) FROM jsonb_each(actual -> 'checks') AS a
				WHERE a.value IS DISTINCT FROM expected -> 'checks' -> a.key
				UNION ALL
				SELECT 2, e.key, format('ALTER DOMAIN %s ADD CONSTRAINT %I %s;', object, e.key, e.value #>> '{}') FROM jsonb_each(expected -> 'checks') AS e
				WHERE e.value IS DISTINCT FROM actual -> 'checks' -> e.key) AS x(step, name, change));
	ELSE
		RETURN NULL;
	END CASE;
END $$;
COMMENT ON FUNCTION reconcile.schema_fix_type(text, text, jsonb, jsonb) IS 'used by schema_fix(): mends an attribute of a type';

CREATE FUNCTION reconcile.schema_fix_view(attribute text, object text, expected jsonb, actual jsonb) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	words CONSTANT text := reconcile.schema_words('view', object, actual);
BEGIN
	CASE attribute
	WHEN 'options' THEN
		RETURN reconcile.schema_options_change('ALTER ' || words, expected -> 'options', actual -> 'options');
	WHEN 'tablespace' THEN
		RETURN format('ALTER MATERIALIZED VIEW %s SET TABLESPACE %I;', object, coalesce(expected ->> 'tablespace', 'pg_default'));
	WHEN 'column_comments' THEN
		RETURN (SELECT string_agg(format('COMMENT ON COLUMN %s.%I IS %s;', object, k.name, coalesce(quote_literal(expected -> 'column_comments' ->> k.name), 'NULL')),
				E'\n' ORDER BY k.name)
			FROM jsonb_object_keys(coalesce(expected -> 'column_comments', '{}') || coalesce(actual -> 'column_comments', '{}')) AS k(name)
			WHERE expected -> 'column_comments' -> k.name IS DISTINCT FROM actual -> 'column_comments' -> k.name);
	WHEN 'column_defaults' THEN
		RETURN (SELECT string_agg(format('ALTER VIEW %s ALTER COLUMN %I %s;', object, k.name,
				coalesce('SET DEFAULT ' || (expected -> 'column_defaults' ->> k.name), 'DROP DEFAULT')), E'\n' ORDER BY k.name)
			FROM jsonb_object_keys(coalesce(expected -> 'column_defaults', '{}') || coalesce(actual -> 'column_defaults', '{}')) AS k(name)
			WHERE expected -> 'column_defaults' -> k.name IS DISTINCT FROM actual -> 'column_defaults' -> k.name);
	ELSE
		RETURN CASE expected ->> 'kind'
			WHEN 'view' THEN format(E'CREATE OR REPLACE VIEW %s%s AS\n%s;', object,
				coalesce(' WITH (' || reconcile.schema_options(expected -> 'options') || ')', ''), expected ->> 'definition')
			ELSE concat_ws(E'\n', format('DROP MATERIALIZED VIEW %s;', object), reconcile.schema_fix_missing('view', object, NULL, expected)) END;
	END CASE;
END $$;
COMMENT ON FUNCTION reconcile.schema_fix_view(text, text, jsonb, jsonb) IS 'used by schema_fix(): mends an attribute of a view';

-- What is there under another name.
CREATE FUNCTION reconcile.schema_fix_name(category text, object text, parent text, actual_object text) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF category = 'constraint' THEN
		RETURN format('ALTER TABLE %s RENAME CONSTRAINT %s TO %s;', parent, reconcile.schema_part_name(actual_object, parent), reconcile.schema_part_name(object, parent));
	END IF;
	RETURN format('ALTER INDEX %s RENAME TO %s;', actual_object, reconcile.schema_last_name(object));
END $$;
COMMENT ON FUNCTION reconcile.schema_fix_name(text, text, text, text) IS 'used by schema_fix(): renames a constraint or an index';

-- An index, or a constraint with the index it may have.  NULL where only a new
-- one would do what no statement undoes.
CREATE FUNCTION reconcile.schema_fix_index(category text, object text, parent text, attribute text, expected jsonb, actual jsonb) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	name  CONSTANT text := CASE category WHEN 'index' THEN reconcile.schema_last_name(object) ELSE reconcile.schema_part_name(object, parent) END;
	index CONSTANT text := CASE category WHEN 'index' THEN object ELSE reconcile.schema_first_name(parent) || '.' || name END;
BEGIN
	CASE
	WHEN attribute = 'options' THEN
		RETURN reconcile.schema_options_change('ALTER INDEX ' || index, expected -> 'options', actual -> 'options');
	WHEN attribute = 'tablespace' THEN
		RETURN format('ALTER INDEX %s SET TABLESPACE %I;', index, coalesce(expected ->> 'tablespace', 'pg_default'));
	WHEN attribute = 'clustered' THEN
		RETURN 'ALTER TABLE ' || parent || CASE WHEN expected -> 'clustered' = 'true' THEN ' CLUSTER ON ' || name ELSE ' SET WITHOUT CLUSTER' END || ';';
	WHEN attribute = 'valid' AND expected -> 'valid' = 'false' THEN
		RETURN NULL;
	WHEN attribute = 'valid' AND category = 'constraint' THEN
		RETURN format('ALTER TABLE %s VALIDATE CONSTRAINT %s;', parent, name);
	WHEN category = 'constraint' THEN
		RETURN concat_ws(E'\n', format('ALTER TABLE %s DROP CONSTRAINT %s;', parent, name), reconcile.schema_fix_missing(category, object, parent, expected));
	ELSE
		RETURN concat_ws(E'\n', format('DROP INDEX %s;', object), reconcile.schema_fix_missing(category, object, parent, expected));
	END CASE;
END $$;
COMMENT ON FUNCTION reconcile.schema_fix_index(text, text, text, text, jsonb, jsonb) IS 'used by schema_fix(): mends an attribute of a constraint or an index';

CREATE FUNCTION reconcile.schema_fix_sequence(attribute text, object text, expected jsonb) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN CASE attribute
		WHEN 'owned_by' THEN format('ALTER SEQUENCE %s OWNED BY %s;', object, coalesce(expected ->> 'owned_by', 'NONE'))
		WHEN 'unlogged' THEN format('ALTER SEQUENCE %s SET %s;', object, CASE WHEN expected ? 'unlogged' THEN 'UNLOGGED' ELSE 'LOGGED' END)
		ELSE format('ALTER SEQUENCE %s %s;', object, reconcile.schema_sequence_clauses(expected)) END;
END $$;
COMMENT ON FUNCTION reconcile.schema_fix_sequence(text, text, jsonb) IS 'used by schema_fix(): mends an attribute of a sequence';

CREATE FUNCTION reconcile.schema_fix_differs(category text, object text, parent text, attribute text, expected jsonb, actual jsonb) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	words CONSTANT text := reconcile.schema_words(category, object, actual);
BEGIN
	CASE
	WHEN attribute = 'comment' THEN
		RETURN format('COMMENT ON %s IS %s;', words, coalesce(quote_literal(expected ->> 'comment'), 'NULL'));
	WHEN attribute = 'owner' THEN
		RETURN format('ALTER %s OWNER TO %I;', words, expected ->> 'owner');
	WHEN attribute = 'kind' THEN
		RETURN NULL;
	WHEN attribute = 'name' THEN
		RETURN reconcile.schema_fix_name(category, object, parent, actual ->> 'name');
	WHEN category = 'column' THEN
		RETURN reconcile.schema_fix_column(attribute, object, parent, expected, actual);
	WHEN category = 'table' THEN
		RETURN reconcile.schema_fix_table(attribute, object, expected, actual);
	WHEN category = 'type' THEN
		RETURN reconcile.schema_fix_type(attribute, object, expected, actual);
	WHEN category = 'view' THEN
		RETURN reconcile.schema_fix_view(attribute, object, expected, actual);
	WHEN category = 'sequence' THEN
		RETURN reconcile.schema_fix_sequence(attribute, object, expected);
	WHEN category IN ('constraint', 'index') THEN
		RETURN reconcile.schema_fix_index(category, object, parent, attribute, expected, actual);
	WHEN category = 'privilege' THEN
		RETURN reconcile.schema_grants(object, parent, expected, actual);
	WHEN category = 'extension' AND attribute = 'version' THEN
		RETURN format('ALTER EXTENSION %s UPDATE TO %L;', object, expected ->> 'version');
	WHEN category = 'extension' THEN
		RETURN format('ALTER EXTENSION %s SET SCHEMA %I;', object, expected ->> 'schema');
	WHEN category IN ('trigger', 'rule') AND attribute = 'enabled' THEN
		RETURN reconcile.schema_enable(upper(category), coalesce(reconcile.schema_part_name(object, parent), object), parent, expected ->> 'enabled');
	WHEN category = 'statistics' AND attribute = 'target' THEN
		RETURN format('ALTER STATISTICS %s SET STATISTICS %s;', object, coalesce(expected ->> 'target', '-1'));
	WHEN category = 'function' AND attribute NOT IN ('result', 'arguments') THEN
		RETURN reconcile.schema_create_function(object, expected);
	WHEN category = 'policy' THEN
		RETURN concat_ws(E'\n', format('DROP POLICY %s ON %s;', reconcile.schema_part_name(object, parent), parent),
			reconcile.schema_fix_missing(category, object, parent, expected));
	WHEN category IN ('trigger', 'rule', 'statistics', 'function') THEN
		RETURN concat_ws(E'\n', format('DROP %s;', words), reconcile.schema_fix_missing(category, object, parent, expected));
	ELSE
		RETURN NULL;
	END CASE;
END $$;
COMMENT ON FUNCTION reconcile.schema_fix_differs(text, text, text, text, jsonb, jsonb) IS 'used by schema_fix(): mends one attribute of an object';

CREATE FUNCTION reconcile.schema_fix_extra(category text, object text, parent text, actual jsonb) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN CASE category
		WHEN 'privilege' THEN reconcile.schema_grants(object, parent, NULL, actual)
		WHEN 'column' THEN CASE WHEN NOT actual ? 'of_partition' THEN format('ALTER TABLE %s DROP COLUMN %s;', parent, substr(object, length(parent) + 2)) END
		WHEN 'constraint' THEN format('ALTER TABLE %s DROP CONSTRAINT %s;', parent, reconcile.schema_part_name(object, parent))
		ELSE 'DROP ' || reconcile.schema_words(category, object, actual) || ';' END;
END $$;
COMMENT ON FUNCTION reconcile.schema_fix_extra(text, text, text, jsonb) IS 'used by schema_fix(): drops an object';

CREATE FUNCTION reconcile.schema_hazard(category text, kind text, attribute text, expected jsonb, actual jsonb) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN CASE
		WHEN category = 'privilege' OR attribute IN ('owner', 'row_security', 'force_row_security', 'security_definer')
		     THEN 'changes privileges'
		WHEN kind = 'extra' AND actual ? 'of_partition' THEN ''
		WHEN kind = 'extra' THEN CASE WHEN category IN ('table', 'column', 'schema', 'extension') THEN 'deletes data' ELSE 'blocks reads' END
		WHEN category = 'column' AND attribute = 'generated' AND expected ? 'generated' THEN 'deletes data'
		WHEN category = 'column' AND attribute = 'type' THEN 'rewrites table'
		WHEN category = 'table' AND attribute IN ('unlogged', 'tablespace') THEN 'rewrites table'
		WHEN category = 'column' AND kind = 'missing' AND (expected ? 'generated' OR expected ? 'identity') THEN 'rewrites table'
		WHEN category = 'column' AND kind = 'missing' AND expected -> 'not_null' = 'true' AND NOT expected ? 'default' THEN 'may fail on data'
		WHEN category = 'column' AND attribute = 'not_null' AND expected -> 'not_null' = 'true' THEN 'may fail on data'
		WHEN category = 'constraint' AND attribute = 'valid' THEN 'may fail on data'
		WHEN category = 'constraint' AND (kind = 'missing' OR attribute = 'definition') THEN 'may fail on data'
		WHEN category = 'index' AND (kind = 'missing' OR attribute IN ('definition', 'unique', 'valid'))
		     THEN CASE WHEN expected -> 'unique' = 'true' THEN 'may fail on data' ELSE 'blocks writes' END
		WHEN category = 'view' AND expected ->> 'kind' = 'materialized view' AND attribute = 'definition' THEN 'blocks reads'
		WHEN category = 'type' AND attribute IN ('checks', 'not_null') THEN 'scans table'
		ELSE '' END;
END $$;
COMMENT ON FUNCTION reconcile.schema_hazard(text, text, text, jsonb, jsonb) IS 'used by schema_fix(): what the statements do to others';

CREATE FUNCTION reconcile.schema_fix(category text, kind text, object text, parent text, attribute text, expected jsonb, actual jsonb,
                                     OUT fix text, OUT hazard text, OUT needs text)
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	hazard := reconcile.schema_hazard(category, kind, attribute, expected, actual);
	needs := CASE WHEN category = 'privilege' OR attribute IN ('row_security', 'force_row_security', 'security_definer') THEN 'privileges'
		WHEN attribute = 'owner' THEN 'owner'
		WHEN kind = 'extra' THEN 'drop:' || object
		WHEN category = 'column' AND attribute = 'generated' AND expected ? 'generated' THEN 'drop:' || object
		WHEN category = 'table' AND attribute = 'unlogged' AND expected ? 'unlogged' THEN 'rows:' || object END;
	fix := CASE kind WHEN 'missing' THEN reconcile.schema_fix_missing(category, object, parent, expected)
		WHEN 'extra' THEN reconcile.schema_fix_extra(category, object, parent, actual)
		ELSE reconcile.schema_fix_differs(category, object, parent, attribute, expected, actual) END;
END $$;
COMMENT ON FUNCTION reconcile.schema_fix(text, text, text, text, text, jsonb, jsonb) IS
	'used by audits: the statements that mend a difference, their hazard, and what allow must name for fix_schema() to run them';
