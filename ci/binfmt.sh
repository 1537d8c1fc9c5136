#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Lets Linux start Hermit applications as programs: `./app one two` calls `proxy ./app one two`.
#
# Usage: ci/binfmt.sh install|uninstall|print
# Environment: PREFIX=DIR    where `make install` has put bin/proxy; default /opt/hermit, else the
#                            checkout's own
#
# The registration ends with the system. `print` shows the lines for /etc/binfmt.d/hermit.conf, by
# which systemd registers at each boot.
set -eu
cd "$(dirname "$0")/.."
files=/proc/sys/fs/binfmt_misc
proxy=${PREFIX:-/opt/hermit}/bin/proxy
[ -x "$proxy" ] || proxy=$PWD/build/venv/bin/proxy

fail() {
	echo "binfmt: $*" >&2
	exit 1
}

# Prints NAME and the line that registers it. Hermit's applications are 64-bit ELF files whose
# EI_OSABI (byte 7) is 0xff since August 2018, and was 0x42 before. Byte 5 is the byte order.
lines() {
	mask='\xff\xff\xff\xff\xff\x00\xff\xff'
	for osabi in ff 42; do
		magic="\\x7fELF\\x02\\x00\\x01\\x$osabi"
		printf '%s %s\n' "hermit-$osabi" ":hermit-$osabi:M:0:$magic:$mask:$proxy:"
	done
}

remove() {
	lines | while read -r name _; do
		[ ! -e "$files/$name" ] || printf '%s' -1 >"$files/$name"
	done
}

case ${1:-} in
	install)
		[ -x "$proxy" ] || fail "no $proxy: run make install or make run first"
		[ -e "$files/register" ] || mount -t binfmt_misc binfmt_misc "$files" 2>/dev/null ||
			fail "$files is not mounted: sudo make install-binfmt"
		[ -w "$files/register" ] || fail "only root may register: sudo make install-binfmt"
		remove
		lines | while read -r name line; do
			printf '%s' "$line" >"$files/register" ||
				fail "$name: the kernel refuses $line"
			echo "$name: $proxy runs such files"
		done
		;;
	uninstall) remove ;;
	print) lines | while read -r _ line; do printf '%s\n' "$line"; done ;;
	*) fail "usage: ci/binfmt.sh install|uninstall|print" ;;
esac
