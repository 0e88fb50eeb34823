-- What stands on a table: constraints, indexes, triggers, rules, policies, statistics.

-- NOT NULL is an attribute of the column: PostgreSQL 18 keeps constraints for it,
-- earlier ones do not.  What a partition or child inherited is its parent's.
CREATE VIEW reconcile.schema_constraints AS
	SELECT r.schema, r.name AS table_name, c.conname::text COLLATE "C" AS name,
	       CASE c.contype WHEN 'c' THEN 'check' WHEN 'f' THEN 'foreign key' WHEN 'p' THEN 'primary key' WHEN 'u' THEN 'unique'
	            ELSE 'exclude' END AS kind,
	       reconcile.schema_definition('pg_constraint'::regclass, c.oid) AS definition,
	       c.convalidated AS valid,
	       CASE WHEN i.reloptions IS NOT NULL AND c.contype <> 'x'   -- whose definition has them
	            THEN ARRAY(SELECT o FROM unnest(i.reloptions) AS o ORDER BY o COLLATE "C") END AS options,
	       ts.spcname::text AS tablespace, CASE WHEN c.contype IN ('p', 'u', 'x') THEN x.indexrelid IS NOT NULL END AS clustered,
	       d.description AS comment, xd.description AS index_comment,
	       quote_ident(c.conname) || ' on ' || r.object AS object, r.object AS parent, c.oid, r.oid AS relation
	FROM reconcile.schema_relations r
	JOIN pg_constraint c ON c.conrelid = r.oid
	-- Of the indexes only those that have what is not usual.
	LEFT JOIN pg_class i ON i.oid = c.conindid AND c.contype IN ('p', 'u', 'x') AND i.relkind IN ('i', 'I')
	     AND (i.reloptions IS NOT NULL OR i.reltablespace <> 0)
	LEFT JOIN pg_index x ON x.indexrelid = c.conindid AND c.contype IN ('p', 'u', 'x') AND x.indisclustered
	LEFT JOIN pg_tablespace ts ON ts.oid = i.reltablespace
	LEFT JOIN pg_description d ON d.objoid = c.oid AND d.classoid = 'pg_constraint'::regclass
	LEFT JOIN pg_description xd ON xd.objoid = c.conindid AND c.contype IN ('p', 'u', 'x') AND xd.classoid = 'pg_class'::regclass AND xd.objsubid = 0
	WHERE c.contype IN ('c', 'f', 'p', 'u', 'x') AND c.conparentid = 0 AND c.conislocal;
COMMENT ON VIEW reconcile.schema_constraints IS 'all constraints of tables, without those that were inherited and without NOT NULL, which is the column''s';
COMMENT ON COLUMN reconcile.schema_constraints.schema IS 'schema of the table';
COMMENT ON COLUMN reconcile.schema_constraints.table_name IS 'name of the table';
COMMENT ON COLUMN reconcile.schema_constraints.kind IS 'check, foreign key, primary key, unique or exclude';
COMMENT ON COLUMN reconcile.schema_constraints.definition IS 'its definition, without its name';
COMMENT ON COLUMN reconcile.schema_constraints.valid IS 'whether it holds for all rows, not only for new ones';
COMMENT ON COLUMN reconcile.schema_constraints.options IS 'storage parameters of its index';
COMMENT ON COLUMN reconcile.schema_constraints.tablespace IS 'tablespace of its index, NULL for the default of the database';
COMMENT ON COLUMN reconcile.schema_constraints.clustered IS 'whether the table was clustered by its index';
COMMENT ON COLUMN reconcile.schema_constraints.index_comment IS 'comment of its index';
COMMENT ON COLUMN reconcile.schema_constraints.parent IS 'identity of the table';
COMMENT ON COLUMN reconcile.schema_constraints.oid IS 'its oid in pg_constraint';
COMMENT ON COLUMN reconcile.schema_constraints.relation IS 'oid of the table in pg_class';
GRANT SELECT ON reconcile.schema_constraints TO PUBLIC;

