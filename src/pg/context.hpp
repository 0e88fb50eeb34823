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
 * every message between its making and its end. */
class InContext {
public:
	explicit InContext(std::string line);
	~InContext();
	InContext(const InContext &) = delete;
	InContext &operator=(const InContext &) = delete;

private:
	friend std::string current_context();

	static void add_line(void *self);

	static InContext *innermost_;

	std::string line_;
	InContext *outer_;
	ErrorContextCallback callback_;
};

} // namespace reconcile::pg
