/*-------------------------------------------------------------------------
 *
 * table.cpp
 *	  A foreign table as MongoDB sees it: a collection, and fields.
 *
 *-------------------------------------------------------------------------
 */
#include "fdw/table.hpp"

#include "pg/text.hpp"

extern "C" {
#include "access/table.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_type.h"
#include "foreign/fdwapi.h"
#include "foreign/foreign.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
}

#include <algorithm>

namespace reconcile::fdw {

namespace {

struct KnownKind {
	Oid type;
	Kind kind;
	std::vector<bson_type_t> bson_types; /* that bson_type may ask for */
};

const std::vector<KnownKind> &known_kinds()
{
	static const auto *kinds = new std::vector<KnownKind>{
		{TEXTOID, Kind::kText, {BSON_TYPE_UTF8, BSON_TYPE_OID}},
		{VARCHAROID, Kind::kText, {BSON_TYPE_UTF8, BSON_TYPE_OID}},
		{BPCHAROID, Kind::kBpchar, {BSON_TYPE_UTF8, BSON_TYPE_OID}},
		{BYTEAOID, Kind::kBytea, {BSON_TYPE_BINARY, BSON_TYPE_OID}},
		{BOOLOID, Kind::kBool, {BSON_TYPE_BOOL}},
		{INT2OID,
		 Kind::kInt2,
		 {BSON_TYPE_INT32, BSON_TYPE_INT64, BSON_TYPE_DOUBLE, BSON_TYPE_DECIMAL128}},
		{INT4OID,
		 Kind::kInt4,
		 {BSON_TYPE_INT32, BSON_TYPE_INT64, BSON_TYPE_DOUBLE, BSON_TYPE_DECIMAL128}},
		{INT8OID,
		 Kind::kInt8,
		 {BSON_TYPE_INT32, BSON_TYPE_INT64, BSON_TYPE_DOUBLE, BSON_TYPE_DECIMAL128}},
		{FLOAT4OID, Kind::kFloat4, {BSON_TYPE_DOUBLE, BSON_TYPE_INT32, BSON_TYPE_INT64}},
		{FLOAT8OID, Kind::kFloat8, {BSON_TYPE_DOUBLE, BSON_TYPE_INT32, BSON_TYPE_INT64}},
		{NUMERICOID,
		 Kind::kNumeric,
		 {BSON_TYPE_INT32, BSON_TYPE_INT64, BSON_TYPE_DOUBLE, BSON_TYPE_DECIMAL128}},
		{TIMESTAMPTZOID, Kind::kTimestamptz, {BSON_TYPE_DATE_TIME}},
		{TIMESTAMPOID, Kind::kTimestamp, {BSON_TYPE_DATE_TIME}},
		{DATEOID, Kind::kDate, {BSON_TYPE_DATE_TIME}},
		{UUIDOID, Kind::kUuid, {BSON_TYPE_BINARY, BSON_TYPE_UTF8}},
		{JSONBOID, Kind::kJsonb, {}}, /* any */
	};
	return *kinds;
}

void set_type(Column &column, Oid type, int32 typmod, const ColumnOptions &options);

/* KnownKind of a column: what its type, below any domain, means. */
const KnownKind &known_kind(const Column &column)
{
	auto const &kinds = known_kinds();
	auto const known = std::find_if(kinds.begin(), kinds.end(), [&](const KnownKind &kind) {
		return kind.type == column.base_type;
	});
	if (known == kinds.end())
		pg::fail(ERRCODE_FDW_INVALID_DATA_TYPE,
				 "column \"" + column.name +
					 "\" has a type that no value of MongoDB fits: " + column_type_name(column),
				 {}, "Use jsonb, which holds any value.");
	return *known;
}

/* asked_type is the BSON type that an option asks for, which the column's own
 * type must be able to hold. */
bson_type_t asked_type(const Column &column, const char *option, const std::string &name)
{
	bson_type_t const asked = *bson_type_from(name);
	auto const &fitting = known_kind(column).bson_types;
	if (!fitting.empty() && std::find(fitting.begin(), fitting.end(), asked) == fitting.end())
		pg::fail(ERRCODE_FDW_INVALID_DATA_TYPE,
				 std::string("option \"") + option + "\" of column \"" + column.name +
					 "\" does not fit its type",
				 "Type " + column_type_name(column) + " cannot hold BSON type " + name + ".");
	return asked;
}

/* element_of describes the elements of an array; int2vector and its like are
 * no arrays, and of domains nobody would check the elements.  The options of the column are about
 * its elements. */
std::shared_ptr<const Column> element_of(const Column &array, const ColumnOptions &options)
{
	Oid const element = pg::call([&] {
		Oid const type = get_element_type(array.base_type);
		return OidIsValid(type) && get_array_type(type) == array.base_type &&
					   get_typtype(type) != TYPTYPE_DOMAIN
				   ? type
				   : InvalidOid;
	});
	if (!OidIsValid(element))
		return nullptr;
	auto column = std::make_shared<Column>();
	column->number = array.number;
	column->name = array.name;
	column->path = array.path;
	column->parts = array.parts;
	column->collation = array.collation;
	set_type(*column, element, array.typmod, options);
	return column;
}

/* set_type finds out what the column's type means, and which BSON types it is
 * read from and written as. */
void set_type(Column &column, Oid type, int32 typmod, const ColumnOptions &options)
{
	column.type = type;
	column.typmod = column.declared_typmod = typmod;
	column.base_type = pg::call([&] { return getBaseTypeAndTypmod(column.type, &column.typmod); });
	column.element = element_of(column, options);
	if (column.element != nullptr) {
		column.kind = Kind::kArray;
		return;
	}
	column.kind = known_kind(column).kind;
	if (!options.bson_type.empty())
		column.bson_type = column.written_type = asked_type(column, "bson_type", options.bson_type);
	if (!options.write_as.empty())
		column.written_type = asked_type(column, "write_as", options.write_as);
}

Column column_of(Oid relation, Form_pg_attribute attribute)
{
	ColumnOptions const options = column_options(relation, attribute->attnum);
	Column column;
	column.number = attribute->attnum;
	column.name = NameStr(attribute->attname);
	column.path = options.path.value_or(column.name);
	column.parts = path_parts(column.path);
	column.generated = attribute->attgenerated != '\0';
	column.not_null = attribute->attnotnull;
	column.collation = attribute->attcollation;
	set_type(column, attribute->atttypid, attribute->atttypmod, options);
	if (column.whole_document() && column.kind != Kind::kJsonb)
		pg::fail(ERRCODE_FDW_INVALID_DATA_TYPE,
				 "column \"" + column.name + "\" must be of type jsonb",
				 "Its path is empty, which is the whole document.");
	return column;
}

} // namespace

const Column *Table::column(AttrNumber number) const
{
	for (const Column &known : columns)
		if (known.number == number)
			return &known;
	return nullptr;
}

const Column *Table::column(const std::string &name) const
{
	for (const Column &known : columns)
		if (known.name == name)
			return &known;
	return nullptr;
}

Table table_of(Oid relation, TupleDesc row_type)
{
	Table table;
	table.relation = relation;
	table.server = pg::call([&] { return GetForeignServerIdByRelId(relation); });
	table.options = table_options(relation);
	table.width = row_type->natts;
	for (int i = 0; i < row_type->natts; i++) {
		Form_pg_attribute attribute = TupleDescAttr(row_type, i);
		if (!attribute->attisdropped)
			table.columns.push_back(column_of(relation, attribute));
	}
	for (const std::string &name : table.options.key) {
		const Column *column = table.column(name);
		if (column == nullptr || column->whole_document())
			pg::fail(column == nullptr ? ERRCODE_UNDEFINED_COLUMN : ERRCODE_FEATURE_NOT_SUPPORTED,
					 "column \"" + name + "\" named in option \"key\" of foreign table " +
						 pg::qualified_name(relation) +
						 (column == nullptr ? " does not exist" : " is the whole document"));
	}
	return table;
}

Table opened_table_of(Oid relation)
{
	Relation opened = pg::call([&] { return table_open(relation, NoLock); });
	Table table = table_of(relation, RelationGetDescr(opened));
	pg::call([&] { table_close(opened, NoLock); });
	return table;
}

std::string column_type_name(const Column &column)
{
	char *name = pg::call([&] {
		return column.domain() ? format_type_be(column.type)
							   : format_type_with_typemod(column.type, column.typmod);
	});
	return name;
}

} // namespace reconcile::fdw
