-- Functions, views, sequences, types and extensions.

-- How an aggregate is put together, as CREATE AGGREGATE takes it.
CREATE FUNCTION reconcile.schema_aggregate(aggregate oid) RETURNS text
	LANGUAGE sql STABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		SELECT concat_ws(', ', 'SFUNC = ' || a.aggtransfn::regproc, 'STYPE = ' || format_type(a.aggtranstype, NULL),
		                 'SSPACE = ' || nullif(a.aggtransspace, 0),
		                 'FINALFUNC = ' || nullif(a.aggfinalfn, 0)::regproc, CASE WHEN a.aggfinalextra THEN 'FINALFUNC_EXTRA' END,
		                 CASE WHEN a.aggfinalfn <> 0 THEN 'FINALFUNC_MODIFY = ' || CASE a.aggfinalmodify WHEN 'r' THEN 'READ_ONLY'
		                     WHEN 's' THEN 'SHAREABLE' ELSE 'READ_WRITE' END END,
		                 'COMBINEFUNC = ' || nullif(a.aggcombinefn, 0)::regproc, 'SERIALFUNC = ' || nullif(a.aggserialfn, 0)::regproc,
		                 'DESERIALFUNC = ' || nullif(a.aggdeserialfn, 0)::regproc, 'INITCOND = ' || quote_literal(a.agginitval),
		                 'MSFUNC = ' || nullif(a.aggmtransfn, 0)::regproc, 'MINVFUNC = ' || nullif(a.aggminvtransfn, 0)::regproc,
		                 'MSTYPE = ' || format_type(nullif(a.aggmtranstype, 0), NULL), 'MSSPACE = ' || nullif(a.aggmtransspace, 0),
		                 'MINITCOND = ' || quote_literal(a.aggminitval), 'MFINALFUNC = ' || nullif(a.aggmfinalfn, 0)::regproc,
		                 CASE WHEN a.aggmfinalextra THEN 'MFINALFUNC_EXTRA' END,
		                 CASE WHEN a.aggmfinalfn <> 0 THEN 'MFINALFUNC_MODIFY = ' || CASE a.aggmfinalmodify WHEN 'r' THEN 'READ_ONLY'
		                     WHEN 's' THEN 'SHAREABLE' ELSE 'READ_WRITE' END END,
		                 'SORTOP = OPERATOR(' || (SELECT format('%I.%s', n.nspname, o.oprname) FROM pg_operator o
		                     JOIN pg_namespace n ON n.oid = o.oprnamespace WHERE o.oid = a.aggsortop) || ')',
		                 'PARALLEL = ' || CASE p.proparallel WHEN 's' THEN 'SAFE' WHEN 'r' THEN 'RESTRICTED' END,
		                 CASE WHEN a.aggkind = 'h' THEN 'HYPOTHETICAL' END)
		FROM pg_aggregate a JOIN pg_proc p ON p.oid = a.aggfnoid WHERE a.aggfnoid = aggregate;
	END;
COMMENT ON FUNCTION reconcile.schema_aggregate(oid) IS 'used by the schema views: how an aggregate is put together';

