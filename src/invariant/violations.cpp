/*-------------------------------------------------------------------------
 *
 * violations.cpp
 *	  The SQL of an invariant of kind check: rows that must not exist.
 *
 *-------------------------------------------------------------------------
 */
#include "invariant/violations.hpp"

#include "invariant/statements.hpp"
#include "pg/text.hpp"

namespace reconcile::invariant {

std::unique_ptr<Comparison> comparison_of(const Definition &definition)
{
	if (definition.is_check())
		return std::make_unique<Violations>(definition);
	return statements_of(definition);
}

Violations::Violations(const Definition &definition)
	: definition_(definition), rows_(definition.expects)
{
}

std::string Violations::audit() const
{
	std::string const none = ", 0::pg_catalog.int8";
	return "SELECT " + first_samples("e") + none + none + none + ", pg_catalog.count(*) FROM (" +
		   rows_.text() + ") AS e";
}

std::string Violations::findings() const
{
	std::vector<std::string> key;
	for (const std::string &name : definition_.key)
		key.push_back(pg::literal(name) + ", e." + pg::quoted(name));
	return "SELECT 'violation', pg_catalog.jsonb_build_object(" + pg::joined(key, ", ") + ")" +
		   ", NULL::pg_catalog.jsonb, pg_catalog.to_jsonb(e.*), " +
		   pg::literal(definition_.description.value_or("a row that must not exist")) +
		   "::pg_catalog.text FROM (" + rows_.text() + ") AS e";
}

} // namespace reconcile::invariant
