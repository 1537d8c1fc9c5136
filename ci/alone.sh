#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Runs a command under a lock of this checkout, since two builds at once would break each other.
# Background processes of the command do not hold the lock. Calls must not nest: the inner one
# would wait for the outer one.
#
# Usage: ci/alone.sh [--must-write] COMMAND [ARGUMENT]...
#
# In a checkout that this user cannot write, nothing runs: what its owner has built is used. With
# --must-write, or if nothing is built, a sentence says so and the exit status is 1.
set -eu
cd "$(dirname "$0")/.."
must_write=
if [ "$1" = --must-write ]; then
	must_write=yes
	shift
fi
if ! (mkdir -p build && [ -w build ] && : >>build/.lock) 2>/dev/null; then
	if [ ! -x build/venv/bin/hermitctl ]; then
		echo "$(pwd) is not built, and $(id -un) cannot write it:" \
			"its owner must run make, or clone it" >&2
	elif [ "$must_write" ]; then
		echo "$(pwd): $(id -un) cannot write this checkout: clone it to build and test;" \
			"make run and make debug use what its owner has built" >&2
	else
		exit 0
	fi
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
