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
#include "catalog/pg_operator.h"
#include "nodes/makefuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"
}

#include <algorithm>

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

/* separable tells columns of which MongoDB knows what differs from a value:
 * what is equal there is equal here, and of an array it does not look at the
 * elements' fields as well. */
bool separable(const Column &column)
{
	return listed(column) && column.kind != Kind::kFloat8 && !is_text(column.kind) &&
		   !column.through_array();
}

/* is_known_list tells a list that will be sent. */
bool is_known_list(Expr *array)
{
	return pg::call([&] {
		if (!IsA(array, Const))
			return false;
		auto *constant = reinterpret_cast<Const *>(array);
		if (constant->constisnull)
			return true;
		ArrayType *elements = DatumGetArrayTypeP(constant->constvalue);
		return ArrayGetNItems(ARR_NDIM(elements), ARR_DIMS(elements)) <= kLongestList;
	});
}

ConditionKind kind_of(List *condition)
{
	return static_cast<ConditionKind>(intVal(linitial(condition)));
}

bool is_logic(ConditionKind kind)
{
	return kind == ConditionKind::kAnd || kind == ConditionKind::kOr;
}

} // namespace

std::vector<std::string> fields_of(const Column &column)
{
	std::vector<std::string> fields;
	std::string path;
	for (const std::string &name : column.parts)
		fields.push_back(path += (path.empty() ? "" : ".") + name);
	return fields;
}

bool sorts_alike(const Column &column, Oid collation)
{
	if (column.whole_document() || column.through_array())
		return false;
	switch (column.kind) {
	case Kind::kInt2:
	case Kind::kInt4:
	case Kind::kInt8:
	case Kind::kBool:
	case Kind::kTimestamp:
	case Kind::kTimestamptz:
		return true;
	case Kind::kUuid:
		return column.bson_type != BSON_TYPE_UTF8;
	case Kind::kText: /* of strings and ObjectIds MongoDB sorts each by itself */
		return orders_by_bytes(collation) && column.bson_type != kAnyType;
	default:
		return false;
	}
}

std::vector<const Column *> columns_in(const Table &table, List *conditions)
{
	std::vector<const Column *> columns;
	ListCell *cell;
	foreach (cell, conditions) {
		auto *condition = static_cast<List *>(lfirst(cell));
		if (is_logic(kind_of(condition))) {
			List *parts = pg::call([&] { return list_copy_tail(condition, 1); });
			for (const Column *column : columns_in(table, parts))
				if (std::find(columns.begin(), columns.end(), column) == columns.end())
					columns.push_back(column);
			continue;
		}
		const Column *column = table.column(static_cast<AttrNumber>(intVal(lsecond(condition))));
		if (std::find(columns.begin(), columns.end(), column) == columns.end())
			columns.push_back(column);
	}
	return columns;
}

void Planner::add(Expr *clause)
{
	Planned const planned = plan(clause);
	if (planned.condition != NIL)
		conditions_ = pg::call([&] { return lappend(conditions_, planned.condition); });
	exact_ = std::min(exact_, planned.exact);
}

void Planner::add_all()
{
	ListCell *cell;
	foreach (cell, rel_->baserestrictinfo)
		add(lfirst_node(RestrictInfo, cell)->clause);
}

bool Planner::excludes_null(const Column &column) const
{
	ListCell *cell;
	foreach (cell, conditions_) {
		auto *condition = static_cast<List *>(lfirst(cell));
		ConditionKind const kind = kind_of(condition);
		if (is_logic(kind) || intVal(lsecond(condition)) != column.number)
			continue;
		if (kind == ConditionKind::kIn || kind == ConditionKind::kTruth ||
			kind == ConditionKind::kIsNotNull ||
			(kind == ConditionKind::kCompare && intVal(lthird(condition)) != kNotEqual))
			return true;
	}
	return false;
}

Planner::Planned Planner::plan(Expr *clause)
{
	switch (nodeTag(clause)) {
	case T_BoolExpr:
		return plan_logic(reinterpret_cast<BoolExpr *>(clause));
	case T_OpExpr:
		return plan_comparison(reinterpret_cast<OpExpr *>(clause));
	case T_ScalarArrayOpExpr:
		return plan_array(reinterpret_cast<ScalarArrayOpExpr *>(clause));
	case T_NullTest: {
		auto *test = reinterpret_cast<NullTest *>(clause);
		return test->argisrow ? Planned{}
							  : plan_null_test(test->arg, test->nulltesttype == IS_NULL);
	}
	case T_BooleanTest:
		return plan_boolean_test(reinterpret_cast<BooleanTest *>(clause));
	case T_Var:
		return plan_truth(clause, true);
	default:
		return {};
	}
}

