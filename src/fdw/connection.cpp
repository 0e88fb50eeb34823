/*-------------------------------------------------------------------------
 *
 * connection.cpp
 *	  The connections of this backend, and how one is used.
 *
 * Kept by (server, user mapping), like those of postgres_fdw.  A change of
 * either forgets the connection; scans that still read from it keep it alive.
 *
 *-------------------------------------------------------------------------
 */
#include "fdw/connection.hpp"

#include "pg/interrupt.hpp"
#include "pg/text.hpp"

extern "C" {
#include "foreign/foreign.h"
#include "storage/fd.h"
#include "storage/latch.h"
#include "tcop/pquery.h"
#include "utils/inval.h"
#include "utils/syscache.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"
}

#include <algorithm>
#include <climits>
#include <map>

namespace reconcile::fdw {

namespace {

/* BackendPort lets the driver wait as a backend must. */
class BackendPort final : public mongo::Port {
public:
	BackendPort() : wait_event_(pg::wait_event("ReconcileMongo")) {}

	mongo::Waited wait(int descriptor, bool read, bool write, int64_t timeout_ms) noexcept override
	{
		int const socket_events =
			(read ? WL_SOCKET_READABLE : 0) | (write ? WL_SOCKET_WRITEABLE : 0);
		TimestampTz const end = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), timeout_ms);
		/* A latch that is set for another reason does not end the wait. */
		for (long left = static_cast<long>(std::min<int64_t>(timeout_ms, INT_MAX));;) {
			int const happened =
				descriptor < 0 ? interrupts_.wait(PGINVALID_SOCKET, 0, left, wait_event_)
							   : interrupts_.wait(descriptor, socket_events, left, wait_event_);
			if (happened < 0)
				return mongo::Waited::kInterrupted;
			if (happened & socket_events)
				return mongo::Waited::kReady;
			left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), end);
			if (left <= 0)
				return mongo::Waited::kTimeout;
		}
	}

	bool interrupted() noexcept override { return interrupts_.serve(); }
	bool acquire_descriptor() noexcept override { return AcquireExternalFD(); }
	void release_descriptor() noexcept override { ReleaseExternalFD(); }

	void raise() { interrupts_.raise(); }

private:
	pg::Interrupts interrupts_;
	uint32 const wait_event_;
};

/* port is the one of this backend; it outlives every client. */
BackendPort &port()
{
	static auto *the_port = new BackendPort;
	return *the_port;
}

/* log_line hands on what the driver tells developers. */
void log_line(const char *message)
{
	pg::Interrupts::log(message);
}

constexpr long kServerGraceMs = 100;

struct Kept {
	std::shared_ptr<mongo::Client> client;
	MappingOptions mapping;
	bool has_password = false;
	bool stale = false;
	uint32 server_hash = 0, mapping_hash = 0;
};

using Key = std::pair<Oid, Oid>; /* server, user mapping */

using KeptConnections = std::map<Key, Kept>;

KeptConnections &kept_connections()
{
	static auto *kept = new KeptConnections;
	return *kept;
}

/* is_useless tells whether a connection is outdated, broken or held up. */
bool is_useless(const Kept &kept)
{
	return kept.stale || (kept.client && (!kept.client->usable() || kept.client->held_up()));
}

/* drop_useless forgets what is useless, of whatever server: one that was
 * dropped is never asked for again. */
void drop_useless(KeptConnections &all)
{
	for (auto at = all.begin(); at != all.end();)
		at = is_useless(at->second) ? all.erase(at) : std::next(at);
}

/* forget marks what a change of a server or mapping may concern.  It is called
 * at moments when nothing may fail, so it only marks. */
void forget(Datum, int cache, uint32 hash)
{
	for (auto &[key, kept] : kept_connections())
		if (hash == 0 || hash == (cache == FOREIGNSERVEROID ? kept.server_hash : kept.mapping_hash))
			kept.stale = true;
}

