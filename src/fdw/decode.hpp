/*-------------------------------------------------------------------------
 *
 * decode.hpp
 *	  Documents to rows: which field goes where, and what does not fit.
 *
 * Terms.  A "mismatch" is a value that does not fit its column: of another
 * type, out of range, too long, not text of this database.
 *
 * Depends on: convert.hpp, table.hpp.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "fdw/convert.hpp"

extern "C" {
#include "executor/tuptable.h"
}

#include <cstdint>
#include <vector>

namespace reconcile::fdw {

/* Decoder fills rows from documents. */
class Decoder {
public:
	/* columns are those that are filled; the others stay NULL. */
	Decoder(const Table &table, const std::vector<AttrNumber> &columns);

	/* row fills a virtual slot.  It returns false and leaves the slot empty when
	 * the document is to be skipped, and raises 22018 or another of class 22 for
	 * a mismatch, as the table's on_mismatch says.  The row lives in the current
	 * memory context until that is reset. */
	bool row(const bson_t *document, TupleTableSlot *slot);

	/* report says, in a warning, how often on_mismatch was applied. */
	void report() const;

private:
	/* Node is one name of a path; the paths of all columns form a tree. */
	struct Node {
		std::string name;
		std::vector<const Column *> columns; /* whose path ends here */
		std::vector<Node> children;
	};

	struct Mismatch {
		const Column *column = nullptr;
		bson_type_t type = BSON_TYPE_EOD;
		Fit fit = Fit::kFits;
	};

	struct Task { /* the row that is filled in at the moment */
		const Decoder *decoder;
		const bson_t *document;
		Datum *values;
		bool *nulls;
		const Column *column = nullptr; /* being converted */
		Mismatch mismatch;
		bool skip = false;
	};

	void add(const Column &column);
	void fill(Task &task);
	bool walk(const Node &node, bson_iter_t *fields, Task &task);
	bool take(const Node &node, const bson_iter_t *value, Task &task);
	bool descend(const Node &node, const bson_iter_t *value, Task &task);
	bool refuse(const Column *column, bson_type_t type, Fit fit, Task &task);
	bool refuse_all(const Node &node, bson_type_t type, Fit fit, Task &task);
	bool refuse_below(const Node &node, bson_type_t type, Fit fit, Task &task);
	void check_domains(Task &task);
	[[noreturn]] void raise(const Mismatch &mismatch, const bson_t *document) const;

	static void add_context(void *task);

	const Table &table_;
	Node root_;
	std::vector<std::pair<const Column *, void *>> domains_; /* with the cache of its check */
	MemoryContext const context_ = CurrentMemoryContext;
	uint64_t nulled_ = 0, skipped_ = 0;
};

} // namespace reconcile::fdw
