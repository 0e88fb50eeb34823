/*-------------------------------------------------------------------------
 *
 * modify.cpp
 *	  Writing a foreign table: rows become documents, many with one command.
 *
 * Terms.  A row is "written" when this statement made its document, "refused"
 * when MongoDB or the conversion would not take it, and "matched" when ON
 * CONFLICT DO NOTHING found its document there; a matched one is left as it is
 * and not counted.
 *
 * What MongoDB has written stays written when the transaction rolls back.  A
 * refused row is an ERROR, after the rest of its batch was tried; while an
 * observer is installed it hears of every row instead.
 *
 * ON CONFLICT DO NOTHING is an upsert, which looks for the key first.  Where a
 * unique index on the key refuses what is there, an insert does the same for
 * a fraction of the work.  Why an insert was refused is not looked into: the
 * upsert that follows finds the document or is refused as well, so what is
 * reported, and what is there in the end, is what upserts alone would make.
 * Inserts are sent once a batch of upserts has found little there, since each
 * that is refused costs more than the upsert alone; so a statement of one batch
 * does not even ask for the index.
 *
 *-------------------------------------------------------------------------
 */
#include "fdw/modify.hpp"

#include "fdw/change.hpp"
#include "fdw/encode.hpp"
#include "fdw/writing.hpp"
#include "mongo/unique_key.hpp"
#include "pg/owned.hpp"
#include "pg/text.hpp"
#include "pg/write_observer.hpp"

extern "C" {
#include "access/xlog.h"
#include "nodes/makefuncs.h"
#include "utils/rel.h"
}

#include <chrono>
#include <utility>
#include <vector>

namespace reconcile::fdw {

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kDefaultBatch = 1000;

/* From how many rows a batch says something about the next, and how many of
 * them at most (one of so many) may have been there already. */
constexpr size_t kTellingRows = 100;
constexpr size_t kFew = 8;

/* How long it is believed that an index is there: somebody may drop it. */
constexpr std::chrono::seconds kBelieved(1);

void require_key(const Table &table)
{
	if (!table.options.key.empty())
		return;
	std::string const name = pg::qualified_name(table.relation);
	pg::fail(ERRCODE_FDW_OPTION_NAME_NOT_FOUND,
			 "ON CONFLICT DO NOTHING needs option \"key\" of foreign table " + name,
			 "It names the columns that say whether a document is there already.",
			 "ALTER FOREIGN TABLE " + name + " OPTIONS (ADD key 'column, ...')");
}

/* Insertion is the state of one INSERT or COPY. */
class Insertion : private Writing {
public:
	Insertion(Relation relation, Oid user, bool upsert);

	/* queue keeps a row for a later command, finish sends what is kept.  Only
	 * for a caller that needs no result of single rows. */
	void queue(TupleTableSlot *slot);
	void finish();
	bool queues = false;

	/* write sends rows and returns those that were written; the list lives
	 * until the next call. */
	std::vector<TupleTableSlot *> &write(TupleTableSlot **slots, int count);

	int batch_size() const
	{
		return table_.options.batch_size > 0 ? table_.options.batch_size : kDefaultBatch;
	}

private:
	/* Sent is a row in the bulk.  The slot is none when its owner has it back. */
	struct Sent {
		TupleTableSlot *slot;
		Encoder::MadeId made;
	};

	template <class F> void in_batch(F &&f);
	bool inserts_do();
	void add(TupleTableSlot *slot);
	void send();
	void report_written(const Sent &row);
	void report_refused(TupleTableSlot *slot, int sqlstate, const std::string &message);
	std::string described(TupleTableSlot *slot);

	bool const upsert_;
	Encoder encoder_;
	mongo::Document document_, selector_;
	std::vector<Sent> sent_;
	std::vector<TupleTableSlot *> written_;