CREATE VIEW reconcile.schema_indexes AS
	SELECT r.schema, r.name AS table_name, c.relname::text COLLATE "C" AS name, i.indisunique AS is_unique,
	       substr(def.text, 1 + length(concat('CREATE ', CASE WHEN i.indisunique THEN 'UNIQUE ' END, 'INDEX ', quote_ident(c.relname),
	                                          ' ON ', CASE WHEN c.relkind = 'I' THEN 'ONLY ' END, r.object, ' '))) AS definition,
	       i.indisvalid AND i.indisready AND i.indislive AS valid, i.indisclustered AS clustered,
	       ts.spcname::text AS tablespace,
	       st.targets AS statistics, d.description AS comment,
	       n.object || '.' || quote_ident(c.relname) AS object, r.object AS parent, c.oid, r.oid AS relation
	FROM reconcile.schema_relations r
	JOIN pg_index i ON i.indrelid = r.oid
	JOIN pg_class c ON c.oid = i.indexrelid
	JOIN reconcile.schema_scope n ON n.oid = c.relnamespace
	CROSS JOIN LATERAL (SELECT reconcile.schema_definition('pg_class'::regclass, c.oid)) AS def(text)
	LEFT JOIN pg_tablespace ts ON ts.oid = c.reltablespace
	-- for all indexes at once
	LEFT JOIN (SELECT a.attrelid, jsonb_object_agg(a.attnum, a.attstattarget) AS targets
	           FROM pg_attribute a WHERE a.attnum > 0 AND a.attstattarget >= 0 GROUP BY a.attrelid) AS st ON st.attrelid = c.oid AND i.indexprs IS NOT NULL
	LEFT JOIN pg_description d ON d.objoid = c.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = 0
	WHERE NOT c.relispartition
	  AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = c.oid AND k.contype IN ('p', 'u', 'x'));
COMMENT ON VIEW reconcile.schema_indexes IS 'all indexes that are not a constraint''s, without those that partitions have of their parents';
COMMENT ON COLUMN reconcile.schema_indexes.table_name IS 'name of its table';
COMMENT ON COLUMN reconcile.schema_indexes.is_unique IS 'whether it is unique';
COMMENT ON COLUMN reconcile.schema_indexes.definition IS 'method, columns, parameters and predicate';
COMMENT ON COLUMN reconcile.schema_indexes.valid IS 'whether queries use it: false after a failed CREATE INDEX CONCURRENTLY';
COMMENT ON COLUMN reconcile.schema_indexes.clustered IS 'whether its table was clustered by it';
COMMENT ON COLUMN reconcile.schema_indexes.tablespace IS 'its tablespace, NULL for the default of the database';
COMMENT ON COLUMN reconcile.schema_indexes.statistics IS 'statistics targets of its expressions, by their numbers, if some were chosen';
COMMENT ON COLUMN reconcile.schema_indexes.parent IS 'identity of its table';
COMMENT ON COLUMN reconcile.schema_indexes.oid IS 'its oid in pg_class';
COMMENT ON COLUMN reconcile.schema_indexes.relation IS 'oid of its table in pg_class';
GRANT SELECT ON reconcile.schema_indexes TO PUBLIC;

