/*-------------------------------------------------------------------------
 *
 * options.hpp
 *	  The options of servers, user mappings, foreign tables and columns.
 *
 * What CREATE and ALTER accept is checked by one function, and read by
 * another with the same tables; so an option that was accepted is understood.
 *
 * Terms.  A "path" names a field from the top of a document, as in
 * 'owner.name' or 'tags.0'; the empty path is the document itself.
 *
 * Depends on: mongo/settings.hpp, pg/boundary.hpp.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "pg/boundary.hpp"

#include "mongo/error.hpp"
#include "mongo/settings.hpp"

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace reconcile::fdw {

/* OnMismatch says what a value that does not fit its column does. */
enum class OnMismatch : uint8_t { kError, kNull, kSkip };

struct TableOptions {
	std::string database, collection;
	std::string filter; /* extended JSON, or empty */
	std::vector<std::string> key;
	int32_t batch_size = 0; /* 0: not given */
	bool updatable = true;
	OnMismatch on_mismatch = OnMismatch::kError;
	bool missing_is_empty = false;

	std::string full_name() const { return database + "." + collection; }
};

struct ColumnOptions {
	std::optional<std::string> path;
	std::string bson_type; /* read from and written as; as $type calls it, or empty */
	std::string write_as;  /* written as, whatever is read */
};

struct MappingOptions {
	bool exists = false;
	bool password_required = true;
};

/* table_options reads the options of a foreign table and of its server. */
TableOptions table_options(Oid relation);

/* column_options reads the options of one column. */
ColumnOptions column_options(Oid relation, AttrNumber column);

/* connection_settings reads the options of a server and of a user's mapping,
 * whose identifier is returned, or InvalidOid when there is none. */
Oid connection_settings(Oid server, Oid user, mongo::Settings &settings, MappingOptions &mapping);

/* path_parts splits a path where its periods are.  Throws Error 22023 for a
 * path that cannot name a field. */
std::vector<std::string> path_parts(const std::string &path);

/* is_position tells whether a name in a path is one of an array's element. */
bool is_position(const std::string &name);

/* Values of options: a word for true or false, and a number of documents that
 * may be 0.  Raise 22023 for another value. */
bool truth_from(const std::string &name, const std::string &value);
int64_t sample_size_from(const std::string &name, const std::string &value);

/* invalid_option raises HV00D with the valid names of a place. */
[[noreturn]] void invalid_option(const std::string &name, const std::vector<std::string> &valid,
								 const char *where, const std::string &hint = {});

/* sqlstate_number packs an SQLSTATE of five characters. */
int sqlstate_number(const char *sqlstate);

/* error_of makes an error of PostgreSQL from one of MongoDB's room. */
pg::Error error_of(const mongo::Error &error);

/* local runs code of src/mongo that does not wait for the network. */
template <class F> auto local(F &&f) -> std::invoke_result_t<F &>
{
	try {
		return f();
	} catch (const mongo::Error &error) {
		throw error_of(error);
	}
}

} // namespace reconcile::fdw
