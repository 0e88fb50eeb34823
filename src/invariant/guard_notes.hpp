/*-------------------------------------------------------------------------
 *
 * guard_notes.hpp
 *	  What guards have to look at when the transaction ends.
 *
 * A guard that waits for the commit takes a note of the rows: their keys, kept
 * in memory as far as work_mem allows and in a temporary file beyond that.  A
 * savepoint that is rolled back takes its notes along, and gives back those that
 * were worked off in it.
 *
 * Notes do nothing by themselves.  The first one sets an alarm: a row of
 * reconcile.guard_pending, whose deferred trigger goes off at the end of the
 * transaction, or when the application wants its constraints checked.
 *
 * Depends on: row_json.hpp, pg/.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "invariant/row_json.hpp"
#include "pg/spi.hpp"

#include <memory>
#include <string>
#include <tuple>
#include <vector>

namespace reconcile::invariant {

/* Subject is what a note is about. */
struct Subject {
	std::string invariant;
	enum Keys {
		of_rows,	/* the primary keys of rows of a table that the query reads */
		of_target,	/* keys of what is expected, as the target has them */
		as_expected /* the same, as the query yields them */
	} keys = of_target;
	Oid watched = InvalidOid; /* the table, in the first case */
	bool inserted = false;	  /* its rows are new in this transaction */

	bool operator<(const Subject &other) const
	{
		return std::tie(invariant, keys, watched, inserted) <
			   std::tie(other.invariant, other.keys, other.watched, other.inserted);
	}
	bool operator==(const Subject &other) const { return !(*this < other) && !(other < *this); }
};

/* Note is a list of keys. */
struct Note {
	Subject subject;
	std::vector<JsonColumn> columns;
	std::unique_ptr<pg::WorkList> keys;
	int level; /* how many guards set off each other until it was taken */

	/* The savepoints that would take it along, and bring it back. */
	SubTransactionId made, done = InvalidSubTransactionId;
};

/* same_columns tells whether two lists have the same names and types. */
bool same_columns(const std::vector<JsonColumn> &some, const std::vector<JsonColumn> &others);

/* noted_keys is the list to which a guard at that level adds the keys of a subject. */
pg::WorkList &noted_keys(const Subject &subject, const std::vector<JsonColumn> &columns, int level);

/* notes_to_do lists the notes that nobody has worked off, the oldest first. */
std::vector<std::shared_ptr<Note>> notes_to_do();

/* begin_work takes note that one of them is worked off now. */
void begin_work(Note &note);

/* set_alarm sets the alarm, unless it is set; alarm_went_off takes note that it did. */
void set_alarm();
void alarm_went_off();

} // namespace reconcile::invariant
