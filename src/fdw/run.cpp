/*-------------------------------------------------------------------------
 *
 * run.cpp
 *	  What every node that reads MongoDB has: a table, a filter, a connection.
 *
 *-------------------------------------------------------------------------
 */
#include "fdw/run.hpp"

#include "pg/text.hpp"

extern "C" {
#include "nodes/nodeFuncs.h"
}

namespace reconcile::fdw {

Run::Run(ForeignScanState *node, Table table, const PlannedRun &planned)
	: node_(node), table_(std::move(table)), planned_(planned),
	  user_(pg::call([&] { return pg::scan_user(node); })),
	  value_states_(pg::call([&] { return ExecInitExprList(planned.values, &node->ss.ps); }))
{
}

/* value computes what a column is compared with.  Without computing, only
 * constants have a value. */
std::optional<Value> Run::value(int place, bool compute) const
{
	auto *expression = static_cast<Node *>(list_nth(planned_.values, place));
	if (IsA(expression, Const)) {
		auto *constant = reinterpret_cast<Const *>(expression);
		return Value{constant->constvalue, constant->constisnull, constant->consttype};
	}
	if (!compute)
		return std::nullopt;
	return pg::call([&] {
		Value result;
		auto *state = static_cast<ExprState *>(list_nth(value_states_, place));
		result.datum = ExecEvalExpr(state, node_->ss.ps.ps_ExprContext, &result.null);
		result.type = exprType(expression);
		return result;
	});
}

mongo::Document Run::filter(bool compute) const
{
	mongo::Document filter;
	local([&] {
		append_conditions(
			filter, table_, planned_.conditions, [&](int place) { return value(place, compute); },
			planned_.without_arrays);
	});
	return filter;
}

void Run::prepare()
{
	sent_ = filter(true);
	prepared_ = true;
	client_ = connect(table_.server, user_);
}

bool Run::needs_simple_collation()
{
	if (planned_.by_bytes && !collated_)
		collated_ = remote([&] {
			return client_->has_collation(table_.options.database, table_.options.collection);
		});
	return collated_.value_or(false);
}

void Run::check_that_collection_exists()
{
	if (!exists_)
		require_collection(*client_, table_);
	exists_ = true;
}

void Run::explain(ExplainState *es)
{
	/* What was sent cannot be computed again: its values may be gone. */
	mongo::Document const planned = prepared_ ? mongo::Document() : filter(false);
	std::string const filter_text = json_of(prepared_ ? sent_ : planned);
	std::string const name = table_.options.full_name();
	pg::call([&] {
		ExplainPropertyText("MongoDB Collection", name.c_str(), es);
		if (!filter_text.empty())
			ExplainPropertyText("MongoDB Filter", filter_text.c_str(), es);
	});
	explain_more(es);
}

std::string json_of(const mongo::Document &document)
{
	return document.empty() ? "" : local([&] { return mongo::relaxed_json(document.get()); });
}

} // namespace reconcile::fdw
