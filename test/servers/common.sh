# Shared by the server scripts: where things live, free ports, chroots. Sourced, never run.
#
#   $top      the checkout
#   $state    build/servers: pids, ports and logs of the servers this checkout started; with PG_RECONCILE_INSTANCE=x
#             build/servers-x, so that the tests, the demo and what a developer started by hand do not share servers
#   $private  a short directory under /tmp that every user may traverse, for sockets and data directories
#   $cache    installations that are made once and shared by all checkouts of this user
# shellcheck shell=bash
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
state=$top/build/servers${PG_RECONCILE_INSTANCE:+-$PG_RECONCILE_INSTANCE}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/pg_reconcile
mkdir -p "$state" "$cache"

say() { echo "${0##*/}: $*" >&2; }
die() { say "$@"; exit 1; }

# private_dir sets $private. A checkout may sit where the server's user cannot go, or too deep for a socket's
# 107 bytes, so the directory is under /tmp and build/ holds the link to it.
private_dir() {
	local link=$state/private
	if [ ! -d "$link/" ]; then
		rm -f "$link"
		private=$(mktemp -d /tmp/pg_reconcile.XXXXXX)
		chmod 711 "$private"
		ln -s "$private" "$link"
	fi
	private=$(readlink "$link")
}

# private_done removes it when nothing is left in it.
private_done() {
	if rmdir "$private" 2>/dev/null; then rm -f "$state/private"; fi
}

# free_ports prints COUNT different free ports on loopback, one a line.
free_ports() {
	/usr/bin/python3 - "$1" <<-'PY'
		import socket, sys
		held = [socket.create_server(("127.0.0.1", 0)) for _ in range(int(sys.argv[1]))]
		print(*(s.getsockname()[1] for s in held), sep="\n")
	PY
}

# wait_for_port waits up to SECONDS until something accepts connections on PORT.
wait_for_port() {
	local port=$1 seconds=$2
	for _ in $(seq $((seconds * 10))); do
		(exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && return
		sleep 0.1
	done
	return 1
}

# runs tells whether the pid in FILE is alive and still runs PROGRAM (pids are reused).
runs() {
	local pid
	pid=$(cat "$1" 2>/dev/null) && [ "$(basename "$(readlink "/proc/$pid/exe")")" = "$2" ]
}

# stop_pid ends the PROGRAM whose pid is in FILE, and waits until it is gone.
stop_pid() {
	local file=$1 program=$2 pid
	if runs "$file" "$program"; then
		pid=$(cat "$file")
		kill "$pid" 2>/dev/null
		for _ in $(seq 100); do
			kill -0 "$pid" 2>/dev/null || break
			sleep 0.1
		done
	fi
	rm -f "$file"
}

# in_root runs a command inside chroot DIR, in the checkout if private_dir was called. All mounts are in a namespace of
# that command's own: they go away with its last process and can never be in the way of an rm.
in_root() {
	# shellcheck disable=SC2016
	unshare --mount --propagation private sh -c '
		set -e
		private=$1 top=$2 root=$3; shift 3
		mount -t proc proc "$root/proc"
		[ -n "$private" ] || exec chroot "$root" "$@"
		mount -t tmpfs -o mode=1777 tmp "$root/tmp"
		mkdir "$root$private" "$root/tmp/checkout"
		mount --bind "$private" "$root$private"
		mount --bind "$top" "$root/tmp/checkout"
		exec chroot "$root" env -C /tmp/checkout "$@"' sh "${private:-}" "$top" "$@"
}

# debian_mirror prints the address this machine's own apt takes Debian from.
debian_mirror() {
	# shellcheck disable=SC2016
	local format=(indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian')
	[ -n "$(apt-get "${format[@]}")" ] || apt-get update -qq >&2
	apt-get "${format[@]}" | sort -u | head -n 1
}

# chroot_install makes $cache/NAME a chroot of Debian SUITE with PACKAGES. The marker is written last and holds what
# was asked for: an interrupted or outdated one is made again. Only one process makes it, the others wait.
chroot_install() {
	local name=$1 suite=$2 root=$cache/$1 log=$cache/$1.log wanted
	shift 2
	wanted="$suite $*"
	exec 9>"$cache/$name.lock"
	flock 9
	if [ "$(cat "$root/complete" 2>/dev/null)" != "$wanted" ]; then
		[ "$(id -u)" = 0 ] || die "a Debian $suite chroot needs root"
		say "installing Debian $suite with $* into $root, once"
		rm -rf --one-file-system "$root"
		mkdir -p "$root"
		if ! { unshare --mount --propagation private \
				debootstrap --variant=minbase --include=ca-certificates "$suite" "$root" "$(debian_mirror)" &&
			cp /etc/resolv.conf /etc/hosts "$root/etc/" &&
			in_root "$root" apt-get -q -o Acquire::Check-Valid-Until=false update &&
			mkdir -p "$root/etc/postgresql-common" &&
			echo "create_main_cluster = false" >"$root/etc/postgresql-common/createcluster.conf" &&
			DEBIAN_FRONTEND=noninteractive in_root "$root" apt-get install -y -q --no-install-recommends \
				-o Dpkg::Options::=--force-confold "$@" &&
			in_root "$root" apt-get clean; } >"$log" 2>&1 </dev/null; then
			tail -n 20 "$log" >&2
			die "could not install the Debian $suite chroot, see $log"
		fi
		echo "$wanted" >"$root/complete"
	fi
	exec 9>&-
}
