-- The schema of a database as rows: what audits compare and baselines record.
--
-- How the parts work together (60 to 69):
--
--   60  views reconcile.schema_<kind>: typed columns, for people and for
--       schema_model(), which gives all of them in one shape:
--           category    schema, table, column, constraint, index, trigger, rule,
--                       function, view, sequence, type, statistics, extension,
--                       policy, privilege
--           object      the identity that pg_identify_object() prints; for a
--                       privilege "grantee on identity"
--           parent      identity of what it is a part of: the table of a column,
--                       constraint, index, trigger, rule, policy or statistics,
--                       the object of a privilege; else NULL.  A part goes and
--                       comes with its parent
--           attributes  one JSON key an attribute; what is null, false or the
--                       usual default is left out
--           classid, objid, objsubid    as pg_depend has them
--   62  reconcile.baseline, baseline_object: the same rows, recorded; read them by
--       the views reconcile.baselines and baseline_objects, which everybody may.
--       requires = identities of what an object needs to be created
--   63  capture_baseline(), export_baseline(), import_baseline() and the like
--   64  reconcile.schema_checks(schemas text[]): what needs no baseline
--   66  reconcile.migration_findings(baseline text, schemas text[]), and
--       reconcile.migration_history(schemas text[]) -> (object, attributes), which
--       capture_baseline() records under category migration
--   67  reconcile.schema_fix(...): the statements that mend one difference
--   68  reconcile.schema_differences(expected text, actual text, schemas text[]):
--       what one baseline (NULL: the live catalog) has and another one has not
--       audit_schema(): the findings of 64, 66 and 68 together
--   69  fix_schema(), fix_schema_online(): order and run the statements
--
-- All sources return SETOF reconcile.schema_finding.  Its first nine columns are
-- those of audit_schema(); the others are for fix_schema():
--           attribute        what differs, NULL for the object as a whole
--           part_of          identity of the missing object that this missing
--                            object is a part of, else NULL.  audit_schema() shows
--                            wholes only, with the fixes of the parts appended;
--                            fix_schema() takes each part as a step of its own
--           needs            what allow must name for fix_schema() to run fix:
--                            drop:<object>, privileges or owner; NULL: nothing
--           expected_object  all attributes as they should be, NULL for extra
--           actual_object    all attributes as they are, NULL for missing
--           requires         identities that must exist before fix can run
-- fix is one or more statements, each ended by a semicolon, one a line where
-- they are short; NULL when there is none.  It is fit to run in a transaction:
-- how to do the same online is for fix_schema_online() to derive from category,
-- kind, attribute and the two objects.

CREATE TYPE reconcile.schema_finding AS (
	severity        text,
	category        text,
	kind            text,
	object          text,
	expected        text,
	actual          text,
	reason          text,
	hazard          text,
	fix             text,
	attribute       text,
	part_of         text,
	needs           text,
	expected_object jsonb,
	actual_object   jsonb,
	requires        text[]
);
COMMENT ON TYPE reconcile.schema_finding IS 'one finding of an audit of the schema, with what its fix needs to know';

-- ------------------------------------------------------------------ texts
-- What the server prints depends on the search_path.  These print the same under
-- any, and settle what would print differently after a dump and restore:
-- src/schema/canonical.hpp.

CREATE FUNCTION reconcile.schema_definition(catalog oid, object oid) RETURNS text
	LANGUAGE c STABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'reconcile_schema_definition';
COMMENT ON FUNCTION reconcile.schema_definition(oid, oid) IS
	'used by the schema views: definition of a constraint, index, view, trigger, rule or statistics, or the key of a partitioned table';

CREATE FUNCTION reconcile.schema_expression(expression pg_node_tree, relation oid) RETURNS text
	LANGUAGE c STABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'reconcile_schema_expression';
COMMENT ON FUNCTION reconcile.schema_expression(pg_node_tree, oid) IS
	'used by the schema views: an expression over the columns of a relation';

CREATE FUNCTION reconcile.schema_default(expression pg_node_tree, relation oid, type oid, typmod integer) RETURNS text
	LANGUAGE c STABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'reconcile_schema_default';
COMMENT ON FUNCTION reconcile.schema_default(pg_node_tree, oid, oid, integer) IS
	'used by the schema views: the default or generating expression of a column, numbers as the column would hold them';

CREATE FUNCTION reconcile.schema_type(type oid, typmod integer) RETURNS text
	LANGUAGE c STABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'reconcile_schema_type';
COMMENT ON FUNCTION reconcile.schema_type(oid, integer) IS 'used by the schema views: the name of a type';

CREATE FUNCTION reconcile.schema_function(function oid) RETURNS text[]
	LANGUAGE c STABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'reconcile_schema_function';
COMMENT ON FUNCTION reconcile.schema_function(oid) IS
	'used by the schema views: arguments, result and SQL body of a function';

-- ------------------------------------------------------------------ what is audited

CREATE VIEW reconcile.schema_scope AS
	SELECT n.oid, n.nspname::text COLLATE "C" AS schema, quote_ident(n.nspname) AS object
	FROM pg_namespace n
	WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'reconcile');
COMMENT ON VIEW reconcile.schema_scope IS 'used by audits: the schemas whose objects are audited, which are all but those of PostgreSQL and of this extension';
COMMENT ON COLUMN reconcile.schema_scope.oid IS 'its oid in pg_namespace';
COMMENT ON COLUMN reconcile.schema_scope.schema IS 'its name';
COMMENT ON COLUMN reconcile.schema_scope.object IS 'its identity';
GRANT SELECT ON reconcile.schema_scope TO PUBLIC;

-- An object is a member of an extension by catalog and oid: an oid alone may be
-- another object's in another catalog.
CREATE VIEW reconcile.schema_members AS
	SELECT d.classid, d.objid FROM pg_depend d
	WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e';
COMMENT ON VIEW reconcile.schema_members IS 'used by audits: what extensions own, which is never audited by itself';
COMMENT ON COLUMN reconcile.schema_members.classid IS 'catalog of the member';
COMMENT ON COLUMN reconcile.schema_members.objid IS 'oid of the member';
GRANT SELECT ON reconcile.schema_members TO PUBLIC;

CREATE VIEW reconcile.schema_schemas AS
	SELECT s.schema, pg_get_userbyid(n.nspowner)::text AS owner, d.description AS comment, s.object, s.oid
	FROM reconcile.schema_scope s
	JOIN pg_namespace n ON n.oid = s.oid
	LEFT JOIN pg_description d ON d.objoid = s.oid AND d.classoid = 'pg_namespace'::regclass
	WHERE NOT EXISTS (SELECT FROM reconcile.schema_members m WHERE m.classid = 'pg_namespace'::regclass AND m.objid = s.oid);
