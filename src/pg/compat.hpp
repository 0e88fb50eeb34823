/*-------------------------------------------------------------------------
 *
 * compat.hpp
 *	  PostgreSQL's headers, and the differences between its major versions.
 *
 * Every file that needs PostgreSQL includes this one first, so that
 * postgres.h comes before anything else and with C linkage.  A difference
 * between versions is written here once, under a name; the code uses the
 * name.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

extern "C" {
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
}

/* The short name of gettext() clashes with C++ libraries. */
#undef _

#if PG_VERSION_NUM < 150000
#error "pg_reconcile needs PostgreSQL 15 or later"
#endif

#define PG16_GE (PG_VERSION_NUM >= 160000)
#define PG17_GE (PG_VERSION_NUM >= 170000)
#define PG18_GE (PG_VERSION_NUM >= 180000)

/* From PostgreSQL 18 on, a column that refuses NULL may have some from before. */
#if PG18_GE
#define HAS_NO_NULL(row_type, column)                                                              \
	(TupleDescCompactAttr(row_type, column)->attnullability == ATTNULLABLE_VALID)
#else
#define HAS_NO_NULL(row_type, column) (TupleDescAttr(row_type, column)->attnotnull)
#endif

/* Before PostgreSQL 18, PortalRun() had to be told that it is called once. */
#if PG18_GE
#define PORTAL_RUN_ONCE
#else
#define PORTAL_RUN_ONCE true,
#endif
