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

/* is_known_to_json tells a type whose values JSON has, or PostgreSQL's own text of them. */
bool is_known_to_json(Oid type)
{
	switch (type) {
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
		return true;
	default:
		return false;
	}
}

std::string as_json(Oid type, const std::string &value)
{
	Oid const base = base_type(type);
	if (is_known_to_json(base))
		return value;
	switch (base) {
	case JSONBOID: /* an object or array can be seen as such; a string could not be told from text
					*/
		return "CASE WHEN pg_catalog.jsonb_typeof(" + value +
			   ") OPERATOR(pg_catalog.=) ANY ('{object,array}') THEN " + value +
			   "::pg_catalog.jsonb ELSE pg_catalog.to_jsonb(" + printed(value) + ") END";
	default:
		return printed(value);
	}
}

const std::string &label_of(const JsonColumn &column)
{
	return column.label.empty() ? column.name : column.label;
}

/* by_name is a jsonb expression with its values under the names of the columns. */
std::string by_name(const std::string &json, const std::vector<JsonColumn> &columns)
{
	std::vector<std::string> parts;
	bool labelled = false;
	for (const JsonColumn &column : columns) {
		labelled = labelled || label_of(column) != column.name;
		parts.push_back(pg::literal(column.name) + ", " + json + " OPERATOR(pg_catalog.->) " +
						pg::literal(label_of(column)));
	}
	return labelled ? "pg_catalog.jsonb_build_object(" + pg::joined(parts, ", ") + ")" : json;
}

/* read_as_text tells types that would take JSON for their own. */
bool read_as_text(Oid type)
{
	Oid const base = base_type(type);
	return base == JSONOID || base == JSONBOID;
}

/* cast_type is the type to which the text of a value can be cast, as its input function would
 * read it: a cast cuts what is too long, so it has no length. */
std::string cast_type(const JsonColumn &column)
{
	bool const has_length = column.type == VARCHAROID || column.type == BPCHAROID;
	return pg::type_name(column.type, has_length ? -1 : column.typmod);
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
	return is_known_to_json(base_type(type));
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

/* A record of JSON costs several times what a few values of it do. */
std::string rows_of_json(const std::string &json, const std::vector<JsonColumn> &columns,
						 const std::string &alias)
{
	std::vector<JsonColumn> others;
	std::vector<std::string> types, values;
	for (const JsonColumn &column : columns) {
		std::string const name = pg::quoted(column.name);
		std::string const type = pg::type_name(column.type, column.typmod);
		if (is_known_to_json(column.type)) {
			values.push_back("(" + json + " OPERATOR(pg_catalog.->>) " +
							 pg::literal(label_of(column)) + ")::" + cast_type(column) + " AS " +
							 name);
			continue;
		}
		others.push_back(column);
		types.push_back(name + " " + (read_as_text(column.type) ? "pg_catalog.text" : type));
		values.push_back("j." + name +
						 (read_as_text(column.type) ? "::" + type + " AS " + name : ""));
	}
	std::string const record = others.empty()
								   ? ""
								   : " FROM pg_catalog.jsonb_to_record(" + by_name(json, others) +
										 ") AS j(" + pg::joined(types, ", ") + ")";
	return "LATERAL (SELECT " + pg::joined(values, ", ") + record + ") AS " + alias;
}

} // namespace reconcile::invariant
