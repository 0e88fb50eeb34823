/*-------------------------------------------------------------------------
 *
 * guard_trigger.cpp
 *	  The trigger functions of guards.
 *
 * reconcile.fire_guard() is called after a statement, and writes what its rows
 * are expected to have, or, in a guard that waits for the commit, notes by what to find
 * them again: in memory, or in reconcile.guard_pending.  reconcile.settle_guard() is
 * called for each row of that table when the transaction commits.  A savepoint that is
 * rolled back takes the notes along, and with them the work.
 *
 * The row of reconcile.guard_bell is the bell of what is noted in memory.  When it rings,
 * reconcile.settle_notes() works off all of that, and what is noted meanwhile, each
 * invariant after those that write what its query reads: a row that several guards write
 * to is looked at when it is complete.
 *
 *-------------------------------------------------------------------------
 */
#include "invariant/chain.hpp"
#include "invariant/guard_notes.hpp"
#include "invariant/guard_queue.hpp"
#include "invariant/guard_task.hpp"
#include "invariant/writer.hpp"
#include "pg/context.hpp"
#include "pg/identity.hpp"
#include "pg/subtransaction.hpp"
#include "pg/text.hpp"

#include <algorithm>

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

/* Settling is the time in which notes are worked off, also those that are taken
 * meanwhile. */
class Settling {
public:
	Settling() : before_(active_), last_before_(last_) { active_ = true; }
	~Settling()
	{
		active_ = before_;
		last_ = last_before_;
	}
	Settling(const Settling &) = delete;
	Settling &operator=(const Settling &) = delete;

	static bool active() { return active_; }

	/* The latest note that is older than whatever the work sets off. */
	void begin_work() { last_ = last_note(); }
	static uint64 last() { return last_; }

private:
	static bool active_;
	static uint64 last_;
	bool before_;
	uint64 last_before_;
};

bool Settling::active_ = false;
uint64 Settling::last_ = 0;

pg::Constant enter_pending(
	"INSERT INTO reconcile.guard_pending (invariant, keys, watched, level) VALUES ($1, $2, $3, $4)",
	pg::Planned::once);
/* The index would list every row that was taken, until the next vacuum. */
pg::Constant take_pending("DELETE FROM reconcile.guard_pending WHERE ctid = $1"
						  " RETURNING invariant, keys, coalesce(watched, 0), level::int8",
						  pg::Planned::once);

/* Pending is a row of that table. */
struct Pending {
	std::string invariant;
	Datum keys;
	Oid watched;
	int level;
};

/* Acting is the role and the settings under which notes are worked off.  It lasts from one
 * invariant to the next as long as they are declared alike: to change it takes longer than
 * many a statement.  Settings that a trigger of a target leaves behind do not. */
class Acting {
public:
	void write(Task &task, Part &part, const Rows &rows)
	{
		as_declared(task.definition);
		pg::OwnSettings const settings;
		part.work->write(rows);
	}
	void as_before() { declared_.reset(); }

	/* may_defer tells whether what an owner writes may wait for its checks. */
	bool may_defer(Oid owner) const { return owner == before_ && !restricted_before_; }

private:
	void as_declared(const Definition &definition)
	{
		if (declared_ && declared_->is_for(definition))
			return;
		as_before();
		declared_ = std::make_unique<AsDeclared>(definition);
	}

	Oid const before_ = GetUserId();
	bool const restricted_before_ = pg::is_restricted();
	std::unique_ptr<AsDeclared> declared_;
};

/* write writes what is missing in the scope of a part. */
void write(Task &task, Part &part, const Rows &rows, Acting &acting)
{
	/* deferred checks would fail where no guard can record it, and PostgreSQL
	 * does not let a restricted role leave any behind */
	bool const check_now = task.guard.queues() || !acting.may_defer(task.definition.owner);
	if (!check_now || task.constraints->empty())
		return acting.write(task, part, rows);
	acting.as_before();
	task.constraints->check_at_once();
	acting.write(task, part, rows);
	acting.as_before();
	task.constraints->wait_again();
}

void write(Task &task, Part &part, const Rows &rows)
{
	Acting acting;
	write(task, part, rows, acting);
}

/* be_called sets the bell.  Whoever works off notes needs none. */
void be_called()
{
	if (Settling::active() || bell_is_set())
		return;
	set_bell();
	pg::fire_for_only_row("guard_bell");
}

/* is_noted notes new rows in memory, which evaluates nothing, if that can be done. */
bool is_noted(const Part &part, const pg::Firing &firing)
{
	if (firing.event() != pg::Event::insert || part.subject == nullptr ||
		!take_notes(part.subject, firing, part.noted, part.lacking(), Depth::levels()))
		return false;
	be_called();
	return true;
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
	if (part.scope.key.empty())
		args.add_null(OIDOID);
	else
		args.add(OIDOID, ObjectIdGetDatum(part.scope.watched));
	args.add(int64(Depth::levels()));
	spi.run(enter_pending, SPI_OK_INSERT, std::move(args));
}

