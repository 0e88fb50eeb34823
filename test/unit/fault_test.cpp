/*-------------------------------------------------------------------------
 *
 * fault_test.cpp
 *	  Interrupts, and servers that stall, break, refuse and lie.
 *
 *-------------------------------------------------------------------------
 */
#include "mongo/bulk.hpp"
#include "mongo/cursor.hpp"
#include "mongo/error.hpp"
#include "mongo/unique_key.hpp"

#include "poll_port.hpp"
#include "scripted_server.hpp"

#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <new>
#include <sys/socket.h>
#include <unistd.h>

using namespace reconcile::mongo;

/* Memory for arrays is refused while this is set. */
static bool no_room_for_arrays = false;

void *operator new[](size_t size)
{
	if (no_room_for_arrays)
		throw std::bad_alloc();
	return operator new(size);
}

void operator delete[](void *array) noexcept
{
	operator delete(array);
}

void operator delete[](void *array, size_t) noexcept
{
	operator delete(array);
}

namespace {

constexpr int kInterruptMs = 50;
constexpr int kBoundMs = 100; /* after the interrupt */

Settings settings_for(std::initializer_list<uint16_t> ports)
{
	Settings settings;
	for (uint16_t port : ports)
		settings.hosts.push_back({"127.0.0.1", port});
	settings.connect_timeout_ms = settings.socket_timeout_ms = 5000;
	return settings;
}

int64_t elapsed_ms(PollPort::Clock::time_point since)
{
	return std::chrono::duration_cast<std::chrono::milliseconds>(PollPort::Clock::now() - since)
		.count();
}

/* stalls_at makes a script that stalls at one command. */
ScriptedServer::Script stalls_at(std::string stalled)
{
	return [stalled](const std::string &command, int) {
		bool const greeting =
			stalled == "hello" && (command == "isMaster" || command == "ismaster");
		return Answer{command == stalled || greeting ? Answer::kStall : Answer::kReply, ""};
	};
}

ScriptedServer::Script answers(std::string to, std::string json)
{
	return [=](const std::string &command, int) {
		return Answer{Answer::kReply, command == to ? json : ""};
	};
}

ScriptedServer::Script closes_at(std::string closed, int nth)
{
	return [=](const std::string &command, int n) {
		return Answer{command == closed && n == nth ? Answer::kClose : Answer::kReply, ""};
	};
}

/* batch is an answer to getMore. */
Answer batch(const std::string &id, const std::string &documents)
{
	return {Answer::kReply, R"({"cursor": {"id": {"$numberLong": ")" + id +
								R"("}, "ns": "d.c", "nextBatch": )" + documents + "}}"};
}

/* three_batches is a result whose last answer is given. */
ScriptedServer::Script three_batches(Answer last)
{
	return [=](const std::string &command, int n) {
		return command != "getMore" ? Answer{} : n >= 2 ? last : batch("7", R"([{"_id": 2}])");
	};
}

/* comes waits, without haste, until a server has been asked so often. */
bool comes(const ScriptedServer &server, const std::string &command, int times)
{
	for (int i = 0; i < 10000 && server.count(command) < times; i++)
		usleep(1000);
	return server.count(command) == times;
}

void read_all(Client &client)
{
	Cursor cursor(client, Query{"d", "c"});
	while (cursor.next() != nullptr)
		;
}

void close_early(Client &client)
{
	Cursor cursor(client, Query{"d", "c"});
	cursor.next();
	cursor.close();
}

void leave_with_an_answer_under_way(Client &client)
{
	Cursor cursor(client, Query{"d", "c"});
	cursor.next();
	cursor.next();
}

BulkResult upsert(Client &client, int count)
{
	Bulk bulk(client, "d", "c");
	for (int i = 0; i < count; i++) {
		Document key;
		key.int32("_id", i);
		bulk.upsert(key.get(), key.get());
	}
	return bulk.execute();
}

void look_for_collection(Client &client)
{
	client.collection_exists("d", "c");
}

/* interrupted_ms runs an operation that stalls until it is interrupted, wants
 * everything to be given back, and returns how long it took to leave. */
int64_t interrupted_ms(const Settings &settings, const std::function<void(Client &)> &operation)
{
	PollPort port;
	auto const start = PollPort::Clock::now();
	{
		Client client(settings, port);
		port.interrupt_in(kInterruptMs);
		EXPECT_THROW(operation(client), Interrupted);
		EXPECT_FALSE(client.usable());
		EXPECT_THROW(operation(client), Interrupted) << "an interrupted client stays so";
	}
	int64_t const took = elapsed_ms(start);
	EXPECT_GE(took, kInterruptMs - 1);
	EXPECT_EQ(port.descriptors, 0);
	EXPECT_LT(port.waits, 50) << "it must not spin";
	return took - kInterruptMs;
}

/* expect_prompt wants that to be within the bound, and returns how often it
 * tried: a busy machine may be late at any time, but not every time. */
