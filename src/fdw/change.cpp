/*-------------------------------------------------------------------------
 *
 * change.cpp
 *	  UPDATE and DELETE of a foreign table.
 *
 * Operations are collected and sent together: PostgreSQL is told of each row
 * that nothing came of it, and at the end of the plan the documents that
 * MongoDB found are added to its count.  Where something depends on single
 * rows (RETURNING, triggers, a view's CHECK OPTION), each is sent by itself.
 *
 * A row whose document is not found any more, or not as it was read, counts
 * as not changed (identity.hpp).
 *
 *-------------------------------------------------------------------------
 */
#include "fdw/change.hpp"

#include "fdw/encode.hpp"
#include "fdw/identity.hpp"
#include "fdw/writing.hpp"
#include "pg/owned.hpp"
#include "pg/plan_end.hpp"
#include "pg/text.hpp"

extern "C" {
#include "access/sysattr.h"
#include "access/xlog.h"
#include "utils/datum.h"
#include "utils/rel.h"
}

#include <algorithm>
#include <map>
#include <vector>

namespace reconcile::fdw {

namespace {

/* junk_column finds a column of the plan that is no column of the table; 0
 * when there is none. */
AttrNumber junk_column(ModifyTableState *node, const char *name)
{
	return pg::call(
		[&] { return ExecFindJunkAttributeInTlist(outerPlanState(node)->plan->targetlist, name); });
}

Datum junk_value(TupleTableSlot *planned, AttrNumber column, bool *null)
{
	return pg::call([&] { return ExecGetJunkAttribute(planned, column, null); });
}

/* Change is the state of one UPDATE or DELETE of one table. */
class Change : private Writing {
public:
	Change(ModifyTableState *node, ResultRelInfo *target, Oid user);

	/* update and remove take a row, and return whether PostgreSQL is to count
	 * it now. */
	bool update(TupleTableSlot *slot, TupleTableSlot *planned);
	bool remove(TupleTableSlot *slot, TupleTableSlot *planned);

	/* finish sends what is collected. */
	void finish();

private:
	bool single() const;
	mongo::Document selector(TupleTableSlot *planned) const;
	std::vector<AttrNumber> changed_columns(TupleTableSlot *slot, TupleTableSlot *planned) const;
	void row_of(TupleTableSlot *planned, HeapTupleData *row) const;
	template <class F> bool add(TupleTableSlot *planned, F &&f);
	uint64 send();

