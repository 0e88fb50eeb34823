/*-------------------------------------------------------------------------
 *
 * inspect.cpp
 *	  reconcile.mongo_collections() and reconcile.mongo_check(): what is there,
 *	  and whether a server is set up well.
 *
 * mongo_check() asks one question after the other, of connections of its own.
 * What cannot be asked, because an earlier answer failed or MongoDB does not
 * tell, is "not checked".  It writes nothing.
 *
 *-------------------------------------------------------------------------
 */
#include "fdw/connection.hpp"
#include "mongo/catalog.hpp"
#include "mongo/cursor.hpp"
#include "pg/foreign.hpp"
#include "pg/nearest.hpp"
#include "pg/result_set.hpp"
#include "pg/spi.hpp"
#include "pg/text.hpp"

extern "C" {
#include "foreign/foreign.h"
}

#include <algorithm>
#include <chrono>
#include <functional>
#include <optional>
#include <set>

namespace reconcile::fdw {

namespace {

constexpr int kPings = 5;

/* Servers are those of this wrapper. */
constexpr const char *kServers =
	"SELECT srvname::text FROM pg_catalog.pg_foreign_server AS s"
	" JOIN pg_catalog.pg_foreign_data_wrapper AS w ON w.oid OPERATOR(pg_catalog.=) s.srvfdw"
	" WHERE w.fdwname OPERATOR(pg_catalog.=) 'reconcile_mongo' ORDER BY 1";

/* server_named finds a server of this wrapper that the caller may use. */
Oid server_named(const std::string &name)
{
	std::vector<std::string> names;
	{
		pg::Spi spi;
		uint64 const count = spi.run(kServers, SPI_OK_SELECT);
		for (uint64 i = 0; i < count; i++)
			names.push_back(spi.required_text(i, 1));
	}
	if (!pg::contains(names, name))
		pg::fail(ERRCODE_UNDEFINED_OBJECT, "MongoDB server \"" + name + "\" does not exist",
				 "Servers are created with FOREIGN DATA WRAPPER reconcile_mongo.",
				 pg::did_you_mean(name, names));
	return pg::call([&] {
		Oid const server = GetForeignServerByName(name.c_str(), false)->serverid;
		AclResult const allowed = pg::server_usage(server, GetUserId());
		if (allowed != ACLCHECK_OK)
			aclcheck_error(allowed, OBJECT_FOREIGN_SERVER, name.c_str());
		return server;
	});
}

/* Reply reads fields of an answer; a field is named by its path. */
class Reply {
public:
	explicit Reply(mongo::Document document) : document_(std::move(document)) {}

	bool find(const char *path, bson_iter_t *found) const
	{
		bson_iter_t top;
		return bson_iter_init(&top, document_.get()) &&
			   bson_iter_find_descendant(&top, path, found);
	}

	std::string text(const char *path) const
	{
		bson_iter_t found;
		uint32_t length = 0;
		if (!find(path, &found) || !BSON_ITER_HOLDS_UTF8(&found))
			return {};
		const char *value = bson_iter_utf8(&found, &length);
		return {value, length};
	}

	bool truth(const char *path) const
	{
		bson_iter_t found;
		return find(path, &found) && bson_iter_as_bool(&found);
	}

private:
	mongo::Document document_;
};

Reply ask(mongo::Client &client, const char *database, const char *command,
		  const char *option = nullptr)
{
	mongo::Document words;
	words.int32(command, 1);
	if (option != nullptr)
		words.boolean(option, true);
	return Reply(
		client.command(database, words.get(), std::string("could not ask for ") + command));
}

/* Answer is a row of the result without the name of its question. */
struct Answer {
	const char *state;
	std::string detail, fix;
};

Answer ok(const std::string &detail)
{
	return {"ok", detail, ""};
}

Answer failed(const std::string &detail, const std::string &fix)
{
	return {"failed", detail, fix};
}

Answer not_checked(const std::string &detail)
{
	return {"not checked", detail, ""};
}

std::string milliseconds(double value)
{
	char text[32];
	snprintf(text, sizeof text, value < 10 ? "%.1f ms" : "%.0f ms", value);
	return text;
}

/* timed runs f and returns how many milliseconds it took. */
template <class F> double timed(F &&f)
{
	auto const begin = std::chrono::steady_clock::now();
	f();
	return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin)
		.count();
}

/* Check asks the questions. */
class Check {
public:
	Check(FunctionCallInfo fcinfo, Oid server) : result_(fcinfo), server_(server) {}

	void run();

private:
	using Question = std::function<Answer()>;

	bool ask_that(const std::string &step, const Question &question);
	void skip(const std::string &step, const std::string &why);
	void add(const std::string &step, const Answer &answer);

	Answer mapping();
	Answer host(const mongo::Host &host);
	Answer replica_set();
	Answer tls();
	Answer login();
	Answer version();
	Answer database();
	Answer reading();
	Answer writing();
	Answer latency();

