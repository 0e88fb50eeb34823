/*-------------------------------------------------------------------------
 *
 * expression.cpp
 *	  Expressions over one row of a table: parsed, analysed, written back.
 *
 *-------------------------------------------------------------------------
 */
#include "invariant/expression.hpp"

#include "invariant/position.hpp"
#include "pg/identity.hpp"
#include "pg/nodes.hpp"

extern "C" {
#include "access/sysattr.h"
#include "nodes/bitmapset.h"
#include "nodes/makefuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_clause.h"
#include "parser/parse_collate.h"
#include "parser/parse_expr.h"
#include "parser/parser.h"
#include "utils/lsyscache.h"
#include "utils/ruleutils.h"
}

namespace reconcile::invariant {

namespace {

constexpr const char *kOneExpression = "a part of a key must be a column or one expression";

/* is_star tells a lone *, which stands for columns and is no expression. */
bool is_star(Node *raw)
{
	return IsA(raw, ColumnRef) && IsA(linitial(reinterpret_cast<ColumnRef *>(raw)->fields), A_Star);
}

/* parsed returns the one expression of a text; anything beside it is refused with
 * the message. */
Node *parsed(const char *text, const char *message)
{
	auto *statement = static_cast<RawStmt *>(linitial(raw_parser(text, RAW_PARSE_PLPGSQL_EXPR)));
	auto *select = castNode(SelectStmt, statement->stmt);
	auto *column = list_length(select->targetList) == 1
					   ? static_cast<ResTarget *>(linitial(select->targetList))
					   : nullptr;
	if (column == nullptr || column->name != nullptr || is_star(column->val) ||
		select->fromClause != NIL || select->whereClause != nullptr ||
		select->distinctClause != NIL || select->groupClause != NIL ||
		select->havingClause != nullptr || select->windowClause != NIL ||
		select->sortClause != NIL || select->limitCount != nullptr ||
		select->limitOffset != nullptr || select->lockingClause != NIL || select->op != SETOP_NONE)
		ereport(ERROR, (errcode(ERRCODE_SYNTAX_ERROR), errmsg("%s", message)));
	return column->val;
}

/* state_on makes a state of analysis in which the columns of a table are known, with
 * an alias if there is one. */
ParseState *state_on(Relation relation, const char *alias, const char *text)
{
	ParseState *state = make_parsestate(nullptr);
	state->p_sourcetext = text;
	ParseNamespaceItem *item = addRangeTableEntryForRelation(
		state, relation, AccessShareLock, alias != nullptr ? makeAlias(alias, NIL) : nullptr, false,
		false);
	addNSItemToQuery(state, item, false, true, true);
	return state;
}

Node *analysed(const char *text, Oid table)
{
	WithPosition position(text);
	Node *raw = parsed(text, kOneExpression);
	Relation relation = table_open(table, AccessShareLock);
	ParseState *state = state_on(relation, nullptr, text);
	Node *tree = transformExpr(state, raw, EXPR_KIND_INDEX_EXPRESSION);
	assign_expr_collations(state, tree);
	position.end();
	free_parsestate(state);
	table_close(relation, NoLock);
	return tree;
}

/* with_parameters replaces the columns in an expression by parameters, which print
 * as $ and their number whatever the table and its columns are called. */
Node *with_parameters(Node *node, void *context)
{
	if (node == nullptr || !IsA(node, Var))
		return expression_tree_mutator(node, pg::tree_mutator(with_parameters), context);
	auto *column = reinterpret_cast<Var *>(node);
	auto *parameter = makeNode(Param);
	parameter->paramkind = PARAM_EXTERN;
	parameter->paramid = column->varattno;
	parameter->paramtype = column->vartype;
	parameter->paramtypmod = column->vartypmod;
	parameter->paramcollid = column->varcollid;
	parameter->location = -1;
	return reinterpret_cast<Node *>(parameter);
}

Node *without_collation(Node *tree)
{
	while (IsA(tree, CollateExpr))
		tree = reinterpret_cast<Node *>(reinterpret_cast<CollateExpr *>(tree)->arg);
	return tree;
}

/* is_call tells what the grammar takes in an index without parentheses. */
bool is_call(const Node *tree)
{
	if (IsA(tree, FuncExpr)) {
		auto const format = reinterpret_cast<const FuncExpr *>(tree)->funcformat;
		return format == COERCE_EXPLICIT_CALL;
	}
	return IsA(tree, CoalesceExpr) || IsA(tree, MinMaxExpr);
}

} // namespace

std::string condition_text(const std::string &condition, Oid table, const char *alias)
{
	pg::PortableText portable; /* constants are printed, to be read again */
	return pg::call([&]() -> const char * {
		const char *text = pstrdup(condition.c_str());
		WithPosition position(text);
		Node *raw = parsed(text, "where_absent must be a condition, as after WHERE");
		Relation relation = table_open(table, AccessShareLock);
		ParseState *state = state_on(relation, alias, text);
		Node *clause = transformWhereClause(state, raw, EXPR_KIND_WHERE, "where_absent");
		assign_expr_collations(state, clause);
		position.end();
		const char *written =
			deparse_expression(clause, deparse_context_for(alias, table), true, false);
		free_parsestate(state);
		table_close(relation, NoLock);
		return written;
	});
}

std::optional<std::string> name_in(const std::string &text)
{
	const char *const name = pg::call([&]() -> const char * {
		Node *raw = parsed(pstrdup(text.c_str()), kOneExpression);
		if (!IsA(raw, ColumnRef))
			return nullptr;
		List *const fields = reinterpret_cast<ColumnRef *>(raw)->fields;
		Node *const field = static_cast<Node *>(linitial(fields));
		return list_length(fields) == 1 && IsA(field, String) ? strVal(field) : nullptr;
	});
	return name != nullptr ? std::optional<std::string>(name) : std::nullopt;
}

RowExpression::RowExpression(const std::string &source, Oid table)
	: table_(table), tree_(pg::call([&] { return analysed(pstrdup(source.c_str()), table); })),
	  indexed_(pg::call([&] {
		  return reinterpret_cast<Node *>(expression_planner(
			  reinterpret_cast<Expr *>(pg::copied_node(without_collation(tree_)))));
	  })),
	  collation_(IsA(tree_, CollateExpr) ? reinterpret_cast<CollateExpr *>(tree_)->collOid
										 : InvalidOid),
	  own_collation_(pg::call([&] { return exprCollation(tree_); })),
	  type_(pg::call([&] { return exprType(tree_); })),
	  typmod_(pg::call([&] { return exprTypmod(tree_); }))
{
	check(source);
	pg::PortableText portable;
	take_apart(pg::call([&] {
		Node *parameters = with_parameters(pg::copied_node(tree_), nullptr);
		return const_cast<const char *>(deparse_expression(parameters, NIL, false, false));
	}));
}

/* check refuses what cannot tell one row from another, or not for good. */
void RowExpression::check(const std::string &source) const
{
	std::string const expression = "expression \"" + source + "\" of the key ";
	std::vector<AttrNumber> const columns = reads();
	if (columns.empty())
		pg::fail(ERRCODE_INVALID_COLUMN_REFERENCE, expression + "reads no column",
				 "It is the same for all rows.", "Leave it out of the key.");
	if (columns.front() <= 0)
		pg::fail(ERRCODE_FEATURE_NOT_SUPPORTED, expression + "reads a whole row or a system column",
				 "No unique index can be on it.", "Name the columns that it needs.");
	if (pg::call([&] { return contain_mutable_functions(indexed_); }))
		pg::fail(ERRCODE_INVALID_OBJECT_DEFINITION, expression + "is not immutable",
				 "No unique index can be on it: what was the same once may differ later.",
				 "Use functions that are IMMUTABLE.");
}

/* take_apart finds the parameters in a text, outside of quotes.  A quote within
 * quotes is written twice, so each one begins or ends some. */
void RowExpression::take_apart(const std::string &written)
{
	char quote = '\0';
	std::string before;
	for (size_t at = 0; at < written.size();) {
		char const c = written[at];
		if (quote == '\0' && c == '$') {
			size_t digits = 0;
			int const column = std::stoi(written.substr(at + 1), &digits);
			pieces_.push_back({before, static_cast<AttrNumber>(column)});
			before.clear();
			at += 1 + digits;
			continue;
		}
		if (c == '\'' || c == '"')
			quote = quote == '\0' ? c : quote == c ? '\0' : quote;
		before += c;
		at++;
	}
	pieces_.push_back({before, InvalidAttrNumber});
}

std::vector<AttrNumber> RowExpression::reads() const
{
	Bitmapset *const offsets = pg::call([&] {
		Bitmapset *columns = nullptr;
		pull_varattnos(tree_, 1, &columns);
		return columns;
	});
	std::vector<AttrNumber> columns;
	for (int offset = -1; (offset = bms_next_member(offsets, offset)) >= 0;)
		columns.push_back(static_cast<AttrNumber>(offset + FirstLowInvalidHeapAttributeNumber));
	return columns;
}

std::string RowExpression::over(const std::function<std::string(AttrNumber)> &column) const
{
	std::string all;
	for (const Piece &piece : pieces_)
		all += piece.text + (piece.column == InvalidAttrNumber ? "" : column(piece.column));
	return all;
}

bool RowExpression::is_key_of(Relation index, int number) const
{
	if (OidIsValid(collation_) && index->rd_indcollation[number] != collation_)
		return false;
	AttrNumber const column = index->rd_index->indkey.values[number];
	if (column != InvalidAttrNumber)
		return IsA(indexed_, Var) && reinterpret_cast<Var *>(indexed_)->varattno == column;
	int before = 0; /* key columns that are expressions, too */
	for (int n = 0; n < number; n++)
		before += index->rd_index->indkey.values[n] == InvalidAttrNumber ? 1 : 0;
	return equal(list_nth(RelationGetIndexExpressions(index), before), indexed_);
}

/* indexed: in parentheses unless it is a call, and with its columns by their names. */
std::string RowExpression::indexed() const
{
	pg::PortableText portable;
	return pg::call([&]() -> const char * {
		Node *bare = without_collation(pg::copied_node(tree_));
		List *context = deparse_context_for(get_rel_name(table_), table_);
		const char *text = deparse_expression(bare, context, false, false);
		if (!is_call(bare))
			text = psprintf("(%s)", text);
		return OidIsValid(collation_)
				   ? psprintf("%s COLLATE %s", text, generate_collation_name(collation_))
				   : text;
	});
}

} // namespace reconcile::invariant
