-- Tables and their columns.

-- The relations that own columns, constraints and the like.  Who needs more of
-- their rows takes them from class: to join pg_class once more would read it twice.
CREATE VIEW reconcile.schema_relations AS
	SELECT s.schema, c.relname::text COLLATE "C" AS name, c.relkind, c.relispartition, s.object || '.' || quote_ident(c.relname) AS object, c.oid,
	       c AS class
	FROM pg_class c JOIN reconcile.schema_scope s ON s.oid = c.relnamespace
	WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S') AND c.relpersistence <> 't'
	  AND c.oid NOT IN (SELECT m.objid FROM reconcile.schema_members m WHERE m.classid = 'pg_class'::regclass);
COMMENT ON VIEW reconcile.schema_relations IS 'used by audits: all tables, views and sequences that are audited';
COMMENT ON COLUMN reconcile.schema_relations.relkind IS 'its kind, as pg_class has it';
COMMENT ON COLUMN reconcile.schema_relations.relispartition IS 'whether it is a partition';
COMMENT ON COLUMN reconcile.schema_relations.oid IS 'its oid in pg_class';
COMMENT ON COLUMN reconcile.schema_relations.class IS 'its row of pg_class';
GRANT SELECT ON reconcile.schema_relations TO PUBLIC;

CREATE VIEW reconcile.schema_tables AS
	SELECT r.schema, r.name,
	       CASE r.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table' ELSE 'foreign table' END AS kind,
	       pg_get_userbyid((r.class).relowner)::text AS owner,
	       (r.class).relpersistence = 'u' AS unlogged,
	       (r.class).relrowsecurity AS row_security, (r.class).relforcerowsecurity AS force_row_security,
	       CASE WHEN r.relkind = 'p' THEN reconcile.schema_definition('pg_class'::regclass, r.oid) END AS partition_key,
	       CASE WHEN r.relispartition THEN parents.list[1] END AS partition_of,
	       CASE WHEN r.relispartition THEN pg_get_expr((r.class).relpartbound, r.oid) END AS partition_bound,
	       CASE WHEN NOT r.relispartition THEN parents.list END AS inherits,
	       CASE WHEN (r.class).reloftype <> 0 THEN reconcile.schema_type((r.class).reloftype, -1) END AS of_type,
	       am.amname::text AS access_method, ts.spcname::text AS tablespace,
	       CASE WHEN coalesce((r.class).reloptions, large.reloptions) IS NOT NULL
	            THEN ARRAY(SELECT x.o FROM (SELECT unnest((r.class).reloptions) UNION ALL SELECT 'toast.' || unnest(large.reloptions)) AS x(o) ORDER BY x.o COLLATE "C")
	       END AS options,
	       CASE (r.class).relreplident WHEN 'n' THEN 'nothing' WHEN 'f' THEN 'full'
	            WHEN 'i' THEN (SELECT 'index ' || quote_ident(ic.relname) FROM pg_index i JOIN pg_class ic ON ic.oid = i.indexrelid
	                           WHERE i.indrelid = r.oid AND i.indisreplident)
	            ELSE 'default' END AS replica_identity,
	       fs.srvname::text AS server,
	       CASE WHEN f.ftoptions IS NOT NULL THEN ARRAY(SELECT o FROM unnest(f.ftoptions) AS o ORDER BY o COLLATE "C") END AS foreign_options,
	       d.description AS comment, r.object, r.oid
	FROM reconcile.schema_relations r
	LEFT JOIN pg_class large ON large.oid = (r.class).reltoastrelid AND large.relkind = 't' AND large.reloptions IS NOT NULL
	LEFT JOIN pg_am am ON am.oid = (r.class).relam
	LEFT JOIN pg_tablespace ts ON ts.oid = (r.class).reltablespace
	LEFT JOIN (SELECT i.inhrelid, array_agg(format('%I.%I', pn.nspname, p.relname) ORDER BY i.inhseqno) AS list
	           FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent JOIN pg_namespace pn ON pn.oid = p.relnamespace
	           WHERE p.relkind IN ('r', 'p', 'f') GROUP BY i.inhrelid) AS parents ON parents.inhrelid = r.oid
	LEFT JOIN pg_foreign_table f ON f.ftrelid = r.oid
	LEFT JOIN pg_foreign_server fs ON fs.oid = f.ftserver
	LEFT JOIN pg_description d ON d.objoid = r.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = 0
	WHERE r.relkind IN ('r', 'p', 'f');
