/*-------------------------------------------------------------------------
 *
 * trigger.cpp
 *	  What a statement trigger is given.
 *
 *-------------------------------------------------------------------------
 */
#include "pg/trigger.hpp"

extern "C" {
#include "catalog/namespace.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
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

bool has_null(TupleTableSlot *row, const AttrNumber *columns, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (slot_attisnull(row, columns[i]))
			return true;
	return false;
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

/* copy_changed puts the new rows that differ from their old row into a store.
 * PostgreSQL fills both tables row by row; when their sizes differ, because a
 * trigger stopped a row on its way to another partition, nobody knows which
 * row was which, and all count as changed. */
void copy_changed(const TriggerData *data, Columns columns, Columns empty, Tuplestorestate *changed)
{
	Reader now(data->tg_newtable, RelationGetDescr(data->tg_relation));
	Reader before(data->tg_oldtable, RelationGetDescr(data->tg_relation));
	bool const paired =
		tuplestore_tuple_count(data->tg_newtable) == tuplestore_tuple_count(data->tg_oldtable);
	while (now.next()) {
		CHECK_FOR_INTERRUPTS();
		bool differs = !paired;
		if (paired && before.next())
			for (size_t i = 0; i < columns.count && !differs; i++)
				differs = !same(now.slot, before.slot, columns.numbers[i]);
		if (differs && (empty.count == 0 || has_null(now.slot, empty.numbers, empty.count)))
			tuplestore_puttupleslot(changed, now.slot);
	}
	ExecDropSingleTupleTableSlot(now.slot);
	ExecDropSingleTupleTableSlot(before.slot);
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
bool copy_rows(Tuplestorestate *rows, TupleDesc their_type, Columns columns, TupleDesc row_type,
			   MemoryContext into, MinimalTuple *copies)
{
	Reader reader(rows, their_type);
	TupleTableSlot *const copy = MakeSingleTupleTableSlot(row_type, &TTSOpsVirtual);
	bool room = true;
	while (room && reader.next()) {
		CHECK_FOR_INTERRUPTS();
		room = has_room(into);
		if (room)
			*copies++ = copy_row(reader.slot, columns, copy, into);
	}
	ExecDropSingleTupleTableSlot(reader.slot);
	ExecDropSingleTupleTableSlot(copy);
	return room;
}

} // namespace

namespace {

/* is_ours tells whether a relation is a table of the extension. */
bool is_ours(Relation relation, const char *table)
{
	return call([&] {
		Oid const schema = get_namespace_oid("reconcile", true);
		return OidIsValid(schema) && get_relname_relid(table, schema) == RelationGetRelid(relation);
	});
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
										  const std::vector<AttrNumber> &empty) const
{
	auto list = std::make_unique<WorkList>(RelationGetDescr(data_->tg_relation));
	call([&] { copy_changed(data_, Columns(columns), Columns(empty), list->store()); });
	return list;
}

bool Firing::copy(const std::vector<AttrNumber> &columns, TupleDesc row_type, MemoryContext into,
				  std::vector<MinimalTuple> &copies) const
{
	return call([&] {
		return copy_rows(rows(), RelationGetDescr(data_->tg_relation), Columns(columns), row_type,
						 into, copies.data());
	});
}

RowFiring::RowFiring(FunctionCallInfo fcinfo, const char *table)
	: data_(reinterpret_cast<TriggerData *>(fcinfo->context))
{
	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_AFTER(data_->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(data_->tg_event) || !TRIGGER_FIRED_BY_INSERT(data_->tg_event) ||
		!is_ours(data_->tg_relation, table))
		called_wrongly();
}

} // namespace reconcile::pg
