-- Who may do what.  No ACL means acldefault(), and who granted a privilege does not
-- matter.  Left out is an owner who may do all that owners may, and of default
-- privileges everybody who gets what he gets without.
CREATE VIEW reconcile.schema_privileges AS
	WITH acl AS (
		SELECT r.schema, r.object, (r.class).relowner AS owner, (r.class).relacl AS acl,
		       acldefault(CASE r.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", (r.class).relowner) AS usual,
		       'pg_class'::regclass::oid AS catalog, r.oid, 0 AS objsubid, CASE r.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS word
		FROM reconcile.schema_relations r WHERE (r.class).relacl IS NOT NULL
		UNION ALL
		SELECT r.schema, r.object || '.' || quote_ident(a.attname), (r.class).relowner, a.attacl, acldefault('c', (r.class).relowner),
		       'pg_class'::regclass, r.oid, a.attnum, 'COLUMN'
		FROM (SELECT x.attrelid, x.attnum, x.attname, x.attacl FROM pg_attribute x WHERE x.attacl IS NOT NULL AND NOT x.attisdropped OFFSET 0) AS a
		JOIN reconcile.schema_relations r ON r.oid = a.attrelid
		UNION ALL
		SELECT s.schema, s.object, n.nspowner, n.nspacl, acldefault('n', n.nspowner), 'pg_namespace'::regclass, n.oid, 0, 'SCHEMA'
		FROM reconcile.schema_scope s JOIN pg_namespace n ON n.oid = s.oid
		WHERE s.oid NOT IN (SELECT m.objid FROM reconcile.schema_members m WHERE m.classid = 'pg_namespace'::regclass)
		UNION ALL
		SELECT f.schema, f.object, p.proowner, p.proacl, acldefault('f', p.proowner), 'pg_proc'::regclass, p.oid, 0,
		       CASE p.prokind WHEN 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END
		FROM pg_proc p
		JOIN reconcile.schema_scope s ON s.oid = p.pronamespace
		CROSS JOIN LATERAL (SELECT s.schema, i.identity FROM pg_identify_object('pg_proc'::regclass, p.oid, 0) AS i) AS f(schema, object)
		WHERE p.oid NOT IN (SELECT m.objid FROM reconcile.schema_members m WHERE m.classid = 'pg_proc'::regclass)
		  -- those that a type brings along are open to all like it
		  AND (p.proacl IS NOT NULL OR p.oid NOT IN (SELECT x.objid FROM pg_depend x WHERE x.classid = 'pg_proc'::regclass AND x.deptype = 'i'))
		UNION ALL
		SELECT t.schema, t.object, y.typowner, y.typacl, acldefault('T', y.typowner), 'pg_type'::regclass, y.oid, 0, 'TYPE'
		FROM reconcile.schema_types t JOIN pg_type y ON y.oid = t.oid
		UNION ALL
		SELECT n.nspname::text, i.identity, x.defaclrole, x.defaclacl,
		       acldefault(CASE WHEN x.defaclnamespace <> 0 THEN 'c' ELSE translate(x.defaclobjtype::text, 'S', 's') END::"char", x.defaclrole),
		       'pg_default_acl'::regclass, x.oid, 0, 'DEFAULT'
		FROM pg_default_acl x
		LEFT JOIN pg_namespace n ON n.oid = x.defaclnamespace
		CROSS JOIN LATERAL pg_identify_object('pg_default_acl'::regclass, x.oid, 0) AS i
	)
	SELECT a.schema, a.word AS kind, CASE e.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(e.grantee)) END AS grantee,
	       e.privileges, e.maintain, e.usual > 0 AS reduced,
	       CASE e.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(e.grantee)) END || ' on ' || a.object AS object,
	       a.object AS parent, a.catalog, a.oid, a.objsubid
	FROM acl a
	CROSS JOIN LATERAL (
		SELECT x.grantee,
		       string_agg(x.privilege_type || CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END, ', '
		                  ORDER BY x.privilege_type COLLATE "C") FILTER (WHERE x.privilege_type <> 'MAINTAIN') AS privileges,
		       max(CASE WHEN x.is_grantable THEN 'MAINTAIN WITH GRANT OPTION' ELSE 'MAINTAIN' END)
		           FILTER (WHERE x.privilege_type = 'MAINTAIN') AS maintain, min(l.usual) AS usual
		FROM (SELECT g.grantee, g.privilege_type, bool_or(g.is_grantable) AS is_grantable
		      FROM aclexplode(coalesce(a.acl, a.usual)) AS g GROUP BY g.grantee, g.privilege_type) AS x
		CROSS JOIN LATERAL (SELECT CASE WHEN x.grantee = a.owner OR a.word = 'DEFAULT'
		                                THEN (SELECT count(*) FROM aclexplode(a.usual) AS u WHERE u.grantee = x.grantee) ELSE 0 END) AS l(usual)
		GROUP BY x.grantee
		HAVING count(*) <> min(l.usual)
	) AS e
	UNION ALL   -- those who were left nothing
	SELECT a.schema, a.word, n.name, NULL, NULL, true, n.name || ' on ' || a.object, a.object, a.catalog, a.oid, a.objsubid
	FROM acl a
	CROSS JOIN LATERAL (SELECT DISTINCT u.grantee FROM aclexplode(a.usual) AS u WHERE u.grantee = a.owner OR a.word = 'DEFAULT') AS l
	CROSS JOIN LATERAL (SELECT CASE l.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(l.grantee)) END) AS n(name)
	WHERE NOT EXISTS (SELECT FROM aclexplode(coalesce(a.acl, a.usual)) AS g WHERE g.grantee = l.grantee);
