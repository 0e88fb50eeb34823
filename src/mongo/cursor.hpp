/*-------------------------------------------------------------------------
 *
 * cursor.hpp
 *	  Reading documents of one collection, batch by batch.
 *
 * Depends on: client.hpp, batches.hpp.  Used by: src/fdw.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "mongo/batches.hpp"
#include "mongo/client.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace reconcile::mongo {

/* Query says what to read.  The documents are copied; nullptr or 0 leaves
 * that part out. */
struct Query {
	std::string database;
	std::string collection;
	const bson_t *filter = nullptr;
	const bson_t *projection = nullptr;
	const bson_t *sort = nullptr;
	bool simple_collation = false; /* text by its bytes, whatever the collection says */
	int64_t limit = 0;
	int64_t sample = 0;		   /* that many documents at random, and nothing else of this */
	int32_t batch_size = 1000; /* documents per answer of the server; at least 1 */
	int64_t max_time_ms = 0;   /* after which the server gives up itself */
};

/* Cursor reads the result of one query.  The query is sent by the first
 * next(), so errors of connecting come from there. */
class Cursor {
public:
	Cursor(Client &client, const Query &query);

	/* The destructor says nothing to the server.  Of a result that was neither
	 * read to its end nor closed, the next operation tells it. */
	~Cursor();
	Cursor(const Cursor &) = delete;
	Cursor &operator=(const Cursor &) = delete;

	/* next returns the next document, or nullptr after the last one.  It is
	 * valid until the next call.  Throws Error or Interrupted; after that the
	 * cursor can only be destroyed. */
	const bson_t *next();

	/* close ends reading early: the server is told to forget the rest, now or,
	 * when it has yet to answer, by the next operation.  Throws Interrupted;
	 * that the server did not hear it is no error. */
	void close();

	/* How much was read so far. */
	uint64_t documents() const { return documents_; }
	uint64_t bytes() const { return bytes_; }

private:
	void leave() noexcept;

	std::shared_ptr<Connection> connection_;
	std::optional<Begin> begin_; /* until the query is sent */
	std::unique_ptr<Batches> batches_;
	uint64_t documents_ = 0, bytes_ = 0;
};

} // namespace reconcile::mongo
