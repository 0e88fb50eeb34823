/*-------------------------------------------------------------------------
 *
 * guard_install.cpp
 *	  reconcile.guard() and reconcile.unguard().
 *
 * Triggers are made as the caller, with the rights that CREATE TRIGGER asks
 * for.  They are replaced in place, so that calling guard() again adds what is
 * missing and never leaves a moment without a guard.
 *
 *-------------------------------------------------------------------------
 */
#include "invariant/guard_install.hpp"

#include "invariant/guard_check.hpp"
#include "invariant/guard_query.hpp"
#include "invariant/lock.hpp"
#include "invariant/sqlstates.hpp"
#include "invariant/target.hpp"
#include "pg/identity.hpp"
#include "pg/result_set.hpp"
#include "pg/text.hpp"

extern "C" {
#include "catalog/pg_type_d.h"
#include "common/hashfn.h"
#include "mb/pg_wchar.h"
#include "tcop/utility.h"
#include "utils/lsyscache.h"
}

#include <algorithm>

namespace reconcile::invariant {

namespace {

constexpr const char *kInsert = "INSERT", *kUpdate = "UPDATE", *kDelete = "DELETE";

/* trigger_name is readable as far as a name may be long, and of its own beyond. */
std::string trigger_name(const std::string &invariant, const std::string &event)
{
	std::string const name = "reconcile_" + event + "_" + invariant;
	return pg::call([&] {
		int const length = static_cast<int>(name.size());
		if (length < NAMEDATALEN)
			return static_cast<const char *>(pstrdup(name.c_str()));
		uint32 const hash =
			hash_bytes(reinterpret_cast<const unsigned char *>(name.data()), length);
		int const kept = pg_mbcliplen(name.data(), length, NAMEDATALEN - 1 - 9);
		return static_cast<const char *>(psprintf("%.*s_%08x", kept, name.data(), hash));
	});
}

std::string transition_tables(const std::string &event)
{
	if (event == kInsert)
		return "NEW TABLE AS new_rows";
	if (event == kUpdate)
		return "OLD TABLE AS old_rows NEW TABLE AS new_rows";
	return "OLD TABLE AS old_rows";
}

/* Installation makes the triggers of one guard. */
class Installation {
public:
	explicit Installation(const Guard &guard) : guard_(guard), before_(triggers_of(guard.invariant))
	{
	}

	void watch(const Watched &watched);
	void watch_deletes(Oid table);
	void drop_others() const;
	const std::vector<MadeTrigger> &made() const { return made_; }

private:
	void make(Oid table, const std::string &event, const std::vector<std::string> &columns);
	void check_free(pg::Spi &spi, Oid table, const std::string &name);
	bool has(Oid table, const std::string &event) const;

