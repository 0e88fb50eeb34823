/*-------------------------------------------------------------------------
 *
 * catalog_changes.cpp
 *	  Was the schema changed by others while it was read?
 *
 *-------------------------------------------------------------------------
 */
#include "pg/boundary.hpp"

extern "C" {
#include "access/genam.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_attrdef.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_enum.h"
#include "catalog/pg_index.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_policy.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_rewrite.h"
#include "catalog/pg_statistic_ext.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "storage/sinval.h"
#include "utils/inval.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
}

namespace reconcile::schema {

namespace {

/* kPrinted are the catalogs that PostgreSQL's functions print definitions from. */
constexpr Oid kPrinted[] = {
	NamespaceRelationId, RelationRelationId,	 AttributeRelationId, AttrDefaultRelationId,
	IndexRelationId,	 ConstraintRelationId,	 TypeRelationId,	  EnumRelationId,
	ProcedureRelationId, OperatorRelationId,	 CollationRelationId, TriggerRelationId,
	RewriteRelationId,	 StatisticExtRelationId, PolicyRelationId,	  AuthIdRelationId,
};

/* has_same_rows tells that two snapshots see the same rows of a catalog: both
 * are read in the order in which they are stored. */
bool has_same_rows(Oid catalog, Snapshot one, Snapshot other)
{
	Relation relation = table_open(catalog, AccessShareLock);
	SysScanDesc ones = systable_beginscan(relation, InvalidOid, false, one, 0, nullptr);
	SysScanDesc others = systable_beginscan(relation, InvalidOid, false, other, 0, nullptr);
	HeapTuple mine, theirs;
	do {
		mine = systable_getnext(ones);
		theirs = systable_getnext(others);
	} while (HeapTupleIsValid(mine) && HeapTupleIsValid(theirs) &&
			 ItemPointerEquals(&mine->t_self, &theirs->t_self));
	bool const same = !HeapTupleIsValid(mine) && !HeapTupleIsValid(theirs);
	systable_endscan(others);
	systable_endscan(ones);
	table_close(relation, AccessShareLock);
	return same;
}

/* is_current tells that the catalogs are as the transaction sees them. */
bool is_current()
{
	Snapshot const ours = RegisterSnapshot(GetTransactionSnapshot());
	Snapshot const latest = RegisterSnapshot(GetLatestSnapshot());
	bool same = true;
	for (size_t n = 0; same && n < lengthof(kPrinted); n++)
		same = has_same_rows(kPrinted[n], ours, latest);
	UnregisterSnapshot(latest);
	UnregisterSnapshot(ours);
	return same;
}

} // namespace

/* catalog_changes counts what this session has heard of changes to catalogs.
 * PostgreSQL tells every session of them, so that its caches stay true. */
RECONCILE_FUNCTION(reconcile_catalog_changes)
{
	return pg::call([] {
		AcceptInvalidationMessages();
		return Int64GetDatum(static_cast<int64>(SharedInvalidMessageCounter));
	});
}

/* require_current_catalogs fails where a transaction with one snapshot would
 * list objects as they were, and print their definitions as they are. */
RECONCILE_FUNCTION(reconcile_require_current_catalogs)
{
	if (pg::call([] { return IsolationUsesXactSnapshot() && !is_current(); }))
		throw pg::Error(ERRCODE_T_R_SERIALIZATION_FAILURE,
						"the schema was changed since this transaction began", {},
						"Try again in a new transaction, or in one that is READ COMMITTED.");
	PG_RETURN_VOID();
}

} // namespace reconcile::schema
