/*-------------------------------------------------------------------------
 *
 * cursor.cpp
 *	  The command that begins a result, and the documents one by one.
 *
 *-------------------------------------------------------------------------
 */
#include "mongo/cursor.hpp"

#include "mongo/connection.hpp"

#include <utility>

namespace reconcile::mongo {

/* find_command says what to read, and how. */
static Document find_command(const Query &query)
{
	Document const everything;
	Document command;
	command.string("find", query.collection);
	command.document("filter", query.filter != nullptr ? query.filter : everything.get());
	if (query.projection != nullptr)
		command.document("projection", query.projection);
	if (query.sort != nullptr)
		command.document("sort", query.sort);
	if (query.simple_collation)
		command.document("collation", simple_collation().get());
	if (query.limit > 0)
		command.int64("limit", query.limit);
	command.int32("batchSize", query.batch_size);
	if (query.max_time_ms > 0)
		command.int64("maxTimeMS", query.max_time_ms);
	return command;
}

/* is_pipeline tells whether a find would not do: it knows no samples, and may
 * refuse a sort of more than fits into MongoDB's memory. */
static bool is_pipeline(const Query &query)
{
	return query.sample > 0 || (query.sort != nullptr && query.limit == 0);
}

/* pipeline_command asks for what a find would, by an aggregate. */
static Document pipeline_command(const Query &query)
{
	Document size, stages, batch, command;
	ArrayKeys keys;
	auto const add = [&](const char *name, const bson_t *what) {
		Document stage;
		stage.document(name, what);
		stages.document(keys.next(), stage.get());
	};
	size.int64("size", query.sample);
	if (query.filter != nullptr)
		add("$match", query.filter);
	if (query.sample > 0)
		add("$sample", size.get());
	else
		add("$sort", query.sort);
	if (query.projection != nullptr)
		add("$project", query.projection);
	batch.int32("batchSize", query.batch_size);
	command.string("aggregate", query.collection).array("pipeline", stages.get());
	command.document("cursor", batch.get());
	command.boolean("allowDiskUse", true); /* a large sample is sorted, too */
	if (query.simple_collation)
		command.document("collation", simple_collation().get());
	if (query.max_time_ms > 0)
		command.int64("maxTimeMS", query.max_time_ms);
	return command;
}

Cursor::Cursor(Client &client, const Query &query) : connection_(client.connection())
{
	check_database_name(query.database);
	check_collection_name(query.collection);
	begin_.emplace();
	begin_->database = query.database;
	begin_->collection = query.collection;
	begin_->command = is_pipeline(query) ? pipeline_command(query) : find_command(query);
	begin_->batch_size = query.batch_size;
	begin_->action =
		"could not read collection \"" + query.database + "." + query.collection + "\"";
}

Cursor::~Cursor()
{
	leave();
}

/* leave gives up the documents that were not read. */
void Cursor::leave() noexcept
{
	if (batches_ != nullptr && batches_->is_open())
		connection_->leave(std::move(batches_));
	batches_.reset();
}

const bson_t *Cursor::next()
{
	if (begin_)
		batches_ = std::make_unique<Batches>(*connection_, std::move(*begin_));
	begin_.reset();
	const bson_t *document = batches_ != nullptr ? batches_->next() : nullptr;
	if (document == nullptr) {
		batches_.reset();
		return nullptr;
	}
	documents_++;
	bytes_ += document->len;
	return document;
}

void Cursor::close()
{
	begin_.reset();
	leave();
	connection_->end_left();
	if (connection_->stopped_by_port)
		throw Interrupted();
}

} // namespace reconcile::mongo
