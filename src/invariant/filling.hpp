/*-------------------------------------------------------------------------
 *
 * filling.hpp
 *	  The SQL of an invariant of kind fill: values that rows must have.
 *
 * The columns that the query yields beside the key are to be filled.  One of
 * them is empty when the present row has NULL there and the query yields a
 * value; one that is named in compare differs when it is distinct.  An
 * expected row is due when the target has one present row with its key and a
 * column of that is empty or differs.
 *
 * A work list holds, beside the expected row, what each of these columns was.
 * A row is written only while that is still so: what anybody writes meanwhile
 * stays, and what is recorded for the way back is what was overwritten.
 *
 * Depends on: statements.hpp.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "invariant/statements.hpp"

namespace reconcile::invariant {

/* filled_by returns the columns that an invariant of this kind fills. */
std::vector<std::string> filled_by(const Definition &definition, const ExpectedRows &expected);

class Filling : public Statements {
public:
	explicit Filling(const Definition &definition);

	std::string due() const override;
	std::string still_due() const override;
	TupleDesc work_list_row_type() const override;
	std::optional<std::string> contradiction() const override;
	Write write() const override;
	std::optional<Write> write_expected(Rows number) const override;
	bool is_observed() const override { return false; }
	std::optional<std::string> read_back() const override;
	std::optional<std::string> writable() const override { return std::nullopt; }
	std::optional<std::string> not_kept() const override;
	bool may_write_twice() const override { return false; }
	bool needs_distinct() const override { return true; }
	bool needs_rows() const override { return true; }
	std::vector<std::string> recorded_columns() const override;
	std::vector<std::string> filled_columns() const override { return filled_; }
	std::string recorded() const override;
	std::string to_json() const override;
	std::string from_json() const override;
	Overlay overlay(const std::string &work_list) const override;

protected:
	std::vector<std::string> compared_columns() const override { return filled_; }
	std::string deviates_in(const std::string &name) const override;
	std::string is_missing() const override;
	std::string is_different() const override;
	std::string why_absent() const override;

private:
	bool exact(const std::string &name) const;
	std::string was(const std::string &name) const;
	std::string is_written(const std::string &name, const std::string &present) const;
	std::string new_value(const std::string &name, const std::string &present) const;
	std::string unchanged(const std::string &row) const;
	std::string one_row_per_key() const;
	std::vector<JsonColumn> filled_json_columns() const;
	std::string was_row() const;

	std::vector<std::string> filled_;	  /* columns to fill */
	std::vector<std::string> only_empty_; /* those of which only NULL is replaced */
};

} // namespace reconcile::invariant
