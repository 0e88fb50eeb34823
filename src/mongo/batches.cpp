/*-------------------------------------------------------------------------
 *
 * batches.cpp
 *	  One result: its first batch by the driver, the others by hand.
 *
 *-------------------------------------------------------------------------
 */
#include "mongo/batches.hpp"

#include "mongo/checked_stream.hpp"
#include "mongo/reply.hpp"

#include <cstring>
#include <poll.h>
#include <utility>

namespace reconcile::mongo {

namespace {

/* What stands before the command in a message: the header, flags, and the kind
 * of the only section. */
constexpr size_t kPreamble = kHeaderBytes + 5;

/* An answer that nobody wants is waited for as long as a server may need that
 * has it nearly ready. */
constexpr int32_t kGraceMs = 50;

/* lost is what the driver says of a connection that broke. */
void lost(bson_error_t *error, const char *what)
{
	bson_set_error(error, MONGOC_ERROR_STREAM, MONGOC_ERROR_STREAM_SOCKET, "%s", what);
}

void put_number(uint8_t *to, int32_t number)
{
	uint32_t const little = BSON_UINT32_TO_LE(static_cast<uint32_t>(number));
	std::memcpy(to, &little, sizeof little);
}

/* is_ok tells whether a server does not refuse; else the error says why it
 * does. */
bool is_ok(const bson_t *reply, bson_error_t *error)
{
	bson_iter_t field;
	if (!bson_iter_init_find(&field, reply, "ok") || bson_iter_as_bool(&field))
		return true;
	uint32_t const code =
		bson_iter_init_find(&field, reply, "code") && BSON_ITER_HOLDS_NUMBER(&field)
			? static_cast<uint32_t>(bson_iter_as_int64(&field))
			: 0;
	const char *const why =
		bson_iter_init_find(&field, reply, "errmsg") && BSON_ITER_HOLDS_UTF8(&field)
			? bson_iter_utf8(&field, nullptr)
			: "unknown error";
	bson_set_error(error, MONGOC_ERROR_SERVER, code, "%s", why);
	return false;
}

/* start_session makes the session that a result belongs to: the server lets
 * nobody else fetch from it. */
Session start_session(Connection &connection, const std::string &action)
{
	mongoc_session_opt_t *options = mongoc_session_opts_new();
	mongoc_session_opts_set_causal_consistency(options, false);
	bson_error_t error;
	Session session(mongoc_client_start_session(connection.client, options, &error));
	mongoc_session_opts_destroy(options);
	bool const has_none = session == nullptr && error.domain == MONGOC_ERROR_CLIENT &&
						  error.code == MONGOC_ERROR_CLIENT_SESSION_FAILURE;
	if (session == nullptr && !has_none)
		connection.fail(error, action);
	return session;
}

} // namespace

Batches::Batches(Connection &connection, Begin begin_with)
	: connection_(connection), begin_(std::move(begin_with))
{
	connection_.require_usable(begin_.action);
	session_ = start_session(connection_, begin_.action);
	begin();
}

Batches::~Batches()
{
	if (connection_.under_way == this)
		connection_.abandon();
}

/* begin lets the driver run the command. */
void Batches::begin()
{
	Document options;
	bson_error_t error;
	if (session_ != nullptr) {
		bson_t with_session = BSON_INITIALIZER;
		bool const added = mongoc_client_session_append(session_.get(), &with_session, &error);
		options = Document::copy_of(&with_session);
		bson_destroy(&with_session);
		if (!added)
			connection_.fail(error, begin_.action);
	}
	bson_t reply;
	bool const done = mongoc_client_read_command_with_opts(
		connection_.client, begin_.database.c_str(), begin_.command.get(), nullptr, options.get(),
		&reply, &error);
	first_ = Document::copy_of(&reply);
	bson_destroy(&reply);
	if (!done)
		connection_.fail(error, begin_.action);
	stream_ = connection_.answered;
	take(first_.get(), "cursor.firstBatch", here_);
}

/* take finds the documents of an answer, and what the server has left.  That
 * these are documents was seen when the answer came in. */
void Batches::take(const bson_t *reply, const char *field, Batch &into)
{
	bson_iter_t top, id, batch;
	const uint8_t *elements = nullptr;
	uint32_t length = 0;
	if (!bson_iter_init(&top, reply) || !bson_iter_find_descendant(&top, "cursor.id", &id) ||
		!BSON_ITER_HOLDS_INT64(&id) || !bson_iter_init(&top, reply) ||
		!bson_iter_find_descendant(&top, field, &batch) || !BSON_ITER_HOLDS_ARRAY(&batch)) {
		connection_.answer_damaged = true;
		connection_.fail({}, begin_.action);
	}
	bson_iter_array(&batch, &length, &elements);
	id_ = bson_iter_int64(&id);
	into.at = elements + sizeof(int32_t);
	into.end = elements + length - 1;
}

const bson_t *Batches::next()
{
	while (here_.at == here_.end) {
		if (connection_.under_way == this)
			collect();
		if (failure_)
			std::rethrow_exception(failure_);
		if (!has_next_ && id_ == 0)
			return nullptr;
		if (!has_next_) {
			ask();
			continue;
		}
		has_next_ = false;
		std::swap(here_, next_);
		first_ = Document();
		if (id_ != 0)
			ask();
	}
	const uint8_t *const key = here_.at + 1;
	const uint8_t *const document = key + std::strlen(reinterpret_cast<const char *>(key)) + 1;
	auto const length = static_cast<size_t>(number_at(document));
	here_.at = document + length;
	bson_init_static(&document_, document, length);
	return &document_;
}

/* ask requests the next batch, and leaves its answer under way. */
void Batches::ask()
{
	connection_.settle();
	if (connection_.interrupted())
		throw Interrupted();
	Document command;
	command.int64("getMore", id_).string("collection", begin_.collection);
	if (begin_.batch_size > 0)
		command.int32("batchSize", begin_.batch_size);
	add_session(command);
	bson_error_t error;
	if (!send(command.get(), &error))
		connection_.fail(error, begin_.action);
	connection_.under_way = this;
}

void Batches::collect() noexcept
{
	try {
		bson_t reply;
		bson_error_t error;
		connection_.under_way = nullptr;
		if (!receive(next_, &reply, &error))
			connection_.fail(error, begin_.action);
		if (!is_ok(&reply, &error)) {
			id_ = 0; /* the server has forgotten it, too */
			connection_.fail(error, begin_.action);
		}
		take(&reply, "cursor.nextBatch", next_);
		has_next_ = true;
	} catch (const Error &) {
		failure_ = std::current_exception();
	} catch (const Interrupted &) {
		failure_ = std::current_exception();
	} catch (const std::exception &) {
		failure_ = std::current_exception();
		connection_.abandon(); /* a part of the answer may still be in it */
	}
}

bool Batches::is_coming() const noexcept
{
	mongoc_stream_poll_t awaited{};
	awaited.stream = stream_of(&connection_, stream_);
	awaited.events = POLLIN;
	return awaited.stream == nullptr || mongoc_stream_poll(&awaited, 1, kGraceMs) != 0;
}

void Batches::end() noexcept
{
	if (id_ == 0 || connection_.silent)
		return;
	try {
		Document cursors, command;
		cursors.int64("0", std::exchange(id_, 0));
		command.string("killCursors", begin_.collection).array("cursors", cursors.get());
		add_session(command);
		bson_error_t error;
		bson_t reply;
		if (!send(command.get(), &error) || !receive(next_, &reply, &error))
			connection_.abandon(); /* its answer may still come */
	} catch (const std::exception &) {
		connection_.abandon();
	}
}

void Batches::add_session(Document &command) const
{
	if (session_ != nullptr)
		command.document("lsid", mongoc_client_session_get_lsid(session_.get()));
	command.string("$db", begin_.database);
}

/* send writes a command to the stream of this result. */
bool Batches::send(const bson_t *command, bson_error_t *error)
{
	mongoc_stream_t *stream = stream_of(&connection_, stream_);
	if (stream == nullptr) {
		lost(error, "the connection to the server that has the result was closed");
		return false;
	}
	uint8_t preamble[kPreamble] = {};
	put_number(preamble, static_cast<int32_t>(kPreamble + command->len));
	put_number(preamble + 4, ++connection_.requests);
	put_number(preamble + 12, kMessage);
	mongoc_iovec_t parts[2];
	parts[0].iov_base = reinterpret_cast<char *>(preamble);
	parts[0].iov_len = kPreamble;
	parts[1].iov_base = reinterpret_cast<char *>(const_cast<uint8_t *>(bson_get_data(command)));
	parts[1].iov_len = command->len;
	ssize_t const sent =
		mongoc_stream_writev(stream, parts, 2, connection_.settings.socket_timeout_ms);
	if (sent == static_cast<ssize_t>(kPreamble + command->len))
		return true;
	lost(error, "could not send the request");
	return false;
}

/* receive waits for the answer to the last request. */
bool Batches::receive(Batch &into, bson_t *reply, bson_error_t *error)
{
	int32_t const timeout = connection_.settings.socket_timeout_ms;
	mongoc_stream_t *stream = stream_of(&connection_, stream_);
	uint8_t head[sizeof(int32_t)];
	if (stream == nullptr ||
		mongoc_stream_read(stream, head, sizeof head, sizeof head, timeout) != sizeof head) {
		lost(error, "the connection broke before the answer came");
		return false;
	}
	auto const length = static_cast<size_t>(number_at(head)) - sizeof head;
	into.at = into.end = nullptr;
	if (into.room < length) {
		into.room = 0;
		into.bytes.reset();					   /* before there is a second one */
		into.bytes.reset(new uint8_t[length]); /* make_unique would fill it with zeros */
		into.room = length;
	}
	if (mongoc_stream_read(stream, into.bytes.get(), length, length, timeout) !=
		static_cast<ssize_t>(length)) {
		lost(error, "the connection broke in the middle of an answer");
		return false;
	}
	size_t const begins = kPreamble - sizeof head; /* the reply, in what was received */
	connection_.answer_damaged |= number_at(into.bytes.get() + 4) != connection_.requests;
	if (!connection_.answer_damaged &&
		bson_init_static(reply, into.bytes.get() + begins, length - begins))
		return true;
	lost(error, "the answer is another one's");
	return false;
}

} // namespace reconcile::mongo
