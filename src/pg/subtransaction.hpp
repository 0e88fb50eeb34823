/*-------------------------------------------------------------------------
 *
 * subtransaction.hpp
 *	  The only place where a PostgreSQL error may be caught and survived.
 *
 * An error that is caught without undoing what its statement began leaves
 * locks, buffers and half a catalog change behind; so catching one always
 * means a subtransaction around the attempt.
 *
 * Depends on: boundary.hpp.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "pg/boundary.hpp"

#include <functional>
#include <optional>
#include <string>

namespace reconcile::pg {

/* Failure is an error that was survived: what a ledger or a report needs. */
struct Failure {
	int sqlstate;
	std::string message, detail, hint;

	/* code returns the five characters of the SQLSTATE. */
	std::string code() const;
};

/* attempt runs f in a subtransaction.  It returns nothing when f succeeded,
 * with the subtransaction committed, or the failure, with the subtransaction
 * rolled back.  An error that concerns more than the attempt (a cancel, a
 * shutdown, a crash, memory) is not survived but thrown on. */
std::optional<Failure> attempt(const std::function<void()> &f);

} // namespace reconcile::pg
