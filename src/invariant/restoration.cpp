/*-------------------------------------------------------------------------
 *
 * restoration.cpp
 *	  Putting back the values that a fill overwrote.
 *
 * A row gets its old values back while every value that the run wrote in it is
 * still there; what the run did not write does not matter.  A value that a
 * foreign key points at stays.
 *
 *-------------------------------------------------------------------------
 */
#include "invariant/sqlstates.hpp"
#include "invariant/undoing.hpp"
#include "pg/text.hpp"

#include <algorithm>

namespace reconcile::invariant {

namespace {

class Restoration : public Undoing {
public:
	Restoration(const PastRun &run, pg::WorkList &gone_before) : Undoing(run, gone_before) {}

protected:
	Undone work(pg::Spi &spi, bool dry_run) override;
	std::string reading() const override;

private:
	std::string was_written(const std::string &column) const;
	std::string ours() const;
	std::string free() const;
	std::string old_values() const;
};

/* was_written is the condition on l that the run wrote a column in that row. */
std::string Restoration::was_written(const std::string &column) const
{
	return "l.was OPERATOR(pg_catalog.?) " + pg::literal(column);
}

/* ours is the condition on t, l and p to be a row as the run left it. */
std::string Restoration::ours() const
{
	std::string condition = same_row();
	for (const std::string &column : run_.filled)
		condition += " AND (NOT " + was_written(column) + " OR " + same_value(column) + ")";
	return condition;
}

/* free is the condition on a row t that no foreign key points at a column that
 * the run wrote. */
std::string Restoration::free() const
{
	std::string held = "false";
	for (const Reference &reference : references_) {
		bool const concerned =
			std::any_of(run_.filled.begin(), run_.filled.end(), [&](const std::string &column) {
				return std::find(reference.referenced.begin(), reference.referenced.end(),
								 column) != reference.referenced.end();
			});
		if (concerned)
			held += " OR EXISTS (SELECT FROM " + pg::qualified_name(reference.table) + " r WHERE " +
					reference.match + ")";
	}
	return "NOT (" + held + ")";
}

/* old_values is an item of FROM, named w. */
std::string Restoration::old_values() const
{
	return rows_of_json("l.was", target_.json_columns(run_.filled), "w");
}

std::string Restoration::reading() const
{
	return "SELECT pg_catalog.count(p.*), pg_catalog.count(w.*) FROM " + recorded() + ", " +
		   old_values();
}

Undone Restoration::work(pg::Spi &spi, bool dry_run)
{
	std::string const rows = target_.name() + " t, " + recorded() + " WHERE " + ours();
	if (!dry_run)
		lock(spi, rows);
	spi.run("SELECT pg_catalog.count(*), pg_catalog.count(*) FILTER (WHERE " + free() + ") FROM " +
				rows,
			SPI_OK_SELECT);
	Undone undone;
	int64 const there = spi.number(0, 1);
	if (there > run_.changed)
		pg::fail(kUndoRefused, "run " + std::to_string(run_.run_id) + " cannot be undone",
				 std::to_string(there) + " rows are as it left them but it wrote " +
					 std::to_string(run_.changed) + ".");
	undone.restored = spi.number(0, 2);
	undone.kept_referenced = there - undone.restored;
	undone.already_gone = gone(spi);
	if (!dry_run) {
		std::vector<std::string> changes;
		for (const std::string &column : run_.filled) {
			std::string const name = pg::quoted(column);
			changes.push_back(name + " = CASE WHEN " + was_written(column) + " THEN w." + name +
							  " ELSE t." + name + " END");
		}
		undone.restored = static_cast<int64>(spi.run(
			"UPDATE " + target_.name() + " AS t SET " + pg::joined(changes, ", ") + " FROM " +
				recorded() + ", " + old_values() + " WHERE " + ours() + " AND " + free(),
			SPI_OK_UPDATE));
	}
	undone.kept_changed =
		run_.changed - undone.restored - undone.kept_referenced - undone.already_gone;
	return undone;
}

} // namespace

std::unique_ptr<Undoing> restoration_of(const PastRun &run, pg::WorkList &gone_before)
{
	return std::make_unique<Restoration>(run, gone_before);
}

} // namespace reconcile::invariant
