/*-------------------------------------------------------------------------
 *
 * change.hpp
 *	  UPDATE and DELETE of a foreign table.
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

/* begin_change prepares an UPDATE or DELETE, before anything is sent. */
void begin_change(ModifyTableState *node, ResultRelInfo *target);

TupleTableSlot *update(EState *estate, ResultRelInfo *target, TupleTableSlot *slot,
					   TupleTableSlot *planned);
TupleTableSlot *remove(EState *estate, ResultRelInfo *target, TupleTableSlot *slot,
					   TupleTableSlot *planned);

} // namespace reconcile::fdw
