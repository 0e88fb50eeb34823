/*-------------------------------------------------------------------------
 *
 * batches.cpp
 *	  One repair in many transactions: what reconcile.repair_in_batches() calls.
 *
 * The work list is a saved plan, so it is fixed at the start: the run ends
 * although writers go on.  Each batch commits together with its entry in the
 * ledger; a run that was killed goes on where the ledger says.  Its beginning and its
 * end are on disk when it goes on; what is in between need not be, except where another
 * server keeps the rows whatever becomes of the ledger.
 *
 *-------------------------------------------------------------------------
 */
#include "invariant/constraints.hpp"
#include "invariant/ledger.hpp"
#include "invariant/plan.hpp"
#include "invariant/progress.hpp"
#include "invariant/sqlstates.hpp"
#include "invariant/statements.hpp"
#include "invariant/work_list.hpp"
#include "invariant/writer.hpp"
#include "pg/identity.hpp"
#include "pg/result_set.hpp"
#include "pg/text.hpp"

extern "C" {
#include "catalog/pg_inherits.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
}

#include <algorithm>

namespace reconcile::invariant {

namespace {

[[noreturn]] void cannot_go_on(const BatchedRun &run, const std::string &why)
{
	pg::fail(kStalePlan, "run " + std::to_string(run.run_id) + " cannot go on", why,
			 "Begin a new one without the argument resume.");
}

/* check_same refuses to go on when a text is not the one of which the md5 was kept. */
void check_same(const BatchedRun &run, const std::string &text, const std::string &md5,
				const std::string &what)
{
	pg::PinnedPath path;
	pg::Spi spi;
	static pg::Constant is_same("SELECT md5($1) = $2");
	spi.run(is_same, SPI_OK_SELECT, pg::Args().add(text).add(md5));
	if (!spi.truth(0, 1))
		cannot_go_on(run, what + " changed since it began.");
}

/* apply_batch writes the next rows of the plan and enters what became of them. */
void apply_batch(const Definition &definition, const BatchedRun &run, int64 size)
{
	RunRecord batch;
	batch.run_id = run.run_id;
	batch.rows_recorded = run.rows_recorded;
	batch.planned = std::min(size, run.planned - run.progress);

	Constraints const constraints(definition.target);
	constraints.check_at_once();
	pg::WorkList refused(refusal_row_type());
	std::unique_ptr<pg::WorkList> written;
	{
		AsDeclared const declared(definition);
		auto const statements = statements_of(definition);
		if (run.yields)
			check_same(run, statements->yields(), *run.yields, "What its query yields");
		auto rows = planned_rows(run.plan, *statements, run.progress + 1, batch.planned);
		if (rows->size() != batch.planned)
			cannot_go_on(run, "Rows of its plan " + std::to_string(run.plan) + " are gone.");
		if (statements->may_write_twice()) {
			drop_present(*statements, rows);
			conflict_with_older_snapshots(definition.name);
		}
		Writer writer(definition, *statements, false, batch, refused);
		writer.write(*rows);
		written = writer.written_as_json(*rows);
	}
	constraints.wait_again();
	enter_batch(definition, batch, written.get(), refused);
}

/* is_kept_here tells whether all that is written to a table is lost or kept together with
 * this transaction: no part of it is another server's. */
bool is_kept_here(Oid table)
{
	return pg::call([&] {
		bool kept_here = true;
		ListCell *cell;
		foreach (cell, find_all_inheritors(table, NoLock, nullptr))
			kept_here = kept_here && get_rel_relkind(lfirst_oid(cell)) != RELKIND_FOREIGN_TABLE;
		return kept_here;
	});
}

/* let_commit_not_wait: a crash may lose a batch together with its entry in the ledger, and
 * waiting for the disk each time is slow. */
void let_commit_not_wait()
{
	pg::call([] {
		set_config_option("synchronous_commit", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL,
						  true, 0, false);
	});
}

/* report_progress tells how far a run is; its first batch in this session only
 * starts the clock. */
void report_progress(const BatchedRun &run, int64 progress)
{
	static int64 told_run = 0;
	static TimestampTz told_at = 0;
	if (run.run_id != told_run)
		told_at = GetCurrentTimestamp();
	told_run = run.run_id;
	pg::call([&] { tell_progress(run.invariant.c_str(), progress, run.planned, &told_at); });
}

} // namespace

/* reconcile_begin_batches plans, and enters the run that will apply the plan. */
RECONCILE_FUNCTION(reconcile_begin_batches)
{
	pg::Arguments arguments(fcinfo);
	Definition const definition = locked_definition(arguments.text(0, "invariant"));

	RunRecord run;
	run.started_at = GetCurrentTimestamp();
	run.run_id = next_run_id();
	claim_failures(definition.name, run.run_id);
	MadePlan const plan = make_plan(definition);
	run.plan = plan.plan_id;
	run.planned = plan.planned;
	{
		AsDeclared const declared(definition);
		choose_record(*statements_of(definition), "auto", run);
	}
	open_run(definition, run);
	mark_applied(plan.plan_id, run.run_id);
	return Int64GetDatum(run.run_id);
}

/* reconcile_run_batch applies one batch, and tells whether rows are left. */
RECONCILE_FUNCTION(reconcile_run_batch)
{
	pg::Arguments arguments(fcinfo);
	BatchedRun const run = batched_run(arguments.int8(0, "run_id"));
	Definition const definition = locked_definition(arguments.text(1, "invariant"));
	int64 const size = arguments.int4(2, "batch_size");
	if (size < 1)
		pg::fail(ERRCODE_INVALID_PARAMETER_VALUE, "argument \"batch_size\" must be at least 1");
	if (run.invariant != definition.name)
		pg::fail(ERRCODE_INVALID_PARAMETER_VALUE, "run " + std::to_string(run.run_id) +
													  " is of invariant \"" + run.invariant +
													  "\", not \"" + definition.name + "\"");
	check_same(run, fingerprint(definition), run.definition,
			   "The definition of invariant \"" + definition.name + "\"");

	bool const last = run.progress + size >= run.planned;
	if (run.progress < run.planned)
		apply_batch(definition, run, size);
	report_progress(run, std::min(run.progress + size, run.planned));
	if (last) {
		std::string const numbers = close_run(definition, run.run_id);
		pg::call([&] {
			ereport(NOTICE, (errmsg("repair %s: run %lld is done: %s", definition.name.c_str(),
									static_cast<long long>(run.run_id), numbers.c_str())));
		});
	} else if (is_kept_here(definition.target))
		let_commit_not_wait();
	return BoolGetDatum(!last);
}

RECONCILE_FUNCTION(reconcile_pause_run)
{
	pg::Arguments arguments(fcinfo);
	BatchedRun const run = batched_run(arguments.int8(0, "run_id"));
	require_role(definition_named(run.invariant));
	enter_pause(run.run_id);
	PG_RETURN_VOID();
}

} // namespace reconcile::invariant