CREATE VIEW reconcile.schema_functions AS
	SELECT s.schema, p.proname::text COLLATE "C" AS name,
	       CASE p.prokind WHEN 'f' THEN 'function' WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate' ELSE 'window function' END AS kind,
	       f.part[1] AS arguments, nullif(f.part[2], '') AS result, l.lanname::text AS language,
	       coalesce(nullif(f.part[3], ''), p.prosrc) AS body, f.part[3] <> '' AS body_is_sql, p.probin AS library,
	       CASE p.provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable' ELSE 'volatile' END AS volatility,
	       CASE p.proparallel WHEN 's' THEN 'safe' WHEN 'r' THEN 'restricted' ELSE 'unsafe' END AS parallel,
	       p.proisstrict AS strict, p.prosecdef AS security_definer, p.proleakproof AS leakproof,
	       p.procost AS cost, CASE WHEN p.proretset THEN p.prorows END AS rows,
	       CASE WHEN p.proconfig IS NOT NULL THEN ARRAY(SELECT o FROM unnest(p.proconfig) AS o ORDER BY o COLLATE "C") END AS settings,
	       CASE WHEN p.prosupport <> 0 THEN p.prosupport::regproc::text END AS support,
	       CASE WHEN p.protrftypes IS NOT NULL
	            THEN ARRAY(SELECT reconcile.schema_type(t.oid, -1) FROM unnest(p.protrftypes) WITH ORDINALITY AS t(oid, n) ORDER BY t.n) END AS transforms,
	       CASE WHEN p.prokind = 'a' THEN reconcile.schema_aggregate(p.oid) END AS aggregate,
	       pg_get_userbyid(p.proowner)::text AS owner, d.description AS comment,
	       i.identity AS object, p.oid
	FROM pg_proc p
	JOIN reconcile.schema_scope s ON s.oid = p.pronamespace
	JOIN pg_language l ON l.oid = p.prolang
	CROSS JOIN LATERAL (SELECT reconcile.schema_function(p.oid)) AS f(part)
	CROSS JOIN LATERAL pg_identify_object('pg_proc'::regclass, p.oid, 0) AS i
	LEFT JOIN pg_description d ON d.objoid = p.oid AND d.classoid = 'pg_proc'::regclass
	WHERE p.oid NOT IN (SELECT m.objid FROM reconcile.schema_members m WHERE m.classid = 'pg_proc'::regclass)
	  AND NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = 'pg_proc'::regclass AND x.objid = p.oid AND x.deptype = 'i');
COMMENT ON VIEW reconcile.schema_functions IS 'all functions, procedures and aggregates';
COMMENT ON COLUMN reconcile.schema_functions.kind IS 'function, procedure, aggregate or window function';
COMMENT ON COLUMN reconcile.schema_functions.arguments IS 'its arguments with their names and defaults';
COMMENT ON COLUMN reconcile.schema_functions.result IS 'what it returns, NULL for a procedure';
COMMENT ON COLUMN reconcile.schema_functions.language IS 'its language';
COMMENT ON COLUMN reconcile.schema_functions.body IS 'its source text';
COMMENT ON COLUMN reconcile.schema_functions.body_is_sql IS 'whether the body was parsed when it was created';
COMMENT ON COLUMN reconcile.schema_functions.library IS 'the library of a function in C';
COMMENT ON COLUMN reconcile.schema_functions.volatility IS 'immutable, stable or volatile';
COMMENT ON COLUMN reconcile.schema_functions.parallel IS 'safe, restricted or unsafe';
COMMENT ON COLUMN reconcile.schema_functions.strict IS 'whether it is not called with a NULL';
COMMENT ON COLUMN reconcile.schema_functions.security_definer IS 'whether it runs as its owner';
COMMENT ON COLUMN reconcile.schema_functions.leakproof IS 'whether it is leakproof';
COMMENT ON COLUMN reconcile.schema_functions.cost IS 'its estimated cost';
COMMENT ON COLUMN reconcile.schema_functions.rows IS 'its estimated rows, NULL unless it returns a set';
COMMENT ON COLUMN reconcile.schema_functions.settings IS 'its SET clauses';
COMMENT ON COLUMN reconcile.schema_functions.support IS 'the function that tells the planner about it';
COMMENT ON COLUMN reconcile.schema_functions.transforms IS 'types whose values are transformed for its language';
COMMENT ON COLUMN reconcile.schema_functions.aggregate IS 'how an aggregate is put together';
COMMENT ON COLUMN reconcile.schema_functions.oid IS 'its oid in pg_proc';
GRANT SELECT ON reconcile.schema_functions TO PUBLIC;

CREATE VIEW reconcile.schema_views AS
	SELECT r.schema, r.name, CASE r.relkind WHEN 'v' THEN 'view' ELSE 'materialized view' END AS kind,
	       pg_get_userbyid((r.class).relowner)::text AS owner,
	       reconcile.schema_definition('pg_class'::regclass, r.oid) AS definition,
	       ARRAY(SELECT quote_ident(a.attname) || ' ' || reconcile.schema_type(a.atttypid, a.atttypmod)
	             FROM pg_attribute a WHERE a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum) AS columns,
	       CASE WHEN (r.class).reloptions IS NOT NULL THEN ARRAY(SELECT o FROM unnest((r.class).reloptions) AS o ORDER BY o COLLATE "C") END AS options,
	       ts.spcname::text AS tablespace, d.description AS comment,
	       (SELECT jsonb_object_agg(a.attname, cd.description)
	        FROM pg_description cd JOIN pg_attribute a ON a.attrelid = cd.objoid AND a.attnum = cd.objsubid
	        WHERE cd.objoid = r.oid AND cd.classoid = 'pg_class'::regclass AND cd.objsubid > 0) AS column_comments,
	       (SELECT jsonb_object_agg(a.attname, reconcile.schema_default(e.adbin, a.atttypid, a.atttypmod))
	        FROM pg_attrdef e JOIN pg_attribute a ON a.attrelid = e.adrelid AND a.attnum = e.adnum
	        WHERE e.adrelid = r.oid) AS column_defaults,
	       r.object, r.oid
	FROM reconcile.schema_relations r
	LEFT JOIN pg_tablespace ts ON ts.oid = (r.class).reltablespace
	LEFT JOIN pg_description d ON d.objoid = r.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = 0
	WHERE r.relkind IN ('v', 'm');
