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
#include "invariant/constraints.hpp"
#include "invariant/definition.hpp"
#include "invariant/ledger.hpp"
#include "invariant/lock.hpp"
#include "invariant/order.hpp"
#include "invariant/sqlstates.hpp"
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
#include <set>

namespace reconcile::invariant {

namespace {

/* The names of lists of rows in our statements. */
constexpr const char *kRecorded = "pg_reconcile recorded rows";
constexpr const char *kGoneBefore = "pg_reconcile rows gone before";
constexpr const char *kOurs = "pg_reconcile rows of the run";
constexpr const char *kHeld = "pg_reconcile rows held";

struct Undone {
	int64 removed = 0, kept_changed = 0, kept_referenced = 0, already_gone = 0;
};

/* The foreign keys that point at a table, at what it is a partition of, or at
 * its partitions: which table, whether that is our own, how its rows are
 * matched to ours as a condition on r and t, and the columns of either. */
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

struct Reference {
	Oid table;
	bool own;
	std::string match;
	std::vector<std::string> referencing, referenced;
};

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

/* removed_row_type is the row type of a list that names rows of any table. */
TupleDesc removed_row_type()
{
	return pg::call([] {
		TupleDesc row_type = CreateTemplateTupleDesc(2);
		TupleDescInitEntry(row_type, 1, "of", OIDOID, -1, 0);
		TupleDescInitEntry(row_type, 2, "at", TIDOID, -1, 0);
		return row_type;
	});
}

/* is_named tells that a row of an alias is in a list of that row type. */
std::string is_named(const std::string &alias, const char *list)
{
	return "EXISTS (SELECT FROM " + pg::quoted(list) + " n WHERE n.of OPERATOR(pg_catalog.=) " +
		   alias + ".tableoid AND n.at OPERATOR(pg_catalog.=) " + alias + ".ctid)";
}

/* Undoing finds and removes the rows of one run.  A dry run adds them to the
 * rows that earlier ones would have removed, which hold nothing any more. */
class Undoing {
public:
	Undoing(const PastRun &run, pg::WorkList &gone_before)
		: run_(run), target_(run.target), gone_before_(gone_before),
		  references_(references_to(run.target))
	{
	}

	Undone find_or_remove(bool dry_run);

private:
	std::string ours() const;
	std::string held_by_others(bool except_ours) const;
	std::string with_held() const;
	std::string free() const;
	bool refers_to_itself() const;
	std::string recorded() const;
	std::string same_row() const;
	std::string same_values() const;
	void lock_ours(pg::Spi &spi) const;
	int64 gone(pg::Spi &spi) const;
	pg::Args ids() const;

