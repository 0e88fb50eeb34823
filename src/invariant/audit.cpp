/*-------------------------------------------------------------------------
 *
 * audit.cpp
 *	  reconcile.audit() and reconcile.findings(): what is, against what must be.
 *
 * An audit writes nothing and takes only the locks of a SELECT.  What cannot
 * be counted is "not checked", with the reason; never a number that is wrong.
 *
 *-------------------------------------------------------------------------
 */
#include "invariant/comparison.hpp"
#include "invariant/guard_catalog.hpp"
#include "invariant/guard_query.hpp"
#include "invariant/guard_work.hpp"
#include "invariant/order.hpp"
#include "pg/identity.hpp"
#include "pg/result_set.hpp"
#include "pg/spi.hpp"
#include "pg/subtransaction.hpp"
#include "pg/tally.hpp"
#include "pg/text.hpp"

extern "C" {
#include "utils/timestamp.h"
}

#include <algorithm>

namespace reconcile::invariant {

namespace {

constexpr int64 kMostSamples = 1000;

/* Counts are what one audit of one invariant found. */
struct Counts {
	int64 expected = 0, missing = 0, differing = 0, duplicated = 0, forbidden = 0;
	std::optional<Datum> samples;

	int64 present() const { return expected - missing + forbidden; }

	bool clean() const
	{
		return missing == 0 && differing == 0 && duplicated == 0 && forbidden == 0;
	}
};

Counts count(const Definition &definition, int64 samples)
{
	AsDeclared const declared(definition);
	pg::ReadOnly read_only;
	pg::Tally const expected;
	pg::Spi spi;
	spi.run(comparison_of(definition)->audit(), SPI_OK_SELECT,
			pg::Args()
				.add(INT4OID, Int32GetDatum(static_cast<int32>(samples)))
				.add(INT4OID, Int32GetDatum(expected.number())));
	return {expected.rows(),  spi.number(0, 2), spi.number(0, 3),
			spi.number(0, 4), spi.number(0, 5), spi.kept(0, 1)};
}

/* why_not_checked returns a failure as one line. */
std::string why_not_checked(const pg::Failure &failure)
{
	std::string reason = failure.message() + " (SQLSTATE " + failure.code() + ")";
	if (!failure.detail().empty())
		reason += "; " + failure.detail();
	return reason;
}

/* Troubles are what keeps the guard of an invariant from doing its work. */
struct Troubles {
	std::vector<std::string> lines;
	bool grave = false;

	void add(const std::string &line, bool is_grave)
	{
		lines.push_back("guard: " + line);
		grave = grave || is_grave;
	}
};

/* find_misfits finds what the query asks of a guard and the guard does not do. */
void find_misfits(const Definition &definition, Troubles &troubles)
{
	std::vector<GuardTrigger> const triggers = triggers_of(definition.name);
	AsDeclared const declared(definition);
	for (const Watched &watched :
		 watched_tables(definition, ExpectedRows(definition.expects)).read) {
		if (std::none_of(triggers.begin(), triggers.end(), [&](const GuardTrigger &trigger) {
				return trigger.table == watched.table;
			}))
			troubles.add(pg::qualified_name(watched.table) + " is not watched", true);
		if (!is_foreign(definition.target))
			GuardWork(definition, {Scope::new_rows, watched.table}).check();
	}
}

Troubles troubles_of(const Definition &definition)
{
	Troubles troubles;
	if (!guard_of(definition.name))
		return troubles;
	{
		pg::AsExtensionOwner owner;
		pg::Spi spi;
		uint64 const rows = spi.run("SELECT severity, trouble FROM reconcile.guard_troubles($1)",
									SPI_OK_SELECT, pg::Args().add(definition.name));
		for (uint64 row = 0; row < rows; row++)
			troubles.add(spi.required_text(row, 2), spi.required_text(row, 1) == "error");
	}
	if (auto failure = pg::attempt([&] { find_misfits(definition, troubles); }))
		troubles.add("it cannot work any more: " + why_not_checked(*failure), true);
	return troubles;
}

/* said_with adds the troubles of a guard to what there is to say anyway. */
std::optional<std::string> said_with(const Troubles &troubles, const std::string &message)
{
	std::vector<std::string> lines = troubles.lines;
	if (!message.empty())
		lines.push_back(message);
	if (lines.empty())
		return std::nullopt;
	return pg::joined(lines, "; ");
}

pg::Row audited(const Definition &definition, const Counts &counts, const Troubles &troubles)
{
	pg::Row row;
	row.text(definition.name).text(troubles.grave ? "error" : definition.severity);
	row.text(std::string(counts.clean() ? "clean" : "drift"));
	row.number(counts.expected).number(counts.present());
	row.number(counts.missing).number(counts.differing).number(counts.duplicated);
	if (counts.samples)
		row.add(*counts.samples);
	else
		row.add(pg::jsonb_datum("[]"));
	std::string const look =
		"SELECT * FROM reconcile.findings(" + pg::literal(definition.name) + ");";
	row.text(said_with(troubles, counts.clean() ? "" : look));
	return row;
}

pg::Row not_checked(const Definition &definition, const pg::Failure &failure,
					const Troubles &troubles)
{
	pg::Row row;
	row.text(definition.name).text(troubles.grave ? "error" : definition.severity);
	row.text(std::string("not checked"));
	row.add_null().add_null().add_null().add_null().add_null().add_null();
	row.text(said_with(troubles, why_not_checked(failure)));
	return row;
}

pg::Row audit(const Definition &definition, int64 samples)
{
	TimestampTz const started = GetCurrentTimestamp();
	Counts counts;
	auto failure = pg::attempt([&] {
		require_role(definition);
		counts = count(definition, samples);
	});
	Troubles const troubles = troubles_of(definition);
	pg::Row row = failure ? not_checked(definition, *failure, troubles)
						  : audited(definition, counts, troubles);
	row.interval(GetCurrentTimestamp() - started);
	return row;
}

} // namespace

RECONCILE_FUNCTION(reconcile_audit)
{
	pg::Arguments arguments(fcinfo);
	int64 const samples = arguments.int4(2, "samples");
	if (samples < 0 || samples > kMostSamples)
		pg::fail(ERRCODE_INVALID_PARAMETER_VALUE,
				 "argument \"samples\" must be between 0 and " + std::to_string(kMostSamples));

	pg::ResultSet result(fcinfo);
	for (const Definition &definition :
		 in_order(chosen_definitions(arguments.optional_text(0), arguments.optional_text(1)),
				  Cycle::is_ignored))
		result.add(audit(definition, samples));
	return Datum(0);
}

RECONCILE_FUNCTION(reconcile_findings)
{
	pg::Arguments arguments(fcinfo);
	Definition const definition = definition_named(arguments.text(0, "invariant"));
	std::optional<int64> const most = arguments.optional_int8(1);
	if (most && *most < 0)
		pg::fail(ERRCODE_INVALID_PARAMETER_VALUE, "argument \"max_rows\" must not be negative");
	require_role(definition);

	pg::ResultSet result(fcinfo);
	AsDeclared const declared(definition);
	pg::ReadOnly read_only;
	pg::Spi spi;
	pg::Args args;
	args.add(definition.name);
	if (most)
		args.add(*most);
	else
		args.add_null(INT8OID);
	spi.collect("SELECT $1, f.* FROM (" + comparison_of(definition)->findings() + ") AS f LIMIT $2",
				SPI_OK_SELECT, result, args);
	return Datum(0);
}

} // namespace reconcile::invariant
