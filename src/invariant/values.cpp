/*-------------------------------------------------------------------------
 *
 * values.cpp
 *	  SQL expressions on single values: equal, as stored, made by the table.
 *
 *-------------------------------------------------------------------------
 */
#include "invariant/values.hpp"

#include "pg/text.hpp"

extern "C" {
#include "catalog/pg_type_d.h"
#include "utils/lsyscache.h"
}

namespace reconcile::invariant {

namespace {

/* any_value returns a constant of a type, for comparing NULLs by hashing: two
 * columns are equal, NULL equal to NULL, when they are equal with NULL read as
 * this constant and both or neither are NULL.  Which constant does not matter;
 * types that are not in the list have none. */
const char *any_value(Oid type)
{
	switch (type) {
	case INT2OID:
	case INT4OID:
	case INT8OID:
	case NUMERICOID:
	case FLOAT4OID:
	case FLOAT8OID:
		return "0";
	case TEXTOID:
	case VARCHAROID:
	case BPCHAROID:
	case BYTEAOID:
		return "";
	case BOOLOID:
		return "false";
	case UUIDOID:
		return "00000000-0000-0000-0000-000000000000";
	case DATEOID:
	case TIMESTAMPOID:
	case TIMESTAMPTZOID:
		return "2000-01-01";
	default:
		return nullptr;
	}
}

bool is_integer(Oid type)
{
	return type == INT2OID || type == INT4OID || type == INT8OID;
}

/* numeric_scale is the number of digits that numeric(precision, scale) keeps
 * behind the point; numeric.c encodes it so. */
int numeric_scale(int32 typmod)
{
	return (((typmod - VARHDRSZ) & 0x7ff) ^ 1024) - 1024;
}

/* as_integer rounds a number to an integer type, to NULL where it is out of
 * range. */
std::string as_integer(Oid type, const std::string &value)
{
	const char *const range = type == INT2OID	? "-32768 AND 32767"
							  : type == INT4OID ? "-2147483648 AND 2147483647"
												: "-9223372036854775808 AND 9223372036854775807";
	std::string const number = "pg_catalog.round(" + value + "::pg_catalog.numeric)";
	return "(CASE WHEN " + number + " BETWEEN " + range + " THEN " + number +
		   "::" + pg::type_name(type) + " END)";
}

/* as_padded fills a text up with blanks, as char(n) does; one that is too long stays
 * as it is. */
std::string as_padded(const Column &column, const std::string &value)
{
	std::string const text = value + "::pg_catalog.bpchar";
	return "(CASE WHEN pg_catalog.length(" + text + ") OPERATOR(pg_catalog.<=) " +
		   std::to_string(column.base_typmod - VARHDRSZ) + " THEN " + text +
		   "::" + pg::type_name(column.base, column.base_typmod) + " ELSE " + text + " END)";
}

/* as_cut drops the blanks beyond the length of a varchar(n), as storing it does; a text of
 * which more is beyond stays as it is.  Counting its bytes tells most of them apart. */
std::string as_cut(const Column &column, const std::string &value)
{
	std::string const length = std::to_string(column.base_typmod - VARHDRSZ);
	std::string const text = value + "::pg_catalog.varchar";
	std::string const fits = " OPERATOR(pg_catalog.<=) " + length + " THEN " + text;
	return "(CASE WHEN pg_catalog.octet_length(" + text + ")" + fits +
		   " WHEN pg_catalog.length(pg_catalog.rtrim(" + text + "))" + fits +
		   "::" + pg::type_name(column.base, column.base_typmod) + " ELSE " + text + " END)";
}

/* may_be_longer tells whether a value of a type with a length may have more than the
 * column takes. */
bool may_be_longer(const Column &column, const Output &given)
{
	return column.base_typmod >= 0 &&
		   (given.type != VARCHAROID || given.typmod < 0 || given.typmod > column.base_typmod);
}

/* placeholder stands for a value that would be counted: it collides with
 * nothing, and making it changes nothing. */
std::string placeholder(Oid type)
{
	switch (type) {
	case INT2OID:
	case INT4OID:
	case INT8OID:
	case NUMERICOID:
	case FLOAT4OID:
	case FLOAT8OID:
		return "- pg_catalog.row_number() OVER ()";
	case TEXTOID:
	case VARCHAROID:
	case BPCHAROID:
		return "pg_catalog.concat('planned row ', pg_catalog.row_number() OVER ())";
	case UUIDOID:
		return "pg_catalog.gen_random_uuid()";
	default:
		return "NULL";
	}
}

} // namespace

std::string equality(const Column &column, const std::string &x, const std::string &e)
{
	Oid const operator_of_type = equality_operator(column.type);
	if (!OidIsValid(operator_of_type))
		return "ARRAY[pg_catalog.format('%s', " + x + "), (" + x +
			   " IS NULL)::pg_catalog.text] OPERATOR(pg_catalog.=) ARRAY[pg_catalog.format('%s', " +
			   e + "), (" + e + " IS NULL)::pg_catalog.text]";
	std::string const equal = " " + pg::operator_name(operator_of_type) + " ";
	std::string const type = pg::type_name(column.base);

	if (column.not_null)
		return x + equal + e;
	if (const char *constant = any_value(column.base)) {
		std::string const value = ", '" + std::string(constant) + "'::" + type + ")";
		return "coalesce(" + x + value + equal + "coalesce(" + e + value + " AND (" + x +
			   " IS NULL) OPERATOR(pg_catalog.=) (" + e + " IS NULL)";
	}
	if (pg::call([&] { return type_is_array(column.base); })) /* an array of arrays has no NULL */
		return "ROW(" + x + ")::pg_catalog.record OPERATOR(pg_catalog.=) ROW(" + e +
			   ")::pg_catalog.record";
	return "ARRAY[" + x + "] OPERATOR(pg_catalog.=) ARRAY[" + e + "]";
}

std::string nullness(Oid type, const std::string &value)
{
	if (pg::call([&] { return type_is_rowtype(type); }))
		return "pg_catalog.num_nulls(" + value + ") OPERATOR(pg_catalog.=) 1";
	return value + " IS NULL";
}

std::string distinctness(const Column &column, const std::string &value, const std::string &other,
						 const std::string &given)
{
	return "((" + value + " " + pg::operator_name(equality_operator(column.type)) + " " + other +
		   ") IS NOT TRUE AND NOT (" + nullness(column.base, value) + " AND " +
		   nullness(column.base, given) + "))";
}

std::string sameness(Oid type, const std::string &value, const std::string &other)
{
	Oid const equal = equality_operator(type);
	std::string const nulls = "pg_catalog.num_nulls(" + value + ", " + other + ")";
	return "(" +
		   (OidIsValid(equal)
				? value + " " + pg::operator_name(equal) + " " + other
				: "pg_catalog.format('%s', " + value +
					  ") OPERATOR(pg_catalog.=) pg_catalog.format('%s', " + other + ")") +
		   " AND " + nulls + " OPERATOR(pg_catalog.=) 0 OR " + nulls + " OPERATOR(pg_catalog.=) 2)";
}

std::string as_kept(const Column &column, const std::string &value)
{
	return column.milliseconds ? "pg_catalog.date_trunc('milliseconds', " + value + ")" : value;
}

std::string as_stored(const Column &column, const Output &given, const std::string &value)
{
	std::string stored;
	switch (column.base) {
	case INT2OID:
	case INT4OID:
	case INT8OID:
		stored = is_integer(given.type) ? value : as_integer(column.base, value);
		break;
	case NUMERICOID:
		stored = value + "::pg_catalog.numeric";
		if (column.base_typmod >= 0)
			stored = "pg_catalog.round(" + stored + ", " +
					 std::to_string(numeric_scale(column.base_typmod)) + ")";
		break;
	case TIMEOID:
	case TIMETZOID:
	case TIMESTAMPOID:
	case TIMESTAMPTZOID:
	case INTERVALOID:
		stored = as_kept(column, value + "::" + pg::type_name(column.base, column.base_typmod));
		break;
	case VARCHAROID:
		stored = may_be_longer(column, given) ? as_cut(column, value)
											  : value + "::" + pg::type_name(column.base);
		break;
	case BPCHAROID:
		stored = column.base_typmod >= 0 ? as_padded(column, value)
										 : value + "::" + pg::type_name(column.base);
		break;
	default:
		stored = value + "::" + pg::type_name(column.base);
	}
	return column.collation.empty() ? stored : stored + " COLLATE " + column.collation;
}

std::string made_value(const Column &column)
{
	std::string const value =
		column.counted ? placeholder(column.base) : column.default_expression.value_or("NULL");
	return "(" + value + ")::" + pg::type_name(column.base);
}

} // namespace reconcile::invariant
