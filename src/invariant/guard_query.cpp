/*-------------------------------------------------------------------------
 *
 * guard_query.cpp
 *	  Whether new rows of a table alone tell what an invariant expects of them.
 *
 * All of it is C in the sense of boundary.hpp: one walk through the query,
 * which knows at each table the first clause on the way that forbids it.
 *
 *-------------------------------------------------------------------------
 */
#include "invariant/guard_query.hpp"

#include "invariant/guard_side.hpp"
#include "invariant/key.hpp"
#include "invariant/sqlstates.hpp"
#include "pg/nodes.hpp"

extern "C" {
#include "access/sysattr.h"
#include "access/table.h"
#include "access/transam.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_inherits.h"
#include "nodes/bitmapset.h"
#include "nodes/makefuncs.h"
#include "nodes/value.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
}

namespace reconcile::invariant {

namespace {

/* Reading is one table that the walk has met. */
struct Reading {
	Oid table;
	Bitmapset *columns;
	bool in_key, one_key; /* as in Watched */
};

/* Search is what the walk is about, and what it has found. */
struct Search {
	const char *invariant;
	Oid target;
	List *parts; /* of the key: names of columns, and expressions over the target's */
	Counted counted;
	List *readings;
	List *aside; /* tables, as OIDs, that have no say in what is expected */
	Query *outermost;
	bool looks_up; /* the walk is within a value that adds no expected row */
};

/* Level is a query on the way from the outermost to the one at hand. */
struct Level {
	Query *query;
	const Level *outer;
};

/* Place is where in the query the walk is: under a clause that forbids to guard
 * the tables below it, or under none. */
struct Place {
	const char *clause;
	const char *instead;
};

void visit_query(Search *search, Query *query, const Level *outer, Place place, bool top);

Place under(Place place, const char *clause, const char *instead)
{
	return place.clause != nullptr ? place : Place{clause, instead};
}

char *table_name(Oid table)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(table)),
									  get_rel_name(table));
}

[[noreturn]] void refuse(const Search *search, const char *detail, const char *hint)
{
	ereport(ERROR, (errcode(kCannotBeGuarded),
					errmsg("the query of invariant \"%s\" cannot be guarded", search->invariant),
					errdetail("%s", detail), errhint("%s", hint)));
	pg_unreachable();
}

/* check_kind refuses relations on which no statement trigger sees new rows. */
void check_kind(const Search *search, Oid table)
{
	const char *const instead = "reconcile.schedule() repairs it at regular times.";
	char const kind = get_rel_relkind(table);
	if (table < FirstNormalObjectId)
		refuse(search, psprintf("It reads %s, a system catalog.", table_name(table)), instead);
	if (kind == RELKIND_FOREIGN_TABLE)
		refuse(search,
			   psprintf("It reads %s, a foreign table, whose changes no trigger of this database"
						" sees.",
						table_name(table)),
			   instead);
	if (kind != RELKIND_RELATION && kind != RELKIND_PARTITIONED_TABLE)
		refuse(search, psprintf("It reads %s, which is not a table.", table_name(table)), instead);
}

bool is_watched(const Search *search, Oid table)
{
	ListCell *cell;
	foreach (cell, search->readings)
		if (static_cast<Reading *>(lfirst(cell))->table == table)
			return true;
	return false;
}

/* check_once refuses a table that the walk has met before.  A value may be looked up in any
 * but a watched one, of which it would see the new rows alone. */
void check_once(const Search *search, Oid table)
{
	if (is_watched(search, table) || (!search->looks_up && list_member_oid(search->aside, table)))
		refuse(search, psprintf("It reads %s more than once.", table_name(table)),
			   "Join the table once, or declare an invariant for each part.");
}

void visit_table(Search *search, Query *query, RangeTblEntry *entry, Place place)
{
	Oid const table = entry->relid;
	if (search->looks_up)
		return check_once(search, table);
	if (place.clause != nullptr)
		refuse(search,
			   psprintf("It reads %s %s, where new rows alone do not tell what is expected.",
						table_name(table), place.clause),
			   table == search->target
				   ? "Leave it out: a row that is there is never inserted again."
				   : place.instead);
	check_kind(search, table);
	check_once(search, table);
	auto *reading = static_cast<Reading *>(palloc(sizeof(Reading)));
	*reading = {table, bms_copy(pg::selected_columns(query, entry)), false, false};
	search->readings = lappend(search->readings, reading);
}

