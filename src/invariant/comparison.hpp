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

	/* audit shows in one row up to $1 samples, and counts what is missing,
	 * differing, duplicated and what must not be; expected rows are counted for
	 * tally $2. */
	virtual std::string audit() const = 0;

	/* findings lists every deviation: kind, key, expected, actual, reason. */
	virtual std::string findings() const = 0;

protected:
	/* first_samples shows the first rows of an alias, up to $1, as a column of audit(). */
	static std::string first_samples(const std::string &alias)
	{
		return "pg_catalog.to_jsonb((reconcile.samples(pg_catalog.to_jsonb(" + alias +
			   ".*)) FILTER (WHERE reconcile.is_among_first($1)))[1:$1])";
	}
};

/* comparison_of makes the comparison of an invariant, under the current user
 * and search_path. */
std::unique_ptr<Comparison> comparison_of(const Definition &definition);

} // namespace reconcile::invariant
