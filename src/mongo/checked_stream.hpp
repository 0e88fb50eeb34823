/*-------------------------------------------------------------------------
 *
 * checked_stream.hpp
 *	  A mongoc_stream_t that lets only sound answers pass.
 *
 * It takes whole messages from the stream below, so that the driver also does
 * not need two reads for one, and holds back what reply.hpp does not approve
 * of: for the driver the connection is broken then.
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
