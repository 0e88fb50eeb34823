/*-------------------------------------------------------------------------
 *
 * pg_reconcile.cpp
 *	  The library of the engine: invariants, their audits and repairs.
 *
 *-------------------------------------------------------------------------
 */
#include "pg/result_set.hpp"

extern "C" {
#include "access/xact.h"
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

namespace reconcile {

/* A procedure that commits finds out at its first COMMIT that it may not; by
 * then the message speaks of a COMMIT the user did not write. */
RECONCILE_FUNCTION(reconcile_refuse_transaction_block)
{
	pg::Arguments const arguments(fcinfo);
	std::string const procedure = arguments.text(0, "procedure");
	pg::call([&] { PreventInTransactionBlock(true, procedure.c_str()); });
	PG_RETURN_VOID();
}

} // namespace reconcile
