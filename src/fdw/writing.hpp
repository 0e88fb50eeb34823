/*-------------------------------------------------------------------------
 *
 * writing.hpp
 *	  What INSERT, UPDATE and DELETE of a foreign table have in common.
 *
 * Depends on: table.hpp, connection.hpp, mongo/bulk.hpp.  Used by:
 * modify.cpp, change.cpp.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "fdw/connection.hpp"
#include "fdw/table.hpp"
#include "mongo/bulk.hpp"

#include <memory>
#include <optional>
#include <string>

namespace reconcile::fdw {

/* Writing is the part of a statement that writes one foreign table.  A
 * document that MongoDB refuses becomes an ERROR after the others of its
 * batch were tried. */
class Writing {
protected:
	/* action and done are words of messages: "update a document of", "updated". */
	Writing(Relation relation, Oid user, const char *action, const char *done);

	/* in_scratch runs f, whose allocations are freed together, and raises the
	 * error of the first document that was refused in it. */
	template <class F> void in_scratch(F &&f)
	{
		MemoryContext const before = MemoryContextSwitchTo(scratch_);
		first_refused_.reset();
		f();
		MemoryContextSwitchTo(before);
		pg::call([&] { MemoryContextReset(scratch_); });
		if (first_refused_)
			raise();
	}

	/* wrote counts documents that were written. */
	void wrote(uint64 documents);

	/* refuse counts a document that was not, and keeps the first of a batch.
	 * What it is, as JSON, may be empty. */
	void refuse(int sqlstate, const std::string &message, const std::string &document);

	Table const table_;
	std::shared_ptr<mongo::Client> client_;
	mongo::Bulk bulk_;

private:
	struct Refused {
		int sqlstate;
		std::string message, document;
	};

	[[noreturn]] void raise();

	const char *const action_, *const done_;
	MemoryContext const scratch_; /* what converting a batch allocates */
	std::optional<Refused> first_refused_;
	uint64 written_ = 0, refused_ = 0; /* of the statement */
};

/* shown_json is a document for a message, not longer than that wants it. */
std::string shown_json(const bson_t *document);

} // namespace reconcile::fdw
