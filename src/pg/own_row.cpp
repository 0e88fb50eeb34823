/*-------------------------------------------------------------------------
 *
 * own_row.cpp
 *	  Rows of the extension's own tables, written without SQL.
 *
 *-------------------------------------------------------------------------
 */
#include "pg/own_row.hpp"

extern "C" {
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/namespace.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
}

namespace reconcile::pg {

namespace {

/* insert does what the executor does for one row that is there already. */
void insert(Relation table, Datum value)
{
	EState *const state = CreateExecutorState();
	ResultRelInfo *const into = makeNode(ResultRelInfo);
	InitResultRelInfo(into, table, 1, nullptr, 0);
	ExecOpenIndices(into, false);

	TupleTableSlot *const slot =
		ExecInitExtraTupleSlot(state, RelationGetDescr(table), table_slot_callbacks(table));
	slot->tts_values[0] = value;
	slot->tts_isnull[0] = false;
	ExecStoreVirtualTuple(slot);

	AfterTriggerBeginQuery();
	ExecSimpleRelationInsert(into, state, slot);
	CommandCounterIncrement(); /* a trigger that does not wait finds the row */
	AfterTriggerEndQuery(state);

	ExecCloseIndices(into);
	ExecCloseResultRelations(state); /* which the triggers opened */
	ExecResetTupleTable(state->es_tupleTable, false);
	FreeExecutorState(state);
}

} // namespace

Oid own_table(const char *name)
{
	return call([&] {
		Oid const schema = get_namespace_oid("reconcile", true);
		return OidIsValid(schema) ? get_relname_relid(name, schema) : InvalidOid;
	});
}

void insert_own_row(Oid table, Datum value)
{
	call([&] {
		Relation const relation = table_open(table, RowExclusiveLock);
		insert(relation, value);
		table_close(relation, NoLock);
	});
}

void delete_own_row(Oid table, ItemPointer place)
{
	call([&] {
		Relation const relation = table_open(table, RowExclusiveLock);
		simple_table_tuple_delete(relation, place, GetActiveSnapshot());
		table_close(relation, NoLock);
		CommandCounterIncrement();
	});
}

} // namespace reconcile::pg
