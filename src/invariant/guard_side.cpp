/*-------------------------------------------------------------------------
 *
 * guard_side.cpp
 *	  Tables on the nullable side of a join that have no say in what is expected.
 *
 *-------------------------------------------------------------------------
 */
#include "invariant/guard_side.hpp"

extern "C" {
#include "access/table.h"
#include "catalog/pg_inherits.h"
#include "nodes/value.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "utils/rel.h"
}

namespace reconcile::invariant {

namespace {

/* Side is the nullable side of a join, a table, as a walk looks for it. */
struct Side {
	Query *query;
	JoinExpr *join;
	int number;
	Index depth; /* of the subquery at hand */
};

/* is_read_in tells whether an expression, or a FROM without the join itself, reads a side,
 * or may do so through the name of a join. */
bool is_read_in(Node *node, void *context)
{
	auto *side = static_cast<Side *>(context);
	if (node == nullptr)
		return false;
	if (IsA(node, Var)) {
		auto *value = reinterpret_cast<Var *>(node);
		int const number = static_cast<int>(value->varno);
		return value->varlevelsup == side->depth &&
			   (number == side->number ||
				rt_fetch(number, side->query->rtable)->rtekind == RTE_JOIN);
	}
	if (node == reinterpret_cast<Node *>(side->join))
		return is_read_in(side->join->larg, context);
	if (!IsA(node, Query))
		return expression_tree_walker(node, pg::tree_walker(is_read_in), context);
	side->depth++;
	bool const found =
		query_tree_walker(reinterpret_cast<Query *>(node), pg::tree_walker(is_read_in), context, 0);
	side->depth--;
	return found;
}

/* is_never_null tells whether a column of a query is one of a table that has no NULL there,
 * nor have tables that inherit from it, of which partitions alone must refuse what it refuses. */
bool is_never_null(Query *query, const TargetEntry *column, Node *from)
{
	if (!IsA(column->expr, Var) || !IsA(from, RangeTblRef))
		return false;
	auto *value = reinterpret_cast<Var *>(column->expr);
	auto *entry = rt_fetch(reinterpret_cast<RangeTblRef *>(from)->rtindex, query->rtable);
	if (static_cast<int>(value->varno) != reinterpret_cast<RangeTblRef *>(from)->rtindex ||
		value->varlevelsup != 0 || entry->rtekind != RTE_RELATION || value->varattno <= 0)
		return false;
	Relation table = table_open(entry->relid, AccessShareLock);
	bool const never = HAS_NO_NULL(RelationGetDescr(table), value->varattno - 1) &&
					   (RelationGetForm(table)->relkind == RELKIND_PARTITIONED_TABLE ||
						!has_subclass(entry->relid));
	table_close(table, NoLock);
	return never;
}

/* has_say_in tells whether a side decides about a column of its query: its key, its value
 * where that counts.  Where any value will do, it may say which one DISTINCT ON keeps. */
bool has_say_in(const Counted &counted, const TargetEntry *column, Side *side)
{
	bool const distinct = get_sortgroupref_clause_noerr(column->ressortgroupref,
														side->query->distinctClause) != nullptr;
	bool const counts = !column->resjunk && (counted.values || is_key(counted, column));
	if ((distinct || counts) && is_read_in(reinterpret_cast<Node *>(column->expr), side))
		return true;
	return counts && counted.values && !is_key(counted, column) &&
		   !(counted.any_value && is_never_null(side->query, column, side->join->larg));
}

} // namespace

bool is_key(const Counted &counted, const TargetEntry *column)
{
	return column->resname != nullptr &&
		   list_member(counted.key, makeString(pstrdup(column->resname)));
}

bool has_no_say(const Counted &counted, Query *query, JoinExpr *join)
{
	if (join->jointype != JOIN_LEFT || !IsA(join->rarg, RangeTblRef) || !query->hasDistinctOn ||
		query->hasTargetSRFs) /* of no rows, as of a NULL, no key is left */
		return false;
	Side side{query, join, reinterpret_cast<RangeTblRef *>(join->rarg)->rtindex, 0};
	auto *table = rt_fetch(side.number, query->rtable);
	if (table->rtekind != RTE_RELATION || table->relkind == RELKIND_VIEW)
		return false;
	ListCell *cell;
	foreach (cell, query->rtable)
		if (static_cast<RangeTblEntry *>(lfirst(cell))->lateral)
			return false;
	foreach (cell, query->targetList)
		if (has_say_in(counted, static_cast<TargetEntry *>(lfirst(cell)), &side))
			return false;
	return !is_read_in(reinterpret_cast<Node *>(query->jointree), &side);
}

bool reads_in_outputs(Query *query, JoinExpr *join)
{
	Side side{query, join, reinterpret_cast<RangeTblRef *>(join->rarg)->rtindex, 0};
	ListCell *cell;
	foreach (cell, query->targetList) {
		auto *column = static_cast<TargetEntry *>(lfirst(cell));
		if (!column->resjunk && is_read_in(reinterpret_cast<Node *>(column->expr), &side))
			return true;
	}
	return false;
}

} // namespace reconcile::invariant
