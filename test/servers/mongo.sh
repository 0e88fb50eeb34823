#!/usr/bin/env bash
# A private MongoDB-compatible server on loopback, for tests and the demo.
#
#   mongo.sh start [--auth]   starts it (or finds it running) and prints its URI; --auth adds a second listener that
#                             wants a user and password (SCRAM-SHA-256)
#   mongo.sh uri [--auth]     prints the URI of the running server, of the one with password
#   mongo.sh env              prints export lines: MONGO_URI MONGO_HOSTS, and after start --auth MONGO_AUTH_URI
#                             MONGO_AUTH_HOSTS MONGO_AUTH_USER MONGO_AUTH_PASSWORD
#   mongo.sh status           says which server is used
#   mongo.sh stop             ends what this checkout started, and removes its data
#
# The first of these that is there is used, and named on standard error:
#   1. the server $MONGO_URI names (and $MONGO_AUTH_URI for --auth): nothing is started
#   2. a mongod on PATH
#   3. FerretDB on a PostgreSQL with documentdb, in a chroot of Debian sid; root only, made once, about 100 s
#   4. mongo-java-server from Maven (no passwords); an emergency choice, see the comment there
# PG_RECONCILE_MONGO=mongod|ferretdb|java skips the ones before it.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"

ferretdb_version=v2.7.0
java_version=1.47.0
root=$cache/mongo                  # the chroot of FerretDB's PostgreSQL
pgbin=/usr/lib/postgresql/18/bin   # inside it
dir=$state/mongo
auth_user=reconcile auth_password="p@ss:w/rd 1"
auth_userinfo="reconcile:p%40ss%3Aw%2Frd%201"

# remember stores which server is used and where it listens.
remember() {
	echo "$1" >"$dir/kind"
	echo "$2" >"$dir/uri"
}

running() {
	case $(cat "$dir/kind" 2>/dev/null) in
		given) true ;;
		mongod) runs "$dir/mongod.pid" mongod ;;
		ferretdb) runs "$dir/ferretdb.pid" ferretdb ;;
		java) runs "$dir/java.pid" java ;;
		*) false ;;
	esac
}

# background starts a server detached from this terminal and waits for its port: background NAME PORT COMMAND...
background() {
	local name=$1 port=$2
	shift 2
	setsid "$@" >"$dir/$name.log" 2>&1 </dev/null &
	echo $! >"$dir/$name.pid"
	wait_for_port "$port" 20 && return
	kill "$(cat "$dir/$name.pid")"
	die "$name did not start, see $dir/$name.log"
}

# create_user creates the user of the --auth listener through the open one at URI.
create_user() {
	/usr/bin/python3 - "$1" "$auth_user" "$auth_password" <<-'PY'
		import sys, pymongo
		uri, user, password = sys.argv[1:]
		pymongo.MongoClient(uri).admin.command("createUser", user, pwd=password, roles=[
			{"role": "clusterAdmin", "db": "admin"}, {"role": "readWriteAnyDatabase", "db": "admin"}])
	PY
}

mongod_start() {
	local port
	port=$(free_ports 1)
	mkdir -p "$private/mongod"
	background mongod "$port" mongod --dbpath "$private/mongod" --bind_ip 127.0.0.1 --port "$port"
	remember mongod "mongodb://127.0.0.1:$port"
}

mongod_start_auth() {
	local port
	port=$(free_ports 1)
	mkdir -p "$private/mongod-auth"
	background mongod-auth "$port" mongod --auth --dbpath "$private/mongod-auth" --bind_ip 127.0.0.1 --port "$port"
	create_user "mongodb://127.0.0.1:$port"    # the first user may be created without a password, from localhost
	echo "mongodb://$auth_userinfo@127.0.0.1:$port/" >"$dir/auth_uri"
}

# ferretdb_possible: a chroot needs root, and the right to mount (containers: --privileged).
ferretdb_possible() {
	[ "$(id -u)" = 0 ] && unshare --mount --propagation private true 2>/dev/null && command -v debootstrap >/dev/null
}

# as_db runs a PostgreSQL program in the chroot as its user.
as_db() { in_root "$root" runuser -u postgres -- "$@"; }

# ferretdb_install makes the chroot, a cluster to copy for each checkout, and the FerretDB binary.
ferretdb_install() {
	chroot_install mongo sid postgresql-18 postgresql-18-documentdb
	exec 9>"$cache/ferretdb.lock"
	flock 9
	if [ ! -x "$cache/ferretdb-$ferretdb_version/ferretdb" ]; then
		say "building FerretDB $ferretdb_version, once"
		ferretdb_build >"$cache/ferretdb.log" 2>&1 || { tail "$cache/ferretdb.log" >&2; die "could not build FerretDB"; }
	fi
	[ -f "$root/srv/template.complete" ] || ferretdb_template
	exec 9>&-
}

