/*-------------------------------------------------------------------------
 *
 * writer.hpp
 *	  Inserts a work list and finds out what became of every row.
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

/* recording chooses how the rows of a run will be known: false for by xmin,
 * true for one by one.  Asking for xmin where rows have none is an error. */
bool recording(const Target &target, const std::string &record);

class Writer {
public:
	Writer(const Definition &definition, const Statements &statements, bool stop_at_bad_row,
		   RunRecord &run, pg::WorkList &refused);

	/* write inserts the rows of a list; counts and transaction ids go into the
	 * run record, refused rows into their list. */
	void write(pg::WorkList &list);

	/* written_as_json returns the rows that were written, if they are recorded,
	 * as one jsonb column. */
	std::unique_ptr<pg::WorkList> written_as_json() const;

private:
	struct Inserted {
		int64 rows = 0;
		uint64 xid = 0;
	};

	Inserted insert(pg::WorkList &list);
	void insert_observed(pg::WorkList &list, pg::WorkList &refused);
	void check_found(pg::Spi &spi, int64 rows, int64 inserted);
	void halve(pg::WorkList &list);
	void refuse(pg::WorkList &row, const pg::Failure &failure);

	const Definition &definition_;
	const Statements &statements_;
	bool const stop_at_bad_row_;
	RunRecord &run_;
	pg::WorkList &refused_;
	std::unique_ptr<pg::WorkList> written_;
};

} // namespace reconcile::invariant
