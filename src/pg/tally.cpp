/*-------------------------------------------------------------------------
 *
 * tally.cpp
 *	  How many rows pass a point in the middle of a plan.
 *
 * The processes of a parallel query share a segment of memory in which each
 * has a counter to itself, a cache line apart from the others': adding to one
 * that all share would cost more than the rest of counting.  They are done
 * before the statement is, so nobody adds while the sum is taken.
 *
 *-------------------------------------------------------------------------
 */
#include "pg/tally.hpp"

extern "C" {
#include "access/parallel.h"
#include "optimizer/cost.h"
#include "port/atomics.h"
#include "storage/proc.h"
}

namespace reconcile::pg {

namespace {

constexpr uint64 kMagic = 0x7065636E6F636572;

struct alignas(PG_CACHE_LINE_SIZE) Counter {
	int64 rows;
};

/* Segment is what is in the shared memory. */
struct Segment {
	uint64 magic;
	PGPROC *leader; /* at the same address in all processes */
	pg_atomic_uint32 taken;
	uint32 size;
	Counter counters[FLEXIBLE_ARRAY_MEMBER];
};

Segment *content(dsm_segment *segment)
{
	return static_cast<Segment *>(dsm_segment_address(segment));
}

/* new_segment makes room for the counters of one statement, unless the server has as many
 * segments as it can have. */
dsm_segment *new_segment()
{
	/* no statement is executed by more: this process, and the workers under its Gather */
	uint32 const size = static_cast<uint32>(max_parallel_workers_per_gather) + 1;
	dsm_segment *const segment = dsm_create(offsetof(Segment, counters) + size * sizeof(Counter),
											DSM_CREATE_NULL_IF_MAXSEGMENTS);
	if (segment == nullptr)
		return nullptr;
	memset(dsm_segment_address(segment), 0, dsm_segment_map_length(segment));
	content(segment)->magic = kMagic;
	content(segment)->leader = MyProc;
	content(segment)->size = size;
	pg_atomic_init_u32(&content(segment)->taken, 0);
	return segment;
}

/* new_number is one that nobody guesses, as that of a segment. */
int32 new_number()
{
	int32 number;
	if (!pg_strong_random(&number, sizeof(number)))
		elog(ERROR, "could not make a random number");
	return number;
}

/* take gives a process a counter. */
int64 *take(Segment *segment)
{
	uint32 const next = pg_atomic_fetch_add_u32(&segment->taken, 1);
	if (next >= segment->size)
		elog(ERROR, "more than %u processes count the rows of one statement", segment->size);
	return &segment->counters[next].rows;
}

/* attach finds the tally of the process that leads this worker.  The number comes with a
 * statement, and anybody can write one: what it leads to is looked at before it is believed. */
Segment *attach(int32 number)
{
	if (!IsParallelWorker())
		return nullptr;
	dsm_segment *const segment = dsm_attach(static_cast<dsm_handle>(number));
	if (segment == nullptr)
		return nullptr;
	if (dsm_segment_map_length(segment) >= sizeof(Segment) && content(segment)->magic == kMagic &&
		content(segment)->leader == MyProc->lockGroupLeader) {
		dsm_pin_mapping(segment); /* until the worker ends, soon */
		return content(segment);
	}
	dsm_detach(segment);
	return nullptr;
}

} // namespace

Tally::Own Tally::own_{0, nullptr};

/* Where there are no workers, or no segment for what they count, this process counts alone and
 * the statement is planned for it alone: an audit must not fail for want of what it can do
 * without. */
Tally::Tally() : outer_(own_)
{
	if (IsUnderPostmaster && max_parallel_workers_per_gather > 0)
		segment_ = call(new_segment);
	if (segment_ != nullptr) {
		number_ = static_cast<int32>(dsm_segment_handle(segment_));
		own_ = {number_, call([&] { return take(content(segment_)); })};
	} else {
		alone_.emplace(Settings::Values{{"max_parallel_workers_per_gather", "0"}});
		number_ = call(new_number);
		own_ = {number_, &rows_};
	}
}

Tally::~Tally()
{
	own_ = outer_;
	/* while an error unwinds, the end of the (sub)transaction gives the memory back */
	if (segment_ != nullptr && std::uncaught_exceptions() == unwinding_)
		dsm_detach(segment_);
}

int64 Tally::rows() const
{
	if (segment_ == nullptr)
		return rows_;
	Segment *const segment = content(segment_);
	int64 sum = 0;
	for (uint32 i = 0; i < segment->size; i++)
		sum += segment->counters[i].rows;
	return sum;
}

int64 *Tally::found(int32 number)
{
	return call([&] {
		Segment *const segment = attach(number);
		if (segment == nullptr)
			ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
							errmsg("no audit counts its rows as number %d", number),
							errhint("This function is used by reconcile.audit() alone.")));
		return take(segment);
	});
}

} // namespace reconcile::pg
