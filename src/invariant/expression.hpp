/*-------------------------------------------------------------------------
 *
 * expression.hpp
 *	  Expressions over one row of a table: parsed, analysed, written back.
 *
 * As with the query of an invariant, the text that a user gave is never put
 * into a statement; what is, is PostgreSQL's text of the analysed expression.
 *
 * Every function here works under the current user and search_path.
 *
 * Depends on: pg/.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "pg/boundary.hpp"

extern "C" {
#include "access/attnum.h"
#include "nodes/nodes.h"
#include "utils/rel.h"
}

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace reconcile::invariant {

/* condition_text analyses a condition on the rows of a table and returns it as
 * PostgreSQL writes it, with every column qualified by the alias. */
std::string condition_text(const std::string &condition, Oid table, const char *alias);

/* name_in returns the name that a text is when it is one in SQL, in quotes or not,
 * and nothing else.  A text that is no expression at all is an error. */
std::optional<std::string> name_in(const std::string &text);

/* RowExpression is an expression such as a unique index may be on. */
class RowExpression {
public:
	/* What no index takes is refused: a subquery, an aggregate, what is another value
	 * each time.  So is what is the same for all rows. */
	RowExpression(const std::string &source, Oid table);

	/* tree is the analysed expression, with the row as variable 1.  To an index, a COLLATE
	 * around it is no part of it: is_key_of() tells whether an index has it as its key
	 * column of a number, counted from 0. */
	const Node *tree() const { return tree_; }
	bool is_key_of(Relation index, int number) const;

	Oid type() const { return type_; }
	Oid collation() const { return own_collation_; }
	int32 typmod() const { return typmod_; }

	/* reads lists the columns that it reads. */
	std::vector<AttrNumber> reads() const;

	/* over writes the expression with each column replaced by SQL of its type. */
	std::string over(const std::function<std::string(AttrNumber)> &column) const;

	/* indexed writes it as CREATE INDEX and ON CONFLICT take it. */
	std::string indexed() const;

private:
	void check(const std::string &source) const;
	void take_apart(const std::string &written);

	/* Piece is text of the expression, and the column that stands behind it; the last
	 * one has no column. */
	struct Piece {
		std::string text;
		AttrNumber column;
	};

	Oid table_;
	Node *tree_;
	Node *indexed_;		/* without a COLLATE around it, as the planner simplifies it */
	Oid collation_;		/* of that COLLATE */
	Oid own_collation_; /* of its values */
	Oid type_;
	int32 typmod_;
	std::vector<Piece> pieces_;
};

} // namespace reconcile::invariant
