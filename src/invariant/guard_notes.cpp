/*-------------------------------------------------------------------------
 *
 * guard_notes.cpp
 *	  What guards have to look at when the transaction ends.
 *
 *-------------------------------------------------------------------------
 */
#include "invariant/guard_notes.hpp"

#include "pg/identity.hpp"
#include "pg/own_row.hpp"
#include "pg/transaction_ends.hpp"

extern "C" {
#include "utils/xid8.h"
}

#include <algorithm>
#include <optional>

namespace reconcile::invariant {

namespace {

/* Alarm is one row of reconcile.guard_pending, from its making to its end. */
struct Alarm {
	SubTransactionId made, done = InvalidSubTransactionId;
};

std::vector<std::shared_ptr<Note>> notes;
std::vector<Alarm> alarms;

template <class T> bool is_over(const T &thing)
{
	return thing.made == thing.done;
}

/* hand_over makes what a savepoint did the doing of the one around it. */
template <class T> void hand_over(T &thing, SubTransactionId savepoint, SubTransactionId into)
{
	if (thing.made == savepoint)
		thing.made = into;
	if (thing.done == savepoint)
		thing.done = into;
}

/* undone takes back what a savepoint did; false when that is all there was. */
template <class T> bool undone(T &thing, SubTransactionId savepoint) noexcept
{
	if (thing.done == savepoint)
		thing.done = InvalidSubTransactionId;
	return thing.made != savepoint;
}

/* open_note returns the note of a savepoint to which keys of a subject can be added. */
Note *open_note(const Subject &subject, const std::vector<JsonColumn> &columns,
				SubTransactionId savepoint)
{
	for (auto &note : notes)
		if (note->made == savepoint && note->done == InvalidSubTransactionId &&
			note->subject == subject && same_columns(note->columns, columns))
			return note.get();
	return nullptr;
}

/* forget_over drops what is worked off and can not come back. */
void forget_over()
{
	notes.erase(
		std::remove_if(notes.begin(), notes.end(), [](const auto &note) { return is_over(*note); }),
		notes.end());
	alarms.erase(std::remove_if(alarms.begin(), alarms.end(), is_over<Alarm>), alarms.end());
}

/* released adds the notes of a savepoint to those of the one around it, so that
 * their number does not grow with that of savepoints. */
void released(SubTransactionId savepoint, SubTransactionId into)
{
	for (auto &note : notes) {
		Note *const open = note->made == savepoint && note->done == InvalidSubTransactionId
							   ? open_note(note->subject, note->columns, into)
							   : nullptr;
		if (open != nullptr) {
			open->keys->append_slice(*note->keys, 0, note->keys->size());
			open->level = std::max(open->level, note->level);
			note->done = into; /* and made there, too */
		}
		hand_over(*note, savepoint, into);
	}
	for (Alarm &alarm : alarms)
		hand_over(alarm, savepoint, into);
	forget_over();
}

void rolled_back(SubTransactionId savepoint) noexcept
{
	for (auto &note : notes)
		if (note->made == savepoint)
			note->keys->abandon();
	notes.erase(std::remove_if(notes.begin(), notes.end(),
							   [&](auto &note) { return !undone(*note, savepoint); }),
				notes.end());
	alarms.erase(std::remove_if(alarms.begin(), alarms.end(),
								[&](Alarm &alarm) { return !undone(alarm, savepoint); }),
				 alarms.end());
}

void over() noexcept
{
	for (auto &note : notes)
		note->keys->abandon();
	notes.clear();
	alarms.clear();
}

} // namespace

bool same_columns(const std::vector<JsonColumn> &some, const std::vector<JsonColumn> &others)
{
	return std::equal(some.begin(), some.end(), others.begin(), others.end(),
					  [](const JsonColumn &one, const JsonColumn &other) {
						  return one.name == other.name && one.type == other.type;
					  });
}

pg::WorkList &noted_keys(const Subject &subject, const std::vector<JsonColumn> &columns, int level)
{
	static bool const listening = (pg::on_transaction_ends({released, rolled_back, over}), true);
	(void)listening;
	SubTransactionId const savepoint = GetCurrentSubTransactionId();
	if (Note *const open = open_note(subject, columns, savepoint)) {
		open->level = std::max(open->level, level);
		return *open->keys;
	}
	pg::ForTransaction const for_transaction;
	auto note = std::make_shared<Note>();
	note->subject = subject;
	note->columns = columns;
	note->keys = std::make_unique<pg::WorkList>(row_type_of(columns));
	note->level = level;
	note->made = savepoint;
	notes.push_back(std::move(note));
	return *notes.back()->keys;
}

std::vector<std::shared_ptr<Note>> notes_to_do()
{
	std::vector<std::shared_ptr<Note>> to_do;
	for (const auto &note : notes)
		if (note->done == InvalidSubTransactionId && note->keys->size() > 0)
			to_do.push_back(note);
	return to_do;
}

void begin_work(Note &note)
{
	note.done = GetCurrentSubTransactionId();
	forget_over();
}

/* set_alarm: whoever is restricted may leave nothing for the end of the
 * transaction, but for this: what it sets off is restricted as well. */
void set_alarm()
{
	if (std::any_of(alarms.begin(), alarms.end(),
					[](const Alarm &alarm) { return alarm.done == InvalidSubTransactionId; }))
		return;
	alarms.push_back({GetCurrentSubTransactionId()});
	std::optional<pg::AsExtensionOwner> owner;
	if (InSecurityRestrictedOperation())
		owner.emplace(pg::AsExtensionOwner::for_later);
	Datum const number =
		FullTransactionIdGetDatum(pg::call([] { return GetCurrentFullTransactionId(); }));
	pg::insert_own_row(pg::own_table("guard_pending"), number);
}

void alarm_went_off()
{
	for (Alarm &alarm : alarms)
		if (alarm.done == InvalidSubTransactionId)
			alarm.done = GetCurrentSubTransactionId();
	forget_over();
}

} // namespace reconcile::invariant
