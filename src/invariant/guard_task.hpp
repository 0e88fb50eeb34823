/*-------------------------------------------------------------------------
 *
 * guard_task.hpp
 *	  What a trigger of a guard has to do, worked out once.
 *
 * It is worked out when the trigger fires first in a backend, and again when a
 * table that it has to do with was altered.  From then on a firing costs what
 * its statement costs.
 *
 * Depends on: guard_catalog.hpp, guard_notes.hpp, guard_work.hpp, constraints.hpp.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "invariant/constraints.hpp"
#include "invariant/definition.hpp"
#include "invariant/guard_catalog.hpp"
#include "invariant/guard_notes.hpp"
#include "invariant/guard_work.hpp"
#include "pg/trigger.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace reconcile::invariant {

/* Part is what a trigger does in one scope. */
struct Part {
	Scope scope;
	std::vector<AttrNumber> columns; /* that an UPDATE must change to matter */
	std::vector<AttrNumber> filled;	 /* one of which must be NULL, if there are any */
	SharedSubject subject;			 /* of notes, if rows can be noted */
	std::vector<AttrNumber> noted;	 /* where the table has the columns that are */
	std::unique_ptr<GuardWork> work;

	/* The rows that need a look, and those that need none. */
	pg::Emptiness lacking() const { return {filled, true}; }
	pg::Emptiness complete() const { return {filled, false}; }
};

struct Task {
	Guard guard;
	Definition definition;
	std::vector<Part> parts;
	std::optional<Constraints> constraints; /* of the target */
	std::vector<Oid> tables;				/* and views, an alteration of which makes it stale */
	bool ready = false, stale = false;
	bool queue_only = false; /* the target is a foreign table */
};

/* task_of returns the task of a trigger, not yet worked out when it is new. */
std::shared_ptr<Task> task_of(const pg::Firing &firing);

/* settling_task returns the task of working off what waits for a commit: rows of a
 * watched table, or, without one, keys of what is expected; nothing when the invariant is
 * not guarded any more. */
std::shared_ptr<Task> settling_task(Oid trigger, const std::string &invariant, Oid watched,
									Given given);

/* settling_order lists the invariants of some subjects, and others, such that each comes
 * after those whose guards write what its query reads, themselves or by setting off others. */
const std::vector<std::string> &settling_order(const std::vector<SharedSubject> &subjects);

/* work_out makes a task ready.  When it fails, the scopes may be known already. */
void work_out(Task &task, const pg::Firing &firing);
void work_out(Task &task, Oid watched, Given given, Datum keys);

} // namespace reconcile::invariant
