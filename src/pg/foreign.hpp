/*-------------------------------------------------------------------------
 *
 * foreign.hpp
 *	  What a foreign data wrapper calls that differs between versions.
 *
 * Everything in it is C in the sense of boundary.hpp: use it inside call().
 *
 * Depends on: compat.hpp.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "pg/compat.hpp"

extern "C" {
#include "commands/explain.h"
#include "executor/executor.h"
#include "foreign/fdwapi.h"
#include "foreign/foreign.h"
#include "nodes/pathnodes.h"
#include "optimizer/pathnode.h"
#include "parser/parsetree.h"
#if PG18_GE
#include "commands/explain_format.h"
#include "commands/explain_state.h"
#endif
}

namespace reconcile::pg {

/* foreign_scan_path makes the one path of a plain scan. */
inline ForeignPath *foreign_scan_path(PlannerInfo *root, RelOptInfo *rel, double rows, Cost startup,
									  Cost total)
{
#if PG18_GE
	return create_foreignscan_path(root, rel, nullptr, rows, 0, startup, total, NIL,
								   rel->lateral_relids, nullptr, NIL, NIL);
#elif PG17_GE
	return create_foreignscan_path(root, rel, nullptr, rows, startup, total, NIL,
								   rel->lateral_relids, nullptr, NIL, NIL);
#else
	return create_foreignscan_path(root, rel, nullptr, rows, startup, total, NIL,
								   rel->lateral_relids, nullptr, NIL);
#endif
}

/* scan_user returns the role whose user mapping a scan uses. */
inline Oid scan_user(ForeignScanState *node)
{
#if PG16_GE
	Oid const user = reinterpret_cast<ForeignScan *>(node->ss.ps.plan)->checkAsUser;
#else
	auto *plan = reinterpret_cast<ForeignScan *>(node->ss.ps.plan);
	Oid const user = exec_rt_fetch(plan->scan.scanrelid, node->ss.ps.state)->checkAsUser;
#endif
	return OidIsValid(user) ? user : GetUserId();
}

/* modify_user returns the role whose user mapping a write uses. */
inline Oid modify_user(ResultRelInfo *target, EState *estate)
{
#if PG16_GE
	return ExecGetResultRelCheckAsUser(target, estate);
#else
	Index const relation = target->ri_RangeTableIndex != 0
							   ? target->ri_RangeTableIndex
							   : (target->ri_RootResultRelInfo != nullptr
									  ? target->ri_RootResultRelInfo->ri_RangeTableIndex
									  : 0);
	Oid const user = relation != 0 ? exec_rt_fetch(relation, estate)->checkAsUser : InvalidOid;
	return OidIsValid(user) ? user : GetUserId();
#endif
}

} // namespace reconcile::pg
