/*-------------------------------------------------------------------------
 *
 * query_columns.cpp
 *	  The query of an invariant: what its columns are made of.
 *
 *-------------------------------------------------------------------------
 */
#include "invariant/query.hpp"

#include "pg/identity.hpp"
#include "pg/nodes.hpp"

extern "C" {
#include "access/sysattr.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/ruleutils.h"
}

namespace reconcile::invariant {

namespace {

/* is_pg_volatile tells PostgreSQL's own functions that yield something else at
 * each call.  Functions of users are volatile unless they took care to say
 * otherwise. */
bool is_pg_volatile(Oid function, void *)
{
	return get_func_namespace(function) == PG_CATALOG_NAMESPACE &&
		   func_volatile(function) == PROVOLATILE_VOLATILE;
}

bool calls_volatile(Node *node, void *context)
{
	if (node == nullptr)
		return false;
	if (check_functions_in_node(node, is_pg_volatile, context) || IsA(node, NextValueExpr))
		return true;
	pg::TreeWalker walker = pg::tree_walker(calls_volatile);
	if (IsA(node, Query))
		return query_tree_walker(reinterpret_cast<Query *>(node), walker, context, 0);
	return expression_tree_walker(node, walker, context);
}

} // namespace

/* What is computed of the time, such as the day, may well be a key. */
bool is_now(Node *expression)
{
	Node *node = strip_implicit_coercions(expression);
	if (IsA(node, FuncExpr)) {
		Oid const function = reinterpret_cast<FuncExpr *>(node)->funcid;
		return function == F_NOW || function == F_TRANSACTION_TIMESTAMP ||
			   function == F_STATEMENT_TIMESTAMP;
	}
	if (!IsA(node, SQLValueFunction))
		return false;
	switch (reinterpret_cast<SQLValueFunction *>(node)->op) {
	case SVFOP_CURRENT_TIME:
	case SVFOP_CURRENT_TIME_N:
	case SVFOP_CURRENT_TIMESTAMP:
	case SVFOP_CURRENT_TIMESTAMP_N:
	case SVFOP_LOCALTIME:
	case SVFOP_LOCALTIME_N:
	case SVFOP_LOCALTIMESTAMP:
	case SVFOP_LOCALTIMESTAMP_N:
		return true;
	default:
		return false;
	}
}

namespace {

/* ReadColumns is what reads_columns() looks for, and where it stands. */
struct ReadColumns {
	Oid table;
	const AttrNumber *columns;
	int count;
};

/* is_read tells whether the columns that a table was read for are among them;
 * a whole row is all of its columns. */
bool is_read(Bitmapset *selected, const ReadColumns &wanted)
{
	if (bms_is_member(InvalidAttrNumber - FirstLowInvalidHeapAttributeNumber, selected))
		return true;
	for (int i = 0; i < wanted.count; i++)
		if (bms_is_member(wanted.columns[i] - FirstLowInvalidHeapAttributeNumber, selected))
			return true;
	return false;
}

/* reads_columns tells whether a query reads columns of a table, also by way of
 * views, by the note that parse analysis leaves for the check of privileges. */
bool reads_columns(Node *node, void *context)
{
	if (node == nullptr)
		return false;
	pg::TreeWalker walker = pg::tree_walker(reads_columns);
	if (!IsA(node, Query))
		return expression_tree_walker(node, walker, context);
	auto *query = reinterpret_cast<Query *>(node);
	const auto &wanted = *static_cast<ReadColumns *>(context);
	ListCell *cell;
	foreach (cell, query->rtable) {
		auto *entry = static_cast<RangeTblEntry *>(lfirst(cell));
		if (entry->rtekind != RTE_RELATION)
			continue;
		if (entry->relid == wanted.table && is_read(pg::selected_columns(query, entry), wanted))
			return true;
		if (entry->relkind == RELKIND_VIEW && entry->inFromCl &&
			reads_columns(reinterpret_cast<Node *>(pg::view_query(entry->relid)), context))
			return true;
	}
	return query_tree_walker(query, walker, context, 0);
}

/* is_of_the_moment tells functions that may yield something else the next time:
 * volatile ones, also of users, and the clock. */
bool is_of_the_moment(Oid function, void *)
{
	return func_volatile(function) == PROVOLATILE_VOLATILE || function == F_NOW ||
		   function == F_TRANSACTION_TIMESTAMP || function == F_STATEMENT_TIMESTAMP;
}

bool is_a_time(const SQLValueFunction *value)
{
	return value->op <= SVFOP_LOCALTIMESTAMP_N; /* what follows are names of roles and places */
}

/* asks_the_moment tells that an expression or query calls such a function,
 * anywhere in it and in the views that it reads. */
bool asks_the_moment(Node *node, void *context)
{
	if (node == nullptr)
		return false;
	pg::TreeWalker walker = pg::tree_walker(asks_the_moment);
	if (IsA(node, RangeTblEntry)) {
		auto *entry = reinterpret_cast<RangeTblEntry *>(node);
		return entry->rtekind == RTE_RELATION && entry->relkind == RELKIND_VIEW &&
			   entry->inFromCl &&
			   asks_the_moment(reinterpret_cast<Node *>(pg::view_query(entry->relid)), context);
	}
	if (check_functions_in_node(node, is_of_the_moment, context) || IsA(node, NextValueExpr))
		return true;
	if (IsA(node, SQLValueFunction) && is_a_time(reinterpret_cast<SQLValueFunction *>(node)))
		return true;
	if (IsA(node, Query))
		return query_tree_walker(reinterpret_cast<Query *>(node), walker, context,
								 QTW_EXAMINE_RTES_BEFORE);
	return expression_tree_walker(node, walker, context);
}

/* is_computed_below tells that an expression is made of more than columns of
 * tables: of those of a subquery, a view, a function or a join. */
bool is_computed_below(Node *node, void *context)
{
	if (node == nullptr)
		return false;
	if (IsA(node, Query)) /* what it refers to is not looked up */
		return true;
	if (IsA(node, Var)) {
		auto *entry =
			rt_fetch(reinterpret_cast<Var *>(node)->varno, static_cast<Query *>(context)->rtable);
		return entry->rtekind != RTE_RELATION || entry->relkind == RELKIND_VIEW;
	}
	return expression_tree_walker(node, pg::tree_walker(is_computed_below), context);
}

/* needs_a_row tells that an expression is evaluated for the rows of its query alone: for columns,
 * groups and subqueries, or because a domain may refuse the value. */
bool needs_a_row(Node *node, void *context)
{
	if (node == nullptr)
		return false;
	switch (nodeTag(node)) {
	case T_Var:
	case T_SubLink:
	case T_Aggref:
	case T_GroupingFunc:
	case T_WindowFunc:
	case T_CoerceToDomain:
		return true;
	default:
		return expression_tree_walker(node, pg::tree_walker(needs_a_row), context);
	}
}

/* is_constant: a function that may change is left where the query has it, to be called for no
 * more rows than that has. */
bool is_constant(Node *expression)
{
	return !needs_a_row(expression, nullptr) && !expression_returns_set(expression) &&
		   (IsA(strip_implicit_coercions(expression), SQLValueFunction) ||
			!contain_mutable_functions(expression));
}

/* anything_below_asks tells that what a query reads from asks the moment. */
bool anything_below_asks(Query *query)
{
	return range_table_walker(query->rtable, pg::tree_walker(asks_the_moment), nullptr,
							  QTW_EXAMINE_RTES_BEFORE) ||
		   asks_the_moment(reinterpret_cast<Node *>(query->cteList), nullptr);
}

} // namespace

bool ExpectedRows::reads_column(Oid table, const std::vector<AttrNumber> &columns) const
{
	ReadColumns wanted{table, columns.data(), static_cast<int>(columns.size())};
	return pg::call([&] { return reads_columns(reinterpret_cast<Node *>(query_), &wanted); });
}

bool ExpectedRows::is_new_each_time(const std::string &column) const
{
	return pg::call([&] {
		ListCell *cell;
		foreach (cell, query_->targetList) {
			auto *entry = static_cast<TargetEntry *>(lfirst(cell));
			Node *expression = reinterpret_cast<Node *>(entry->expr);
			if (!entry->resjunk && column == entry->resname)
				return is_now(expression) || calls_volatile(expression, nullptr);
		}
		return false;
	});
}

bool ExpectedRows::is_of_the_moment(const std::string &column) const
{
	return pg::call([&] {
		ListCell *cell;
		foreach (cell, query_->targetList) {
			auto *entry = static_cast<TargetEntry *>(lfirst(cell));
			Node *expression = reinterpret_cast<Node *>(entry->expr);
			if (!entry->resjunk && column == entry->resname)
				return asks_the_moment(expression, nullptr) ||
					   (is_computed_below(expression, query_) && anything_below_asks(query_));
		}
		return false;
	});
}

/* A grouping set may put NULL in the place of any column. */
std::optional<std::string> ExpectedRows::constant(const std::string &column) const
{
	if (query_->groupingSets != NIL)
		return std::nullopt;
	pg::PortableText portable;
	const char *const text = pg::call([&]() -> const char * {
		ListCell *cell;
		foreach (cell, query_->targetList) {
			auto *entry = static_cast<TargetEntry *>(lfirst(cell));
			Node *expression = reinterpret_cast<Node *>(entry->expr);
			if (!entry->resjunk && column == entry->resname)
				return is_constant(expression) ? deparse_expression(expression, NIL, false, false)
											   : nullptr;
		}
		return nullptr;
	});
	return text == nullptr ? std::nullopt : std::optional<std::string>(text);
}

} // namespace reconcile::invariant
