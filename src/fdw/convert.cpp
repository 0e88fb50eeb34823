/*-------------------------------------------------------------------------
 *
 * convert.cpp
 *	  One value of MongoDB as a value of PostgreSQL.
 *
 *-------------------------------------------------------------------------
 */
#include "fdw/convert.hpp"

extern "C" {
#include "common/int.h"
#include "common/shortest_dec.h"
#include "mb/pg_wchar.h"
#include "utils/date.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"
}

#include <cmath>
#include <cstring>

namespace reconcile::fdw {

namespace {

constexpr int64 kMillisecondsToEpoch2000 = INT64CONST(946684800000);
constexpr int64 kMillisecondsPerDay = INT64CONST(86400000);
constexpr double kTwoTo53 = 9007199254740992.0;
constexpr double kTwoTo63 = 9223372036854775808.0;

Datum numeric_in_text(const char *text)
{
	return DirectFunctionCall3(numeric_in, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid),
							   Int32GetDatum(-1));
}

bool numeric_equal(Datum a, Datum b)
{
	return DatumGetBool(DirectFunctionCall2(numeric_eq, a, b));
}

bool numeric_less(Datum a, Datum b)
{
	return DatumGetBool(DirectFunctionCall2(numeric_lt, a, b));
}

/* int64_from_numeric accepts whole numbers only. */
Fit int64_from_numeric(Datum numeric, int64 *number)
{
	Numeric const value = DatumGetNumeric(numeric);
	if (numeric_is_nan(value) || numeric_is_inf(value))
		return Fit::kOutOfRange;
	if (!numeric_equal(DirectFunctionCall2(numeric_trunc, numeric, Int32GetDatum(0)), numeric))
		return Fit::kInexact;
	if (numeric_less(numeric, NumericGetDatum(int64_to_numeric(PG_INT64_MIN))) ||
		numeric_less(NumericGetDatum(int64_to_numeric(PG_INT64_MAX)), numeric))
		return Fit::kOutOfRange;
	*number = DatumGetInt64(DirectFunctionCall1(numeric_int8, numeric));
	return Fit::kFits;
}

/* int64_from accepts any number that is whole and within 64 bits. */
Fit int64_from(const bson_iter_t *value, int64 *number)
{
	switch (bson_iter_type_unsafe(value)) {
	case BSON_TYPE_INT32:
		*number = bson_iter_int32_unsafe(value);
		return Fit::kFits;
	case BSON_TYPE_INT64:
		*number = bson_iter_int64_unsafe(value);
		return Fit::kFits;
	case BSON_TYPE_DOUBLE: {
		double const d = bson_iter_double_unsafe(value);
		if (std::isnan(d) || d < -kTwoTo63 || d >= kTwoTo63)
			return Fit::kOutOfRange;
		if (d != std::trunc(d))
			return Fit::kInexact;
		*number = static_cast<int64>(d);
		return Fit::kFits;
	}
	case BSON_TYPE_DECIMAL128: {
		Datum numeric;
		Fit const fit = numeric_from(value, &numeric);
		return fit == Fit::kFits ? int64_from_numeric(numeric, number) : fit;
	}
	default:
		return Fit::kWrongType;
	}
}

Fit integer_from(const bson_iter_t *value, int64 least, int64 greatest, int64 *number)
{
	Fit const fit = int64_from(value, number);
	if (fit == Fit::kFits && (*number < least || *number > greatest))
		return Fit::kOutOfRange;
	return fit;
}

/* double_from accepts a double, and whole numbers that a double holds. */
Fit double_from(const bson_iter_t *value, double *number)
{
	switch (bson_iter_type_unsafe(value)) {
	case BSON_TYPE_DOUBLE:
		*number = bson_iter_double_unsafe(value);
		return Fit::kFits;
	case BSON_TYPE_INT32:
		*number = bson_iter_int32_unsafe(value);
		return Fit::kFits;
	case BSON_TYPE_INT64: {
		int64 const whole = bson_iter_int64_unsafe(value);
		*number = static_cast<double>(whole);
		if (*number >= kTwoTo63 || static_cast<int64>(*number) != whole)
			return Fit::kInexact;
		return Fit::kFits;
	}
	default:
		return Fit::kWrongType;
	}
}

/* float_from rounds a double, which a column of that type asks for; a whole
 * number it holds or does not. */
Fit float_from(const bson_iter_t *value, float *number)
{
	double d;
	Fit const fit = double_from(value, &d);
	if (fit != Fit::kFits)
		return fit;
	*number = static_cast<float>(d);
	if ((std::isinf(*number) && !std::isinf(d)) || (*number == 0 && d != 0))
		return Fit::kOutOfRange;
	if (bson_iter_type_unsafe(value) != BSON_TYPE_DOUBLE && static_cast<double>(*number) != d)
		return Fit::kInexact;
	return Fit::kFits;
}

/* numeric_fits tells whether numeric(precision, scale) holds a number as it is. */
Fit numeric_fits(Datum numeric, int32 typmod)
{
	if (typmod < static_cast<int32>(VARHDRSZ) || numeric_is_nan(DatumGetNumeric(numeric)))
		return Fit::kFits;
	if (numeric_is_inf(DatumGetNumeric(numeric)))
		return Fit::kOutOfRange;
	int32 const packed = typmod - static_cast<int32>(VARHDRSZ);
	int const precision = (packed >> 16) & 0xffff;
	int const scale = ((packed & 0x7ff) ^ 1024) - 1024; /* 11 bits with a sign */
	if (!numeric_equal(DirectFunctionCall2(numeric_round, numeric, Int32GetDatum(scale)), numeric))
		return Fit::kInexact;
	Datum const bound = numeric_in_text(psprintf("1e%d", precision - scale));
	return numeric_less(DirectFunctionCall1(numeric_abs, numeric), bound) ? Fit::kFits
																		  : Fit::kOutOfRange;
}

/* fraction_fits tells whether timestamp(p) holds a time as it is. */
bool fraction_fits(int64 timestamp, int32 typmod)
{
	static constexpr int64 kUnits[] = {1000000, 100000, 10000, 1000, 100, 10, 1};
	return typmod < 0 || typmod > 6 || timestamp % kUnits[typmod] == 0;
}

/* characters_allowed returns n of varchar(n) or char(n), or -1. */
int characters_allowed(const Column &column)
{
	return column.typmod >= static_cast<int32>(VARHDRSZ) &&
				   (column.base_type == VARCHAROID || column.base_type == BPCHAROID)
			   ? column.typmod - static_cast<int32>(VARHDRSZ)
			   : -1;
}

Datum varlena_of(const char *data, size_t length, size_t blanks = 0)
{
	auto *result = static_cast<struct varlena *>(palloc(length + blanks + VARHDRSZ));
	SET_VARSIZE(result, length + blanks + VARHDRSZ);
	std::memcpy(VARDATA(result), data, length);
	std::memset(VARDATA(result) + length, ' ', blanks);
	return PointerGetDatum(result);
}

/* text_from accepts strings, and ObjectIds as their 24 digits. */
Fit text_from(const Column &column, const bson_iter_t *value, Datum *datum)
{
	char digits[25];
	const char *text;
	int length;
	if (bson_iter_type_unsafe(value) == BSON_TYPE_OID) {
		bson_oid_to_string(bson_iter_oid_unsafe(value), digits);
		text = digits;
		length = 24;
	} else if (bson_iter_type_unsafe(value) == BSON_TYPE_UTF8) {
		size_t bytes;
		const char *utf8 = bson_iter_utf8_unsafe(value, &bytes);
		Fit const fit = text_in_server(utf8, static_cast<uint32_t>(bytes), &text, &length);
		if (fit != Fit::kFits)
			return fit;
	} else {
		return Fit::kWrongType;
	}

	int const allowed = characters_allowed(column);
	size_t blanks = 0;
	if (allowed >= 0 && (length > allowed || column.kind == Kind::kBpchar)) {
		int const characters = pg_mbstrlen_with_len(text, length);
		if (characters > allowed)
			return Fit::kTooLong;
		if (column.kind == Kind::kBpchar)
			blanks = static_cast<size_t>(allowed - characters);
	}
	*datum = varlena_of(text, static_cast<size_t>(length), blanks);
	return Fit::kFits;
}

Fit bytea_from(const bson_iter_t *value, Datum *datum)
{
	if (bson_iter_type_unsafe(value) == BSON_TYPE_OID) {
		const bson_oid_t *oid = bson_iter_oid_unsafe(value);
		*datum = varlena_of(reinterpret_cast<const char *>(oid->bytes), sizeof oid->bytes);
		return Fit::kFits;
	}
	if (bson_iter_type_unsafe(value) != BSON_TYPE_BINARY)
		return Fit::kWrongType;
	bson_subtype_t subtype;
	uint32_t length;
	const uint8_t *data;
	bson_iter_binary(value, &subtype, &length, &data);
	*datum = varlena_of(reinterpret_cast<const char *>(data), length);
	return Fit::kFits;
}

int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* uuid_from_text reads the form with four hyphens, in either case. */
Fit uuid_from_text(const char *text, uint32_t length, pg_uuid_t *uuid)
{
	if (length != 36)
		return Fit::kWrongType;
	int digits = 0;
	for (int i = 0; i < 36; i++) {
		bool const hyphen = i == 8 || i == 13 || i == 18 || i == 23;
		int const digit = hex_digit(text[i]);
		if (hyphen ? text[i] != '-' : digit < 0)
			return Fit::kWrongType;
		if (hyphen)
			continue;
		unsigned char &byte = uuid->data[digits / 2];
		byte = static_cast<unsigned char>(digits % 2 == 0 ? digit << 4 : byte | digit);
		digits++;
	}
	return Fit::kFits;
}

/* uuid_from accepts binary subtype 4; subtype 3 has its bytes in an order that
 * depends on who wrote it. */
Fit uuid_from(const Column &column, const bson_iter_t *value, Datum *datum)
{
	auto *uuid = static_cast<pg_uuid_t *>(palloc(sizeof(pg_uuid_t)));
	*datum = UUIDPGetDatum(uuid);
	if (bson_iter_type_unsafe(value) == BSON_TYPE_UTF8 && column.bson_type == BSON_TYPE_UTF8) {
		uint32_t length;
		const char *text = bson_iter_utf8(value, &length);
		return uuid_from_text(text, length, uuid);
	}
	if (bson_iter_type_unsafe(value) != BSON_TYPE_BINARY)
		return Fit::kWrongType;
	bson_subtype_t subtype;
	uint32_t length;
	const uint8_t *data;
	bson_iter_binary(value, &subtype, &length, &data);
	if (subtype != BSON_SUBTYPE_UUID || length != UUID_LEN)
		return Fit::kWrongType;
	std::memcpy(uuid->data, data, UUID_LEN);
	return Fit::kFits;
}

Fit time_from(const Column &column, const bson_iter_t *value, Datum *datum)
{
	if (bson_iter_type_unsafe(value) != BSON_TYPE_DATE_TIME)
		return Fit::kWrongType;
	int64_t const milliseconds = bson_iter_int64_unsafe(value);
	if (column.kind == Kind::kDate) {
		int64_t days = milliseconds / kMillisecondsPerDay;
		days -= milliseconds % kMillisecondsPerDay < 0;
		days -= kMillisecondsToEpoch2000 / kMillisecondsPerDay;
		if (days < DATETIME_MIN_JULIAN - POSTGRES_EPOCH_JDATE ||
			days >= DATE_END_JULIAN - POSTGRES_EPOCH_JDATE)
			return Fit::kOutOfRange;
		*datum = DateADTGetDatum(static_cast<DateADT>(days));
		return Fit::kFits;
	}
	int64 timestamp;
	if (!timestamp_from(milliseconds, &timestamp))
		return Fit::kOutOfRange;
	*datum = TimestampGetDatum(timestamp);
	return fraction_fits(timestamp, column.typmod) ? Fit::kFits : Fit::kInexact;
}

} // namespace

