/*-------------------------------------------------------------------------
 *
 * canonical.hpp
 *	  The one text of a query or a default, however it was spelled.
 *
 * Names in it are those of an empty search_path.
 *
 * Everything here is C in the sense of boundary.hpp: use it inside call().
 *
 * Depends on: pg/compat.hpp.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "pg/compat.hpp"

namespace reconcile::schema {

/* canonical_query reads a SELECT and prints it again, since versions differ in
 * how they print a view: with or without the names of its tables. */
char *canonical_query(const char *text);

/* is_read_plainly tells that reading the text of a query runs no code of users:
 * each literal in it is of a type whose input is PostgreSQL's or a superuser's
 * own.  The input of arrays, rows and ranges asks the domains in them, and those
 * ask functions. */
bool is_read_plainly(Query *query);

/* may_be_constant_default tells by its stored form whether constant_default() may
 * know a default of a type: to read all of them would take as long as to print
 * them. */
bool may_be_constant_default(text *tree, Oid type);

/* constant_default returns the canonical text of a default that is a number
 * or the current time, and nullptr for any other. */
char *constant_default(Node *expression, Oid type, int32 typmod);

} // namespace reconcile::schema
