/*-------------------------------------------------------------------------
 *
 * text.hpp
 *	  Text between PostgreSQL and C++, and identifiers in SQL text.
 *
 * The only place that quotes: a name enters SQL text through quoted() or
 * qualified_name(), a value never does (it is a parameter).
 *
 * Depends on: boundary.hpp.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "pg/boundary.hpp"

#include <string>
#include <vector>

namespace reconcile::pg {

/* text_of returns a text Datum as a string. */
std::string text_of(Datum value);

/* text_datum makes a text Datum in the current memory context. */
Datum text_datum(const std::string &value);

/* jsonb_datum makes a jsonb Datum from JSON text. */
Datum jsonb_datum(const std::string &json);

/* quoted returns an identifier as it must be written in SQL. */
std::string quoted(const std::string &identifier);

/* literal returns a string constant as it must be written in SQL; for names
 * inside statements that are shown to the user, never for values we run. */
std::string literal(const std::string &value);

/* qualified_name returns schema.name of a relation, quoted. */
std::string qualified_name(Oid relation);

/* type_name returns a type as SQL writes it, schema-qualified where needed
 * and, when typmod is given, with its length; without one, of any length. */
std::string type_name(Oid type, int32 typmod = -1);

/* type_label returns a type as an error message shows it. */
std::string type_label(Oid type);

/* operator_name returns OPERATOR(schema.name). */
std::string operator_name(Oid op);

/* role_name returns a role's name, or its number when there is none. */
std::string role_name(Oid role);

/* joined concatenates parts with a separator between them. */
std::string joined(const std::vector<std::string> &parts, const std::string &separator);

/* contains tells whether a name is among others. */
bool contains(const std::vector<std::string> &names, const std::string &name);

/* strings_of returns the elements of a text[]; a NULL element is an error. */
std::vector<std::string> strings_of(Datum array);

/* plural returns "1 row" or "2 rows". */
std::string plural(uint64 count, const char *one, const char *many);

} // namespace reconcile::pg
