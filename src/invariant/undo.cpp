/*-------------------------------------------------------------------------
 *
 * undo.cpp
 *	  reconcile.undo(), undo_last() and forget_runs(): the way back.
 *
 *-------------------------------------------------------------------------
 */
#include "invariant/chain.hpp"
#include "invariant/constraints.hpp"
#include "invariant/definition.hpp"
#include "invariant/ledger.hpp"
#include "invariant/lock.hpp"
#include "invariant/order.hpp"
#include "invariant/sqlstates.hpp"
#include "invariant/undoing.hpp"
#include "pg/identity.hpp"
#include "pg/result_set.hpp"
#include "pg/spi.hpp"
#include "pg/text.hpp"

extern "C" {
#include "tcop/utility.h"
}

#include <algorithm>

namespace reconcile::invariant {

namespace {

/* tell_what_is_not_known says what xmin cannot tell apart. */
void tell_what_is_not_known(const PastRun &run, const Undone &undone)
{
	if (run.rows_recorded || undone.kept_changed == 0)
		return;
	std::string const message =
		pg::plural(static_cast<uint64>(undone.kept_changed), "row", "rows") + " of run " +
		std::to_string(run.run_id) + " " + (undone.kept_changed == 1 ? "was" : "were") +
		" changed or deleted since";
	pg::call([&] {
		ereport(NOTICE,
				(errmsg("%s", message.c_str()), errdetail("They are counted as kept_changed.")));
	});
}

void undo(int64 run_id, bool dry_run, pg::WorkList &gone_before, pg::ResultSet &result)
{
	PastRun const run = past_run(run_id, !dry_run);
	if (pg::role_exists(run.owner))
		require_role(run);
	if (run.undo_refusal)
		pg::fail(kUndoRefused, "run " + std::to_string(run_id) + " cannot be undone",
				 "The reason: " + *run.undo_refusal + ".");
	if (!dry_run)
		lock_for_repair(run.invariant);

	Chain const held({run.invariant}); /* its guard would write again what is taken back */
	Constraints const constraints(run.target, Constraints::pointing_at);
	if (!dry_run)
		constraints.check_at_once();
	Undone const undone = undoing_of(run, gone_before)->find_or_take_back(dry_run);
	if (!dry_run) {
		constraints.wait_again();
		mark_undone(run_id);
	}
	tell_what_is_not_known(run, undone);
	result.add(pg::Row()
				   .number(run_id)
				   .text(run.invariant)
				   .number(undone.removed)
				   .number(undone.kept_changed)
				   .number(undone.kept_referenced)
				   .number(undone.already_gone)
				   .number(undone.restored));
}

void check_may_write(bool dry_run, const char *what)
{
	if (!dry_run)
		pg::call([&] {
			PreventCommandIfReadOnly(what);
			PreventCommandDuringRecovery(what);
		});
}

/* newest_undoable returns the newest run of an invariant that can be undone. */
std::optional<int64> newest_undoable(const std::string &invariant)
{
	pg::AsExtensionOwner owner;
	pg::Spi spi;
	uint64 const found = spi.run("SELECT run_id FROM reconcile.runs"
								 " WHERE invariant = $1 AND undoable"
								 " ORDER BY run_id DESC LIMIT 1",
								 SPI_OK_SELECT, pg::Args().add(invariant));
	if (found == 0)
		return std::nullopt;
	return spi.number(0, 1);
}

} // namespace

RECONCILE_FUNCTION(reconcile_undo)
{
	pg::Arguments arguments(fcinfo);
	int64 const run_id = arguments.int8(0, "run_id");
	bool const dry_run = arguments.truth(1, "dry_run");
	check_may_write(dry_run, "reconcile.undo()");
	pg::ResultSet result(fcinfo);
	pg::WorkList gone_before(removed_row_type());
	undo(run_id, dry_run, gone_before, result);
	return Datum(0);
}

RECONCILE_FUNCTION(reconcile_undo_last)
{
	pg::Arguments arguments(fcinfo);
	std::string const pack = arguments.text(0, "pack");
	bool const dry_run = arguments.truth(1, "dry_run");
	check_may_write(dry_run, "reconcile.undo_last()");

	std::vector<Definition> definitions = in_order(chosen_definitions(std::nullopt, pack));
	std::reverse(definitions.begin(), definitions.end());
	std::vector<std::string> names;
	for (const Definition &definition : definitions)
		names.push_back(definition.name);
	Chain const held(names); /* a parent's old values would set off the guard of its children */
	pg::ResultSet result(fcinfo);
	pg::WorkList gone_before(removed_row_type());
	for (const Definition &definition : definitions)
		if (auto run_id = newest_undoable(definition.name))
			undo(*run_id, dry_run, gone_before, result);
	return Datum(0);
}

RECONCILE_FUNCTION(reconcile_forget_runs)
{
	pg::Arguments arguments(fcinfo);
	Datum const older_than = arguments.datum_of(0, "older_than");
	check_may_write(false, "reconcile.forget_runs()");
	pg::AsExtensionOwner owner;
	pg::Spi spi;
	pg::Args args;
	args.add(INTERVALOID, older_than);
	spi.run("WITH gone AS (DELETE FROM reconcile.run WHERE finished_at < now() - $1"
			"  RETURNING run_id), rows AS (DELETE FROM reconcile.run_row"
			"  WHERE run_id IN (SELECT run_id FROM gone))"
			" SELECT count(*) FROM gone",
			SPI_OK_SELECT, args);
	int64 const forgotten = spi.number(0, 1);
	spi.run("WITH gone AS (DELETE FROM reconcile.saved_plan p"
			"  WHERE coalesce(p.applied_at, p.expires_at) < now() - $1"
			"  AND NOT EXISTS (SELECT FROM reconcile.run r WHERE r.plan = p.plan_id"
			"   AND r.finished_at IS NULL) RETURNING plan_id)"
			" DELETE FROM reconcile.saved_plan_rows WHERE plan_id IN (SELECT plan_id FROM gone)",
			SPI_OK_DELETE, args);
	return Int64GetDatum(forgotten);
}

} // namespace reconcile::invariant
