/*-------------------------------------------------------------------------
 *
 * fdw.cpp
 *	  The foreign data wrapper reconcile_mongo: what PostgreSQL calls.
 *
 *-------------------------------------------------------------------------
 */
#include "fdw/analyze.hpp"
#include "fdw/change.hpp"
#include "fdw/count.hpp"
#include "fdw/identity.hpp"
#include "fdw/import.hpp"
#include "fdw/modify.hpp"
#include "fdw/scan.hpp"

#include "pg/boundary.hpp"

using namespace reconcile;

extern "C" {
PG_MODULE_MAGIC;
}

RECONCILE_FUNCTION(reconcile_mongo_handler)
{
	FdwRoutine *routine = pg::call([] { return makeNode(FdwRoutine); });

	routine->GetForeignRelSize = pg::entry<fdw::get_rel_size>;
	routine->GetForeignPaths = pg::entry<fdw::get_paths>;
	routine->GetForeignUpperPaths = pg::entry<fdw::get_upper_paths>;
	routine->GetForeignPlan = pg::entry<fdw::get_plan>;
	routine->BeginForeignScan = pg::entry<fdw::begin_scan>;
	routine->IterateForeignScan = pg::entry<fdw::iterate_scan>;
	routine->ReScanForeignScan = pg::entry<fdw::rescan>;
	routine->EndForeignScan = pg::entry<fdw::end_scan>;
	routine->ExplainForeignScan = pg::entry<fdw::explain_scan>;

	routine->IsForeignRelUpdatable = pg::entry<fdw::is_updatable>;
	routine->PlanForeignModify = pg::entry<fdw::plan_modify>;
	routine->BeginForeignModify = pg::entry<fdw::begin_modify>;
	routine->BeginForeignInsert = pg::entry<fdw::begin_insert>;
	routine->EndForeignInsert = pg::entry<fdw::end_insert>;
	routine->GetForeignModifyBatchSize = pg::entry<fdw::batch_size>;
	routine->ExecForeignInsert = pg::entry<fdw::insert>;
	routine->ExecForeignBatchInsert = pg::entry<fdw::batch_insert>;
	routine->AddForeignUpdateTargets = pg::entry<fdw::add_update_targets>;
	routine->ExecForeignUpdate = pg::entry<fdw::update>;
	routine->ExecForeignDelete = pg::entry<fdw::remove>;
	routine->ExplainForeignModify = pg::entry<fdw::explain_modify>;

	routine->AnalyzeForeignTable = pg::entry<fdw::analyze_table>;
	routine->ImportForeignSchema = pg::entry<fdw::import_schema>;

	return PointerGetDatum(routine);
}
