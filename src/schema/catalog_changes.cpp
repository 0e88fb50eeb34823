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
#include "catalog/namespace.h"
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
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
}

namespace reconcile::schema {

namespace {

/* Printed is a catalog that PostgreSQL's functions print definitions from, and the
 * index of its key.  pg_class comes before those that have rows for relations. */
struct Printed {
	Oid catalog, key;
};

constexpr Printed kPrinted[] = {
	{NamespaceRelationId, NamespaceOidIndexId},
	{RelationRelationId, ClassOidIndexId},
	{AttributeRelationId, AttributeRelidNumIndexId},
	{AttrDefaultRelationId, AttrDefaultOidIndexId},
	{IndexRelationId, IndexRelidIndexId},
	{ConstraintRelationId, ConstraintOidIndexId},
	{TypeRelationId, TypeOidIndexId},
	{EnumRelationId, EnumOidIndexId},
	{ProcedureRelationId, ProcedureOidIndexId},
	{OperatorRelationId, OperatorOidIndexId},
	{CollationRelationId, CollationOidIndexId},
	{TriggerRelationId, TriggerOidIndexId},
	{RewriteRelationId, RewriteOidIndexId},
	{StatisticExtRelationId, StatisticExtOidIndexId},
	{PolicyRelationId, PolicyOidIndexId},
	{AuthIdRelationId, AuthIdOidIndexId},
};

/* form_of is the fixed part of a row of a catalog. */
template <typename Form> Form form_of(HeapTuple row)
{
	return reinterpret_cast<Form>(GETSTRUCT(row));
}

/* relation_of is the relation that a row of a catalog is about, if any. */
Oid relation_of(Oid catalog, HeapTuple row)
{
	switch (catalog) {
	case RelationRelationId:
		return form_of<Form_pg_class>(row)->oid;
	case AttributeRelationId:
		return form_of<Form_pg_attribute>(row)->attrelid;
	case AttrDefaultRelationId:
		return form_of<Form_pg_attrdef>(row)->adrelid;
	case IndexRelationId:
		return form_of<Form_pg_index>(row)->indexrelid;
	case ConstraintRelationId:
		return form_of<Form_pg_constraint>(row)->conrelid;
	case TriggerRelationId:
		return form_of<Form_pg_trigger>(row)->tgrelid;
	case RewriteRelationId:
		return form_of<Form_pg_rewrite>(row)->ev_class;
	case StatisticExtRelationId:
		return form_of<Form_pg_statistic_ext>(row)->stxrelid;
	case PolicyRelationId:
		return form_of<Form_pg_policy>(row)->polrelid;
	default:
		return InvalidOid;
	}
}

/* is_left_out tells that a row is about what is never audited: a temporary object,
 * or a table for large values.  The relations among them are noted. */
bool is_left_out(Oid catalog, HeapTuple row, HTAB *left_out)
{
	Oid const relation = relation_of(catalog, row);
	if (catalog == NamespaceRelationId)
		return isAnyTempNamespace(form_of<Form_pg_namespace>(row)->oid);
	if (catalog == TypeRelationId)
		return isAnyTempNamespace(form_of<Form_pg_type>(row)->typnamespace);
	if (catalog == ProcedureRelationId)
		return isAnyTempNamespace(form_of<Form_pg_proc>(row)->pronamespace);
	if (catalog == RelationRelationId &&
		(form_of<Form_pg_class>(row)->relpersistence == RELPERSISTENCE_TEMP ||
		 form_of<Form_pg_class>(row)->relnamespace == PG_TOAST_NAMESPACE))
		hash_search(left_out, &relation, HASH_ENTER, nullptr);
	return OidIsValid(relation) && hash_search(left_out, &relation, HASH_FIND, nullptr) != nullptr;
}

/* without_storage clears what pg_class has about the files of a relation: TRUNCATE
 * and VACUUM FULL change that. */
HeapTuple without_storage(HeapTuple row)
{
	HeapTuple copy = heap_copytuple(row);
	auto *const form = form_of<Form_pg_class>(copy);
	auto const clear = [&](size_t begin, size_t end) {
		memset(reinterpret_cast<char *>(form) + begin, 0, end - begin);
	};
	clear(offsetof(FormData_pg_class, relfilenode), offsetof(FormData_pg_class, reltablespace));
	clear(offsetof(FormData_pg_class, relpages), offsetof(FormData_pg_class, relhasindex));
	clear(offsetof(FormData_pg_class, relfrozenxid), CLASS_TUPLE_SIZE);
	return copy;
}

/* has_same_values compares rows byte by byte from their null bitmaps on. */
bool has_same_values(HeapTuple one, HeapTuple other)
{
	size_t const begin = offsetof(HeapTupleHeaderData, t_bits);
	return one->t_len == other->t_len && one->t_data->t_hoff == other->t_data->t_hoff &&
		   HeapTupleHasNulls(one) == HeapTupleHasNulls(other) &&
		   memcmp(reinterpret_cast<char *>(one->t_data) + begin,
				  reinterpret_cast<char *>(other->t_data) + begin, one->t_len - begin) == 0;
}

/* is_same tells that two versions of a row say the same. */
bool is_same(Oid catalog, HeapTuple one, HeapTuple other)
{
	if (ItemPointerEquals(&one->t_self, &other->t_self) || has_same_values(one, other))
		return true;
	return catalog == RelationRelationId &&
		   has_same_values(without_storage(one), without_storage(other));
}

/* next_row returns the next row of a scan that is about what is audited. */
HeapTuple next_row(SysScanDesc scan, Oid catalog, HTAB *left_out)
{
	HeapTuple row;
	do
		row = systable_getnext_ordered(scan, ForwardScanDirection);
	while (HeapTupleIsValid(row) && is_left_out(catalog, row, left_out));
	return row;
}

/* has_same_rows tells that two snapshots see the same rows of a catalog, both read
 * in the order of its key. */
bool has_same_rows(Printed printed, HTAB *left_out, Snapshot one, Snapshot other)
{
	Oid const catalog = printed.catalog;
	Relation relation = table_open(catalog, AccessShareLock);
	Relation key = index_open(printed.key, AccessShareLock);
	SysScanDesc ones = systable_beginscan_ordered(relation, key, one, 0, nullptr);
	SysScanDesc others = systable_beginscan_ordered(relation, key, other, 0, nullptr);
	HeapTuple mine, theirs;
	do {
		mine = next_row(ones, catalog, left_out);
		theirs = next_row(others, catalog, left_out);
	} while (HeapTupleIsValid(mine) && HeapTupleIsValid(theirs) && is_same(catalog, mine, theirs));
	bool const same = !HeapTupleIsValid(mine) && !HeapTupleIsValid(theirs);
	systable_endscan_ordered(others);
	systable_endscan_ordered(ones);
	index_close(key, AccessShareLock);
	table_close(relation, AccessShareLock);
	return same;
}

/* is_current tells that the catalogs are as the transaction sees them. */
bool is_current()
{
	Snapshot const ours = RegisterSnapshot(GetTransactionSnapshot());
	Snapshot const latest = RegisterSnapshot(GetLatestSnapshot());
	HASHCTL of_oids = {};
	of_oids.keysize = of_oids.entrysize = sizeof(Oid);
	of_oids.hcxt = CurrentMemoryContext;
	HTAB *left_out =
		hash_create("relations left out", 1024, &of_oids, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	bool same = true;
	for (size_t n = 0; same && n < lengthof(kPrinted); n++)
		same = has_same_rows(kPrinted[n], left_out, ours, latest);
	hash_destroy(left_out);
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
