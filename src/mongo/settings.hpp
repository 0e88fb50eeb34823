/*-------------------------------------------------------------------------
 *
 * settings.hpp
 *	  How to reach a MongoDB: options as users write them, and as the driver
 *	  takes them.
 *
 * A connection string is never accepted nor assembled from user text: each
 * option is checked by itself and handed to the driver's setters, which do
 * the encoding.
 *
 * Depends on: driver.hpp.  Used by: client.hpp, src/fdw.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "mongo/driver.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace reconcile::mongo {

struct Host {
	std::string name; /* lower case; an IPv6 address without brackets */
	uint16_t port = 27017;
};

/* Settings of one connection; an empty string means not set. */
struct Settings {
	std::vector<Host> hosts;
	std::string database; /* where collections are, unless a table says otherwise */
	std::string replica_set;
	std::string auth_source;
	std::string auth_mechanism;
	std::string username;
	std::string password;
	bool tls = false;
	std::string tls_ca_file;
	std::string read_preference;
	std::string read_concern;
	std::string write_concern; /* 'majority' or a number of members */
	int32_t connect_timeout_ms = 5000;
	int32_t socket_timeout_ms = 60000;
	std::string app_name;
};

/* ConnectionOption describes one option by the name that users write. */
struct ConnectionOption {
	const char *name;
	bool credential; /* belongs to a user mapping, not to a server */
	bool superuser;	 /* reads a file with the server's rights */
};

/* connection_options lists every option that set_option() takes. */
const std::vector<ConnectionOption> &connection_options();

/* set_option checks one option and stores it.  A wrong value throws Error
 * 22023, an option that is refused for a reason 0A000 with that reason, an
 * unknown one HV00D. */
void set_option(Settings &settings, const std::string &name, const std::string &value);

/* check_settings throws an Error when options do not fit together: no hosts,
 * a user without a password, a CA file without TLS. */
void check_settings(const Settings &settings);

/* check_database_name and check_collection_name throw Error 42602 for a name
 * that no MongoDB accepts. */
void check_database_name(const std::string &name);
void check_collection_name(const std::string &name);

/* duration_from reads '1500', '500ms', '5s' or '2min' as milliseconds. */
int32_t duration_from(const std::string &name, const std::string &value);

/* hosts_as_text returns "h1:27017, h2:27017", for messages. */
std::string hosts_as_text(const std::vector<Host> &hosts);

struct UriDeleter {
	void operator()(mongoc_uri_t *uri) const { mongoc_uri_destroy(uri); }
};
using Uri = std::unique_ptr<mongoc_uri_t, UriDeleter>;

/* uri_from makes the driver's form of checked settings. */
Uri uri_from(const Settings &settings);

} // namespace reconcile::mongo
