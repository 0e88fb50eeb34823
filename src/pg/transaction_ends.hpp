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

/* TransactionEnds is what to call.  What is rolled back or over is in the midst of
 * its end: the memory and files that were its own are still there, and freed by
 * PostgreSQL right after. */
struct TransactionEnds {
	void (*released)(SubTransactionId savepoint, SubTransactionId into);
	void (*rolled_back)(SubTransactionId savepoint) noexcept;
	void (*over)() noexcept;
};

/* on_transaction_ends calls them for as long as the process lives. */
void on_transaction_ends(const TransactionEnds &ends);

/* ForTransaction lets the memory and files that are taken in its scope live until
 * the (sub)transaction at hand ends, or the one that it is released into. */
class ForTransaction {
public:
	ForTransaction() : context_(CurrentMemoryContext), owner_(CurrentResourceOwner)
	{
		CurrentMemoryContext = CurTransactionContext;
		CurrentResourceOwner = CurTransactionResourceOwner;
	}
	~ForTransaction()
	{
		CurrentMemoryContext = context_;
		CurrentResourceOwner = owner_;
	}
	ForTransaction(const ForTransaction &) = delete;
	ForTransaction &operator=(const ForTransaction &) = delete;

private:
	MemoryContext context_;
	ResourceOwner owner_;
};

} // namespace reconcile::pg
