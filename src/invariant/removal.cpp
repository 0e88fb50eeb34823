/*-------------------------------------------------------------------------
 *
 * removal.cpp
 *	  Deleting the rows that a run inserted.
 *
 * The rows of a run are those that still carry the transaction ids under which
 * it inserted them: a row that anybody changed since has another one, and
 * stays.  Rows that were recorded one by one are deleted only while every
 * recorded column is still equal.  A row that others reference stays too;
 * nothing cascades.
 *
 *-------------------------------------------------------------------------
 */
#include "invariant/sqlstates.hpp"
#include "invariant/undoing.hpp"
#include "pg/text.hpp"

extern "C" {
#include "utils/array.h"
}

#include <algorithm>
#include <set>

namespace reconcile::invariant {

namespace {

/* The names of WITH queries. */
constexpr const char *kOurs = "pg_reconcile rows of the run";
constexpr const char *kHeld = "pg_reconcile rows held";

/* is_named tells that a row of an alias is in a list of that row type. */
std::string is_named(const std::string &alias, const char *list)
{
	return "EXISTS (SELECT FROM " + pg::quoted(list) + " n WHERE n.of OPERATOR(pg_catalog.=) " +
		   alias + ".tableoid AND n.at OPERATOR(pg_catalog.=) " + alias + ".ctid)";
}

class Removal : public Undoing {
public:
	Removal(const PastRun &run, pg::WorkList &gone_before) : Undoing(run, gone_before) {}

protected:
	Undone work(pg::Spi &spi, bool dry_run) override;

private:
	std::string ours() const;
	std::string held_by_others(bool except_ours) const;
	std::string with_held() const;
	std::string free() const;
	bool refers_to_itself() const;
	pg::Args ids() const;
};

/* ids are the transaction ids of the run, as parameter $1. */
pg::Args Removal::ids() const
{
	std::vector<Datum> elements;
	for (TransactionId xid : run_.xids)
		elements.push_back(TransactionIdGetDatum(xid));
	Datum const array = pg::call([&] {
		return PointerGetDatum(construct_array(elements.data(), static_cast<int>(elements.size()),
											   XIDOID, sizeof(TransactionId), true, TYPALIGN_INT));
	});
	return pg::Args().add(XIDARRAYOID, array);
}

/* ours is the condition on a row t to be one that the run wrote. */
std::string Removal::ours() const
{
	if (!run_.rows_recorded)
		return "t.xmin OPERATOR(pg_catalog.=) ANY ($1)";
	std::string same = same_row();
	for (const std::string &column : run_.columns)
		same += " AND " + same_value(column);
	return "EXISTS (SELECT FROM " + recorded() + " WHERE " + same + ")";
}

bool Removal::refers_to_itself() const
{
	return std::any_of(references_.begin(), references_.end(),
					   [](const Reference &reference) { return reference.own; });
}

/* held_by_others is the condition on a row t that a foreign key holds it, of
 * another table or of another row of ours. */
std::string Removal::held_by_others(bool except_ours) const
{
	std::string condition = "false";
	for (const Reference &reference : references_) {
		condition += " OR EXISTS (SELECT FROM " + pg::qualified_name(reference.table) +
					 " r WHERE " + reference.match;
		if (gone_before_.size() > 0)
			condition += " AND NOT " + is_named("r", kGoneBefore);
		if (reference.own && except_ours)
			condition += " AND NOT " + is_named("r", kOurs);
		condition += ")";
	}
	return "(" + condition + ")";
}

/* with_held makes the list of our rows that must stay: what others hold, and
 * what those that stay refer to.  Only a table that refers to itself needs it. */
std::string Removal::with_held() const
{
	if (!refers_to_itself())
		return "";
	std::set<std::string> names;
	std::string columns, match = "false";
	for (const Reference &reference : references_) {
		names.insert(reference.referenced.begin(), reference.referenced.end());
		if (!reference.own)
			continue;
		names.insert(reference.referencing.begin(), reference.referencing.end());
		match += " OR (" + reference.match + ")";
	}
	for (const std::string &name : names)
		columns += ", t." + pg::quoted(name);
	std::string const ours_name = pg::quoted(kOurs), held_name = pg::quoted(kHeld);
	return "WITH RECURSIVE " + ours_name +
		   " AS MATERIALIZED (SELECT t.tableoid AS of, t.ctid AS at" + columns + " FROM " +
		   target_.name() + " t WHERE " + ours() + "), " + held_name + " AS (SELECT t.of, t.at" +
		   columns + " FROM " + ours_name + " t WHERE " + held_by_others(true) +
		   " UNION SELECT t.of, t.at" + columns + " FROM " + held_name + " r JOIN " + ours_name +
		   " t ON " + match + ") ";
}

/* free is the condition on a row t that nothing holds it. */
std::string Removal::free() const
{
	return "NOT " + (refers_to_itself() ? is_named("t", kHeld) : held_by_others(false));
}

Undone Removal::work(pg::Spi &spi, bool dry_run)
{
	if (!dry_run)
		lock(spi, target_.name() + " t WHERE " + ours(), ids());
	spi.run(with_held() + "SELECT pg_catalog.count(*), pg_catalog.count(*) FILTER (WHERE " +
				free() + ") FROM " + target_.name() + " t WHERE " + ours(),
			SPI_OK_SELECT, ids());
	int64 const there = spi.number(0, 1);
	Undone undone;
	undone.removed = spi.number(0, 2);
	undone.kept_referenced = there - undone.removed;
	if (there > run_.changed)
		pg::fail(kUndoRefused, "run " + std::to_string(run_.run_id) + " cannot be undone",
				 std::to_string(there) + " rows carry its transaction ids but it wrote " +
					 std::to_string(run_.changed) + ".");
	undone.already_gone = gone(spi);
	std::string const which = target_.name() + " t WHERE " + ours() + " AND " + free();
	if (!dry_run)
		undone.removed =
			static_cast<int64>(spi.run(with_held() + "DELETE FROM " + which, SPI_OK_DELETE, ids()));
	else if (target_.keeps_xmin())
		spi.collect(with_held() + "SELECT t.tableoid, t.ctid FROM " + which, SPI_OK_SELECT,
					gone_before_, ids());
	undone.kept_changed =
		run_.changed - undone.removed - undone.kept_referenced - undone.already_gone;
	return undone;
}

} // namespace

std::unique_ptr<Undoing> removal_of(const PastRun &run, pg::WorkList &gone_before)
{
	return std::make_unique<Removal>(run, gone_before);
}

} // namespace reconcile::invariant
