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

/* The calling convention of callbacks has a name since 2.0. */
#ifndef BSON_CALL
#define BSON_CALL
#endif

/* The topology's pauses can be replaced, and thereby interrupted, since 1.26. */
#define DRIVER_CAN_SLEEP MONGOC_CHECK_VERSION(1, 26, 0)

#if !MONGOC_CHECK_VERSION(1, 23, 0)
#error "pg_reconcile needs libmongoc 1.23 or later"
#endif