bool timestamp_from(int64_t milliseconds, int64 *timestamp)
{
	int64 since_2000;
	return !pg_sub_s64_overflow(milliseconds, kMillisecondsToEpoch2000, &since_2000) &&
		   !pg_mul_s64_overflow(since_2000, 1000, timestamp) && IS_VALID_TIMESTAMP(*timestamp);
}

Fit text_in_server(const char *text, uint32_t length, const char **converted, int *new_length)
{
	*converted = text;
	*new_length = static_cast<int>(length);
	if (!pg_verify_mbstr(PG_UTF8, text, *new_length, true))
		return std::memchr(text, '\0', length) != nullptr ? Fit::kZeroByte : Fit::kNotUtf8;
	if (GetDatabaseEncoding() != PG_UTF8) {
		*converted = pg_any_to_server(text, *new_length, PG_UTF8);
		if (*converted != text)
			*new_length = static_cast<int>(std::strlen(*converted));
	}
	return Fit::kFits;
}

Fit numeric_from(const bson_iter_t *value, Datum *datum)
{
	switch (bson_iter_type_unsafe(value)) {
	case BSON_TYPE_INT32:
		*datum = NumericGetDatum(int64_to_numeric(bson_iter_int32_unsafe(value)));
		return Fit::kFits;
	case BSON_TYPE_INT64:
		*datum = NumericGetDatum(int64_to_numeric(bson_iter_int64_unsafe(value)));
		return Fit::kFits;
	case BSON_TYPE_DOUBLE: {
		double const d = bson_iter_double_unsafe(value);
		if (d == std::trunc(d) && std::fabs(d) < kTwoTo53) {
			*datum = NumericGetDatum(int64_to_numeric(static_cast<int64>(d)));
			return Fit::kFits;
		}
		char text[DOUBLE_SHORTEST_DECIMAL_LEN];
		double_to_shortest_decimal_buf(d, text);
		*datum = numeric_in_text(text);
		return Fit::kFits;
	}
	case BSON_TYPE_DECIMAL128: {
		bson_decimal128_t decimal;
		char text[BSON_DECIMAL128_STRING];
		if (!bson_iter_decimal128(value, &decimal))
			return Fit::kCorrupt;
		bson_decimal128_to_string(&decimal, text);
		*datum = numeric_in_text(text);
		return Fit::kFits;
	}
	default:
		return Fit::kWrongType;
	}
}

