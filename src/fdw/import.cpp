/*-------------------------------------------------------------------------
 *
 * import.cpp
 *	  IMPORT FOREIGN SCHEMA: foreign tables from what documents look like.
 *
 * A database of MongoDB stands for a schema, a collection for a table.  The
 * type of a column is the one that all values of its field fit; where there is
 * none, jsonb.
 *
 *-------------------------------------------------------------------------
 */
#include "fdw/import.hpp"

#include "fdw/bson_types.hpp"
#include "fdw/connection.hpp"
#include "fdw/survey.hpp"
#include "mongo/catalog.hpp"
#include "mongo/cursor.hpp"
#include "pg/nearest.hpp"
#include "pg/spi.hpp"
#include "pg/text.hpp"

extern "C" {
#include "catalog/heap.h"
#include "commands/defrem.h"
#include "foreign/fdwapi.h"
#include "foreign/foreign.h"
#include "mb/pg_wchar.h"
}

#include <algorithm>
#include <set>

namespace reconcile::fdw {

namespace {

constexpr size_t kMostColumns = 1500; /* PostgreSQL allows 1600 */
constexpr uint64_t kDocumentsBetweenLooks = 256;
constexpr uint64_t kDocumentsBetweenNotices = 1000000;

struct ImportOptions {
	int64_t sample_size = 0; /* documents to look at; 0: all */
	bool flatten = false;	 /* a column for each field of documents within documents */
};

ImportOptions options_of(List *list)
{
	ImportOptions options;
	ListCell *cell;
	foreach (cell, list) {
		auto *element = static_cast<DefElem *>(lfirst(cell));
		std::string const name = element->defname;
		std::string const value = pg::call([&] { return defGetString(element); });
		if (name == "sample_size")
			options.sample_size = sample_size_from(name, value);
		else if (name == "flatten")
			options.flatten = truth_from(name, value);
		else
			invalid_option(name, {"flatten", "sample_size"}, "IMPORT FOREIGN SCHEMA");
	}
	return options;
}

struct ImportedColumn {
	std::string name, path, type, bson_type;
	const Field *field;
};

/* Chosen is what a field becomes. */
struct Chosen {
	std::string type;
	std::string bson_type; /* empty: not asked for */
};

/* type_of chooses the type that holds every value that was seen. */
Chosen type_of(const Field &field)
{
	if (field.only({BSON_TYPE_UTF8}))
		return {"text", ""};
	if (field.only({BSON_TYPE_OID}))
		return {"text", "objectId"};
	if (field.only({BSON_TYPE_BOOL}))
		return {"boolean", ""};
	if (field.only({BSON_TYPE_INT32}))
		return {"integer", ""};
	if (field.only({BSON_TYPE_INT32, BSON_TYPE_INT64}))
		return {"bigint", ""};
	if (field.only({BSON_TYPE_INT32, BSON_TYPE_INT64, BSON_TYPE_DOUBLE}) && !field.beyond_double)
		return {"double precision", ""};
	if (field.only({BSON_TYPE_INT32, BSON_TYPE_INT64, BSON_TYPE_DOUBLE, BSON_TYPE_DECIMAL128}))
		return {"numeric", ""};
	if (field.only({BSON_TYPE_DATE_TIME}) && !field.beyond_dates)
		return {"timestamptz", ""};
	if (field.only({BSON_TYPE_BINARY}))
		return {field.other_binary ? "bytea" : "uuid", ""};
	if (field.only({BSON_TYPE_ARRAY}) && !field.ragged && field.elements != nullptr) {
		Chosen const element = type_of(*field.elements);
		if (element.type != "jsonb")
			return {element.type + "[]", element.bson_type};
	}
	return {"jsonb", ""};
}

/* identifier_from makes a name of PostgreSQL that is not taken: cut where a
 * character ends, and with a number where it would be the second. */
std::string identifier_from(const std::string &name, std::set<std::string> &taken)
{
	auto const clipped = [](const std::string &text, size_t room) {
		return text.substr(0, static_cast<size_t>(pg_encoding_mbcliplen(
								  GetDatabaseEncoding(), text.c_str(),
								  static_cast<int>(text.size()), static_cast<int>(room))));
	};
	std::string candidate = clipped(name, NAMEDATALEN - 1);
	for (int number = 2; !taken.insert(candidate).second; number++) {
		std::string const suffix = "_" + std::to_string(number);
		candidate = clipped(name, NAMEDATALEN - 1 - suffix.size()) + suffix;
	}
	return candidate;
}

/* is_writable_name tells whether the database's encoding has the name. */
bool is_writable_name(const std::string &name)
{
	return GetDatabaseEncoding() == PG_UTF8 ||
		   std::all_of(name.begin(), name.end(), [](char c) { return (c & 0x80) == 0; });
}

/* Columns collects the columns of one table. */
class Columns {
public:
	explicit Columns(const Survey &survey, bool flatten) : flatten_(flatten)
	{
		if (survey.documents() == 0)
			add_id();
		add_fields(survey.root(), "", "");
	}

