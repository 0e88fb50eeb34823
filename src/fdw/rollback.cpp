/*-------------------------------------------------------------------------
 *
 * rollback.cpp
 *	  A word about what a rolled back subtransaction wrote to MongoDB.
 *
 * The callbacks are C: PostgreSQL calls them while it aborts.
 *
 *-------------------------------------------------------------------------
 */
#include "fdw/rollback.hpp"

#include <map>

namespace reconcile::fdw {

namespace {

using Counts = std::map<SubTransactionId, uint64>;

/* counts has an entry for each subtransaction that wrote and is not over. */
Counts &counts()
{
	static auto *all = new Counts;
	return *all;
}

/* taken removes the entry of a subtransaction and returns its count. */
uint64 taken(SubTransactionId id)
{
	auto const found = counts().find(id);
	if (found == counts().end())
		return 0;
	uint64 const count = found->second;
	counts().erase(found);
	return count;
}

/* hand_on makes the parent answer for what a subtransaction wrote, which may
 * itself be rolled back later. */
void hand_on(SubTransactionId id, SubTransactionId parent)
{
	auto entry = counts().extract(id);
	if (entry.empty())
		return;
	auto const there = counts().find(parent);
	if (there != counts().end()) {
		there->second += entry.mapped();
		return;
	}
	entry.key() = parent;
	counts().insert(std::move(entry)); /* allocates nothing */
}

void at_subtransaction(SubXactEvent event, SubTransactionId id, SubTransactionId parent, void *)
{
	if (event == SUBXACT_EVENT_COMMIT_SUB) {
		hand_on(id, parent);
	} else if (event == SUBXACT_EVENT_ABORT_SUB) {
		uint64 const count = taken(id);
		if (count > 0)
			ereport(WARNING,
					(errcode(ERRCODE_WARNING),
					 errmsg_plural("%llu document written to MongoDB is not rolled back",
								   "%llu documents written to MongoDB are not rolled back",
								   static_cast<unsigned long>(count),
								   static_cast<unsigned long long>(count)),
					 errdetail("MongoDB keeps what was written before the rollback to a savepoint "
							   "or the error that was caught.")));
	}
}

void at_transaction(XactEvent event, void *)
{
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		counts().clear();
}

} // namespace

void note_written(uint64 documents)
{
	static bool registered = false;
	if (documents == 0)
		return;
	SubTransactionId const id = pg::call([&] {
		if (!registered) {
			RegisterSubXactCallback(at_subtransaction, nullptr);
			RegisterXactCallback(at_transaction, nullptr);
		}
		return GetCurrentSubTransactionId();
	});
	registered = true;
	if (id != TopSubTransactionId)
		counts()[id] += documents;
}

} // namespace reconcile::fdw