COMMENT ON VIEW reconcile.schema_views IS 'all views and materialized views';
COMMENT ON COLUMN reconcile.schema_views.kind IS 'view or materialized view';
COMMENT ON COLUMN reconcile.schema_views.definition IS 'its query';
COMMENT ON COLUMN reconcile.schema_views.columns IS 'its columns with their types, in order';
COMMENT ON COLUMN reconcile.schema_views.options IS 'security_barrier, check_option and the like; storage parameters of a materialized view';
COMMENT ON COLUMN reconcile.schema_views.tablespace IS 'tablespace of a materialized view, NULL for the default of the database';
COMMENT ON COLUMN reconcile.schema_views.column_comments IS 'comments of its columns, by name';
COMMENT ON COLUMN reconcile.schema_views.column_defaults IS 'defaults of its columns, by name';
COMMENT ON COLUMN reconcile.schema_views.oid IS 'its oid in pg_class';
GRANT SELECT ON reconcile.schema_views TO PUBLIC;

CREATE VIEW reconcile.schema_sequences AS
	SELECT r.schema, r.name, reconcile.schema_type(q.seqtypid, -1) AS type, q.seqstart AS start_value, q.seqincrement AS increment,
	       q.seqmin AS minimum, q.seqmax AS maximum, q.seqcache AS cache, q.seqcycle AS cycle, (r.class).relpersistence = 'u' AS unlogged,
	       (SELECT pr.object || '.' || quote_ident(a.attname)
	        FROM pg_depend o JOIN reconcile.schema_relations pr ON pr.oid = o.refobjid
	        JOIN pg_attribute a ON a.attrelid = o.refobjid AND a.attnum = o.refobjsubid
	        WHERE o.classid = 'pg_class'::regclass AND o.objid = r.oid AND o.refclassid = 'pg_class'::regclass AND o.deptype = 'a') AS owned_by,
	       pg_get_userbyid((r.class).relowner)::text AS owner, d.description AS comment, r.object, r.oid
	FROM reconcile.schema_relations r
	JOIN pg_sequence q ON q.seqrelid = r.oid
	LEFT JOIN pg_description d ON d.objoid = r.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = 0
	WHERE r.oid NOT IN (SELECT cs.sequence FROM reconcile.schema_column_sequences cs);
COMMENT ON VIEW reconcile.schema_sequences IS 'all sequences but those of identity and serial columns';
COMMENT ON COLUMN reconcile.schema_sequences.type IS 'type of its values';
COMMENT ON COLUMN reconcile.schema_sequences.start_value IS 'where it starts';
COMMENT ON COLUMN reconcile.schema_sequences.increment IS 'its step';
COMMENT ON COLUMN reconcile.schema_sequences.minimum IS 'its smallest value';
COMMENT ON COLUMN reconcile.schema_sequences.maximum IS 'its largest value';
COMMENT ON COLUMN reconcile.schema_sequences.cache IS 'how many values a session takes at once';
COMMENT ON COLUMN reconcile.schema_sequences.cycle IS 'whether it starts again at its end';
COMMENT ON COLUMN reconcile.schema_sequences.unlogged IS 'whether it is unlogged';
COMMENT ON COLUMN reconcile.schema_sequences.owned_by IS 'identity of the column that owns it';
COMMENT ON COLUMN reconcile.schema_sequences.oid IS 'its oid in pg_class';
GRANT SELECT ON reconcile.schema_sequences TO PUBLIC;