# ferretdb_build compiles with the machine's Go if that is new enough, else with Debian sid's, in the chroot.
ferretdb_build() {
	local package=github.com/FerretDB/FerretDB/v2/cmd/ferretdb@$ferretdb_version
	local bin=$root/srv/gobin
	rm -rf "$bin"
	if ! { command -v go && GOTOOLCHAIN=local CGO_ENABLED=0 GOBIN=$bin go install "$package"; }; then
		ferretdb_build_in_chroot "$package" || return
	fi
	mkdir -p "$cache/ferretdb-$ferretdb_version"
	mv "$bin/ferretdb" "$cache/ferretdb-$ferretdb_version/"
}

# ferretdb_build_in_chroot leaves the binary in /srv/gobin there, and takes the compiler out again. The machine's own
# certificates are used, since it may reach the world through a proxy that only it knows.
ferretdb_build_in_chroot() {
	local package=$1 status=0
	local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -y -q)
	in_root "$root" "${apt[@]}" install --no-install-recommends golang-go || return
	cp /etc/ssl/certs/ca-certificates.crt "$root/srv/ca.crt"
	in_root "$root" env GOTOOLCHAIN=local CGO_ENABLED=0 SSL_CERT_FILE=/srv/ca.crt \
		GOBIN=/srv/gobin GOPATH=/srv/go GOCACHE=/srv/gocache GOFLAGS=-modcacherw go install "$package" || status=1
	in_root "$root" "${apt[@]}" purge --autoremove golang-go
	rm -rf "$root/srv/go" "$root/srv/gocache"
	return $status
}

# ferretdb_template prepares a cluster with the extension, which takes longer than copying one.
ferretdb_template() {
	local log=/srv/template/log port
	port=$(free_ports 1)
	rm -rf "$root/srv/template"
	in_root "$root" install -d -o postgres /srv/template
	as_db $pgbin/initdb -D /srv/template -A trust -U postgres --no-sync >"$cache/template.log"
	cat >>"$root/srv/template/postgresql.conf" <<-CONF
		listen_addresses = '127.0.0.1'
		unix_socket_directories = ''
		shared_preload_libraries = 'pg_cron,pg_documentdb_core,pg_documentdb'
		cron.database_name = 'postgres'
		fsync = off
	CONF
	as_db $pgbin/pg_ctl -D /srv/template -o "-p $port" -l $log -w start >>"$cache/template.log"
	for _ in 1 2 3 4 5; do      # the extension's own background workers start first and can be in the way
		as_db psql -qh 127.0.0.1 -p "$port" -U postgres -c 'CREATE EXTENSION IF NOT EXISTS documentdb CASCADE' \
			>>"$cache/template.log" 2>&1 && break
		sleep 1
	done
	as_db $pgbin/pg_ctl -D /srv/template -m fast -w stop >>"$cache/template.log"
	grep -q 'ERROR.*extension' "$cache/template.log" && die "could not create extension documentdb, see $cache/template.log"
	touch "$root/srv/template.complete"
}

ferretdb_start() {
	local ports data
	ferretdb_install
	data=$private/mongo
	mapfile -t ports < <(free_ports 2)
	cp -a "$root/srv/template" "$data"
	echo "$data" >"$dir/data"
	echo "postgres://postgres@127.0.0.1:${ports[0]}/postgres" >"$dir/backend"
	as_db $pgbin/pg_ctl -D "$data" -o "-p ${ports[0]}" -l "$data/log" -w start >/dev/null ||
		die "FerretDB's PostgreSQL did not start, see $data/log"
	ferretdb_listen ferretdb "${ports[1]}" --no-auth
	remember ferretdb "mongodb://127.0.0.1:${ports[1]}"
}

# ferretdb_listen starts FerretDB in front of the running PostgreSQL: ferretdb_listen NAME PORT [OPTION...]
ferretdb_listen() {
	local name=$1 port=$2
	shift 2
	mkdir -p "$dir/$name.state"
	background "$name" "$port" "$cache/ferretdb-$ferretdb_version/ferretdb" --postgresql-url="$(cat "$dir/backend")" \
		--listen-addr="127.0.0.1:$port" --debug-addr=- --state-dir="$dir/$name.state" --telemetry=disable \
		--log-level=error "$@"
}

ferretdb_start_auth() {
	local port
	port=$(free_ports 1)
	create_user "$(cat "$dir/uri")"
	ferretdb_listen ferretdb-auth "$port"
	echo "mongodb://$auth_userinfo@127.0.0.1:$port/" >"$dir/auth_uri"
}

