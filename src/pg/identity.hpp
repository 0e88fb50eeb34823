/*-------------------------------------------------------------------------
 *
 * identity.hpp
 *	  Acting as another role for the time of a scope.
 *
 * Two uses.  The engine's own tables are read and written as the owner of the
 * extension, by fixed statements only.  What a user declared is evaluated as
 * the role that declared it, in its own search_path, in a restricted context,
 * so that whoever runs it lends it no rights.
 *
 * Depends on: boundary.hpp.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "pg/boundary.hpp"

#include <exception>
#include <initializer_list>
#include <string>
#include <utility>

namespace reconcile::pg {

/* Settings holds settings of the session for a scope; nullptr leaves one as it
 * is.  After an error the end of the (sub)transaction restores them. */
class Settings {
public:
	using Values = std::initializer_list<std::pair<const char *, const char *>>;

	explicit Settings(Values values);
	~Settings();
	Settings(const Settings &) = delete;
	Settings &operator=(const Settings &) = delete;

private:
	int level_;
	int unwinding_ = std::uncaught_exceptions();
};

/* OwnSettings lets whatever is run within a scope change settings for that scope alone. */
struct OwnSettings : Settings {
	OwnSettings() : Settings({}) {}
};

/* PinnedPath makes names and operators mean PostgreSQL's own, so that catalog
 * queries can be written plainly.  Temporary objects come last, so that none
 * stands in for anything else. */
struct PinnedPath : Settings {
	PinnedPath() : Settings({{"search_path", "pg_catalog, pg_temp"}}) {}
};

/* ReadOnly makes the transaction read-only for a scope: what looks at a user's
 * query must not write, whatever functions the query calls.  From PostgreSQL
 * 16 on the setting cannot be changed for a scope; what it sets can. */
class ReadOnly {
public:
	ReadOnly() : before_(XactReadOnly) { XactReadOnly = true; }
	~ReadOnly() { XactReadOnly = before_; }
	ReadOnly(const ReadOnly &) = delete;
	ReadOnly &operator=(const ReadOnly &) = delete;

private:
	bool before_;
};

/* PortableText makes values print so that any session reads the same values
 * back, whatever it likes dates, intervals and floats to look like. */
struct PortableText : Settings {
	PortableText()
		: Settings({{"DateStyle", "ISO"},
					{"IntervalStyle", "postgres"},
					{"extra_float_digits", "3"},
					{"bytea_output", "hex"}})
	{
	}
};

/* ActingAs is another current user for a scope. */
class ActingAs {
public:
	explicit ActingAs(Oid role, int restriction = 0, int lifted = 0);
	~ActingAs();
	ActingAs(const ActingAs &) = delete;
	ActingAs &operator=(const ActingAs &) = delete;

private:
	Oid user_;
	int context_;
};

/* AsExtensionOwner runs the engine's own statements, under the pinned path. */
class AsExtensionOwner {
public:
	/* for_later lifts the restriction of the context: a row of the engine's own may
	 * set off a trigger of the engine's own at the end of the transaction. */
	enum Purpose { for_now, for_later };
	explicit AsExtensionOwner(Purpose purpose = for_now);

private:
	PinnedPath path_;
	ActingAs owner_;
};

/* AsOwner runs what a role declared: as that role, with its search_path and
 * its time zone, if one is given, with row-level security an error instead of a
 * silent filter, with dates that read the same in every session, and restricted
 * unless the role could become the caller anyway. */
class AsOwner {
public:
	AsOwner(Oid owner, const std::string &search_path, const char *time_zone = nullptr);

private:
	Settings settings_;
	ActingAs owner_;
};

/* is_restricted tells whether the context is restricted: PostgreSQL leaves no trigger for the
 * end of the transaction then. */
bool is_restricted();

/* may_act_as tells whether the current user could SET ROLE to a role. */
bool may_act_as(Oid role);

/* owner_of returns the owner of a relation, invalid when it was dropped. */
Oid owner_of(Oid relation);

/* role_exists tells whether a stored role is still there. */
bool role_exists(Oid role);

} // namespace reconcile::pg
