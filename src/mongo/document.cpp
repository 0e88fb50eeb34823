/*-------------------------------------------------------------------------
 *
 * document.cpp
 *	  Building BSON without trusting the input.
 *
 *-------------------------------------------------------------------------
 */
#include "mongo/document.hpp"

#include "mongo/error.hpp"

#include <utility>

namespace reconcile::mongo {

Document::Document() : bson_(bson_new()) {}

Document::~Document()
{
	if (bson_ != nullptr)
		bson_destroy(bson_);
}

Document::Document(Document &&other) noexcept : bson_(std::exchange(other.bson_, nullptr)) {}

Document &Document::operator=(Document &&other) noexcept
{
	std::swap(bson_, other.bson_);
	return *this;
}

Document Document::copy_of(const bson_t *other)
{
	return Document(bson_copy(other));
}

Document Document::from_json(const std::string &text)
{
	bson_error_t error;
	bson_t *parsed = bson_new_from_json(reinterpret_cast<const uint8_t *>(text.data()),
										static_cast<ssize_t>(text.size()), &error);
	if (parsed == nullptr)
		throw Error("22P02", "invalid extended JSON", sentence(error.message));
	return Document(parsed);
}

void Document::clear()
{
	bson_reinit(bson_);
}

/* append checks what the driver would not forgive, runs one append function,
 * and throws when it refuses. */
template <class Append> Document &Document::append(std::string_view key, Append &&how)
{
	if (key.find('\0') != std::string_view::npos)
		throw Error("22021", "invalid field name: it contains a zero byte");
	if (!how(key.data(), static_cast<int>(key.size())) || bson_->len > kMaxDocumentBytes)
		throw Error("54000", "document is too large",
					"A document in MongoDB has at most " + std::to_string(kMaxDocumentBytes) +
						" bytes.");
	return *this;
}

Document &Document::null(std::string_view key)
{
	return append(key, [&](const char *k, int n) { return bson_append_null(bson_, k, n); });
}

Document &Document::boolean(std::string_view key, bool value)
{
	return append(key, [&](const char *k, int n) { return bson_append_bool(bson_, k, n, value); });
}

Document &Document::int32(std::string_view key, int32_t value)
{
	return append(key, [&](const char *k, int n) { return bson_append_int32(bson_, k, n, value); });
}

Document &Document::int64(std::string_view key, int64_t value)
{
	return append(key, [&](const char *k, int n) { return bson_append_int64(bson_, k, n, value); });
}

Document &Document::number(std::string_view key, double value)
{
	return append(key,
				  [&](const char *k, int n) { return bson_append_double(bson_, k, n, value); });
}

Document &Document::decimal(std::string_view key, const bson_decimal128_t &value)
{
	return append(
		key, [&](const char *k, int n) { return bson_append_decimal128(bson_, k, n, &value); });
}

Document &Document::string(std::string_view key, std::string_view value)
{
	return append(key, [&](const char *k, int n) {
		return value.size() <= kMaxDocumentBytes &&
			   bson_append_utf8(bson_, k, n, value.data(), static_cast<int>(value.size()));
	});
}

Document &Document::object_id(std::string_view key, const bson_oid_t &value)
{
	return append(key, [&](const char *k, int n) { return bson_append_oid(bson_, k, n, &value); });
}

Document &Document::date(std::string_view key, int64_t milliseconds_since_1970)
{
	return append(key, [&](const char *k, int n) {
		return bson_append_date_time(bson_, k, n, milliseconds_since_1970);
	});
}

Document &Document::binary(std::string_view key, bson_subtype_t subtype, std::string_view value)
{
	return append(key, [&](const char *k, int n) {
		return value.size() <= kMaxDocumentBytes &&
			   bson_append_binary(bson_, k, n, subtype,
								  reinterpret_cast<const uint8_t *>(value.data()),
								  static_cast<uint32_t>(value.size()));
	});
}

Document &Document::document(std::string_view key, const bson_t *value)
{
	return append(key,
				  [&](const char *k, int n) { return bson_append_document(bson_, k, n, value); });
}

Document &Document::array(std::string_view key, const bson_t *value)
{
	return append(key, [&](const char *k, int n) { return bson_append_array(bson_, k, n, value); });
}

Document &Document::copy(std::string_view key, const bson_iter_t &field)
{
	return append(key, [&](const char *k, int n) { return bson_append_iter(bson_, k, n, &field); });
}

std::string_view ArrayKeys::next()
{
	const char *key;
	size_t const length = bson_uint32_to_string(index_++, &key, buffer_, sizeof buffer_);
	return {key, length};
}

std::string relaxed_json(const bson_t *document)
{
	size_t length;
	char *json = bson_as_relaxed_extended_json(document, &length);
	if (json == nullptr)
		throw Error("22P03", "invalid document: it could not be written as JSON");
	std::string text(json, length);
	bson_free(json);
	return text;
}

} // namespace reconcile::mongo
