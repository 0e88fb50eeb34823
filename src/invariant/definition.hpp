/*-------------------------------------------------------------------------
 *
 * definition.hpp
 *	  The definitions of invariants, as stored.
 *
 * Depends on: pg/.  Used by: every other file of this room.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "pg/boundary.hpp"
#include "pg/identity.hpp"

#include <optional>
#include <string>
#include <vector>

namespace reconcile::invariant {

/* Definition is one row of reconcile.invariant. */
struct Definition {
	std::string name;
	std::optional<std::string> pack;
	std::string kind;
	Oid target = InvalidOid;
	std::vector<std::string> key;
	std::string expects;
	std::vector<std::string> compare;
	std::optional<std::string> where_absent;
	std::string severity;
	std::optional<std::string> description;
	Oid owner = InvalidOid;
	std::string search_path;
	std::string time_zone;

	/* A fill writes columns of rows that are there. */
	bool is_fill() const { return kind == "fill"; }

	/* A check has no target: its query yields the rows that must not exist. */
	bool is_check() const { return kind == "check"; }
};

/* AsDeclared evaluates a definition: as its owner, where names and times mean
 * what they meant when it was declared. */
class AsDeclared {
public:
	explicit AsDeclared(const Definition &definition)
		: as_owner_(definition.owner, definition.search_path, definition.time_zone.c_str()),
		  owner_(definition.owner), search_path_(definition.search_path),
		  time_zone_(definition.time_zone)
	{
	}

	/* is_for tells whether another definition is evaluated likewise. */
	bool is_for(const Definition &other) const
	{
		return owner_ == other.owner && search_path_ == other.search_path &&
			   time_zone_ == other.time_zone;
	}

private:
	pg::AsOwner as_owner_;
	Oid const owner_;
	std::string const search_path_, time_zone_;
};

/* definition_named returns one definition; a wrong name is an error that
 * hints at the nearest names. */
Definition definition_named(const std::string &name);

/* locked_definition takes the invariant's lock for repairs and returns its
 * definition as it is then: it may have been altered or dropped while waiting.
 * The caller must be able to act as its owner. */
Definition locked_definition(const std::string &name);

/* chosen_definitions returns the invariant of a name, those of a pack, or
 * all of them, by name.  An unknown name or pack is an error. */
std::vector<Definition> chosen_definitions(const std::optional<std::string> &name,
										   const std::optional<std::string> &pack);

/* require_role checks that the caller may act as the owner, as whom all that
 * the invariant declares is done. */
void require_role(const Definition &definition);

/* require_repairable refuses an invariant of which nothing can be repaired. */
void require_repairable(const Definition &definition);

/* store adds a definition; a name that is taken is an error. */
void store(const Definition &definition);

/* replace stores a changed definition under its name. */
void replace(const Definition &definition);

/* conflict_with_older_snapshots makes every transaction fail to serialize that
 * repairs the invariant as well and cannot see what this one writes.  Needed
 * where no unique index stops a key from being written twice. */
void conflict_with_older_snapshots(const std::string &name);

/* forget removes a definition. */
void forget(const std::string &name);

/* fingerprint returns a text that changes whenever the definition does. */
std::string fingerprint(const Definition &definition);

} // namespace reconcile::invariant