Fit value_from(const Column &column, const bson_iter_t *value, Datum *datum)
{
	if (column.bson_type != kAnyType && bson_iter_type_unsafe(value) != column.bson_type)
		return Fit::kWrongType;

	int64 whole;
	double fraction;
	float small;
	Fit fit;
	switch (column.kind) {
	case Kind::kText:
	case Kind::kBpchar:
		return text_from(column, value, datum);
	case Kind::kBytea:
		return bytea_from(value, datum);
	case Kind::kBool:
		*datum = BoolGetDatum(bson_iter_type_unsafe(value) == BSON_TYPE_BOOL &&
							  bson_iter_bool_unsafe(value));
		return bson_iter_type_unsafe(value) == BSON_TYPE_BOOL ? Fit::kFits : Fit::kWrongType;
	case Kind::kInt2:
		fit = integer_from(value, PG_INT16_MIN, PG_INT16_MAX, &whole);
		*datum = fit == Fit::kFits ? Int16GetDatum(static_cast<int16>(whole)) : Datum(0);
		return fit;
	case Kind::kInt4:
		fit = integer_from(value, PG_INT32_MIN, PG_INT32_MAX, &whole);
		*datum = fit == Fit::kFits ? Int32GetDatum(static_cast<int32>(whole)) : Datum(0);
		return fit;
	case Kind::kInt8:
		fit = int64_from(value, &whole);
		*datum = fit == Fit::kFits ? Int64GetDatum(whole) : Datum(0);
		return fit;
	case Kind::kFloat4:
		fit = float_from(value, &small);
		*datum = fit == Fit::kFits ? Float4GetDatum(small) : Datum(0);
		return fit;
	case Kind::kFloat8:
		fit = double_from(value, &fraction);
		*datum = fit == Fit::kFits ? Float8GetDatum(fraction) : Datum(0);
		return fit;
	case Kind::kNumeric:
		fit = numeric_from(value, datum);
		return fit == Fit::kFits ? numeric_fits(*datum, column.typmod) : fit;
	case Kind::kTimestamptz:
	case Kind::kTimestamp:
	case Kind::kDate:
		return time_from(column, value, datum);
	case Kind::kUuid:
		return uuid_from(column, value, datum);
	case Kind::kJsonb:
		return jsonb_from(value, datum);
	case Kind::kArray:
		return array_from(column, value, datum);
	}
	return Fit::kWrongType;
}

} // namespace reconcile::fdw
