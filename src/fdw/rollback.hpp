/*-------------------------------------------------------------------------
 *
 * rollback.hpp
 *	  A word about what a rolled back subtransaction wrote to MongoDB.
 *
 * A savepoint, or a block with EXCEPTION in a function, looks as if it could
 * undo its statements.  What these wrote to MongoDB stays, and a WARNING says
 * so when it matters.
 *
 * Depends on: pg/boundary.hpp.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "pg/boundary.hpp"

namespace reconcile::fdw {

/* note_written counts documents that the present subtransaction wrote. */
void note_written(uint64 documents);

} // namespace reconcile::fdw