/* Of an AND, any part may be sent; of an OR all parts or nothing.  Of NOT the
 * planner leaves only that of a column: the others it turns around. */
Planner::Planned Planner::plan_logic(BoolExpr *logic)
{
	if (logic->boolop == NOT_EXPR)
		return plan_truth(static_cast<Expr *>(linitial(logic->args)), false);
	bool const all = logic->boolop == OR_EXPR;
	List *parts = NIL;
	Exact exact = Exact::kUnlessArray;
	ListCell *cell;
	foreach (cell, logic->args) {
		Planned const part = plan(static_cast<Expr *>(lfirst(cell)));
		exact = std::min(exact, part.exact);
		if (part.condition != NIL)
			parts = pg::call([&] { return lappend(parts, part.condition); });
		else if (all)
			return {};
	}
	if (parts == NIL)
		return {};
	List *condition = numbers(all ? ConditionKind::kOr : ConditionKind::kAnd);
	return {pg::call([&] { return list_concat(condition, parts); }), exact};
}

Planner::Planned Planner::plan_comparison(OpExpr *comparison)
{
	if (list_length(comparison->args) != 2)
		return {};
	if (comparison->opno == OID_TEXT_LIKE_OP)
		return plan_like(comparison);
	auto *left = static_cast<Expr *>(linitial(comparison->args));
	auto *right = static_cast<Expr *>(lsecond(comparison->args));
	Oid op = comparison->opno;
	if (column_of(left) == nullptr) {
		std::swap(left, right);
		op = pg::call([&] { return get_commutator(op); });
	}
	const Column *column = column_of(left);
	if (column == nullptr || !is_value(right))
		return {};
	int const strategy = strategy_of(*column, op, comparison->inputcollid);
	bool const equality = strategy == BTEqualStrategyNumber || strategy == kNotEqual;
	if (strategy == InvalidStrategy || !comparable(*column) ||
		(strategy == kNotEqual && !separable(*column)) ||
		(!equality && !ordered(*column, comparison->inputcollid)))
		return {};
	Oid const type = pg::call([&] { return exprType(reinterpret_cast<Node *>(right)); });
	if (!known_as(*column, type))
		return {};
	return {numbers(ConditionKind::kCompare, column->number, strategy, add_value(right)),
			exactness(*column, strategy, type)};
}

/* exactness tells what MongoDB's comparison of a column with a type is worth.
 * It does not share the columns' ideas of fractions, nor of NaN. */
Exact Planner::exactness(const Column &column, int strategy, Oid type)
{
	bool const equality = strategy == BTEqualStrategyNumber;
	bool const one_type = column.bson_type != kAnyType;
	if (is_text(column.kind))
		(equality ? text_equality_ : text_order_) = true;
	if (strategy == kNotEqual || column.domain() || column.through_array())
		return Exact::kNo;
	switch (column.kind) {
	case Kind::kFloat4:
	case Kind::kFloat8:
	case Kind::kNumeric:
		return Exact::kNo;
	case Kind::kInt2:
	case Kind::kInt4:
	case Kind::kInt8:
		return equality && !one_type &&
					   pg::call([&] { return get_typlen(type) <= get_typlen(column.base_type); })
				   ? Exact::kUnlessArray
				   : Exact::kIfItFits;
	case Kind::kText:
		if (!equality && column.bson_type != BSON_TYPE_UTF8)
			return Exact::kNo;
		return equality && column.typmod < 0 ? Exact::kUnlessArray : Exact::kIfItFits;
	default:
		return equality && column.typmod < 0 ? Exact::kUnlessArray : Exact::kIfItFits;
	}
}

/* plan_like plans a comparison with the part of a pattern that comes before
 * its first wildcard. */
Planner::Planned Planner::plan_like(OpExpr *comparison)
{
	const Column *column = column_of(static_cast<Expr *>(linitial(comparison->args)));
	auto *pattern = static_cast<Expr *>(lsecond(comparison->args));
	if (column == nullptr || !is_text(column->kind) || column->whole_document() ||
		column->bson_type == BSON_TYPE_OID || !is_value(pattern) ||
		!pg::call([&] { return get_collation_isdeterministic(comparison->inputcollid); }))
		return {};
	return {numbers(ConditionKind::kLike, column->number, add_value(pattern)), Exact::kNo};
}

