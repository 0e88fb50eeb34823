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

/* lock_for_guard takes the same lock without a word, for a client that knows
 * nothing of repairs. */
void lock_for_guard(const std::string &invariant);

} // namespace reconcile::invariant
