# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The loader's statuses, as its own program prints them. No number is written down a second time here."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from functools import lru_cache

from hermit_harness.paths import BUILD

PROGRAM = BUILD / "host" / "hermit-status"


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
    done = subprocess.run([str(PROGRAM)], capture_output=True, text=True, check=True, timeout=10)
    rows = (line.split("\t") for line in done.stdout.splitlines() if line.strip())
    return [Status(int(number), class_word, rule, sentence) for number, class_word, rule, sentence in rows]


def class_word(number: int) -> str:
    """The class word of a status number, "" if the list is not built or does not know it."""
    try:
        known = statuses()
    except (OSError, subprocess.SubprocessError):
        return ""
    return next((s.class_word for s in known if s.number == number), "")
