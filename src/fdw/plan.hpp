/*-------------------------------------------------------------------------
 *
 * plan.hpp
 *	  What the plan of a scan says.
 *
 * Depends on: table.hpp, pg/foreign.hpp.  Used by: scan.cpp.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "fdw/table.hpp"
#include "pg/foreign.hpp"

#include <vector>

namespace reconcile::fdw {

struct PlannedScan {
	std::vector<AttrNumber> columns; /* that are read */
	List *conditions;				 /* see condition_kinds.hpp */
	List *values;					 /* expressions of what columns are compared with */
	int64_t limit;					 /* documents that are enough, or 0 */
};

/* planned_scan reads what get_plan() wrote into a plan. */
PlannedScan planned_scan(ForeignScan *plan);

} // namespace reconcile::fdw