COMMENT ON VIEW reconcile.schema_schemas IS 'all schemas';
COMMENT ON COLUMN reconcile.schema_schemas.schema IS 'its name';
COMMENT ON COLUMN reconcile.schema_schemas.owner IS 'its owner';
COMMENT ON COLUMN reconcile.schema_schemas.comment IS 'its comment';
COMMENT ON COLUMN reconcile.schema_schemas.object IS 'its identity';
COMMENT ON COLUMN reconcile.schema_schemas.oid IS 'its oid in pg_namespace';
GRANT SELECT ON reconcile.schema_schemas TO PUBLIC;

-- The relations that own columns, constraints and the like.
CREATE VIEW reconcile.schema_relations AS
	SELECT s.schema, c.relname::text COLLATE "C" AS name, c.relkind, c.relispartition, s.object || '.' || quote_ident(c.relname) AS object, c.oid
	FROM pg_class c JOIN reconcile.schema_scope s ON s.oid = c.relnamespace
	WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S') AND c.relpersistence <> 't'
	  AND NOT EXISTS (SELECT FROM reconcile.schema_members m WHERE m.classid = 'pg_class'::regclass AND m.objid = c.oid);
COMMENT ON VIEW reconcile.schema_relations IS 'used by audits: all tables, views and sequences that are audited';
COMMENT ON COLUMN reconcile.schema_relations.schema IS 'its schema';
COMMENT ON COLUMN reconcile.schema_relations.name IS 'its name';
COMMENT ON COLUMN reconcile.schema_relations.relkind IS 'its kind, as pg_class has it';
COMMENT ON COLUMN reconcile.schema_relations.relispartition IS 'whether it is a partition';
COMMENT ON COLUMN reconcile.schema_relations.object IS 'its identity';
COMMENT ON COLUMN reconcile.schema_relations.oid IS 'its oid in pg_class';
GRANT SELECT ON reconcile.schema_relations TO PUBLIC;

CREATE VIEW reconcile.schema_tables AS
	SELECT r.schema, r.name,
	       CASE r.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table' ELSE 'foreign table' END AS kind,
	       pg_get_userbyid(c.relowner)::text AS owner,
	       c.relpersistence = 'u' AS unlogged,
	       c.relrowsecurity AS row_security, c.relforcerowsecurity AS force_row_security,
	       CASE WHEN r.relkind = 'p' THEN reconcile.schema_definition('pg_class'::regclass, c.oid) END AS partition_key,
	       CASE WHEN c.relispartition THEN parents.list[1] END AS partition_of,
	       CASE WHEN c.relispartition THEN pg_get_expr(c.relpartbound, c.oid) END AS partition_bound,
	       CASE WHEN NOT c.relispartition THEN parents.list END AS inherits,
	       CASE WHEN c.reloftype <> 0 THEN reconcile.schema_type(c.reloftype, -1) END AS of_type,
	       am.amname::text AS access_method, ts.spcname::text AS tablespace,
	       CASE WHEN c.reloptions IS NOT NULL THEN ARRAY(SELECT o FROM unnest(c.reloptions) AS o ORDER BY o COLLATE "C") END AS options,
	       CASE c.relreplident WHEN 'n' THEN 'nothing' WHEN 'f' THEN 'full'
	            WHEN 'i' THEN (SELECT 'index ' || quote_ident(ic.relname) FROM pg_index i JOIN pg_class ic ON ic.oid = i.indexrelid
	                           WHERE i.indrelid = c.oid AND i.indisreplident)
	            ELSE 'default' END AS replica_identity,
	       fs.srvname::text AS server,
	       CASE WHEN f.ftoptions IS NOT NULL THEN ARRAY(SELECT o FROM unnest(f.ftoptions) AS o ORDER BY o COLLATE "C") END AS foreign_options,
	       d.description AS comment, r.object, r.oid
	FROM reconcile.schema_relations r
	JOIN pg_class c ON c.oid = r.oid
	LEFT JOIN pg_am am ON am.oid = c.relam
	LEFT JOIN pg_tablespace ts ON ts.oid = c.reltablespace
	LEFT JOIN (SELECT i.inhrelid, array_agg(format('%I.%I', pn.nspname, p.relname) ORDER BY i.inhseqno) AS list
	           FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent JOIN pg_namespace pn ON pn.oid = p.relnamespace
	           WHERE p.relkind IN ('r', 'p', 'f') GROUP BY i.inhrelid) AS parents ON parents.inhrelid = c.oid
	LEFT JOIN pg_foreign_table f ON f.ftrelid = c.oid
	LEFT JOIN pg_foreign_server fs ON fs.oid = f.ftserver
	LEFT JOIN pg_description d ON d.objoid = c.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = 0
	WHERE r.relkind IN ('r', 'p', 'f');
COMMENT ON VIEW reconcile.schema_tables IS 'all tables, partitioned and foreign ones included';
COMMENT ON COLUMN reconcile.schema_tables.schema IS 'its schema';
COMMENT ON COLUMN reconcile.schema_tables.name IS 'its name';
COMMENT ON COLUMN reconcile.schema_tables.kind IS 'table, partitioned table or foreign table';
COMMENT ON COLUMN reconcile.schema_tables.owner IS 'its owner';
COMMENT ON COLUMN reconcile.schema_tables.unlogged IS 'whether it is unlogged';
COMMENT ON COLUMN reconcile.schema_tables.row_security IS 'whether row-level security is enabled';
COMMENT ON COLUMN reconcile.schema_tables.force_row_security IS 'whether it is forced upon the owner';
COMMENT ON COLUMN reconcile.schema_tables.partition_key IS 'the partitioning of a partitioned table';
COMMENT ON COLUMN reconcile.schema_tables.partition_of IS 'identity of the table it is a partition of';
COMMENT ON COLUMN reconcile.schema_tables.partition_bound IS 'the bound of a partition';
COMMENT ON COLUMN reconcile.schema_tables.inherits IS 'identities of the tables it inherits from, in order';
COMMENT ON COLUMN reconcile.schema_tables.of_type IS 'the composite type of a typed table';
COMMENT ON COLUMN reconcile.schema_tables.access_method IS 'its table access method';
COMMENT ON COLUMN reconcile.schema_tables.tablespace IS 'its tablespace, NULL for the default of the database';
COMMENT ON COLUMN reconcile.schema_tables.options IS 'its storage parameters';
COMMENT ON COLUMN reconcile.schema_tables.replica_identity IS 'default, nothing, full or the index';
COMMENT ON COLUMN reconcile.schema_tables.server IS 'the server of a foreign table';
COMMENT ON COLUMN reconcile.schema_tables.foreign_options IS 'the options of a foreign table';
COMMENT ON COLUMN reconcile.schema_tables.comment IS 'its comment';
COMMENT ON COLUMN reconcile.schema_tables.object IS 'its identity';
COMMENT ON COLUMN reconcile.schema_tables.oid IS 'its oid in pg_class';
GRANT SELECT ON reconcile.schema_tables TO PUBLIC;

