/*-------------------------------------------------------------------------
 *
 * spi.cpp
 *	  Running SQL from C++, with the error discipline of a C caller.
 *
 *-------------------------------------------------------------------------
 */
#include "pg/spi.hpp"

#include "pg/result_set.hpp"
#include "pg/text.hpp"

extern "C" {
#include "executor/tstoreReceiver.h"
#include "utils/array.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/queryenvironment.h"
#include "utils/snapmgr.h"
}

namespace reconcile::pg {

/* ------------------------------------------------------------------ Args */

Args &Args::add(Oid type, Datum value)
{
	types_.push_back(type);
	values_.push_back(value);
	nulls_.push_back(' ');
	return *this;
}

Args &Args::add_null(Oid type)
{
	add(type, Datum(0));
	nulls_.back() = 'n';
	return *this;
}

Args &Args::add(const std::string &value)
{
	return add(TEXTOID, text_datum(value));
}

Args &Args::add(const std::optional<std::string> &value)
{
	return value ? add(*value) : add_null(TEXTOID);
}

Args &Args::add(int64 value)
{
	return add(INT8OID, Int64GetDatum(value));
}

Args &Args::add(const std::optional<int64> &value)
{
	return value ? add(*value) : add_null(INT8OID);
}

Args &Args::add(const std::vector<std::string> &value)
{
	std::vector<Datum> elements;
	for (const std::string &element : value)
		elements.push_back(text_datum(element));
	return add(TEXTARRAYOID, call([&] {
				   return PointerGetDatum(construct_array(elements.data(),
														  static_cast<int>(elements.size()),
														  TEXTOID, -1, false, TYPALIGN_INT));
			   }));
}

Args Args::of_row(TupleDesc row_type, MinimalTuple row)
{
	Args args;
	for (int i = 0; i < row_type->natts; i++)
		args.add_null(TupleDescAttr(row_type, i)->atttypid);
	call([&] {
		TupleTableSlot *slot = MakeSingleTupleTableSlot(row_type, &TTSOpsMinimalTuple);
		ExecStoreMinimalTuple(row, slot, false);
		slot_getallattrs(slot);
		for (int i = 0; i < row_type->natts; i++) {
			args.values_[i] = slot->tts_values[i];
			args.nulls_[i] = slot->tts_isnull[i] ? 'n' : ' ';
		}
		ExecDropSingleTupleTableSlot(slot);
	});
	return args;
}

/* -------------------------------------------------------------- WorkList */

WorkList::WorkList(TupleDesc row_type)
	: context_(CurrentMemoryContext), row_type_(row_type),
	  store_(call([] { return tuplestore_begin_heap(true, false, work_mem); }))
{
}

WorkList::~WorkList()
{
	/* while an error unwinds, the end of the transaction frees the rows */
	if (std::uncaught_exceptions() == unwinding_)
		tuplestore_end(store_);
}

void WorkList::append(const std::vector<MinimalTuple> &rows)
{
	call([&] {
		TupleTableSlot *slot = MakeSingleTupleTableSlot(row_type_, &TTSOpsMinimalTuple);
		for (MinimalTuple const row : rows) {
			CHECK_FOR_INTERRUPTS();
			tuplestore_puttupleslot(store_, ExecStoreMinimalTuple(row, slot, false));
		}
		ExecDropSingleTupleTableSlot(slot);
	});
}

void WorkList::append_slice(WorkList &from, int64 first, int64 count)
{
	call([&] {
		TupleTableSlot *slot = MakeSingleTupleTableSlot(row_type_, &TTSOpsMinimalTuple);
		tuplestore_rescan(from.store_);
		tuplestore_skiptuples(from.store_, first, true);
		for (int64 row = 0; row < count; row++) {
			CHECK_FOR_INTERRUPTS();
			if (!tuplestore_gettupleslot(from.store_, true, false, slot))
				elog(ERROR, "work list ended early");
			tuplestore_puttupleslot(store_, slot);
		}
		ExecDropSingleTupleTableSlot(slot);
	});
}

/* ------------------------------------------------------------------- Spi */

namespace {

/* relation_of describes rows to PostgreSQL, as a trigger describes its transition
 * table: with a row type, or with the table that has it. */
EphemeralNamedRelation relation_of(const char *name, Tuplestorestate *rows, TupleDesc row_type,
								   Oid table)
{
	auto *relation =
		static_cast<EphemeralNamedRelation>(palloc0(sizeof(EphemeralNamedRelationData)));
	relation->md.name = pstrdup(name);
	relation->md.reliddesc = table;
	relation->md.tupdesc = row_type;
	relation->md.enrtype = ENR_NAMED_TUPLESTORE;
	relation->md.enrtuples = static_cast<double>(tuplestore_tuple_count(rows));
	relation->reldata = rows;
	return relation;
}

void register_relation(EphemeralNamedRelation relation)
{
	if (SPI_register_relation(relation) != SPI_OK_REL_REGISTER)
		elog(ERROR, "could not register relation \"%s\"", relation->md.name);
}

} // namespace

int AsOfNow::scopes_ = 0;

Spi::Spi() : of_now_(AsOfNow::active())
{
	call([this] {
		if (SPI_connect() != SPI_OK_CONNECT)
			elog(ERROR, "SPI_connect failed");
		if (of_now_)
			PushActiveSnapshot(GetLatestSnapshot());
	});
}

Spi::~Spi()
{
	if (std::uncaught_exceptions() != unwinding_)
		return;
	if (of_now_)
		PopActiveSnapshot();
	SPI_finish();
}

uint64 Spi::run(const std::string &sql, int expect, Args args)
{
	return call([&]() -> uint64 {
		int code = SPI_execute_with_args(sql.c_str(), args.count(), args.types(), args.values(),
										 args.nulls(), of_now_, 0);
		if (code != expect)
			elog(ERROR, "SPI_execute_with_args returned %s", SPI_result_code_string(code));
		return SPI_processed;
	});
}

namespace {

/* kept_plan prepares a statement for the rest of the session. */
SPIPlanPtr kept_plan(const std::string &sql, int count, Oid *types, Planned planned)
{
	SPIPlanPtr plan = SPI_prepare_cursor(sql.c_str(), count, types,
										 planned == Planned::once ? CURSOR_OPT_GENERIC_PLAN : 0);
	if (plan == nullptr)
		elog(ERROR, "SPI_prepare_cursor returned %s", SPI_result_code_string(SPI_result));
	SPI_keepplan(plan);
	return plan;
}

} // namespace

SPIPlanPtr Constant::plan(int count, Oid *types)
{
	if (plan_ == nullptr)
		plan_ = kept_plan(sql_, count, types, planned_);
	return plan_;
}

uint64 Spi::run(Constant &statement, int expect, Args args)
{
	return call([&]() -> uint64 {
		SPIPlanPtr const plan = statement.plan(args.count(), args.types());
		int code = SPI_execute_plan(plan, args.values(), args.nulls(), of_now_, 0);
		if (code != expect)
			elog(ERROR, "SPI_execute_plan returned %s", SPI_result_code_string(code));
		return SPI_processed;
	});
}

std::unique_ptr<Plan> Spi::prepare(const std::string &sql, std::vector<Oid> types, Planned planned)
{
	return std::make_unique<Plan>(call(
		[&] { return kept_plan(sql, static_cast<int>(types.size()), types.data(), planned); }));
}

uint64 Spi::run(const Plan &plan, int expect, Args args)
{
	return call([&]() -> uint64 {
		int code = SPI_execute_plan(plan.get(), args.values(), args.nulls(), false, 0);
		if (code != expect)
			elog(ERROR, "SPI_execute_plan returned %s", SPI_result_code_string(code));
		return SPI_processed;
	});
}

namespace {

/* collect_into runs a statement whose rows go to a receiver. */
uint64 collect_into(DestReceiver *receiver, const std::string &sql, int expect, Args &args)
{
	ParamListInfo params = makeParamList(args.count());
	for (int i = 0; i < args.count(); i++)
		params->params[i] = {args.values()[i], args.nulls()[i] == 'n', PARAM_FLAG_CONST,
							 args.types()[i]};
	SPIExecuteOptions options = {};
	options.params = params;
	options.read_only = false;
	options.dest = receiver;
	int const code = SPI_execute_extended(sql.c_str(), &options);
	if (code != expect)
		elog(ERROR, "SPI_execute_extended returned %s", SPI_result_code_string(code));
	receiver->rDestroy(receiver);
	return SPI_processed;
}

} // namespace

uint64 Spi::collect(const std::string &sql, int expect, WorkList &into, Args args)
{
	return call([&] {
		DestReceiver *receiver = CreateDestReceiver(DestTuplestore);
		SetTuplestoreDestReceiverParams(receiver, into.store(), into.context(), false, nullptr,
										nullptr);
		return collect_into(receiver, sql, expect, args);
	});
}

uint64 Spi::collect(const std::string &sql, int expect, ResultSet &into, Args args)
{
	return call([&] {
		DestReceiver *receiver = CreateDestReceiver(DestTuplestore);
		SetTuplestoreDestReceiverParams(receiver, into.store(), into.context(), false,
										into.row_type(),
										"the query's rows do not have the types of the result");
		return collect_into(receiver, sql, expect, args);
	});
}

void Spi::expose(const std::string &name, WorkList &list)
{
	call([&] {
		register_relation(relation_of(name.c_str(), list.store(), list.row_type(), InvalidOid));
	});
}

void Spi::expose(const std::string &name, Tuplestorestate *rows, Oid table)
{
	call([&] { register_relation(relation_of(name.c_str(), rows, nullptr, table)); });
}

Datum Spi::cell(uint64 row, int column, bool *null) const
{
	return call([&] {
		return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, null);
	});
}

