/*-------------------------------------------------------------------------
 *
 * attributes.cpp
 *	  The attributes of an object as jsonb, from names and values in turn.
 *
 * jsonb_strip_nulls(jsonb_build_object(...)) gives the same.  It looks up in
 * the catalogs how to convert each value of each object, which for a schema of
 * a hundred thousand objects takes longer than printing their definitions.
 *
 *-------------------------------------------------------------------------
 */
#include "pg/result_set.hpp"

extern "C" {
#include "common/shortest_dec.h"
#include "utils/array.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
}

#include <cstring>

namespace reconcile::schema {

namespace {

JsonbValue string_of(char *text, size_t length)
{
	JsonbValue value;
	value.type = jbvString;
	value.val.string.val = text;
	value.val.string.len = static_cast<int>(length);
	return value;
}

JsonbValue string_of(Datum datum)
{
	text *const packed = DatumGetTextPP(datum);
	return string_of(VARDATA_ANY(packed), VARSIZE_ANY_EXHDR(packed));
}

JsonbValue number_of(Numeric number)
{
	JsonbValue value;
	value.type = jbvNumeric;
	value.val.numeric = number;
	return value;
}

JsonbValue number_of(const char *digits)
{
	return number_of(DatumGetNumeric(DirectFunctionCall3(
		numeric_in, CStringGetDatum(digits), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1))));
}

JsonbValue boolean_of(bool boolean)
{
	JsonbValue value;
	value.type = jbvBool;
	value.val.boolean = boolean;
	return value;
}

/* list_of turns text[] into an array. */
JsonbValue list_of(Datum datum)
{
	Datum *elements;
	bool *nulls;
	int count;
	deconstruct_array(DatumGetArrayTypeP(datum), TEXTOID, -1, false, TYPALIGN_INT, &elements,
					  &nulls, &count);
	JsonbValue value;
	value.type = jbvArray;
	value.val.array.rawScalar = false;
	value.val.array.nElems = count;
	value.val.array.elems = static_cast<JsonbValue *>(palloc0(sizeof(JsonbValue) * count));
	for (int n = 0; n < count; n++)
		if (nulls[n])
			value.val.array.elems[n].type = jbvNull;
		else
			value.val.array.elems[n] = string_of(elements[n]);
	return value;
}

JsonbValue document_of(Jsonb *document)
{
	JsonbValue value;
	JsonbToJsonbValue(document, &value);
	return value;
}

/* value_of turns a Datum of a type that attributes have.  Numbers with a point
 * are those that read back as the same, whatever extra_float_digits says. */
JsonbValue value_of(Datum datum, Oid type)
{
	char digits[DOUBLE_SHORTEST_DECIMAL_LEN];
	switch (type) {
	case TEXTOID:
		return string_of(datum);
	case UNKNOWNOID: { /* a literal */
		char *const text = DatumGetCString(datum);
		return string_of(text, strlen(text));
	}
	case BOOLOID:
		return boolean_of(DatumGetBool(datum));
	case INT2OID:
		return number_of(int64_to_numeric(DatumGetInt16(datum)));
	case INT4OID:
		return number_of(int64_to_numeric(DatumGetInt32(datum)));
	case INT8OID:
		return number_of(int64_to_numeric(DatumGetInt64(datum)));
	case FLOAT4OID:
		float_to_shortest_decimal_buf(DatumGetFloat4(datum), digits);
		return number_of(digits);
	case FLOAT8OID:
		double_to_shortest_decimal_buf(DatumGetFloat8(datum), digits);
		return number_of(digits);
	case TEXTARRAYOID:
		return list_of(datum);
	case JSONBOID:
		return document_of(DatumGetJsonbP(datum));
	default:
		ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
						errmsg("no attribute has values of type %s", format_type_be(type))));
		pg_unreachable();
	}
}

Jsonb *attributes(FunctionCallInfo fcinfo)
{
	JsonbParseState *state = nullptr;
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, nullptr);
	for (int n = 0; n + 1 < PG_NARGS(); n += 2) {
		if (PG_ARGISNULL(n + 1))
			continue;
		JsonbValue name = value_of(PG_GETARG_DATUM(n), get_fn_expr_argtype(fcinfo->flinfo, n));
		JsonbValue value =
			value_of(PG_GETARG_DATUM(n + 1), get_fn_expr_argtype(fcinfo->flinfo, n + 1));
		pushJsonbValue(&state, WJB_KEY, &name);
		pushJsonbValue(&state, WJB_VALUE, &value);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, nullptr));
}

} // namespace

RECONCILE_FUNCTION(reconcile_attributes)
{
	return pg::call([&] { return JsonbPGetDatum(attributes(fcinfo)); });
}

} // namespace reconcile::schema
