/*-------------------------------------------------------------------------
 *
 * convert_jsonb.cpp
 *	  Values of MongoDB as jsonb.
 *
 * Built directly: going through JSON text costs several times as much.  Only
 * the types that are rare take that way, through the driver's own text.
 *
 *-------------------------------------------------------------------------
 */
#include "fdw/convert.hpp"

extern "C" {
#include "mb/pg_wchar.h"
#include "pgtime.h"
#include "utils/datetime.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
}

#include <cmath>
#include <cstring>

namespace reconcile::fdw {

namespace {

/* The years for which relaxed extended JSON writes a date as text. */
constexpr int64_t kYear10000 = INT64CONST(253402300800000);

/* Into is where a value goes: a place in an object or array under
 * construction, or alone. */
struct Into {
	JsonbParseState **state;
	JsonbIteratorToken token; /* WJB_VALUE or WJB_ELEM */
	JsonbValue *result = nullptr;
};

Fit push(const bson_iter_t *value, Into &into);

Fit string_from(const char *text, uint32_t length, JsonbValue *into)
{
	const char *converted;
	int new_length;
	Fit const fit = text_in_server(text, length, &converted, &new_length);
	if (fit != Fit::kFits)
		return fit;
	into->type = jbvString;
	into->val.string.val = const_cast<char *>(converted);
	into->val.string.len = new_length;
	return Fit::kFits;
}

JsonbValue ascii_string(const char *text)
{
	JsonbValue value;
	value.type = jbvString;
	value.val.string.val = const_cast<char *>(text);
	value.val.string.len = static_cast<int>(std::strlen(text));
	return value;
}

/* push_wrapped makes {"$name": value}. */
void push_wrapped(const char *name, JsonbValue value, Into &into)
{
	JsonbValue key = ascii_string(name);
	pushJsonbValue(into.state, WJB_BEGIN_OBJECT, nullptr);
	pushJsonbValue(into.state, WJB_KEY, &key);
	pushJsonbValue(into.state, WJB_VALUE, &value);
	into.result = pushJsonbValue(into.state, WJB_END_OBJECT, nullptr);
}

Fit push_object_id(const bson_iter_t *value, Into &into)
{
	auto *digits = static_cast<char *>(palloc(25));
	bson_oid_to_string(bson_iter_oid(value), digits);
	push_wrapped("$oid", ascii_string(digits), into);
	return Fit::kFits;
}

/* push_by_text takes the driver's extended JSON of a value of a rare type. */
Fit push_by_text(const bson_iter_t *value, Into &into)
{
	bson_t document = BSON_INITIALIZER;
	char *json = nullptr;
	if (bson_append_iter(&document, "v", 1, value))
		json = bson_as_relaxed_extended_json(&document, nullptr);
	bson_destroy(&document);
	if (json == nullptr)
		return Fit::kNotUtf8;
	char *text = pstrdup(json);
	bson_free(json);

	Datum const parsed = DirectFunctionCall1(
		jsonb_in,
		CStringGetDatum(pg_any_to_server(text, static_cast<int>(std::strlen(text)), PG_UTF8)));
	JsonbValue *found =
		getKeyJsonValueFromContainer(&DatumGetJsonbP(parsed)->root, "v", 1, nullptr);
	if (*into.state == nullptr) {
		into.result = found;
		return Fit::kFits;
	}
	into.result = pushJsonbValue(into.state, into.token, found);
	return Fit::kFits;
}

/* push_far_date makes {"$date": {"$numberLong": "..."}}: the driver would write
 * years of more than four digits, in which nobody reads a date. */
Fit push_far_date(int64_t milliseconds, Into &into)
{
	JsonbValue date = ascii_string("$date"), number = ascii_string("$numberLong");
	JsonbValue text = ascii_string(psprintf(INT64_FORMAT, milliseconds));
	pushJsonbValue(into.state, WJB_BEGIN_OBJECT, nullptr);
	pushJsonbValue(into.state, WJB_KEY, &date);
	pushJsonbValue(into.state, WJB_BEGIN_OBJECT, nullptr);
	pushJsonbValue(into.state, WJB_KEY, &number);
	pushJsonbValue(into.state, WJB_VALUE, &text);
	pushJsonbValue(into.state, WJB_END_OBJECT, nullptr);
	into.result = pushJsonbValue(into.state, WJB_END_OBJECT, nullptr);
	return Fit::kFits;
}

/* push_date writes "2026-01-31T10:00:00.123Z" for the years that have four
 * digits, like relaxed extended JSON. */
Fit push_date(const bson_iter_t *value, Into &into)
{
	int64_t const milliseconds = bson_iter_date_time(value);
	if (milliseconds < 0 || milliseconds >= kYear10000)
		return push_far_date(milliseconds, into);
	int64 timestamp;
	struct pg_tm tm;
	fsec_t fraction;
	if (!timestamp_from(milliseconds, &timestamp) ||
		timestamp2tm(timestamp, nullptr, &tm, &fraction, nullptr, nullptr) != 0)
		return Fit::kOutOfRange;
	char *text = psprintf("%04d-%02d-%02dT%02d:%02d:%02d", tm.tm_year, tm.tm_mon, tm.tm_mday,
						  tm.tm_hour, tm.tm_min, tm.tm_sec);
	text = fraction == 0 ? psprintf("%sZ", text) : psprintf("%s.%03dZ", text, fraction / 1000);
	push_wrapped("$date", ascii_string(text), into);
	return Fit::kFits;
}

Fit push_decimal(const bson_iter_t *value, Into &into)
{
	bson_decimal128_t decimal;
	if (!bson_iter_decimal128(value, &decimal))
		return Fit::kCorrupt;
	auto *text = static_cast<char *>(palloc(BSON_DECIMAL128_STRING));
	bson_decimal128_to_string(&decimal, text);
	push_wrapped("$numberDecimal", ascii_string(text), into);
	return Fit::kFits;
}

/* push_fields fills an object or array with the fields of a document. */
Fit push_fields(bson_iter_t *fields, JsonbParseState **state, bool array)
{
	Into into{state, array ? WJB_ELEM : WJB_VALUE};
	while (bson_iter_next(fields)) {
		if (!array) {
			JsonbValue key;
			Fit const fit = string_from(bson_iter_key(fields), bson_iter_key_len(fields), &key);
			if (fit != Fit::kFits)
				return fit;
			pushJsonbValue(state, WJB_KEY, &key);
		}
		Fit const fit = push(fields, into);
		if (fit != Fit::kFits)
			return fit;
	}
	return fields->err_off == 0 ? Fit::kFits : Fit::kCorrupt;
}

Fit push_container(bson_iter_t *fields, bool array, Into &into)
{
	check_stack_depth();
	pushJsonbValue(into.state, array ? WJB_BEGIN_ARRAY : WJB_BEGIN_OBJECT, nullptr);
	Fit const fit = push_fields(fields, into.state, array);
	if (fit == Fit::kFits)
		into.result = pushJsonbValue(into.state, array ? WJB_END_ARRAY : WJB_END_OBJECT, nullptr);
	return fit;
}

/* push_scalar adds a value that JSON has as well. */
Fit push_scalar(JsonbValue *scalar, Into &into)
{
	if (*into.state == nullptr) { /* alone */
		into.result = static_cast<JsonbValue *>(palloc(sizeof(JsonbValue)));
		*into.result = *scalar;
	} else {
		into.result = pushJsonbValue(into.state, into.token, scalar);
	}
	return Fit::kFits;
}

Fit push_number(const bson_iter_t *value, Into &into)
{
	Datum number;
	Fit const fit = numeric_from(value, &number);
	if (fit != Fit::kFits)
		return fit;
	JsonbValue scalar;
	scalar.type = jbvNumeric;
	scalar.val.numeric = DatumGetNumeric(number);
	return push_scalar(&scalar, into);
}

Fit push(const bson_iter_t *value, Into &into)
{
	JsonbValue scalar;
	bson_iter_t fields;
	switch (bson_iter_type(value)) {
	case BSON_TYPE_UTF8: {
		uint32_t length;
		const char *text = bson_iter_utf8(value, &length);
		Fit const fit = string_from(text, length, &scalar);
		return fit == Fit::kFits ? push_scalar(&scalar, into) : fit;
	}
	case BSON_TYPE_INT32:
	case BSON_TYPE_INT64:
		return push_number(value, into);
	case BSON_TYPE_DOUBLE: {
		double const d = bson_iter_double(value);
		/* JSON has no such numbers, and jsonb no zero with a sign. */
		bool const special = !std::isfinite(d) || (d == 0 && std::signbit(d));
		if (special && std::isfinite(d)) {
			push_wrapped("$numberDouble", ascii_string("-0.0"), into);
			return Fit::kFits;
		}
		return special ? push_by_text(value, into) : push_number(value, into);
	}
	case BSON_TYPE_BOOL:
		scalar.type = jbvBool;
		scalar.val.boolean = bson_iter_bool(value);
		return push_scalar(&scalar, into);
	case BSON_TYPE_NULL:
		scalar.type = jbvNull;
		return push_scalar(&scalar, into);
	case BSON_TYPE_DOCUMENT:
	case BSON_TYPE_ARRAY:
		if (!bson_iter_recurse(value, &fields))
			return Fit::kCorrupt;
		return push_container(&fields, bson_iter_type(value) == BSON_TYPE_ARRAY, into);
	case BSON_TYPE_OID:
		return push_object_id(value, into);
	case BSON_TYPE_DATE_TIME:
		return push_date(value, into);
	case BSON_TYPE_DECIMAL128:
		return push_decimal(value, into);
	default:
		return push_by_text(value, into);
	}
}

} // namespace

Fit jsonb_from(const bson_iter_t *value, Datum *datum)
{
	JsonbParseState *state = nullptr;
	Into into{&state, WJB_VALUE};
	Fit const fit = push(value, into);
	if (fit == Fit::kFits)
		*datum = JsonbPGetDatum(JsonbValueToJsonb(into.result));
	return fit;
}

Fit jsonb_from_document(const bson_t *document, Datum *datum)
{
	JsonbParseState *state = nullptr;
	Into into{&state, WJB_VALUE};
	bson_iter_t fields;
	if (!bson_iter_init(&fields, document))
		return Fit::kCorrupt;
	Fit const fit = push_container(&fields, false, into);
	if (fit == Fit::kFits)
		*datum = JsonbPGetDatum(JsonbValueToJsonb(into.result));
	return fit;
}

} // namespace reconcile::fdw
