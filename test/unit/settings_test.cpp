/*-------------------------------------------------------------------------
 *
 * settings_test.cpp
 *	  Options as users write them, good and hostile.
 *
 *-------------------------------------------------------------------------
 */
#include "mongo/error.hpp"
#include "mongo/settings.hpp"

#include <gtest/gtest.h>

using namespace reconcile::mongo;

/* sqlstate_for returns "" when an option is accepted. */
static std::string sqlstate_for(const std::string &name, const std::string &value)
{
	Settings settings;
	try {
		set_option(settings, name, value);
		return "";
	} catch (const Error &error) {
		return error.sqlstate;
	}
}

static Settings with(std::initializer_list<std::pair<const char *, const char *>> options)
{
	Settings settings;
	for (const auto &[name, value] : options)
		set_option(settings, name, value);
	return settings;
}

static std::string hosts(const std::string &text)
{
	Settings settings;
	set_option(settings, "hosts", text);
	return hosts_as_text(settings.hosts);
}

TEST(Settings, Hosts)
{
	EXPECT_EQ(hosts("db1"), "db1:27017");
	EXPECT_EQ(hosts("DB1.Example.com:7, db_2:65535"), "db1.example.com:7, db_2:65535");
	EXPECT_EQ(hosts("[::1]"), "[::1]:27017");
	EXPECT_EQ(hosts("[2001:DB8::1]:27018,10.0.0.1"), "[2001:db8::1]:27018, 10.0.0.1:27017");
}

TEST(Settings, HostsThatAreWrong)
{
	for (const char *text :
		 {"", ",", "a,", "a:0", "a:65536", "a:", "a:1x", "a b", "a@b", "a?tls=false", "[::1",
		  "[x]:1", "[::1]x", "::1", "-a", ".a", "a\tb", "a#", "[fe80::1%eth0]"})
		EXPECT_EQ(sqlstate_for("hosts", text), "22023") << text;
	EXPECT_EQ(sqlstate_for("hosts", std::string("a\0b", 3)), "22023");
	for (const char *text : {"/tmp/mongodb-27017.sock", "%2Ftmp%2Fx.sock", "x.sock", "mongodb://a",
							 "mongodb+srv://a.example.com", "a/?ssl=false"})
		EXPECT_EQ(sqlstate_for("hosts", text), "0A000") << text;
}

TEST(Settings, EveryOptionHasAGoodAndABadValue)
{
	struct {
		const char *name, *good, *bad;
	} const rows[] = {
		{"database", "app", "a/b"},
		{"replica_set", "rs0", ""},
		{"auth_source", "admin", ""},
		{"auth_mechanism", "SCRAM-SHA-256", "SCRAM"},
		{"username", "u", ""},
		{"password", "p", ""},
		{"tls", "true", "maybe"},
		{"tls_ca_file", "/ca.pem", ""},
		{"read_preference", "secondaryPreferred", "fastest"},
		{"read_concern", "majority", "strong"},
		{"write_concern", "majority", "some"},
		{"connect_timeout", "5s", "5 parsecs"},
		{"socket_timeout", "1500", "-1"},
		{"app_name", "x", ""},
		{"hosts", "a", "a:b"},
	};
	EXPECT_EQ(std::size(rows), connection_options().size());
	for (const auto &row : rows) {
		EXPECT_EQ(sqlstate_for(row.name, row.good), "") << row.name;
		EXPECT_NE(sqlstate_for(row.name, row.bad), "") << row.name;
	}
}

TEST(Settings, RefusedWithReason)
{
	EXPECT_EQ(sqlstate_for("colour", "red"), "HV00D");
	for (const char *name :
		 {"uri", "tls_insecure", "srv", "proxy_host", "load_balanced", "tlsInsecure",
		  "tlsAllowInvalidCertificates", "tlsCertificateKeyFile", "proxyHost"})
		EXPECT_EQ(sqlstate_for(name, "x"), "0A000") << name;
	for (const char *mechanism :
		 {"GSSAPI", "gssapi", "MONGODB-AWS", "MONGODB-OIDC", "PLAIN", "MONGODB-X509", "MONGODB-CR"})
		EXPECT_EQ(sqlstate_for("auth_mechanism", mechanism), "0A000") << mechanism;
	EXPECT_EQ(sqlstate_for("write_concern", "0"), "0A000");
}

TEST(Settings, Durations)
{
	EXPECT_EQ(duration_from("t", "1500"), 1500);
	EXPECT_EQ(duration_from("t", "500ms"), 500);
	EXPECT_EQ(duration_from("t", "5 s"), 5000);
	EXPECT_EQ(duration_from("t", "2min"), 120000);
	for (const char *text :
		 {"", "0", "s", "1h", "1.5s", "99999999999", "2147483648", "40000min", "5s "})
		EXPECT_THROW(duration_from("t", text), Error) << text;
}

