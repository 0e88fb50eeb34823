/*-------------------------------------------------------------------------
 *
 * catalog_changes.cpp
 *	  Was the schema changed by others while it was read?
 *
 *-------------------------------------------------------------------------
 */
#include "pg/boundary.hpp"

extern "C" {
#include "storage/sinval.h"
#include "utils/inval.h"
}

namespace reconcile::schema {

/* catalog_changes counts what this session has heard of changes to catalogs.
 * PostgreSQL tells every session of them, so that its caches stay true. */
RECONCILE_FUNCTION(reconcile_catalog_changes)
{
	return pg::call([] {
		AcceptInvalidationMessages();
		return Int64GetDatum(static_cast<int64>(SharedInvalidMessageCounter));
	});
}

} // namespace reconcile::schema