	bool inserting_;		 /* the bulk holds inserts, not upserts */
	bool few_there_ = false; /* in the batch before */
	bool unique_ = true;	 /* is the key, as far as is known */
	Clock::time_point believed_until_{};
};

Insertion::Insertion(Relation relation, Oid user, bool upsert)
	: Writing(relation, user, "write a document to", "written"), upsert_(upsert),
	  encoder_(table_, upsert), inserting_(!upsert)
{
}

/* inserts_do tells whether the next batch may be inserts. */
bool Insertion::inserts_do()
{
	if (!upsert_)
		return true;
	if (!few_there_ || !unique_ || !encoder_.inserts_do())
		return false;
	if (Clock::now() < believed_until_)
		return true;
	std::vector<std::string> fields;
	for (const std::string &name : table_.options.key)
		fields.push_back(table_.column(name)->path);
	unique_ = remote([&] {
		return mongo::is_unique_key(*client_, table_.options.database, table_.options.collection,
									fields);
	});
	believed_until_ = Clock::now() + kBelieved;
	return unique_;
}

template <class F> void Insertion::in_batch(F &&f)
{
	written_.clear();
	in_scratch(f);
}

std::vector<TupleTableSlot *> &Insertion::write(TupleTableSlot **slots, int count)
{
	in_batch([&] {
		inserting_ = inserts_do();
		for (int i = 0; i < count; i++) {
			add(slots[i]);
			if (bulk_.full())
				send();
		}
		send();
	});
	return written_;
}

void Insertion::queue(TupleTableSlot *slot)
{
	in_batch([&] {
		add(slot);
		sent_.back().slot = nullptr; /* the caller goes on to use it */
		if (bulk_.full() || bulk_.size() >= static_cast<uint32_t>(batch_size()))
			send();
	});
}

void Insertion::finish()
{
	in_batch([&] { send(); });
}

/* add puts a row into the bulk; a row that is no document is refused here. */
void Insertion::add(TupleTableSlot *slot)
{
	try {
		local([&] {
			Sent row{slot, {}};
			if (inserting_) {
				row.made = encoder_.row(slot, document_);
				bulk_.insert(document_.get());
			} else {
				row.made = encoder_.upsert(slot, document_, selector_);
				bulk_.upsert(selector_.get(), document_.get());
			}
			sent_.push_back(row);
		});
	} catch (const pg::Error &error) {
		if (queues)
			throw;
		report_refused(slot, error.sqlstate, error.what());
	}
}

/* send executes the bulk.  What inserts could not write is tried by upserts,
 * which know whether it is there. */
void Insertion::send()
{
	if (sent_.empty())
		return;
	bool const final = !upsert_ || !inserting_;
	mongo::BulkResult const result = remote([&] { return bulk_.execute(); });
	if (pg::write_observer() == nullptr)
		wrote(result.inserted);
	std::vector<Sent> const sent = std::exchange(sent_, {});
	std::vector<TupleTableSlot *> again;
	size_t refusal = 0;
	for (size_t i = 0; i < sent.size(); i++) {
		switch (result.outcomes[i]) {
		case mongo::Outcome::kInserted:
			report_written(sent[i]);
			break;
		case mongo::Outcome::kMatched:
		case mongo::Outcome::kTried:
			break;
		case mongo::Outcome::kRefused: {
			const mongo::Refusal &why = result.refusals[refusal++];
			if (final)
				report_refused(sent[i].slot, sqlstate_number(why.sqlstate), why.message);
			else
				again.push_back(sent[i].slot);
			break;
		}
		}
	}
	if (!again.empty()) {
		inserting_ = false;
		for (TupleTableSlot *slot : again)
			add(slot);
		send();
	}
	few_there_ = sent.size() >= kTellingRows &&
				 (result.matched + result.refusals.size()) * kFew <= sent.size();
}

void Insertion::report_written(const Sent &row)
{
	if (row.slot != nullptr && row.made)
		encoder_.keep_id(row.slot, *row.made);
	written_.push_back(row.slot);
	if (pg::WriteObserver *observer = pg::write_observer())
		pg::call([&] { observer->written(observer->state, row.slot); });
}

void Insertion::report_refused(TupleTableSlot *slot, int sqlstate, const std::string &message)
{
	if (pg::WriteObserver *observer = pg::write_observer())
		pg::call([&] { observer->refused(observer->state, slot, sqlstate, message.c_str()); });
	else
		refuse(sqlstate, message, described(slot));
}

/* described shows the key of a row, or the beginning of its document. */
std::string Insertion::described(TupleTableSlot *slot)
{
	if (slot == nullptr)
		return {};
	try {
		local([&] {
			if (upsert_)
				encoder_.upsert(slot, document_, selector_);
			else
				encoder_.row(slot, document_);
		});
	} catch (const pg::Error &) {
		return {}; /* the message itself is about the row */
	}
	return shown_json((upsert_ ? selector_ : document_).get());
}

Insertion *insertion_of(ResultRelInfo *target)
{
	return static_cast<Insertion *>(target->ri_FdwState);
}

/* begin_rows prepares for rows, before anything is sent. */
void begin_rows(ModifyTableState *node, ResultRelInfo *target, bool upsert)
{
	EState *estate = node->ps.state;
	Oid const user = pg::call([&] {
		PreventCommandDuringRecovery("INSERT");
		return pg::modify_user(target, estate);
	});
	target->ri_FdwState =
		pg::owned<Insertion>(estate->es_query_cxt, target->ri_RelationDesc, user, upsert);
}

} // namespace

