/*-------------------------------------------------------------------------
 *
 * run_details.cpp
 *	  What reports need: the ledger of one run, and reading as an owner.
 *
 * The ledger's tables are private; a report on a run that one has just made
 * must not need rights on all of them.
 *
 *-------------------------------------------------------------------------
 */
#include "invariant/definition.hpp"
#include "invariant/ledger.hpp"
#include "pg/identity.hpp"
#include "pg/result_set.hpp"
#include "pg/spi.hpp"
#include "pg/text.hpp"

namespace reconcile::invariant {

namespace {

/* collect_of_run returns the rows of a query on the run that is its $1. */
Datum collect_of_run(FunctionCallInfo fcinfo, const char *sql)
{
	int64 const run_id = pg::Arguments(fcinfo).int8(0, "run_id");
	require_role(past_run(run_id, false));
	pg::ResultSet result(fcinfo);
	pg::AsExtensionOwner owner;
	pg::Spi spi;
	spi.collect(sql, SPI_OK_SELECT, result, pg::Args().add(run_id));
	return Datum(0);
}

} // namespace

RECONCILE_FUNCTION(reconcile_run_rows)
{
	return collect_of_run(fcinfo,
						  "SELECT ordinal, row, was FROM reconcile.run_row WHERE run_id = $1"
						  " ORDER BY ordinal");
}

RECONCILE_FUNCTION(reconcile_run_failures)
{
	return collect_of_run(fcinfo, "SELECT key, sqlstate, message FROM reconcile.failure"
								  " WHERE run_id = $1");
}

RECONCILE_FUNCTION(reconcile_run_xids)
{
	return collect_of_run(fcinfo, "SELECT xid FROM reconcile.run r, unnest(r.xids) AS xid"
								  " WHERE r.run_id = $1");
}

/* reconcile_pack_report reads as the owner of an invariant: the tables of a
 * report belong to that role, and whatever they call must not run as whoever
 * asks for the report. */
RECONCILE_FUNCTION(reconcile_pack_report)
{
	pg::Arguments arguments(fcinfo);
	Definition const definition = definition_named(arguments.text(0, "invariant"));
	std::string const query = arguments.text(1, "query");
	pg::Args runs;
	runs.add(arguments.optional_int8(2)).add(arguments.optional_int8(3));
	require_role(definition);

	pg::ResultSet result(fcinfo);
	AsDeclared const declared(definition);
	pg::ReadOnly read_only;
	pg::Spi spi;
	spi.collect(query, SPI_OK_SELECT, result, runs);
	return Datum(0);
}

} // namespace reconcile::invariant
