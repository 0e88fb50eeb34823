/*-------------------------------------------------------------------------
 *
 * scan.cpp
 *	  Running a scan: the query that is sent, and a row for each document.
 *
 *-------------------------------------------------------------------------
 */
#include "fdw/scan.hpp"

#include "fdw/count.hpp"
#include "fdw/decode.hpp"
#include "fdw/identity.hpp"
#include "fdw/run.hpp"
#include "mongo/cursor.hpp"
#include "pg/owned.hpp"
#include "pg/text.hpp"

extern "C" {
#include "utils/rel.h"
}

#include <algorithm>

namespace reconcile::fdw {

namespace {

/* Documents per answer: while MongoDB prepares one, PostgreSQL waits. */
constexpr int32_t kDefaultBatch = 5000;

/* sort_of says {"path": 1, ...} of columns' numbers, negative to descend. */
mongo::Document sort_of(const Table &table, const std::vector<int> &columns)
{
	mongo::Document sort;
	for (int number : columns)
		sort.int32(table.column(static_cast<AttrNumber>(std::abs(number)))->path,
				   number < 0 ? -1 : 1);
	return sort;
}

ForeignScan *plan_of(ForeignScanState *node)
{
	return reinterpret_cast<ForeignScan *>(node->ss.ps.plan);
}

/* Scan reads documents, each of which is a row. */
class Scan final : public Run {
public:
	explicit Scan(ForeignScanState *node);

	void next(TupleTableSlot *slot) override;
	void restart() override;
	void finish() override;

protected:
	void explain_more(ExplainState *explain) override;

private:
	void open();
	void count();

	PlannedScan const scan_;
	mongo::Document const projection_, sort_;
	Decoder decoder_;
	ScanExtras const extras_;

	std::unique_ptr<mongo::Cursor> cursor_;
	bool ended_ = false;
	uint64_t documents_ = 0, bytes_ = 0; /* of cursors that are gone */
};

Scan::Scan(ForeignScanState *node)
	: Run(node,
		  table_of(RelationGetRelid(node->ss.ss_currentRelation),
				   RelationGetDescr(node->ss.ss_currentRelation)),
		  planned_run(plan_of(node))),
	  scan_(planned_scan(plan_of(node))), projection_(projection_of(table_, scan_.columns)),
	  sort_(sort_of(table_, scan_.sort)), decoder_(table_, scan_.columns),
	  extras_(table_, plan_of(node), scan_.written)
{
}

/* open prepares the query.  The driver sends it with the first document that
 * is asked for. */
void Scan::open()
{
	prepare();
	mongo::Query query;
	query.database = table_.options.database;
	query.collection = table_.options.collection;
	query.filter = sent_.get();
	query.projection = projection_.empty() ? nullptr : projection_.get();
	query.sort = sort_.empty() ? nullptr : sort_.get();
	query.simple_collation = needs_simple_collation();
	query.batch_size = table_.options.batch_size > 0 ? table_.options.batch_size : kDefaultBatch;
	query.limit = scan_.limit;
	if (query.limit > 0)
		query.batch_size = static_cast<int32_t>(std::min<int64_t>(query.batch_size, query.limit));
	query.max_time_ms = milliseconds_left();
	cursor_ = remote([&] { return std::make_unique<mongo::Cursor>(*client_, query); });
}

void Scan::next(TupleTableSlot *slot)
{
	if (cursor_ == nullptr && !ended_)
		open();
	while (!ended_) {
		const bson_t *document = remote([&] { return cursor_->next(); });
		if (document == nullptr)
			break;
		if (decoder_.row(document, slot)) {
			extras_.fill(document, node_->ss.ss_currentRelation, slot);
			return;
		}
		pg::call([] { CHECK_FOR_INTERRUPTS(); });
	}
	pg::call([&] { ExecClearTuple(slot); });
	if (ended_)
		return;
	ended_ = true;
	if (cursor_->documents() == 0)
		check_that_collection_exists();
}

/* count keeps the figures of a cursor before it goes. */
void Scan::count()
{
	if (cursor_ == nullptr)
		return;
	documents_ += cursor_->documents();
	bytes_ += cursor_->bytes();
	remote([&] { cursor_->close(); });
	cursor_.reset();
	release(client_);
}

void Scan::restart()
{
	count();
	ended_ = false;
}

/* finish reports, once, what on_mismatch kept out of the result. */
void Scan::finish()
{
	count();
	decoder_.report();
}

void Scan::explain_more(ExplainState *es)
{
	std::string const projection = json_of(projection_), sort = json_of(sort_);
	uint64_t const documents = documents_ + (cursor_ ? cursor_->documents() : 0);
	uint64_t const bytes = bytes_ + (cursor_ ? cursor_->bytes() : 0);
	pg::call([&] {
		if (!projection.empty())
			ExplainPropertyText("MongoDB Projection", projection.c_str(), es);
		if (!sort.empty())
			ExplainPropertyText("MongoDB Sort", sort.c_str(), es);
		if (scan_.limit > 0)
			ExplainPropertyInteger("MongoDB Limit", nullptr, scan_.limit, es);
		if (es->analyze) {
			ExplainPropertyInteger("MongoDB Documents", nullptr, static_cast<int64>(documents), es);
			ExplainPropertyInteger("MongoDB Bytes", nullptr, static_cast<int64>(bytes), es);
		}
	});
}

Run *run_of(ForeignScanState *node)
{
	return static_cast<Run *>(node->fdw_state);
}

} // namespace

/* Of a path that ends inside another one only the shorter is asked for, and of
 * an array all elements: MongoDB refuses the rest. */
mongo::Document projection_of(const Table &table, const std::vector<AttrNumber> &columns)
{
	std::vector<std::string> paths;
	for (AttrNumber number : columns) {
		const Column &column = *table.column(number);
		if (column.whole_document())
			return {};
		std::string path;
		for (const std::string &name : column.parts) {
			if (is_position(name) && !path.empty())
				break;
			path += (path.empty() ? "" : ".") + name;
		}
		paths.push_back(path + ".");
	}
	std::sort(paths.begin(), paths.end());
	mongo::Document projection;
	std::string last = "\n";
	for (const std::string &path : paths) {
		if (path.compare(0, last.size(), last) == 0)
			continue;
		projection.boolean(path.substr(0, path.size() - 1), true);
		last = path;
	}
	if (projection.empty())
		projection.boolean("_id", true);
	return projection;
}

void begin_scan(ForeignScanState *node, int)
{
	MemoryContext const home = node->ss.ps.state->es_query_cxt;
	Run *const run =
		node->ss.ss_currentRelation != nullptr ? pg::owned<Scan>(home, node) : counting(home, node);
	node->fdw_state = run;
}

TupleTableSlot *iterate_scan(ForeignScanState *node)
{
	TupleTableSlot *slot = node->ss.ss_ScanTupleSlot;
	run_of(node)->next(slot);
	return slot;
}

void rescan(ForeignScanState *node)
{
	run_of(node)->restart();
}

void end_scan(ForeignScanState *node)
{
	if (Run *run = run_of(node))
		run->finish();
}

void explain_scan(ForeignScanState *node, ExplainState *explain)
{
	run_of(node)->explain(explain);
}

} // namespace reconcile::fdw
