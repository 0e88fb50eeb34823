/*-------------------------------------------------------------------------
 *
 * transaction_ends.cpp
 *	  Being told how transactions and their savepoints end.
 *
 *-------------------------------------------------------------------------
 */
#include "pg/transaction_ends.hpp"

namespace reconcile::pg {

namespace {

TransactionEnds listener = {nullptr, nullptr, nullptr};

/* A savepoint is released before it ends, while that can still fail. */
void savepoint_ends(SubXactEvent event, SubTransactionId savepoint, SubTransactionId parent,
					void * /* unused */)
{
	if (event == SUBXACT_EVENT_PRE_COMMIT_SUB)
		listener.released(savepoint, parent);
	else if (event == SUBXACT_EVENT_ABORT_SUB)
		listener.rolled_back(savepoint);
}

void transaction_ends(XactEvent event, void * /* unused */)
{
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		listener.over();
}

} // namespace

void on_transaction_ends(const TransactionEnds &ends)
{
	if (listener.over != nullptr)
		fail(ERRCODE_INTERNAL_ERROR, "somebody listens to the ends of transactions already");
	call([] {
		RegisterSubXactCallback(entry<savepoint_ends>, nullptr);
		RegisterXactCallback(transaction_ends, nullptr);
	});
	listener = ends;
}

} // namespace reconcile::pg
