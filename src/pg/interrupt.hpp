/*-------------------------------------------------------------------------
 *
 * interrupt.hpp
 *	  Serving interrupts from inside frames that must not be left by a jump.
 *
 * A foreign C library that waits on our behalf calls back into us; a cancel
 * arrives there, but may only be raised after the library has returned.  So
 * the error is caught where it happens, kept, and thrown later.
 *
 * Depends on: boundary.hpp.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "pg/boundary.hpp"

namespace reconcile::pg {

/* Interrupts keeps the error of one interrupt. */
class Interrupts {
public:
	/* serve does what CHECK_FOR_INTERRUPTS does and tells whether there is an
	 * error to be raised.  A FATAL interrupt ends the process in here. */
	bool serve() noexcept;

	/* wait sleeps until the socket is ready for the events (WL_SOCKET_...),
	 * the latch is set or the time is over.  It returns the events that came,
	 * 0 when there were none, or -1 when there is an error to be raised. */
	int wait(int socket, int events, long timeout_ms, uint32 wait_event) noexcept;

	/* log writes a line for developers to the server's log (DEBUG1). */
	static void log(const char *line) noexcept;

	/* raise throws the kept error, and is ready for the next. */
	void raise();

private:
	template <class F> bool keep_error_of(F &&f) noexcept;

	bool kept_ = false;
	PgError error_{nullptr, nullptr};
};

/* wait_event returns the number under which waits appear in
 * pg_stat_activity; before PostgreSQL 17 they have no name of their own. */
uint32 wait_event(const char *name);

} // namespace reconcile::pg