	const PastRun &run_;
	Target target_;
	pg::WorkList &gone_before_;
	std::vector<Reference> references_;
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
	std::vector<JsonColumn> columns;
	for (const JsonColumn &column : target_.json_columns())
		if (std::find(run_.columns.begin(), run_.columns.end(), column.name) != run_.columns.end())
			columns.push_back(column);
	return pg::quoted(kRecorded) + " l, " + rows_of_json("l.row", columns, "p");
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

/* same_values is the condition on t and p to be equal in every recorded
 * column; a type without equality is compared as it prints. */
std::string Undoing::same_values() const
{
	std::vector<std::string> parts;
	for (const std::string &column : run_.columns) {
		std::string const name = pg::quoted(column);
		Oid const equal = equality_operator(target_.column(column)->type);
		std::string const t = "t." + name, p = "p." + name;
		parts.push_back("(" +
						(OidIsValid(equal)
							 ? t + " " + pg::operator_name(equal) + " " + p
							 : "pg_catalog.format('%s', " + t +
								   ") OPERATOR(pg_catalog.=) pg_catalog.format('%s', " + p + ")") +
						" AND pg_catalog.num_nulls(" + t + ", " + p + ") OPERATOR(pg_catalog.=) 0" +
						" OR pg_catalog.num_nulls(" + t + ", " + p + ") OPERATOR(pg_catalog.=) 2)");
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

bool Undoing::refers_to_itself() const
{
	return std::any_of(references_.begin(), references_.end(),
					   [](const Reference &reference) { return reference.own; });
}

/* held_by_others is the condition on a row t that a foreign key holds it, of
 * another table or of another row of ours. */
std::string Undoing::held_by_others(bool except_ours) const
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
std::string Undoing::with_held() const
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
std::string Undoing::free() const
{
	return "NOT " + (refers_to_itself() ? is_named("t", kHeld) : held_by_others(false));
}

/* lock_ours makes sure that nobody begins to refer to a row between the look
 * at the references and the DELETE, which would cascade to that row. */
void Undoing::lock_ours(pg::Spi &spi) const
{
	if (references_.empty())
		return;
	spi.run("SELECT pg_catalog.count(*) FROM (SELECT FROM " + target_.name() + " t WHERE " +
				ours() + " FOR UPDATE) AS locked",
			SPI_OK_SELECT, ids());
}

Undone Undoing::find_or_remove(bool dry_run)
{
	pg::WorkList rows(recorded_row_type());
	if (run_.rows_recorded)
		recorded_rows(run_.run_id, rows);

	pg::AsOwner owner(run_.owner, run_.search_path);
	pg::PortableText portable;
	pg::Spi spi;
	spi.expose(kRecorded, rows);
	spi.expose(kGoneBefore, gone_before_);
	if (!dry_run)
		lock_ours(spi);
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
		ereport(NOTICE,
				(errmsg("%s", message.c_str()), errdetail("They are counted as kept_changed.")));
	});
}

void undo(int64 run_id, bool dry_run, pg::WorkList &gone_before, pg::ResultSet &result)
{
	PastRun const run = past_run(run_id, !dry_run);
	require_role(run);
	if (run.undo_refusal)
		pg::fail(kUndoRefused, "run " + std::to_string(run_id) + " cannot be undone",
				 "The reason: " + *run.undo_refusal + ".");
	if (!dry_run)
		lock_for_repair(run.invariant);

	Constraints const constraints(run.target, Constraints::pointing_at);
	if (!dry_run)
		constraints.check_at_once();
	Undone const undone = Undoing(run, gone_before).find_or_remove(dry_run);
	if (!dry_run) {
		constraints.wait_again();
		mark_undone(run_id);
	}
	tell_what_is_not_known(run, undone);
	result.add(pg::Row()
				   .number(run_id)
				   .text(run.invariant)
				   .number(undone.removed)
				   .number(undone.kept_changed)
				   .number(undone.kept_referenced)
				   .number(undone.already_gone)
				   .number(int64(0)));
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
	pg::WorkList gone_before(removed_row_type());
	undo(run_id, dry_run, gone_before, result);
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
	pg::WorkList gone_before(removed_row_type());
	for (const Definition &definition : definitions)
		if (auto run_id = newest_undoable(definition.name))
			undo(*run_id, dry_run, gone_before, result);
	return Datum(0);
}

RECONCILE_FUNCTION(reconcile_forget_runs)
{
	pg::Arguments arguments(fcinfo);
	Datum const older_than = arguments.datum_of(0, "older_than");
	check_may_write(false, "reconcile.forget_runs()");
	pg::AsExtensionOwner owner;
	pg::Spi spi;
	pg::Args args;
	args.add(INTERVALOID, older_than);
	int64 const forgotten = static_cast<int64>(
		spi.run("DELETE FROM reconcile.run WHERE finished_at < now() - $1", SPI_OK_DELETE, args));
	spi.run(
		"DELETE FROM reconcile.saved_plan p WHERE coalesce(p.applied_at, p.expires_at) < now() - $1"
		" AND NOT EXISTS (SELECT FROM reconcile.run r WHERE r.plan = p.plan_id"
		"  AND r.finished_at IS NULL)",
		SPI_OK_DELETE, args);
	return Int64GetDatum(forgotten);
}

} // namespace reconcile::invariant
