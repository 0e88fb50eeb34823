/*-------------------------------------------------------------------------
 *
 * guard_work.hpp
 *	  What a guard does about rows that were written or deleted.
 *
 * The statements are those of a repair, confined to what the rows concern.
 * They are planned once in a backend and kept.
 *
 * Depends on: statements.hpp, pg/.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "invariant/guard_notes.hpp"
#include "invariant/guard_query.hpp"
#include "invariant/statements.hpp"
#include "pg/spi.hpp"

#include <array>
#include <memory>
#include <string>

namespace reconcile::invariant {

/* Scope says what a guard looks at. */
struct Scope {
	enum Kind {
		new_rows,	 /* what rows make expected that are new in a table */
		target_rows, /* what is expected in place of rows of the target */
		noted		 /* what the keys of a note are about */
	} kind;
	Oid watched = InvalidOid; /* the table with the rows, as the query reads it */
	bool inserted = false;	  /* they were: most likely they have nothing yet */
	bool alone = false;		  /* nobody else can be writing what they are expected to have */
	Subject subject = {};	  /* of the note: the one there is, or the one to take */
	std::vector<JsonColumn> keys = {};	   /* its columns */
	std::vector<std::string> columns = {}; /* of noted rows: those that a statement reads */

	/* is_of_rows tells whether new rows of a table, which it has or finds, are to be
	 * looked at. */
	bool is_of_rows() const
	{
		return kind == new_rows || (kind == noted && subject.keys == Subject::of_rows);
	}
};

/* Rows are those that a guard looks at. */
struct Rows {
	Tuplestorestate *store = nullptr;
	Oid table = InvalidOid;		/* whose rows they are: the watched one, or a partition of it */
	const Note *note = nullptr; /* the keys of a note instead */

	/* expose makes them readable by statements. */
	void expose(pg::Spi &spi) const;
	int64 size() const;
};

/* confine makes a statement see new rows alone, if that is the scope. */
void confine(Statements &statements, const Scope &scope);

/* due_in yields the rows that are due in a scope. */
std::string due_in(const Statements &statements, const Scope &scope,
				   Statements::Rows number = Statements::Rows::many);

/* noted_json is a jsonb expression of a row of a note's keys. */
std::string noted_json(const std::vector<JsonColumn> &columns, const std::string &alias);

/* expected_in yields the key and the row of what is expected in a scope, as far
 * as it can be told without looking at the target. */
std::string expected_in(const Definition &definition, const Scope &scope);

/* KeptStatement is planned when it is needed first.  What suits one row does
 * not suit a hundred thousand, so there is a plan for each magnitude, and there
 * may be another text for few rows. */
class KeptStatement {
public:
	KeptStatement() = default;
	explicit KeptStatement(std::string sql) : few_(sql), sql_(std::move(sql)) {}
	KeptStatement(std::string few, std::string many) : few_(std::move(few)), sql_(std::move(many))
	{
	}

	bool empty() const { return sql_.empty(); }

	/* explain lets PostgreSQL plan it. */
	void explain(pg::Spi &spi) const;

	/* plan_for returns the plan for so many rows, which are exposed already. */
	const pg::Plan &plan_for(const Rows &rows, pg::Spi &spi);

private:
	std::string few_, sql_;
	std::array<std::unique_ptr<pg::Plan>, 3> plans_;
};

class GuardWork {
public:
	/* Made, and all of it run, under the owner and search_path of the definition. */
	GuardWork(const Definition &definition, const Scope &scope);

	const Scope &scope() const { return scope_; }

	/* write writes what is due. */
	void write(const Rows &rows);

	/* note adds to a note's keys those of what must be looked at later. */
	void note(const Rows &rows, pg::WorkList &keys);

	/* check lets PostgreSQL plan the statements and check the privileges. */
	void check() const;

private:
	std::string const invariant_;
	Scope const scope_;
	int done_; /* what executing write_ returns */
	KeptStatement write_, unprotected_, note_;
};

} // namespace reconcile::invariant
