-- The statements that change or drop what is otherwise than in the baseline, and
-- schema_fix(), which has one for every difference; 67_schema_create.sql creates.

-- All settings of an identity or serial column's sequence, those that are not
-- named as usual: a sequence starts at the end that it goes from.
CREATE FUNCTION reconcile.schema_sequence_options(identity text, word text) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	down CONSTANT boolean := identity ~ 'increment -';
	first CONSTANT text := coalesce(substring(identity FROM CASE WHEN down THEN 'maxvalue (-?[0-9]+)' ELSE 'minvalue (-?[0-9]+)' END),
		CASE WHEN down THEN '-1' ELSE '1' END);
BEGIN
	RETURN (SELECT string_agg(word || coalesce(upper((regexp_match(identity, o.name || ' -?[0-9]+'))[1]), o.usual), ' ' ORDER BY o.name)
			FROM (VALUES ('cache', 'CACHE 1'), ('increment', 'INCREMENT 1'), ('maxvalue', 'NO MAXVALUE'), ('minvalue', 'NO MINVALUE'),
			             ('start', 'START ' || first)) AS o(name, usual))
		|| ' ' || word || CASE WHEN identity ~ '[( ]cycle' THEN 'CYCLE' ELSE 'NO CYCLE' END;
END $$;
COMMENT ON FUNCTION reconcile.schema_sequence_options(text, text) IS 'used by schema_fix(): all settings of the sequence of a column';

