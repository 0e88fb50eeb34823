/*-------------------------------------------------------------------------
 *
 * relation_changes.hpp
 *	  Being told when a relation is altered or dropped, by any session.
 *
 * Depends on: boundary.hpp.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "pg/boundary.hpp"

namespace reconcile::pg {

/* on_relation_change calls f, for as long as the process lives, with the
 * relation that changed, or with InvalidOid when any may have.  f is called in
 * the midst of anything, and may do no more than take a note. */
void on_relation_change(void (*f)(Oid relation) noexcept);

} // namespace reconcile::pg
