/*-------------------------------------------------------------------------
 *
 * position.hpp
 *	  Errors in a text that a user gave point into that text.
 *
 * Without it the position would be one in the statement that called us.  It
 * is C in the sense of boundary.hpp: use it inside call().
 *
 * Depends on: pg/.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "pg/boundary.hpp"

namespace reconcile::invariant {

/* WithPosition moves the positions of errors until end(), or until an error
 * ends it. */
struct WithPosition {
	ErrorContextCallback callback;

	explicit WithPosition(const char *source)
	{
		callback.callback = move;
		callback.arg = const_cast<char *>(source);
		callback.previous = error_context_stack;
		error_context_stack = &callback;
	}

	void end() { error_context_stack = callback.previous; }

	static void move(void *text)
	{
		int const position = geterrposition();
		if (position > 0) {
			errposition(0);
			internalerrposition(position);
			internalerrquery(static_cast<const char *>(text));
		}
	}
};

} // namespace reconcile::invariant
