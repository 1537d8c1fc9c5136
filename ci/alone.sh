#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Runs a command under a lock of this checkout, since two builds at once would break each other.
# Background processes of the command do not hold the lock. Calls must not nest: the inner one
# would wait for the outer one.
#
# In a checkout that this user cannot write, nothing runs: what its owner has built is used.
set -eu
cd "$(dirname "$0")/.."
if ! (mkdir -p build && : >>build/.lock) 2>/dev/null; then
	[ ! -x build/venv/bin/hermitctl ] || exit 0
	echo "$(pwd) is not built, and $(id -un) cannot write it:" \
		"its owner must run make, or clone it" >&2
	exit 1
fi
if command -v flock >/dev/null; then
	exec 9>build/.lock
	if ! flock -w 2 9; then
		echo "Another make is building in this checkout; waiting until it ends ..." >&2
		flock 9
	fi
fi
"$@" 9>&-
