/*-------------------------------------------------------------------------
 *
 * bare_mongo.cpp
 *	  What a C program does with libmongoc alone, for comparison.
 *
 *	  bare_mongo read URI DATABASE COLLECTION PROJECTION BATCH_SIZE
 *	  bare_mongo upsert URI DATABASE COLLECTION COUNT
 *
 *	  bare_mongo update|delete URI DATABASE COLLECTION COUNT
 *
 * read moves a cursor over the whole collection.  The others send one command
 * per document; the documents are those of foreign_tables.py.  All print how
 * many documents it were, the seconds it took once the connection was there,
 * and the seconds of a processor it used meanwhile.
 *
 *-------------------------------------------------------------------------
 */
#include <mongoc/mongoc.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <map>
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
void upsert(mongoc_collection_t *collection, int number)
{
	bson_error_t error;
	std::string const user = "user " + std::to_string(number);
	bson_t *selector = BCON_NEW("user_id", BCON_UTF8(user.c_str()), "team_id", BCON_INT32(number),
								"role_name", BCON_UTF8("admin"));
	bson_t *update = BCON_NEW("$setOnInsert", "{", "scope", BCON_UTF8("TEAM"), "is_active",
							  BCON_BOOL(true), "}");
	bson_t *options = BCON_NEW("upsert", BCON_BOOL(true));
	if (!mongoc_collection_update_one(collection, selector, update, options, nullptr, &error))
		give_up("write", error.message);
	bson_destroy(options);
	bson_destroy(selector);
	bson_destroy(update);
}

/* update gives the document with an _id another field. */
void update(mongoc_collection_t *collection, int number)
{
	bson_error_t error;
	bson_t *selector = BCON_NEW("_id", BCON_INT32(number));
	bson_t *change = BCON_NEW("$set", "{", "points", BCON_DOUBLE(-1), "}");
	if (!mongoc_collection_update_one(collection, selector, change, nullptr, nullptr, &error))
		give_up("update", error.message);
	bson_destroy(selector);
	bson_destroy(change);
}

void remove(mongoc_collection_t *collection, int number)
{
	bson_error_t error;
	bson_t *selector = BCON_NEW("_id", BCON_INT32(number));
	if (!mongoc_collection_delete_one(collection, selector, nullptr, nullptr, &error))
		give_up("delete", error.message);
	bson_destroy(selector);
}

using Write = void (*)(mongoc_collection_t *collection, int number);
const std::map<std::string, Write> kWrites = {
	{"upsert", upsert}, {"update", update}, {"delete", remove}};

long write_all(mongoc_collection_t *collection, Write write, int count)
{
	for (int number = 1; number <= count; number++)
		write(collection, number);
	return count;
}

double processor_seconds()
{
	timespec used;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) / 1e9;
}

} // namespace

int main(int argc, char **argv)
{
	bool const reading = argc == 7 && std::strcmp(argv[1], "read") == 0;
	if (!reading && !(argc == 6 && kWrites.count(argv[1]) == 1))
		give_up("start", "see the arguments at the top of bare_mongo.cpp");
	mongoc_init();
	mongoc_client_t *client = mongoc_client_new(argv[2]);
	if (client == nullptr)
		give_up("parse the URI", argv[2]);
	ping(client);
	mongoc_collection_t *collection = mongoc_client_get_collection(client, argv[3], argv[4]);

	double const used = processor_seconds();
	auto const started = std::chrono::steady_clock::now();
	long const count = reading ? read(collection, argv[5], std::atoi(argv[6]))
							   : write_all(collection, kWrites.at(argv[1]), std::atoi(argv[5]));
	std::chrono::duration<double> const seconds = std::chrono::steady_clock::now() - started;
	std::printf("%ld %.6f %.6f\n", count, seconds.count(), processor_seconds() - used);

	mongoc_collection_destroy(collection);
	mongoc_client_destroy(client);
	mongoc_cleanup();
}
