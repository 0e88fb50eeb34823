#!/usr/bin/env bash
# Installs the Debian 12 packages that building, testing and the demo need. Does nothing when all are there; as another
# user than root it says what is missing and fails.
#
#   dependencies.sh           what make demo and make test need
#   dependencies.sh --bench   what make bench needs: that, and an ORM to compare with
#   dependencies.sh --lint    what make lint needs besides
#   dependencies.sh --fuzz    what test/fuzz/run needs besides
#
# Debian's postgresql-15 makes and starts a cluster when it is installed. That is not wanted from a build, so it is told
# not to, by a file of /etc/postgresql-common/createcluster.d that is there only during the installation.
set -euo pipefail

packages=(
	postgresql-15 postgresql-server-dev-15 postgresql-15-pgtap postgresql-15-plpgsql-check postgresql-15-cron
	libmongoc-dev pkg-config g++ make cmake libgtest-dev git ca-certificates
	libtap-parser-sourcehandler-pgtap-perl
	python3-pytest python3-psycopg python3-pymongo python3-mockupdb python3-jsonschema python3-pip
	debootstrap util-linux
)
[ "${1:-}" != --bench ] || packages+=(python3-sqlalchemy python3-psycopg2)
[ "${1:-}" != --lint ] || packages=(clang-format clang-tidy shellcheck)
[ "${1:-}" != --fuzz ] || packages=(clang libclang-rt-14-dev)

installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "${packages[@]}" 2>/dev/null | sed -n 's/ installed$//p') || true
missing=()
for package in "${packages[@]}"; do
	grep -qx -- "$package" <<<"$installed" || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" != 0 ]; then
	echo "These packages are missing; install them as root, or run this command as root:" >&2
	echo "  apt-get install ${missing[*]}" >&2
	exit 1
fi

echo "installing ${missing[*]}" >&2
log=$(mktemp)
quiet=/etc/postgresql-common/createcluster.d/pg_reconcile-installing.conf
trap 'rm -f "$quiet" "$log"' EXIT
mkdir -p "${quiet%/*}"
echo "create_main_cluster = false" >"$quiet"
export DEBIAN_FRONTEND=noninteractive
if ! { apt-get -q update && apt-get install -y -q --no-install-recommends "${missing[@]}"; } >"$log" 2>&1 </dev/null; then
	tail -n 20 "$log" >&2
	exit 1
fi
