/*-------------------------------------------------------------------------
 *
 * guard_install.hpp
 *	  Making and dropping the triggers of a guard.
 *
 * Depends on: definition.hpp, guard_catalog.hpp.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "invariant/definition.hpp"
#include "invariant/guard_catalog.hpp"

#include <vector>

namespace reconcile::invariant {

/* MadeTrigger is a trigger of a guard as guard() shows it. */
struct MadeTrigger {
	GuardTrigger trigger;
	std::vector<std::string> columns; /* that an UPDATE must change; all when empty */
};

/* install makes the triggers of a guard, or brings them up to date. */
std::vector<MadeTrigger> install(const Definition &definition, const Guard &guard);

/* reinstall brings the guard of an altered invariant up to date, if it has one. */
void reinstall(const Definition &definition);

/* uninstall drops the triggers of an invariant's guard, if it has one. */
void uninstall(const std::string &invariant);

} // namespace reconcile::invariant
