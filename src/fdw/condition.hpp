/*-------------------------------------------------------------------------
 *
 * condition.hpp
 *	  Which conditions of a query MongoDB can apply first, and as what.
 *
 * PostgreSQL checks every condition itself, on the rows that come.  So what is
 * sent may let more documents pass, never fewer: it saves work and changes no
 * result.  That is what decides all cases below.
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

/* Planner turns clauses of the planner into conditions. */
class Planner {
public:
	Planner(const Table &table, RelOptInfo *rel) : table_(table), rel_(rel) {}

	/* add plans a clause if MongoDB can apply it. */
	void add(Expr *clause);

	List *conditions() const { return conditions_; }
	List *values() const { return values_; }

private:
	List *plan(Expr *clause);
	List *plan_logic(BoolExpr *logic);
	List *plan_comparison(OpExpr *comparison);
	List *plan_array(ScalarArrayOpExpr *comparison);
	List *plan_null_test(NullTest *test);
	List *plan_truth(Expr *expression, bool truth);
	const Column *column_of(Expr *expression) const;
	bool is_value(Expr *expression) const;
	int strategy_of(const Column &column, Oid op, Oid collation) const;
	int add_value(Expr *expression);

	const Table &table_;
	RelOptInfo *rel_;
	List *conditions_ = NIL, *values_ = NIL;
};

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
 * these values. */
void append_conditions(mongo::Document &filter, const Table &table, List *conditions,
					   const Values &values);

} // namespace reconcile::fdw
