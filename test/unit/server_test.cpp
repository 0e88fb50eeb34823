/*-------------------------------------------------------------------------
 *
 * server_test.cpp
 *	  The same against a real server; skipped when there is none.
 *
 *-------------------------------------------------------------------------
 */
#include "mongo/bulk.hpp"
#include "mongo/cursor.hpp"
#include "mongo/error.hpp"

#include "poll_port.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <unistd.h>

using namespace reconcile::mongo;

namespace {

class Server : public testing::Test {
protected:
	void SetUp() override
	{
		const char *hosts = getenv("MONGO_HOSTS");
		if (hosts == nullptr)
			GTEST_SKIP() << "MONGO_HOSTS is not set";
		Settings settings;
		set_option(settings, "hosts", hosts);
		client = std::make_unique<Client>(settings, port);
		drop();
	}
	void TearDown() override
	{
		if (client != nullptr)
			drop();
	}
	void drop()
	{
		Document command;
		command.int32("dropDatabase", 1);
		client->command(database, command.get(), "could not drop");
	}
	/* make_unique makes a unique index on one field. */
	void make_unique(const char *field)
	{
		Document const command =
			Document::from_json(std::string(R"({"createIndexes": "c", "indexes": [{"key": {")") +
								field + R"(": 1}, "name": "u", "unique": true}]})");
		client->command(database, command.get(), "could not create an index");
	}
	uint64_t count(const std::string &filter)
	{
		Document const wanted = Document::from_json(filter);
		Query query{database, "c"};
		query.filter = wanted.get();
		Cursor cursor(*client, query);
		while (cursor.next() != nullptr)
			;
		return cursor.documents();
	}

	PollPort port;
	std::unique_ptr<Client> client;
	std::string database = "unit_" + std::to_string(getpid());
};

void add_upsert(Bulk &bulk, int id, int value)
{
	Document key, whole;
	key.int32("_id", id);
	whole.int32("_id", id).int32("a", value);
	bulk.upsert(key.get(), whole.get());
}

} // namespace

TEST_F(Server, AnswersPing)
{
	EXPECT_NO_THROW(client->ping());
}

TEST_F(Server, UpsertsAreIndependent)
{
	make_unique("a");
	Bulk bulk(*client, database, "c");
	add_upsert(bulk, 1, 1);
	add_upsert(bulk, 2, 2);
	EXPECT_EQ(bulk.execute().inserted, 2u);
	EXPECT_EQ(bulk.size(), 0u);

	add_upsert(bulk, 3, 1); /* a second document with a = 1 */
	add_upsert(bulk, 2, 9); /* is there, and stays as it is */
	add_upsert(bulk, 4, 4);
	add_upsert(bulk, 5, 2);
	add_upsert(bulk, 6, 6);
	BulkResult const result = bulk.execute();
	std::vector<Outcome> const expected{Outcome::kRefused, Outcome::kMatched, Outcome::kInserted,
										Outcome::kRefused, Outcome::kInserted};
	EXPECT_EQ(result.outcomes, expected);
	ASSERT_EQ(result.refusals.size(), 2u);
	EXPECT_EQ(result.refusals[0].position, 0u);
	EXPECT_EQ(result.refusals[1].position, 3u);
	EXPECT_EQ(result.refusals[0].code, 11000);
	EXPECT_STREQ(result.refusals[0].sqlstate, "23505");
	EXPECT_EQ(count("{}"), 4u);
	EXPECT_EQ(count(R"({"_id": 2, "a": 2})"), 1u);
	EXPECT_TRUE(client->usable());
}

