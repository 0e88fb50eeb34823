#!/usr/bin/env bash
# Fails on scripts that shellcheck objects to, and on files that name the host of a package registry: packages come from
# wherever the machine's own configuration says.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
bad=0

mapfile -t files < <(find . -type f ! -path './.git/*' ! -path './build/*' | sort)
mapfile -t shell < <(grep -lE '^#!(/usr/bin/env bash|/bin/(ba)?sh)' -- "${files[@]}" 2>/dev/null; echo ./test/servers/common.sh)
shellcheck -- "${shell[@]}" || bad=1

hosts='deb[.]debian[.]org|pypi[.]org|pythonhosted[.]org|proxy[.]golang[.]org|repo1?[.]maven|registry[.]npmjs|crates[.]io'
if grep -nIE "$hosts" -- "${files[@]}"; then
	echo "a registry's host is named above"
	bad=1
fi

for file in "${shell[@]}"; do
	[ "$file" = ./test/servers/common.sh ] || [ -x "$file" ] || { echo "$file is not executable"; bad=1; }
done

exit $bad
