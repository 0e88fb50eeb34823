/*-------------------------------------------------------------------------
 *
 * statements.cpp
 *	  The SQL of an invariant that can be repaired.
 *
 *-------------------------------------------------------------------------
 */
#include "invariant/statements.hpp"

#include "invariant/filling.hpp"
#include "invariant/insertion.hpp"
#include "invariant/values.hpp"
#include "pg/spi.hpp"
#include "pg/text.hpp"

extern "C" {
#include "utils/lsyscache.h"
#include "utils/typcache.h"
}

#include <algorithm>

namespace reconcile::invariant {

namespace {

/* The number of target rows with a key, as present_rows() yields it. */
constexpr const char *kCopies = "x.\"copies of the key\"";

/* The column of an expected row that an audit has counted. */
constexpr const char *kCounted = "\"pg_reconcile counted\"";

} // namespace

std::unique_ptr<Statements> statements_of(const Definition &definition)
{
	if (definition.is_fill())
		return std::make_unique<Filling>(definition);
	return std::make_unique<Insertion>(definition);
}

Statements::Statements(const Definition &definition)
	: definition_(definition), target_(target_of(definition)), expected_(definition.expects),
	  key_(target_, definition.key), source_(target_.name()), arbiter_(key_.arbiter())
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
	return std::any_of(key_.parts().begin(), key_.parts().end(),
					   [](const KeyPart &part) { return !part.column().not_null; });
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

/* given_value is a column of e as the query yields it. */
std::string Statements::given_value(const std::string &name, const std::string &alias) const
{
	return alias + "." + pg::quoted(name);
}

/* expected_value is a column of e as the target would store it. */
std::string Statements::expected_value(const std::string &name, const std::string &alias) const
{
	return invariant::expected_value(column(name), expected_, alias);
}

/* expected_part is a part of the key of e as the target would have it, given_part as the
 * query yields it, if it does. */
std::string Statements::expected_part(const KeyPart &part, const std::string &alias) const
{
	return invariant::expected_part(part, target_, expected_, alias);
}

std::string Statements::given_part(const KeyPart &part, const std::string &alias) const
{
	return part.expression() == nullptr ? given_value(part.name(), alias)
										: expected_part(part, alias);
}

std::string Statements::expected_key() const
{
	std::vector<std::string> values;
	for (const KeyPart &part : key_.parts())
		values.push_back(expected_part(part));
	return pg::joined(values, ", ");
}

/* counts_as_present is the condition on a row t of the target to count. */
std::string Statements::counts_as_present() const
{
	return absent_ ? "(" + *absent_ + ") IS NOT TRUE" : "true";
}

/* present_rows yields the rows of the target that count, one per key, with
 * the number of copies. */
std::string Statements::present_rows() const
{
	std::vector<std::string> const compared = compared_columns();
	std::vector<std::string> columns, keys;
	for (const KeyPart &part : key_.parts()) {
		keys.push_back(part.of_row("t"));
		columns.push_back(keys.back() +
						  (part.expression() ? " AS " + pg::quoted(part.listed_name()) : ""));
	}
	for (const std::string &name : compared) {
		std::string const column = "t." + pg::quoted(name);
		if (std::find(columns.begin(), columns.end(), column) == columns.end())
			columns.push_back(column); /* a key column may be compared, too */
	}
	std::string const rows = " FROM " + source_ + " t WHERE " + counts_as_present();
	std::string const all = pg::joined(columns, ", "), key = pg::joined(keys, ", ");

	if (!key_can_repeat())
		return "SELECT " + all + ", 1::pg_catalog.int8 AS \"copies of the key\"" + rows;
	if (compared.empty())
		return "SELECT " + all + ", pg_catalog.count(*) AS \"copies of the key\"" + rows +
			   " GROUP BY " + key;
	return "SELECT DISTINCT ON (" + key + ") " + all + ", pg_catalog.count(*) OVER (PARTITION BY " +
		   key + ") AS \"copies of the key\"" + rows;
}

/* key_equality compares the key x of a list of keys with that of e, and
 * key_equality_of_row that of a row of the target. */
std::string Statements::key_equality() const
{
	std::vector<std::string> parts;
	for (const KeyPart &part : key_.parts())
		parts.push_back(equality(part.column(), part.listed("x"), expected_part(part)));
	return pg::joined(parts, " AND ");
}

std::string Statements::key_equality_of_row(const std::string &row) const
{
	std::vector<std::string> parts;
	for (const KeyPart &part : key_.parts())
		parts.push_back(equality(part.column(), part.of_row(row), expected_part(part)));
	return pg::joined(parts, " AND ");
}

/* same_expected_key compares the keys of e and another expected row, which may
 * have a NULL that the target would refuse. */
std::string Statements::same_expected_key(const std::string &other) const
{
	std::vector<std::string> parts;
	for (const KeyPart &part : key_.parts()) {
		Column expected = part.column();
		expected.not_null = false;
		parts.push_back(equality(expected, expected_part(part, other), expected_part(part)));
	}
	return pg::joined(parts, " AND ");
}

/* differs_in tells that a present row has another value in a column. */
std::string Statements::differs_in(const std::string &name) const
{
	return distinctness(column(name), "x." + pg::quoted(name), expected_value(name),
						given_value(name));
}

/* deviates_in_any tells that one of some columns is not as it should be. */
std::string Statements::deviates_in_any(const std::vector<std::string> &columns) const
{
	if (columns.empty())
		return kNever;
	std::vector<std::string> parts;
	for (const std::string &name : columns)
		parts.push_back(deviates_in(name));
	return "(" + pg::joined(parts, " OR ") + ")";
}

/* is_absent tells that an expected row has no present row beside it.  A key
 * column that is never NULL in the target shows it; only without one does the
 * number of copies have to pass through the join, a tenth of an audit's time. */
std::string Statements::is_absent() const
{
	for (const KeyPart &part : key_.parts()) {
		Oid const base = part.column().base; /* a composite of NULLs IS NULL, and there */
		if (part.column().not_null && !pg::call([&] { return type_is_rowtype(base); }))
			return part.listed("x") + " IS NULL";
	}
	return std::string(kCopies) + " IS NULL";
}

/* is_repeated tells that the target has several rows with the key. */
std::string Statements::is_repeated() const
{
	return key_can_repeat() ? std::string(kCopies) + " OPERATOR(pg_catalog.>) 1" : kNever;
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

/* joined_to is every expected row beside the present row, if there is one. */
std::string Statements::joined_to(const std::string &expected_rows) const
{
	check_fits();
	return "(" + expected_rows + ") AS e LEFT JOIN (" + present_rows() + ") AS x ON " +
		   key_equality();
}

/* deviations are the ways in which an expected row may not be as it should be. */
std::vector<std::string> Statements::deviations() const
{
	std::vector<std::string> ways = {is_missing(), is_different(), is_repeated()};
	ways.erase(std::remove(ways.begin(), ways.end(), kNever), ways.end());
	return ways;
}

std::string Statements::deviates() const
{
	return pg::joined(deviations(), " OR ");
}

/* counted counts those of the deviating rows that do so in one way.  It counts a column of e
 * for the planner's sake: where all of e is wanted, and in its order, it leaves out a step
 * between the rows of e and the join.  So the samples come first, and the column last: there it
 * costs a join that spills a byte. */
std::string Statements::counted(const std::string &way) const
{
	if (way == kNever)
		return "0::pg_catalog.int8";
	std::string const all = std::string("pg_catalog.count(e.") + kCounted + ")";
	return way == deviates() ? all : all + " FILTER (WHERE " + way + ")";
}

/* counted_rows are the expected rows, each of which is counted for tally $2 as it is read.  A
 * call of a volatile function among the columns keeps the planner from moving any join below
 * the count, and from seeing what the columns are: so those that are the same in all rows are
 * put around it, where an index or a partition of the target can be chosen by them. */
std::string Statements::counted_rows() const
{
	std::string counted = "SELECT ", all;
	for (const Output &output : expected_.outputs()) {
		std::string const column = pg::quoted(output.name);
		if (auto value = expected_.constant(output.name)) {
			all += "(" + *value + ") AS " + column + ", ";
		} else {
			counted += "e." + column + ", ";
			all += "c." + column + ", ";
		}
	}
	return "SELECT " + all + "c." + kCounted + " FROM (" + counted + "reconcile.count_row($2) AS " +
		   kCounted + " FROM (" + expected_.text() + ") AS e) AS c";
}

/* All expected rows are counted on their way into the join, which hands on no more than those
 * that deviate; where these can only be missing, PostgreSQL makes it an anti-join. */
std::string Statements::audit() const
{
	std::vector<std::string> shown;
	for (const Output &output : expected_.outputs())
		shown.push_back("e." + pg::quoted(output.name));
	return "SELECT " + first_samples("s") + ", " + counted(is_missing()) + ", " +
		   counted(is_different()) + ", " + counted(is_repeated()) + ", 0::pg_catalog.int8 FROM " +
		   joined_to(counted_rows()) + ", LATERAL (SELECT " + pg::joined(shown, ", ") +
		   ") AS s WHERE " + deviates();
}

std::string Statements::findings() const
{
	std::string compared = "'{}'::pg_catalog.jsonb", reason = "''";
	std::vector<std::string> values, reasons;
	for (const std::string &name : compared_columns()) {
		std::string const column = pg::quoted(name), label = pg::literal(name);
		values.push_back("x." + column);
		reasons.push_back("CASE WHEN " + deviates_in(name) +
						  " THEN pg_catalog.format('%s is %L, expected %L', " + label + ", x." +
						  column + ", e." + column + ") END");
	}
	if (!values.empty()) { /* there may be more than the arguments that a function takes */
		compared =
			"(SELECT pg_catalog.to_jsonb(v.*) FROM (SELECT " + pg::joined(values, ", ") + ") AS v)";
		reason = "pg_catalog.array_to_string(ARRAY[" + pg::joined(reasons, ", ") + "], '; ')";
	}
	std::string const table = pg::literal(target_.name());
	std::string const absent = is_absent(), repeated = is_repeated(), copies = kCopies;
	return "SELECT CASE WHEN " + absent + " THEN 'missing' WHEN " + repeated +
		   " THEN 'duplicate' WHEN " + is_missing() + " THEN 'missing' ELSE 'differs' END, " +
		   key_json("e") + ", pg_catalog.to_jsonb(e.*), CASE WHEN " + absent + " THEN NULL WHEN " +
		   repeated + " THEN pg_catalog.jsonb_build_object('rows', " + copies + ") ELSE " +
		   compared + " END, CASE WHEN " + absent + " THEN pg_catalog.format(" +
		   pg::literal(why_absent()) + ", " + table + ") WHEN " + repeated +
		   " THEN pg_catalog.format('%s has %s rows with this key', " + table + ", " + copies +
		   ") ELSE " + reason + " END FROM " + joined_to(expected_.text()) + " WHERE " + deviates();
}

/* with is what a statement begins with after see(). */
std::string Statements::with() const
{
	return with_queries_.empty() ? "" : "WITH " + pg::joined(with_queries_, ", ") + " ";
}

/* key_in tells that each part of the key of e has one of the values that a list of
 * keys has in it: less than equal keys, but a condition on e alone.  Parts that may
 * be NULL, or whose type has no arrays, are left out. */
std::string Statements::key_in(const std::string &keys) const
{
	std::string condition;
	for (const KeyPart &part : key_.parts()) {
		const Column &c = part.column();
		if (c.not_null && pg::call([&] { return OidIsValid(get_array_type(c.type)); }))
			condition += " AND " + expected_part(part) + " " +
						 pg::operator_name(equality_operator(c.type)) + " ANY (ARRAY(SELECT " +
						 part.listed("r") + " FROM " + keys + " AS r))";
	}
	return condition;
}

/* among yields those of some expected rows whose key is in a list of keys. */
std::string Statements::among(const std::string &rows, const std::string &keys, Rows number) const
{
	std::vector<std::string> parts;
	for (const KeyPart &part : key_.parts())
		parts.push_back(part.listed("r"));
	return "SELECT e.* FROM (" + rows + ") AS e, (SELECT DISTINCT " + pg::joined(parts, ", ") +
		   " FROM " + keys + " AS r) AS x WHERE " + key_equality() +
		   (number == Rows::few ? key_in(keys) : "");
}

std::string Statements::due_among(const std::string &keys, Rows number) const
{
	return among(due(), keys, number);
}

std::string Statements::all_expected() const
{
	check_fits();
	return with() + "SELECT e.* FROM (" + expected_.text() + ") AS e";
}

std::string Statements::expected_among(const std::string &keys, Rows number) const
{
	return among(all_expected(), keys, number);
}

Write Statements::write_returning() const
{
	Write const plain = write();
	return {plain.sql + " RETURNING t.*",
			plain.done == SPI_OK_INSERT ? SPI_OK_INSERT_RETURNING : SPI_OK_UPDATE_RETURNING};
}

/* not_yielded counts the rows e of the work list for which the query yields no
 * row x that is the same, and shows the key of one. */
std::string Statements::not_yielded(const std::string &same) const
{
	return "SELECT pg_catalog.count(*), pg_catalog.min(" + key_json("e") +
		   "::pg_catalog.text) FROM " + pg::quoted(kWorkList) +
		   " AS e WHERE NOT EXISTS (SELECT FROM (" + expected_.text() + ") AS x WHERE " + same +
		   ")";
}

std::string Statements::unexpected() const
{
	return not_yielded(same_expected_key("x"));
}

std::string Statements::outdated() const
{
	std::string same = same_expected_key("x");
	for (const Output &output : expected_.outputs())
		if (!expected_.is_of_the_moment(output.name))
			same += " AND " + sameness(column(output.name).type, expected_value(output.name, "x"),
									   expected_value(output.name));
	return not_yielded(same);
}

std::vector<JsonColumn> Statements::json_columns() const
{
	return invariant::json_columns(expected_);
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
		parts.push_back(arbiter_->definition);
	return target_.name() + ": " + pg::joined(parts, ", ");
}

std::string Statements::yields() const
{
	std::vector<std::string> parts;
	for (const Output &output : expected_.outputs())
		parts.push_back(pg::quoted(output.name) + " " + pg::type_name(output.type, output.typmod));
	return pg::joined(parts, ", ");
}

std::string Statements::surplus() const
{
	return "SELECT coalesce(pg_catalog.sum(rows OPERATOR(pg_catalog.-) 1), 0)::pg_catalog.int8"
		   " FROM (SELECT pg_catalog.count(*) AS rows FROM " +
		   pg::quoted(kWorkList) + " AS e GROUP BY " + expected_key() +
		   " HAVING pg_catalog.count(*) OPERATOR(pg_catalog.>) 1) AS repeated";
}

std::string Statements::torn(const std::string &rows) const
{
	return "SELECT pg_catalog.min(key) FROM (SELECT (pg_catalog.array_agg(" + key_json("e") +
		   "::pg_catalog.text))[1] AS key FROM " + rows + " GROUP BY " + expected_key() +
		   " HAVING pg_catalog.count(DISTINCT (e.*)::pg_catalog.text) OPERATOR(pg_catalog.>) 1)"
		   " AS torn";
}

std::string Statements::contradictory() const
{
	return torn(pg::quoted(kWorkList) + " AS e");
}

std::string Statements::distinct() const
{
	return "SELECT DISTINCT ON (" + expected_key() + ") e.* FROM " + pg::quoted(kWorkList) +
		   " AS e";
}

std::string Statements::in_key_order(const std::string &rows) const
{
	std::vector<std::string> order;
	for (const KeyPart &part : key_.parts()) {
		Oid const type = part.column().type;
		if (pg::call([&] { return OidIsValid(lookup_type_cache(type, TYPECACHE_LT_OPR)->lt_opr); }))
			order.push_back(expected_part(part));
	}
	std::string const all = "SELECT e.* FROM (" + rows + ") AS e";
	return order.empty() ? all : all + " ORDER BY " + pg::joined(order, ", ");
}

std::string Statements::expected_rows() const
{
	return "SELECT " + expected_columns() + " FROM " + pg::quoted(kWorkList) + " AS e";
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

/* key_beside_row is a jsonb object of the parts of the key of e that its row as JSON does
 * not have, or not as key_json() has them. */
std::string Statements::key_beside_row() const
{
	std::vector<std::string> parts;
	for (const KeyPart &part : key_.parts())
		if (part.expression() != nullptr || !is_plain(part.column().type))
			parts.push_back(part_json(part, "e"));
	return parts.empty() ? "NULL::pg_catalog.jsonb"
						 : "pg_catalog.jsonb_build_object(" + pg::joined(parts, ", ") + ")";
}

/* part_json is the name and the value of a part; the collations of several may differ. */
std::string Statements::part_json(const KeyPart &part, const std::string &alias) const
{
	return pg::literal(part.name()) + ", pg_catalog.to_jsonb(" + given_part(part, alias) + ")";
}

std::string Statements::key_json(const std::string &alias) const
{
	std::vector<std::string> parts;
	for (const KeyPart &part : key_.parts())
		parts.push_back(part_json(part, alias));
	return "pg_catalog.jsonb_build_object(" + pg::joined(parts, ", ") + ")";
}

} // namespace reconcile::invariant
