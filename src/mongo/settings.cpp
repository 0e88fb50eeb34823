/*-------------------------------------------------------------------------
 *
 * settings.cpp
 *	  Checks of connection options, and their way into the driver's URI.
 *
 *-------------------------------------------------------------------------
 */
#include "mongo/settings.hpp"

#include "mongo/error.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <cctype>
#include <climits>

namespace reconcile::mongo {

namespace {

/* What an option may hold: any text, or one of some words. */
struct TextOption {
	ConnectionOption option;
	std::string Settings::*where;
	std::vector<std::string> words;
};

const std::vector<TextOption> &text_options()
{
	static const auto *options = new std::vector<TextOption>{
		{{"database", false, false}, &Settings::database, {}},
		{{"replica_set", false, false}, &Settings::replica_set, {}},
		{{"auth_source", false, false}, &Settings::auth_source, {}},
		{{"auth_mechanism", false, false},
		 &Settings::auth_mechanism,
		 {"SCRAM-SHA-256", "SCRAM-SHA-1"}},
		{{"tls_ca_file", false, true}, &Settings::tls_ca_file, {}},
		{{"read_preference", false, false},
		 &Settings::read_preference,
		 {"primary", "primaryPreferred", "secondary", "secondaryPreferred", "nearest"}},
		{{"read_concern", false, false},
		 &Settings::read_concern,
		 {"local", "available", "majority", "linearizable", "snapshot"}},
		{{"app_name", false, false}, &Settings::app_name, {}},
		{{"username", true, false}, &Settings::username, {}},
		{{"password", true, false}, &Settings::password, {}},
	};
	return *options;
}

/* Refused are names and values that MongoDB's tools know and we leave out. */
struct Refused {
	const char *word;
	const char *reason;
};

constexpr const char *kMetadata =
	"It takes credentials from the machine of the PostgreSQL server, which are not its users'.";
constexpr const char *kServerFiles =
	"It would let whoever may create a server read files as the PostgreSQL server.";
constexpr const char *kUnverified = "A connection that is not verified protects nothing.";

constexpr Refused kRefusedMechanisms[] = {
	{"GSSAPI", kMetadata},
	{"MONGODB-AWS", kMetadata},
	{"MONGODB-OIDC", kMetadata},
	{"MONGODB-X509", kServerFiles},
	{"PLAIN", "It sends the password itself to the server."},
	{"MONGODB-CR", "MongoDB dropped it with version 4.0."},
};

constexpr Refused kRefusedOptions[] = {
	{"uri", "Options are checked one by one, which a connection string would bypass."},
	{"tls_certificate_key_file", kServerFiles},
	{"tls_ca_dir", kServerFiles},
	{"tls_crl_file", kServerFiles},
	{"tls_insecure", kUnverified},
	{"tls_allow_invalid_certificates", kUnverified},
	{"tls_allow_invalid_hostnames", kUnverified},
	{"auth_mechanism_properties", "No mechanism that is supported has any."},
	{"load_balanced", "A load balancer gives each command to another server."},
	{"proxy_host", "Only the hosts in option \"hosts\" are contacted."},
	{"srv", "Names would be looked up in a way that cannot be interrupted."},
};

std::string lower(std::string text)
{
	std::transform(text.begin(), text.end(), text.begin(),
				   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
	return text;
}

/* bare makes "tlsInsecure", as connection strings have it, and "tls_insecure"
 * the same. */
std::string bare(std::string name)
{
	name.erase(std::remove(name.begin(), name.end(), '_'), name.end());
	return lower(name);
}

std::string listed(const std::vector<std::string> &words)
{
	std::string text;
	for (const std::string &word : words)
		text += (text.empty() ? "" : ", ") + word;
	return text;
}

[[noreturn]] void invalid(const std::string &name, const std::string &value,
						  const std::string &hint)
{
	throw Error(kInvalidValue, "invalid value for option \"" + name + "\": \"" + value + "\"", {},
				hint);
}

/* number_from reads decimal digits and nothing else; -1 when it cannot. */
int64_t number_from(const std::string &text)
{
	if (text.empty() || text.size() > 10 ||
		!std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c); }))
		return -1;
	return std::stoll(text);
}

bool truth_from(const std::string &name, const std::string &value)
{
	std::string const word = lower(value);
	if (word == "true" || word == "on" || word == "yes" || word == "1")
		return true;
	if (word == "false" || word == "off" || word == "no" || word == "0")
		return false;
	invalid(name, value, "Write true or false.");
}