/* visit_with visits a WITH query where it is read. */
void visit_with(Search *search, RangeTblEntry *entry, const Level *level, Place place)
{
	for (Index up = 0; up < entry->ctelevelsup; up++)
		level = level->outer;
	ListCell *cell;
	foreach (cell, level->query->cteList) {
		auto *with = static_cast<CommonTableExpr *>(lfirst(cell));
		if (strcmp(with->ctename, entry->ctename) == 0 && !entry->self_reference)
			visit_query(search, castNode(Query, with->ctequery), level,
						with->cterecursive
							? under(place, "in WITH RECURSIVE",
									"Store what the recursion yields in a table of its own.")
							: place,
						false);
	}
}

/* SubqueryVisit is the context of visit_subqueries(). */
struct SubqueryVisit {
	Search *search;
	const Level *level;
	Place place;
};

/* visit_subqueries visits the subqueries of an expression whose values count. */
bool visit_subqueries(Node *node, void *context)
{
	auto *visit = static_cast<SubqueryVisit *>(context);
	if (node == nullptr)
		return false;
	if (IsA(node, SubLink))
		visit_query(visit->search, castNode(Query, reinterpret_cast<SubLink *>(node)->subselect),
					visit->level, visit->place, false);
	return expression_tree_walker(node, pg::tree_walker(visit_subqueries), context);
}

void visit_values(Search *search, Node *node, const Level *level, Place place, const char *clause)
{
	SubqueryVisit visit{
		search, level,
		under(place, clause, "Join the table instead, or write the condition as EXISTS or IN.")};
	visit_subqueries(node, &visit);
}

/* visit_condition visits a condition, which more rows may make true as long as
 * nothing denies them: EXISTS and IN under AND and OR. */
void visit_condition(Search *search, Node *node, const Level *level, Place place)
{
	if (node == nullptr)
		return;
	if (IsA(node, BoolExpr)) {
		auto *expression = reinterpret_cast<BoolExpr *>(node);
		if (expression->boolop == NOT_EXPR)
			place = under(place, "under NOT, as in NOT EXISTS or NOT IN",
						  "Say what must be there, for example by a column of the row itself, and"
						  " leave what must not be to a repair.");
		ListCell *cell;
		foreach (cell, expression->args)
			visit_condition(search, static_cast<Node *>(lfirst(cell)), level, place);
		return;
	}
	if (IsA(node, SubLink)) {
		auto *link = reinterpret_cast<SubLink *>(node);
		if (link->subLinkType == EXISTS_SUBLINK || link->subLinkType == ANY_SUBLINK) {
			visit_values(search, link->testexpr, level, place, "in a value of a condition");
			visit_query(search, castNode(Query, link->subselect), level, place, false);
			return;
		}
	}
	visit_values(search, node, level, place, "in a subquery whose value a condition uses");
}

void visit_entry(Search *search, int number, const Level *level, Place place)
{
	auto *entry = rt_fetch(number, level->query->rtable);
	if (entry->tablesample != nullptr)
		place = under(place, "through TABLESAMPLE", "An invariant expects the same rows always.");
	switch (entry->rtekind) {
	case RTE_RELATION:
		if (entry->relkind == RELKIND_VIEW)
			visit_query(search, pg::view_query(entry->relid), nullptr, place, false);
		else
			visit_table(
				search, level->query, entry,
				entry->inh ? place
						   : under(place, "with ONLY", "Leave out ONLY, or leave it to a repair."));
		break;
	case RTE_SUBQUERY:
		visit_query(search, entry->subquery, level, place, false);
		break;
	case RTE_CTE:
		visit_with(search, entry, level, place);
		break;
	default:
		visit_values(search, reinterpret_cast<Node *>(entry->functions), level, place,
					 "in an argument of a function in FROM");
		visit_values(search, reinterpret_cast<Node *>(entry->values_lists), level, place,
					 "in a subquery in VALUES");
	}
}

/* set_aside passes over a table that need not be watched. */
void set_aside(Search *search, Query *query, Node *table)
{
	Oid const id = rt_fetch(reinterpret_cast<RangeTblRef *>(table)->rtindex, query->rtable)->relid;
	check_once(search, id);
	search->aside = lappend_oid(search->aside, id);
}