TEST_F(Server, ChangesCountTheDocumentsTheyFind)
{
	Bulk bulk(*client, database, "c");
	for (int id : {1, 2, 3, 4})
		add_upsert(bulk, id, id);
	bulk.execute();
	make_unique("a");

	auto const with_id = [](int id) {
		Document selector;
		selector.int32("_id", id);
		return selector;
	};
	auto const set_a = [](int a) {
		Document value, change;
		value.int32("a", a);
		change.document("$set", value.get());
		return change;
	};
	bulk.update(with_id(1).get(), set_a(11).get());
	bulk.update(with_id(2).get(), set_a(3).get());	/* is taken */
	bulk.update(with_id(9).get(), set_a(19).get()); /* is not there */
	BulkResult result = bulk.execute();
	EXPECT_EQ(result.affected, 1u);
	ASSERT_EQ(result.refusals.size(), 1u);
	EXPECT_EQ(result.refusals[0].position, 1u);
	EXPECT_EQ(result.outcomes[0], Outcome::kTried);

	Document other;
	other.int32("b", 1);
	bulk.replace(with_id(3).get(), other.get());
	EXPECT_EQ(bulk.execute().affected, 1u);
	EXPECT_EQ(count(R"({"_id": 3, "b": 1, "a": {"$exists": false}})"), 1u);

	for (int id : {1, 4, 9})
		bulk.remove(with_id(id).get());
	result = bulk.execute();
	EXPECT_EQ(result.affected, 2u);
	EXPECT_EQ(count("{}"), 2u);
}

TEST_F(Server, InsertsAreIndependent)
{
	Bulk bulk(*client, database, "c");
	for (int id : {1, 2, 1, 3}) {
		Document document;
		document.int32("_id", id);
		bulk.insert(document.get());
	}
	BulkResult const result = bulk.execute();
	std::vector<Outcome> const expected{Outcome::kInserted, Outcome::kInserted, Outcome::kRefused,
										Outcome::kInserted};
	EXPECT_EQ(result.outcomes, expected);
	EXPECT_EQ(result.inserted, 3u);
	EXPECT_EQ(count("{}"), 3u);
}

TEST_F(Server, FullBulksKeepTheirPositions)
{
	Bulk bulk(*client, database, "c");
	for (int id = 0; !bulk.full(); id++)
		add_upsert(bulk, id * 2, id);
	EXPECT_EQ(bulk.size(), Bulk::kMaxOperations);
	EXPECT_EQ(bulk.execute().inserted, Bulk::kMaxOperations);
	for (int id = 0; !bulk.full(); id++)
		add_upsert(bulk, id, id); /* every other one is there */
	BulkResult const result = bulk.execute();
	for (uint32_t i = 0; i < Bulk::kMaxOperations; i++)
		ASSERT_EQ(result.outcomes[i], i % 2 == 0 ? Outcome::kMatched : Outcome::kInserted) << i;

	Query query{database, "c"};
	Document const projection = Document::from_json(R"({"a": 1})"),
				   sort = Document::from_json(R"({"_id": -1})");
	query.projection = projection.get();
	query.sort = sort.get();
	query.limit = 3000;
	query.max_time_ms = 30000;
	Cursor cursor(*client, query);
	const bson_t *first = cursor.next();
	ASSERT_NE(first, nullptr);
	EXPECT_EQ(relaxed_json(first), R"({ "_id" : 19998, "a" : 9999 })");
	while (cursor.next() != nullptr)
		;
	EXPECT_EQ(cursor.documents(), 3000u);
}

TEST_F(Server, CursorsAreClosedEarly)
{
	Bulk bulk(*client, database, "c");
	for (int id = 0; id < 5000; id++)
		add_upsert(bulk, id, id);
	bulk.execute();
	for (int i = 0; i < 20; i++) {
		Cursor cursor(*client, Query{database, "c"});
		EXPECT_NE(cursor.next(), nullptr);
		cursor.close();
	}
	EXPECT_TRUE(client->usable());
}

TEST_F(Server, KnowsItsCollections)
{
	EXPECT_FALSE(client->collection_exists(database, "c"));
	Bulk bulk(*client, database, "c");
	add_upsert(bulk, 1, 1);
	bulk.execute();
	EXPECT_TRUE(client->collection_exists(database, "c"));
	EXPECT_FALSE(client->collection_exists(database, "C"));
	EXPECT_FALSE(client->collection_exists(database, "'; DROP TABLE c; --"));
}

TEST_F(Server, RefusesABadFilter)
{
	try {
		count(R"({"a": {"$nonsense": 1}})");
		FAIL() << "nothing was thrown";
	} catch (const Error &error) {
		EXPECT_STREQ(error.sqlstate, "22023") << error.detail;
	}
}

