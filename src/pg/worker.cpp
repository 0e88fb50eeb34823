/*-------------------------------------------------------------------------
 *
 * worker.cpp
 *	  Background workers: starting one, and what one does with transactions.
 *
 *-------------------------------------------------------------------------
 */
#include "pg/worker.hpp"

#include "pg/interrupt.hpp"

extern "C" {
#include "libpq/pqsignal.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "tcop/pquery.h"
#include "tcop/tcopprot.h"
#include "tcop/utility.h"
#include "utils/guc.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"
}

#include <csignal>

namespace reconcile::pg {

BackgroundWorkerHandle *start_worker(const char *function, const std::string &title,
									 const std::string &extra)
{
	Assert(extra.size() <= BGW_EXTRALEN);
	BackgroundWorkerHandle *const handle = call([&]() -> BackgroundWorkerHandle * {
		BackgroundWorker worker;
		memset(&worker, 0, sizeof(worker));
		worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
		worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
		worker.bgw_restart_time = BGW_NEVER_RESTART;
		strlcpy(worker.bgw_library_name, "pg_reconcile", sizeof(worker.bgw_library_name));
		strlcpy(worker.bgw_function_name, function, sizeof(worker.bgw_function_name));
		strlcpy(worker.bgw_name, title.c_str(), sizeof(worker.bgw_name));
		strlcpy(worker.bgw_type, "pg_reconcile", sizeof(worker.bgw_type));
		memcpy(worker.bgw_extra, extra.data(), extra.size());
		worker.bgw_notify_pid = MyProcPid;

		MemoryContext const before = MemoryContextSwitchTo(TopMemoryContext);
		BackgroundWorkerHandle *started = nullptr;
		bool const registered = RegisterDynamicBackgroundWorker(&worker, &started);
		MemoryContextSwitchTo(before);
		pid_t pid = 0;
		if (registered)
			WaitForBackgroundWorkerStartup(started, &pid);
		return started;
	});
	if (handle == nullptr)
		fail(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED, "could not start a background worker", {},
			 "All are taken: increase max_worker_processes, or try again later.");
	return handle;
}

bool wait_for_worker(BackgroundWorkerHandle *worker, long timeout_ms)
{
	pid_t pid = 0;
	auto const ended = [&] {
		return call([&] { return GetBackgroundWorkerPid(worker, &pid) == BGWH_STOPPED; });
	};
	if (ended())
		return true;
	Interrupts interrupts;
	if (interrupts.wait(PGINVALID_SOCKET, 0, timeout_ms, wait_event("ReconcileStep")) < 0) {
		call([&] { TerminateBackgroundWorker(worker); });
		interrupts.raise();
	}
	return ended();
}

void become(Oid database, Oid session_role, Oid role)
{
	call([&] {
		pqsignal(SIGTERM, die);
		pqsignal(SIGHUP, SIG_IGN);
		BackgroundWorkerUnblockSignals();
		BackgroundWorkerInitializeConnectionByOid(database, session_role, 0);
		SetUserIdAndSecContext(role, SECURITY_LOCAL_USERID_CHANGE);
		for (auto const &[name, value] :
			 {std::pair("search_path", "pg_catalog, pg_temp"), std::pair("statement_timeout", "0"),
			  std::pair("idle_in_transaction_session_timeout", "0"),
			  std::pair("default_transaction_read_only", "off"),
			  std::pair("default_transaction_isolation", "read committed"),
			  std::pair("check_function_bodies", "off")})
			SetConfigOption(name, value, PGC_USERSET, PGC_S_SESSION);
	});
}

void limit_lock_waits(int milliseconds)
{
	call([&] {
		SetConfigOption("lock_timeout", psprintf("%d", milliseconds), PGC_USERSET, PGC_S_SESSION);
	});
}

std::optional<Failure> transact(const std::function<void()> &f)
{
	auto const roll_back = [] { call([] { AbortCurrentTransaction(); }); };
	call([] {
		SetCurrentStatementStartTimestamp();
		StartTransactionCommand();
		PushActiveSnapshot(GetTransactionSnapshot());
	});
	try {
		f();
		call([] {
			if (ActiveSnapshotSet())
				PopActiveSnapshot();
			CommitTransactionCommand();
		});
		return std::nullopt;
	} catch (const PgError &error) {
		roll_back();
		if (error.data == nullptr)
			throw;
		return Failure(error);
	} catch (const Error &error) {
		roll_back();
		return Failure(error);
	}
}

namespace {

/* run_statement runs one statement of a script, as exec_simple_query() does. */
void run_statement(RawStmt *parsed, const char *script, bool alone)
{
	PushActiveSnapshot(GetTransactionSnapshot());
	List *const planned =
		pg_plan_queries(pg_analyze_and_rewrite_fixedparams(parsed, script, nullptr, 0, nullptr),
						script, CURSOR_OPT_PARALLEL_OK, nullptr);
	PopActiveSnapshot(); /* one that is held here would be waited for */

	Portal const portal = CreatePortal("", true, true);
	portal->visible = false;
	PortalDefineQuery(portal, nullptr, script, CreateCommandTag(parsed->stmt), planned, nullptr);
	PortalStart(portal, nullptr, 0, InvalidSnapshot);
	QueryCompletion completion;
	(void)PortalRun(portal, FETCH_ALL, alone, PORTAL_RUN_ONCE None_Receiver, None_Receiver,
					&completion);
	PortalDrop(portal, false);
	CommandCounterIncrement();
}

} // namespace

void run_script(const std::string &script)
{
	call([&] {
		PopActiveSnapshot();
		/* What a statement is made of must outlive the transactions that it ends. */
		MemoryContext const home =
			AllocSetContextCreate(TopMemoryContext, "pg_reconcile script", ALLOCSET_DEFAULT_SIZES);
		MemoryContext const before = MemoryContextSwitchTo(home);
		List *const statements = pg_parse_query(script.c_str());
		for (int i = 0; i < list_length(statements); i++) {
			MemoryContextSwitchTo(home);
			run_statement(list_nth_node(RawStmt, statements, i), script.c_str(),
						  list_length(statements) == 1);
		}
		MemoryContextSwitchTo(before);
		MemoryContextDelete(home);
	});
}

} // namespace reconcile::pg
