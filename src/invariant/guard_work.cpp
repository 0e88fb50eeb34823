/*-------------------------------------------------------------------------
 *
 * guard_work.cpp
 *	  What a guard does about rows that were written or deleted.
 *
 *-------------------------------------------------------------------------
 */
#include "invariant/guard_work.hpp"

#include "invariant/acceptance.hpp"
#include "invariant/lock.hpp"
#include "invariant/values.hpp"
#include "pg/identity.hpp"
#include "pg/text.hpp"

extern "C" {
#include "catalog/pg_type_d.h"
#include "utils/array.h"
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
std::string with_list(const std::string &rows, const std::string &statement,
					  const std::string &with = {})
{
	return (with.empty() ? "WITH " : with + ", ") + pg::quoted(kWorkList) + " AS (" + rows + ") " +
		   statement;
}

/* key_rows yields the keys that a statement is given. */
std::string key_rows(const std::vector<JsonColumn> &columns, Given given)
{
	if (given == Given::as_list)
		return pg::quoted(kNotedKeys);
	if (given == Given::as_json)
		return "(SELECT k.* FROM pg_catalog.unnest($1) AS l(key), " +
			   rows_of_json("l.key", columns, "k") + ")";
	std::vector<std::string> arguments;
	for (const JsonColumn &column : columns)
		arguments.push_back("$" + std::to_string(arguments.size() + 1) + " AS " +
							pg::quoted(column.name));
	return "(SELECT " + pg::joined(arguments, ", ") + ")";
}

/* stored_rows yields the rows of a table whose primary keys are given, as they are now. */
std::string stored_rows(const Scope &scope)
{
	Target const table(scope.watched);
	std::vector<std::string> columns, conditions;
	for (const std::string &name : scope.columns)
		columns.push_back("w." + pg::quoted(name));
	for (const JsonColumn &part : scope.key)
		conditions.push_back(equality(*table.column(part.name), "w." + pg::quoted(part.name),
									  "k." + pg::quoted(part.name)));
	return "SELECT " + pg::joined(columns, ", ") + " FROM " + table.name() + " AS w, " +
		   key_rows(scope.key, scope.given) + " AS k WHERE " + pg::joined(conditions, " AND ");
}

/* pending_statement makes what pending() says of new rows.  What was updated may
 * have all it needs, as most rows have. */
std::string pending_statement(const Definition &definition, const Statements &statements,
							  const Scope &scope, const std::string &due)
{
	if (scope.key.empty())
		return "SELECT pg_catalog.array_agg(" +
			   expected_key_json(definition, statements.expected(), "d") + ") FROM (" + due +
			   ") AS d";
	return "SELECT pg_catalog.array_agg(" + row_as_json("n", scope.key) + ") FROM " +
		   pg::quoted(kNewRows) + " AS n" +
		   (scope.inserted ? "" : " WHERE EXISTS (SELECT FROM (" + due + ") AS d)");
}

/* distinct_due yields what is due, a key that several rows expect only once where
 * the statement that writes needs it so. */
std::string distinct_due(const Statements &statements, const std::string &due)
{
	return statements.needs_distinct() ? with_list(due, statements.distinct()) : due;
}

/* unprotected_statement counts the due rows that the unique index would let two
 * sessions write at once: with NULL in the key, or outside of a partial index. */
std::string unprotected_statement(const Statements &statements, const std::string &due,
								  const std::string &with)
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
	return with_list(due,
					 "SELECT pg_catalog.count(*) FROM (" + overlay.before +
						 statements.rows_of_target() + " WHERE false" + overlay.after +
						 ") AS t WHERE " + pg::joined(conditions, " OR "),
					 with);
}

/* may_write_all tells whether all that is expected of inserted rows may be written
 * without a look at what is there, which would cost more than the attempt: where
 * the unique index stops what is there, before anything of the target sees or refuses it. */
bool may_write_all(const Definition &definition, const Statements &statements, const Scope &scope)
{
	std::vector<std::string> columns = statements.key().columns();
	if (columns != definition.key) /* the column of an expression may have another value there */
		columns.clear();
	return scope.inserted && !definition.is_fill() && !statements.needs_distinct() &&
		   !statements.target().sees_attempts() &&
		   is_sure_to_take(statements.target(), columns, statements.expected(), scope.watched);
}

} // namespace

/* ------------------------------------------------------------------ Rows */

void Rows::expose(pg::Spi &spi) const
{
	if (noted != nullptr)
		spi.expose(kNotedKeys, *noted);
	if (store != nullptr)
		spi.expose(kNewRows, store, table);
}

pg::Args Rows::args() const
{
	if (store != nullptr || noted != nullptr)
		return {};
	return one ? *one : pg::Args().add(JSONBARRAYOID, keys);
}

int64 Rows::size() const
{
	return pg::call([this]() -> int64 {
		if (store != nullptr)
			return tuplestore_tuple_count(store);
		if (noted != nullptr)
			return noted->size();
		if (one)
			return 1;
		ArrayType *array = DatumGetArrayTypeP(keys);
		return ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	});
}

/* ------------------------------------------------------------ statements */

namespace {

/* keys_in is the list of keys that a scope of keys is about. */
std::string keys_in(const Statements &statements, const Scope &scope)
{
	return scope.kind == Scope::target_rows
			   ? statements.key().list(pg::quoted(kNewRows))
			   : key_rows(statements.key().json_columns(), scope.given);
}

/* expected_rows_in yields what is expected in a scope, due or not. */
std::string expected_rows_in(const Statements &statements, const Scope &scope,
							 Statements::Rows number)
{
	if (scope.is_of_rows())
		return statements.all_expected();
	return statements.expected_among(keys_in(statements, scope), number);
}

} // namespace

