/*-------------------------------------------------------------------------
 *
 * ledger.hpp
 *	  What repairs did, kept in reconcile.run, run_row and failure.
 *
 * Terms.  The rows of a run are known by xmin: each row version carries the id
 * of the (sub)transaction that wrote it, so that naming those ids costs the
 * run nothing.  Where rows have no xmin (a foreign table), or when asked to,
 * they are recorded one by one.
 *
 * Depends on: definition.hpp, pg/.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "invariant/definition.hpp"
#include "pg/spi.hpp"

#include <string>
#include <vector>

namespace reconcile::invariant {

/* RunRecord is one row of the ledger in the making. */
struct RunRecord {
	int64 run_id = 0;
	int64 planned = 0, changed = 0, failed = 0;
	bool rows_recorded = false;
	std::vector<uint64> xids;
	TimestampTz started_at = 0;

	int64 already_present() const { return planned - changed - failed; }
};

/* next_run_id reserves the number of a run. */
int64 next_run_id();

/* refusal_row_type is the row type of a list of refused rows: the row as JSON,
 * SQLSTATE, message. */
TupleDesc refusal_row_type();

/* enter writes a finished run: its counts, the rows in written when they are
 * recorded, and the refused rows, whose older failures are replaced. */
void enter(const Definition &definition, const RunRecord &run, pg::WorkList *written,
		   pg::WorkList &refused);

} // namespace reconcile::invariant