int expect_prompt(const Settings &settings, const std::function<void(Client &)> &operation)
{
	constexpr int kAttempts = 20;
	for (int attempt = 1; attempt <= kAttempts; attempt++)
		if (interrupted_ms(settings, operation) <= kBoundMs)
			return attempt;
	ADD_FAILURE() << "not within " << kBoundMs << " ms";
	return kAttempts;
}

/* error_of runs an operation that must throw an Error. */
Error error_of(Client &client, const std::function<void(Client &)> &operation)
{
	try {
		operation(client);
	} catch (const Error &error) {
		return error;
	}
	return Error("00000", "nothing was thrown");
}

/* entries counts what is in a directory of /proc, or throws without /proc. */
int entries(const char *path)
{
	DIR *directory = opendir(path);
	if (directory == nullptr)
		throw std::runtime_error(std::string("could not open ") + path);
	int count = -2; /* "." and ".." */
	while (readdir(directory) != nullptr)
		count++;
	closedir(directory);
	return count;
}

/* unused_port returns a port that nothing listens on. */
uint16_t unused_port()
{
	int const probe = socket(AF_INET, SOCK_STREAM, 0);
	sockaddr_in address{};
	address.sin_family = AF_INET;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	socklen_t length = sizeof address;
	bind(probe, reinterpret_cast<sockaddr *>(&address), length);
	getsockname(probe, reinterpret_cast<sockaddr *>(&address), &length);
	close(probe);
	return ntohs(address.sin_port);
}

} // namespace

TEST(Interrupts, WhileGreeting)
{
	ScriptedServer server(stalls_at("hello"));
	expect_prompt(settings_for({server.port()}), read_all);
}

TEST(Interrupts, WhileGreetingSeveralHosts)
{
	ScriptedServer one(stalls_at("hello")), two(stalls_at("hello")), three(stalls_at("hello"));
	expect_prompt(settings_for({one.port(), two.port(), three.port()}), read_all);
}

TEST(Interrupts, WhileReadingTheFirstBatch)
{
	ScriptedServer server(stalls_at("find"));
	expect_prompt(settings_for({server.port()}), read_all);
}

TEST(Interrupts, WhileReadingTheNextBatch)
{
	ScriptedServer server(stalls_at("getMore"));
	expect_prompt(settings_for({server.port()}), read_all);
	EXPECT_EQ(server.count("killCursors"), 0) << "nothing may be sent after an interrupt";
}

TEST(Interrupts, WhileTheAnswerAskedForAheadIsAwaited)
{
	ScriptedServer server(three_batches(Answer{Answer::kStall, ""}));
	expect_prompt(settings_for({server.port()}), read_all);
	EXPECT_EQ(server.count("killCursors"), 0) << "nothing may be sent after an interrupt";
}

TEST(Interrupts, WhileTheAnswerToALeftResultIsAwaited)
{
	ScriptedServer server(three_batches(Answer{Answer::kStall, ""}));
	expect_prompt(settings_for({server.port()}), [](Client &client) {
		leave_with_an_answer_under_way(client);
		client.ping();
	});
}

TEST(Interrupts, WhileTidying)
{
	ScriptedServer server(stalls_at("killCursors"));
	expect_prompt(settings_for({server.port()}), [](Client &client) {
		Cursor(client, Query{"d", "c"}).next();
		client.tidy();
		client.ping();
	});
}

TEST(Interrupts, WhileClosingACursor)
{
	ScriptedServer server(stalls_at("killCursors"));
	expect_prompt(settings_for({server.port()}), close_early);
}

TEST(Interrupts, WhileWriting)
{
	ScriptedServer server(stalls_at("update"));
	int const attempts =
		expect_prompt(settings_for({server.port()}), [](Client &client) { upsert(client, 100); });
	EXPECT_EQ(server.count("update"), attempts);
	EXPECT_EQ(server.count("endSessions"), 0);
}

TEST(Interrupts, WhileLookingForACollection)
{
	ScriptedServer server(stalls_at("listCollections"));
	expect_prompt(settings_for({server.port()}), look_for_collection);
}

TEST(Interrupts, WhileLoggingIn)
{
	ScriptedServer server(stalls_at("saslStart"));
	Settings settings = settings_for({server.port()});
	settings.username = settings.password = "u";
	settings.auth_mechanism = "SCRAM-SHA-256";
	expect_prompt(settings, read_all);
}

TEST(Interrupts, DuringTheTlsHandshake)
{
	ScriptedServer server(stalls_at("hello"));
	Settings settings = settings_for({server.port()});
	settings.tls = true;
	expect_prompt(settings, read_all);
}

/* A listener whose queue is full answers nobody, not even the kernel does. */
TEST(Interrupts, WhileConnecting)
{
	int const listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	sockaddr_in address{};
	address.sin_family = AF_INET;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	socklen_t length = sizeof address;
	auto *const where = reinterpret_cast<sockaddr *>(&address);
	ASSERT_EQ(bind(listener, where, length), 0);
	ASSERT_EQ(listen(listener, 0), 0);
	ASSERT_EQ(getsockname(listener, where, &length), 0);
	int queued[4];
	for (int &one : queued) {
		one = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		EXPECT_TRUE(connect(one, where, length) == 0 || errno == EINPROGRESS);
	}
	expect_prompt(settings_for({ntohs(address.sin_port)}), read_all);
	for (int one : queued)
		close(one);
	close(listener);
}

