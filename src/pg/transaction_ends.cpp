/*-------------------------------------------------------------------------
 *
 * transaction_ends.cpp
 *	  Being told how transactions and their savepoints end.
 *
 *-------------------------------------------------------------------------
 */
#include "pg/transaction_ends.hpp"

extern "C" {
#include "access/xact.h"
}

namespace reconcile::pg {

namespace {

TransactionEnds listener = {nullptr, nullptr, nullptr};

void savepoint_ends(SubXactEvent event, SubTransactionId /* unused */,
					SubTransactionId /* unused */, void * /* unused */)
{
	if (event == SUBXACT_EVENT_COMMIT_SUB)
		listener.released(savepoint_level());
	else if (event == SUBXACT_EVENT_ABORT_SUB)
		listener.rolled_back(savepoint_level());
}

void transaction_ends(XactEvent event, void * /* unused */)
{
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		listener.over();
}

} // namespace

int savepoint_level()
{
	return GetCurrentTransactionNestLevel();
}

void on_transaction_ends(const TransactionEnds &ends)
{
	if (listener.over != nullptr)
		fail(ERRCODE_INTERNAL_ERROR, "somebody listens to the ends of transactions already");
	listener = ends;
	call([] {
		RegisterSubXactCallback(savepoint_ends, nullptr);
		RegisterXactCallback(transaction_ends, nullptr);
	});
}

} // namespace reconcile::pg
