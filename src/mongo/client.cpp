/*-------------------------------------------------------------------------
 *
 * client.cpp
 *	  Commands of one connection.
 *
 *-------------------------------------------------------------------------
 */
#include "mongo/client.hpp"

#include "mongo/connection.hpp"

#include <algorithm>
#include <string_view>

namespace reconcile::mongo {

Client::Client(const Settings &settings, Port &port)
	: connection_(std::make_shared<Connection>(settings, port))
{
}

/* What still uses the connection may go on; nothing is sent from here. */
Client::~Client() = default;

bool Client::usable() const noexcept
{
	return !connection_->silent;
}

bool Client::held_up() const noexcept
{
	return connection_->held_up();
}

void Client::tidy()
{
	if (!usable())
		return;
	connection_->end_left();
	if (connection_->stopped_by_port)
		throw Interrupted();
}

void Client::abandon() noexcept
{
	connection_->abandon();
}

void Client::ping()
{
	Document ping;
	ping.int32("ping", 1);
	command("admin", ping.get(), "could not ping MongoDB");
}

bool Client::collection_exists(const std::string &database, const std::string &collection)
{
	check_database_name(database);
	check_collection_name(collection);
	Document filter, list;
	filter.string("name", collection);
	list.int32("listCollections", 1).document("filter", filter.get());
	/* Names alone, of what the user may read, need no right to list them. */
	list.boolean("nameOnly", true).boolean("authorizedCollections", true);
	Document const reply =
		command(database, list.get(),
				"could not look for collection \"" + database + "." + collection + "\"");
	bson_iter_t top, first, elements;
	return bson_iter_init(&top, reply.get()) &&
		   bson_iter_find_descendant(&top, "cursor.firstBatch", &first) &&
		   BSON_ITER_HOLDS_ARRAY(&first) && bson_iter_recurse(&first, &elements) &&
		   bson_iter_next(&elements);
}

bool Client::has_collation(const std::string &database, const std::string &collection)
{
	check_database_name(database);
	check_collection_name(collection);
	Document filter, list;
	filter.string("name", collection);
	list.int32("listCollections", 1).document("filter", filter.get());
	Document const reply =
		command(database, list.get(),
				"could not look for collection \"" + database + "." + collection + "\"");
	bson_iter_t top, collation;
	return bson_iter_init(&top, reply.get()) &&
		   bson_iter_find_descendant(&top, "cursor.firstBatch.0.options.collation", &collation);
}

Document simple_collation()
{
	Document collation;
	collation.string("locale", "simple");
	return collation;
}

Document Client::command(const std::string &database, const bson_t *command,
						 const std::string &action)
{
	return ask(database, command, action, nullptr);
}

Document Client::primary_command(const std::string &database, const bson_t *command,
								 const std::string &action)
{
	struct End {
		void operator()(mongoc_read_prefs_t *where) const { mongoc_read_prefs_destroy(where); }
	};
	std::unique_ptr<mongoc_read_prefs_t, End> const primary(
		mongoc_read_prefs_new(MONGOC_READ_PRIMARY));
	return ask(database, command, action, primary.get());
}

bool Client::is_routed() const
{
	size_t count = 0;
	mongoc_server_description_t **servers =
		mongoc_client_get_server_descriptions(connection_->client, &count);
	bool const routed = std::any_of(servers, servers + count, [](const auto *server) {
		std::string_view const type = mongoc_server_description_type(server);
		return type == "Mongos" || type == "LoadBalancer";
	});
	mongoc_server_descriptions_destroy_all(servers, count);
	return routed;
}

/* ask sends a command; where is nullptr for what the settings prefer. */
Document Client::ask(const std::string &database, const bson_t *command, const std::string &action,
					 const mongoc_read_prefs_t *where)
{
	connection_->require_usable(action);
	bson_error_t error;
	bson_t reply;
	bool const done = mongoc_client_read_command_with_opts(connection_->client, database.c_str(),
														   command, where, nullptr, &reply, &error);
	Document answer = Document::copy_of(&reply);
	bson_destroy(&reply);
	if (!done)
		connection_->fail(error, action);
	return answer;
}

} // namespace reconcile::mongo
