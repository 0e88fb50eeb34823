/*-------------------------------------------------------------------------
 *
 * nearest.cpp
 *	  The hint after a wrong name.
 *
 *-------------------------------------------------------------------------
 */
#include "pg/nearest.hpp"

#include "pg/boundary.hpp"
#include "pg/text.hpp"

extern "C" {
#include "utils/varlena.h"
}

#include <algorithm>

namespace reconcile::pg {

namespace {

constexpr size_t kShown = 5;
constexpr int kMostEdits = 3;		 /* as in PostgreSQL's own hints about columns */
constexpr size_t kLongestName = 255; /* what PostgreSQL's levenshtein accepts */

/* distance counts the edits between two names, with the costs that
 * PostgreSQL's own column hints use. */
int distance(const std::string &a, const std::string &b)
{
	if (a.size() > kLongestName || b.size() > kLongestName)
		return static_cast<int>(kLongestName);
	return call([&] {
		return varstr_levenshtein(a.c_str(), static_cast<int>(a.size()), b.c_str(),
								  static_cast<int>(b.size()), 1, 1, 1, true);
	});
}

} // namespace

std::string did_you_mean(const std::string &wrong, const std::vector<std::string> &valid,
						 const std::string &none)
{
	if (valid.empty())
		return none;

	std::vector<std::pair<int, std::string>> ranked;
	for (const std::string &name : valid)
		ranked.emplace_back(distance(wrong, name), name);
	std::sort(ranked.begin(), ranked.end());

	int const close = std::min(kMostEdits, static_cast<int>(wrong.size() / 2));
	int const nearest = ranked.front().first;
	bool const similar = nearest <= close;
	if (!similar) /* the order of nearness would look like none */
		std::sort(ranked.begin(), ranked.end(),
				  [](const auto &a, const auto &b) { return a.second < b.second; });
	std::vector<std::string> shown;
	for (const auto &[edits, name] : ranked) {
		if (shown.size() == kShown || (similar && edits > nearest))
			break;
		shown.push_back("\"" + name + "\"");
	}
	return (similar ? "Did you mean " : "Valid names are ") + joined(shown, ", ") +
		   (similar ? "?" : (valid.size() > shown.size() ? ", ..." : "."));
}

} // namespace reconcile::pg
