#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Repeats one boot of a test or of `make run` by its repro.sh, and explains QEMU's exit status.
#
# Usage: ci/repro.sh CELL     CELL: the id of a cell, or `run` for the last boot of an image of the
#                             checkout by `make run`
set -u
cd "$(dirname "$0")/.." || exit 2
cell=$1
[ "$cell" != run ] || cell=runs/latest
file=build/report/$cell/repro.sh
if [ -z "$1" ] || [ ! -f "$file" ]; then
	echo "CELL=$1: build/report has no such boot; name a cell of the last \`make test\`," \
		"or \`run\` for the last \`make run\`" >&2
	exit 2
fi
sh "$file"
status=$?
sed -n 's/^# \(expected\|ended as\|QEMU.s status\)/repro: \1/p' "$file" >&2
echo "repro: the exit status is now $status" >&2
exit $status
