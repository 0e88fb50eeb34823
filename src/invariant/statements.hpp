/*-------------------------------------------------------------------------
 *
 * statements.hpp
 *	  The SQL of an invariant that can be repaired.
 *
 * One object per invariant and use; it is made and its statements are run
 * under the invariant's owner and search_path.  What the kinds have in common
 * is here; what a repair has to write, and how, is in insertion.hpp and
 * filling.hpp.
 *
 * Terms.  "e" are the expected rows, "x" the rows of the target that count as
 * present, one per key.  An expected row is "due" when a repair has to write
 * it.  A work list holds due rows.
 *
 * Depends on: key.hpp, query.hpp, row_json.hpp, target.hpp, values.hpp.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "invariant/comparison.hpp"
#include "invariant/key.hpp"
#include "invariant/query.hpp"
#include "invariant/row_json.hpp"
#include "invariant/target.hpp"

#include <memory>
#include <string>
#include <vector>

namespace reconcile::invariant {

/* The names under which a statement reads a work list, and the rows of the
 * target that were written.  Nobody has a table of these names, so they hide
 * none. */
inline constexpr const char *kWorkList = "pg_reconcile work list";
inline constexpr const char *kWritten = "pg_reconcile written rows";

/* The name under which a statement of a guard reads new rows. */
inline constexpr const char *kNewRows = "pg_reconcile new rows";

/* The name under which it reads the keys of rows that it noted. */
inline constexpr const char *kNotedKeys = "pg_reconcile noted keys";

/* Write is a statement that writes, and what SPI says when it is done. */
struct Write {
	std::string sql;
	int done;
};

/* Overlay turns SQL that yields the rows of a table into SQL that yields them
 * as they will be: what comes before and after it. */
struct Overlay {
	std::string before, after;
};

class Statements : public Comparison {
public:
	const Target &target() const { return target_; }
	const Key &key() const { return key_; }
	const ExpectedRows &expected() const { return expected_; }

	std::string audit() const override;
	std::string findings() const override;

	/* due yields the rows that a repair would write, still_due those of the
	 * work list that are due now; work_list_row_type is the type of both. */
	virtual std::string due() const = 0;
	virtual std::string still_due() const = 0;
	virtual TupleDesc work_list_row_type() const = 0;

	/* contradiction yields a key of the work list for which the query has
	 * different rows, where only one of them is due; nothing where the others
	 * do no harm. */
	virtual std::optional<std::string> contradiction() const = 0;

	/* write writes the rows of the work list; write_returning also yields the
	 * rows of the target that were written. */
	virtual Write write() const = 0;
	Write write_returning() const;

	/* write_expected writes what is due among the rows of a work list of expected rows,
	 * due or not; nothing where no single statement can tell. */
	enum class Rows { few, many };
	virtual std::optional<Write> write_expected(Rows /* number */) const { return std::nullopt; }

	/* is_observed tells whether the store tells of each row that write() does.
	 * Where it neither does nor can return them, read_back yields the rows of the
	 * target that are as the work list wants them. */
	virtual bool is_observed() const = 0;
	virtual std::optional<std::string> read_back() const = 0;

	/* writable yields the rows of the work list that nothing but their values
	 * can keep from being written; nothing when that is all of them. */
	virtual std::optional<std::string> writable() const = 0;

	/* not_kept yields the rows of the work list that are not as they should be
	 * after they were written, where triggers can bring that about; nothing
	 * where they cannot. */
	virtual std::optional<std::string> not_kept() const = 0;

	/* may_write_twice tells whether a row of the work list is written although
	 * somebody wrote it meanwhile. */
	virtual bool may_write_twice() const = 0;

	/* needs_distinct tells whether a work list must not hold a key twice. */
	virtual bool needs_distinct() const = 0;

	/* needs_rows tells whether what a run did can only be known row by row. */
	virtual bool needs_rows() const = 0;

	/* recorded_columns are the columns of the target that are recorded row by
	 * row, filled_columns those of them that a repair overwrites. */
	virtual std::vector<std::string> recorded_columns() const = 0;
	virtual std::vector<std::string> filled_columns() const = 0;

	/* recorded yields the written rows for the ledger: row and was, as jsonb. */
	virtual std::string recorded() const = 0;

	/* to_json yields the rows of the work list as key, row and was: the key without what
	 * is in the row anyway.  from_json yields the rows again of a work list that holds row
	 * and was. */
	virtual std::string to_json() const = 0;
	virtual std::string from_json() const = 0;

	/* overlay shows the rows of a work list in the target, with placeholders for
	 * what the table would generate. */
	virtual Overlay overlay(const std::string &work_list) const = 0;

