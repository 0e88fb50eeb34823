/*-------------------------------------------------------------------------
 *
 * repair.cpp
 *	  reconcile.repair(): write what invariants say must be there.
 *
 * The rows that are due are read once, into a work list; a dry run stops there.
 * A live run writes the whole list by one statement in a subtransaction.  If
 * the target refuses a row, the list is halved until the bad rows stand alone,
 * so that a clean run pays nothing and k bad rows cost about k log n.
 *
 *-------------------------------------------------------------------------
 */
#include "invariant/repair.hpp"

#include "invariant/chain.hpp"
#include "invariant/constraints.hpp"
#include "invariant/guard_work.hpp"
#include "invariant/ledger.hpp"
#include "invariant/order.hpp"
#include "invariant/plan.hpp"
#include "invariant/planned.hpp"
#include "invariant/statements.hpp"
#include "invariant/work_list.hpp"
#include "invariant/writer.hpp"
#include "pg/context.hpp"
#include "pg/identity.hpp"
#include "pg/result_set.hpp"
#include "pg/text.hpp"

extern "C" {
#include "tcop/utility.h"
#include "utils/timestamp.h"
}

#include <algorithm>
#include <memory>

namespace reconcile::invariant {

namespace {

/* More rows than any plan has. */
constexpr int64 kAllRows = int64(1) << 62;

struct Options {
	bool dry_run;
	bool stop_at_bad_row;
	std::string record;
	std::optional<SavedPlan> plan;
	std::optional<Datum> keys; /* a jsonb[]: only rows with these */
};

/* rows_with_keys are the rows with some keys that are due now. */
std::unique_ptr<pg::WorkList> rows_with_keys(Datum keys, const Statements &statements)
{
	auto list = std::make_unique<pg::WorkList>(statements.work_list_row_type());
	Rows rows;
	rows.keys = keys;
	pg::Spi spi;
	pg::ReadOnly read_only;
	spi.collect(due_in(statements, {Scope::keys}), SPI_OK_SELECT, *list, rows.args());
	return list;
}

/* rows_to_write are the rows of the plan, if there is one, else what is due
 * now. */
std::unique_ptr<pg::WorkList> rows_to_write(const Definition &definition, const Options &options,
											Statements &statements)
{
	if (options.keys)
		return rows_with_keys(*options.keys, statements);
	if (!options.plan)
		return due_rows(definition, statements);
	/* looked up again: another session may have applied it before it let us */
	SavedPlan const plan = saved_plan(options.plan->plan_id);
	check_applicable(plan, definition, statements);
	auto list = planned_rows(plan.plan_id, statements, 1, kAllRows);
	check_still_expected(plan, statements, *list);
	return list;
}

RunRecord dry_run(const Definition &definition, const Options &options, PlannedRows &planned)
{
	AsDeclared const declared(definition);
	pg::ReadOnly read_only;
	auto const statements = statements_of(definition);
	RunRecord run;
	if (options.plan) {
		auto list = rows_to_write(definition, options, *statements);
		run.planned = list->size();
		drop_present(*statements, list);
		run.changed = list->size();
		return run;
	}
	auto list = due_rows(definition, *statements, planned);
	run.planned = list->size();
	if (run.planned > 0)
		statements->write(); /* raises what keeps all rows from being written */
	drop_surplus(definition, *statements, list);
	drop_held(*statements, list);
	run.changed = list->size();
	planned.add(*statements, std::move(list));
	return run;
}

RunRecord live_run(const std::string &invariant, const Options &options)
{
	RunRecord run;
	run.started_at = GetCurrentTimestamp();
	Definition const definition = locked_definition(invariant);
	if (!options.plan) { /* a plan tries its own rows only */
		run.run_id = next_run_id();
		claim_failures(definition.name, run.run_id);
	}
	Constraints const constraints(definition.target);
	constraints.check_at_once();

	pg::WorkList refused(refusal_row_type());
	std::unique_ptr<pg::WorkList> written;
	{
		AsDeclared const declared(definition);
		auto const statements = statements_of(definition);
		choose_record(*statements, options.record, run);
		auto list = rows_to_write(definition, options, *statements);
		run.planned = list->size();
		if (options.plan && statements->may_write_twice())
			drop_present(*statements, list);
		if (statements->needs_distinct())
			drop_surplus(definition, *statements, list);
		if (list->size() > 0 && statements->may_write_twice())
			conflict_with_older_snapshots(definition.name);
		Writer writer(definition, *statements, options.stop_at_bad_row, run, refused);
		writer.write(*list);
		written = writer.written_as_json(*list);
		if (run.changed < run.planned)
			check_surplus(definition, *statements, *list);
	}
	constraints.wait_again();
	if (options.plan) {
		run.run_id = next_run_id();
		run.plan = options.plan->plan_id;
	}
	enter(definition, run, written.get(), refused);
	if (options.plan)
		mark_applied(options.plan->plan_id, run.run_id);
	return run;
}

pg::Row result_row(const Definition &definition, const RunRecord &run, TimestampTz started)
{
	pg::Row row;
	row.text(definition.name);
	row.number(run.run_id == 0 ? std::nullopt : std::optional<int64>(run.run_id));
	row.number(run.planned).number(run.changed).number(run.already_present()).number(run.failed);
	row.interval(GetCurrentTimestamp() - started);
	return row;
}

/* repair_each repairs invariants in the order given, a row of result each. */
void repair_each(FunctionCallInfo fcinfo, const std::vector<Definition> &definitions,
				 const Options &options)
{
	if (!options.dry_run)
		pg::call([] {
			PreventCommandIfReadOnly("reconcile.repair()");
			PreventCommandDuringRecovery("reconcile.repair()");
		});
	std::vector<std::string> names;
	for (const Definition &definition : definitions)
		names.push_back(definition.name);
	Chain chain(names);
	pg::ResultSet result(fcinfo);
	PlannedRows planned;
	for (const Definition &definition : definitions) {
		TimestampTz const started = GetCurrentTimestamp();
		pg::InContext const context("repair of invariant", definition.name);
		require_role(definition);
		require_repairable(definition);
		RunRecord const run = options.dry_run ? dry_run(definition, options, planned)
											  : live_run(definition.name, options);
		chain.has_had_its_turn(definition.name);
		result.add(result_row(definition, run, started));
	}
}

} // namespace

void repair_keys(const std::string &invariant, std::optional<Datum> keys)
{
	live_run(invariant, {false, false, "auto", std::nullopt, keys});
}

RECONCILE_FUNCTION(reconcile_repair)
{
	pg::Arguments arguments(fcinfo);
	Options options;
	options.dry_run = arguments.truth(2, "dry_run");
	options.stop_at_bad_row = arguments.one_of(4, "on_row_error", {"skip", "stop"}) == "stop";
	options.record = arguments.one_of(5, "record", {"auto", "xmin", "rows"});
	std::optional<std::string> invariant = arguments.optional_text(0);
	std::optional<std::string> const pack = arguments.optional_text(1);
	if (auto plan_id = arguments.optional_int8(3)) {
		options.plan = saved_plan(*plan_id);
		if (pack || (invariant && *invariant != options.plan->invariant))
			pg::fail(ERRCODE_INVALID_PARAMETER_VALUE,
					 "plan " + std::to_string(*plan_id) + " is of invariant \"" +
						 options.plan->invariant + "\"",
					 {}, "Leave out the arguments invariant and pack.");
		invariant = options.plan->invariant;
	}
	std::vector<Definition> definitions = in_order(chosen_definitions(invariant, pack));
	if (!invariant) /* a check among others: there is nothing to repair */
		definitions.erase(std::remove_if(definitions.begin(), definitions.end(),
										 [](const Definition &d) { return d.is_check(); }),
						  definitions.end());
	repair_each(fcinfo, definitions, options);
	return Datum(0);
}

RECONCILE_FUNCTION(reconcile_repair_steps)
{
	pg::Arguments arguments(fcinfo);
	std::vector<Definition> definitions;
	for (const std::string &name : arguments.texts(0, "steps"))
		definitions.push_back(definition_named(name));
	Options options;
	options.dry_run = arguments.truth(1, "dry_run");
	options.stop_at_bad_row = false;
	options.record = "auto";
	repair_each(fcinfo, definitions, options);
	return Datum(0);
}

} // namespace reconcile::invariant
