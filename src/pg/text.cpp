/*-------------------------------------------------------------------------
 *
 * text.cpp
 *	  Text between PostgreSQL and C++, and identifiers in SQL text.
 *
 *-------------------------------------------------------------------------
 */
#include "pg/text.hpp"

extern "C" {
#include "catalog/namespace.h"
#include "catalog/pg_operator.h"
#include "utils/array.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
}

#include <algorithm>

namespace reconcile::pg {

namespace {

/* copied takes a string that PostgreSQL allocated and frees the original. */
std::string copied(char *from)
{
	std::string to(from);
	pfree(from);
	return to;
}

} // namespace

std::string text_of(Datum value)
{
	return copied(call([&] { return TextDatumGetCString(value); }));
}

Datum text_datum(const std::string &value)
{
	return call([&] {
		return PointerGetDatum(
			cstring_to_text_with_len(value.data(), static_cast<int>(value.size())));
	});
}

Datum jsonb_datum(const std::string &json)
{
	return call([&] { return DirectFunctionCall1(jsonb_in, CStringGetDatum(json.c_str())); });
}

std::string quoted(const std::string &identifier)
{
	return std::string(call([&] { return quote_identifier(identifier.c_str()); }));
}

std::string literal(const std::string &value)
{
	return copied(call([&] { return quote_literal_cstr(value.c_str()); }));
}

std::string qualified_name(Oid relation)
{
	return copied(call([&] {
		char *name = get_rel_name(relation);
		if (name == nullptr)
			ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
							errmsg("relation with OID %u does not exist", relation)));
		return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relation)), name);
	}));
}

std::string type_name(Oid type, int32 typmod)
{
	return copied(call([&] {
		/* TYPEMOD_GIVEN also without one: "character" alone would mean one letter */
		return format_type_extended(type, typmod,
									FORMAT_TYPE_FORCE_QUALIFY | FORMAT_TYPE_TYPEMOD_GIVEN);
	}));
}

std::string type_label(Oid type)
{
	return copied(call([&] { return format_type_be(type); }));
}

std::string operator_name(Oid op)
{
	return copied(call([&] {
		HeapTuple tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(op));
		if (!HeapTupleIsValid(tuple))
			elog(ERROR, "cache lookup failed for operator %u", op);
		auto *form = reinterpret_cast<Form_pg_operator>(GETSTRUCT(tuple));
		char *name =
			psprintf("OPERATOR(%s.%s)", quote_identifier(get_namespace_name(form->oprnamespace)),
					 NameStr(form->oprname));
		ReleaseSysCache(tuple);
		return name;
	}));
}

std::string role_name(Oid role)
{
	return copied(call([&] {
		char *name = GetUserNameFromId(role, true);
		return name != nullptr ? name : psprintf("%u", role);
	}));
}

std::string joined(const std::vector<std::string> &parts, const std::string &separator)
{
	std::string all;
	for (const std::string &part : parts) {
		if (!all.empty())
			all += separator;
		all += part;
	}
	return all;
}

bool contains(const std::vector<std::string> &names, const std::string &name)
{
	return std::find(names.begin(), names.end(), name) != names.end();
}

std::vector<std::string> strings_of(Datum array)
{
	Datum *elements = nullptr;
	int count = 0;
	call([&] {
		ArrayType *value = DatumGetArrayTypePCopy(array);
		if (ARR_ELEMTYPE(value) != TEXTOID || ARR_NDIM(value) > 1 || array_contains_nulls(value))
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("array must be one-dimensional and without null elements")));
		deconstruct_array(value, TEXTOID, -1, false, TYPALIGN_INT, &elements, nullptr, &count);
	});
	std::vector<std::string> all;
	for (int i = 0; i < count; i++)
		all.push_back(text_of(elements[i]));
	return all;
}

std::string plural(uint64 count, const char *one, const char *many)
{
	return std::to_string(count) + " " + (count == 1 ? one : many);
}

} // namespace reconcile::pg
