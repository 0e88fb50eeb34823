-- Whether the rows of a table allow a fix: asked before it is tried.

-- Identifiers as they stand in definitions, and lists of them.
CREATE FUNCTION reconcile.identifier_pattern() RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	BEGIN ATOMIC
		SELECT '(?:"(?:[^"]|"")+"|[a-z_][a-z0-9_$]*)'::text;
	END;
COMMENT ON FUNCTION reconcile.identifier_pattern() IS 'used by fix_schema(): a regular expression for an identifier in SQL';

-- The values of a key as an example shows them, where NULL is a value as well.
CREATE FUNCTION reconcile.shown_key(names text) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT format('concat_ws('', '', %s)',
		regexp_replace(names, reconcile.identifier_pattern(), 'coalesce(\&::text, ''null'')', 'g'));
END;
COMMENT ON FUNCTION reconcile.shown_key(text) IS 'used by fix_schema(): an expression for the values of a key, from a list of its columns';

-- A definition says which rows would break it: as a query that counts them,
-- with the table for %1$s.  Keys that are not plain columns, with an expression, DESC,
-- a collation or an operator class of their own, are left to the build itself.
CREATE FUNCTION reconcile.breaking_rows(definition text)
	RETURNS TABLE (query text, what text)
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH pattern AS (
		SELECT reconcile.identifier_pattern() AS name,
		       format('(%s(?:, %1$s)*)', reconcile.identifier_pattern()) AS names
	)
	SELECT format('SELECT count(*), min(k) FROM (SELECT format(''(%%%%s)'', %s) AS k FROM %%1$s WHERE %s%s'
	              ' GROUP BY %s HAVING count(*) > 1) d', replace(reconcile.shown_key(m[2]), '%', '%%'),
	              CASE WHEN m[1] IS NULL THEN format('num_nulls(%s) = 0', replace(m[2], '%', '%%')) ELSE 'true' END,
	              coalesce(replace(m[3], '%', '%%'), ''), replace(m[2], '%', '%%')),
	       format('keys (%s) that are there more than once', m[2])
	FROM pattern, regexp_match(definition, format('^(?:UNIQUE|PRIMARY KEY)( NULLS NOT DISTINCT)? \(%s\)()', pattern.names)) AS m
	WHERE m IS NOT NULL
	UNION ALL
	SELECT format('SELECT count(*), min(k) FROM (SELECT format(''(%%%%s)'', %s) AS k FROM %%1$s WHERE %s%s'
	              ' GROUP BY %s HAVING count(*) > 1) d', replace(reconcile.shown_key(m[1]), '%', '%%'),
	              CASE WHEN m[3] IS NULL THEN format('num_nulls(%s) = 0', replace(m[1], '%', '%%')) ELSE 'true' END,
	              coalesce(' AND (' || replace(m[4], '%', '%%') || ')', ''), replace(m[1], '%', '%%')),
	       format('keys (%s) that are there more than once', m[1])
	FROM pattern, regexp_match(definition,
		format('^CREATE UNIQUE INDEX .* USING btree \(%s\)(?: INCLUDE \(%1$s\))?( NULLS NOT DISTINCT)?(?: WITH \(.*\))?(?: WHERE (.*))?$', pattern.names)) AS m
	WHERE m IS NOT NULL
	UNION ALL
	SELECT format('SELECT count(*), NULL::text FROM %%1$s WHERE NOT (%s)', replace(m[1], '%', '%%')), 'rows that violate it'
	FROM regexp_match(definition, '^CHECK (\(.*\))(?: NO INHERIT)?(?: NOT VALID)?$') AS m
	WHERE m IS NOT NULL
	UNION ALL
	SELECT format('SELECT count(*), min(format(''(%%%%s)'', concat_ws('', '', %s))) FROM %%1$s c WHERE num_nulls(%1$s) = 0'
	              ' AND NOT EXISTS (SELECT FROM %s p WHERE (%s) = (%s))', replace(m[1], '%', '%%'), replace(m[2], '%', '%%'),
	              (SELECT string_agg('p.' || p[1], ', ' ORDER BY n) FROM regexp_matches(replace(m[3], '%', '%%'), pattern.name, 'g') WITH ORDINALITY AS p(p, n)),
	              (SELECT string_agg('c.' || c[1], ', ' ORDER BY n) FROM regexp_matches(replace(m[1], '%', '%%'), pattern.name, 'g') WITH ORDINALITY AS c(c, n))),
	       'rows that refer to no row'
	FROM pattern, regexp_match(definition,
		format('^FOREIGN KEY \(%s\) REFERENCES (%s(?:\.%2$s)?)\(%1$s\)', pattern.names, pattern.name)) AS m
	WHERE m IS NOT NULL;
END;
COMMENT ON FUNCTION reconcile.breaking_rows(text) IS
	'used by fix_schema(): queries that count the rows that would break a constraint or index';

