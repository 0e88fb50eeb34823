#!/usr/bin/env bash
# Prints the directory with the SQL of PostgreSQL's own regression tests for version $PG. No package of Debian has
# it; the source distribution of pglast on PyPI does, as an input of the parser's tests, a release for each version of
# PostgreSQL. It is fetched once into ${XDG_CACHE_HOME:-~/.cache}/pg_reconcile, and only read by psql: nothing of
# it is a part of this project. Without it the status is 1, and the reason is on standard error.
#
#   PG=15|16|17|18 regression.sh
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"

PG=${PG:-15}
case $PG in
	15) release=5.10 hash=e890582fbc18f01b00bc1724f17fff1396cc94d24ab37fba96aacc8fe742ed68 ;;
	16) release=6.17 hash=37d2fa080f22a73fb575c2655b6e28f1e3a084cf0466f96b15d227b4cfffc45e ;;
	17) release=7.22 hash=d7ee5b5161cf31913a06fdab8615e9e02144761761c481002789f968b446d653 ;;
	18) release=8.8 hash=ff9998ec6bac4f30f84db6b6edb28a0fb03b1eda5c8ad211ab8362f5a08b833b ;;
	*) die "PG is 15, 16, 17 or 18, not $PG" ;;
esac
directory=$cache/regression$PG

# fetch takes the SQL files out of the distribution. The marker holds its hash, and is written last.
fetch() {
	say "fetching the regression tests of PostgreSQL $PG into $directory, once"
	rm -rf "$directory"
	mkdir -p "$directory"
	echo "pglast==$release --hash=sha256:$hash" >"$directory/requirements"
	/usr/bin/python3 -m pip download -q --no-deps --no-binary pglast --require-hashes -r "$directory/requirements" -d "$directory" \
		>"$directory.log" 2>&1 || { tail -n 3 "$directory.log" >&2; die "could not fetch pglast $release"; }
	tar -xzf "$directory/pglast-$release.tar.gz" -C "$directory" --strip-components=5 "pglast-$release/libpg_query/test/sql/postgres_regress"
	rm "$directory/pglast-$release.tar.gz"
	echo "$hash" >"$directory/complete"
}

exec 9>"$directory.lock"
flock 9
[ "$(cat "$directory/complete" 2>/dev/null)" = "$hash" ] || fetch
echo "$directory"
