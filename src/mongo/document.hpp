/*-------------------------------------------------------------------------
 *
 * document.hpp
 *	  An owned BSON document that is built field by field.
 *
 * The driver's append functions return false when they fail, and abort the
 * process when misused.  These check first and throw.
 *
 * Depends on: driver.hpp, error.hpp.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "mongo/driver.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace reconcile::mongo {

/* The largest document a server stores, in bytes. */
inline constexpr uint32_t kMaxDocumentBytes = 16 * 1024 * 1024;

/* Document owns a bson_t.  Each append throws Error: 54000 when the document
 * becomes too large, 22021 for a field name with a zero byte in it. */
class Document {
public:
	Document();
	~Document();
	Document(Document &&other) noexcept;
	Document &operator=(Document &&other) noexcept;
	Document(const Document &) = delete;
	Document &operator=(const Document &) = delete;

	/* copy_of copies a document that somebody else owns. */
	static Document copy_of(const bson_t *other);

	/* from_json reads extended JSON, relaxed or canonical; 22P02 when it is
	 * no JSON object, with the parser's reason. */
	static Document from_json(const std::string &text);

	const bson_t *get() const { return bson_; }
	bool empty() const { return bson_empty(bson_); }
	uint32_t bytes() const { return bson_->len; }
	void clear();

	/* The fields of every type that we write.  A string must be UTF-8. */
	Document &null(std::string_view key);
	Document &boolean(std::string_view key, bool value);
	Document &int32(std::string_view key, int32_t value);
	Document &int64(std::string_view key, int64_t value);
	Document &number(std::string_view key, double value);
	Document &decimal(std::string_view key, const bson_decimal128_t &value);
	Document &string(std::string_view key, std::string_view value);
	Document &object_id(std::string_view key, const bson_oid_t &value);
	Document &date(std::string_view key, int64_t milliseconds_since_1970);
	Document &binary(std::string_view key, bson_subtype_t subtype, std::string_view value);
	Document &document(std::string_view key, const bson_t *value);
	Document &array(std::string_view key, const bson_t *value); /* keys "0", "1", ... */

	/* copy appends a field of another document, of whatever type, under a
	 * name of choice. */
	Document &copy(std::string_view key, const bson_iter_t &field);

private:
	explicit Document(bson_t *owned) : bson_(owned) {}
	template <class Append> Document &append(std::string_view key, Append &&how);

	bson_t *bson_;
};

/* ArrayKeys counts the keys that BSON wants in an array:
 * elements.int32(keys.next(), 7). */
class ArrayKeys {
public:
	std::string_view next();

private:
	uint32_t index_ = 0;
	char buffer_[16];
};

/* relaxed_json returns a document as relaxed extended JSON. */
std::string relaxed_json(const bson_t *document);

} // namespace reconcile::mongo
