/*-------------------------------------------------------------------------
 *
 * target.hpp
 *	  What the engine must know about the table that an invariant fills.
 *
 * Depends on: row_json.hpp, pg/.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "invariant/row_json.hpp"
#include "pg/boundary.hpp"

extern "C" {
#include "access/attnum.h"
#include "nodes/nodes.h"
}

#include <optional>
#include <string>
#include <vector>

namespace reconcile::invariant {

struct Column {
	int16 number;
	std::string name;
	bool dropped;
	Oid type;
	int32 typmod;
	Oid base; /* the type beneath a domain, else the type, with its typmod */
	int32 base_typmod;
	std::string collation; /* as SQL writes it; empty for a type that has none */
	bool not_null;
	bool refuses_null;							   /* the column or its domain does */
	bool required;								   /* it does, and there is no default */
	std::string generated;						   /* 's': computed by the table */
	std::string identity;						   /* 'a': always by the table, 'd': by default */
	std::optional<std::string> default_expression; /* of a generated column: its expression */
	bool whole_document;						   /* shows what the other columns write */
	bool milliseconds; /* a time in a store that keeps no microseconds */
	bool counted;	   /* the default takes a number from a sequence, or may do so */
};

class Target {
public:
	explicit Target(Oid table);

	Oid oid() const { return oid_; }
	const std::string &name() const { return name_; }
	bool foreign() const { return kind_ == RELKIND_FOREIGN; }
	bool partitioned() const { return kind_ == 'p'; }
	const std::vector<Column> &columns() const { return columns_; }

	/* column returns a column by name, or nullptr, and by its number. */
	const Column *column(const std::string &name) const;
	const Column &column(AttrNumber number) const;

	/* column_names lists the columns, for hints. */
	std::vector<std::string> column_names() const;

	/* primary_key names its columns, none when there is no primary key. */
	std::vector<std::string> primary_key() const;

	/* has_children tells whether other tables inherit from it, which hold rows
	 * that no unique index of this one knows. */
	bool has_children() const { return has_children_; }

	/* keeps_xmin tells whether rows carry the transaction that wrote them: those
	 * of heap tables do. */
	bool keeps_xmin() const { return keeps_xmin_; }

	/* has_triggers tells whether triggers or rules see what is written. */
	bool has_triggers() const { return writes_more_; }

	/* sees_attempts tells whether some of them also see a row that ON CONFLICT then
	 * leaves out. */
	bool sees_attempts() const { return sees_attempts_; }

	/* checks_rows tells whether a policy or the bounds of a partition look at a row before any
	 * index does; a partition may have constraints of its own. */
	bool checks_rows() const { return checks_rows_; }

	/* allows tells whether rows can be written by a command: a foreign table may
	 * take new rows and refuse to change or give up those it has. */
	bool allows(CmdType command) const { return (commands_ & (1 << command)) != 0; }

	/* xmin_identifies tells whether the rows that carry the transaction of a run
	 * are those that it inserted: triggers and rules may write others. */
	bool xmin_identifies() const { return keeps_xmin_ && !writes_more_; }

	/* observed tells whether writes are reported row by row (write_observer). */
	bool observed() const { return observed_; }

	/* json_columns lists them, or those of some names that are there, for
	 * row_as_json() and rows_of_json(). */
	std::vector<JsonColumn> json_columns() const;
	std::vector<JsonColumn> json_columns(const std::vector<std::string> &names) const;

	/* row_type is the table's row type, dropped columns included. */
	TupleDesc row_type() const;

	/* check_kind refuses what cannot be a target. */
	void check_kind() const;

private:
	static constexpr char RELKIND_FOREIGN = 'f';

	Oid oid_;
	std::string name_;
	char kind_ = 0;
	bool temporary_ = false;
	bool system_ = false;
	bool keeps_xmin_ = false;
	bool writes_more_ = false;
	bool sees_attempts_ = false;
	bool has_children_ = false;
	bool checks_rows_ = false;
	bool observed_ = false;
	int64 commands_ = 0;
	std::vector<Column> columns_;
};

/* locked keeps a table's name and columns as they are until the transaction
 * ends: statements know it by name.  It returns the table, or InvalidOid when there
 * is none any more. */
Oid locked(Oid table);

/* primary_key_of lists the columns of a table's primary key, none when it has none. */
std::vector<JsonColumn> primary_key_of(Oid table);

/* is_foreign tells whether a table is a foreign one. */
bool is_foreign(Oid table);

/* equality_operator returns the operator by which values of a type are equal,
 * or InvalidOid when the type has none. */
Oid equality_operator(Oid type);

} // namespace reconcile::invariant
