/*-------------------------------------------------------------------------
 *
 * stream.hpp
 *	  The driver's network streams, over sockets that wait through the port.
 *
 * Depends on: connection.hpp.  Used inside src/mongo only.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "mongo/driver.hpp"

namespace reconcile::mongo {

/* open_stream connects to one host: the driver's stream initiator, whose last
 * argument but one is the Connection. */
mongoc_stream_t *BSON_CALL open_stream(const mongoc_uri_t *uri, const mongoc_host_list_t *host,
									   void *connection, bson_error_t *error) noexcept;

} // namespace reconcile::mongo
