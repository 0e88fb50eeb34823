/*-------------------------------------------------------------------------
 *
 * transaction_ends.hpp
 *	  Being told how transactions and their savepoints end.
 *
 * What is kept in memory for a transaction must follow its savepoints as a row
 * of a table would: rolled back with them, or released into what is around them.
 *
 * Depends on: boundary.hpp.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "pg/boundary.hpp"

namespace reconcile::pg {

/* TransactionEnds is what to call, in the midst of an end that can not fail any more.
 * A savepoint is known by its level: 1 is the transaction itself, and what a savepoint
 * of level n did is the doing of level n - 1 once it is released. */
struct TransactionEnds {
	void (*released)(int level) noexcept;
	void (*rolled_back)(int level) noexcept;
	void (*over)() noexcept; /* the transaction, one way or the other */
};

/* on_transaction_ends calls them for as long as the process lives. */
void on_transaction_ends(const TransactionEnds &ends);

/* savepoint_level is the level at hand. */
int savepoint_level();

} // namespace reconcile::pg