-- to_regclass() fails where the caller may not use the schema.
CREATE FUNCTION reconcile.relation_named(qualified text) RETURNS regclass
	LANGUAGE sql STABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT c.oid::regclass FROM parse_ident(qualified) AS p(part)
	JOIN pg_namespace n ON n.nspname = p.part[1]
	JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = p.part[2];
END;
COMMENT ON FUNCTION reconcile.relation_named(text) IS 'used by fix_schema(): a relation by its qualified name, NULL when there is none';

CREATE FUNCTION reconcile.rows_as_owner(relation oid, query text) RETURNS TABLE (found bigint, example text)
	LANGUAGE c STABLE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'reconcile_rows_as_owner';
COMMENT ON FUNCTION reconcile.rows_as_owner(oid, text) IS
	'used by fix_schema(): what a query that counts rows finds, run as the owner of a table and without writing; 42501 unless the caller may act as that owner';

CREATE FUNCTION reconcile.data_problem(category text, object text, fix text, definition text) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	part     text[];
	target   text;
	relation oid;
	id       text;
	checked  record;
	found    bigint;
	example  text;
BEGIN
	IF fix !~ '(SET NOT NULL|VALIDATE CONSTRAINT|ADD CONSTRAINT|CREATE UNIQUE INDEX|REINDEX INDEX|PRIMARY KEY USING INDEX)' THEN
		RETURN NULL;
	END IF;
	IF category = 'column' THEN
		part := parse_ident(object);
		target := format('%I.%I', part[1], part[2]);
	ELSE
		target := substring(fix FROM format('(?:ALTER TABLE (?:ONLY )?| ON (?:ONLY )?)(%s\.%1$s)', reconcile.identifier_pattern()));
		IF target IS NULL AND category = 'index' THEN  -- by its name
			SELECT r.sql INTO target FROM reconcile.checked_relation r JOIN pg_index i ON i.indrelid = r.oid
			CROSS JOIN LATERAL pg_identify_object('pg_class'::regclass, i.indexrelid, 0) AS x WHERE x.identity = object AND r.schema = (parse_ident(object))[1];
		END IF;
	END IF;
	SELECT r.oid INTO relation FROM reconcile.checked_relation r WHERE r.sql = target;
	IF relation IS NULL THEN
		RETURN NULL;  -- without the table there are no rows
	END IF;

	FOR checked IN
		SELECT format('SELECT count(*), NULL::text FROM %%1$s WHERE %s IS NULL', replace(quote_ident(part[3]), '%', '%%')) AS query,
		       format('rows with NULL in %I', part[3]) AS what
		WHERE category = 'column' AND fix LIKE '%SET NOT NULL%'
		UNION ALL
		SELECT r.query, r.what FROM reconcile.breaking_rows(definition) r WHERE category IN ('constraint', 'index')
	LOOP
		BEGIN
			SELECT r.found, r.example INTO found, example FROM reconcile.rows_as_owner(relation, format(checked.query, target)) r;
		EXCEPTION
			WHEN syntax_error_or_access_rule_violation OR undefined_column OR undefined_table OR undefined_function
				OR undefined_object OR datatype_mismatch THEN
				CONTINUE;  -- it names what the same plan makes, or what cannot be read: the statement itself will tell
			WHEN OTHERS THEN
				IF SQLSTATE ~ '^(40|53|57|58|XX)' THEN
					RAISE;  -- concerns more than this fix
				END IF;
				RETURN format('its rows cannot be checked: %s (SQLSTATE %s)', SQLERRM, SQLSTATE);
		END;
		IF found > 0 AND category = 'column' THEN
			-- What mends the rows is an invariant of the user's, who knows the value.
			SELECT string_agg(quote_ident(a.attname), ',' ORDER BY a.attnum) INTO id
			FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey::smallint[])
			WHERE i.indrelid = reconcile.relation_named(target) AND i.indisprimary;
			RETURN format('%2$s: %1$s; find them by SELECT reconcile.create_invariant(%3$L, NULL, %4$L, %5$L, kind => ''check'');', found, checked.what,
				object || ' is not null', format('{%s}', coalesce(id, quote_ident(part[3]))),
				format('SELECT %s FROM %s WHERE %I IS NULL', replace(coalesce(id, quote_ident(part[3])), ',', ', '), target, part[3]));
		ELSIF found > 0 THEN
			RETURN format('%s: %s%s', checked.what, found, ', for example ' || example);
		END IF;
	END LOOP;
	RETURN NULL;
END $$;
COMMENT ON FUNCTION reconcile.data_problem(text, text, text, text) IS
	'used by fix_schema(): why the rows of a table do not allow a fix, NULL when they do';

-- A cast to a smaller type cuts, rounds or forgets without an error.  What a
-- value is afterwards is cast back, and compared as JSON, where 1.50 is 1.5.
CREATE FUNCTION reconcile.conversion_problem(object text, fix text, allow text[]) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	part    CONSTANT text[] := parse_ident(object);
	target  CONSTANT text := format('%I.%I', part[1], part[2]);
	allowed CONSTANT text := format('not done unless allowed: allow => ARRAY[%L]', 'rows:' || target);
	wanted  CONSTANT text := rtrim(split_part(fix, format(' USING %I::', part[3]), 2), ';');
	held    text;
	found   bigint;
	example text;