	std::vector<ImportedColumn> columns;
	uint64_t left_out = 0; /* fields without a column */

private:
	/* A collection without documents has at least an _id. */
	void add_id()
	{
		static const auto *id = new Field;
		taken_.insert("_id");
		columns.push_back({"_id", "_id", "text", "", id});
	}

	void add_fields(const Field &parent, const std::string &path, const std::string &name)
	{
		left_out += parent.unnamed;
		for (const auto &field : parent.fields) {
			std::string const field_path = path.empty() ? field->name : path + "." + field->name;
			std::string const field_name = name.empty() ? field->name : name + "_" + field->name;
			if (is_flat(*field))
				add_fields(*field, field_path, field_name);
			else
				add(*field, field_path, field_name);
		}
	}

	/* is_flat tells whether a field's own fields become columns: all of them
	 * can be named, and there is nothing else. */
	bool is_flat(const Field &field) const
	{
		return flatten_ && field.only({BSON_TYPE_DOCUMENT}) && !field.fields.empty() &&
			   field.unnamed == 0 &&
			   std::none_of(field.fields.begin(), field.fields.end(), [](const auto &inner) {
				   return is_position(inner->name) || !is_writable_name(inner->name);
			   });
	}

	void add(const Field &field, const std::string &path, const std::string &name)
	{
		if (columns.size() == kMostColumns || !is_writable_name(path)) {
			left_out++;
			return;
		}
		bool const system =
			pg::call([&] { return SystemAttributeByName(name.c_str()) != nullptr; });
		Chosen const chosen = type_of(field);
		columns.push_back({identifier_from(system ? name + "_" : name, taken_), path, chosen.type,
						   chosen.bson_type, &field});
	}

	bool const flatten_;
	std::set<std::string> taken_;
};

std::string share(uint64_t part, uint64_t all)
{
	char text[128];
	double percent = 100.0 * static_cast<double>(part) / static_cast<double>(all);
	/* What is not all is not shown as 100 %, what is something not as 0 %. */
	if (part > 0 && part < all)
		percent = std::min(99.9, std::max(0.1, percent));
	snprintf(text, sizeof text, "in %llu of %llu documents (%.*f %%)",
			 static_cast<unsigned long long>(part), static_cast<unsigned long long>(all),
			 part == 0 || part == all ? 0 : 1, percent);
	return text;
}

/* described says of a column how many documents have it, and with which types. */
std::string described(const ImportedColumn &column, const Survey &survey)
{
	if (survey.documents() == 0)
		return "the collection has no documents";
	std::vector<std::string> types;
	for (size_t type = 0; type < column.field->types.size(); type++)
		if (uint64_t const count = column.field->types[type])
			types.push_back(std::string(bson_type_name(static_cast<bson_type_t>(type))) + " " +
							std::to_string(count));
	return share(column.field->documents, survey.documents()) + ": " + pg::joined(types, ", ");
}

/* Import is one statement. */
class Import {
public:
	Import(ImportForeignSchemaStmt *statement, Oid server);

	void run();

private:
	bool wanted(const std::string &table) const;
	void require_listed(const std::vector<mongo::CollectionInfo> &found) const;
	Survey survey_of(const mongo::CollectionInfo &collection) const;
	void tell_progress(const mongo::CollectionInfo &collection, uint64_t documents) const;
	void create(const mongo::CollectionInfo &collection, const std::string &table,
				const Survey &survey) const;

