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
	std::vector<std::string> key;	  /* columns that the key was made of */
	std::vector<std::string> columns; /* recorded if rows are */
	std::vector<std::string> filled;  /* overwritten in rows that were there */
	std::vector<uint64> xids;
	TimestampTz started_at = 0;
	std::optional<int64> plan;

	int64 already_present() const { return planned - changed - failed; }
};

/* next_run_id reserves the number of a run. */
int64 next_run_id();

/* claim_failures marks what guards have recorded up to now as dealt with by a
 * run, which then reads what is missing; what they record later stays. */
void claim_failures(const std::string &invariant, int64 run_id);

/* refusal_row_type is the row type of a list of refused rows: the key and the row
 * as JSON, SQLSTATE, message. */
TupleDesc refusal_row_type();

/* recorded_row_type is the row type of a list of written rows: the row as it
 * is, and what its filled columns were, as jsonb. */
TupleDesc recorded_row_type();

/* enter writes a finished run: its counts, the rows in written when they are
 * recorded, and the refused rows, whose older failures are replaced. */
void enter(const Definition &definition, const RunRecord &run, pg::WorkList *written,
		   pg::WorkList &refused);

/* BatchedRun is a run that applies its plan batch by batch. */
struct BatchedRun {
	int64 run_id = 0;
	std::string invariant;
	std::string definition; /* md5 of what it was started with */
	int64 plan = 0;
	int64 planned = 0, progress = 0;
	bool rows_recorded = false;
	std::optional<std::string> yields; /* md5 of the columns of its query, of the plan */
};

/* open_run enters a run that is about to begin. */
void open_run(const Definition &definition, const RunRecord &run);

/* batched_run looks up a run that has not ended; any other is an error. */
BatchedRun batched_run(int64 run_id);

/* enter_batch adds what a batch did to its run. */
void enter_batch(const Definition &definition, const RunRecord &batch, pg::WorkList *written,
				 pg::WorkList &refused);

/* enter_pause shows that a run waits for a standby. */
void enter_pause(int64 run_id);

/* close_run ends a run whose last batch was entered, and returns its numbers in
 * words. */
std::string close_run(const Definition &definition, int64 run_id);

/* PastRun is what undoing a run needs to know of it. */
struct PastRun {
	int64 run_id = 0;
	std::string invariant;
	int64 changed = 0;
	Oid target = InvalidOid;
	Oid owner = InvalidOid;
	std::string search_path;
	bool rows_recorded = false;
	std::vector<std::string> columns; /* of the recorded rows */
	std::vector<std::string> key;
	std::vector<std::string> filled; /* columns whose values it wrote, if it inserted no rows */
	std::vector<TransactionId> xids; /* as rows carry them: 32 bits */
	std::optional<std::string> undo_refusal;
};

/* past_run looks up a run; an unknown number is an error. */
PastRun past_run(int64 run_id, bool lock);

/* require_role checks that the caller may act as the role the run had. */
void require_role(const PastRun &run);

/* recorded_rows reads the rows of a run, of recorded_row_type(). */
void recorded_rows(int64 run_id, pg::WorkList &into);

/* mark_undone enters that a run was undone. */
void mark_undone(int64 run_id);

} // namespace reconcile::invariant
