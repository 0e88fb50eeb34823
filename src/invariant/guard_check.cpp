/*-------------------------------------------------------------------------
 *
 * guard_check.cpp
 *	  reconcile.check_guard(): what would keep a guard from working.
 *
 * The catalog is asked first, as it knows the statements that mend what is
 * wrong.  When it finds no error, PostgreSQL plans the statements of the guard
 * as they would be run: by the owner, called by the role that writes.
 *
 *-------------------------------------------------------------------------
 */
#include "invariant/guard_check.hpp"

#include "invariant/guard_query.hpp"
#include "invariant/guard_work.hpp"
#include "pg/identity.hpp"
#include "pg/result_set.hpp"
#include "pg/subtransaction.hpp"
#include "pg/text.hpp"

extern "C" {
#include "catalog/pg_type_d.h"
#include "utils/array.h"
#include "utils/varlena.h"
}

#include <algorithm>

namespace reconcile::invariant {

namespace {

Datum oid_array(const std::vector<Oid> &oids)
{
	std::vector<Datum> elements;
	for (Oid oid : oids)
		elements.push_back(ObjectIdGetDatum(oid));
	return pg::call([&] {
		return PointerGetDatum(construct_array(elements.data(), static_cast<int>(elements.size()),
											   OIDOID, sizeof(Oid), true, TYPALIGN_INT));
	});
}

std::vector<std::string> schemas_of(const std::string &search_path)
{
	List *names = pg::call([&] {
		List *list = NIL;
		SplitIdentifierString(pstrdup(search_path.c_str()), ',', &list);
		return list;
	});
	std::vector<std::string> schemas;
	ListCell *cell;
	foreach (cell, names)
		schemas.emplace_back(static_cast<char *>(lfirst(cell)));
	return schemas;
}

int sqlstate_of(const std::string &code)
{
	return MAKE_SQLSTATE(code[0], code[1], code[2], code[3], code[4]);
}

Problem problem_of(const Definition &definition, const pg::Failure &failure)
{
	std::string text = failure.message();
	if (!failure.detail().empty())
		text += ": " + failure.detail();
	return {"error", text, definition.name, failure.hint(), failure.sqlstate()};
}

/* Reading is what the query of an invariant reads and yields. */
struct Reading {
	std::vector<Oid> tables;
	std::vector<std::string> yields;
};

Reading reading_of(const Definition &definition)
{
	AsDeclared const declared(definition);
	ExpectedRows const expected(definition.expects);
	Reading reading;
	for (const Watched &watched : watched_tables(definition, expected).read)
		reading.tables.push_back(watched.table);
	for (const Output &output : expected.outputs())
		reading.yields.push_back(output.name);
	return reading;
}

std::vector<Problem> catalog_problems(const Definition &definition, const Reading &reading,
									  Oid writer)
{
	Oid const installer = GetUserId();
	pg::AsExtensionOwner owner;
	pg::Spi spi;
	uint64 const rows =
		spi.run("SELECT * FROM reconcile.guard_problems($1, $2, $3, $4, $5, $6, $7, $8, $9)"
				" ORDER BY array_position('{error,warning,notice}', severity), problem",
				SPI_OK_SELECT,
				pg::Args()
					.add(definition.name)
					.add(definition.kind)
					.add(OIDOID, ObjectIdGetDatum(definition.owner))
					.add(OIDOID, ObjectIdGetDatum(writer))
					.add(OIDOID, ObjectIdGetDatum(installer))
					.add(OIDOID, ObjectIdGetDatum(definition.target))
					.add(OIDARRAYOID, oid_array(reading.tables))
					.add(reading.yields)
					.add(schemas_of(definition.search_path)));
	std::vector<Problem> problems;
	for (uint64 row = 0; row < rows; row++)
		problems.push_back({spi.required_text(row, 1), spi.required_text(row, 2),
							spi.required_text(row, 3), spi.required_text(row, 4),
							sqlstate_of(spi.required_text(row, 5))});
	return problems;
}

/* check_planned lets PostgreSQL plan the statements as they would be run. */
void check_planned(const Definition &definition, const Reading &reading, Oid writer)
{
	pg::ActingAs caller(writer);
	AsDeclared const declared(definition);
	for (Oid table : reading.tables)
		GuardWork(definition, {Scope::new_rows, table}).check();
}

} // namespace

std::vector<Problem> problems_of(const Definition &definition, Oid writer)
{
	Reading reading;
	if (auto failure = pg::attempt([&] { reading = reading_of(definition); }))
		return {problem_of(definition, *failure)};
	std::vector<Problem> problems = catalog_problems(definition, reading, writer);
	if (is_foreign(definition.target) ||
		std::any_of(problems.begin(), problems.end(),
					[](const Problem &problem) { return problem.is_error(); }))
		return problems;
	if (auto failure = pg::attempt([&] { check_planned(definition, reading, writer); }))
		problems.insert(problems.begin(), problem_of(definition, *failure));
	return problems;
}

RECONCILE_FUNCTION(reconcile_check_guard)
{
	pg::Arguments arguments(fcinfo);
	Definition const definition = definition_named(arguments.text(0, "invariant"));
	require_role(definition);
	require_repairable(definition);
	Oid const writer = arguments.null(1) ? GetUserId() : arguments.oid(1, "role");
	if (!pg::role_exists(writer))
		pg::fail(ERRCODE_UNDEFINED_OBJECT,
				 "role with OID " + std::to_string(writer) + " does not exist");

	pg::ResultSet result(fcinfo);
	for (const Problem &problem : problems_of(definition, writer)) {
		pg::Row row;
		row.text(problem.severity).text(problem.text).text(problem.object).text(problem.fix);
		result.add(std::move(row));
	}
	return Datum(0);
}

} // namespace reconcile::invariant