/* take takes a row off the table; nothing when somebody did before. */
std::optional<Pending> take(const pg::RowFiring &firing)
{
	pg::AsExtensionOwner owner;
	pg::Spi spi;
	if (spi.run(take_pending, SPI_OK_DELETE_RETURNING, pg::Args().add(TIDOID, firing.place())) == 0)
		return std::nullopt;
	return Pending{spi.required_text(0, 1), spi.kept(0, 2).value_or(Datum(0)), spi.oid(0, 3),
				   static_cast<int>(spi.number(0, 4))};
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
			if (Settling::active() && !part.filled.empty() && part.subject != nullptr &&
				!part.work->key_can_repeat())
				cross_out(part.subject, firing, part.noted, part.complete(), Settling::last());
			changed = firing.changed(part.columns, part.lacking());
			if (changed == nullptr)
				continue;
			rows.store = changed->store();
		}
		survived(task, &part, rows, [&] {
			Depth const depth(task.guard.invariant);
			if (task.queue_only)
				enqueue_expected(task.definition, part.scope, rows, kForeign);
			else if (!task.guard.waits())
				write(task, part, rows);
			else if (!is_noted(part, firing))
				postpone(task, part, rows);
		});
	}
}

/* settle does the work of a task on what waited for the commit. */
void settle(Task &task, Oid watched, const Rows &rows)
{
	if (!task.ready &&
		!survived(task, nullptr, rows, [&] { work_out(task, watched, Given::as_json, rows.keys); }))
		return;
	for (Part &part : task.parts)
		survived(task, &part, rows, [&] { write(task, part, rows); });
}

/* settle_pending does the work on a row of the table. */
void settle_pending(Oid trigger, const Pending &pending)
{
	auto const task = settling_task(trigger, pending.invariant, pending.watched, Given::as_json);
	if (task == nullptr) /* unguarded meanwhile */
		return;
	Depth const depth(pending.level);
	pg::InContext const context("guard of invariant", pending.invariant, " at commit");
	Rows rows;
	rows.keys = pending.keys;
	settle(*task, pending.watched, rows);
}

/* next_noted chooses what to work off next. */
SharedSubject next_noted()
{
	std::vector<SharedSubject> const subjects = noted();
	if (subjects.size() > 1)
		for (const std::string &first : settling_order(subjects))
			for (const SharedSubject &subject : subjects)
				if (subject->invariant == first)
					return subject;
	return subjects.empty() ? nullptr : subjects.front();
}

Definition definition_as_of_now(const std::string &invariant)
{
	pg::AsOfNow now;
	return definition_named(invariant);
}

/* settle_as_keys does the work on notes as if the table had kept them: where a failure must
 * be queued, or where the primary key of the rows was altered meanwhile. */
void settle_as_keys(const Notes &notes, Task &task)
{
	const Subject &subject = *notes.subject;
	std::optional<Datum> keys;
	auto const convert = [&] {
		auto const definition = definition_as_of_now(subject.invariant);
		AsDeclared const declared(definition);
		keys = keys_as_json(subject.key, *notes.list());
	};
	if (!task.guard.queues())
		convert();
	else if (auto const failure = pg::attempt(convert, pg::Deadlock::is_survived))
		return enqueue_failure(subject.invariant, {failure->code(), failure->message()});
	if (task.ready && !task.parts.empty() &&
		!same_columns(task.parts.front().scope.key, subject.key))
		task.ready = false;
	Rows rows;
	rows.keys = *keys;
	settle(task, subject.watched, rows);
}

/* write_noted writes what is missing as to notes. */
void write_noted(Task &task, const Notes &notes, Given given, Acting &acting)
{
	Rows rows;
	std::unique_ptr<pg::WorkList> list;
	if (given == Given::as_arguments) {
		rows.one = pg::Args::of_row(notes.row_type, notes.keys.front());
	} else {
		list = notes.list();
		rows.noted = list.get();
	}
	write(task, task.parts.front(), rows, acting);
}

/* settle_notes does the work on what was noted about a subject. */
void settle_notes(Oid trigger, const SharedSubject &about, Acting &acting)
{
	const Subject &subject = *about;
	Notes const notes = work_off(about);
	if (notes.keys.empty())
		return;
	Given const given = notes.keys.size() == 1 ? Given::as_arguments : Given::as_list;
	auto task = settling_task(trigger, subject.invariant, subject.watched, given);
	if (task == nullptr) /* unguarded meanwhile */
		return;
	Depth const depth(notes.level);
	pg::InContext const context("guard of invariant", subject.invariant, " at commit");
	if (!task->guard.queues()) {
		if (!task->ready) {
			acting.as_before();
			work_out(*task, subject.watched, given, Datum(0));
		}
		if (task->parts.empty()) /* the query does not read their table any more */
			return;
		if (same_columns(task->parts.front().scope.key, subject.key))
			return write_noted(*task, notes, given, acting);
	}
	acting.as_before();
	task = settling_task(trigger, subject.invariant, subject.watched, Given::as_json);
	if (task != nullptr)
		settle_as_keys(notes, *task);
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
	pg::InContext const context("guard of invariant", task->guard.invariant);
	fire(*task, firing);
	return Datum(0);
}

RECONCILE_FUNCTION(reconcile_settle_guard)
{
	pg::RowFiring const firing(fcinfo, "guard_pending");
	if (auto const pending = take(firing))
		settle_pending(firing.trigger(), *pending);
	return Datum(0);
}

RECONCILE_FUNCTION(reconcile_settle_notes)
{
	pg::RowFiring const firing(fcinfo, "guard_bell");
	bell_rang();
	Settling settling;
	Acting acting;
	while (auto const subject = next_noted()) {
		settling.begin_work();
		settle_notes(firing.trigger(), subject, acting);
	}
	return Datum(0);
}

} // namespace reconcile::invariant
