/*-------------------------------------------------------------------------
 *
 * lock.cpp
 *	  One repair of an invariant at a time.
 *
 * The lock is a transaction-level advisory lock: it is gone with the
 * transaction, however that ends, also behind a connection pool.
 *
 *-------------------------------------------------------------------------
 */
#include "invariant/lock.hpp"

#include "pg/spi.hpp"
#include "pg/text.hpp"

namespace reconcile::invariant {

namespace {

/* The first of the two numbers of our advisory locks; the second is a hash of
 * the invariant's name.  Two names with one hash only wait for each other. */
constexpr const char *kLockClass = "1919247726";

std::string keys()
{
	return std::string(kLockClass) + ", pg_catalog.hashtext($1)";
}

void tell_who_holds(pg::Spi &spi, const std::string &invariant)
{
	uint64 holders =
		spi.run(std::string("SELECT l.pid::pg_catalog.text, coalesce(a.usename::pg_catalog.text, '?')"
							" FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a"
							"  ON a.pid OPERATOR(pg_catalog.=) l.pid"
							" WHERE l.locktype OPERATOR(pg_catalog.=) 'advisory' AND l.granted"
							" AND l.classid OPERATOR(pg_catalog.=) ") +
					kLockClass +
					"::pg_catalog.oid AND l.objsubid OPERATOR(pg_catalog.=) 2"
					" AND l.objid::pg_catalog.int8 OPERATOR(pg_catalog.=)"
					"  (pg_catalog.hashtext($1)::pg_catalog.int8"
					"   OPERATOR(pg_catalog.&) 4294967295::pg_catalog.int8)",
				SPI_OK_SELECT, pg::Args().add(invariant));
	std::string const holder =
		holders == 0 ? "another session"
					 : "process " + spi.required_text(0, 1) + " of role \"" +
						   spi.required_text(0, 2) + "\"";
	std::string const message =
		"waiting for the repair of \"" + invariant + "\" by " + holder;
	pg::call([&] { ereport(NOTICE, (errmsg("%s", message.c_str()))); });
}

} // namespace

void lock_for_repair(const std::string &invariant)
{
	pg::Spi spi;
	spi.run("SELECT pg_catalog.pg_try_advisory_xact_lock(" + keys() + ")", SPI_OK_SELECT,
			pg::Args().add(invariant));
	if (spi.truth(0, 1))
		return;
	tell_who_holds(spi, invariant);
	spi.run("SELECT pg_catalog.pg_advisory_xact_lock(" + keys() + ")", SPI_OK_SELECT,
			pg::Args().add(invariant));
}

} // namespace reconcile::invariant