	pg::ResultSet result_;
	Oid const server_;
	mongo::Settings settings_;
	std::shared_ptr<mongo::Client> client_;
	std::set<std::string> sets_; /* that the hosts say they are members of */
	bool primary_ = false;
	std::optional<std::string> collection_; /* one that may be read */
};

void Check::add(const std::string &step, const Answer &answer)
{
	pg::Row row;
	row.text(step).text(std::string(answer.state)).text(answer.detail);
	row.text(answer.fix.empty() ? std::nullopt : std::optional<std::string>(answer.fix));
	result_.add(std::move(row));
}

void Check::skip(const std::string &step, const std::string &why)
{
	add(step, not_checked(why));
}

/* ask_that adds the answer to a question and tells whether it was no failure;
 * an error is the answer. */
bool Check::ask_that(const std::string &step, const Question &question)
{
	Answer answer;
	try {
		answer = remote(question);
	} catch (const pg::Error &error) {
		answer =
			failed(std::string(error.what()) + (error.detail.empty() ? "" : ": " + error.detail),
				   error.hint);
	}
	add(step, answer);
	return std::string(answer.state) != "failed";
}

Answer Check::mapping()
{
	MappingOptions mapping;
	connection_settings(server_, pg::call([] { return GetUserId(); }), settings_, mapping);
	connect(server_, pg::call([] { return GetUserId(); })); /* refuses who must have a password */
	client_ = new_client(settings_);
	std::string const role = pg::role_name(pg::call([] { return GetUserId(); }));
	if (!mapping.exists)
		return ok("none for role " + role + ": no login");
	return ok(settings_.username.empty()
				  ? "role " + role + " does not log in"
				  : "role " + role + " logs in as \"" + settings_.username + "\"");
}

/* host asks a host by itself, without logging in. */
Answer Check::host(const mongo::Host &host)
{
	mongo::Settings alone = settings_;
	alone.hosts = {host};
	alone.replica_set = alone.username = alone.password = "";
	alone.auth_mechanism = alone.auth_source = "";
	std::shared_ptr<mongo::Client> const client = new_client(alone);
	std::optional<Reply> hello;
	double const time = timed([&] { hello = ask(*client, "admin", "hello"); });
	std::string const set = hello->text("setName");
	bool const primary = hello->truth("isWritablePrimary");
	primary_ = primary_ || primary;
	sets_.insert(set);
	return ok("answered within " + milliseconds(time) + ", " +
			  (set.empty() ? "stands alone"
						   : std::string(primary ? "primary" : "secondary") + " of replica set \"" +
								 set + "\""));
}

Answer Check::replica_set()
{
	std::string const named = settings_.replica_set;
	std::string const fix = "Set option \"replica_set\" of the server to the name of the set, and "
							"option \"hosts\" to all its members.";
	if (!named.empty() && sets_.count(named) == 0)
		return failed("no host is a member of replica set \"" + named + "\"", fix);
	if (named.empty() && sets_.count("") == 0)
		return failed("the hosts are members of a replica set, and the server names none: after a "
					  "failover writes would be refused",
					  fix);
	if (!primary_)
		return failed("no host that answered accepts writes", "Look after the replica set.");
	return ok(named.empty() ? "none" : "\"" + named + "\" has a primary");
}

Answer Check::tls()
{
	return ok(settings_.tls ? "connections are encrypted, certificates verified"
							: "connections are not encrypted (option \"tls\")");
}

Answer Check::login()
{
	client_->ping();
	if (settings_.username.empty())
		return not_checked("the user mapping names no user");
	return ok("as \"" + settings_.username + "\"");
}

Answer Check::version()
{
	std::string const version = ask(*client_, "admin", "buildInfo").text("version");
	return version.empty() ? not_checked("MongoDB does not tell") : ok(version);
}

Answer Check::database()
{
	if (settings_.database.empty())
		return not_checked("the server has no option \"database\"");
	std::vector<mongo::CollectionInfo> const found =
		mongo::collections(*client_, settings_.database);
	if (!found.empty())
		collection_ = found.front().name;
	return ok("\"" + settings_.database + "\" has " +
			  pg::plural(found.size(), "collection", "collections") + " that may be read");
}

Answer Check::reading()
{
	if (!collection_)
		return not_checked("there is no collection to read");
	mongo::Query query;
	query.database = settings_.database;
	query.collection = *collection_;
	query.limit = 1;
	mongo::Cursor cursor(*client_, query);
	cursor.next();
	return ok("a document of \"" + query.database + "." + query.collection + "\" was asked for");
}

/* grants collects which of the actions that writing needs a privilege gives
 * for the whole database. */
void grants(const bson_iter_t &privilege, const std::string &database,
			std::set<std::string> &granted)
{
	bson_iter_t inner, actions, found;
	auto const field = [&](const char *path) {
		return bson_iter_recurse(&privilege, &inner) &&
			   bson_iter_find_descendant(&inner, path, &found);
	};
	auto const names = [&](const char *path, const std::string &name) {
		return field(path) && BSON_ITER_HOLDS_UTF8(&found) &&
			   name == bson_iter_utf8(&found, nullptr);
	};
	bool const covers = field("resource.anyResource") ||
						((names("resource.db", database) || names("resource.db", "")) &&
						 names("resource.collection", ""));
	if (!covers || !field("actions") || !BSON_ITER_HOLDS_ARRAY(&found) ||
		!bson_iter_recurse(&found, &actions))
		return;
	while (bson_iter_next(&actions))
		if (BSON_ITER_HOLDS_UTF8(&actions))
			granted.insert(bson_iter_utf8(&actions, nullptr));
}

/* writing reads what the user may do; it does not try. */
Answer Check::writing()
{
	if (settings_.database.empty())
		return not_checked("the server has no option \"database\"");
	Reply const status = ask(*client_, "admin", "connectionStatus", "showPrivileges");
	bson_iter_t list, privilege;
	if (!status.find("authInfo.authenticatedUserPrivileges", &list) ||
		!BSON_ITER_HOLDS_ARRAY(&list) || !bson_iter_recurse(&list, &privilege))
		return not_checked("MongoDB does not tell the user's privileges");
	std::set<std::string> granted;
	bool any = false;
	while (bson_iter_next(&privilege)) {
		any = true;
		if (BSON_ITER_HOLDS_DOCUMENT(&privilege))
			grants(privilege, settings_.database, granted);
	}
	if (!any && settings_.username.empty())
		return not_checked("nobody is logged in");
	std::vector<std::string> missing;
	for (const char *action : {"insert", "update", "remove"})
		if (granted.count(action) == 0)
			missing.emplace_back(action);
	if (missing.empty())
		return ok("insert, update and remove are granted for database \"" + settings_.database +
				  "\"");
	return failed("not granted for the whole of database \"" + settings_.database +
					  "\": " + pg::joined(missing, ", "),
				  "Grant the user role readWrite, or ignore this if it has these rights for single "
				  "collections or is not to write.");
}

Answer Check::latency()
{
	std::vector<double> times;
	for (int i = 0; i < kPings; i++)
		times.push_back(timed([&] { client_->ping(); }));
	std::sort(times.begin(), times.end());
	return ok("median of " + std::to_string(kPings) + " pings " +
			  milliseconds(times[times.size() / 2]));
}

void Check::run()
{
	static const char *const kUnreached = "no host answered";
	static const char *const kNotIn = "no login";
	bool const mapped = ask_that("user mapping", [&] { return mapping(); });
	bool reached = false;
	for (const mongo::Host &one : settings_.hosts) {
		std::string const step = "host " + mongo::hosts_as_text({one});
		if (!mapped)
			skip(step, "no connection may be made");
		else if (ask_that(step, [&] { return host(one); }))
			reached = true;
	}
	bool in = false;
	if (reached) {
		ask_that("replica set", [&] { return replica_set(); });
		ask_that("tls", [&] { return tls(); });
		in = ask_that("login", [&] { return login(); });
	} else {
		for (const char *step : {"replica set", "tls", "login"})
			skip(step, kUnreached);
	}

	const std::pair<const char *, Answer (Check::*)()> questions[] = {
		{"version", &Check::version}, {"database", &Check::database}, {"read", &Check::reading},
		{"write", &Check::writing},	  {"latency", &Check::latency},
	};
	for (const auto &[step, question] : questions) {
		if (!in) {
			skip(step, reached ? kNotIn : kUnreached);
			continue;
		}
		if (!client_->usable()) /* what failed took the connection with it */
			client_ = new_client(settings_);
		ask_that(step, [&, q = question] { return (this->*q)(); });
	}
}

} // namespace

} // namespace reconcile::fdw

using namespace reconcile;

RECONCILE_FUNCTION(reconcile_mongo_check)
{
	pg::Arguments const arguments(fcinfo);
	Oid const server = fdw::server_named(arguments.text(0, "server"));
	fdw::Check(fcinfo, server).run();
	return Datum(0);
}

RECONCILE_FUNCTION(reconcile_mongo_collections)
{
	pg::Arguments const arguments(fcinfo);
	Oid const server = fdw::server_named(arguments.text(0, "server"));
	pg::ResultSet result(fcinfo);
	auto const client = fdw::connect(server, pg::call([] { return GetUserId(); }));
	for (const std::string &database : fdw::remote([&] { return mongo::databases(*client); }))
		for (const mongo::CollectionInfo &collection :
			 fdw::remote([&] { return mongo::collections(*client, database); })) {
			pg::Row row;
			row.text(database).text(collection.name).text(collection.type);
			/* To count a view is to run it. */
			row.number(
				collection.type == "view" ? std::nullopt : std::optional<int64>(fdw::remote([&] {
					return mongo::estimated_documents(*client, database, collection.name);
				})));
			result.add(std::move(row));
		}
	return Datum(0);
}
