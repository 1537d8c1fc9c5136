#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Runs commands as on a fresh machine: in an empty Debian root with an empty home, on a clone of
# HEAD. Prints the time and the last lines of each command.
#
# Usage: ci/fresh.sh [COMMAND...]          (as root; default commands: "make run" "make test")
# Environment: SUITE=bookworm|trixie       the release of Debian (default: bookworm)
#              FRESH_DIR=DIR            where the root is created (default: build/fresh); 8 GB
#              KEEP=1                      do not remove the root at the end
#
# The root contains Debian's base system, git, make and certificates, and uses the package
# registries as this machine does (ci/debian-root.sh). The commands get the proxy variables.
# Mounts and processes are in namespaces of their own, which end with the script.
set -eu

# ---- inside: PID 1 of the new namespaces; $2 is the root, then come the commands ----
if [ "${1:-}" = --inside ]; then
	root=$2
	shift 2
	mount --bind "$root" "$root"
	mount -t proc proc "$root/proc"
	mount --rbind /sys "$root/sys"
	mount --rbind /dev "$root/dev"
	mount -t tmpfs tmpfs "$root/run"
	# Not chroot: a process in a chroot cannot create a user namespace, which the harness needs.
	cd "$root"
	mkdir -p .old
	pivot_root . .old
	exec /bin/sh /fresh/inside.sh "$@"
fi

die() {
	echo "ci/fresh.sh: $1" >&2
	exit 1
}

cd "$(dirname "$0")/.."
suite=${SUITE:-bookworm}
[ "$(id -u)" = 0 ] || die "creates a Debian root and mounts, which needs root: sudo make fresh"
for tool in unshare pivot_root git; do
	command -v $tool >/dev/null ||
		die "$tool is missing: apt-get install util-linux git"
done
[ $# -gt 0 ] || set -- 'make run' 'make test'

dir=${FRESH_DIR:-build/fresh}
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
root=$dir/$suite

# shellcheck disable=SC2317 # called by the trap
remove_root() {
	# --one-file-system: spares the content of a mount that has leaked into this namespace
	[ "${KEEP:-}" = 1 ] || rm -rf --one-file-system "$root"
}
trap 'remove_root' EXIT
# PID 1 of a namespace ignores all signals except SIGKILL, and unshare forwards none.
inside=
trap '[ -z "$inside" ] || kill -KILL "$inside"; exit 130' INT TERM HUP
rm -rf --one-file-system "$root"

ci/debian-root.sh "$root" "$suite" git,make

mkdir -p "$root/fresh"
git clone -q --bare --no-hardlinks . "$root/fresh/hermit-loader.git"
[ ! -d build/dist ] || cp -r build/dist "$root/fresh/dist" # for ci/try-install.sh
# http_proxy, https_proxy, ftp_proxy, all_proxy and no_proxy, in upper or lower case.
proxies='([Hh][Tt][Tt][Pp][Ss]?|[Ff][Tt][Pp]|[Aa][Ll][Ll]|[Nn][Oo])_[Pp][Rr][Oo][Xx][Yy]'
clients='PIP_[A-Z_]*|CARGO_(HTTP|NET|REGISTRIES|SOURCE)_[A-Z_]*'
certificates='SSL_CERT_(FILE|DIR)|CURL_CA_BUNDLE|REQUESTS_CA_BUNDLE|GIT_SSL_CAINFO'
env | grep -E "^($proxies|$clients|$certificates)=" >"$root/fresh/environment" || true
cat >"$root/fresh/inside.sh" <<'EOF'
# Runs each argument as a command in a clone. Writes `seconds status command` to /fresh/result.
path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
umount -l /.old && rmdir /.old
cd /root && git clone -q /fresh/hermit-loader.git hermit-loader && cd hermit-loader || exit 1
echo "clone: $(git log -1 --format='%h %s')"
status=0
for command in "$@"; do
	echo "\$ $command"
	started=$(date +%s)
	# Ctrl-C works in the commands although `&` has made this shell ignore it.
	set -- env -i --default-signal=INT,QUIT
	set -- "$@" HOME=/root USER=root LANG=C.UTF-8 TERM=dumb PATH=$path
	while IFS= read -r line; do set -- "$@" "$line"; done </fresh/environment
	{ "$@" sh -c "$command" </dev/null 2>&1; echo $? >/fresh/rc; } | tee /fresh/output
	rc=$(cat /fresh/rc)
	echo "$(($(date +%s) - started)) $rc $command" >>/fresh/result
	echo "last lines of \`$command\`:" >>/fresh/last
	tail -n 12 /fresh/output | sed 's/^/    /' >>/fresh/last
	[ $rc = 0 ] || { status=1; break; }
done
exit $status
EOF

# ---- run ----
status=0
unshare --mount --propagation private --pid --fork --kill-child \
	ci/fresh.sh --inside "$root" "$@" &
inside=$!
wait "$inside" || status=$?
inside=

echo
echo "Debian $suite, $(git --git-dir="$root/fresh/hermit-loader.git" log -1 --format='%h %s'):"
cat "$root/fresh/last" 2>/dev/null || true
echo
while read -r seconds rc command; do
	printf '%-12s %5d s   exit status %s\n' "$command" "$seconds" "$rc"
done <"$root/fresh/result" || status=1
if [ -d "$root/root/hermit-loader/build/report" ]; then
	rm -rf "$dir/report-$suite"
	cp -r "$root/root/hermit-loader/build/report" "$dir/report-$suite"
fi
exit $status
