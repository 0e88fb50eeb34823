/*-------------------------------------------------------------------------
 *
 * worker.hpp
 *	  Background workers: starting one, and what one does with transactions.
 *
 * Statements like CREATE INDEX CONCURRENTLY begin and end transactions of
 * their own, so no function and no procedure can run them.  A background
 * worker can: it has no transaction but those it makes.
 *
 * Depends on: subtransaction.hpp.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "pg/subtransaction.hpp"

extern "C" {
#include "postmaster/bgworker.h"
}

#include <string>

namespace reconcile::pg {

/* start_worker starts a function of this library as a worker, with up to
 * BGW_EXTRALEN bytes for it, and returns once it runs.  No free slot for it
 * is an error. */
BackgroundWorkerHandle *start_worker(const char *function, const std::string &title,
									 const std::string &extra);

/* wait_for_worker waits for its end, for at most so long, and tells whether it
 * came.  An interrupt of the waiting session ends the worker too. */
bool wait_for_worker(BackgroundWorkerHandle *worker, long timeout_ms);

/* become connects the worker that calls it to a database, as a session of one
 * role that has taken on another one, with settings that suit statements
 * written by us. */
void become(Oid database, Oid session_role, Oid role);

/* limit_lock_waits sets for how long the worker waits for a lock, 0: for ever. */
void limit_lock_waits(int milliseconds);

/* transact runs f in a transaction of its own.  It returns nothing when that
 * was committed, or the failure, with the transaction rolled back. */
std::optional<Failure> transact(const std::function<void()> &f);

/* run_script runs statements one after another, as a client would send them.
 * A single one may begin and end transactions itself.  Only in transact(), and
 * before anything else in it. */
void run_script(const std::string &script);

} // namespace reconcile::pg