BEGIN
	SELECT format_type(a.atttypid, a.atttypmod) INTO held FROM pg_attribute a
	WHERE a.attrelid = reconcile.relation_named(target) AND a.attname = part[3];
	IF held IS NULL OR 'rows:' || target = ANY (allow) THEN
		RETURN NULL;
	END IF;
	SELECT r.found, r.example INTO found, example
	FROM reconcile.rows_as_owner(reconcile.relation_named(target), format(
		'SELECT count(*), min(t.%1$I::text) FROM %2$s t WHERE to_jsonb((t.%1$I::%3$s)::%4$s) IS DISTINCT FROM to_jsonb(t.%1$I)',
		part[3], target, wanted, held)) r;
	RETURN CASE WHEN found > 0 THEN format('rows whose %I would change: %s, for example %s; %s', part[3], found, example, allowed) END;
EXCEPTION
	WHEN undefined_object THEN
		RETURN NULL;  -- a type that the same plan makes
	WHEN cannot_coerce OR insufficient_privilege THEN
		RETURN format('whether values would change cannot be told: %s; %s', SQLERRM, allowed);
	WHEN data_exception OR integrity_constraint_violation THEN
		RETURN format('a value of %I cannot be converted: %s', part[3], SQLERRM);
	WHEN OTHERS THEN
		IF SQLSTATE ~ '^(40|53|57|58|XX)' THEN
			RAISE;  -- concerns more than this fix
		END IF;
		RETURN format('whether values would change cannot be told: %s (SQLSTATE %s); %s', SQLERRM, SQLSTATE, allowed);
END $$;
COMMENT ON FUNCTION reconcile.conversion_problem(text, text, text[]) IS
	'used by fix_schema(): why the values of a column do not allow to change its type, NULL when they do';

-- PostgreSQL changes no type of a column, and drops no view, while something
-- else is made of it; what is to be dropped in the same run is none of that.
CREATE FUNCTION reconcile.dependents_problem(object text, category text, allow text[]) RETURNS text
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH RECURSIVE named AS (
		SELECT format('%I.%I', p.part[1], p.part[2]) AS relation, p.part[3] AS attribute FROM parse_ident(object) AS p(part)
	), changed AS (
		SELECT c.oid AS relation, CASE WHEN category = 'column' THEN a.attnum END AS attnum
		FROM named n CROSS JOIN LATERAL (SELECT reconcile.relation_named(n.relation) AS oid) c
		LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = n.attribute
		WHERE category = 'view' OR a.attnum IS NOT NULL
	), dependent(classid, objid, objsubid, relation, attnum) AS (
		SELECT d.classid, d.objid, d.objsubid, c.relation, c.attnum FROM changed c, LATERAL (SELECT 0::oid, 0::oid, 0) AS d(classid, objid, objsubid)
		UNION
		SELECT u.classid, u.objid, u.objsubid, u.relation, NULL
		FROM dependent t
		JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = t.relation AND (t.attnum IS NULL OR d.refobjsubid = t.attnum)
		LEFT JOIN pg_rewrite w ON d.classid = 'pg_rewrite'::regclass AND w.oid = d.objid
		LEFT JOIN pg_attrdef g ON d.classid = 'pg_attrdef'::regclass AND g.oid = d.objid
		CROSS JOIN LATERAL (SELECT CASE WHEN w.oid IS NOT NULL OR g.oid IS NOT NULL THEN 'pg_class'::regclass::oid ELSE d.classid END,
		                           coalesce(w.ev_class, g.adrelid, d.objid), coalesce(g.adnum, 0)::integer, w.ev_class) AS u(classid, objid, objsubid, relation)
		WHERE d.deptype = 'n' AND d.classid IN ('pg_rewrite'::regclass, 'pg_trigger'::regclass, 'pg_policy'::regclass, 'pg_proc'::regclass,
		                                        'pg_attrdef'::regclass, 'pg_publication_rel'::regclass)
		  AND u.relation IS DISTINCT FROM t.relation AND NOT (u.objid = t.relation AND u.objsubid IS NOT DISTINCT FROM t.attnum)
	)
	SELECT format('used by %s; drop that first: what the baseline has of it is made again', string_agg(format('%s %s', i.type, i.identity), ', ' ORDER BY i.type, i.identity))
	FROM dependent t CROSS JOIN LATERAL pg_identify_object(t.classid, t.objid, t.objsubid) AS i
	WHERE t.classid <> 0 AND 'drop:' || i.identity <> ALL (allow)
	HAVING count(*) > 0;
END;
COMMENT ON FUNCTION reconcile.dependents_problem(text, text, text[]) IS
	'used by fix_schema(): what is made of a column or a view and does not allow to change it, NULL when nothing is';