/* refuse_connection_strings names what is not a host although it is often
 * given as one. */
void refuse_connection_strings(const std::string &text)
{
	std::string const word = lower(text);
	if (word.find("://") != std::string::npos)
		throw Error(kUnsupported, "connection strings are not supported in option \"hosts\"",
					"Options are checked one by one, which a connection string would bypass.",
					"Write host:port, and user and password into a user mapping.");
	if (word.find('/') != std::string::npos || word.find("%2f") != std::string::npos ||
		(word.size() > 5 && word.compare(word.size() - 5, 5, ".sock") == 0))
		throw Error(kUnsupported, "Unix-domain sockets are not supported in option \"hosts\"",
					"They belong to services of the machine of the PostgreSQL server.");
}

bool is_host_name(const std::string &name)
{
	return !name.empty() && name.size() <= 253 && name.front() != '.' && name.front() != '-' &&
		   std::all_of(name.begin(), name.end(), [](unsigned char c) {
			   return c < 128 && (std::isalnum(c) || c == '-' || c == '.' || c == '_');
		   });
}

/* host_from reads "name", "name:port", "[ipv6]" or "[ipv6]:port". */
Host host_from(const std::string &text)
{
	refuse_connection_strings(text);
	const char *const hint = "Write name:port or [IPv6 address]:port, separated by commas.";
	Host host;
	std::string rest;
	if (!text.empty() && text.front() == '[') {
		size_t const end = text.find(']');
		in6_addr address;
		host.name = lower(text.substr(1, end == std::string::npos ? end : end - 1));
		if (end == std::string::npos || inet_pton(AF_INET6, host.name.c_str(), &address) != 1)
			invalid("hosts", text, hint);
		rest = text.substr(end + 1);
	} else {
		size_t const colon = text.find(':');
		host.name = lower(text.substr(0, colon));
		if (!is_host_name(host.name))
			invalid("hosts", text, hint);
		rest = colon == std::string::npos ? "" : text.substr(colon);
	}
	if (!rest.empty()) {
		int64_t const port = rest.front() == ':' ? number_from(rest.substr(1)) : -1;
		if (port < 1 || port > 65535)
			invalid("hosts", text, hint);
		host.port = static_cast<uint16_t>(port);
	}
	return host;
}

std::vector<Host> hosts_from(const std::string &text)
{
	std::vector<Host> hosts;
	for (size_t from = 0; from <= text.size();) {
		size_t const comma = std::min(text.find(',', from), text.size());
		size_t first = from, last = comma;
		while (first < last && text[first] == ' ')
			first++;
		while (last > first && text[last - 1] == ' ')
			last--;
		hosts.push_back(host_from(text.substr(first, last - first)));
		from = comma + 1;
	}
	return hosts;
}

std::string write_concern_from(const std::string &value)
{
	int64_t const members = number_from(value);
	if (value == "0")
		throw Error(kUnsupported, "write concern \"0\" is not supported",
					"The server would not say what it has written.");
	if (value != "majority" && (members < 1 || members > 50))
		invalid("write_concern", value, "Write majority, or a number of members from 1 on.");
	return value;
}

/* as_text writes a host as the driver's URIs do. */
std::string as_text(const Host &host)
{
	bool const ipv6 = host.name.find(':') != std::string::npos;
	return (ipv6 ? "[" + host.name + "]" : host.name) + ":" + std::to_string(host.port);
}

/* set_text stores an option that is any text, or one of some words. */
void set_text(Settings &settings, const TextOption &known, const std::string &value)
{
	std::string const name = known.option.name;
	if (value.empty() || value.find('\0') != std::string::npos)
		invalid(name, value, "It must not be empty.");
	if (name == "auth_mechanism")
		for (const Refused &refused : kRefusedMechanisms)
			if (lower(value) == lower(refused.word))
				throw Error(kUnsupported,
							std::string("authentication mechanism ") + refused.word +
								" is not supported",
							refused.reason, "Use " + listed(known.words) + ".");
	if (name == "database")
		check_database_name(value);
	if (name == "app_name" && value.size() > MONGOC_HANDSHAKE_APPNAME_MAX)
		invalid(name, value, "It may have 128 bytes.");
	if (!known.words.empty() &&
		std::find(known.words.begin(), known.words.end(), value) == known.words.end())
		invalid(name, value, "Valid values are: " + listed(known.words) + ".");
	settings.*known.where = value;
}

} // namespace