COMMENT ON VIEW reconcile.schema_privileges IS 'all privileges, default privileges included, by object and role; a default or the usual rights of an owner are left out';
COMMENT ON COLUMN reconcile.schema_privileges.schema IS 'schema of the object, NULL for default privileges in all schemas';
COMMENT ON COLUMN reconcile.schema_privileges.kind IS 'TABLE, COLUMN, SEQUENCE, SCHEMA, FUNCTION, PROCEDURE, TYPE or DEFAULT';
COMMENT ON COLUMN reconcile.schema_privileges.grantee IS 'the role, PUBLIC for all';
COMMENT ON COLUMN reconcile.schema_privileges.privileges IS 'what it may do, NULL for nothing';
COMMENT ON COLUMN reconcile.schema_privileges.maintain IS 'its privilege MAINTAIN, which PostgreSQL has from 17 on';
COMMENT ON COLUMN reconcile.schema_privileges.reduced IS 'whether it may do more as a rule: as the owner, or, of default privileges, without them';
COMMENT ON COLUMN reconcile.schema_privileges.object IS 'grantee and object';
COMMENT ON COLUMN reconcile.schema_privileges.parent IS 'identity of the object';
COMMENT ON COLUMN reconcile.schema_privileges.catalog IS 'catalog of the object, as an oid';
COMMENT ON COLUMN reconcile.schema_privileges.oid IS 'its oid in that catalog';
COMMENT ON COLUMN reconcile.schema_privileges.objsubid IS 'number of the column, else 0';
GRANT SELECT ON reconcile.schema_privileges TO PUBLIC;

-- What the same name means in all of these views.
DO $$
DECLARE
	statement text;
BEGIN
	FOR statement IN
		SELECT pg_catalog.format('COMMENT ON COLUMN reconcile.%I.%I IS %L', v.relname, a.attname, c.meaning)
		FROM pg_catalog.pg_class v
		JOIN pg_catalog.pg_attribute a ON a.attrelid = v.oid
		JOIN (VALUES ('schema', 'its schema'), ('name', 'its name'), ('object', 'its identity'), ('owner', 'its owner'),
			('comment', 'its comment'), ('definition', 'its definition')) AS c(name, meaning) ON c.name = a.attname
		WHERE v.relnamespace = 'reconcile'::regnamespace AND v.relkind = 'v' AND pg_catalog.starts_with(v.relname, 'schema_')
		  AND pg_catalog.col_description(v.oid, a.attnum) IS NULL
	LOOP
		EXECUTE statement;
	END LOOP;
END $$;
