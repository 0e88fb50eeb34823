/*-------------------------------------------------------------------------
 *
 * table.hpp
 *	  A foreign table as MongoDB sees it: a collection, and fields.
 *
 * Terms.  The "kind" of a column is what its PostgreSQL type, below any
 * domain, means for conversion.
 *
 * Depends on: options.hpp, bson_types.hpp.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "fdw/bson_types.hpp"
#include "fdw/options.hpp"

extern "C" {
#include "access/tupdesc.h"
#include "utils/relcache.h"
}

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

namespace reconcile::fdw {

enum class Kind : uint8_t {
	kText,
	kBpchar,
	kBytea,
	kBool,
	kInt2,
	kInt4,
	kInt8,
	kFloat4,
	kFloat8,
	kNumeric,
	kTimestamptz,
	kTimestamp,
	kDate,
	kUuid,
	kJsonb,
	kArray
};

/* No type of BSON has this number. */
constexpr bson_type_t kAnyType = BSON_TYPE_EOD;

struct Column {
	AttrNumber number;
	std::string name;
	std::string path;
	std::vector<std::string> parts; /* of the path; none for the whole document */
	Kind kind;
	Oid type; /* as declared, a domain perhaps */
	int32 declared_typmod;
	Oid collation;
	Oid base_type;
	int32 typmod;						 /* of the base type */
	bson_type_t bson_type = kAnyType;	 /* the only one that is read */
	bson_type_t written_type = kAnyType; /* what a value is written as */
	bool generated = false;
	bool not_null = false;				   /* as declared; documents may differ */
	std::shared_ptr<const Column> element; /* what the elements of an array are */

	bool domain() const { return type != base_type; }
	bool whole_document() const { return parts.empty(); }
	bool through_array() const { return std::any_of(parts.begin(), parts.end(), is_position); }
};

struct Table {
	Oid relation;
	Oid server;
	TableOptions options;
	int width;					 /* columns with the dropped ones */
	std::vector<Column> columns; /* without dropped ones, ascending by number */

	const Column *column(AttrNumber number) const;
	const Column *column(const std::string &name) const;
};

/* table_of describes a foreign table.  Raises HV004 for a column whose type no
 * value of MongoDB fits. */
Table table_of(Oid relation, TupleDesc row_type);

/* opened_table_of does the same for a table that is not open yet. */
Table opened_table_of(Oid relation);

/* column_type_name returns "integer", "character varying(24)", ... */
std::string column_type_name(const Column &column);

} // namespace reconcile::fdw
