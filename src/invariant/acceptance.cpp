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
 * NULL, and fail for no value. */
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

/* may_fail tells whether to compute a value may fail, as a division or a cast may.  What comes
 * from a table or a function in FROM is there already, but for a column that is computed when it
 * is read. */
bool may_fail(Node *value, void *context)
{
	if (value == nullptr || is_now(value))
		return false;
	switch (nodeTag(value)) {
	case T_Var: {
		auto *column = reinterpret_cast<Var *>(value);
		if (column->varlevelsup != 0)
			return true;
		auto *entry =
			rt_fetch(static_cast<int>(column->varno), static_cast<Query *>(context)->rtable);
		if (entry->rtekind == RTE_FUNCTION)
			return false;
		return entry->rtekind != RTE_RELATION || entry->relkind == RELKIND_VIEW ||
			   column->varattno <= 0 || get_attgenerated(entry->relid, column->varattno) == 'v';
	}
	case T_FuncExpr:
		if (!makes_no_null(reinterpret_cast<FuncExpr *>(value)->funcid))
			return true;
		break;
	case T_OpExpr:
		if (!makes_no_null(get_opcode(reinterpret_cast<OpExpr *>(value)->opno)))
			return true;
		break;
	case T_Const:
	case T_List:
	case T_RelabelType:
	case T_CoalesceExpr:
		break;
	default:
		return true;
	}
	return expression_tree_walker(value, pg::tree_walker(may_fail), context);
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

bool is_domain(const Form_pg_attribute column)
{
	return get_typtype(column->atttypid) == TYPTYPE_DOMAIN;
}

/* fits tells whether assigning a value to a column cannot fail: as nothing is to be
 * converted, or as the conversion knows no value that it refuses. */
bool fits(Node *value, const Form_pg_attribute column)
{
	Oid const type = exprType(value), wanted = column->atttypid;
	if (is_domain(column))
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

/* yielded_value returns what a query yields for a column of the table, nullptr for nothing. */
Node *yielded_value(const Source &source, const Form_pg_attribute column)
{
	ListCell *cell;
	foreach (cell, source.query->targetList) {
		auto *yielded = static_cast<TargetEntry *>(lfirst(cell));
		if (!yielded->resjunk && strcmp(yielded->resname, NameStr(column->attname)) == 0)
			return reinterpret_cast<Node *>(yielded->expr);
	}
	return nullptr;
}

/* default_value returns what a table puts into a column that is not yielded. */
Node *default_value(TupleDesc table, const Form_pg_attribute column)
{
	for (int i = 0; column->atthasdef && i < table->constr->num_defval; i++)
		if (table->constr->defval[i].adnum == column->attnum)
			return strip_implicit_coercions(
				static_cast<Node *>(stringToNode(table->constr->defval[i].adbin)));
	return reinterpret_cast<Node *>(
		makeNullConst(column->atttypid, column->atttypmod, column->attcollation));
}

/* is_made tells a default that makes a new value each time.  A sequence without any numbers left
 * is not reckoned with: such a table takes nothing any more. */
bool is_made(Node *value, const Form_pg_attribute column)
{
	if (!IsA(value, FuncExpr))
		return column->attidentity != '\0';
	auto *call = reinterpret_cast<FuncExpr *>(value);
	return (call->funcid == F_NEXTVAL && IsA(linitial(call->args), Const) &&
			is_integer(column->atttypid)) ||
		   (call->funcid == F_GEN_RANDOM_UUID && column->atttypid == UUIDOID);
}

/* is_plain tells a default that is no computation, which might fail or come to NULL. */
bool is_plain(Node *value)
{
	return IsA(value, Const) || is_now(value);
}

/* takes_all looks at each column, which gets what the query yields, or its default.  What makes
 * up the key equals what is in the row that is there, and so was accepted, unless a domain tells
 * equal values apart: 1.0 and 1.00. */
bool takes_all(TupleDesc table, List *key, const Source &source)
{
	List *known = NIL;
	for (int i = 0; i < table->natts; i++) {
		Form_pg_attribute const column = TupleDescAttr(table, i);
		bool const in_key = list_member(key, makeString(NameStr(column->attname)));
		if (column->attisdropped || (in_key && !is_domain(column)))
			continue;
		Node *const yielded = yielded_value(source, column);
		Node *const value = yielded != nullptr ? yielded : default_value(table, column);
		if (yielded == nullptr && is_made(value, column))
			continue;
		bool const plain = yielded != nullptr ? !may_fail(value, source.query) : is_plain(value);
		if (column->attgenerated != '\0' || !plain || !fits(value, column) ||
			(column->attnotnull && !is_never_null(source, value)))
			return false;
		if (has_constant(value, column))
			known = lappend(known, stored_constant(value, column));
	}
	return follow(table, known);
}

} // namespace

bool is_sure_to_take(const Target &target, const std::vector<std::string> &key,
					 const ExpectedRows &expected, Oid watched)
{
	if (target.checks_rows() || target.foreign())
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
