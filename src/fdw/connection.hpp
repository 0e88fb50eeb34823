/*-------------------------------------------------------------------------
 *
 * connection.hpp
 *	  The connections of this backend, and how one is used.
 *
 * Terms.  A "remote call" is a call into src/mongo that may wait for the
 * network.  An interrupt that arrives meanwhile is kept by the port and
 * raised by remote(), once the driver's frames are gone.
 *
 * Depends on: table.hpp, mongo/client.hpp, pg/interrupt.hpp.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "fdw/table.hpp"

#include "mongo/client.hpp"

#include <memory>

namespace reconcile::fdw {

/* connect returns the connection of a user to a server, kept from the last
 * time as long as its options are the same and it is sound.  It opens none:
 * the first remote call does.  Raises 2F003 when the user has no password. */
std::shared_ptr<mongo::Client> connect(Oid server, Oid user);

/* release gives back what connect() returned.  One that is held up is not kept:
 * it ends with whoever else still uses it. */
void release(std::shared_ptr<mongo::Client> &client);

/* new_client makes a connection that is not kept. */
std::shared_ptr<mongo::Client> new_client(const mongo::Settings &settings);

/* require_collection raises HV00R when the collection of a table does not exist,
 * unless the table says that it need not.  MongoDB itself answers alike for one
 * that is empty. */
void require_collection(mongo::Client &client, const Table &table);

/* raise_interrupt raises the interrupt that made a remote call end. */
void raise_interrupt();

/* remote makes a remote call. */
template <class F> auto remote(F &&f) -> std::invoke_result_t<F &>
{
	try {
		return f();
	} catch (const mongo::Interrupted &) {
		raise_interrupt();
		throw;
	} catch (const mongo::Error &error) {
		throw error_of(error);
	}
}

/* milliseconds_left is what statement_timeout leaves, or 0 without one. */
int64_t milliseconds_left();

} // namespace reconcile::fdw
