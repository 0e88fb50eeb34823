/*-------------------------------------------------------------------------
 *
 * interrupt.cpp
 *	  Serving interrupts from inside frames that must not be left by a jump.
 *
 *-------------------------------------------------------------------------
 */
#include "pg/interrupt.hpp"

extern "C" {
#include "storage/latch.h"
#if PG17_GE
#include "utils/wait_event.h"
#else
#include "pgstat.h"
#endif
}

namespace reconcile::pg {

/* keep_error_of runs f and returns whether an error is kept.  A second error
 * while one is kept adds nothing: the first is what will be raised. */
template <class F> bool Interrupts::keep_error_of(F &&f) noexcept
{
	try {
		call(f);
	} catch (const PgError &error) {
		if (kept_) {
			if (error.home != nullptr)
				MemoryContextDelete(error.home);
		} else {
			error_ = error;
			kept_ = true;
		}
	}
	return kept_;
}

bool Interrupts::serve() noexcept
{
	if (!InterruptPending)
		return kept_;
	return keep_error_of([] { CHECK_FOR_INTERRUPTS(); });
}

int Interrupts::wait(int socket, int events, long timeout_ms, uint32 event) noexcept
{
	int happened = 0;
	bool const failed = keep_error_of([&] {
		happened =
			WaitLatchOrSocket(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH | WL_TIMEOUT | events,
							  socket, timeout_ms, event);
		if (happened & WL_LATCH_SET)
			ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	});
	return failed ? -1 : happened;
}

void Interrupts::log(const char *line) noexcept
{
	Interrupts dropped;
	if (dropped.keep_error_of([&] { elog(DEBUG1, "%s", line); }) && dropped.error_.home != nullptr)
		MemoryContextDelete(dropped.error_.home);
}

void Interrupts::raise()
{
	if (!kept_)
		return;
	kept_ = false;
	throw error_;
}

uint32 wait_event(const char *name)
{
#if PG17_GE
	return call([&] { return WaitEventExtensionNew(name); });
#else
	(void)name;
	return PG_WAIT_EXTENSION;
#endif
}

} // namespace reconcile::pg
