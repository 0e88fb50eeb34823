/*-------------------------------------------------------------------------
 *
 * boundary.cpp
 *	  Probes: SQL-callable functions that fail in every way C++ can fail.
 *
 * test/pgtap/boundary.sql declares and calls them.  Every probe keeps objects
 * with destructors alive where it fails; a frame that PostgreSQL jumped over
 * leaves them counted as live.
 *
 *-------------------------------------------------------------------------
 */
#include "pg/boundary.hpp"
#include "pg/spi.hpp"
#include "pg/subtransaction.hpp"
#include "pg/text.hpp"

#include <new>
#include <stdexcept>

extern "C" {
PG_MODULE_MAGIC;
}

namespace pg = reconcile::pg;

namespace {

int live_objects = 0;

/* Live is an object that notices when its destructor did not run. */
struct Live {
	std::string ballast = std::string(4096, 'x');
	Live() { live_objects++; }
	~Live() { live_objects--; }
	Live(const Live &) = delete;
	Live &operator=(const Live &) = delete;
};

std::string text_argument(FunctionCallInfo fcinfo, int n)
{
	return pg::text_of(PG_GETARG_DATUM(n));
}

/* outcome tells how an attempt ended: ok, or SQLSTATE and message. */
std::string outcome(const std::optional<pg::Failure> &failure)
{
	return failure ? failure->code() + " " + failure->message() : "ok";
}

void run(const std::string &sql)
{
	pg::Spi spi;
	Live live;
	spi.run(sql, SPI_OK_SELECT);
}

} // namespace

RECONCILE_FUNCTION(reconcile_probe_live)
{
	PG_RETURN_INT32(live_objects);
}

RECONCILE_FUNCTION(reconcile_probe_error)
{
	Live live;
	pg::fail(ERRCODE_INVALID_PARAMETER_VALUE, "an error of ours", "A detail.", "A hint.");
}

RECONCILE_FUNCTION(reconcile_probe_exception)
{
	Live live;
	throw std::out_of_range("out of range");
}

RECONCILE_FUNCTION(reconcile_probe_bad_alloc)
{
	Live live;
	throw std::bad_alloc();
}

RECONCILE_FUNCTION(reconcile_probe_unknown)
{
	Live live;
	throw 42;
}

/* An error that PostgreSQL could not even copy. */
RECONCILE_FUNCTION(reconcile_probe_lost)
{
	Live live;
	throw pg::PgError{nullptr, nullptr};
}

/* An error whose texts are count times the given one, after one byte, so that
 * no multiple of a character's length ends where the buffer does. */
RECONCILE_FUNCTION(reconcile_probe_long)
{
	Live live;
	std::string long_text = "x";
	std::string const part = text_argument(fcinfo, 0);
	for (int i = PG_GETARG_INT32(1); i > 0; i--)
		long_text += part;
	pg::fail(ERRCODE_INVALID_PARAMETER_VALUE, long_text, long_text, long_text);
}

RECONCILE_FUNCTION(reconcile_probe_run)
{
	Live live;
	run(text_argument(fcinfo, 0));
	PG_RETURN_INT32(live_objects);
}

/* An error of ours inside an SPI connection that has results. */
RECONCILE_FUNCTION(reconcile_probe_error_in_spi)
{
	Live live;
	pg::Spi spi;
	spi.run("SELECT pg_catalog.generate_series(1, 3)", SPI_OK_SELECT);
	pg::fail(ERRCODE_DATA_EXCEPTION, "an error after " + std::to_string(spi.number(0, 1)) + " row");
}

/* Runs a query in a subtransaction, then proves that SPI still works. */
RECONCILE_FUNCTION(reconcile_probe_attempt)
{
	Live live;
	std::string const sql = text_argument(fcinfo, 0);
	std::string result;
	{
		pg::Spi spi;
		result = outcome(pg::attempt([&] {
			Live inner;
			run(sql);
		}));
		spi.run("SELECT 7::pg_catalog.int8", SPI_OK_SELECT);
		result += ", then " + std::to_string(spi.number(0, 1));
	}
	PG_RETURN_DATUM(pg::text_datum(result));
}

/* Survives the failure of a query, and raises it again later. */
RECONCILE_FUNCTION(reconcile_probe_raise_later)
{
	Live live;
	std::string const sql = text_argument(fcinfo, 0);
	auto failure = pg::attempt([&] { run(sql); });
	run("SELECT 1");
	if (failure)
		failure->raise();
	PG_RETURN_INT32(0);
}

/* The same with C++ exceptions that carry no SQLSTATE: they are not survived. */
RECONCILE_FUNCTION(reconcile_probe_attempt_exception)
{
	Live live;
	auto failure = pg::attempt([] {
		Live inner;
		throw std::runtime_error("not to be survived");
	});
	PG_RETURN_DATUM(pg::text_datum(outcome(failure)));
}

/* Fails count times inside one call, and survives each. */
RECONCILE_FUNCTION(reconcile_probe_attempts)
{
	Live live;
	std::string const sql = text_argument(fcinfo, 0);
	int failed = 0;
	for (int i = PG_GETARG_INT32(1); i > 0; i--)
		failed += pg::attempt([&] { run(sql); }).has_value();
	PG_RETURN_INT32(failed);
}
