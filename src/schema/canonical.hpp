/*-------------------------------------------------------------------------
 *
 * canonical.hpp
 *	  The one text of an expression or a query, however it was spelled.
 *
 * PostgreSQL keeps trees and prints them; what it prints it may read back as
 * another tree, which prints differently: IN over varchar does, once, so that
 * a dump and restore changes the text.  The text from which on that no longer
 * happens is the canonical one.  Names in it are those of an empty
 * search_path.
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

/* may_change tells whether a printed text can read back as another tree: only
 * an array constructor that is cast as a whole does, since the parser moves
 * the cast to its elements. */
bool may_change(const char *text);

/* canonical_expression settles an expression over the columns of a relation,
 * over VALUE of a domain, or over neither. */
char *canonical_expression(char *text, Oid relation, Oid domain);

/* expression_text prints an expression as PostgreSQL's own functions do. */
char *expression_text(Node *tree, Oid relation);

/* canonical_query settles a SELECT.  It is always printed again, since versions
 * differ in how they print a view: with or without the names of its tables. */
char *canonical_query(char *text);

/* constant_default returns the canonical text of a default that is a number
 * or the current time, and nullptr for any other. */
char *constant_default(Node *expression, Oid type, int32 typmod);

} // namespace reconcile::schema
