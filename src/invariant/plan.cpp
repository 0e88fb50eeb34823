/*-------------------------------------------------------------------------
 *
 * plan.cpp
 *	  Plans: what a repair would write, saved to be reviewed and applied.
 *
 *-------------------------------------------------------------------------
 */
#include "invariant/plan.hpp"

#include "invariant/sqlstates.hpp"
#include "invariant/work_list.hpp"
#include "pg/identity.hpp"
#include "pg/result_set.hpp"
#include "pg/subtransaction.hpp"
#include "pg/text.hpp"

extern "C" {
#include "access/detoast.h"
#include "access/heaptoast.h"
#include "tcop/utility.h"
#include "utils/array.h"
#include "utils/fmgrprotos.h"
}

namespace reconcile::invariant {

namespace {

/* json_row_type is the row type of planned rows outside of their own type. */
TupleDesc json_row_type()
{
	return row_type_of({{"key", JSONBOID, -1}, {"row", JSONBOID, -1}, {"was", JSONBOID, -1}});
}

/* What from_json() reads of them. */
TupleDesc stored_row_type()
{
	return row_type_of({{"row", JSONBOID, -1}, {"was", JSONBOID, -1}});
}

[[noreturn]] void stale(const SavedPlan &plan, const std::string &why)
{
	pg::fail(kStalePlan, "plan " + std::to_string(plan.plan_id) + " is stale", why,
			 "Make a new one: SELECT reconcile.plan(" + pg::literal(plan.invariant) + ");");
}

/* Basis is what a plan is made for, beside the definition. */
struct Basis {
	std::string structure, yields;
	std::vector<std::string> key;
};

/* A record of more bytes would be compressed or moved out of line. */
constexpr Size kRecordBytes = TOAST_TUPLE_TARGET - 200;

/* What a record of planned rows has beside its plan. */
TupleDesc record_type()
{
	return row_type_of({{"ordinal", INT8OID, -1},
						{"keys", JSONBARRAYOID, -1},
						{"rows", JSONBARRAYOID, -1},
						{"were", JSONBARRAYOID, -1}});
}

/* Record gathers the next planned rows, as key, row and was; C in the sense of boundary.hpp. */
struct Record {
	MemoryContext context;
	int64 first = 1, rows = 0;
	Size bytes = 0;
	ArrayBuildState *parts[3] = {};
	bool filled[3] = {};

	void add(TupleTableSlot *slot, Size size)
	{
		for (int part = 0; part < 3; part++) {
			parts[part] = accumArrayResult(parts[part], slot->tts_values[part],
										   slot->tts_isnull[part], JSONBOID, context);
			filled[part] = filled[part] || !slot->tts_isnull[part];
		}
		rows++;
		bytes += size;
	}

