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
#include "fdw/count.hpp"
#include "fdw/identity.hpp"
#include "fdw/scan.hpp"

extern "C" {
#include "nodes/makefuncs.h"
#include "optimizer/cost.h"
#include "optimizer/inherit.h"
#include "optimizer/optimizer.h"
#include "optimizer/planmain.h"
#include "optimizer/restrictinfo.h"
#include "utils/typcache.h"
}

#include <algorithm>
#include <cstdlib>

namespace reconcile::fdw {

namespace {

/* What is assumed of a collection without statistics: its documents, and the
 * part of them that conditions leave at least. */
constexpr double kDefaultDocuments = 1000000;
constexpr Selectivity kLeastGuess = 0.01;
constexpr Cost kStartupCost = 25;	   /* a command, and its answer */
constexpr Cost kCostOfDocument = 0.02; /* transfer and conversion */
constexpr double kCostOfSorting = 1.2; /* by MongoDB, of what reading costs */

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

/* written_columns are those that the UPDATE of a table sets. */
List *written_columns(PlannerInfo *root, RelOptInfo *rel, const Table &table)
{
	return pg::call([&]() -> List * {
		if (root->parse->commandType != CMD_UPDATE ||
			!bms_is_member(static_cast<int>(rel->relid), root->all_result_relids))
			return NIL;
		Bitmapset *set = get_rel_all_updated_cols(root, rel);
		List *columns = NIL;
		for (int number = 1; number <= table.width; number++)
			if (bms_is_member(number - FirstLowInvalidHeapAttributeNumber, set))
				columns = lappend_int(columns, number);
		return columns;
	});
}

/* is_constant tells whether a LIMIT or OFFSET will be what the planner took it
 * for; a function's value it only estimates. */
bool is_constant(Node *number)
{
	return number == nullptr || IsA(number, Const);
}

/* limit_of returns how many rows of a scan are enough, when that is known and
 * the rows are those of the result; else 0. */
int64_t limit_of(PlannerInfo *root, RelOptInfo *rel)
{
	if (root->limit_tuples < 1 || root->limit_tuples > PG_INT32_MAX ||
		root->parse->limitOption == LIMIT_OPTION_WITH_TIES || rel->reloptkind != RELOPT_BASEREL ||
		!is_constant(root->parse->limitCount) || !is_constant(root->parse->limitOffset) ||
		root->parse->rowMarks != NIL ||
		pg::call([&] { return bms_membership(root->all_baserels); }) != BMS_SINGLETON)
		return 0;
	return static_cast<int64_t>(root->limit_tuples);
}

/* shows_all tells whether each document that passes in MongoDB is a row, or an
 * error. */
bool shows_all(const Table &table, const Planner &planner)
{
	switch (table.options.on_mismatch) {
	case OnMismatch::kError:
		return planner.exact() >= Exact::kIfItFits;
	case OnMismatch::kNull:
		return planner.exact() == Exact::kUnlessArray;
	default:
		return false;
	}
}

/* sort_column returns the number of the column that a sort key is, negative to
 * descend, or 0 when MongoDB would sort in another way.  It has NULLs first
 * when it ascends, and last when it descends. */
int sort_column(RelOptInfo *rel, const Planner &planner, PathKey *key)
{
	ListCell *cell;
	foreach (cell, key->pk_eclass->ec_members) {
		auto *member = static_cast<EquivalenceMember *>(lfirst(cell));
		const Column *column = pg::call([&] { return bms_equal(member->em_relids, rel->relids); })
								   ? planner.column_of(member->em_expr)
								   : nullptr;
		if (column == nullptr)
			continue;
		bool const descends = pg::descends(key);
		bool const nulls_alike = key->pk_nulls_first != descends;
		Oid const usual = pg::call([&] {
			return lookup_type_cache(column->base_type, TYPECACHE_BTREE_OPFAMILY)->btree_opf;
		});
		if (key->pk_opfamily == usual && sorts_alike(*column, key->pk_eclass->ec_collation) &&
			(nulls_alike || column->not_null || planner.excludes_null(*column)))
			return descends ? -column->number : column->number;
	}
	return 0;
}

/* sort_of returns the columns by which MongoDB can sort a result as the keys
 * say, or NIL.  Where only the first rows are wanted, each that MongoDB finds
 * must be one. */
List *sort_of(RelOptInfo *rel, const Table &table, List *keys, bool first_rows)
{
	Planner planner(table, rel);
	planner.add_all();
	if (table.options.on_mismatch != OnMismatch::kError ||
		(first_rows && !shows_all(table, planner)))
		return NIL;
	List *columns = NIL;
	ListCell *cell;
	foreach (cell, keys) {
		int const column = sort_column(rel, planner, static_cast<PathKey *>(lfirst(cell)));
		if (column == 0)
			return NIL;
		columns = pg::call([&] { return lappend_int(columns, column); });
	}
	return columns;
}

/* sorts_text tells whether text is among the columns of a sort. */
bool sorts_text(const Table &table, List *sort)
{
	ListCell *cell;
	foreach (cell, sort)
		if (table.column(static_cast<AttrNumber>(std::abs(lfirst_int(cell))))->kind == Kind::kText)
			return true;
	return false;
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

/* add_scan adds a path that yields so many rows; reading costs more by a
 * factor than without an order. */
static void add_scan(PlannerInfo *root, RelOptInfo *rel, double rows, List *order, List *sort,
					 double factor = 1)
{
	pg::call([&] {
		Cost const startup = (kStartupCost + rel->baserestrictcost.startup) * factor;
		Cost const run =
			rows * (kCostOfDocument + cpu_tuple_cost + rel->baserestrictcost.per_tuple) * factor;
		ForeignPath *path =
			pg::foreign_scan_path(root, rel, rows, startup, startup + run, order, sort);
		add_path(rel, reinterpret_cast<Path *>(path));
	});
}

void get_paths(PlannerInfo *root, RelOptInfo *rel, Oid relation)
{
	add_scan(root, rel, rel->rows, NIL, NIL);
	if (root->query_pathkeys == NIL)
		return;
	Table const table = opened_table_of(relation);
	List *keys = root->sort_pathkeys;
	int64_t const limit = limit_of(root, rel);
	List *sort = limit > 0 ? sort_of(rel, table, keys, true) : NIL;
	if (sort != NIL)
		add_scan(root, rel, std::min(rel->rows, static_cast<double>(limit)), keys, sort);
	keys = root->query_pathkeys;
	sort = sort == NIL ? sort_of(rel, table, keys, false) : NIL;
	if (sort != NIL)
		add_scan(root, rel, rel->rows, keys, sort, kCostOfSorting);
}

/* get_plan plans a scan of one table.  What counts is planned with its path. */
ForeignScan *get_plan(PlannerInfo *root, RelOptInfo *rel, Oid relation, ForeignPath *path,
					  List *target_list, List *clauses, Plan *outer_plan)
{
	if (rel->reloptkind == RELOPT_UPPER_REL)
		return count_plan(path, target_list, outer_plan);
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
	List *written = row_type != NIL ? written_columns(root, rel, table) : NIL;
	List *sort = path->fdw_private;
	bool const limited = shows_all(table, planner) && (root->sort_pathkeys == NIL || sort != NIL);
	int64_t const limit = limited ? limit_of(root, rel) : 0;
	List *run = private_run(planner, planner.by_bytes(limit > 0) || sorts_text(table, sort),
							limit > 0 && table.options.on_mismatch != OnMismatch::kError);
	return pg::call([&] {
		List *numbers = NIL;
		for (AttrNumber column : columns)
			numbers = lappend_int(numbers, column);
		List *scan = list_make5(run, numbers, sort, makeInteger(static_cast<int>(limit)), written);
		return make_foreignscan(target_list, checked, rel->relid, planner.values(), scan, row_type,
								NIL, outer_plan);
	});
}

List *private_run(const Planner &planner, bool by_bytes, bool without_arrays)
{
	return pg::call([&] {
		return list_make3(planner.conditions(), makeInteger(by_bytes), makeInteger(without_arrays));
	});
}

PlannedRun planned_run(ForeignScan *plan)
{
	auto *run = static_cast<List *>(linitial(plan->fdw_private));
	PlannedRun planned;
	planned.conditions = static_cast<List *>(linitial(run));
	planned.by_bytes = intVal(lsecond(run)) != 0;
	planned.without_arrays = intVal(lthird(run)) != 0;
	planned.values = plan->fdw_exprs;
	return planned;
}

PlannedScan planned_scan(ForeignScan *plan)
{
	PlannedScan scan;
	ListCell *cell;
	foreach (cell, static_cast<List *>(lsecond(plan->fdw_private)))
		scan.columns.push_back(static_cast<AttrNumber>(lfirst_int(cell)));
	foreach (cell, static_cast<List *>(lthird(plan->fdw_private)))
		scan.sort.push_back(lfirst_int(cell));
	scan.limit = intVal(lfourth(plan->fdw_private));
	foreach (cell, static_cast<List *>(list_nth(plan->fdw_private, 4)))
		scan.written.push_back(static_cast<AttrNumber>(lfirst_int(cell)));
	return scan;
}

} // namespace reconcile::fdw
