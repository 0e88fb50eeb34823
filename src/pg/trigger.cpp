/*-------------------------------------------------------------------------
 *
 * trigger.cpp
 *	  What a statement trigger is given.
 *
 *-------------------------------------------------------------------------
 */
#include "pg/trigger.hpp"

#include "pg/identity.hpp"

extern "C" {
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/namespace.h"
#include "executor/executor.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
}

namespace reconcile::pg {

namespace {

/* Reader reads a transition table from its beginning, beside other readers. */
struct Reader {
	Tuplestorestate *rows;
	int pointer;
	TupleTableSlot *slot;

	Reader(Tuplestorestate *from, TupleDesc row_type)
		: rows(from), pointer(tuplestore_alloc_read_pointer(from, EXEC_FLAG_REWIND)),
		  slot(MakeSingleTupleTableSlot(row_type, &TTSOpsMinimalTuple))
	{
		tuplestore_select_read_pointer(rows, pointer);
		tuplestore_rescan(rows);
	}

	bool next()
	{
		tuplestore_select_read_pointer(rows, pointer);
		return tuplestore_gettupleslot(rows, true, false, slot);
	}
};

bool same(TupleTableSlot *one, TupleTableSlot *other, AttrNumber column)
{
	bool null = false, other_null = false;
	Datum const value = slot_getattr(one, column, &null);
	Datum const other_value = slot_getattr(other, column, &other_null);
	if (null || other_null)
		return null == other_null;
	auto *attribute = TupleDescAttr(one->tts_tupleDescriptor, column - 1);
	return datum_image_eq(value, other_value, attribute->attbyval, attribute->attlen);
}

/* Columns are some of a table, as C sees them. */
struct Columns {
	const AttrNumber *numbers;
	size_t count;

	explicit Columns(const std::vector<AttrNumber> &columns)
		: numbers(columns.data()), count(columns.size())
	{
	}
};

bool is_meant(TupleTableSlot *row, Columns columns, bool empty)
{
	bool has_null = false;
	for (size_t i = 0; i < columns.count && !has_null; i++)
		has_null = slot_attisnull(row, columns.numbers[i]);
	return columns.count == 0 || has_null == empty;
}

/* copy_changed puts the new rows that differ from their old row into a store, or, without
 * one, looks for the first, and tells whether there are any.  PostgreSQL fills both tables
 * row by row; when their sizes differ, because a trigger stopped a row on its way to
 * another partition, nobody knows which row was which, and all count as changed. */
bool copy_changed(const TriggerData *data, Columns columns, Columns filled, bool empty,
				  Tuplestorestate *changed)
{
	bool any = false;
	Reader now(data->tg_newtable, RelationGetDescr(data->tg_relation));
	Reader before(data->tg_oldtable, RelationGetDescr(data->tg_relation));
	bool const paired =
		tuplestore_tuple_count(data->tg_newtable) == tuplestore_tuple_count(data->tg_oldtable);
	while (!(any && changed == nullptr) && now.next()) {
		CHECK_FOR_INTERRUPTS();
		bool differs = !paired;
		if (paired && before.next())
			for (size_t i = 0; i < columns.count && !differs; i++)
				differs = !same(now.slot, before.slot, columns.numbers[i]);
		if (!differs || !is_meant(now.slot, filled, empty))
			continue;
		any = true;
		if (changed != nullptr)
			tuplestore_puttupleslot(changed, now.slot);
	}
	ExecDropSingleTupleTableSlot(now.slot);
	ExecDropSingleTupleTableSlot(before.slot);
	return any;
}

/* copy_row makes a row of some columns; of their values, nothing stays elsewhere. */
MinimalTuple copy_row(TupleTableSlot *row, Columns columns, TupleTableSlot *copy,
					  MemoryContext into)
{
	ExecClearTuple(copy);
	for (size_t i = 0; i < columns.count; i++) {
		Datum &value = copy->tts_values[i];
		value = slot_getattr(row, columns.numbers[i], &copy->tts_isnull[i]);
		if (!copy->tts_isnull[i] && TupleDescAttr(copy->tts_tupleDescriptor, i)->attlen == -1)
			value = PointerGetDatum(PG_DETOAST_DATUM(value));
	}
	ExecStoreVirtualTuple(copy);
	MemoryContext const before = MemoryContextSwitchTo(into);
	MinimalTuple const made = ExecCopySlotMinimalTuple(copy);
	MemoryContextSwitchTo(before);
	return made;
}

bool has_room(MemoryContext context)
{
	return MemoryContextMemAllocated(context, false) < static_cast<Size>(work_mem) * 1024;
}

/* copy_rows copies as long as there is room, and tells whether that was all. */
bool copy_rows(Tuplestorestate *rows, TupleDesc their_type, Columns columns, Columns filled,
			   bool empty, TupleDesc row_type, MemoryContext into, MinimalTuple **copies)
{
	Reader reader(rows, their_type);
	TupleTableSlot *const copy = MakeSingleTupleTableSlot(row_type, &TTSOpsVirtual);
	bool room = true;
	while (room && reader.next()) {
		CHECK_FOR_INTERRUPTS();
		if (!is_meant(reader.slot, filled, empty))
			continue;
		room = has_room(into);
		if (room)
			*(*copies)++ = copy_row(reader.slot, columns, copy, into);
	}
	ExecDropSingleTupleTableSlot(reader.slot);
	ExecDropSingleTupleTableSlot(copy);
	return room;
}

} // namespace

namespace {

/* our_table finds a table of the extension. */
Oid our_table(const char *table)
{
	return call([&] {
		Oid const schema = get_namespace_oid("reconcile", true);
		return OidIsValid(schema) ? get_relname_relid(table, schema) : InvalidOid;
	});
}

/* read_only_row reads the row that a table always has. */
void read_only_row(Relation relation, TupleTableSlot *row)
{
	Snapshot const snapshot = RegisterSnapshot(GetLatestSnapshot());
	TableScanDesc scan = table_beginscan(relation, snapshot, 0, nullptr);
	if (!table_scan_getnextslot(scan, ForwardScanDirection, row))
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("table \"%s\" has lost its row", RelationGetRelationName(relation)),
						errdetail("It belongs to the extension, and is not to be changed."),
						errhint("Insert it again: INSERT INTO reconcile.%s DEFAULT VALUES.",
								quote_identifier(RelationGetRelationName(relation)))));
	ExecMaterializeSlot(row);
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
}

