/*-------------------------------------------------------------------------
 *
 * insertion.cpp
 *	  The SQL of an invariant of kind insert: rows that must exist.
 *
 *-------------------------------------------------------------------------
 */
#include "invariant/insertion.hpp"

#include "invariant/sqlstates.hpp"
#include "invariant/values.hpp"
#include "pg/spi.hpp"
#include "pg/text.hpp"

#include <algorithm>

namespace reconcile::invariant {

std::string Insertion::is_different() const
{
	if (definition_.compare.empty())
		return kNever;
	return "NOT (" + is_absent() + ") AND " + deviates_in_any(definition_.compare);
}

/* absent yields those of some expected rows that are not in the target. */
std::string Insertion::absent(const std::string &rows) const
{
	return "SELECT e.* FROM " + rows + " AS e WHERE NOT EXISTS (SELECT FROM (SELECT * FROM " +
		   source_ + " t WHERE " + counts_as_present() + ") AS x WHERE " +
		   key_equality_of_row("x") + ")";
}

std::string Insertion::due() const
{
	check_fits();
	return with() + absent("(" + expected_.text() + ")");
}

std::string Insertion::still_due() const
{
	return absent(pg::quoted(kWorkList));
}

TupleDesc Insertion::work_list_row_type() const
{
	return row_type_of(json_columns());
}

Write Insertion::write() const
{
	std::string sql = "INSERT INTO " + target_.name() + " AS t (" + expected_columns() +
					  ") SELECT " + expected_columns() + " FROM " + pg::quoted(kWorkList) +
					  " ON CONFLICT ";
	if (!target_.foreign()) { /* a foreign table takes no arbiter */
		if (!arbiter_)
			pg::fail(kNoUsableIndex,
					 "there is no usable unique index on the key of invariant \"" +
						 definition_.name + "\"",
					 {}, key_.new_index());
		sql += arbiter_->constraint ? "ON CONSTRAINT " + *arbiter_->constraint + " "
									: "(" + key_.indexed() + ") ";
		if (arbiter_->predicate)
			sql += "WHERE " + *arbiter_->predicate + " ";
	}
	return {sql + "DO NOTHING", SPI_OK_INSERT};
}

/* writable: rows that do not count as present may hold the place of others in
 * the unique index, if it has both of them, and takes them for equal. */
std::optional<std::string> Insertion::writable() const
{
	if (!definition_.where_absent || target_.foreign())
		return std::nullopt;
	std::string rows = pg::quoted(kWorkList) + " AS e", held = target_.name() + " t";
	std::vector<std::string> conditions{key_equality_of_row("x")};
	if (arbiter_ && !arbiter_->nulls_are_equal)
		for (const KeyPart &part : key_.parts())
			if (!part.column().not_null)
				conditions.push_back(part.of_row("x") + " IS NOT NULL");
	if (arbiter_ && arbiter_->predicate) {
		held += " WHERE " + *arbiter_->predicate;
		rows += ", LATERAL (SELECT (" + *arbiter_->predicate + ") AS indexed FROM (" +
				inserted({}) + ") AS t) AS i";
		conditions.emplace_back("i.indexed");
	}
	return "SELECT e.* FROM " + rows + " WHERE NOT EXISTS (SELECT FROM (SELECT * FROM " + held +
		   ") AS x WHERE " + pg::joined(conditions, " AND ") + ")";
}

/* not_kept: where no unique index would stop it, a row that a trigger stores
 * under another key would be inserted by every repair. */
std::optional<std::string> Insertion::not_kept() const
{
	if (!key_can_repeat() || target_.foreign())
		return std::nullopt;
	return still_due();
}

/* No unique index stops the second row of a key that may repeat, and a foreign
 * store takes rows before PostgreSQL could take them back. */
bool Insertion::needs_distinct() const
{
	return key_can_repeat() || target_.foreign();
}

std::vector<std::string> Insertion::recorded_columns() const
{
	std::vector<std::string> columns;
	for (const Column &column : target_.columns())
		if (!column.dropped && !column.whole_document)
			columns.push_back(column.name);
	return columns;
}

std::string Insertion::recorded() const
{
	return "SELECT " + row_as_json("t", target_.json_columns()) + ", NULL::pg_catalog.jsonb FROM " +
		   pg::quoted(kWritten) + " AS t";
}

std::string Insertion::to_json() const
{
	return "SELECT " + key_beside_row() + ", " + whole_row_as_json("e", json_columns()) +
		   ", NULL::pg_catalog.jsonb FROM " + pg::quoted(kWorkList) + " AS e";
}

std::string Insertion::from_json() const
{
	return "SELECT e.* FROM " + pg::quoted(kWorkList) + " AS l, " +
		   rows_of_json("l.row", json_columns(), "e");
}

/* inserted yields whole rows of the target as they would be after the insertion of what
 * is e in FROM, or outside. */
std::string Insertion::inserted(const std::string &from) const
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
		columns.push_back(column.generated.empty() ? name : made_value(column) + " AS " + name);
	}
	return "SELECT " + pg::joined(columns, ", ") + " FROM (SELECT " + pg::joined(values, ", ") +
		   from + ") AS planned";
}

Overlay Insertion::overlay(const std::string &work_list) const
{
	return {"", " UNION ALL " + inserted(" FROM " + pg::quoted(work_list) + " AS e")};
}

} // namespace reconcile::invariant
