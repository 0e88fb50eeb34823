/*-------------------------------------------------------------------------
 *
 * violations.hpp
 *	  The SQL of an invariant of kind check: rows that must not exist.
 *
 * Depends on: comparison.hpp, query.hpp.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "invariant/comparison.hpp"
#include "invariant/query.hpp"

namespace reconcile::invariant {

class Violations : public Comparison {
public:
	explicit Violations(const Definition &definition);

	const ExpectedRows &rows() const { return rows_; }

	std::string audit() const override;
	std::string findings() const override;

private:
	const Definition &definition_;
	ExpectedRows rows_;
};

} // namespace reconcile::invariant
