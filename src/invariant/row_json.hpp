/*-------------------------------------------------------------------------
 *
 * row_json.hpp
 *	  Rows as JSON, for plans and the ledger, and the same rows again.
 *
 * Numbers, truth values, texts and times are written as JSON has them, to be
 * reviewed; a value of any other type is the text that its type prints, since
 * JSON would lose the order of a json object, the bounds of an array, or a null
 * inside jsonb.  Both directions need pg::PortableText around them.
 *
 * Depends on: pg/.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "pg/boundary.hpp"

#include <string>
#include <vector>

namespace reconcile::invariant {

struct JsonColumn {
	std::string name;
	Oid type;
	int32 typmod;
	std::string label = {}; /* in JSON, where it is not the name */
};

/* row_type_of is the row type of a list of such columns. */
TupleDesc row_type_of(const std::vector<JsonColumn> &columns);

/* row_as_json is a jsonb expression of columns of an alias, whole_row_as_json the same of
 * an alias that has no others, which is faster where JSON has all of their types. */
std::string row_as_json(const std::string &alias, const std::vector<JsonColumn> &columns);
std::string whole_row_as_json(const std::string &alias, const std::vector<JsonColumn> &columns);

/* is_plain tells a type whose values are in such a row as to_jsonb() has them. */
bool is_plain(Oid type);

/* JsonValue is an SQL expression of a type, and its name in JSON, of any length. */
struct JsonValue {
	std::string label;
	Oid type;
	std::string value;
};

/* values_as_json is a jsonb expression of a few values. */
std::string values_as_json(const std::vector<JsonValue> &values);

/* rows_of_json is an item of FROM, named alias, that reads a jsonb expression
 * back into the columns. */
std::string rows_of_json(const std::string &json, const std::vector<JsonColumn> &columns,
						 const std::string &alias);

} // namespace reconcile::invariant
