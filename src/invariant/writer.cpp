/*-------------------------------------------------------------------------
 *
 * writer.cpp
 *	  Writes a work list and finds out what became of every row.
 *
 *-------------------------------------------------------------------------
 */
#include "invariant/writer.hpp"

#include "invariant/progress.hpp"
#include "invariant/work_list.hpp"
#include "pg/identity.hpp"
#include "pg/text.hpp"
#include "pg/write_observer.hpp"

extern "C" {
#include "utils/timestamp.h"
}

namespace reconcile::invariant {

namespace {

uint64 current_xid()
{
	return pg::call([] { return U64FromFullTransactionId(GetCurrentFullTransactionIdIfAny()); });
}

/* Observations is what the observer of a foreign table writes down.  Its
 * functions are called by the foreign data wrapper and are plain C. */
struct Observations {
	const char *invariant;
	Tuplestorestate *written;
	Tuplestorestate *refused;
	TupleDesc refusal;
	int64 planned;
	bool stop_at_bad_row;
	int64 rows_written = 0, rows_refused = 0;
	TimestampTz told_at = GetCurrentTimestamp();
};

void tell(Observations *seen)
{
	tell_progress(seen->invariant, seen->rows_written + seen->rows_refused, seen->planned,
				  &seen->told_at);
}

void on_written(void *state, TupleTableSlot *slot)
{
	auto *seen = static_cast<Observations *>(state);
	tuplestore_puttupleslot(seen->written, slot);
	seen->rows_written++;
	tell(seen);
}

void on_refused(void *state, TupleTableSlot *slot, int sqlstate, const char *message)
{
	auto *seen = static_cast<Observations *>(state);
	if (seen->stop_at_bad_row)
		ereport(ERROR, (errcode(sqlstate), errmsg("%s", message)));
	Datum values[4];
	bool nulls[4] = {true, false, false, false}; /* take_refused() adds the key */
	values[0] = Datum(0);
	values[1] = DirectFunctionCall1(row_to_json, ExecFetchSlotHeapTupleDatum(slot));
	values[2] = CStringGetTextDatum(unpack_sql_state(sqlstate));
	values[3] = CStringGetTextDatum(message);
	tuplestore_putvalues(seen->refused, seen->refusal, values, nulls);
	seen->rows_refused++;
	tell(seen);
}

} // namespace

bool concerns_a_row(int sqlstate)
{
	switch (ERRCODE_TO_CATEGORY(sqlstate)) {
	case ERRCODE_CONNECTION_EXCEPTION:
	case ERRCODE_FEATURE_NOT_SUPPORTED:
	case ERRCODE_INVALID_TRANSACTION_STATE:
	case ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION:
	case ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION:
	case ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE:
	case ERRCODE_FDW_ERROR:
	case MAKE_SQLSTATE('R', 'C', '0', '0', '0'):
		return false;
	default:
		return true;
	}
}

void choose_record(const Statements &statements, const std::string &record, RunRecord &run)
{
	if (record == "xmin" && statements.needs_rows())
		pg::fail(ERRCODE_FEATURE_NOT_SUPPORTED,
				 "rows of " + statements.target().name() + " cannot be recorded by xmin",
				 statements.filled_columns().empty()
					 ? "Only in heap tables without triggers and rules do just the rows of a run "
					   "carry its transaction."
					 : "What a fill overwrites is nowhere else.",
				 "Use record => 'rows' or 'auto'.");
	run.rows_recorded = record == "rows" || statements.needs_rows();
	run.key = statements.key().columns();
	run.columns = statements.recorded_columns();
	run.filled = statements.filled_columns();
}

Writer::Writer(const Definition &definition, const Statements &statements, bool stop_at_bad_row,
			   RunRecord &run, pg::WorkList &refused)
	: definition_(definition), statements_(statements), stop_at_bad_row_(stop_at_bad_row),
	  run_(run), refused_(refused), told_at_(run.started_at)
{
	if (run.rows_recorded)
		written_ = std::make_unique<pg::WorkList>(
			statements.is_observed() ? statements.target().row_type()
									 : row_type_of(statements.target().json_columns()));
}

void Writer::write(pg::WorkList &list)
{
	if (list.size() == 0)
		return;

	bool const observed = statements_.is_observed();
	Outcome outcome;
	pg::WorkList refused(refused_.row_type());
	auto failure = pg::attempt([&] {
		if (observed)
			write_observed(list, refused);
		else
			outcome = write_list(list);
	});
	if (observed) { /* a row that was written stays, also when the statement failed */
		if (!failure)
			take_refused(refused);
		run_.changed = written_->size();
		run_.failed = refused_.size();
	}
	if (!failure) {
		run_.changed += outcome.rows;
		if (outcome.rows > 0 && outcome.xid != 0)
			run_.xids.push_back(outcome.xid);
		if (!observed && outcome.rows < list.size())
			refuse_suppressed(list);
	} else if (stop_at_bad_row_ || !concerns_a_row(failure->sqlstate())) {
		failure->raise();
	} else if (list.size() == 1) {
		refuse(list, failure->code(), failure->message());
	} else {
		halve(list);
	}
}

std::unique_ptr<pg::WorkList> Writer::written_as_json(pg::WorkList &list) const
{
	if (written_ == nullptr)
		return nullptr;
	auto json = std::make_unique<pg::WorkList>(recorded_row_type());
	pg::Spi spi;
	spi.expose(kWritten, *written_);
	spi.expose(kWorkList, list);
	pg::PortableText portable;
	spi.collect(statements_.recorded(), SPI_OK_SELECT, *json);
	if (json->size() != written_->size())
		pg::fail(ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION,
				 "rows written to " + statements_.target().name() + " cannot be recorded",
				 "A trigger changed the columns by which they are known.");
	return json;
}

/* write_list writes a list by one statement. */
Writer::Outcome Writer::write_list(pg::WorkList &list)
{
	pg::Spi spi;
	spi.expose(kWorkList, list);
	Outcome outcome;
	auto const read_back = statements_.read_back();
	if (written_ == nullptr || read_back) {
		Write const write = statements_.write();
		outcome.rows = static_cast<int64>(spi.run(write.sql, write.done));
	}
	if (written_ != nullptr) {
		/* rows of a subtransaction that fails must not stay in the list */
		pg::WorkList rows(written_->row_type());
		Write const look =
			read_back ? Write{*read_back, SPI_OK_SELECT} : statements_.write_returning();
		outcome.rows = static_cast<int64>(spi.collect(look.sql, look.done, rows));
		written_->append_slice(rows, 0, rows.size());
	}
	outcome.xid = current_xid();
	check_kept(spi, list.size(), outcome.rows);
	return outcome;
}

/* check_kept refuses a target whose triggers store other values, so that every
 * repair would write them again. */
void Writer::check_kept(pg::Spi &spi, int64 rows, int64 written)
{
	auto const not_kept = statements_.not_kept();
	if (!not_kept)
		return;
	spi.run("SELECT pg_catalog.count(*) FROM (" + *not_kept + ") AS lost", SPI_OK_SELECT);
	if (rows - spi.number(0, 1) < written)
		pg::fail(ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION,
				 "rows written to " + statements_.target().name() + " are not kept as written",
				 "A trigger stores them with other values, so that every repair would write them"
				 " again.",
				 "Let the query yield the values as the trigger stores them.");
}

/* write_observed writes a list into a store that accepts and refuses row by
 * row, and tells. */
void Writer::write_observed(pg::WorkList &list, pg::WorkList &refused)
{
	Observations seen{definition_.name.c_str(), written_->store(), refused.store(),
					  refused.row_type(),		run_.planned,	   stop_at_bad_row_};
	pg::WriteObserver observer{&seen, on_written, on_refused};
	pg::Observing observing(&observer);

	pg::Spi spi;
	spi.expose(kWorkList, list);
	Write const write = statements_.write();
	spi.run(write.sql, write.done);
}

/* take_refused keeps the rows that a store has refused, with their keys. */
void Writer::take_refused(pg::WorkList &refused)
{
	pg::Spi spi;
	spi.expose(kWorkList, refused);
	spi.collect("SELECT (SELECT pg_catalog.jsonb_object_agg(k, r.row::pg_catalog.jsonb"
				"  OPERATOR(pg_catalog.->) k) FROM pg_catalog.unnest($1) AS k)::pg_catalog.text,"
				" r.row, r.sqlstate, r.message FROM " +
					pg::quoted(kWorkList) + " AS r",
				SPI_OK_SELECT, refused_, pg::Args().add(definition_.key));
}

void Writer::halve(pg::WorkList &list)
{
	int64 const half = list.size() / 2;
	for (auto [first, count] : {std::pair{int64(0), half}, std::pair{half, list.size() - half}}) {
		pg::WorkList part(list.row_type());
		part.append_slice(list, first, count);
		write(part);
		if (run_.started_at != 0) /* of a batch its run tells */
			pg::call([&] {
				tell_progress(definition_.name.c_str(), run_.changed + run_.failed, run_.planned,
							  &told_at_);
			});
	}
}

/* refuse enters the rows of a list among the refused ones. */
void Writer::refuse(pg::WorkList &rows, const std::string &code, const std::string &message)
{
	pg::Spi spi;
	spi.expose(kWorkList, rows);
	pg::PortableText portable;
	spi.collect("SELECT " + expected_key_json(definition_, statements_.expected(), "r") +
					"::pg_catalog.text, " + row_as_json("r", json_columns(statements_.expected())) +
					"::pg_catalog.text, $1, $2 FROM (" + statements_.expected_rows() + ") AS r",
				SPI_OK_SELECT, refused_, pg::Args().add(code).add(message));
	run_.failed += rows.size();
}

/* refuse_suppressed refuses rows that were not written although none is in their place: a
 * trigger has passed over them. */
void Writer::refuse_suppressed(pg::WorkList &list)
{
	const Target &target = statements_.target();
	if (!target.has_triggers() || target.foreign())
		return;
	auto rows = std::make_unique<pg::WorkList>(list.row_type());
	rows->append_slice(list, 0, list.size());
	drop_present(statements_, rows);
	drop_held(statements_, rows);
	if (rows->size() == 0)
		return;
	std::string const message = "a trigger of " + target.name() + " suppressed the row";
	if (stop_at_bad_row_)
		pg::fail(ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION, message);
	refuse(*rows, "27000", message);
}

} // namespace reconcile::invariant