TEST(Interrupts, BeforeTheFirstStep)
{
	ScriptedServer server(answers("", ""));
	PollPort port;
	Client client(settings_for({server.port()}), port);
	port.interrupt_in(0);
	EXPECT_THROW(read_all(client), Interrupted);
	EXPECT_EQ(server.connections(), 0);
}

TEST(Timeouts, AreOneWaitAndSaySo)
{
	ScriptedServer server(stalls_at("find"));
	Settings settings = settings_for({server.port()});
	settings.socket_timeout_ms = 200;
	PollPort port;
	Client client(settings, port);
	auto const start = PollPort::Clock::now();
	Error const error = error_of(client, read_all);
	EXPECT_STREQ(error.sqlstate, "08006");
	EXPECT_STREQ(error.what(), "could not read collection \"d.c\"");
	EXPECT_NE(error.detail.find("within 200 ms"), std::string::npos) << error.detail;
	EXPECT_GE(elapsed_ms(start), 200);
	EXPECT_EQ(server.count("find"), 1);
	EXPECT_LE(elapsed_ms(start), 4000);
	EXPECT_FALSE(client.usable());
}

TEST(Timeouts, OfAWriteLeaveItsOutcomeUnknown)
{
	ScriptedServer server(stalls_at("update"));
	Settings settings = settings_for({server.port()});
	settings.socket_timeout_ms = 200;
	PollPort port;
	Client client(settings, port);
	EXPECT_STREQ(error_of(client, [](Client &c) { upsert(c, 3); }).sqlstate, "08007");
}

TEST(Timeouts, OfGreeting)
{
	ScriptedServer server(stalls_at("hello"));
	Settings settings = settings_for({server.port()});
	settings.connect_timeout_ms = 200;
	PollPort port;
	Client client(settings, port);
	auto const start = PollPort::Clock::now();
	EXPECT_STREQ(error_of(client, read_all).sqlstate, "08001");
	EXPECT_LE(elapsed_ms(start), 4000);
}

TEST(Connections, NobodyListens)
{
	PollPort port;
	uint16_t const unused = unused_port();
	Client client(settings_for({unused}), port);
	Error const error = error_of(client, read_all);
	EXPECT_STREQ(error.sqlstate, "08001");
	EXPECT_EQ(error.what(), "could not connect to MongoDB at 127.0.0.1:" + std::to_string(unused));
	EXPECT_EQ(error.detail, "Host 127.0.0.1:" + std::to_string(unused) + ": Connection refused.");
	EXPECT_STREQ(error_of(client, [](Client &c) { upsert(c, 1); }).sqlstate, "08006");

	Client other(settings_for({unused}), port);
	EXPECT_STREQ(error_of(other, [](Client &c) { upsert(c, 1); }).sqlstate, "08001")
		<< "nothing was sent, so nothing is in doubt";
}

TEST(Connections, NobodyListensForTls)
{
	PollPort port;
	uint16_t const unused = unused_port();
	Settings settings = settings_for({unused});
	settings.tls = true;
	for (const char *authorities : {"", "/no/such/file"}) {
		settings.tls_ca_file = authorities;
		Client client(settings, port);
		EXPECT_STREQ(error_of(client, read_all).sqlstate, "08001");
	}
	EXPECT_EQ(port.descriptors, 0);
}

TEST(Connections, OneOfSeveralRoutersIsEnough)
{
	ScriptedServer server([](const std::string &command, int) {
		return Answer{Answer::kReply, command == "find" || command == "getMore"
										  ? ""
										  : R"({"ismaster": true, "msg": "isdbgrid",
												"minWireVersion": 0, "maxWireVersion": 13})"};
	});
	PollPort port;
	Client client(settings_for({unused_port(), server.port()}), port);
	EXPECT_NO_THROW(read_all(client));
}

TEST(Connections, NameThatIsNone)
{
	PollPort port;
	Settings settings;
	settings.hosts.push_back({"no-such-host.invalid", 1});
	Client client(settings, port);
	Error const error = error_of(client, read_all);
	EXPECT_STREQ(error.sqlstate, "08001");
	EXPECT_NE(error.detail.find("no-such-host.invalid"), std::string::npos) << error.detail;
}

TEST(Connections, NoDescriptorsLeft)
{
	ScriptedServer server(answers("", ""));
	PollPort port;
	port.descriptors_allowed = 0;
	Client client(settings_for({server.port()}), port);
	EXPECT_STREQ(error_of(client, read_all).sqlstate, "08001");
}

TEST(Connections, AreMadeLazilyAndKept)
{
	ScriptedServer server(answers("", ""));
	PollPort port;
	Client client(settings_for({server.port()}), port);
	EXPECT_EQ(server.connections(), 0);
	for (int i = 0; i < 5; i++)
		read_all(client);
	EXPECT_EQ(server.connections(), 1);
	EXPECT_TRUE(client.usable());
}

