/*-------------------------------------------------------------------------
 *
 * undo.cpp
 *	  reconcile.undo(), undo_last() and forget_runs(): the way back.
 *
 * The rows of a run are those that still carry the transaction ids under which
 * it inserted them: a row that anybody changed since has another one, and
 * stays.  Rows that were recorded one by one are deleted only while every
 * recorded column is still equal.  A row that others reference stays too;
 * nothing cascades.
 *
 *-------------------------------------------------------------------------
 */
#include "invariant/definition.hpp"
#include "invariant/ledger.hpp"
#include "invariant/lock.hpp"
#include "invariant/order.hpp"
#include "invariant/target.hpp"
#include "pg/identity.hpp"
#include "pg/result_set.hpp"
#include "pg/spi.hpp"
#include "pg/text.hpp"

extern "C" {
#include "tcop/utility.h"
#include "utils/array.h"
}

#include <algorithm>

namespace reconcile::invariant {

namespace {

constexpr int kUndoRefused = MAKE_SQLSTATE('R', 'C', '0', '0', '4');
constexpr const char *kRecorded = "pg_reconcile recorded rows";

struct Undone {
	int64 removed = 0, kept_changed = 0, kept_referenced = 0, already_gone = 0;
};

/* The foreign keys that point at a table: which table, and how its rows are
 * matched to ours, as a condition on r and t. */
constexpr const char *kForeignKeys =
	"SELECT f.conrelid, f.conrelid = f.confrelid,"
	" (SELECT string_agg(format('r.%I OPERATOR(%I.%s) t.%I',"
	"   ra.attname, n.nspname, o.oprname, ta.attname), ' AND ')"
	"  FROM ROWS FROM (unnest(f.conkey), unnest(f.confkey), unnest(f.conpfeqop)) AS k(referencing, referenced, op)"
	"  JOIN pg_attribute ra ON ra.attrelid = f.conrelid"
	"   AND ra.attnum = k.referencing"
	"  JOIN pg_attribute ta ON ta.attrelid = f.confrelid"
	"   AND ta.attnum = k.referenced"
	"  JOIN pg_operator o ON o.oid = k.op"
	"  JOIN pg_namespace n ON n.oid = o.oprnamespace)"
	" FROM pg_constraint f WHERE f.contype = 'f'"
	" AND f.confrelid = $1 AND f.conparentid = 0"
	" ORDER BY f.oid";

/* Undoing finds and removes the rows of one run. */
class Undoing {
public:
	explicit Undoing(const PastRun &run) : run_(run), target_(run.target) {}

	Undone find_or_remove(bool dry_run);

private:
	std::string ours() const;
	std::string unreferenced() const;
	std::string recorded() const;
	std::string same_row() const;
	std::string same_values() const;
	int64 gone(pg::Spi &spi) const;
	pg::Args ids() const;

