/*-------------------------------------------------------------------------
 *
 * numbers.hpp
 *	  Numbers and jsonb values of PostgreSQL, on their way to MongoDB.
 *
 * Depends on: table.hpp, mongo/document.hpp.  Used by: encode.cpp,
 * encode_jsonb.cpp, filter.cpp.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "fdw/table.hpp"

#include "mongo/document.hpp"

#include <string>
#include <string_view>

namespace reconcile::fdw {

/* as_numeric makes a numeric of any number. */
Datum as_numeric(Kind kind, Datum value);

std::string numeric_text(Datum numeric);

/* nearest_double rounds a numeric, to infinity where that is nearest. */
double nearest_double(Datum numeric);

/* append_numeric appends a number as a BSON type, or returns false when that
 * type does not hold exactly this number.  Exact for double means that the
 * shortest text of the double is the same number. */
bool append_numeric(mongo::Document &into, std::string_view name, Datum numeric, bson_type_t type);

/* append_number_of_json appends a number of a jsonb: whole as int or long,
 * else as double, else as decimal.  Raises 22003 when none is exact. */
void append_number_of_json(mongo::Document &into, std::string_view name, Datum numeric);

/* jsonb_number returns the number that a jsonb is, if it is one. */
bool jsonb_number(Datum jsonb, Datum *numeric);

/* jsonb_has_field tells whether a jsonb is an object with a field. */
bool jsonb_has_field(Datum jsonb, std::string_view name);

/* milliseconds_from rounds a time down to what BSON holds, since 1970. */
int64_t milliseconds_from(int64 timestamp);

} // namespace reconcile::fdw
