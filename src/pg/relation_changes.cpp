/*-------------------------------------------------------------------------
 *
 * relation_changes.cpp
 *	  Being told when a relation is altered or dropped, by any session.
 *
 *-------------------------------------------------------------------------
 */
#include "pg/relation_changes.hpp"

extern "C" {
#include "utils/inval.h"
}

namespace reconcile::pg {

namespace {

void (*listener)(Oid) noexcept = nullptr;

void changed(Datum /* unused */, Oid relation)
{
	listener(relation);
}

} // namespace

void on_relation_change(void (*f)(Oid relation) noexcept)
{
	if (listener != nullptr)
		fail(ERRCODE_INTERNAL_ERROR, "somebody listens to changes of relations already");
	call([] { CacheRegisterRelcacheCallback(changed, Datum(0)); });
	listener = f;
}

} // namespace reconcile::pg