-- A sequence that a column brings with it: identity, or serial, which is a
-- default of nextval() of a sequence that the column owns, however it was written.
CREATE VIEW reconcile.schema_column_sequences AS
	SELECT d.refobjid AS relation, d.refobjsubid AS attnum, d.objid AS sequence,
	       CASE d.deptype WHEN 'i' THEN CASE a.attidentity WHEN 'a' THEN 'always' ELSE 'by default' END ELSE 'serial' END AS kind,
	       concat_ws(' ',
	           CASE WHEN s.seqstart <> CASE WHEN s.seqincrement > 0 THEN s.seqmin ELSE s.seqmax END THEN 'start ' || s.seqstart END,
	           CASE WHEN s.seqincrement <> 1 THEN 'increment ' || s.seqincrement END,
	           CASE WHEN s.seqmin <> CASE WHEN s.seqincrement > 0 THEN 1 ELSE lowest END THEN 'minvalue ' || s.seqmin END,
	           CASE WHEN s.seqmax <> CASE WHEN s.seqincrement > 0 THEN highest ELSE -1 END THEN 'maxvalue ' || s.seqmax END,
	           CASE WHEN s.seqcache <> 1 THEN 'cache ' || s.seqcache END,
	           CASE WHEN s.seqcycle THEN 'cycle' END) AS options
	FROM pg_depend d
	JOIN pg_sequence s ON s.seqrelid = d.objid
	JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
	CROSS JOIN LATERAL (SELECT CASE s.seqtypid WHEN 'int2'::regtype THEN 32767 WHEN 'int4'::regtype THEN 2147483647
	                                ELSE 9223372036854775807 END,
	                           CASE s.seqtypid WHEN 'int2'::regtype THEN -32768 WHEN 'int4'::regtype THEN -2147483648
	                                ELSE -9223372036854775808 END) AS limits(highest, lowest)
	WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.objsubid = 0 AND d.refobjsubid > 0
	  AND (d.deptype = 'i' OR d.deptype = 'a' AND a.atttypid = s.seqtypid AND EXISTS (
	        SELECT FROM pg_attrdef def JOIN pg_class sc ON sc.oid = d.objid JOIN pg_namespace sn ON sn.oid = sc.relnamespace
	        WHERE def.adrelid = d.refobjid AND def.adnum = d.refobjsubid
	          AND reconcile.schema_default(def.adbin, def.adrelid, a.atttypid, a.atttypmod)
	              = format('nextval(%L::regclass)', format('%I.%I', sn.nspname, sc.relname))));
COMMENT ON VIEW reconcile.schema_column_sequences IS 'used by audits: the sequences that belong to a column and are audited as a part of it';
COMMENT ON COLUMN reconcile.schema_column_sequences.relation IS 'the table';
COMMENT ON COLUMN reconcile.schema_column_sequences.attnum IS 'number of the column';
COMMENT ON COLUMN reconcile.schema_column_sequences.sequence IS 'oid of the sequence';
COMMENT ON COLUMN reconcile.schema_column_sequences.kind IS 'always or by default for an identity column, serial for a default of nextval()';
COMMENT ON COLUMN reconcile.schema_column_sequences.options IS 'what differs from the defaults of a sequence, as words';
GRANT SELECT ON reconcile.schema_column_sequences TO PUBLIC;

-- A partition has the columns of its parent, and is listed with those only that
-- differ in what a partition may have of its own.
CREATE VIEW reconcile.schema_columns AS
	SELECT r.schema, r.name AS table_name, a.attname::text COLLATE "C" AS name, a.attnum AS position,
	       reconcile.schema_type(a.atttypid, a.atttypmod) AS type,
	       a.attnotnull AS not_null,
	       CASE WHEN q.kind IS DISTINCT FROM 'serial' AND a.atthasdef AND a.attgenerated = ''
	            THEN reconcile.schema_default(e.adbin, e.adrelid, a.atttypid, a.atttypmod) END AS default_value,
	       CASE a.attgenerated WHEN '' THEN NULL
	            ELSE reconcile.schema_expression(e.adbin, e.adrelid) || CASE a.attgenerated WHEN 's' THEN ' stored' ELSE ' virtual' END
	       END AS generated,
	       CASE WHEN q.options <> '' THEN q.kind || ' (' || q.options || ')' ELSE q.kind END AS identity,
	       CASE WHEN a.attcollation <> 0 AND a.attcollation <> t.typcollation
	            THEN (SELECT format('%I.%I', cn.nspname, co.collname) FROM pg_collation co JOIN pg_namespace cn ON cn.oid = co.collnamespace
	                  WHERE co.oid = a.attcollation) END AS collation,
	       CASE WHEN a.attstorage <> t.typstorage
	            THEN CASE a.attstorage WHEN 'p' THEN 'plain' WHEN 'e' THEN 'external' WHEN 'm' THEN 'main' ELSE 'extended' END END AS storage,
	       CASE a.attcompression WHEN 'p' THEN 'pglz' WHEN 'l' THEN 'lz4' END AS compression,
	       CASE WHEN a.attstattarget >= 0 THEN a.attstattarget::integer END AS statistics,
	       CASE WHEN a.attoptions IS NOT NULL   -- only what ALTER TABLE can set: some servers keep marks of their own here
	            THEN nullif(ARRAY(SELECT o FROM unnest(a.attoptions) AS o WHERE o LIKE 'n\_distinct%' ORDER BY o COLLATE "C"), '{}')
	       END AS options,
	       CASE WHEN a.attfdwoptions IS NOT NULL THEN ARRAY(SELECT o FROM unnest(a.attfdwoptions) AS o ORDER BY o COLLATE "C") END AS foreign_options,
	       d.description AS comment, r.relispartition AS of_partition,
	       r.object || '.' || quote_ident(a.attname) AS object, r.object AS parent, r.oid AS relation
	FROM reconcile.schema_relations r
	JOIN pg_attribute a ON a.attrelid = r.oid
	JOIN pg_type t ON t.oid = a.atttypid
	LEFT JOIN pg_attrdef e ON e.adrelid = r.oid AND e.adnum = a.attnum
	LEFT JOIN reconcile.schema_column_sequences q ON q.relation = r.oid AND q.attnum = a.attnum
	LEFT JOIN pg_description d ON d.objoid = r.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = a.attnum
	WHERE r.relkind IN ('r', 'p', 'f') AND a.attnum > 0 AND NOT a.attisdropped
	  AND (NOT r.relispartition OR a.attislocal OR d.description IS NOT NULL OR NOT EXISTS (
	        SELECT FROM pg_inherits i
	        JOIN pg_attribute pa ON pa.attrelid = i.inhparent AND pa.attname = a.attname
	        LEFT JOIN pg_attrdef pe ON pe.adrelid = pa.attrelid AND pe.adnum = pa.attnum
	        WHERE i.inhrelid = r.oid AND (pa.attnotnull, pa.attstorage, pa.attcompression, pa.attstattarget)
	              IS NOT DISTINCT FROM (a.attnotnull, a.attstorage, a.attcompression, a.attstattarget)
	          AND reconcile.schema_expression(pe.adbin, pe.adrelid) IS NOT DISTINCT FROM reconcile.schema_expression(e.adbin, e.adrelid)));
