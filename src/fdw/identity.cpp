/*-------------------------------------------------------------------------
 *
 * identity.cpp
 *	  Which document a row came from, for UPDATE and DELETE.
 *
 * The planner knows the column by a Var that no query can write: the number is
 * that of ctid, the type is not.
 *
 *-------------------------------------------------------------------------
 */
#include "fdw/identity.hpp"

#include "pg/text.hpp"

extern "C" {
#include "access/sysattr.h"
#include "nodes/makefuncs.h"
#include "optimizer/appendinfo.h"
#include "optimizer/optimizer.h"
#include "utils/rel.h"
}

#include <algorithm>

namespace reconcile::fdw {

namespace {

/* A field that is larger than this is not compared, nor is a document or an
 * array, unless it is set from itself: what is sent for each row is to stay
 * small. */
constexpr uint32_t kLargestCompared = 1024;

/* Nor is anything that leaves no room for what is written: both are in one
 * document of at most 16 MB. */
constexpr uint32_t kLargestCertain = 4 * 1024 * 1024;

bool is_identity(const Var *var)
{
	return var->varattno == SelfItemPointerAttributeNumber && var->vartype == BYTEAOID;
}

/* vars_of collects what a scan must yield. */
List *vars_of(RelOptInfo *rel, List *clauses)
{
	return pg::call([&] {
		List *vars = pull_var_clause(reinterpret_cast<Node *>(rel->reltarget->exprs),
									 PVC_RECURSE_PLACEHOLDERS);
		return list_concat(
			vars, pull_var_clause(reinterpret_cast<Node *>(clauses), PVC_RECURSE_PLACEHOLDERS));
	});
}

/* column_entry makes the entry of a column of the table; where one was dropped
 * there is a null, so that the others keep their numbers. */
TargetEntry *column_entry(const Table &table, Index index, AttrNumber number)
{
	const Column *column = table.column(number);
	return pg::call([&] {
		Expr *value =
			column == nullptr
				? reinterpret_cast<Expr *>(makeNullConst(INT4OID, -1, InvalidOid))
				: reinterpret_cast<Expr *>(makeVar(index, number, column->type,
												   column->declared_typmod, column->collation, 0));
		return makeTargetEntry(value, number, nullptr, false);
	});
}

/* Found is what a path leads to in a document. */
struct Found {
	bson_iter_t value;
	bool known = true; /* false where the path leads through an array */
	bool there = false;
};

Found found_at(const bson_t *document, const std::vector<std::string> &parts)
{
	Found found;
	bson_iter_t fields;
	if (!bson_iter_init(&fields, document))
		return found;
	for (size_t i = 0; i < parts.size(); i++) {
		if (!bson_iter_find_w_len(&fields, parts[i].data(), static_cast<int>(parts[i].size())))
			return found;
		if (i + 1 == parts.size()) {
			found.there = true;
			found.value = fields;
			return found;
		}
		if (BSON_ITER_HOLDS_ARRAY(&fields) && !is_position(parts[i + 1])) {
			found.known = false;
			return found;
		}
		bson_iter_t inner;
		if (!(BSON_ITER_HOLDS_DOCUMENT(&fields) || BSON_ITER_HOLDS_ARRAY(&fields)) ||
			!bson_iter_recurse(&fields, &inner))
			return found;
		fields = inner;
	}
	return found;
}

/* length_of returns how many bytes a value has that may have many. */
uint32_t length_of(const bson_iter_t &value)
{
	uint32_t length = 0;
	const uint8_t *data;
	switch (bson_iter_type(&value)) {
	case BSON_TYPE_UTF8:
		bson_iter_utf8(&value, &length);
		break;
	case BSON_TYPE_BINARY:
		bson_iter_binary(&value, nullptr, &length, &data);
		break;
	case BSON_TYPE_DOCUMENT:
		bson_iter_document(&value, &length, &data);
		break;
	case BSON_TYPE_ARRAY:
		bson_iter_array(&value, &length, &data);
		break;
	default:
		break;
	}
	return length;
}

/* is_small tells whether a value is compared that is only looked at. */
bool is_small(const bson_iter_t &value)
{
	switch (bson_iter_type(&value)) {
	case BSON_TYPE_DOCUMENT:
	case BSON_TYPE_ARRAY:
	case BSON_TYPE_CODEWSCOPE:
		return false;
	default:
		return length_of(value) <= kLargestCompared;
	}
}

/* append_equality asks that a field is still what was found.  Of the type
 * undefined MongoDB compares no value. */
void append_equality(mongo::Document &selector, const Column &column, const Found &found)
{
	if (!found.known || (found.there && bson_iter_type(&found.value) == BSON_TYPE_UNDEFINED))
		return;
	mongo::Document equality;
	if (found.there)
		equality.copy("$eq", found.value);
	else
		equality.null("$eq");
	selector.document(column.path, equality.get());
}

/* append_whole_equality asks that a document is still what was read, all of it
 * and in this order: the fields that it has got since count, too. */
void append_whole_equality(mongo::Document &selector, const bson_t *document)
{
	mongo::Document literal, sides, equality;
	literal.document("$literal", document);
	sides.string("0", "$$ROOT").document("1", literal.get());
	equality.array("$eq", sides.get());
	selector.document("$expr", equality.get());
}

} // namespace

void add_update_targets(PlannerInfo *root, Index index, RangeTblEntry *, Relation relation)
{
	TableOptions const options = table_options(RelationGetRelid(relation));
	if (options.key.empty() && options.updatable) {
		std::string const name = pg::qualified_name(RelationGetRelid(relation));
		pg::fail(ERRCODE_FDW_OPTION_NAME_NOT_FOUND,
				 "UPDATE and DELETE need option \"key\" of foreign table " + name,
				 "It names the columns that say which document is meant.",
				 "ALTER FOREIGN TABLE " + name + " OPTIONS (ADD key 'column, ...')");
	}
	pg::call([&] {
		Var *identity = makeVar(static_cast<int>(index), SelfItemPointerAttributeNumber, BYTEAOID,
								-1, InvalidOid, 0);
		add_row_identity_var(root, identity, index, kIdentityName);
		/* PostgreSQL asks for the row itself where UPDATE needs it. */
		if (root->parse->commandType == CMD_DELETE && root->parse->returningList != NIL) {
			Var *row =
				makeVar(static_cast<int>(index), InvalidAttrNumber, RECORDOID, -1, InvalidOid, 0);
			add_row_identity_var(root, row, index, "wholerow");
		}
	});
}

List *identity_scan_type(const Table &table, RelOptInfo *rel, List *clauses)
{
	std::vector<Var *> extras;
	bool identity = false;
	ListCell *cell;
	foreach (cell, vars_of(rel, clauses)) {
		auto *var = static_cast<Var *>(lfirst(cell));
		identity = identity || is_identity(var);
		bool const known = std::any_of(extras.begin(), extras.end(), [&](Var *extra) {
			return extra->varattno == var->varattno && extra->vartype == var->vartype;
		});
		if (var->varattno <= 0 && !known)
			extras.push_back(var);
	}
	if (!identity)
		return NIL;

	List *targets = NIL;
	for (int number = 1; number <= table.width; number++) {
		TargetEntry *entry = column_entry(table, rel->relid, static_cast<AttrNumber>(number));
		pg::call([&] { targets = lappend(targets, entry); });
	}
	if (std::count_if(extras.begin(), extras.end(),
					  [](Var *extra) { return extra->varattno == InvalidAttrNumber; }) > 1)
		pg::fail(ERRCODE_FEATURE_NOT_SUPPORTED,
				 "foreign table " + pg::qualified_name(table.relation) +
					 " cannot be used as a whole row in this statement",
				 "PostgreSQL itself reads the row to change it, in another form.",
				 "Name the columns.");
	for (Var *extra : extras) {
		if (extra->varattno != InvalidAttrNumber && extra->varattno != TableOidAttributeNumber &&
			!is_identity(extra))
			pg::fail(ERRCODE_FEATURE_NOT_SUPPORTED,
					 "system columns of foreign table " + pg::qualified_name(table.relation) +
						 " cannot be used in UPDATE and DELETE",
					 "Documents have none.");
		pg::call([&] {
			auto *copy = static_cast<Expr *>(copyObjectImpl(extra));
			int const place = list_length(targets) + 1;
			targets = lappend(
				targets, makeTargetEntry(copy, static_cast<AttrNumber>(place), nullptr, false));
		});
	}
	return targets;
}

ScanExtras::ScanExtras(const Table &table, ForeignScan *plan,
					   const std::vector<AttrNumber> &written)
	: table_(table)
{
	if (plan->scan.scanrelid == 0)
		return;
	Bitmapset *used = pg::call([&] {
		Bitmapset *set = nullptr;
		pull_varattnos(reinterpret_cast<Node *>(plan->scan.plan.targetlist), INDEX_VAR, &set);
		pull_varattnos(reinterpret_cast<Node *>(plan->scan.plan.qual), INDEX_VAR, &set);
		return set;
	});
	ListCell *cell;
	foreach (cell, plan->fdw_scan_tlist) {
		auto *entry = static_cast<TargetEntry *>(lfirst(cell));
		if (entry->resno <= table.width) {
			bool const compared = pg::call([&] {
				return bms_is_member(entry->resno - FirstLowInvalidHeapAttributeNumber, used);
			});
			const Column *column = table.column(entry->resno);
			bool const set =
				std::find(written.begin(), written.end(), entry->resno) != written.end();
			if (compared && column != nullptr && column->whole_document())
				whole_ = whole_ || set;
			else if (compared && column != nullptr)
				(set ? certain_ : compared_).push_back(column);
			continue;
		}
		auto *var = reinterpret_cast<Var *>(entry->expr);
		identity_ = identity_ || is_identity(var);
		columns_.push_back(var->varattno);
	}
	for (const std::string &name : table.options.key)
		certain_.push_back(table.column(name));
}

mongo::Document ScanExtras::selector(const bson_t *document) const
{
	mongo::Document selector;
	std::vector<std::string> paths{"_id"};
	Found const id = found_at(document, paths);
	if (!id.there)
		pg::fail(ERRCODE_FEATURE_NOT_SUPPORTED,
				 "documents of collection \"" + table_.options.full_name() +
					 "\" cannot be updated or deleted",
				 "One of them has no _id.");
	selector.copy("_id", id.value);

	auto const add = [&](const Column &column, bool certain) {
		if (std::find(paths.begin(), paths.end(), column.path) != paths.end())
			return;
		paths.push_back(column.path);
		Found const found = found_at(document, column.parts);
		if (!found.there ||
			(certain ? length_of(found.value) <= kLargestCertain : is_small(found.value)))
			append_equality(selector, column, found);
	};
	for (const Column *column : certain_)
		add(*column, true);
	for (const Column *column : compared_)
		add(*column, false);
	if (whole_ && document->len <= kLargestCertain)
		append_whole_equality(selector, document);
	return selector;
}

void ScanExtras::fill(const bson_t *document, Relation relation, TupleTableSlot *slot) const
{
	for (size_t i = 0; i < columns_.size(); i++) {
		size_t const place = static_cast<size_t>(table_.width) + i;
		slot->tts_isnull[place] = false;
		if (columns_[i] == TableOidAttributeNumber) {
			slot->tts_values[place] = ObjectIdGetDatum(table_.relation);
		} else if (columns_[i] == InvalidAttrNumber) {
			slot->tts_values[place] = pg::call([&] {
				TupleDesc const type = RelationGetDescr(relation);
				HeapTuple const row = heap_form_tuple(type, slot->tts_values, slot->tts_isnull);
				return heap_copy_tuple_as_datum(row, type);
			});
		} else {
			mongo::Document const found = local([&] { return selector(document); });
			slot->tts_values[place] = pg::call([&] {
				return PointerGetDatum(cstring_to_text_with_len(
					reinterpret_cast<const char *>(bson_get_data(found.get())),
					static_cast<int>(found.bytes())));
			});
		}
	}
}

bool selector_of(Datum identity, bson_t *selector)
{
	auto *bytes = pg::call([&] { return PG_DETOAST_DATUM_PACKED(identity); });
	return bson_init_static(selector, reinterpret_cast<const uint8_t *>(VARDATA_ANY(bytes)),
							static_cast<size_t>(VARSIZE_ANY_EXHDR(bytes)));
}

} // namespace reconcile::fdw
