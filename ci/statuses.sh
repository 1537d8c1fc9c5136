#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Prints docs/statuses.md from the loader's own list (build/host/hermit-status, built from loader/core/status.h).
#
# Usage: ci/statuses.sh >docs/statuses.md      make lint fails while the page differs from what this prints
set -eu
cd "$(dirname "$0")/.."
cat <<'EOF'
# Statuses: what the loader refuses, and why

<!-- Printed by ci/statuses.sh from loader/core/status.h. Do not edit. -->

A loader that cannot boot prints one line and ends QEMU with an odd number, the same on every target:

    [LOADER][ERROR] 67 elf-segment-beyond-file: segment 2 ends at 0x9c600, the file has 0x90000 bytes

The number names the *class*, the word behind it the *rule*; the sentence carries the two numbers that were compared.
`hermitctl run` ends with that number too, and its last line says whose it is (`loader refused 67 elf-truncated`), because
an application may end with the same number (`app exit 67`). Without QEMU's debug-exit device the line is printed all the
same and the machine is halted with interrupts off.

EOF
build/host/hermit-status | awk -F'\t' '

	$1 != last { printf "%s## %s %s\n\n| rule | meaning |\n| --- | --- |\n", last == "" ? "" : "\n", $1, $2; last = $1 }
	{ gsub(/[|]/, "\\|", $4); printf "| `%s` | %s |\n", $3, $4 }'
