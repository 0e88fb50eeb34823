/*-------------------------------------------------------------------------
 *
 * bulk.cpp
 *	  Unordered bulk writes, and the meaning of the server's answer.
 *
 *-------------------------------------------------------------------------
 */
#include "mongo/bulk.hpp"

#include "mongo/connection.hpp"

#include <algorithm>
#include <utility>

namespace reconcile::mongo {

namespace {

constexpr const char *kReadAgain = "Read the collection again to see what was written.";

/* Fields of one element of an array in a reply; -1 and "" when absent. */
struct Element {
	int64_t index = -1;
	int code = 0;
	std::string message;
};

Element element_of(const bson_iter_t &array)
{
	Element element;
	bson_iter_t field;
	if (!BSON_ITER_HOLDS_DOCUMENT(&array) || !bson_iter_recurse(&array, &field))
		return element;
	while (bson_iter_next(&field)) {
		std::string_view const key = bson_iter_key(&field);
		if (key == "index" && BSON_ITER_HOLDS_NUMBER(&field))
			element.index = bson_iter_as_int64(&field);
		else if (key == "code" && BSON_ITER_HOLDS_NUMBER(&field))
			element.code = static_cast<int>(bson_iter_as_int64(&field));
		else if (key == "errmsg" && BSON_ITER_HOLDS_UTF8(&field))
			element.message = bson_iter_utf8(&field, nullptr);
	}
	return element;
}

/* for_each visits the elements of one array of a reply, if it is there. */
template <class Visit> void for_each(const bson_t *reply, const char *array, Visit &&visit)
{
	bson_iter_t top, element;
	if (!bson_iter_init_find(&top, reply, array) || !BSON_ITER_HOLDS_ARRAY(&top) ||
		!bson_iter_recurse(&top, &element))
		return;
	while (bson_iter_next(&element))
		visit(element_of(element));
}

int64_t number_of(const bson_t *reply, const char *field)
{
	bson_iter_t found;
	return bson_iter_init_find(&found, reply, field) && BSON_ITER_HOLDS_NUMBER(&found)
			   ? bson_iter_as_int64(&found)
			   : 0;
}

/* broken tells whether an SQLSTATE is one of connections. */
bool broken(std::string_view sqlstate)
{
	return sqlstate.substr(0, 2) == "08";
}

Refusal refusal_of(const Element &element)
{
	return {static_cast<uint32_t>(std::max<int64_t>(element.index, 0)), element.code,
			sqlstate_of_server(element.code), element.message};
}

} // namespace

Bulk::Bulk(Client &client, const std::string &database, const std::string &collection)
	: connection_(client.connection()), name_(database + "." + collection)
{
	check_database_name(database);
	check_collection_name(collection);
	connection_->require_usable("could not write collection \"" + name_ + "\"");
	collection_ =
		mongoc_client_get_collection(connection_->client, database.c_str(), collection.c_str());
}

Bulk::~Bulk()
{
	if (bulk_ != nullptr)
		mongoc_bulk_operation_destroy(bulk_);
	if (collection_ != nullptr)
		mongoc_collection_destroy(collection_);
}

/* begin makes the driver's bulk when the first operation arrives. */
void Bulk::begin()
{
	if (bulk_ != nullptr)
		return;
	Document options;
	options.boolean("ordered", false);
	bulk_ = mongoc_collection_create_bulk_operation_with_opts(collection_, options.get());
}

/* added keeps account of an operation, or throws why it was not accepted. */
void Bulk::added(bool done, const bson_error_t &error, uint64_t bytes, Outcome usual)
{
	if (!done)
		throw Error(sqlstate_of(error), error.message);
	usual_ = usual;
	size_++;
	bytes_ += bytes;
}

void Bulk::upsert(const bson_t *selector, const bson_t *document)
{
	begin();
	Document update, options;
	update.document("$setOnInsert", document);
	options.boolean("upsert", true);
	bson_error_t error;
	bool const done = mongoc_bulk_operation_update_one_with_opts(bulk_, selector, update.get(),
																 options.get(), &error);
	added(done, error, selector->len + update.bytes(), Outcome::kMatched);
}

void Bulk::insert(const bson_t *document)
{
	begin();
	bson_error_t error;
	bool const done = mongoc_bulk_operation_insert_with_opts(bulk_, document, nullptr, &error);
	added(done, error, document->len, Outcome::kInserted);
}

void Bulk::update(const bson_t *selector, const bson_t *change)
{
	begin();
	bson_error_t error;
	bool const done =
		mongoc_bulk_operation_update_one_with_opts(bulk_, selector, change, nullptr, &error);
	added(done, error, selector->len + change->len, Outcome::kTried);
}

void Bulk::replace(const bson_t *selector, const bson_t *document)
{
	begin();
	bson_error_t error;
	bool const done =
		mongoc_bulk_operation_replace_one_with_opts(bulk_, selector, document, nullptr, &error);
	added(done, error, selector->len + document->len, Outcome::kTried);
}

void Bulk::remove(const bson_t *selector)
{
	begin();
	bson_error_t error;
	bool const done = mongoc_bulk_operation_remove_one_with_opts(bulk_, selector, nullptr, &error);
	added(done, error, selector->len, Outcome::kTried);
}

/* result_of reads the answer: every operation is what it is by default,
 * unless the answer names it. */
BulkResult Bulk::result_of(const bson_t *reply) const
{
	BulkResult result;
	result.outcomes.assign(size_, usual_);

	auto const mark = [&](const Element &element, Outcome outcome) {
		if (element.index < 0 || element.index >= size_)
			throw Error("08P01", "could not understand MongoDB's answer to a bulk write",
						"It speaks of operation " + std::to_string(element.index) + " of " +
							std::to_string(size_) + ".");
		result.outcomes[static_cast<size_t>(element.index)] = outcome;
	};
	for_each(reply, "upserted", [&](const Element &e) { mark(e, Outcome::kInserted); });
	for_each(reply, "writeErrors", [&](const Element &e) {
		mark(e, Outcome::kRefused);
		result.refusals.push_back(refusal_of(e));
	});

	std::sort(result.refusals.begin(), result.refusals.end(),
			  [](const Refusal &a, const Refusal &b) { return a.position < b.position; });
	for (Outcome outcome : result.outcomes) {
		result.inserted += outcome == Outcome::kInserted;
		result.matched += outcome == Outcome::kMatched;
	}
	if (usual_ == Outcome::kTried)
		result.affected = static_cast<uint64_t>(written(reply));
	if (result.affected + result.refusals.size() > size_)
		throw Error("08P01", "could not understand MongoDB's answer to a bulk write",
					"It speaks of " + std::to_string(result.affected) + " documents of " +
						std::to_string(size_) + " operations.");
	return result;
}

/* written counts the documents that are other than before: those that an
 * update found, too, even if it left them equal. */
int64_t Bulk::written(const bson_t *reply) const
{
	if (usual_ == Outcome::kTried)
		return number_of(reply, "nMatched") + number_of(reply, "nRemoved");
	return number_of(reply, "nInserted") + number_of(reply, "nUpserted");
}

/* answered tells whether the answer speaks of every operation: a bulk of
 * several commands may have ended after the first.  An update that matches
 * nothing is not spoken of. */
bool Bulk::answered(const bson_t *reply, bool done, const bson_error_t &error) const
{
	int64_t refused = 0;
	for_each(reply, "writeErrors", [&](const Element &) { refused++; });
	if (usual_ == Outcome::kTried) {
		for_each(reply, "writeConcernErrors", [&](const Element &) { refused++; });
		return done || (refused > 0 && !broken(sqlstate_of(error)));
	}
	return refused + number_of(reply, "nInserted") + number_of(reply, "nMatched") +
			   number_of(reply, "nUpserted") >=
		   size_;
}

/* require_confirmed refuses to take for written what the server did not say
 * to be so, or not as safely as the write concern asks. */
void Bulk::require_confirmed(const bson_t *reply, const std::string &action, bool counted) const
{
	for_each(reply, "writeConcernErrors", [&](const Element &why) {
		throw Error(kOutcomeUnknown, action,
					"MongoDB wrote, but not as option \"write_concern\" asks, and a failover may "
					"undo it. It reports: " +
						sentence(why.message),
					kReadAgain);
	});
	if (usual_ == Outcome::kTried ? !counted : !answered(reply, true, {}))
		throw Error(kOutcomeUnknown, action,
					"MongoDB's answer does not account for all of " + std::to_string(size_) +
						" operations.",
					kReadAgain);
}

BulkResult Bulk::execute()
{
	std::string const action = "could not write collection \"" + name_ + "\"";
	if (size_ == 0)
		return {};
	connection_->require_usable(action);

	uint64_t const sent_before = connection_->operations_sent;
	uint64_t const uncounted_before = connection_->answers_without_count;
	bson_error_t error;
	bson_t filled;
	bool const done = mongoc_bulk_operation_execute(bulk_, &filled, &error) != 0;
	Document const reply = Document::copy_of(&filled);
	bson_destroy(&filled);
	if (!done && !answered(reply.get(), done, error))
		fail(error, action, connection_->operations_sent != sent_before, written(reply.get()) > 0);
	require_confirmed(reply.get(), action, connection_->answers_without_count == uncounted_before);
	BulkResult result = result_of(reply.get());
	clear();
	return result;
}

/* fail throws for a bulk of which some operations were not answered. */
void Bulk::fail(const bson_error_t &reported, const std::string &action, bool sent, bool written)
{
	Error const error = connection_->error_of(reported, action);
	/* What breaks while logging in was sent before any operation. */
	bool const in_doubt =
		written || (sent && broken(error.sqlstate) && sqlstate_of(reported) != kNotLoggedIn);
	if (connection_->interrupted() || !in_doubt)
		connection_->fail(reported, action);
	connection_->abandon();
	throw Error(kOutcomeUnknown, action,
				"Not all of " + std::to_string(size_) +
					" operations were answered: any of them may have been written. " + error.detail,
				kReadAgain);
}

/* clear leaves an empty bulk. */
void Bulk::clear()
{
	mongoc_bulk_operation_destroy(std::exchange(bulk_, nullptr));
	size_ = 0;
	bytes_ = 0;
}

} // namespace reconcile::mongo