void visit_from(Search *search, Node *node, const Level *level, Place place)
{
	if (IsA(node, RangeTblRef)) {
		visit_entry(search, reinterpret_cast<RangeTblRef *>(node)->rtindex, level, place);
	} else if (IsA(node, FromExpr)) {
		auto *from = reinterpret_cast<FromExpr *>(node);
		ListCell *cell;
		foreach (cell, from->fromlist)
			visit_from(search, static_cast<Node *>(lfirst(cell)), level, place);
		visit_condition(search, from->quals, level, place);
	} else {
		auto *join = castNode(JoinExpr, node);
		bool const outer = join->jointype != JOIN_INNER;
		Place const nullable =
			under(place, "on the nullable side of an outer join",
				  "Use an inner join, or read the value by a subquery in the select list.");
		visit_from(search, join->larg, level,
				   outer && join->jointype != JOIN_LEFT ? nullable : place);
		if (place.clause == nullptr && level->query == search->outermost &&
			has_no_say(search->counted, level->query, join))
			set_aside(search, level->query, join->rarg);
		else
			visit_from(search, join->rarg, level,
					   outer && join->jointype != JOIN_RIGHT ? nullable : place);
		visit_condition(search, join->quals, level, outer ? nullable : place);
	}
}

/* is_looked_up tells whether a value of the outermost query, for a column outside of the key,
 * adds no expected row, whatever it is. */
bool is_looked_up(const Search *search, const TargetEntry *column)
{
	return !search->counted.values && !is_key(search->counted, column) &&
		   !expression_returns_set(reinterpret_cast<Node *>(column->expr));
}

/* visit_outputs visits the select list. */
void visit_outputs(Search *search, const Level *level, Place place, bool top)
{
	bool const looks_up = search->looks_up;
	ListCell *cell;
	foreach (cell, level->query->targetList) {
		auto *column = static_cast<TargetEntry *>(lfirst(cell));
		search->looks_up = looks_up || (top && is_looked_up(search, column));
		visit_values(search, reinterpret_cast<Node *>(column->expr), level, place,
					 "in a subquery in the select list");
	}
	search->looks_up = looks_up;
}

/* Outputs is a query whose columns stand for those of the target. */
struct Outputs {
	Oid target;
	Query *query;
};

/* unlabelled leaves out what makes a value one of another type without changing it. */
Node *unlabelled(Node *node, void *context)
{
	if (node != nullptr && IsA(node, RelabelType))
		return unlabelled(reinterpret_cast<Node *>(reinterpret_cast<RelabelType *>(node)->arg),
						  context);
	return expression_tree_mutator(node, pg::tree_mutator(unlabelled), context);
}

/* over_outputs replaces the columns of the target in an expression by what a query
 * yields for them. */
Node *over_outputs(Node *node, void *context)
{
	if (node == nullptr || !IsA(node, Var))
		return expression_tree_mutator(node, pg::tree_mutator(over_outputs), context);
	const auto &outputs = *static_cast<Outputs *>(context);
	const char *const name =
		get_attname(outputs.target, reinterpret_cast<Var *>(node)->varattno, false);
	ListCell *cell;
	foreach (cell, outputs.query->targetList) {
		auto *column = static_cast<TargetEntry *>(lfirst(cell));
		if (!column->resjunk && strcmp(column->resname, name) == 0)
			return pg::copied_node(reinterpret_cast<Node *>(column->expr));
	}
	return node;
}

/* is_kept tells whether the rows of a query are distinct by a column, given by its name, or
 * by an expression over the target's columns. */
bool is_kept(Node *part, Outputs *outputs, TargetEntry *by)
{
	if (IsA(part, String))
		return by->resname != nullptr && strcmp(by->resname, strVal(part)) == 0;
	Node *kept = reinterpret_cast<Node *>(by->expr);
	return exprType(kept) == exprType(part) &&
		   equal(unlabelled(kept, nullptr), unlabelled(over_outputs(part, outputs), nullptr));
}

/* distinct_by_key tells whether DISTINCT ON keeps a row of every key. */
bool distinct_by_key(const Search *search, Query *query)
{
	Outputs outputs{search->target, query};
	ListCell *cell;
	foreach (cell, search->parts) {
		bool kept = false;
		ListCell *by;
		foreach (by, query->distinctClause) {
			auto *clause = static_cast<SortGroupClause *>(lfirst(by));
			kept = kept || is_kept(static_cast<Node *>(lfirst(cell)), &outputs,
								   get_sortgroupclause_tle(clause, query->targetList));
		}
		if (!kept)
			return false;
	}
	return true;
}

