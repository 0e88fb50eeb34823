/*-------------------------------------------------------------------------
 *
 * key.cpp
 *	  The key of an invariant: by what an expected row is found in the target.
 *
 *-------------------------------------------------------------------------
 */
#include "invariant/key.hpp"

#include "invariant/values.hpp"
#include "pg/identity.hpp"
#include "pg/spi.hpp"
#include "pg/subtransaction.hpp"
#include "pg/text.hpp"

extern "C" {
#include "access/genam.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/relcache.h"
}

#include <algorithm>

namespace reconcile::invariant {

namespace {

/* are_yielded tells whether each entry of a key is a column of the query. */
bool are_yielded(const std::vector<std::string> &entries, const ExpectedRows &expected)
{
	const std::vector<Output> &outputs = expected.outputs();
	return std::all_of(entries.begin(), entries.end(), [&](const std::string &entry) {
		return std::any_of(outputs.begin(), outputs.end(),
						   [&](const Output &output) { return output.name == entry; });
	});
}

/* name_of_column returns the column that an entry names, there or not; nothing when it is
 * an expression. */
std::optional<std::string> name_of_column(const Target &target, const std::string &entry)
{
	if (target.column(entry) != nullptr)
		return entry;
	std::optional<std::string> name;
	if (auto failure = pg::attempt([&] { name = name_in(entry); }))
		pg::fail(ERRCODE_SYNTAX_ERROR,
				 "\"" + entry + "\" is neither a column of " + target.name() + " nor an expression",
				 "As an expression: " + failure->message() + ".",
				 "A key is made of columns and of expressions over them, such as lower(email).");
	return name;
}

/* column_of describes an expression as if it were a column. */
Column column_of(const RowExpression &expression, const std::string &name)
{
	Column column{};
	column.name = name;
	column.type = expression.type();
	column.typmod = column.base_typmod = expression.typmod();
	column.base = pg::call([&] { return getBaseTypeAndTypmod(column.type, &column.base_typmod); });
	return column;
}

/* collation_of returns the collation of a part, InvalidOid for a type without. */
Oid collation_of(Relation index, const KeyPart &part)
{
	if (const RowExpression *expression = part.expression())
		return expression->collation();
	Oid type, collation;
	int32 typmod;
	get_atttypetypmodcoll(index->rd_index->indrelid, part.column().number, &type, &typmod,
						  &collation);
	return collation;
}

/* are_equal_alike tells whether the same texts are equal by two collations. */
bool are_equal_alike(Oid one, Oid other)
{
	return one == other || !OidIsValid(one) || !OidIsValid(other) ||
		   (get_collation_isdeterministic(one) && get_collation_isdeterministic(other));
}

/* is_key_of tells whether an index has a part of a key as a key column of its own.  ON
 * CONFLICT would also take one by whose collation other rows are equal. */
bool is_key_of(Relation index, int number, const KeyPart &part)
{
	const RowExpression *const expression = part.expression();
	bool const is_on_it = expression != nullptr
							  ? expression->is_key_of(index, number)
							  : index->rd_index->indkey.values[number] == part.column().number;
	return is_on_it && are_equal_alike(index->rd_indcollation[number], collation_of(index, part));
}

/* is_on tells whether an index is on exactly the parts of a key, as the planner does for
 * ON CONFLICT. */
bool is_on(Relation index, const std::vector<KeyPart> &key)
{
	std::vector<bool> seen(key.size(), false);
	for (int number = 0; number < IndexRelationGetNumberOfKeyAttributes(index); number++) {
		bool found = false;
		for (size_t part = 0; part < key.size(); part++)
			if (pg::call([&] { return is_key_of(index, number, key[part]); }))
				found = seen[part] = true;
		if (!found)
			return false;
	}
	return std::find(seen.begin(), seen.end(), false) == seen.end();
}

/* is_whole tells whether an index has all rows of its table. */
bool is_whole(Relation index)
{
	return pg::call([&] { return RelationGetIndexPredicate(index) == NIL; });
}

/* FoundIndexes are the first indexes of each kind that ON CONFLICT would take by the parts
 * of a key.  It takes all of them at once, and refuses to with a deferrable one among them:
 * then a constraint has to be named. */
struct FoundIndexes {
	Oid whole = InvalidOid;
	Oid partial = InvalidOid;
	Oid constraint = InvalidOid; /* whole, too */
	bool deferrable = false;

