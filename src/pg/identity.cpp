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
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/syscache.h"
}

namespace reconcile::pg {

namespace {

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

bool could_set_role(Oid member, Oid role)
{
#if PG16_GE
	return member_can_set_role(member, role);
#else
	return is_member_of_role(member, role);
#endif
}

} // namespace

/* Settings: most are what they are to be in most sessions, and a look costs less. */
Settings::Settings(Values values) : level_(0)
{
	call([&] {
		level_ = NewGUCNestLevel();
		for (const auto &[name, value] : values)
			if (value != nullptr && strcmp(GetConfigOption(name, false, false), value) != 0)
				set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
								  false);
	});
}

Settings::~Settings()
{
	if (std::uncaught_exceptions() == unwinding_)
		AtEOXact_GUC(false, level_);
}

/* A change of user is undone by the end of the (sub)transaction, too, but
 * what runs before that while an error unwinds must not run as the other. */
ActingAs::ActingAs(Oid role, int restriction, int lifted) : user_(InvalidOid), context_(0)
{
	GetUserIdAndSecContext(&user_, &context_);
	SetUserIdAndSecContext(role, (context_ & ~lifted) | SECURITY_LOCAL_USERID_CHANGE | restriction);
}

ActingAs::~ActingAs()
{
	SetUserIdAndSecContext(user_, context_);
}

AsExtensionOwner::AsExtensionOwner(Purpose purpose)
	: owner_(call([] { return extension_owner(); }), 0,
			 purpose == for_later ? SECURITY_RESTRICTED_OPERATION : 0)
{
}

AsOwner::AsOwner(Oid owner, const std::string &search_path, const char *time_zone)
	: settings_({{"search_path", search_path.c_str()},
				 {"TimeZone", time_zone},
				 {"row_security", "off"},
				 {"DateStyle", "ISO, MDY"},
				 {"IntervalStyle", "postgres"}}),
	  owner_(owner, call([&] { return could_set_role(owner, GetUserId()); })
						? 0
						: SECURITY_RESTRICTED_OPERATION)
{
}

bool is_restricted()
{
	return InSecurityRestrictedOperation();
}

bool may_act_as(Oid role)
{
	return call([&] { return could_set_role(GetUserId(), role); });
}

Oid owner_of(Oid relation)
{
	return call([&] {
		HeapTuple const tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
		if (!HeapTupleIsValid(tuple))
			return InvalidOid;
		Oid const owner = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple))->relowner;
		ReleaseSysCache(tuple);
		return owner;
	});
}

bool role_exists(Oid role)
{
	return call([&] { return SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(role)); });
}

} // namespace reconcile::pg
