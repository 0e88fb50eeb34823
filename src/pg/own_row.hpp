/*-------------------------------------------------------------------------
 *
 * own_row.hpp
 *	  Rows of the extension's own tables, written without SQL.
 *
 * For a row that is written at every transaction of an application, where planning
 * a statement, changing the user and looking up privileges would cost more than
 * the row.  Triggers fire as for any row.
 *
 * Depends on: boundary.hpp.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "pg/boundary.hpp"

namespace reconcile::pg {

/* own_table finds a table of schema reconcile; InvalidOid when there is none. */
Oid own_table(const char *name);

/* insert_own_row inserts a row of one column into a table. */
void insert_own_row(Oid table, Datum value);

/* delete_own_row deletes a row that this transaction can see. */
void delete_own_row(Oid table, ItemPointer place);

} // namespace reconcile::pg