CREATE FUNCTION reconcile.schema_default_sequence("default" text) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN replace(substring("default" FROM '^nextval\(''(.*)''::regclass\)$'), '''''', '''');
END $$;
COMMENT ON FUNCTION reconcile.schema_default_sequence(text) IS 'used by audits: the sequence that a default takes its values from';

-- What serial calls its sequence, unless it was given another name.
CREATE FUNCTION reconcile.schema_serial_sequence("column" text, attributes jsonb) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	part CONSTANT text[] := parse_ident("column");
BEGIN
	RETURN coalesce(attributes ->> 'sequence', format('%I.%I', part[1], part[2] || '_' || part[3] || '_seq'));
END $$;
COMMENT ON FUNCTION reconcile.schema_serial_sequence(text, jsonb) IS 'used by audits: the sequence of a serial column';

CREATE FUNCTION reconcile.schema_change_identity("column" text, altered text, sequence text, expected jsonb, actual jsonb) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	wanted CONSTANT text := expected ->> 'identity';
	there  CONSTANT text := actual ->> 'identity';
BEGIN
	IF wanted LIKE 'serial%' AND there LIKE 'serial%' THEN
		RETURN 'ALTER SEQUENCE ' || sequence || ' ' || reconcile.schema_sequence_options(wanted, '') || ';';
	ELSIF wanted LIKE 'serial%' AND there IS NULL AND reconcile.schema_default_sequence(actual ->> 'default') = reconcile.schema_serial_sequence("column", expected) THEN
		RETURN format('ALTER SEQUENCE %s AS %s %s OWNED BY %s;', reconcile.schema_serial_sequence("column", expected), expected ->> 'type',
		              reconcile.schema_sequence_options(wanted, ''), "column");
	ELSIF there LIKE 'serial%' AND reconcile.schema_default_sequence(expected ->> 'default') = sequence THEN
		RETURN 'ALTER SEQUENCE ' || sequence || ' OWNED BY NONE;';
	ELSIF wanted LIKE 'serial%' OR there LIKE 'serial%' AND wanted IS NOT NULL THEN
		RETURN NULL;
	ELSIF wanted IS NULL THEN
		RETURN altered || CASE WHEN there LIKE 'serial%' THEN ' DROP DEFAULT;' ELSE ' DROP IDENTITY;' END;
	ELSIF there IS NULL THEN
		RETURN altered || ' ADD' || reconcile.schema_identity(wanted, expected ->> 'sequence') || ';';
	ELSIF split_part(wanted, ' (', 1) <> split_part(there, ' (', 1) THEN
		RETURN altered || ' SET GENERATED ' || upper(split_part(wanted, ' (', 1)) || ';';
	END IF;
	RETURN altered || ' ' || reconcile.schema_sequence_options(wanted, 'SET ') || ';';
END $$;
COMMENT ON FUNCTION reconcile.schema_change_identity(text, text, text, jsonb, jsonb) IS 'used by schema_fix(): mends how a column is numbered';

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
		RETURN reconcile.schema_change_identity(object, altered, (
				SELECT d.objid::regclass::text FROM pg_attribute a
				JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = a.attrelid
					AND d.refobjsubid = a.attnum AND d.deptype = 'a'
				JOIN pg_sequence s ON s.seqrelid = d.objid
				WHERE a.attrelid = to_regclass(parent) AND quote_ident(a.attname) = name LIMIT 1), expected, actual);
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
	WHEN 'foreign_options' THEN
		RETURN reconcile.schema_foreign_options_change(replace(altered, 'ALTER TABLE', 'ALTER FOREIGN TABLE'), expected -> attribute, actual -> attribute);
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
	WHEN 'foreign_options' THEN
		RETURN reconcile.schema_foreign_options_change(altered, expected -> attribute, actual -> attribute);
	WHEN 'access_method' THEN
		RETURN altered || ' SET ACCESS METHOD ' || quote_ident(coalesce(expected ->> 'access_method', 'heap')) || ';';
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
	WHEN 'columns' THEN   -- what is missing at the end can be added
		RETURN CASE WHEN NOT EXISTS (
				SELECT FROM jsonb_array_elements(actual -> 'columns') WITH ORDINALITY AS a(name, n)
				WHERE expected -> 'columns' -> (a.n::integer - 1) IS DISTINCT FROM a.name)
			THEN (SELECT 'ALTER TYPE ' || object || string_agg(' ADD ATTRIBUTE ' || e.name, ',' ORDER BY e.n) || ';'
			      FROM jsonb_array_elements_text(expected -> 'columns') WITH ORDINALITY AS e(name, n) WHERE e.n > jsonb_array_length(actual -> 'columns')) END;
	WHEN 'column_comments' THEN
		RETURN reconcile.schema_comments('COLUMN ' || object || '.%I', expected -> 'column_comments', actual -> 'column_comments');
	WHEN 'check_comments' THEN
		RETURN reconcile.schema_comments('CONSTRAINT %I ON DOMAIN ' || object, expected -> 'check_comments', actual -> 'check_comments');
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
	words CONSTANT text := reconcile.schema_words('view', object, NULL, actual);
BEGIN
	CASE attribute
	WHEN 'options' THEN
		RETURN reconcile.schema_options_change('ALTER ' || words, expected -> 'options', actual -> 'options');
	WHEN 'tablespace' THEN
		RETURN format('ALTER MATERIALIZED VIEW %s SET TABLESPACE %I;', object, coalesce(expected ->> 'tablespace', 'pg_default'));
	WHEN 'column_comments' THEN
		RETURN reconcile.schema_comments('COLUMN ' || object || '.%I', expected -> 'column_comments', actual -> 'column_comments');
	WHEN 'column_defaults' THEN
		RETURN (SELECT string_agg(format('ALTER VIEW %s ALTER COLUMN %I %s;', object, k.name,
				coalesce('SET DEFAULT ' || (expected -> 'column_defaults' ->> k.name), 'DROP DEFAULT')), E'\n' ORDER BY k.name)
			FROM jsonb_object_keys(coalesce(expected -> 'column_defaults', '{}') || coalesce(actual -> 'column_defaults', '{}')) AS k(name)
			WHERE expected -> 'column_defaults' -> k.name IS DISTINCT FROM actual -> 'column_defaults' -> k.name);
	ELSE
		-- A view that is replaced keeps its columns and may get more.
		RETURN CASE WHEN expected ->> 'kind' = 'view' AND NOT EXISTS (
				SELECT FROM jsonb_array_elements(actual -> 'columns') WITH ORDINALITY AS a(name, n)
				WHERE expected -> 'columns' -> (a.n::integer - 1) <> a.name OR a.n > jsonb_array_length(expected -> 'columns'))
			THEN format(E'CREATE OR REPLACE VIEW %s%s AS\n%s;', object,
				coalesce(' WITH (' || reconcile.schema_options(expected -> 'options') || ')', ''), expected ->> 'definition')
			ELSE concat_ws(E'\n', format('DROP %s;', words), reconcile.schema_fix_missing('view', object, NULL, expected)) END;
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
	WHEN attribute = 'statistics' THEN
		RETURN reconcile.schema_index_statistics(index, expected -> 'statistics', actual -> 'statistics');
	WHEN attribute = 'index_comment' THEN
		RETURN format('COMMENT ON INDEX %s IS %s;', index, coalesce(quote_literal(expected ->> 'index_comment'), 'NULL'));
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
	words CONSTANT text := reconcile.schema_words(category, object, parent, actual);
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

-- What a partition has otherwise than its parent is made as the parent has it here.
CREATE FUNCTION reconcile.schema_fix_partition(category text, object text, parent text, actual jsonb) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	altered text;
BEGIN
	IF category = 'trigger' THEN
		RETURN (
			SELECT reconcile.schema_enable('TRIGGER', quote_ident(t.tgname), parent, CASE up.tgenabled WHEN 'O' THEN 'origin' WHEN 'D' THEN 'disabled' WHEN 'R' THEN 'replica' ELSE 'always' END)
			FROM pg_trigger t JOIN pg_trigger up ON up.oid = t.tgparentid
			WHERE t.tgrelid = to_regclass(parent) AND quote_ident(t.tgname) = reconcile.schema_part_name(object, parent));
	END IF;
	altered := format('ALTER TABLE %s ALTER COLUMN %s', parent, substr(object, length(parent) + 2));
	RETURN (
		SELECT nullif(concat_ws(E'\n',
			CASE WHEN up.attgenerated = '' AND (actual ->> 'default') IS DISTINCT FROM d.text THEN altered || coalesce(' SET DEFAULT ' || d.text, ' DROP DEFAULT') || ';' END,
			CASE WHEN NOT up.attnotnull AND actual -> 'not_null' = 'true' THEN altered || ' DROP NOT NULL;' END,
			CASE WHEN up.attstorage <> a.attstorage
			     THEN altered || ' SET STORAGE ' || CASE up.attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END || ';' END,
			CASE WHEN up.attcompression <> a.attcompression
			     THEN altered || ' SET COMPRESSION ' || CASE up.attcompression WHEN 'p' THEN 'pglz' WHEN 'l' THEN 'lz4' ELSE 'default' END || ';' END,
			CASE WHEN up.attstattarget IS DISTINCT FROM a.attstattarget THEN altered || ' SET STATISTICS ' || coalesce(up.attstattarget, -1) || ';' END,
			CASE WHEN actual ? 'comment' THEN format('COMMENT ON COLUMN %s IS NULL;', object) END), '')
		FROM pg_attribute a
		JOIN pg_inherits i ON i.inhrelid = a.attrelid
		JOIN pg_attribute up ON up.attrelid = i.inhparent AND up.attname = a.attname
		LEFT JOIN pg_attrdef e ON e.adrelid = up.attrelid AND e.adnum = up.attnum
		CROSS JOIN LATERAL (SELECT reconcile.schema_default(e.adbin, up.atttypid, up.atttypmod)) AS d(text)
		WHERE a.attrelid = to_regclass(parent) AND quote_ident(a.attname) = substr(object, length(parent) + 2));
END $$;
COMMENT ON FUNCTION reconcile.schema_fix_partition(text, text, text, jsonb) IS 'used by schema_fix(): makes a partition as its parent is';

CREATE FUNCTION reconcile.schema_fix_extra(category text, object text, parent text, actual jsonb) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF actual ? 'of_partition' THEN
		RETURN reconcile.schema_fix_partition(category, object, parent, actual);
	END IF;
	RETURN CASE category
		WHEN 'privilege' THEN reconcile.schema_grants(object, parent, NULL, actual)
		WHEN 'column' THEN format('ALTER TABLE %s DROP COLUMN %s;', parent, substr(object, length(parent) + 2))
		WHEN 'constraint' THEN format('ALTER TABLE %s DROP CONSTRAINT %s;', parent, reconcile.schema_part_name(object, parent))
		ELSE 'DROP ' || reconcile.schema_words(category, object, parent, actual) || ';' END;
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
		WHEN category = 'table' AND attribute IN ('unlogged', 'tablespace', 'access_method') THEN 'rewrites table'
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
		WHEN kind = 'extra' AND NOT actual ? 'of_partition' THEN 'drop:' || object
		WHEN category = 'column' AND attribute = 'generated' AND expected ? 'generated' THEN 'drop:' || object
		WHEN category = 'table' AND attribute = 'unlogged' AND expected ? 'unlogged' THEN 'rows:' || object END;
	fix := CASE kind WHEN 'missing' THEN reconcile.schema_fix_missing(category, object, parent, expected)
		WHEN 'extra' THEN reconcile.schema_fix_extra(category, object, parent, actual)
		ELSE reconcile.schema_fix_differs(category, object, parent, attribute, expected, actual) END;
END $$;
COMMENT ON FUNCTION reconcile.schema_fix(text, text, text, text, text, jsonb, jsonb) IS
	'used by audits: the statements that mend a difference, their hazard, and what allow must name for fix_schema() to run them';
