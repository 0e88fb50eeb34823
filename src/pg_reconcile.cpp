/*-------------------------------------------------------------------------
 *
 * pg_reconcile.cpp
 *	  The library of the engine: invariants, their audits and repairs.
 *
 *-------------------------------------------------------------------------
 */
#include "pg/compat.hpp"

extern "C" {
#include "utils/guc.h"

PG_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);
}

namespace {

bool include_deleted_teams = false;

} // namespace

/* _PG_init declares the settings. */
void _PG_init(void)
{
	DefineCustomBoolVariable("pg_reconcile.include_deleted_teams",
							 "Makes the invariants of pack team_roles include deleted teams.",
							 "fix_team_roles() sets it for the time of a call.",
							 &include_deleted_teams, false, PGC_USERSET, 0, nullptr, nullptr,
							 nullptr);
	MarkGUCPrefixReserved("pg_reconcile");
}
