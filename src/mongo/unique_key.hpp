/*-------------------------------------------------------------------------
 *
 * unique_key.hpp
 *	  Does the server itself refuse a second document with the same key?
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

/* is_unique_key tells whether a unique index has exactly these fields, in any
 * order, is about every document and compares text by bytes, as a selector does.
 * It asks with two commands.  When in doubt, it says no: an index may be under
 * construction, a cluster enforce uniqueness within each shard only, the user
 * not be allowed to ask.  Throws Interrupted, or Error when nobody answered. */
bool is_unique_key(Client &client, const std::string &database, const std::string &collection,
				   const std::vector<std::string> &fields);

} // namespace reconcile::mongo