TEST(Settings, ThatDoNotFitTogether)
{
	EXPECT_THROW(check_settings({}), Error);
	EXPECT_NO_THROW(check_settings(with({{"hosts", "a"}})));
	EXPECT_THROW(check_settings(with({{"hosts", "a"}, {"username", "u"}})), Error);
	EXPECT_THROW(check_settings(with({{"hosts", "a"}, {"password", "p"}})), Error);
	EXPECT_THROW(check_settings(with({{"hosts", "a"}, {"tls_ca_file", "/x"}})), Error);
}

TEST(Settings, HostileCredentialsReachTheDriverUnchanged)
{
	for (const char *secret :
		 {"p@ss:/%\"", "a?tls=false&x=", "ü ñ", "%40", "x'; DROP TABLE t; --"}) {
		Settings const settings =
			with({{"hosts", "h1:1,h2:2"}, {"username", secret}, {"password", secret}});
		Uri const uri = uri_from(settings);
		EXPECT_STREQ(mongoc_uri_get_username(uri.get()), secret);
		EXPECT_STREQ(mongoc_uri_get_password(uri.get()), secret);
		EXPECT_FALSE(mongoc_uri_get_tls(uri.get()));
	}
}

TEST(Settings, BecomeAUri)
{
	Uri const uri = uri_from(with({{"hosts", "h1:1,[::1]:2"},
								   {"replica_set", "rs"},
								   {"username", "u"},
								   {"password", "p"},
								   {"auth_source", "users"},
								   {"auth_mechanism", "SCRAM-SHA-1"},
								   {"read_preference", "nearest"},
								   {"read_concern", "majority"},
								   {"write_concern", "2"},
								   {"connect_timeout", "3s"},
								   {"socket_timeout", "4s"},
								   {"app_name", "me"}}));
	mongoc_uri_t *u = uri.get();
	const mongoc_host_list_t *first = mongoc_uri_get_hosts(u);
	EXPECT_STREQ(first->host_and_port, "h1:1");
	EXPECT_STREQ(first->next->host, "::1");
	EXPECT_EQ(first->next->next, nullptr);
	EXPECT_STREQ(mongoc_uri_get_replica_set(u), "rs");
	EXPECT_STREQ(mongoc_uri_get_auth_source(u), "users");
	EXPECT_STREQ(mongoc_uri_get_auth_mechanism(u), "SCRAM-SHA-1");
	EXPECT_STREQ(mongoc_uri_get_appname(u), "me");
	EXPECT_EQ(mongoc_read_prefs_get_mode(mongoc_uri_get_read_prefs_t(u)), MONGOC_READ_NEAREST);
	EXPECT_STREQ(mongoc_read_concern_get_level(mongoc_uri_get_read_concern(u)), "majority");
	EXPECT_EQ(mongoc_write_concern_get_w(mongoc_uri_get_write_concern(u)), 2);
	EXPECT_EQ(mongoc_uri_get_option_as_int32(u, MONGOC_URI_CONNECTTIMEOUTMS, 0), 3000);
	EXPECT_EQ(mongoc_uri_get_option_as_int32(u, MONGOC_URI_SOCKETTIMEOUTMS, 0), 4000);
	EXPECT_TRUE(mongoc_uri_get_option_as_bool(u, MONGOC_URI_SERVERSELECTIONTRYONCE, false));
	EXPECT_FALSE(mongoc_uri_get_option_as_bool(u, MONGOC_URI_DIRECTCONNECTION, true));
}

TEST(Settings, OneHostIsTalkedToDirectly)
{
	Uri const uri = uri_from(with({{"hosts", "h"}}));
	EXPECT_TRUE(mongoc_uri_get_option_as_bool(uri.get(), MONGOC_URI_DIRECTCONNECTION, false));
	EXPECT_STREQ(mongoc_uri_get_appname(uri.get()), "pg_reconcile");
}

TEST(Settings, Names)
{
	EXPECT_NO_THROW(check_database_name("app-1"));
	EXPECT_NO_THROW(check_collection_name("a.b c'; DROP TABLE x; --\""));
	for (const char *name : {"", "a.b", "a b", "a$", "a/b", "a\"b"})
		EXPECT_THROW(check_database_name(name), Error) << name;
	EXPECT_THROW(check_database_name(std::string(64, 'x')), Error);
	EXPECT_THROW(check_database_name(std::string("a\0b", 3)), Error);
	for (const char *name : {"", "a$b", ".a", "a."})
		EXPECT_THROW(check_collection_name(name), Error) << name;
	EXPECT_THROW(check_collection_name(std::string("a\0b", 3)), Error);
}
