/*-------------------------------------------------------------------------
 *
 * script.cpp
 *	  The statements of a script, as the server's own parser sees them.
 *
 *-------------------------------------------------------------------------
 */
#include "pg/result_set.hpp"
#include "pg/text.hpp"

extern "C" {
#include "nodes/parsenodes.h"
#include "parser/parser.h"
#include "utils/array.h"
}

#include <vector>

namespace reconcile::schema {

/* statements_of cuts a script where the parser does. */
RECONCILE_FUNCTION(reconcile_statements_of)
{
	std::string const script = pg::Arguments(fcinfo).text(0, "script");
	List *const parsed = pg::call([&] { return raw_parser(script.c_str(), RAW_PARSE_DEFAULT); });
	std::vector<Datum> statements;
	for (int i = 0; i < list_length(parsed); i++) {
		RawStmt const *const statement = list_nth_node(RawStmt, parsed, i);
		size_t const length =
			statement->stmt_len > 0 ? size_t(statement->stmt_len) : std::string::npos;
		std::string text = script.substr(size_t(statement->stmt_location), length);
		text.erase(0, text.find_first_not_of(" \t\r\n"));
		text.erase(text.find_last_not_of(" \t\r\n;") + 1);
		statements.push_back(pg::text_datum(text));
	}
	return pg::call([&] {
		return PointerGetDatum(construct_array(statements.data(), int(statements.size()), TEXTOID,
											   -1, false, TYPALIGN_INT));
	});
}

} // namespace reconcile::schema