COMMENT ON VIEW reconcile.schema_tables IS 'all tables, partitioned and foreign ones included';
COMMENT ON COLUMN reconcile.schema_tables.kind IS 'table, partitioned table or foreign table';
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
COMMENT ON COLUMN reconcile.schema_tables.options IS 'its storage parameters, those of its table for large values as toast.<name>';
COMMENT ON COLUMN reconcile.schema_tables.replica_identity IS 'default, nothing, full or the index';
COMMENT ON COLUMN reconcile.schema_tables.server IS 'the server of a foreign table';
COMMENT ON COLUMN reconcile.schema_tables.foreign_options IS 'the options of a foreign table';
COMMENT ON COLUMN reconcile.schema_tables.oid IS 'its oid in pg_class';
GRANT SELECT ON reconcile.schema_tables TO PUBLIC;

-- A sequence that a column brings with it: identity, or serial, which is a
-- default of nextval() of a sequence that the column owns, however it was written.
CREATE VIEW reconcile.schema_column_sequences AS
	SELECT d.refobjid AS relation, d.refobjsubid AS attnum, d.objid AS sequence,
	       CASE d.deptype WHEN 'i' THEN 'identity' ELSE 'serial' END AS kind,
	       concat_ws(' ',
	           CASE WHEN s.seqstart <> CASE WHEN s.seqincrement > 0 THEN s.seqmin ELSE s.seqmax END THEN 'start ' || s.seqstart END,
	           CASE WHEN s.seqincrement <> 1 THEN 'increment ' || s.seqincrement END,
	           CASE WHEN s.seqmin <> CASE WHEN s.seqincrement > 0 THEN 1 ELSE lowest END THEN 'minvalue ' || s.seqmin END,
	           CASE WHEN s.seqmax <> CASE WHEN s.seqincrement > 0 THEN highest ELSE -1 END THEN 'maxvalue ' || s.seqmax END,
	           CASE WHEN s.seqcache <> 1 THEN 'cache ' || s.seqcache END,
	           CASE WHEN s.seqcycle THEN 'cycle' END) AS options,
	       name.relname AS name
	FROM pg_depend d
	JOIN pg_sequence s ON s.seqrelid = d.objid
	JOIN pg_class name ON name.oid = d.objid AND name.relkind = 'S'
	CROSS JOIN LATERAL (SELECT CASE s.seqtypid WHEN 'int2'::regtype THEN 32767 WHEN 'int4'::regtype THEN 2147483647
	                                ELSE 9223372036854775807 END,
	                           CASE s.seqtypid WHEN 'int2'::regtype THEN -32768 WHEN 'int4'::regtype THEN -2147483648
	                                ELSE -9223372036854775808 END) AS limits(highest, lowest)
	WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.objsubid = 0 AND d.refobjsubid > 0
	  AND (d.deptype = 'i' OR d.deptype = 'a' AND EXISTS (
	        SELECT FROM pg_attribute a
	        JOIN pg_attrdef def ON def.adrelid = a.attrelid AND def.adnum = a.attnum
	        JOIN pg_class sc ON sc.oid = d.objid
	        JOIN pg_namespace sn ON sn.oid = sc.relnamespace
	        WHERE a.attrelid = d.refobjid AND a.attnum = d.refobjsubid AND a.atttypid = s.seqtypid
	          AND reconcile.schema_expression(def.adbin, def.adrelid) = format('nextval(%L::regclass)', format('%I.%I', sn.nspname, sc.relname))))
	OFFSET 0;   -- for all columns at once
COMMENT ON VIEW reconcile.schema_column_sequences IS 'used by audits: the sequences that belong to a column and are audited as a part of it';
COMMENT ON COLUMN reconcile.schema_column_sequences.relation IS 'the table';
COMMENT ON COLUMN reconcile.schema_column_sequences.attnum IS 'number of the column';
COMMENT ON COLUMN reconcile.schema_column_sequences.sequence IS 'oid of the sequence';
COMMENT ON COLUMN reconcile.schema_column_sequences.kind IS 'identity, or serial for a default of nextval()';
COMMENT ON COLUMN reconcile.schema_column_sequences.options IS 'what differs from the defaults of a sequence, as words';
COMMENT ON COLUMN reconcile.schema_column_sequences.name IS 'name of the sequence, which is in the schema of the table';
GRANT SELECT ON reconcile.schema_column_sequences TO PUBLIC;

