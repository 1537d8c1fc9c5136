# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The processes of this machine, by their command lines."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def processes_with(word: str, program: str = "") -> list[int]:
    """Return the processes with this word on their command line whose program's name ends with `program`.

    A zombie has no command line.
    """
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = path.read_bytes().split(b"\0")
            if word.encode() in words and words[0].endswith(program.encode()):
                found.append(int(path.parent.name))
    return found
