/*-------------------------------------------------------------------------
 *
 * scan.hpp
 *	  Reading a foreign table: planning, running, explaining.
 *
 * The functions are bodies of the callbacks of the same names in PostgreSQL's
 * FdwRoutine.
 *
 * Depends on: table.hpp, mongo/document.hpp, pg/foreign.hpp.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "fdw/table.hpp"
#include "mongo/document.hpp"
#include "pg/foreign.hpp"

#include <vector>

namespace reconcile::fdw {

/* projection_of asks for the fields that columns need, and the _id that
 * messages name; it is empty when all of a document is needed. */
mongo::Document projection_of(const Table &table, const std::vector<AttrNumber> &columns);

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
