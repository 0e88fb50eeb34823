/*-------------------------------------------------------------------------
 *
 * guard_work.cpp
 *	  What a guard does about rows that were written or deleted.
 *
 *-------------------------------------------------------------------------
 */
#include "invariant/guard_work.hpp"

#include "invariant/lock.hpp"
#include "invariant/values.hpp"
#include "pg/identity.hpp"
#include "pg/text.hpp"

extern "C" {
#include "utils/tuplestore.h"
}

#include <algorithm>

namespace reconcile::invariant {

namespace {

/* magnitude is the number of the plan for so many rows. */
size_t magnitude(int64 rows)
{
	return rows < 100 ? 0 : rows < 10000 ? 1 : 2;
}

/* with_list puts the rows of a query where a statement reads the work list. */
std::string with_list(const std::string &rows, const std::string &statement)
{
	return "WITH " + pg::quoted(kWorkList) + " AS (" + rows + ") " + statement;
}

/* columns_of lists columns of an alias. */
std::string columns_of(const std::string &alias, const std::vector<JsonColumn> &columns)
{
	std::vector<std::string> names;
	for (const JsonColumn &column : columns)
		names.push_back(alias + "." + pg::quoted(column.name));
	return pg::joined(names, ", ");
}

/* noted_rows yields the rows of a table whose primary keys were noted, as they are
 * now. */
std::string noted_rows(const Scope &scope)
{
	Target const table(scope.watched);
	std::vector<std::string> columns, conditions;
	for (const std::string &name : scope.columns)
		columns.push_back("w." + pg::quoted(name));
	for (const JsonColumn &key : scope.keys)
		conditions.push_back(equality(*table.column(key.name), "w." + pg::quoted(key.name),
									  "k." + pg::quoted(key.name)));
	return "SELECT " + pg::joined(columns, ", ") + " FROM " + table.name() + " AS w, " +
		   pg::quoted(kNotedKeys) + " AS k WHERE " + pg::joined(conditions, " AND ");
}

/* with_new_rows is what a statement begins with that reads rows as kNewRows. */
std::string with_new_rows(const std::string &rows)
{
	return "WITH " + pg::quoted(kNewRows) + " AS NOT MATERIALIZED (" + rows + ") ";
}

/* note_statement makes what note() adds: the primary keys of new rows where the note is
 * about them, else the keys of what is due, as the query yields them, or, being
 * those of rows of the target, as it has them. */
std::string note_statement(const Statements &statements, const Scope &scope, const std::string &due)
{
	if (scope.subject.keys == Subject::of_rows)
		return "SELECT " + columns_of("n", scope.keys) + " FROM " + pg::quoted(kNewRows) +
			   " AS n WHERE EXISTS (SELECT FROM (" + due + ") AS d)";
	if (scope.subject.keys == Subject::of_target)
		return "SELECT " + statements.listed_key("d") + " FROM (" + due + ") AS d";
	return "SELECT " + columns_of("d", scope.keys) + " FROM (" + due + ") AS d";
}

/* distinct_due yields what is due, a key that several rows expect only once where
 * the statement that writes needs it so. */
std::string distinct_due(const Statements &statements, const std::string &due)
{
	return statements.needs_distinct() ? with_list(due, statements.distinct()) : due;
}

/* unprotected_statement counts the due rows that the unique index would let two
 * sessions write at once: with NULL in the key, or outside of a partial index. */
std::string unprotected_statement(const Statements &statements, const std::string &due)
{
	std::vector<std::string> conditions;
	auto const arbiter = statements.key().arbiter();
	if (arbiter && !arbiter->nulls_are_equal)
		for (const KeyPart &part : statements.key().parts())
			if (!part.column().not_null)
				conditions.push_back(part.of_row("t") + " IS NULL");
	if (arbiter && arbiter->predicate)
		conditions.push_back("(" + *arbiter->predicate + ") IS NOT TRUE");
	if (conditions.empty())
		return {};
	Overlay const overlay = statements.overlay(kWorkList);
	return with_list(due, "SELECT pg_catalog.count(*) FROM (" + overlay.before +
							  statements.rows_of_target() + " WHERE false" + overlay.after +
							  ") AS t WHERE " + pg::joined(conditions, " OR "));
}

/* may_write_all tells whether all that is expected of inserted rows may be written
 * without a look at what is there, which would cost more than the attempt: where
 * the unique index stops what is there, and no trigger of the target sees it. */
bool may_write_all(const Definition &definition, const Statements &statements, const Scope &scope)
{
	return scope.inserted && !definition.is_fill() && !statements.needs_distinct() &&
		   !statements.target().attempts_are_seen();
}

} // namespace

/* ------------------------------------------------------------------ Rows */

void Rows::expose(pg::Spi &spi) const
{
	if (note != nullptr)
		spi.expose(kNotedKeys, *note->keys);
	else
		spi.expose(kNewRows, store, table);
}

int64 Rows::size() const
{
	return note != nullptr ? note->keys->size() : tuplestore_tuple_count(store);
}

/* ------------------------------------------------------------ statements */

void confine(Statements &statements, const Scope &scope)
{
	if (scope.kind == Scope::new_rows)
		statements.see_new_rows(scope.watched);
	else if (scope.is_of_rows())
		statements.see_new_rows(scope.watched, noted_rows(scope));
}

namespace {

/* in_scope yields those of some expected rows that are in a scope. */
std::string in_scope(const Statements &statements, const Scope &scope, const std::string &expected,
					 Statements::Rows number)
{
	if (scope.is_of_rows())
		return expected;
	if (scope.kind == Scope::target_rows)
		return statements.among(expected, statements.key().list(pg::quoted(kNewRows)), number);
	if (scope.subject.keys == Subject::of_target)
		return statements.among(expected, pg::quoted(kNotedKeys), number);
	return statements.among_yielded(expected, pg::quoted(kNotedKeys), number);
}

} // namespace

std::string due_in(const Statements &statements, const Scope &scope, Statements::Rows number)
{
	return in_scope(statements, scope, statements.due(), number);
}

std::string noted_json(const std::vector<JsonColumn> &columns, const std::string &alias)
{
	std::vector<JsonValue> values;
	for (const JsonColumn &column : columns)
		values.push_back({column.label.empty() ? column.name : column.label, column.type,
						  alias + "." + pg::quoted(column.name)});
	return values_as_json(values);
}

std::string expected_in(const Definition &definition, const Scope &scope)
{
	if (scope.is_of_rows()) {
		ExpectedRows expected(definition.expects);
		expected.read_from(scope.watched, kNewRows);
		std::string const with = scope.kind == Scope::noted ? with_new_rows(noted_rows(scope)) : "";
		return with + "SELECT " + expected_key_json(definition, expected, "e") + ", " +
			   row_as_json("e", json_columns(expected)) + " FROM (" + expected.text() + ") AS e";
	}
	if (scope.kind == Scope::target_rows) {
		Target const target(definition.target);
		return "SELECT " + Key(target, definition.key).as_json("d") + ", " +
			   row_as_json("d", target.json_columns()) + " FROM " + pg::quoted(kNewRows) + " AS d";
	}
	std::string const key =
		scope.subject.keys == Subject::of_target
			? noted_json(scope.keys, "k")
			: expected_key_json(definition, ExpectedRows(definition.expects), "k");
	return "SELECT " + key + ", NULL::pg_catalog.jsonb FROM " + pg::quoted(kNotedKeys) + " AS k";
}

const pg::Plan &KeptStatement::plan_for(const Rows &rows, pg::Spi &spi)
{
	using pg::Planned;
	size_t const number = magnitude(rows.size());
	std::unique_ptr<pg::Plan> &plan = plans_[number];
	if (plan == nullptr)
		plan = spi.prepare(number == 0 ? few_ : sql_, {},
						   number == 0 ? Planned::once : Planned::by_values);
	return *plan;
}

void KeptStatement::explain(pg::Spi &spi) const
{
	for (const std::string *text : {&few_, &sql_})
		spi.run("EXPLAIN " + *text, SPI_OK_UTILITY);
}

/* ------------------------------------------------------------- GuardWork
 *
 * Two statements that write the same rows in different orders would wait for each
 * other, so they are written in the order of their keys.  An UPDATE takes them in
 * that order when it looks up one after the other, as it does for few rows. */

GuardWork::GuardWork(const Definition &definition, const Scope &scope)
	: invariant_(definition.name), scope_(scope)
{
	auto const statements = statements_of(definition);
	confine(*statements, scope);
	std::string const few = due_in(*statements, scope, Statements::Rows::few);
	std::string const many = due_in(*statements, scope, Statements::Rows::many);
	auto const on_due = [&](auto statement) {
		return KeptStatement(statement(few), statement(many));
	};
	auto const direct = statements->write_expected();
	Write const write = direct ? *direct : statements->write();
	done_ = write.done;
	auto const writing = [&](const std::string &rows) {
		bool const any_order = scope.alone && !definition.is_fill();
		return with_list(any_order ? rows : statements->in_key_order(rows), write.sql);
	};
	if (direct || may_write_all(definition, *statements, scope)) {
		auto const all = [&](Statements::Rows number) {
			return writing(in_scope(*statements, scope, statements->all_expected(), number));
		};
		write_ = KeptStatement(all(Statements::Rows::few), all(Statements::Rows::many));
	} else {
		write_ =
			on_due([&](const std::string &due) { return writing(distinct_due(*statements, due)); });
	}
	if (!scope.keys.empty() && scope.kind != Scope::noted)
		note_ =
			on_due([&](const std::string &due) { return note_statement(*statements, scope, due); });
	if (statements->may_write_twice())
		unprotected_ =
			on_due([&](const std::string &due) { return unprotected_statement(*statements, due); });
}

void GuardWork::write(const Rows &rows)
{
	pg::Spi spi;
	rows.expose(spi);
	if (!unprotected_.empty()) {
		spi.run(unprotected_.plan_for(rows, spi), SPI_OK_SELECT);
		if (spi.number(0, 1) > 0) {
			lock_for_guard(invariant_);
			conflict_with_older_snapshots(invariant_);
		}
	}
	spi.run(write_.plan_for(rows, spi), done_);
}

void GuardWork::note(const Rows &rows, pg::WorkList &keys)
{
	pg::Spi spi;
	rows.expose(spi);
	spi.collect(note_.plan_for(rows, spi), SPI_OK_SELECT, keys);
}

void GuardWork::check() const
{
	Rows none;
	none.store = pg::call([] { return tuplestore_begin_heap(false, false, work_mem); });
	none.table = scope_.watched;
	pg::Spi spi;
	none.expose(spi);
	for (const KeptStatement *statement : {&write_, &unprotected_})
		if (!statement->empty())
			statement->explain(spi);
}

} // namespace reconcile::invariant
