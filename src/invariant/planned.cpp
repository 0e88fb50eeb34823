/*-------------------------------------------------------------------------
 *
 * planned.cpp
 *	  What a dry run has planned so far, for the invariants that come later.
 *
 *-------------------------------------------------------------------------
 */
#include "invariant/planned.hpp"

#include <map>

namespace reconcile::invariant {

void PlannedRows::add(const Statements &statements, std::unique_ptr<pg::WorkList> list)
{
	std::string const name = "pg_reconcile planned rows " + std::to_string(parts_.size() + 1);
	parts_.push_back({statements.target().oid(), name, statements.overlay(name),
					  statements.rows_of_target(), std::move(list)});
}

void PlannedRows::show(Statements &statements, pg::Spi &spi) const
{
	std::map<Oid, std::string> tables;
	for (const Part &part : parts_) {
		spi.expose(part.name, *part.list);
		auto table = tables.try_emplace(part.table, part.present).first;
		table->second = part.overlay.before + table->second + part.overlay.after;
	}
	for (const auto &[table, rows] : tables)
		statements.see(table, rows);
}

} // namespace reconcile::invariant