Planner::Planned Planner::plan_array(ScalarArrayOpExpr *comparison)
{
	auto *left = static_cast<Expr *>(linitial(comparison->args));
	auto *right = static_cast<Expr *>(lsecond(comparison->args));
	const Column *column = column_of(left);
	if (column == nullptr || !is_value(right) || !comparable(*column) || !listed(*column))
		return {};
	int const strategy = strategy_of(*column, comparison->opno, comparison->inputcollid);
	if (strategy != (comparison->useOr ? BTEqualStrategyNumber : kNotEqual) ||
		(!comparison->useOr && !separable(*column)))
		return {};
	Oid const element = pg::call(
		[&] { return get_element_type(getBaseType(exprType(reinterpret_cast<Node *>(right)))); });
	if (!known_as(*column, element))
		return {};
	Exact const exact = exactness(*column, strategy, element);
	return {numbers(comparison->useOr ? ConditionKind::kIn : ConditionKind::kNotIn, column->number,
					add_value(right)),
			is_known_list(right) ? exact : Exact::kNo};
}

Planner::Planned Planner::plan_null_test(Expr *argument, bool is_null)
{
	const Column *column = column_of(argument);
	if (column == nullptr || column->whole_document())
		return {};
	/* Of an array, MongoDB asks its elements too whether they have such a field. */
	if (column->through_array())
		return {};
	/* A value that does not fit is read as NULL, and is none in MongoDB. */
	if (is_null && table_.options.on_mismatch == OnMismatch::kNull)
		return {};
	bool const exact =
		!column->domain() && column->kind != Kind::kJsonb && column->kind != Kind::kArray;
	return {numbers(is_null ? ConditionKind::kIsNull : ConditionKind::kIsNotNull, column->number),
			exact ? Exact::kIfItFits : Exact::kNo};
}

Planner::Planned Planner::plan_boolean_test(BooleanTest *test)
{
	switch (test->booltesttype) {
	case IS_TRUE:
	case IS_FALSE:
		return plan_truth(test->arg, test->booltesttype == IS_TRUE);
	case IS_NOT_TRUE:
	case IS_NOT_FALSE:
		return plan_untruth(test->arg, test->booltesttype == IS_NOT_TRUE);
	default:
		return plan_null_test(test->arg, test->booltesttype == IS_UNKNOWN);
	}
}

/* plan_truth plans a column of type boolean, or its negation. */
Planner::Planned Planner::plan_truth(Expr *expression, bool truth)
{
	const Column *column = column_of(expression);
	if (column == nullptr || column->kind != Kind::kBool || column->whole_document())
		return {};
	return {numbers(ConditionKind::kTruth, column->number, truth),
			exactness(*column, BTEqualStrategyNumber, BOOLOID)};
}

/* plan_untruth plans that a column is not true, or not false, which NULL is
 * neither; so a value that is read as NULL must pass. */
Planner::Planned Planner::plan_untruth(Expr *expression, bool truth)
{
	const Column *column = column_of(expression);
	if (column == nullptr || column->kind != Kind::kBool || !separable(*column) ||
		column->whole_document() || table_.options.on_mismatch == OnMismatch::kNull)
		return {};
	return {numbers(ConditionKind::kNotTruth, column->number, truth), Exact::kNo};
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
 * column's type.  "<>" is known by what it is the negation of. */
int Planner::strategy_of(const Column &column, Oid op, Oid collation) const
{
	return pg::call([&]() -> int {
		if (!OidIsValid(op) || (OidIsValid(collation) && !get_collation_isdeterministic(collation)))
			return InvalidStrategy;
		TypeCacheEntry *type = lookup_type_cache(column.base_type, TYPECACHE_BTREE_OPFAMILY);
		int const strategy = get_op_opfamily_strategy(op, type->btree_opf);
		Oid const opposite = strategy == InvalidStrategy ? get_negator(op) : InvalidOid;
		if (OidIsValid(opposite) &&
			get_op_opfamily_strategy(opposite, type->btree_opf) == BTEqualStrategyNumber)
			return kNotEqual;
		return strategy;
	});
}

int Planner::add_value(Expr *expression)
{
	values_ = pg::call([&] { return lappend(values_, expression); });
	return list_length(values_) - 1;
}

} // namespace reconcile::fdw
