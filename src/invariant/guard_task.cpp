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
#include "invariant/order.hpp"
#include "pg/identity.hpp"
#include "pg/relation_changes.hpp"
#include "pg/text.hpp"

extern "C" {
#include "catalog/pg_type_d.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
}

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

namespace reconcile::invariant {

namespace {

/* The tasks of this backend, by trigger and, for what waits for a commit, by
 * invariant, watched table, and how the keys are given. */
using TaskKey = std::tuple<Oid, std::string, Oid, Given>;
std::map<TaskKey, std::shared_ptr<Task>> tasks;

/* The order in which guards work at commit, as far as this backend has asked for it. */
struct Order {
	std::vector<std::string> invariants;
	std::vector<Oid> tables; /* an alteration of which makes it stale */
	bool stale = false;
} order;

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
	if (!OidIsValid(table) || contains(order.tables, table))
		order.stale = true;
}

void listen()
{
	static bool const listening = (pg::on_relation_change(mark_stale), true);
	(void)listening;
}

/* known returns a task from memory, if it is there and still holds.  One that could not
 * be worked out does not: nobody knows what would make it stale. */
std::shared_ptr<Task> known(const TaskKey &key)
{
	listen();
	auto const found = tasks.find(key);
	if (found != tasks.end() && found->second->ready && !found->second->stale)
		return found->second;
	for (auto old = tasks.begin(); old != tasks.end();) /* triggers may be gone for good */
		old = old->second->stale ? tasks.erase(old) : std::next(old);
	return nullptr;
}

/* family lists a table and those of which it is a partition or child. */
std::vector<Oid> family(Oid table)
{
	static pg::Constant up("WITH RECURSIVE up (table_id) AS (SELECT $1::oid UNION"
						   " SELECT i.inhparent FROM up JOIN pg_inherits i"
						   "  ON i.inhrelid = up.table_id) SELECT table_id FROM up",
						   pg::Planned::once);
	pg::PinnedPath path;
	pg::Spi spi;
	uint64 const rows = spi.run(up, SPI_OK_SELECT, pg::Args().add(OIDOID, ObjectIdGetDatum(table)));
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
	for (Oid const read : expected.reads()) /* one that is not watched has types, too */
		task.tables.push_back(read);
	return watched_tables(task.definition, expected);
}

/* columns_of counts columns as a table does, which may be a partition. */
std::vector<AttrNumber> columns_of(Oid table, const std::vector<std::string> &names)
{
	std::vector<AttrNumber> columns;
	for (const std::string &name : names)
		columns.push_back(pg::call([&] { return get_attnum(table, name.c_str()); }));
	return columns;
}

std::vector<std::string> names_of(const std::vector<JsonColumn> &columns)
{
	std::vector<std::string> names;
	for (const JsonColumn &column : columns)
		names.push_back(column.name);
	return names;
}

/* note_by lets rows of a part be noted by a key. */
void note_by(const Task &task, Part &part, const std::vector<JsonColumn> &key,
			 const pg::Firing &firing)
{
	if (key.empty())
		return;
	Oid const watched = part.scope.is_of_rows() ? part.scope.watched : InvalidOid;
	part.subject = std::make_shared<Subject>(Subject{task.guard.invariant, watched, key});
	part.noted = columns_of(firing.table(), names_of(key));
}

/* rows_part is what new rows of a table that the query reads ask for.  Those that wait are
 * found again by their primary key; so a change of that matters, too, where there is a
 * trigger that sees it. */
Part rows_part(const Task &task, const Watched &watched, const pg::Firing &firing)
{
	bool const inserted = firing.event() == pg::Event::insert;
	Part part;
	part.scope = {Scope::new_rows, watched.table, inserted, inserted && watched.in_key};
	part.columns = columns_of(firing.table(), watched.columns);
	if (!task.guard.waits() || watched.columns.empty())
		return part;
	part.scope.key = primary_key_of(watched.table);
	note_by(task, part, part.scope.key, firing);
	part.columns.insert(part.columns.end(), part.noted.begin(), part.noted.end());
	return part;
}

/* has_rows_in tells whether values of one of some columns are rows: one of NULLs is empty,
 * and is no NULL. */
bool has_rows_in(const Target &target, const std::vector<std::string> &columns)
{
	return std::any_of(columns.begin(), columns.end(), [&](const std::string &name) {
		const Column *const column = target.column(name);
		return column == nullptr || pg::call([&] { return type_is_rowtype(column->base); });
	});
}

/* target_part is what rows of the target ask for: to be filled, or to be written again.
 * Where values are filled that are NULL, and none are compared, it takes a NULL. */
Part target_part(const Task &task, const WatchedTables &tables, const pg::Firing &firing)
{
	const Definition &definition = task.definition;
	Part part;
	part.scope = {Scope::target_rows, definition.target};
	if (firing.event() == pg::Event::remove)
		return part;
	part.columns = columns_of(firing.table(), tables.filled->columns);
	AsDeclared const declared(definition);
	Target const target(definition.target);
	auto const filled = filled_by(definition, ExpectedRows(definition.expects));
	if (definition.compare.empty() && !has_rows_in(target, filled))
		part.filled = columns_of(firing.table(), filled);
	Key const key(target, definition.key);
	if (task.guard.waits() && key.columns() == definition.key)
		note_by(task, part, key.json_columns(), firing);
	return part;
}

/* find_scopes adds the scopes of a statement on a table. */
void find_scopes(Task &task, const WatchedTables &tables, const pg::Firing &firing)
{
	std::vector<Oid> const relatives = family(firing.table());
	bool const deleted = firing.event() == pg::Event::remove;
	if (!deleted)
		for (const Watched &watched : tables.read)
			if (contains(relatives, watched.table))
				task.parts.push_back(rows_part(task, watched, firing));
	if (contains(relatives, task.definition.target) && (deleted || tables.filled))
		task.parts.push_back(target_part(task, tables, firing));
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

/* find_again completes the scope of rows that are found again by their primary
 * key.  A query that was altered meanwhile need not read the key; one that does not
 * read their table any more expects nothing of them. */
void find_again(Task &task, const WatchedTables &tables, Datum keys)
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
	std::vector<JsonColumn> const key = primary_key_of(scope.watched);
	if (scope.given == Given::as_json && !have_columns(keys, names_of(key)))
		pg::fail(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
				 "rows of " + pg::qualified_name(scope.watched) +
					 " cannot be found again at commit",
				 "The primary key was altered since they were written.");
	scope.inserted = scope.given != Given::as_json;
	scope.alone = scope.inserted && watched->in_key;
	scope.one_key = scope.given == Given::as_arguments && watched->one_key;
	scope.key = key;
	scope.columns = watched->columns;
	for (const JsonColumn &column : scope.key)
		if (!pg::contains(scope.columns, column.name))
			scope.columns.push_back(column.name);
}

/* check_key refuses keys of what is expected that are not those of the invariant any
 * more: they would find nothing. */
void check_key(Task &task, Datum keys)
{
	Scope &scope = task.parts.front().scope;
	std::vector<std::string> names;
	{
		AsDeclared const declared(task.definition);
		Target const target(task.definition.target);
		Key const key(target, task.definition.key);
		for (const KeyPart &part : key.parts())
			names.push_back(part.name());
		scope.key = key.json_columns();
	}
	if (scope.given != Given::as_json || have_columns(keys, names))
		return;
	task.parts.clear();
	pg::fail(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
			 "what invariant \"" + task.guard.invariant +
				 "\" expects cannot be found again at commit",
			 "Its key was altered since the rows were written.");
}

bool target_exists(const Task &task)
{
	return pg::call([&] { return get_rel_name(task.definition.target) != nullptr; });
}

/* make_statements makes what the scopes need. */
void make_statements(Task &task)
{
	if (!target_exists(task))
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

/* still_holds locks the target as the work will, and tells whether a task is as it should be:
 * what was altered before that is known by then.  A guard that queues has no need: what fails
 * waits there, the lock as well. */
bool still_holds(const Task &task)
{
	if (!task.guard.queues())
		pg::call([&] { LockRelationOid(task.definition.target, RowExclusiveLock); });
	return !task.stale;
}

} // namespace

std::shared_ptr<Task> task_of(const pg::Firing &firing)
{
	TaskKey const key{firing.trigger(), {}, InvalidOid, Given::as_json};
	auto const writes = [&](const Task &task) {
		return firing.event() == pg::Event::insert && !task.guard.waits();
	};
	if (auto task = known(key); task != nullptr && (!writes(*task) || still_holds(*task)))
		return task;
	pg::AsOfNow now; /* the trigger may be newer than the transaction's snapshot */
	auto task = std::make_shared<Task>();
	task->tables.push_back(firing.table());
	task->guard = guard_of_trigger(firing);
	return tasks[key] = task;
}

std::shared_ptr<Task> settling_task(Oid trigger, const std::string &invariant, Oid watched,
									Given given)
{
	TaskKey const key{trigger, invariant, watched, given};
	if (auto task = known(key); task != nullptr && still_holds(*task))
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

void work_out(Task &task, Oid watched, Given given, Datum keys)
{
	pg::AsOfNow now;
	task.parts.clear();
	task.parts.emplace_back();
	Scope &scope = task.parts.front().scope;
	scope.kind = OidIsValid(watched) ? Scope::stored_rows : Scope::keys;
	scope.watched = watched;
	scope.given = given;
	WatchedTables const tables = define(task);
	if (OidIsValid(watched))
		find_again(task, tables, keys);
	else if (target_exists(task))
		check_key(task, keys);
	make_statements(task);
}

namespace {

/* find_order works out the order of these invariants, and of all whose guards they may
 * set off. */
void find_order(const std::vector<std::string> &invariants)
{
	Order found;
	{
		pg::AsExtensionOwner owner;
		pg::Spi spi;
		uint64 const rows = spi.run(
			"WITH RECURSIVE reached (invariant, target) AS ("
			"SELECT i.name, i.target::oid FROM reconcile.invariant i WHERE i.name = ANY ($1)"
			" UNION SELECT i.name, i.target::oid FROM reached r"
			" JOIN reconcile.guard_trigger t ON t.watched::oid = r.target"
			" JOIN reconcile.invariant i ON i.name = t.invariant)"
			" SELECT r.invariant, r.target FROM reached r UNION"
			" SELECT r.invariant, t.watched::oid FROM reached r"
			" JOIN reconcile.guard_trigger t ON t.invariant = r.invariant",
			SPI_OK_SELECT, pg::Args().add(invariants));
		for (uint64 row = 0; row < rows; row++) {
			found.tables.push_back(spi.oid(row, 2));
			if (!pg::contains(found.invariants, spi.required_text(row, 1)))
				found.invariants.push_back(spi.required_text(row, 1));
		}
	}
	std::sort(found.invariants.begin(), found.invariants.end());
	std::vector<Definition> definitions;
	for (const std::string &name : found.invariants)
		definitions.push_back(definition_named(name));
	found.invariants.clear();
	for (const Definition &definition : in_order(definitions, Cycle::is_ignored))
		found.invariants.push_back(definition.name);
	order.invariants = found.invariants;
	order.tables = found.tables;
}

} // namespace

const std::vector<std::string> &settling_order(const std::vector<SharedSubject> &subjects)
{
	listen();
	if (order.stale || !std::all_of(subjects.begin(), subjects.end(), [](auto &subject) {
			return pg::contains(order.invariants, subject->invariant);
		})) {
		std::vector<std::string> invariants;
		for (const SharedSubject &subject : subjects)
			invariants.push_back(subject->invariant);
		pg::AsOfNow now;
		order.stale = false; /* unless something changes meanwhile */
		find_order(invariants);
	}
	return order.invariants;
}

} // namespace reconcile::invariant
