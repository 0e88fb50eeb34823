/*-------------------------------------------------------------------------
 *
 * acceptance.cpp
 *	  Whether a table is sure to take what is expected of it.
 *
 *-------------------------------------------------------------------------
 */
#include "invariant/acceptance.hpp"

#include "pg/nodes.hpp"
#include "pg/text.hpp"

extern "C" {
#include "access/table.h"
#include "catalog/pg_inherits.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "parser/parse_collate.h"
#include "parser/parse_node.h"
#include "parser/parse_oper.h"
#include "parser/parsetree.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
}

#include <algorithm>

namespace reconcile::invariant {

namespace {

/* Source is a query, and the table of it whose new rows a guard looks at. */
struct Source {
	Query *query;
	Oid watched;
};

/* refuses_null tells whether a column of a table never has a NULL.  One that inherits from it
 * may have some, and so may a partition in another store. */
bool refuses_null(Oid table, AttrNumber column)
{
	if (column <= 0 || get_rel_relkind(table) != RELKIND_RELATION || has_subclass(table))
		return false;
	Relation relation = table_open(table, AccessShareLock);
	bool const refuses = HAS_NO_NULL(RelationGetDescr(relation), column - 1);
	table_close(relation, NoLock);
	return refuses;
}

/* is_never_null_column: the watched table is on the nullable side of no join, and under no
 * grouping set, as its guard would be refused. */
bool is_never_null_column(const Source &source, const Var *column)
{
	if (column->varlevelsup != 0)
		return false;
	auto *entry = rt_fetch(static_cast<int>(column->varno), source.query->rtable);
	return entry->rtekind == RTE_RELATION && entry->relid == source.watched &&
		   refuses_null(entry->relid, column->varattno);
}

/* makes_no_null knows some functions of PostgreSQL's own that make a NULL of nothing but a
 * NULL. */
bool makes_no_null(Oid function)
{
	return function == F_TEXTCAT || function == F_LEFT || function == F_LOWER_TEXT ||
		   function == F_UPPER_TEXT || function == F_VARCHAR_VARCHAR_INT4_BOOL;
}

bool is_never_null(const Source &source, Node *value)
{
	ListCell *cell;
	if (is_now(value))
		return true;
	switch (nodeTag(value)) {
	case T_Const:
		return !reinterpret_cast<Const *>(value)->constisnull;
	case T_Var:
		return is_never_null_column(source, reinterpret_cast<Var *>(value));
	case T_RelabelType:
		return is_never_null(source,
							 reinterpret_cast<Node *>(reinterpret_cast<RelabelType *>(value)->arg));
	case T_CoalesceExpr:
		foreach (cell, reinterpret_cast<CoalesceExpr *>(value)->args)
			if (is_never_null(source, static_cast<Node *>(lfirst(cell))))
				return true;
		return false;
	case T_FuncExpr:
	case T_OpExpr: {
		bool const is_call = IsA(value, FuncExpr);
		auto *call = reinterpret_cast<FuncExpr *>(value);
		auto *operation = reinterpret_cast<OpExpr *>(value);
		if (!makes_no_null(is_call ? call->funcid : get_opcode(operation->opno)))
			return false;
		foreach (cell, is_call ? call->args : operation->args)
			if (!is_never_null(source, static_cast<Node *>(lfirst(cell))))
				return false;
		return true;
	}
	default:
		return false;
	}
}

bool is_integer(Oid type)
{
	return type == INT2OID || type == INT4OID || type == INT8OID;
}

bool is_text(Oid type)
{
	return type == TEXTOID || type == VARCHAROID;
}

/* is_short tells a constant of no more bytes than a column takes letters. */
bool is_short(Node *value, const Form_pg_attribute column)
{
	if (!IsA(value, Const) || column->atttypid != VARCHAROID)
		return false;
	auto *constant = reinterpret_cast<Const *>(value);
	return !constant->constisnull && is_text(constant->consttype) &&
		   static_cast<int32>(VARSIZE_ANY_EXHDR(DatumGetPointer(constant->constvalue))) <=
			   column->atttypmod - VARHDRSZ;
}

/* fits tells whether assigning a value to a column cannot fail: as nothing is to be
 * converted, or as the conversion knows no value that it refuses. */
bool fits(Node *value, const Form_pg_attribute column)
{
	Oid const type = exprType(value), wanted = column->atttypid;
	if (get_typtype(wanted) == TYPTYPE_DOMAIN)
		return false;
	if (IsA(value, Const) && reinterpret_cast<Const *>(value)->constisnull)
		return true;
	if (type == wanted && exprTypmod(value) == column->atttypmod)
		return true;
	if (is_integer(type) && is_integer(wanted))
		return get_typlen(type) <= get_typlen(wanted);
	if (is_now(value) && (type == TIMESTAMPTZOID || type == TIMESTAMPOID))
		return wanted == TIMESTAMPTZOID || wanted == TIMESTAMPOID;
	if (column->atttypmod < 0)
		return IsBinaryCoercible(type, wanted);
	return is_short(value, column);
}

/* has_constant tells whether a value is a constant for which stored_constant() has an operator,
 * which is one of PostgreSQL's own. */
bool has_constant(Node *value, const Form_pg_attribute column)
{
	if (!IsA(value, Const) || reinterpret_cast<Const *>(value)->constisnull)
		return false;
	Oid const type = exprType(value), wanted = column->atttypid;
	return (is_integer(type) && is_integer(wanted)) || (is_text(type) && is_text(wanted));
}

/* stored_constant is the condition that a column has the constant that is assigned to it. */
Node *stored_constant(Node *constant, const Form_pg_attribute column)
{
	auto *variable =
		makeVar(1, column->attnum, column->atttypid, column->atttypmod, column->attcollation, 0);
	ParseState *state = make_parsestate(nullptr);
	auto *equal = reinterpret_cast<Node *>(
		make_op(state, list_make2(makeString(pstrdup("pg_catalog")), makeString(pstrdup("="))),
				reinterpret_cast<Node *>(variable), pg::copied_node(constant), nullptr, -1));
	assign_expr_collations(state, equal);
	free_parsestate(state);
	return eval_const_expressions(nullptr, equal);
}

/* follow tells whether the checks of a table follow from what is known of a row. */
bool follow(TupleDesc table, List *known)
{
	for (int i = 0; table->constr != nullptr && i < table->constr->num_check; i++) {
		auto *check = static_cast<Node *>(stringToNode(table->constr->check[i].ccbin));
		auto *condition = canonicalize_qual(
			reinterpret_cast<Expr *>(eval_const_expressions(nullptr, check)), true);
		if (!predicate_implied_by(make_ands_implicit(condition), known, false))
			return false;
	}
	return true;
}

/* takes_all looks at the columns that a query yields, which are named after those of the
 * table.  What makes up the key is as it is in the row that is there, and so was accepted. */
bool takes_all(TupleDesc table, List *key, const Source &source)
{
	List *known = NIL;
	ListCell *cell;
	foreach (cell, source.query->targetList) {
		auto *yielded = static_cast<TargetEntry *>(lfirst(cell));
		if (yielded->resjunk || list_member(key, makeString(yielded->resname)))
			continue;
		auto *value = reinterpret_cast<Node *>(yielded->expr);
		Form_pg_attribute column = nullptr;
		for (int i = 0; i < table->natts && column == nullptr; i++)
			if (!TupleDescAttr(table, i)->attisdropped &&
				strcmp(NameStr(TupleDescAttr(table, i)->attname), yielded->resname) == 0)
				column = TupleDescAttr(table, i);
		if (column == nullptr || !fits(value, column) ||
			(column->attnotnull && !is_never_null(source, value)))
			return false;
		if (has_constant(value, column))
			known = lappend(known, stored_constant(value, column));
	}
	return follow(table, known);
}

bool is_yielded(const ExpectedRows &expected, const std::string &column)
{
	return std::any_of(expected.outputs().begin(), expected.outputs().end(),
					   [&](const Output &output) { return output.name == column; });
}

} // namespace

bool is_sure_to_take(const Target &target, const std::vector<std::string> &key,
					 const ExpectedRows &expected, Oid watched)
{
	auto const may_refuse = [&](const Column &column) {
		return !column.generated.empty() || (column.required && !is_yielded(expected, column.name));
	};
	if (target.checks_rows() || target.foreign() ||
		std::any_of(target.columns().begin(), target.columns().end(), may_refuse))
		return false;
	return pg::call([&] {
		List *names = NIL;
		for (const std::string &name : key)
			names = lappend(names, makeString(pstrdup(name.c_str())));
		Source const source{pg::copied_node(expected.tree()), watched};
		Relation relation = table_open(target.oid(), AccessShareLock);
		bool const all = takes_all(RelationGetDescr(relation), names, source);
		table_close(relation, NoLock);
		return all;
	});
}

} // namespace reconcile::invariant