COMMENT ON VIEW reconcile.schema_columns IS 'all columns of tables; of a partition only those that differ from its parent''s';
COMMENT ON COLUMN reconcile.schema_columns.schema IS 'schema of the table';
COMMENT ON COLUMN reconcile.schema_columns.table_name IS 'name of the table';
COMMENT ON COLUMN reconcile.schema_columns.name IS 'its name';
COMMENT ON COLUMN reconcile.schema_columns.position IS 'its number in the table, which grows when columns are dropped';
COMMENT ON COLUMN reconcile.schema_columns.type IS 'its type';
COMMENT ON COLUMN reconcile.schema_columns.not_null IS 'whether it is NOT NULL';
COMMENT ON COLUMN reconcile.schema_columns.default_value IS 'its default';
COMMENT ON COLUMN reconcile.schema_columns.generated IS 'its generating expression, and stored or virtual';
COMMENT ON COLUMN reconcile.schema_columns.identity IS 'always or by default for an identity column, serial for a default of nextval() of a sequence it owns';
COMMENT ON COLUMN reconcile.schema_columns.collation IS 'its collation, if it is not the type''s';
COMMENT ON COLUMN reconcile.schema_columns.storage IS 'its storage, if it is not the type''s';
COMMENT ON COLUMN reconcile.schema_columns.compression IS 'its compression method, if one was chosen';
COMMENT ON COLUMN reconcile.schema_columns.statistics IS 'its statistics target, if one was chosen';
COMMENT ON COLUMN reconcile.schema_columns.options IS 'its options';
COMMENT ON COLUMN reconcile.schema_columns.foreign_options IS 'its options for a foreign data wrapper';
COMMENT ON COLUMN reconcile.schema_columns.comment IS 'its comment';
COMMENT ON COLUMN reconcile.schema_columns.of_partition IS 'whether it is a partition''s, which has it otherwise than its parent';
COMMENT ON COLUMN reconcile.schema_columns.object IS 'its identity';
COMMENT ON COLUMN reconcile.schema_columns.parent IS 'identity of the table';
COMMENT ON COLUMN reconcile.schema_columns.relation IS 'oid of the table in pg_class';
GRANT SELECT ON reconcile.schema_columns TO PUBLIC;

-- NOT NULL is an attribute of the column: PostgreSQL 18 keeps constraints for it,
-- earlier ones do not.  What a partition or child inherited is its parent's.
CREATE VIEW reconcile.schema_constraints AS
	SELECT r.schema, r.name AS table_name, c.conname::text COLLATE "C" AS name,
	       CASE c.contype WHEN 'c' THEN 'check' WHEN 'f' THEN 'foreign key' WHEN 'p' THEN 'primary key' WHEN 'u' THEN 'unique'
	            ELSE 'exclude' END AS kind,
	       reconcile.schema_definition('pg_constraint'::regclass, c.oid) AS definition,
	       c.convalidated AS valid,
	       CASE WHEN i.reloptions IS NOT NULL THEN ARRAY(SELECT o FROM unnest(i.reloptions) AS o ORDER BY o COLLATE "C") END AS options,
	       ts.spcname::text AS tablespace, x.indisclustered AS clustered,
	       d.description AS comment,
	       quote_ident(c.conname) || ' on ' || r.object AS object, r.object AS parent, c.oid, r.oid AS relation
	FROM reconcile.schema_relations r
	JOIN pg_constraint c ON c.conrelid = r.oid
	LEFT JOIN pg_class i ON i.oid = c.conindid AND c.contype IN ('p', 'u', 'x')
	LEFT JOIN pg_index x ON x.indexrelid = i.oid
	LEFT JOIN pg_tablespace ts ON ts.oid = i.reltablespace
	LEFT JOIN pg_description d ON d.objoid = c.oid AND d.classoid = 'pg_constraint'::regclass
	WHERE c.contype IN ('c', 'f', 'p', 'u', 'x') AND c.conparentid = 0 AND c.conislocal;
COMMENT ON VIEW reconcile.schema_constraints IS 'all constraints of tables, without those that were inherited and without NOT NULL, which is the column''s';
COMMENT ON COLUMN reconcile.schema_constraints.schema IS 'schema of the table';
COMMENT ON COLUMN reconcile.schema_constraints.table_name IS 'name of the table';
COMMENT ON COLUMN reconcile.schema_constraints.name IS 'its name';
COMMENT ON COLUMN reconcile.schema_constraints.kind IS 'check, foreign key, primary key, unique or exclude';
COMMENT ON COLUMN reconcile.schema_constraints.definition IS 'its definition, without its name';
COMMENT ON COLUMN reconcile.schema_constraints.valid IS 'whether it holds for all rows, not only for new ones';
COMMENT ON COLUMN reconcile.schema_constraints.options IS 'storage parameters of its index';
COMMENT ON COLUMN reconcile.schema_constraints.tablespace IS 'tablespace of its index, NULL for the default of the database';
COMMENT ON COLUMN reconcile.schema_constraints.clustered IS 'whether the table was clustered by its index';
COMMENT ON COLUMN reconcile.schema_constraints.comment IS 'its comment';
COMMENT ON COLUMN reconcile.schema_constraints.object IS 'its identity';
COMMENT ON COLUMN reconcile.schema_constraints.parent IS 'identity of the table';
COMMENT ON COLUMN reconcile.schema_constraints.oid IS 'its oid in pg_constraint';
COMMENT ON COLUMN reconcile.schema_constraints.relation IS 'oid of the table in pg_class';
GRANT SELECT ON reconcile.schema_constraints TO PUBLIC;

