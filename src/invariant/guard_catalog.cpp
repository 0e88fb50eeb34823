/*-------------------------------------------------------------------------
 *
 * guard_catalog.cpp
 *	  The guards that are installed, as stored.
 *
 *-------------------------------------------------------------------------
 */
#include "invariant/guard_catalog.hpp"

#include "pg/identity.hpp"
#include "pg/text.hpp"

extern "C" {
#include "catalog/pg_type_d.h"
}

namespace reconcile::invariant {

namespace {

constexpr const char *kSelect =
	"SELECT g.invariant, g.on_failure, g.timing, g.enable, g.on_delete FROM reconcile.guard g";

Guard read_row(const pg::Spi &spi)
{
	return {spi.required_text(0, 1), spi.required_text(0, 2), spi.required_text(0, 3),
			spi.required_text(0, 4), spi.required_text(0, 5)};
}

const char *event_name(pg::Event event)
{
	switch (event) {
	case pg::Event::insert:
		return "INSERT";
	case pg::Event::update:
		return "UPDATE";
	default:
		return "DELETE";
	}
}

} // namespace

std::optional<Guard> guard_of(const std::string &invariant)
{
	pg::AsExtensionOwner owner;
	pg::Spi spi;
	static pg::Constant guard(std::string(kSelect) + " WHERE g.invariant = $1", pg::Planned::once);
	if (spi.run(guard, SPI_OK_SELECT, pg::Args().add(invariant)) == 0)
		return std::nullopt;
	return read_row(spi);
}

Guard guard_of_trigger(const pg::Firing &firing)
{
	pg::AsExtensionOwner owner;
	pg::Spi spi;
	static pg::Constant guard(std::string(kSelect) +
								  " JOIN reconcile.guard_trigger t USING (invariant)"
								  " WHERE t.watched = $1 AND t.trigger_name = $2 AND t.event = $3",
							  pg::Planned::once);
	if (spi.run(guard, SPI_OK_SELECT,
				pg::Args()
					.add(OIDOID, ObjectIdGetDatum(firing.table()))
					.add(std::string(firing.trigger_name()))
					.add(std::string(event_name(firing.event())))) == 0)
		pg::fail(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
				 std::string("trigger \"") + firing.trigger_name() + "\" of " +
					 pg::qualified_name(firing.table()) + " belongs to no guard",
				 "It calls reconcile.fire_guard() and was not made by reconcile.guard().",
				 "Drop the trigger.");
	return read_row(spi);
}

std::vector<GuardTrigger> triggers_of(const std::string &invariant)
{
	pg::AsExtensionOwner owner;
	pg::Spi spi;
	uint64 const rows =
		spi.run("SELECT t.watched::oid, t.event, t.trigger_name"
				" FROM reconcile.guard_trigger t JOIN pg_class c ON c.oid = t.watched"
				" WHERE t.invariant = $1",
				SPI_OK_SELECT, pg::Args().add(invariant));
	std::vector<GuardTrigger> triggers;
	for (uint64 row = 0; row < rows; row++)
		triggers.push_back({spi.oid(row, 1), spi.required_text(row, 2), spi.required_text(row, 3)});
	return triggers;
}

void store(const Guard &guard, const std::vector<GuardTrigger> &triggers)
{
	pg::AsExtensionOwner owner;
	pg::Spi spi;
	spi.run("INSERT INTO reconcile.guard AS g (invariant, on_failure, timing, enable, on_delete)"
			" VALUES ($1, $2, $3, $4, $5) ON CONFLICT (invariant) DO UPDATE"
			" SET on_failure = EXCLUDED.on_failure, timing = EXCLUDED.timing,"
			"  enable = EXCLUDED.enable, on_delete = EXCLUDED.on_delete,"
			"  installed_at = EXCLUDED.installed_at",
			SPI_OK_INSERT,
			pg::Args()
				.add(guard.invariant)
				.add(guard.on_failure)
				.add(guard.timing)
				.add(guard.enable)
				.add(guard.on_delete));
	spi.run("DELETE FROM reconcile.guard_trigger WHERE invariant = $1", SPI_OK_DELETE,
			pg::Args().add(guard.invariant));
	for (const GuardTrigger &trigger : triggers)
		spi.run("INSERT INTO reconcile.guard_trigger (invariant, watched, event, trigger_name)"
				" VALUES ($1, $2, $3, $4)",
				SPI_OK_INSERT,
				pg::Args()
					.add(guard.invariant)
					.add(REGCLASSOID, ObjectIdGetDatum(trigger.table))
					.add(trigger.event)
					.add(trigger.name));
}

void forget_guard(const std::string &invariant)
{
	pg::AsExtensionOwner owner;
	pg::Spi spi;
	spi.run("DELETE FROM reconcile.guard WHERE invariant = $1", SPI_OK_DELETE,
			pg::Args().add(invariant)); /* its triggers with it */
}

} // namespace reconcile::invariant
