/*-------------------------------------------------------------------------
 *
 * catalog.hpp
 *	  Which databases and collections a server shows to its user.
 *
 * Depends on: client.hpp.  Used by: src/fdw.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "mongo/client.hpp"

#include <string>
#include <vector>

namespace reconcile::mongo {

struct CollectionInfo {
	std::string name;
	std::string type; /* collection, view, timeseries */
};

/* collections lists those of a database that the user may read, without those
 * of MongoDB itself, by name. */
std::vector<CollectionInfo> collections(Client &client, const std::string &database);

/* databases lists those in which the user may read something, without those
 * of MongoDB itself, by name. */
std::vector<std::string> databases(Client &client);

/* estimated_documents asks for the number that MongoDB itself keeps. */
int64_t estimated_documents(Client &client, const std::string &database,
							const std::string &collection);

} // namespace reconcile::mongo
