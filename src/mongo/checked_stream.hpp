/*-------------------------------------------------------------------------
 *
 * checked_stream.hpp
 *	  A mongoc_stream_t that lets only sound answers pass.
 *
 * The driver gets the length of an answer, and the rest when all of it is here
 * and reply.hpp approves of it: else the connection is broken for the driver.
 *
 * Depends on: driver.hpp.  Used by: stream.cpp.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "mongo/driver.hpp"

#include <cstdint>

namespace reconcile::mongo {

struct Connection;

/* checked puts itself upon a stream, which it owns from then on. */
mongoc_stream_t *checked(Connection *connection, mongoc_stream_t *below);

/* stream_of returns the stream of a number, or nullptr when it is gone.  What
 * is written to it between two operations of the driver, and what answers that,
 * the driver never learns of. */
mongoc_stream_t *stream_of(const Connection *connection, uint64_t number);

} // namespace reconcile::mongo
