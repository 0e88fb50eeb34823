/*-------------------------------------------------------------------------
 *
 * sqlstates.hpp
 *	  The conditions of class RC, which a caller would branch on.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "pg/compat.hpp"

namespace reconcile::invariant {

constexpr int kStalePlan = MAKE_SQLSTATE('R', 'C', '0', '0', '2');
constexpr int kPlanApplied = MAKE_SQLSTATE('R', 'C', '0', '0', '3');
constexpr int kUndoRefused = MAKE_SQLSTATE('R', 'C', '0', '0', '4');
constexpr int kPackNotInstalled = MAKE_SQLSTATE('R', 'C', '0', '0', '5');
constexpr int kCannotBeGuarded = MAKE_SQLSTATE('R', 'C', '0', '0', '6');
constexpr int kNoUsableIndex = MAKE_SQLSTATE('R', 'C', '0', '0', '7');

} // namespace reconcile::invariant
