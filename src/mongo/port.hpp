/*-------------------------------------------------------------------------
 *
 * port.hpp
 *	  What src/mongo needs from the process it runs in.
 *
 * The driver waits for the network through this port, so that its host can be
 * interrupted while it waits: a backend by a cancel, a shutdown or a timeout,
 * a test by whatever it likes.
 *
 * Terms.  An "interrupt" is the host's wish to leave the current call.  The
 * host keeps the reason; src/mongo only learns that there is one, fails every
 * further network operation of that client at once, and throws Interrupted as
 * soon as the driver's C frames are left.
 *
 * Depends on: nothing.  Implemented by: src/fdw, test/unit.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include <cstdint>

namespace reconcile::mongo {

enum class Waited { kReady, kTimeout, kInterrupted };

/* Port is implemented once per host.  Its functions are called from inside
 * the driver's C frames: nothing may be thrown or jumped out of them.  A port
 * outlives every client that was given it. */
class Port {
public:
	/* wait returns when the descriptor can be read or written as asked, when
	 * the time is over, or when there is an interrupt.  With descriptor -1 it
	 * is a pause that an interrupt ends.  The timeout is never negative. */
	virtual Waited wait(int descriptor, bool read, bool write, int64_t timeout_ms) noexcept = 0;

	/* interrupted tells, without waiting, whether there is an interrupt. */
	virtual bool interrupted() noexcept = 0;

	/* acquire_descriptor asks for one more file descriptor, which must be
	 * given back; false refuses it. */
	virtual bool acquire_descriptor() noexcept = 0;
	virtual void release_descriptor() noexcept = 0;

protected:
	~Port() = default;
};

/* LogSink takes what the driver has to say to a developer; a line at a time,
 * without secrets.  It must return. */
using LogSink = void (*)(const char *message);

/* set_log_sink directs the driver's log; without a sink it is dropped. */
void set_log_sink(LogSink sink) noexcept;

} // namespace reconcile::mongo