std::optional<Datum> keys_as_json(const std::vector<JsonColumn> &key, pg::WorkList &noted)
{
	pg::PortableText portable;
	pg::Spi spi;
	spi.expose(kNotedKeys, noted);
	spi.run("SELECT pg_catalog.array_agg(" + row_as_json("k", key) + ") FROM " +
				pg::quoted(kNotedKeys) + " AS k",
			SPI_OK_SELECT);
	return spi.kept(0, 1);
}

void confine(Statements &statements, const Scope &scope)
{
	if (scope.one_key)
		statements.see_one_row(scope.watched);
	else if (scope.is_of_rows())
		statements.see_new_rows(scope.watched);
}

/* At the beginning of the whole it keeps PostgreSQL from no rearrangement; within a subquery
 * it would. */
std::string with_rows(const Scope &scope)
{
	if (scope.kind != Scope::stored_rows)
		return {};
	return "WITH " + pg::quoted(kNewRows) + " AS NOT MATERIALIZED (" + stored_rows(scope) + ") ";
}

std::string due_in(const Statements &statements, const Scope &scope, Statements::Rows number)
{
	if (scope.is_of_rows())
		return statements.due();
	return statements.due_among(keys_in(statements, scope), number);
}

std::string expected_in(const Definition &definition, const Scope &scope)
{
	if (scope.is_of_rows()) {
		ExpectedRows expected(definition.expects);
		expected.read_from(scope.watched, kNewRows);
		return with_rows(scope) + "SELECT " + expected_key_json(definition, expected, "e") + ", " +
			   row_as_json("e", json_columns(expected)) + " FROM (" + expected.text() + ") AS e";
	}
	if (scope.kind == Scope::target_rows) {
		Target const target(definition.target);
		return "SELECT " + Key(target, definition.key).as_json("d") + ", " +
			   row_as_json("d", target.json_columns()) + " FROM " + pg::quoted(kNewRows) + " AS d";
	}
	return "SELECT k, NULL::pg_catalog.jsonb FROM pg_catalog.unnest($1) AS k";
}

uint64 KeptStatement::run(pg::Spi &spi, int expect, const Rows &rows)
{
	size_t const number = magnitude(rows.size());
	std::unique_ptr<pg::Plan> &plan = plans_[number];
	pg::Args args = rows.args();
	if (plan == nullptr) {
		using pg::Planned;
		plan = spi.prepare(number == 0 ? few_ : sql_,
						   std::vector<Oid>(args.types(), args.types() + args.count()),
						   number == 0 ? Planned::once : Planned::by_values);
	}
	return spi.run(*plan, expect, std::move(args));
}

void KeptStatement::explain(pg::Spi &spi, const Rows &rows) const
{
	for (const std::string *text : {&few_, &sql_})
		spi.run("EXPLAIN " + *text, SPI_OK_UTILITY, rows.args());
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
	key_can_repeat_ = statements->key_can_repeat();
	bool const all = may_write_all(definition, *statements, scope); /* as long as it reads tables */
	confine(*statements, scope);
	std::string const with = with_rows(scope);
	std::string const few = due_in(*statements, scope, Statements::Rows::few);
	std::string const many = due_in(*statements, scope, Statements::Rows::many);
	auto const on_due = [&](auto statement) {
		return KeptStatement(statement(few), statement(many));
	};
	auto const writing = [&](const std::string &rows, const Write &write) {
		bool const any_order = scope.one_key || (scope.alone && !definition.is_fill());
		done_ = write.done;
		return with_list(any_order ? rows : statements->in_key_order(rows), write.sql, with);
	};
	auto const writing_all = [&](Statements::Rows number) {
		auto const direct = statements->write_expected(number);
		return writing(expected_rows_in(*statements, scope, number),
					   direct ? *direct : statements->write());
	};
	if (all || statements->write_expected(Statements::Rows::few))
		write_ =
			KeptStatement(writing_all(Statements::Rows::few), writing_all(Statements::Rows::many));
	else
		write_ = on_due([&](const std::string &due) {
			return writing(distinct_due(*statements, due), statements->write());
		});
	if (scope.is_of_statement())
		pending_ = on_due([&](const std::string &due) {
			return pending_statement(definition, *statements, scope, due);
		});
	if (statements->may_write_twice())
		unprotected_ = on_due(
			[&](const std::string &due) { return unprotected_statement(*statements, due, with); });
}

void GuardWork::write(const Rows &rows)
{
	pg::Spi spi;
	rows.expose(spi);
	if (!unprotected_.empty()) {
		unprotected_.run(spi, SPI_OK_SELECT, rows);
		if (spi.number(0, 1) > 0) {
			lock_for_guard(invariant_);
			conflict_with_older_snapshots(invariant_);
		}
	}
	write_.run(spi, done_, rows);
}

std::optional<Datum> GuardWork::pending(const Rows &rows)
{
	pg::PortableText portable;
	pg::Spi spi;
	rows.expose(spi);
	pending_.run(spi, SPI_OK_SELECT, rows);
	return spi.kept(0, 1);
}

void GuardWork::check() const
{
	Rows none;
	if (scope_.kind != Scope::keys) {
		none.store = pg::call([] { return tuplestore_begin_heap(false, false, work_mem); });
		none.table = scope_.watched;
	}
	pg::Spi spi;
	none.expose(spi);
	for (const KeptStatement *statement : {&write_, &unprotected_, &pending_})
		if (!statement->empty())
			statement->explain(spi, none);
}

} // namespace reconcile::invariant