CREATE VIEW reconcile.schema_indexes AS
	SELECT r.schema, r.name AS table_name, c.relname::text COLLATE "C" AS name, i.indisunique AS is_unique,
	       substr(def.text, 1 + length(concat('CREATE ', CASE WHEN i.indisunique THEN 'UNIQUE ' END, 'INDEX ', quote_ident(c.relname),
	                                          ' ON ', CASE WHEN c.relkind = 'I' THEN 'ONLY ' END, r.object, ' '))) AS definition,
	       i.indisvalid AND i.indisready AND i.indislive AS valid, i.indisclustered AS clustered,
	       ts.spcname::text AS tablespace, d.description AS comment,
	       n.object || '.' || quote_ident(c.relname) AS object, r.object AS parent, c.oid, r.oid AS relation
	FROM reconcile.schema_relations r
	JOIN pg_index i ON i.indrelid = r.oid
	JOIN pg_class c ON c.oid = i.indexrelid
	JOIN reconcile.schema_scope n ON n.oid = c.relnamespace
	CROSS JOIN LATERAL (SELECT reconcile.schema_definition('pg_class'::regclass, c.oid)) AS def(text)
	LEFT JOIN pg_tablespace ts ON ts.oid = c.reltablespace
	LEFT JOIN pg_description d ON d.objoid = c.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = 0
	WHERE NOT c.relispartition
	  AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = c.oid AND k.contype IN ('p', 'u', 'x'));
COMMENT ON VIEW reconcile.schema_indexes IS 'all indexes that are not a constraint''s, without those that partitions have of their parents';
COMMENT ON COLUMN reconcile.schema_indexes.schema IS 'its schema';
COMMENT ON COLUMN reconcile.schema_indexes.table_name IS 'name of its table';
COMMENT ON COLUMN reconcile.schema_indexes.name IS 'its name';
COMMENT ON COLUMN reconcile.schema_indexes.is_unique IS 'whether it is unique';
COMMENT ON COLUMN reconcile.schema_indexes.definition IS 'method, columns, parameters and predicate';
COMMENT ON COLUMN reconcile.schema_indexes.valid IS 'whether queries use it: false after a failed CREATE INDEX CONCURRENTLY';
COMMENT ON COLUMN reconcile.schema_indexes.clustered IS 'whether its table was clustered by it';
COMMENT ON COLUMN reconcile.schema_indexes.tablespace IS 'its tablespace, NULL for the default of the database';
COMMENT ON COLUMN reconcile.schema_indexes.comment IS 'its comment';
COMMENT ON COLUMN reconcile.schema_indexes.object IS 'its identity';
COMMENT ON COLUMN reconcile.schema_indexes.parent IS 'identity of its table';
COMMENT ON COLUMN reconcile.schema_indexes.oid IS 'its oid in pg_class';
COMMENT ON COLUMN reconcile.schema_indexes.relation IS 'oid of its table in pg_class';
GRANT SELECT ON reconcile.schema_indexes TO PUBLIC;

CREATE VIEW reconcile.schema_triggers AS
	SELECT r.schema, r.name AS table_name, t.tgname::text COLLATE "C" AS name,
	       reconcile.schema_definition('pg_trigger'::regclass, t.oid) AS definition,
	       CASE t.tgenabled WHEN 'O' THEN 'origin' WHEN 'D' THEN 'disabled' WHEN 'R' THEN 'replica' ELSE 'always' END AS enabled,
	       NULL::text AS owner, d.description AS comment,
	       quote_ident(t.tgname) || ' on ' || r.object AS object, r.object AS parent, 'pg_trigger'::regclass::oid AS catalog, t.oid
	FROM reconcile.schema_relations r
	JOIN pg_trigger t ON t.tgrelid = r.oid
	LEFT JOIN pg_description d ON d.objoid = t.oid AND d.classoid = 'pg_trigger'::regclass
	WHERE NOT t.tgisinternal AND t.tgparentid = 0
	UNION ALL
	SELECT s.schema, NULL, e.evtname::text, concat_ws(' ', 'CREATE EVENT TRIGGER', quote_ident(e.evtname), 'ON', e.evtevent,
	           'WHEN TAG IN (' || (SELECT string_agg(quote_literal(tag), ', ' ORDER BY tag) FROM unnest(e.evttags) AS tag) || ')',
	           'EXECUTE FUNCTION', s.object || '.' || quote_ident(p.proname) || '()'),
	       CASE e.evtenabled WHEN 'O' THEN 'origin' WHEN 'D' THEN 'disabled' WHEN 'R' THEN 'replica' ELSE 'always' END,
	       pg_get_userbyid(e.evtowner)::text, d.description, quote_ident(e.evtname), NULL, 'pg_event_trigger'::regclass::oid, e.oid
	FROM pg_event_trigger e
	JOIN pg_proc p ON p.oid = e.evtfoid
	JOIN reconcile.schema_scope s ON s.oid = p.pronamespace
	LEFT JOIN pg_description d ON d.objoid = e.oid AND d.classoid = 'pg_event_trigger'::regclass
	WHERE NOT EXISTS (SELECT FROM reconcile.schema_members m WHERE m.classid = 'pg_event_trigger'::regclass AND m.objid = e.oid);
COMMENT ON VIEW reconcile.schema_triggers IS 'all triggers that were created by hand, and event triggers';
COMMENT ON COLUMN reconcile.schema_triggers.schema IS 'schema of the table, or of the function of an event trigger';
COMMENT ON COLUMN reconcile.schema_triggers.table_name IS 'name of the table, NULL for an event trigger';
COMMENT ON COLUMN reconcile.schema_triggers.name IS 'its name';
COMMENT ON COLUMN reconcile.schema_triggers.definition IS 'its definition';
COMMENT ON COLUMN reconcile.schema_triggers.enabled IS 'origin, replica, always or disabled';
COMMENT ON COLUMN reconcile.schema_triggers.owner IS 'owner of an event trigger';
COMMENT ON COLUMN reconcile.schema_triggers.comment IS 'its comment';
COMMENT ON COLUMN reconcile.schema_triggers.object IS 'its identity';
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
COMMENT ON COLUMN reconcile.schema_rules.name IS 'its name';
COMMENT ON COLUMN reconcile.schema_rules.definition IS 'its definition';
COMMENT ON COLUMN reconcile.schema_rules.enabled IS 'origin, replica, always or disabled';
COMMENT ON COLUMN reconcile.schema_rules.comment IS 'its comment';
COMMENT ON COLUMN reconcile.schema_rules.object IS 'its identity';
COMMENT ON COLUMN reconcile.schema_rules.parent IS 'identity of the table or view';
COMMENT ON COLUMN reconcile.schema_rules.oid IS 'its oid in pg_rewrite';
GRANT SELECT ON reconcile.schema_rules TO PUBLIC;


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
		                 'MSTYPE = ' || format_type(nullif(a.aggmtranstype, 0), NULL), 'MINITCOND = ' || quote_literal(a.aggminitval),
		                 'MFINALFUNC = ' || nullif(a.aggmfinalfn, 0)::regproc,
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
	       CASE WHEN p.prokind = 'a' THEN reconcile.schema_aggregate(p.oid) END AS aggregate,
	       pg_get_userbyid(p.proowner)::text AS owner, d.description AS comment,
	       i.identity AS object, p.oid
	FROM pg_proc p
	JOIN reconcile.schema_scope s ON s.oid = p.pronamespace
	JOIN pg_language l ON l.oid = p.prolang
	CROSS JOIN LATERAL (SELECT reconcile.schema_function(p.oid)) AS f(part)
	CROSS JOIN LATERAL pg_identify_object('pg_proc'::regclass, p.oid, 0) AS i
	LEFT JOIN pg_description d ON d.objoid = p.oid AND d.classoid = 'pg_proc'::regclass
	WHERE NOT EXISTS (SELECT FROM reconcile.schema_members m WHERE m.classid = 'pg_proc'::regclass AND m.objid = p.oid)
	  AND NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = 'pg_proc'::regclass AND x.objid = p.oid AND x.deptype = 'i');
