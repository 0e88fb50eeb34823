/*-------------------------------------------------------------------------
 *
 * identity.hpp
 *	  Which document a row came from, for UPDATE and DELETE.
 *
 * Terms.  The "identity" of a row is the selector that finds its document
 * again, as BSON in a column of type bytea that only the plan knows: the _id,
 * the key's fields, the fields that the statement both looks at and sets, and
 * those small ones that it looks at, each as it was read.  So a document that
 * another client changed in these in the meantime is not found any more, and
 * an update is not lost.
 *
 * A scan that yields identities has a row type of its own: the table's
 * columns, and after them what the plan asks for besides.
 *
 * Depends on: table.hpp, mongo/document.hpp, pg/foreign.hpp.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "fdw/table.hpp"

#include "mongo/document.hpp"
#include "pg/foreign.hpp"

#include <vector>

namespace reconcile::fdw {

inline constexpr const char *kIdentityName = "pg_reconcile_identity";

/* add_update_targets asks the scan of a table to yield identities. */
void add_update_targets(PlannerInfo *root, Index index, RangeTblEntry *entry, Relation relation);

/* identity_scan_type returns the columns of a scan that yields identities, or
 * NIL for one that does not.  Raises 0A000 for a system column of PostgreSQL,
 * which documents do not have. */
List *identity_scan_type(const Table &table, RelOptInfo *rel, List *clauses);

/* ScanExtras fills the columns of a scan that come after the table's. */
class ScanExtras {
public:
	ScanExtras(const Table &table, ForeignScan *plan, const std::vector<AttrNumber> &written);

	/* fill is called when the table's columns are filled. */
	void fill(const bson_t *document, Relation relation, TupleTableSlot *slot) const;

	bool identity() const { return identity_; }

private:
	mongo::Document selector(const bson_t *document) const;

	const Table &table_;
	std::vector<AttrNumber> columns_;	   /* system column, or 0 for the row, by place */
	std::vector<const Column *> compared_; /* where they are small */
	std::vector<const Column *> certain_;  /* always: the key, and what is set from itself */
	bool whole_ = false;				   /* so is the document */
	bool identity_ = false;
};

/* selector_of returns what find the document of an identity; it lives as long
 * as the Datum. */
bool selector_of(Datum identity, bson_t *selector);

} // namespace reconcile::fdw
