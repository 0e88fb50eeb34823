/*-------------------------------------------------------------------------
 *
 * connection.cpp
 *	  The life of one driver client, and the meaning of its errors.
 *
 *-------------------------------------------------------------------------
 */
#include "mongo/connection.hpp"

#include "mongo/batches.hpp"
#include "mongo/stream.hpp"

#include <new>
#include <strings.h>
#include <utility>

namespace reconcile::mongo {

#if DRIVER_CAN_SLEEP
/* pause replaces the driver's sleep between two looks at the servers. */
static void BSON_CALL pause(int64_t microseconds, void *connection)
{
	auto *self = static_cast<Connection *>(connection);
	if (self->interrupted() || self->silent)
		return;
	if (self->port.wait(-1, false, false, (microseconds + 999) / 1000) == Waited::kInterrupted)
		self->interrupted();
}
#endif

/* note_answer looks at what the driver takes for 0 when it is not there. */
static void BSON_CALL note_answer(const mongoc_apm_command_succeeded_t *event) noexcept
{
	bson_iter_t count;
	if (!bson_iter_init_find(&count, mongoc_apm_command_succeeded_get_reply(event), "n") ||
		!BSON_ITER_HOLDS_NUMBER(&count))
		static_cast<Connection *>(mongoc_apm_command_succeeded_get_context(event))
			->answers_without_count++;
}

Connection::Connection(const Settings &settings_, Port &port_) : settings(settings_), port(port_)
{
	start_driver();
	check_settings(settings);
	Uri const uri = uri_from(settings);
	bson_error_t error;
	client = mongoc_client_new_from_uri_with_error(uri.get(), &error);
	if (client == nullptr)
		throw error_from(error, "could not prepare a connection to MongoDB");
	mongoc_client_set_error_api(client, MONGOC_ERROR_API_VERSION_2);
	mongoc_client_set_stream_initiator(client, open_stream, this);
	mongoc_apm_callbacks_t *callbacks = mongoc_apm_callbacks_new();
	mongoc_apm_set_command_succeeded_cb(callbacks, note_answer);
	mongoc_client_set_apm_callbacks(client, callbacks, this);
	mongoc_apm_callbacks_destroy(callbacks);
#if DRIVER_CAN_SLEEP
	mongoc_client_set_usleep_impl(client, pause, this);
#endif
}

Connection::~Connection()
{
	abandon();
	left_.clear();
	mongoc_client_destroy(client);
}

bool Connection::interrupted() noexcept
{
	if (!stopped_by_port && port.interrupted())
		stopped_by_port = silent = true;
	return stopped_by_port;
}

/* The driver would say goodbye on destruction: it kills open cursors and ends
 * sessions.  Forgetting both first makes it leave without a word. */
void Connection::abandon() noexcept
{
	silent = true;
	if (!std::exchange(forgotten_, true))
		mongoc_client_reset(client);
}

void Connection::leave(std::unique_ptr<Batches> result) noexcept
{
	try {
		left_.push_back(std::move(result));
	} catch (const std::bad_alloc &) {
		abandon();
	}
}

void Connection::settle() noexcept
{
	if (under_way != nullptr)
		under_way->collect();
}

void Connection::end_left() noexcept
{
	if (held_up() && under_way->is_coming())
		settle();
	if (under_way != nullptr)
		return;
	for (const auto &result : left_)
		result->end();
	left_.clear();
}

bool Connection::held_up() const noexcept
{
	for (const auto &result : left_)
		if (result.get() == under_way)
			return true;
	return false;
}

bool Connection::allowed(const mongoc_host_list_t *host) const noexcept
{
	for (const Host &known : settings.hosts)
		if (host->port == known.port && strcasecmp(host->host, known.name.c_str()) == 0)
			return true;
	return false;
}

void Connection::require_usable(const std::string &action)
{
	settle();
	end_left();
	if (interrupted())
		throw Interrupted();
	if (silent)
		throw Error(kConnectionLost, action, "The connection to MongoDB was given up before.");
	failures[0] = '\0';
	broken = false;
}

/* no_answer is the detail of an error that was a timeout. */
std::string Connection::no_answer() const
{
	return "The server did not answer within " + std::to_string(settings.socket_timeout_ms) +
		   " ms (option \"socket_timeout\").";
}

Error Connection::error_of(const bson_error_t &reported, const std::string &action)
{
	Error error = error_from(reported, action);
	if (answer_damaged)
		return Error(kDamaged, action, "The server's answer is none that a MongoDB gives.",
					 "Check option \"hosts\".");
	std::string_view const state = error.sqlstate;
	std::string const hosts = hosts_as_text(settings.hosts);
	if (state == kUnreachable) {
		error = Error(kUnreachable, "could not connect to MongoDB at " + hosts,
					  failures[0] != '\0' ? failures : error.detail);
		if (stranger_refused)
			error.hint = "Option \"hosts\" must name every member of the replica set, as the set "
						 "itself names it.";
	} else if (state == kNotLoggedIn && (broken || settings.username.empty())) {
		/* The driver takes whatever happens before an operation for a login. */
		error = Error(kUnreachable, "could not connect to MongoDB at " + hosts,
					  answer_timed_out ? no_answer()
					  : broken		   ? "The connection broke while logging in."
									   : error.detail);
	} else if (state == kNotLoggedIn) {
		error = Error(error.sqlstate, "could not log in to MongoDB at " + hosts, error.detail,
					  "Check username and password of the user mapping, and option "
					  "\"auth_source\".");
	} else if (state == kConnectionLost && answer_timed_out) {
		error.detail = no_answer();
	}
	return error;
}

void Connection::fail(const bson_error_t &reported, const std::string &action)
{
	if (interrupted()) {
		abandon();
		throw Interrupted();
	}
	Error const error = error_of(reported, action);
	std::string_view const state = error.sqlstate;
	/* A new connection looks at all hosts afresh, this one would wait first. */
	if (state.substr(0, 2) == "08" || state.substr(0, 2) == "28" || state == "57P03")
		abandon();
	throw error;
}

} // namespace reconcile::mongo
