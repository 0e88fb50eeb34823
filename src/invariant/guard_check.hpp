/*-------------------------------------------------------------------------
 *
 * guard_check.hpp
 *	  What would keep a guard from working.
 *
 * Depends on: definition.hpp.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "invariant/definition.hpp"

#include <string>
#include <vector>

namespace reconcile::invariant {

struct Problem {
	std::string severity, text, object, fix;
	int sqlstate;

	bool is_error() const { return severity == "error"; }
};

/* problems_of finds what would keep a guard from working for what a role writes;
 * the worst come first. */
std::vector<Problem> problems_of(const Definition &definition, Oid writer);

} // namespace reconcile::invariant
