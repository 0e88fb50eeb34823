/*-------------------------------------------------------------------------
 *
 * lock.hpp
 *	  One repair of an invariant at a time.
 *
 * Depends on: pg/.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include <string>

namespace reconcile::invariant {

/* lock_for_repair takes the transaction's advisory lock of an invariant.  When
 * somebody else holds it, a NOTICE says who, and the call waits. */
void lock_for_repair(const std::string &invariant);

} // namespace reconcile::invariant
