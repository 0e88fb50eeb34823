/*-------------------------------------------------------------------------
 *
 * guard_side.hpp
 *	  Tables on the nullable side of a join that have no say in what is expected.
 *
 * A query with DISTINCT ON may join such a table to choose which row of a key is
 * kept: no new row of it makes anything due, and a guard need not watch it.
 *
 * All of it is C in the sense of boundary.hpp.  Depends on: pg/.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "pg/nodes.hpp"

namespace reconcile::invariant {

/* Counted is what counts of an expected row. */
struct Counted {
	List *key;		/* names of the columns that the key is made of */
	bool values;	/* whether what it says besides does, too */
	bool any_value; /* or only that it is not NULL */
};

bool is_key(const Counted &counted, const TargetEntry *column);

/* has_no_say tells whether the nullable side of a left join in the outermost query adds no
 * key to those that it expects, and changes nothing about them that counts. */
bool has_no_say(const Counted &counted, Query *query, JoinExpr *join);

/* reads_in_outputs tells whether a query yields anything of the nullable side of a join. */
bool reads_in_outputs(Query *query, JoinExpr *join);

} // namespace reconcile::invariant
