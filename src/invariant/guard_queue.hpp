/*-------------------------------------------------------------------------
 *
 * guard_queue.hpp
 *	  What a guard could not write, kept for the next repair.
 *
 * A guard that queues never refuses a write; so whatever it could not do is
 * entered here, in as much detail as can still be had: the row that was
 * expected and its key, else the row that was written, else the error alone.
 *
 * Depends on: guard_work.hpp, pg/.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "invariant/definition.hpp"
#include "invariant/guard_work.hpp"

#include <string>

namespace reconcile::invariant {

/* Reason is why rows wait. */
struct Reason {
	std::string sqlstate, message;
};

/* enqueue_refused writes the rows that the target accepts one by one, and enters
 * those that it refuses. */
void enqueue_refused(const Definition &definition, const Scope &scope, const Rows &rows);

/* enqueue_expected enters what is expected in a scope, with its keys. */
void enqueue_expected(const Definition &definition, const Scope &scope, const Rows &rows,
					  const Reason &reason);

/* enqueue_written enters the rows themselves. */
void enqueue_written(const std::string &invariant, Oid owner, const Rows &rows,
					 const Reason &reason);

/* enqueue_failure enters that there was one. */
void enqueue_failure(const std::string &invariant, const Reason &reason);

} // namespace reconcile::invariant