/* Password needs a server that wants one. */
class Password : public testing::Test {
protected:
	void SetUp() override
	{
		const char *hosts = getenv("MONGO_AUTH_HOSTS");
		if (hosts == nullptr)
			GTEST_SKIP() << "MONGO_AUTH_HOSTS is not set";
		set_option(settings, "hosts", hosts);
		settings.username = getenv("MONGO_AUTH_USER");
		settings.password = getenv("MONGO_AUTH_PASSWORD");
		settings.auth_mechanism = "SCRAM-SHA-256";
	}
	/* sqlstate_of_reading logs in, and reads nothing from nowhere. */
	std::string sqlstate_of_reading()
	{
		try {
			Client client(settings, port);
			Cursor cursor(client, Query{"unit", "nothing"});
			cursor.next();
			return "";
		} catch (const Error &error) {
			EXPECT_EQ((std::string(error.what()) + error.detail + error.hint).find("s3cret"),
					  std::string::npos);
			return error.sqlstate;
		}
	}
	PollPort port;
	Settings settings;
};

TEST_F(Password, IsAccepted)
{
	EXPECT_EQ(sqlstate_of_reading(), "");
}

TEST_F(Password, IsWrong)
{
	settings.password = "s3cret";
	EXPECT_EQ(sqlstate_of_reading(), "28P01");
	settings.username = "nobody";
	EXPECT_EQ(sqlstate_of_reading(), "28P01");
}

TEST_F(Password, IsMissing)
{
	settings.username = settings.password = "";
	std::string const sqlstate = sqlstate_of_reading();
	EXPECT_TRUE(sqlstate == "42501" || sqlstate == "28P01") << sqlstate;
}

/* Tls needs a server behind TLS, as test/fault/mongo_tls_proxy.py gives. */
class Tls : public testing::Test {
protected:
	void SetUp() override
	{
		const char *hosts = getenv("MONGO_TLS_HOSTS");
		if (hosts == nullptr)
			GTEST_SKIP() << "MONGO_TLS_HOSTS is not set";
		set_option(settings, "hosts", hosts);
		set_option(settings, "tls", "true");
		settings.tls_ca_file = getenv("MONGO_TLS_CA_FILE");
	}
	/* detail_of_refusal connects where that must fail. */
	std::string detail_of_refusal()
	{
		try {
			Client(settings, port).ping();
		} catch (const Error &error) {
			EXPECT_STREQ(error.sqlstate, "08001");
			return error.detail;
		}
		return "it was accepted";
	}
	PollPort port;
	Settings settings;
};

TEST_F(Tls, CarriesLargeBatchesBothWays)
{
	std::string const database = "tls_" + std::to_string(getpid());
	Client client(settings, port);
	Bulk bulk(client, database, "c");
	for (int id = 0; id < 3000; id++) {
		Document key, whole;
		key.int32("_id", id);
		whole.int32("_id", id).string("text", std::string(1000, 'x'));
		bulk.upsert(key.get(), whole.get());
	}
	EXPECT_EQ(bulk.execute().inserted, 3000u);
	Cursor cursor(client, Query{database, "c"});
	while (cursor.next() != nullptr)
		;
	EXPECT_EQ(cursor.documents(), 3000u);
	Document drop;
	drop.int32("dropDatabase", 1);
	client.command(database, drop.get(), "could not drop");
}

TEST_F(Tls, WantsAKnownAuthority)
{
	settings.tls_ca_file = "";
	EXPECT_NE(detail_of_refusal().find("certificate"), std::string::npos) << detail_of_refusal();
	settings.tls_ca_file = "/no/such/file";
	EXPECT_NE(detail_of_refusal().find("/no/such/file"), std::string::npos);
	EXPECT_EQ(port.descriptors, 0);
}

TEST_F(Tls, WantsTheRightName)
{
	settings.hosts[0].name = "127.0.0.1";
	EXPECT_NE(detail_of_refusal().find("certificate"), std::string::npos) << detail_of_refusal();
}
