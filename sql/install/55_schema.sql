-- The schema of a database as rows: what audits compare and baselines record.
--
-- How the parts work together (55 to 70):
--
--   55  what they share: the shape of a finding, the texts of definitions, which
--       schemas are audited
--       views reconcile.schema_<kind>: typed columns, for people and for 60:
--   56  tables and columns
--   57  what stands on a table
--   58  functions, views, sequences, types, extensions
--   59  privileges
--   60  schema_model(), which gives all of them in one shape:
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
--   64  reconcile.schema_checks(schemas text[], hints boolean): what needs no baseline
--   65  reconcile.data_problem(...): why rows do not allow a fix, asked as the
--       owner of their table
--   66  reconcile.migration_findings(baseline text, schemas text[]), and
--       reconcile.migration_history(schemas text[]) -> (object, attributes), which
--       capture_baseline() records under category migration
--   67  reconcile.schema_fix(...): the statements that mend one difference
--   68  reconcile.schema_differences(expected text, actual text, schemas text[]):
--       what one baseline (NULL: the live catalog) has and another one has not
--       audit_schema(): the findings of 64, 66 and 68 together
--   69  fix_schema(): orders the statements and runs them
--   70  fix_schema_online(): the same in many transactions, without long locks
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

-- Not in parallel: a view is read back as its owner, in a subtransaction.
CREATE FUNCTION reconcile.schema_definition(catalog oid, object oid) RETURNS text
	LANGUAGE c STABLE STRICT PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'reconcile_schema_definition';
COMMENT ON FUNCTION reconcile.schema_definition(oid, oid) IS
	'used by the schema views: definition of a constraint, index, view, trigger, rule or statistics, or the key of a partitioned table';

CREATE FUNCTION reconcile.schema_expression(expression pg_node_tree, relation oid) RETURNS text
	LANGUAGE c STABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'reconcile_schema_expression';
COMMENT ON FUNCTION reconcile.schema_expression(pg_node_tree, oid) IS
	'used by the schema views: an expression over the columns of a relation';

CREATE FUNCTION reconcile.schema_default(expression pg_node_tree, type oid, typmod integer) RETURNS text
	LANGUAGE c STABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'reconcile_schema_default';
COMMENT ON FUNCTION reconcile.schema_default(pg_node_tree, oid, integer) IS
	'used by the schema views: the default of a column or domain, numbers as it would hold them';

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
GRANT SELECT ON reconcile.schema_scope TO PUBLIC;

-- An object is a member of an extension by catalog and oid: an oid alone may be
-- another object's in another catalog.  NOT IN leaves them out, which makes one
-- hash table of them; NOT EXISTS would look for each column of each table.
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
	WHERE s.oid NOT IN (SELECT m.objid FROM reconcile.schema_members m WHERE m.classid = 'pg_namespace'::regclass);
COMMENT ON VIEW reconcile.schema_schemas IS 'all schemas';
COMMENT ON COLUMN reconcile.schema_schemas.schema IS 'its name';
COMMENT ON COLUMN reconcile.schema_schemas.oid IS 'its oid in pg_namespace';
GRANT SELECT ON reconcile.schema_schemas TO PUBLIC;

-- A schema that only the baseline has is a finding; one that neither has is a
-- wrong name, in which an audit would find nothing to complain about.
CREATE FUNCTION reconcile.require_schemas(schemas text[], baseline text) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	known text[] := ARRAY(
		SELECT s.schema FROM reconcile.schema_scope s
		UNION SELECT unnest(b.schemas) FROM reconcile.baselines b WHERE b.name = require_schemas.baseline
		UNION SELECT (parse_ident(o.object))[1] FROM reconcile.baseline_objects o WHERE o.baseline = require_schemas.baseline AND o.category = 'schema'
		ORDER BY 1);
	wrong text;
BEGIN
	IF cardinality(schemas) = 0 THEN
		RAISE invalid_parameter_value USING MESSAGE = 'argument "schemas" must name at least one schema', HINT = 'NULL means all schemas.';
	ELSIF array_position(schemas, NULL) IS NOT NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'argument "schemas" must not contain null';
	END IF;
	SELECT s INTO wrong FROM unnest(schemas) s WHERE s <> ALL (known) ORDER BY s LIMIT 1;
	IF FOUND THEN
		RAISE invalid_schema_name USING MESSAGE = format('schema "%s" does not exist', wrong), HINT = reconcile.did_you_mean(wrong, known);
	END IF;
END $$;
COMMENT ON FUNCTION reconcile.require_schemas(text[], text) IS
	'used by audits and suggest_invariants(): fails, with the nearest names, for a schema that neither this database nor the baseline has';
