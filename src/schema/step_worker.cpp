/*-------------------------------------------------------------------------
 *
 * step_worker.cpp
 *	  One step of fix_schema_online(), in a background worker.
 *
 * The procedure enters its steps in reconcile.schema_step, starts a worker for
 * each, and waits for it without a transaction of its own.  What became of the
 * step is in the table, also when nobody waits any more.
 *
 *-------------------------------------------------------------------------
 */
#include "pg/identity.hpp"
#include "pg/result_set.hpp"
#include "pg/spi.hpp"
#include "pg/text.hpp"
#include "pg/worker.hpp"

extern "C" {
#include "catalog/pg_type_d.h"
}

#include <cstring>

namespace reconcile::schema {

namespace {

/* Order is what a worker is told when it is started. */
struct Order {
	Oid database, session_role, role;
	int64 run;
	int32 step;
	int32 lock_timeout; /* milliseconds */
};
static_assert(sizeof(Order) <= BGW_EXTRALEN);

/* The worker that this session waits for. */
BackgroundWorkerHandle *running = nullptr;

/* Step is what a worker runs, and what it runs when that fails. */
struct Step {
	std::string statement;
	std::optional<std::string> cleanup;

	/* waits_politely tells a statement whose lock lets others read and write
	 * while it waits for them: it may wait as long as it takes. */
	bool waits_politely() const
	{
		return statement.find("INDEX CONCURRENTLY") != std::string::npos;
	}
};

/* begin marks the step as running and returns it, or nothing when it is not
 * for this role to run, or not any more. */
std::optional<Step> begin(const Order &order)
{
	std::string const role = pg::role_name(order.role);
	pg::AsExtensionOwner const owner;
	pg::Spi spi;
	if (spi.run("UPDATE reconcile.schema_step s SET state = 'running', attempts = attempts + 1,"
				" pid = pg_backend_pid(), started_at = now()"
				" FROM reconcile.schema_run r WHERE r.run_id = $1 AND r.run_by = $3"
				" AND s.run_id = r.run_id AND s.step = $2 AND s.state IN ('planned', 'running')"
				" RETURNING s.statement, s.cleanup",
				SPI_OK_UPDATE_RETURNING,
				pg::Args().add(order.run).add(int64(order.step)).add(role)) == 0)
		return std::nullopt;
	return Step{spi.required_text(0, 1), spi.text(0, 2)};
}

/* end records what became of the step. */
void end(const Order &order, const std::optional<pg::Failure> &failure)
{
	std::optional<std::string> message, sqlstate;
	if (failure) {
		sqlstate = failure->code();
		message = failure->message();
		if (!failure->detail().empty())
			*message += "; " + failure->detail();
	}
	pg::AsExtensionOwner const owner;
	pg::Spi spi;
	spi.run("UPDATE reconcile.schema_step SET state = CASE WHEN $3 IS NULL THEN 'done'"
			" ELSE 'failed' END, sqlstate = $3, message = $4, finished_at = clock_timestamp()"
			" WHERE run_id = $1 AND step = $2",
			SPI_OK_UPDATE,
			pg::Args().add(order.run).add(int64(order.step)).add(sqlstate).add(message));
}

/* work is the life of a worker. */
void work(Datum)
{
	Order order;
	memcpy(&order, MyBgworkerEntry->bgw_extra, sizeof(order));
	pg::become(order.database, order.session_role, order.role);

	std::optional<Step> step;
	if (auto const lost = pg::transact([&] { step = begin(order); }))
		lost->raise();
	if (!step)
		return;
	pg::limit_lock_waits(step->waits_politely() ? 0 : order.lock_timeout);
	auto const failure = pg::transact([&] { pg::run_script(step->statement); });
	pg::limit_lock_waits(order.lock_timeout);
	if (failure && step->cleanup)
		pg::transact([&] { pg::run_script(*step->cleanup); });
	if (auto const lost = pg::transact([&] { end(order, failure); }))
		lost->raise();
}

} // namespace

RECONCILE_FUNCTION(reconcile_start_step)
{
	pg::Arguments arguments(fcinfo);
	Order order{};
	order.database = MyDatabaseId;
	order.session_role = GetSessionUserId();
	order.role = GetUserId();
	order.run = arguments.int8(0, "run_id");
	order.step = static_cast<int32>(arguments.int4(1, "step"));
	order.lock_timeout = static_cast<int32>(arguments.int4(2, "lock_timeout"));

	std::string extra(sizeof(order), '\0');
	memcpy(extra.data(), &order, sizeof(order));
	running = pg::start_worker("reconcile_step_worker",
							   "pg_reconcile: run " + std::to_string(order.run) + ", step " +
								   std::to_string(order.step),
							   extra);
	PG_RETURN_VOID();
}

RECONCILE_FUNCTION(reconcile_await_step)
{
	pg::Arguments arguments(fcinfo);
	long const timeout = static_cast<long>(arguments.int4(0, "milliseconds"));
	if (running == nullptr || pg::wait_for_worker(running, timeout)) {
		running = nullptr;
		PG_RETURN_BOOL(true);
	}
	PG_RETURN_BOOL(false);
}

extern "C" {
PGDLLEXPORT void reconcile_step_worker(Datum argument);
}

/* reconcile_step_worker is what PostgreSQL calls in the worker. */
void reconcile_step_worker(Datum argument)
{
	pg::entry<&work>(argument);
}

} // namespace reconcile::schema
