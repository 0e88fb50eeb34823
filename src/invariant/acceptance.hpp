/*-------------------------------------------------------------------------
 *
 * acceptance.hpp
 *	  Whether a table is sure to take what is expected of it.
 *
 * An attempt to insert a row is checked before the unique index is asked whether the row
 * is there already: its values must fit the columns, be no NULL where there must be none,
 * and satisfy the table's constraints.  So a row that is there, with other values than are
 * expected, can make an attempt fail that was to leave it alone.  Where a query shows that
 * none of this can happen, nobody has to look before the attempt.
 *
 * Depends on: query.hpp, target.hpp, pg/.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "invariant/query.hpp"
#include "invariant/target.hpp"

#include <string>
#include <vector>

namespace reconcile::invariant {

/* is_sure_to_take tells whether no row that a query yields is refused before the unique index
 * on the key is asked, given the columns that are parts of it as they are.  Of the tables that the
 * query reads, only watched is known not to change in what matters here without notice.  When in
 * doubt the answer is no. */
bool is_sure_to_take(const Target &target, const std::vector<std::string> &key,
					 const ExpectedRows &expected, Oid watched);

} // namespace reconcile::invariant
