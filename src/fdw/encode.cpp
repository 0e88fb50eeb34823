/*-------------------------------------------------------------------------
 *
 * encode.cpp
 *	  Rows to documents: the BSON type of each column, and where it goes.
 *
 *-------------------------------------------------------------------------
 */
#include "fdw/encode.hpp"

#include "fdw/numbers.hpp"
#include "pg/text.hpp"

extern "C" {
#include "mb/pg_wchar.h"
#include "utils/date.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"
}

#include <algorithm>

namespace reconcile::fdw {

namespace {

constexpr int64 kMillisecondsPerDay = INT64CONST(86400000);
constexpr int64 kDaysToEpoch2000 = POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE;

/* default_type is the BSON type of a column that names none. */
bson_type_t default_type(Kind kind)
{
	switch (kind) {
	case Kind::kText:
	case Kind::kBpchar:
		return BSON_TYPE_UTF8;
	case Kind::kBytea:
	case Kind::kUuid:
		return BSON_TYPE_BINARY;
	case Kind::kBool:
		return BSON_TYPE_BOOL;
	case Kind::kInt2:
	case Kind::kInt4:
		return BSON_TYPE_INT32;
	case Kind::kInt8:
		return BSON_TYPE_INT64;
	case Kind::kFloat4:
	case Kind::kFloat8:
		return BSON_TYPE_DOUBLE;
	case Kind::kNumeric:
		return BSON_TYPE_DECIMAL128;
	case Kind::kTimestamptz:
	case Kind::kTimestamp:
	case Kind::kDate:
		return BSON_TYPE_DATE_TIME;
	case Kind::kJsonb:
	case Kind::kArray:
		break;
	}
	return kAnyType;
}

[[noreturn]] void cannot_hold(const Column &column, int sqlstate, const std::string &value)
{
	pg::fail(sqlstate,
			 "value of column \"" + column.name + "\" cannot be written as BSON type " +
				 bson_type_name(column.written_type == kAnyType ? default_type(column.kind)
																: column.written_type),
			 "The value is " + value + ".");
}

void append_text(mongo::Document &into, std::string_view name, const Column &column,
				 std::string_view text)
{
	if (column.written_type != BSON_TYPE_OID) {
		into.string(name, text);
		return;
	}
	bson_oid_t oid;
	if (!object_id_from(text, &oid))
		cannot_hold(column, ERRCODE_INVALID_TEXT_REPRESENTATION,
					"\"" + std::string(text) + "\", and an ObjectId has 24 hexadecimal digits");
	into.object_id(name, oid);
}

void append_bytea(mongo::Document &into, std::string_view name, const Column &column, Datum value)
{
	auto *packed = pg::call([&] { return PG_DETOAST_DATUM_PACKED(value); });
	std::string_view const bytes(VARDATA_ANY(packed),
								 static_cast<size_t>(VARSIZE_ANY_EXHDR(packed)));
	if (column.written_type != BSON_TYPE_OID) {
		into.binary(name, BSON_SUBTYPE_BINARY, bytes);
		return;
	}
	bson_oid_t oid;
	if (bytes.size() != sizeof oid.bytes)
		cannot_hold(column, ERRCODE_INVALID_BINARY_REPRESENTATION,
					std::to_string(bytes.size()) + " bytes, and an ObjectId has 12");
	bson_oid_init_from_data(&oid, reinterpret_cast<const uint8_t *>(bytes.data()));
	into.object_id(name, oid);
}

/* append_number appends a number in the type that the column says. */
void append_number(mongo::Document &into, std::string_view name, const Column &column, Datum value)
{
	bson_type_t const type =
		column.written_type == kAnyType ? default_type(column.kind) : column.written_type;
	Datum const numeric = as_numeric(column.kind, value);
	if (!append_numeric(into, name, numeric, type))
		cannot_hold(column, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, numeric_text(numeric));
}

/* append_float keeps what numeric has not: a zero with a sign. */
void append_float(mongo::Document &into, std::string_view name, const Column &column, Datum value)
{
	if (column.written_type != kAnyType && column.written_type != BSON_TYPE_DOUBLE)
		append_number(into, name, column, value);
	else
		into.number(name,
					column.kind == Kind::kFloat4 ? DatumGetFloat4(value) : DatumGetFloat8(value));
}

/* append_integer takes the short way for the usual types. */
void append_integer(mongo::Document &into, std::string_view name, const Column &column, Datum value)
{
	if (column.written_type != kAnyType)
		append_number(into, name, column, value);
	else if (column.kind == Kind::kInt8)
		into.int64(name, DatumGetInt64(value));
	else
		into.int32(name, column.kind == Kind::kInt2 ? DatumGetInt16(value) : DatumGetInt32(value));
}

void append_time(mongo::Document &into, std::string_view name, const Column &column, Datum value)
{
	if (column.kind == Kind::kDate) {
		DateADT const date = DatumGetDateADT(value);
		if (DATE_NOT_FINITE(date))
			cannot_hold(column, ERRCODE_DATETIME_FIELD_OVERFLOW, "infinite");
		into.date(name, (date + kDaysToEpoch2000) * kMillisecondsPerDay);
		return;
	}
	Timestamp const timestamp = DatumGetTimestamp(value);
	if (TIMESTAMP_NOT_FINITE(timestamp))
		cannot_hold(column, ERRCODE_DATETIME_FIELD_OVERFLOW, "infinite");
	into.date(name, milliseconds_from(timestamp));
}

void append_uuid(mongo::Document &into, std::string_view name, const Column &column, Datum value)
{
	if (column.written_type == BSON_TYPE_UTF8)
		into.string(
			name, pg::call([&] { return DatumGetCString(DirectFunctionCall1(uuid_out, value)); }));
	else
		into.binary(name, BSON_SUBTYPE_UUID,
					{reinterpret_cast<const char *>(DatumGetUUIDP(value)->data), UUID_LEN});
}

/* append_typed_jsonb appends a jsonb that must have the column's BSON type;
 * a number takes that type where it can. */
void append_typed_jsonb(mongo::Document &into, std::string_view name, const Column &column,
						Datum value)
{
	if (column.written_type == kAnyType) {
		append_jsonb(into, name, value);
		return;
	}
	Datum number;
	if (jsonb_number(value, &number) && append_numeric(into, name, number, column.written_type))
		return;
	mongo::Document alone;
	append_jsonb(alone, name, value);
	bson_iter_t field;
	if (!bson_iter_init(&field, alone.get()) || !bson_iter_next(&field) ||
		bson_iter_type(&field) != column.written_type)
		cannot_hold(column, ERRCODE_INVALID_CHARACTER_VALUE_FOR_CAST,
					std::string("of BSON type ") + bson_type_name(bson_iter_type(&field)));
	into.copy(name, field);
}

Datum value_of(const Column &column, TupleTableSlot *slot)
{
	return slot->tts_values[column.number - 1];
}

bool is_null(const Column &column, TupleTableSlot *slot)
{
	return slot->tts_isnull[column.number - 1];
}

/* set_column stores a value into a slot that holds a heap tuple. */
void set_column(TupleTableSlot *slot, const Column &column, Datum value)
{
	pg::call([&] {
		int number = column.number;
		bool null = false;
		HeapTuple const old = ExecFetchSlotHeapTuple(slot, true, nullptr);
		/* The slot frees what it holds from its own context only. */
		MemoryContext const before = MemoryContextSwitchTo(slot->tts_mcxt);
		HeapTuple const tuple =
			heap_modify_tuple_by_cols(old, slot->tts_tupleDescriptor, 1, &number, &value, &null);
		ExecForceStoreHeapTuple(tuple, slot, true);
		slot_getallattrs(slot);
		MemoryContextSwitchTo(before);
	});
}

} // namespace

std::string_view utf8_of(Datum text)
{
	char *bytes = nullptr;
	int length = 0;
	pg::call([&] {
		struct varlena *packed = PG_DETOAST_DATUM_PACKED(text);
		char *data = VARDATA_ANY(packed);
		length = static_cast<int>(VARSIZE_ANY_EXHDR(packed));
		bytes = pg_server_to_any(data, length, PG_UTF8);
		if (bytes != data)
			length = static_cast<int>(strlen(bytes));
	});
	return {bytes, static_cast<size_t>(length)};
}

bool object_id_from(std::string_view text, bson_oid_t *oid)
{
	if (text.size() != 24 || !bson_oid_is_valid(text.data(), text.size()))
		return false;
	char digits[25];
	std::copy(text.begin(), text.end(), digits);
	digits[24] = '\0';
	bson_oid_init_from_string(oid, digits);
	return true;
}

void append_value(mongo::Document &into, std::string_view name, const Column &column, Datum value)
{
	switch (column.kind) {
	case Kind::kText:
		append_text(into, name, column, utf8_of(value));
		break;
	case Kind::kBpchar: {
		std::string_view const padded = utf8_of(value);
		append_text(into, name, column, padded.substr(0, padded.find_last_not_of(' ') + 1));
		break;
	}
	case Kind::kBytea:
		append_bytea(into, name, column, value);
		break;
	case Kind::kBool:
		into.boolean(name, DatumGetBool(value));
		break;
	case Kind::kInt2:
	case Kind::kInt4:
	case Kind::kInt8:
		append_integer(into, name, column, value);
		break;
	case Kind::kFloat4:
	case Kind::kFloat8:
		append_float(into, name, column, value);
		break;
	case Kind::kNumeric:
		append_number(into, name, column, value);
		break;
	case Kind::kTimestamptz:
	case Kind::kTimestamp:
	case Kind::kDate:
		append_time(into, name, column, value);
		break;
	case Kind::kUuid:
		append_uuid(into, name, column, value);
		break;
	case Kind::kJsonb:
		append_typed_jsonb(into, name, column, value);
		break;
	case Kind::kArray:
		append_array(into, name, column, value);
		break;
	}
}

Encoder::Encoder(const Table &table, bool upsert) : table_(table), upsert_(upsert)
{
	if (upsert)
		for (const std::string &name : table.options.key)
			key_.push_back(table.column(name));
	auto const in_key = [&](const Column &column) {
		return std::find(key_.begin(), key_.end(), &column) != key_.end();
	};
	for (const Column *column : key_) /* first, as in what an upsert writes */
		if (!column->generated &&
			std::find(fields_.begin(), fields_.end(), column) == fields_.end())
			add(*column);
	for (const Column &column : table.columns)
		if (!column.generated && !in_key(column))
			add(column);
}

Encoder::Encoder(const Table &table, const std::vector<AttrNumber> &changed)
	: table_(table), upsert_(false)
{
	for (AttrNumber number : changed)
		add(*table.column(number));
	require_changeable();
}

/* require_changeable refuses what MongoDB would, before anything is sent. */
void Encoder::require_changeable() const
{
	if (id_ != nullptr)
		pg::fail(ERRCODE_FEATURE_NOT_SUPPORTED, "column \"" + id_->name + "\" cannot be updated",
				 "MongoDB never changes the _id of a document.",
				 "Delete the document and insert another one.");
	for (const Column *column : fields_)
		require_writable(*column);
	if (auto const both = overlap())
		pg::fail(ERRCODE_DUPLICATE_COLUMN, "field \"" + both->first->path + "\" is given twice",
				 "Column \"" + both->first->name + "\" has it, and column \"" + both->second->name +
					 "\" has it or a part of it.");
}

/* overlap finds a column, and one that has the same field or a part of it. */
std::optional<Encoder::Overlap> Encoder::overlap() const
{
	std::vector<std::pair<std::string, const Column *>> paths;
	for (const Column *column : fields_)
		paths.emplace_back(column->path + ".", column);
	std::sort(paths.begin(), paths.end());
	for (size_t i = 1; i < paths.size(); i++)
		if (paths[i].first.compare(0, paths[i - 1].first.size(), paths[i - 1].first) == 0)
			return Overlap{paths[i - 1].second, paths[i].second};
	return std::nullopt;
}

bool Encoder::inserts_do() const
{
	std::vector<std::string_view> tops;
	for (const Column *column : key_) {
		if (column->generated || column->whole_document() || column->kind == Kind::kJsonb ||
			column->kind == Kind::kArray)
			return false;
		tops.emplace_back(column->parts.front());
	}
	std::sort(tops.begin(), tops.end());
	return !tops.empty() && std::adjacent_find(tops.begin(), tops.end()) == tops.end() &&
		   !overlap();
}

void Encoder::require_writable(const Column &column) const
{
	if (column.through_array())
		pg::fail(ERRCODE_FEATURE_NOT_SUPPORTED, "column \"" + column.name + "\" cannot be written",
				 "Its path \"" + column.path + "\" names one element of an array.");
}

/* add enters a column among what it is: the whole document, or one of the
 * fields. */
void Encoder::add(const Column &column)
{
	if (column.whole_document()) {
		if (whole_ == nullptr)
			whole_ = &column;
		return;
	}
	if (column.path == "_id" && id_ == nullptr)
		id_ = &column;
	fields_.push_back(&column);
	Node *node = &root_;
	for (const std::string &name : column.parts) {
		auto const found = std::find_if(node->children.begin(), node->children.end(),
										[&](const Node &child) { return child.name == name; });
		if (found != node->children.end()) {
			node = &*found;
		} else {
			node->children.push_back({name, nullptr, {}});
			node = &node->children.back();
		}
	}
	if (node->column == nullptr)
		node->column = &column;
}

Encoder::MadeId Encoder::row(TupleTableSlot *slot, mongo::Document &document) const
{
	MadeId const made = begin(slot, document);
	append_nested(document, root_, slot);
	require_key(slot);
	return made;
}

Encoder::MadeId Encoder::upsert(TupleTableSlot *slot, mongo::Document &document,
								mongo::Document &selector) const
{
	MadeId const made = begin(slot, document);
	append_flat(document, slot);
	require_key(slot);
	selector.clear();
	for (const Column *column : key_)
		append_value(selector, column->path, *column, value_of(*column, slot));
	return made;
}

/* begin makes a document of what does not depend on how its fields are named. */
Encoder::MadeId Encoder::begin(TupleTableSlot *slot, mongo::Document &document) const
{
	pg::call([&] { slot_getallattrs(slot); });
	for (const Column *column : fields_)
		if (!is_null(*column, slot))
			require_writable(*column);
	document.clear();
	MadeId made;
	if (!has_id(slot)) {
		bson_oid_init(&made.emplace(), nullptr);
		document.object_id("_id", *made);
	}
	append_whole(document, slot);
	return made;
}

void Encoder::keep_id(TupleTableSlot *slot, const bson_oid_t &made) const
{
	if (id_ == nullptr || id_->kind != Kind::kText)
		return;
	char digits[25];
	bson_oid_to_string(&made, digits);
	set_column(slot, *id_, pg::text_datum(digits));
}

bool Encoder::change(TupleTableSlot *slot, mongo::Document &document) const
{
	pg::call([&] { slot_getallattrs(slot); });
	document.clear();
	if (whole_ != nullptr) {
		if (is_null(*whole_, slot))
			pg::fail(ERRCODE_NOT_NULL_VIOLATION,
					 "null value in column \"" + whole_->name + "\" of foreign table " +
						 pg::qualified_name(table_.relation),
					 "It is the whole document.", "Use DELETE to remove documents.");
		append_whole(document, slot);
		append_nested(document, root_, slot);
		return true;
	}
	mongo::Document set, unset;
	append_flat(set, slot);
	for (const Column *column : fields_)
		if (is_null(*column, slot))
			unset.boolean(column->path, true);
	if (!set.empty())
		document.document("$set", set.get());
	if (!unset.empty())
		document.document("$unset", unset.get());
	return false;
}

/* has_id tells whether the row itself says what the _id is. */
bool Encoder::has_id(TupleTableSlot *slot) const
{
	return (id_ != nullptr && !is_null(*id_, slot)) ||
		   (whole_ != nullptr && !is_null(*whole_, slot) &&
			jsonb_has_field(value_of(*whole_, slot), "_id"));
}

/* append_whole appends the fields of the column that is the whole document. */
void Encoder::append_whole(mongo::Document &into, TupleTableSlot *slot) const
{
	if (whole_ == nullptr || is_null(*whole_, slot))
		return;
	mongo::Document wrapped;
	append_jsonb(wrapped, "document", value_of(*whole_, slot));
	bson_iter_t top, field;
	if (!bson_iter_init(&top, wrapped.get()) || !bson_iter_next(&top) ||
		!BSON_ITER_HOLDS_DOCUMENT(&top) || !bson_iter_recurse(&top, &field))
		pg::fail(ERRCODE_INVALID_CHARACTER_VALUE_FOR_CAST,
				 "column \"" + whole_->name + "\" must hold a JSON object",
				 "It is the whole document.");
	while (bson_iter_next(&field)) {
		std::string const name(bson_iter_key(&field), bson_iter_key_len(&field));
		for (const Column *column : fields_)
			if (column->parts.front() == name && !is_null(*column, slot))
				pg::fail(ERRCODE_DUPLICATE_COLUMN, "field \"" + name + "\" is given twice",
						 "Column \"" + whole_->name + "\" and column \"" + column->name +
							 "\" both have it.");
		if (upsert_ && (name.find('.') != std::string::npos || name.front() == '$'))
			pg::fail(ERRCODE_FEATURE_NOT_SUPPORTED,
					 "field \"" + name + "\" cannot be written with ON CONFLICT DO NOTHING",
					 "Its name would be taken for a path or an operator.");
		into.copy(name, field);
	}
}

/* append_nested builds the documents within the document that paths lead
 * through; without a value in it, there is none. */
void Encoder::append_nested(mongo::Document &into, const Node &node, TupleTableSlot *slot) const
{
	for (const Node &child : node.children) {
		bool const given = child.column != nullptr && !is_null(*child.column, slot);
		if (given)
			append_value(into, child.name, *child.column, value_of(*child.column, slot));
		if (child.children.empty())
			continue;
		mongo::Document nested;
		append_nested(nested, child, slot);
		if (nested.empty())
			continue;
		if (given)
			pg::fail(ERRCODE_DUPLICATE_COLUMN,
					 "field \"" + child.column->path + "\" is given twice",
					 "Column \"" + child.column->name + "\" has it, and others have parts of it.");
		into.document(child.name, nested.get());
	}
}

/* append_flat names fields by their paths, as an update wants them. */
void Encoder::append_flat(mongo::Document &into, TupleTableSlot *slot) const
{
	for (const Column *column : fields_)
		if (!is_null(*column, slot))
			append_value(into, column->path, *column, value_of(*column, slot));
}

void Encoder::require_key(TupleTableSlot *slot) const
{
	for (const Column *column : key_)
		if (is_null(*column, slot))
			pg::fail(ERRCODE_NOT_NULL_VIOLATION,
					 "null value in key column \"" + column->name + "\" of foreign table " +
						 pg::qualified_name(table_.relation),
					 "Option \"key\" of the table names it.");
}

} // namespace reconcile::fdw
