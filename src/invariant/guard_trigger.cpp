/*-------------------------------------------------------------------------
 *
 * guard_trigger.cpp
 *	  The trigger functions of guards.
 *
 * reconcile.fire_guard() is called after a statement, and writes what its rows
 * are expected to have, or, in a guard that waits for the commit, takes a note by
 * which to find them again.  reconcile.settle_guard() is called when the transaction
 * commits, and works off all notes, each invariant's once: what its guard writes may
 * set off others, whose notes it works off, too.
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

#include <algorithm>

namespace reconcile::invariant {

namespace {

/* How deep guards may set off each other: more than any chain of tables has. */
constexpr int kMostLevels = 32;

/* Why what a foreign table is expected to have waits for a repair. */
const Reason kForeign = {"0A000", "a foreign table is written by repairs only: a network call"
								  " would keep the transaction waiting, and could not be undone"};

/* Depth counts the guards that set off each other, within each other or at the end of
 * the transaction. */
class Depth {
public:
	/* The next level: a guard is at work. */
	explicit Depth(const std::string &invariant) : before_(levels_)
	{
		if (levels_ >= kMostLevels)
			pg::fail(ERRCODE_STATEMENT_TOO_COMPLEX,
					 "guards set off each other more than " + std::to_string(kMostLevels) +
						 " levels deep",
					 "The last one is that of invariant \"" + invariant + "\".",
					 "Invariants whose rows make each other expected never come to an end.");
		levels_++;
	}
	/* The level at which a note was taken. */
	explicit Depth(int levels) : before_(levels_) { levels_ = levels; }
	~Depth() { levels_ = before_; }
	Depth(const Depth &) = delete;
	Depth &operator=(const Depth &) = delete;

	static int levels() { return levels_; }

private:
	static int levels_;
	int before_;
};

int Depth::levels_ = 0;

/* Settling is the time in which notes are worked off, those that are taken meanwhile
 * among them. */
class Settling {
public:
	Settling() : before_(active_) { active_ = true; }
	~Settling() { active_ = before_; }
	Settling(const Settling &) = delete;
	Settling &operator=(const Settling &) = delete;

	static bool active() { return active_; }

private:
	static bool active_;
	bool before_;
};

bool Settling::active_ = false;

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

/* is_noted_at_once tells whether a part only copies keys, which evaluates nothing. */
bool is_noted_at_once(const Task &task, const Part &part)
{
	return task.guard.waits() && !task.queue_only && !part.keys.empty();
}

/* postpone notes what must be looked at, for the end of the transaction. */
void postpone(const Task &task, Part &part, const Rows &rows, const pg::Firing &firing)
{
	pg::WorkList &keys = noted_keys(part.scope.subject, part.scope.keys, Depth::levels());
	if (is_noted_at_once(task, part)) {
		firing.copy(part.keys, part.empty, keys);
	} else {
		AsDeclared const declared(task.definition);
		part.work->note(rows, keys);
	}
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

/* do_part does what a statement's rows ask for in one scope. */
void do_part(Task &task, Part &part, const Rows &rows, const pg::Firing &firing)
{
	Depth const depth(task.guard.invariant);
	if (task.queue_only)
		enqueue_expected(task.definition, part.scope, rows, kForeign);
	else if (task.guard.waits())
		postpone(task, part, rows, firing);
	else
		write(task, part, rows);
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
			changed = firing.changed(part.columns, part.empty);
			if (changed->size() == 0)
				continue;
			rows.store = changed->store();
		}
		if (is_noted_at_once(task, part))
			do_part(task, part, rows, firing);
		else
			survived(task, &part, rows, [&] { do_part(task, part, rows, firing); });
	}
	if (task.guard.waits() && !Settling::active() && !notes_to_do().empty())
		set_alarm();
}

/* settle does the work of a task on what was noted. */
void settle(Task &task, const Note &note)
{
	Rows rows;
	rows.note = &note;
	if (!task.ready && !survived(task, nullptr, rows, [&] { work_out(task, note); }))
		return;
	for (Part &part : task.parts)
		survived(task, &part, rows, [&] { write(task, part, rows); });
}

/* Due is a note with the task to do about it. */
struct Due {
	std::shared_ptr<Note> note;
	std::shared_ptr<Task> task;
};

/* is_read_after tells whether a note had better wait for another one: its query reads
 * what the other one writes. */
bool is_read_after(const Due &due, const Due &other)
{
	const Task &writer = *other.task;
	if (due.note->subject.invariant == other.note->subject.invariant)
		return false;
	return std::any_of(due.task->reads.begin(), due.task->reads.end(), [&](const Watched &read) {
		return read.table == writer.definition.target &&
			   (!writer.definition.is_fill() ||
				std::find_first_of(read.columns.begin(), read.columns.end(), writer.writes.begin(),
								   writer.writes.end()) != read.columns.end());
	});
}

/* next_due chooses the note to work off next: the oldest that waits for no other one,
 * so that a row that many guards wrote to is looked at when it is complete. */
std::optional<Due> next_due(Oid trigger)
{
	std::vector<Due> all;
	for (auto &note : notes_to_do()) {
		if (auto task = settling_task(trigger, note->subject))
			all.push_back({note, task});
		else
			begin_work(*note); /* unguarded meanwhile: there is nothing to do */
	}
	for (const Due &due : all)
		if (std::none_of(all.begin(), all.end(),
						 [&](const Due &other) { return is_read_after(due, other); }))
			return due;
	if (all.empty())
		return std::nullopt;
	return all.front();
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
	firing.take();
	alarm_went_off();
	Settling const settling;
	while (auto const due = next_due(firing.trigger())) {
		begin_work(*due->note);
		Depth const depth(due->note->level);
		pg::InContext const context("guard of invariant \"" + due->task->guard.invariant +
									"\" at commit");
		settle(*due->task, *due->note);
	}
	return Datum(0);
}

} // namespace reconcile::invariant
