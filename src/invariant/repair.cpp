/*-------------------------------------------------------------------------
 *
 * repair.cpp
 *	  reconcile.repair(): insert the missing rows of invariants.
 *
 * The missing rows are read once, into a work list; a dry run stops there.  A
 * live run inserts the whole list by one statement in a subtransaction.  If
 * the target refuses a row, the list is halved until the bad rows stand alone,
 * so that a clean run pays nothing and k bad rows cost about k log n.
 *
 *-------------------------------------------------------------------------
 */
#include "invariant/ledger.hpp"
#include "invariant/lock.hpp"
#include "invariant/order.hpp"
#include "invariant/planned.hpp"
#include "invariant/statements.hpp"
#include "invariant/writer.hpp"
#include "pg/identity.hpp"
#include "pg/result_set.hpp"
#include "pg/text.hpp"

extern "C" {
#include "tcop/utility.h"
#include "utils/timestamp.h"
}

#include <memory>

namespace reconcile::invariant {

namespace {

struct Options {
	bool dry_run;
	bool stop_at_bad_row;
	std::string record;
};

/* missing_rows reads what a repair has to insert. */
std::unique_ptr<pg::WorkList> missing_rows(Statements &statements, const PlannedRows &planned)
{
	auto list = std::make_unique<pg::WorkList>(statements.work_list_row_type());
	pg::Spi spi;
	planned.show(statements, spi);
	spi.collect(statements.missing(), SPI_OK_SELECT, *list);
	return list;
}

/* check_surplus counts the rows of a work list that repeat the key of another
 * one.  Two different rows for one key are an error of the invariant. */
int64 check_surplus(const Definition &definition, const Statements &statements, pg::WorkList &list)
{
	pg::Spi spi;
	spi.expose(kWorkList, list);
	spi.run(statements.surplus(), SPI_OK_SELECT);
	if (auto key = spi.text(0, 2))
		pg::fail(ERRCODE_CARDINALITY_VIOLATION,
				 "invariant \"" + definition.name + "\" expects different rows with the same key",
				 "Key: " + *key + ".",
				 "Make its query yield one row per key, for example with DISTINCT ON.");
	return spi.number(0, 1);
}

/* drop_surplus leaves one row per key in a work list. */
void drop_surplus(const Definition &definition, const Statements &statements,
				  std::unique_ptr<pg::WorkList> &list)
{
	if (check_surplus(definition, statements, *list) == 0)
		return;
	auto kept = std::make_unique<pg::WorkList>(list->row_type());
	pg::Spi spi;
	spi.expose(kWorkList, *list);
	spi.collect(statements.distinct(), SPI_OK_SELECT, *kept);
	list = std::move(kept);
}

RunRecord dry_run(const Definition &definition, PlannedRows &planned)
{
	pg::AsOwner owner(definition.owner, definition.search_path);
	Statements statements(definition);
	auto list = missing_rows(statements, planned);

	RunRecord run;
	run.planned = list->size();
	drop_surplus(definition, statements, list);
	run.changed = list->size();
	planned.add(statements, std::move(list));
	return run;
}

/* recording chooses how the rows of a run will be known. */
bool recording(const Target &target, const std::string &record)
{
	if (record == "xmin" && !target.keeps_xmin())
		pg::fail(ERRCODE_FEATURE_NOT_SUPPORTED,
				 "rows of " + target.name() + " cannot be recorded by xmin",
				 "Only rows of heap tables carry the transaction that wrote them.",
				 "Use record => 'rows' or 'auto'.");
	return record == "rows" || !target.keeps_xmin();
}

RunRecord live_run(const Definition &definition, const Options &options)
{
	RunRecord run;
	run.started_at = GetCurrentTimestamp();
	lock_for_repair(definition.name);

	pg::WorkList refused(refusal_row_type());
	std::unique_ptr<pg::WorkList> written;
	{
		pg::AsOwner owner(definition.owner, definition.search_path);
		Statements statements(definition);
		run.rows_recorded = recording(statements.target(), options.record);
		auto list = missing_rows(statements, PlannedRows());
		run.planned = list->size();

		/* No unique index stops the second row of a key that may repeat, and a
		 * foreign store takes rows before PostgreSQL could take them back. */
		if (statements.key_can_repeat() || statements.target().foreign())
			drop_surplus(definition, statements, list);
		Writer writer(definition, statements, options.stop_at_bad_row, run, refused);
		writer.write(*list);
		written = writer.take_written();
		if (run.changed < run.planned)
			check_surplus(definition, statements, *list);
	}
	run.run_id = next_run_id();
	enter(definition, run, written.get(), refused);
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

} // namespace

RECONCILE_FUNCTION(reconcile_repair)
{
	pg::Arguments arguments(fcinfo);
	Options options;
	options.dry_run = arguments.truth(2, "dry_run");
	options.stop_at_bad_row =
		arguments.one_of(4, "on_row_error", {"skip", "stop"}) == "stop";
	options.record = arguments.one_of(5, "record", {"auto", "xmin", "rows"});
	if (auto plan = arguments.optional_int8(3))
		pg::fail(ERRCODE_UNDEFINED_OBJECT, "plan " + std::to_string(*plan) + " does not exist");
	if (!options.dry_run)
		pg::call([] {
			PreventCommandIfReadOnly("reconcile.repair()");
			PreventCommandDuringRecovery("reconcile.repair()");
		});

	pg::ResultSet result(fcinfo);
	PlannedRows planned;
	for (const Definition &definition :
		 in_order(chosen_definitions(arguments.optional_text(0), arguments.optional_text(1)))) {
		TimestampTz const started = GetCurrentTimestamp();
		require_role(definition);
		RunRecord const run = options.dry_run ? dry_run(definition, planned)
											  : live_run(definition, options);
		result.add(result_row(definition, run, started));
	}
	return Datum(0);
}

} // namespace reconcile::invariant
