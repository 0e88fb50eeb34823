/*-------------------------------------------------------------------------
 *
 * batches.hpp
 *	  The batches of one result, of which the next is asked for ahead.
 *
 * The driver runs the command that begins a result: it finds the server, logs
 * in, and says how to read.  It can fetch the batches that follow as well, but
 * only by waiting for each while neither side works.  So they are asked for
 * here, over the stream on which the first one came: from the second batch on
 * the server prepares the next one while this one is read.
 *
 * Terms.  An answer is "under way" between its request and its arrival.  There
 * is at most one on a connection, and whoever uses the connection for something
 * else lets it in first (Connection::settle()).
 *
 * Depends on: connection.hpp, document.hpp.  Used by: cursor.cpp,
 * connection.cpp.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "mongo/connection.hpp"
#include "mongo/document.hpp"

#include <cstdint>
#include <exception>
#include <memory>
#include <string>

namespace reconcile::mongo {

struct SessionEnd {
	void operator()(mongoc_client_session_t *session) const
	{
		mongoc_client_session_destroy(session);
	}
};
using Session = std::unique_ptr<mongoc_client_session_t, SessionEnd>;

/* Begin is the command, a find or an aggregate, whose answer is the first batch. */
struct Begin {
	std::string database, collection;
	Document command;
	int32_t batch_size = 0;
	std::string action; /* for messages */
};

class Batches {
public:
	/* The constructor sends the command and waits for the first batch.  Throws
	 * Error or Interrupted, as next() does. */
	Batches(Connection &connection, Begin begin);

	/* The destructor sends nothing.  An answer that is under way ends the
	 * connection with it. */
	~Batches();
	Batches(const Batches &) = delete;
	Batches &operator=(const Batches &) = delete;

	/* next returns the next document, or nullptr after the last one.  It is
	 * valid until the next call. */
	const bson_t *next();

	/* is_open tells whether the server keeps something of the result. */
	bool is_open() const { return id_ != 0; }

	/* collect waits for the answer that is under way.  What goes wrong is kept
	 * until next() comes to it. */
	void collect() noexcept;

	/* is_coming waits a little for the answer that is under way, and tells
	 * whether it begins to arrive, or never will: collect() is worth its wait. */
	bool is_coming() const noexcept;

	/* end lets the server forget the rest, when no answer is under way.  That
	 * it did not hear it is no error. */
	void end() noexcept;

private:
	/* Batch is the documents of one answer that are not read yet. */
	struct Batch {
		std::unique_ptr<uint8_t[]> bytes; /* the answer, without its length */
		size_t room = 0;
		const uint8_t *at = nullptr, *end = nullptr; /* in it: elements of an array */
	};

	void begin();
	bool send(const bson_t *command, bson_error_t *error);
	bool receive(Batch &into, bson_t *reply, bson_error_t *error);
	void ask();
	void take(const bson_t *reply, const char *field, Batch &into);
	void add_session(Document &command) const;

	Connection &connection_;
	Begin const begin_;
	Session session_;	  /* none when the server has none */
	Document first_;	  /* the answer with the first batch */
	uint64_t stream_ = 0; /* on which it came */
	int64_t id_ = 0;	  /* of the server's cursor; 0: nothing is left there */
	Batch here_, next_;
	bool has_next_ = false;
	std::exception_ptr failure_; /* of the batch after this one */
	bson_t document_;
};

} // namespace reconcile::mongo
