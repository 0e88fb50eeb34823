/*-------------------------------------------------------------------------
 *
 * filling.cpp
 *	  The SQL of an invariant of kind fill: values that rows must have.
 *
 *-------------------------------------------------------------------------
 */
#include "invariant/filling.hpp"

#include "invariant/values.hpp"
#include "pg/spi.hpp"
#include "pg/text.hpp"

namespace reconcile::invariant {

namespace {

/* was_name is the column of a work list that holds what a column was. */
std::string was_name(const Column &column)
{
	return "pg_reconcile was " + std::to_string(column.number);
}

} // namespace

Filling::Filling(const Definition &definition)
	: Statements(definition), filled_(filled_by(definition, expected_))
{
	for (const std::string &name : filled_)
		if (!exact(name))
			only_empty_.push_back(name);
}

std::vector<std::string> filled_by(const Definition &definition, const ExpectedRows &expected)
{
	std::vector<std::string> const key = key_columns(definition, expected);
	std::vector<std::string> filled;
	for (const Output &output : expected.outputs())
		if (!pg::contains(key, output.name))
			filled.push_back(output.name);
	return filled;
}

/* exact tells that a column must have the expected value, whatever it has. */
bool Filling::exact(const std::string &name) const
{
	return pg::contains(definition_.compare, name);
}

/* was is what a column was, as a row of the work list remembers. */
std::string Filling::was(const std::string &name) const
{
	return "e." + pg::quoted(was_name(column(name)));
}

/* deviates_in: an expected NULL asks nothing of a column that is not compared. */
std::string Filling::deviates_in(const std::string &name) const
{
	if (exact(name))
		return differs_in(name);
	Oid const type = column(name).base;
	return "(" + nullness(type, "x." + pg::quoted(name)) + " AND NOT " +
		   nullness(type, given_value(name)) + ")";
}

/* is_missing: a row that is there more than once is reported as that. */
std::string Filling::is_missing() const
{
	std::string const empty = deviates_in_any(only_empty_);
	if (empty == kNever)
		return is_absent();
	return "(" + is_absent() + " OR (" + is_repeated() + ") IS NOT TRUE AND " + empty + ")";
}

std::string Filling::is_different() const
{
	if (definition_.compare.empty())
		return kNever;
	return "NOT " + is_missing() + " AND NOT (" + is_repeated() + ") AND " +
		   deviates_in_any(definition_.compare);
}

std::string Filling::why_absent() const
{
	return "%s has no row with this key, and a fill inserts none";
}

/* one_row_per_key is the condition on a present row x to be the only one. */
std::string Filling::one_row_per_key() const
{
	return key_can_repeat() ? " AND NOT (" + is_repeated() + ")" : "";
}

std::string Filling::due() const
{
	check_fits();
	std::string memory;
	for (const std::string &name : filled_)
		memory += ", x." + pg::quoted(name) + " AS " + pg::quoted(was_name(column(name)));
	return with() + "SELECT e.*" + memory + " FROM (" + expected_.text() + ") AS e JOIN (" +
		   present_rows() + ") AS x ON " + key_equality() + " WHERE " + deviates_in_any(filled_) +
		   one_row_per_key();
}

/* unchanged is the condition on a row to be what it was when the row of the
 * work list was made. */
std::string Filling::unchanged(const std::string &row) const
{
	std::string condition;
	for (const std::string &name : filled_) {
		const Column &c = column(name);
		std::string const value = row + "." + pg::quoted(name);
		if (exact(name))
			condition += " AND NOT " + distinctness(c, value, was(name), was(name));
		else
			condition += " AND (" + nullness(c.base, value) + ") OPERATOR(pg_catalog.=) (" +
						 nullness(c.base, was(name)) + ")";
	}
	return condition;
}

std::string Filling::still_due() const
{
	return "SELECT e.* FROM " + pg::quoted(kWorkList) + " AS e JOIN (" + present_rows() +
		   ") AS x ON " + key_equality() + " WHERE true" + unchanged("x") + one_row_per_key();
}

TupleDesc Filling::work_list_row_type() const
{
	std::vector<JsonColumn> columns = json_columns();
	for (const std::string &name : filled_) {
		const Column &c = column(name);
		columns.push_back({was_name(c), c.type, c.typmod});
	}
	return row_type_of(columns);
}

/* contradiction: two values for one compared column would replace each other
 * for ever, one at each run. */
std::optional<std::string> Filling::contradiction() const
{
	if (definition_.compare.empty())
		return std::nullopt;
	return with() + torn("(" + expected_.text() + ") AS e WHERE EXISTS (SELECT FROM " +
						 pg::quoted(kWorkList) + " AS l WHERE " + same_expected_key("l") + ")");
}

/* is_written tells that a row of the work list writes a column, given what that is. */
std::string Filling::is_written(const std::string &name, const std::string &present) const
{
	const Column &c = column(name);
	if (exact(name))
		return distinctness(c, present, expected_value(name), given_value(name));
	return "(" + nullness(c.base, present) + " AND NOT " + nullness(c.base, given_value(name)) +
		   ")";
}

/* new_value is what a column of a row t becomes, given what it is.  The length of its
 * type is left to the assignment, which refuses what does not fit. */
std::string Filling::new_value(const std::string &name, const std::string &present) const
{
	return "CASE WHEN " + is_written(name, present) + " THEN " + given_value(name) +
		   "::" + pg::type_name(column(name).base) + " ELSE t." + pg::quoted(name) + " END";
}

Write Filling::write() const
{
	std::vector<std::string> changes;
	for (const std::string &name : filled_)
		changes.push_back(pg::quoted(name) + " = " + new_value(name, was(name)));
	std::string sql = "UPDATE " + target_.name() + " AS t SET " + pg::joined(changes, ", ") +
					  " FROM " + pg::quoted(kWorkList) + " AS e";
	if (key_can_repeat())
		sql += " JOIN (" + present_rows() + ") AS x ON " + key_equality() + one_row_per_key();
	return {sql + " WHERE " + key_equality_of_row("t") + " AND " + counts_as_present() +
				unchanged("t"),
			SPI_OK_UPDATE};
}

/* write_expected looks at the row that it writes, also when somebody changes that
 * meanwhile.  Few rows are looked up by their keys: an index of what is empty would be read
 * with all that was filled since its last vacuum. */
std::optional<Write> Filling::write_expected(Rows number) const
{
	if (key_can_repeat() || target_.foreign())
		return std::nullopt;
	std::vector<std::string> changes, written;
	for (const std::string &name : filled_) {
		std::string const present = "t." + pg::quoted(name);
		changes.push_back(pg::quoted(name) + " = " + new_value(name, present));
		written.push_back(is_written(name, present));
	}
	return Write{"UPDATE " + target_.name() + " AS t SET " + pg::joined(changes, ", ") + " FROM " +
					 pg::quoted(kWorkList) + " AS e WHERE " + key_equality_of_row("t") + " AND " +
					 counts_as_present() + " AND (" + pg::joined(written, " OR ") + ")" +
					 (number == Rows::few ? " IS TRUE" : ""),
				 SPI_OK_UPDATE};
}

/* read_back: a document store changes many documents at once and says how many
 * it did.  Those that are as they should be now, and were not before, are ours;
 * one that somebody else made so meanwhile cannot be told from them. */
std::optional<std::string> Filling::read_back() const
{
	if (!target_.observed())
		return std::nullopt;
	std::vector<std::string> columns;
	for (const Column &c : target_.columns())
		if (!c.dropped)
			columns.push_back("x." + pg::quoted(c.name));
	return "SELECT " + pg::joined(columns, ", ") + " FROM " + target_.name() + " AS x JOIN " +
		   pg::quoted(kWorkList) + " AS e ON " + key_equality_of_row("x") + " WHERE NOT " +
		   deviates_in_any(filled_);
}

/* not_kept: what a trigger stores otherwise would be written by every repair. */
std::optional<std::string> Filling::not_kept() const
{
	if (!target_.has_triggers() || target_.foreign())
		return std::nullopt;
	return "SELECT e.* FROM " + pg::quoted(kWorkList) + " AS e JOIN (" + present_rows() +
		   ") AS x ON " + key_equality() + " WHERE " + deviates_in_any(filled_);
}

/* recorded_columns are those that say which row it is, and what was written. */
std::vector<std::string> Filling::recorded_columns() const
{
	std::vector<std::string> columns = target_.primary_key();
	for (const auto &names : {key_.columns(), filled_})
		for (const std::string &name : names)
			if (!pg::contains(columns, name))
				columns.push_back(name);
	return columns;
}

std::vector<JsonColumn> Filling::filled_json_columns() const
{
	std::vector<JsonColumn> columns;
	for (const std::string &name : filled_)
		columns.push_back({name, column(name).type, column(name).typmod});
	return columns;
}

/* was_row is an item of FROM, named w, with what the filled columns were. */
std::string Filling::was_row() const
{
	std::vector<std::string> columns;
	for (const std::string &name : filled_)
		columns.push_back(was(name) + " AS " + pg::quoted(name));
	return "LATERAL (SELECT " + pg::joined(columns, ", ") + ") AS w";
}

std::string Filling::recorded() const
{
	std::vector<JsonColumn> columns;
	std::vector<std::string> untouched;
	for (const JsonColumn &column : target_.json_columns())
		if (pg::contains(recorded_columns(), column.name))
			columns.push_back(column);
	for (const std::string &name : filled_)
		untouched.push_back("CASE WHEN NOT " + is_written(name, was(name)) + " THEN " +
							pg::literal(name) + " END");
	return "SELECT " + row_as_json("t", columns) + ", " + row_as_json("w", filled_json_columns()) +
		   " OPERATOR(pg_catalog.-) ARRAY[" + pg::joined(untouched, ", ") +
		   "]::pg_catalog.text[] FROM " + pg::quoted(kWritten) + " AS t JOIN " +
		   pg::quoted(kWorkList) + " AS e ON " + key_equality_of_row("t") + ", " + was_row();
}

std::string Filling::to_json() const
{
	return "SELECT " + key_beside_row() + ", " + row_as_json("e", json_columns()) + ", " +
		   row_as_json("w", filled_json_columns()) + " FROM " + pg::quoted(kWorkList) + " AS e, " +
		   was_row();
}

std::string Filling::from_json() const
{
	std::string memory;
	for (const std::string &name : filled_)
		memory += ", w." + pg::quoted(name) + " AS " + pg::quoted(was_name(column(name)));
	return "SELECT e.*" + memory + " FROM " + pg::quoted(kWorkList) + " AS l, " +
		   rows_of_json("l.row", json_columns(), "e") + ", " +
		   rows_of_json("l.was", filled_json_columns(), "w");
}

/* overlay: generated columns are computed anew from the others. */
Overlay Filling::overlay(const std::string &work_list) const
{
	std::vector<std::string> values, columns;
	for (const Column &c : target_.columns()) {
		if (c.dropped)
			continue;
		std::string const name = pg::quoted(c.name);
		values.push_back(
			(pg::contains(filled_, c.name) ? new_value(c.name, was(c.name)) : "t." + name) +
			" AS " + name);
		columns.push_back(c.generated.empty() ? name : made_value(c) + " AS " + name);
	}
	return {"SELECT " + pg::joined(columns, ", ") + " FROM (SELECT " + pg::joined(values, ", ") +
				" FROM (",
			") AS t LEFT JOIN " + pg::quoted(work_list) + " AS e ON " + key_equality_of_row("t") +
				" AND " + counts_as_present() + unchanged("t") + ") AS planned"};
}

} // namespace reconcile::invariant
