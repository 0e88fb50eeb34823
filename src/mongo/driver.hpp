/*-------------------------------------------------------------------------
 *
 * driver.hpp
 *	  libmongoc's headers, and the differences between its versions.
 *
 * One source serves libmongoc 1.23 (Debian 12), 1.30 (Debian 13) and 2.5.
 * Every file that needs the driver includes this one; nothing in src/mongo
 * knows PostgreSQL.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include <mongoc/mongoc.h>

#if !MONGOC_CHECK_VERSION(1, 23, 0)
#error "pg_reconcile needs libmongoc 1.23 or later"
#endif

/* The calling convention of callbacks has a name since 2.0. */
#ifndef BSON_CALL
#define BSON_CALL
#endif

/* The topology's pauses can be replaced, and thereby interrupted, since 1.26. */
#define DRIVER_CAN_SLEEP MONGOC_CHECK_VERSION(1, 26, 0)

namespace reconcile::mongo {

/* start_driver prepares libmongoc, once per process and as late as possible:
 * never in a process that forks servers.  It throws Error 0A000 when the
 * process cannot host the driver. */
void start_driver();

/* LocalChecks is the part of mongoc_ssl_opt_t that libmongoc does not
 * publish; it reads the first two bytes.  The second keeps it from asking the
 * address that a certificate names whether the certificate was revoked: a
 * request of its own that nobody could interrupt. */
struct LocalChecks {
	bool no_revocation_check = false;
	bool no_responder_request = true;
	bool room[30] = {};
};

} // namespace reconcile::mongo
