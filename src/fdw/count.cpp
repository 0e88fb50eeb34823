/*-------------------------------------------------------------------------
 *
 * count.cpp
 *	  count(*) of a foreign table, counted by MongoDB.
 *
 *-------------------------------------------------------------------------
 */
#include "fdw/count.hpp"

#include "pg/owned.hpp"
#include "pg/text.hpp"

extern "C" {
#include "nodes/makefuncs.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/planmain.h"
#include "optimizer/tlist.h"
#include "utils/fmgroids.h"
}

namespace reconcile::fdw {

namespace {

constexpr Cost kStartupCost = 25;		/* a command, and its answer */
constexpr Cost kCostOfDocument = 0.005; /* which nobody sends */

/* is_count tells whether an expression is count(*). */
bool is_count(Node *expression)
{
	if (!IsA(expression, Aggref))
		return false;
	auto *aggregate = reinterpret_cast<Aggref *>(expression);
	return aggregate->aggfnoid == F_COUNT_ && aggregate->aggfilter == nullptr &&
		   aggregate->agglevelsup == 0 && aggregate->aggsplit == AGGSPLIT_SIMPLE;
}

/* counts_of returns the aggregates when a query asks for the number of rows of
 * a table, and for nothing else; else NIL. */
List *counts_of(PlannerInfo *root, RelOptInfo *input, RelOptInfo *output)
{
	Query *query = root->parse;
	if (!query->hasAggs || query->groupClause != NIL || query->groupingSets != NIL ||
		root->hasHavingQual || query->rowMarks != NIL || input->reloptkind != RELOPT_BASEREL)
		return NIL;
	List *found = pg::call([&] {
		return pull_var_clause(reinterpret_cast<Node *>(output->reltarget->exprs),
							   PVC_INCLUDE_AGGREGATES | PVC_INCLUDE_PLACEHOLDERS);
	});
	ListCell *cell;
	foreach (cell, found)
		if (!is_count(static_cast<Node *>(lfirst(cell))))
			return NIL;
	return found;
}

/* can_be_named tells whether an expression of MongoDB can name a column's field. */
bool can_be_named(const Column &column)
{
	return column.path.find('$') == std::string::npos;
}

/* Count asks for one number. */
class Count final : public Run {
public:
	explicit Count(ForeignScanState *node);

	void next(TupleTableSlot *slot) override;
	void restart() override { ended_ = false; }

protected:
	void explain_more(ExplainState *explain) override;

private:
	mongo::Document group() const;
	mongo::Document command();
	int64_t number();

