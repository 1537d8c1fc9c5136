#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Sees to it that the RISC-V firmwares which the matrix names are in the cache: OpenSBI 1.1 (Debian 12's) and 1.6 (Debian 13's), whichever of
# the two systems this is. Ends with 0 in any case: what cannot be had is told in one line, and its cells are left out.
#
# Usage: ci/opensbi.sh
#
# Nothing is installed. What is not installed already comes as a package of 0.1 to 0.2 MB from the archive that this machine's apt reads
# (all releases share its pool), is checked by its sha256, and is unpacked to ~/.cache/hermit-harness/opensbi-VERSION.
# With both there it says nothing.
set -eu
umask 022
cache=${XDG_CACHE_HOME:-$HOME/.cache}/hermit-harness
helper=/usr/lib/apt/apt-helper
built=usr/lib/riscv64-linux-gnu/opensbi/generic

# Leaves the package VERSION-REVISION unpacked in folder NEW; fails with the reason on standard output.
unpack() {
	if [ "$(dpkg-query -W -f '${Version}' opensbi 2>/dev/null)" = "$1" ]; then
		mkdir -p "$3/$built" && cp "/$built/"* "$3/$built/"
		return
	fi
	[ -x $helper ] || {
		echo "there is no $helper here"
		return 1
	}
	# shellcheck disable=SC2016 # apt's variable
	archive=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' 'Component: main' | head -n 1)
	[ -n "$archive" ] || {
		echo "apt's lists name no archive of Debian's (apt-get update)"
		return 1
	}
	$helper -o APT::Sandbox::User= download-file "${archive%/}/pool/main/o/opensbi/opensbi_$1_all.deb" "$3/deb" "SHA256:$2" >"$3/log" 2>&1 ||
		{
			sed -n 's/^E: //p' "$3/log" | head -n 1
			return 1
		}
	dpkg -x "$3/deb" "$3"
}

# $1: package version, $2: the package's sha256
fetch() {
	folder=$cache/opensbi-${1%-*}
	[ ! -d "$folder" ] || return 0
	new=$(mktemp -d "$folder.XXXXXX")
	if reason=$(unpack "$1" "$2" "$new"); then
		mv -T "$new/$built" "$folder" 2>/dev/null || [ -d "$folder" ] # another run was quicker
	else
		echo "opensbi: no OpenSBI ${1%-*}, its cells are left out: $reason" >&2
	fi
	rm -rf "$new"
}

mkdir -p "$cache"
fetch 1.1-2 c122d09cff2439fd53ceeb3550257b001bc77cc87530c490a92bdb424bb4222a
fetch 1.6-1 dc4a43bd21a0ca11771ed8b19ee6fa8476d1d0f4976bd0b27c0357c699d27e1e
