/*-------------------------------------------------------------------------
 *
 * bare_mongo.cpp
 *	  What a C program does with libmongoc alone, for comparison.
 *
 *	  bare_mongo read URI DATABASE COLLECTION PROJECTION BATCH_SIZE
 *	  bare_mongo upsert URI DATABASE COLLECTION COUNT
 *
 * read moves a cursor over the whole collection.  upsert sends one command per
 * document; the documents are those of foreign_tables.py.  Both print how many
 * documents it were, and the seconds it took once the connection was there.
 *
 *-------------------------------------------------------------------------
 */
#include <mongoc/mongoc.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

[[noreturn]] void give_up(const char *what, const char *why)
{
	std::fprintf(stderr, "bare_mongo: could not %s: %s\n", what, why);
	std::exit(1);
}

void ping(mongoc_client_t *client)
{
	bson_error_t error;
	bson_t *command = BCON_NEW("ping", BCON_INT32(1));
	if (!mongoc_client_command_simple(client, "admin", command, nullptr, nullptr, &error))
		give_up("connect", error.message);
	bson_destroy(command);
}

/* read returns the number of documents. */
long read(mongoc_collection_t *collection, const char *projection, int batch_size)
{
	bson_error_t error;
	bson_t fields, filter = BSON_INITIALIZER;
	if (!bson_init_from_json(&fields, projection, -1, &error))
		give_up("parse the projection", error.message);
	bson_t *options =
		BCON_NEW("projection", BCON_DOCUMENT(&fields), "batchSize", BCON_INT32(batch_size));
	mongoc_cursor_t *cursor =
		mongoc_collection_find_with_opts(collection, &filter, options, nullptr);
	const bson_t *document;
	long count = 0;
	while (mongoc_cursor_next(cursor, &document))
		count++;
	if (mongoc_cursor_error(cursor, &error))
		give_up("read", error.message);
	mongoc_cursor_destroy(cursor);
	bson_destroy(options);
	bson_destroy(&fields);
	return count;
}

/* upsert writes the document with a number unless it is there. */
void upsert(mongoc_collection_t *collection, const bson_t *options, int number)
{
	bson_error_t error;
	std::string const user = "user " + std::to_string(number);
	bson_t *selector = BCON_NEW("user_id", BCON_UTF8(user.c_str()), "team_id", BCON_INT32(number),
								"role_name", BCON_UTF8("admin"));
	bson_t *update = BCON_NEW("$setOnInsert", "{", "scope", BCON_UTF8("TEAM"), "is_active",
							  BCON_BOOL(true), "}");
	if (!mongoc_collection_update_one(collection, selector, update, options, nullptr, &error))
		give_up("write", error.message);
	bson_destroy(selector);
	bson_destroy(update);
}

long upsert_all(mongoc_collection_t *collection, int count)
{
	bson_t *options = BCON_NEW("upsert", BCON_BOOL(true));
	for (int number = 1; number <= count; number++)
		upsert(collection, options, number);
	bson_destroy(options);
	return count;
}

} // namespace

int main(int argc, char **argv)
{
	bool const reading = argc == 7 && std::strcmp(argv[1], "read") == 0;
	if (!reading && !(argc == 6 && std::strcmp(argv[1], "upsert") == 0))
		give_up("start", "see the arguments at the top of bare_mongo.cpp");
	mongoc_init();
	mongoc_client_t *client = mongoc_client_new(argv[2]);
	if (client == nullptr)
		give_up("parse the URI", argv[2]);
	ping(client);
	mongoc_collection_t *collection = mongoc_client_get_collection(client, argv[3], argv[4]);

	auto const started = std::chrono::steady_clock::now();
	long const count = reading ? read(collection, argv[5], std::atoi(argv[6]))
							   : upsert_all(collection, std::atoi(argv[5]));
	std::chrono::duration<double> const seconds = std::chrono::steady_clock::now() - started;
	std::printf("%ld %.6f\n", count, seconds.count());

	mongoc_collection_destroy(collection);
	mongoc_client_destroy(client);
	mongoc_cleanup();
}
