/*-------------------------------------------------------------------------
 *
 * row_json.cpp
 *	  Rows as JSON, for plans and the ledger, and the same rows again.
 *
 *-------------------------------------------------------------------------
 */
#include "invariant/row_json.hpp"

#include "pg/text.hpp"

extern "C" {
#include "catalog/pg_type_d.h"
#include "utils/lsyscache.h"
}

#include <algorithm>

namespace reconcile::invariant {

namespace {

Oid base_type(Oid type)
{
	return pg::call([&] { return getBaseType(type); });
}

/* printed is a value as its type prints it.  A cast to text might be a
 * function of somebody's. */
std::string printed(const std::string &value)
{
	return "CASE WHEN pg_catalog.num_nulls(" + value +
		   ") OPERATOR(pg_catalog.=) 0 THEN pg_catalog.format('%s', " + value + ") END";
}

std::string as_json(Oid type, const std::string &value)
{
	switch (base_type(type)) {
	case BOOLOID:
	case INT2OID:
	case INT4OID:
	case INT8OID:
	case FLOAT4OID:
	case FLOAT8OID:
	case NUMERICOID:
	case TEXTOID:
	case VARCHAROID:
	case BPCHAROID:
	case UUIDOID:
	case DATEOID:
	case TIMESTAMPOID:
	case TIMESTAMPTZOID:
		return value;
	case JSONBOID: /* an object or array can be seen as such; a string could not be told from text
					*/
		return "CASE WHEN pg_catalog.jsonb_typeof(" + value +
			   ") OPERATOR(pg_catalog.=) ANY ('{object,array}') THEN " + value +
			   "::pg_catalog.jsonb ELSE pg_catalog.to_jsonb(" + printed(value) + ") END";
	default:
		return printed(value);
	}
}

/* by_name is a jsonb expression with its values under the names of the columns. */
std::string by_name(const std::string &json, const std::vector<JsonColumn> &columns)
{
	std::vector<std::string> parts;
	bool labelled = false;
	for (const JsonColumn &column : columns) {
		std::string const &label = column.label.empty() ? column.name : column.label;
		labelled = labelled || label != column.name;
		parts.push_back(pg::literal(column.name) + ", " + json + " OPERATOR(pg_catalog.->) " +
						pg::literal(label));
	}
	return labelled ? "pg_catalog.jsonb_build_object(" + pg::joined(parts, ", ") + ")" : json;
}

/* read_as_text tells types that would take JSON for their own. */
bool read_as_text(Oid type)
{
	Oid const base = base_type(type);
	return base == JSONOID || base == JSONBOID;
}

} // namespace

TupleDesc row_type_of(const std::vector<JsonColumn> &columns)
{
	return pg::call([&] {
		TupleDesc row_type = CreateTemplateTupleDesc(static_cast<int>(columns.size()));
		AttrNumber number = 0;
		for (const JsonColumn &column : columns)
			TupleDescInitEntry(row_type, ++number, column.name.c_str(), column.type, column.typmod,
							   0);
		return row_type;
	});
}

std::string row_as_json(const std::string &alias, const std::vector<JsonColumn> &columns)
{
	std::vector<std::string> values;
	for (const JsonColumn &column : columns) {
		std::string const name = pg::quoted(column.name);
		values.push_back(as_json(column.type, alias + "." + name) + " AS " + name);
	}
	return "(SELECT pg_catalog.to_jsonb(v.*) FROM (SELECT " + pg::joined(values, ", ") + ") AS v)";
}

bool is_plain(Oid type)
{
	return as_json(type, "v") == "v";
}

std::string whole_row_as_json(const std::string &alias, const std::vector<JsonColumn> &columns)
{
	bool const as_they_are =
		std::all_of(columns.begin(), columns.end(),
					[](const JsonColumn &column) { return is_plain(column.type); });
	return as_they_are ? "pg_catalog.to_jsonb(" + alias + ".*)" : row_as_json(alias, columns);
}

std::string values_as_json(const std::vector<JsonValue> &values)
{
	std::vector<std::string> parts;
	for (const JsonValue &value : values)
		parts.push_back(pg::literal(value.label) + ", pg_catalog.to_jsonb(" +
						as_json(value.type, value.value) + ")"); /* their collations may differ */
	return "pg_catalog.jsonb_build_object(" + pg::joined(parts, ", ") + ")";
}

std::string rows_of_json(const std::string &json, const std::vector<JsonColumn> &columns,
						 const std::string &alias)
{
	std::vector<std::string> types, values;
	for (const JsonColumn &column : columns) {
		std::string const name = pg::quoted(column.name);
		std::string const type = pg::type_name(column.type, column.typmod);
		types.push_back(name + " " + (read_as_text(column.type) ? "pg_catalog.text" : type));
		values.push_back("j." + name +
						 (read_as_text(column.type) ? "::" + type + " AS " + name : ""));
	}
	return "LATERAL (SELECT " + pg::joined(values, ", ") + " FROM pg_catalog.jsonb_to_record(" +
		   by_name(json, columns) + ") AS j(" + pg::joined(types, ", ") + ")) AS " + alias;
}

} // namespace reconcile::invariant
