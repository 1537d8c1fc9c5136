#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Gets the RISC-V firmware versions that the matrix names: OpenSBI 1.1 of Debian 12 and 1.6 of
# Debian 13. Exits with 0 in any case. If a version is not available, one line gives the reason,
# and the matrix omits its cells.
#
# Usage: ci/opensbi.sh [APP]
#   APP    only if this file or real fixture is for RISC-V and QEMU's own firmware has no debug
#          console, which its kernel prints through: get version 1.6
#
# Nothing is installed. The installed version is copied. The other one is a package of at most
# 0.2 MB from the archive that apt uses here, since all Debian releases share one pool. Its SHA-256
# is checked. Each version is unpacked to ~/.cache/hermit-harness/opensbi-VERSION. If both are
# there, the script prints nothing.
set -eu
umask 022
cache=${XDG_CACHE_HOME:-$HOME/.cache}/hermit-harness
helper=/usr/lib/apt/apt-helper
built=usr/lib/riscv64-linux-gnu/opensbi/generic
licence=usr/share/doc/opensbi/copyright

# Prints the address of the archive that apt's lists name.
archive() {
	# shellcheck disable=SC2016 # apt's variable
	apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' \
		'Origin: Debian' 'Label: Debian' 'Component: main' | head -n 1
}

# unpack VERSION-REVISION SHA256 DIR: unpacks the package; on failure prints the reason.
unpack() {
	if [ "$(dpkg-query -W -f '${Version}' opensbi 2>/dev/null)" = "$1" ]; then
		mkdir -p "$3/$built" && cp "/$built/"* "/$licence" "$3/$built/"
		return
	fi
	[ -x $helper ] || {
		echo "$helper is missing"
		return 1
	}
	from=$(archive)
	[ -n "$from" ] || {
		echo "apt's lists name no Debian archive (try apt-get update)"
		return 1
	}
	deb=${from%/}/pool/main/o/opensbi/opensbi_$1_all.deb
	$helper -o APT::Sandbox::User= download-file "$deb" "$3/deb" "SHA256:$2" \
		>"$3/log" 2>&1 || {
		sed -n 's/^E: //p' "$3/log" | head -n 1
		return 1
	}
	dpkg -x "$3/deb" "$3" && cp "$3/$licence" "$3/$built/"
}

# fetch VERSION-REVISION SHA256
fetch() {
	directory=$cache/opensbi-${1%-*}
	[ ! -d "$directory" ] || return 0
	new=$(mktemp -d "$directory.XXXXXX")
	if reason=$(unpack "$1" "$2" "$new"); then
		# another process may have created the directory meanwhile
		mv -T "$new/$built" "$directory" 2>/dev/null || [ -d "$directory" ]
	else
		echo "opensbi: OpenSBI ${1%-*} is not available, its cells are omitted: $reason" >&2
	fi
	rm -rf "$new"
}

# Whether an application needs a debug console that QEMU's own firmware does not have. The bytes at
# offset 18 of an ELF file are the CPU (EM_RISCV is 243).
needs_console() {
	if [ -f "$1" ]; then
		[ "$(od -An -tx1 -j18 -N1 "$1")" = " f3" ] || return 1
	else
		[ -f "build/fixtures/real/riscv64/$1" ] || return 1
	fi
	! grep -q dbcn /usr/share/qemu/opensbi-riscv64-generic-fw_dynamic.bin 2>/dev/null
}

cd "$(dirname "$0")/.."
if [ $# -gt 0 ] && ! needs_console "$1"; then exit 0; fi
mkdir -p "$cache"
[ $# -gt 0 ] || fetch 1.1-2 c122d09cff2439fd53ceeb3550257b001bc77cc87530c490a92bdb424bb4222a
fetch 1.6-1 dc4a43bd21a0ca11771ed8b19ee6fa8476d1d0f4976bd0b27c0357c699d27e1e
