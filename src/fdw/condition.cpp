/*-------------------------------------------------------------------------
 *
 * condition.cpp
 *	  Which conditions of a query MongoDB can apply first.
 *
 *-------------------------------------------------------------------------
 */
#include "fdw/condition.hpp"

#include "fdw/condition_kinds.hpp"
#include "pg/nodes.hpp"

extern "C" {
#include "access/stratnum.h"
#include "catalog/pg_collation.h"
#include "nodes/makefuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"
}

namespace reconcile::fdw {

namespace {

template <class... Numbers> List *numbers(Numbers... number)
{
	return pg::call([&] {
		List *list = NIL;
		((list = lappend(list, makeInteger(static_cast<int>(number)))), ...);
		return list;
	});
}

/* orders_by_bytes tells collations under which text sorts as MongoDB sorts it. */
bool orders_by_bytes(Oid collation)
{
	return collation == C_COLLATION_OID;
}

bool is_text(Kind kind)
{
	return kind == Kind::kText;
}

/* comparable tells kinds whose equality MongoDB can be asked for. */
bool comparable(const Column &column)
{
	switch (column.kind) {
	case Kind::kBpchar:
	case Kind::kBytea:
	case Kind::kJsonb:
	case Kind::kArray:
		return false;
	case Kind::kUuid: /* text has several forms of one uuid */
		return column.bson_type != BSON_TYPE_UTF8;
	default:
		return !column.whole_document();
	}
}

/* ordered tells kinds whose order MongoDB shares. */
bool ordered(const Column &column, Oid collation)
{
	if (is_text(column.kind))
		return orders_by_bytes(collation) && column.bson_type != BSON_TYPE_OID;
	return column.kind != Kind::kUuid && column.kind != Kind::kBool;
}

/* listed tells kinds whose equality is that of one value. */
bool listed(const Column &column)
{
	switch (column.kind) {
	case Kind::kFloat4:
	case Kind::kNumeric:
	case Kind::kDate:
		return false;
	default:
		return true;
	}
}

} // namespace

void Planner::add(Expr *clause)
{
	if (List *condition = plan(clause))
		conditions_ = pg::call([&] { return lappend(conditions_, condition); });
}

List *Planner::plan(Expr *clause)
{
	switch (nodeTag(clause)) {
	case T_BoolExpr:
		return plan_logic(reinterpret_cast<BoolExpr *>(clause));
	case T_OpExpr:
		return plan_comparison(reinterpret_cast<OpExpr *>(clause));
	case T_ScalarArrayOpExpr:
		return plan_array(reinterpret_cast<ScalarArrayOpExpr *>(clause));
	case T_NullTest:
		return plan_null_test(reinterpret_cast<NullTest *>(clause));
	case T_Var:
		return plan_truth(clause, true);
	default:
		return NIL;
	}
}

/* Of an AND, any part may be sent; of an OR all parts or nothing. */
List *Planner::plan_logic(BoolExpr *logic)
{
	if (logic->boolop == NOT_EXPR)
		return plan_truth(static_cast<Expr *>(linitial(logic->args)), false);
	bool const all = logic->boolop == OR_EXPR;
	List *parts = NIL;
	ListCell *cell;
	foreach (cell, logic->args) {
		List *part = plan(static_cast<Expr *>(lfirst(cell)));
		if (part != NIL)
			parts = pg::call([&] { return lappend(parts, part); });
		else if (all)
			return NIL;
	}
	if (parts == NIL)
		return NIL;
	List *condition = numbers(all ? ConditionKind::kOr : ConditionKind::kAnd);
	return pg::call([&] { return list_concat(condition, parts); });
}

List *Planner::plan_comparison(OpExpr *comparison)
{
	if (list_length(comparison->args) != 2)
		return NIL;
	auto *left = static_cast<Expr *>(linitial(comparison->args));
	auto *right = static_cast<Expr *>(lsecond(comparison->args));
	Oid op = comparison->opno;
	if (column_of(left) == nullptr) {
		std::swap(left, right);
		op = pg::call([&] { return get_commutator(op); });
	}
	const Column *column = column_of(left);
	if (column == nullptr || !is_value(right))
		return NIL;
	int const strategy = strategy_of(*column, op, comparison->inputcollid);
	if (strategy == InvalidStrategy || !comparable(*column) ||
		(strategy != BTEqualStrategyNumber && !ordered(*column, comparison->inputcollid)))
		return NIL;
	if (!known_as(*column, pg::call([&] { return exprType(reinterpret_cast<Node *>(right)); })))
		return NIL;
	return numbers(ConditionKind::kCompare, column->number, strategy, add_value(right));
}

List *Planner::plan_array(ScalarArrayOpExpr *comparison)
{
	auto *left = static_cast<Expr *>(linitial(comparison->args));
	auto *right = static_cast<Expr *>(lsecond(comparison->args));
	const Column *column = column_of(left);
	if (!comparison->useOr || column == nullptr || !is_value(right) || !comparable(*column) ||
		!listed(*column) ||
		strategy_of(*column, comparison->opno, comparison->inputcollid) != BTEqualStrategyNumber)
		return NIL;
	Oid const element = pg::call(
		[&] { return get_element_type(getBaseType(exprType(reinterpret_cast<Node *>(right)))); });
	if (!known_as(*column, element))
		return NIL;
	return numbers(ConditionKind::kIn, column->number, add_value(right));
}

List *Planner::plan_null_test(NullTest *test)
{
	const Column *column = column_of(test->arg);
	if (column == nullptr || column->whole_document() || test->argisrow)
		return NIL;
	/* Of an array, MongoDB asks its elements too whether they have such a field. */
	if (column->through_array())
		return NIL;
	/* A value that does not fit is read as NULL, and is none in MongoDB. */
	if (test->nulltesttype == IS_NULL && table_.options.on_mismatch == OnMismatch::kNull)
		return NIL;
	return numbers(test->nulltesttype == IS_NULL ? ConditionKind::kIsNull
												 : ConditionKind::kIsNotNull,
				   column->number);
}

/* plan_truth plans a column of type boolean, or its negation. */
List *Planner::plan_truth(Expr *expression, bool truth)
{
	const Column *column = column_of(expression);
	if (column == nullptr || column->kind != Kind::kBool || column->whole_document())
		return NIL;
	return numbers(ConditionKind::kTruth, column->number, truth);
}

/* column_of returns the column of this table that an expression is. */
const Column *Planner::column_of(Expr *expression) const
{
	while (IsA(expression, RelabelType))
		expression = reinterpret_cast<RelabelType *>(expression)->arg;
	if (!IsA(expression, Var))
		return nullptr;
	auto *var = reinterpret_cast<Var *>(expression);
	if (var->varno != static_cast<int>(rel_->relid) || var->varlevelsup != 0)
		return nullptr;
	return table_.column(var->varattno);
}

/* is_value tells whether an expression has one value for the whole scan. */
bool Planner::is_value(Expr *expression) const
{
	return pg::call([&] {
		auto *node = reinterpret_cast<Node *>(expression);
		return !contain_var_clause(node) && !contain_volatile_functions(node) &&
			   !contain_subplans(node);
	});
}

/* strategy_of says which comparison an operator is, by the usual order of the
 * column's type. */
int Planner::strategy_of(const Column &column, Oid op, Oid collation) const
{
	return pg::call([&]() -> int {
		if (!OidIsValid(op) || (OidIsValid(collation) && !get_collation_isdeterministic(collation)))
			return InvalidStrategy;
		TypeCacheEntry *type = lookup_type_cache(column.base_type, TYPECACHE_BTREE_OPFAMILY);
		return get_op_opfamily_strategy(op, type->btree_opf);
	});
}

int Planner::add_value(Expr *expression)
{
	values_ = pg::call([&] { return lappend(values_, expression); });
	return list_length(values_) - 1;
}

} // namespace reconcile::fdw
