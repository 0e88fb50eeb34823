/*-------------------------------------------------------------------------
 *
 * bulk.hpp
 *	  Writing many documents of one collection with one command.
 *
 * The operations of a bulk are independent of each other: the server tries
 * each, and says what became of it.  Of updates and removals it says only how
 * many found a document.  Positions count from 0 in the order in which the
 * operations were added.  Operations of a bulk are all of one kind, which
 * makes them one command.
 *
 * Depends on: client.hpp, error.hpp.  Used by: src/fdw.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "mongo/client.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace reconcile::mongo {

/* Outcome is what became of one operation. */
enum class Outcome : uint8_t {
	kInserted, /* a document was written by this operation */
	kMatched,  /* an upsert found its document there, and left it as it was */
	kTried,	   /* an update or removal; BulkResult::affected counts those that found a document */
	kRefused   /* see BulkResult::refusals */
};

/* Refusal is the server's reason for one operation. */
struct Refusal {
	uint32_t position;
	int code;
	const char *sqlstate;
	std::string message;
};

struct BulkResult {
	std::vector<Outcome> outcomes; /* by position */
	std::vector<Refusal> refusals; /* ascending by position */
	uint64_t inserted = 0, matched = 0;
	uint64_t affected = 0; /* documents that were updated, replaced or removed */
};

/* Bulk collects operations and executes them together. */
class Bulk {
public:
	/* Bounds of one bulk, below those of every server. */
	static constexpr uint32_t kMaxOperations = 10000;
	static constexpr uint64_t kMaxBytes = 16 * 1024 * 1024;

	Bulk(Client &client, const std::string &database, const std::string &collection);
	~Bulk();
	Bulk(const Bulk &) = delete;
	Bulk &operator=(const Bulk &) = delete;

	/* upsert writes a document unless one matches the selector, which is the
	 * equality of the key's fields.  The document is complete: it holds the
	 * key's fields as well, and is not empty.  Field names are paths. */
	void upsert(const bson_t *selector, const bson_t *document);

	/* insert writes a document. */
	void insert(const bson_t *document);

	/* update changes the first document that matches, replace puts another one
	 * in its place, and remove deletes it.  None matching is no error. */
	void update(const bson_t *selector, const bson_t *change);
	void replace(const bson_t *selector, const bson_t *document);
	void remove(const bson_t *selector);

	uint32_t size() const { return size_; }
	uint64_t bytes() const { return bytes_; }

	/* full says that it is time to execute. */
	bool full() const { return size_ >= kMaxOperations || bytes_ >= kMaxBytes; }

	/* execute sends everything and leaves the bulk empty, ready for more.  It
	 * throws Interrupted, or Error when the server did nothing or nobody
	 * knows: 08007 when any part may have been written, since the connection
	 * broke after operations were sent, or since the write concern was not
	 * met and a failover may undo them. */
	BulkResult execute();

private:
	void begin();
	void added(bool done, const bson_error_t &error, uint64_t bytes, Outcome outcome);
	BulkResult result_of(const bson_t *reply) const;
	int64_t written(const bson_t *reply) const;
	bool answered(const bson_t *reply, bool done, const bson_error_t &error) const;
	void require_confirmed(const bson_t *reply, const std::string &action, bool counted) const;
	[[noreturn]] void fail(const bson_error_t &error, const std::string &action, bool sent,
						   bool written);
	void clear();

	std::shared_ptr<Connection> connection_;
	mongoc_collection_t *collection_ = nullptr;
	mongoc_bulk_operation_t *bulk_ = nullptr;
	std::string name_;					 /* of the collection, for messages */
	Outcome usual_ = Outcome::kInserted; /* of an operation that the answer does not name */
	uint32_t size_ = 0;
	uint64_t bytes_ = 0;
};

} // namespace reconcile::mongo
