/*-------------------------------------------------------------------------
 *
 * pg_reconcile.cpp
 *	  The library of the engine: invariants, their audits and repairs.
 *
 *-------------------------------------------------------------------------
 */
#include "pg/compat.hpp"

extern "C" {
PG_MODULE_MAGIC;
}
