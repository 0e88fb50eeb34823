/*-------------------------------------------------------------------------
 *
 * ledger.cpp
 *	  What repairs did, kept in reconcile.run, run_row and failure.
 *
 *-------------------------------------------------------------------------
 */
#include "invariant/ledger.hpp"

#include "invariant/row_json.hpp"
#include "pg/identity.hpp"
#include "pg/text.hpp"

extern "C" {
#include "catalog/pg_type_d.h"
#include "utils/array.h"
#include "utils/timestamp.h"
}

namespace reconcile::invariant {

namespace {

constexpr const char *kWritten = "pg_reconcile written rows";
constexpr const char *kRefused = "pg_reconcile refused rows";

/* xid8_array makes the Datum of an xid8[]. */
Datum xid8_array(const std::vector<uint64> &xids)
{
	std::vector<Datum> elements;
	for (uint64 xid : xids)
		elements.push_back(UInt64GetDatum(xid));
	return pg::call([&] {
		return PointerGetDatum(construct_array(elements.data(), static_cast<int>(elements.size()),
											   XID8OID, sizeof(uint64), FLOAT8PASSBYVAL,
											   TYPALIGN_DOUBLE));
	});
}

void enter_run(pg::Spi &spi, const Definition &definition, const RunRecord &run,
			   const std::string &state, const std::string &run_by)
{
	spi.run(
		"INSERT INTO reconcile.run (run_id, invariant, pack, state, planned, changed,"
		" already_present, failed, started_at, finished_at, run_by, target, record, xids,"
		" system_identifier, database, definition, owner, search_path, plan, columns, filled, key)"
		" SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9,"
		"  CASE WHEN $4 <> 'running' THEN clock_timestamp() END, $10, $11, $12,"
		"  $13, s.system_identifier, d.oid, md5($14), $15, $16, $17,"
		"  CASE $12 WHEN 'rows' THEN $18 END, nullif($19, '{}'), $20"
		" FROM pg_control_system() s, pg_database d"
		" WHERE d.datname = current_database()",
		SPI_OK_INSERT,
		pg::Args()
			.add(run.run_id)
			.add(definition.name)
			.add(definition.pack)
			.add(state)
			.add(run.planned)
			.add(run.changed)
			.add(state == "running" ? int64(0) : run.already_present())
			.add(run.failed)
			.add(TIMESTAMPTZOID, TimestampTzGetDatum(run.started_at))
			.add(run_by)
			.add(REGCLASSOID, ObjectIdGetDatum(definition.target))
			.add(std::string(run.rows_recorded ? "rows" : "xmin"))
			.add(XID8ARRAYOID, xid8_array(run.xids))
			.add(fingerprint(definition))
			.add(REGROLEOID, ObjectIdGetDatum(definition.owner))
			.add(definition.search_path)
			.add(run.plan)
			.add(run.columns)
			.add(run.filled)
			.add(run.key));
}

void enter_rows(pg::Spi &spi, int64 run_id, pg::WorkList &written)
{
	spi.expose(kWritten, written);
	spi.run("INSERT INTO reconcile.run_row (run_id, ordinal, row, was)"
			" SELECT $1, row_number() OVER () +"
			"  (SELECT coalesce(max(ordinal), 0) FROM reconcile.run_row WHERE run_id = $1),"
			"  w.row, w.was FROM " +
				pg::quoted(kWritten) + " w",
			SPI_OK_INSERT, pg::Args().add(run_id));
}

/* enter_failures adds refused rows; a row that failed before keeps when it
 * failed first. */
void enter_failures(pg::Spi &spi, const Definition &definition, int64 run_id,
					const std::string &run_by, pg::WorkList &refused)
{
	if (refused.size() == 0)
		return;
	spi.expose(kRefused, refused);
	spi.run("INSERT INTO reconcile.failure AS f"
			" (invariant, key, run_id, source, sqlstate, message, role)"
			" SELECT DISTINCT ON (r.key::jsonb) $1, r.key::jsonb, $2, r.row::jsonb, r.sqlstate,"
			"  r.message, $3 FROM " +
				pg::quoted(kRefused) +
				" r"
				" ON CONFLICT (invariant, key_md5) DO UPDATE SET run_id = EXCLUDED.run_id,"
				" source = EXCLUDED.source, sqlstate = EXCLUDED.sqlstate,"
				" message = EXCLUDED.message, role = EXCLUDED.role,"
				" attempts = f.attempts + 1,"
				" last_failed_at = EXCLUDED.last_failed_at",
			SPI_OK_INSERT, pg::Args().add(definition.name).add(run_id).add(run_by));
}

/* clear_failures forgets those of earlier runs and those of guards that the run
 * has claimed: what still fails has failed in this one again. */
void clear_failures(pg::Spi &spi, const Definition &definition, int64 run_id)
{
	pg::Args const args = pg::Args().add(definition.name).add(run_id);
	spi.run("DELETE FROM reconcile.failure WHERE invariant = $1 AND run_id <> $2", SPI_OK_DELETE,
			args);
	spi.run("UPDATE reconcile.failure f SET attempts = f.attempts + g.attempts,"
			" first_failed_at = least(f.first_failed_at, g.first_failed_at)"
			" FROM (SELECT key, count(*) AS attempts, min(failed_at) AS first_failed_at"
			"  FROM reconcile.guard_failure WHERE invariant = $1 AND run_id = $2 GROUP BY key) g"
			" WHERE f.invariant = $1 AND f.key = g.key",
			SPI_OK_UPDATE, args);
	spi.run("DELETE FROM reconcile.guard_failure WHERE invariant = $1 AND run_id = $2",
			SPI_OK_DELETE, args);
}

const char *final_state(int64 failed)
{
	return failed == 0 ? "done" : "done with failures";
}

[[noreturn]] void no_such_run(int64 run_id)
{
	pg::fail(ERRCODE_UNDEFINED_OBJECT, "run " + std::to_string(run_id) + " does not exist", {},
			 "View reconcile.runs lists all runs.");
}

} // namespace

int64 next_run_id()
{
	pg::AsExtensionOwner owner;
	pg::Spi spi;
	spi.run("SELECT nextval('reconcile.run_run_id_seq'::regclass)", SPI_OK_SELECT);
	return spi.number(0, 1);
}

void claim_failures(const std::string &invariant, int64 run_id)
{
	pg::AsExtensionOwner owner;
	pg::Spi spi;
	spi.run("UPDATE reconcile.guard_failure SET run_id = $2 WHERE invariant = $1", SPI_OK_UPDATE,
			pg::Args().add(invariant).add(run_id));
}

TupleDesc refusal_row_type()
{
	return row_type_of({{"key", TEXTOID, -1},
						{"row", TEXTOID, -1},
						{"sqlstate", TEXTOID, -1},
						{"message", TEXTOID, -1}});
}

TupleDesc recorded_row_type()
{
	return row_type_of({{"row", JSONBOID, -1}, {"was", JSONBOID, -1}});
}

PastRun past_run(int64 run_id, bool lock)
{
	pg::AsExtensionOwner owner;
	pg::Spi spi;
	uint64 const found = spi.run(
		std::string("SELECT r.invariant, r.changed, r.target::oid,"
					" r.owner::oid, r.search_path,"
					" r.record = 'rows',"
					" r.xids::text[], reconcile.undo_refusal(r),"
					" r.columns, r.filled, r.key FROM reconcile.run r WHERE r.run_id = $1") +
			(lock ? " FOR UPDATE" : ""),
		SPI_OK_SELECT, pg::Args().add(run_id));
	if (found == 0)
		no_such_run(run_id);
	PastRun run;
	run.run_id = run_id;
	run.invariant = spi.required_text(0, 1);
	run.changed = spi.number(0, 2);
	run.target = spi.oid(0, 3);
	run.owner = spi.oid(0, 4);
	run.search_path = spi.required_text(0, 5);
	run.rows_recorded = spi.truth(0, 6);
	for (const std::string &xid : spi.texts(0, 7))
		run.xids.push_back(static_cast<TransactionId>(std::stoull(xid)));
	run.undo_refusal = spi.text(0, 8);
	run.columns = spi.texts(0, 9);
	run.filled = spi.texts(0, 10);
	run.key = spi.texts(0, 11);
	return run;
}

void require_role(const PastRun &run)
{
	if (!pg::role_exists(run.owner) || !pg::may_act_as(run.owner))
		pg::fail(ERRCODE_INSUFFICIENT_PRIVILEGE,
				 "permission denied for run " + std::to_string(run.run_id),
				 "It ran as role \"" + pg::role_name(run.owner) + "\".",
				 "Ask for membership in that role.");
}

void recorded_rows(int64 run_id, pg::WorkList &into)
{
	pg::AsExtensionOwner owner;
	pg::Spi spi;
	spi.collect("SELECT row, was FROM reconcile.run_row WHERE run_id = $1", SPI_OK_SELECT, into,
				pg::Args().add(run_id));
}

void mark_undone(int64 run_id)
{
	std::string const by = pg::role_name(GetUserId());
	pg::AsExtensionOwner owner;
	pg::Spi spi;
	spi.run("UPDATE reconcile.run SET state = 'undone', undone_at = clock_timestamp(),"
			" finished_at = coalesce(finished_at, clock_timestamp()),"
			" undone_by = $2 WHERE run_id = $1",
			SPI_OK_UPDATE, pg::Args().add(run_id).add(by));
}

void enter(const Definition &definition, const RunRecord &run, pg::WorkList *written,
		   pg::WorkList &refused)
{
	std::string const run_by = pg::role_name(GetUserId());
	pg::AsExtensionOwner owner;
	pg::Spi spi;
	enter_run(spi, definition, run, final_state(run.failed), run_by);
	if (written != nullptr)
		enter_rows(spi, run.run_id, *written);
	enter_failures(spi, definition, run.run_id, run_by, refused);
	if (!run.plan) /* a plan tries its own rows only */
		clear_failures(spi, definition, run.run_id);
}

void open_run(const Definition &definition, const RunRecord &run)
{
	std::string const run_by = pg::role_name(GetUserId());
	pg::AsExtensionOwner owner;
	pg::Spi spi;
	enter_run(spi, definition, run, "running", run_by);
}

BatchedRun batched_run(int64 run_id)
{
	pg::AsExtensionOwner owner;
	pg::Spi spi;
	static pg::Constant in_batches(
		"SELECT invariant, definition, plan, planned, changed + already_present + failed,"
		" record = 'rows', finished_at IS NULL,"
		" (SELECT p.yields FROM reconcile.saved_plan p WHERE p.plan_id = r.plan)"
		" FROM reconcile.run r WHERE run_id = $1 FOR UPDATE OF r");
	uint64 const found = spi.run(in_batches, SPI_OK_SELECT, pg::Args().add(run_id));
	if (found == 0)
		no_such_run(run_id);
	if (!spi.truth(0, 7))
		pg::fail(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
				 "run " + std::to_string(run_id) + " has ended", {},
				 "Leave out the argument resume to begin a new one.");
	BatchedRun run;
	run.run_id = run_id;
	run.invariant = spi.required_text(0, 1);
	run.definition = spi.required_text(0, 2);
	run.plan = spi.number(0, 3);
	run.planned = spi.number(0, 4);
	run.progress = spi.number(0, 5);
	run.rows_recorded = spi.truth(0, 6);
	run.yields = spi.text(0, 8);
	return run;
}

void enter_batch(const Definition &definition, const RunRecord &batch, pg::WorkList *written,
				 pg::WorkList &refused)
{
	std::string const run_by = pg::role_name(GetUserId());
	pg::AsExtensionOwner owner;
	pg::Spi spi;
	static pg::Constant add_batch(
		"UPDATE reconcile.run SET changed = changed + $2, already_present = already_present + $3,"
		" failed = failed + $4, xids = xids || $5, state = 'running' WHERE run_id = $1");
	spi.run(add_batch, SPI_OK_UPDATE,
			pg::Args()
				.add(batch.run_id)
				.add(batch.changed)
				.add(batch.already_present())
				.add(batch.failed)
				.add(XID8ARRAYOID, xid8_array(batch.xids)));
	if (written != nullptr)
		enter_rows(spi, batch.run_id, *written);
	enter_failures(spi, definition, batch.run_id, run_by, refused);
}

void enter_pause(int64 run_id)
{
	pg::AsExtensionOwner owner;
	pg::Spi spi;
	spi.run("UPDATE reconcile.run SET state = 'paused: lag' WHERE run_id = $1", SPI_OK_UPDATE,
			pg::Args().add(run_id));
}

std::string close_run(const Definition &definition, int64 run_id)
{
	pg::AsExtensionOwner owner;
	pg::Spi spi;
	clear_failures(spi, definition, run_id);
	spi.run("UPDATE reconcile.run SET finished_at = clock_timestamp(),"
			" state = CASE failed WHEN 0 THEN 'done' ELSE 'done with failures' END"
			" WHERE run_id = $1 RETURNING format('%s changed, %s already present, %s failed',"
			"  changed, already_present, failed)",
			SPI_OK_UPDATE_RETURNING, pg::Args().add(run_id));
	return spi.required_text(0, 1);
}

} // namespace reconcile::invariant
