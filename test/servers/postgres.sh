#!/usr/bin/env bash
# A private PostgreSQL for tests and the demo: its own copy of the version's programs (so that `make install` never
# touches the machine's PostgreSQL), its own cluster, a socket in a short directory under /tmp and a free port on loopback.
#
#   PG=15|16|17|18 postgres.sh start     makes the cluster (or finds it running) and prints what env prints
#                  postgres.sh install   builds this checkout for that version and installs it, and the libraries of the suites,
#                                        into the copy
#               PG=18 postgres.sh peer   adds Debian's mongo_fdw, which bench/run compares with, to the copy
#                  postgres.sh env       prints export lines: PG PGHOST PGPORT PGUSER PGDATABASE PG_CONFIG
#                  postgres.sh restart   ends it as a crash would, and starts it again on the same data and port
#                  postgres.sh run CMD   runs a command where that version lives, in a copy of this environment
#                  postgres.sh status
#                  postgres.sh stop      ends it and removes the copy and the data; the log stays under build/
#
# Where a version comes from (made once, kept in ${XDG_CACHE_HOME:-~/.cache}/pg_reconcile):
#   15   this machine's packages (Debian 12)
#   16   the wheel pgserver of PyPI, which holds a whole PostgreSQL 16.2; pgTAP from this machine's packages
#   17   a chroot of Debian trixie, with libmongoc 1.30
#   18   a chroot of Debian sid, with libmongoc 2.5
# The chroots see the checkout, and the private directory under its own path, by bind mounts that no other process sees:
# a suite outside does not notice whether the server runs in one.
# $PG_CONF is appended to postgresql.conf of a new cluster. With SANITIZE=1 (on 15) the libraries are built with
# AddressSanitizer and UBSan, and any report of theirs ends the backend.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"

PG=${PG:-15}
private_dir
home=$private/pg$PG           # the copy of the programs, the data directory, the socket
dir=$state/pg$PG
wheel_version=0.1.4
case $PG in
	15) chroot='' bin=$home/lib/postgresql/15/bin ;;
	16) chroot='' bin=$home/pgserver/pginstall/bin ;;
	17 | 18) chroot=$cache/pg$PG bin=$home/lib/postgresql/$PG/bin ;;
	*) die "PG is 15, 16, 17 or 18, not $PG" ;;
esac

# run executes a command where the version lives, with the checkout as its working directory.
run() {
	if [ -n "$chroot" ]; then
		in_root "$chroot" "$@"
	else
		(cd "$top" && "$@")
	fi
}

# as_server runs a command as the user the server runs as: root may not run PostgreSQL.
as_server() {
	if [ "$(id -u)" = 0 ]; then
		run runuser -u postgres -- env -C / "$@"
	else
		run env -C / "$@"
	fi
}

# installation makes sure that the version is on this machine.
installation() {
	case $PG in
		15)
			[ -x /usr/lib/postgresql/15/bin/pg_config ] ||
				die "PostgreSQL 15 is not installed, run scripts/dependencies.sh as root" ;;
		16) wheel_install ;;
		17) chroot_install pg17 trixie g++ make pkg-config postgresql-17 postgresql-server-dev-17 postgresql-17-pgtap \
			libmongoc-dev ;;
		18) chroot_install pg18 sid g++ make pkg-config postgresql-18 postgresql-server-dev-18 postgresql-18-pgtap \
			libmongoc-dev ;;
	esac
}

