/*-------------------------------------------------------------------------
 *
 * work_list.cpp
 *	  What a repair has to write, read once.
 *
 *-------------------------------------------------------------------------
 */
#include "invariant/work_list.hpp"

#include "pg/identity.hpp"

namespace reconcile::invariant {

namespace {

/* keep leaves in a work list what a query on it yields. */
void keep(const std::string &query, std::unique_ptr<pg::WorkList> &list)
{
	auto kept = std::make_unique<pg::WorkList>(list->row_type());
	pg::Spi spi;
	spi.expose(kWorkList, *list);
	pg::ReadOnly read_only;
	spi.collect(query, SPI_OK_SELECT, *kept);
	list = std::move(kept);
}

/* torn raises the error of an invariant that contradicts itself. */
[[noreturn]] void torn(const Definition &definition, const std::string &key)
{
	pg::fail(ERRCODE_CARDINALITY_VIOLATION,
			 "invariant \"" + definition.name + "\" expects different rows with the same key",
			 "Key: " + key + ".",
			 "Make its query yield one row per key, for example with DISTINCT ON.");
}

} // namespace

std::unique_ptr<pg::WorkList> due_rows(const Definition &definition, Statements &statements,
									   const PlannedRows &planned)
{
	auto list = std::make_unique<pg::WorkList>(statements.work_list_row_type());
	pg::Spi spi;
	planned.show(statements, spi);
	pg::ReadOnly read_only;
	spi.collect(statements.in_key_order(statements.due()), SPI_OK_SELECT, *list);
	auto const contradiction = statements.contradiction();
	if (contradiction && list->size() > 0) {
		spi.expose(kWorkList, *list);
		spi.run(*contradiction, SPI_OK_SELECT);
		if (auto const key = spi.text(0, 1))
			torn(definition, *key);
	}
	return list;
}

int64 check_surplus(const Definition &definition, const Statements &statements, pg::WorkList &list)
{
	pg::Spi spi;
	spi.expose(kWorkList, list);
	spi.run(statements.surplus(), SPI_OK_SELECT);
	int64 const surplus = spi.number(0, 1);
	if (surplus > 0) {
		spi.run(statements.contradictory(), SPI_OK_SELECT);
		if (auto const key = spi.text(0, 1))
			torn(definition, *key);
	}
	return surplus;
}

void drop_present(const Statements &statements, std::unique_ptr<pg::WorkList> &list)
{
	keep(statements.still_due(), list);
}

void drop_surplus(const Definition &definition, const Statements &statements,
				  std::unique_ptr<pg::WorkList> &list)
{
	if (check_surplus(definition, statements, *list) > 0)
		keep(statements.distinct(), list);
}

void drop_held(const Statements &statements, std::unique_ptr<pg::WorkList> &list)
{
	if (auto const writable = statements.writable())
		keep(*writable, list);
}

} // namespace reconcile::invariant
