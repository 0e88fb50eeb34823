/*-------------------------------------------------------------------------
 *
 * stream.cpp
 *	  A mongoc_stream_t whose every wait can be interrupted.
 *
 * All functions here are called from C frames of the driver: none throws.
 * What the driver does with their results decides their form:
 *
 * - After an interrupt errno must not be one that means "try again": the
 *   driver and OpenSSL would.  It is ECANCELED.
 * - The driver's event loop ignores a poll that fails, and runs on.  So after
 *   an interrupt every stream is reported as broken instead.
 * - Timeout 0 means "now or EAGAIN", a negative one means to wait forever.
 * - The initiator never fails: when it does so for a host that the server
 *   named, the driver waits for a lock that it holds itself (1.23), out of
 *   anybody's reach.  It returns a dead stream instead, on which everything
 *   fails, and the connection keeps the reason.
 * - Once the connection is silent everything fails, so that neither retries
 *   nor the driver's farewells reach the network.
 *
 *-------------------------------------------------------------------------
 */
#include "mongo/stream.hpp"

#include "mongo/checked_stream.hpp"
#include "mongo/connection.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

namespace reconcile::mongo {

namespace {

/* The driver refuses to poll streams of different types together; any number
 * above its own types does. */
constexpr int kStreamType = 1000;

/* Stream is freed by the driver, which knows it by its first member. */
struct Stream {
	mongoc_stream_t base;
	Connection *connection;
	int descriptor; /* -1: closed, or dead from the start */
	bool greeted;	/* connected, and through the TLS handshake */
	bool timed_out;
	int last_errno;
};

Stream *self(mongoc_stream_t *stream)
{
	return reinterpret_cast<Stream *>(stream);
}

int64_t now_ms()
{
	return bson_get_monotonic_time() / 1000;
}

/* Deadline is a timeout of the driver as a point in time. */
class Deadline {
public:
	explicit Deadline(int64_t timeout_ms) : end_(timeout_ms < 0 ? INT64_MAX : now_ms() + timeout_ms)
	{
	}
	int64_t left() const
	{
		constexpr int64_t kHour = 3600000;
		return end_ == INT64_MAX ? kHour : std::max<int64_t>(0, end_ - now_ms());
	}
	bool passed() const { return end_ != INT64_MAX && now_ms() >= end_; }

private:
	int64_t end_;
};

/* stopped tells whether this connection must not go on. */
bool stopped(Connection *connection)
{
	return connection->silent || connection->interrupted();
}

/* dead tells whether nothing can be done with one stream any more. */
bool dead(Stream *stream)
{
	return stopped(stream->connection) || stream->descriptor < 0;
}

/* wait_for waits until the deadline.  An interrupt leaves the connection
 * stopped. */
Waited wait_for(Connection *connection, int descriptor, bool read, bool write,
				const Deadline &deadline)
{
	for (;;) {
		if (stopped(connection))
			return Waited::kInterrupted;
		switch (connection->port.wait(descriptor, read, write, deadline.left())) {
		case Waited::kReady:
			return Waited::kReady;
		case Waited::kTimeout:
			if (deadline.passed())
				return Waited::kTimeout;
			break;
		case Waited::kInterrupted: /* the loop asks the port once more */
			break;
		}
	}
}

/* failed notes the reason for should_retry() and returns what the driver
 * takes for failure. */
ssize_t failed(Stream *stream, int reason)
{
	stream->connection->broken |= stream->greeted && reason != EAGAIN && reason != ECANCELED;
	stream->last_errno = errno = reason;
	return -1;
}

/* wait_or_fail waits for a socket on behalf of a read or write that could not
 * go on; 0 says that it now can. */
ssize_t wait_or_fail(Stream *stream, bool read, bool write, int32_t timeout,
					 const Deadline &deadline)
{
	if (timeout == 0)
		return failed(stream, EAGAIN);
	switch (wait_for(stream->connection, stream->descriptor, read, write, deadline)) {
	case Waited::kReady:
		return 0;
	case Waited::kInterrupted:
		return failed(stream, ECANCELED);
	case Waited::kTimeout:
		break;
	}
	stream->timed_out = true;
	stream->connection->answer_timed_out |= stream->greeted;
	return failed(stream, ETIMEDOUT);
}

bool is_again(int error)
{
	return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

int BSON_CALL stream_close(mongoc_stream_t *stream) noexcept
{
	if (self(stream)->descriptor >= 0) {
		close(self(stream)->descriptor);
		self(stream)->connection->port.release_descriptor();
		self(stream)->descriptor = -1;
	}
	return 0;
}

void BSON_CALL stream_destroy(mongoc_stream_t *stream) noexcept
{
	stream_close(stream);
	bson_free(stream);
}

int BSON_CALL stream_flush(mongoc_stream_t *) noexcept
{
	return 0;
}

/* Unsent walks over what is left of a vector, which the driver wants back
 * unchanged. */
class Unsent {
public:
	Unsent(const mongoc_iovec_t *vector, size_t count) : vector_(vector), end_(vector + count)
	{
		advance(0);
	}
	bool empty() const { return vector_ == end_; }

	/* head fills pieces with the next parts, and returns how many. */
	size_t head(iovec *pieces, size_t room) const
	{
		size_t n = 0;
		for (const mongoc_iovec_t *v = vector_; v != end_ && n < room; v++, n++)
			pieces[n] = {v->iov_base, v->iov_len};
		pieces[0].iov_base = static_cast<char *>(pieces[0].iov_base) + done_;
		pieces[0].iov_len -= done_;
		return n;
	}
	void advance(size_t bytes)
	{
		for (done_ += bytes; vector_ != end_ && done_ >= vector_->iov_len; vector_++)
			done_ -= vector_->iov_len;
	}

private:
	const mongoc_iovec_t *vector_, *end_;
	size_t done_ = 0; /* bytes of the first part */
};

/* stream_writev sends all of the vector. */
ssize_t BSON_CALL stream_writev(mongoc_stream_t *stream, mongoc_iovec_t *vector, size_t count,
								int32_t timeout) noexcept
{
	Stream *const s = self(stream);
	Deadline const deadline(timeout);
	ssize_t total = 0;
	s->timed_out = false;
	if (timeout != 0 && s->greeted)
		s->connection->operations_sent++;
	for (Unsent unsent(vector, count); !unsent.empty();) {
		if (dead(s))
			return failed(s, ECANCELED);
		iovec pieces[16];
		msghdr message{};
		message.msg_iov = pieces;
		message.msg_iovlen = unsent.head(pieces, std::size(pieces));
		ssize_t const sent = sendmsg(s->descriptor, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent >= 0) {
			total += sent;
			unsent.advance(static_cast<size_t>(sent));
		} else if (errno == EAGAIN || errno == EWOULDBLOCK) {
			if (wait_or_fail(s, false, true, timeout, deadline) < 0)
				return s->last_errno == EAGAIN && total > 0 ? total : -1;
		} else if (errno != EINTR)
			return failed(s, errno);
	}
	return total;
}

/* stream_readv reads at least min_bytes.  Less is a failure, also when the
 * server closed: the driver's buffer asserts that it got what it asked for. */
ssize_t BSON_CALL stream_readv(mongoc_stream_t *stream, mongoc_iovec_t *vector, size_t count,
							   size_t min_bytes, int32_t timeout) noexcept
{
	Stream *const s = self(stream);
	Deadline const deadline(timeout);
	size_t total = 0, done = 0; /* bytes in all, and in vector[i] */
	s->timed_out = false;
	for (size_t i = 0; i < count;) {
		if (dead(s))
			return failed(s, ECANCELED);
		ssize_t const got = recv(s->descriptor, static_cast<char *>(vector[i].iov_base) + done,
								 vector[i].iov_len - done, MSG_DONTWAIT);
		if (got > 0) {
			total += static_cast<size_t>(got);
			done += static_cast<size_t>(got);
			if (total >= min_bytes)
				break;
			if (done == vector[i].iov_len) {
				i++;
				done = 0;
			}
		} else if (got == 0) {
			failed(s, ECONNRESET);
			if (total < min_bytes)
				return -1;
			break;
		} else if (errno == EAGAIN || errno == EWOULDBLOCK) {
			if (wait_or_fail(s, true, false, timeout, deadline) < 0)
				return -1;
		} else if (errno != EINTR)
			return failed(s, errno);
	}
	return static_cast<ssize_t>(total);
}

int BSON_CALL stream_setsockopt(mongoc_stream_t *stream, int level, int option, void *value,
								mongoc_socklen_t length) noexcept
{
	return setsockopt(self(stream)->descriptor, level, option, value, length);
}

/* stream_check_closed tells whether the server closed while we were idle. */
bool BSON_CALL stream_check_closed(mongoc_stream_t *stream) noexcept
{
	Stream *const s = self(stream);
	char byte;
	if (dead(s))
		return true;
	ssize_t const got = recv(s->descriptor, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	return got == 0 || (got < 0 && !is_again(errno));
}

bool BSON_CALL stream_timed_out(mongoc_stream_t *stream) noexcept
{
	return self(stream)->timed_out;
}

bool BSON_CALL stream_should_retry(mongoc_stream_t *stream) noexcept
{
	return !self(stream)->connection->silent && is_again(self(stream)->last_errno);
}

/* Watch is one descriptor that becomes readable when any of several streams
 * is ready, so that the port needs to wait for one descriptor only. */
class Watch {
public:
	Watch(Connection *connection, const mongoc_stream_poll_t *polls, size_t count)
		: connection_(connection)
	{
		if (!connection_->port.acquire_descriptor())
			return;
		descriptor_ = epoll_create1(EPOLL_CLOEXEC);
		if (descriptor_ < 0)
			connection_->port.release_descriptor();
		for (size_t i = 0; descriptor_ >= 0 && i < count; i++) {
			epoll_event event{};
			event.events = (polls[i].events & POLLIN ? EPOLLIN : 0u) |
						   (polls[i].events & POLLOUT ? EPOLLOUT : 0u);
			epoll_ctl(descriptor_, EPOLL_CTL_ADD, self(polls[i].stream)->descriptor, &event);
		}
	}
	~Watch()
	{
		if (descriptor_ >= 0) {
			close(descriptor_);
			connection_->port.release_descriptor();
		}
	}
	Watch(const Watch &) = delete;
	Watch &operator=(const Watch &) = delete;
	int descriptor() const { return descriptor_; }

private:
	Connection *connection_;
	int descriptor_ = -1;
};

/* poll_now fills in what is ready without waiting. */
ssize_t poll_now(mongoc_stream_poll_t *polls, size_t count)
{
	ssize_t ready = 0;
	for (size_t i = 0; i < count; i++) {
		pollfd one{self(polls[i].stream)->descriptor, static_cast<short>(polls[i].events), 0};
		if (one.fd < 0)
			polls[i].revents = POLLERR;
		else
			polls[i].revents = poll(&one, 1, 0) > 0 ? one.revents : 0;
		ready += polls[i].revents != 0;
	}
	return ready;
}

/* stream_poll waits for any of the streams through which the driver is
 * looking at several servers at once. */
ssize_t BSON_CALL stream_poll(mongoc_stream_poll_t *polls, size_t count, int32_t timeout) noexcept
{
	if (count == 0)
		return 0;
	Connection *const connection = self(polls[0].stream)->connection;
	ssize_t ready = stopped(connection) ? 0 : poll_now(polls, count);
	if (ready > 0 || (timeout == 0 && !connection->silent))
		return ready;

	Waited waited = Waited::kInterrupted;
	if (!connection->silent) {
		Watch const watch(connection, polls, count);
		if (watch.descriptor() >= 0)
			waited = wait_for(connection, watch.descriptor(), true, false, Deadline(timeout));
	}
	if (waited != Waited::kInterrupted)
		return poll_now(polls, count);
	for (size_t i = 0; i < count; i++)
		polls[i].revents = POLLERR;
	return static_cast<ssize_t>(count);
}

/* stream_new wraps a connected socket. */
mongoc_stream_t *stream_new(Connection *connection, int descriptor)
{
	auto *s = static_cast<Stream *>(bson_malloc0(sizeof(Stream)));
	s->base.type = kStreamType;
	s->base.destroy = stream_destroy;
	s->base.failed = stream_destroy;
	s->base.close = stream_close;
	s->base.flush = stream_flush;
	s->base.writev = stream_writev;
	s->base.readv = stream_readv;
	s->base.setsockopt = stream_setsockopt;
	s->base.check_closed = stream_check_closed;
	s->base.poll = stream_poll;
	s->base.timed_out = stream_timed_out;
	s->base.should_retry = stream_should_retry;
	s->connection = connection;
	s->descriptor = descriptor;
	return &s->base;
}

/* socket_to connects to one address, and returns the socket or -1 with errno. */
int socket_to(Connection *connection, const addrinfo *address, const Deadline &deadline)
{
	if (!connection->port.acquire_descriptor()) {
		errno = EMFILE;
		return -1;
	}
	int const made = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
							address->ai_protocol);
	int reason = made < 0 || connect(made, address->ai_addr, address->ai_addrlen) < 0 ? errno : 0;
	if (made >= 0 && reason == EINPROGRESS) {
		socklen_t length = sizeof reason;
		switch (wait_for(connection, made, false, true, deadline)) {
		case Waited::kReady:
			getsockopt(made, SOL_SOCKET, SO_ERROR, &reason, &length);
			break;
		case Waited::kTimeout:
			reason = ETIMEDOUT;
			break;
		case Waited::kInterrupted:
			reason = ECANCELED;
			break;
		}
	}
	if (reason == 0) {
		int const on = 1; /* a command is one message and must not wait for more */
		setsockopt(made, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
		setsockopt(made, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
		return made;
	}
	if (made >= 0)
		close(made);
	connection->port.release_descriptor();
	errno = reason;
	return -1;
}

/* note keeps the reason why a host could not be reached, as a sentence. */
void note(Connection *connection, const char *host, const char *reason)
{
	char line[256];
	snprintf(line, sizeof line, "Host %s: %s.", host, reason);
	size_t const used = strlen(connection->failures);
	if (strstr(connection->failures, line) == nullptr)
		snprintf(connection->failures + used, sizeof connection->failures - used, "%s%s",
				 used > 0 ? " " : "", line);
}

/* connected tries the addresses of a host in turn, within one timeout. */
int connected(Connection *connection, const mongoc_host_list_t *host)
{
	Deadline const deadline(connection->settings.connect_timeout_ms);
	addrinfo hints{}, *addresses = nullptr;
	hints.ai_socktype = SOCK_STREAM;
	hints.ai_family = AF_UNSPEC;
	char port[8];
	snprintf(port, sizeof port, "%u", static_cast<unsigned>(host->port));
	int const found = getaddrinfo(host->host, port, &hints, &addresses);
	if (found != 0) {
		note(connection, host->host_and_port, gai_strerror(found));
		return -1;
	}
	int descriptor = -1;
	errno = EADDRNOTAVAIL;
	for (addrinfo *a = addresses; a != nullptr && descriptor < 0 && !stopped(connection);
		 a = a->ai_next)
		descriptor = socket_to(connection, a, deadline);
	int const reason = errno;
	freeaddrinfo(addresses);
	if (descriptor < 0)
		note(connection, host->host_and_port, strerror(reason));
	return descriptor;
}

/* socket_for connects to a host that we may talk to; -1 when it cannot. */
int socket_for(Connection *connection, const mongoc_host_list_t *host)
{
	if (stopped(connection))
		return -1;
	if (host->family != AF_UNIX && connection->allowed(host))
		return connected(connection, host);
	connection->stranger_refused = true;
	note(connection, host->host_and_port,
		 "the server names it, but option \"hosts\" does not, so it was not contacted");
	return -1;
}

/* encrypted wraps a stream into TLS, as the driver does not for a stream that
 * somebody else opens; it would look for that layer forever. */
mongoc_stream_t *encrypted(Connection *connection, mongoc_stream_t *root,
						   const mongoc_host_list_t *host)
{
	static LocalChecks checks;
	const std::string &authorities = connection->settings.tls_ca_file;
	mongoc_ssl_opt_t options = *mongoc_ssl_opt_get_default();
	options.internal = &checks;
	options.ca_file = authorities.empty() ? nullptr : authorities.c_str();
	mongoc_stream_t *tls = mongoc_stream_tls_new_with_hostname(root, host->host, &options, 1);
	if (tls == nullptr) {
		char reason[160];
		snprintf(reason, sizeof reason, "could not use the certificates in file \"%.100s\"",
				 authorities.c_str());
		note(connection, host->host_and_port, reason);
		stream_close(root);
		options.ca_file = nullptr; /* a dead stream verifies nobody */
		return mongoc_stream_tls_new_with_hostname(root, host->host, &options, 1);
	}
	bson_error_t error;
	if (self(root)->descriptor >= 0 &&
		!mongoc_stream_tls_handshake_block(tls, host->host, connection->settings.connect_timeout_ms,
										   &error)) {
		note(connection, host->host_and_port, error.message);
		stream_close(root);
	}
	return tls;
}

} // namespace

mongoc_stream_t *BSON_CALL open_stream(const mongoc_uri_t *, const mongoc_host_list_t *host,
									   void *context, bson_error_t *) noexcept
{
	auto *connection = static_cast<Connection *>(context);
	mongoc_stream_t *root = stream_new(connection, socket_for(connection, host));
	mongoc_stream_t *stream = connection->settings.tls ? encrypted(connection, root, host) : root;
	self(root)->greeted = true;
	return checked(connection, stream);
}

} // namespace reconcile::mongo
