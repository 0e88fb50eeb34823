/*-------------------------------------------------------------------------
 *
 * numbers.cpp
 *	  Numbers of PostgreSQL, on their way to MongoDB.
 *
 *-------------------------------------------------------------------------
 */
#include "fdw/numbers.hpp"

extern "C" {
#include "common/shortest_dec.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"
}

#include <cmath>
#include <cstdlib>
#include <cstring>

namespace reconcile::fdw {

namespace {

constexpr int64 kMillisecondsToEpoch2000 = INT64CONST(946684800000);

Datum numeric_from_text(const char *text)
{
	return pg::call([&] {
		return DirectFunctionCall3(numeric_in, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid),
								   Int32GetDatum(-1));
	});
}

bool same_number(Datum numeric, const char *text)
{
	Datum const other = numeric_from_text(text);
	return pg::call([&] { return DatumGetBool(DirectFunctionCall2(numeric_eq, numeric, other)); });
}

/* whole returns a number that is whole and within 64 bits. */
bool whole(Datum numeric, int64 *number)
{
	return pg::call([&] {
		Numeric const value = DatumGetNumeric(numeric);
		auto const less = [](Datum a, Datum b) {
			return DatumGetBool(DirectFunctionCall2(numeric_lt, a, b));
		};
		if (numeric_is_nan(value) || numeric_is_inf(value) ||
			less(numeric, NumericGetDatum(int64_to_numeric(PG_INT64_MIN))) ||
			less(NumericGetDatum(int64_to_numeric(PG_INT64_MAX)), numeric))
			return false;
		Datum const truncated = DirectFunctionCall2(numeric_trunc, numeric, Int32GetDatum(0));
		if (!DatumGetBool(DirectFunctionCall2(numeric_eq, truncated, numeric)))
			return false;
		*number = DatumGetInt64(DirectFunctionCall1(numeric_int8, truncated));
		return true;
	});
}

bool append_double(mongo::Document &into, std::string_view name, Datum numeric)
{
	double const d = nearest_double(numeric);
	char text[DOUBLE_SHORTEST_DECIMAL_LEN];
	double_to_shortest_decimal_buf(d, text);
	if (!same_number(numeric, text))
		return false;
	into.number(name, d);
	return true;
}

bool append_decimal(mongo::Document &into, std::string_view name, Datum numeric)
{
	std::string const text = numeric_text(numeric);
	bson_decimal128_t decimal;
	char back[BSON_DECIMAL128_STRING];
	/* The driver rounds what has more than 34 digits. */
	if (!bson_decimal128_from_string(text.c_str(), &decimal))
		return false;
	bson_decimal128_to_string(&decimal, back);
	if (!same_number(numeric, back))
		return false;
	into.decimal(name, decimal);
	return true;
}

} // namespace

Datum as_numeric(Kind kind, Datum value)
{
	return pg::call([&] {
		switch (kind) {
		case Kind::kInt2:
			return NumericGetDatum(int64_to_numeric(DatumGetInt16(value)));
		case Kind::kInt4:
			return NumericGetDatum(int64_to_numeric(DatumGetInt32(value)));
		case Kind::kInt8:
			return NumericGetDatum(int64_to_numeric(DatumGetInt64(value)));
		case Kind::kFloat4:
		case Kind::kFloat8: {
			char text[DOUBLE_SHORTEST_DECIMAL_LEN];
			double_to_shortest_decimal_buf(
				kind == Kind::kFloat4 ? DatumGetFloat4(value) : DatumGetFloat8(value), text);
			return DirectFunctionCall3(numeric_in, CStringGetDatum(text),
									   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
		}
		default:
			return NumericGetDatum(DatumGetNumeric(value));
		}
	});
}

std::string numeric_text(Datum numeric)
{
	return pg::call([&] { return DatumGetCString(DirectFunctionCall1(numeric_out, numeric)); });
}

double nearest_double(Datum numeric)
{
	return std::strtod(numeric_text(numeric).c_str(), nullptr);
}

bool append_numeric(mongo::Document &into, std::string_view name, Datum numeric, bson_type_t type)
{
	int64 number;
	switch (type) {
	case BSON_TYPE_INT32:
		if (!whole(numeric, &number) || number < PG_INT32_MIN || number > PG_INT32_MAX)
			return false;
		into.int32(name, static_cast<int32_t>(number));
		return true;
	case BSON_TYPE_INT64:
		if (!whole(numeric, &number))
			return false;
		into.int64(name, number);
		return true;
	case BSON_TYPE_DOUBLE:
		return append_double(into, name, numeric);
	case BSON_TYPE_DECIMAL128:
		return append_decimal(into, name, numeric);
	default:
		return false;
	}
}

void append_number_of_json(mongo::Document &into, std::string_view name, Datum numeric)
{
	for (bson_type_t type :
		 {BSON_TYPE_INT32, BSON_TYPE_INT64, BSON_TYPE_DOUBLE, BSON_TYPE_DECIMAL128})
		if (append_numeric(into, name, numeric, type))
			return;
	pg::fail(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, "number has more digits than BSON can hold",
			 "The number is " + numeric_text(numeric) +
				 "; a decimal of MongoDB has 34 digits and an exponent up to 6111.");
}

int64_t milliseconds_from(int64 timestamp)
{
	/* Shifted last: microseconds of the last years would not fit. */
	return timestamp / 1000 - (timestamp % 1000 < 0) + kMillisecondsToEpoch2000;
}

} // namespace reconcile::fdw
