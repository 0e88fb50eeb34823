/*-------------------------------------------------------------------------
 *
 * order.cpp
 *	  The order in which invariants are evaluated.
 *
 *-------------------------------------------------------------------------
 */
#include "invariant/order.hpp"

#include "invariant/query.hpp"
#include "pg/identity.hpp"
#include "pg/subtransaction.hpp"
#include "pg/text.hpp"

#include <algorithm>

namespace reconcile::invariant {

namespace {

/* tables_read returns what a query reads.  A query that no longer fits the
 * tables reads nothing: whoever evaluates it will report why. */
std::vector<Oid> tables_read(const Definition &definition)
{
	std::vector<Oid> tables;
	if (!pg::role_exists(definition.owner))
		return tables;
	pg::attempt([&] {
		pg::AsOwner owner(definition.owner, definition.search_path);
		pg::ReadOnly read_only; /* constants are evaluated when a query is parsed */
		tables = ExpectedRows(definition.expects).reads();
	});
	return tables;
}

/* Visit is a depth-first walk over the definitions. */
struct Visit {
	const std::vector<Definition> &all;
	Cycle cycle;
	std::vector<std::vector<Oid>> reads;
	std::vector<Definition> sorted;
	std::vector<size_t> path; /* the definitions being visited, outermost first */
	std::vector<bool> done;

	Visit(const std::vector<Definition> &definitions, Cycle cycle_)
		: all(definitions), cycle(cycle_), done(definitions.size(), false)
	{
		for (const Definition &definition : all)
			reads.push_back(tables_read(definition));
	}

	bool follows(size_t child, size_t parent) const
	{
		const std::vector<Oid> &tables = reads[child];
		return child != parent && all[child].target != all[parent].target &&
			   std::find(tables.begin(), tables.end(), all[parent].target) != tables.end();
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