TEST(Connections, ClosedWhileIdleAreReplaced)
{
	ScriptedServer server([](const std::string &command, int) {
		return Answer{command == "listCollections" ? Answer::kReplyAndClose : Answer::kReply, ""};
	});
	PollPort port;
	Client client(settings_for({server.port()}), port);
	client.collection_exists("d", "c");
	port.wait(-1, false, false, 1100); /* the driver looks after a second */
	EXPECT_EQ(upsert(client, 2).matched, 2u);
	EXPECT_EQ(server.connections(), 2);
}

TEST(Connections, AServerThatIsTooOld)
{
	ScriptedServer server([](const std::string &, int) {
		return Answer{Answer::kReply,
					  R"({"ismaster": true, "minWireVersion": 0, "maxWireVersion": 2})"};
	});
	PollPort port;
	Client client(settings_for({server.port()}), port);
	EXPECT_STREQ(error_of(client, read_all).sqlstate, "0A000");
}

TEST(Connections, OnlyToHostsOfTheSettings)
{
	ScriptedServer stranger(answers("", ""));
	std::string const named = "127.0.0.1:" + std::to_string(stranger.port());
	std::string const hello =
		R"({"ismaster": false, "secondary": true, "setName": "rs", "minWireVersion": 0,
			"maxWireVersion": 13, "hosts": [")" +
		named + R"("], "primary": ")" + named + "\"}";
	ScriptedServer server([=](const std::string &command, int) {
		return Answer{Answer::kReply, command == "find" ? "" : hello};
	});
	Settings settings = settings_for({server.port()});
	settings.replica_set = "rs";
	PollPort port;
	Client client(settings, port);
	Error const error = error_of(client, read_all);
	EXPECT_STREQ(error.sqlstate, "08001");
	EXPECT_NE(error.hint.find("\"hosts\""), std::string::npos) << error.hint;
	EXPECT_NE(error.detail.find(named), std::string::npos) << error.detail;
	EXPECT_GE(server.connections(), 1);
	EXPECT_EQ(stranger.connections(), 0);
}

TEST(Reading, BatchByBatch)
{
	ScriptedServer server(answers("", ""));
	PollPort port;
	Client client(settings_for({server.port()}), port);
	Cursor cursor(client, Query{"d", "c"});
	ASSERT_NE(cursor.next(), nullptr);
	ASSERT_NE(cursor.next(), nullptr);
	EXPECT_EQ(cursor.next(), nullptr);
	EXPECT_EQ(cursor.next(), nullptr);
	EXPECT_EQ(cursor.documents(), 2u);
	EXPECT_EQ(cursor.bytes(), 28u);
}

TEST(Reading, BreaksAtOnce)
{
	ScriptedServer server(closes_at("find", 1));
	PollPort port;
	Client client(settings_for({server.port()}), port);
	EXPECT_STREQ(error_of(client, read_all).sqlstate, "08006");
	EXPECT_EQ(server.count("find"), 1);
}

TEST(Reading, BreaksBetweenBatches)
{
	ScriptedServer server(closes_at("getMore", 1));
	PollPort port;
	Client client(settings_for({server.port()}), port);
	EXPECT_STREQ(error_of(client, read_all).sqlstate, "08006");
	EXPECT_FALSE(client.usable());
}

TEST(Reading, IsRefused)
{
	ScriptedServer server(
		answers("find", R"({"ok": 0, "code": 13, "errmsg": "not authorized on d"})"));
	PollPort port;
	Client client(settings_for({server.port()}), port);
	Error const error = error_of(client, read_all);
	EXPECT_STREQ(error.sqlstate, "42501");
	EXPECT_EQ(error.detail, "MongoDB reports: not authorized on d.");
	EXPECT_TRUE(client.usable());
}

TEST(Reading, EndedEarlyTellsTheServer)
{
	ScriptedServer server(answers("", ""));
	PollPort port;
	Client client(settings_for({server.port()}), port);
	close_early(client);
	EXPECT_EQ(server.count("killCursors"), 1);
	EXPECT_TRUE(client.usable());
}

TEST(Reading, LeftIsEndedByTheNextOperation)
{
	ScriptedServer server(answers("", ""));
	PollPort port;
	Client client(settings_for({server.port()}), port);
	Cursor other(client, Query{"d", "c"});
	other.next();
	{
		Cursor left(client, Query{"d", "c"});
		left.next();
	}
	EXPECT_EQ(server.count("killCursors"), 0);
	EXPECT_NE(other.next(), nullptr);
	EXPECT_EQ(other.next(), nullptr);
	client.ping();
	EXPECT_EQ(server.count("killCursors"), 1);
}