-- A trigger that a partition has of its parent is listed where it is enabled otherwise.
CREATE VIEW reconcile.schema_triggers AS
	SELECT r.schema, r.name AS table_name, t.tgname::text COLLATE "C" AS name,
	       reconcile.schema_definition('pg_trigger'::regclass, t.oid) AS definition,
	       CASE t.tgenabled WHEN 'O' THEN 'origin' WHEN 'D' THEN 'disabled' WHEN 'R' THEN 'replica' ELSE 'always' END AS enabled,
	       t.tgparentid <> 0 AS of_partition, NULL::text AS owner, d.description AS comment,
	       quote_ident(t.tgname) || ' on ' || r.object AS object, r.object AS parent, 'pg_trigger'::regclass::oid AS catalog, t.oid
	FROM reconcile.schema_relations r
	JOIN pg_trigger t ON t.tgrelid = r.oid
	LEFT JOIN pg_trigger pt ON pt.oid = t.tgparentid
	LEFT JOIN pg_description d ON d.objoid = t.oid AND d.classoid = 'pg_trigger'::regclass
	WHERE NOT t.tgisinternal AND (t.tgparentid = 0 OR t.tgenabled <> pt.tgenabled)
	UNION ALL
	SELECT s.schema, NULL, e.evtname::text, concat_ws(' ', 'CREATE EVENT TRIGGER', quote_ident(e.evtname), 'ON', e.evtevent,
	           'WHEN TAG IN (' || (SELECT string_agg(quote_literal(tag), ', ' ORDER BY tag) FROM unnest(e.evttags) AS tag) || ')',
	           'EXECUTE FUNCTION', s.object || '.' || quote_ident(p.proname) || '()'),
	       CASE e.evtenabled WHEN 'O' THEN 'origin' WHEN 'D' THEN 'disabled' WHEN 'R' THEN 'replica' ELSE 'always' END,
	       false, pg_get_userbyid(e.evtowner)::text, d.description, quote_ident(e.evtname), NULL, 'pg_event_trigger'::regclass::oid, e.oid
	FROM pg_event_trigger e
	JOIN pg_proc p ON p.oid = e.evtfoid
	JOIN reconcile.schema_scope s ON s.oid = p.pronamespace
	LEFT JOIN pg_description d ON d.objoid = e.oid AND d.classoid = 'pg_event_trigger'::regclass
	WHERE e.oid NOT IN (SELECT m.objid FROM reconcile.schema_members m WHERE m.classid = 'pg_event_trigger'::regclass);
COMMENT ON VIEW reconcile.schema_triggers IS 'all triggers that were created by hand, and event triggers; of a partition''s only those that are not enabled as its parent''s';
COMMENT ON COLUMN reconcile.schema_triggers.schema IS 'schema of the table, or of the function of an event trigger';
COMMENT ON COLUMN reconcile.schema_triggers.table_name IS 'name of the table, NULL for an event trigger';
COMMENT ON COLUMN reconcile.schema_triggers.enabled IS 'origin, replica, always or disabled';
COMMENT ON COLUMN reconcile.schema_triggers.of_partition IS 'whether it is a partition''s, which has it enabled otherwise than its parent';
COMMENT ON COLUMN reconcile.schema_triggers.owner IS 'owner of an event trigger';
COMMENT ON COLUMN reconcile.schema_triggers.parent IS 'identity of the table';
COMMENT ON COLUMN reconcile.schema_triggers.catalog IS 'pg_trigger or pg_event_trigger, as an oid';
COMMENT ON COLUMN reconcile.schema_triggers.oid IS 'its oid in that catalog';
GRANT SELECT ON reconcile.schema_triggers TO PUBLIC;

CREATE VIEW reconcile.schema_rules AS
	SELECT r.schema, r.name AS table_name, w.rulename::text COLLATE "C" AS name,
	       reconcile.schema_definition('pg_rewrite'::regclass, w.oid) AS definition,
	       CASE w.ev_enabled WHEN 'O' THEN 'origin' WHEN 'D' THEN 'disabled' WHEN 'R' THEN 'replica' ELSE 'always' END AS enabled,
	       d.description AS comment, quote_ident(w.rulename) || ' on ' || r.object AS object, r.object AS parent, w.oid
	FROM reconcile.schema_relations r
	JOIN pg_rewrite w ON w.ev_class = r.oid
	LEFT JOIN pg_description d ON d.objoid = w.oid AND d.classoid = 'pg_rewrite'::regclass
	WHERE NOT (w.ev_type = '1' AND r.relkind IN ('v', 'm'));
