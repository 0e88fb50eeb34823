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
#include <memory>
#include <optional>
#include <string>

namespace reconcile::pg {

/* Failure is an error that was survived: what a ledger or a report needs, and
 * the error itself, for whoever finds that it was not to be survived. */
class Failure {
public:
	explicit Failure(const PgError &error);
	explicit Failure(const Error &error);

	const std::string &message() const { return message_; }
	const std::string &detail() const { return detail_; }
	const std::string &hint() const { return hint_; }
	int sqlstate() const { return sqlstate_; }

	/* code returns the five characters of the SQLSTATE. */
	std::string code() const;

	/* raise throws the error again, as it was. */
	[[noreturn]] void raise() const;

private:
	struct Origin;

	int sqlstate_;
	std::string message_, detail_, hint_;
	std::shared_ptr<Origin> origin_;
};

/* What to do with a deadlock.  Rolling back to where the attempt began ends it;
 * whoever holds no lock that matters from before may go on. */
enum class Deadlock { is_thrown, is_survived };

/* attempt runs f in a subtransaction.  It returns nothing when f succeeded,
 * with the subtransaction committed, or the failure, with the subtransaction
 * rolled back.  An error that concerns more than the attempt (a cancel, a
 * shutdown, memory, a serialization conflict) is not survived but thrown on. */
std::optional<Failure> attempt(const std::function<void()> &f,
							   Deadlock deadlock = Deadlock::is_thrown);

} // namespace reconcile::pg
