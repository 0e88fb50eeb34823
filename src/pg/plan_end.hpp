/*-------------------------------------------------------------------------
 *
 * plan_end.hpp
 *	  Being told that a plan node has yielded its last row.
 *
 * PostgreSQL counts the rows of an UPDATE or DELETE one by one, and does not
 * tell a foreign data wrapper which is the last.  One that collects them, to
 * write many at once, learns it here while the count can still be corrected.
 *
 * Depends on: boundary.hpp.  Used by: src/fdw.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "pg/boundary.hpp"

extern "C" {
#include "nodes/execnodes.h"
}

namespace reconcile::pg {

/* at_plan_end calls f(argument) whenever the node has no more rows.  It is
 * forgotten when the query's memory is freed. */
void at_plan_end(PlanState *node, void (*f)(void *), void *argument);

} // namespace reconcile::pg
