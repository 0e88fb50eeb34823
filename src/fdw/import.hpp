/*-------------------------------------------------------------------------
 *
 * import.hpp
 *	  IMPORT FOREIGN SCHEMA: foreign tables from what documents look like.
 *
 * Depends on: options.hpp.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "fdw/options.hpp"

extern "C" {
#include "nodes/parsenodes.h"
}

namespace reconcile::fdw {

/* import_schema is the body of the callback ImportForeignSchema.  It creates
 * the tables itself, since PostgreSQL takes no COMMENT from a wrapper, and
 * leaves nothing to be done. */
List *import_schema(ImportForeignSchemaStmt *statement, Oid server);

} // namespace reconcile::fdw
