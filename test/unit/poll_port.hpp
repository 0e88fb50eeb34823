/*-------------------------------------------------------------------------
 *
 * poll_port.hpp
 *	  A port for tests: poll() instead of latches, and an interrupt on demand.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "mongo/port.hpp"

#include <algorithm>
#include <chrono>
#include <poll.h>

class PollPort final : public reconcile::mongo::Port {
public:
	using Clock = std::chrono::steady_clock;

	/* interrupt_in makes an interrupt that stays, as of some time from now. */
	void interrupt_in(int milliseconds)
	{
		interrupt_at_ = Clock::now() + std::chrono::milliseconds(milliseconds);
	}

	bool interrupted() noexcept override { return Clock::now() >= interrupt_at_; }

	reconcile::mongo::Waited wait(int descriptor, bool read, bool write,
								  int64_t timeout_ms) noexcept override
	{
		using reconcile::mongo::Waited;
		waits++;
		pollfd one{descriptor, static_cast<short>((read ? POLLIN : 0) | (write ? POLLOUT : 0)), 0};
		int64_t wait_ms = timeout_ms;
		if (interrupt_at_ != Clock::time_point::max())
			wait_ms = std::min<int64_t>(wait_ms,
										1 + std::chrono::duration_cast<std::chrono::milliseconds>(
												interrupt_at_ - Clock::now())
												.count());
		int const ready = poll(&one, 1, static_cast<int>(std::max<int64_t>(wait_ms, 0)));
		if (interrupted())
			return Waited::kInterrupted;
		return ready > 0 ? Waited::kReady : Waited::kTimeout;
	}

	bool acquire_descriptor() noexcept override
	{
		if (descriptors >= descriptors_allowed)
			return false;
		descriptors++;
		return true;
	}
	void release_descriptor() noexcept override { descriptors--; }

	int waits = 0;
	int descriptors = 0;
	int descriptors_allowed = 100;

private:
	Clock::time_point interrupt_at_ = Clock::time_point::max();
};
