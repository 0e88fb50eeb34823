/*-------------------------------------------------------------------------
 *
 * step_ledger.cpp
 *	  What a run of fix_schema_online() writes down about itself.
 *
 * The tables are the extension owner's.  Steps are run as the role that began
 * the run, and the ledger is believed: nobody else writes to a run.
 *
 *-------------------------------------------------------------------------
 */
#include "pg/identity.hpp"
#include "pg/result_set.hpp"
#include "pg/spi.hpp"
#include "pg/text.hpp"

extern "C" {
#include "catalog/pg_type_d.h"
}

namespace reconcile::schema {

namespace {

void require_own_run(pg::Spi &spi, int64 run, const std::string &caller)
{
	if (spi.run("SELECT FROM reconcile.schema_run WHERE run_id = $1 AND run_by = $2", SPI_OK_SELECT,
				pg::Args().add(run).add(caller)) == 0)
		pg::fail(ERRCODE_INSUFFICIENT_PRIVILEGE, "permission denied for run " + std::to_string(run),
				 "Its steps are run as the role that began it, which is not \"" + caller + "\".");
}

/* asked_again plans a step anew that failed for a lock which was taken. */
bool asked_again(pg::Spi &spi, int64 run, int64 step, int64 retries)
{
	return spi.run("UPDATE reconcile.schema_step SET state = 'planned'"
				   " WHERE run_id = $1 AND step = $2 AND state = 'failed'"
				   " AND sqlstate IN ('55P03', '40P01') AND attempts <= $3",
				   SPI_OK_UPDATE, pg::Args().add(run).add(step).add(retries)) > 0;
}

/* settle says what became of a step that has no worker any more.  When it
 * failed, the others of its fix are not tried. */
std::string settle(pg::Spi &spi, int64 run, int64 step)
{
	pg::Args const which = pg::Args().add(run).add(step);
	spi.run("UPDATE reconcile.schema_step SET state = 'failed', message = 'its worker was ended',"
			" finished_at = clock_timestamp()"
			" WHERE run_id = $1 AND step = $2 AND state IN ('planned', 'running')",
			SPI_OK_UPDATE, which);
	spi.run("UPDATE reconcile.schema_step s SET state = 'refused',"
			" message = format('step %s failed', f.step) FROM reconcile.schema_step f"
			" WHERE f.run_id = $1 AND f.step = $2 AND f.state = 'failed'"
			" AND s.run_id = f.run_id AND s.fix = f.fix AND s.state = 'planned'",
			SPI_OK_UPDATE, which);
	if (spi.run("SELECT state FROM reconcile.schema_step WHERE run_id = $1 AND step = $2",
				SPI_OK_SELECT, which) == 0)
		pg::fail(ERRCODE_UNDEFINED_OBJECT,
				 "run " + std::to_string(run) + " has no step " + std::to_string(step));
	return spi.required_text(0, 1);
}

} // namespace

RECONCILE_FUNCTION(reconcile_begin_schema_run)
{
	pg::Arguments arguments(fcinfo);
	std::string const caller = pg::role_name(GetUserId());
	pg::AsExtensionOwner const owner;
	pg::Spi spi;
	spi.run("INSERT INTO reconcile.schema_run (baseline, run_by) VALUES ($1, $2) RETURNING run_id",
			SPI_OK_INSERT_RETURNING, pg::Args().add(arguments.optional_text(0)).add(caller));
	PG_RETURN_INT64(spi.number(0, 1));
}

RECONCILE_FUNCTION(reconcile_enter_schema_steps)
{
	pg::Arguments arguments(fcinfo);
	int64 const run = arguments.int8(0, "run_id");
	Datum const steps = arguments.datum_of(1, "steps");
	std::string const caller = pg::role_name(GetUserId());
	pg::AsExtensionOwner const owner;
	pg::Spi spi;
	require_own_run(spi, run, caller);
	spi.run("WITH entered AS (INSERT INTO reconcile.schema_step"
			"  (run_id, step, fix, object, statement, cleanup, hazard, state, message)"
			" SELECT $1, coalesce(last.step, 0) + n, coalesce(last.fix, 0) + s.fix, s.object,"
			"  s.statement, s.cleanup, s.hazard, s.state, s.message"
			" FROM ROWS FROM (jsonb_to_recordset($2) AS (fix integer, object text, statement text,"
			"   cleanup text, hazard text, state text, message text)) WITH ORDINALITY"
			"  AS s(fix, object, statement, cleanup, hazard, state, message, n),"
			" (SELECT max(p.step) AS step, max(p.fix) AS fix FROM reconcile.schema_step p"
			"  WHERE p.run_id = $1) AS last"
			" RETURNING state) SELECT count(*) FROM entered WHERE state = 'planned'",
			SPI_OK_SELECT, pg::Args().add(run).add(JSONBOID, steps));
	PG_RETURN_INT64(spi.number(0, 1));
}

RECONCILE_FUNCTION(reconcile_settle_schema_step)
{
	pg::Arguments arguments(fcinfo);
	int64 const run = arguments.int8(0, "run_id");
	int64 const step = arguments.int4(1, "step");
	int64 const retries = arguments.int4(2, "retries");
	std::string const caller = pg::role_name(GetUserId());
	std::string outcome;
	{
		pg::AsExtensionOwner const owner;
		pg::Spi spi;
		require_own_run(spi, run, caller);
		outcome = asked_again(spi, run, step, retries) ? "again" : settle(spi, run, step);
	}
	return pg::text_datum(outcome);
}

RECONCILE_FUNCTION(reconcile_end_schema_run)
{
	pg::Arguments arguments(fcinfo);
	int64 const run = arguments.int8(0, "run_id");
	std::string const caller = pg::role_name(GetUserId());
	pg::AsExtensionOwner const owner;
	pg::Spi spi;
	require_own_run(spi, run, caller);
	spi.run("UPDATE reconcile.schema_run SET finished_at = clock_timestamp() WHERE run_id = $1",
			SPI_OK_UPDATE, pg::Args().add(run));
	PG_RETURN_VOID();
}

} // namespace reconcile::schema
