/*-------------------------------------------------------------------------
 *
 * plan.hpp
 *	  What the plan of a scan says.
 *
 * Depends on: table.hpp, pg/foreign.hpp.  Used by: scan.cpp, count.cpp.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "fdw/condition.hpp"
#include "fdw/table.hpp"
#include "pg/foreign.hpp"

#include <vector>

namespace reconcile::fdw {

/* PlannedRun is what all nodes that read have. */
struct PlannedRun {
	List *conditions; /* see condition_kinds.hpp */
	List *values;	  /* expressions of what columns are compared with */
	bool by_bytes;	  /* text must be compared so */
	bool without_arrays;
};

struct PlannedScan {
	std::vector<AttrNumber> columns; /* that are read */
	std::vector<int> sort;			 /* columns, negative to descend */
	int64_t limit;					 /* documents that are enough, or 0 */
	std::vector<AttrNumber> written; /* by the UPDATE that this scan is for */
};

/* planned_run and planned_scan read what get_plan() wrote into a plan,
 * counted_relation which table a node counts that has none. */
PlannedRun planned_run(ForeignScan *plan);
PlannedScan planned_scan(ForeignScan *plan);
Oid counted_relation(ForeignScan *plan);

/* A plan's private list begins with what PlannedRun has. */
List *private_run(const Planner &planner, bool by_bytes, bool without_arrays);

} // namespace reconcile::fdw
