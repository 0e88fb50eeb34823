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
#include "access/stratnum.h"
#include "catalog/pg_foreign_server.h"
#include "commands/explain.h"
#include "executor/executor.h"
#include "foreign/fdwapi.h"
#include "foreign/foreign.h"
#include "nodes/pathnodes.h"
#include "optimizer/pathnode.h"
#include "parser/parsetree.h"
#include "utils/acl.h"
#if PG18_GE
#include "commands/explain_format.h"
#include "commands/explain_state.h"
#endif
}

namespace reconcile::pg {

/* foreign_scan_path makes a path of a plain scan, sorted by the order's keys. */
inline ForeignPath *foreign_scan_path(PlannerInfo *root, RelOptInfo *rel, double rows, Cost startup,
									  Cost total, List *order, List *more)
{
#if PG18_GE
	return create_foreignscan_path(root, rel, nullptr, rows, 0, startup, total, order,
								   rel->lateral_relids, nullptr, NIL, more);
#elif PG17_GE
	return create_foreignscan_path(root, rel, nullptr, rows, startup, total, order,
								   rel->lateral_relids, nullptr, NIL, more);
#else
	return create_foreignscan_path(root, rel, nullptr, rows, startup, total, order,
								   rel->lateral_relids, nullptr, more);
#endif
}

/* foreign_row_path makes a path that yields one row of a target. */
inline ForeignPath *foreign_row_path(PlannerInfo *root, RelOptInfo *rel, PathTarget *target,
									 Cost startup, Cost total, List *more)
{
#if PG18_GE
	return create_foreign_upper_path(root, rel, target, 1, 0, startup, total, NIL, nullptr, NIL,
									 more);
#elif PG17_GE
	return create_foreign_upper_path(root, rel, target, 1, startup, total, NIL, nullptr, NIL, more);
#else
	return create_foreign_upper_path(root, rel, target, 1, startup, total, NIL, nullptr, more);
#endif
}

/* descends tells the direction of a sort key. */
inline bool descends(const PathKey *key)
{
#if PG18_GE
	return key->pk_cmptype == COMPARE_GT;
#else
	return key->pk_strategy == BTGreaterStrategyNumber;
#endif
}

/* scan_user returns the role whose user mapping a scan uses. */
inline Oid scan_user(ForeignScanState *node)
{
#if PG16_GE
	Oid const user = reinterpret_cast<ForeignScan *>(node->ss.ps.plan)->checkAsUser;
#else
	auto *plan = reinterpret_cast<ForeignScan *>(node->ss.ps.plan);
	Index const relation = plan->scan.scanrelid > 0
							   ? plan->scan.scanrelid
							   : static_cast<Index>(bms_next_member(plan->fs_relids, -1));
	Oid const user = exec_rt_fetch(relation, node->ss.ps.state)->checkAsUser;
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

/* server_usage tells whether a role may use a server. */
inline AclResult server_usage(Oid server, Oid role)
{
#if PG16_GE
	return object_aclcheck(ForeignServerRelationId, server, role, ACL_USAGE);
#else
	return pg_foreign_server_aclcheck(server, role, ACL_USAGE);
#endif
}

} // namespace reconcile::pg