COMMENT ON VIEW reconcile.schema_rules IS 'all rules but those that make a view';
COMMENT ON COLUMN reconcile.schema_rules.schema IS 'schema of the table or view';
COMMENT ON COLUMN reconcile.schema_rules.table_name IS 'name of the table or view';
COMMENT ON COLUMN reconcile.schema_rules.enabled IS 'origin, replica, always or disabled';
COMMENT ON COLUMN reconcile.schema_rules.parent IS 'identity of the table or view';
COMMENT ON COLUMN reconcile.schema_rules.oid IS 'its oid in pg_rewrite';
GRANT SELECT ON reconcile.schema_rules TO PUBLIC;

CREATE VIEW reconcile.schema_statistics AS
	SELECT s.schema, x.stxname::text COLLATE "C" AS name, reconcile.schema_definition('pg_statistic_ext'::regclass, x.oid) AS definition,
	       CASE WHEN x.stxstattarget >= 0 THEN x.stxstattarget::integer END AS target,
	       pg_get_userbyid(x.stxowner)::text AS owner, d.description AS comment,
	       s.object || '.' || quote_ident(x.stxname) AS object, r.object AS parent, x.oid
	FROM pg_statistic_ext x
	JOIN reconcile.schema_scope s ON s.oid = x.stxnamespace
	JOIN reconcile.schema_relations r ON r.oid = x.stxrelid
	LEFT JOIN pg_description d ON d.objoid = x.oid AND d.classoid = 'pg_statistic_ext'::regclass;
COMMENT ON VIEW reconcile.schema_statistics IS 'all extended statistics';
COMMENT ON COLUMN reconcile.schema_statistics.target IS 'its statistics target, if one was chosen';
COMMENT ON COLUMN reconcile.schema_statistics.parent IS 'identity of its table';
COMMENT ON COLUMN reconcile.schema_statistics.oid IS 'its oid in pg_statistic_ext';
GRANT SELECT ON reconcile.schema_statistics TO PUBLIC;

CREATE VIEW reconcile.schema_policies AS
	SELECT r.schema, r.name AS table_name, p.polname::text COLLATE "C" AS name,
	       CASE p.polcmd WHEN 'r' THEN 'select' WHEN 'a' THEN 'insert' WHEN 'w' THEN 'update' WHEN 'd' THEN 'delete' ELSE 'all' END AS command,
	       p.polpermissive AS permissive,
	       ARRAY(SELECT CASE role WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(role)) END COLLATE "C"
	             FROM unnest(p.polroles) AS role ORDER BY 1) AS roles,
	       reconcile.schema_expression(p.polqual, p.polrelid) AS using_expression,
	       reconcile.schema_expression(p.polwithcheck, p.polrelid) AS check_expression,
	       d.description AS comment, quote_ident(p.polname) || ' on ' || r.object AS object, r.object AS parent, p.oid
	FROM reconcile.schema_relations r
	JOIN pg_policy p ON p.polrelid = r.oid
	LEFT JOIN pg_description d ON d.objoid = p.oid AND d.classoid = 'pg_policy'::regclass;
COMMENT ON VIEW reconcile.schema_policies IS 'all row-level security policies';
COMMENT ON COLUMN reconcile.schema_policies.schema IS 'schema of the table';
COMMENT ON COLUMN reconcile.schema_policies.table_name IS 'name of the table';
COMMENT ON COLUMN reconcile.schema_policies.command IS 'select, insert, update, delete or all';
COMMENT ON COLUMN reconcile.schema_policies.permissive IS 'whether it permits, or restricts what others permit';
COMMENT ON COLUMN reconcile.schema_policies.roles IS 'the roles it is for';
COMMENT ON COLUMN reconcile.schema_policies.using_expression IS 'which rows are seen';
COMMENT ON COLUMN reconcile.schema_policies.check_expression IS 'which rows may be written';
COMMENT ON COLUMN reconcile.schema_policies.parent IS 'identity of the table';
COMMENT ON COLUMN reconcile.schema_policies.oid IS 'its oid in pg_policy';
GRANT SELECT ON reconcile.schema_policies TO PUBLIC;
