/*-------------------------------------------------------------------------
 *
 * plan.cpp
 *	  Plans: what a repair would write, saved to be reviewed and applied.
 *
 *-------------------------------------------------------------------------
 */
#include "invariant/plan.hpp"

#include "invariant/sqlstates.hpp"
#include "invariant/work_list.hpp"
#include "pg/identity.hpp"
#include "pg/result_set.hpp"
#include "pg/subtransaction.hpp"
#include "pg/text.hpp"

extern "C" {
#include "tcop/utility.h"
}

namespace reconcile::invariant {

namespace {

/* json_row_type is the row type of planned rows outside of their own type. */
TupleDesc json_row_type()
{
	return row_type_of({{"key", JSONBOID, -1}, {"row", JSONBOID, -1}, {"was", JSONBOID, -1}});
}

/* What from_json() reads of them. */
TupleDesc stored_row_type()
{
	return row_type_of({{"row", JSONBOID, -1}, {"was", JSONBOID, -1}});
}

[[noreturn]] void stale(const SavedPlan &plan, const std::string &why)
{
	pg::fail(kStalePlan, "plan " + std::to_string(plan.plan_id) + " is stale", why,
			 "Make a new one: SELECT reconcile.plan(" + pg::literal(plan.invariant) + ");");
}

/* Basis is what a plan is made for, beside the definition. */
struct Basis {
	std::string structure, yields;
	std::vector<std::string> key;
};

/* save stores a plan whose rows are in a list as key, row and was. */
int64 save(const Definition &definition, const Basis &basis, pg::WorkList &rows)
{
	std::string const by = pg::role_name(GetUserId());
	pg::AsExtensionOwner owner;
	pg::Spi spi;
	spi.expose(kWorkList, rows);
	spi.run("INSERT INTO reconcile.saved_plan (invariant, planned, definition, structure,"
			" fingerprint, created_by, key, yields)"
			" SELECT $1, count(*), md5($2), md5($3),"
			"  md5($2 || $3 || coalesce(sum(jsonb_hash_extended(row,"
			"   coalesce(jsonb_hash_extended(was, 0), 0))), 0)), $4, $5, md5($6) FROM " +
				pg::quoted(kWorkList) + " RETURNING plan_id",
			SPI_OK_INSERT_RETURNING,
			pg::Args()
				.add(definition.name)
				.add(fingerprint(definition))
				.add(basis.structure)
				.add(by)
				.add(basis.key)
				.add(basis.yields));
	int64 const plan_id = spi.number(0, 1);
	spi.run("INSERT INTO reconcile.saved_plan_row (plan_id, ordinal, key, row, was)"
			" SELECT $1, row_number() OVER (), key, row, was FROM " +
				pg::quoted(kWorkList),
			SPI_OK_INSERT, pg::Args().add(plan_id));
	return plan_id;
}

} // namespace

void check_still_expected(const SavedPlan &plan, const Statements &statements, pg::WorkList &rows)
{
	pg::Spi spi;
	pg::ReadOnly read_only;
	spi.expose(kWorkList, rows);
	auto const refuse = [&](const std::string &sql, const char *one, const char *many) {
		spi.run(sql, SPI_OK_SELECT);
		if (auto const found = static_cast<uint64>(spi.number(0, 1)); found > 0)
			stale(plan, pg::plural(found, one, many) + "; one has the key " +
							spi.required_text(0, 2) + ".");
	};
	spi.run(statements.outdated(), SPI_OK_SELECT);
	if (spi.number(0, 1) == 0)
		return;
	refuse(statements.unexpected(), "planned row is not expected any more",
		   "planned rows are not expected any more");
	refuse(statements.outdated(), "planned row is expected with other values now",
		   "planned rows are expected with other values now");
}

SavedPlan saved_plan(int64 plan_id)
{
	pg::AsExtensionOwner owner;
	pg::Spi spi;
	uint64 const found = spi.run("SELECT invariant, definition, structure, applied_by,"
								 " expires_at < now(), yields FROM reconcile.saved_plan"
								 " WHERE plan_id = $1",
								 SPI_OK_SELECT, pg::Args().add(plan_id));
	if (found == 0)
		pg::fail(ERRCODE_UNDEFINED_OBJECT, "plan " + std::to_string(plan_id) + " does not exist",
				 {}, "View reconcile.plans lists all plans.");
	SavedPlan plan;
	plan.plan_id = plan_id;
	plan.invariant = spi.required_text(0, 1);
	plan.definition = spi.required_text(0, 2);
	plan.structure = spi.required_text(0, 3);
	if (spi.text(0, 4))
		plan.applied_by = spi.number(0, 4);
	plan.expired = spi.truth(0, 5);
	plan.yields = spi.required_text(0, 6);
	return plan;
}

std::unique_ptr<pg::WorkList> planned_rows(int64 plan_id, const Statements &statements, int64 first,
										   int64 count)
{
	pg::WorkList stored(stored_row_type());
	{
		pg::AsExtensionOwner owner;
		pg::Spi spi;
		spi.collect("SELECT row, was FROM reconcile.saved_plan_row WHERE plan_id = $1"
					" AND ordinal >= $2 AND ordinal < $2 + $3 ORDER BY ordinal",
					SPI_OK_SELECT, stored, pg::Args().add(plan_id).add(first).add(count));
	}
	auto rows = std::make_unique<pg::WorkList>(statements.work_list_row_type());
	auto const failure = pg::attempt([&] {
		pg::Spi spi;
		spi.expose(kWorkList, stored);
		pg::PortableText portable;
		spi.collect(statements.from_json(), SPI_OK_SELECT, *rows);
	});
	if (failure) /* a column may have been dropped and made anew with another type */
		pg::fail(kStalePlan, "plan " + std::to_string(plan_id) + " is stale",
				 "Its rows cannot be read any more: " + failure->message() + ".");
	return rows;
}

void check_applicable(const SavedPlan &plan, const Definition &definition,
					  const Statements &statements)
{
	if (plan.applied_by)
		pg::fail(kPlanApplied, "plan " + std::to_string(plan.plan_id) + " is applied already",
				 "Run " + std::to_string(*plan.applied_by) + " applied it.");
	if (plan.expired)
		stale(plan, "It expired.");

	pg::Spi spi;
	pg::ReadOnly read_only;
	spi.run("SELECT pg_catalog.md5($1), pg_catalog.md5($2), pg_catalog.md5($3)", SPI_OK_SELECT,
			pg::Args()
				.add(fingerprint(definition))
				.add(statements.structure())
				.add(statements.yields()));
	if (spi.required_text(0, 1) != plan.definition)
		stale(plan, "The definition of invariant \"" + plan.invariant + "\" changed.");
	if (spi.required_text(0, 2) != plan.structure)
		stale(plan, "The structure of " + statements.target().name() + " changed.");
	if (spi.required_text(0, 3) != plan.yields)
		stale(plan, "The columns that the query yields changed.");
}

void mark_applied(int64 plan_id, int64 run_id)
{
	pg::AsExtensionOwner owner;
	pg::Spi spi;
	spi.run("UPDATE reconcile.saved_plan SET applied_by = $2, applied_at = clock_timestamp()"
			" WHERE plan_id = $1",
			SPI_OK_UPDATE, pg::Args().add(plan_id).add(run_id));
}

MadePlan make_plan(const Definition &definition)
{
	pg::WorkList rows(json_row_type());
	Basis basis;
	{
		AsDeclared const declared(definition);
		auto const statements = statements_of(definition);
		basis = {statements->structure(), statements->yields(), statements->key().names()};
		auto list = due_rows(definition, *statements);
		if (list->size() > 0)
			statements->write(); /* raises what keeps all rows from being written */
		drop_surplus(definition, *statements, list);
		pg::Spi spi;
		spi.expose(kWorkList, *list);
		pg::PortableText portable;
		spi.collect(statements->to_json(), SPI_OK_SELECT, rows);
	}
	return {save(definition, basis, rows), rows.size()};
}

RECONCILE_FUNCTION(reconcile_plan)
{
	pg::Arguments arguments(fcinfo);
	Definition const definition = definition_named(arguments.text(0, "invariant"));
	require_role(definition);
	require_repairable(definition);
	pg::call([] {
		PreventCommandIfReadOnly("reconcile.plan()");
		PreventCommandDuringRecovery("reconcile.plan()");
	});
	return Int64GetDatum(make_plan(definition).plan_id);
}

RECONCILE_FUNCTION(reconcile_plan_rows)
{
	pg::Arguments arguments(fcinfo);
	SavedPlan const plan = saved_plan(arguments.int8(0, "plan"));
	require_role(definition_named(plan.invariant));
	pg::ResultSet result(fcinfo);
	pg::AsExtensionOwner owner;
	pg::Spi spi;
	spi.collect("SELECT r.ordinal, (SELECT jsonb_object_agg(k, coalesce(r.key -> k, r.row -> k))"
				"  FROM unnest(p.key) AS k), r.row, r.was"
				" FROM reconcile.saved_plan p JOIN reconcile.saved_plan_row r USING (plan_id)"
				" WHERE p.plan_id = $1 ORDER BY r.ordinal",
				SPI_OK_SELECT, result, pg::Args().add(plan.plan_id));
	return Datum(0);
}

} // namespace reconcile::invariant