# java_start starts mongo-java-server. It reports wrong nInserted counts and ignores update.ordered, so tests of
# partial bulk failures do not pass on it.
java_start() {
	local port lib=$cache/mongo-java-server-$java_version
	command -v mvn >/dev/null || die "no MongoDB: set MONGO_URI, or install mongod, or be root with the right to mount, or install maven"
	if [ ! -f "$lib/complete" ]; then
		say "fetching mongo-java-server $java_version, once"
		mkdir -p "$lib"
		sed "s/@VERSION@/$java_version/" "$top/test/servers/mongo-java-server.xml" >"$lib/pom.xml"
		mvn -q -B -f "$lib/pom.xml" dependency:copy-dependencies -DoutputDirectory="$lib" >"$lib/log" 2>&1 ||
			{ tail "$lib/log" >&2; die "could not fetch mongo-java-server"; }
		touch "$lib/complete"
	fi
	port=$(free_ports 1)
	background java "$port" java -cp "$lib/*" "$top/test/servers/LocalMongoServer.java" "$port"
	remember java "mongodb://127.0.0.1:$port"
}

# choose prints which server to use. A MONGO_URI left in the shell from a server of ours that has ended does not count.
choose() {
	local choice=${PG_RECONCILE_MONGO:-}
	if [ -n "$choice" ]; then echo "$choice"
	elif [ -n "${MONGO_URI:-}" ] && [ "$MONGO_URI" != "$(cat "$state/mongo.last" 2>/dev/null)" ]; then echo given
	elif command -v mongod >/dev/null; then echo mongod
	elif ferretdb_possible; then echo ferretdb
	else echo java
	fi
}

start() {
	local kind
	if ! running; then
		stop
		mkdir -p "$dir"
		private_dir
		kind=$(choose)
		case $kind in
			given) remember given "$MONGO_URI" ;;
			mongod | ferretdb | java) "${kind}_start" ;;
			*) die "PG_RECONCILE_MONGO is mongod, ferretdb or java, not $kind" ;;
		esac
	fi
	[ "${1:-}" != --auth ] || start_auth
	status >&2
	uri "${1:-}"
}

start_auth() {
	local kind
	kind=$(cat "$dir/kind")
	[ ! -f "$dir/auth_uri" ] || return 0
	case $kind in
		given) echo "${MONGO_AUTH_URI:?set it to use --auth with MONGO_URI}" >"$dir/auth_uri" ;;
		mongod | ferretdb) "${kind}_start_auth" ;;
		java) die "mongo-java-server knows no passwords" ;;
	esac
}

uri() {
	running || die "not running"
	[ "${1:-}" != --auth ] || { cat "$dir/auth_uri" 2>/dev/null || die "not started with --auth"; return; }
	cat "$dir/uri"
}

# print_env prints the URIs and their parts, since reconcile_mongo takes the parts.
print_env() {
	running || die "not running"
	/usr/bin/python3 - "$(cat "$dir/uri")" "$(cat "$dir/auth_uri" 2>/dev/null)" <<-'PY'
		import shlex, sys
		from urllib.parse import unquote
		def export(prefix, uri):
		    userinfo, _, hosts = uri.partition("//")[2].partition("/")[0].rpartition("@")
		    user, _, password = userinfo.partition(":")
		    values = {"URI": uri, "HOSTS": hosts, "USER": unquote(user), "PASSWORD": unquote(password)}
		    for name, value in values.items():
		        if value:
		            print(f"export {prefix}_{name}={shlex.quote(value)}")
		export("MONGO", sys.argv[1])
		export("MONGO_AUTH", sys.argv[2])
	PY
}

status() {
	running || { echo "mongo: not running"; return 3; }
	case $(cat "$dir/kind") in
		given) echo "mongo: the server of MONGO_URI" ;;
		mongod) echo "mongo: mongod at $(cat "$dir/uri")" ;;
		ferretdb) echo "mongo: FerretDB $ferretdb_version at $(cat "$dir/uri")" ;;
		java) echo "mongo: mongo-java-server $java_version at $(cat "$dir/uri")" ;;
	esac
}

stop() {
	local data name
	for name in mongod mongod-auth; do stop_pid "$dir/$name.pid" mongod; done
	for name in ferretdb ferretdb-auth; do stop_pid "$dir/$name.pid" ferretdb; done
	stop_pid "$dir/java.pid" java
	private_dir
	if [ -f "$dir/data" ]; then
		data=$(cat "$dir/data")
		as_db $pgbin/pg_ctl -D "$data" -m immediate -w stop >/dev/null 2>&1 || true
		in_root "$root" rm -rf "$data"
	fi
	[ ! -f "$dir/uri" ] || [ "$(cat "$dir/kind")" = given ] || cp "$dir/uri" "$state/mongo.last"
	rm -rf "$dir" "$private/mongod" "$private/mongod-auth"
	private_done
}

case ${1:-} in
	start | uri | status | stop) "$@" ;;
	env) print_env ;;
	*) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0"; exit 2 ;;
esac
