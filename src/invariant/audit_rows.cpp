/*-------------------------------------------------------------------------
 *
 * audit_rows.cpp
 *	  What the statement of an audit calls for the rows that it reads.
 *
 * An audit counts and shows examples in one pass over the data.  All expected
 * rows are counted before the join with what is there, so that it need not
 * hand on those that are as they should be; and no more rows are turned into
 * JSON than are shown.
 *
 *-------------------------------------------------------------------------
 */
#include "pg/tally.hpp"

namespace reconcile::invariant {

RECONCILE_FUNCTION(reconcile_count_row)
{
	pg::count_row(PG_GETARG_INT32(0));
	return BoolGetDatum(true);
}

/* The calls of one expression in one statement and process are counted where it is executed. */
RECONCILE_FUNCTION(reconcile_is_among_first)
{
	auto *calls = static_cast<int64 *>(fcinfo->flinfo->fn_extra);
	if (calls == nullptr) {
		calls = static_cast<int64 *>(pg::call(
			[&] { return MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(int64)); }));
		fcinfo->flinfo->fn_extra = calls;
	}
	return BoolGetDatum(++*calls <= PG_GETARG_INT32(0));
}

} // namespace reconcile::invariant
