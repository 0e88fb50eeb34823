/*-------------------------------------------------------------------------
 *
 * planned.hpp
 *	  What a dry run has planned so far, for the invariants that come later.
 *
 * A child's query joins its parent's rows, which do not exist before the
 * parent was repaired.  A dry run must show the same counts and write nothing;
 * so the child reads the parent's target with what is planned for it.
 *
 * Depends on: statements.hpp.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "invariant/statements.hpp"
#include "pg/spi.hpp"

#include <memory>
#include <string>
#include <vector>

namespace reconcile::invariant {

class PlannedRows {
public:
	/* add keeps the work list of an invariant. */
	void add(const Statements &statements, std::unique_ptr<pg::WorkList> list);

	/* show makes the statements read what is planned, in this connection. */
	void show(Statements &statements, pg::Spi &spi) const;

private:
	struct Part {
		Oid table;
		std::string name;	 /* of the work list, in statements */
		Overlay overlay;	 /* the work list upon the rows of the table */
		std::string present; /* those rows, before anything is planned */
		std::unique_ptr<pg::WorkList> list;
	};

	std::vector<Part> parts_;
};

} // namespace reconcile::invariant
