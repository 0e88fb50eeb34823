/*-------------------------------------------------------------------------
 *
 * key.hpp
 *	  The key of an invariant: by what an expected row is found in the target.
 *
 * A part of a key is a column of the target or an expression over its columns.
 * Whoever makes statements need not know which: a part has a value in every
 * row of the target, a type as a column has one, and a name.
 *
 * Terms.  A "list of keys" is a set of rows that have the parts alone, each
 * under its listed name, as key_rows() and present rows are.
 *
 * Depends on: definition.hpp, expression.hpp, query.hpp, target.hpp.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "invariant/definition.hpp"
#include "invariant/expression.hpp"
#include "invariant/query.hpp"
#include "invariant/target.hpp"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace reconcile::invariant {

class KeyPart {
public:
	/* An entry of a definition's key, the number of the part counted from 1. */
	KeyPart(const Target &target, const std::string &entry, size_t number);

	/* name is what findings call it: the column's name, or the expression as it was
	 * written. */
	const std::string &name() const { return name_; }

	/* exists tells whether the target has it: a column may be gone, or never have been. */
	bool exists() const { return column_.has_value(); }

	/* column is the column that it is, or stands for one of the expression's type, which
	 * may be NULL.  A column that the target does not have is an error. */
	const Column &column() const;

	/* expression is nullptr for a column. */
	const RowExpression *expression() const { return expression_ ? &*expression_ : nullptr; }

	/* reads lists the columns of the target that it is or reads. */
	std::vector<std::string> reads() const;

	/* over is the part made of SQL for each column that it is or reads. */
	std::string over(const std::function<std::string(const std::string &)> &value) const;

	/* of_row is its value in a row of the target, listed in a row of a list of keys. */
	std::string of_row(const std::string &alias) const;
	std::string listed(const std::string &alias) const;
	const std::string &listed_name() const { return listed_name_; }

	/* indexed is as an index is declared on it. */
	std::string indexed() const;

private:
	const Target *target_;
	std::string name_, listed_name_;
	std::optional<Column> column_;
	std::optional<RowExpression> expression_;
};

/* Arbiter is the unique index by which ON CONFLICT recognises a row that is there. */
struct Arbiter {
	std::string definition;
	std::optional<std::string> predicate; /* of a partial index */
	bool nulls_are_equal;
	std::optional<std::string> constraint; /* where it has to be named: see FoundIndexes */
};

class Key {
public:
	Key(const Target &target, const std::vector<std::string> &entries);

	const std::vector<KeyPart> &parts() const { return parts_; }

	/* columns are those that the parts are or read, each of them once. */
	std::vector<std::string> columns() const;

	/* indexed lists the parts as an index is declared on them. */
	std::string indexed() const;

	/* new_index is the statement that makes a unique index on them, for hints; a constraint where
	 * there is a deferrable one. */
	std::string new_index() const;

	/* list yields a list of keys of some rows of the target. */
	std::string list(const std::string &rows) const;

	/* names are what findings call the parts. */
	std::vector<std::string> names() const;

	/* as_json is the key of a row of the target, as rows_of_json() reads it into a list
	 * of keys. */
	std::string as_json(const std::string &alias) const;

	/* json_columns are the parts as columns of a list of keys, for rows_of_json(). */
	std::vector<JsonColumn> json_columns() const;

	/* arbiter returns the unique index on exactly these parts: a whole one if there is,
	 * else a partial one, else nothing; beside a deferrable one a constraint or nothing. */
	std::optional<Arbiter> arbiter() const;

private:
	const Target &target_;
	std::vector<KeyPart> parts_;

	bool exists() const;
};

/* target_of is the target of a definition, as locked() leaves it.  One that is gone has no
 * name any more: the error names the invariant. */
Oid target_of(const Definition &definition);

/* json_columns lists what a query yields, or what it yields under some names, for
 * row_as_json(). */
std::vector<JsonColumn> json_columns(const ExpectedRows &rows);
std::vector<JsonColumn> json_columns(const ExpectedRows &rows,
									 const std::vector<std::string> &names);

/* expected_value is a column of an expected row as the target would store it, and
 * expected_part the same for a part of the key. */
std::string expected_value(const Column &column, const ExpectedRows &expected,
						   const std::string &alias);
std::string expected_part(const KeyPart &part, const Target &target, const ExpectedRows &expected,
						  const std::string &alias);

/* The target may be gone where these two are needed, to record what a guard could not do:
 * they look at it only when an entry of the key is no column of the query. */

/* expected_key_json is the key of an expected row, as Key::as_json() is of a row of the
 * target. */
std::string expected_key_json(const Definition &definition, const ExpectedRows &expected,
							  const std::string &alias);

/* key_columns are the columns that the key of a definition is made of. */
std::vector<std::string> key_columns(const Definition &definition, const ExpectedRows &expected);

} // namespace reconcile::invariant