	ImportForeignSchemaStmt *const statement_;
	std::string const database_, schema_, server_;
	ImportOptions const options_;
	std::shared_ptr<mongo::Client> const client_;
};

Import::Import(ImportForeignSchemaStmt *statement, Oid server)
	: statement_(statement), database_(statement->remote_schema), schema_(statement->local_schema),
	  server_(statement->server_name), options_(options_of(statement->options)),
	  client_(connect(server, pg::call([] { return GetUserId(); })))
{
	local([&] { mongo::check_database_name(database_); });
}

bool Import::wanted(const std::string &table) const
{
	return pg::call([&] { return IsImportableForeignTable(table.c_str(), statement_); });
}

/* require_listed refuses a LIMIT TO that names what is not there. */
void Import::require_listed(const std::vector<mongo::CollectionInfo> &found) const
{
	std::vector<std::string> names;
	for (const mongo::CollectionInfo &collection : found)
		names.push_back(collection.name);
	if (names.empty())
		pg::fail(ERRCODE_FDW_SCHEMA_NOT_FOUND,
				 "database \"" + database_ + "\" of server \"" + server_ +
					 "\" has no collections that you may read",
				 {}, pg::did_you_mean(database_, remote([&] { return databases(*client_); })));
	if (statement_->list_type != FDW_IMPORT_SCHEMA_LIMIT_TO)
		return;
	ListCell *cell;
	foreach (cell, statement_->table_list) {
		std::string const name = static_cast<RangeVar *>(lfirst(cell))->relname;
		bool const there = std::any_of(names.begin(), names.end(), [&](const std::string &known) {
			return known.substr(0, NAMEDATALEN - 1) == name;
		});
		if (!there)
			pg::fail(ERRCODE_FDW_TABLE_NOT_FOUND,
					 "collection \"" + database_ + "." + name + "\" does not exist", {},
					 pg::did_you_mean(name, names));
	}
}

Survey Import::survey_of(const mongo::CollectionInfo &collection) const
{
	mongo::Query query;
	query.database = database_;
	query.collection = collection.name;
	query.sample = options_.sample_size;
	query.max_time_ms = milliseconds_left();
	mongo::Cursor cursor = remote([&] { return mongo::Cursor(*client_, query); });
	Survey survey(options_.flatten);
	while (const bson_t *document = remote([&] { return cursor.next(); })) {
		survey.add(document);
		if (survey.documents() % kDocumentsBetweenLooks == 0)
			pg::call([] { CHECK_FOR_INTERRUPTS(); });
		if (survey.documents() % kDocumentsBetweenNotices == 0)
			tell_progress(collection, survey.documents());
	}
	return survey;
}

/* tell_progress is for those who wait: a large collection takes minutes. */
void Import::tell_progress(const mongo::CollectionInfo &collection, uint64_t documents) const
{
	pg::call([&] {
		ereport(NOTICE, (errmsg("looked at %llu documents of collection \"%s.%s\"",
								static_cast<unsigned long long>(documents), database_.c_str(),
								collection.name.c_str())));
	});
}

/* create makes one table with its comments. */
void Import::create(const mongo::CollectionInfo &collection, const std::string &table,
					const Survey &survey) const
{
	Columns const columns(survey, options_.flatten);
	std::vector<std::string> lines;
	bool keyed = false;
	for (const ImportedColumn &column : columns.columns) {
		std::vector<std::string> options;
		if (column.path != column.name)
			options.push_back("path " + pg::literal(column.path));
		if (!column.bson_type.empty())
			options.push_back("bson_type " + pg::literal(column.bson_type));
		keyed = keyed || (column.path == "_id" && column.name == "_id");
		lines.push_back(pg::quoted(column.name) + " " + column.type +
						(options.empty() ? "" : " OPTIONS (" + pg::joined(options, ", ") + ")"));
	}
	std::string const name = pg::quoted(schema_) + "." + pg::quoted(table);
	bool const view = collection.type == "view";

	pg::Spi spi;
	spi.run("CREATE FOREIGN TABLE " + name + " (" + pg::joined(lines, ", ") + ") SERVER " +
				pg::quoted(server_) + " OPTIONS (database " + pg::literal(database_) +
				", collection " + pg::literal(collection.name) +
				(keyed && !view ? ", key '_id'" : "") + (view ? ", updatable 'false'" : "") + ")",
			SPI_OK_UTILITY);
	spi.run("COMMENT ON FOREIGN TABLE " + name + " IS " +
				pg::literal(collection.type + " " + database_ + "." + collection.name + ", " +
							(options_.sample_size > 0 ? "a sample of " : "") +
							pg::plural(survey.documents(), "document", "documents")),
			SPI_OK_UTILITY);
	for (const ImportedColumn &column : columns.columns)
		spi.run("COMMENT ON COLUMN " + name + "." + pg::quoted(column.name) + " IS " +
					pg::literal(described(column, survey)),
				SPI_OK_UTILITY);
	if (columns.left_out > 0)
		pg::call([&] {
			ereport(WARNING,
					(errcode(ERRCODE_WARNING),
					 errmsg("some fields of collection \"%s.%s\" have no column", database_.c_str(),
							collection.name.c_str()),
					 errdetail("Their names cannot be written in a path or in this database, or "
							   "there are too many."),
					 errhint("A jsonb column with an empty path has the whole document.")));
		});
}

void Import::run()
{
	std::vector<mongo::CollectionInfo> const found =
		remote([&] { return mongo::collections(*client_, database_); });
	require_listed(found);
	std::set<std::string> taken;
	for (const mongo::CollectionInfo &collection : found) {
		std::string const table = identifier_from(collection.name, taken);
		if (wanted(table))
			create(collection, table, survey_of(collection));
	}
}

} // namespace

List *import_schema(ImportForeignSchemaStmt *statement, Oid server)
{
	Import(statement, server).run();
	return NIL;
}

} // namespace reconcile::fdw
