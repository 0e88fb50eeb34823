/*-------------------------------------------------------------------------
 *
 * condition_kinds.hpp
 *	  What planned conditions look like: shared by who plans them and who
 *	  sends them.
 *
 * A condition is a list that begins with its kind:
 *	kAnd, kOr				conditions
 *	kCompare				column, strategy of a B-tree or kNotEqual, place of the value
 *	kIn, kNotIn				column, place of the array
 *	kLike					column, place of the pattern
 *	kIsNull, kIsNotNull		column
 *	kTruth, kNotTruth		column, 1 or 0
 *
 * Depends on: table.hpp.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "fdw/table.hpp"

extern "C" {
#include "access/stratnum.h"
}

namespace reconcile::fdw {

enum class ConditionKind {
	kAnd,
	kOr,
	kCompare,
	kIn,
	kNotIn,
	kLike,
	kIsNull,
	kIsNotNull,
	kTruth,
	kNotTruth
};

/* B-trees have no strategy for "<>". */
constexpr int kNotEqual = BTMaxStrategyNumber + 1;

/* A longer list is not sent. */
constexpr int kLongestList = 10000;

/* known_as tells whether a column can be compared with a value of a type: the
 * one it has itself, or for numbers another width of it. */
bool known_as(const Column &column, Oid type);

} // namespace reconcile::fdw