int is_updatable(Relation relation)
{
	return table_options(RelationGetRelid(relation)).updatable
			   ? 1 << CMD_INSERT | 1 << CMD_UPDATE | 1 << CMD_DELETE
			   : 0;
}

List *plan_modify(PlannerInfo *root, ModifyTable *plan, Index relation, int)
{
	bool const upsert = plan->onConflictAction == ONCONFLICT_NOTHING;
	if (plan->operation == CMD_INSERT && upsert)
		require_key(opened_table_of(planner_rt_fetch(relation, root)->relid));
	return pg::call([&] { return list_make1(makeInteger(upsert)); });
}

void begin_modify(ModifyTableState *node, ResultRelInfo *target, List *planned, int, int flags)
{
	if (flags & EXEC_FLAG_EXPLAIN_ONLY)
		return;
	if (node->operation == CMD_INSERT)
		begin_rows(node, target, intVal(linitial(planned)) != 0);
	else
		begin_change(node, target);
}

/* begin_insert is for COPY, and for rows that a partitioned table sends here. */
void begin_insert(ModifyTableState *node, ResultRelInfo *target)
{
	auto *plan = reinterpret_cast<ModifyTable *>(node->ps.plan);
	if (target->ri_FdwState != nullptr)
		pg::fail(ERRCODE_FEATURE_NOT_SUPPORTED,
				 "cannot move rows into foreign table " +
					 pg::qualified_name(RelationGetRelid(target->ri_RelationDesc)) +
					 ", which the same UPDATE changes");
	bool const upsert = plan != nullptr && plan->onConflictAction == ONCONFLICT_NOTHING;
	if (upsert)
		require_key(opened_table_of(RelationGetRelid(target->ri_RelationDesc)));
	begin_rows(node, target, upsert);
	/* Before 16, COPY gives foreign tables one row at a time. */
	TriggerDesc *triggers = target->ri_TrigDesc;
	insertion_of(target)->queues = plan == nullptr && pg::write_observer() == nullptr &&
								   (triggers == nullptr || (!triggers->trig_insert_after_row &&
															!triggers->trig_insert_before_row));
}

void end_insert(EState *, ResultRelInfo *target)
{
	if (insertion_of(target)->queues)
		insertion_of(target)->finish();
}

/* batch_size is 1 where PostgreSQL must see the result of each row. */
int batch_size(ResultRelInfo *target)
{
	TriggerDesc *triggers = target->ri_TrigDesc;
	if (insertion_of(target) == nullptr || target->ri_projectReturning != nullptr ||
		target->ri_WithCheckOptions != NIL ||
		(triggers != nullptr &&
		 (triggers->trig_insert_before_row || triggers->trig_insert_after_row)))
		return 1;
	return insertion_of(target)->batch_size();
}

TupleTableSlot *insert(EState *, ResultRelInfo *target, TupleTableSlot *slot, TupleTableSlot *)
{
	Insertion *insertion = insertion_of(target);
	if (insertion->queues) {
		insertion->queue(slot);
		return slot;
	}
	return insertion->write(&slot, 1).empty() ? nullptr : slot;
}

TupleTableSlot **batch_insert(EState *, ResultRelInfo *target, TupleTableSlot **slots,
							  TupleTableSlot **, int *count)
{
	std::vector<TupleTableSlot *> &written = insertion_of(target)->write(slots, *count);
	*count = static_cast<int>(written.size());
	return written.data();
}

/* explain_modify shows the key where documents are looked for by it. */
void explain_modify(ModifyTableState *node, ResultRelInfo *target, List *planned, int,
					ExplainState *explain)
{
	TableOptions const options = table_options(RelationGetRelid(target->ri_RelationDesc));
	bool const keyed = node->operation != CMD_INSERT || intVal(linitial(planned)) != 0;
	std::string const collection = options.full_name();
	std::string const key = keyed ? pg::joined(options.key, ", ") : "";
	pg::call([&] {
		ExplainPropertyText("MongoDB Collection", collection.c_str(), explain);
		if (!key.empty())
			ExplainPropertyText("MongoDB Key", key.c_str(), explain);
	});
}

} // namespace reconcile::fdw
