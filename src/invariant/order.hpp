/*-------------------------------------------------------------------------
 *
 * order.hpp
 *	  The order in which invariants are evaluated.
 *
 * An invariant whose query reads the target of another one comes after it, and
 * a fill after those that insert the rows it fills.  After a fill comes only
 * what reads the columns that it writes.
 *
 * Depends on: definition.hpp, query.hpp.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "invariant/definition.hpp"

#include <vector>

namespace reconcile::invariant {

/* What a cycle of invariants means: an error that names its members, or no
 * more than that none of them comes before all others. */
enum class Cycle { is_error, is_ignored };

/* in_order sorts definitions so that each follows those it reads from; by name
 * where nothing else decides. */
std::vector<Definition> in_order(const std::vector<Definition> &definitions,
								 Cycle cycle = Cycle::is_error);

} // namespace reconcile::invariant
