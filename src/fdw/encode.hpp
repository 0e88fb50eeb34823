/*-------------------------------------------------------------------------
 *
 * encode.hpp
 *	  Rows to documents: the BSON type of each column, and where it goes.
 *
 * Depends on: table.hpp, mongo/document.hpp.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "fdw/table.hpp"

#include "mongo/document.hpp"

extern "C" {
#include "executor/tuptable.h"
}

#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace reconcile::fdw {

/* append_value appends a value that is not NULL under a name, in the column's
 * BSON type.  Raises class 22 for one that this type cannot hold. */
void append_value(mongo::Document &into, std::string_view name, const Column &column, Datum value);

/* append_jsonb appends a jsonb; extended JSON becomes what it stands for. */
void append_jsonb(mongo::Document &into, std::string_view name, Datum jsonb);

/* append_array appends an array, of arrays where it has several dimensions. */
void append_array(mongo::Document &into, std::string_view name, const Column &column, Datum value);

/* utf8_of returns a text Datum's characters, as UTF-8, in memory of the
 * current context or of the Datum itself. */
std::string_view utf8_of(Datum text);

/* object_id_from reads 24 hexadecimal digits; false for anything else. */
bool object_id_from(std::string_view text, bson_oid_t *oid);

/* Encoder makes documents from rows. */
class Encoder {
public:
	/* With upsert, a document is written unless one with the same key is there. */
	Encoder(const Table &table, bool upsert);

	/* This one makes changes of some columns.  Raises 0A000 for columns that
	 * cannot be changed, and 42701 where one is a part of another. */
	Encoder(const Table &table, const std::vector<AttrNumber> &changed);

	/* An _id that a document was given because its row has none. */
	using MadeId = std::optional<bson_oid_t>;

	/* row makes the document of a row, in which NULL columns are left out.
	 * upsert makes the same with fields named by their paths, and the selector. */
	MadeId row(TupleTableSlot *slot, mongo::Document &document) const;
	MadeId upsert(TupleTableSlot *slot, mongo::Document &document, mongo::Document &selector) const;

	/* keep_id writes the _id that was made for a row into its slot, when a
	 * column is there for it. */
	void keep_id(TupleTableSlot *slot, const bson_oid_t &made) const;

	/* inserts_do tells whether inserts write what upserts would, once a unique
	 * index on the key refuses those that are there.  Where a key may be an array,
	 * or two of its fields elements of one, an index and a selector do not mean
	 * the same by equal; nor do paths that lead through each other. */
	bool inserts_do() const;

	/* change makes what an update sets and unsets, or returns true when it made
	 * a document that takes the place of the whole.  NULL columns are unset. */
	bool change(TupleTableSlot *slot, mongo::Document &document) const;

private:
	/* Node is one name of a path; the paths of all columns form a tree. */
	struct Node {
		std::string name;
		const Column *column = nullptr;
		std::vector<Node> children;
	};

	using Overlap = std::pair<const Column *, const Column *>;

	void add(const Column &column);
	std::optional<Overlap> overlap() const;
	void require_changeable() const;
	void require_key(TupleTableSlot *slot) const;
	MadeId begin(TupleTableSlot *slot, mongo::Document &document) const;
	void require_writable(const Column &column) const;
	void append_nested(mongo::Document &into, const Node &node, TupleTableSlot *slot) const;
	void append_flat(mongo::Document &into, TupleTableSlot *slot) const;
	void append_whole(mongo::Document &into, TupleTableSlot *slot) const;
	bool has_id(TupleTableSlot *slot) const;

	const Table &table_;
	bool const upsert_;
	Node root_;
	const Column *whole_ = nullptr, *id_ = nullptr;
	std::vector<const Column *> fields_, key_;
};

} // namespace reconcile::fdw
