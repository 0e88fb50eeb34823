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

#include "pg/identity.hpp"
#include "pg/spi.hpp"
#include "pg/text.hpp"

namespace reconcile::invariant {

namespace {

/* The first of the two numbers of our advisory locks; the second is a hash of
 * the invariant's name.  Two names with one hash only wait for each other. */
constexpr const char *kLockClass = "1919247726";

std::string keys()
{
	return std::string(kLockClass) + ", hashtext($1)";
}

void take(pg::Spi &spi, const std::string &invariant)
{
	spi.run("SELECT pg_advisory_xact_lock(" + keys() + ")", SPI_OK_SELECT,
			pg::Args().add(invariant));
}

void tell_who_holds(pg::Spi &spi, const std::string &invariant)
{
	uint64 holders = spi.run(std::string("SELECT l.pid::text, coalesce(a.usename::text, '?')"
										 " FROM pg_locks l LEFT JOIN pg_stat_activity a"
										 "  ON a.pid = l.pid"
										 " WHERE l.locktype = 'advisory' AND l.granted"
										 " AND l.classid = ") +
								 kLockClass +
								 "::oid AND l.objsubid = 2"
								 " AND l.objid::int8 ="
								 "  (hashtext($1)::int8"
								 "   & 4294967295::int8)",
							 SPI_OK_SELECT, pg::Args().add(invariant));
	std::string const holder = holders == 0 ? "another session"
											: "process " + spi.required_text(0, 1) + " of role \"" +
												  spi.required_text(0, 2) + "\"";
	std::string const message = "waiting for the repair of \"" + invariant + "\" by " + holder;
	pg::call([&] { ereport(NOTICE, (errmsg("%s", message.c_str()))); });
}

} // namespace

void lock_for_guard(const std::string &invariant)
{
	pg::PinnedPath path;
	pg::Spi spi;
	take(spi, invariant);
}

void lock_for_repair(const std::string &invariant)
{
	pg::PinnedPath path;
	pg::Spi spi;
	spi.run("SELECT pg_try_advisory_xact_lock(" + keys() + ")", SPI_OK_SELECT,
			pg::Args().add(invariant));
	if (spi.truth(0, 1))
		return;
	tell_who_holds(spi, invariant);
	take(spi, invariant);
}

} // namespace reconcile::invariant
