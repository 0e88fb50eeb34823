/*-------------------------------------------------------------------------
 *
 * run.hpp
 *	  What every node that reads MongoDB has: a table, a filter, a connection.
 *
 * Depends on: condition.hpp, connection.hpp, plan.hpp.  Used by: scan.cpp,
 * count.cpp.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "fdw/condition.hpp"
#include "fdw/connection.hpp"
#include "fdw/plan.hpp"

#include <memory>
#include <optional>

namespace reconcile::fdw {

/* Run is the state of a node, from its begin to its end. */
class Run {
public:
	virtual ~Run() = default;
	Run(const Run &) = delete;
	Run &operator=(const Run &) = delete;

	/* next fills the slot with the next row, or leaves it empty. */
	virtual void next(TupleTableSlot *slot) = 0;

	virtual void restart() = 0;
	virtual void finish() {}

	/* explain says what is sent, or what would be. */
	void explain(ExplainState *explain);

protected:
	Run(ForeignScanState *node, Table table, const PlannedRun &planned);

	/* prepare makes the filter of this run, and a connection for it. */
	void prepare();

	/* needs_simple_collation tells whether text must be said to be compared by
	 * bytes, because the collection has another collation. */
	bool needs_simple_collation();

	/* check_that_collection_exists tells a name that is wrong from a collection
	 * that is empty; MongoDB answers both alike. */
	void check_that_collection_exists();

	/* explain_more adds what a kind of node has besides. */
	virtual void explain_more(ExplainState *explain) = 0;

	ForeignScanState *const node_;
	Table const table_;
	PlannedRun const planned_;
	mongo::Document sent_; /* the filter of the last run */
	std::shared_ptr<mongo::Client> client_;

private:
	mongo::Document filter(bool compute) const;
	std::optional<Value> value(int place, bool compute) const;

	Oid const user_; /* a cursor may be read by another one than who opened it */
	List *value_states_ = NIL;
	bool prepared_ = false, exists_ = false;
	std::optional<bool> collated_;
};

/* json_of shows what is asked for; nothing when all is. */
std::string json_of(const mongo::Document &document);

} // namespace reconcile::fdw