-- A multirange that was not named is called after its range: src/backend/catalog/pg_type.c.
CREATE FUNCTION reconcile.schema_range(range oid) RETURNS text[]
	LANGUAGE sql STABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		SELECT nullif(array_remove(ARRAY[
			'SUBTYPE_OPCLASS = ' || CASE WHEN NOT o.opcdefault THEN format('%I.%I', n.nspname, o.opcname) END,
			'COLLATION = ' || CASE WHEN g.rngcollation <> s.typcollation THEN g.rngcollation::regcollation::text END,
			'CANONICAL = ' || CASE WHEN g.rngcanonical <> 0 THEN g.rngcanonical::regproc::text END,
			'SUBTYPE_DIFF = ' || CASE WHEN g.rngsubdiff <> 0 THEN g.rngsubdiff::regproc::text END,
			'MULTIRANGE_TYPE_NAME = ' || CASE WHEN m.typnamespace <> t.typnamespace OR m.typname <> CASE
				WHEN position('range' IN t.typname) > 0 THEN regexp_replace(t.typname, 'range', 'multirange') ELSE t.typname || '_multirange' END
				THEN format('%I.%I', mn.nspname, m.typname) END], NULL), '{}')
		FROM pg_range g
		JOIN pg_type t ON t.oid = g.rngtypid
		JOIN pg_type s ON s.oid = g.rngsubtype
		JOIN pg_type m ON m.oid = g.rngmultitypid
		JOIN pg_namespace mn ON mn.oid = m.typnamespace
		JOIN pg_opclass o ON o.oid = g.rngsubopc
		JOIN pg_namespace n ON n.oid = o.opcnamespace
		WHERE g.rngtypid = range;
	END;
COMMENT ON FUNCTION reconcile.schema_range(oid) IS 'used by the schema views: what a range type has otherwise than usual';

CREATE VIEW reconcile.schema_types AS
	SELECT s.schema, t.typname::text COLLATE "C" AS name,
	       CASE t.typtype WHEN 'e' THEN 'enum' WHEN 'd' THEN 'domain' WHEN 'c' THEN 'composite' WHEN 'r' THEN 'range' ELSE 'base' END AS kind,
	       CASE WHEN t.typtype = 'e'
	            THEN ARRAY(SELECT e.enumlabel::text FROM pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder) END AS labels,
	       CASE t.typtype
	            WHEN 'c' THEN ARRAY(SELECT quote_ident(a.attname) || ' ' || reconcile.schema_type(a.atttypid, a.atttypmod)
	                                       || CASE WHEN a.attcollation NOT IN (0, at.typcollation)
	                                               THEN ' COLLATE ' || (SELECT format('%I.%I', cn.nspname, co.collname) FROM pg_collation co
	                                                    JOIN pg_namespace cn ON cn.oid = co.collnamespace WHERE co.oid = a.attcollation) ELSE '' END
	                                FROM pg_attribute a JOIN pg_type at ON at.oid = a.atttypid
	                                WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum)
	       END AS columns,
	       CASE t.typtype WHEN 'd' THEN reconcile.schema_type(t.typbasetype, t.typtypmod)
	                      WHEN 'r' THEN (SELECT reconcile.schema_type(g.rngsubtype, -1) FROM pg_range g WHERE g.rngtypid = t.oid) END AS base,
	       CASE WHEN t.typtype = 'r' THEN reconcile.schema_range(t.oid) END AS parameters,
	       t.typnotnull AS not_null,
	       CASE WHEN t.typtype = 'd' AND t.typdefaultbin IS NOT NULL
	            THEN reconcile.schema_default(t.typdefaultbin::pg_node_tree, t.typbasetype, t.typtypmod) END AS default_value,
	       CASE WHEN t.typtype = 'd' AND t.typcollation NOT IN (0, bt.typcollation)
	            THEN (SELECT format('%I.%I', cn.nspname, co.collname) FROM pg_collation co JOIN pg_namespace cn ON cn.oid = co.collnamespace
	                  WHERE co.oid = t.typcollation) END AS collation,
	       CASE WHEN t.typtype = 'd' THEN (
	           SELECT jsonb_object_agg(k.conname, reconcile.schema_definition('pg_constraint'::regclass, k.oid)
	                                              || CASE WHEN k.convalidated THEN '' ELSE ' NOT VALID' END)
	           FROM pg_constraint k WHERE k.contypid = t.oid AND k.contype = 'c') END AS checks,
	       CASE WHEN t.typtype = 'd' THEN (
	           SELECT jsonb_object_agg(k.conname, kd.description) FROM pg_constraint k
	           JOIN pg_description kd ON kd.objoid = k.oid AND kd.classoid = 'pg_constraint'::regclass
	           WHERE k.contypid = t.oid AND k.contype = 'c') END AS check_comments,
	       CASE WHEN t.typtype = 'c' THEN (
	           SELECT jsonb_object_agg(a.attname, ad.description) FROM pg_description ad
	           JOIN pg_attribute a ON a.attrelid = ad.objoid AND a.attnum = ad.objsubid
	           WHERE ad.objoid = t.typrelid AND ad.classoid = 'pg_class'::regclass AND ad.objsubid > 0) END AS column_comments,
	       pg_get_userbyid(t.typowner)::text AS owner, d.description AS comment,
	       s.object || '.' || quote_ident(t.typname) AS object, t.oid
	FROM pg_type t
	JOIN reconcile.schema_scope s ON s.oid = t.typnamespace
	LEFT JOIN pg_type bt ON bt.oid = t.typbasetype
	LEFT JOIN pg_class rc ON rc.oid = t.typrelid AND rc.relkind = 'c'
	LEFT JOIN pg_description d ON d.objoid = t.oid AND d.classoid = 'pg_type'::regclass
	WHERE t.typtype IN ('e', 'd', 'c', 'r', 'b') AND (t.typrelid = 0 OR rc.oid IS NOT NULL) AND t.typisdefined
	  AND NOT (t.typelem <> 0 AND EXISTS (SELECT FROM pg_type el WHERE el.oid = t.typelem AND el.typarray = t.oid))
	  AND t.oid NOT IN (SELECT m.objid FROM reconcile.schema_members m WHERE m.classid = 'pg_type'::regclass);