/* place_within adds the first clause of a query that forbids to guard it. */
Place place_within(const Search *search, Query *query, Place place, bool top)
{
	if (query->setOperations != nullptr)
		return under(place, "in a set operation",
					 "Declare an invariant for each part of the UNION.");
	if (query->hasAggs || query->havingQual != nullptr)
		return under(place, "under an aggregate", "Leave it to a repair, or count in a column.");
	if (query->groupClause != NIL || query->groupingSets != NIL)
		return under(place, "under GROUP BY", "Use SELECT DISTINCT.");
	if (query->hasWindowFuncs)
		return under(place, "under a window function", "Use DISTINCT ON with the key.");
	if (query->limitCount != nullptr || query->limitOffset != nullptr)
		return under(place, "under LIMIT or OFFSET", "Use DISTINCT ON with the key.");
	if (query->hasDistinctOn && !(top && distinct_by_key(search, query)))
		return under(place, "under DISTINCT ON other columns than the key",
					 "Use DISTINCT ON with the columns of the key.");
	return place;
}

void visit_query(Search *search, Query *query, const Level *outer, Place place, bool top)
{
	Level const level{query, outer};
	Place const within = place_within(search, query, place, top);
	if (query->setOperations != nullptr) { /* its branches are in no FROM */
		for (int number = 1; number <= list_length(query->rtable); number++)
			visit_entry(search, number, &level, within);
		return;
	}
	visit_from(search, reinterpret_cast<Node *>(query->jointree), &level, within);
	visit_outputs(search, &level, within, top);
}

/* has_virtual_column tells whether a reading has a column that is computed when a stored row is
 * read.  The whole row has all of them. */
bool has_virtual_column(const Reading *reading)
{
	bool found = false;
	bool const whole =
		bms_is_member(InvalidAttrNumber - FirstLowInvalidHeapAttributeNumber, reading->columns);
	Relation relation = table_open(reading->table, AccessShareLock);
	for (int i = 0; i < RelationGetNumberOfAttributes(relation); i++) {
		auto *column = TupleDescAttr(RelationGetDescr(relation), i);
		found =
			found || (column->attgenerated == 'v' &&
					  (whole || bms_is_member(column->attnum - FirstLowInvalidHeapAttributeNumber,
											  reading->columns)));
	}
	table_close(relation, NoLock);
	return found;
}

/* check_columns refuses what new rows do not have: they have not been stored. */
void check_columns(const Search *search, const Reading *reading)
{
	if (has_virtual_column(reading))
		refuse(search,
			   psprintf("It reads a virtual generated column of %s, which new rows do not have.",
						table_name(reading->table)),
			   "Make the column a stored one, or compute its value in the query.");
	for (int column = FirstLowInvalidHeapAttributeNumber + 1; column < 0; column++)
		if (bms_is_member(column - FirstLowInvalidHeapAttributeNumber, reading->columns))
			refuse(search, psprintf("It reads a system column of %s.", table_name(reading->table)),
				   "Use a column of the table.");
}

/* is_part tells whether a column of the query is a part of the key by itself. */
bool is_part(const Search *search, const TargetEntry *column)
{
	return column->resname != nullptr &&
		   list_member(search->parts, makeString(pstrdup(column->resname)));
}

/* key_columns_of are the columns of an entry of the outermost FROM that the key
 * has as they are. */
Bitmapset *key_columns_of(const Search *search, Query *query, int number)
{
	Bitmapset *columns = nullptr;
	ListCell *cell;
	foreach (cell, query->targetList) {
		auto *column = static_cast<TargetEntry *>(lfirst(cell));
		if (!is_part(search, column) || !IsA(column->expr, Var))
			continue;
		auto *value = reinterpret_cast<Var *>(column->expr);
		if (static_cast<int>(value->varno) == number &&
			value->vartype ==
				get_atttype(search->target, get_attnum(search->target, column->resname)))
			columns = bms_add_member(columns, value->varattno - FirstLowInvalidHeapAttributeNumber);
	}
	return columns;
}

/* identifying_columns are those of the primary key of a table, if no two rows can have the
 * same at any time.  Tables that inherit may have such rows. */
Bitmapset *identifying_columns(Oid table)
{
	Oid constraint;
	if (get_rel_relkind(table) == RELKIND_RELATION && has_subclass(table))
		return nullptr;
	return get_primary_key_attnos(table, false, &constraint);
}

/* in_key tells whether the key of an expected row has the primary key of a row of
 * a table in it, so that no two rows expect the same. */
bool in_key(const Search *search, Query *query, Oid table)
{
	Bitmapset *const primary = identifying_columns(table);
	if (primary == nullptr)
		return false;
	for (int number = 1; number <= list_length(query->rtable); number++) {
		auto *entry = rt_fetch(number, query->rtable);
		if (entry->rtekind == RTE_RELATION && entry->relid == table)
			return bms_is_subset(primary, key_columns_of(search, query, number));
	}
	return false;
}

