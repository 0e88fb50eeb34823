/*-------------------------------------------------------------------------
 *
 * reply.hpp
 *	  Is an answer what a MongoDB would send?
 *
 * The driver aborts the process on some answers that no MongoDB gives: damaged
 * frames and lengths, names that are none.  A server is only as trustworthy
 * as who may name it, so this looks at every message before the driver does.
 *
 * Depends on: nothing.  Used by: checked_stream.cpp.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include <cstddef>
#include <cstdint>

namespace reconcile::mongo {

/* Every message begins with four numbers of four bytes: its length, its own
 * number, the number of the message it answers, and its kind. */
constexpr size_t kHeaderBytes = 16;
constexpr int32_t kLegacyQuery = 2004; /* the first greeting */
constexpr int32_t kLegacyReply = 1;	   /* what answers it */
constexpr int32_t kMessage = 2013;

/* number_at reads a number as BSON and messages have it. */
int32_t number_at(const uint8_t *bytes);

/* is_plausible_length tells whether a header may announce that many bytes. */
bool is_plausible_length(int32_t length);

/* is_sound tells whether a complete message of some kind, its header and what
 * follows, can be given to the driver.  Of the documents in a result only the
 * lengths are looked at: who converts them checks the rest. */
bool is_sound(const uint8_t *header, const uint8_t *body, size_t body_length, int32_t kind);

} // namespace reconcile::mongo
