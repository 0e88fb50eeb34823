/*-------------------------------------------------------------------------
 *
 * statements.hpp
 *	  The SQL of an invariant: audit, findings, missing rows, insert.
 *
 * One object per invariant and use; it is made and its statements are run
 * under the invariant's owner and search_path.
 *
 * Terms.  "e" are the expected rows, "x" the rows of the target that count as
 * present.  An expected row is present when x has an equal key, NULL equal to
 * NULL.
 *
 * Depends on: definition.hpp, query.hpp, row_json.hpp, target.hpp.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "invariant/comparison.hpp"
#include "invariant/query.hpp"
#include "invariant/row_json.hpp"
#include "invariant/target.hpp"

#include <string>
#include <vector>

namespace reconcile::invariant {

/* The name under which a statement reads a work list.  Nobody has a table of
 * this name, so it hides none. */
inline constexpr const char *kWorkList = "pg_reconcile work list";

/* key_json makes a jsonb object of the key columns of an alias. */
std::string key_json(const std::vector<std::string> &key, const std::string &alias);

class Statements : public Comparison {
public:
	explicit Statements(const Definition &definition);

	const Target &target() const { return target_; }
	const ExpectedRows &expected() const { return expected_; }

	std::string audit() const override;

	std::string findings() const override;

	/* missing yields the rows that a repair would insert. */
	std::string missing() const;

	/* work_list_row_type is the row type of what missing() yields. */
	TupleDesc work_list_row_type() const;

	/* insert writes the rows of the work list; insert_returning also yields the
	 * rows that were written. */
	std::string insert() const;
	std::string insert_returning() const { return insert() + " RETURNING *"; }

	/* surplus counts the rows of the work list whose key another of its rows
	 * has as well, and shows a key that comes with different values. */
	std::string surplus() const;

	/* distinct yields one row of the work list for each key. */
	std::string distinct() const;

	/* key_can_repeat tells whether the target may hold two present rows with one
	 * key: only where no unique index forbids it. */
	bool key_can_repeat() const;

	/* planned_rows are the rows of a work list of this invariant as rows of the
	 * target, with placeholders for what the table would generate. */
	std::string planned_rows(const std::string &work_list) const;

	/* rows_of_target are the rows of the target, in the same columns. */
	std::string rows_of_target() const;

	/* see makes missing() read these rows in place of a table: a dry run shows
	 * to an invariant what the ones before it would insert. */
	void see(Oid table, const std::string &rows);

	/* to_json yields the rows of the work list as key and row, from_json the
	 * rows again of a work list that holds them so. */
	std::string to_json() const;
	std::string from_json() const;

	/* insertable yields the rows of the work list for which the unique index has
	 * room: rows that do not count as present may take it. */
	std::string insertable() const;

	/* unexpected counts the rows of the work list whose key the query does not
	 * yield any more, and shows one; still_missing yields those that are not
	 * there. */
	std::string unexpected() const;
	std::string still_missing() const;

	/* structure is a text that changes when the target's columns or the
	 * unique index do. */
	std::string structure() const;

	/* key_json makes a jsonb object of the key columns of an alias. */
	std::string key_json(const std::string &alias) const;

private:
	const Column &column(const std::string &name) const;
	std::string expected_value(const std::string &name, const std::string &alias = "e") const;
	std::vector<JsonColumn> json_columns() const;
	std::string absent(const std::string &rows) const;
	std::string expected_key() const;
	std::string present_rows() const;
	std::string key_equality() const;
	std::string differs_in(const std::string &name) const;
	std::string is_missing() const;
	std::string is_repeated() const;
	std::string is_different() const;
	std::string deviates() const;
	std::string expected_columns() const;
	void check_fits() const;
	std::string joined_rows() const;

	const Definition &definition_;
	Target target_;
	ExpectedRows expected_;
	std::string source_; /* where present rows are read: the target, or see() */
	std::vector<std::string> with_queries_;
	std::optional<Arbiter> arbiter_;
	std::optional<std::string> absent_;
};

} // namespace reconcile::invariant
