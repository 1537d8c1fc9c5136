# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The recipes of CONTRIBUTING.md: which files a change of each kind touches, and how many are allowed."""

from __future__ import annotations

import re

# Kind of change: the largest number of files that may be touched or added.
BARS = {
    "a target": 3,
    "a boot protocol": 8,
    "an era": 6,
    "a machine": 3,
    "a UART": 3,
    "a fixture": 3,
    "a test": 2,
    "a requirement": 2,
}
HEADING = re.compile(r"^### Add (.*)$")
ENTRY = re.compile(r"^\d+\. `([^`]+)`")


def read(text: str) -> dict[str, list[str]]:
    """Return the files of each recipe. A recipe is a heading `### Add a ...` and a numbered list of files."""
    found: dict[str, list[str]] = {}
    current: list[str] | None = None
    for line in text.splitlines():
        heading = HEADING.match(line)
        if heading:
            current = found.setdefault(heading.group(1), [])
        elif line.startswith("#"):
            current = None
        entry = ENTRY.match(line)
        if entry and current is not None:
            current.append(entry.group(1))
    return found