COMMENT ON VIEW reconcile.schema_functions IS 'all functions, procedures and aggregates';
COMMENT ON COLUMN reconcile.schema_functions.schema IS 'its schema';
COMMENT ON COLUMN reconcile.schema_functions.name IS 'its name';
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
COMMENT ON COLUMN reconcile.schema_functions.aggregate IS 'how an aggregate is put together';
COMMENT ON COLUMN reconcile.schema_functions.owner IS 'its owner';
COMMENT ON COLUMN reconcile.schema_functions.comment IS 'its comment';
COMMENT ON COLUMN reconcile.schema_functions.object IS 'its identity';
COMMENT ON COLUMN reconcile.schema_functions.oid IS 'its oid in pg_proc';
GRANT SELECT ON reconcile.schema_functions TO PUBLIC;

CREATE VIEW reconcile.schema_views AS
	SELECT r.schema, r.name, CASE r.relkind WHEN 'v' THEN 'view' ELSE 'materialized view' END AS kind,
	       pg_get_userbyid(c.relowner)::text AS owner,
	       reconcile.schema_definition('pg_class'::regclass, c.oid) AS definition,
	       CASE WHEN c.reloptions IS NOT NULL THEN ARRAY(SELECT o FROM unnest(c.reloptions) AS o ORDER BY o COLLATE "C") END AS options,
	       ts.spcname::text AS tablespace, d.description AS comment,
	       (SELECT jsonb_object_agg(a.attname, cd.description)
	        FROM pg_description cd JOIN pg_attribute a ON a.attrelid = cd.objoid AND a.attnum = cd.objsubid
	        WHERE cd.objoid = c.oid AND cd.classoid = 'pg_class'::regclass AND cd.objsubid > 0) AS column_comments,
	       (SELECT jsonb_object_agg(a.attname, reconcile.schema_default(e.adbin, e.adrelid, a.atttypid, a.atttypmod))
	        FROM pg_attrdef e JOIN pg_attribute a ON a.attrelid = e.adrelid AND a.attnum = e.adnum
	        WHERE e.adrelid = c.oid) AS column_defaults,
	       r.object, r.oid
	FROM reconcile.schema_relations r
	JOIN pg_class c ON c.oid = r.oid
	LEFT JOIN pg_tablespace ts ON ts.oid = c.reltablespace
	LEFT JOIN pg_description d ON d.objoid = c.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = 0
	WHERE r.relkind IN ('v', 'm');
COMMENT ON VIEW reconcile.schema_views IS 'all views and materialized views';
COMMENT ON COLUMN reconcile.schema_views.schema IS 'its schema';
COMMENT ON COLUMN reconcile.schema_views.name IS 'its name';
COMMENT ON COLUMN reconcile.schema_views.kind IS 'view or materialized view';
COMMENT ON COLUMN reconcile.schema_views.owner IS 'its owner';
COMMENT ON COLUMN reconcile.schema_views.definition IS 'its query';
COMMENT ON COLUMN reconcile.schema_views.options IS 'security_barrier, check_option and the like; storage parameters of a materialized view';
COMMENT ON COLUMN reconcile.schema_views.tablespace IS 'tablespace of a materialized view, NULL for the default of the database';
COMMENT ON COLUMN reconcile.schema_views.comment IS 'its comment';
COMMENT ON COLUMN reconcile.schema_views.column_comments IS 'comments of its columns, by name';
COMMENT ON COLUMN reconcile.schema_views.column_defaults IS 'defaults of its columns, by name';
COMMENT ON COLUMN reconcile.schema_views.object IS 'its identity';
COMMENT ON COLUMN reconcile.schema_views.oid IS 'its oid in pg_class';
GRANT SELECT ON reconcile.schema_views TO PUBLIC;

CREATE VIEW reconcile.schema_sequences AS
	SELECT r.schema, r.name, reconcile.schema_type(q.seqtypid, -1) AS type, q.seqstart AS start_value, q.seqincrement AS increment,
	       q.seqmin AS minimum, q.seqmax AS maximum, q.seqcache AS cache, q.seqcycle AS cycle, c.relpersistence = 'u' AS unlogged,
	       (SELECT pr.object || '.' || quote_ident(a.attname)
	        FROM pg_depend o JOIN reconcile.schema_relations pr ON pr.oid = o.refobjid
	        JOIN pg_attribute a ON a.attrelid = o.refobjid AND a.attnum = o.refobjsubid
	        WHERE o.classid = 'pg_class'::regclass AND o.objid = c.oid AND o.refclassid = 'pg_class'::regclass AND o.deptype = 'a') AS owned_by,
	       pg_get_userbyid(c.relowner)::text AS owner, d.description AS comment, r.object, r.oid
	FROM reconcile.schema_relations r
	JOIN pg_class c ON c.oid = r.oid
	JOIN pg_sequence q ON q.seqrelid = r.oid
	LEFT JOIN pg_description d ON d.objoid = c.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = 0
	WHERE NOT EXISTS (SELECT FROM reconcile.schema_column_sequences cs WHERE cs.sequence = r.oid);
