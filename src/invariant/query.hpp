/*-------------------------------------------------------------------------
 *
 * query.hpp
 *	  The query of an invariant: parsed, analysed, and written back as text.
 *
 * The text that a user gave is never put into a statement.  PostgreSQL parses
 * and analyses it; what goes into our statements is PostgreSQL's own text of
 * the analysed query.
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
#include "nodes/parsenodes.h"
}

#include <optional>
#include <string>
#include <vector>

namespace reconcile::invariant {

/* Output is one column that a query yields. */
struct Output {
	std::string name;
	Oid type;
	int32 typmod;
};

/* is_now tells an expression that is the time of the transaction and nothing else; C in the
 * sense of boundary.hpp. */
bool is_now(Node *expression);

/* ExpectedRows is the analysed query of an invariant. */
class ExpectedRows {
public:
	/* The text must be one plain SELECT; anything else is refused with the
	 * clause that makes it so. */
	explicit ExpectedRows(const std::string &text);

	const std::vector<Output> &outputs() const { return outputs_; }

	/* reads returns the tables that the query reads, wherever in it. */
	std::vector<Oid> reads() const;

	/* reads_column tells whether the query reads one of some columns of a table,
	 * wherever in it. */
	bool reads_column(Oid table, const std::vector<AttrNumber> &columns) const;

	/* tree is the analysed query itself. */
	const Query *tree() const { return query_; }

	/* is_new_each_time tells that a column is another value at each evaluation,
	 * as far as its own expression shows it: random(), now() and their like. */
	bool is_new_each_time(const std::string &column) const;

	/* is_of_the_moment tells that a column may be another value at the next
	 * evaluation although no row changed: when in doubt, it may. */
	bool is_of_the_moment(const std::string &column) const;

	/* constant is a column that has the same value in all rows, as the text of that value:
	 * one that needs no row and no time to be known, or the day and its like. */
	std::optional<std::string> constant(const std::string &column) const;

	/* read_from makes the query read a WITH query of that name in place of a
	 * table; whoever uses text() must put the WITH query before it. */
	void read_from(Oid table, const std::string &with_query);

	/* choose_nothing leaves out DISTINCT, ORDER BY, and the tables on the nullable side of
	 * its joins: nothing else may read those, and there must be one row at most besides. */
	void choose_nothing();

	/* text returns the query as PostgreSQL writes it. */
	std::string text() const;

private:
	Query *query_;
	std::vector<Output> outputs_;
};

} // namespace reconcile::invariant
