/*-------------------------------------------------------------------------
 *
 * statements.cpp
 *	  The SQL of an invariant: audit, findings, missing rows, insert.
 *
 *-------------------------------------------------------------------------
 */
#include "invariant/statements.hpp"

#include "invariant/sqlstates.hpp"
#include "pg/text.hpp"

extern "C" {
#include "catalog/pg_type_d.h"
#include "utils/lsyscache.h"
}

#include <algorithm>

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

/* equality compares a column of x, of a given type, with an expression. */
std::string equality(const Column &column, const std::string &x, const std::string &e)
{
	std::string const equal = " " + pg::operator_name(equality_operator(column.type)) + " ";
	std::string const type = pg::type_name(column.base);

	if (column.not_null)
		return x + equal + e;
	if (const char *constant = any_value(column.base)) {
		std::string const value = ", '" + std::string(constant) + "'::" + type + ")";
		return "coalesce(" + x + value + equal + "coalesce(" + e + value + " AND (" + x +
			   " IS NULL) OPERATOR(pg_catalog.=) (" + e + " IS NULL)";
	}
	return "ARRAY[" + x + "] OPERATOR(pg_catalog.=) ARRAY[" + e + "]";
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

/* as_stored returns an expected value as the column would store it, as far as
 * this cannot fail: a value that is too long, out of range or outside of a
 * domain equals none, and the target refuses it when it is inserted. */
std::string as_stored(const Column &column, Oid from, const std::string &value)
{
	std::string stored;
	switch (column.base) {
	case INT2OID:
	case INT4OID:
	case INT8OID:
		stored = is_integer(from) ? value : as_integer(column.base, value);
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
		stored = value + "::" + pg::type_name(column.base, column.base_typmod);
		break;
	default:
		stored = value + "::" + pg::type_name(column.base);
	}
	return column.collation.empty() ? stored : stored + " COLLATE " + column.collation;
}

/* The number of target rows with a key, as present_rows() yields it, and a
 * condition that never holds. */
constexpr const char *kCopies = "x.\"copies of the key\"";
constexpr const char *kNever = "false";

/* counted counts the rows for which a condition holds; counting what cannot
 * be costs nothing. */
std::string counted(const std::string &condition)
{
	if (condition == kNever)
		return "0::pg_catalog.int8";
	return "pg_catalog.count(*) FILTER (WHERE " + condition + ")";
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

/* made_value stands for a value that the table would make itself. */
std::string made_value(const Column &column)
{
	std::string const value =
		column.counted ? placeholder(column.base) : column.default_expression.value_or("NULL");
	return "(" + value + ")::" + pg::type_name(column.base);
}

} // namespace

std::string key_json(const std::vector<std::string> &key, const std::string &alias)
{
	std::vector<std::string> parts;
	for (const std::string &name : key)
		parts.push_back(pg::literal(name) + ", " + alias + "." + pg::quoted(name));
	return "pg_catalog.jsonb_build_object(" + pg::joined(parts, ", ") + ")";
}

Statements::Statements(const Definition &definition)
	: definition_(definition), target_(definition.target), expected_(definition.expects),
	  source_(target_.name()), arbiter_(target_.arbiter(definition.key))
{
	if (definition.where_absent)
		absent_ = condition_text(*definition.where_absent, definition.target, "t");
}

bool Statements::key_can_repeat() const
{
	if (!arbiter_ || arbiter_->predicate || target_.has_children())
		return true;
	if (arbiter_->nulls_are_equal)
		return false;
	return std::any_of(definition_.key.begin(), definition_.key.end(),
					   [&](const std::string &name) {
						   const Column *column = target_.column(name);
						   return column != nullptr && !column->not_null;
					   });
}

/* column returns a column of the target that the definition names. */
const Column &Statements::column(const std::string &name) const
{
	const Column *column = target_.column(name);
	if (column == nullptr)
		pg::fail(ERRCODE_UNDEFINED_COLUMN,
				 "column \"" + name + "\" of " + target_.name() + " does not exist");
	return *column;
}

/* expected_value is a column of e as the target would store it. */
std::string Statements::expected_value(const std::string &name, const std::string &alias) const
{
	for (const Output &output : expected_.outputs())
		if (output.name == name)
			return as_stored(column(name), output.type, alias + "." + pg::quoted(name));
	pg::fail(ERRCODE_UNDEFINED_COLUMN, "column \"" + name + "\" is not a column of the query");
}

std::string Statements::expected_key() const
{
	std::vector<std::string> values;
	for (const std::string &name : definition_.key)
		values.push_back(expected_value(name));
	return pg::joined(values, ", ");
}

/* present_rows yields the rows of the target that count, one per key, with
 * the number of copies. */
std::string Statements::present_rows() const
{
	std::vector<std::string> columns, keys;
	for (const std::string &name : definition_.key)
		keys.push_back("t." + pg::quoted(name));
	columns = keys;
	for (const std::string &name : definition_.compare) {
		std::string const column = "t." + pg::quoted(name);
		if (std::find(columns.begin(), columns.end(), column) == columns.end())
			columns.push_back(column); /* a key column may be compared, too */
	}
	std::string const rows =
		" FROM " + source_ + " t" + (absent_ ? " WHERE (" + *absent_ + ") IS NOT TRUE" : "");
	std::string const all = pg::joined(columns, ", "), key = pg::joined(keys, ", ");

	if (!key_can_repeat())
		return "SELECT " + all + ", 1::pg_catalog.int8 AS \"copies of the key\"" + rows;
	if (definition_.compare.empty())
		return "SELECT " + all + ", pg_catalog.count(*) AS \"copies of the key\"" + rows +
			   " GROUP BY " + key;
	return "SELECT DISTINCT ON (" + key + ") " + all + ", pg_catalog.count(*) OVER (PARTITION BY " +
		   key + ") AS \"copies of the key\"" + rows;
}

/* key_equality compares the key of x with that of e. */
std::string Statements::key_equality() const
{
	std::vector<std::string> parts;
	for (const std::string &name : definition_.key)
		parts.push_back(equality(column(name), "x." + pg::quoted(name), expected_value(name)));
	return pg::joined(parts, " AND ");
}

/* differs_in tells that a present row has another value in a column, by the
 * equality of its type, whichever operators the search_path shows. */
std::string Statements::differs_in(const std::string &name) const
{
	std::string const x = "x." + pg::quoted(name), e = expected_value(name);
	return "((" + x + " " + pg::operator_name(equality_operator(column(name).type)) + " " + e +
		   ") IS NOT TRUE AND NOT (" + x + " IS NULL AND e." + pg::quoted(name) + " IS NULL))";
}

/* is_missing tells that an expected row has no present row beside it.  A key
 * column that is never NULL in the target shows it; only without one does the
 * number of copies have to pass through the join, a tenth of an audit's time. */
std::string Statements::is_missing() const
{
	for (const std::string &name : definition_.key) {
		Oid const base = column(name).base; /* a composite of NULLs IS NULL, and there */
		if (column(name).not_null && !pg::call([&] { return type_is_rowtype(base); }))
			return "x." + pg::quoted(name) + " IS NULL";
	}
	return std::string(kCopies) + " IS NULL";
}

/* is_repeated tells that the target has several rows with the key. */
std::string Statements::is_repeated() const
{
	return key_can_repeat() ? std::string(kCopies) + " OPERATOR(pg_catalog.>) 1" : kNever;
}

/* is_different tells that a present row has another value in some column. */
std::string Statements::is_different() const
{
	if (definition_.compare.empty())
		return kNever;
	std::vector<std::string> parts;
	for (const std::string &name : definition_.compare)
		parts.push_back(differs_in(name));
	return "NOT (" + is_missing() + ") AND (" + pg::joined(parts, " OR ") + ")";
}

std::string Statements::expected_columns() const
{
	std::vector<std::string> columns;
	for (const Output &output : expected_.outputs())
		columns.push_back(pg::quoted(output.name));
	return pg::joined(columns, ", ");
}

/* check_fits refuses a target that lost a column which the query yields. */
void Statements::check_fits() const
{
	for (const Output &output : expected_.outputs())
		column(output.name);
}

/* joined_rows is every expected row beside the present row, if there is one. */
std::string Statements::joined_rows() const
{
	check_fits();
	return "(" + expected_.text() + ") AS e LEFT JOIN (" + present_rows() + ") AS x ON " +
		   key_equality();
}

/* deviates tells that an expected row is not as it should be. */
std::string Statements::deviates() const
{
	return is_missing() + " OR " + is_different() + " OR " + is_repeated();
}

std::string Statements::audit() const
{
	return "SELECT pg_catalog.count(*), pg_catalog.count(*) OPERATOR(pg_catalog.-) " +
		   counted(is_missing()) + ", " + counted(is_missing()) + ", " + counted(is_different()) +
		   ", " + counted(is_repeated()) +
		   ", pg_catalog.to_jsonb((reconcile.sample_rows(e.*, $1) FILTER (WHERE " + deviates() +
		   "))[1:$1]) FROM " + joined_rows();
}

std::string Statements::findings() const
{
	std::string compared = "'{}'::pg_catalog.jsonb", reason = "''";
	if (!definition_.compare.empty()) {
		std::vector<std::string> values, reasons;
		for (const std::string &name : definition_.compare) {
			std::string const column = pg::quoted(name), label = pg::literal(name);
			values.push_back(label + ", x." + column);
			reasons.push_back("CASE WHEN " + differs_in(name) +
							  " THEN pg_catalog.format('%s is %L, expected %L', " + label + ", x." +
							  column + ", e." + column + ") END");
		}
		compared = "pg_catalog.jsonb_build_object(" + pg::joined(values, ", ") + ")";
		reason = "pg_catalog.concat_ws('; ', " + pg::joined(reasons, ", ") + ")";
	}
	std::string const table = pg::literal(target_.name());
	std::string const missing = is_missing(), repeated = is_repeated(), copies = kCopies;
	return "SELECT CASE WHEN " + missing + " THEN 'missing' WHEN " + repeated +
		   " THEN 'duplicate' ELSE 'differs' END, " + key_json("e") +
		   ", pg_catalog.to_jsonb(e.*), CASE WHEN " + missing + " THEN NULL WHEN " + repeated +
		   " THEN pg_catalog.jsonb_build_object('rows', " + copies + ") ELSE " + compared +
		   " END, CASE WHEN " + missing +
		   " THEN pg_catalog.format('%s has no row with this key', " + table + ") WHEN " +
		   repeated + " THEN pg_catalog.format('%s has %s rows with this key', " + table + ", " +
		   copies + ") ELSE " + reason + " END FROM " + joined_rows() + " WHERE " + deviates();
}

/* absent yields those of some expected rows that are not in the target. */
std::string Statements::absent(const std::string &rows) const
{
	std::string sql = "SELECT e.* FROM " + rows +
					  " AS e WHERE NOT EXISTS (SELECT FROM (SELECT * FROM " + source_ + " t";
	if (absent_)
		sql += " WHERE (" + *absent_ + ") IS NOT TRUE";
	return sql + ") AS x WHERE " + key_equality() + ")";
}

std::string Statements::missing() const
{
	check_fits();
	std::string const with =
		with_queries_.empty() ? "" : "WITH " + pg::joined(with_queries_, ", ") + " ";
	return with + absent("(" + expected_.text() + ")");
}

std::string Statements::still_missing() const
{
	return absent(pg::quoted(kWorkList));
}

std::string Statements::insertable() const
{
	std::string held = "SELECT * FROM " + target_.name() + " t";
	if (arbiter_ && arbiter_->predicate)
		held += " WHERE " + *arbiter_->predicate;
	return "SELECT e.* FROM " + pg::quoted(kWorkList) + " AS e WHERE NOT EXISTS (SELECT FROM (" +
		   held + ") AS x WHERE " + key_equality() + ")";
}

std::string Statements::unexpected() const
{
	std::vector<std::string> same;
	for (const std::string &name : definition_.key)
		same.push_back(equality(column(name), expected_value(name, "x"), expected_value(name)));
	return "SELECT pg_catalog.count(*), pg_catalog.min(" + key_json("e") +
		   "::pg_catalog.text) FROM " + pg::quoted(kWorkList) +
		   " AS e WHERE NOT EXISTS (SELECT FROM (" + expected_.text() + ") AS x WHERE " +
		   pg::joined(same, " AND ") + ")";
}

std::vector<JsonColumn> Statements::json_columns() const
{
	std::vector<JsonColumn> columns;
	for (const Output &output : expected_.outputs())
		columns.push_back({output.name, output.type, output.typmod});
	return columns;
}

std::string Statements::to_json() const
{
	return "SELECT " + key_json("e") + ", " + row_as_json("e", json_columns()) + " FROM " +
		   pg::quoted(kWorkList) + " AS e";
}

std::string Statements::from_json() const
{
	return "SELECT e.* FROM " + pg::quoted(kWorkList) + " AS l, " +
		   rows_of_json("l.row", json_columns(), "e");
}

std::string Statements::structure() const
{
	std::vector<std::string> parts;
	for (const Column &column : target_.columns())
		if (!column.dropped)
			parts.push_back(
				pg::quoted(column.name) + " " + pg::type_name(column.type, column.typmod) +
				(column.not_null ? " not null" : "") + column.generated + column.identity);
	if (arbiter_)
		parts.push_back(arbiter_->index + " " + arbiter_->predicate.value_or("") +
						(arbiter_->nulls_are_equal ? " nulls not distinct" : ""));
	return target_.name() + ": " + pg::joined(parts, ", ");
}

TupleDesc Statements::work_list_row_type() const
{
	const std::vector<Output> &outputs = expected_.outputs();
	return pg::call([&] {
		TupleDesc row_type = CreateTemplateTupleDesc(static_cast<int>(outputs.size()));
		AttrNumber number = 0;
		for (const Output &output : outputs)
			TupleDescInitEntry(row_type, ++number, output.name.c_str(), output.type, output.typmod,
							   0);
		return row_type;
	});
}

std::string Statements::insert() const
{
	std::string sql = "INSERT INTO " + target_.name() + " (" + expected_columns() + ") SELECT " +
					  expected_columns() + " FROM " + pg::quoted(kWorkList) + " ON CONFLICT ";
	if (!target_.foreign()) { /* a foreign table takes no arbiter */
		if (!arbiter_)
			pg::fail(kNoUsableIndex, "there is no usable unique index on the key of invariant \"" +
										 definition_.name + "\"");
		std::vector<std::string> key;
		for (const std::string &name : definition_.key)
			key.push_back(pg::quoted(name));
		sql += "(" + pg::joined(key, ", ") + ") ";
		if (arbiter_->predicate)
			sql += "WHERE " + *arbiter_->predicate + " ";
	}
	return sql + "DO NOTHING";
}

std::string Statements::surplus() const
{
	return "SELECT coalesce(pg_catalog.sum(rows OPERATOR(pg_catalog.-) 1), 0)::pg_catalog.int8,"
		   " pg_catalog.min(key::pg_catalog.text) FILTER (WHERE variants OPERATOR(pg_catalog.>) 1)"
		   " FROM (SELECT pg_catalog.count(*) AS rows,"
		   " pg_catalog.count(DISTINCT (e.*)::pg_catalog.text) AS variants,"
		   " (pg_catalog.array_agg(" +
		   key_json("e") + "))[1] AS key FROM " + pg::quoted(kWorkList) + " AS e GROUP BY " +
		   expected_key() + " HAVING pg_catalog.count(*) OPERATOR(pg_catalog.>) 1) AS repeated";
}

std::string Statements::distinct() const
{
	return "SELECT DISTINCT ON (" + expected_key() + ") e.* FROM " + pg::quoted(kWorkList) +
		   " AS e";
}

std::string Statements::planned_rows(const std::string &work_list) const
{
	const std::vector<Output> &given = expected_.outputs();
	std::vector<std::string> values, columns; /* generated columns need the others */
	for (const Column &column : target_.columns()) {
		if (column.dropped)
			continue;
		std::string const name = pg::quoted(column.name);
		bool const yielded = std::any_of(given.begin(), given.end(), [&](const Output &output) {
			return output.name == column.name;
		});
		if (column.generated.empty())
			values.push_back((yielded ? expected_value(column.name) : made_value(column)) + " AS " +
							 name);
		columns.push_back(column.generated.empty() ? name : made_value(column));
	}
	return "SELECT " + pg::joined(columns, ", ") + " FROM (SELECT " + pg::joined(values, ", ") +
		   " FROM " + pg::quoted(work_list) + " AS e) AS planned";
}

std::string Statements::rows_of_target() const
{
	std::vector<std::string> columns;
	for (const Column &column : target_.columns())
		if (!column.dropped)
			columns.push_back("t." + pg::quoted(column.name));
	return "SELECT " + pg::joined(columns, ", ") + " FROM " + target_.name() + " t";
}

void Statements::see(Oid table, const std::string &rows)
{
	std::string const name = "pg_reconcile rows of " + std::to_string(table);
	with_queries_.push_back(pg::quoted(name) + " AS NOT MATERIALIZED (" + rows + ")");
	expected_.read_from(table, name);
	if (table == target_.oid())
		source_ = pg::quoted(name);
}

std::string Statements::key_json(const std::string &alias) const
{
	return invariant::key_json(definition_.key, alias);
}

} // namespace reconcile::invariant
