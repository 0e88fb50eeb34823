/*-------------------------------------------------------------------------
 *
 * analyze.hpp
 *	  ANALYZE of a foreign table.
 *
 * Depends on: pg/foreign.hpp.  Used by: fdw.cpp.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "pg/foreign.hpp"

namespace reconcile::fdw {

/* analyze_table says how the rows of a table are sampled. */
bool analyze_table(Relation relation, AcquireSampleRowsFunc *function, BlockNumber *pages);

} // namespace reconcile::fdw