TEST(Reading, AsksAheadOnceASecondBatchWasWanted)
{
	ScriptedServer server(three_batches(batch("0", R"([{"_id": 3}])")));
	PollPort port;
	Client client(settings_for({server.port()}), port);
	Cursor cursor(client, Query{"d", "c"});
	ASSERT_NE(cursor.next(), nullptr);
	client.ping();
	EXPECT_EQ(server.count("getMore"), 0) << "the first batch may be enough";
	ASSERT_NE(cursor.next(), nullptr);
	EXPECT_TRUE(comes(server, "getMore", 2));
	EXPECT_NE(cursor.next(), nullptr);
	EXPECT_EQ(cursor.next(), nullptr);
	EXPECT_EQ(cursor.documents(), 3u);
	client.ping();
	EXPECT_EQ(server.count("getMore"), 2);
	EXPECT_EQ(server.count("killCursors"), 0);
	EXPECT_EQ(server.connections(), 1);
}

TEST(Reading, AnAnswerUnderWayWaitsForItsReader)
{
	ScriptedServer server(three_batches(batch("0", R"([{"_id": 3}, {"_id": 4}])")));
	PollPort port;
	Client client(settings_for({server.port()}), port);
	Cursor cursor(client, Query{"d", "c"});
	cursor.next();
	cursor.next();
	client.ping();
	EXPECT_EQ(upsert(client, 2).matched, 2u);
	read_all(client);
	EXPECT_NE(cursor.next(), nullptr);
	EXPECT_NE(cursor.next(), nullptr);
	EXPECT_EQ(cursor.next(), nullptr);
	EXPECT_EQ(server.connections(), 1);
}

TEST(Reading, TwoResultsInTurn)
{
	int const rounds = 50;
	ScriptedServer server([=](const std::string &command, int n) {
		return command == "getMore" ? batch(n < 2 * rounds ? "7" : "0", R"([{"_id": 2}])")
									: Answer{};
	});
	PollPort port;
	Client client(settings_for({server.port()}), port);
	Cursor one(client, Query{"d", "c"}), two(client, Query{"d", "c"});
	for (int i = 0; i < rounds - 1; i++) {
		ASSERT_NE(one.next(), nullptr);
		ASSERT_NE(two.next(), nullptr);
	}
	EXPECT_EQ(server.connections(), 1);
}

TEST(Reading, EndedEarlyWithAnAnswerUnderWay)
{
	ScriptedServer server(three_batches(batch("7", R"([{"_id": 3}])")));
	PollPort port;
	Client client(settings_for({server.port()}), port);
	{
		Cursor cursor(client, Query{"d", "c"});
		cursor.next();
		cursor.next();
		cursor.close();
	}
	client.ping();
	EXPECT_EQ(server.count("killCursors"), 1);
	EXPECT_EQ(server.connections(), 1);
}

TEST(Reading, LeftWithAnAnswerUnderWay)
{
	ScriptedServer server(three_batches(batch("7", R"([{"_id": 3}])")));
	PollPort port;
	Client client(settings_for({server.port()}), port);
	leave_with_an_answer_under_way(client);
	client.ping();
	EXPECT_EQ(server.count("killCursors"), 1);
	EXPECT_EQ(server.connections(), 1);
}

TEST(Reading, EndedEarlyDoesNotWaitForWhatNobodyWants)
{
	ScriptedServer server(three_batches({Answer::kStall, ""}));
	PollPort port;
	Settings settings = settings_for({server.port()});
	settings.socket_timeout_ms = 60000;
	Client client(settings, port);
	Cursor other(client, Query{"d", "c"});
	other.next();
	auto const start = PollPort::Clock::now();
	{
		Cursor cursor(client, Query{"d", "c"});
		cursor.next();
		cursor.next();
		cursor.close();
	}
	client.tidy();
	EXPECT_LT(elapsed_ms(start), settings.socket_timeout_ms / 2);
	EXPECT_TRUE(client.held_up());
	EXPECT_TRUE(client.usable()) << "another result may still be read from it";
}

TEST(Reading, TidiedWhenTheConnectionIsGone)
{
	for (bool const ahead : {false, true}) {
		ScriptedServer server([=](const std::string &command, int n) {
			bool const last = ahead ? command == "getMore" && n == 2 : command == "killCursors";
			return last					  ? Answer{Answer::kClose, ""}
				   : command == "getMore" ? batch("7", R"([{"_id": 2}])")
										  : Answer{};
		});
		PollPort port;
		Client client(settings_for({server.port()}), port);
		if (ahead)
			leave_with_an_answer_under_way(client);
		else
			Cursor(client, Query{"d", "c"}).next();
		EXPECT_TRUE(client.usable());
		for (int i = 0; i < 200 && client.usable(); i++)
			client.tidy();
		EXPECT_FALSE(client.usable()) << "its owner must learn this before the next operation";
		EXPECT_FALSE(client.held_up());
	}
}

TEST(Reading, WithoutMemoryGivesUpTheConnection)
{
	ScriptedServer server(three_batches(batch("7", R"([{"_id": 3}])")));
	PollPort port;
	Client client(settings_for({server.port()}), port);
	Cursor cursor(client, Query{"d", "c"});
	cursor.next();
	cursor.next();
	no_room_for_arrays = true;
	EXPECT_THROW(cursor.next(), std::bad_alloc);
	no_room_for_arrays = false;
	EXPECT_FALSE(client.usable()) << "the rest of the answer is not read";
	cursor.close();
	EXPECT_EQ(server.count("killCursors"), 0);
}

