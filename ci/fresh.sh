#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# A fresh machine in a folder: an empty Debian root with an empty home in which the README's commands are typed on a
# clone of HEAD. Prints the time and the last lines of each.
#
# Usage: ci/fresh.sh [COMMAND...]          (as root; default commands: "make run" "make test")
# Environment: SUITE=bookworm|trixie       Debian's release (default bookworm)
#              MIRROR=url                  where debootstrap reads (default: as this machine's apt)
#              FRESH_DIR=folder            where the root is made (default build/fresh); needs about 8 GB
#              KEEP=1                      leave the root there
# Only git, make and certificates stand in the root beside the base system. The way to the registries is this machine's:
# apt's sources and settings, certificates, pip's and cargo's configuration and the proxy variables are carried in.
# All mounts are made in a mount namespace of its own and all processes live in a PID namespace: both vanish with the script.
set -eu

# ---- the inside: PID 1 of the new namespaces; $2 is the root, the rest are the commands -------------------------------
if [ "${1:-}" = --inside ]; then
	root=$2
	shift 2
	mount --bind "$root" "$root"
	mount -t proc proc "$root/proc"
	mount --rbind /sys "$root/sys"
	mount --rbind /dev "$root/dev"
	mount -t tmpfs tmpfs "$root/run"
	# pivot_root and not chroot: in a chroot no user namespace can be made, and the harness makes some
	cd "$root"
	mkdir -p .old
	pivot_root . .old
	exec /bin/sh /fresh/inside.sh "$@"
fi

cd "$(dirname "$0")/.."
suite=${SUITE:-bookworm}
[ "$(id -u)" = 0 ] || {
	echo "ci/fresh.sh makes a Debian root and mounts: it needs root (try: sudo make fresh)." >&2
	exit 1
}
for tool in debootstrap unshare pivot_root git; do
	command -v $tool >/dev/null || {
		echo "ci/fresh.sh needs $tool: apt-get install debootstrap util-linux git" >&2
		exit 1
	}
done
[ $# -gt 0 ] || set -- 'make run' 'make test'

dir=${FRESH_DIR:-build/fresh}
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
root=$dir/$suite
log=$dir/$suite.log

# shellcheck disable=SC2317 # called by the trap
remove_root() {
	# --one-file-system: should a mount have leaked all the same, what is mounted stays untouched
	[ "${KEEP:-}" = 1 ] || rm -rf --one-file-system "$root"
}
trap 'remove_root' EXIT
# PID 1 of a namespace hears no signal but SIGKILL, and unshare passes none on
inside=
trap '[ -z "$inside" ] || kill -KILL "$inside"; exit 130' INT TERM HUP
rm -rf --one-file-system "$root"

# ---- this machine's way to Debian's archive ----------------------------------------------------------------------------
# shellcheck source=/dev/null
codename=$(
	. /etc/os-release
	echo "${VERSION_CODENAME:-}"
)
sources=$dir/$suite.sources
# One-line sources of Debian's own suites, of both formats; the host's release is renamed to the wanted one.
sources_of() {
	cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
		awk -v code="$codename" '$1 == "deb" { i = 2; if ($2 ~ /^\[/) while ($(i++) !~ /\]$/); if ($(i + 1) ~ "^" code "(-|$)") print "deb", $i, $(i + 1), "main" }'
	cat /etc/apt/sources.list.d/*.sources 2>/dev/null |
		awk -v code="$codename" -v RS='' '
			{ uris = suites = ""
			  n = split($0, line, "\n")
			  for (i = 1; i <= n; i++) { if (sub(/^URIs: */, "", line[i])) uris = line[i]; else if (sub(/^Suites: */, "", line[i])) suites = line[i] }
			  m = split(suites, s, " "); split(uris, u, " ")
			  for (i = 1; i <= m; i++) if (s[i] ~ "^" code "(-|$)") print "deb", u[1], s[i], "main" }'
}
sources_of | sed "s/ $codename\\([- ]\\)/ $suite\\1/" | sort -u >"$sources"
mirror=${MIRROR:-$(awk -v suite="$suite" '$3 == suite { print $2; exit }' "$sources")}

