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
#include <string_view>
#include <unordered_map>

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
	bool needs_a_look; /* else it crosses out the same row, in notes up to its number */
	uint64 number;
};

/* What is known of this transaction.  Keys are in the order in which they were noted,
 * so that those of the innermost savepoint are the last.  Their rows are in home, which
 * the transaction frees. */
MemoryContext home = nullptr;
std::vector<SharedSubject> subjects;
std::vector<Key> keys;
std::vector<Deed> bells;
int deepest_done = 0; /* no key was done with at a deeper level */
uint64 taken = 0;

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
	taken = 0;
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

bool same(const SharedSubject &one, const SharedSubject &other)
{
	return one == other || (one->watched == other->watched && one->invariant == other->invariant &&
							same_columns(one->key, other->key));
}

/* find tells the number of a subject, if anything was noted about it. */
std::optional<size_t> find(const SharedSubject &subject)
{
	auto const found = std::find_if(subjects.begin(), subjects.end(),
									[&](const SharedSubject &each) { return same(each, subject); });
	if (found == subjects.end())
		return std::nullopt;
	return static_cast<size_t>(found - subjects.begin());
}

size_t number_of(const SharedSubject &subject)
{
	if (auto const number = find(subject))
		return *number;
	subjects.push_back(subject);
	return subjects.size() - 1;
}

/* note adds rows of a statement to the pile, if there is room. */
bool note(const Key &like, const pg::Firing &firing, const std::vector<AttrNumber> &key,
		  const pg::Emptiness &which)
{
	std::vector<MinimalTuple> rows;
	if (!firing.copy(key, which, row_type_of(subjects[like.subject]->key), home, rows))
		return false;
	for (MinimalTuple const row : rows) {
		keys.push_back(like);
		keys.back().row = row;
	}
	return true;
}

bool is_open(const Key &key, size_t subject)
{
	return key.subject == subject && key.done == 0;
}

/* image is what makes two rows the same: PostgreSQL leaves no byte of them undefined. */
std::string_view image(MinimalTuple row)
{
	return {reinterpret_cast<const char *>(row), row->t_len};
}

/* left_over are the rows of open notes that were not crossed out since. */
std::vector<MinimalTuple> left_over(size_t subject)
{
	std::vector<MinimalTuple> rows;
	std::unordered_map<std::string_view, uint64> crossed_out; /* notes up to that number */
	for (const Key &key : keys)
		if (is_open(key, subject) && !key.needs_a_look) {
			uint64 &last = crossed_out[image(key.row)];
			last = std::max(last, key.number);
		}
	for (const Key &key : keys)
		if (is_open(key, subject) && key.needs_a_look) {
			auto const found = crossed_out.find(image(key.row));
			if (found == crossed_out.end() || key.number > found->second)
				rows.push_back(key.row);
		}
	return rows;
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

bool take_notes(const SharedSubject &subject, const pg::Firing &firing,
				const std::vector<AttrNumber> &key, const pg::Emptiness &matter, int level)
{
	if (firing.size() > kMostAtOnce)
		return false;
	listen();
	tidy_up();
	return note({{pg::savepoint_level(), 0}, number_of(subject), level, nullptr, true, ++taken},
				firing, key, matter);
}

void cross_out(const SharedSubject &subject, const pg::Firing &firing,
			   const std::vector<AttrNumber> &key, const pg::Emptiness &which, uint64 last)
{
	auto const number = find(subject);
	if (number && firing.size() <= kMostAtOnce)
		note({{pg::savepoint_level(), 0}, *number, 0, nullptr, false, last}, firing, key, which);
}

uint64 last_note()
{
	return taken;
}

std::vector<SharedSubject> noted()
{
	std::vector<SharedSubject> found;
	found.reserve(subjects.size());
	for (bool const of_rows : {true, false})
		for (const Key &key : keys) {
			const SharedSubject &subject = subjects[key.subject];
			if (key.done == 0 && subject->is_of_rows() == of_rows &&
				std::find(found.begin(), found.end(), subject) == found.end())
				found.push_back(subject);
		}
	return found;
}

std::unique_ptr<pg::WorkList> Notes::list() const
{
	auto list = std::make_unique<pg::WorkList>(row_type);
	list->append(keys);
	return list;
}

Notes work_off(const SharedSubject &subject)
{
	size_t const number = number_of(subject);
	Notes notes{subject, row_type_of(subject->key), left_over(number), 0};
	pg::call([&] {
		for (MinimalTuple &key : notes.keys) /* the next note may need their room */
			key = static_cast<MinimalTuple>(memcpy(palloc(key->t_len), key, key->t_len));
	});
	int const savepoint = pg::savepoint_level();
	for (Key &key : keys)
		if (is_open(key, number)) {
			notes.level = std::max(notes.level, key.depth);
			key.done = savepoint;
		}
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