/* queue_insert_triggers tells PostgreSQL that a statement has inserted a row. */
void queue_insert_triggers(Relation relation, TupleTableSlot *row)
{
	EState *state = CreateExecutorState();
	ResultRelInfo *table = makeNode(ResultRelInfo);
	InitResultRelInfo(table, relation, 0, nullptr, 0);
	AfterTriggerBeginQuery();
	ExecARInsertTriggers(state, table, row, NIL, nullptr);
	AfterTriggerEndQuery(state);
	ExecCloseResultRelations(state);
	ExecResetTupleTable(state->es_tupleTable, false);
	FreeExecutorState(state);
}

[[noreturn]] void called_wrongly()
{
	fail(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
		 "this function is called by the triggers of guards only", {},
		 "reconcile.guard() makes them.");
}

} // namespace

Firing::Firing(FunctionCallInfo fcinfo) : data_(reinterpret_cast<TriggerData *>(fcinfo->context))
{
	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_AFTER(data_->tg_event) ||
		!TRIGGER_FIRED_FOR_STATEMENT(data_->tg_event) || rows() == nullptr ||
		(event() == Event::update && data_->tg_oldtable == nullptr))
		called_wrongly();
}

Event Firing::event() const
{
	if (TRIGGER_FIRED_BY_INSERT(data_->tg_event))
		return Event::insert;
	return TRIGGER_FIRED_BY_UPDATE(data_->tg_event) ? Event::update : Event::remove;
}

Tuplestorestate *Firing::rows() const
{
	return event() == Event::remove ? data_->tg_oldtable : data_->tg_newtable;
}

std::unique_ptr<WorkList> Firing::changed(const std::vector<AttrNumber> &columns,
										  const Emptiness &meant) const
{
	auto const copy = [&](Tuplestorestate *into) {
		return call([&] {
			return copy_changed(data_, Columns(columns), Columns(meant.columns), meant.is_wanted,
								into);
		});
	};
	if (!copy(nullptr)) /* as most statements do, before there is a list */
		return nullptr;
	auto list = std::make_unique<WorkList>(RelationGetDescr(data_->tg_relation));
	copy(list->store());
	return list;
}

bool Firing::copy(const std::vector<AttrNumber> &columns, const Emptiness &meant,
				  TupleDesc row_type, MemoryContext into, std::vector<MinimalTuple> &copies) const
{
	copies.resize(static_cast<size_t>(size()));
	MinimalTuple *end = copies.data();
	bool const all = call([&] {
		return copy_rows(rows(), RelationGetDescr(data_->tg_relation), Columns(columns),
						 Columns(meant.columns), meant.is_wanted, row_type, into, &end);
	});
	copies.resize(static_cast<size_t>(end - copies.data()));
	return all;
}

RowFiring::RowFiring(FunctionCallInfo fcinfo, const char *table)
	: data_(reinterpret_cast<TriggerData *>(fcinfo->context))
{
	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_AFTER(data_->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(data_->tg_event) || !TRIGGER_FIRED_BY_INSERT(data_->tg_event) ||
		our_table(table) != RelationGetRelid(data_->tg_relation))
		called_wrongly();
}

void fire_for_only_row(const char *table)
{
	Oid const relation_id = our_table(table);
	/* a restricted context would refuse triggers that are for later */
	ActingAs const owner(owner_of(relation_id), 0, SECURITY_RESTRICTED_OPERATION);
	call([&] {
		Relation relation = table_open(relation_id, RowExclusiveLock);
		TupleTableSlot *row = table_slot_create(relation, nullptr);
		read_only_row(relation, row);
		queue_insert_triggers(relation, row);
		ExecDropSingleTupleTableSlot(row);
		table_close(relation, NoLock);
	});
}

} // namespace reconcile::pg
