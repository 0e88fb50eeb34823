/*-------------------------------------------------------------------------
 *
 * canonical.cpp
 *	  The one text of a query or a default, however it was spelled.
 *
 *-------------------------------------------------------------------------
 */
#include "schema/canonical.hpp"

#include "pg/nodes.hpp"

extern "C" {
#include "access/transam.h"
#include "catalog/pg_type.h"
#include "nodes/parsenodes.h"
#include "nodes/primnodes.h"
#include "parser/analyze.h"
#include "parser/parser.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/ruleutils.h"
#include "utils/typcache.h"
}

#include <cstring>

namespace reconcile::schema {

namespace {

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

bool is_integer(Oid type)
{
	return type == INT2OID || type == INT4OID || type == INT8OID;
}

bool begins_with(text *value, const char *word)
{
	size_t const length = strlen(word);
	return VARSIZE_ANY_EXHDR(value) >= length && memcmp(VARDATA_ANY(value), word, length) == 0;
}

/* scale_of returns the digits after the point that numeric(p, s) keeps. */
int scale_of(int32 typmod)
{
	int const scale = (typmod - VARHDRSZ) & 0x7ff;
	return (scale ^ 1024) - 1024; /* eleven bits, signed */
}

bool has_plain_input(Oid type);

/* has_plain_columns tells a composite type of which this holds for all columns. */
bool has_plain_columns(Oid type)
{
	TupleDesc const columns = lookup_rowtype_tupdesc(type, -1);
	bool plain = true;
	for (int n = 0; n < columns->natts && plain; n++) {
		auto *column = TupleDescAttr(columns, n);
		plain = column->attisdropped || has_plain_input(column->atttypid);
	}
	ReleaseTupleDesc(columns);
	return plain;
}

/* has_plain_input tells a type whose input runs no code of users. */
bool has_plain_input(Oid type)
{
	Oid const part = type_is_range(type)		? get_range_subtype(type)
					 : type_is_multirange(type) ? get_multirange_range(type)
												: get_element_type(type);
	if (OidIsValid(part))
		return has_plain_input(part);
	char const kind = get_typtype(type);
	if (kind == TYPTYPE_COMPOSITE)
		return has_plain_columns(type);
	return kind == TYPTYPE_BASE || kind == TYPTYPE_ENUM || kind == TYPTYPE_PSEUDO;
}

/* has_other_literal tells that a query has a literal of another type. */
bool has_other_literal(Node *node, void *context)
{
	if (node == nullptr)
		return false;
	if (IsA(node, Const))
		return !has_plain_input(reinterpret_cast<Const *>(node)->consttype);
	pg::TreeWalker walker = pg::tree_walker(has_other_literal);
	if (IsA(node, Query))
		return query_tree_walker(reinterpret_cast<Query *>(node), walker, context, 0);
	return expression_tree_walker(node, walker, context);
}

} // namespace

bool is_read_plainly(Query *query)
{
	return !has_other_literal(reinterpret_cast<Node *>(query), nullptr);
}

char *canonical_query(const char *text)
{
	List *statements = raw_parser(text, RAW_PARSE_DEFAULT);
	Query *query =
		parse_analyze_fixedparams(linitial_node(RawStmt, statements), text, nullptr, 0, nullptr);
	return pg_get_querydef(query, false);
}

bool may_be_constant_default(text *tree, Oid type)
{
	if (type == TIMESTAMPTZOID)
		return begins_with(tree, "{SQLVALUEFUNCTION ");
	return (is_integer(type) || type == NUMERICOID) &&
		   (begins_with(tree, "{CONST ") || begins_with(tree, "{FUNCEXPR "));
}

char *constant_default(Node *expression, Oid type, int32 typmod)
{
	if (IsA(expression, SQLValueFunction)) {
		auto *current = reinterpret_cast<SQLValueFunction *>(expression);
		return current->op == SVFOP_CURRENT_TIMESTAMP ? pstrdup("now()") : nullptr;
	}
	bool const integer = is_integer(type);
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
