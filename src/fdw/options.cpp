/*-------------------------------------------------------------------------
 *
 * options.cpp
 *	  The options of servers, user mappings, foreign tables and columns.
 *
 *-------------------------------------------------------------------------
 */
#include "fdw/options.hpp"

#include "fdw/bson_types.hpp"
#include "mongo/document.hpp"
#include "pg/nearest.hpp"
#include "pg/text.hpp"

extern "C" {
#include "access/reloptions.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_foreign_table.h"
#include "catalog/pg_user_mapping.h"
#include "commands/defrem.h"
#include "foreign/foreign.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
}

#include <algorithm>

namespace reconcile::fdw {

namespace {

using Options = std::vector<std::pair<std::string, std::string>>;

constexpr int32_t kLargestBatch = 10000;
constexpr size_t kDeepestPath = 100; /* names; MongoDB nests no deeper */

const std::vector<std::string> &table_option_names()
{
	static const auto *names = new std::vector<std::string>{
		"database",	  "collection", "key",		   "filter",
		"batch_size", "updatable",	"on_mismatch", "missing_collection"};
	return *names;
}

const std::vector<std::string> &column_option_names()
{
	static const auto *names = new std::vector<std::string>{"path", "bson_type", "write_as"};
	return *names;
}

/* connection_option_names lists what belongs to a server, or to a mapping. */
std::vector<std::string> connection_option_names(bool credentials)
{
	std::vector<std::string> names;
	for (const mongo::ConnectionOption &option : mongo::connection_options())
		if (option.credential == credentials)
			names.emplace_back(option.name);
	if (credentials)
		names.emplace_back("password_required");
	std::sort(names.begin(), names.end());
	return names;
}

/* options_of copies a list of DefElem. */
Options options_of(List *list)
{
	Options options;
	ListCell *cell;
	foreach (cell, list) {
		auto *element = static_cast<DefElem *>(lfirst(cell));
		const char *value = pg::call([&] { return defGetString(element); });
		options.emplace_back(element->defname, value);
	}
	return options;
}

[[noreturn]] void invalid_value(const std::string &name, const std::string &value,
								const std::string &hint)
{
	pg::fail(ERRCODE_INVALID_PARAMETER_VALUE,
			 "invalid value for option \"" + name + "\": \"" + value + "\"", {}, hint);
}

} // namespace

void invalid_option(const std::string &name, const std::vector<std::string> &valid,
					const char *where, const std::string &hint)
{
	pg::fail(ERRCODE_FDW_INVALID_OPTION_NAME, "invalid option \"" + name + "\"",
			 std::string("Valid options of ") + where + " are: " + pg::joined(valid, ", ") + ".",
			 hint.empty() ? pg::did_you_mean(name, valid) : hint);
}

bool truth_from(const std::string &name, const std::string &value)
{
	bool truth;
	if (!pg::call([&] { return parse_bool(value.c_str(), &truth); }))
		invalid_value(name, value, "Write true or false.");
	return truth;
}

int64_t sample_size_from(const std::string &name, const std::string &value)
{
	bool const digits = !value.empty() && value.size() <= 15 &&
						value.find_first_not_of("0123456789") == std::string::npos;
	if (!digits)
		invalid_value(name, value, "Write a whole number, or 0 for all documents.");
	return std::stoll(value);
}

namespace {

/* number_from reads a whole number from 1 to the largest batch. */
int32_t batch_size_from(const std::string &name, const std::string &value)
{
	bool const digits = !value.empty() && value.size() <= 5 &&
						value.find_first_not_of("0123456789") == std::string::npos;
	int const number = digits ? std::stoi(value) : 0;
	if (number < 1 || number > kLargestBatch)
		invalid_value(name, value,
					  "Write a whole number from 1 to " + std::to_string(kLargestBatch) + ".");
	return number;
}

/* names_from splits names at commas.  Blanks around a name are dropped; a name
 * with a comma in it stands in double quotes. */
std::vector<std::string> names_from(const std::string &option, const std::string &value)
{
	std::vector<std::string> names;
	size_t at = 0;
	auto const skip_blanks = [&] {
		while (at < value.size() && value[at] == ' ')
			at++;
	};
	for (;;) {
		std::string name;
		skip_blanks();
		if (at < value.size() && value[at] == '"') {
			for (at++; at < value.size(); at++) {
				if (value[at] == '"' && (++at >= value.size() || value[at] != '"'))
					break;
				name += value[at];
			}
			skip_blanks();
		} else {
			size_t const end = std::min(value.find(',', at), value.size());
			name = value.substr(at, end - at);
			name.erase(name.find_last_not_of(' ') + 1);
			at = end;
		}
		if (name.empty() || (at < value.size() && value[at] != ','))
			invalid_value(option, value, "Write names of columns, separated by commas.");
		names.push_back(name);
		if (at++ >= value.size())
			return names;
	}
}

void set_table_option(TableOptions &table, const std::string &name, const std::string &value)
{
	if (name == "database") {
		local([&] { mongo::check_database_name(value); });
		table.database = value;
	} else if (name == "collection") {
		local([&] { mongo::check_collection_name(value); });
		table.collection = value;
	} else if (name == "key") {
		table.key = names_from(name, value);
	} else if (name == "filter") {
		local([&] { mongo::Document::from_json(value); });
		table.filter = value;
	} else if (name == "batch_size") {
		table.batch_size = batch_size_from(name, value);
	} else if (name == "updatable") {
		table.updatable = truth_from(name, value);
	} else if (name == "on_mismatch") {
		if (value == "error")
			table.on_mismatch = OnMismatch::kError;
		else if (value == "null")
			table.on_mismatch = OnMismatch::kNull;
		else if (value == "skip")
			table.on_mismatch = OnMismatch::kSkip;
		else
			invalid_value(name, value, "Write error, null or skip.");
	} else if (name == "missing_collection") {
		if (value != "error" && value != "empty")
			invalid_value(name, value, "Write error or empty.");
		table.missing_is_empty = value == "empty";
	} else {
		invalid_option(name, table_option_names(), "a foreign table");
	}
}

void set_column_option(ColumnOptions &column, const std::string &name, const std::string &value)
{
	if (name == "path") {
		path_parts(value);
		column.path = value;
	} else if (name == "bson_type" || name == "write_as") {
		if (!bson_type_from(value))
			invalid_value(name, value,
						  "Write one of: " + pg::joined(bson_type_names(), ", ") + ".");
		(name == "bson_type" ? column.bson_type : column.write_as) = value;
	} else {
		invalid_option(name, column_option_names(), "a column");
	}
}

/* set_connection_option stores an option that belongs where it was written.
 * One that MongoDB has and that is refused says so before one that is unknown. */
void set_connection_option(mongo::Settings &settings, MappingOptions &mapping, bool credentials,
						   const std::string &name, const std::string &value)
{
	std::vector<std::string> const valid = connection_option_names(credentials);
	const char *const where = credentials ? "a user mapping" : "a server";
	if (!pg::contains(valid, name)) {
		if (pg::contains(connection_option_names(!credentials), name))
			invalid_option(name, valid, where,
						   credentials ? "Write it among the options of the server."
									   : "Write it among the options of a user mapping.");
		try {
			mongo::set_option(settings, name, value);
		} catch (const mongo::Error &error) {
			if (std::string(error.sqlstate) != mongo::kInvalidOption)
				throw error_of(error);
		}
		invalid_option(name, valid, where);
	}
	if (name == "password_required") {
		mapping.password_required = truth_from(name, value);
		return;
	}
	local([&] { mongo::set_option(settings, name, value); });
}

/* require_superuser refuses what reads files, or drops the rule that protects
 * the credentials of others, to everybody else. */
void require_superuser(const std::string &name)
{
	if (!pg::call([] { return superuser(); }))
		pg::fail(ERRCODE_INSUFFICIENT_PRIVILEGE, "permission denied to set option \"" + name + "\"",
				 "Only a superuser may set it.");
}

void check_server(const Options &options)
{
	mongo::Settings settings;
	MappingOptions mapping;
	for (const auto &[name, value] : options) {
		set_connection_option(settings, mapping, false, name, value);
		for (const mongo::ConnectionOption &option : mongo::connection_options())
			if (option.superuser && name == option.name)
				require_superuser(name);
	}
	local([&] { mongo::check_settings(settings); });
}

void check_mapping(const Options &options)
{
	mongo::Settings settings;
	MappingOptions mapping;
	for (const auto &[name, value] : options)
		set_connection_option(settings, mapping, true, name, value);
	if (!mapping.password_required)
		require_superuser("password_required");
	/* The rest is the server's; only that user and password fit is ours. */
	settings.hosts.push_back({"localhost", 27017});
	local([&] { mongo::check_settings(settings); });
}

/* check sorts options by the catalog they are for. */
void check(const Options &options, Oid catalog)
{
	if (catalog == ForeignServerRelationId) {
		check_server(options);
	} else if (catalog == UserMappingRelationId) {
		check_mapping(options);
	} else if (catalog == ForeignTableRelationId) {
		TableOptions table;
		for (const auto &[name, value] : options)
			set_table_option(table, name, value);
	} else if (catalog == AttributeRelationId) {
		ColumnOptions column;
		for (const auto &[name, value] : options)
			set_column_option(column, name, value);
	} else if (!options.empty()) {
		pg::fail(ERRCODE_FDW_INVALID_OPTION_NAME,
				 "invalid option \"" + options.front().first + "\"",
				 "The foreign data wrapper itself has no options.",
				 "Write options to the server, the user mapping, the table or the column.");
	}
}

/* mapping_of finds the mapping of a user, or the one of everybody. */
Oid mapping_of(Oid server, Oid user)
{
	return pg::call([&] {
		HeapTuple tuple = SearchSysCache2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(user),
										  ObjectIdGetDatum(server));
		if (!HeapTupleIsValid(tuple))
			tuple = SearchSysCache2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(InvalidOid),
									ObjectIdGetDatum(server));
		if (!HeapTupleIsValid(tuple))
			return InvalidOid;
		Oid const found = reinterpret_cast<Form_pg_user_mapping>(GETSTRUCT(tuple))->oid;
		ReleaseSysCache(tuple);
		return found;
	});
}

} // namespace