TEST(Reading, BreaksWhileAnAnswerIsUnderWay)
{
	ScriptedServer server(three_batches({Answer::kClose, ""}));
	PollPort port;
	Client client(settings_for({server.port()}), port);
	Cursor cursor(client, Query{"d", "c"});
	cursor.next();
	cursor.next();
	EXPECT_STREQ(error_of(client, [](Client &c) { c.ping(); }).sqlstate, "08006");
	EXPECT_STREQ(error_of(client, [&](Client &) { cursor.next(); }).sqlstate, "08006")
		<< "it must not look like the end";
	EXPECT_FALSE(client.usable());
}

TEST(Reading, ARefusalUnderWayIsForItsReaderAlone)
{
	ScriptedServer server(three_batches(
		{Answer::kReply, R"({"ok": 0, "code": 43, "errmsg": "cursor id 7 not found"})"}));
	PollPort port;
	Client client(settings_for({server.port()}), port);
	Cursor cursor(client, Query{"d", "c"});
	cursor.next();
	cursor.next();
	client.ping();
	Error const error = error_of(client, [&](Client &) { cursor.next(); });
	EXPECT_STREQ(error.sqlstate, "24000");
	EXPECT_EQ(error.detail, "MongoDB reports: cursor id 7 not found.");
	EXPECT_TRUE(client.usable());
	EXPECT_EQ(server.count("killCursors"), 0);
}

TEST(Reading, AbandonedSaysNothing)
{
	ScriptedServer server(answers("", ""));
	PollPort port;
	{
		auto client = std::make_unique<Client>(settings_for({server.port()}), port);
		Cursor cursor(*client, Query{"d", "c"});
		cursor.next();
		client.reset(); /* the cursor outlives it */
	}
	EXPECT_EQ(server.count("killCursors"), 0);
	EXPECT_EQ(server.count("endSessions"), 0);
	EXPECT_EQ(port.descriptors, 0);
}

TEST(Collections, AreThereOrNot)
{
	ScriptedServer there(answers("listCollections",
								 R"({"cursor": {"id": {"$numberLong": "0"}, "ns": "d.$cmd",
									"firstBatch": [{"name": "c", "type": "collection"}]}})"));
	ScriptedServer gone(answers("listCollections",
								R"({"cursor": {"id": {"$numberLong": "0"}, "ns": "d.$cmd",
									"firstBatch": []}})"));
	PollPort port;
	Client one(settings_for({there.port()}), port), two(settings_for({gone.port()}), port);
	EXPECT_TRUE(one.collection_exists("d", "c"));
	EXPECT_FALSE(two.collection_exists("d", "c"));
	EXPECT_EQ(there.count("listCollections"), 1);
}

/* index_list answers listIndexes: the index on _id, unless it is given, and others. */
Answer index_list(const std::string &others, const std::string &id)
{
	return {Answer::kReply,
			R"({"cursor": {"id": {"$numberLong": "0"}, "ns": "d.c", "firstBatch": [)" + id +
				(id.empty() || others.empty() ? "" : ", ") + others + "]}}"};
}

constexpr const char *kIdIndex = R"({"v": 2, "key": {"_id": 1}, "name": "_id_"})";
constexpr const char *kUnique =
	R"({"v": 2, "key": {"b": -1, "a.x": 1}, "name": "u", "unique": true})";

/* is_unique asks about fields a.x and b. */
bool is_unique(ScriptedServer &server, const std::vector<std::string> &fields = {"a.x", "b"})
{
	PollPort port;
	Client client(settings_for({server.port()}), port);
	return is_unique_key(client, "d", "c", fields);
}

