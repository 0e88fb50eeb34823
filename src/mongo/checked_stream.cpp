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

namespace reconcile::mongo {

namespace {

/* The driver compares the types of the lowest streams only; any number above
 * its own will do. */
constexpr int kCheckedType = 1001;

/* An answer that is longer is given back when it has been read. */
constexpr size_t kKeptBytes = 1024 * 1024;
constexpr size_t kSmallestRead = 16384;

/* Checked is freed by the driver, which knows it by its first member. */
struct Checked {
	mongoc_stream_t base;
	mongoc_stream_t *below;
	Connection *connection;
	int32_t asked;	 /* the kind of the last request */
	size_t to_send;	 /* bytes of it that are still to come */
	uint8_t *buffer; /* answers: [given, sound) passed, [sound, filled) have not yet */
	size_t room, given, sound, filled;
};

Checked *self(mongoc_stream_t *stream)
{
	return reinterpret_cast<Checked *>(stream);
}

void BSON_CALL checked_destroy(mongoc_stream_t *stream) noexcept
{
	mongoc_stream_destroy(self(stream)->below);
	bson_free(self(stream)->buffer);
	bson_free(stream);
}

void BSON_CALL checked_failed(mongoc_stream_t *stream) noexcept
{
	mongoc_stream_failed(self(stream)->below);
	bson_free(self(stream)->buffer);
	bson_free(stream);
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

/* missing is how much is still to be read before something can be approved;
 * 0 when the message is complete, -1 when it cannot be one. */
ssize_t missing(const Checked *s)
{
	size_t const here = s->filled - s->sound;
	if (here < kHeaderBytes)
		return static_cast<ssize_t>(kHeaderBytes - here);
	int32_t const length = number_at(s->buffer + s->sound);
	if (!is_plausible_length(length))
		return -1;
	return std::max<ssize_t>(0, static_cast<ssize_t>(length) - static_cast<ssize_t>(here));
}

/* approve passes a complete message, or breaks the connection. */
bool approve(Checked *s)
{
	ssize_t const left = missing(s);
	int32_t const kind = s->asked == kLegacyQuery ? kLegacyReply : kMessage;
	if (left == 0) {
		auto const length = static_cast<size_t>(number_at(s->buffer + s->sound));
		if (is_sound(s->buffer + s->sound, length, kind)) {
			s->sound += length;
			return true;
		}
	}
	s->connection->answer_damaged = true;
	mongoc_stream_close(s->below);
	errno = ECONNRESET;
	return false;
}

/* make_room forgets what was given, and grows for what is missing. */
void make_room(Checked *s, size_t wanted)
{
	size_t const here = s->filled - s->given;
	if (s->given > 0)
		std::memmove(s->buffer, s->buffer + s->given, here);
	s->sound -= s->given;
	s->given = 0;
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

/* fill reads until one more message is approved.  It returns what the stream
 * below returned last: 0 at its end, -1 for failure or "not now". */
ssize_t fill(Checked *s, int32_t timeout)
{
	for (ssize_t left = missing(s); left != 0; left = missing(s)) {
		if (left < 0)
			return approve(s) ? 1 : -1;
		make_room(s, std::max(static_cast<size_t>(left), kSmallestRead));
		mongoc_iovec_t free;
		free.iov_base = reinterpret_cast<char *>(s->buffer + s->filled);
		free.iov_len = s->room - s->filled;
		ssize_t const got = mongoc_stream_readv(
			s->below, &free, 1, timeout == 0 ? 0 : static_cast<size_t>(left), timeout);
		if (got <= 0)
			return got;
		s->filled += static_cast<size_t>(got);
		if (timeout != 0 && got < left)
			return 0;
	}
	return approve(s) ? 1 : -1;
}

/* give copies approved bytes to where the driver wants them. */
size_t give(Checked *s, const mongoc_iovec_t *vector, size_t count, size_t done)
{
	size_t total = 0;
	for (size_t i = 0; i < count && s->given < s->sound; i++) {
		if (done >= vector[i].iov_len) {
			done -= vector[i].iov_len;
			continue;
		}
		size_t const part = std::min(vector[i].iov_len - done, s->sound - s->given);
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
	return &s->base;
}

} // namespace reconcile::mongo
