/*-------------------------------------------------------------------------
 *
 * constraints.hpp
 *	  Deferrable constraints of a target, checked at once during a repair.
 *
 * A constraint that waits for the end of the transaction would refuse a row
 * when the repair is long over, and with it everything that was repaired; and
 * PostgreSQL refuses to let triggers wait that a restricted role set off.
 *
 * Depends on: pg/.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "pg/boundary.hpp"

#include <string>
#include <vector>

namespace reconcile::invariant {

class Constraints {
public:
	/* Constraints of a table, and of tables whose foreign keys point at it. */
	enum Which { its_own, pointing_at };
	explicit Constraints(Oid table, Which which = its_own);

	bool empty() const { return deferrable_.empty(); }

	/* check_at_once makes them immediate, by name: those of other tables stay as
	 * the application wants them. */
	void check_at_once() const;

	/* wait_again defers those that are declared so.  A name may stand for
	 * constraints of several tables; unless all of them are declared so, it is
	 * left immediate, which is stricter and therefore safe. */
	void wait_again() const;

private:
	std::vector<std::string> deferrable_, initially_deferred_;
};

} // namespace reconcile::invariant
