/*-------------------------------------------------------------------------
 *
 * count.hpp
 *	  count(*) of a foreign table, counted by MongoDB.
 *
 * Only where it is certain to be the number that counting the rows would give:
 * each condition must be exact (condition.hpp).  That leaves one doubt, arrays,
 * of which MongoDB compares the elements.  Where such a document would be read
 * as NULL or skipped, it is not counted; where reading it would be an error,
 * MongoDB counts these too, and any is that error.
 *
 * Depends on: run.hpp, pg/foreign.hpp.  Used by: plan.cpp, scan.cpp, fdw.cpp.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "fdw/run.hpp"

namespace reconcile::fdw {

/* get_upper_paths offers to count. */
void get_upper_paths(PlannerInfo *root, UpperRelationKind stage, RelOptInfo *input,
					 RelOptInfo *output, void *extra);

/* count_plan makes the plan of such a path. */
ForeignScan *count_plan(ForeignPath *path, List *target_list, Plan *outer_plan);

/* counting makes the run of such a plan; it lives as long as its home. */
Run *counting(MemoryContext home, ForeignScanState *node);

} // namespace reconcile::fdw