	void move_to(Tuplestorestate *records, TupleDesc type)
	{
		Datum values[4] = {Int64GetDatum(first)};
		bool nulls[4] = {};
		for (int part = 0; part < 3; part++) {
			nulls[part + 1] = !filled[part];
			if (filled[part])
				values[part + 1] = makeArrayResult(parts[part], context);
		}
		tuplestore_putvalues(records, type, values, nulls);
		MemoryContextReset(context);
		*this = {context, first + rows};
	}
};

/* size_of is how many bytes the values of a planned row take. */
Size size_of(TupleTableSlot *slot)
{
	Size size = 0;
	for (int part = 0; part < 3; part++)
		if (!slot->tts_isnull[part])
			size += INTALIGN(toast_raw_datum_size(slot->tts_values[part]));
	return size;
}

/* hash_of is the same for equal planned rows. */
uint64 hash_of(TupleTableSlot *slot)
{
	auto const hash = [](Datum value, uint64 seed) {
		return DatumGetUInt64(
			DirectFunctionCall2(jsonb_hash_extended, value, UInt64GetDatum(seed)));
	};
	return hash(slot->tts_values[1], slot->tts_isnull[2] ? 0 : hash(slot->tts_values[2], 0));
}

/* pack puts planned rows together to records, a fraction of the work of one for each, and
 * returns the sum of their hashes. */
uint64 pack(pg::WorkList &rows, pg::WorkList &records)
{
	return pg::call([&] {
		uint64 sum = 0;
		TupleTableSlot *slot = MakeSingleTupleTableSlot(rows.row_type(), &TTSOpsMinimalTuple);
		Record record{AllocSetContextCreate(CurrentMemoryContext, "pg_reconcile planned rows",
											ALLOCSET_DEFAULT_SIZES)};
		tuplestore_rescan(rows.store());
		while (tuplestore_gettupleslot(rows.store(), true, false, slot)) {
			CHECK_FOR_INTERRUPTS();
			slot_getallattrs(slot);
			Size const size = size_of(slot);
			if (record.rows > 0 && record.bytes + size > kRecordBytes)
				record.move_to(records.store(), records.row_type());
			record.add(slot, size);
			sum += hash_of(slot);
		}
		if (record.rows > 0)
			record.move_to(records.store(), records.row_type());
		MemoryContextDelete(record.context);
		ExecDropSingleTupleTableSlot(slot);
		return sum;
	});
}

/* save stores a plan whose rows are in a list as key, row and was. */
int64 save(const Definition &definition, const Basis &basis, pg::WorkList &rows)
{
	pg::WorkList records(record_type());
	uint64 const sum = pack(rows, records);
	std::string const by = pg::role_name(GetUserId());
	pg::AsExtensionOwner owner;
	pg::Spi spi;
	spi.run("INSERT INTO reconcile.saved_plan (invariant, planned, definition, structure,"
			" fingerprint, created_by, key, yields)"
			" VALUES ($1, $2, md5($3), md5($4), md5($3 || $4 || $5), $6, $7, md5($8))"
			" RETURNING plan_id",
			SPI_OK_INSERT_RETURNING,
			pg::Args()
				.add(definition.name)
				.add(rows.size())
				.add(fingerprint(definition))
				.add(basis.structure)
				.add(std::to_string(sum))
				.add(by)
				.add(basis.key)
				.add(basis.yields));
	int64 const plan_id = spi.number(0, 1);
	spi.expose(kWorkList, records);
	spi.run("INSERT INTO reconcile.saved_plan_rows (plan_id, ordinal, keys, rows, were)"
			" SELECT $1, ordinal, keys, rows, were FROM " +
				pg::quoted(kWorkList),
			SPI_OK_INSERT, pg::Args().add(plan_id));
	return plan_id;
}

} // namespace

void check_still_expected(const SavedPlan &plan, const Statements &statements, pg::WorkList &rows)
{
	pg::Spi spi;
	pg::ReadOnly read_only;
	spi.expose(kWorkList, rows);
	auto const refuse = [&](const std::string &sql, const char *one, const char *many) {
		spi.run(sql, SPI_OK_SELECT);
		if (auto const found = static_cast<uint64>(spi.number(0, 1)); found > 0)
			stale(plan, pg::plural(found, one, many) + "; one has the key " +
							spi.required_text(0, 2) + ".");
	};
	spi.run(statements.outdated(), SPI_OK_SELECT);
	if (spi.number(0, 1) == 0)
		return;
	refuse(statements.unexpected(), "planned row is not expected any more",
		   "planned rows are not expected any more");
	refuse(statements.outdated(), "planned row is expected with other values now",
		   "planned rows are expected with other values now");
}

SavedPlan saved_plan(int64 plan_id)
{
	pg::AsExtensionOwner owner;
	pg::Spi spi;
	uint64 const found = spi.run("SELECT invariant, definition, structure, applied_by,"
								 " expires_at < now(), yields FROM reconcile.saved_plan"
								 " WHERE plan_id = $1",
								 SPI_OK_SELECT, pg::Args().add(plan_id));
	if (found == 0)
		pg::fail(ERRCODE_UNDEFINED_OBJECT, "plan " + std::to_string(plan_id) + " does not exist",
				 {}, "View reconcile.plans lists all plans.");
	SavedPlan plan;
	plan.plan_id = plan_id;
	plan.invariant = spi.required_text(0, 1);
	plan.definition = spi.required_text(0, 2);
	plan.structure = spi.required_text(0, 3);
	if (spi.text(0, 4))
		plan.applied_by = spi.number(0, 4);
	plan.expired = spi.truth(0, 5);
	plan.yields = spi.required_text(0, 6);
	return plan;
}

std::unique_ptr<pg::WorkList> planned_rows(int64 plan_id, const Statements &statements, int64 first,
										   int64 count)
{
	pg::WorkList stored(stored_row_type());
	{
		pg::AsExtensionOwner owner;
		pg::Spi spi;
		spi.collect("SELECT unnest(r.rows[s.first:s.last]), unnest(r.were[s.first:s.last])"
					" FROM reconcile.saved_plan_rows r, LATERAL (SELECT"
					"  greatest($2 - r.ordinal, 0)::integer + 1 AS first,"
					"  least($2 + $3 - r.ordinal, cardinality(r.rows))::integer AS last) AS s"
					" WHERE r.plan_id = $1 AND r.ordinal < $2 + $3 AND r.ordinal >="
					"  (SELECT coalesce(max(ordinal), 1) FROM reconcile.saved_plan_rows"
					"   WHERE plan_id = $1 AND ordinal <= $2)"
					" ORDER BY r.ordinal",
					SPI_OK_SELECT, stored, pg::Args().add(plan_id).add(first).add(count));
	}
	auto rows = std::make_unique<pg::WorkList>(statements.work_list_row_type());
	auto const failure = pg::attempt([&] {
		pg::Spi spi;
		spi.expose(kWorkList, stored);
		pg::PortableText portable;
		spi.collect(statements.from_json(), SPI_OK_SELECT, *rows);
	});
	if (failure) /* a column may have been dropped and made anew with another type */
		pg::fail(kStalePlan, "plan " + std::to_string(plan_id) + " is stale",
				 "Its rows cannot be read any more: " + failure->message() + ".");
	return rows;
}

void check_applicable(const SavedPlan &plan, const Definition &definition,
					  const Statements &statements)
{
	if (plan.applied_by)
		pg::fail(kPlanApplied, "plan " + std::to_string(plan.plan_id) + " is applied already",
				 "Run " + std::to_string(*plan.applied_by) + " applied it.");
	if (plan.expired)
		stale(plan, "It expired.");

	pg::Spi spi;
	pg::ReadOnly read_only;
	spi.run("SELECT pg_catalog.md5($1), pg_catalog.md5($2), pg_catalog.md5($3)", SPI_OK_SELECT,
			pg::Args()
				.add(fingerprint(definition))
				.add(statements.structure())
				.add(statements.yields()));
	if (spi.required_text(0, 1) != plan.definition)
		stale(plan, "The definition of invariant \"" + plan.invariant + "\" changed.");
	if (spi.required_text(0, 2) != plan.structure)
		stale(plan, "The structure of " + statements.target().name() + " changed.");
	if (spi.required_text(0, 3) != plan.yields)
		stale(plan, "The columns that the query yields changed.");
}

void mark_applied(int64 plan_id, int64 run_id)
{
	pg::AsExtensionOwner owner;
	pg::Spi spi;
	spi.run("UPDATE reconcile.saved_plan SET applied_by = $2, applied_at = clock_timestamp()"
			" WHERE plan_id = $1",
			SPI_OK_UPDATE, pg::Args().add(plan_id).add(run_id));
}

MadePlan make_plan(const Definition &definition)
{
	pg::WorkList rows(json_row_type());
	Basis basis;
	{
		AsDeclared const declared(definition);
		auto const statements = statements_of(definition);
		basis = {statements->structure(), statements->yields(), statements->key().names()};
		auto list = due_rows(definition, *statements);
		if (list->size() > 0)
			statements->write(); /* raises what keeps all rows from being written */
		drop_surplus(definition, *statements, list);
		pg::Spi spi;
		spi.expose(kWorkList, *list);
		pg::PortableText portable;
		spi.collect(statements->to_json(), SPI_OK_SELECT, rows);
	}
	return {save(definition, basis, rows), rows.size()};
}

RECONCILE_FUNCTION(reconcile_plan)
{
	pg::Arguments arguments(fcinfo);
	Definition const definition = definition_named(arguments.text(0, "invariant"));
	require_role(definition);
	require_repairable(definition);
	pg::call([] {
		PreventCommandIfReadOnly("reconcile.plan()");
		PreventCommandDuringRecovery("reconcile.plan()");
	});
	return Int64GetDatum(make_plan(definition).plan_id);
}

RECONCILE_FUNCTION(reconcile_plan_rows)
{
	pg::Arguments arguments(fcinfo);
	SavedPlan const plan = saved_plan(arguments.int8(0, "plan"));
	require_role(definition_named(plan.invariant));
	pg::ResultSet result(fcinfo);
	pg::AsExtensionOwner owner;
	pg::Spi spi;
	spi.collect("SELECT r.ordinal, (SELECT jsonb_object_agg(k, coalesce(r.key -> k, r.row -> k))"
				"  FROM unnest(p.key) AS k), r.row, r.was"
				" FROM reconcile.saved_plan p, LATERAL (SELECT unnest(s.keys) AS key,"
				"  unnest(s.rows) AS row, unnest(s.were) AS was,"
				"  generate_series(s.ordinal, s.ordinal + cardinality(s.rows) - 1) AS ordinal"
				"  FROM reconcile.saved_plan_rows s WHERE s.plan_id = p.plan_id) AS r"
				" WHERE p.plan_id = $1 ORDER BY r.ordinal",
				SPI_OK_SELECT, result, pg::Args().add(plan.plan_id));
	return Datum(0);
}

} // namespace reconcile::invariant
