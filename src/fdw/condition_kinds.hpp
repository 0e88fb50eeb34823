/*-------------------------------------------------------------------------
 *
 * condition_kinds.hpp
 *	  What planned conditions look like: shared by who plans them and who
 *	  sends them.
 *
 * A condition is a list that begins with its kind:
 *	kAnd, kOr				conditions
 *	kCompare				column, strategy of a B-tree, place of the value
 *	kIn						column, place of the array
 *	kIsNull, kIsNotNull		column
 *	kTruth					column, 1 or 0
 *
 * Depends on: table.hpp.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "fdw/table.hpp"

namespace reconcile::fdw {

enum class ConditionKind { kAnd, kOr, kCompare, kIn, kIsNull, kIsNotNull, kTruth };

/* known_as tells whether a column can be compared with a value of a type: the
 * one it has itself, or for numbers another width of it. */
bool known_as(const Column &column, Oid type);

} // namespace reconcile::fdw