std::optional<std::string> Spi::text(uint64 row, int column) const
{
	char *value =
		call([&] { return SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column); });
	if (value == nullptr)
		return std::nullopt;
	return std::string(value);
}

std::string Spi::required_text(uint64 row, int column) const
{
	return text(row, column).value_or("");
}

int64 Spi::number(uint64 row, int column) const
{
	bool null = false;
	Datum value = cell(row, column, &null);
	return null ? 0 : DatumGetInt64(value);
}

bool Spi::truth(uint64 row, int column) const
{
	bool null = false;
	Datum value = cell(row, column, &null);
	return !null && DatumGetBool(value);
}

Oid Spi::oid(uint64 row, int column) const
{
	bool null = false;
	Datum value = cell(row, column, &null);
	return null ? InvalidOid : DatumGetObjectId(value);
}

std::vector<std::string> Spi::texts(uint64 row, int column) const
{
	bool null = false;
	Datum value = cell(row, column, &null);
	return null ? std::vector<std::string>{} : strings_of(value);
}

std::optional<Datum> Spi::kept(uint64 row, int column) const
{
	bool null = false;
	Datum value = cell(row, column, &null);
	if (null)
		return std::nullopt;
	return call([&] {
		Oid type = SPI_gettypeid(SPI_tuptable->tupdesc, column);
		int16 length;
		bool by_value;
		get_typlenbyval(type, &length, &by_value);
		return SPI_datumTransfer(value, by_value, length);
	});
}

} // namespace reconcile::pg
