/*-------------------------------------------------------------------------
 *
 * guard_task.cpp
 *	  What a trigger of a guard has to do, worked out once.
 *
 *-------------------------------------------------------------------------
 */
#include "invariant/guard_task.hpp"

#include "invariant/filling.hpp"
#include "invariant/guard_query.hpp"
#include "pg/identity.hpp"
#include "pg/relation_changes.hpp"
#include "pg/text.hpp"

extern "C" {
#include "catalog/pg_type_d.h"
#include "utils/lsyscache.h"
}

#include <algorithm>
#include <map>
#include <utility>

namespace reconcile::invariant {

namespace {

/* The tasks of this backend, by trigger and, for notes, by what they are about. */
using TaskKey = std::pair<Oid, Subject>;
std::map<TaskKey, std::shared_ptr<Task>> tasks;

bool contains(const std::vector<Oid> &tables, Oid table)
{
	return std::find(tables.begin(), tables.end(), table) != tables.end();
}

/* mark_stale takes note that a table was altered. */
void mark_stale(Oid table) noexcept
{
	for (auto &entry : tasks)
		if (!OidIsValid(table) || contains(entry.second->tables, table))
			entry.second->stale = true;
}

/* known returns a task from memory, if it is there and still holds. */
std::shared_ptr<Task> known(const TaskKey &key)
{
	static bool const listening = (pg::on_relation_change(mark_stale), true);
	(void)listening;
	auto const found = tasks.find(key);
	if (found != tasks.end() && !found->second->stale)
		return found->second;
	for (auto old = tasks.begin(); old != tasks.end();) /* triggers may be gone for good */
		old = old->second->stale ? tasks.erase(old) : std::next(old);
	return nullptr;
}

/* family lists a table and those of which it is a partition or child. */
std::vector<Oid> family(Oid table)
{
	pg::PinnedPath path;
	pg::Spi spi;
	uint64 const rows =
		spi.run("WITH RECURSIVE up (table_id) AS (SELECT $1::oid UNION"
				" SELECT i.inhparent FROM up JOIN pg_inherits i ON i.inhrelid = up.table_id)"
				" SELECT table_id FROM up",
				SPI_OK_SELECT, pg::Args().add(OIDOID, ObjectIdGetDatum(table)));
	std::vector<Oid> tables;
	for (uint64 row = 0; row < rows; row++)
		tables.push_back(spi.oid(row, 1));
	return tables;
}

/* define looks up the definition, and returns the tables that its query reads. */
WatchedTables define(Task &task)
{
	task.definition = definition_named(task.guard.invariant);
	if (!pg::role_exists(task.definition.owner))
		pg::fail(ERRCODE_UNDEFINED_OBJECT,
				 "the owner of invariant \"" + task.guard.invariant + "\" does not exist any more");
	task.tables.push_back(task.definition.target);
	AsDeclared const declared(task.definition);
	ExpectedRows const expected(task.definition.expects);
	auto tables = watched_tables(task.definition, expected);
	task.reads = tables.read;
	if (tables.filled)
		task.writes = filled_by(task.definition, expected);
	for (const Watched &watched : tables.read)
		task.tables.push_back(watched.table);
	return tables;
}

std::vector<std::string> names_of(const std::vector<JsonColumn> &columns)
{
	std::vector<std::string> names;
	for (const JsonColumn &column : columns)
		names.push_back(column.name);
	return names;
}

/* has_rows_in tells whether values of one of some columns are rows: one of NULLs is
 * empty, and is no NULL. */
bool has_rows_in(Oid table, const std::vector<std::string> &columns)
{
	Target const target(table);
	return std::any_of(columns.begin(), columns.end(), [&](const std::string &name) {
		const Column *const column = target.column(name);
		return column == nullptr || pg::call([&] { return type_is_rowtype(column->base); });
	});
}

/* key_of lists the columns of a table that are its primary key, as they are in a note,
 * in which domains check nothing. */
std::vector<JsonColumn> key_of(Oid table)
{
	Target const target(table);
	std::vector<JsonColumn> columns;
	for (const std::string &name : target.primary_key())
		columns.push_back({name, target.column(name)->base, -1});
	return columns;
}

/* key_of does the same for the key of what is expected in a target. */
std::vector<JsonColumn> key_of(const Key &key)
{
	std::vector<JsonColumn> columns;
	for (const KeyPart &part : key.parts())
		columns.push_back({part.listed_name(), part.column().base, -1, part.name()});
	return columns;
}

/* columns_of counts columns as a table does, which may be a partition. */
std::vector<AttrNumber> columns_of(Oid table, const std::vector<std::string> &names)
{
	std::vector<AttrNumber> columns;
	for (const std::string &name : names)
		columns.push_back(pg::call([&] { return get_attnum(table, name.c_str()); }));
	return columns;
}

/* rows_part is what new rows of a table that the query reads ask for.  To wait for the
 * commit they are noted by their primary key, as they will be found by it unless it is
 * changed, which then matters as well. */
Part rows_part(const Task &task, const Watched &watched, const pg::Firing &firing)
{
	bool const inserted = firing.event() == pg::Event::insert;
	Part part;
	part.scope = {Scope::new_rows, watched.table, inserted, inserted && watched.in_key};
	part.columns = columns_of(firing.table(), watched.columns);
	if (!task.guard.waits())
		return part;
	Scope &scope = part.scope;
	scope.keys = watched.columns.empty() ? std::vector<JsonColumn>() : key_of(watched.table);
	if (scope.keys.empty()) {
		scope.subject = {task.definition.name, Subject::as_expected};
		ExpectedRows const expected(task.definition.expects);
		scope.keys = json_columns(expected, key_columns(task.definition, expected));
		return part;
	}
	scope.subject = {task.definition.name, Subject::of_rows, watched.table, inserted};
	std::vector<AttrNumber> const key = columns_of(firing.table(), names_of(scope.keys));
	part.columns.insert(part.columns.end(), key.begin(), key.end());
	if (inserted)
		part.keys = key;
	return part;
}

/* is_of_columns tells whether a key has no expressions. */
bool is_of_columns(const Key &key)
{
	return std::none_of(key.parts().begin(), key.parts().end(),
						[](const KeyPart &part) { return part.expression() != nullptr; });
}

/* target_part is what rows of the target ask for: to be filled, or to be written again.
 * Where values are filled that are NULL, and none are compared, it takes a NULL. */
Part target_part(const Task &task, const std::optional<Watched> &filled, const pg::Firing &firing)
{
	const Definition &definition = task.definition;
	Part part;
	part.scope = {Scope::target_rows, definition.target};
	if (firing.event() != pg::Event::remove) {
		part.columns = columns_of(firing.table(), filled->columns);
		if (definition.compare.empty() && !has_rows_in(definition.target, task.writes))
			part.empty = columns_of(firing.table(), task.writes);
	}
	if (!task.guard.waits())
		return part;
	Target const target(definition.target);
	Key const key(target, definition.key);
	part.scope.subject = {definition.name, Subject::of_target};
	part.scope.keys = key_of(key);
	if (firing.event() != pg::Event::update && is_of_columns(key))
		part.keys = columns_of(firing.table(), definition.key);
	return part;
}

/* find_scopes adds the scopes of a statement on a table. */
void find_scopes(Task &task, const WatchedTables &tables, const pg::Firing &firing)
{
	std::vector<Oid> const relatives = family(firing.table());
	AsDeclared const declared(task.definition);
	bool const inserted = firing.event() == pg::Event::insert;
	auto comes_later = [&](const Watched &watched) {
		bool const later = inserted && watched.referenced;
		task.idle = task.idle || later;
		return later;
	};
	if (firing.event() != pg::Event::remove)
		for (const Watched &watched : tables.read)
			if (contains(relatives, watched.table) && !comes_later(watched))
				task.parts.push_back(rows_part(task, watched, firing));
	if (contains(relatives, task.definition.target) &&
		(firing.event() == pg::Event::remove || (tables.filled && !comes_later(*tables.filled))))
		task.parts.push_back(target_part(task, tables.filled, firing));
}

/* find_noted completes the scope of rows that are found again by their primary key.
 * One that was altered meanwhile finds nothing; a query that was altered and does not
 * read their table any more expects nothing of them. */
void find_noted(Task &task, const WatchedTables &tables)
{
	Scope &scope = task.parts.front().scope;
	auto const watched =
		std::find_if(tables.read.begin(), tables.read.end(),
					 [&](const Watched &each) { return each.table == scope.watched; });
	if (watched == tables.read.end()) {
		task.parts.clear();
		return;
	}
	if (!same_columns(key_of(scope.watched), scope.keys))
		pg::fail(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
				 "rows of " + pg::qualified_name(scope.watched) +
					 " cannot be found again at commit",
				 "The primary key was altered since they were written.");
	scope.alone = scope.subject.inserted && watched->in_key;
	scope.columns = watched->columns;
	for (const JsonColumn &key : scope.keys)
		if (std::find(scope.columns.begin(), scope.columns.end(), key.name) == scope.columns.end())
			scope.columns.push_back(key.name);
}

/* make_statements makes what the scopes need. */
void make_statements(Task &task)
{
	if (!pg::call([&] { return get_rel_name(task.definition.target) != nullptr; }))
		pg::fail(ERRCODE_UNDEFINED_TABLE, "the target of invariant \"" + task.guard.invariant +
											  "\" does not exist any more");
	task.queue_only = is_foreign(task.definition.target);
	if (!task.queue_only) {
		task.constraints.emplace(task.definition.target);
		AsDeclared const declared(task.definition);
		for (Part &part : task.parts)
			part.work = std::make_unique<GuardWork>(task.definition, part.scope);
	}
	task.ready = true;
}

} // namespace

std::shared_ptr<Task> task_of(const pg::Firing &firing)
{
	TaskKey const key{firing.trigger(), {}};
	if (auto task = known(key))
		return task;
	pg::AsOfNow now; /* the trigger may be newer than the transaction's snapshot */
	auto task = std::make_shared<Task>();
	task->tables.push_back(firing.table());
	task->guard = guard_of_trigger(firing);
	return tasks[key] = task;
}

std::shared_ptr<Task> settling_task(Oid trigger, const Subject &subject)
{
	TaskKey const key{trigger, subject};
	if (auto task = known(key))
		return task;
	pg::AsOfNow now;
	auto const guard = guard_of(subject.invariant);
	if (!guard)
		return nullptr;
	auto task = std::make_shared<Task>();
	task->guard = *guard;
	return tasks[key] = task;
}

void work_out(Task &task, const pg::Firing &firing)
{
	pg::AsOfNow now; /* what is worked out serves later transactions, too */
	task.parts.clear();
	find_scopes(task, define(task), firing);
	if (task.parts.empty() && !task.idle)
		pg::fail(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
				 "invariant \"" + task.guard.invariant + "\" has nothing to do with " +
					 pg::qualified_name(firing.table()) + " any more",
				 {}, "Call reconcile.guard() again.");
	make_statements(task);
}

void work_out(Task &task, const Note &note)
{
	pg::AsOfNow now;
	task.parts.clear();
	task.parts.emplace_back();
	Scope &scope = task.parts.front().scope;
	scope.kind = Scope::noted;
	scope.watched = note.subject.watched;
	scope.subject = note.subject;
	scope.keys = note.columns;
	WatchedTables const tables = define(task);
	if (scope.is_of_rows())
		find_noted(task, tables);
	make_statements(task);
}

} // namespace reconcile::invariant
