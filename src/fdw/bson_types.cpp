/*-------------------------------------------------------------------------
 *
 * bson_types.cpp
 *	  The types of BSON values by the names of MongoDB's $type.
 *
 *-------------------------------------------------------------------------
 */
#include "fdw/bson_types.hpp"

namespace reconcile::fdw {

namespace {

struct NamedType {
	bson_type_t type;
	const char *name;
};

constexpr NamedType kTypes[] = {
	{BSON_TYPE_DOUBLE, "double"},
	{BSON_TYPE_UTF8, "string"},
	{BSON_TYPE_DOCUMENT, "object"},
	{BSON_TYPE_ARRAY, "array"},
	{BSON_TYPE_BINARY, "binData"},
	{BSON_TYPE_UNDEFINED, "undefined"},
	{BSON_TYPE_OID, "objectId"},
	{BSON_TYPE_BOOL, "bool"},
	{BSON_TYPE_DATE_TIME, "date"},
	{BSON_TYPE_NULL, "null"},
	{BSON_TYPE_REGEX, "regex"},
	{BSON_TYPE_DBPOINTER, "dbPointer"},
	{BSON_TYPE_CODE, "javascript"},
	{BSON_TYPE_SYMBOL, "symbol"},
	{BSON_TYPE_CODEWSCOPE, "javascriptWithScope"},
	{BSON_TYPE_INT32, "int"},
	{BSON_TYPE_TIMESTAMP, "timestamp"},
	{BSON_TYPE_INT64, "long"},
	{BSON_TYPE_DECIMAL128, "decimal"},
	{BSON_TYPE_MINKEY, "minKey"},
	{BSON_TYPE_MAXKEY, "maxKey"},
};

} // namespace

const char *bson_type_name(bson_type_t type)
{
	for (const NamedType &known : kTypes)
		if (known.type == type)
			return known.name;
	return "unknown";
}

std::optional<bson_type_t> bson_type_from(const std::string &name)
{
	for (const NamedType &known : kTypes)
		if (name == known.name)
			return known.type;
	return std::nullopt;
}

std::vector<std::string> bson_type_names()
{
	std::vector<std::string> names;
	for (const NamedType &known : kTypes)
		names.emplace_back(known.name);
	return names;
}

} // namespace reconcile::fdw