COMMENT ON VIEW reconcile.schema_types IS 'all enums, domains, composite, range and base types';
COMMENT ON COLUMN reconcile.schema_types.kind IS 'enum, domain, composite, range or base';
COMMENT ON COLUMN reconcile.schema_types.labels IS 'labels of an enum, in order';
COMMENT ON COLUMN reconcile.schema_types.columns IS 'columns of a composite type with their types, in order';
COMMENT ON COLUMN reconcile.schema_types.base IS 'the type under a domain, or of a range';
COMMENT ON COLUMN reconcile.schema_types.parameters IS 'what a range has otherwise than usual, as CREATE TYPE takes it';
COMMENT ON COLUMN reconcile.schema_types.not_null IS 'whether a domain is NOT NULL';
COMMENT ON COLUMN reconcile.schema_types.default_value IS 'default of a domain';
COMMENT ON COLUMN reconcile.schema_types.collation IS 'collation of a domain, if it is not its type''s';
COMMENT ON COLUMN reconcile.schema_types.checks IS 'constraints of a domain, by name';
COMMENT ON COLUMN reconcile.schema_types.check_comments IS 'comments of the constraints of a domain, by name';
COMMENT ON COLUMN reconcile.schema_types.column_comments IS 'comments of the columns of a composite type, by name';
COMMENT ON COLUMN reconcile.schema_types.oid IS 'its oid in pg_type';
GRANT SELECT ON reconcile.schema_types TO PUBLIC;

CREATE VIEW reconcile.schema_extensions AS
	SELECT e.extname::text COLLATE "C" AS name, e.extversion AS version, n.nspname::text COLLATE "C" AS schema, d.description AS comment,
	       quote_ident(e.extname) AS object, e.oid
	FROM pg_extension e
	JOIN pg_namespace n ON n.oid = e.extnamespace
	LEFT JOIN pg_description d ON d.objoid = e.oid AND d.classoid = 'pg_extension'::regclass
	WHERE e.extname <> 'pg_reconcile';
COMMENT ON VIEW reconcile.schema_extensions IS 'all extensions but this one';
COMMENT ON COLUMN reconcile.schema_extensions.version IS 'its version';
COMMENT ON COLUMN reconcile.schema_extensions.schema IS 'the schema its objects are in';
COMMENT ON COLUMN reconcile.schema_extensions.oid IS 'its oid in pg_extension';
GRANT SELECT ON reconcile.schema_extensions TO PUBLIC;