-- A partition has the columns of its parent, and is listed with those only that
-- differ in what a partition may have of its own.
CREATE VIEW reconcile.schema_columns AS
	SELECT r.schema, r.name AS table_name, a.attname::text COLLATE "C" AS name, a.attnum AS position,
	       reconcile.schema_type(a.atttypid, a.atttypmod) AS type,
	       a.attnotnull AS not_null,
	       CASE WHEN q.kind IS DISTINCT FROM 'serial' AND a.atthasdef AND a.attgenerated = ''
	            THEN reconcile.schema_default(e.adbin, a.atttypid, a.atttypmod) END AS default_value,
	       CASE a.attgenerated WHEN '' THEN NULL
	            ELSE reconcile.schema_expression(e.adbin, e.adrelid) || CASE a.attgenerated WHEN 's' THEN ' stored' ELSE ' virtual' END
	       END AS generated,
	       CASE q.kind WHEN 'serial' THEN 'serial' WHEN 'identity' THEN CASE a.attidentity WHEN 'a' THEN 'always' ELSE 'by default' END END
	           || CASE WHEN q.options <> '' THEN ' (' || q.options || ')' ELSE '' END AS identity,
	       CASE WHEN q.kind IS NOT NULL AND q.name <> r.name || '_' || a.attname || '_seq' THEN format('%I.%I', r.schema, q.name) END AS sequence,
	       CASE WHEN a.attcollation <> 0 AND a.attcollation <> t.typcollation
	            THEN (SELECT format('%I.%I', cn.nspname, co.collname) FROM pg_collation co JOIN pg_namespace cn ON cn.oid = co.collnamespace
	                  WHERE co.oid = a.attcollation) END AS collation,
	       CASE WHEN a.attstorage <> t.typstorage
	            THEN CASE a.attstorage WHEN 'p' THEN 'plain' WHEN 'e' THEN 'external' WHEN 'm' THEN 'main' ELSE 'extended' END END AS storage,
	       CASE a.attcompression WHEN 'p' THEN 'pglz' WHEN 'l' THEN 'lz4' END AS compression,
	       CASE WHEN a.attstattarget >= 0 THEN a.attstattarget::integer END AS statistics,
	       CASE WHEN array_to_string(a.attoptions, ' ') LIKE '%n\_distinct%'   -- what ALTER TABLE can set: some servers keep marks of their own here
	            THEN nullif(ARRAY(SELECT o FROM unnest(a.attoptions) AS o WHERE o LIKE 'n\_distinct%' ORDER BY o COLLATE "C"), '{}')
	       END AS options,
	       CASE WHEN a.attfdwoptions IS NOT NULL THEN ARRAY(SELECT o FROM unnest(a.attfdwoptions) AS o ORDER BY o COLLATE "C") END AS foreign_options,
	       d.description AS comment, r.relispartition AS of_partition, NOT (r.relispartition OR a.attislocal) AS inherited,
	       r.object || '.' || quote_ident(a.attname) AS object, r.object AS parent, r.oid AS relation
	-- OFFSET 0: what is asked of a table is asked once, and not again for each of its columns.
	FROM (SELECT schema, name, relispartition, object, oid FROM reconcile.schema_relations WHERE relkind IN ('r', 'p', 'f') OFFSET 0) AS r
	JOIN pg_attribute a ON a.attrelid = r.oid
	JOIN pg_type t ON t.oid = a.atttypid
	LEFT JOIN pg_attrdef e ON e.adrelid = r.oid AND e.adnum = a.attnum
	LEFT JOIN reconcile.schema_column_sequences q ON q.relation = r.oid AND q.attnum = a.attnum
	LEFT JOIN pg_description d ON d.objoid = r.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = a.attnum
	WHERE a.attnum > 0 AND NOT a.attisdropped
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
COMMENT ON COLUMN reconcile.schema_columns.position IS 'its number in the table, which grows when columns are dropped';
COMMENT ON COLUMN reconcile.schema_columns.type IS 'its type';
COMMENT ON COLUMN reconcile.schema_columns.not_null IS 'whether it is NOT NULL';
COMMENT ON COLUMN reconcile.schema_columns.default_value IS 'its default';
COMMENT ON COLUMN reconcile.schema_columns.generated IS 'its generating expression, and stored or virtual';
COMMENT ON COLUMN reconcile.schema_columns.identity IS 'always or by default for an identity column, serial for a default of nextval() of a sequence it owns';
COMMENT ON COLUMN reconcile.schema_columns.sequence IS 'identity of the sequence that numbers it, if its name is not <table>_<column>_seq';
COMMENT ON COLUMN reconcile.schema_columns.collation IS 'its collation, if it is not the type''s';
COMMENT ON COLUMN reconcile.schema_columns.storage IS 'its storage, if it is not the type''s';
COMMENT ON COLUMN reconcile.schema_columns.compression IS 'its compression method, if one was chosen';
COMMENT ON COLUMN reconcile.schema_columns.statistics IS 'its statistics target, if one was chosen';
COMMENT ON COLUMN reconcile.schema_columns.options IS 'its options';
COMMENT ON COLUMN reconcile.schema_columns.foreign_options IS 'its options for a foreign data wrapper';
COMMENT ON COLUMN reconcile.schema_columns.of_partition IS 'whether it is a partition''s, which has it otherwise than its parent';
COMMENT ON COLUMN reconcile.schema_columns.inherited IS 'whether it is there by inheritance alone, and goes with the parent''s';
COMMENT ON COLUMN reconcile.schema_columns.parent IS 'identity of the table';
COMMENT ON COLUMN reconcile.schema_columns.relation IS 'oid of the table in pg_class';
GRANT SELECT ON reconcile.schema_columns TO PUBLIC;
