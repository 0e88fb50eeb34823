/*-------------------------------------------------------------------------
 *
 * cursor.cpp
 *	  One find command and the batches that follow it.
 *
 *-------------------------------------------------------------------------
 */
#include "mongo/cursor.hpp"

#include "mongo/connection.hpp"

#include <utility>

namespace reconcile::mongo {

/* options_of collects the parts of a query that are not its filter. */
static Document options_of(const Query &query)
{
	Document options;
	if (query.projection != nullptr)
		options.document("projection", query.projection);
	if (query.sort != nullptr)
		options.document("sort", query.sort);
	if (query.simple_collation)
		options.document("collation", simple_collation().get());
	if (query.limit > 0)
		options.int64("limit", query.limit);
	if (query.batch_size > 0)
		options.int32("batchSize", query.batch_size);
	if (query.max_time_ms > 0)
		options.int64("maxTimeMS", query.max_time_ms);
	return options;
}

/* sample_command asks for documents at random among those of the filter. */
static Document sample_command(const Query &query)
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
	add("$sample", size.get());
	if (query.projection != nullptr)
		add("$project", query.projection);
	batch.int32("batchSize", query.batch_size);
	command.string("aggregate", query.collection).array("pipeline", stages.get());
	command.document("cursor", batch.get());
	command.boolean("allowDiskUse", true); /* a large sample is sorted */
	if (query.max_time_ms > 0)
		command.int64("maxTimeMS", query.max_time_ms);
	return command;
}

/* sampled runs that command and returns a cursor over its result.  The driver's
 * own function for it takes the collection for the database in 1.30. */
static mongoc_cursor_t *sampled(Client &client, const Query &query, const std::string &action)
{
	Document const command = sample_command(query);
	Document const reply = client.command(query.database, command.get(), action);
	return mongoc_cursor_new_from_command_reply_with_opts(client.connection()->client,
														  bson_copy(reply.get()), nullptr);
}

Cursor::Cursor(Client &client, const Query &query)
	: connection_(client.connection()), name_(query.database + "." + query.collection)
{
	check_database_name(query.database);
	check_collection_name(query.collection);
	std::string const action = "could not read collection \"" + name_ + "\"";
	connection_->require_usable(action);
	if (query.sample > 0) {
		cursor_ = sampled(client, query, action);
		return;
	}
	Document const everything, options = options_of(query);
	mongoc_collection_t *collection = mongoc_client_get_collection(
		connection_->client, query.database.c_str(), query.collection.c_str());
	cursor_ = mongoc_collection_find_with_opts(
		collection, query.filter != nullptr ? query.filter : everything.get(), options.get(),
		nullptr);
	mongoc_collection_destroy(collection);
}

Cursor::~Cursor()
{
	if (cursor_ == nullptr)
		return;
	if (mongoc_cursor_get_id(cursor_) != 0)
		connection_->leave(cursor_);
	else
		mongoc_cursor_destroy(cursor_);
}

const bson_t *Cursor::next()
{
	const bson_t *document;
	if (cursor_ == nullptr)
		return nullptr;
	if (mongoc_cursor_next(cursor_, &document)) {
		documents_++;
		bytes_ += document->len;
		return document;
	}
	bson_error_t error;
	if (mongoc_cursor_error(cursor_, &error))
		connection_->fail(error, "could not read collection \"" + name_ + "\"");
	/* The driver takes asking for more as an error. */
	mongoc_cursor_destroy(std::exchange(cursor_, nullptr));
	return nullptr;
}

void Cursor::close()
{
	if (mongoc_cursor_t *cursor = std::exchange(cursor_, nullptr))
		mongoc_cursor_destroy(cursor);
	if (connection_->stopped_by_port)
		throw Interrupted();
}

} // namespace reconcile::mongo
