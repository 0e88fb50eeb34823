/*-------------------------------------------------------------------------
 *
 * survey.cpp
 *	  Which fields the documents of a collection have, and of which types.
 *
 *-------------------------------------------------------------------------
 */
#include "fdw/survey.hpp"

#include <algorithm>

namespace reconcile::fdw {

namespace {

constexpr int kDeepest = 32; /* documents within documents whose fields are told apart */
constexpr size_t kMostNames = 10000;
constexpr int64_t kTwoTo53 = INT64_C(9007199254740992);

/* What PostgreSQL's timestamps hold: 4714-11-24 BC to the end of 294276. */
constexpr int64_t kFirstMillisecond = INT64_C(-210866803200000);
constexpr int64_t kLastMillisecond = INT64_C(9224318015999999);

/* is_name tells whether a field can be named in a path. */
bool is_name(std::string_view name)
{
	return !name.empty() && name.size() <= Field::kLongestName && name.front() != '$' &&
		   name.find('.') == std::string_view::npos &&
		   bson_utf8_validate(name.data(), name.size(), false);
}

bool is_uuid(const bson_iter_t *value)
{
	bson_subtype_t subtype;
	uint32_t length;
	const uint8_t *data;
	bson_iter_binary(value, &subtype, &length, &data);
	return subtype == BSON_SUBTYPE_UUID && length == 16;
}

} // namespace

void Rectangle::add_single(int dimension)
{
	ragged_ = ragged_ || (last_ >= 0 && last_ != dimension) || deepest_ > dimension;
	last_ = dimension;
}

/* add_array refuses an empty array within another: it has no place. */
void Rectangle::add_array(int dimension, int length)
{
	deepest_ = std::max(deepest_, dimension);
	if (dimension >= kMostDimensions || (last_ >= 0 && last_ < dimension) ||
		(dimension > 0 && length == 0) ||
		(lengths_[dimension] >= 0 && lengths_[dimension] != length)) {
		ragged_ = true;
		return;
	}
	lengths_[dimension] = length;
}

bool Field::only(std::initializer_list<bson_type_t> allowed) const
{
	for (size_t type = 0; type < types.size(); type++)
		if (types[type] > 0 && type != BSON_TYPE_NULL && type != BSON_TYPE_UNDEFINED &&
			std::find(allowed.begin(), allowed.end(), static_cast<bson_type_t>(type)) ==
				allowed.end())
			return false;
	return std::any_of(allowed.begin(), allowed.end(),
					   [this](bson_type_t type) { return seen(type); });
}

void Survey::add(const bson_t *document)
{
	bson_iter_t fields;
	documents_++;
	if (bson_iter_init(&fields, document))
		add_fields(root_, &fields, 0);
}

/* field_of finds a field; most documents have the same ones in the same order,
 * so the one that is expected is looked at first. */
Field *Survey::field_of(Field &parent, std::string_view name, size_t &expected)
{
	if (expected < parent.fields.size() && parent.fields[expected]->name == name)
		return parent.fields[expected++].get();
	auto const found = parent.by_name_.find(name);
	if (found != parent.by_name_.end()) {
		expected = found->second + 1;
		return parent.fields[found->second].get();
	}
	if (!is_name(name) || parent.fields.size() == Field::kMostNames || names_ == kMostNames)
		return nullptr;
	names_++;
	parent.fields.push_back(std::make_unique<Field>());
	Field *field = parent.fields.back().get();
	field->name = name;
	expected = parent.fields.size();
	parent.by_name_.emplace(field->name, expected - 1);
	return field;
}

void Survey::add_fields(Field &parent, bson_iter_t *fields, int depth)
{
	size_t expected = 0;
	while (bson_iter_next(fields)) {
		Field *field =
			field_of(parent, {bson_iter_key(fields), bson_iter_key_len(fields)}, expected);
		if (field == nullptr) {
			parent.unnamed++;
		} else if (field->last_document_ != documents_) { /* the first of one name counts */
			field->last_document_ = documents_;
			field->documents++;
			add_value(*field, fields, depth);
		}
	}
}

/* add_elements looks at the elements of an array, of which those that are
 * arrays are further dimensions, as far as there can be. */
void Survey::add_elements(Field &elements, const bson_iter_t *array, Rectangle &shape,
						  int dimension)
{
	bson_iter_t element;
	int length = 0;
	if (dimension == Rectangle::kMostDimensions || !bson_iter_recurse(array, &element)) {
		shape.add_array(Rectangle::kMostDimensions, 0);
		return;
	}
	for (; bson_iter_next(&element); length++) {
		if (BSON_ITER_HOLDS_ARRAY(&element)) {
			add_elements(elements, &element, shape, dimension + 1);
			continue;
		}
		shape.add_single(dimension);
		if (BSON_ITER_HOLDS_DOCUMENT(&element))
			elements.types[BSON_TYPE_DOCUMENT]++;
		else
			add_value(elements, &element, 0);
	}
	shape.add_array(dimension, length);
}

void Survey::add_value(Field &field, const bson_iter_t *value, int depth)
{
	bson_type_t const type = bson_iter_type(value);
	bson_iter_t inner;
	field.types[static_cast<uint8_t>(type)]++;
	switch (type) {
	case BSON_TYPE_INT64: {
		int64_t const number = bson_iter_int64(value);
		field.beyond_double = field.beyond_double || number > kTwoTo53 || number < -kTwoTo53;
		break;
	}
	case BSON_TYPE_DATE_TIME: {
		int64_t const time = bson_iter_date_time(value);
		field.beyond_dates =
			field.beyond_dates || time < kFirstMillisecond || time > kLastMillisecond;
		break;
	}
	case BSON_TYPE_BINARY:
		field.other_binary = field.other_binary || !is_uuid(value);
		break;
	case BSON_TYPE_ARRAY: {
		Rectangle shape;
		if (field.elements == nullptr)
			field.elements = std::make_unique<Field>();
		add_elements(*field.elements, value, shape, 0);
		field.ragged = field.ragged || shape.ragged();
		break;
	}
	case BSON_TYPE_DOCUMENT:
		if (nested_ && depth < kDeepest && bson_iter_recurse(value, &inner))
			add_fields(field, &inner, depth + 1);
		else if (nested_)
			field.unnamed++;
		break;
	default:
		break;
	}
}

} // namespace reconcile::fdw
