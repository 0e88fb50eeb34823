/*-------------------------------------------------------------------------
 *
 * chain.cpp
 *	  The invariants that one call repairs, one after the other.
 *
 *-------------------------------------------------------------------------
 */
#include "invariant/chain.hpp"

#include <algorithm>

namespace reconcile::invariant {

const Chain *Chain::innermost_ = nullptr;

Chain::Chain(std::vector<std::string> invariants)
	: waiting_(std::move(invariants)), outer_(innermost_)
{
	innermost_ = this;
}

void Chain::has_had_its_turn(const std::string &invariant)
{
	waiting_.erase(std::remove(waiting_.begin(), waiting_.end(), invariant), waiting_.end());
}

bool Chain::holds(const std::string &invariant)
{
	for (const Chain *chain = innermost_; chain != nullptr; chain = chain->outer_)
		if (std::find(chain->waiting_.begin(), chain->waiting_.end(), invariant) !=
			chain->waiting_.end())
			return true;
	return false;
}

} // namespace reconcile::invariant
