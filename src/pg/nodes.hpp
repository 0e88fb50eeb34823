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
#include "nodes/nodeFuncs.h"
#include "nodes/nodes.h"
#include "nodes/parsenodes.h"
#include "parser/parse_relation.h"
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

} // namespace reconcile::pg
