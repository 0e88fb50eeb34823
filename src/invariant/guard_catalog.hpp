/*-------------------------------------------------------------------------
 *
 * guard_catalog.hpp
 *	  The guards that are installed, as stored.
 *
 * Depends on: pg/.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "pg/trigger.hpp"

#include <optional>
#include <string>
#include <vector>

namespace reconcile::invariant {

/* Guard is one row of reconcile.guard. */
struct Guard {
	std::string invariant;
	std::string on_failure, timing, enable, on_delete;

	bool queues() const { return on_failure == "queue"; }
	bool waits() const { return timing == "commit"; }
	bool recreates() const { return on_delete == "recreate"; }
};

/* GuardTrigger is one row of reconcile.guard_trigger. */
struct GuardTrigger {
	Oid table;
	std::string event; /* as in CREATE TRIGGER */
	std::string name;
};

/* guard_of returns the guard of an invariant, if it has one. */
std::optional<Guard> guard_of(const std::string &invariant);

/* guard_of_trigger returns the guard that a trigger belongs to; any other
 * trigger is an error, as whoever may make triggers on a table of his own must
 * not have an invariant evaluated with rows of his own. */
Guard guard_of_trigger(const pg::Firing &firing);

/* triggers_of lists the triggers of a guard whose tables exist. */
std::vector<GuardTrigger> triggers_of(const std::string &invariant);

void store(const Guard &guard, const std::vector<GuardTrigger> &triggers);

void forget_guard(const std::string &invariant);

} // namespace reconcile::invariant
