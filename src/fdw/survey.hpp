/*-------------------------------------------------------------------------
 *
 * survey.hpp
 *	  Which fields the documents of a collection have, and of which types.
 *
 * Documents are looked at one by one and forgotten; what is kept grows with
 * the number of different names, and that has bounds.
 *
 * Depends on: mongo/driver.hpp.  Used by: import.cpp.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "mongo/driver.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace reconcile::fdw {

/* Field is what was seen under one name, or among the elements of an array. */
struct Field {
	/* Names beyond these bounds are not told apart: they are data. */
	static constexpr size_t kMostNames = 1000;
	static constexpr size_t kLongestName = 1024;

	std::string name;
	uint64_t documents = 0;			   /* that have the field */
	std::array<uint64_t, 256> types{}; /* how often, by bson_type_t */
	bool beyond_double = false;		   /* a long that a double does not hold */
	bool beyond_dates = false;		   /* a date that PostgreSQL does not have */
	bool other_binary = false;		   /* one that is no UUID */
	bool ragged = false;			   /* an array that no array of PostgreSQL can be */

	std::vector<std::unique_ptr<Field>> fields; /* as first seen */
	uint64_t unnamed = 0;			 /* fields beyond the bounds, or whose name is no path */
	std::unique_ptr<Field> elements; /* of arrays, those within arrays too */

	/* seen tells whether values of a type were, only whether of no others. */
	bool seen(bson_type_t type) const { return types[static_cast<uint8_t>(type)] > 0; }
	bool only(std::initializer_list<bson_type_t> allowed) const;

private:
	friend class Survey;
	std::map<std::string, size_t, std::less<>> by_name_; /* place among fields */
	uint64_t last_document_ = 0;
};

/* Rectangle is the shape of one array, as arrays of PostgreSQL have it: all that
 * are at one depth are of one length, and single values are at the last. */
class Rectangle {
public:
	static constexpr int kMostDimensions = 6;

	/* add takes a single value, or the length of an array, at a depth. */
	void add_single(int dimension);
	void add_array(int dimension, int length);

	bool ragged() const { return ragged_; }

private:
	int lengths_[kMostDimensions] = {-1, -1, -1, -1, -1, -1};
	int last_ = -1; /* the dimension that has single values, once one was seen */
	int deepest_ = 0;
	bool ragged_ = false;
};

/* Survey looks at the documents of one collection. */
class Survey {
public:
	/* nested looks at the fields of documents within documents as well. */
	explicit Survey(bool nested) : nested_(nested) {}

	void add(const bson_t *document);

	uint64_t documents() const { return documents_; }
	const Field &root() const { return root_; }

private:
	void add_fields(Field &parent, bson_iter_t *fields, int depth);
	void add_value(Field &field, const bson_iter_t *value, int depth);
	void add_elements(Field &elements, const bson_iter_t *array, Rectangle &shape, int dimension);
	Field *field_of(Field &parent, std::string_view name, size_t &expected);

	bool const nested_;
	Field root_;
	uint64_t documents_ = 0;
	size_t names_ = 0; /* of all depths */
};

} // namespace reconcile::fdw
