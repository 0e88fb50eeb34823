/*-------------------------------------------------------------------------
 *
 * comparison.hpp
 *	  What an audit runs, whatever the kind of the invariant.
 *
 * Depends on: definition.hpp.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "invariant/definition.hpp"

#include <memory>
#include <string>

namespace reconcile::invariant {

class Comparison {
public:
	virtual ~Comparison() = default;

	/* audit counts in one row: expected, present, missing, differing,
	 * duplicated, and shows up to $1 samples. */
	virtual std::string audit() const = 0;

	/* findings lists every deviation: kind, key, expected, actual, reason. */
	virtual std::string findings() const = 0;
};

/* comparison_of makes the comparison of an invariant, under the current user
 * and search_path. */
std::unique_ptr<Comparison> comparison_of(const Definition &definition);

} // namespace reconcile::invariant
