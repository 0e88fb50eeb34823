/*-------------------------------------------------------------------------
 *
 * filter.cpp
 *	  Conditions as MongoDB takes them.
 *
 * The order of values is MongoDB's as long as both are of one type.  Where it
 * is not (NaN, digits beyond a double's, microseconds), the bounds are moved
 * outward.
 *
 *-------------------------------------------------------------------------
 */
#include "fdw/condition.hpp"
#include "fdw/condition_kinds.hpp"
#include "fdw/encode.hpp"
#include "fdw/numbers.hpp"

extern "C" {
#include "access/stratnum.h"
#include "utils/array.h"
#include "utils/date.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"
}

#include <cctype>
#include <cmath>
#include <limits>

namespace reconcile::fdw {

namespace {

constexpr size_t kLongestPrefix = 1000;
constexpr int64 kMillisecondsPerDay = INT64CONST(86400000);
constexpr int64 kDaysToEpoch2000 = POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE;

/* Passes says what a condition came to: a document in MongoDB's words, or
 * that every or no document passes. */
enum class Passes { kSome, kAll, kNone };

struct Sent {
	Passes passes;
	mongo::Document words;
};

Sent all()
{
	return {Passes::kAll, {}};
}

Sent none()
{
	return {Passes::kNone, {}};
}

/* field says {"path": {...}}. */
Sent field(const Column &column, const mongo::Document &words)
{
	Sent sent{Passes::kSome, {}};
	sent.words.document(column.path, words.get());
	return sent;
}

bool is_equality(int strategy)
{
	return strategy == BTEqualStrategyNumber;
}

bool is_upper(int strategy)
{
	return strategy == BTLessStrategyNumber || strategy == BTLessEqualStrategyNumber;
}

const char *operator_of(int strategy)
{
	switch (strategy) {
	case BTLessStrategyNumber:
		return "$lt";
	case BTLessEqualStrategyNumber:
		return "$lte";
	case BTGreaterEqualStrategyNumber:
		return "$gte";
	case BTGreaterStrategyNumber:
		return "$gt";
	case kNotEqual:
		return "$ne";
	default:
		return "$eq";
	}
}

/* inclusive is the operator that lets the bound itself pass too. */
const char *inclusive(int strategy)
{
	return is_upper(strategy) ? "$lte" : "$gte";
}

/* passes_infinity tells whether what is finite passes a comparison with
 * infinity, or minus infinity. */
bool passes_infinity(int strategy, bool plus)
{
	return !is_equality(strategy) && is_upper(strategy) == plus;
}

/* either says {"$or": [a, b]}. */
Sent either(const mongo::Document &a, const mongo::Document &b)
{
	Sent sent{Passes::kSome, {}};
	mongo::Document parts;
	parts.document("0", a.get()).document("1", b.get());
	sent.words.array("$or", parts.get());
	return sent;
}

/* append_equal appends a value that equality can be asked for by; in two
 * forms where a column reads two. */
void append_equal(mongo::Document &list, mongo::ArrayKeys &keys, const Column &column, Kind kind,
				  Datum value)
{
	if (column.kind == Kind::kText) {
		std::string_view const text = utf8_of(value);
		bson_oid_t oid;
		/* The digits of an ObjectId are read in lower case. */
		bool const may_be_id = column.bson_type != BSON_TYPE_UTF8 &&
							   text.find_first_of("ABCDEF") == std::string_view::npos &&
							   object_id_from(text, &oid);
		if (column.bson_type != BSON_TYPE_OID)
			list.string(keys.next(), text);
		if (may_be_id)
			list.object_id(keys.next(), oid);
		return;
	}
	Column plain = column; /* the value has a type of its own */
	plain.kind = kind;
	plain.bson_type = plain.written_type = kAnyType;
	append_value(list, keys.next(), plain, value);
}

/* sent_list says {"path": v} or {"path": {"$in": [...]}}. */
Sent sent_list(const Column &column, const mongo::Document &list)
{
	bson_iter_t only;
	if (list.empty())
		return none();
	Sent sent{Passes::kSome, {}};
	if (bson_count_keys(list.get()) == 1 && bson_iter_init(&only, list.get()) &&
		bson_iter_next(&only)) {
		sent.words.copy(column.path, only);
		return sent;
	}
	mongo::Document in;
	in.array("$in", list.get());
	return field(column, in);
}

/* enclose gives bounds that enclose every document value that is read as
 * this number. */
void enclose(Kind column, Kind kind, Datum value, double *low, double *high)
{
	double const infinity = std::numeric_limits<double>::infinity();
	double const d = kind == Kind::kFloat4	 ? DatumGetFloat4(value)
					 : kind == Kind::kFloat8 ? DatumGetFloat8(value)
											 : nearest_double(as_numeric(kind, value));
	*low = *high = d;
	if (column == Kind::kFloat4) {
		float const f = static_cast<float>(d);
		*low = std::nextafter(f, -std::numeric_limits<float>::infinity());
		*high = std::nextafter(f, std::numeric_limits<float>::infinity());
	} else if (column == Kind::kNumeric) {
		*low = std::nextafter(d, -infinity);
		*high = std::nextafter(d, infinity);
	}
}

/* sent_number compares with a number that MongoDB may know as another one. */
Sent sent_number(const Column &column, int strategy, Kind kind, Datum value)
{
	double low, high;
	enclose(column.kind, kind, value, &low, &high);
	if (std::isnan(low))
		return all();
	mongo::Document range;
	if (is_equality(strategy)) {
		range.number("$gte", low).number("$lte", high);
		return field(column, range);
	}
	range.number(inclusive(strategy), is_upper(strategy) ? high : low);
	Sent sent = field(column, range);
	if (is_upper(strategy))
		return sent;
	/* PostgreSQL sorts NaN above all numbers. */
	mongo::Document nan;
	nan.number(column.path, std::numeric_limits<double>::quiet_NaN());
	return either(sent.words, nan);
}

/* sent_any_date lets all dates pass, which are all finite. */
Sent sent_any_date(const Column &column)
{
	mongo::Document type;
	type.string("$type", "date");
	return field(column, type);
}

Sent sent_date(const Column &column, int strategy, Datum value)
{
	DateADT const date = DatumGetDateADT(value);
	if (DATE_NOT_FINITE(date))
		return passes_infinity(strategy, DATE_IS_NOEND(date)) ? sent_any_date(column) : none();
	int64_t const start = (date + kDaysToEpoch2000) * kMillisecondsPerDay;
	int64_t const end = start + kMillisecondsPerDay;
	mongo::Document range;
	if (!is_upper(strategy))
		range.date("$gte", strategy == BTGreaterStrategyNumber ? end : start);
	if (is_upper(strategy) || is_equality(strategy))
		range.date("$lt", strategy == BTLessStrategyNumber ? start : end);
	return field(column, range);
}

/* sent_timestamp compares with whole milliseconds, of which those that are
 * below a fraction of one are below the next. */
Sent sent_timestamp(const Column &column, int strategy, Datum value)
{
	Timestamp const timestamp = DatumGetTimestamp(value);
	if (strategy == kNotEqual && (TIMESTAMP_NOT_FINITE(timestamp) || timestamp % 1000 != 0))
		return all();
	if (TIMESTAMP_NOT_FINITE(timestamp))
		return passes_infinity(strategy, TIMESTAMP_IS_NOEND(timestamp)) ? sent_any_date(column)
																		: none();
	bool const whole = timestamp % 1000 == 0;
	if (is_equality(strategy) && !whole)
		return none();
	mongo::Document words;
	words.date(whole				? operator_of(strategy)
			   : is_upper(strategy) ? "$lte"
									: "$gt",
			   milliseconds_from(timestamp));
	return field(column, words);
}

/* sent_text compares by the order of bytes.  What is read from an ObjectId is
 * text here and is none in MongoDB, so those all pass. */
Sent sent_text(const Column &column, int strategy, Datum value)
{
	mongo::Document range, type;
	range.string(operator_of(strategy), utf8_of(value));
	Sent sent = field(column, range);
	if (column.bson_type == BSON_TYPE_UTF8)
		return sent;
	type.string("$type", "objectId");
	return either(sent.words, field(column, type).words);
}

/* sent_plain compares with a value as it is. */
Sent sent_plain(const Column &column, int strategy, Kind kind, Datum value)
{
	mongo::Document range;
	Column plain = column;
	plain.kind = kind;
	plain.bson_type = plain.written_type = kAnyType;
	append_value(range, operator_of(strategy), plain, value);
	return field(column, range);
}

Kind kind_of(Oid type)
{
	switch (type) {
	case INT2OID:
		return Kind::kInt2;
	case INT4OID:
		return Kind::kInt4;
	case INT8OID:
		return Kind::kInt8;
	case FLOAT4OID:
		return Kind::kFloat4;
	case FLOAT8OID:
		return Kind::kFloat8;
	case NUMERICOID:
		return Kind::kNumeric;
	case BOOLOID:
		return Kind::kBool;
	case UUIDOID:
		return Kind::kUuid;
	case DATEOID:
		return Kind::kDate;
	case TIMESTAMPOID:
		return Kind::kTimestamp;
	case TIMESTAMPTZOID:
		return Kind::kTimestamptz;
	default:
		return Kind::kText;
	}
}

Sent sent_comparison(const Column &column, int strategy, const Value &value)
{
	if (value.null)
		return none();
	Kind const kind = kind_of(pg::call([&] { return getBaseType(value.type); }));
	switch (column.kind) {
	case Kind::kFloat4:
	case Kind::kFloat8:
	case Kind::kNumeric:
		return sent_number(column, strategy, kind, value.datum);
	case Kind::kDate:
		return sent_date(column, strategy, value.datum);
	case Kind::kTimestamp:
	case Kind::kTimestamptz:
		return sent_timestamp(column, strategy, value.datum);
	default:
		break;
	}
	if (is_equality(strategy)) {
		mongo::Document list;
		mongo::ArrayKeys keys;
		append_equal(list, keys, column, kind, value.datum);
		return sent_list(column, list);
	}
	return column.kind == Kind::kText ? sent_text(column, strategy, value.datum)
									  : sent_plain(column, strategy, kind, value.datum);
}

/* prefix_of returns what all text that is LIKE a pattern begins with. */
std::string prefix_of(std::string_view pattern)
{
	std::string prefix;
	for (size_t i = 0; i < pattern.size() && pattern[i] != '%' && pattern[i] != '_'; i++) {
		if (pattern[i] == '\\' && ++i == pattern.size())
			break; /* which PostgreSQL complains about */
		prefix += pattern[i];
	}
	return prefix;
}

/* sent_like asks for a prefix by a regular expression, in which every sign
 * that could mean something else is quoted. */
Sent sent_like(const Column &column, const Value &value)
{
	if (value.null)
		return none();
	std::string const prefix = prefix_of(utf8_of(value.datum));
	if (prefix.empty() || prefix.size() > kLongestPrefix)
		return all();
	std::string expression = "^";
	for (char c : prefix) {
		if (static_cast<unsigned char>(c) < 128 && !std::isalnum(static_cast<unsigned char>(c)))
			expression += '\\';
		expression += c;
	}
	mongo::Document words, type;
	words.string("$regex", expression);
	Sent sent = field(column, words);
	if (column.bson_type == BSON_TYPE_UTF8)
		return sent;
	type.string("$type", "objectId");
	return either(sent.words, field(column, type).words);
}

/* sent_in asks for a list of values, or for all others.  Times between two
 * milliseconds are in no document, and NaN is compared as PostgreSQL does only
 * here. */
Sent sent_in(const Column &column, const Value &value, bool in)
{
	if (value.null)
		return none();
	Datum *elements;
	bool *nulls;
	int count;
	Oid type = InvalidOid;
	pg::call([&] {
		ArrayType *array = DatumGetArrayTypeP(value.datum);
		int16 length;
		bool by_value;
		char align;
		type = ARR_ELEMTYPE(array);
		get_typlenbyvalalign(type, &length, &by_value, &align);
		deconstruct_array(array, type, length, by_value, align, &elements, &nulls, &count);
	});
	if (count > kLongestList)
		return all();
	Kind const kind = kind_of(pg::call([&] { return getBaseType(type); }));
	bool const time = kind == Kind::kTimestamp || kind == Kind::kTimestamptz;
	mongo::Document list;
	mongo::ArrayKeys keys;
	for (int i = 0; i < count; i++) {
		if (nulls[i] && !in) /* from NULL, nothing is known to differ */
			return none();
		if (nulls[i])
			continue;
		if (time && (TIMESTAMP_NOT_FINITE(DatumGetTimestamp(elements[i])) ||
					 DatumGetTimestamp(elements[i]) % 1000 != 0))
			continue;
		if ((kind == Kind::kFloat8 && std::isnan(DatumGetFloat8(elements[i]))) ||
			(kind == Kind::kFloat4 && std::isnan(DatumGetFloat4(elements[i]))))
			return all();
		append_equal(list, keys, column, kind, elements[i]);
	}
	if (in)
		return sent_list(column, list);
	mongo::Document out;
	out.array("$nin", list.get());
	return field(column, out);
}

/* sent_null_test counts missing fields as NULL, as reading does. */
Sent sent_null_test(const Column &column, bool is_null)
{
	Sent sent{Passes::kSome, {}};
	mongo::Document words;
	if (is_null) {
		sent.words.null(column.path);
		return sent;
	}
	/* $ne would exclude arrays that have a null among their elements. */
	if (column.kind == Kind::kJsonb || column.kind == Kind::kArray)
		words.boolean("$exists", true);
	else
		words.null("$ne");
	return field(column, words);
}

/* sent_placeholder stands for a comparison whose value EXPLAIN does not know. */
Sent sent_placeholder(const Column &column, const char *op, int place)
{
	mongo::Document words;
	words.string(op, "$" + std::to_string(place + 1));
	return field(column, words);
}

/* no_array says {"$nor": [{"path": {"$type": "array"}}, ...]}. */
mongo::Document no_array(const std::vector<const Column *> &columns)
{
	mongo::Document type, list, words;
	mongo::ArrayKeys keys;
	type.string("$type", "array");
	for (const Column *column : columns)
		for (const std::string &path : fields_of(*column)) {
			mongo::Document one;
			one.document(path, type.get());
			list.document(keys.next(), one.get());
		}
	words.array("$nor", list.get());
	return words;
}

int number_at(List *condition, int i)
{
	return intVal(list_nth(condition, i));
}

Sent sent(const Table &table, List *condition, const Values &values);

Sent sent_logic(const Table &table, List *condition, bool is_or, const Values &values)
{
	Sent result{Passes::kSome, {}};
	mongo::Document parts;
	mongo::ArrayKeys keys;
	for (int i = 1; i < list_length(condition); i++) {
		Sent const part = sent(table, static_cast<List *>(list_nth(condition, i)), values);
		if (part.passes == (is_or ? Passes::kAll : Passes::kNone))
			return is_or ? all() : none();
		if (part.passes == Passes::kSome)
			parts.document(keys.next(), part.words.get());
	}
	if (parts.empty())
		return is_or ? none() : all();
	result.words.array(is_or ? "$or" : "$and", parts.get());
	return result;
}

Sent sent(const Table &table, List *condition, const Values &values)
{
	auto const kind = static_cast<ConditionKind>(number_at(condition, 0));
	if (kind == ConditionKind::kAnd || kind == ConditionKind::kOr)
		return sent_logic(table, condition, kind == ConditionKind::kOr, values);

	const Column &column = *table.column(static_cast<AttrNumber>(number_at(condition, 1)));
	switch (kind) {
	case ConditionKind::kCompare: {
		int const strategy = number_at(condition, 2), place = number_at(condition, 3);
		std::optional<Value> const value = values(place);
		return value ? sent_comparison(column, strategy, *value)
					 : sent_placeholder(column, operator_of(strategy), place);
	}
	case ConditionKind::kIn:
	case ConditionKind::kNotIn: {
		int const place = number_at(condition, 2);
		bool const in = kind == ConditionKind::kIn;
		std::optional<Value> const value = values(place);
		return value ? sent_in(column, *value, in)
					 : sent_placeholder(column, in ? "$in" : "$nin", place);
	}
	case ConditionKind::kLike: {
		int const place = number_at(condition, 2);
		std::optional<Value> const value = values(place);
		return value ? sent_like(column, *value) : sent_placeholder(column, "$regex", place);
	}
	case ConditionKind::kTruth: {
		Sent truth{Passes::kSome, {}};
		truth.words.boolean(column.path, number_at(condition, 2) != 0);
		return truth;
	}
	case ConditionKind::kNotTruth: {
		mongo::Document untruth;
		untruth.boolean("$ne", number_at(condition, 2) != 0);
		return field(column, untruth);
	}
	default:
		return sent_null_test(column, kind == ConditionKind::kIsNull);
	}
}

} // namespace

bool known_as(const Column &column, Oid type)
{
	Oid const base = pg::call([&] { return getBaseType(type); });
	Kind const kind = kind_of(base);
	switch (column.kind) {
	case Kind::kInt2:
	case Kind::kInt4:
	case Kind::kInt8:
		return kind == Kind::kInt2 || kind == Kind::kInt4 || kind == Kind::kInt8;
	case Kind::kFloat4:
	case Kind::kFloat8:
		return kind == Kind::kFloat4 || kind == Kind::kFloat8;
	case Kind::kText:
		return base == TEXTOID || base == VARCHAROID;
	default:
		return base == column.base_type;
	}
}

void append_conditions(mongo::Document &filter, const Table &table, List *conditions,
					   const Values &values, bool without_arrays)
{
	std::vector<mongo::Document> parts;
	if (!table.options.filter.empty())
		parts.push_back(mongo::Document::from_json(table.options.filter));
	ListCell *cell;
	foreach (cell, conditions) {
		Sent part = sent(table, static_cast<List *>(lfirst(cell)), values);
		if (part.passes == Passes::kNone) {
			mongo::Document nothing, in;
			in.array("$in", nothing.get());
			part.words.document("_id", in.get());
		}
		if (part.passes != Passes::kAll)
			parts.push_back(std::move(part.words));
	}
	if (without_arrays && conditions != NIL)
		parts.push_back(no_array(columns_in(table, conditions)));
	if (parts.size() == 1) {
		filter = std::move(parts.front());
		return;
	}
	mongo::Document list;
	mongo::ArrayKeys keys;
	for (const mongo::Document &part : parts)
		list.document(keys.next(), part.get());
	if (!list.empty())
		filter.array("$and", list.get());
}

} // namespace reconcile::fdw
