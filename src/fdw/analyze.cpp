/*-------------------------------------------------------------------------
 *
 * analyze.cpp
 *	  ANALYZE of a foreign table.
 *
 * A collection that has no more documents than the sample may have is read
 * whole.  Of a larger one MongoDB chooses as many at random.  Either is read
 * with the rights of the table's owner, as ANALYZE does everything.
 *
 *-------------------------------------------------------------------------
 */
#include "fdw/analyze.hpp"

#include "fdw/condition.hpp"
#include "fdw/connection.hpp"
#include "fdw/decode.hpp"
#include "fdw/scan.hpp"
#include "mongo/cursor.hpp"

extern "C" {
#include "utils/rel.h"
}

#include <algorithm>

namespace reconcile::fdw {

namespace {

constexpr int32_t kBatch = 1000;

/* count_documents asks how many documents a table has. */
int64_t count_documents(mongo::Client &client, const Table &table, const mongo::Document &filter)
{
	mongo::Document count;
	count.string("count", table.options.collection).document("query", filter.get());
	mongo::Document const reply = remote([&] {
		return client.command(table.options.database, count.get(),
							  "could not count collection \"" + table.options.full_name() + "\"");
	});
	bson_iter_t number;
	return bson_iter_init_find(&number, reply.get(), "n") ? bson_iter_as_int64(&number) : 0;
}

/* Sampler makes rows of documents. */
class Sampler {
public:
	explicit Sampler(Relation relation)
		: table_(table_of(RelationGetRelid(relation), RelationGetDescr(relation))),
		  columns_(all_of(table_)), decoder_(table_, columns_),
		  client_(connect(table_.server, relation->rd_rel->relowner)),
		  row_type_(RelationGetDescr(relation))
	{
	}

	/* sample fills rows, and returns how many; documents is how many there are. */
	int sample(HeapTuple *rows, int wanted, double *documents);

private:
	static std::vector<AttrNumber> all_of(const Table &table)
	{
		std::vector<AttrNumber> columns;
		for (const Column &column : table.columns)
			columns.push_back(column.number);
		return columns;
	}
	int read(mongo::Cursor &cursor, HeapTuple *rows, int wanted);

	Table const table_;
	std::vector<AttrNumber> const columns_;
	Decoder decoder_;
	std::shared_ptr<mongo::Client> client_;
	TupleDesc const row_type_;
};

int Sampler::sample(HeapTuple *rows, int wanted, double *documents)
{
	mongo::Document const projection = projection_of(table_, columns_);
	mongo::Document filter;
	local([&] { append_conditions(filter, table_, NIL, {}); });
	int64_t const counted = count_documents(*client_, table_, filter);
	if (counted == 0)
		require_collection(*client_, table_);

	mongo::Query query;
	query.database = table_.options.database;
	query.collection = table_.options.collection;
	query.filter = filter.get();
	query.projection = projection.empty() ? nullptr : projection.get();
	query.batch_size = kBatch;
	query.max_time_ms = milliseconds_left();
	if (counted > wanted)
		query.sample = wanted;
	auto cursor = remote([&] { return std::make_unique<mongo::Cursor>(*client_, query); });
	int const read_rows = read(*cursor, rows, wanted);
	/* What was read whole is known better than what was counted before. */
	bool const whole = query.sample == 0 && cursor->documents() < static_cast<uint64_t>(wanted);
	double const fitting =
		cursor->documents() > 0 ? read_rows / static_cast<double>(cursor->documents()) : 1;
	*documents = whole ? read_rows : std::max<double>(read_rows, counted * fitting);
	remote([&] { cursor->close(); });
	decoder_.report();
	return read_rows;
}

int Sampler::read(mongo::Cursor &cursor, HeapTuple *rows, int wanted)
{
	MemoryContext const home = CurrentMemoryContext;
	MemoryContext const of_row = pg::call([] {
		return AllocSetContextCreate(CurrentMemoryContext, "row of MongoDB",
									 ALLOCSET_DEFAULT_SIZES);
	});
	TupleTableSlot *slot =
		pg::call([&] { return MakeSingleTupleTableSlot(row_type_, &TTSOpsVirtual); });
	int count = 0;
	while (count < wanted) {
		const bson_t *document = remote([&] { return cursor.next(); });
		if (document == nullptr)
			break;
		MemoryContextSwitchTo(of_row);
		bool const fits = decoder_.row(document, slot);
		MemoryContextSwitchTo(home);
		pg::call([&] {
			if (fits)
				rows[count] = heap_form_tuple(row_type_, slot->tts_values, slot->tts_isnull);
			ExecClearTuple(slot);
			MemoryContextReset(of_row);
			CHECK_FOR_INTERRUPTS();
		});
		count += fits;
	}
	pg::call([&] {
		ExecDropSingleTupleTableSlot(slot);
		MemoryContextDelete(of_row);
	});
	return count;
}

int acquire_rows(Relation relation, int level, HeapTuple *rows, int wanted, double *documents,
				 double *dead)
{
	Sampler sampler(relation);
	int const count = sampler.sample(rows, wanted, documents);
	*dead = 0;
	pg::call([&] {
		ereport(level, (errmsg("\"%s\": %d rows in sample, %.0f estimated total rows",
							   RelationGetRelationName(relation), count, *documents)));
	});
	return count;
}

} // namespace

bool analyze_table(Relation, AcquireSampleRowsFunc *function, BlockNumber *pages)
{
	*function = pg::entry<acquire_rows>;
	*pages = 1; /* MongoDB has none; more than none says that there may be rows */
	return true;
}

} // namespace reconcile::fdw