const std::vector<ConnectionOption> &connection_options()
{
	static const auto *options = [] {
		auto *all = new std::vector<ConnectionOption>{{"hosts", false, false},
													  {"tls", false, false},
													  {"write_concern", false, false},
													  {"connect_timeout", false, false},
													  {"socket_timeout", false, false}};
		for (const TextOption &known : text_options())
			all->push_back(known.option);
		return all;
	}();
	return *options;
}

void set_option(Settings &settings, const std::string &name, const std::string &value)
{
	if (name == "hosts")
		settings.hosts = hosts_from(value);
	else if (name == "tls")
		settings.tls = truth_from(name, value);
	else if (name == "write_concern")
		settings.write_concern = write_concern_from(value);
	else if (name == "connect_timeout")
		settings.connect_timeout_ms = duration_from(name, value);
	else if (name == "socket_timeout")
		settings.socket_timeout_ms = duration_from(name, value);
	else {
		for (const TextOption &known : text_options())
			if (name == known.option.name)
				return set_text(settings, known, value);
		for (const Refused &refused : kRefusedOptions)
			if (bare(name) == bare(refused.word))
				throw Error(kUnsupported, "option \"" + name + "\" is not supported",
							refused.reason);
		throw Error(kInvalidOption, "invalid option \"" + name + "\"");
	}
}

void check_settings(const Settings &settings)
{
	if (settings.hosts.empty())
		throw Error("HV00J", "option \"hosts\" is missing", {},
					"Write the server's hosts, as in hosts 'db.example.com:27017'.");
	if (settings.username.empty() != settings.password.empty())
		throw Error("HV00J",
					std::string("option \"") +
						(settings.username.empty() ? "username" : "password") + "\" is missing",
					"A user mapping has both or none of them.");
	if (!settings.tls_ca_file.empty() && !settings.tls)
		throw Error(kInvalidValue, "option \"tls_ca_file\" needs option \"tls\"");
}

void check_database_name(const std::string &name)
{
	if (name.empty() || name.size() > 63 ||
		name.find_first_of(std::string("/\\. \"$*<>:|?\0", 13)) != std::string::npos)
		throw Error("42602", "invalid name of a MongoDB database: \"" + name + "\"",
					"It has 1 to 63 bytes, and none of / \\ . \" $ * < > : | ? and space.");
}

void check_collection_name(const std::string &name)
{
	if (name.empty() || name.size() > 180 || name.front() == '.' || name.back() == '.' ||
		name.find_first_of(std::string("$\0", 2)) != std::string::npos)
		throw Error("42602", "invalid name of a MongoDB collection: \"" + name + "\"",
					"It has 1 to 180 bytes, no $, and no period at its ends.");
}

int32_t duration_from(const std::string &name, const std::string &value)
{
	struct {
		const char *unit;
		int64_t milliseconds;
	} constexpr kUnits[] = {{"", 1}, {"ms", 1}, {"s", 1000}, {"min", 60000}};

	size_t const digits = std::min(value.find_first_not_of("0123456789"), value.size());
	std::string unit = value.substr(digits);
	unit.erase(0,
			   unit.find_first_not_of(' ') == std::string::npos ? 0 : unit.find_first_not_of(' '));
	int64_t const number = number_from(value.substr(0, digits));
	for (const auto &known : kUnits)
		if (unit == known.unit && number > 0 && number <= INT_MAX / known.milliseconds)
			return static_cast<int32_t>(number * known.milliseconds);
	invalid(name, value, "Write milliseconds, or a number with unit ms, s or min.");
}

std::string hosts_as_text(const std::vector<Host> &hosts)
{
	std::string text;
	for (const Host &host : hosts)
		text += (text.empty() ? "" : ", ") + as_text(host);
	return text;
}

