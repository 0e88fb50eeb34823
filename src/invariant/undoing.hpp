/*-------------------------------------------------------------------------
 *
 * undoing.hpp
 *	  Taking back what one run wrote: what removing and restoring share.
 *
 * Terms.  "t" are the rows of the target, "p" the recorded rows as they were
 * written, with "l" the entry of the ledger.  A row of a run is "held" when a
 * foreign key of another row points at what the run wrote.
 *
 * Depends on: ledger.hpp, target.hpp, pg/.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "invariant/ledger.hpp"
#include "invariant/target.hpp"
#include "pg/spi.hpp"

#include <memory>
#include <string>
#include <vector>

namespace reconcile::invariant {

/* The names of lists of rows in the statements. */
inline constexpr const char *kRecorded = "pg_reconcile recorded rows";
inline constexpr const char *kGoneBefore = "pg_reconcile rows gone before";

struct Undone {
	int64 removed = 0, kept_changed = 0, kept_referenced = 0, already_gone = 0, restored = 0;
};

/* Reference is a foreign key that points at a table, at what it is a partition
 * of, or at its partitions: which table, whether that is our own, how its rows
 * are matched to ours as a condition on r and t, and the columns of either. */
struct Reference {
	Oid table;
	bool own;
	std::string match;
	std::vector<std::string> referencing, referenced;
};

std::vector<Reference> references_to(Oid table);

/* removed_row_type is the row type of a list that names rows of any table. */
TupleDesc removed_row_type();

/* Undoing finds and takes back the rows of one run.  A dry run adds those it
 * would delete to the rows that earlier ones would have deleted, which hold
 * nothing any more. */
class Undoing {
public:
	virtual ~Undoing() = default;

	Undone find_or_take_back(bool dry_run);

protected:
	Undoing(const PastRun &run, pg::WorkList &gone_before);

	/* work does it, as the role of the run, with the lists in place. */
	virtual Undone work(pg::Spi &spi, bool dry_run) = 0;

	virtual std::string reading() const;
	std::string recorded() const;
	std::string same_row() const;
	std::string same_value(const std::string &name) const;
	int64 gone(pg::Spi &spi) const;
	void lock(pg::Spi &spi, const std::string &which, pg::Args args = {}) const;

	const PastRun &run_;
	Target target_;
	pg::WorkList &gone_before_;
	std::vector<Reference> references_;

private:
	void check_recorded(pg::WorkList &rows) const;
	std::vector<std::string> identity() const;
};

/* undoing_of makes the undoing of a run. */
std::unique_ptr<Undoing> undoing_of(const PastRun &run, pg::WorkList &gone_before);

/* The two ways: rows that were inserted are deleted, values that were filled
 * in are put back. */
std::unique_ptr<Undoing> removal_of(const PastRun &run, pg::WorkList &gone_before);
std::unique_ptr<Undoing> restoration_of(const PastRun &run, pg::WorkList &gone_before);

} // namespace reconcile::invariant
