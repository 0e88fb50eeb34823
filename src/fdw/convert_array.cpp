/*-------------------------------------------------------------------------
 *
 * convert_array.cpp
 *	  Arrays of MongoDB as arrays of PostgreSQL, and back.
 *
 * In MongoDB an array may hold anything.  One of PostgreSQL is rectangular and
 * of one type: what is not does not fit, and no element is ever left out.
 *
 *-------------------------------------------------------------------------
 */
#include "fdw/convert.hpp"
#include "fdw/encode.hpp"

extern "C" {
#include "utils/array.h"
#include "utils/lsyscache.h"
}

namespace reconcile::fdw {

namespace {

/* Elements is an array while it is read.  It is plain data: errors of
 * PostgreSQL jump over it. */
struct Elements {
	const Column *type;
	int dimensions; /* 0 until an element was seen */
	int lengths[MAXDIM];
	int lower_bounds[MAXDIM];
	Datum *values;
	bool *nulls;
	int count, room;
};

void push_element(Elements &elements, Datum value, bool null)
{
	if (elements.count == elements.room) {
		elements.room = elements.room == 0 ? 16 : elements.room * 2;
		auto const room = static_cast<Size>(elements.room);
		elements.values = static_cast<Datum *>(
			elements.values == nullptr ? palloc(room * sizeof(Datum))
									   : repalloc(elements.values, room * sizeof(Datum)));
		elements.nulls = static_cast<bool *>(elements.nulls == nullptr
												 ? palloc(room * sizeof(bool))
												 : repalloc(elements.nulls, room * sizeof(bool)));
	}
	elements.values[elements.count] = value;
	elements.nulls[elements.count++] = null;
}

/* read_elements reads one array at a depth; those within it are at the next.
 * A depth at which there was a value that is no array is the last. */
Fit read_elements(const bson_iter_t *array, int depth, Elements &elements)
{
	bson_iter_t element;
	int length = 0;
	if (!bson_iter_recurse(array, &element))
		return Fit::kCorrupt;
	while (bson_iter_next(&element)) {
		bson_type_t const type = bson_iter_type(&element);
		bool const deeper = type == BSON_TYPE_ARRAY && elements.type->kind != Kind::kJsonb;
		if (elements.dimensions == 0 && !deeper)
			elements.dimensions = depth + 1;
		if (deeper ? depth + 1 == elements.dimensions || depth + 1 == MAXDIM
				   : depth + 1 != elements.dimensions)
			return Fit::kRagged;
		length++;
		Fit fit = Fit::kFits;
		if (deeper) {
			fit = read_elements(&element, depth + 1, elements);
		} else if (type == BSON_TYPE_NULL) {
			push_element(elements, Datum(0), true);
		} else {
			Datum value;
			fit = value_from(*elements.type, &element, &value);
			if (fit == Fit::kFits)
				push_element(elements, value, false);
		}
		if (fit != Fit::kFits)
			return fit == Fit::kWrongType ? Fit::kWrongElement : fit;
	}
	if (element.err_off != 0)
		return Fit::kCorrupt;
	/* An empty array within another has no place in a rectangle. */
	if ((length == 0 && depth > 0) ||
		(elements.lengths[depth] >= 0 && elements.lengths[depth] != length))
		return Fit::kRagged;
	elements.lengths[depth] = length;
	return Fit::kFits;
}

/* Flat is an array of PostgreSQL taken apart. */
struct Flat {
	int dimensions;
	const int *lengths;
	Datum *values;
	bool *nulls;
};

Flat flat(const Column &element, Datum datum)
{
	return pg::call([&] {
		Flat all;
		int count;
		int16 length;
		bool by_value;
		char align;
		ArrayType *array = DatumGetArrayTypeP(datum);
		get_typlenbyvalalign(element.type, &length, &by_value, &align);
		deconstruct_array(array, element.type, length, by_value, align, &all.values, &all.nulls,
						  &count);
		all.dimensions = ARR_NDIM(array);
		all.lengths = ARR_DIMS(array);
		return all;
	});
}

/* append_dimension appends the elements from a place on, and returns the place
 * after them. */
size_t append_dimension(mongo::Document &into, std::string_view name, const Column &element,
						const Flat &all, int dimension, size_t at)
{
	mongo::Document array;
	mongo::ArrayKeys keys;
	for (int i = 0; dimension < all.dimensions && i < all.lengths[dimension]; i++) {
		if (dimension + 1 < all.dimensions)
			at = append_dimension(array, keys.next(), element, all, dimension + 1, at);
		else if (all.nulls[at++])
			array.null(keys.next());
		else
			append_value(array, keys.next(), element, all.values[at - 1]);
	}
	into.array(name, array.get());
	return at;
}

} // namespace

Fit array_from(const Column &column, const bson_iter_t *value, Datum *datum)
{
	if (bson_iter_type(value) != BSON_TYPE_ARRAY)
		return Fit::kWrongType;
	Elements elements = {column.element.get(), 0, {}, {}, nullptr, nullptr, 0, 0};
	for (int i = 0; i < MAXDIM; i++) {
		elements.lengths[i] = -1;
		elements.lower_bounds[i] = 1;
	}
	Fit const fit = read_elements(value, 0, elements);
	if (fit != Fit::kFits)
		return fit;
	int16 length;
	bool by_value;
	char align;
	get_typlenbyvalalign(column.element->type, &length, &by_value, &align);
	*datum = PointerGetDatum(
		construct_md_array(elements.values, elements.nulls, elements.dimensions, elements.lengths,
						   elements.lower_bounds, column.element->type, length, by_value, align));
	return Fit::kFits;
}

void append_array(mongo::Document &into, std::string_view name, const Column &column, Datum value)
{
	append_dimension(into, name, *column.element, flat(*column.element, value), 0, 0);
}

} // namespace reconcile::fdw
