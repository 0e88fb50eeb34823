/*-------------------------------------------------------------------------
 *
 * progress.cpp
 *	  Telling a waiting user how far a repair is.
 *
 *-------------------------------------------------------------------------
 */
#include "invariant/progress.hpp"

extern "C" {
#include "utils/timestamp.h"
}

namespace reconcile::invariant {

constexpr int kMillisecondsBetweenNotices = 1000;

void tell_progress(const char *invariant, int64 done, int64 planned, TimestampTz *told_at)
{
	TimestampTz const now = GetCurrentTimestamp();
	if (!TimestampDifferenceExceeds(*told_at, now, kMillisecondsBetweenNotices))
		return;
	*told_at = now;
	ereport(NOTICE, (errmsg("repair %s: %lld of %lld", invariant, static_cast<long long>(done),
							static_cast<long long>(planned))));
}

} // namespace reconcile::invariant