echo "Making an empty Debian $suite in $root ..."
started=$(date +%s)
# shellcheck disable=SC2086 # no mirror: debootstrap's own
debootstrap --variant=minbase --include=git,make,ca-certificates "$suite" "$root" $mirror >"$log" 2>&1 ||
	{
		tail -n 20 "$log" >&2
		echo "debootstrap failed; the whole log is $log" >&2
		exit 1
	}
echo "  done in $(($(date +%s) - started)) s."

# ---- carry in the configuration of the registries -----------------------------------------------------------------------
# --remove-destination: links in the root are absolute, and outside of it they point to files of this machine
carry() {
	for file in "$@"; do
		[ ! -e "$file" ] || { mkdir -p "$root$(dirname "$file")" && cp -rL --remove-destination "$file" "$root$(dirname "$file")/"; }
	done
}
carry /etc/resolv.conf /etc/hosts /etc/pip.conf /etc/xdg/pip /usr/local/share/ca-certificates
chroot "$root" update-ca-certificates >>"$log" 2>&1
carry /etc/ssl/certs/ca-certificates.crt
for file in /etc/apt/apt.conf.d/*; do
	dpkg -S "$file" >/dev/null 2>&1 || carry "$file" # settings of the machine, not those of a package
done
[ ! -s "$sources" ] || {
	rm -f "$root"/etc/apt/sources.list.d/*
	cp "$sources" "$root/etc/apt/sources.list"
}
for file in .config/pip .pip .cargo/config .cargo/config.toml; do
	[ ! -e "$HOME/$file" ] || { mkdir -p "$root/root/$(dirname "$file")" && cp -rL "$HOME/$file" "$root/root/$file"; }
done

mkdir -p "$root/fresh"
git clone -q --bare --no-hardlinks . "$root/fresh/hermit-loader.git"
env | grep -E '^(([Hh][Tt][Tt][Pp][Ss]?|[Ff][Tt][Pp]|[Aa][Ll][Ll]|[Nn][Oo])_[Pp][Rr][Oo][Xx][Yy]|PIP_[A-Z_]*|CARGO_(HTTP|NET|REGISTRIES|SOURCE)_[A-Z_]*|SSL_CERT_(FILE|DIR)|CURL_CA_BUNDLE|REQUESTS_CA_BUNDLE|GIT_SSL_CAINFO)=' \
	>"$root/fresh/environment" || true
cat >"$root/fresh/inside.sh" <<'EOF'
# Runs each argument as a command in a clone; writes `seconds status command` lines to /fresh/result.
umount -l /.old && rmdir /.old
cd /root && git clone -q /fresh/hermit-loader.git hermit-loader && cd hermit-loader || exit 1
echo "clone: $(git log -1 --format='%h %s')"
status=0
for command in "$@"; do
	echo "\$ $command"
	started=$(date +%s)
	# nothing else of the machine outside is known here; Ctrl-C is on again, which `&` switched off
	set -- env -i --default-signal=INT,QUIT HOME=/root USER=root LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb
	while IFS= read -r line; do set -- "$@" "$line"; done </fresh/environment
	{ "$@" sh -c "$command" </dev/null 2>&1; echo $? >/fresh/rc; } | tee /fresh/output
	rc=$(cat /fresh/rc)
	echo "$(($(date +%s) - started)) $rc $command" >>/fresh/result
	{ echo "last lines of \`$command\`:"; tail -n 12 /fresh/output | sed 's/^/    /'; } >>/fresh/last
	[ $rc = 0 ] || { status=1; break; }
done
exit $status
EOF

# ---- run --------------------------------------------------------------------------------------------------------------
status=0
unshare --mount --propagation private --pid --fork --kill-child ci/fresh.sh --inside "$root" "$@" &
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
