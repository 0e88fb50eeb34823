/*-------------------------------------------------------------------------
 *
 * canonical.cpp
 *	  The one text of an expression or a query, however it was spelled.
 *
 *-------------------------------------------------------------------------
 */
#include "schema/canonical.hpp"

extern "C" {
#include "access/relation.h"
#include "catalog/pg_type_d.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/analyze.h"
#include "parser/parse_collate.h"
#include "parser/parse_expr.h"
#include "parser/parse_relation.h"
#include "parser/parser.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"
}

#include <cstring>

namespace reconcile::schema {

namespace {

/* Every round moves casts one level down; no text nests arrays so deeply. */
constexpr int kMostRounds = 8;

/* domain_value gives VALUE its meaning in the check of a domain. */
Node *domain_value(ParseState *state, ColumnRef *column)
{
	if (list_length(column->fields) != 1 || !IsA(linitial(column->fields), String) ||
		strcmp(strVal(linitial(column->fields)), "value") != 0)
		return nullptr;
	return static_cast<Node *>(copyObjectImpl(state->p_ref_hook_state));
}

CoerceToDomainValue *value_of(Oid domain)
{
	auto *value = makeNode(CoerceToDomainValue);
	value->typeMod = -1;
	value->typeId = getBaseTypeAndTypmod(domain, &value->typeMod);
	value->collation = get_typcollation(domain);
	value->location = -1;
	return value;
}

/* reprinted parses an expression and prints it. */
char *reprinted(const char *text, Oid relation, Oid domain)
{
	ParseState *state = make_parsestate(nullptr);
	Relation opened = nullptr;
	if (OidIsValid(relation)) {
		opened = relation_open(relation, AccessShareLock);
		addNSItemToQuery(
			state,
			addRangeTableEntryForRelation(state, opened, AccessShareLock, nullptr, false, true),
			true, true, true);
	} else if (OidIsValid(domain)) {
		state->p_pre_columnref_hook = domain_value;
		state->p_ref_hook_state = value_of(domain);
	}
	List *statements = raw_parser(text, RAW_PARSE_PLPGSQL_EXPR);
	auto *select = reinterpret_cast<SelectStmt *>(linitial_node(RawStmt, statements)->stmt);
	/* of all kinds of expressions the one that allows most */
	Node *tree =
		transformExpr(state, linitial_node(ResTarget, select->targetList)->val, EXPR_KIND_POLICY);
	assign_expr_collations(state, tree);
	char *printed = expression_text(tree, relation);
	if (opened != nullptr)
		relation_close(opened, AccessShareLock);
	free_parsestate(state);
	return printed;
}

char *reprinted_query(const char *text)
{
	List *statements = raw_parser(text, RAW_PARSE_DEFAULT);
	Query *query =
		parse_analyze_fixedparams(linitial_node(RawStmt, statements), text, nullptr, 0, nullptr);
	return pstrdup(pg_get_querydef(query, false));
}

/* settled repeats a reprinting until it changes nothing. */
template <class Reprint> char *settled(char *text, Reprint reprint)
{
	for (int round = 0; round < kMostRounds && may_change(text); round++)
		text = reprint(text);
	return text;
}

/* cast_constant finds the constant below implicit casts of PostgreSQL's own. */
Const *cast_constant(Node *node)
{
	while (node != nullptr && !IsA(node, Const)) {
		if (!IsA(node, FuncExpr))
			return nullptr;
		auto *call = reinterpret_cast<FuncExpr *>(node);
		if (call->funcformat != COERCE_IMPLICIT_CAST || call->funcid >= FirstUnpinnedObjectId)
			return nullptr;
		node = static_cast<Node *>(linitial(call->args));
	}
	return reinterpret_cast<Const *>(node);
}

/* number_of reads an integer or numeric constant as numeric. */
bool number_of(const Const *constant, Datum *number)
{
	switch (constant->consttype) {
	case INT2OID:
		*number = DirectFunctionCall1(int2_numeric, constant->constvalue);
		return true;
	case INT4OID:
		*number = DirectFunctionCall1(int4_numeric, constant->constvalue);
		return true;
	case INT8OID:
		*number = DirectFunctionCall1(int8_numeric, constant->constvalue);
		return true;
	case NUMERICOID:
		*number = constant->constvalue;
		return true;
	default:
		return false;
	}
}

/* scale_of returns the digits after the point that numeric(p, s) keeps. */
int scale_of(int32 typmod)
{
	int const scale = (typmod - VARHDRSZ) & 0x7ff;
	return (scale ^ 1024) - 1024; /* eleven bits, signed */
}

} // namespace

char *expression_text(Node *tree, Oid relation)
{
	return text_to_cstring(DatumGetTextPP(DirectFunctionCall2(
		pg_get_expr, CStringGetTextDatum(nodeToString(tree)), ObjectIdGetDatum(relation))));
}

bool may_change(const char *text)
{
	return strstr(text, "])::") != nullptr;
}

char *canonical_expression(char *text, Oid relation, Oid domain)
{
	return settled(text, [&](const char *now) { return reprinted(now, relation, domain); });
}

char *canonical_query(char *text)
{
	return settled(reprinted_query(text), [](const char *now) { return reprinted_query(now); });
}

char *constant_default(Node *expression, Oid type, int32 typmod)
{
	if (IsA(expression, SQLValueFunction)) {
		auto *current = reinterpret_cast<SQLValueFunction *>(expression);
		return current->op == SVFOP_CURRENT_TIMESTAMP ? pstrdup("now()") : nullptr;
	}
	bool const integer = type == INT2OID || type == INT4OID || type == INT8OID;
	Const *constant = cast_constant(expression);
	Datum number;
	if (constant == nullptr || constant->constisnull || (!integer && type != NUMERICOID) ||
		!number_of(constant, &number))
		return nullptr;
	if (integer || typmod >= static_cast<int32>(VARHDRSZ))
		number = DirectFunctionCall2(numeric_round, number,
									 Int32GetDatum(integer ? 0 : scale_of(typmod)));
	return DatumGetCString(DirectFunctionCall1(numeric_out, number));
}

} // namespace reconcile::schema
