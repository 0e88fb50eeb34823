/*-------------------------------------------------------------------------
 *
 * create.cpp
 *	  reconcile.create_invariant(), alter_invariant() and drop_invariant().
 *
 * What can be known when an invariant is created is checked then, so that a
 * repair never meets it: each refusal names the column or clause and says how
 * to mend it.
 *
 *-------------------------------------------------------------------------
 */
#include "invariant/definition.hpp"
#include "invariant/guard_install.hpp"
#include "invariant/lock.hpp"
#include "invariant/sqlstates.hpp"
#include "invariant/statements.hpp"
#include "invariant/violations.hpp"
#include "pg/context.hpp"
#include "pg/identity.hpp"
#include "pg/nearest.hpp"
#include "pg/result_set.hpp"
#include "pg/spi.hpp"
#include "pg/text.hpp"

extern "C" {
#include "parser/parse_coerce.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/varlena.h"
}

#include <algorithm>

namespace reconcile::invariant {

namespace {

const std::vector<std::string> kKinds = {"insert", "fill", "check"};
const std::vector<std::string> kSeverities = {"error", "warning", "notice"};

std::vector<std::string> names_of(const std::vector<Output> &outputs)
{
	std::vector<std::string> names;
	for (const Output &output : outputs)
		names.push_back(output.name);
	return names;
}

/* always_fits tells whether each value of a type is one of another, so that a cast of it
 * cannot fail. */
bool always_fits(Oid from, Oid to)
{
	Oid function;
	return can_coerce_type(1, &from, &to, COERCION_IMPLICIT) ||
		   find_coercion_pathway(to, from, COERCION_EXPLICIT, &function) ==
			   COERCION_PATH_RELABELTYPE;
}

/* target_column is the column of the target that one of the query is for. */
const Column &target_column(const Output &output, const Target &target)
{
	const Column *column = target.column(output.name);
	if (column == nullptr)
		pg::fail(ERRCODE_UNDEFINED_COLUMN,
				 "column \"" + output.name + "\" of the query is not a column of " + target.name(),
				 {}, pg::did_you_mean(output.name, target.column_names()));
	return *column;
}

/* check_type checks that a column of the query has values for the target's. */
void check_type(const Output &output, const Target &target)
{
	Oid from = output.type, to = target_column(output, target).type;
	if (!pg::call([&] { return can_coerce_type(1, &from, &to, COERCION_ASSIGNMENT); }))
		pg::fail(ERRCODE_DATATYPE_MISMATCH,
				 "column \"" + output.name + "\" of the query is of type " + pg::type_label(from) +
					 " but the column of " + target.name() + " is of type " + pg::type_label(to),
				 {}, "Cast it in the query: (...)::" + pg::type_label(to) + ".");
}

/* check_writable checks that a column of the target takes values. */
void check_writable(const Output &output, const Target &target)
{
	const Column &column = target_column(output, target);
	if (!column.generated.empty())
		pg::fail(ERRCODE_GENERATED_ALWAYS,
				 "column \"" + output.name + "\" of " + target.name() + " is a generated column",
				 {}, "Leave it out of the query: the table computes it.");
	if (column.identity == "a")
		pg::fail(ERRCODE_GENERATED_ALWAYS,
				 "column \"" + output.name + "\" of " + target.name() +
					 " is an identity column, generated always",
				 {}, "Leave it out of the query: the table numbers its rows.");
}

/* check_outputs checks that each column of the query is one of the target; a
 * fill does not write those of its key. */
void check_outputs(const Definition &definition, const ExpectedRows &expected, const Target &target)
{
	const std::vector<Output> &outputs = expected.outputs();
	std::vector<std::string> const key = key_columns(definition, expected);
	std::vector<std::string> seen;
	for (const Output &output : outputs) {
		if (pg::contains(seen, output.name))
			pg::fail(ERRCODE_DUPLICATE_COLUMN,
					 "the query yields column \"" + output.name + "\" more than once", {},
					 "Leave one of them out, or name it after another column.");
		seen.push_back(output.name);
		if (!definition.is_fill() || !pg::contains(key, output.name))
			check_writable(output, target);
		check_type(output, target);
	}
	if (outputs.empty())
		pg::fail(ERRCODE_SYNTAX_ERROR, "the query of an invariant yields no column", {},
				 "Let it yield columns of " + target.name() + ", those of the key among them.");
}

/* check_columns checks key or compare: columns that the query yields and whose
 * values can be compared. */
void check_columns(const char *argument, const std::vector<std::string> &columns,
				   const std::vector<Output> &outputs, const Target &target)
{
	std::vector<std::string> const yielded = names_of(outputs);
	std::vector<std::string> seen;
	for (const std::string &name : columns) {
		if (!pg::contains(yielded, name))
			pg::fail(
				ERRCODE_UNDEFINED_COLUMN,
				std::string(argument) + " column \"" + name + "\" is not a column of the query", {},
				target.column(name) != nullptr
					? "Let the query yield it: " + target.name() + " has a column of that name."
					: pg::did_you_mean(name, yielded));
		if (pg::contains(seen, name))
			pg::fail(ERRCODE_DUPLICATE_COLUMN,
					 std::string(argument) + " column \"" + name + "\" is given more than once", {},
					 "Name each column once.");
		if (!OidIsValid(equality_operator(target.column(name)->type)))
			pg::fail(ERRCODE_UNDEFINED_FUNCTION,
					 std::string(argument) + " column \"" + name + "\" is of type " +
						 pg::type_label(target.column(name)->type) + ", which has no equality",
					 {}, "Leave it out: values of this type cannot be compared.");
		seen.push_back(name);
	}
}

/* check_expression checks that the query yields what an expression of the key reads, in
 * types of which each value is one of the column's. */
void check_expression(const KeyPart &part, const Statements &statements)
{
	const Target &target = statements.target();
	const std::vector<Output> &outputs = statements.expected().outputs();
	std::string const expression = "expression \"" + part.name() + "\" of the key ";
	if (target.foreign())
		pg::fail(ERRCODE_FEATURE_NOT_SUPPORTED,
				 expression + "cannot be a key of the foreign table " + target.name(),
				 "The other store knows a row by values that it has.",
				 "Name columns, or let the query yield the value for a column of its own.");
	for (const std::string &name : part.reads()) {
		auto const output = std::find_if(outputs.begin(), outputs.end(),
										 [&](const Output &each) { return each.name == name; });
		if (output == outputs.end())
			pg::fail(ERRCODE_UNDEFINED_COLUMN,
					 expression + "reads column \"" + name + "\", which the query does not yield",
					 {}, "Let the query yield it.");
		Oid const from = output->type, to = target.column(name)->base;
		if (!pg::call([&] { return always_fits(from, to); }))
			pg::fail(ERRCODE_DATATYPE_MISMATCH,
					 expression + "needs column \"" + name + "\" of type " + pg::type_label(to) +
						 ", but the query yields type " + pg::type_label(from),
					 {}, "Cast it in the query: (...)::" + pg::type_label(to) + ".");
	}
	if (!OidIsValid(equality_operator(part.column().type)))
		pg::fail(ERRCODE_UNDEFINED_FUNCTION,
				 expression + "is of type " + pg::type_label(part.column().type) +
					 ", which has no equality",
				 {}, "Leave it out: values of this type cannot be compared.");
}

/* check_key checks the parts of a key. */
void check_key(const Statements &statements)
{
	std::vector<std::string> columns, expressions;
	for (const KeyPart &part : statements.key().parts())
		if (part.expression() == nullptr) {
			columns.push_back(part.name());
		} else {
			check_expression(part, statements);
			if (pg::contains(expressions, part.indexed()))
				pg::fail(ERRCODE_DUPLICATE_COLUMN,
						 "expression \"" + part.name() + "\" of the key is given more than once",
						 {}, "Name each expression once.");
			expressions.push_back(part.indexed());
		}
	check_columns("key", columns, statements.expected().outputs(), statements.target());
}

/* check_key_stays refuses a key by which no row is ever found again. */
void check_key_stays(const Definition &definition, const ExpectedRows &expected)
{
	for (const std::string &name : key_columns(definition, expected))
		if (expected.is_new_each_time(name))
			pg::fail(ERRCODE_INVALID_COLUMN_REFERENCE,
					 "key column \"" + name + "\" is another value each time the query runs",
					 "Its rows would be missing at each audit, and inserted by each repair.",
					 "Leave the column out of the key, or compute it from data.");
}

/* check_filled checks the columns that a fill would write. */
void check_filled(const Definition &definition, const Statements &statements)
{
	const Target &target = statements.target();
	std::vector<std::string> const filled = statements.filled_columns();
	std::vector<std::string> const key = statements.key().columns();
	if (filled.empty())
		pg::fail(ERRCODE_INVALID_PARAMETER_VALUE, "the query yields no column to fill",
				 "All of its columns belong to the key, by which a row is found.",
				 "Let it also yield the columns that must have a value.");
	for (const std::string &name : definition.compare)
		if (pg::contains(key, name))
			pg::fail(ERRCODE_INVALID_PARAMETER_VALUE,
					 "key column \"" + name + "\" cannot be in compare",
					 "A fill finds rows by their key and does not change it.",
					 "Leave it out of compare.");
	for (const std::string &name : filled)
		if (target.column(name)->refuses_null && !pg::contains(definition.compare, name))
			pg::fail(ERRCODE_INVALID_PARAMETER_VALUE,
					 "column \"" + name + "\" of " + target.name() +
						 " is not null, so it is never empty",
					 "A fill writes where NULL is, and what is named in compare also where another "
					 "value is.",
					 "Name the column in compare, or leave it out of the query.");
	if (!target.allows(CMD_UPDATE))
		pg::fail(ERRCODE_FEATURE_NOT_SUPPORTED, "rows of " + target.name() + " cannot be updated",
				 {}, "A fill needs a table, or a foreign table whose rows can be updated.");
}

/* check_covered checks that the target accepts a row of the query at all. */
void check_covered(const std::vector<Output> &outputs, const Target &target)
{
	std::vector<std::string> const yielded = names_of(outputs);
	for (const Column &column : target.columns())
		if (column.required && !pg::contains(yielded, column.name))
			pg::fail(ERRCODE_NOT_NULL_VIOLATION,
					 "column \"" + column.name + "\" of " + target.name() +
						 " is not null, has no default and is not yielded by the query",
					 {}, "Add the column to the query, or give it a default.");
}

/* duplicates_of lists keys that would stop a unique index. */
std::string duplicates_of(const Statements &statements)
{
	pg::Spi spi;
	const Key &key = statements.key();
	std::vector<std::string> parts;
	for (const KeyPart &part : key.parts())
		parts.push_back(part.of_row("t"));
	uint64 rows =
		spi.run("SELECT " + key.as_json("t") + "::pg_catalog.text FROM " +
					statements.target().name() + " t WHERE (" + pg::joined(parts, " IS NULL OR ") +
					" IS NULL) IS FALSE GROUP BY " + pg::joined(parts, ", ") +
					" HAVING pg_catalog.count(*) OPERATOR(pg_catalog.>) 1 LIMIT 3",
				SPI_OK_SELECT);
	std::vector<std::string> keys;
	for (uint64 row = 0; row < rows; row++)
		keys.push_back(spi.required_text(row, 1));
	return keys.empty() ? "" : " Rows that share a key: " + pg::joined(keys, ", ") + ".";
}

/* Unique indexes that look as if they were on the key, and what keeps them from
 * being inferred by ON CONFLICT. */
constexpr const char *kUnusable =
	"SELECT format('Index %s is %s.', i.indexrelid::regclass, CASE"
	"  WHEN NOT i.indimmediate THEN 'deferrable'"
	"  WHEN NOT i.indisvalid THEN 'not valid: REINDEX INDEX CONCURRENTLY'"
	"  ELSE format('on (%s)', (SELECT string_agg(pg_get_indexdef(i.indexrelid, n, false), ', '"
	"   ORDER BY n) FROM generate_series(1, i.indnkeyatts) AS n)) END)"
	" FROM pg_index i WHERE i.indrelid = $1 AND i.indisunique AND i.indnkeyatts = cardinality($2)"
	" AND (i.indexprs IS NOT NULL OR NOT i.indimmediate OR NOT i.indisvalid)"
	" AND NOT EXISTS (SELECT FROM generate_series(0, i.indnkeyatts - 1) AS position"
	"  JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[position]"
	"  WHERE a.attname <> ALL ($2))"
	" ORDER BY 1";

/* unusable_indexes says why indexes that are there do not do. */
std::string unusable_indexes(const Definition &definition)
{
	pg::PinnedPath path;
	pg::Spi spi;
	uint64 const rows =
		spi.run(kUnusable, SPI_OK_SELECT,
				pg::Args().add(OIDOID, ObjectIdGetDatum(definition.target)).add(definition.key));
	std::string reasons;
	for (uint64 row = 0; row < rows; row++)
		reasons += " " + spi.required_text(row, 1);
	return reasons;
}

void check_arbiter(const Definition &definition, const Statements &statements)
{
	const Target &target = statements.target();
	if (target.foreign() || statements.key().arbiter())
		return;
	std::string const key = statements.key().indexed();
	bool const has_expressions = statements.key().columns() != definition.key;
	pg::fail(kNoUsableIndex, "there is no usable unique index on (" + key + ") of " + target.name(),
			 "Without one, two writers could insert the same row. A usable index is unique, valid, "
			 "not deferrable, and on exactly these " +
				 std::string(has_expressions ? "columns and expressions." : "columns.") +
				 unusable_indexes(definition) + duplicates_of(statements),
			 statements.key().new_index());
}

/* check_reads refuses tables that are gone with the session. */
void check_reads(const ExpectedRows &expected)
{
	for (Oid table : expected.reads())
		if (pg::call([&] { return get_rel_persistence(table); }) == RELPERSISTENCE_TEMP)
			pg::fail(ERRCODE_WRONG_OBJECT_TYPE,
					 "the query of an invariant must not read a temporary table",
					 "The invariant stays when " + pg::qualified_name(table) +
						 " is gone with the session.",
					 "Read a table that stays.");
}

/* check_executable lets PostgreSQL plan the statements of the invariant: it
 * checks the privileges of the owner and finds what is left to find. */
void check_executable(const Statements &statements)
{
	pg::WorkList none(statements.work_list_row_type());
	pg::Spi spi;
	spi.expose(kWorkList, none);
	spi.run("EXPLAIN " + statements.due(), SPI_OK_UTILITY);
	spi.run("EXPLAIN " + statements.write().sql, SPI_OK_UTILITY);
}

/* check_violations checks a definition of kind check, which has its query and
 * its key alone. */
void check_violations(const Definition &definition)
{
	if (OidIsValid(definition.target) || !definition.compare.empty() || definition.where_absent)
		pg::fail(ERRCODE_INVALID_PARAMETER_VALUE,
				 "an invariant of kind check has no target, compare or where_absent", {},
				 "Its query yields the rows that must not exist.");
	Violations violations(definition);
	check_reads(violations.rows());
	std::vector<std::string> const yielded = names_of(violations.rows().outputs());
	for (const std::string &name : definition.key)
		if (!pg::contains(yielded, name))
			pg::fail(ERRCODE_UNDEFINED_COLUMN,
					 "key column \"" + name + "\" is not a column of the query", {},
					 pg::did_you_mean(name, yielded));
	pg::Spi spi;
	spi.run("EXPLAIN " + violations.findings(), SPI_OK_UTILITY);
}

void check(const Definition &definition)
{
	if (definition.is_check()) {
		check_violations(definition);
		return;
	}
	Target(target_of(definition)).check_kind();
	auto const statements = statements_of(definition);
	const std::vector<Output> &outputs = statements->expected().outputs();
	const Target &target = statements->target();

	check_reads(statements->expected());
	check_outputs(definition, statements->expected(), target);
	check_key(*statements);
	check_key_stays(definition, statements->expected());
	check_columns("compare", definition.compare, outputs, target);
	if (definition.is_fill())
		check_filled(definition, *statements);
	else
		check_covered(outputs, target);
	check_arbiter(definition, *statements);
	check_executable(*statements);
}

/* pinned_search_path is the search_path in force, with temporary tables last:
 * where nothing says so they come first, and those of whoever evaluates the
 * invariant would take the place of the tables that were meant. */
std::string pinned_search_path()
{
	std::string path = pg::call([] { return GetConfigOption("search_path", false, false); });
	bool const says_so = pg::call([&] {
		char *copy = pstrdup(path.c_str());
		List *names = NIL;
		SplitIdentifierString(copy, ',', &names);
		ListCell *cell;
		foreach (cell, names)
			if (strcmp(static_cast<char *>(lfirst(cell)), "pg_temp") == 0)
				return true;
		return false;
	});
	return says_so ? path : path + (path.empty() ? "pg_temp" : ", pg_temp");
}

/* pin_surroundings keeps by what the text of a definition means what it means
 * here and now: a path for its names, a time zone for its days and hours. */
void pin_surroundings(Definition &d)
{
	d.search_path = pinned_search_path();
	d.time_zone = pg::call([] { return GetConfigOption("TimeZone", false, false); });
}

/* check_as_owner checks a definition as the role that will be its owner. */
void check_as_owner(Definition &d)
{
	if (d.where_absent && d.where_absent->empty()) /* how an argument says: none */
		d.where_absent.reset();
	if (d.description && d.description->empty())
		d.description.reset();
	if (d.name.empty())
		pg::fail(ERRCODE_INVALID_PARAMETER_VALUE, "the name of an invariant must not be empty");
	if (d.key.empty())
		pg::fail(ERRCODE_INVALID_PARAMETER_VALUE, "argument \"key\" must name at least one column",
				 {}, "Name the columns by which an expected row is found in the target.");
	pg::InContext const context("definition of invariant", d.name);
	AsDeclared const declared(d);
	check(d);
}

} // namespace

RECONCILE_FUNCTION(reconcile_create_invariant)
{
	pg::Arguments arguments(fcinfo);
	Definition d;
	d.name = arguments.text(0, "name");
	d.kind = arguments.one_of(4, "kind", kKinds);
	if (!d.is_check() || !arguments.null(1))
		d.target = arguments.oid(1, "target");
	d.key = arguments.texts(2, "key");
	d.expects = arguments.text(3, "expects");
	d.compare = arguments.texts(5, "compare");
	d.where_absent = arguments.optional_text(6);
	d.severity = arguments.one_of(7, "severity", kSeverities);
	d.description = arguments.optional_text(8);
	d.owner = GetUserId();
	pin_surroundings(d);

	check_as_owner(d);
	store(d);
	PG_RETURN_VOID();
}

RECONCILE_FUNCTION(reconcile_alter_invariant)
{
	pg::Arguments arguments(fcinfo);
	lock_for_repair(arguments.text(0, "name")); /* one that runs ends first */
	Definition d = definition_named(arguments.text(0, "name"));
	require_role(d);
	if (!arguments.null(1))
		d.target = arguments.oid(1, "target");
	if (!arguments.null(2))
		d.key = arguments.texts(2, "key");
	if (!arguments.null(3))
		d.expects = arguments.text(3, "expects");
	if (!arguments.null(4) && arguments.one_of(4, "kind", kKinds) != d.kind)
		pg::fail(ERRCODE_FEATURE_NOT_SUPPORTED, "the kind of an invariant cannot be changed", {},
				 "Drop it and create it again.");
	if (!arguments.null(5))
		d.compare = arguments.texts(5, "compare");
	if (!arguments.null(6))
		d.where_absent = arguments.optional_text(6);
	if (!arguments.null(7))
		d.severity = arguments.one_of(7, "severity", kSeverities);
	if (!arguments.null(8))
		d.description = arguments.optional_text(8);
	/* a new query means what it means here and now; a new condition alone joins the
	 * query where that is, which must go on to mean the same */
	if (!arguments.null(3))
		pin_surroundings(d);

	check_as_owner(d);
	replace(d);
	reinstall(d);
	PG_RETURN_VOID();
}

RECONCILE_FUNCTION(reconcile_drop_invariant)
{
	pg::Arguments arguments(fcinfo);
	lock_for_repair(arguments.text(0, "name"));
	Definition const definition = definition_named(arguments.text(0, "name"));
	if (pg::role_exists(definition.owner) || !pg::call([] { return superuser(); }))
		require_role(definition);
	uninstall(definition.name);
	forget(definition.name);
	PG_RETURN_VOID();
}

} // namespace reconcile::invariant