	ModifyTableState *const node_;
	ResultRelInfo *const target_;
	bool const update_;
	AttrNumber const identity_, row_;
	std::vector<AttrNumber> set_; /* columns that SET names */
	bool triggers_may_set_ = false;
	std::map<std::vector<AttrNumber>, Encoder> encoders_; /* by the columns that change */
	mongo::Document document_;
	std::vector<mongo::Document> selectors_; /* of what is collected */
};

Change::Change(ModifyTableState *node, ResultRelInfo *target, Oid user)
	: Writing(target->ri_RelationDesc, user,
			  node->operation == CMD_UPDATE ? "update a document of" : "delete a document of",
			  node->operation == CMD_UPDATE ? "updated" : "deleted"),
	  node_(node), target_(target), update_(node->operation == CMD_UPDATE),
	  identity_(junk_column(node, kIdentityName)), row_(junk_column(node, "wholerow"))
{
	if (!update_)
		return;
	triggers_may_set_ =
		target->ri_TrigDesc != nullptr && target->ri_TrigDesc->trig_update_before_row;
	Bitmapset *set = pg::call([&] { return ExecGetUpdatedCols(target, node->ps.state); });
	for (const Column &column : table_.columns)
		if (!column.generated && pg::call([&] {
				return bms_is_member(column.number - FirstLowInvalidHeapAttributeNumber, set);
			}))
			set_.push_back(column.number);
	encoders_.try_emplace(set_, table_,
						  set_); /* refuses what cannot be changed, before it begins */
}

/* single tells whether something waits for the result of each row.  What it
 * looks at is not there yet when the statement begins. */
bool Change::single() const
{
	const TriggerDesc *triggers = target_->ri_TrigDesc;
	return target_->ri_projectReturning != nullptr || target_->ri_WithCheckOptions != NIL ||
		   (triggers != nullptr &&
			(update_ ? triggers->trig_update_after_row : triggers->trig_delete_after_row));
}

/* selector returns what finds the document of a row. */
mongo::Document Change::selector(TupleTableSlot *planned) const
{
	bool null;
	bson_t found;
	Datum const identity = junk_value(planned, identity_, &null);
	if (null || !selector_of(identity, &found))
		pg::fail(ERRCODE_INTERNAL_ERROR, "a row of foreign table " +
											 pg::qualified_name(table_.relation) +
											 " has no identity");
	return mongo::Document::copy_of(&found);
}

/* row_of returns the row as it was read. */
void Change::row_of(TupleTableSlot *planned, HeapTupleData *row) const
{
	bool null;
	HeapTupleHeader const header =
		pg::call([&] { return DatumGetHeapTupleHeader(junk_value(planned, row_, &null)); });
	row->t_data = header;
	row->t_len = HeapTupleHeaderGetDatumLength(header);
	ItemPointerSetInvalid(&row->t_self);
	row->t_tableOid = table_.relation;
}

/* changed_columns returns the columns that SET names, and those to which a
 * trigger gave another value. */
std::vector<AttrNumber> Change::changed_columns(TupleTableSlot *slot, TupleTableSlot *planned) const
{
	if (!triggers_may_set_)
		return set_;
	std::vector<AttrNumber> changed;
	HeapTupleData old;
	row_of(planned, &old);
	for (const Column &column : table_.columns) {
		if (column.generated)
			continue;
		bool const named = std::find(set_.begin(), set_.end(), column.number) != set_.end();
		bool const other = pg::call([&] {
			TupleDesc const type = RelationGetDescr(target_->ri_RelationDesc);
			Form_pg_attribute const attribute = TupleDescAttr(type, column.number - 1);
			bool was_null, is_null;
			Datum const was = heap_getattr(&old, column.number, type, &was_null);
			Datum const is = slot_getattr(slot, column.number, &is_null);
			return was_null != is_null ||
				   (!is_null && !datum_image_eq(was, is, attribute->attbyval, attribute->attlen));
		});
		if (named || other)
			changed.push_back(column.number);
	}
	return changed;
}

/* add puts an operation into the bulk, and sends it where that is due. */
template <class F> bool Change::add(TupleTableSlot *planned, F &&f)
{
	uint64 changed = 0;
	in_scratch([&] {
		mongo::Document found = selector(planned);
		local([&] { f(found.get()); });
		selectors_.push_back(std::move(found));
		uint32_t const most = table_.options.batch_size > 0
								  ? static_cast<uint32_t>(table_.options.batch_size)
								  : mongo::Bulk::kMaxOperations;
		if (single() || bulk_.full() || bulk_.size() >= most)
			changed = send();
	});
	return single() && changed > 0;
}

bool Change::update(TupleTableSlot *slot, TupleTableSlot *planned)
{
	return add(planned, [&](const bson_t *found) {
		std::vector<AttrNumber> const changed = changed_columns(slot, planned);
		const Encoder &encoder = encoders_.try_emplace(changed, table_, changed).first->second;
		if (encoder.change(slot, document_))
			bulk_.replace(found, document_.get());
		else
			bulk_.update(found, document_.get());
	});
}

/* remove gives the slot the values of the row, for RETURNING. */
bool Change::remove(TupleTableSlot *slot, TupleTableSlot *planned)
{
	if (!add(planned, [&](const bson_t *found) { bulk_.remove(found); }))
		return false;
	if (row_ != InvalidAttrNumber) {
		HeapTupleData row;
		row_of(planned, &row);
		pg::call([&] {
			ExecClearTuple(slot);
			heap_deform_tuple(&row, RelationGetDescr(target_->ri_RelationDesc), slot->tts_values,
							  slot->tts_isnull);
			ExecStoreVirtualTuple(slot);
		});
	}
	return true;
}

/* send returns how many documents were found and changed. */
uint64 Change::send()
{
	if (selectors_.empty())
		return 0;
	mongo::BulkResult const result = remote([&] { return bulk_.execute(); });
	for (const mongo::Refusal &why : result.refusals)
		refuse(sqlstate_number(why.sqlstate), why.message,
			   shown_json(selectors_[why.position].get()));
	selectors_.clear();
	wrote(result.affected);
	if (!single() && node_->canSetTag)
		node_->ps.state->es_processed += result.affected;
	return result.affected;
}

void Change::finish()
{
	in_scratch([&] { send(); });
}

Change *change_of(ResultRelInfo *target)
{
	return static_cast<Change *>(target->ri_FdwState);
}

void finish_change(void *change)
{
	static_cast<Change *>(change)->finish();
}

} // namespace

void begin_change(ModifyTableState *node, ResultRelInfo *target)
{
	EState *estate = node->ps.state;
	Oid const user = pg::call([&] {
		PreventCommandDuringRecovery(node->operation == CMD_UPDATE ? "UPDATE" : "DELETE");
		return pg::modify_user(target, estate);
	});
	auto *change = pg::owned<Change>(estate->es_query_cxt, node, target, user);
	pg::at_plan_end(outerPlanState(node), pg::entry<finish_change>, change);
	target->ri_FdwState = change;
}

TupleTableSlot *update(EState *, ResultRelInfo *target, TupleTableSlot *slot,
					   TupleTableSlot *planned)
{
	return change_of(target)->update(slot, planned) ? slot : nullptr;
}

TupleTableSlot *remove(EState *, ResultRelInfo *target, TupleTableSlot *slot,
					   TupleTableSlot *planned)
{
	return change_of(target)->remove(slot, planned) ? slot : nullptr;
}

} // namespace reconcile::fdw
