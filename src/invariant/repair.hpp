/*-------------------------------------------------------------------------
 *
 * repair.hpp
 *	  A live repair of some rows of an invariant.
 *
 * Depends on: pg/.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "pg/boundary.hpp"

#include <optional>
#include <string>

namespace reconcile::invariant {

/* repair_keys repairs the rows with some keys, a jsonb[], or all that are due. */
void repair_keys(const std::string &invariant, std::optional<Datum> keys);

} // namespace reconcile::invariant
