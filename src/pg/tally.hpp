/*-------------------------------------------------------------------------
 *
 * tally.hpp
 *	  How many rows pass a point in the middle of a plan.
 *
 * SQL can count what comes out of a join but not, in the same pass, what goes
 * into it, unless the join lets every row out.  A statement that calls
 * reconcile.count_row() where the rows pass counts them there, in whatever
 * process its plan is executed; a Tally is where the processes write it down.
 *
 * Depends on: identity.hpp.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "pg/identity.hpp"

#include <exception>
#include <optional>

extern "C" {
#include "storage/dsm.h"
}

namespace reconcile::pg {

class Tally {
public:
	Tally();
	~Tally();
	Tally(const Tally &) = delete;
	Tally &operator=(const Tally &) = delete;

	/* number is what the statement has to pass to reconcile.count_row(). */
	int32 number() const { return number_; }

	/* rows is how many passed, once the statement has ended. */
	int64 rows() const;

private:
	struct Own { /* where this process counts, and for which tally */
		int32 number;
		int64 *rows;
	};
	friend void count_row(int32 number);
	static Own own_;
	static int64 *found(int32 number);

	dsm_segment *segment_ = nullptr; /* none where this process counts alone */
	std::optional<Settings> alone_;
	mutable int64 rows_ = 0; /* what it counts then, by way of own_ */
	int32 number_;
	Own outer_; /* the tally around this one: a query may call a function that audits */
	int unwinding_ = std::uncaught_exceptions();
};

/* count_row counts one row for a tally of this process, or of the one that leads it. */
inline void count_row(int32 number)
{
	if (Tally::own_.rows == nullptr || Tally::own_.number != number)
		Tally::own_ = {number, Tally::found(number)};
	++*Tally::own_.rows;
}

} // namespace reconcile::pg
