/*-------------------------------------------------------------------------
 *
 * scan.hpp
 *	  Reading a foreign table: planning, running, explaining.
 *
 * The functions are bodies of the callbacks of the same names in PostgreSQL's
 * FdwRoutine.
 *
 * Depends on: pg/foreign.hpp.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "pg/foreign.hpp"

namespace reconcile::fdw {

void get_rel_size(PlannerInfo *root, RelOptInfo *rel, Oid table);
void get_paths(PlannerInfo *root, RelOptInfo *rel, Oid table);
ForeignScan *get_plan(PlannerInfo *root, RelOptInfo *rel, Oid table, ForeignPath *path,
					  List *target_list, List *clauses, Plan *outer_plan);

void begin_scan(ForeignScanState *node, int flags);
TupleTableSlot *iterate_scan(ForeignScanState *node);
void rescan(ForeignScanState *node);
void end_scan(ForeignScanState *node);
void explain_scan(ForeignScanState *node, ExplainState *explain);

} // namespace reconcile::fdw
