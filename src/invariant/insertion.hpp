/*-------------------------------------------------------------------------
 *
 * insertion.hpp
 *	  The SQL of an invariant of kind insert: rows that must exist.
 *
 * An expected row is due when the target has no present row with its key.
 *
 * Depends on: statements.hpp.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "invariant/statements.hpp"

namespace reconcile::invariant {

class Insertion : public Statements {
public:
	explicit Insertion(const Definition &definition) : Statements(definition) {}

	std::string due() const override;
	std::string still_due() const override;
	TupleDesc work_list_row_type() const override;
	std::optional<std::string> contradiction() const override { return std::nullopt; }
	Write write() const override;
	bool is_observed() const override { return target_.observed(); }
	std::optional<std::string> read_back() const override { return std::nullopt; }
	std::optional<std::string> writable() const override;
	std::optional<std::string> not_kept() const override;
	bool may_write_twice() const override { return key_can_repeat(); }
	bool needs_distinct() const override;
	bool needs_rows() const override { return !target_.xmin_identifies(); }
	std::vector<std::string> recorded_columns() const override;
	std::vector<std::string> filled_columns() const override { return {}; }
	std::string recorded() const override;
	std::string to_json() const override;
	std::string from_json() const override;
	Overlay overlay(const std::string &work_list) const override;

protected:
	std::vector<std::string> compared_columns() const override { return definition_.compare; }
	std::string deviates_in(const std::string &name) const override { return differs_in(name); }
	std::string is_missing() const override { return is_absent(); }
	std::string is_different() const override;
	std::string why_absent() const override { return "%s has no row with this key"; }

private:
	std::string absent(const std::string &rows) const;
	std::string inserted(const std::string &from) const;
};

} // namespace reconcile::invariant
