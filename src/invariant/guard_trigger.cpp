/*-------------------------------------------------------------------------
 *
 * guard_trigger.cpp
 *	  The trigger functions of guards.
 *
 * reconcile.fire_guard() is called after a statement, and writes what its rows
 * are expected to have, or, in a guard that waits for the commit, by what to find
 * them again into reconcile.guard_pending.  reconcile.settle_guard() is called for each
 * row of that table when the transaction commits.  A savepoint that is rolled
 * back takes the rows along, and with them the work.
 *
 *-------------------------------------------------------------------------
 */
#include "invariant/chain.hpp"
#include "invariant/guard_queue.hpp"
#include "invariant/guard_task.hpp"
#include "invariant/writer.hpp"
#include "pg/context.hpp"
#include "pg/identity.hpp"
#include "pg/subtransaction.hpp"
#include "pg/text.hpp"

extern "C" {
#include "catalog/pg_type_d.h"
}

namespace reconcile::invariant {

namespace {

/* How deep guards may set off each other: more than any chain of tables has. */
constexpr int kMostLevels = 32;

/* Why what a foreign table is expected to have waits for a repair. */
const Reason kForeign = {"0A000", "a foreign table is written by repairs only: a network call"
								  " would keep the transaction waiting, and could not be undone"};

/* Depth counts the guards that are at work within each other. */
class Depth {
public:
	explicit Depth(const std::string &invariant)
	{
		if (levels_ >= kMostLevels)
			pg::fail(ERRCODE_STATEMENT_TOO_COMPLEX,
					 "guards set off each other more than " + std::to_string(kMostLevels) +
						 " levels deep",
					 "The last one is that of invariant \"" + invariant + "\".",
					 "Invariants whose rows make each other expected never come to an end.");
		levels_++;
	}
	~Depth() { levels_--; }
	Depth(const Depth &) = delete;
	Depth &operator=(const Depth &) = delete;

private:
	static int levels_;
};

int Depth::levels_ = 0;

pg::Constant enter_pending(
	"INSERT INTO reconcile.guard_pending (invariant, keys, watched) VALUES ($1, $2, $3)",
	pg::Planned::once);
/* The index would list every row that was taken, until the next vacuum. */
pg::Constant take_pending("DELETE FROM reconcile.guard_pending WHERE ctid = $1"
						  " RETURNING invariant, keys, coalesce(watched, 0)",
						  pg::Planned::once);

/* write writes what is missing in the scope of a part. */
void write(Task &task, Part &part, const Rows &rows)
{
	/* deferred checks would fail where no guard can record it, and PostgreSQL
	 * does not let a restricted role leave any behind */
	bool const check_now = task.guard.queues() || task.definition.owner != GetUserId();
	if (check_now)
		task.constraints->check_at_once();
	{
		AsDeclared const declared(task.definition);
		part.work->write(rows);
	}
	if (check_now)
		task.constraints->wait_again();
}

/* postpone enters what must be looked at, for the end of the transaction. */
void postpone(Task &task, Part &part, const Rows &rows)
{
	std::optional<Datum> keys;
	{
		AsDeclared const declared(task.definition);
		keys = part.work->pending(rows);
	}
	if (!keys)
		return;
	pg::AsExtensionOwner owner(pg::AsExtensionOwner::for_later);
	pg::Spi spi;
	pg::Args args = pg::Args().add(task.guard.invariant).add(JSONBARRAYOID, *keys);
	if (part.scope.columns.empty())
		args.add_null(OIDOID);
	else
		args.add(OIDOID, ObjectIdGetDatum(part.scope.watched));
	spi.run(enter_pending, SPI_OK_INSERT, std::move(args));
}

/* enqueue keeps for later what could not be done now: as precisely as the reason
 * of the failure allows. */
void enqueue(const Task &task, const Part *part, const Rows &rows, const pg::Failure &failure)
{
	auto const done = [](const std::function<void()> &f) {
		return !pg::attempt(f, pg::Deadlock::is_survived);
	};
	Reason const reason{failure.code(), failure.message()};
	const Definition &definition = task.definition;
	if (part != nullptr && concerns_a_row(failure.sqlstate()) &&
		done([&] { enqueue_refused(definition, part->scope, rows); }))
		return;
	if (part != nullptr && done([&] { enqueue_expected(definition, part->scope, rows, reason); }))
		return;
	if (done([&] { enqueue_written(task.guard.invariant, definition.owner, rows, reason); }))
		return;
	enqueue_failure(task.guard.invariant, reason);
}

/* survived runs f.  A failure of it is thrown on, or, in a guard that queues,
 * entered. */
bool survived(const Task &task, const Part *part, const Rows &rows, const std::function<void()> &f)
{
	if (!task.guard.queues()) {
		f();
		return true;
	}
	auto const failure = pg::attempt(f, pg::Deadlock::is_survived);
	if (!failure)
		return true;
	if (part == nullptr && !task.parts.empty()) /* the scopes were found, not what to do there */
		for (const Part &each : task.parts)
			enqueue(task, &each, rows, *failure);
	else
		enqueue(task, part, rows, *failure);
	return false;
}

/* fire does the work of a task after a statement. */
void fire(Task &task, const pg::Firing &firing)
{
	Rows all;
	all.store = firing.rows();
	all.table = firing.table();
	if (!task.ready && !survived(task, nullptr, all, [&] { work_out(task, firing); }))
		return;
	for (Part &part : task.parts) {
		std::unique_ptr<pg::WorkList> changed;
		Rows rows = all;
		if (firing.event() == pg::Event::update) {
			changed = firing.changed(part.columns);
			if (changed->size() == 0)
				continue;
			rows.store = changed->store();
		}
		survived(task, &part, rows, [&] {
			Depth const depth(task.guard.invariant);
			if (task.queue_only)
				enqueue_expected(task.definition, part.scope, rows, kForeign);
			else if (task.guard.waits())
				postpone(task, part, rows);
			else
				write(task, part, rows);
		});
	}
}

/* settle does the work of a task on what waited for the commit. */
void settle(Task &task, Oid watched, const Rows &rows)
{
	if (!task.ready && !survived(task, nullptr, rows, [&] { work_out(task, watched, rows.keys); }))
		return;
	for (Part &part : task.parts)
		survived(task, &part, rows, [&] { write(task, part, rows); });
}

} // namespace

RECONCILE_FUNCTION(reconcile_fire_guard)
{
	pg::Firing const firing(fcinfo);
	if (firing.size() == 0)
		return Datum(0);
	std::shared_ptr<Task> const task = task_of(firing); /* kept while it is at work */
	if (Chain::holds(task->guard.invariant))
		return Datum(0);
	pg::InContext const context("guard of invariant \"" + task->guard.invariant + "\"");
	fire(*task, firing);
	return Datum(0);
}

RECONCILE_FUNCTION(reconcile_settle_guard)
{
	pg::RowFiring const firing(fcinfo, "guard_pending");
	std::string invariant;
	Oid watched;
	Rows rows;
	{
		pg::AsExtensionOwner owner;
		pg::Spi spi;
		if (spi.run(take_pending, SPI_OK_DELETE_RETURNING,
					pg::Args().add(TIDOID, firing.place())) == 0)
			return Datum(0);
		invariant = spi.required_text(0, 1);
		rows.keys = *spi.kept(0, 2);
		watched = spi.oid(0, 3);
	}
	std::shared_ptr<Task> const task = settling_task(firing.trigger(), invariant, watched);
	if (task == nullptr) /* unguarded meanwhile */
		return Datum(0);
	pg::InContext const context("guard of invariant \"" + invariant + "\" at commit");
	settle(*task, watched, rows);
	return Datum(0);
}

} // namespace reconcile::invariant
