/*-------------------------------------------------------------------------
 *
 * trigger.hpp
 *	  What a statement trigger is given.
 *
 * Terms.  The "rows" of a statement are its transition table: the rows that it
 * wrote, as they are now, or the rows that it deleted, as they were.
 *
 * Depends on: boundary.hpp, spi.hpp.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "pg/spi.hpp"

extern "C" {
#include "commands/trigger.h"
}

#include <memory>
#include <string>
#include <vector>

namespace reconcile::pg {

enum class Event { insert, update, remove };

/* Emptiness says which rows are meant: those with a NULL in one of some columns, or those
 * without; all of them where there are no columns. */
struct Emptiness {
	std::vector<AttrNumber> columns = {};
	bool is_wanted = true;
};

/* Firing is one call of a statement trigger that has transition tables. */
class Firing {
public:
	/* Being called in any other way is an error. */
	explicit Firing(FunctionCallInfo fcinfo);

	Event event() const;
	Oid table() const { return RelationGetRelid(data_->tg_relation); }
	Oid trigger() const { return data_->tg_trigger->tgoid; }
	const char *trigger_name() const { return data_->tg_trigger->tgname; }

	/* rows is where the rows of the statement are, size how many there are. */
	Tuplestorestate *rows() const;
	int64 size() const
	{
		return call([this] { return tuplestore_tuple_count(rows()); });
	}

	/* changed are the rows of an UPDATE in which one of some columns is not what
	 * it was, by the image of its value: no SQL is needed to find out that a
	 * statement changed nothing that matters, which nothing stands for. */
	std::unique_ptr<WorkList> changed(const std::vector<AttrNumber> &columns,
									  const Emptiness &meant) const;

	/* copy makes, in a memory context, a row of the given type of some columns of each
	 * row that is meant, with nothing left outside of it; false when work_mem does not
	 * hold them. */
	bool copy(const std::vector<AttrNumber> &columns, const Emptiness &meant, TupleDesc row_type,
			  MemoryContext into, std::vector<MinimalTuple> &copies) const;

private:
	TriggerData *data_;
};

/* fire_for_only_row has the AFTER INSERT triggers of the only row of a table of the
 * extension fired as if it were inserted now, by the table's owner: the deferred ones at
 * the end of the transaction.  Nothing is written. */
void fire_for_only_row(const char *table);

/* RowFiring is one call of an AFTER INSERT trigger for a row of a table of the
 * extension. */
class RowFiring {
public:
	/* Being called in any other way, or for another table, is an error: anybody may
	 * make a trigger of a table of theirs, and choose its rows. */
	RowFiring(FunctionCallInfo fcinfo, const char *table);

	Oid trigger() const { return data_->tg_trigger->tgoid; }

	/* place is where the row is in its table, a tid. */
	Datum place() const { return PointerGetDatum(&data_->tg_trigtuple->t_self); }

private:
	TriggerData *data_;
};

} // namespace reconcile::pg
