#!/usr/bin/env bash
# Fails when code leaves its room: PostgreSQL's error handling and SPI belong to src/pg alone, and includes point one way,
#   fdw -> mongo, pg      invariant, schema -> pg      mongo -> nothing of PostgreSQL      pg -> nothing
set -uo pipefail
cd "$(dirname "$0")/.." || exit
bad=0

# complain prints what the pattern finds, and why it must not be there.
complain() {
	local why=$1 pattern=$2 found
	shift 2
	[ $# -gt 0 ] || return 0
	found=$(grep -nHE "$pattern" "$@") || return 0
	printf '%s:\n%s\n' "$why" "$found"
	bad=1
}

mapfile -t outside < <(find src -name '*.[ch]pp' ! -path 'src/pg/*' | sort)
complain "only src/pg may handle errors of PostgreSQL" \
	'\b(PG_TRY|PG_CATCH|PG_FINALLY|PG_RE_THROW|sigsetjmp|BeginInternalSubTransaction|PG_exception_stack)\b' "${outside[@]}"
complain "only src/pg may call SPI" '\bSPI_[a-z]\w*' "${outside[@]}"
complain "only src/pg may catch everything, or a PgError" 'catch *\( *(\.\.\.|(const +)?(pg::)?PgError\b)' "${outside[@]}"

# room NAME REGEX: files of src/NAME may include of this project only what matches REGEX.
room() {
	local name=$1 allowed=$2 files
	mapfile -t files < <(find "src/$name" -name '*.[ch]pp' 2>/dev/null | sort)
	[ ${#files[@]} -gt 0 ] || return 0
	found=$(grep -nHoE '#include "(pg|mongo|fdw|invariant|schema)/[^"]*"' "${files[@]}" | grep -vE "\"($allowed)/") || return 0
	printf 'src/%s includes what it must not know:\n%s\n' "$name" "$found"
	bad=1
}
room pg pg
room mongo mongo
room fdw 'fdw|mongo|pg'
for name in invariant schema; do room $name "$name|pg"; done

mapfile -t mongo < <(find src/mongo test/unit -name '*.[ch]pp' 2>/dev/null | sort)
complain "src/mongo and its tests know PostgreSQL only through src/mongo/port.hpp" \
	'#include [<"](postgres|fmgr|miscadmin|utils/|storage/|access/|catalog/|libpq/|executor/|nodes/)' "${mongo[@]}"
mapfile -t others < <(find src -name '*.[ch]pp' ! -path 'src/mongo/*' ! -path 'src/fdw/*' | sort)
complain "only src/mongo and src/fdw may know the driver" '#include [<"](mongoc|bson)' "${others[@]}"

exit $bad
