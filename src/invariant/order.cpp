/*-------------------------------------------------------------------------
 *
 * order.cpp
 *	  The order in which invariants are evaluated.
 *
 *-------------------------------------------------------------------------
 */
#include "invariant/order.hpp"

#include "invariant/filling.hpp"
#include "invariant/query.hpp"
#include "pg/identity.hpp"
#include "pg/subtransaction.hpp"
#include "pg/text.hpp"

#include <algorithm>
#include <optional>

namespace reconcile::invariant {

namespace {

/* Reading is what the query of a definition has to do with other definitions.
 * One that no longer fits the tables reads nothing: whoever evaluates it will
 * report why. */
struct Reading {
	std::optional<ExpectedRows> query;
	std::vector<Oid> tables;
	std::vector<AttrNumber> filled; /* by an invariant of kind fill: columns of its target */

	bool reads(Oid table) const
	{
		return std::find(tables.begin(), tables.end(), table) != tables.end();
	}
};

/* written_columns are the columns of the target that a fill writes, and those
 * that the table may compute from them. */
std::vector<AttrNumber> written_columns(const Definition &definition, const ExpectedRows &query)
{
	std::vector<std::string> const filled = filled_by(definition, query);
	std::vector<AttrNumber> numbers;
	Target const target(definition.target);
	for (const Column &column : target.columns())
		if (!column.generated.empty() ||
			std::find(filled.begin(), filled.end(), column.name) != filled.end())
			numbers.push_back(column.number);
	return numbers;
}

Reading reading_of(const Definition &definition)
{
	Reading reading;
	if (!pg::role_exists(definition.owner))
		return reading;
	pg::attempt([&] {
		AsDeclared const declared(definition);
		pg::ReadOnly read_only; /* constants are evaluated when a query is parsed */
		ExpectedRows const query(definition.expects);
		reading.query = query;
		reading.tables = query.reads();
		if (definition.is_fill())
			reading.filled = written_columns(definition, query);
	});
	return reading;
}

/* Visit is a depth-first walk over the definitions. */
struct Visit {
	const std::vector<Definition> &all;
	Cycle cycle;
	std::vector<Reading> readings;
	std::vector<Definition> sorted;
	std::vector<size_t> path; /* the definitions being visited, outermost first */
	std::vector<bool> done;

	Visit(const std::vector<Definition> &definitions, Cycle cycle_)
		: all(definitions), cycle(cycle_), done(definitions.size(), false)
	{
		for (const Definition &definition : all)
			readings.push_back(reading_of(definition));
	}

	/* follows tells whether a child needs what its parent writes: rows of a table
	 * that it reads, rows that it fills, or just the columns that a fill writes. */
	bool follows(size_t child, size_t parent) const
	{
		Oid const written = all[parent].target;
		if (child == parent || all[parent].is_check())
			return false;
		if (all[parent].is_fill())
			return readings[child].reads(written) &&
				   readings[child].query->reads_column(written, readings[parent].filled);
		if (all[child].target == written)
			return all[child].is_fill();
		return readings[child].reads(written);
	}

	void visit(size_t i)
	{
		if (done[i] || (cycle == Cycle::is_ignored && on_path(i)))
			return;
		check_cycle(i);
		path.push_back(i);
		for (size_t parent = 0; parent < all.size(); parent++)
			if (follows(i, parent))
				visit(parent);
		path.pop_back();
		done[i] = true;
		sorted.push_back(all[i]);
	}

	bool on_path(size_t i) const { return std::find(path.begin(), path.end(), i) != path.end(); }

	void check_cycle(size_t i) const
	{
		auto start = std::find(path.begin(), path.end(), i);
		if (start == path.end())
			return;
		std::vector<std::string> names;
		for (auto member = start; member != path.end(); ++member)
			names.push_back("\"" + all[*member].name + "\"");
		names.push_back("\"" + all[i].name + "\"");
		pg::fail(
			ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, "invariants depend on each other in a cycle",
			pg::joined(names, " reads the target of ") + ".", "Repair them one by one, by name.");
	}
};

} // namespace

std::vector<Definition> in_order(const std::vector<Definition> &definitions, Cycle cycle)
{
	if (definitions.size() < 2)
		return definitions;
	Visit visit(definitions, cycle);
	for (size_t i = 0; i < definitions.size(); i++)
		visit.visit(i);
	return visit.sorted;
}

} // namespace reconcile::invariant
