/*-------------------------------------------------------------------------
 *
 * checked_stream.cpp
 *	  A mongoc_stream_t that lets only sound answers pass.
 *
 * As in stream.cpp, nothing here throws: the driver's C frames are around it.
 *
 *-------------------------------------------------------------------------
 */
#include "mongo/checked_stream.hpp"

#include "mongo/connection.hpp"
#include "mongo/reply.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace reconcile::mongo {

/* Checked is freed by the driver, which knows it by its first member. */
struct Checked {
	mongoc_stream_t base;
	mongoc_stream_t *below;
	Connection *connection;
	uint64_t number;
	Checked *next;	 /* of the connection's streams */
	int32_t asked;	 /* the kind of the last request */
	size_t to_send;	 /* bytes of it that are still to come */
	uint8_t *buffer; /* answers: [given, passed) may be given, [passed, filled) not yet */
	size_t room, given, passed, filled;
	size_t start; /* of the answer that is being received; its length may be given before */
};

namespace {

/* The driver compares the types of the lowest streams only; any number above
 * its own will do. */
constexpr int kCheckedType = 1001;

/* An answer that is longer is given back when it has been read. */
constexpr size_t kKeptBytes = 1024 * 1024;

Checked *self(mongoc_stream_t *stream)
{
	return reinterpret_cast<Checked *>(stream);
}

/* release takes a stream out of the connection's list. */
void release(Checked *s)
{
	Checked **at = &s->connection->streams;
	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	bson_free(s->buffer);
	bson_free(s);
}

void BSON_CALL checked_destroy(mongoc_stream_t *stream) noexcept
{
	mongoc_stream_destroy(self(stream)->below);
	release(self(stream));
}

void BSON_CALL checked_failed(mongoc_stream_t *stream) noexcept
{
	mongoc_stream_failed(self(stream)->below);
	release(self(stream));
}

int BSON_CALL checked_close(mongoc_stream_t *stream) noexcept
{
	return mongoc_stream_close(self(stream)->below);
}

int BSON_CALL checked_flush(mongoc_stream_t *stream) noexcept
{
	return mongoc_stream_flush(self(stream)->below);
}

/* note_request remembers what is asked, which says how it is answered. */
void note_request(Checked *s, const mongoc_iovec_t *vector, size_t count)
{
	uint8_t header[kHeaderBytes];
	size_t known = 0;
	for (size_t i = 0; i < count && known < sizeof header; i++) {
		size_t const part = std::min(vector[i].iov_len, sizeof header - known);
		std::memcpy(header + known, vector[i].iov_base, part);
		known += part;
	}
	if (known == sizeof header) {
		s->to_send = static_cast<size_t>(number_at(header));
		s->asked = number_at(header + 12);
	}
}

ssize_t BSON_CALL checked_writev(mongoc_stream_t *stream, mongoc_iovec_t *vector, size_t count,
								 int32_t timeout) noexcept
{
	Checked *const s = self(stream);
	if (s->to_send == 0)
		note_request(s, vector, count);
	ssize_t const sent = mongoc_stream_writev(s->below, vector, count, timeout);
	if (sent > 0)
		s->to_send -= std::min(s->to_send, static_cast<size_t>(sent));
	return sent;
}

/* announced is the length of the answer that is being received. */
int32_t announced(const Checked *s)
{
	return number_at(s->buffer + s->start);
}

/* refuse breaks the connection. */
ssize_t refuse(Checked *s)
{
	s->connection->answer_damaged = true;
	mongoc_stream_close(s->below);
	errno = ECONNRESET;
	return -1;
}

/* approved tells whether the answer, whose header is in the buffer and whose
 * body is anywhere, may pass. */
bool approved(const Checked *s, const uint8_t *body)
{
	s->connection->answered = s->number;
	return is_sound(s->buffer + s->start, body, static_cast<size_t>(announced(s)) - kHeaderBytes,
					s->asked == kLegacyQuery ? kLegacyReply : kMessage);
}

/* make_room forgets what was given, and grows for what is missing. */
void make_room(Checked *s, size_t wanted)
{
	size_t const first = std::min(s->given, s->start);
	size_t const here = s->filled - first;
	if (first > 0)
		std::memmove(s->buffer, s->buffer + first, here);
	s->given -= first;
	s->passed -= first;
	s->start -= first;
	s->filled = here;
	if (here == 0 && s->room > kKeptBytes) {
		bson_free(s->buffer);
		s->buffer = nullptr;
		s->room = 0;
	}
	if (s->room - here < wanted) {
		s->room = here + wanted;
		s->buffer = static_cast<uint8_t *>(bson_realloc(s->buffer, s->room));
	}
}

/* receive reads into the buffer until it holds a number of bytes of the
 * answer.  It returns what the stream below returned last: 0 at its end, -1
 * for failure or "not now". */
ssize_t receive(Checked *s, size_t bytes, int32_t timeout)
{
	while (s->filled - s->start < bytes) {
		size_t const left = bytes - (s->filled - s->start);
		make_room(s, left);
		mongoc_iovec_t part;
		part.iov_base = reinterpret_cast<char *>(s->buffer + s->filled);
		part.iov_len = left;
		ssize_t const got =
			mongoc_stream_readv(s->below, &part, 1, timeout == 0 ? 0 : left, timeout);
		if (got <= 0)
			return got;
		s->filled += static_cast<size_t>(got);
		if (timeout != 0 && static_cast<size_t>(got) < left)
			return 0;
	}
	return 1;
}

/* fill receives until more may be given: of the next answer its length, which
 * says how much else there is to ask for; then, when all of it is here and
 * sound, the rest. */
ssize_t fill(Checked *s, int32_t timeout)
{
	ssize_t result = receive(s, kHeaderBytes, timeout);
	if (result <= 0)
		return result;
	if (!is_plausible_length(announced(s)))
		return refuse(s);
	if (s->passed == s->start) {
		s->passed += sizeof(int32_t);
		return 1;
	}
	auto const length = static_cast<size_t>(announced(s));
	result = receive(s, length, timeout);
	if (result <= 0)
		return result;
	if (!approved(s, s->buffer + s->start + kHeaderBytes))
		return refuse(s);
	s->passed = s->start += length;
	return 1;
}

/* is_rest_asked_for tells whether the driver, which knows the length, offers
 * memory for all that follows it. */
bool is_rest_asked_for(const Checked *s, const mongoc_iovec_t *vector, size_t count,
					   int32_t timeout)
{
	return timeout != 0 && count == 1 && s->given == s->start + sizeof(int32_t) &&
		   s->filled == s->start + kHeaderBytes &&
		   vector->iov_len == static_cast<size_t>(announced(s)) - sizeof(int32_t);
}

/* receive_rest receives into the driver's memory and looks at the answer
 * there, so that a long one is not copied. */
ssize_t receive_rest(Checked *s, const mongoc_iovec_t *vector, int32_t timeout)
{
	auto *const to = static_cast<uint8_t *>(static_cast<void *>(vector->iov_base));
	size_t const known = kHeaderBytes - sizeof(int32_t);
	std::memcpy(to, s->buffer + s->given, known);
	mongoc_iovec_t body;
	body.iov_base = reinterpret_cast<char *>(to + known);
	body.iov_len = vector->iov_len - known;
	ssize_t const got = mongoc_stream_readv(s->below, &body, 1, body.iov_len, timeout);
	if (got < 0 || static_cast<size_t>(got) < body.iov_len)
		return std::min<ssize_t>(got, 0);
	if (!approved(s, to + known))
		return refuse(s);
	s->given = s->passed = s->start = s->filled = 0;
	return static_cast<ssize_t>(vector->iov_len);
}

/* give copies approved bytes to where the driver wants them. */
size_t give(Checked *s, const mongoc_iovec_t *vector, size_t count, size_t done)
{
	size_t total = 0;
	for (size_t i = 0; i < count && s->given < s->passed; i++) {
		if (done >= vector[i].iov_len) {
			done -= vector[i].iov_len;
			continue;
		}
		size_t const part = std::min(vector[i].iov_len - done, s->passed - s->given);
		std::memcpy(static_cast<char *>(vector[i].iov_base) + done, s->buffer + s->given, part);
		s->given += part;
		total += part;
		done = 0;
	}
	return total;
}

ssize_t BSON_CALL checked_readv(mongoc_stream_t *stream, mongoc_iovec_t *vector, size_t count,
								size_t min_bytes, int32_t timeout) noexcept
{
	Checked *const s = self(stream);
	size_t total = give(s, vector, count, 0);
	if (total == 0 && is_rest_asked_for(s, vector, count, timeout))
		return receive_rest(s, vector, timeout);
	while (total == 0 || total < min_bytes) {
		ssize_t const filled = fill(s, timeout);
		if (filled < 0)
			return -1;
		if (filled == 0)
			break;
		total += give(s, vector, count, total);
	}
	return static_cast<ssize_t>(total);
}

int BSON_CALL checked_setsockopt(mongoc_stream_t *stream, int level, int option, void *value,
								 mongoc_socklen_t length) noexcept
{
	return mongoc_stream_setsockopt(self(stream)->below, level, option, value, length);
}

mongoc_stream_t *BSON_CALL checked_below(mongoc_stream_t *stream) noexcept
{
	return self(stream)->below;
}

bool BSON_CALL checked_is_closed(mongoc_stream_t *stream) noexcept
{
	return mongoc_stream_check_closed(self(stream)->below);
}

bool BSON_CALL checked_timed_out(mongoc_stream_t *stream) noexcept
{
	return mongoc_stream_timed_out(self(stream)->below);
}

bool BSON_CALL checked_should_retry(mongoc_stream_t *stream) noexcept
{
	return !self(stream)->connection->answer_damaged &&
		   mongoc_stream_should_retry(self(stream)->below);
}

} // namespace

mongoc_stream_t *checked(Connection *connection, mongoc_stream_t *below)
{
	auto *s = static_cast<Checked *>(bson_malloc0(sizeof(Checked)));
	s->base.type = kCheckedType;
	s->base.destroy = checked_destroy;
	s->base.failed = checked_failed;
	s->base.close = checked_close;
	s->base.flush = checked_flush;
	s->base.writev = checked_writev;
	s->base.readv = checked_readv;
	s->base.setsockopt = checked_setsockopt;
	s->base.get_base_stream = checked_below;
	s->base.check_closed = checked_is_closed;
	s->base.timed_out = checked_timed_out;
	s->base.should_retry = checked_should_retry;
	s->connection = connection;
	s->below = below;
	s->number = ++connection->streams_opened;
	s->next = std::exchange(connection->streams, s);
	return &s->base;
}

mongoc_stream_t *stream_of(const Connection *connection, uint64_t number)
{
	for (Checked *s = connection->streams; s != nullptr; s = s->next)
		if (s->number == number)
			return &s->base;
	return nullptr;
}

} // namespace reconcile::mongo
