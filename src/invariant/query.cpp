/*-------------------------------------------------------------------------
 *
 * query.cpp
 *	  The query of an invariant: parsed, analysed, and written back as text.
 *
 *-------------------------------------------------------------------------
 */
#include "invariant/query.hpp"

#include "invariant/position.hpp"
#include "pg/identity.hpp"
#include "pg/nodes.hpp"
#include "pg/text.hpp"

extern "C" {
#include "access/relation.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/analyze.h"
#include "parser/parser.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteManip.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"
}

namespace reconcile::invariant {

namespace {

[[noreturn]] void refuse(const char *what, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("the query of an invariant must not have %s", what), errhint("%s", hint)));
	pg_unreachable();
}

/* parse returns the one SELECT of a text. */
RawStmt *parse(const char *text)
{
	List *statements = raw_parser(text, RAW_PARSE_DEFAULT);
	if (list_length(statements) != 1)
		ereport(ERROR, (errcode(ERRCODE_SYNTAX_ERROR),
						errmsg("the query of an invariant must be exactly one statement, not %d",
							   list_length(statements)),
						errhint("Give a single SELECT that yields the expected rows.")));
	auto *statement = static_cast<RawStmt *>(linitial(statements));
	if (!IsA(statement->stmt, SelectStmt) ||
		reinterpret_cast<SelectStmt *>(statement->stmt)->valuesLists != NIL)
		ereport(ERROR, (errcode(ERRCODE_SYNTAX_ERROR),
						errmsg("the query of an invariant must be a SELECT"),
						errhint("Give a single SELECT that yields the expected rows.")));
	return statement;
}

/* locks_rows tells whether a query locks rows, at any depth. */
bool locks_rows(Node *node, void *context)
{
	if (node == nullptr)
		return false;
	pg::TreeWalker walker = pg::tree_walker(locks_rows);
	if (IsA(node, Query)) {
		auto *query = reinterpret_cast<Query *>(node);
		return query->rowMarks != NIL || query_tree_walker(query, walker, context, 0);
	}
	return expression_tree_walker(node, walker, context);
}

/* check_plain refuses what a SELECT can hide that is more than reading. */
void check_plain(Query *query)
{
	if (query->commandType != CMD_SELECT || query->utilityStmt != nullptr)
		refuse("INTO", "Leave it out: the rows go into the invariant's target.");
	if (query->hasModifyingCTE)
		refuse("a data-modifying WITH", "An invariant only reads; let a repair do the writing.");
	if (locks_rows(reinterpret_cast<Node *>(query), nullptr))
		refuse("a locking clause", "Leave out FOR UPDATE or FOR SHARE.");
}

Query *analyse(const char *text)
{
	WithPosition position(text);
	Query *query = parse_analyze_fixedparams(parse(text), text, nullptr, 0, nullptr);
	check_plain(query);
	position.end();
	return query;
}

/* ------------------------------------------------ walking a query's tables */

struct Tables {
	List *oids;
};

/* collect_tables gathers the tables that a query reads, and the views with the
 * tables behind them. */
bool collect_tables(Node *node, void *context)
{
	auto *tables = static_cast<Tables *>(context);
	if (node == nullptr)
		return false;
	if (IsA(node, RangeTblEntry)) {
		auto *entry = reinterpret_cast<RangeTblEntry *>(node);
		if (entry->rtekind != RTE_RELATION || list_member_oid(tables->oids, entry->relid))
			return false;
		tables->oids = lappend_oid(tables->oids, entry->relid);
		return entry->relkind == RELKIND_VIEW &&
			   collect_tables(reinterpret_cast<Node *>(pg::view_query(entry->relid)), context);
	}
	pg::TreeWalker walker = pg::tree_walker(collect_tables);
	if (IsA(node, Query))
		return query_tree_walker(reinterpret_cast<Query *>(node), walker, tables,
								 QTW_EXAMINE_RTES_BEFORE);
	return expression_tree_walker(node, walker, tables);
}

struct Replacement {
	Oid table;
	char *with_query;
};

/* reads_through tells whether a view reads a table. */
bool reads_through(Oid view, Oid table)
{
	Tables tables{NIL};
	collect_tables(reinterpret_cast<Node *>(pg::view_query(view)), &tables);
	return list_member_oid(tables.oids, table);
}

