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

#include "invariant/guard_query.hpp"
#include "invariant/statements.hpp"
#include "pg/spi.hpp"

#include <array>
#include <memory>
#include <optional>
#include <string>

namespace reconcile::invariant {

/* Given is how statements are given keys: as $1, a jsonb[], as a work list of notes, or,
 * when there is one note alone, as $1 and so on, which PostgreSQL looks up quickest. */
enum class Given { as_json, as_list, as_arguments };

/* Scope says what a guard looks at. */
struct Scope {
	enum Kind {
		new_rows,	 /* what rows make expected that are new in a table */
		target_rows, /* what is expected in place of rows of the target */
		stored_rows, /* what rows of a table make expected, given their primary keys */
		keys		 /* what is expected with given keys */
	} kind;
	Oid watched = InvalidOid; /* the table with the rows, as the query reads it */
	bool inserted = false;	  /* they were: most likely they have nothing yet */
	bool alone = false;		  /* nobody else can be writing what they are expected to have */
	bool one_key = false;	  /* one key is expected, always with the same values */
	Given given = Given::as_json;
	std::vector<JsonColumn> key = {};	   /* the primary key by which rows are found again */
	std::vector<std::string> columns = {}; /* that the query reads of them when they are */

	/* is_of_rows tells whether it is about what rows of a watched table make expected. */
	bool is_of_rows() const { return kind == new_rows || kind == stored_rows; }

	/* is_of_statement tells whether it is about the rows of a statement that is at hand. */
	bool is_of_statement() const { return kind == new_rows || kind == target_rows; }
};

/* Rows are those that a guard looks at. */
struct Rows {
	Tuplestorestate *store = nullptr;
	Oid table = InvalidOid;		   /* whose rows they are: the watched one, or a partition of it */
	Datum keys = Datum(0);		   /* a jsonb[] instead: keys of theirs, or of what is expected */
	pg::WorkList *noted = nullptr; /* or a list of such keys */
	std::optional<pg::Args> one;   /* or one of them */

	/* expose makes them readable by statements, which take them as args. */
	void expose(pg::Spi &spi) const;
	pg::Args args() const;
	int64 size() const;
};

/* keys_as_json makes of notes what Rows has as keys. */
std::optional<Datum> keys_as_json(const std::vector<JsonColumn> &key, pg::WorkList &noted);

/* confine makes a statement see new rows alone, if that is the scope; with_rows is what it
 * begins with then. */
void confine(Statements &statements, const Scope &scope);
std::string with_rows(const Scope &scope);

/* due_in yields the rows that are due in a scope. */
std::string due_in(const Statements &statements, const Scope &scope,
				   Statements::Rows number = Statements::Rows::many);

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
	void explain(pg::Spi &spi, const Rows &rows) const;

	/* run executes it on rows, which are exposed already. */
	uint64 run(pg::Spi &spi, int expect, const Rows &rows);

private:
	std::string few_, sql_;
	std::array<std::unique_ptr<pg::Plan>, 3> plans_;
};

class GuardWork {
public:
	/* Made, and all of it run, under the owner and search_path of the definition. */
	GuardWork(const Definition &definition, const Scope &scope);

	const Scope &scope() const { return scope_; }

	/* key_can_repeat tells whether a key may be that of several rows of the target. */
	bool key_can_repeat() const { return key_can_repeat_; }

	/* write writes what is due. */
	void write(const Rows &rows);

	/* pending tells by what to find again, as a jsonb[], what must be looked at
	 * later, if anything must: the primary keys of the new rows where they can be
	 * found by them, else the keys of what is due. */
	std::optional<Datum> pending(const Rows &rows);

	/* check lets PostgreSQL plan the statements and check the privileges. */
	void check() const;

private:
	std::string const invariant_;
	Scope const scope_;
	bool key_can_repeat_;
	int done_; /* what executing write_ returns */
	KeptStatement write_, unprotected_, pending_;
};

} // namespace reconcile::invariant