int sqlstate_number(const char *s)
{
	return MAKE_SQLSTATE(s[0], s[1], s[2], s[3], s[4]);
}

pg::Error error_of(const mongo::Error &error)
{
	return pg::Error(sqlstate_number(error.sqlstate), error.what(), error.detail, error.hint);
}

std::vector<std::string> path_parts(const std::string &path)
{
	std::vector<std::string> parts;
	if (path.empty())
		return parts;
	for (size_t from = 0; from <= path.size();) {
		size_t const end = std::min(path.find('.', from), path.size());
		parts.push_back(path.substr(from, end - from));
		if (parts.back().empty() || parts.back().front() == '$')
			pg::fail(ERRCODE_INVALID_PARAMETER_VALUE, "invalid path \"" + path + "\"",
					 "A path is a list of field names separated by periods; a name is not empty "
					 "and does not begin with $.",
					 "Set option \"path\" of the column.");
		from = end + 1;
	}
	if (parts.size() > kDeepestPath)
		pg::fail(ERRCODE_INVALID_PARAMETER_VALUE, "path is too long",
				 "It has " + std::to_string(parts.size()) +
					 " names, and documents in MongoDB are nested up to " +
					 std::to_string(kDeepestPath) + " deep.");
	return parts;
}

bool is_position(const std::string &name)
{
	return name.find_first_not_of("0123456789") == std::string::npos;
}