	/* surplus counts the rows of the work list whose key another of its rows
	 * has as well; contradictory yields a key of it that comes with different
	 * values. */
	std::string surplus() const;
	std::string contradictory() const;

	/* distinct yields one row of the work list for each key. */
	std::string distinct() const;

	/* in_key_order yields some due rows in the order of their keys. */
	std::string in_key_order(const std::string &rows) const;

	/* key_can_repeat tells whether the target may hold two present rows with one
	 * key: only where no unique index forbids it. */
	bool key_can_repeat() const;

	/* expected_rows are the rows of the work list as the query yielded them. */
	std::string expected_rows() const;

	/* rows_of_target are the rows of the target, without dropped columns. */
	std::string rows_of_target() const;

	/* see makes due() read these rows in place of a table: a dry run shows to an
	 * invariant what the ones before it would write. */
	void see(Oid table, const std::string &rows);

	/* see_new_rows makes due() read kNewRows in place of a table: a guard asks what
	 * new rows of it make due. */
	void see_new_rows(Oid table) { expected_.read_from(table, kNewRows); }

	/* see_one_row does so where there is one such row, which makes one key expected. */
	void see_one_row(Oid table)
	{
		see_new_rows(table);
		expected_.choose_nothing();
	}

	/* due_among yields the due rows whose key is in a list of keys.  For few rows the condition is
	 * such that PostgreSQL can take it into the query, also below a DISTINCT ON, instead of joining
	 * with all that the query yields; for many that would be a list too long to search. */
	std::string due_among(const std::string &keys, Rows number = Rows::many) const;

	/* all_expected yields what is expected, due or not; expected_among confines it likewise. */
	std::string all_expected() const;
	std::string expected_among(const std::string &keys, Rows number) const;

	/* unexpected counts the rows of the work list whose key the query does not
	 * yield any more, and shows one; outdated also counts those for which it
	 * yields other values, but for values of the moment. */
	std::string unexpected() const;
	std::string outdated() const;

	/* structure is a text that changes when the target's columns or the
	 * unique index do, yields one that does when the columns of the query do. */
	std::string structure() const;
	std::string yields() const;

	/* key_json makes a jsonb object of the key of an expected row, to be shown. */
	std::string key_json(const std::string &alias) const;

protected:
	explicit Statements(const Definition &definition);

	/* compared_columns are the columns of present rows, besides the key, that
	 * are looked at; deviates_in tells that one of them is not as it should be;
	 * is_missing and is_different judge an expected row beside the present one;
	 * why_absent says in words that there is none, %s being the target. */
	virtual std::vector<std::string> compared_columns() const = 0;
	virtual std::string deviates_in(const std::string &name) const = 0;
	virtual std::string is_missing() const = 0;
	virtual std::string is_different() const = 0;
	virtual std::string why_absent() const = 0;

	const Column &column(const std::string &name) const;
	std::string given_value(const std::string &name, const std::string &alias = "e") const;
	std::string expected_value(const std::string &name, const std::string &alias = "e") const;
	std::string expected_part(const KeyPart &part, const std::string &alias = "e") const;
	std::string given_part(const KeyPart &part, const std::string &alias) const;
	std::string part_json(const KeyPart &part, const std::string &alias) const;
	std::string key_beside_row() const;
	std::string expected_key() const;
	std::string torn(const std::string &rows) const;
	std::string expected_columns() const;
	std::vector<JsonColumn> json_columns() const;
	std::string with() const;
	std::string counts_as_present() const;
	std::string present_rows() const;
	std::string key_in(const std::string &keys) const;
	std::string among(const std::string &rows, const std::string &keys, Rows number) const;
	std::string key_equality() const;
	std::string key_equality_of_row(const std::string &row) const;
	std::string same_expected_key(const std::string &other) const;
	std::string not_yielded(const std::string &same) const;
	std::string is_absent() const;
	std::string is_repeated() const;
	std::string differs_in(const std::string &name) const;
	std::string deviates_in_any(const std::vector<std::string> &columns) const;
	void check_fits() const;

	const Definition &definition_;
	Target target_;
	ExpectedRows expected_;
	Key key_;
	std::string source_; /* where present rows are read: the target, or see() */
	std::vector<std::string> with_queries_;
	std::optional<Arbiter> arbiter_;
	std::optional<std::string> absent_;

private:
	std::vector<std::string> deviations() const;
	std::string deviates() const;
	std::string counted(const std::string &way) const;
	std::string counted_rows() const;
	std::string joined_to(const std::string &expected_rows) const;
};

/* A condition that never holds. */
inline constexpr const char *kNever = "false";

/* statements_of makes the statements of an invariant that can be repaired. */
std::unique_ptr<Statements> statements_of(const Definition &definition);

} // namespace reconcile::invariant