	void add(Relation index);
	Oid usable() const;
};

void FoundIndexes::add(Relation index)
{
	Oid const oid = RelationGetRelid(index);
	if (!index->rd_index->indimmediate) {
		deferrable = true;
		return;
	}
	if (!index->rd_index->indisready)
		return;
	Oid &found = is_whole(index) ? whole : partial;
	if (!OidIsValid(found))
		found = oid;
	if (!OidIsValid(constraint) && pg::call([&] { return get_index_constraint(oid); }))
		constraint = oid;
}

Oid FoundIndexes::usable() const
{
	if (deferrable)
		return constraint;
	return OidIsValid(whole) ? whole : partial;
}

/* find_indexes looks for unique indexes on the parts of a key. */
FoundIndexes find_indexes(Oid table, const std::vector<KeyPart> &key)
{
	FoundIndexes found;
	Relation const relation = pg::call([&] { return table_open(table, AccessShareLock); });
	List *const indexes = pg::call([&] { return RelationGetIndexList(relation); });
	ListCell *cell;
	foreach (cell, indexes) {
		Relation const index =
			pg::call([&] { return index_open(lfirst_oid(cell), AccessShareLock); });
		if (index->rd_index->indisunique && index->rd_index->indisvalid && is_on(index, key))
			found.add(index);
		pg::call([&] { index_close(index, NoLock); });
	}
	pg::call([&] { table_close(relation, NoLock); });
	return found;
}

} // namespace

/* --------------------------------------------------------------- KeyPart */

KeyPart::KeyPart(const Target &target, const std::string &entry, size_t number) : target_(&target)
{
	if (auto const name = name_of_column(target, entry)) {
		name_ = listed_name_ = *name;
		if (const Column *column = target.column(*name))
			column_ = *column;
	} else {
		name_ = entry; /* too long for a name in SQL, maybe */
		listed_name_ = "pg_reconcile key " + std::to_string(number);
		expression_.emplace(entry, target.oid());
		column_ = column_of(*expression_, name_);
	}
}

const Column &KeyPart::column() const
{
	if (!column_)
		pg::fail(ERRCODE_UNDEFINED_COLUMN,
				 "column \"" + name_ + "\" of " + target_->name() + " does not exist");
	return *column_;
}

std::vector<std::string> KeyPart::reads() const
{
	if (!expression_)
		return {name_};
	std::vector<std::string> names;
	for (AttrNumber number : expression_->reads())
		names.push_back(target_->column(number).name);
	return names;
}

std::string KeyPart::over(const std::function<std::string(const std::string &)> &value) const
{
	if (!expression_)
		return value(name_);
	return "(" + expression_->over([&](AttrNumber number) {
		return value(target_->column(number).name);
	}) + ")";
}

std::string KeyPart::of_row(const std::string &alias) const
{
	return over([&](const std::string &name) { return alias + "." + pg::quoted(name); });
}

std::string KeyPart::listed(const std::string &alias) const
{
	return alias + "." + pg::quoted(listed_name_);
}

std::string KeyPart::indexed() const
{
	return expression_ ? expression_->indexed() : pg::quoted(name_);
}

/* ------------------------------------------------------------------- Key */

Key::Key(const Target &target, const std::vector<std::string> &entries) : target_(target)
{
	for (const std::string &entry : entries)
		parts_.emplace_back(target, entry, parts_.size() + 1);
}

std::vector<std::string> Key::columns() const
{
	std::vector<std::string> columns;
	for (const KeyPart &part : parts_)
		for (const std::string &name : part.reads())
			if (!pg::contains(columns, name))
				columns.push_back(name);
	return columns;
}

std::string Key::indexed() const
{
	std::vector<std::string> parts;
	for (const KeyPart &part : parts_)
		parts.push_back(part.indexed());
	return pg::joined(parts, ", ");
}

std::string Key::new_index() const
{
	if (exists() && find_indexes(target_.oid(), parts_).deferrable)
		return "ALTER TABLE " + target_.name() + " ADD UNIQUE (" + indexed() + ");";
	return std::string("CREATE UNIQUE INDEX ") + (target_.partitioned() ? "" : "CONCURRENTLY ") +
		   "ON " + target_.name() + " (" + indexed() + ");";
}

std::string Key::list(const std::string &rows) const
{
	std::vector<std::string> values;
	for (const KeyPart &part : parts_)
		values.push_back(part.of_row("n") + " AS " + pg::quoted(part.listed_name()));
	return "(SELECT " + pg::joined(values, ", ") + " FROM " + rows + " AS n)";
}

std::vector<std::string> Key::names() const
{
	std::vector<std::string> names;
	for (const KeyPart &part : parts_)
		names.push_back(part.name());
	return names;
}

std::string Key::as_json(const std::string &alias) const
{
	std::vector<JsonValue> values;
	for (const KeyPart &part : parts_)
		values.push_back({part.name(), part.column().type, part.of_row(alias)});
	return values_as_json(values);
}

std::vector<JsonColumn> Key::json_columns() const
{
	std::vector<JsonColumn> columns;
	for (const KeyPart &part : parts_)
		columns.push_back(
			{part.listed_name(), part.column().type, part.column().typmod, part.name()});
	return columns;
}

std::optional<Arbiter> Key::arbiter() const
{
	if (!exists())
		return std::nullopt;
	FoundIndexes const found = find_indexes(target_.oid(), parts_);
	if (!OidIsValid(found.usable()))
		return std::nullopt;
	static pg::Constant facts("SELECT pg_get_indexdef(i.indexrelid),"
							  " pg_get_expr(i.indpred, i.indrelid), i.indnullsnotdistinct,"
							  " quote_ident(c.conname) FROM pg_index i LEFT JOIN pg_constraint c"
							  " ON c.conindid = i.indexrelid AND c.contype IN ('p', 'u') AND $2"
							  " WHERE i.indexrelid = $1",
							  pg::Planned::once);
	pg::PinnedPath path;
	pg::Spi spi;
	spi.run(facts, SPI_OK_SELECT,
			pg::Args()
				.add(OIDOID, ObjectIdGetDatum(found.usable()))
				.add(BOOLOID, BoolGetDatum(found.deferrable)));
	return Arbiter{spi.required_text(0, 1), spi.text(0, 2), spi.truth(0, 3), spi.text(0, 4)};
}

bool Key::exists() const
{
	return std::all_of(parts_.begin(), parts_.end(),
					   [](const KeyPart &part) { return part.exists(); });
}

/* --------------------------------------------------------- expected rows */

Oid target_of(const Definition &definition)
{
	if (!OidIsValid(locked(definition.target)))
		pg::fail(ERRCODE_UNDEFINED_TABLE,
				 "the target of invariant \"" + definition.name + "\" does not exist", {},
				 "Drop the invariant with reconcile.drop_invariant(), or give it another target"
				 " with reconcile.alter_invariant().");
	return definition.target;
}

std::vector<JsonColumn> json_columns(const ExpectedRows &rows)
{
	std::vector<JsonColumn> columns;
	for (const Output &output : rows.outputs())
		columns.push_back({output.name, output.type, output.typmod});
	return columns;
}

std::vector<JsonColumn> json_columns(const ExpectedRows &rows,
									 const std::vector<std::string> &names)
{
	std::vector<JsonColumn> columns;
	for (JsonColumn &column : json_columns(rows))
		if (std::find(names.begin(), names.end(), column.name) != names.end())
			columns.push_back(std::move(column));
	return columns;
}

std::string expected_value(const Column &column, const ExpectedRows &expected,
						   const std::string &alias)
{
	for (const Output &output : expected.outputs())
		if (output.name == column.name)
			return as_stored(column, output, alias + "." + pg::quoted(column.name));
	pg::fail(ERRCODE_UNDEFINED_COLUMN,
			 "column \"" + column.name + "\" is not a column of the query");
}

/* An expression is made for values of its columns' own types. */
std::string expected_part(const KeyPart &part, const Target &target, const ExpectedRows &expected,
						  const std::string &alias)
{
	return part.over([&](const std::string &name) {
		const Column *column = target.column(name);
		std::string const value =
			expected_value(column != nullptr ? *column : part.column(), expected, alias);
		return part.expression() == nullptr ? value
											: "(" + value + ")::" + pg::type_name(column->base);
	});
}

std::string expected_key_json(const Definition &definition, const ExpectedRows &expected,
							  const std::string &alias)
{
	std::vector<JsonValue> values;
	if (are_yielded(definition.key, expected)) {
		for (const JsonColumn &column : json_columns(expected, definition.key))
			values.push_back({column.name, column.type, alias + "." + pg::quoted(column.name)});
		return values_as_json(values);
	}
	Target const target(target_of(definition));
	Key const key(target, definition.key);
	for (const KeyPart &part : key.parts())
		values.push_back(
			{part.name(), part.column().type, expected_part(part, target, expected, alias)});
	return values_as_json(values);
}

std::vector<std::string> key_columns(const Definition &definition, const ExpectedRows &expected)
{
	if (are_yielded(definition.key, expected))
		return definition.key;
	Target const target(target_of(definition));
	return Key(target, definition.key).columns();
}

} // namespace reconcile::invariant
