/*-------------------------------------------------------------------------
 *
 * write_observer.hpp
 *	  How a repair learns what a foreign table did with each of its rows.
 *
 * A store without transactions accepts some rows of a batch and refuses
 * others.  PostgreSQL's executor has no word for that: a foreign modify either
 * succeeds or raises an error.  A repair, which must count and record exactly
 * what was written, therefore installs an observer for the time of its
 * statement; the foreign data wrapper tells it about every row.  Without an
 * observer (a user's own INSERT) a refused row is an ERROR.
 *
 * The engine and the foreign data wrapper are two libraries that do not link
 * to each other; they meet at a variable that PostgreSQL keeps by name.
 *
 * Depends on: boundary.hpp.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "pg/boundary.hpp"

extern "C" {
#include "executor/tuptable.h"
}

namespace reconcile::pg {

/* WriteObserver is called with the slots of the foreign table's row type.
 * The functions may raise PostgreSQL errors: call them inside call(). */
struct WriteObserver {
	void *state;
	void (*written)(void *state, TupleTableSlot *slot);
	void (*refused)(void *state, TupleTableSlot *slot, int sqlstate, const char *message);
};

/* write_observer is the one observer of the session, or nullptr. */
inline WriteObserver *&write_observer()
{
	static auto **variable = reinterpret_cast<WriteObserver **>(
		call([] { return find_rendezvous_variable("pg_reconcile write observer"); }));
	return *variable;
}

/* Observing installs an observer for a scope, whichever way it is left. */
class Observing {
public:
	explicit Observing(WriteObserver *observer) : slot_(write_observer()), before_(slot_)
	{
		slot_ = observer;
	}
	~Observing() { slot_ = before_; }
	Observing(const Observing &) = delete;
	Observing &operator=(const Observing &) = delete;

private:
	WriteObserver *&slot_;
	WriteObserver *before_;
};

} // namespace reconcile::pg