/* set_concerns hands on where to read from and how sure to be of it. */
static void set_concerns(mongoc_uri_t *uri, const Settings &settings)
{
	struct {
		const char *word;
		mongoc_read_mode_t mode;
	} constexpr kPreferences[] = {
		{"primary", MONGOC_READ_PRIMARY},
		{"primaryPreferred", MONGOC_READ_PRIMARY_PREFERRED},
		{"secondary", MONGOC_READ_SECONDARY},
		{"secondaryPreferred", MONGOC_READ_SECONDARY_PREFERRED},
		{"nearest", MONGOC_READ_NEAREST},
	};
	for (const auto &known : kPreferences)
		if (settings.read_preference == known.word) {
			mongoc_read_prefs_t *preference = mongoc_read_prefs_new(known.mode);
			mongoc_uri_set_read_prefs_t(uri, preference);
			mongoc_read_prefs_destroy(preference);
		}
	if (!settings.read_concern.empty()) {
		mongoc_read_concern_t *concern = mongoc_read_concern_new();
		mongoc_read_concern_set_level(concern, settings.read_concern.c_str());
		mongoc_uri_set_read_concern(uri, concern);
		mongoc_read_concern_destroy(concern);
	}
	if (!settings.write_concern.empty()) {
		mongoc_write_concern_t *concern = mongoc_write_concern_new();
		if (settings.write_concern == "majority")
			mongoc_write_concern_set_w(concern, MONGOC_WRITE_CONCERN_W_MAJORITY);
		else
			mongoc_write_concern_set_w(concern, std::stoi(settings.write_concern));
		mongoc_uri_set_write_concern(uri, concern);
		mongoc_write_concern_destroy(concern);
	}
}

/* The driver has a setter for everything but a list of hosts; so the hosts,
 * whose characters were checked, are all that is ever parsed. */
Uri uri_from(const Settings &settings)
{
	std::string hosts;
	for (const Host &host : settings.hosts)
		hosts += (hosts.empty() ? "" : ",") + as_text(host);
	bson_error_t error;
	Uri uri(mongoc_uri_new_with_error(("mongodb://" + hosts + "/").c_str(), &error));
	if (uri == nullptr)
		throw Error(kInvalidValue, "invalid value for option \"hosts\": \"" + hosts + "\"",
					sentence(error.message));

	auto const require = [](bool done, const char *option) {
		if (!done)
			throw Error(kInvalidValue, std::string("invalid value for option \"") + option + "\"");
	};
	auto const text = [&](const std::string &value, const char *option, auto &&set) {
		if (!value.empty())
			require(set(uri.get(), value.c_str()), option);
	};
	auto const set_replica_set = [](mongoc_uri_t *u, const char *v) {
		return mongoc_uri_set_option_as_utf8(u, MONGOC_URI_REPLICASET, v);
	};
	text(settings.username, "username", mongoc_uri_set_username);
	text(settings.password, "password", mongoc_uri_set_password);
	/* How to log in is no matter for those who do not. */
	bool const login = !settings.username.empty();
	text(login ? settings.auth_mechanism : "", "auth_mechanism", mongoc_uri_set_auth_mechanism);
	text(login ? settings.auth_source : "", "auth_source", mongoc_uri_set_auth_source);
	text(settings.replica_set, "replica_set", set_replica_set);
	text(settings.app_name.empty() ? "pg_reconcile" : settings.app_name, "app_name",
		 mongoc_uri_set_appname);
	set_concerns(uri.get(), settings);

	struct {
		const char *key;
		bool value;
	} const flags[] = {
		/* The driver pauses before it looks for a server again, which not every
		 * version lets us interrupt; so it looks once, and repeats nothing. */
		{MONGOC_URI_SERVERSELECTIONTRYONCE, true},
		{MONGOC_URI_RETRYREADS, false},
		{MONGOC_URI_RETRYWRITES, false},
		/* One host that is not said to be of a set is the one to talk to. */
		{MONGOC_URI_DIRECTCONNECTION, settings.hosts.size() == 1 && settings.replica_set.empty()},
		{MONGOC_URI_TLS, settings.tls},
	};
	for (const auto &flag : flags)
		require(mongoc_uri_set_option_as_bool(uri.get(), flag.key, flag.value), flag.key);
	require(mongoc_uri_set_option_as_int32(uri.get(), MONGOC_URI_CONNECTTIMEOUTMS,
										   settings.connect_timeout_ms),
			"connect_timeout");
	require(mongoc_uri_set_option_as_int32(uri.get(), MONGOC_URI_SOCKETTIMEOUTMS,
										   settings.socket_timeout_ms),
			"socket_timeout");
	return uri;
}

} // namespace reconcile::mongo
