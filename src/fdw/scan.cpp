/*-------------------------------------------------------------------------
 *
 * scan.cpp
 *	  Running a scan: the query that is sent, and a row for each document.
 *
 *-------------------------------------------------------------------------
 */
#include "fdw/scan.hpp"

#include "fdw/condition.hpp"
#include "fdw/connection.hpp"
#include "fdw/decode.hpp"
#include "fdw/identity.hpp"
#include "fdw/plan.hpp"
#include "mongo/cursor.hpp"
#include "pg/owned.hpp"
#include "pg/text.hpp"

extern "C" {
#include "nodes/nodeFuncs.h"
#include "utils/rel.h"
}

#include <algorithm>
#include <memory>
#include <optional>

namespace reconcile::fdw {

namespace {

/* Documents per answer: while MongoDB prepares one, PostgreSQL waits. */
constexpr int32_t kDefaultBatch = 5000;

/* projection_of asks for the fields that columns need, and the _id that
 * messages name.  Of a path that ends inside another one only the shorter is
 * asked for, and of an array all elements: MongoDB refuses the rest. */
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

/* Scan is the state of one scan, from its begin to its end. */
class Scan {
public:
	explicit Scan(ForeignScanState *node);

	/* next fills the slot with the next row, or leaves it empty. */
	void next(TupleTableSlot *slot);

	void restart();
	void finish();
	void explain(ExplainState *explain);

private:
	mongo::Document filter(bool compute) const;
	std::optional<Value> value(int place, bool compute) const;
	void open();
	void check_that_collection_exists();
	void count();

	ForeignScanState *const node_;
	Oid const user_; /* a cursor may be read by another one than who opened it */
	Table const table_;
	PlannedScan const planned_;
	mongo::Document const projection_;
	mongo::Document sent_; /* the filter of the last query */
	Decoder decoder_;
	ScanExtras const extras_;
	List *value_states_ = NIL;

