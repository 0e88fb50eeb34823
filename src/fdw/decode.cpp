/*-------------------------------------------------------------------------
 *
 * decode.cpp
 *	  Documents to rows: which field goes where, and what does not fit.
 *
 * A document is walked once.  MongoDB keeps the order of fields, and most
 * documents of a collection have the same one; so the field that is looked at
 * is nearly always the one that comes after the last that was found.
 *
 *-------------------------------------------------------------------------
 */
#include "fdw/decode.hpp"

#include "pg/text.hpp"

extern "C" {
#include "mb/pg_wchar.h"
#include "utils/typcache.h"
}

#include <algorithm>
#include <cstring>

namespace reconcile::fdw {

namespace {

/* print_id writes a document's _id for a message.  It is C: it runs while
 * PostgreSQL reports an error. */
void print_id(const bson_t *document, char *buffer, size_t size)
{
	bson_iter_t id;
	char digits[25];
	snprintf(buffer, size, "without _id");
	if (!bson_iter_init_find(&id, document, "_id"))
		return;
	if (BSON_ITER_HOLDS_OID(&id)) {
		bson_oid_to_string(bson_iter_oid(&id), digits);
		snprintf(buffer, size, "%s", digits);
		return;
	}
	bson_t alone = BSON_INITIALIZER;
	bson_append_iter(&alone, "", 0, &id);
	if (char *json = bson_as_relaxed_extended_json(&alone, nullptr)) {
		/* { "" : value } */
		const char *from = std::strchr(json, ':');
		size_t length = from != nullptr ? std::strlen(from) : 0;
		if (length > 4)
			snprintf(buffer, size, "%.*s", static_cast<int>(length - 4), from + 2);
		bson_free(json);
	}
	bson_destroy(&alone);
	int const length = static_cast<int>(std::strlen(buffer));
	buffer[pg_encoding_mbcliplen(PG_UTF8, buffer, length, length)] = '\0';
}

constexpr size_t kIdRoom = 128;

/* What a mismatch is, in a sentence, and its SQLSTATE. */
struct Explanation {
	int sqlstate;
	const char *detail;
};

Explanation explanation_of(Fit fit, bson_type_t type)
{
	switch (fit) {
	case Fit::kOutOfRange:
		return {type == BSON_TYPE_DATE_TIME ? ERRCODE_DATETIME_FIELD_OVERFLOW
											: ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE,
				"The value is out of the type's range."};
	case Fit::kInexact:
		return {type == BSON_TYPE_DATE_TIME ? ERRCODE_DATETIME_FIELD_OVERFLOW
											: ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE,
				"The value has digits that the type would drop."};
	case Fit::kTooLong:
		return {ERRCODE_STRING_DATA_RIGHT_TRUNCATION, "The text is longer than the type allows."};
	case Fit::kZeroByte:
		return {ERRCODE_CHARACTER_NOT_IN_REPERTOIRE,
				"The text holds a zero byte, which text of PostgreSQL cannot."};
	case Fit::kNotUtf8:
		return {ERRCODE_CHARACTER_NOT_IN_REPERTOIRE, "The text is not valid UTF-8."};
	case Fit::kArrayOnTheWay:
		return {ERRCODE_INVALID_CHARACTER_VALUE_FOR_CAST,
				"The path leads through an array; name one of its elements by position, as in "
				"\"a.0.b\"."};
	case Fit::kWrongElement:
		return {ERRCODE_INVALID_CHARACTER_VALUE_FOR_CAST,
				"An element of the array does not fit the type of the column's elements."};
	case Fit::kRagged:
		return {ERRCODE_ARRAY_SUBSCRIPT_ERROR,
				"The arrays in it are not all of one length, are mixed with other values, or are "
				"nested more than six deep; an array of PostgreSQL has up to six dimensions."};
	case Fit::kCorrupt:
		return {ERRCODE_INVALID_BINARY_REPRESENTATION, "The BSON of the document is damaged."};
	default:
		return {ERRCODE_INVALID_CHARACTER_VALUE_FOR_CAST, ""};
	}
}

} // namespace

Decoder::Decoder(const Table &table, const std::vector<AttrNumber> &columns) : table_(table)
{
	for (AttrNumber number : columns)
		if (const Column *column = table.column(number))
			add(*column);
}

void Decoder::add(const Column &column)
{
	if (column.domain())
		domains_.emplace_back(&column, nullptr);
	Node *node = &root_;
	for (const std::string &name : column.parts) {
		auto const found = std::find_if(node->children.begin(), node->children.end(),
										[&](const Node &child) { return child.name == name; });
		if (found != node->children.end()) {
			node = &*found;
		} else {
			node->children.push_back({name, {}, {}});
			node = &node->children.back();
		}
	}
	node->columns.push_back(&column);
}

/* add_context names the field in an error that PostgreSQL itself raised. */
void Decoder::add_context(void *argument)
{
	auto *task = static_cast<Task *>(argument);
	char id[kIdRoom];
	if (task->column == nullptr)
		return;
	print_id(task->document, id, sizeof id);
	errcontext("field \"%s\" of document %s in collection \"%s.%s\"", task->column->path.c_str(),
			   id, task->decoder->table_.options.database.c_str(),
			   task->decoder->table_.options.collection.c_str());
}

/* row calls PostgreSQL once: each door to it takes as long as a field. */
bool Decoder::row(const bson_t *document, TupleTableSlot *slot)
{
	Task task{this, document, slot->tts_values, slot->tts_isnull, nullptr, {}, false};
	pg::call([&] {
		ErrorContextCallback context;
		context.callback = add_context;
		context.arg = &task;
		context.previous = error_context_stack;
		error_context_stack = &context;
		ExecClearTuple(slot);
		fill(task);
		error_context_stack = context.previous;
		if (!task.skip)
			ExecStoreVirtualTuple(slot);
	});
	if (task.skip)
		skipped_++;
	else if (task.mismatch.fit != Fit::kFits)
		raise(task.mismatch, document);
	return !task.skip;
}

/* fill is all of row() that needs PostgreSQL. */
void Decoder::fill(Task &task)
{
	std::memset(task.nulls, true, static_cast<size_t>(table_.width));
	for (const Column *column : root_.columns) {
		task.column = column;
		Fit const fit = jsonb_from_document(task.document, &task.values[column->number - 1]);
		task.nulls[column->number - 1] = fit != Fit::kFits;
		if (fit != Fit::kFits && !refuse(column, BSON_TYPE_DOCUMENT, fit, task))
			return;
	}
	bson_iter_t fields;
	if (!bson_iter_init(&fields, task.document)) {
		refuse_below(root_, BSON_TYPE_DOCUMENT, Fit::kCorrupt, task);
		return;
	}
	if (walk(root_, &fields, task))
		check_domains(task);
}

/* walk finds the children of a node among the fields of a document.  Of fields
 * with the same name the first counts, as it does for MongoDB. */
bool Decoder::walk(const Node &node, bson_iter_t *fields, Task &task)
{
	size_t const count = node.children.size();
	size_t expected = 0, left = count;
	bool seen[MaxHeapAttributeNumber];
	std::memset(seen, false, count);

	while (left > 0 && bson_iter_next(fields)) {
		const char *const key = bson_iter_key_unsafe(fields);
		for (size_t step = 0; step < count; step++) {
			size_t const i = expected + step < count ? expected + step : expected + step - count;
			if (std::strcmp(node.children[i].name.c_str(), key) != 0)
				continue;
			if (!seen[i]) {
				seen[i] = true;
				left--;
				expected = i + 1 < count ? i + 1 : 0;
				if (!take(node.children[i], fields, task))
					return false;
			}
			break;
		}
	}
	if (left > 0 && fields->err_off != 0)
		return refuse_below(node, BSON_TYPE_DOCUMENT, Fit::kCorrupt, task);
	return true;
}

/* take converts a field for the columns whose path ends here, and goes on for
 * those whose path leads further. */
bool Decoder::take(const Node &node, const bson_iter_t *value, Task &task)
{
	bson_type_t const type = bson_iter_type_unsafe(value);
	if (type == BSON_TYPE_NULL)
		return true;
	for (const Column *column : node.columns) {
		int const i = column->number - 1;
		task.column = column;
		Fit const fit = value_from(*column, value, &task.values[i]);
		task.nulls[i] = fit != Fit::kFits;
		if (fit != Fit::kFits && !refuse(column, type, fit, task))
			return false;
	}
	return node.children.empty() || descend(node, value, task);
}

bool Decoder::descend(const Node &node, const bson_iter_t *value, Task &task)
{
	bson_type_t const type = bson_iter_type_unsafe(value);
	bson_iter_t fields;
	if (type == BSON_TYPE_ARRAY) {
		for (const Node &child : node.children)
			if (!is_position(child.name) && !refuse_all(child, type, Fit::kArrayOnTheWay, task))
				return false;
	} else if (type != BSON_TYPE_DOCUMENT) {
		return true; /* nothing is below a scalar, for MongoDB's projections too */
	}
	if (!bson_iter_recurse(value, &fields))
		return refuse_below(node, type, Fit::kCorrupt, task);
	return walk(node, &fields, task);
}

/* refuse does what on_mismatch says, and returns whether to go on. */
bool Decoder::refuse(const Column *column, bson_type_t type, Fit fit, Task &task)
{
	switch (table_.options.on_mismatch) {
	case OnMismatch::kNull:
		nulled_++;
		return true;
	case OnMismatch::kSkip:
		task.skip = true;
		return false;
	case OnMismatch::kError:
		break;
	}
	task.mismatch = {column, type, fit};
	return false;
}

/* refuse_all refuses the columns of a node and of what is below it. */
bool Decoder::refuse_all(const Node &node, bson_type_t type, Fit fit, Task &task)
{
	for (const Column *column : node.columns)
		if (!refuse(column, type, fit, task))
			return false;
	return refuse_below(node, type, fit, task);
}

bool Decoder::refuse_below(const Node &node, bson_type_t type, Fit fit, Task &task)
{
	for (const Node &child : node.children)
		if (!refuse_all(child, type, fit, task))
			return false;
	return true;
}

void Decoder::check_domains(Task &task)
{
	for (auto &[column, cache] : domains_) {
		int const i = column->number - 1;
		task.column = column;
		domain_check(task.values[i], task.nulls[i], column->type, &cache, context_);
	}
}

void Decoder::raise(const Mismatch &mismatch, const bson_t *document) const
{
	char id[kIdRoom];
	print_id(document, id, sizeof id);
	Explanation const why = explanation_of(mismatch.fit, mismatch.type);
	pg::fail(why.sqlstate,
			 "field \"" + mismatch.column->path + "\" of document " + id + " in collection \"" +
				 table_.options.full_name() + "\" does not fit column \"" + mismatch.column->name +
				 "\": BSON type " + bson_type_name(mismatch.type) + ", column type " +
				 column_type_name(*mismatch.column),
			 why.detail,
			 "Correct the document or the column; option \"on_mismatch\" of the table reads such "
			 "values as null, or skips such documents.");
}

void Decoder::report() const
{
	if (nulled_ + skipped_ == 0)
		return;
	std::string const what =
		nulled_ > 0 ? pg::plural(nulled_, "value", "values") + " of collection \"" +
						  table_.options.full_name() + "\" read as null"
					: pg::plural(skipped_, "document", "documents") + " of collection \"" +
						  table_.options.full_name() + "\" skipped";
	pg::call([&] {
		ereport(WARNING, (errcode(ERRCODE_WARNING), errmsg("%s", what.c_str()),
						  errdetail("A value in it did not fit its column (option "
									"\"on_mismatch\").")));
	});
}

} // namespace reconcile::fdw
