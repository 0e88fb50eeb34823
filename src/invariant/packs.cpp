/*-------------------------------------------------------------------------
 *
 * packs.cpp
 *	  What packs, which are SQL, need of the engine.
 *
 *-------------------------------------------------------------------------
 */
#include "invariant/definition.hpp"
#include "pg/identity.hpp"
#include "pg/nearest.hpp"
#include "pg/result_set.hpp"
#include "pg/spi.hpp"
#include "pg/text.hpp"

namespace reconcile::invariant {

namespace {

constexpr char kSqlstateCharacters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

} // namespace

RECONCILE_FUNCTION(reconcile_did_you_mean)
{
	pg::Arguments arguments(fcinfo);
	return pg::text_datum(
		pg::did_you_mean(arguments.text(0, "wrong"), arguments.texts(1, "valid")));
}

/* reconcile_refuse raises an error that says everything itself: the lines of
 * PL/pgSQL between the caller and us would only hide it. */
RECONCILE_FUNCTION(reconcile_refuse)
{
	pg::Arguments arguments(fcinfo);
	std::string const code = arguments.text(0, "code");
	if (code.size() != 5 || code.find_first_not_of(kSqlstateCharacters) != std::string::npos)
		pg::fail(ERRCODE_INVALID_PARAMETER_VALUE, "invalid SQLSTATE \"" + code + "\"");
	pg::Error error(MAKE_SQLSTATE(code[0], code[1], code[2], code[3], code[4]),
					arguments.text(1, "message"), arguments.optional_text(3).value_or(""),
					arguments.optional_text(2).value_or(""));
	error.alone = true;
	throw error;
}

RECONCILE_FUNCTION(reconcile_record_pack)
{
	pg::Arguments arguments(fcinfo);
	std::string const pack = arguments.text(0, "pack");
	Datum const options = arguments.datum_of(1, "options");
	std::vector<std::string> const invariants = arguments.texts(2, "invariants");
	for (const std::string &name : invariants)
		require_role(definition_named(name));

	std::string const caller = pg::role_name(GetUserId());
	pg::AsExtensionOwner owner;
	pg::Spi spi;
	spi.run("INSERT INTO reconcile.installed_pack AS p (name, version, options, installed_by)"
			" SELECT $1, e.extversion, $2, $3 FROM pg_extension e"
			" WHERE e.extname = 'pg_reconcile'"
			" ON CONFLICT (name) DO UPDATE SET version = EXCLUDED.version,"
			" options = EXCLUDED.options, installed_by = EXCLUDED.installed_by,"
			" installed_at = now()",
			SPI_OK_INSERT, pg::Args().add(pack).add(JSONBOID, options).add(caller));
	spi.run("UPDATE reconcile.invariant SET pack = $1"
			" WHERE name = ANY ($2) AND pack IS DISTINCT FROM $1",
			SPI_OK_UPDATE, pg::Args().add(pack).add(invariants));
	PG_RETURN_VOID();
}

RECONCILE_FUNCTION(reconcile_forget_pack)
{
	pg::Arguments arguments(fcinfo);
	std::string const pack = arguments.text(0, "pack");
	for (const Definition &definition : chosen_definitions(std::nullopt, pack))
		require_role(definition);
	pg::AsExtensionOwner owner;
	pg::Spi spi;
	spi.run("DELETE FROM reconcile.installed_pack WHERE name = $1", SPI_OK_DELETE,
			pg::Args().add(pack));
	PG_RETURN_VOID();
}

} // namespace reconcile::invariant
