/*-------------------------------------------------------------------------
 *
 * guard_notes.cpp
 *	  What guards have to look at when the transaction ends.
 *
 *-------------------------------------------------------------------------
 */
#include "invariant/guard_notes.hpp"

#include "pg/transaction_ends.hpp"

extern "C" {
#include "utils/memutils.h"
}

#include <algorithm>

namespace reconcile::invariant {

namespace {

/* A statement with more rows is not worth the room that it takes from others. */
constexpr int64 kMostAtOnce = 1000;

/* Deed is something that savepoints can take back: the levels at which it was made, and
 * at which it was done with, 0 as long as it is not. */
struct Deed {
	int made, done;

	/* What was done with where it was made can not come back. */
	bool is_over() const { return done != 0 && done <= made; }

	void release(int level)
	{
		made = std::min(made, level - 1);
		done = std::min(done, level - 1);
	}
};

struct Key : Deed {
	size_t subject;
	int depth; /* how many guards had set off each other */
	MinimalTuple row;
};

/* What is known of this transaction.  Keys are in the order in which they were noted,
 * so that those of the innermost savepoint are the last.  Their rows are in home, which
 * the transaction frees. */
MemoryContext home = nullptr;
std::vector<Subject> subjects;
std::vector<Key> keys;
std::vector<Deed> bells;
int deepest_done = 0; /* no key was done with at a deeper level */

bool is_over(const Deed &deed)
{
	return deed.is_over();
}

void forget_over() noexcept
{
	keys.erase(std::remove_if(keys.begin(), keys.end(), is_over), keys.end());
	bells.erase(std::remove_if(bells.begin(), bells.end(), is_over), bells.end());
}

/* take_back undoes what a savepoint did with something that is older. */
void take_back(Deed &deed, int level) noexcept
{
	if (deed.done >= level)
		deed.done = 0;
}

void released(int level) noexcept
{
	for (auto key = keys.rbegin(); key != keys.rend() && key->made >= level; ++key)
		key->release(level);
	for (Deed &bell : bells)
		bell.release(level);
	if (deepest_done < level)
		return;
	for (Key &key : keys)
		key.release(level);
	deepest_done = level - 1;
	forget_over();
}

void rolled_back(int level) noexcept
{
	while (!keys.empty() && keys.back().made >= level)
		keys.pop_back();
	while (!bells.empty() && bells.back().made >= level)
		bells.pop_back();
	for (Deed &bell : bells)
		take_back(bell, level);
	if (deepest_done < level)
		return;
	for (Key &key : keys)
		take_back(key, level);
	deepest_done = level - 1;
}

/* over: the transaction frees home by itself. */
void over() noexcept
{
	home = nullptr;
	subjects.clear();
	std::vector<Key>().swap(keys);
	bells.clear();
	deepest_done = 0;
}

void listen()
{
	static bool const listening = (pg::on_transaction_ends({released, rolled_back, over}), true);
	(void)listening;
}

/* tidy_up gives back the room of keys that are gone. */
void tidy_up()
{
	if (!keys.empty())
		return;
	subjects.clear();
	pg::call([] {
		if (home == nullptr)
			home = AllocSetContextCreate(TopTransactionContext, "pg_reconcile notes",
										 ALLOCSET_START_SMALL_SIZES);
		else
			MemoryContextReset(home);
	});
}

bool same(const Subject &one, const Subject &other)
{
	return one.watched == other.watched && one.invariant == other.invariant &&
		   same_columns(one.key, other.key);
}

size_t number_of(const Subject &subject)
{
	auto const found = std::find_if(subjects.begin(), subjects.end(),
									[&](const Subject &each) { return same(each, subject); });
	if (found != subjects.end())
		return static_cast<size_t>(found - subjects.begin());
	subjects.push_back(subject);
	return subjects.size() - 1;
}

} // namespace

bool same_columns(const std::vector<JsonColumn> &some, const std::vector<JsonColumn> &others)
{
	return std::equal(some.begin(), some.end(), others.begin(), others.end(),
					  [](const JsonColumn &one, const JsonColumn &other) {
						  return one.name == other.name && one.type == other.type &&
								 one.typmod == other.typmod;
					  });
}

bool take_notes(const Subject &subject, const pg::Firing &firing,
				const std::vector<AttrNumber> &key, int level)
{
	if (firing.size() > kMostAtOnce)
		return false;
	listen();
	tidy_up();
	size_t const number = number_of(subject);
	std::vector<MinimalTuple> rows(static_cast<size_t>(firing.size()));
	if (!firing.copy(key, row_type_of(subject.key), home, rows))
		return false;
	for (MinimalTuple const row : rows)
		keys.push_back({{pg::savepoint_level(), 0}, number, level, row});
	return true;
}

std::vector<Subject> noted()
{
	std::vector<bool> listed(subjects.size(), false);
	std::vector<Subject> found;
	for (const Key &key : keys) {
		if (key.done == 0 && !listed[key.subject])
			found.push_back(subjects[key.subject]);
		listed[key.subject] = listed[key.subject] || key.done == 0;
	}
	return found;
}

Notes work_off(const Subject &subject)
{
	size_t const number = number_of(subject);
	Notes notes{subject, std::make_unique<pg::WorkList>(row_type_of(subject.key)), 0};
	std::vector<MinimalTuple> rows;
	for (Key &key : keys)
		if (key.subject == number && key.done == 0) {
			rows.push_back(key.row);
			notes.level = std::max(notes.level, key.depth);
		}
	notes.keys->append(rows);
	int const savepoint = pg::savepoint_level();
	for (Key &key : keys)
		if (key.subject == number && key.done == 0)
			key.done = savepoint;
	deepest_done = std::max(deepest_done, savepoint);
	forget_over();
	return notes;
}

bool bell_is_set()
{
	return std::any_of(bells.begin(), bells.end(), [](const Deed &bell) { return bell.done == 0; });
}

void set_bell()
{
	listen();
	bells.push_back({pg::savepoint_level(), 0});
}

void bell_rang()
{
	for (Deed &bell : bells)
		if (bell.done == 0)
			bell.done = pg::savepoint_level();
	forget_over();
}

} // namespace reconcile::invariant