	bool ended_ = false;
};

ForeignScan *plan_of(ForeignScanState *node)
{
	return reinterpret_cast<ForeignScan *>(node->ss.ps.plan);
}

Count::Count(ForeignScanState *node)
	: Run(node, opened_table_of(counted_relation(plan_of(node))), planned_run(plan_of(node)))
{
}

/* group says how to count: the documents, and those with an array where a
 * column of a condition is to be. */
mongo::Document Count::group() const
{
	mongo::Document any, one, condition, sum, arrays, group, stage;
	mongo::ArrayKeys keys;
	for (const Column *column : columns_in(table_, planned_.conditions))
		for (const std::string &path : fields_of(*column)) {
			mongo::Document test;
			test.string("$isArray", "$" + path);
			any.document(keys.next(), test.get());
		}
	one.int32("$sum", 1);
	group.null("_id").document("documents", one.get());
	if (!any.empty() && !planned_.without_arrays) {
		mongo::Document test;
		test.array("$or", any.get());
		condition.document("0", test.get()).int32("1", 1).int32("2", 0);
		sum.array("$cond", condition.get());
		arrays.document("$sum", sum.get());
		group.document("arrays", arrays.get());
	}
	stage.document("$group", group.get());
	return stage;
}

mongo::Document Count::command()
{
	mongo::Document match, stages, nothing, command;
	match.document("$match", sent_.get());
	stages.document("0", match.get()).document("1", local([&] { return group(); }).get());
	command.string("aggregate", table_.options.collection).array("pipeline", stages.get());
	command.document("cursor", nothing.get());
	if (needs_simple_collation())
		command.document("collation", mongo::simple_collation().get());
	if (int64_t const left = milliseconds_left(); left > 0)
		command.int64("maxTimeMS", left);
	return command;
}

/* number asks, and raises 22018 when reading the documents would have. */
int64_t Count::number()
{
	std::string const &name = table_.options.full_name();
	mongo::Document const asked = command();
	mongo::Document const reply = remote([&] {
		return client_->command(table_.options.database, asked.get(),
								"could not count collection \"" + name + "\"");
	});
	auto const at = [&](const char *path) {
		bson_iter_t top, value;
		return bson_iter_init(&top, reply.get()) && bson_iter_find_descendant(&top, path, &value)
				   ? bson_iter_as_int64(&value)
				   : 0;
	};
	int64_t const arrays = at("cursor.firstBatch.0.arrays");
	if (arrays > 0)
		pg::fail(ERRCODE_INVALID_CHARACTER_VALUE_FOR_CAST,
				 pg::plural(static_cast<uint64_t>(arrays), "document", "documents") +
					 " of collection \"" + name + "\" " + (arrays == 1 ? "has" : "have") +
					 " an array where a condition's column is",
				 {},
				 "Select the columns of the condition to see which; option \"on_mismatch\" of the "
				 "table reads such values as null, or skips such documents.");
	return at("cursor.firstBatch.0.documents");
}

void Count::next(TupleTableSlot *slot)
{
	pg::call([&] { ExecClearTuple(slot); });
	if (ended_)
		return;
	prepare();
	int64_t const documents = number();
	if (documents == 0)
		check_that_collection_exists();
	ended_ = true;
	pg::call([&] {
		for (int i = 0; i < slot->tts_tupleDescriptor->natts; i++) {
			slot->tts_values[i] = Int64GetDatum(documents);
			slot->tts_isnull[i] = false;
		}
		ExecStoreVirtualTuple(slot);
	});
}

void Count::explain_more(ExplainState *es)
{
	std::string const stage = json_of(group());
	pg::call([&] { ExplainPropertyText("MongoDB Aggregate", stage.c_str(), es); });
}

} // namespace

void get_upper_paths(PlannerInfo *root, UpperRelationKind stage, RelOptInfo *input,
					 RelOptInfo *output, void *)
{
	List *counts = stage == UPPERREL_GROUP_AGG ? counts_of(root, input, output) : NIL;
	if (counts == NIL)
		return;
	Oid const relation = pg::call([&] { return planner_rt_fetch(input->relid, root)->relid; });
	Table const table = opened_table_of(relation);
	Planner planner(table, input);
	planner.add_all();
	if (planner.exact() != Exact::kUnlessArray)
		return;
	for (const Column *column : columns_in(table, planner.conditions()))
		if (!can_be_named(*column))
			return;
	List *run = private_run(planner, planner.by_bytes(true),
							table.options.on_mismatch != OnMismatch::kError);
	pg::call([&] {
		List *more =
			list_make3(list_make2(run, list_make1_oid(relation)), planner.values(), counts);
		ForeignPath *path =
			pg::foreign_row_path(root, output, output->reltarget, kStartupCost,
								 kStartupCost + input->rows * kCostOfDocument, more);
		add_path(output, reinterpret_cast<Path *>(path));
	});
}

ForeignScan *count_plan(ForeignPath *path, List *target_list, Plan *outer_plan)
{
	return pg::call([&] {
		List *columns = add_to_flat_tlist(NIL, static_cast<List *>(lthird(path->fdw_private)));
		return make_foreignscan(
			target_list, NIL, 0, static_cast<List *>(lsecond(path->fdw_private)),
			static_cast<List *>(linitial(path->fdw_private)), columns, NIL, outer_plan);
	});
}

Oid counted_relation(ForeignScan *plan)
{
	return linitial_oid(static_cast<List *>(lsecond(plan->fdw_private)));
}

Run *counting(MemoryContext home, ForeignScanState *node)
{
	return pg::owned<Count>(home, node);
}

} // namespace reconcile::fdw
