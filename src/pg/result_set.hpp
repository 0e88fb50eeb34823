/*-------------------------------------------------------------------------
 *
 * result_set.hpp
 *	  Arguments and result rows of SQL-callable functions.
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

#include <optional>
#include <string>
#include <vector>

namespace reconcile::pg {

/* Row is one row of a result, built column by column. */
class Row {
public:
	Row &add(Datum value);
	Row &add_null();
	Row &text(const std::string &value);
	Row &text(const std::optional<std::string> &value);
	Row &number(int64 value);
	Row &number(const std::optional<int64> &value);

	Row &interval(int64 microseconds);

	Datum *values() { return values_.data(); }
	bool *nulls() { return reinterpret_cast<bool *>(nulls_.data()); }

private:
	std::vector<Datum> values_;
	std::vector<char> nulls_;
};

/* ResultSet is the result of a function that RETURNS TABLE. */
class ResultSet {
public:
	explicit ResultSet(FunctionCallInfo fcinfo);

	void add(Row row);

	/* store and context are where a query may put its rows directly, if they are of
	 * the row type. */
	TupleDesc row_type() const { return info_->setDesc; }
	Tuplestorestate *store() const { return info_->setResult; }
	MemoryContext context() const { return info_->econtext->ecxt_per_query_memory; }

private:
	ReturnSetInfo *info_;
};

/* Arguments reads the arguments of a call by name, so that every error about
 * a NULL names the argument. */
class Arguments {
public:
	explicit Arguments(FunctionCallInfo fcinfo) : fcinfo_(fcinfo) {}

	bool null(int n) const { return fcinfo_->args[n].isnull; }
	Datum datum(int n) const { return fcinfo_->args[n].value; }

	/* The value of an argument that may not be NULL. */
	std::string text(int n, const char *name) const;
	std::vector<std::string> texts(int n, const char *name) const;
	bool truth(int n, const char *name) const;
	Oid oid(int n, const char *name) const;
	int64 int8(int n, const char *name) const;
	Datum datum_of(int n, const char *name) const { return required(n, name); }
	int64 int4(int n, const char *name) const;

	/* The value of an argument that may be NULL. */
	std::optional<std::string> optional_text(int n) const;
	std::optional<int64> optional_int8(int n) const;

	/* one_of is a text argument that must be one of the given words. */
	std::string one_of(int n, const char *name, const std::vector<std::string> &words) const;

private:
	Datum required(int n, const char *name) const;

	FunctionCallInfo fcinfo_;
};

} // namespace reconcile::pg
