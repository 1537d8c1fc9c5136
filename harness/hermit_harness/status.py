# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The loader's statuses, as its own program prints them. No number is written down a second time here.

A package has that program's output as a file.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from functools import lru_cache

from hermit_harness.paths import BUILT

PROGRAM = BUILT / "host" / "hermit-status"
PRINTED = PROGRAM.with_suffix(".txt")


@dataclass(frozen=True)
class Status:
    """One rule of the loader; several rules share the number and word of their class."""

    number: int
    class_word: str
    rule: str
    sentence: str


@lru_cache(maxsize=1)
def statuses() -> list[Status]:
    """Every rule that the loader can refuse by. FileNotFoundError when the program is not built."""
    if PRINTED.is_file():
        text = PRINTED.read_text(encoding="utf-8")
    else:
        text = subprocess.run([str(PROGRAM)], capture_output=True, text=True, check=True, timeout=10).stdout
    rows = (line.split("\t") for line in text.splitlines() if line.strip())
    return [Status(int(number), class_word, rule, sentence) for number, class_word, rule, sentence in rows]


def class_word(number: int) -> str:
    """The class word of a status number, "" if the list is not built or does not know it."""
    try:
        known = statuses()
    except (OSError, subprocess.SubprocessError):
        return ""
    return next((s.class_word for s in known if s.number == number), "")
