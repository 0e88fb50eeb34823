/*-------------------------------------------------------------------------
 *
 * identity.cpp
 *	  Acting as another role for the time of a scope.
 *
 *-------------------------------------------------------------------------
 */
#include "pg/identity.hpp"

extern "C" {
#include "access/genam.h"
#include "access/table.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_extension.h"
#include "commands/extension.h"
#include "utils/acl.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/syscache.h"
}

namespace reconcile::pg {

namespace {

/* Temporary objects last, so that none stands in for anything else. */
constexpr const char *kPinnedPath = "pg_catalog, pg_temp";

/* extension_owner looks up who owns pg_reconcile, as DROP EXTENSION would. */
Oid extension_owner()
{
	Oid extension = get_extension_oid("pg_reconcile", false);
	Relation relation = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	ScanKeyInit(&key, Anum_pg_extension_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(extension));
	SysScanDesc scan = systable_beginscan(relation, ExtensionOidIndexId, true, nullptr, 1, &key);
	HeapTuple tuple = systable_getnext(scan);
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "extension %u vanished", extension);
	Oid owner = reinterpret_cast<Form_pg_extension>(GETSTRUCT(tuple))->extowner;
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return owner;
}

void set_for_scope(const char *name, const char *value)
{
	set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

bool could_set_role(Oid member, Oid role)
{
#if PG16_GE
	return member_can_set_role(member, role);
#else
	return is_member_of_role(member, role);
#endif
}

} // namespace

PinnedPath::PinnedPath() : guc_level_(0)
{
	call([&] {
		guc_level_ = NewGUCNestLevel();
		set_for_scope("search_path", kPinnedPath);
	});
}

PinnedPath::~PinnedPath()
{
	/* after an error the end of the (sub)transaction restores the settings */
	if (std::uncaught_exceptions() == unwinding_)
		AtEOXact_GUC(false, guc_level_);
}

ReadOnly::ReadOnly() : guc_level_(0)
{
	call([&] {
		guc_level_ = NewGUCNestLevel();
		set_for_scope("transaction_read_only", "on");
	});
}

ReadOnly::~ReadOnly()
{
	if (std::uncaught_exceptions() == unwinding_)
		AtEOXact_GUC(false, guc_level_);
}

AsExtensionOwner::AsExtensionOwner() : user_(InvalidOid), context_(0), guc_level_(0)
{
	call([&] {
		GetUserIdAndSecContext(&user_, &context_);
		Oid owner = extension_owner();
		guc_level_ = NewGUCNestLevel();
		set_for_scope("search_path", kPinnedPath);
		SetUserIdAndSecContext(owner, context_ | SECURITY_LOCAL_USERID_CHANGE);
	});
}

AsExtensionOwner::~AsExtensionOwner()
{
	SetUserIdAndSecContext(user_, context_);
	if (std::uncaught_exceptions() == unwinding_)
		AtEOXact_GUC(false, guc_level_);
}

AsOwner::AsOwner(Oid owner, const std::string &search_path)
	: user_(InvalidOid), context_(0), guc_level_(0)
{
	call([&] {
		GetUserIdAndSecContext(&user_, &context_);
		guc_level_ = NewGUCNestLevel();
		set_for_scope("search_path", search_path.c_str());
		set_for_scope("row_security", "off");
		int restricted = could_set_role(owner, user_)
							 ? 0
							 : SECURITY_RESTRICTED_OPERATION;
		SetUserIdAndSecContext(owner, context_ | SECURITY_LOCAL_USERID_CHANGE | restricted);
	});
}

AsOwner::~AsOwner()
{
	SetUserIdAndSecContext(user_, context_);
	if (std::uncaught_exceptions() == unwinding_)
		AtEOXact_GUC(false, guc_level_);
}

bool may_act_as(Oid role)
{
	return call([&] { return could_set_role(GetUserId(), role); });
}

bool role_exists(Oid role)
{
	return call([&] { return SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(role)); });
}

} // namespace reconcile::pg
