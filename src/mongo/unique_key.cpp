/*-------------------------------------------------------------------------
 *
 * unique_key.cpp
 *	  Does the server itself refuse a second document with the same key?
 *
 * MongoDB lists an index while it still builds it, without a word about that,
 * and takes duplicates until it is ready.  So one that looks right must also
 * serve a query that insists on it, which only a complete one does.
 *
 *-------------------------------------------------------------------------
 */
#include "mongo/unique_key.hpp"

#include "mongo/error.hpp"

#include <algorithm>
#include <string_view>

namespace reconcile::mongo {

namespace {

using Fields = std::vector<std::string>;

/* What an index may have besides and still be about every document. */
constexpr std::string_view kHarmless[] = {
	"v", "key", "name", "unique", "ns", "background", "storageEngine", "expireAfterSeconds"};

constexpr std::string_view kIdIndex = "_id_";

/* Index is one entry of the server's list. */
struct Index {
	std::string name;
	Fields fields; /* sorted */
	bool unique = false;
	bool plain = true; /* nothing is said of it that is not known here */
};

/* fields_of returns the fields of an index that orders by them, or none. */
Fields fields_of(const bson_iter_t &key)
{
	Fields fields;
	bson_iter_t field;
	if (!BSON_ITER_HOLDS_DOCUMENT(&key) || !bson_iter_recurse(&key, &field))
		return {};
	while (bson_iter_next(&field)) {
		if (!BSON_ITER_HOLDS_NUMBER(&field))
			return {};
		fields.emplace_back(bson_iter_key(&field));
	}
	if (field.err_off != 0)
		return {};
	std::sort(fields.begin(), fields.end());
	return fields;
}

Index index_of(const bson_iter_t &entry)
{
	Index index;
	bson_iter_t field;
	if (!BSON_ITER_HOLDS_DOCUMENT(&entry) || !bson_iter_recurse(&entry, &field))
		return index;
	while (bson_iter_next(&field)) {
		std::string_view const key = bson_iter_key(&field);
		bool const known =
			std::find(std::begin(kHarmless), std::end(kHarmless), key) != std::end(kHarmless);
		/* "sparse: false" says nothing, either. */
		index.plain &= known || (BSON_ITER_HOLDS_BOOL(&field) && !bson_iter_bool(&field));
		if (key == "key")
			index.fields = fields_of(field);
		else if (key == "name" && BSON_ITER_HOLDS_UTF8(&field))
			index.name = bson_iter_utf8(&field, nullptr);
		else if (key == "unique")
			index.unique = BSON_ITER_HOLDS_BOOL(&field) && bson_iter_bool(&field);
	}
	index.plain &= field.err_off == 0; /* else there may be more */
	return index;
}

std::vector<Index> indexes_in(const bson_t *reply)
{
	std::vector<Index> found;
	bson_iter_t top, batch, entry;
	if (bson_iter_init(&top, reply) &&
		bson_iter_find_descendant(&top, "cursor.firstBatch", &batch) &&
		BSON_ITER_HOLDS_ARRAY(&batch) && bson_iter_recurse(&batch, &entry))
		while (bson_iter_next(&entry))
			found.push_back(index_of(entry));
	return found;
}

/* usable returns the index on these fields that makes them unique.  The index
 * on _id shows how the collection compares text; without it nothing is known. */
const Index *usable(const std::vector<Index> &indexes, const Fields &fields)
{
	auto const by_id = std::find_if(indexes.begin(), indexes.end(), [](const Index &index) {
		return index.plain && index.name == kIdIndex && index.fields.size() == 1 &&
			   index.fields.front() == "_id";
	});
	if (by_id == indexes.end())
		return nullptr;
	auto const found = std::find_if(indexes.begin(), indexes.end(), [&](const Index &index) {
		return index.plain && index.fields == fields && (index.unique || &index == &*by_id);
	});
	return found == indexes.end() ? nullptr : &*found;
}

/* require_complete makes the server look up a key that no document has. */
void require_complete(Client &client, const std::string &database, const std::string &collection,
					  const Index &index, const std::string &action)
{
	bson_oid_t none;
	std::fill(std::begin(none.bytes), std::end(none.bytes), uint8_t{0});
	Document filter, projection, find;
	for (const std::string &field : index.fields)
		filter.object_id(field, none);
	projection.int32("_id", 1);
	find.string("find", collection).document("filter", filter.get());
	find.string("hint", index.name).document("projection", projection.get());
	find.int32("limit", 1).boolean("singleBatch", true);
	client.primary_command(database, find.get(), action);
}

} // namespace

bool is_unique_key(Client &client, const std::string &database, const std::string &collection,
				   const Fields &fields)
{
	check_database_name(database);
	check_collection_name(collection);
	Fields wanted = fields;
	std::sort(wanted.begin(), wanted.end());
	Document list;
	list.string("listIndexes", collection);
	std::string const action =
		"could not list the indexes of collection \"" + database + "." + collection + "\"";
	try {
		std::vector<Index> const indexes =
			indexes_in(client.primary_command(database, list.get(), action).get());
		const Index *index = client.is_routed() ? nullptr : usable(indexes, wanted);
		if (index == nullptr)
			return false;
		if (index->name != kIdIndex)
			require_complete(client, database, collection, *index, action);
		return true;
	} catch (const Error &) {
		if (!client.usable())
			throw;
		return false; /* the server is there, and does not answer this */
	}
}

} // namespace reconcile::mongo
