/*-------------------------------------------------------------------------
 *
 * chain.hpp
 *	  The invariants that one call repairs, one after the other, or undoes.
 *
 * Depends on: pg/.  Used by: repair.cpp, undo.cpp, guard_trigger.cpp.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include <string>
#include <vector>

namespace reconcile::invariant {

/* Chain holds the guards of its invariants still until each has had its turn.
 * A row of a parent would otherwise set off the guard of the child, and the
 * child's rows would be nobody's: not counted as the dry run had shown them, and
 * in no run that can be undone. */
class Chain {
public:
	explicit Chain(std::vector<std::string> invariants);
	~Chain() { innermost_ = outer_; }
	Chain(const Chain &) = delete;
	Chain &operator=(const Chain &) = delete;

	/* has_had_its_turn gives the guard of an invariant back. */
	void has_had_its_turn(const std::string &invariant);

	/* holds tells whether a chain that is at work will come to an invariant. */
	static bool holds(const std::string &invariant);

private:
	std::vector<std::string> waiting_;
	const Chain *outer_;
	static const Chain *innermost_;
};

} // namespace reconcile::invariant
