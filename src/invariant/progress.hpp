/*-------------------------------------------------------------------------
 *
 * progress.hpp
 *	  Telling a waiting user how far a repair is.
 *
 * Depends on: pg/.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "pg/boundary.hpp"

extern "C" {
#include "datatype/timestamp.h"
}

namespace reconcile::invariant {

/* tell_progress raises a NOTICE when the last one, at told_at, is a second ago.
 * It is plain C: call it inside call(). */
void tell_progress(const char *invariant, int64 done, int64 planned, TimestampTz *told_at);

} // namespace reconcile::invariant
