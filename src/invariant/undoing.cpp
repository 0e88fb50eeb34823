/*-------------------------------------------------------------------------
 *
 * undoing.cpp
 *	  Taking back what one run wrote: what removing and restoring share.
 *
 *-------------------------------------------------------------------------
 */
#include "invariant/undoing.hpp"

#include "invariant/sqlstates.hpp"
#include "invariant/values.hpp"
#include "pg/identity.hpp"
#include "pg/subtransaction.hpp"
#include "pg/text.hpp"

#include <algorithm>

namespace reconcile::invariant {

namespace {

/* One row per Reference. */
constexpr const char *kForeignKeys =
	"WITH RECURSIVE up(oid) AS (SELECT $1 UNION SELECT i.inhparent FROM up"
	"  JOIN pg_inherits i ON i.inhrelid = up.oid),"
	" down(oid) AS (SELECT $1 UNION SELECT i.inhrelid FROM down"
	"  JOIN pg_inherits i ON i.inhparent = down.oid)"
	" SELECT f.conrelid,"
	" EXISTS (SELECT FROM up WHERE up.oid = f.conrelid)"
	"  OR EXISTS (SELECT FROM down WHERE down.oid = f.conrelid),"
	" string_agg(format('r.%I OPERATOR(%I.%s) t.%I',"
	"  ra.attname, n.nspname, o.oprname, ta.attname), ' AND '),"
	" array_agg(ra.attname::text), array_agg(ta.attname::text)"
	" FROM pg_constraint f"
	" CROSS JOIN LATERAL ROWS FROM (unnest(f.conkey), unnest(f.confkey), unnest(f.conpfeqop))"
	"  AS k(referencing, referenced, op)"
	" JOIN pg_attribute ra ON ra.attrelid = f.conrelid"
	"  AND ra.attnum = k.referencing"
	" JOIN pg_attribute ta ON ta.attrelid = f.confrelid"
	"  AND ta.attnum = k.referenced"
	" JOIN pg_operator o ON o.oid = k.op"
	" JOIN pg_namespace n ON n.oid = o.oprnamespace"
	" WHERE f.contype = 'f' AND f.confrelid IN (SELECT oid FROM up UNION SELECT oid FROM down)"
	" AND f.conparentid = 0"
	" GROUP BY f.oid, f.conrelid ORDER BY f.oid";

} // namespace

std::vector<Reference> references_to(Oid table)
{
	pg::PinnedPath path;
	pg::Spi spi;
	uint64 const found =
		spi.run(kForeignKeys, SPI_OK_SELECT, pg::Args().add(OIDOID, ObjectIdGetDatum(table)));
	std::vector<Reference> references;
	for (uint64 row = 0; row < found; row++)
		references.push_back({spi.oid(row, 1), spi.truth(row, 2), spi.required_text(row, 3),
							  spi.texts(row, 4), spi.texts(row, 5)});
	return references;
}

TupleDesc removed_row_type()
{
	return row_type_of({{"of", OIDOID, -1}, {"at", TIDOID, -1}});
}

std::unique_ptr<Undoing> undoing_of(const PastRun &run, pg::WorkList &gone_before)
{
	return run.filled.empty() ? removal_of(run, gone_before) : restoration_of(run, gone_before);
}

Undoing::Undoing(const PastRun &run, pg::WorkList &gone_before)
	: run_(run), target_(run.target), gone_before_(gone_before),
	  references_(references_to(run.target))
{
}

Undone Undoing::find_or_take_back(bool dry_run)
{
	pg::WorkList rows(recorded_row_type());
	if (run_.rows_recorded)
		recorded_rows(run_.run_id, rows);

	pg::AsOwner owner(run_.owner, run_.search_path);
	pg::PortableText portable;
	pg::Spi spi;
	spi.expose(kRecorded, rows);
	spi.expose(kGoneBefore, gone_before_);
	check_recorded(rows);
	return work(spi, dry_run);
}

/* check_recorded refuses rows whose values are none of their columns any more: a column
 * may have been dropped and made anew with another type. */
void Undoing::check_recorded(pg::WorkList &rows) const
{
	if (rows.size() == 0)
		return;
	auto const failure = pg::attempt([&] {
		pg::Spi spi;
		spi.expose(kRecorded, rows);
		spi.run(reading(), SPI_OK_SELECT);
	});
	if (failure)
		pg::fail(kUndoRefused, "run " + std::to_string(run_.run_id) + " cannot be undone",
				 "What it recorded does not fit the columns of " + target_.name() +
					 " any more: " + failure->message() + ".");
}

/* reading reads every recorded value. */
std::string Undoing::reading() const
{
	return "SELECT pg_catalog.count(p.*) FROM " + recorded();
}

/* recorded are the recorded rows, as rows p of the target. */
std::string Undoing::recorded() const
{
	std::vector<JsonColumn> columns;
	for (const JsonColumn &column : target_.json_columns())
		if (pg::contains(run_.columns, column.name))
			columns.push_back(column);
	return pg::quoted(kRecorded) + " l, " + rows_of_json("l.row", columns, "p");
}

/* identity are the columns that say which row of the target is meant: the primary key,
 * where it is one that the run recorded. */
std::vector<std::string> Undoing::identity() const
{
	std::vector<std::string> const columns = target_.primary_key();
	bool const recorded = std::all_of(columns.begin(), columns.end(), [&](const std::string &name) {
		return pg::contains(run_.columns, name);
	});
	return columns.empty() || !recorded ? run_.key : columns;
}

/* same_row is the condition on t and p to be the same row. */
std::string Undoing::same_row() const
{
	std::vector<std::string> parts;
	for (const std::string &name : identity())
		parts.push_back(
			equality(*target_.column(name), "t." + pg::quoted(name), "p." + pg::quoted(name)));
	return pg::joined(parts, " AND ");
}

/* same_value is the condition on t and p to be equal in a recorded column. */
std::string Undoing::same_value(const std::string &name) const
{
	const Column &column = *target_.column(name);
	return sameness(column.type, "t." + pg::quoted(name), as_kept(column, "p." + pg::quoted(name)));
}

/* gone counts the recorded rows of which nothing is left. */
int64 Undoing::gone(pg::Spi &spi) const
{
	if (!run_.rows_recorded)
		return 0;
	spi.run("SELECT pg_catalog.count(*) FROM " + recorded() + " WHERE NOT EXISTS (SELECT FROM " +
				target_.name() + " t WHERE " + same_row() + ")",
			SPI_OK_SELECT);
	return spi.number(0, 1);
}

/* lock makes sure that nobody begins to refer to a row between the look at the
 * references and what is done then. */
void Undoing::lock(pg::Spi &spi, const std::string &which, pg::Args args) const
{
	if (references_.empty())
		return;
	spi.run("SELECT pg_catalog.count(*) FROM (SELECT FROM " + which + " FOR UPDATE OF t) AS locked",
			SPI_OK_SELECT, std::move(args));
}

} // namespace reconcile::invariant
