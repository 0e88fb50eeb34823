/*-------------------------------------------------------------------------
 *
 * condition.hpp
 *	  Which conditions of a query MongoDB can apply first, and as what.
 *
 * PostgreSQL checks every condition itself, on the rows that come.  So what is
 * sent may let more documents pass, never fewer: it saves work and changes no
 * result.  That is what decides all cases below.
 *
 * Only where PostgreSQL is to see fewer rows than pass, because of a LIMIT, or
 * none at all, because MongoDB counts, must it be known that no more pass than
 * PostgreSQL would let: that a condition is exact.
 *
 * Terms.  A "condition" is planned as lists of numbers that a plan can hold;
 * the values that columns are compared with are expressions beside it, whose
 * values are known when the scan starts.
 *
 * Depends on: table.hpp, mongo/document.hpp.  Used by: scan.cpp.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "fdw/table.hpp"

#include "mongo/document.hpp"

extern "C" {
#include "nodes/pathnodes.h"
#include "nodes/pg_list.h"
}

#include <functional>
#include <vector>

namespace reconcile::fdw {

/* Exact says of what passes a condition in MongoDB whether it does so here:
 * not always; always, or its value does not fit its column; always, once the
 * value is no array, of which MongoDB looks at the elements. */
enum class Exact : uint8_t { kNo, kIfItFits, kUnlessArray };

/* Planner turns clauses of the planner into conditions. */
class Planner {
public:
	Planner(const Table &table, RelOptInfo *rel) : table_(table), rel_(rel) {}

	/* add plans a clause if MongoDB can apply it. */
	void add(Expr *clause);

	/* add_all plans the restrictions of the relation. */
	void add_all();

	List *conditions() const { return conditions_; }
	List *values() const { return values_; }

	/* exact is the exactness of all clauses together. */
	Exact exact() const { return exact_; }

	/* excludes_null tells whether what passes in MongoDB has a value in a column. */
	bool excludes_null(const Column &column) const;

	/* by_bytes tells whether MongoDB must compare text by bytes, whatever the
	 * collection's own collation is, for the conditions to be right, or exact. */
	bool by_bytes(bool exactly) const { return text_order_ || (exactly && text_equality_); }

	/* column_of returns the column of the table that an expression is. */
	const Column *column_of(Expr *expression) const;

private:
	struct Planned {
		List *condition = NIL; /* NIL: MongoDB cannot apply it */
		Exact exact = Exact::kNo;
	};

	Planned plan(Expr *clause);
	Planned plan_logic(BoolExpr *logic);
	Planned plan_comparison(OpExpr *comparison);
	Planned plan_like(OpExpr *comparison);
	Planned plan_array(ScalarArrayOpExpr *comparison);
	Planned plan_null_test(Expr *argument, bool is_null);
	Planned plan_boolean_test(BooleanTest *test);
	Planned plan_truth(Expr *expression, bool truth);
	Planned plan_untruth(Expr *expression, bool truth);
	Exact exactness(const Column &column, int strategy, Oid type);
	bool is_value(Expr *expression) const;
	int strategy_of(const Column &column, Oid op, Oid collation) const;
	int add_value(Expr *expression);

	const Table &table_;
	RelOptInfo *rel_;
	List *conditions_ = NIL, *values_ = NIL;
	Exact exact_ = Exact::kUnlessArray;
	bool text_order_ = false, text_equality_ = false;
};

/* sorts_alike tells whether MongoDB sorts the values that fit a column as
 * PostgreSQL does, NULLs aside. */
bool sorts_alike(const Column &column, Oid collation);

/* fields_of lists a column's field and those it is in. */
std::vector<std::string> fields_of(const Column &column);

/* Value is what a value expression yields. */
struct Value {
	Datum datum;
	bool null;
	Oid type;
};

/* Values gives the value of an expression by its place.  For EXPLAIN, which
 * computes nothing, it may have none. */
using Values = std::function<std::optional<Value>(int)>;

/* append_conditions appends to a filter what the planned conditions mean with
 * these values.  Without arrays, documents do not pass in which a column of a
 * condition is one. */
void append_conditions(mongo::Document &filter, const Table &table, List *conditions,
					   const Values &values, bool without_arrays = false);

/* columns_in lists the columns that conditions are about, each once. */
std::vector<const Column *> columns_in(const Table &table, List *conditions);

} // namespace reconcile::fdw
