/*-------------------------------------------------------------------------
 *
 * modify.hpp
 *	  Writing a foreign table.
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

int is_updatable(Relation relation);
List *plan_modify(PlannerInfo *root, ModifyTable *plan, Index relation, int subplan);
void begin_modify(ModifyTableState *node, ResultRelInfo *target, List *planned, int subplan,
				  int flags);
void begin_insert(ModifyTableState *node, ResultRelInfo *target);
void end_insert(EState *estate, ResultRelInfo *target);
int batch_size(ResultRelInfo *target);
TupleTableSlot *insert(EState *estate, ResultRelInfo *target, TupleTableSlot *slot,
					   TupleTableSlot *planned);
TupleTableSlot **batch_insert(EState *estate, ResultRelInfo *target, TupleTableSlot **slots,
							  TupleTableSlot **planned, int *count);

void explain_modify(ModifyTableState *node, ResultRelInfo *target, List *planned, int subplan,
					ExplainState *explain);

} // namespace reconcile::fdw
