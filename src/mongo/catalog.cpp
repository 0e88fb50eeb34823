/*-------------------------------------------------------------------------
 *
 * catalog.cpp
 *	  Which databases and collections a server shows to its user.
 *
 *-------------------------------------------------------------------------
 */
#include "mongo/catalog.hpp"

#include "mongo/connection.hpp"

#include <algorithm>
#include <memory>
#include <string_view>

namespace reconcile::mongo {

namespace {

struct CursorEnd {
	void operator()(mongoc_cursor_t *cursor) const { mongoc_cursor_destroy(cursor); }
};
struct DatabaseEnd {
	void operator()(mongoc_database_t *database) const { mongoc_database_destroy(database); }
};

std::string text_of(const bson_t *document, const char *field)
{
	bson_iter_t found;
	uint32_t length = 0;
	if (!bson_iter_init_find(&found, document, field) || !BSON_ITER_HOLDS_UTF8(&found))
		return {};
	const char *text = bson_iter_utf8(&found, &length);
	return {text, length};
}

bool is_internal(const std::string &collection)
{
	return collection.compare(0, 7, "system.") == 0;
}

} // namespace

std::vector<CollectionInfo> collections(Client &client, const std::string &database)
{
	check_database_name(database);
	Connection &connection = *client.connection();
	std::string const action = "could not list the collections of database \"" + database + "\"";
	connection.require_usable(action);
	/* Names alone, of what the user may read, need no right to list them. */
	Document options;
	options.boolean("nameOnly", true).boolean("authorizedCollections", true);
	std::unique_ptr<mongoc_database_t, DatabaseEnd> const from(
		mongoc_client_get_database(connection.client, database.c_str()));
	std::unique_ptr<mongoc_cursor_t, CursorEnd> const cursor(
		mongoc_database_find_collections_with_opts(from.get(), options.get()));

	std::vector<CollectionInfo> found;
	const bson_t *document;
	while (mongoc_cursor_next(cursor.get(), &document)) {
		std::string const name = text_of(document, "name"), type = text_of(document, "type");
		if (!name.empty() && !is_internal(name))
			found.push_back({name, type.empty() ? "collection" : type});
	}
	bson_error_t error;
	if (mongoc_cursor_error(cursor.get(), &error))
		connection.fail(error, action);
	std::sort(found.begin(), found.end(),
			  [](const CollectionInfo &a, const CollectionInfo &b) { return a.name < b.name; });
	return found;
}

std::vector<std::string> databases(Client &client)
{
	Document list; /* shows what the user may read, unless he may list all */
	list.int32("listDatabases", 1).boolean("nameOnly", true);
	Document const reply = client.command("admin", list.get(), "could not list the databases");
	std::vector<std::string> found;
	bson_iter_t top, element;
	if (bson_iter_init_find(&top, reply.get(), "databases") && BSON_ITER_HOLDS_ARRAY(&top) &&
		bson_iter_recurse(&top, &element))
		while (bson_iter_next(&element)) {
			const uint8_t *data = nullptr;
			uint32_t length = 0;
			bson_t document;
			if (!BSON_ITER_HOLDS_DOCUMENT(&element))
				continue;
			bson_iter_document(&element, &length, &data);
			if (!bson_init_static(&document, data, length))
				continue;
			std::string const name = text_of(&document, "name");
			if (!name.empty() && name != "admin" && name != "local" && name != "config")
				found.push_back(name);
		}
	std::sort(found.begin(), found.end());
	return found;
}

int64_t estimated_documents(Client &client, const std::string &database,
							const std::string &collection)
{
	Document count;
	count.string("count", collection);
	Document const reply = client.command(database, count.get(),
										  "could not count the documents of collection \"" +
											  database + "." + collection + "\"");
	bson_iter_t n;
	return bson_iter_init_find(&n, reply.get(), "n") && BSON_ITER_HOLDS_NUMBER(&n)
			   ? bson_iter_as_int64(&n)
			   : 0;
}

} // namespace reconcile::mongo
