-- Packs: the tables of their layouts.  What is missing is made; what is there
-- stays as it is, and how it differs is said.

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

-- Whoever owns a table may run code as those who write to it: by triggers, for
-- one.  So may the owner of its schema, and somebody who may act as the caller
-- anyway; of anybody else it is told.
CREATE FUNCTION reconcile.pack_stranger(owner oid, namespace oid) RETURNS name
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		SELECT pg_get_userbyid(owner) FROM pg_namespace n
		WHERE n.oid = namespace AND NOT pg_has_role(owner, current_user, 'MEMBER') AND NOT pg_has_role(owner, n.nspowner, 'MEMBER');
	END;
COMMENT ON FUNCTION reconcile.pack_stranger(oid, oid) IS
	'used by packs: an owner that may act neither as the caller nor as the owner of the schema, NULL when it may';

CREATE FUNCTION reconcile.pack_tell_owner(target regclass)
	RETURNS TABLE (action text, object text, detail text)
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		SELECT 'differs', target::text, format('is owned by role "%s", which owns neither the schema nor the pack: its triggers run as whoever writes', s.owner)
		FROM pg_class c CROSS JOIN LATERAL reconcile.pack_stranger(c.relowner, c.relnamespace) AS s(owner)
		WHERE c.oid = target AND s.owner IS NOT NULL;
	END;
COMMENT ON FUNCTION reconcile.pack_tell_owner(regclass) IS
	'used by packs: says when a table that is there belongs to another role';

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
			RETURN QUERY SELECT * FROM reconcile.pack_tell_owner(to_regclass(object));
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
		PERFORM reconcile.refuse('23505', format('%s rows of %s have the same (%s)', twice.rows, target, list),
			detail => format('They are %s. The pack needs a unique index there.', twice.key),
			hint => format('Find all: SELECT %s, count(*) FROM %s GROUP BY %s HAVING count(*) > 1; then change all but one of each.', list, target, list));
	ELSIF twice.key IS NOT NULL THEN
		action := 'differs';
		detail := format('%s is missing, and cannot be made: %s rows have %s', detail, twice.rows, twice.key);
	ELSE
		action := 'add constraint';
		IF NOT dry_run THEN
			-- Beside a deferrable constraint it must be one that can be named.
			EXECUTE CASE WHEN EXISTS (
				SELECT FROM pg_index i WHERE i.indrelid = to_regclass(target) AND i.indisunique AND NOT i.indimmediate
				  AND names <@ (SELECT array_agg(quote_ident(a.attname)) FROM pg_attribute a WHERE a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)))
				THEN format('ALTER TABLE %s ADD %s', target, detail)
				ELSE format('CREATE UNIQUE INDEX ON %s (%s)%s', target, list, CASE WHEN nullable THEN ' NULLS NOT DISTINCT' ELSE '' END) END;
		END IF;
	END IF;
	RETURN NEXT;
END $$;
REVOKE ALL ON FUNCTION reconcile.pack_ensure_unique(jsonb, text, text[], boolean, boolean) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.pack_ensure_unique(jsonb, text, text[], boolean, boolean) IS
	'used by packs: makes a unique index on a table that was there before, or says which rows are in its way; changes the schema unless dry_run';
