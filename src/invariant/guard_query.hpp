/*-------------------------------------------------------------------------
 *
 * guard_query.hpp
 *	  Whether new rows of a table alone tell what an invariant expects of them.
 *
 * A guard runs the invariant's query with the new rows in place of a table.
 * What that yields is what the new rows add to the expected rows, as long as
 * the query can only yield more when the table has more: it joins, filters and
 * drops duplicates.  A query that counts, sorts out or denies cannot be
 * guarded.
 *
 * Depends on: definition.hpp, query.hpp.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "invariant/definition.hpp"
#include "invariant/query.hpp"

#include <optional>
#include <string>
#include <vector>

namespace reconcile::invariant {

/* Watched is a table that the query of an invariant reads. */
struct Watched {
	Oid table;
	std::vector<std::string> columns; /* those that the query reads */
	bool in_key = false;  /* the key of what is expected has the primary key of the row in it */
	bool one_key = false; /* a row, known by its primary key, makes one key expected at most,
						   * always with the same values */
};

/* WatchedTables are those whose new rows a guard must look at. */
struct WatchedTables {
	std::vector<Watched> read;
	std::optional<Watched> filled; /* the target, whose new rows may lack values */
};

/* watched_tables finds them.  A query that cannot be guarded is an error (RC006)
 * that names the table, the clause and what to write instead. */
WatchedTables watched_tables(const Definition &definition, const ExpectedRows &expected);

} // namespace reconcile::invariant
