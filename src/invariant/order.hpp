/*-------------------------------------------------------------------------
 *
 * order.hpp
 *	  The order in which invariants are evaluated.
 *
 * An invariant whose query reads the target of another one comes after it.
 *
 * Depends on: definition.hpp, query.hpp.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "invariant/definition.hpp"

#include <vector>

namespace reconcile::invariant {

/* in_order sorts definitions so that each follows those it reads from; by name
 * where nothing else decides.  A cycle is an error that names its members. */
std::vector<Definition> in_order(std::vector<Definition> definitions);

} // namespace reconcile::invariant
