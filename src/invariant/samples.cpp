/*-------------------------------------------------------------------------
 *
 * samples.cpp
 *	  The aggregate that keeps the first rows it sees, for an audit.
 *
 * An audit counts and shows examples in one pass over the data.  Keeping all
 * deviating rows would take memory without bound; turning each of them into
 * JSON would cost more than the audit.
 *
 *-------------------------------------------------------------------------
 */
#include "pg/boundary.hpp"

extern "C" {
#include "utils/array.h"
#include "utils/jsonb.h"
}

namespace reconcile::invariant {

namespace {

/* json_of turns a row into jsonb. */
Datum json_of(Datum row)
{
	char *json = TextDatumGetCString(DirectFunctionCall1(row_to_json, row));
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(json));
}

Datum append(FunctionCallInfo fcinfo, ArrayType *sample, int kept)
{
	if (!AggCheckCallContext(fcinfo, nullptr))
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("reconcile.sample_rows_add is for the aggregate only")));
	Datum *rows = static_cast<Datum *>(palloc((kept + 1) * sizeof(Datum)));
	if (kept > 0) {
		Datum *before;
		int count;
		deconstruct_array(sample, JSONBOID, -1, false, TYPALIGN_INT, &before, nullptr, &count);
		memcpy(rows, before, kept * sizeof(Datum));
	}
	rows[kept] = json_of(PG_GETARG_DATUM(1));

	/* in the context of this call: the aggregate keeps a copy of its own */
	return PointerGetDatum(construct_array(rows, kept + 1, JSONBOID, -1, false, TYPALIGN_INT));
}

} // namespace

RECONCILE_FUNCTION(reconcile_sample_rows_add)
{
	return pg::call([&]() -> Datum {
		ArrayType *sample = PG_ARGISNULL(0) ? nullptr : PG_GETARG_ARRAYTYPE_P(0);
		int const kept = sample == nullptr ? 0 : ArrayGetNItems(ARR_NDIM(sample), ARR_DIMS(sample));
		bool const enough = PG_ARGISNULL(1) || PG_ARGISNULL(2) || kept >= PG_GETARG_INT32(2);
		if (!enough)
			return append(fcinfo, sample, kept);
		if (sample == nullptr)
			fcinfo->isnull = true;
		return PointerGetDatum(sample);
	});
}

} // namespace reconcile::invariant
