# SPDX-License-Identifier: Apache-2.0 OR MIT
"""What the bare application `args` prints: the command line from each source, and the arguments in it."""

from __future__ import annotations

import re


def arrived(console: bytes) -> dict[bytes, bytes]:
    """Return the text that the application found by each way; asserts that the announced length is right."""
    console = console.replace(b"\r\n", b"\n")
    found = {}
    for way, length, text in re.findall(rb"args (\w+) length=(\d+)\n<<<(.*?)>>>\n", console, re.DOTALL):
        assert int(length) == len(text)
        found[way] = text
    return found


def argv(console: bytes) -> tuple[str, ...]:
    """Return the arguments as a kernel splits them, the program's name first."""
    return tuple(word.decode() for word in re.findall(rb"args argv\[\d+\]=<<<(.*?)>>>", console, re.DOTALL))
