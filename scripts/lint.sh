#!/usr/bin/env bash
# make lint: the checks of this directory, formatting among them, and clang-tidy. lint.sh --fix formats the sources instead.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
scripts/dependencies.sh && scripts/dependencies.sh --lint || exit 1

if [ "${1:-}" = --fix ]; then
	find src test bench -name '*.[ch]pp' -print0 | xargs -0 clang-format -i
	exit
fi

bad=0
for check in scripts/check_*.sh; do
	"$check" || { echo "$check: failed"; bad=1; }
done
cmake -S . -B build/cmake >/dev/null || exit 1
find src -name '*.cpp' -print0 | sort -z |
	nice xargs -0 -n 4 -P 2 clang-tidy -p build/cmake --quiet 2>/dev/null || bad=1
exit $bad
