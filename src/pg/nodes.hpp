/*-------------------------------------------------------------------------
 *
 * nodes.hpp
 *	  Parse trees from C++: what PostgreSQL's own macros cannot say here.
 *
 * Everything in it is C in the sense of boundary.hpp: use it inside call().
 *
 * Depends on: compat.hpp.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "pg/compat.hpp"

extern "C" {
#include "access/table.h"
#include "nodes/nodeFuncs.h"
#include "nodes/nodes.h"
#include "nodes/parsenodes.h"
#include "parser/parse_relation.h"
#include "rewrite/prs2lock.h"
#include "utils/rel.h"
}

namespace reconcile::pg {

#if PG16_GE
using TreeWalker = tree_walker_callback;
#else
using TreeWalker = bool (*)();
#endif

/* tree_walker is a walker as the tree walkers of this version take it. */
inline TreeWalker tree_walker(bool (*walker)(Node *, void *))
{
	return reinterpret_cast<TreeWalker>(reinterpret_cast<void (*)()>(walker));
}

#if PG16_GE
using TreeMutator = tree_mutator_callback;
#else
using TreeMutator = Node *(*)();
#endif

/* tree_mutator is the same for a mutator. */
inline TreeMutator tree_mutator(Node *(*mutator)(Node *, void *))
{
	return reinterpret_cast<TreeMutator>(reinterpret_cast<void (*)()>(mutator));
}

/* copied_node is copyObject(), whose macro needs a C compiler. */
template <class T> T *copied_node(const T *node)
{
	return static_cast<T *>(copyObjectImpl(node));
}

/* selected_columns are the columns of a table that a query reads, offset by
 * FirstLowInvalidHeapAttributeNumber. */
inline Bitmapset *selected_columns([[maybe_unused]] Query *query, RangeTblEntry *entry)
{
#if PG16_GE
	return entry->perminfoindex == 0
			   ? nullptr
			   : getRTEPermissionInfo(query->rteperminfos, entry)->selectedCols;
#else
	return entry->selectedCols;
#endif
}

/* view_query is a copy of what a view selects, materialized or not. */
inline Query *view_query(Oid view)
{
	Relation relation = table_open(view, AccessShareLock);
	Query *query = nullptr;
	for (int n = 0; query == nullptr && n < relation->rd_rules->numLocks; n++)
		if (relation->rd_rules->rules[n]->event == CMD_SELECT)
			query = copied_node(linitial_node(Query, relation->rd_rules->rules[n]->actions));
	if (query == nullptr)
		elog(ERROR, "relation %u is no view", view);
	table_close(relation, NoLock);
	return query;
}

} // namespace reconcile::pg
