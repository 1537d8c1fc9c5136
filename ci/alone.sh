#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Runs a command while no other one is run so in this tree: two `make run` in two terminals would break each other's build.
# What the command leaves running holds nobody up. Not to be called by such a command: it would wait for itself.
set -eu
cd "$(dirname "$0")/.."
mkdir -p build
if command -v flock >/dev/null; then
	exec 9>build/.lock
	if ! flock -w 2 9; then
		echo "Another make is building here; this one goes on when that one is done ..." >&2
		flock 9
	fi
fi
"$@" 9>&-
