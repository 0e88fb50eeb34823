#!/usr/bin/env bash
# Fails when a list and the files it is about differ: a test that is not listed is a test that does not run.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
bad=0

# differ TEXT LEFT RIGHT prints the lines that are only in LEFT.
differ() {
	local only
	only=$(comm -23 <(sort -u <<<"$2" | grep .) <(sort -u <<<"$3" | grep .))
	[ -z "$only" ] && return
	printf '%s:\n%s\n' "$1" "$only"
	bad=1
}

listed=$(make -s regress-list | tr ' ' '\n')
stories=$(find sql -maxdepth 1 -name '*.sql' ! -name 'pg_reconcile--*' -printf '%f\n' 2>/dev/null | sed 's/\.sql$//')
expected=$(find expected -name '*.out' -printf '%f\n' 2>/dev/null | sed 's/\.out$//')
differ "sql files that REGRESS in the Makefile does not list" "$stories" "$listed"
differ "tests that REGRESS lists and sql/ does not have" "$listed" "$stories"
differ "tests without expected output" "$listed" "$expected"
differ "expected output of no test (versions are told apart in the test, not by a second file)" "$expected" "$listed"

stray=$(find test -maxdepth 1 -name '*.py' ! -name 'test_*.py' ! -name 'conftest.py' ! -name 'doc_examples.py')
differ "files of test/ that no suite runs" "$stray" ""
stray=$(find test/pgtap -type f ! -name '*.sql' 2>/dev/null)
differ "files of test/pgtap that pg_prove does not run" "$stray" ""

version=$(sed -n "s/^default_version *= *'\(.*\)'/\1/p" pg_reconcile.control)
repeated=$(grep -rnF "'$version'" --include='*.sql' --include='*.[ch]pp' src sql/install packs 2>/dev/null)
differ "the version stands in pg_reconcile.control alone, and here too" "$repeated" ""

exit $bad
