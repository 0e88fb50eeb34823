/*-------------------------------------------------------------------------
 *
 * work_list.hpp
 *	  What a repair has to write, read once.
 *
 * Depends on: planned.hpp, statements.hpp.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "invariant/planned.hpp"
#include "invariant/statements.hpp"
#include "pg/spi.hpp"

#include <memory>

namespace reconcile::invariant {

/* due_rows reads the rows that are due, in the order of their keys: a unique index is then
 * read from one end to the other, and nobody who writes in that order is waited for in a
 * circle.  A dry run passes what it has planned before. */
std::unique_ptr<pg::WorkList> due_rows(const Definition &definition, Statements &statements,
									   const PlannedRows &planned = PlannedRows());

/* check_surplus counts the rows of a work list that repeat the key of another
 * one.  Two different rows for one key are an error of the invariant. */
int64 check_surplus(const Definition &definition, const Statements &statements, pg::WorkList &list);

/* drop_surplus leaves one row per key in a work list. */
void drop_surplus(const Definition &definition, const Statements &statements,
				  std::unique_ptr<pg::WorkList> &list);

/* drop_present leaves out the rows that are not due any more. */
void drop_present(const Statements &statements, std::unique_ptr<pg::WorkList> &list);

/* drop_held leaves the rows of a work list that can be written: rows of the
 * target that do not count as present may be in the way. */
void drop_held(const Statements &statements, std::unique_ptr<pg::WorkList> &list);

} // namespace reconcile::invariant
