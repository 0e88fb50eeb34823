/*-------------------------------------------------------------------------
 *
 * plan.cpp
 *	  Planning a scan: how much it may yield, and what to ask for.
 *
 * Nothing here touches the network: a plan must not depend on whether a server
 * answers.
 *
 *-------------------------------------------------------------------------
 */
#include "fdw/plan.hpp"
#include "fdw/condition.hpp"
#include "fdw/identity.hpp"
#include "fdw/scan.hpp"

extern "C" {
#include "nodes/makefuncs.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/planmain.h"
#include "optimizer/restrictinfo.h"
}

#include <algorithm>

namespace reconcile::fdw {

namespace {

/* What is assumed of a collection without statistics: its documents, and the
 * part of them that conditions leave at least. */
constexpr double kDefaultDocuments = 1000000;
constexpr Selectivity kLeastGuess = 0.01;
constexpr Cost kStartupCost = 25;	   /* a command, and its answer */
constexpr Cost kCostOfDocument = 0.02; /* transfer and conversion */

/* columns_of collects the columns that a query needs. */
std::vector<AttrNumber> columns_of(const Table &table, RelOptInfo *rel, List *clauses)
{
	Bitmapset *used = pg::call([&] {
		Bitmapset *set = nullptr;
		pull_varattnos(reinterpret_cast<Node *>(rel->reltarget->exprs), rel->relid, &set);
		pull_varattnos(reinterpret_cast<Node *>(clauses), rel->relid, &set);
		return set;
	});
	auto const needs = [&](int number) {
		return pg::call(
			[&] { return bms_is_member(number - FirstLowInvalidHeapAttributeNumber, used); });
	};
	bool const whole_row = needs(InvalidAttrNumber);
	std::vector<AttrNumber> columns;
	for (const Column &column : table.columns)
		if (whole_row || needs(column.number))
			columns.push_back(column.number);
	return columns;
}

/* add_key adds the columns of the key, which an identity names. */
void add_key(std::vector<AttrNumber> &columns, const Table &table)
{
	for (const std::string &name : table.options.key) {
		AttrNumber const number = table.column(name)->number;
		if (std::find(columns.begin(), columns.end(), number) == columns.end())
			columns.push_back(number);
	}
}

/* is_constant tells whether a LIMIT or OFFSET will be what the planner took it
 * for; a function's value it only estimates. */
bool is_constant(Node *number)
{
	return number == nullptr || IsA(number, Const);
}

/* limit_of returns how many documents are enough, when every document becomes
 * one row of the result and no order is asked for; else 0. */
int64_t limit_of(PlannerInfo *root, RelOptInfo *rel, const Table &table)
{
	if (root->limit_tuples < 1 || root->limit_tuples > PG_INT32_MAX ||
		rel->reloptkind != RELOPT_BASEREL || rel->baserestrictinfo != NIL ||
		!is_constant(root->parse->limitCount) || !is_constant(root->parse->limitOffset) ||
		root->parse->sortClause != NIL || root->parse->rowMarks != NIL ||
		pg::call([&] { return bms_membership(root->all_baserels); }) != BMS_SINGLETON ||
		table.options.on_mismatch == OnMismatch::kSkip)
		return 0;
	return static_cast<int64_t>(root->limit_tuples);
}

} // namespace

/* get_rel_size estimates the rows of a scan.  Without statistics both figures
 * are guesses, and PostgreSQL's guess for an equality is one row of 200: a few
 * of these, and a join looks as if a nested loop would do.  Too high a guess
 * costs a hash join, too low a one costs hours. */
void get_rel_size(PlannerInfo *root, RelOptInfo *rel, Oid)
{
	pg::call([&] {
		Selectivity selectivity =
			clauselist_selectivity(root, rel->baserestrictinfo, 0, JOIN_INNER, nullptr);
		if (rel->tuples <= 0) {
			rel->tuples = kDefaultDocuments;
			selectivity = Max(selectivity, kLeastGuess);
		}
		rel->rows = clamp_row_est(rel->tuples * selectivity);
	});
}

void get_paths(PlannerInfo *root, RelOptInfo *rel, Oid)
{
	pg::call([&] {
		Cost const startup = kStartupCost + rel->baserestrictcost.startup;
		Cost const run =
			rel->rows * (kCostOfDocument + cpu_tuple_cost + rel->baserestrictcost.per_tuple);
		ForeignPath *path = pg::foreign_scan_path(root, rel, rel->rows, startup, startup + run);
		add_path(rel, reinterpret_cast<Path *>(path));
	});
}

ForeignScan *get_plan(PlannerInfo *root, RelOptInfo *rel, Oid relation, ForeignPath *,
					  List *target_list, List *clauses, Plan *outer_plan)
{
	Table const table = opened_table_of(relation);
	List *checked = pg::call([&] { return extract_actual_clauses(clauses, false); });
	Planner planner(table, rel);
	ListCell *cell;
	foreach (cell, checked)
		planner.add(static_cast<Expr *>(lfirst(cell)));

	List *row_type = identity_scan_type(table, rel, checked);
	std::vector<AttrNumber> columns = columns_of(table, rel, checked);
	if (row_type != NIL)
		add_key(columns, table);
	int64_t const limit = limit_of(root, rel, table);
	return pg::call([&] {
		List *numbers = NIL;
		for (AttrNumber column : columns)
			numbers = lappend_int(numbers, column);
		List *plan =
			list_make3(numbers, planner.conditions(), makeInteger(static_cast<int>(limit)));
		return make_foreignscan(target_list, checked, rel->relid, planner.values(), plan, row_type,
								NIL, outer_plan);
	});
}

PlannedScan planned_scan(ForeignScan *plan)
{
	PlannedScan scan;
	ListCell *cell;
	foreach (cell, static_cast<List *>(linitial(plan->fdw_private)))
		scan.columns.push_back(static_cast<AttrNumber>(lfirst_int(cell)));
	scan.conditions = static_cast<List *>(lsecond(plan->fdw_private));
	scan.limit = intVal(lthird(plan->fdw_private));
	scan.values = plan->fdw_exprs;
	return scan;
}

} // namespace reconcile::fdw
