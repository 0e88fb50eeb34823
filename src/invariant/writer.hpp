/*-------------------------------------------------------------------------
 *
 * writer.hpp
 *	  Writes a work list and finds out what became of every row.
 *
 * Depends on: ledger.hpp, statements.hpp, pg/write_observer.hpp.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "invariant/ledger.hpp"
#include "invariant/statements.hpp"
#include "pg/spi.hpp"
#include "pg/subtransaction.hpp"

#include <memory>

namespace reconcile::invariant {

/* choose_record enters how the rows of a run will be known: by xmin, or one by
 * one.  Asking for xmin where it does not tell is an error. */
void choose_record(const Statements &statements, const std::string &record, RunRecord &run);

/* concerns_a_row tells errors that the values of one row can cause, so that
 * leaving it out lets the others pass: bad data, a constraint, a condition of
 * a view or policy, a size, and whatever a trigger raises, with a SQLSTATE of
 * its own or not.  What concerns the statement is listed. */
bool concerns_a_row(int sqlstate);

class Writer {
public:
	Writer(const Definition &definition, const Statements &statements, bool stop_at_bad_row,
		   RunRecord &run, pg::WorkList &refused);

	/* write writes the rows of a list; counts and transaction ids go into the
	 * run record, refused rows into their list. */
	void write(pg::WorkList &list);

	/* written_as_json returns the rows of a list that were written, if they are
	 * recorded, as the ledger keeps them. */
	std::unique_ptr<pg::WorkList> written_as_json(pg::WorkList &list) const;

private:
	struct Outcome {
		int64 rows = 0;
		uint64 xid = 0;
	};

	Outcome write_list(pg::WorkList &list);
	void write_observed(pg::WorkList &list, pg::WorkList &refused);
	void check_kept(pg::Spi &spi, int64 rows, int64 written);
	void take_refused(pg::WorkList &refused);
	void halve(pg::WorkList &list);
	void refuse(pg::WorkList &rows, const std::string &code, const std::string &message);
	void refuse_suppressed(pg::WorkList &list);

	const Definition &definition_;
	const Statements &statements_;
	bool const stop_at_bad_row_;
	RunRecord &run_;
	pg::WorkList &refused_;
	TimestampTz told_at_;
	std::unique_ptr<pg::WorkList> written_;
};

} // namespace reconcile::invariant