TEST(UniqueKey, WhichIndexesMakeAKeyUnique)
{
	struct {
		const char *others;
		bool expected;
		const char *id = kIdIndex;
	} const cases[] = {
		{kUnique, true},
		{R"({"key": {"a.x": 1.0, "b": {"$numberLong": "1"}}, "name": "u", "ns": "d.c", "unique": true,
			"background": true, "expireAfterSeconds": 60, "storageEngine": {"x": 1}})",
		 true},
		{R"({"key": {"b": 1, "a.x": 1}, "name": "u", "unique": true, "sparse": false, "hidden": false})",
		 true},
		{R"({"key": {"b": 1, "a.x": 1}, "name": "n"}, {"key": {"a.x": 1, "b": 1}, "name": "u", "unique": true})",
		 true},
		{"", false},
		{R"({"key": {"b": 1, "a.x": 1}, "name": "u"})", false},
		{R"({"key": {"b": 1, "a.x": 1}, "name": "u", "unique": false})", false},
		{R"({"key": {"b": 1, "a.x": 1}, "name": "u", "unique": true, "sparse": true})", false},
		{R"({"key": {"b": 1, "a.x": 1}, "name": "u", "unique": true, "hidden": true})", false},
		{R"({"key": {"b": 1, "a.x": 1}, "name": "u", "unique": true, "partialFilterExpression": {"b": 1}})",
		 false},
		{R"({"key": {"b": 1, "a.x": 1}, "name": "u", "unique": true, "collation": {"locale": "de"}})",
		 false},
		{R"({"key": {"b": 1, "a.x": 1}, "name": "u", "unique": true, "unheardOf": 1})", false},
		{R"({"key": {"b": 1, "a.x": "hashed"}, "name": "u", "unique": true})", false},
		{R"({"key": {"b": 1}, "name": "u", "unique": true})", false},
		{R"({"key": {"b": 1, "a.x": 1, "c": 1}, "name": "u", "unique": true})", false},
		{R"({"key": {"b": 1, "a": 1}, "name": "u", "unique": true})", false},
		{R"({"key": 5, "name": "u", "unique": true})", false},
		/* The collection compares text in a way of its own, or may do so. */
		{kUnique, false, R"({"key": {"_id": 1}, "name": "_id_", "collation": {"locale": "de"}})"},
		{kUnique, false,
		 R"({"key": {"_id": 1}, "name": "_id_", "unique": true, "clustered": true})"},
		{kUnique, false, ""},
	};
	for (const auto &one : cases) {
		ScriptedServer server([&](const std::string &command, int) {
			return command == "listIndexes" ? index_list(one.others, one.id) : Answer{};
		});
		EXPECT_EQ(is_unique(server), one.expected) << one.others << one.id;
		EXPECT_EQ(server.count("find"), one.expected) << one.others;
	}
}

TEST(UniqueKey, IdIsOneByItself)
{
	ScriptedServer server([&](const std::string &command, int) {
		return command == "listIndexes" ? index_list("", kIdIndex) : Answer{};
	});
	EXPECT_TRUE(is_unique(server, {"_id"}));
	EXPECT_EQ(server.count("find"), 0);
}

TEST(UniqueKey, AnIndexUnderConstructionIsNone)
{
	ScriptedServer server([&](const std::string &command, int) {
		return command == "listIndexes" ? index_list(kUnique, kIdIndex)
			   : command == "find"
				   ? Answer{Answer::kReply,
							R"({"ok": 0, "code": 2, "errmsg": "hint provided does not correspond"})"}
				   : Answer{};
	});
	EXPECT_FALSE(is_unique(server));
}

TEST(UniqueKey, EachShardHasItsOwn)
{
	for (const char *router : {"", R"("msg": "isdbgrid", )"}) {
		ScriptedServer server([&](const std::string &command, int) {
			if (command == "listIndexes")
				return index_list(kUnique, kIdIndex);
			return command != "hello" && command != "isMaster" && command != "ismaster"
					   ? Answer{}
					   : Answer{Answer::kReply, std::string("{") + router +
													R"("ismaster": true, "isWritablePrimary": true,
					"minWireVersion": 0, "maxWireVersion": 17, "maxBsonObjectSize": 16777216,
					"maxMessageSizeBytes": 48000000, "maxWriteBatchSize": 100000})"};
		});
		EXPECT_EQ(is_unique(server), *router == '\0') << router;
	}
}

TEST(UniqueKey, ARefusalToSayIsNo)
{
	for (const char *answer : {R"({"ok": 0, "code": 13, "errmsg": "not authorized"})",
							   R"({"ok": 0, "code": 26, "errmsg": "ns does not exist"})",
							   R"({"ok": 0, "code": 59, "errmsg": "no such command"})",
							   R"({"ok": 0, "code": 50, "errmsg": "took too long"})"})
		for (const char *asked : {"listIndexes", "find"}) {
			ScriptedServer server([&](const std::string &command, int) {
				return command == asked			  ? Answer{Answer::kReply, answer}
					   : command == "listIndexes" ? index_list(kUnique, kIdIndex)
												  : Answer{};
			});
			PollPort port;
			Client client(settings_for({server.port()}), port);
			EXPECT_FALSE(is_unique_key(client, "d", "c", {"a.x", "b"})) << answer;
			EXPECT_TRUE(client.usable());
		}
	ScriptedServer odd(answers("listIndexes", R"({"indexes": []})"));
	EXPECT_FALSE(is_unique(odd));
}

TEST(UniqueKey, NoAnswerIsAnError)
{
	for (const char *asked : {"listIndexes", "find"}) {
		ScriptedServer server([&](const std::string &command, int) {
			return command == asked			  ? Answer{Answer::kClose, ""}
				   : command == "listIndexes" ? index_list(kUnique, kIdIndex)
											  : Answer{};
		});
		PollPort port;
		Client client(settings_for({server.port()}), port);
		EXPECT_STREQ(error_of(client,
							  [](Client &c) {
								  is_unique_key(c, "d", "c", {"a.x", "b"});
							  })
						 .sqlstate,
					 "08006");
	}
}