	const PastRun &run_;
	Target target_;
};

/* ids are the transaction ids of the run, as parameter $1. */
pg::Args Undoing::ids() const
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

/* recorded are the recorded rows, as rows p of the target. */
std::string Undoing::recorded() const
{
	return pg::quoted(kRecorded) + " l, LATERAL pg_catalog.jsonb_populate_record(NULL::" +
		   target_.name() + ", l.row) p";
}

/* same_row is the condition on t and p to have the same primary key. */
std::string Undoing::same_row() const
{
	std::vector<std::string> parts;
	for (const std::string &name : target_.primary_key())
		parts.push_back("t." + pg::quoted(name) + " " +
						pg::operator_name(equality_operator(target_.column(name)->type)) + " p." +
						pg::quoted(name));
	return parts.empty() ? "true" : pg::joined(parts, " AND ");
}

/* same_values is the condition on t and p to be equal in every column. */
std::string Undoing::same_values() const
{
	std::vector<std::string> parts;
	for (const Column &column : target_.columns()) {
		if (column.dropped)
			continue;
		std::string const name = pg::quoted(column.name);
		std::string const as =
			OidIsValid(equality_operator(column.type)) ? "" : "::pg_catalog.text";
		parts.push_back("t." + name + as + " IS NOT DISTINCT FROM p." + name + as);
	}
	return pg::joined(parts, " AND ");
}

/* gone counts the recorded rows of which nothing is left. */
int64 Undoing::gone(pg::Spi &spi) const
{
	if (!run_.rows_recorded || target_.primary_key().empty())
		return 0;
	spi.run("SELECT pg_catalog.count(*) FROM " + recorded() + " WHERE NOT EXISTS (SELECT FROM " +
				target_.name() + " t WHERE " + same_row() + ")",
			SPI_OK_SELECT);
	return spi.number(0, 1);
}

/* ours is the condition on a row t to be one that the run wrote. */
std::string Undoing::ours() const
{
	if (!run_.rows_recorded)
		return "t.xmin OPERATOR(pg_catalog.=) ANY ($1)";
	return "EXISTS (SELECT FROM " + recorded() + " WHERE " + same_row() + " AND " + same_values() +
		   ")";
}

/* unreferenced is the condition on a row t that no foreign key holds it.  A
 * row of the same run that would go as well does not hold it. */
std::string Undoing::unreferenced() const
{
	pg::PinnedPath path;
	pg::Spi spi;
	uint64 const keys = spi.run(kForeignKeys, SPI_OK_SELECT,
								pg::Args().add(OIDOID, ObjectIdGetDatum(run_.target)));
	std::string condition = "true";
	for (uint64 key = 0; key < keys; key++) {
		condition += " AND NOT EXISTS (SELECT FROM " + pg::qualified_name(spi.oid(key, 1)) +
					 " r WHERE " + spi.required_text(key, 3);
		if (spi.truth(key, 2) && !run_.rows_recorded)
			condition += " AND r.xmin OPERATOR(pg_catalog.<>) ALL ($1)";
		condition += ")";
	}
	return condition;
}

Undone Undoing::find_or_remove(bool dry_run)
{
	pg::WorkList rows(pg::call([] {
		TupleDesc row_type = CreateTemplateTupleDesc(1);
		TupleDescInitEntry(row_type, 1, "row", JSONBOID, -1, 0);
		return row_type;
	}));
	if (run_.rows_recorded)
		recorded_rows(run_.run_id, rows);

	pg::AsOwner owner(run_.owner, run_.search_path);
	std::string const free = unreferenced();
	pg::Spi spi;
	if (run_.rows_recorded)
		spi.expose(kRecorded, rows);
	spi.run("SELECT pg_catalog.count(*), pg_catalog.count(*) FILTER (WHERE " + free + ") FROM " +
				target_.name() + " t WHERE " + ours(),
			SPI_OK_SELECT, ids());
	int64 const there = spi.number(0, 1);
	Undone undone;
	undone.removed = spi.number(0, 2);
	if (there > run_.changed)
		pg::fail(kUndoRefused, "run " + std::to_string(run_.run_id) + " cannot be undone",
				 std::to_string(there) + " rows carry its transaction ids but it wrote " +
					 std::to_string(run_.changed) + ".");
	undone.already_gone = gone(spi);
	if (!dry_run)
		undone.removed = static_cast<int64>(
			spi.run("DELETE FROM " + target_.name() + " t WHERE " + ours() + " AND " + free,
					SPI_OK_DELETE, ids()));
	undone.kept_referenced = there - undone.removed;
	undone.kept_changed = run_.changed - there - undone.already_gone;
	return undone;
}

/* tell_what_is_not_known says what xmin cannot tell apart. */
void tell_what_is_not_known(const PastRun &run, const Undone &undone)
{
	if (run.rows_recorded || undone.kept_changed == 0)
		return;
	std::string const message =
		pg::plural(static_cast<uint64>(undone.kept_changed), "row", "rows") + " of run " +
		std::to_string(run.run_id) + " " + (undone.kept_changed == 1 ? "was" : "were") +
		" changed or deleted since";
	pg::call([&] {
		ereport(NOTICE, (errmsg("%s", message.c_str()),
						 errdetail("They are counted as kept_changed.")));
	});
}

Undone undo(int64 run_id, bool dry_run, pg::ResultSet &result)
{
	PastRun const run = past_run(run_id, !dry_run);
	if (!pg::role_exists(run.owner) || !pg::may_act_as(run.owner))
		pg::fail(ERRCODE_INSUFFICIENT_PRIVILEGE,
				 "permission denied for run " + std::to_string(run_id),
				 "It ran as role \"" + pg::role_name(run.owner) + "\".",
				 "Ask for membership in that role.");
	if (run.undo_refusal)
		pg::fail(kUndoRefused, "run " + std::to_string(run_id) + " cannot be undone",
				 "The reason: " + *run.undo_refusal + ".");
	if (!dry_run)
		lock_for_repair(run.invariant);

	Undone const undone = Undoing(run).find_or_remove(dry_run);
	if (!dry_run)
		mark_undone(run_id);
	tell_what_is_not_known(run, undone);
	result.add(pg::Row()
				   .number(run_id)
				   .text(run.invariant)
				   .number(undone.removed)
				   .number(undone.kept_changed)
				   .number(undone.kept_referenced)
				   .number(undone.already_gone)
				   .number(int64(0)));
	return undone;
}

void check_may_write(bool dry_run, const char *what)
{
	if (!dry_run)
		pg::call([&] {
			PreventCommandIfReadOnly(what);
			PreventCommandDuringRecovery(what);
		});
}

/* newest_undoable returns the newest run of an invariant that can be undone. */
std::optional<int64> newest_undoable(const std::string &invariant)
{
	pg::AsExtensionOwner owner;
	pg::Spi spi;
	uint64 const found = spi.run("SELECT run_id FROM reconcile.runs"
								 " WHERE invariant = $1 AND undoable"
								 " ORDER BY run_id DESC LIMIT 1",
								 SPI_OK_SELECT, pg::Args().add(invariant));
	if (found == 0)
		return std::nullopt;
	return spi.number(0, 1);
}

} // namespace

RECONCILE_FUNCTION(reconcile_undo)
{
	pg::Arguments arguments(fcinfo);
	int64 const run_id = arguments.int8(0, "run_id");
	bool const dry_run = arguments.truth(1, "dry_run");
	check_may_write(dry_run, "reconcile.undo()");
	pg::ResultSet result(fcinfo);
	undo(run_id, dry_run, result);
	return Datum(0);
}

RECONCILE_FUNCTION(reconcile_undo_last)
{
	pg::Arguments arguments(fcinfo);
	std::string const pack = arguments.text(0, "pack");
	bool const dry_run = arguments.truth(1, "dry_run");
	check_may_write(dry_run, "reconcile.undo_last()");

	std::vector<Definition> definitions = in_order(chosen_definitions(std::nullopt, pack));
	std::reverse(definitions.begin(), definitions.end());
	pg::ResultSet result(fcinfo);
	for (const Definition &definition : definitions)
		if (auto run_id = newest_undoable(definition.name))
			undo(*run_id, dry_run, result);
	return Datum(0);
}

RECONCILE_FUNCTION(reconcile_forget_runs)
{
	pg::Arguments arguments(fcinfo);
	Datum const older_than = arguments.datum_of(0, "older_than");
	pg::AsExtensionOwner owner;
	pg::Spi spi;
	return Int64GetDatum(static_cast<int64>(
		spi.run("DELETE FROM reconcile.run WHERE finished_at <"
				" now() - $1",
				SPI_OK_DELETE, pg::Args().add(INTERVALOID, older_than))));
}

} // namespace reconcile::invariant
