/*-------------------------------------------------------------------------
 *
 * rows_as_owner.cpp
 *	  Counting the rows of a table that stand against a fix.
 *
 * The predicate of an index, a CHECK and a cast may call functions of whoever
 * owns the table.  PostgreSQL runs those of an index as that owner when it
 * builds the index; so they run as the owner here, restricted, and write
 * nothing, whoever asks.
 *
 *-------------------------------------------------------------------------
 */
#include "pg/identity.hpp"
#include "pg/result_set.hpp"
#include "pg/spi.hpp"
#include "pg/text.hpp"

namespace reconcile::schema {

RECONCILE_FUNCTION(reconcile_rows_as_owner)
{
	pg::Arguments arguments(fcinfo);
	Oid const owner = pg::owner_of(arguments.oid(0, "relation"));
	std::string const query = arguments.text(1, "query");
	pg::ResultSet result(fcinfo);
	if (!OidIsValid(owner))
		return Datum(0);
	if (!pg::may_act_as(owner))
		pg::fail(ERRCODE_INSUFFICIENT_PRIVILEGE,
				 "permission denied to act as " + pg::role_name(owner));

	/* Dates and numbers are read as the caller's ALTER TABLE would read them. */
	pg::Settings const settings({{"search_path", "pg_catalog, pg_temp"}, {"row_security", "off"}});
	pg::ActingAs const acting(owner, SECURITY_RESTRICTED_OPERATION);
	pg::ReadOnly const read_only;
	pg::Spi spi;
	if (spi.run("SELECT r.found::bigint, r.example::text FROM (" + query +
					") AS r (found, example)",
				SPI_OK_SELECT) > 0)
		result.add(pg::Row().number(spi.number(0, 1)).text(spi.text(0, 2)));
	return Datum(0);
}

} // namespace reconcile::schema
