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

namespace reconcile::mongo {

struct Connection;

/* checked puts itself upon a stream, which it owns from then on. */
mongoc_stream_t *checked(Connection *connection, mongoc_stream_t *below);

} // namespace reconcile::mongo