COMMENT ON VIEW reconcile.schema_sequences IS 'all sequences but those of identity and serial columns';
COMMENT ON COLUMN reconcile.schema_sequences.schema IS 'its schema';
COMMENT ON COLUMN reconcile.schema_sequences.name IS 'its name';
COMMENT ON COLUMN reconcile.schema_sequences.type IS 'type of its values';
COMMENT ON COLUMN reconcile.schema_sequences.start_value IS 'where it starts';
COMMENT ON COLUMN reconcile.schema_sequences.increment IS 'its step';
COMMENT ON COLUMN reconcile.schema_sequences.minimum IS 'its smallest value';
COMMENT ON COLUMN reconcile.schema_sequences.maximum IS 'its largest value';
COMMENT ON COLUMN reconcile.schema_sequences.cache IS 'how many values a session takes at once';
COMMENT ON COLUMN reconcile.schema_sequences.cycle IS 'whether it starts again at its end';
COMMENT ON COLUMN reconcile.schema_sequences.unlogged IS 'whether it is unlogged';
COMMENT ON COLUMN reconcile.schema_sequences.owned_by IS 'identity of the column that owns it';
COMMENT ON COLUMN reconcile.schema_sequences.owner IS 'its owner';
COMMENT ON COLUMN reconcile.schema_sequences.comment IS 'its comment';
COMMENT ON COLUMN reconcile.schema_sequences.object IS 'its identity';
COMMENT ON COLUMN reconcile.schema_sequences.oid IS 'its oid in pg_class';
GRANT SELECT ON reconcile.schema_sequences TO PUBLIC;

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
	       t.typnotnull AS not_null,
	       CASE WHEN t.typtype = 'd' AND t.typdefaultbin IS NOT NULL
	            THEN reconcile.schema_default(t.typdefaultbin::pg_node_tree, 0, t.typbasetype, t.typtypmod) END AS default_value,
	       CASE WHEN t.typtype = 'd' AND t.typcollation NOT IN (0, bt.typcollation)
	            THEN (SELECT format('%I.%I', cn.nspname, co.collname) FROM pg_collation co JOIN pg_namespace cn ON cn.oid = co.collnamespace
	                  WHERE co.oid = t.typcollation) END AS collation,
	       CASE WHEN t.typtype = 'd' THEN (
	           SELECT jsonb_object_agg(k.conname, reconcile.schema_definition('pg_constraint'::regclass, k.oid)
	                                              || CASE WHEN k.convalidated THEN '' ELSE ' NOT VALID' END)
	           FROM pg_constraint k WHERE k.contypid = t.oid AND k.contype = 'c') END AS checks,
	       pg_get_userbyid(t.typowner)::text AS owner, d.description AS comment,
	       s.object || '.' || quote_ident(t.typname) AS object, t.oid
	FROM pg_type t
	JOIN reconcile.schema_scope s ON s.oid = t.typnamespace
	LEFT JOIN pg_type bt ON bt.oid = t.typbasetype
	LEFT JOIN pg_class rc ON rc.oid = t.typrelid
	LEFT JOIN pg_description d ON d.classoid = CASE WHEN t.typtype = 'c' THEN 'pg_type'::regclass ELSE 'pg_type'::regclass END
	                          AND d.objoid = t.oid AND d.objsubid = 0
	WHERE t.typtype IN ('e', 'd', 'c', 'r', 'b') AND (t.typrelid = 0 OR rc.relkind = 'c') AND t.typisdefined
	  AND NOT (t.typelem <> 0 AND EXISTS (SELECT FROM pg_type el WHERE el.oid = t.typelem AND el.typarray = t.oid))
	  AND NOT EXISTS (SELECT FROM reconcile.schema_members m WHERE m.classid = 'pg_type'::regclass AND m.objid = t.oid);
COMMENT ON VIEW reconcile.schema_types IS 'all enums, domains, composite, range and base types';
COMMENT ON COLUMN reconcile.schema_types.schema IS 'its schema';
COMMENT ON COLUMN reconcile.schema_types.name IS 'its name';
COMMENT ON COLUMN reconcile.schema_types.kind IS 'enum, domain, composite, range or base';
COMMENT ON COLUMN reconcile.schema_types.labels IS 'labels of an enum, in order';
COMMENT ON COLUMN reconcile.schema_types.columns IS 'columns of a composite type with their types, in order';
COMMENT ON COLUMN reconcile.schema_types.base IS 'the type under a domain, or of a range';
COMMENT ON COLUMN reconcile.schema_types.not_null IS 'whether a domain is NOT NULL';
COMMENT ON COLUMN reconcile.schema_types.default_value IS 'default of a domain';
COMMENT ON COLUMN reconcile.schema_types.collation IS 'collation of a domain, if it is not its type''s';
COMMENT ON COLUMN reconcile.schema_types.checks IS 'constraints of a domain, by name';
COMMENT ON COLUMN reconcile.schema_types.owner IS 'its owner';
COMMENT ON COLUMN reconcile.schema_types.comment IS 'its comment';
COMMENT ON COLUMN reconcile.schema_types.object IS 'its identity';
COMMENT ON COLUMN reconcile.schema_types.oid IS 'its oid in pg_type';
GRANT SELECT ON reconcile.schema_types TO PUBLIC;

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
COMMENT ON COLUMN reconcile.schema_statistics.schema IS 'its schema';
COMMENT ON COLUMN reconcile.schema_statistics.name IS 'its name';
COMMENT ON COLUMN reconcile.schema_statistics.definition IS 'its definition';
COMMENT ON COLUMN reconcile.schema_statistics.target IS 'its statistics target, if one was chosen';
COMMENT ON COLUMN reconcile.schema_statistics.owner IS 'its owner';
COMMENT ON COLUMN reconcile.schema_statistics.comment IS 'its comment';
COMMENT ON COLUMN reconcile.schema_statistics.object IS 'its identity';
COMMENT ON COLUMN reconcile.schema_statistics.parent IS 'identity of its table';
COMMENT ON COLUMN reconcile.schema_statistics.oid IS 'its oid in pg_statistic_ext';
GRANT SELECT ON reconcile.schema_statistics TO PUBLIC;

CREATE VIEW reconcile.schema_extensions AS
	SELECT e.extname::text COLLATE "C" AS name, e.extversion AS version, n.nspname::text COLLATE "C" AS schema, d.description AS comment,
	       quote_ident(e.extname) AS object, e.oid
	FROM pg_extension e
	JOIN pg_namespace n ON n.oid = e.extnamespace
	LEFT JOIN pg_description d ON d.objoid = e.oid AND d.classoid = 'pg_extension'::regclass
	WHERE e.extname <> 'pg_reconcile';
COMMENT ON VIEW reconcile.schema_extensions IS 'all extensions but this one';
COMMENT ON COLUMN reconcile.schema_extensions.name IS 'its name';
COMMENT ON COLUMN reconcile.schema_extensions.version IS 'its version';
COMMENT ON COLUMN reconcile.schema_extensions.schema IS 'the schema its objects are in';
COMMENT ON COLUMN reconcile.schema_extensions.comment IS 'its comment';
COMMENT ON COLUMN reconcile.schema_extensions.object IS 'its identity';
COMMENT ON COLUMN reconcile.schema_extensions.oid IS 'its oid in pg_extension';
GRANT SELECT ON reconcile.schema_extensions TO PUBLIC;

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
COMMENT ON COLUMN reconcile.schema_policies.name IS 'its name';
COMMENT ON COLUMN reconcile.schema_policies.command IS 'select, insert, update, delete or all';
COMMENT ON COLUMN reconcile.schema_policies.permissive IS 'whether it permits, or restricts what others permit';
COMMENT ON COLUMN reconcile.schema_policies.roles IS 'the roles it is for';
COMMENT ON COLUMN reconcile.schema_policies.using_expression IS 'which rows are seen';
COMMENT ON COLUMN reconcile.schema_policies.check_expression IS 'which rows may be written';
COMMENT ON COLUMN reconcile.schema_policies.comment IS 'its comment';
COMMENT ON COLUMN reconcile.schema_policies.object IS 'its identity';
COMMENT ON COLUMN reconcile.schema_policies.parent IS 'identity of the table';
COMMENT ON COLUMN reconcile.schema_policies.oid IS 'its oid in pg_policy';
GRANT SELECT ON reconcile.schema_policies TO PUBLIC;