/* one_key tells whether a row of a table makes one key expected at most: the query reads
 * nothing else but tables that have no say. */
bool one_key(const Search *search, Query *query, Oid table)
{
	if (identifying_columns(table) == nullptr || query->setOperations != nullptr ||
		query->hasTargetSRFs || query->windowClause != NIL ||
		list_length(query->jointree->fromlist) != 1)
		return false;
	auto *from = static_cast<Node *>(linitial(query->jointree->fromlist));
	while (IsA(from, JoinExpr)) {
		auto *join = reinterpret_cast<JoinExpr *>(from);
		if (!IsA(join->rarg, RangeTblRef) || reads_in_outputs(query, join))
			return false;
		auto *side = rt_fetch(reinterpret_cast<RangeTblRef *>(join->rarg)->rtindex, query->rtable);
		if (side->rtekind != RTE_RELATION || !list_member_oid(search->aside, side->relid))
			return false;
		from = join->larg;
	}
	auto *entry = rt_fetch(reinterpret_cast<RangeTblRef *>(from)->rtindex, query->rtable);
	return entry->rtekind == RTE_RELATION && entry->relid == table;
}

/* names_read lists the columns of a reading; the whole row means all of them. */
List *names_read(const Reading *reading)
{
	int const offset = FirstLowInvalidHeapAttributeNumber;
	bool const whole = bms_is_member(InvalidAttrNumber - offset, reading->columns);
	List *names = NIL;
	Relation relation = table_open(reading->table, AccessShareLock);
	for (int i = 0; i < RelationGetNumberOfAttributes(relation); i++) {
		auto *column = TupleDescAttr(RelationGetDescr(relation), i);
		if (!column->attisdropped &&
			(whole || bms_is_member(column->attnum - offset, reading->columns)))
			names = lappend(names, pstrdup(NameStr(column->attname)));
	}
	table_close(relation, NoLock);
	return names;
}

std::vector<std::string> columns_of(const Reading &reading)
{
	std::vector<std::string> columns;
	ListCell *cell;
	List *const names = pg::call([&] { return names_read(&reading); });
	foreach (cell, names)
		columns.emplace_back(static_cast<char *>(lfirst(cell)));
	return columns;
}

/* add_key adds the parts of the key.  Only one with expressions looks at the target, which
 * may be gone. */
void add_key(Search &search, const Definition &definition, const ExpectedRows &expected)
{
	std::vector<std::string> const columns = key_columns(definition, expected);
	for (const std::string &name : columns)
		pg::call([&] {
			search.counted.key = lappend(search.counted.key, makeString(pstrdup(name.c_str())));
		});
	if (columns == definition.key) {
		search.parts = search.counted.key;
		return;
	}
	Target const target(target_of(definition));
	Key const key(target, definition.key);
	for (const KeyPart &part : key.parts())
		pg::call([&] {
			search.parts =
				lappend(search.parts,
						part.expression() != nullptr
							? pg::copied_node(part.expression()->tree())
							: reinterpret_cast<Node *>(makeString(pstrdup(part.name().c_str()))));
		});
}

} // namespace

WatchedTables watched_tables(const Definition &definition, const ExpectedRows &expected)
{
	Counted const counted{NIL, definition.is_fill(), definition.compare.empty()};
	Search search{
		definition.name.c_str(), definition.target, NIL, counted, NIL, NIL, nullptr, false};
	add_key(search, definition, expected);
	pg::call([&] {
		Query *const query = pg::copied_node(expected.tree());
		search.outermost = query;
		visit_query(&search, query, nullptr, {nullptr, nullptr}, true);
		if (search.readings == NIL)
			refuse(&search, "It reads no table.",
				   "There is nothing to watch; one repair is enough.");
		ListCell *cell;
		foreach (cell, search.readings) {
			auto *reading = static_cast<Reading *>(lfirst(cell));
			check_columns(&search, reading);
			reading->in_key = in_key(&search, query, reading->table);
			reading->one_key = one_key(&search, query, reading->table);
		}
	});
	WatchedTables watched;
	ListCell *cell;
	foreach (cell, search.readings) {
		auto *reading = static_cast<Reading *>(lfirst(cell));
		watched.read.push_back(
			{reading->table, columns_of(*reading), reading->in_key, reading->one_key});
	}
	if (definition.is_fill()) {
		watched.filled = Watched{definition.target, {}};
		for (const Output &output : expected.outputs()) /* the key, and what is filled */
			watched.filled->columns.push_back(output.name);
	}
	return watched;
}

} // namespace reconcile::invariant