void register_once()
{
	static bool registered = false;
	if (registered)
		return;
	kept_connections();
	pg::call([] {
		CacheRegisterSyscacheCallback(FOREIGNSERVEROID, forget, Datum(0));
		CacheRegisterSyscacheCallback(USERMAPPINGOID, forget, Datum(0));
	});
	mongo::set_log_sink(log_line);
	registered = true;
}

/* require_password keeps a user from borrowing what only the machine of this
 * server can reach: somebody who is not a superuser must have credentials of
 * his own. */
void require_password(Oid server, Oid user, const Kept &kept)
{
	if (pg::call([&] { return superuser_arg(user); }))
		return;
	if (kept.mapping.exists && (kept.has_password || !kept.mapping.password_required))
		return;
	std::string const name(pg::call([&] { return GetForeignServer(server)->servername; }));
	pg::fail(ERRCODE_S_R_E_PROHIBITED_SQL_STATEMENT_ATTEMPTED,
			 "password is required to use server \"" + name + "\"",
			 "Who is not a superuser must provide a password in the user mapping.",
			 "CREATE USER MAPPING FOR " + pg::quoted(pg::role_name(user)) + " SERVER " +
				 pg::quoted(name) + " OPTIONS (username '...', password '...')");
}

Kept opened(Oid server, Oid mapping_oid, const mongo::Settings &settings,
			const MappingOptions &mapping)
{
	Kept kept;
	kept.mapping = mapping;
	kept.has_password = !settings.password.empty();
	pg::call([&] {
		kept.server_hash = GetSysCacheHashValue1(FOREIGNSERVEROID, ObjectIdGetDatum(server));
		kept.mapping_hash = GetSysCacheHashValue1(USERMAPPINGOID, ObjectIdGetDatum(mapping_oid));
	});
	return kept;
}

} // namespace

std::shared_ptr<mongo::Client> connect(Oid server, Oid user)
{
	register_once();
	mongo::Settings settings;
	MappingOptions mapping;
	Oid const mapping_oid = connection_settings(server, user, settings, mapping);

	auto &all = kept_connections();
	Key const key{server, mapping_oid};
	/* Only tidying shows whether a connection with unfinished results still works. */
	auto found = all.find(key);
	if (found != all.end() && found->second.client && !found->second.stale)
		remote([&] { found->second.client->tidy(); });
	drop_useless(all);
	found = all.find(key);
	if (found == all.end())
		found = all.emplace(key, opened(server, mapping_oid, settings, mapping)).first;
	require_password(server, user, found->second);
	if (!found->second.client)
		found->second.client = new_client(settings);
	return found->second.client;
}

void release(std::shared_ptr<mongo::Client> &client)
{
	client.reset();
	drop_useless(kept_connections());
}

std::shared_ptr<mongo::Client> new_client(const mongo::Settings &settings)
{
	return local([&] { return std::make_shared<mongo::Client>(settings, port()); });
}

void require_collection(mongo::Client &client, const Table &table)
{
	const TableOptions &options = table.options;
	if (options.missing_is_empty ||
		remote([&] { return client.collection_exists(options.database, options.collection); }))
		return;
	pg::fail(ERRCODE_FDW_TABLE_NOT_FOUND,
			 "collection \"" + options.full_name() + "\" does not exist", {},
			 "If it is yet to come, set option missing_collection 'empty' of foreign table " +
				 pg::qualified_name(table.relation) + ".");
}

void raise_interrupt()
{
	port().raise();
}

int64_t milliseconds_left()
{
	/* A cursor outlives the statement whose time is running. */
	if (!get_timeout_active(STATEMENT_TIMEOUT) || ActivePortal == nullptr ||
		ActivePortal->name[0] != '\0')
		return 0;
	long const left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(),
													  get_timeout_finish_time(STATEMENT_TIMEOUT));
	/* The limit here acts first, and says what it is; the server only stops working. */
	return std::max(left, 0L) + kServerGraceMs;
}

} // namespace reconcile::fdw
