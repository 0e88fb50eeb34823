/*-------------------------------------------------------------------------
 *
 * guard_task.cpp
 *	  What a trigger of a guard has to do, worked out once.
 *
 *-------------------------------------------------------------------------
 */
#include "invariant/guard_task.hpp"

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
#include <tuple>
#include <utility>

namespace reconcile::invariant {

namespace {

/* The tasks of this backend, by trigger and, for what waits for a commit, by
 * invariant and watched table. */
using TaskKey = std::tuple<Oid, std::string, Oid>;
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
	auto tables = watched_tables(task.definition, ExpectedRows(task.definition.expects));
	for (const Watched &watched : tables.read)
		task.tables.push_back(watched.table);
	return tables;
}

/* columns_of counts columns as a table does, which may be a partition. */
std::vector<AttrNumber> columns_of(Oid table, const std::vector<std::string> &names)
{
	std::vector<AttrNumber> columns;
	for (const std::string &name : names)
		columns.push_back(pg::call([&] { return get_attnum(table, name.c_str()); }));
	return columns;
}

/* find_scopes adds the scopes of a statement on a table. */
void find_scopes(Task &task, const WatchedTables &tables, const pg::Firing &firing)
{
	std::vector<Oid> const relatives = family(firing.table());
	auto add = [&](Scope scope, const std::vector<std::string> &columns) {
		task.parts.push_back({scope, columns_of(firing.table(), columns), nullptr});
	};
	bool const inserted = firing.event() == pg::Event::insert;
	if (firing.event() != pg::Event::remove)
		for (const Watched &watched : tables.read)
			if (contains(relatives, watched.table))
				add({Scope::new_rows, watched.table, inserted, inserted && watched.in_key,
					 task.guard.waits() && is_found_again(watched) ? watched.columns
																   : std::vector<std::string>()},
					watched.columns);
	bool const deleted = firing.event() == pg::Event::remove;
	if (contains(relatives, task.definition.target) && (deleted || tables.filled))
		add({Scope::target_rows, task.definition.target},
			deleted ? std::vector<std::string>() : tables.filled->columns);
}

/* have_columns tells whether keys that were kept are made of these columns. */
bool have_columns(Datum keys, const std::vector<std::string> &columns)
{
	pg::PinnedPath path;
	pg::Spi spi;
	spi.run("SELECT ARRAY(SELECT jsonb_object_keys($1[1]) COLLATE \"C\" ORDER BY 1)"
			" = ARRAY(SELECT unnest($2) COLLATE \"C\" ORDER BY 1)",
			SPI_OK_SELECT, pg::Args().add(JSONBARRAYOID, keys).add(columns));
	return spi.truth(0, 1);
}

/* find_stored completes the scope of rows that are found again by their primary
 * key.  A query that was altered meanwhile need not read the key; one that does not
 * read their table any more expects nothing of them. */
void find_stored(Task &task, const WatchedTables &tables, Datum keys)
{
	Scope &scope = task.parts.front().scope;
	auto const watched =
		std::find_if(tables.read.begin(), tables.read.end(),
					 [&](const Watched &each) { return each.table == scope.watched; });
	if (watched == tables.read.end()) {
		task.parts.clear();
		return;
	}
	AsDeclared const declared(task.definition);
	std::vector<std::string> const key = Target(scope.watched).primary_key();
	if (!have_columns(keys, key))
		pg::fail(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
				 "rows of " + pg::qualified_name(scope.watched) +
					 " cannot be found again at commit",
				 "The primary key was altered since they were written.");
	scope.columns = watched->columns;
	for (const std::string &name : key)
		if (!pg::contains(scope.columns, name))
			scope.columns.push_back(name);
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
	TaskKey const key{firing.trigger(), {}, InvalidOid};
	if (auto task = known(key))
		return task;
	pg::AsOfNow now; /* the trigger may be newer than the transaction's snapshot */
	auto task = std::make_shared<Task>();
	task->tables.push_back(firing.table());
	task->guard = guard_of_trigger(firing);
	return tasks[key] = task;
}

std::shared_ptr<Task> settling_task(Oid trigger, const std::string &invariant, Oid watched)
{
	TaskKey const key{trigger, invariant, watched};
	if (auto task = known(key))
		return task;
	pg::AsOfNow now;
	auto const guard = guard_of(invariant);
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
	if (task.parts.empty())
		pg::fail(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
				 "invariant \"" + task.guard.invariant + "\" has nothing to do with " +
					 pg::qualified_name(firing.table()) + " any more",
				 {}, "Call reconcile.guard() again.");
	make_statements(task);
}

void work_out(Task &task, Oid watched, Datum keys)
{
	pg::AsOfNow now;
	task.parts.clear();
	Scope::Kind const kind = OidIsValid(watched) ? Scope::stored_rows : Scope::keys;
	task.parts.push_back({{kind, watched}, {}, nullptr});
	WatchedTables const tables = define(task);
	if (OidIsValid(watched))
		find_stored(task, tables, keys);
	make_statements(task);
}

} // namespace reconcile::invariant
