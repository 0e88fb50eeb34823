/*-------------------------------------------------------------------------
 *
 * convert.hpp
 *	  One value of MongoDB as a value of PostgreSQL.
 *
 * All of it is C in the sense of pg/boundary.hpp: call it inside pg::call().
 * What it allocates is in the current memory context.
 *
 * Depends on: table.hpp.  Used by: decode.cpp.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "fdw/table.hpp"

namespace reconcile::fdw {

/* Fit says whether a value fits its column, and if not, why. */
enum class Fit : uint8_t {
	kFits,
	kWrongType,
	kOutOfRange,
	kInexact,
	kTooLong,
	kZeroByte,
	kNotUtf8,
	kArrayOnTheWay,
	kWrongElement,
	kRagged,
	kCorrupt
};

/* value_from converts a value that is neither null nor missing. */
Fit value_from(const Column &column, const bson_iter_t *value, Datum *datum);

/* jsonb_from makes a jsonb of a value, jsonb_from_document of a document.
 * Numbers become numbers; what JSON does not have, relaxed extended JSON. */
Fit jsonb_from(const bson_iter_t *value, Datum *datum);
Fit jsonb_from_document(const bson_t *document, Datum *datum);

/* array_from makes an array of PostgreSQL.  Arrays within the array are its
 * further dimensions, except where the elements are jsonb. */
Fit array_from(const Column &column, const bson_iter_t *value, Datum *datum);

/* text_in_server returns UTF-8 text in the database's encoding, which may be
 * the same memory, or why it cannot. */
Fit text_in_server(const char *text, uint32_t length, const char **converted, int *new_length);

/* numeric_from makes the exact numeric of a number. */
Fit numeric_from(const bson_iter_t *value, Datum *datum);

/* Milliseconds since 1970, as BSON counts, to PostgreSQL's time; false when
 * out of its range. */
bool timestamp_from(int64_t milliseconds, int64 *timestamp);

} // namespace reconcile::fdw