TableOptions table_options(Oid relation)
{
	ForeignTable *foreign = pg::call([&] { return GetForeignTable(relation); });
	ForeignServer *server = pg::call([&] { return GetForeignServer(foreign->serverid); });

	TableOptions table;
	for (const auto &[name, value] : options_of(server->options))
		if (name == "database")
			table.database = value;
	for (const auto &[name, value] : options_of(foreign->options))
		set_table_option(table, name, value);
	if (table.collection.empty())
		table.collection = pg::call([&] { return get_rel_name(relation); });
	if (table.database.empty())
		pg::fail(ERRCODE_FDW_OPTION_NAME_NOT_FOUND,
				 "option \"database\" is missing for foreign table " + pg::qualified_name(relation),
				 {}, "Set it for the table or for its server.");
	return table;
}

ColumnOptions column_options(Oid relation, AttrNumber number)
{
	ColumnOptions column;
	List *list = pg::call([&] { return GetForeignColumnOptions(relation, number); });
	for (const auto &[name, value] : options_of(list))
		set_column_option(column, name, value);
	return column;
}

Oid connection_settings(Oid server_oid, Oid user, mongo::Settings &settings,
						MappingOptions &mapping)
{
	ForeignServer *server = pg::call([&] { return GetForeignServer(server_oid); });
	for (const auto &[name, value] : options_of(server->options))
		set_connection_option(settings, mapping, false, name, value);

	Oid const found = mapping_of(server_oid, user);
	mapping.exists = OidIsValid(found);
	if (mapping.exists) {
		UserMapping *user_mapping = pg::call([&] { return GetUserMapping(user, server_oid); });
		for (const auto &[name, value] : options_of(user_mapping->options))
			set_connection_option(settings, mapping, true, name, value);
	}
	return found;
}

} // namespace reconcile::fdw

using namespace reconcile;

RECONCILE_FUNCTION(reconcile_mongo_validator)
{
	List *list = pg::call([&] { return untransformRelOptions(PG_GETARG_DATUM(0)); });
	fdw::check(fdw::options_of(list), PG_GETARG_OID(1));
	return Datum(0);
}
