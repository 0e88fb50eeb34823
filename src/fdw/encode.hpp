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

#include <string_view>
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
	/* With key columns, documents are for an upsert that matches them. */
	Encoder(const Table &table, bool upsert);

	/* This one makes changes of some columns.  Raises 0A000 for columns that
	 * cannot be changed, and 42701 where one is a part of another. */
	Encoder(const Table &table, const std::vector<AttrNumber> &changed);

	/* row makes the document of a row, and the selector for an upsert.  It
	 * gives a document an _id when the row does not, and writes that into the
	 * slot when a column is there for it.  NULL columns are left out. */
	void row(TupleTableSlot *slot, mongo::Document &document, mongo::Document &selector);

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

	void add(const Column &column);
	void require_changeable() const;
	void require_writable(const Column &column) const;
	void append_nested(mongo::Document &into, const Node &node, TupleTableSlot *slot) const;
	void append_flat(mongo::Document &into, TupleTableSlot *slot) const;
	void append_whole(mongo::Document &into, TupleTableSlot *slot) const;
	bool has_id(TupleTableSlot *slot) const;
	void append_selector(mongo::Document &into, TupleTableSlot *slot) const;

	const Table &table_;
	bool const upsert_;
	Node root_;
	const Column *whole_ = nullptr, *id_ = nullptr;
	std::vector<const Column *> fields_, key_;
};

} // namespace reconcile::fdw
