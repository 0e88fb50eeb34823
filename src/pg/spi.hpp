/*-------------------------------------------------------------------------
 *
 * spi.hpp
 *	  Running SQL from C++, with the error discipline of a C caller.
 *
 * Terms.  A "work list" is a set of rows kept outside of any table, in memory
 * as far as work_mem allows and in a temporary file beyond that; a statement
 * reads it under a name, as a trigger reads its transition table.
 *
 * SQL text is a constant or built from names that PostgreSQL quoted; values
 * are parameters.
 *
 * Depends on: boundary.hpp, text.hpp.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "pg/boundary.hpp"

extern "C" {
#include "utils/tuplestore.h"
}

#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace reconcile::pg {

/* Args are the parameters $1, $2, ... of one statement. */
class Args {
public:
	Args &add(Oid type, Datum value);
	Args &add_null(Oid type);
	Args &add(const std::string &value);
	Args &add(const std::optional<std::string> &value);
	Args &add(int64 value);
	Args &add(const std::optional<int64> &value);
	Args &add(const std::vector<std::string> &value); /* text[] */

	/* of_row makes them of the columns of a row, which must outlive them. */
	static Args of_row(TupleDesc row_type, MinimalTuple row);

	int count() const { return static_cast<int>(types_.size()); }
	Oid *types() { return types_.data(); }
	Datum *values() { return values_.data(); }
	const char *nulls() const { return nulls_.data(); }

private:
	std::vector<Oid> types_;
	std::vector<Datum> values_;
	std::vector<char> nulls_;
};

class ResultSet;

/* WorkList holds rows of one row type, in bounded memory.  It lives in the
 * memory context in which it is made: make it before the connection. */
class WorkList {
public:
	explicit WorkList(TupleDesc row_type);
	~WorkList();
	WorkList(const WorkList &) = delete;
	WorkList &operator=(const WorkList &) = delete;

	TupleDesc row_type() const { return row_type_; }
	Tuplestorestate *store() const { return store_; }
	MemoryContext context() const { return context_; }
	int64 size() const { return tuplestore_tuple_count(store_); }

	/* append copies rows that are in memory. */
	void append(const std::vector<MinimalTuple> &rows);

	/* append_slice copies count rows of another list, from row first on. */
	void append_slice(WorkList &from, int64 first, int64 count);

private:
	MemoryContext context_;
	TupleDesc row_type_;
	Tuplestorestate *store_;
	int unwinding_ = std::uncaught_exceptions();
};

/* Plan is a prepared statement that outlives its connection.  PostgreSQL makes
 * it anew when a table, a function or the role's row security changes. */
class Plan {
public:
	explicit Plan(SPIPlanPtr plan) : plan_(plan) {}
	~Plan() { SPI_freeplan(plan_); }
	Plan(const Plan &) = delete;
	Plan &operator=(const Plan &) = delete;

	SPIPlanPtr get() const { return plan_; }

private:
	SPIPlanPtr plan_;
};

/* Planned says for what a statement is planned: once and for all values, or for
 * the values of each execution as far as that may pay. */
enum class Planned { once, by_values };

/* Constant is a statement whose text is always the same.  PostgreSQL prepares it
 * once in a session, and plans it anew when what it reads changes.  The types of
 * its parameters are those of the first time. */
class Constant {
public:
	explicit Constant(std::string sql, Planned planned = Planned::by_values)
		: sql_(std::move(sql)), planned_(planned)
	{
	}
	Constant(const Constant &) = delete;
	Constant &operator=(const Constant &) = delete;

	/* plan returns the prepared statement; C in the sense of boundary.hpp. */
	SPIPlanPtr plan(int count, Oid *types);

private:
	std::string const sql_;
	Planned const planned_;
	SPIPlanPtr plan_ = nullptr;
};

/* AsOfNow makes connections of its scope read what is committed now, also where
 * the transaction has an older snapshot.  They can only read. */
class AsOfNow {
public:
	AsOfNow() { scopes_++; }
	~AsOfNow() { scopes_--; }
	AsOfNow(const AsOfNow &) = delete;
	AsOfNow &operator=(const AsOfNow &) = delete;

	static bool active() { return scopes_ > 0; }

private:
	static int scopes_;
};

/* Spi is one SPI connection.  It is finished on the way out of success only:
 * after an error the end of the (sub)transaction does it, as for a C caller. */
class Spi {
public:
	Spi();
	~Spi();
	Spi(const Spi &) = delete;
	Spi &operator=(const Spi &) = delete;

	/* run executes one statement that must end with the given SPI_OK code, and
	 * returns the number of rows it read or wrote. */
	uint64 run(const std::string &sql, int expect, Args args = {});

	uint64 run(Constant &statement, int expect, Args args = {});

	/* prepare keeps a statement, which may read what is exposed here; run executes
	 * it in any connection that exposes the same. */
	std::unique_ptr<Plan> prepare(const std::string &sql, std::vector<Oid> types = {},
								  Planned planned = Planned::by_values);
	uint64 run(const Plan &plan, int expect, Args args = {});

	/* collect does the same and puts the rows that come back into a work list, or
	 * into the result of a function, whose types they must have. */
	uint64 collect(const std::string &sql, int expect, WorkList &into, Args args = {});
	uint64 collect(const std::string &sql, int expect, ResultSet &into, Args args = {});

	/* expose makes rows readable under a name in this connection: a work list, or
	 * rows of a table that a trigger was given. */
	void expose(const std::string &name, WorkList &list);
	void expose(const std::string &name, Tuplestorestate *rows, Oid table);

	/* The cells of the last run, as text; a NULL is no string. */
	std::optional<std::string> text(uint64 row, int column) const;
	std::string required_text(uint64 row, int column) const;
	int64 number(uint64 row, int column) const;
	bool truth(uint64 row, int column) const;
	Oid oid(uint64 row, int column) const;
	std::vector<std::string> texts(uint64 row, int column) const; /* a text[] */

	/* kept returns a cell copied to the memory context of before SPI. */
	std::optional<Datum> kept(uint64 row, int column) const;

private:
	Datum cell(uint64 row, int column, bool *null) const;

	bool const of_now_;
	int unwinding_ = std::uncaught_exceptions();
};

} // namespace reconcile::pg