/* inline_view turns the entry of a view into its query, as the rewriter does. */
void inline_view(RangeTblEntry *entry)
{
	entry->rtekind = RTE_SUBQUERY;
	entry->subquery = pg::view_query(entry->relid);
	entry->relid = InvalidOid;
	entry->relkind = 0;
	entry->rellockmode = 0;
	entry->inh = false;
#if PG16_GE
	entry->perminfoindex = 0;
#endif
	if (entry->alias == nullptr) /* a subquery needs one */
		entry->alias = makeAlias(entry->eref->aliasname, NIL);
}

/* put_replacement turns every entry of a table into a reference to a WITH
 * query, also behind views.  For writing the query as text that is enough:
 * there a WITH query is a name. */
bool put_replacement(Node *node, void *context)
{
	auto *replacement = static_cast<Replacement *>(context);
	if (node == nullptr)
		return false;
	if (IsA(node, RangeTblEntry)) {
		auto *entry = reinterpret_cast<RangeTblEntry *>(node);
		if (entry->rtekind == RTE_RELATION && entry->relid == replacement->table) {
			entry->rtekind = RTE_CTE;
			entry->ctename = replacement->with_query;
			entry->relid = InvalidOid;
			entry->relkind = 0;
			entry->rellockmode = 0;
			entry->inh = false;
#if PG16_GE
			entry->perminfoindex = 0;
#endif
		} else if (entry->rtekind == RTE_RELATION && entry->relkind == RELKIND_VIEW &&
				   entry->inFromCl && reads_through(entry->relid, replacement->table)) {
			inline_view(entry); /* the walker goes on into it */
		}
		return false;
	}
	pg::TreeWalker walker = pg::tree_walker(put_replacement);
	if (IsA(node, Query))
		return query_tree_walker(reinterpret_cast<Query *>(node), walker, replacement,
								 QTW_EXAMINE_RTES_BEFORE);
	return expression_tree_walker(node, walker, replacement);
}

/* keep_outputs leaves out the order of a query, and columns that are for that alone. */
void keep_outputs(Query *query)
{
	List *columns = NIL;
	ListCell *cell;
	foreach (cell, query->targetList) {
		auto *column = static_cast<TargetEntry *>(lfirst(cell));
		column->ressortgroupref = 0;
		if (!column->resjunk)
			columns = lappend(columns, column);
	}
	query->targetList = columns;
	query->sortClause = query->distinctClause = NIL;
	query->hasDistinctOn = false;
}

/* keep_first_table leaves out what is joined to it. */
void keep_first_table(Query *query)
{
	auto *from = static_cast<Node *>(linitial(query->jointree->fromlist));
	while (IsA(from, JoinExpr))
		from = reinterpret_cast<JoinExpr *>(from)->larg;
	int const number = reinterpret_cast<RangeTblRef *>(from)->rtindex;
	query->jointree->fromlist = list_make1(from);
	query->rtable = list_make1(rt_fetch(number, query->rtable));
	ChangeVarNodes(reinterpret_cast<Node *>(query), number, 1, 0);
}

} // namespace

ExpectedRows::ExpectedRows(const std::string &text)
	: query_(pg::call([&] { return analyse(pstrdup(text.c_str())); }))
{
	ListCell *cell;
	foreach (cell, query_->targetList) {
		auto *entry = static_cast<TargetEntry *>(lfirst(cell));
		if (entry->resjunk)
			continue;
		Node *expression = reinterpret_cast<Node *>(entry->expr);
		outputs_.push_back({entry->resname, pg::call([&] { return exprType(expression); }),
							pg::call([&] { return exprTypmod(expression); })});
	}
}

std::vector<Oid> ExpectedRows::reads() const
{
	Tables tables{NIL};
	pg::call([&] { collect_tables(reinterpret_cast<Node *>(query_), &tables); });
	std::vector<Oid> oids;
	ListCell *cell;
	foreach (cell, tables.oids)
		oids.push_back(lfirst_oid(cell));
	return oids;
}

void ExpectedRows::read_from(Oid table, const std::string &with_query)
{
	pg::call([&] {
		Replacement replacement{table, pstrdup(with_query.c_str())};
		put_replacement(reinterpret_cast<Node *>(query_), &replacement);
	});
}

void ExpectedRows::choose_nothing()
{
	pg::call([&] {
		keep_outputs(query_);
		keep_first_table(query_);
	});
}

std::string ExpectedRows::text() const
{
	pg::PortableText portable; /* constants are printed, to be read again */
	/* deparsing scribbles on its argument */
	return pg::call(
		[&] { return const_cast<const char *>(pg_get_querydef(pg::copied_node(query_), false)); });
}

} // namespace reconcile::invariant
