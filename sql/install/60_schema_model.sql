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
--           attributes  one JSON key an attribute.  A null is a value; an
--                       attribute that one side lacks altogether (another
--                       version of PostgreSQL) is not compared
--           classid, objid, objsubid    as pg_depend has them
--   62  reconcile.baseline, baseline_object: the same rows, recorded; read them by
--       the views reconcile.baselines and baseline_objects, which everybody may.
--       requires = identities of what an object needs to be created
--   63  reconcile.schema_differences(expected text, actual text, schemas text[]):
--       what one baseline (NULL: the live catalog) has and another one has not
--   64  reconcile.schema_checks(schemas text[]): what needs no baseline
--   66  reconcile.migration_findings(baseline text, schemas text[]), and
--       reconcile.migration_history(schemas text[]) -> (object, attributes), which
--       capture_baseline() records under category migration
--   67  reconcile.schema_fix(...): the statements that mend one difference
--   68  audit_schema(): the findings of 63, 64 and 66 together
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