	std::shared_ptr<mongo::Client> client_;
	std::unique_ptr<mongo::Cursor> cursor_;
	bool opened_ = false, ended_ = false, exists_ = false;
	uint64_t documents_ = 0, bytes_ = 0; /* of cursors that are gone */
};

ForeignScan *plan_of(ForeignScanState *node)
{
	return reinterpret_cast<ForeignScan *>(node->ss.ps.plan);
}

Scan *scan_of(ForeignScanState *node)
{
	return static_cast<Scan *>(node->fdw_state);
}

Scan::Scan(ForeignScanState *node)
	: node_(node), user_(pg::call([&] { return pg::scan_user(node); })),
	  table_(table_of(RelationGetRelid(node->ss.ss_currentRelation),
					  RelationGetDescr(node->ss.ss_currentRelation))),
	  planned_(planned_scan(plan_of(node))), projection_(projection_of(table_, planned_.columns)),
	  decoder_(table_, planned_.columns), extras_(table_, plan_of(node)),
	  value_states_(pg::call([&] { return ExecInitExprList(planned_.values, &node->ss.ps); }))
{
}

/* value computes what a column is compared with.  Without computing, only
 * constants have a value. */
std::optional<Value> Scan::value(int place, bool compute) const
{
	auto *expression = static_cast<Node *>(list_nth(planned_.values, place));
	if (IsA(expression, Const)) {
		auto *constant = reinterpret_cast<Const *>(expression);
		return Value{constant->constvalue, constant->constisnull, constant->consttype};
	}
	if (!compute)
		return std::nullopt;
	return pg::call([&] {
		Value result;
		auto *state = static_cast<ExprState *>(list_nth(value_states_, place));
		result.datum = ExecEvalExpr(state, node_->ss.ps.ps_ExprContext, &result.null);
		result.type = exprType(expression);
		return result;
	});
}

mongo::Document Scan::filter(bool compute) const
{
	mongo::Document filter;
	local([&] {
		append_conditions(filter, table_, planned_.conditions,
						  [&](int place) { return value(place, compute); });
	});
	return filter;
}

/* open prepares the query.  The driver sends it with the first document that
 * is asked for. */
void Scan::open()
{
	sent_ = filter(true);
	opened_ = true;
	mongo::Query query;
	query.database = table_.options.database;
	query.collection = table_.options.collection;
	query.filter = sent_.get();
	query.projection = projection_.empty() ? nullptr : projection_.get();
	query.batch_size = table_.options.batch_size > 0 ? table_.options.batch_size : kDefaultBatch;
	query.limit = planned_.limit;
	if (query.limit > 0)
		query.batch_size = static_cast<int32_t>(std::min<int64_t>(query.batch_size, query.limit));
	query.max_time_ms = milliseconds_left();

	client_ = connect(table_.server, user_);
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

/* check_that_collection_exists tells a name that is wrong from a collection
 * that is empty; MongoDB answers both alike. */
void Scan::check_that_collection_exists()
{
	if (exists_ || table_.options.missing_is_empty)
		return;
	exists_ = remote([&] {
		return client_->collection_exists(table_.options.database, table_.options.collection);
	});
	if (!exists_)
		pg::fail(ERRCODE_FDW_TABLE_NOT_FOUND,
				 "collection \"" + table_.options.full_name() + "\" does not exist", {},
				 "If it is yet to come, set option missing_collection 'empty' of foreign table " +
					 pg::qualified_name(table_.relation) + ".");
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
	uint64_t const values = decoder_.nulled(), documents = decoder_.skipped();
	if (values + documents == 0)
		return;
	std::string const what =
		values > 0 ? pg::plural(values, "value", "values") + " of collection \"" +
						 table_.options.full_name() + "\" read as null"
				   : pg::plural(documents, "document", "documents") + " of collection \"" +
						 table_.options.full_name() + "\" skipped";
	pg::call([&] {
		ereport(WARNING, (errcode(ERRCODE_WARNING), errmsg("%s", what.c_str()),
						  errdetail("A value in it did not fit its column (option "
									"\"on_mismatch\").")));
	});
}

/* json_of shows what is asked for; nothing when all is. */
std::string json_of(const mongo::Document &document)
{
	return document.empty() ? "" : local([&] { return mongo::relaxed_json(document.get()); });
}

void Scan::explain(ExplainState *es)
{
	/* What was sent cannot be computed again: its values may be gone. */
	mongo::Document const planned = opened_ ? mongo::Document() : filter(false);
	std::string const filter_text = json_of(opened_ ? sent_ : planned);
	std::string const projection_text = json_of(projection_);
	std::string const name = table_.options.full_name();
	uint64_t const documents = documents_ + (cursor_ ? cursor_->documents() : 0);
	uint64_t const bytes = bytes_ + (cursor_ ? cursor_->bytes() : 0);
	pg::call([&] {
		ExplainPropertyText("MongoDB Collection", name.c_str(), es);
		if (!filter_text.empty())
			ExplainPropertyText("MongoDB Filter", filter_text.c_str(), es);
		if (!projection_text.empty())
			ExplainPropertyText("MongoDB Projection", projection_text.c_str(), es);
		if (planned_.limit > 0)
			ExplainPropertyInteger("MongoDB Limit", nullptr, planned_.limit, es);
		if (es->analyze) {
			ExplainPropertyInteger("MongoDB Documents", nullptr, static_cast<int64>(documents), es);
			ExplainPropertyInteger("MongoDB Bytes", nullptr, static_cast<int64>(bytes), es);
		}
	});
}

} // namespace

void begin_scan(ForeignScanState *node, int)
{
	node->fdw_state = pg::owned<Scan>(node->ss.ps.state->es_query_cxt, node);
}

TupleTableSlot *iterate_scan(ForeignScanState *node)
{
	TupleTableSlot *slot = node->ss.ss_ScanTupleSlot;
	scan_of(node)->next(slot);
	return slot;
}

void rescan(ForeignScanState *node)
{
	scan_of(node)->restart();
}

void end_scan(ForeignScanState *node)
{
	if (Scan *scan = scan_of(node))
		scan->finish();
}

void explain_scan(ForeignScanState *node, ExplainState *explain)
{
	scan_of(node)->explain(explain);
}

} // namespace reconcile::fdw
