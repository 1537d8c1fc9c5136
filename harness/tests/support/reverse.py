# SPDX-License-Identifier: Apache-2.0 OR MIT
"""`hermitctl debug --reverse` with given commands."""

from __future__ import annotations

import subprocess

from hermit_harness.paths import BUILD

HERMITCTL = BUILD / "venv" / "bin" / "hermitctl"
SECONDS = 240.0
# To the end, one step back, back to a function that was called once, and to the very first instruction.
COMMANDS = ("bt", "reverse-stepi", "bt 1", "hbreak app_main", "reverse-continue", "bt 2", "delete", "reverse-continue")


def reverse_debug(*words: str, commands: tuple[str, ...] = COMMANDS) -> subprocess.CompletedProcess[str]:
    argv = [str(HERMITCTL), "debug", "--isolate", "--reverse", "--batch"]
    argv += [word for command in commands for word in ("--command", command)]
    return subprocess.run(
        [*argv, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=SECONDS
    )
