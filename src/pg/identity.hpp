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
#include <string>

namespace reconcile::pg {

/* PinnedPath makes names and operators mean PostgreSQL's own for a scope, so
 * that catalog queries can be written plainly. */
class PinnedPath {
public:
	PinnedPath();
	~PinnedPath();
	PinnedPath(const PinnedPath &) = delete;
	PinnedPath &operator=(const PinnedPath &) = delete;

private:
	int guc_level_;
	int unwinding_ = std::uncaught_exceptions();
};

/* ReadOnly makes the transaction read-only for a scope: what looks at a user's
 * query must not write, whatever functions the query calls. */
class ReadOnly {
public:
	ReadOnly();
	~ReadOnly();
	ReadOnly(const ReadOnly &) = delete;
	ReadOnly &operator=(const ReadOnly &) = delete;

private:
	int guc_level_;
	int unwinding_ = std::uncaught_exceptions();
};

/* AsExtensionOwner runs the engine's own statements, under the same path. */
class AsExtensionOwner {
public:
	AsExtensionOwner();
	~AsExtensionOwner();
	AsExtensionOwner(const AsExtensionOwner &) = delete;
	AsExtensionOwner &operator=(const AsExtensionOwner &) = delete;

private:
	Oid user_;
	int context_;
	int guc_level_;
	int unwinding_ = std::uncaught_exceptions();
};

/* AsOwner runs what a role declared: as that role, with its search_path, with
 * row-level security an error instead of a silent filter, and restricted
 * unless the role could become the caller anyway. */
class AsOwner {
public:
	AsOwner(Oid owner, const std::string &search_path);
	~AsOwner();
	AsOwner(const AsOwner &) = delete;
	AsOwner &operator=(const AsOwner &) = delete;

private:
	Oid user_;
	int context_;
	int guc_level_;
	int unwinding_ = std::uncaught_exceptions();
};

/* may_act_as tells whether the current user could SET ROLE to a role. */
bool may_act_as(Oid role);

/* role_exists tells whether a stored role is still there. */
bool role_exists(Oid role);

} // namespace reconcile::pg
