/*-------------------------------------------------------------------------
 *
 * constraints.cpp
 *	  Deferrable constraints of a target, checked at once during a repair.
 *
 *-------------------------------------------------------------------------
 */
#include "invariant/constraints.hpp"

#include "pg/identity.hpp"
#include "pg/spi.hpp"
#include "pg/text.hpp"

extern "C" {
#include "catalog/pg_type_d.h"
}

namespace reconcile::invariant {

namespace {

/* A table's own are looked up by an index; for those that point at it there is none. */
pg::Constant deferrable_of(
	"SELECT format('%I.%I', n.nspname, c.conname),"
	" NOT EXISTS (SELECT FROM pg_constraint o WHERE o.connamespace = c.connamespace"
	"  AND o.conname = c.conname AND NOT o.condeferred)"
	" FROM (SELECT * FROM pg_constraint WHERE conrelid = $1"
	"  UNION ALL SELECT * FROM pg_constraint WHERE $2 AND confrelid = $1 AND conrelid <> $1) AS c"
	" JOIN pg_namespace n ON n.oid = c.connamespace WHERE c.condeferrable ORDER BY 1",
	pg::Planned::once);

void set_constraints(const std::vector<std::string> &names, const std::string &mode)
{
	if (names.empty())
		return;
	pg::Spi spi;
	spi.run("SET CONSTRAINTS " + pg::joined(names, ", ") + " " + mode, SPI_OK_UTILITY);
}

} // namespace

Constraints::Constraints(Oid table, Which which)
{
	pg::PinnedPath path;
	pg::Spi spi;
	uint64 const rows = spi.run(deferrable_of, SPI_OK_SELECT,
								pg::Args()
									.add(OIDOID, ObjectIdGetDatum(table))
									.add(BOOLOID, BoolGetDatum(which == pointing_at)));
	for (uint64 row = 0; row < rows; row++) {
		deferrable_.push_back(spi.required_text(row, 1));
		if (spi.truth(row, 2))
			initially_deferred_.push_back(spi.required_text(row, 1));
	}
}

void Constraints::check_at_once() const
{
	set_constraints(deferrable_, "IMMEDIATE");
}

void Constraints::wait_again() const
{
	set_constraints(initially_deferred_, "DEFERRED");
}

} // namespace reconcile::invariant
