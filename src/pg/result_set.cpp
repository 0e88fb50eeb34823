/*-------------------------------------------------------------------------
 *
 * result_set.cpp
 *	  Arguments and result rows of SQL-callable functions.
 *
 *-------------------------------------------------------------------------
 */
#include "pg/result_set.hpp"

#include "pg/text.hpp"

extern "C" {
#include "datatype/timestamp.h"
#include "utils/array.h"
}

#include <algorithm>

namespace reconcile::pg {

/* ------------------------------------------------------------------- Row */

Row &Row::add(Datum value)
{
	values_.push_back(value);
	nulls_.push_back(0);
	return *this;
}

Row &Row::add_null()
{
	add(Datum(0));
	nulls_.back() = 1;
	return *this;
}

Row &Row::text(const std::string &value)
{
	return add(text_datum(value));
}

Row &Row::text(const std::optional<std::string> &value)
{
	return value ? text(*value) : add_null();
}

Row &Row::number(int64 value)
{
	return add(Int64GetDatum(value));
}

Row &Row::number(const std::optional<int64> &value)
{
	return value ? number(*value) : add_null();
}

Row &Row::interval(int64 microseconds)
{
	return add(pg::call([&] {
		auto *value = static_cast<Interval *>(palloc0(sizeof(Interval)));
		value->time = microseconds;
		return PointerGetDatum(value);
	}));
}

/* ------------------------------------------------------------- ResultSet */

ResultSet::ResultSet(FunctionCallInfo fcinfo)
	: info_(reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo))
{
	/* the caller's row type, as a table of one column has none of its own */
	call([&] { InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC); });
}

void ResultSet::add(Row row)
{
	call(
		[&] { tuplestore_putvalues(info_->setResult, info_->setDesc, row.values(), row.nulls()); });
}

/* ------------------------------------------------------------- Arguments */

namespace {

/* is_plain_list tells whether an array is what SQL means by a list. */
bool is_plain_list(ArrayType *array)
{
	return ARR_NDIM(array) <= 1 && !array_contains_nulls(array);
}

} // namespace

Datum Arguments::required(int n, const char *name) const
{
	if (null(n))
		fail(ERRCODE_NULL_VALUE_NOT_ALLOWED,
			 std::string("argument \"") + name + "\" must not be null");
	return datum(n);
}

std::string Arguments::text(int n, const char *name) const
{
	return text_of(required(n, name));
}

std::vector<std::string> Arguments::texts(int n, const char *name) const
{
	Datum const array = required(n, name);
	if (!pg::call([&] { return is_plain_list(DatumGetArrayTypeP(array)); }))
		fail(ERRCODE_INVALID_PARAMETER_VALUE,
			 std::string("argument \"") + name +
				 "\" must be a one-dimensional array without nulls");
	return strings_of(array);
}

bool Arguments::truth(int n, const char *name) const
{
	return DatumGetBool(required(n, name));
}

Oid Arguments::oid(int n, const char *name) const
{
	return DatumGetObjectId(required(n, name));
}

int64 Arguments::int4(int n, const char *name) const
{
	return DatumGetInt32(required(n, name));
}

int64 Arguments::int8(int n, const char *name) const
{
	return DatumGetInt64(required(n, name));
}

std::optional<std::string> Arguments::optional_text(int n) const
{
	if (null(n))
		return std::nullopt;
	return text_of(datum(n));
}

std::optional<int64> Arguments::optional_int8(int n) const
{
	if (null(n))
		return std::nullopt;
	return DatumGetInt64(datum(n));
}

std::string Arguments::one_of(int n, const char *name, const std::vector<std::string> &words) const
{
	std::string word = text(n, name);
	if (std::find(words.begin(), words.end(), word) == words.end()) {
		std::vector<std::string> shown;
		for (const std::string &valid : words)
			shown.push_back("\"" + valid + "\"");
		fail(ERRCODE_INVALID_PARAMETER_VALUE,
			 std::string("invalid value for argument \"") + name + "\": \"" + word + "\"", {},
			 "Valid values are " + joined(shown, ", ") + ".");
	}
	return word;
}

} // namespace reconcile::pg
