#!/usr/bin/env bash
# make demo: from a bare Debian 12 machine to a repaired example one can look around in.
#
#   demo.sh start    packages, build, a private PostgreSQL 15, a MongoDB server, then examples/demo.sh
#   demo.sh stop     ends the servers and removes their data
#
# examples/demo.sh gets PGHOST PGPORT PGUSER PGDATABASE (a new database, demo) and the MONGO_* variables of
# test/servers/mongo.sh env. Every start begins with new, empty servers.
set -euo pipefail
cd "$(dirname "$0")/.."
export PG=15 PG_RECONCILE_INSTANCE=demo
servers=test/servers
log=build/demo.log

stop() {
	"$servers/mongo.sh" stop
	"$servers/postgres.sh" stop
}

# failed leaves no server behind, the one that is still being started included.
failed() {
	echo "make demo: failed, see above and $log; the servers are stopped" >&2
	wait
	stop
}

start() {
	scripts/dependencies.sh
	stop
	mkdir -p build
	trap failed EXIT
	"$servers/postgres.sh" start >/dev/null
	# the first time the MongoDB server takes longest to install, and leaves a processor free for the compiler
	"$servers/mongo.sh" start >/dev/null &
	mongo=$!
	echo "building; the first time this takes a few minutes, see $log"
	"$servers/postgres.sh" install >"$log" 2>&1 || { tail -n 30 "$log" >&2; exit 1; }
	wait $mongo
	eval "$("$servers/postgres.sh" env)"
	eval "$("$servers/mongo.sh" env)"
	psql -qXc 'CREATE DATABASE demo'
	export PGDATABASE=demo
	examples/demo.sh
	trap - EXIT
	cat <<-END

		The servers keep running. To look around:
		    psql -h $PGHOST -p $PGPORT -U $PGUSER $PGDATABASE
		MongoDB is at $MONGO_URI, database pg_reconcile_demo.
		To end them and remove their data:
		    make demo-stop
	END
}

case ${1:-} in
	start) start ;;
	stop) stop && echo "the demo's servers are stopped, their data is removed" ;;
	*) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0"; exit 2 ;;
esac
