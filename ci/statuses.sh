#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Prints docs/statuses.md from the loader's list in loader/core/status.h, which is compiled into
# build/host/hermit-status.
#
# Usage: ci/statuses.sh >docs/statuses.md      make lint fails if the page differs
set -eu
cd "$(dirname "$0")/.."
cat <<'PAGE'
# Refusals and exit statuses

<!-- Printed by ci/statuses.sh from loader/core/status.h. Do not edit: `make docs` does. -->

If the loader cannot boot an application, it prints one line, and QEMU exits with an odd number. The
number is the same on every target.

```text
[LOADER][ERROR] 67 elf-segment-beyond-file: segment 2 ends at 0x9c600, the file has 0x90000 bytes
```

The number identifies the *class* of the reason. The word after it, the *rule word*, identifies the
reason itself. The sentence gives the two values that were compared.

`hermitctl run` exits with that number too. An application may exit with the same number, so its
last line says whose it is: `loader refused 67 elf-truncated` or `app exit 67`.

If there is no exit device, the loader prints the same line and halts the machine with interrupts
off. [qemu.md](qemu.md#exit-status-of-qemu) lists the exit devices.

| number | class | rule word | meaning |
| --- | --- | --- | --- |
PAGE
build/host/hermit-status | awk -F'\t' '{
	gsub(/[|]/, "\\|", $4)
	printf "| %s | %s | `%s` | %s |\n", $1, $2, $3, $4
}'
