/*-------------------------------------------------------------------------
 *
 * bson_types.hpp
 *	  The types of BSON values by the names of MongoDB's $type.
 *
 * Depends on: mongo/driver.hpp.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "mongo/driver.hpp"

#include <optional>
#include <string>
#include <vector>

namespace reconcile::fdw {

/* bson_type_name returns "objectId", "string", "int", ... */
const char *bson_type_name(bson_type_t type);

/* bson_type_from reads such a name; nothing for a wrong one. */
std::optional<bson_type_t> bson_type_from(const std::string &name);

/* bson_type_names lists them all. */
std::vector<std::string> bson_type_names();

} // namespace reconcile::fdw
