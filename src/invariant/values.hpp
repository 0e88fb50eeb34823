/*-------------------------------------------------------------------------
 *
 * values.hpp
 *	  SQL expressions on single values: equal, as stored, made by the table.
 *
 * Depends on: query.hpp, target.hpp, pg/.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "invariant/query.hpp"
#include "invariant/target.hpp"

#include <string>

namespace reconcile::invariant {

/* equality compares a value of a column with an expression of its type, NULL
 * equal to NULL, in a form that PostgreSQL can hash. */
std::string equality(const Column &column, const std::string &value, const std::string &other);

/* distinctness is the opposite, for one pair of values: by the equality of the
 * type, whichever operators the search_path shows.  The other one may have
 * become NULL by as_stored(); given is what it was before. */
std::string distinctness(const Column &column, const std::string &value, const std::string &other,
						 const std::string &given);

/* sameness tells that two values of a type are equal, NULL equal to NULL; those of
 * a type without equality are compared as they print. */
std::string sameness(Oid type, const std::string &value, const std::string &other);

/* nullness tells that a value of a type is NULL; a composite of NULLs is not. */
std::string nullness(Oid type, const std::string &value);

/* as_stored returns a value that the query yields as the column would store it, as far as
 * this cannot fail: a value that is too long, out of range or outside of a
 * domain equals none, and the target refuses it when it is written. */
std::string as_stored(const Column &column, const Output &given, const std::string &value);

/* as_kept returns a value of a column as it is when it is read again. */
std::string as_kept(const Column &column, const std::string &value);

/* made_value stands for a value that the table would make itself. */
std::string made_value(const Column &column);

} // namespace reconcile::invariant
