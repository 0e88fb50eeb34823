/*-------------------------------------------------------------------------
 *
 * function_body.cpp
 *	  Does the body of a function still compile against the schema?
 *
 * The judge is the server: the validator that CREATE FUNCTION calls, or
 * plpgsql_check where it is installed.  Neither runs the function, but
 * planning may run immutable functions that it calls; so the judgement is
 * made as the function's owner, who answers for it, and writes nothing.
 *
 *-------------------------------------------------------------------------
 */
#include "pg/identity.hpp"
#include "pg/result_set.hpp"
#include "pg/spi.hpp"
#include "pg/subtransaction.hpp"
#include "pg/text.hpp"

extern "C" {
#include "catalog/pg_type.h"
#include "utils/guc.h"
}

namespace reconcile::schema {

namespace {

/* Function is what the judges need to know of one. */
struct Function {
	Oid owner;
	std::string search_path; /* its own, or its schema before the database's default */
	std::string judge;		 /* a query that fails, or yields text, for a bad body */
};

/* function_of looks a function up, and how it is judged for a trigger, if any. */
std::optional<Function> function_of(Oid function, Oid trigger)
{
	pg::PinnedPath path;
	std::string const usual = pg::call([] { return GetConfigOptionResetString("search_path"); });
	pg::Spi spi;
	uint64 const rows = spi.run(
		"SELECT p.proowner, coalesce("
		"  (SELECT substr(o, length('search_path=') + 1) FROM unnest(p.proconfig) AS o"
		"   WHERE o LIKE 'search_path=%'), quote_ident(n.nspname) || ', ' || $2),"
		" CASE WHEN l.lanname = 'sql' THEN 'SELECT pg_catalog.fmgr_sql_validator($1)'"
		"  WHEN c.schema IS NULL OR p.prorettype = 'event_trigger'::regtype"
		"   OR (p.prorettype = 'trigger'::regtype AND $3 = 0)"
		"   THEN 'SELECT pg_catalog.plpgsql_validator($1)'"
		"  ELSE format('SELECT e.message FROM %s.plpgsql_check_function_tb(funcoid => $1,"
		"     relid => coalesce((SELECT tgrelid FROM pg_catalog.pg_trigger WHERE oid = $2), 0),"
		"     oldtable => (SELECT tgoldtable FROM pg_catalog.pg_trigger WHERE oid = $2),"
		"     newtable => (SELECT tgnewtable FROM pg_catalog.pg_trigger WHERE oid = $2),"
		"     fatal_errors => false) e"
		"     WHERE e.level = ''error'' AND NOT (e.sqlstate = ''42P01'' AND %L)',"
		"   c.schema, p.prosrc ~* '\\mcreate\\M.*\\mtable\\M') END"
		" FROM pg_proc p"
		" JOIN pg_namespace n ON n.oid = p.pronamespace"
		" JOIN pg_language l ON l.oid = p.prolang AND l.lanname IN ('sql', 'plpgsql')"
		" LEFT JOIN (SELECT quote_ident(en.nspname) AS schema FROM pg_extension e"
		"            JOIN pg_namespace en ON en.oid = e.extnamespace"
		"            WHERE e.extname = 'plpgsql_check') c ON true"
		" WHERE p.oid = $1",
		SPI_OK_SELECT,
		pg::Args()
			.add(OIDOID, ObjectIdGetDatum(function))
			.add(usual)
			.add(OIDOID, ObjectIdGetDatum(trigger)));
	if (rows == 0)
		return std::nullopt;
	return Function{spi.oid(0, 1), spi.required_text(0, 2), spi.required_text(0, 3)};
}

} // namespace

RECONCILE_FUNCTION(reconcile_function_problem)
{
	pg::Arguments arguments(fcinfo);
	Oid const function = arguments.oid(0, "function");
	Oid const trigger = arguments.oid(1, "trigger");
	auto const found = function_of(function, trigger);
	if (!found)
		PG_RETURN_NULL(); /* dropped meanwhile */
	if (!pg::may_act_as(found->owner))
		pg::fail(ERRCODE_INSUFFICIENT_PRIVILEGE,
				 "permission denied to act as " + pg::role_name(found->owner));

	std::optional<std::string> problem;
	auto const failure = pg::attempt([&] {
		pg::AsOwner const owner(found->owner, found->search_path);
		pg::Settings const settings({{"check_function_bodies", "on"}});
		pg::ReadOnly const read_only;
		pg::Spi spi;
		if (spi.run(found->judge, SPI_OK_SELECT,
					pg::Args()
						.add(OIDOID, ObjectIdGetDatum(function))
						.add(OIDOID, ObjectIdGetDatum(trigger))) > 0)
			problem = spi.text(0, 1);
	});
	if (failure)
		problem = failure->message();
	if (!problem || problem->empty())
		PG_RETURN_NULL();
	return pg::text_datum(*problem);
}

} // namespace reconcile::schema
