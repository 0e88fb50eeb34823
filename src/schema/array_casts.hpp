/*-------------------------------------------------------------------------
 *
 * array_casts.hpp
 *	  The casts of arrays in a printed definition, where the parser puts them.
 *
 * PostgreSQL keeps trees and prints them; what it prints it may read back as
 * another tree, which prints differently.  Only an array constructor that is
 * cast as a whole does so: IN over varchar is printed as
 *		(ARRAY['a'::character varying])::text[]
 * and the parser moves the cast to the elements, so that a dump and restore
 * changes the text into
 *		ARRAY[('a'::character varying)::text]
 * which is the one that stays.  Here the first is turned into the second, in
 * whatever it stands: a check, an index, a trigger, the body of a function.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include <string>

namespace reconcile::schema {

/* may_have_array_cast tells quickly that settled_array_casts() has nothing to do. */
bool may_have_array_cast(const char *text);

/* settled_array_casts moves the casts of array constructors to their elements.
 * The text is one that PostgreSQL printed. */
std::string settled_array_casts(const std::string &text);

} // namespace reconcile::schema
