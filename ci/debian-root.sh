#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Creates an empty Debian root that uses the package registries as this machine does: apt's sources
# and settings, certificates, and the configuration of pip and cargo are copied into it.
#
# Usage: ci/debian-root.sh DIR SUITE [PACKAGE,...]      (as root; the directory must not exist)
# Environment: MIRROR=URL       the archive for debootstrap (default: that of apt here)
# DIR.log has the output of debootstrap, DIR.sources the sources.
set -eu

die() {
	echo "ci/debian-root.sh: $1" >&2
	exit 1
}
root=$1 suite=$2 packages=ca-certificates${3:+,$3}
log=$root.log
[ "$(id -u)" = 0 ] || die "creates a Debian root and mounts, which needs root"
command -v debootstrap >/dev/null || die "debootstrap is missing: apt-get install debootstrap"

# ---- the archive that this machine uses ----
# shellcheck source=/dev/null
codename=$(
	. /etc/os-release
	echo "${VERSION_CODENAME:-}"
)
sources=$root.sources
# Prints apt's sources of this machine's release, of both formats, as one-line sources.
sources_of() {
	cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
		awk -v code="$codename" '
			$1 == "deb" {
				i = 2
				if ($2 ~ /^\[/) while ($(i++) !~ /\]$/);
				if ($(i + 1) ~ "^" code "(-|$)") print "deb", $i, $(i + 1), "main"
			}'
	cat /etc/apt/sources.list.d/*.sources 2>/dev/null |
		awk -v code="$codename" -v RS='' '{
			uris = suites = ""
			n = split($0, line, "\n")
			for (i = 1; i <= n; i++) {
				if (sub(/^URIs: */, "", line[i])) uris = line[i]
				else if (sub(/^Suites: */, "", line[i])) suites = line[i]
			}
			m = split(suites, s, " ")
			split(uris, u, " ")
			for (i = 1; i <= m; i++)
				if (s[i] ~ "^" code "(-|$)") print "deb", u[1], s[i], "main"
		}'
}
# The wanted release takes the place of this machine's release.
sources_of | sed "s/ $codename\\([- ]\\)/ $suite\\1/" | sort -u >"$sources"
mirror=${MIRROR:-$(awk -v suite="$suite" '$3 == suite { print $2; exit }' "$sources")}

echo "Creating an empty Debian $suite in $root ..."
started=$(date +%s)
# shellcheck disable=SC2086 # without a mirror, debootstrap has a default
debootstrap --variant=minbase --include="$packages" "$suite" "$root" $mirror \
	>"$log" 2>&1 || {
	tail -n 20 "$log" >&2
	die "debootstrap failed; the complete log is $log"
}
echo "  done in $(($(date +%s) - started)) s."

# ---- the configuration of the package registries ----
# --remove-destination: a copy to an absolute link in the root would change a file of this machine
carry() {
	for file in "$@"; do
		[ -e "$file" ] || continue
		mkdir -p "$root$(dirname "$file")"
		cp -rL --remove-destination "$file" "$root$(dirname "$file")/"
	done
}
carry /etc/resolv.conf /etc/hosts /etc/pip.conf /etc/xdg/pip /usr/local/share/ca-certificates
chroot "$root" update-ca-certificates >>"$log" 2>&1
carry /etc/ssl/certs/ca-certificates.crt
for file in /etc/apt/apt.conf.d/*; do
	# only the settings of this machine, not those of a package
	dpkg -S "$file" >/dev/null 2>&1 || carry "$file"
done
[ ! -s "$sources" ] || {
	rm -f "$root"/etc/apt/sources.list.d/*
	cp "$sources" "$root/etc/apt/sources.list"
}
for file in .config/pip .pip .cargo/config .cargo/config.toml; do
	[ -e "$HOME/$file" ] || continue
	mkdir -p "$root/root/$(dirname "$file")"
	cp -rL "$HOME/$file" "$root/root/$file"
done