TEST(Writing, OutcomeOfEachOperation)
{
	ScriptedServer server(answers("update", R"({"n": 3, "nModified": 0,
		"upserted": [{"index": 3, "_id": 3}, {"index": 0, "_id": 0}],
		"writeErrors": [{"index": 4, "code": 121, "errmsg": "no"},
						{"index": 2, "code": 11000, "errmsg": "dup"}]})"));
	PollPort port;
	Client client(settings_for({server.port()}), port);
	BulkResult const result = upsert(client, 5);
	std::vector<Outcome> const expected{Outcome::kInserted, Outcome::kMatched, Outcome::kRefused,
										Outcome::kInserted, Outcome::kRefused};
	EXPECT_EQ(result.outcomes, expected);
	EXPECT_EQ(result.inserted, 2u);
	EXPECT_EQ(result.matched, 1u);
	ASSERT_EQ(result.refusals.size(), 2u);
	EXPECT_EQ(result.refusals[0].position, 2u);
	EXPECT_STREQ(result.refusals[0].sqlstate, "23505");
	EXPECT_EQ(result.refusals[0].message, "dup");
	EXPECT_STREQ(result.refusals[1].sqlstate, "23514");
	EXPECT_TRUE(client.usable());
}

TEST(Writing, NotConfirmed)
{
	ScriptedServer server(
		answers("update", R"({"n": 1, "nModified": 0, "upserted": [{"index": 0, "_id": 0}],
		"writeConcernError": {"code": 64, "errmsg": "waiting for replication timed out"}})"));
	PollPort port;
	Client client(settings_for({server.port()}), port);
	Error const error = error_of(client, [](Client &c) { upsert(c, 1); });
	EXPECT_STREQ(error.sqlstate, "08007");
	EXPECT_NE(error.detail.find("waiting for replication timed out."), std::string::npos)
		<< error.detail;
	EXPECT_TRUE(client.usable());
}

TEST(Writing, NotAccountedFor)
{
	ScriptedServer server(answers("update", R"({"n": 1, "nModified": 0})"));
	PollPort port;
	Client client(settings_for({server.port()}), port);
	EXPECT_STREQ(error_of(client, [](Client &c) { upsert(c, 2); }).sqlstate, "08007");
}

TEST(Writing, ChangesWithoutACount)
{
	for (const char *answer : {R"({"ok": 1})", R"({"n": "x", "ok": 1})", R"({"n": 9, "ok": 1})"}) {
		ScriptedServer server(answers("delete", answer));
		PollPort port;
		Client client(settings_for({server.port()}), port);
		Error const error = error_of(client, [](Client &c) {
			Bulk bulk(c, "d", "c");
			Document selector;
			selector.int32("_id", 1);
			bulk.remove(selector.get());
			bulk.execute();
		});
		EXPECT_EQ(std::string_view(error.sqlstate).substr(0, 2), "08") << answer;
	}
}

TEST(Writing, RefusedAsAWhole)
{
	ScriptedServer server(answers("update", R"({"ok": 0, "code": 13, "errmsg": "no"})"));
	PollPort port;
	Client client(settings_for({server.port()}), port);
	EXPECT_STREQ(error_of(client, [](Client &c) { upsert(c, 2); }).sqlstate, "42501");
}

TEST(Writing, BrokenInTheMiddle)
{
	ScriptedServer server(closes_at("update", 1));
	PollPort port;
	Client client(settings_for({server.port()}), port);
	Error const error = error_of(client, [](Client &c) { upsert(c, 100); });
	EXPECT_STREQ(error.sqlstate, "08007");
	EXPECT_NE(error.detail.find("100 operations"), std::string::npos) << error.detail;
	EXPECT_FALSE(client.usable());
}

TEST(Writing, AnswerThatMakesNoSense)
{
	ScriptedServer server(
		answers("update", R"({"n": 1, "nModified": 0, "upserted": [{"index": 99, "_id": 0}]})"));
	PollPort port;
	Client client(settings_for({server.port()}), port);
	EXPECT_STREQ(error_of(client, [](Client &c) { upsert(c, 1); }).sqlstate, "08P01");
}

TEST(Writing, StepDownGivesUpTheConnection)
{
	ScriptedServer server(
		answers("update", R"({"ok": 0, "code": 10107, "errmsg": "not primary"})"));
	PollPort port;
	Client client(settings_for({server.port()}), port);
	EXPECT_STREQ(error_of(client, [](Client &c) { upsert(c, 1); }).sqlstate, "57P03");
	EXPECT_FALSE(client.usable());
}

TEST(Writing, NothingIsNotSent)
{
	PollPort port;
	Client client(settings_for({unused_port()}), port);
	Bulk bulk(client, "d", "c");
	EXPECT_TRUE(bulk.execute().outcomes.empty());
}

TEST(Process, StaysAsItWas)
{
	ScriptedServer server(answers("update", R"({"n": 10, "nModified": 0})"));
	PollPort port;
	auto const cycle = [&] {
		Client client(settings_for({server.port()}), port);
		read_all(client);
		upsert(client, 10);
	};
	cycle();
	int const before = entries("/proc/self/fd");
	for (int i = 0; i < 100; i++)
		cycle();
	EXPECT_EQ(entries("/proc/self/fd"), before);
	EXPECT_EQ(port.descriptors, 0);
	EXPECT_EQ(entries("/proc/self/task"), 1);
}
