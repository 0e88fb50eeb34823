/*-------------------------------------------------------------------------
 *
 * connection.hpp
 *	  What a client, its cursors, its bulks and its network streams share.
 *
 * Depends on: settings.hpp, port.hpp, error.hpp.  Used inside src/mongo only.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "mongo/error.hpp"
#include "mongo/port.hpp"
#include "mongo/settings.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace reconcile::mongo {

class Batches;
struct Checked;

struct Connection {
	Connection(const Settings &settings, Port &port);
	~Connection(); /* says nothing to the server */
	Connection(const Connection &) = delete;
	Connection &operator=(const Connection &) = delete;

	/* interrupted asks the port, and once it said yes never again. */
	bool interrupted() noexcept;

	/* abandon makes every further network operation fail at once.  It is for
	 * callers outside of the driver; the streams only set silent. */
	void abandon() noexcept;

	/* leave takes a result that the server does not know to be over, at a
	 * moment when it cannot be told: the next operation does so. */
	void leave(std::unique_ptr<Batches> result) noexcept;

	/* settle lets in the answer that is under way, before something else is
	 * sent. */
	void settle() noexcept;

	/* end_left tells the server about the results that were left, unless an
	 * answer is under way: one that somebody still reads, or that nobody wants
	 * and that does not come soon. */
	void end_left() noexcept;

	/* held_up tells whether an answer is under way that nobody wants. */
	bool held_up() const noexcept;

	/* allowed tells whether the settings name a host. */
	bool allowed(const mongoc_host_list_t *host) const noexcept;

	/* require_usable begins an operation: it throws when that has no chance,
	 * and ends what was left, for as long as that may take. */
	void require_usable(const std::string &action);

	/* fail throws what the driver reported: Interrupted when that was the
	 * reason, else an Error.  A connection in doubt is abandoned. */
	[[noreturn]] void fail(const bson_error_t &error, const std::string &action);

	/* error_of is the Error of fail(), for those who have more to say. */
	Error error_of(const bson_error_t &error, const std::string &action);

	Settings const settings;
	Port &port;
	mongoc_client_t *client = nullptr;

	bool stopped_by_port = false; /* an interrupt was seen */
	bool silent = false;		  /* the network is not to be touched any more */

	Batches *under_way = nullptr; /* whose next batch has been asked for */
	int32_t requests = 0;		  /* that were sent past the driver */

	/* Answers that do not say how many documents they are about; a write's does. */
	uint64_t answers_without_count = 0;

	/* Noted by the streams. */
	Checked *streams = nullptr;	  /* those that the driver has */
	uint64_t streams_opened = 0;  /* each has the number it was opened as */
	uint64_t answered = 0;		  /* the stream that gave the last answer */
	uint64_t operations_sent = 0; /* writes other than those of greeting a server */
	bool answer_timed_out = false;
	bool broken = false;		   /* a connection that had been greeted ended, in this operation */
	bool answer_damaged = false;   /* it was none that a MongoDB gives */
	bool stranger_refused = false; /* the server named a host that is not ours */
	char failures[512] = "";	   /* of connecting, in this operation; sentences */

private:
	std::string no_answer() const;

	std::vector<std::unique_ptr<Batches>> left_;
	bool forgotten_ = false; /* the driver has no sessions and cursors to end */
};

} // namespace reconcile::mongo