# wheel_install unpacks the wheel and adds pgTAP, whose script is the same for all versions from 9.1 on.
wheel_install() {
	local wheel=$cache/pg16
	exec 9>"$cache/pg16.lock"
	flock 9
	if [ "$(cat "$wheel/complete" 2>/dev/null)" != $wheel_version ]; then
		say "installing the wheel pgserver $wheel_version into $wheel, once"
		rm -rf "$wheel"
		mkdir -p "$wheel"
		/usr/bin/python3 -m pip download -q --no-deps --only-binary :all: --python-version 3.11 --implementation cp \
			--platform manylinux2014_x86_64 -d "$wheel" "pgserver==$wheel_version" >"$cache/pg16.log" 2>&1 ||
			{ cat "$cache/pg16.log" >&2; die "could not fetch the wheel pgserver"; }
		(cd "$wheel" && /usr/bin/python3 -m zipfile -e ./*.whl . && rm ./*.whl)
		chmod +x "$wheel"/pgserver/pginstall/bin/* "$wheel"/pgserver/pginstall/lib/postgresql/pgxs/config/install-sh
		cp /usr/share/postgresql/15/extension/pgtap{.control,--*.sql} "$wheel/pgserver/pginstall/share/postgresql/extension/"
		echo $wheel_version >"$wheel/complete"
	fi
	exec 9>&-
}

# programs copies the installation. PostgreSQL finds its files relative to its binary, so the copy is a working one.
programs() {
	local wanted
	installation
	if [ "$PG" = 16 ]; then wanted=$wheel_version; else wanted=$(run /usr/lib/postgresql/"$PG"/bin/postgres --version); fi
	[ "$(cat "$home/complete" 2>/dev/null)" != "$wanted" ] || return 0
	rm -rf "$home"
	mkdir -p "$home"
	if [ "$PG" = 16 ]; then
		cp -a "$cache"/pg16/pgserver* "$home/"
	else
		mkdir -p "$home"/{lib,share,include}/postgresql
		run cp -a "/usr/lib/postgresql/$PG" "$home/lib/postgresql/"
		run cp -a "/usr/share/postgresql/$PG" "$home/share/postgresql/"
		rm -rf "$home/lib/postgresql/$PG/lib/bitcode"
		ln -s "/usr/include/postgresql/$PG" "/usr/include/postgresql/internal" "$home/include/postgresql/"
	fi
	[ "$(id -u)" != 0 ] || run chown postgres "$home"
	echo "$wanted" >"$home/complete"
}

running() { [ -f "$home/data/postmaster.pid" ] && kill -0 "$(head -n 1 "$home/data/postmaster.pid")" 2>/dev/null; }

cluster_make() {
	as_server rm -rf "$home/data"
	as_server "$bin/initdb" -D "$home/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync >"$dir/initdb.log" ||
		die "initdb failed, see $dir/initdb.log"
	cat >>"$home/data/postgresql.conf" <<-CONF
		listen_addresses = '127.0.0.1'
		port = $(free_ports 1)
		unix_socket_directories = '$home'
		shared_buffers = 256MB
		max_wal_size = 4GB
		fsync = off
		full_page_writes = off
		jit = off
		max_prepared_transactions = 4
		log_line_prefix = '%m [%p] %q%d '
		${PG_CONF:-}
	CONF
}

# sanitizers prints the settings under which a stock postgres runs libraries that were built with sanitizers.
sanitizers() {
	[ -n "${SANITIZE:-}" ] || return 0
	gcc -shared -fPIC -o "$home/no_translations.so" "$top/test/sanitize/no_translations.c"
	echo "LD_PRELOAD=$(gcc -print-file-name=libasan.so) $(gcc -print-file-name=libubsan.so) $home/no_translations.so"
	# PostgreSQL measures its stack, so the stack must be where it seems to be; what it leaves to exit() is no leak.
	echo "ASAN_OPTIONS=detect_leaks=0:abort_on_error=1:detect_stack_use_after_return=0"
	echo "UBSAN_OPTIONS=print_stacktrace=1:abort_on_error=1"
}

cluster_start() {
	local settings
	mapfile -t settings < <(sanitizers)
	as_server env "${settings[@]}" "$bin/pg_ctl" -D "$home/data" -l "$home/log" -w start >/dev/null ||
		{ tail -n 5 "$home/log" >&2; die "PostgreSQL $PG did not start, see $dir/log"; }
}

start() {
	mkdir -p "$dir"
	if ! running; then
		programs
		rm -f "$home/log"
		ln -sfn "$home/log" "$dir/log"
		cluster_make
		cluster_start
	fi
	status >&2
	print_env
}

install() {
	programs
	run make -s "-j${JOBS:-2}" PG_CONFIG="$bin/pg_config" install install-test
}

# peer installs mongo_fdw into the chroot, once, and from there into the copy.
peer() {
	local package=postgresql-18-mongo-fdw
	[ "$PG" = 18 ] || die "mongo_fdw is packaged for PostgreSQL 18, not for $PG"
	programs
	exec 9>"$cache/pg18.lock"
	flock 9
	if ! run dpkg-query -W $package >/dev/null 2>&1; then
		say "installing $package into $chroot, once"
		{ run apt-get -q -o Acquire::Check-Valid-Until=false update &&
			DEBIAN_FRONTEND=noninteractive run apt-get install -y -q --no-install-recommends $package &&
			run apt-get clean; } >"$cache/mongo_fdw.log" 2>&1 </dev/null ||
			{ tail -n 20 "$cache/mongo_fdw.log" >&2; die "could not install $package"; }
	fi
	exec 9>&-
	run sh -c "cp /usr/lib/postgresql/18/lib/mongo_fdw* $home/lib/postgresql/18/lib/ &&
		cp /usr/share/postgresql/18/extension/mongo_fdw* $home/share/postgresql/18/extension/"
}

print_env() {
	running || die "PostgreSQL $PG is not running"
	echo "export PG=$PG"
	echo "export PGHOST=$home"
	echo "export PGPORT=$(sed -n 4p "$home/data/postmaster.pid")"
	echo "export PGUSER=postgres"
	echo "export PGDATABASE=postgres"
	echo "export PG_CONFIG=$bin/pg_config"
}

restart() {
	running || die "PostgreSQL $PG is not running"
	as_server "$bin/pg_ctl" -D "$home/data" -m immediate -w stop >/dev/null
	cluster_start
}

status() {
	running || { echo "postgres: $PG is not running"; return 3; }
	echo "postgres: $PG at $home, port $(sed -n 4p "$home/data/postmaster.pid")"
}

stop() {
	! running || as_server "$bin/pg_ctl" -D "$home/data" -m immediate -w stop >/dev/null
	if [ -f "$home/log" ]; then
		rm -f "$dir/log"
		mv "$home/log" "$dir/log"
	fi
	rm -rf "$home"
	private_done
}

case ${1:-} in
	env) print_env ;;
	start | stop | install | peer | restart | status | run) "$@" ;;
	*) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0"; exit 2 ;;
esac
