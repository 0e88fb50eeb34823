/*-------------------------------------------------------------------------
 *
 * context.hpp
 *	  What we are at, for the CONTEXT line of an error raised meanwhile.
 *
 * One call may work on many invariants; its error must say on which.
 *
 * Depends on: boundary.hpp.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "pg/boundary.hpp"

#include <string>

namespace reconcile::pg {

/* InContext adds a line, such as "repair of invariant \"x\"", to the context of
 * every message between its making and its end.  The line is put together when there is a
 * message: what it is made of must last as long. */
class InContext {
public:
	InContext(const char *work, const std::string &name, const char *when = "");
	InContext(const char *work, std::string &&name, const char *when = "") = delete;
	~InContext();
	InContext(const InContext &) = delete;
	InContext &operator=(const InContext &) = delete;

private:
	friend std::string current_context();

	static void add_line(void *self);

	static InContext *innermost_;

	std::string line() const;

	const char *work_, *when_;
	const std::string &name_;
	InContext *outer_;
	ErrorContextCallback callback_;
};

} // namespace reconcile::pg