-- Who may do what.  No ACL means acldefault(); an owner who may do all that owners
-- may is left out, and who granted a privilege does not matter.
CREATE VIEW reconcile.schema_privileges AS
	WITH acl AS (
		SELECT r.schema, r.object, c.relowner AS owner, c.relacl AS acl,
		       acldefault(CASE r.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner) AS usual,
		       'pg_class'::regclass::oid AS catalog, c.oid, 0 AS objsubid, CASE r.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS word
		FROM reconcile.schema_relations r JOIN pg_class c ON c.oid = r.oid WHERE c.relacl IS NOT NULL
		UNION ALL
		SELECT r.schema, r.object || '.' || quote_ident(a.attname), c.relowner, a.attacl, acldefault('c', c.relowner),
		       'pg_class'::regclass, c.oid, a.attnum, 'COLUMN'
		FROM reconcile.schema_relations r JOIN pg_class c ON c.oid = r.oid JOIN pg_attribute a ON a.attrelid = r.oid
		WHERE a.attacl IS NOT NULL AND NOT a.attisdropped
		UNION ALL
		SELECT s.schema, s.object, n.nspowner, n.nspacl, acldefault('n', n.nspowner), 'pg_namespace'::regclass, n.oid, 0, 'SCHEMA'
		FROM reconcile.schema_scope s JOIN pg_namespace n ON n.oid = s.oid
		WHERE NOT EXISTS (SELECT FROM reconcile.schema_members m WHERE m.classid = 'pg_namespace'::regclass AND m.objid = s.oid)
		UNION ALL
		SELECT f.schema, f.object, p.proowner, p.proacl, acldefault('f', p.proowner), 'pg_proc'::regclass, p.oid, 0,
		       CASE p.prokind WHEN 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END
		FROM pg_proc p
		JOIN reconcile.schema_scope s ON s.oid = p.pronamespace
		CROSS JOIN LATERAL (SELECT s.schema, i.identity FROM pg_identify_object('pg_proc'::regclass, p.oid, 0) AS i) AS f(schema, object)
		WHERE NOT EXISTS (SELECT FROM reconcile.schema_members m WHERE m.classid = 'pg_proc'::regclass AND m.objid = p.oid)
		UNION ALL
		SELECT t.schema, t.object, y.typowner, y.typacl, acldefault('T', y.typowner), 'pg_type'::regclass, y.oid, 0, 'TYPE'
		FROM reconcile.schema_types t JOIN pg_type y ON y.oid = t.oid
		UNION ALL
		SELECT n.nspname::text, i.identity, x.defaclrole, x.defaclacl, acldefault('c', x.defaclrole),
		       'pg_default_acl'::regclass, x.oid, 0, 'DEFAULT'
		FROM pg_default_acl x
		LEFT JOIN pg_namespace n ON n.oid = x.defaclnamespace
		CROSS JOIN LATERAL pg_identify_object('pg_default_acl'::regclass, x.oid, 0) AS i
	)
	SELECT a.schema, a.word AS kind, CASE e.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(e.grantee)) END AS grantee,
	       e.privileges, e.maintain,
	       CASE e.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(e.grantee)) END || ' on ' || a.object AS object,
	       a.object AS parent, a.catalog, a.oid, a.objsubid
	FROM acl a
	CROSS JOIN LATERAL (
		SELECT x.grantee,
		       string_agg(x.privilege_type || CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END, ', '
		                  ORDER BY x.privilege_type COLLATE "C") FILTER (WHERE x.privilege_type <> 'MAINTAIN') AS privileges,
		       max(CASE WHEN x.is_grantable THEN 'MAINTAIN WITH GRANT OPTION' ELSE 'MAINTAIN' END)
		           FILTER (WHERE x.privilege_type = 'MAINTAIN') AS maintain
		FROM (SELECT g.grantee, g.privilege_type, bool_or(g.is_grantable) AS is_grantable
		      FROM aclexplode(coalesce(a.acl, a.usual)) AS g GROUP BY g.grantee, g.privilege_type) AS x
		GROUP BY x.grantee
		HAVING x.grantee <> a.owner OR count(*) <> (SELECT count(*) FROM aclexplode(a.usual) AS u WHERE u.grantee = a.owner)
	) AS e
	UNION ALL   -- an owner who was left nothing
	SELECT a.schema, a.word, quote_ident(pg_get_userbyid(a.owner)), NULL, NULL,
	       quote_ident(pg_get_userbyid(a.owner)) || ' on ' || a.object, a.object, a.catalog, a.oid, a.objsubid
	FROM acl a
	WHERE EXISTS (SELECT FROM aclexplode(a.usual) AS u WHERE u.grantee = a.owner)
	  AND NOT EXISTS (SELECT FROM aclexplode(coalesce(a.acl, a.usual)) AS g WHERE g.grantee = a.owner);
COMMENT ON VIEW reconcile.schema_privileges IS 'all privileges, default privileges included, by object and role; a default or the usual rights of an owner are left out';
COMMENT ON COLUMN reconcile.schema_privileges.schema IS 'schema of the object, NULL for default privileges in all schemas';
COMMENT ON COLUMN reconcile.schema_privileges.kind IS 'TABLE, COLUMN, SEQUENCE, SCHEMA, FUNCTION, PROCEDURE, TYPE or DEFAULT';
COMMENT ON COLUMN reconcile.schema_privileges.grantee IS 'the role, PUBLIC for all';
COMMENT ON COLUMN reconcile.schema_privileges.privileges IS 'what it may do, NULL for nothing';
COMMENT ON COLUMN reconcile.schema_privileges.maintain IS 'its privilege MAINTAIN, which PostgreSQL has from 17 on';
COMMENT ON COLUMN reconcile.schema_privileges.object IS 'grantee and object';
COMMENT ON COLUMN reconcile.schema_privileges.parent IS 'identity of the object';
COMMENT ON COLUMN reconcile.schema_privileges.catalog IS 'catalog of the object, as an oid';
COMMENT ON COLUMN reconcile.schema_privileges.oid IS 'its oid in that catalog';
COMMENT ON COLUMN reconcile.schema_privileges.objsubid IS 'number of the column, else 0';
GRANT SELECT ON reconcile.schema_privileges TO PUBLIC;
