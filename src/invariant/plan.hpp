/*-------------------------------------------------------------------------
 *
 * plan.hpp
 *	  Plans: what a repair would write, saved to be reviewed and applied.
 *
 * A plan is stale when applying it would not be what was reviewed: when the
 * invariant, its target or the columns of its query changed, when it expired, or
 * when rows of it are not expected any more, or with other values.  Rows that
 * somebody wrote meanwhile, and new ones that are due, do not make it stale: the
 * first are counted as already present, the others wait for the next plan.
 *
 * Depends on: definition.hpp, statements.hpp, pg/.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "invariant/definition.hpp"
#include "invariant/statements.hpp"
#include "pg/spi.hpp"

#include <memory>
#include <optional>
#include <string>

namespace reconcile::invariant {

/* SavedPlan is one row of reconcile.saved_plan. */
struct SavedPlan {
	int64 plan_id = 0;
	std::string invariant;
	std::string definition; /* md5 of what it was made from */
	std::string structure;	/* md5 of the target's columns and arbiter */
	std::string yields;		/* md5 of the columns of the query */
	std::optional<int64> applied_by;
	bool expired = false;
};

struct MadePlan {
	int64 plan_id, planned;
};

/* make_plan saves what a repair would write now. */
MadePlan make_plan(const Definition &definition);

/* saved_plan looks up a plan; an unknown number is an error. */
SavedPlan saved_plan(int64 plan_id);

/* planned_rows reads count rows of a plan, from row first (1, 2, ...) on. */
std::unique_ptr<pg::WorkList> planned_rows(int64 plan_id, const Statements &statements, int64 first,
										   int64 count);

/* check_applicable refuses a plan that was applied or is stale, whatever its rows are;
 * check_still_expected one of which the query does not yield the rows any more. */
void check_applicable(const SavedPlan &plan, const Definition &definition,
					  const Statements &statements);
void check_still_expected(const SavedPlan &plan, const Statements &statements, pg::WorkList &rows);

/* mark_applied enters which run applied a plan. */
void mark_applied(int64 plan_id, int64 run_id);

} // namespace reconcile::invariant
