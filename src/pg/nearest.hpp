/*-------------------------------------------------------------------------
 *
 * nearest.hpp
 *	  The hint after a wrong name.
 *
 * Depends on: boundary.hpp.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include <string>
#include <vector>

namespace reconcile::pg {

/* did_you_mean returns a hint with the valid names nearest to a wrong one:
 * the most similar ones when any are similar, else the first few there are. */
std::string did_you_mean(const std::string &wrong, const std::vector<std::string> &valid,
						 const std::string &none = "There are none.");

} // namespace reconcile::pg
