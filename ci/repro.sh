#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Boots once more what a test or `make run` has booted, as its repro.sh has it, and says what QEMU's status means.
#
# Usage: ci/repro.sh CELL     the cell's id; `run` is the last boot of `make run`
set -u
cd "$(dirname "$0")/.." || exit 2
file=build/report/$1/repro.sh
if [ -z "$1" ] || [ ! -f "$file" ]; then
	echo "CELL=$1: there is no such boot in build/report; CELL=id is one of the last \`make test\`, CELL=run the last \`make run\`" >&2
	exit 2
fi
sh "$file"
status=$?
sed -n 's/^# \(expected\|ended as\|QEMU.s status\)/repro: \1/p' "$file" >&2
echo "repro: it is $status now" >&2
exit $status
