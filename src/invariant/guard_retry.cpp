/*-------------------------------------------------------------------------
 *
 * guard_retry.cpp
 *	  reconcile.retry_failures(): work off what could not be written.
 *
 * A retry is a repair of the rows whose keys wait, and of no other: a row that
 * was deleted on purpose stays away.  Only where a key could not be computed
 * everything that is due is repaired.
 *
 *-------------------------------------------------------------------------
 */
#include "invariant/definition.hpp"
#include "invariant/order.hpp"
#include "invariant/repair.hpp"
#include "pg/context.hpp"
#include "pg/identity.hpp"
#include "pg/result_set.hpp"
#include "pg/spi.hpp"
#include "pg/subtransaction.hpp"

extern "C" {
#include "tcop/utility.h"
}

#include <algorithm>

namespace reconcile::invariant {

namespace {

/* Waiting is the queue of one invariant. */
struct Waiting {
	int64 rows = 0;
	std::optional<Datum> keys; /* nothing when one of them is not known */
};

Waiting waiting(const std::string &invariant)
{
	pg::AsExtensionOwner owner;
	pg::Spi spi;
	spi.run("SELECT count(*), CASE WHEN count(*) = count(key) THEN array_agg(key) END"
			" FROM reconcile.failures WHERE invariant = $1",
			SPI_OK_SELECT, pg::Args().add(invariant));
	return {spi.number(0, 1), spi.kept(0, 2)};
}

/* enter_attempt notes that every row of the queue was tried in vain. */
void enter_attempt(const std::string &invariant, const pg::Failure &failure)
{
	pg::AsExtensionOwner owner;
	pg::Spi spi;
	spi.run("INSERT INTO reconcile.guard_failure (invariant, key, source, sqlstate, message, role)"
			" SELECT invariant, key, source, $2, $3, role FROM reconcile.failures"
			" WHERE invariant = $1",
			SPI_OK_INSERT, pg::Args().add(invariant).add(failure.code()).add(failure.message()));
}

} // namespace

RECONCILE_FUNCTION(reconcile_retry_failures)
{
	pg::Arguments arguments(fcinfo);
	pg::call([] {
		PreventCommandIfReadOnly("reconcile.retry_failures()");
		PreventCommandDuringRecovery("reconcile.retry_failures()");
	});
	pg::ResultSet result(fcinfo);
	for (const Definition &definition :
		 in_order(chosen_definitions(arguments.optional_text(0), std::nullopt))) {
		Waiting const before = waiting(definition.name);
		if (before.rows == 0)
			continue;
		pg::InContext const context("retry of invariant", definition.name);
		require_role(definition);
		auto const failure = pg::attempt([&] { repair_keys(definition.name, before.keys); });
		if (failure)
			enter_attempt(definition.name, *failure);
		int64 const remaining = waiting(definition.name).rows;
		pg::Row row;
		row.text(definition.name);
		row.number(std::max(before.rows - remaining, int64(0))).number(remaining);
		result.add(std::move(row));
	}
	return Datum(0);
}

} // namespace reconcile::invariant