	const Guard &guard_;
	std::vector<GuardTrigger> const before_;
	std::vector<MadeTrigger> made_;
};

bool Installation::has(Oid table, const std::string &event) const
{
	return std::any_of(made_.begin(), made_.end(), [&](const MadeTrigger &made) {
		return made.trigger.table == table && made.trigger.event == event;
	});
}

/* check_free refuses to replace a trigger that is not ours. */
void Installation::check_free(pg::Spi &spi, Oid table, const std::string &name)
{
	if (std::any_of(before_.begin(), before_.end(), [&](const GuardTrigger &trigger) {
			return trigger.table == table && trigger.name == name;
		}))
		return;
	if (spi.run("SELECT FROM pg_trigger WHERE tgrelid = $1 AND tgname = $2", SPI_OK_SELECT,
				pg::Args().add(OIDOID, ObjectIdGetDatum(table)).add(name)) > 0)
		pg::fail(ERRCODE_DUPLICATE_OBJECT,
				 "trigger \"" + name + "\" of " + pg::qualified_name(table) + " already exists",
				 "It was not made by this guard.", "Rename or drop the trigger.");
}

/* make makes one trigger, or replaces it. */
void Installation::make(Oid table, const std::string &event,
						const std::vector<std::string> &columns)
{
	if (has(table, event))
		return;
	std::string const name = trigger_name(guard_.invariant, event == kInsert   ? "insert"
															: event == kUpdate ? "update"
																			   : "delete");
	pg::PinnedPath path;
	pg::Spi spi;
	check_free(spi, table, name);
	spi.run("CREATE OR REPLACE TRIGGER " + pg::quoted(name) + " AFTER " + event + " ON " +
				pg::qualified_name(table) + " REFERENCING " + transition_tables(event) +
				" FOR EACH STATEMENT EXECUTE FUNCTION reconcile.fire_guard()",
			SPI_OK_UTILITY);
	if (guard_.enable == "always")
		spi.run("ALTER TABLE " + pg::qualified_name(table) + " ENABLE ALWAYS TRIGGER " +
					pg::quoted(name),
				SPI_OK_UTILITY);
	made_.push_back({{table, event, name}, columns});
}

/* children lists the partitions of a table, or the tables that inherit from it. */
std::vector<Oid> children(Oid table)
{
	pg::PinnedPath path;
	pg::Spi spi;
	uint64 const rows = spi.run("SELECT inhrelid FROM pg_inherits WHERE inhparent = $1"
								" ORDER BY inhrelid::regclass::text",
								SPI_OK_SELECT, pg::Args().add(OIDOID, ObjectIdGetDatum(table)));
	std::vector<Oid> tables;
	for (uint64 row = 0; row < rows; row++)
		tables.push_back(spi.oid(row, 1));
	return tables;
}

/* watch makes the triggers of a table and of its partitions and children: a
 * statement fires those of the table that it names only.  A table with a trigger
 * of this transaction gets no new partition before its end. */
void Installation::watch(const Watched &watched)
{
	if (is_foreign(watched.table)) /* a partition */
		pg::fail(kCannotBeGuarded,
				 "the query of invariant \"" + guard_.invariant + "\" cannot be guarded",
				 "It reads " + pg::qualified_name(watched.table) +
					 ", a foreign table, whose changes no trigger of this database sees.",
				 "reconcile.schedule() repairs it at regular times.");
	make(watched.table, kInsert, {});
	if (!watched.columns.empty())
		make(watched.table, kUpdate, watched.columns);
	for (Oid child : children(watched.table))
		watch({child, watched.columns});
}

/* watch_deletes does the same for deletes. */
void Installation::watch_deletes(Oid table)
{
	make(table, kDelete, {});
	for (Oid child : children(table))
		watch_deletes(child);
}

void drop(const GuardTrigger &trigger)
{
	pg::PinnedPath path;
	pg::Spi spi;
	spi.run("DROP TRIGGER IF EXISTS " + pg::quoted(trigger.name) + " ON " +
				pg::qualified_name(trigger.table),
			SPI_OK_UTILITY);
}

/* drop_others drops the triggers that the guard had and needs no more. */
void Installation::drop_others() const
{
	for (const GuardTrigger &trigger : before_)
		if (!has(trigger.table, trigger.event))
			drop(trigger);
}

/* check_works refuses a guard that the preflight knows would fail.  What is wrong
 * with the guard that is there does not count: it is about to be mended. */
void check_works(const Definition &definition)
{
	for (const Problem &problem : problems_of(definition, GetUserId()))
		if (problem.is_error() && problem.object != "guard of " + definition.name)
			pg::fail(problem.sqlstate, problem.text,
					 "The guard of invariant \"" + definition.name + "\" would fail.",
					 problem.fix + " SELECT * FROM reconcile.check_guard(" +
						 pg::literal(definition.name) + ") lists all there is to mend.");
}

/* check_foreign refuses what cannot be done for a target elsewhere. */
void check_foreign(const Definition &definition, const Guard &guard)
{
	if (!guard.queues())
		pg::fail(ERRCODE_FEATURE_NOT_SUPPORTED,
				 "a guard of invariant \"" + definition.name + "\" cannot write " +
					 pg::qualified_name(definition.target),
				 "It is a foreign table: a network call would keep the writer's transaction"
				 " waiting, and could not be undone with it.",
				 "Use on_failure => 'queue', and let reconcile.schedule() or a repair work off the"
				 " queue.");
	if (guard.recreates())
		pg::fail(ERRCODE_FEATURE_NOT_SUPPORTED,
				 "no trigger sees what is deleted from " + pg::qualified_name(definition.target),
				 "It is a foreign table.", "Leave out the argument on_delete.");
}

pg::Row result_row(const MadeTrigger &made)
{
	pg::Row row;
	row.add(ObjectIdGetDatum(made.trigger.table));
	row.add(pg::call(
		[&] { return DirectFunctionCall1(namein, CStringGetDatum(made.trigger.name.c_str())); }));
	std::vector<std::string> columns;
	for (const std::string &column : made.columns)
		columns.push_back(pg::quoted(column));
	row.text(made.trigger.event + (columns.empty() ? "" : " OF " + pg::joined(columns, ", ")));
	return row;
}

} // namespace

std::vector<MadeTrigger> install(const Definition &definition, const Guard &guard)
{
	bool const foreign = is_foreign(definition.target);
	if (foreign)
		check_foreign(definition, guard);
	if (guard.recreates() && definition.is_fill())
		pg::fail(ERRCODE_INVALID_PARAMETER_VALUE,
				 "invariant \"" + definition.name + "\" fills rows, and inserts none again", {},
				 "Leave out the argument on_delete.");
	WatchedTables tables;
	{
		AsDeclared const declared(definition);
		tables = watched_tables(definition, ExpectedRows(definition.expects));
	}
	check_works(definition);
	Installation installation(guard);
	for (const Watched &watched : tables.read)
		installation.watch(watched);
	if (tables.filled && !foreign)
		installation.watch(*tables.filled);
	if (guard.recreates())
		installation.watch_deletes(definition.target);
	installation.drop_others();
	std::vector<GuardTrigger> triggers;
	for (const MadeTrigger &made : installation.made())
		triggers.push_back(made.trigger);
	store(guard, triggers);
	return installation.made();
}

void reinstall(const Definition &definition)
{
	if (auto const guard = guard_of(definition.name))
		install(definition, *guard);
}

void uninstall(const std::string &invariant)
{
	for (const GuardTrigger &trigger : triggers_of(invariant))
		drop(trigger);
	forget_guard(invariant);
}

RECONCILE_FUNCTION(reconcile_guard)
{
	pg::Arguments arguments(fcinfo);
	Guard guard;
	guard.invariant = arguments.text(0, "invariant");
	guard.on_failure = arguments.one_of(1, "on_failure", {"block", "queue"});
	guard.timing = arguments.one_of(2, "timing", {"statement", "commit"});
	guard.enable = arguments.one_of(3, "enable", {"origin", "always"});
	guard.on_delete = arguments.one_of(4, "on_delete", {"ignore", "recreate"});

	pg::ResultSet result(fcinfo);
	for (const MadeTrigger &made : install(locked_definition(guard.invariant), guard))
		result.add(result_row(made));
	return Datum(0);
}

RECONCILE_FUNCTION(reconcile_unguard)
{
	pg::Arguments arguments(fcinfo);
	Definition const definition = locked_definition(arguments.text(0, "invariant"));
	if (!guard_of(definition.name))
		pg::fail(ERRCODE_UNDEFINED_OBJECT, "invariant \"" + definition.name + "\" has no guard", {},
				 "View reconcile.guards lists all guards.");
	uninstall(definition.name);
	PG_RETURN_VOID();
}

} // namespace reconcile::invariant
