/*-------------------------------------------------------------------------
 *
 * reply.cpp
 *	  Is an answer what a MongoDB would send?
 *
 *-------------------------------------------------------------------------
 */
#include "mongo/reply.hpp"

#include "mongo/driver.hpp"

#include <cstring>
#include <string_view>

namespace reconcile::mongo {

namespace {

/* What a server sends at most: 48 MB of documents, and what is around them. */
constexpr int32_t kLargestMessage = 48000000 + 16384;

constexpr size_t kLegacyPreamble = 20; /* flags, cursor, start, count */
constexpr size_t kMessagePreamble = 5; /* flags, kind of the only section */

/* Depth of the documents of a result: reply, cursor, batch, document. */
constexpr int kDepthOfResult = 3;

constexpr size_t kSmallestDocument = 5; /* its length, and the zero at its end */

/* is_namespace tells whether a cursor's name is a database's and a
 * collection's. */
bool is_namespace(const bson_iter_t &field)
{
	uint32_t length = 0;
	if (!BSON_ITER_HOLDS_UTF8(&field))
		return false;
	const char *text = bson_iter_utf8(&field, &length);
	std::string_view const name(text, length);
	size_t const period = name.find('.');
	return name.find('\0') == std::string_view::npos && period != std::string_view::npos &&
		   period > 0 && period + 1 < name.size();
}

/* Fields on which the driver relies to be of one type. */
struct Expected {
	const char *name;
	bson_type_t type;
	int depth; /* of the document that has it */
};

constexpr Expected kExpected[] = {
	{"cursor", BSON_TYPE_DOCUMENT, 0},
	{"firstBatch", BSON_TYPE_ARRAY, 1},
	{"nextBatch", BSON_TYPE_ARRAY, 1},
	{"id", BSON_TYPE_INT64, 1},
	{"writeErrors", BSON_TYPE_ARRAY, 0},
	{"writeConcernError", BSON_TYPE_DOCUMENT, 0},
	{"upserted", BSON_TYPE_ARRAY, 0},
	{"errorLabels", BSON_TYPE_ARRAY, 0},
	{"topologyVersion", BSON_TYPE_DOCUMENT, 0},
	{"$clusterTime", BSON_TYPE_DOCUMENT, 0},
	{"speculativeAuthenticate", BSON_TYPE_DOCUMENT, 0},
};

/* is_expected tells whether a field is of the type it must have.  A
 * batch holds documents. */
bool is_expected(const bson_iter_t &field, int depth, bool in_batch)
{
	const char *name = bson_iter_key(&field);
	if (in_batch)
		return BSON_ITER_HOLDS_DOCUMENT(&field);
	if (depth == 1 && std::strcmp(name, "ns") == 0)
		return is_namespace(field);
	for (const Expected &known : kExpected)
		if (depth == known.depth && std::strcmp(name, known.name) == 0)
			return bson_iter_type(&field) == known.type;
	return true;
}

/* is_batch tells fields that hold documents and nothing else. */
bool is_batch(const bson_iter_t &field, int depth)
{
	std::string_view const name = bson_iter_key(&field);
	return (depth == 0 && (name == "writeErrors" || name == "upserted")) ||
		   (depth == 1 && (name == "firstBatch" || name == "nextBatch"));
}

/* is_result tells whether an array holds sound lengths of documents and nothing
 * else.  There are thousands in an answer, hence no iterator. */
bool is_result(const uint8_t *data, size_t length)
{
	size_t at = sizeof(int32_t);
	while (at + 1 < length && data[at] == BSON_TYPE_DOCUMENT) {
		const void *key_end = std::memchr(data + at, '\0', length - at);
		if (key_end == nullptr)
			return false;
		at = static_cast<size_t>(static_cast<const uint8_t *>(key_end) - data) + 1;
		if (length - at < kSmallestDocument)
			return false;
		int32_t const size = number_at(data + at);
		if (size < static_cast<int32_t>(kSmallestDocument) ||
			static_cast<size_t>(size) > length - at)
			return false;
		at += static_cast<size_t>(size);
		if (data[at - 1] != 0)
			return false;
	}
	return at + 1 == length && data[at] == 0;
}

/* is_document walks over the fields of a document, and of those in it. */
bool is_document(const uint8_t *data, size_t length, int depth, bool batch)
{
	bson_t document;
	bson_iter_t field;
	if (length < kSmallestDocument || !bson_init_static(&document, data, length))
		return false;
	if (batch && depth + 1 == kDepthOfResult)
		return is_result(data, length);
	if (depth == kDepthOfResult)
		return true;
	if (!bson_iter_init(&field, &document))
		return false;
	while (bson_iter_next(&field)) {
		uint32_t size = 0;
		const uint8_t *inner = nullptr;
		if (!is_expected(field, depth, batch))
			return false;
		if (BSON_ITER_HOLDS_DOCUMENT(&field))
			bson_iter_document(&field, &size, &inner);
		else if (BSON_ITER_HOLDS_ARRAY(&field))
			bson_iter_array(&field, &size, &inner);
		else
			continue;
		if (inner == nullptr || !is_document(inner, size, depth + 1, is_batch(field, depth)))
			return false;
	}
	return field.err_off == 0;
}

} // namespace

int32_t number_at(const uint8_t *bytes)
{
	uint32_t number;
	std::memcpy(&number, bytes, sizeof number);
	return static_cast<int32_t>(BSON_UINT32_FROM_LE(number));
}

bool is_plausible_length(int32_t length)
{
	return length > static_cast<int32_t>(kHeaderBytes) && length <= kLargestMessage;
}

bool is_sound(const uint8_t *header, const uint8_t *body, size_t body_length, int32_t kind)
{
	size_t const preamble = kind == kLegacyReply ? kLegacyPreamble : kMessagePreamble;
	if (body_length <= preamble || number_at(header + 12) != kind)
		return false;
	if (kind == kMessage && (number_at(body) != 0 || body[preamble - 1] != 0))
		return false;
	if (kind == kLegacyReply && number_at(body + preamble - 4) != 1)
		return false;
	return is_document(body + preamble, body_length - preamble, 0, false);
}

} // namespace reconcile::mongo
