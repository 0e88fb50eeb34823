/*-------------------------------------------------------------------------
 *
 * guard_notes.hpp
 *	  What guards have to look at when the transaction ends.
 *
 * A guard that waits for the commit takes notes of new rows: their primary keys,
 * copied into memory.  A savepoint that is rolled back takes its notes along, and
 * gives back those that were worked off in it.  There is room for as many as
 * work_mem holds, of statements with few rows; whatever does not fit is entered in
 * reconcile.guard_pending.
 *
 * Notes do nothing by themselves.  The first one sets a bell: the deferred trigger of the
 * row of reconcile.guard_bell, which rings at the end of the transaction, or when the
 * application wants its constraints checked.
 *
 * Depends on: row_json.hpp, pg/.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "invariant/row_json.hpp"
#include "pg/spi.hpp"
#include "pg/trigger.hpp"

#include <memory>
#include <string>
#include <vector>

namespace reconcile::invariant {

/* Subject is what notes are about: rows of a table, or what is expected with some keys. */
struct Subject {
	std::string invariant;
	Oid watched = InvalidOid;	 /* the table with the rows, as the query reads it, if any */
	std::vector<JsonColumn> key; /* its primary key, or that of the invariant, as it was then */

	bool is_of_rows() const { return OidIsValid(watched); }
};
using SharedSubject = std::shared_ptr<const Subject>;

/* same_columns tells whether two keys have the same columns of the same types. */
bool same_columns(const std::vector<JsonColumn> &some, const std::vector<JsonColumn> &others);

/* Notes are those about one subject that were taken off the pile. */
struct Notes {
	SharedSubject subject;
	TupleDesc row_type;				/* of the keys */
	std::vector<MinimalTuple> keys; /* copies */
	int level; /* how many guards had set off each other when they were taken, at most */

	std::unique_ptr<pg::WorkList> list() const;
};

/* take_notes notes those rows of a statement that matter, given where their table has the
 * key; false, and nothing is noted, when there is no room. */
bool take_notes(const SharedSubject &subject, const pg::Firing &firing,
				const std::vector<AttrNumber> &key, const pg::Emptiness &matter, int level);

/* last_note is the number of the latest notes.  cross_out takes note that rows of a statement
 * need no look any more, as far as notes say so that are older than the statement: during it,
 * triggers may have written such a row anew. */
uint64 last_note();
void cross_out(const SharedSubject &subject, const pg::Firing &firing,
			   const std::vector<AttrNumber> &key, const pg::Emptiness &which, uint64 last);

/* noted lists the subjects of which there are notes, in the order of the first of each, but
 * those of keys last: what rows ask for may be all that the keys need. */
std::vector<SharedSubject> noted();

/* work_off takes the notes about a subject off the pile. */
Notes work_off(const SharedSubject &subject);

/* bell_is_set tells whether the bell will ring yet; set_bell takes note that it is about
 * to be set, bell_rang that it rang. */
bool bell_is_set();
void set_bell();
void bell_rang();

} // namespace reconcile::invariant
