# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The sweep list: words that standard technical English avoids, with what to write instead.

Patterns ignore case and match whole words, also those of an identifier (`what_is_told` contains "told").
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

# pattern, replacement, and contexts that are allowed (a match inside one of them does not count)
NOBODY = (r"(?-i:NOBODY)", r"owner nobody", r"[\"']nobody[\"']")  # the user of that name
SWEEP: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("behind", "after, past", (r"loader-word-behind",)),  # part of cell ids
    ("stands?|standing|stood", "is, appears", (r"stand(?:s|ing)? for", r"long[- ]standing")),
    ("tells?|told|telling", "print, report, pass, say, distinguish", (r"who-has \S+ tell",)),  # tcpdump
    ("besides", "as well, next to", ()),
    ("anew", "again", ()),
    ("sabotages?|sabotaged", "mutation", ()),
    ("begin of", "start of", ()),
    ("leads? to|led to|leading to", "is forwarded to, results in", ()),
    ("by (?:it|one|them)sel(?:f|ves)", "by default, automatically", ()),
    ("so many", "n", ()),
    ("all the same", "anyway, or name the reason", (r"(?:are|is|be) all the same",)),
    (r"of (?:QEMU|GDB|Linux|Debian|Rust|GCC)'s(?=\s*(?:[,.;:)]|$|that|which|other|whose))", "QEMU's", ()),
    ("lies|lain", "is at", ()),
    ("goes", "is removed, is sent", (r"goes (?:through|to|into|wrong|below|above|beyond)",)),
    ("mends?|mended|cures?|cured", "fix", ()),
    ("anybody|somebody|nobody", "name the device, process or person", NOBODY),
    ("starters?", "boot loader, VMM", ()),
    ("leavings", "artifacts", ()),
    ("cables?", "socket link", ()),
    ("network cards?|cards?", "NIC", (r"SD cards?",)),
    ("is to be had|are to be had|can be had|cannot be had", "is available", ()),
    ("for want of", "without", ()),
    ("however (?:that|it|this) (?:ends|ended)", "in any case", ()),
    ("what it is for", "its purpose", ()),
    (r"\bwho (?:comes|has|wants|asks|needs|reads|calls|goes|does)", "the user, the caller", ()),
    ("last code", "trampoline", ()),
)


@dataclass(frozen=True)
class Sweep:
    """One row of the list."""

    name: str
    found: re.Pattern[str]
    instead: str
    literal: re.Pattern[str] | None

    def matches(self, text: str) -> Iterator[re.Match[str]]:
        """Yield the matches in a line that no allowed context contains."""
        spans = [match.span() for match in self.literal.finditer(text)] if self.literal else []
        for match in self.found.finditer(text):
            if not any(start <= match.start() and match.end() <= end for start, end in spans):
                yield match


def _sweep(pattern: str, instead: str, literal: tuple[str, ...]) -> Sweep:
    allowed = re.compile("|".join(literal), re.I) if literal else None
    return Sweep(pattern.split("|")[0], re.compile(rf"(?<![A-Za-z])(?:{pattern})(?![A-Za-z])", re.I), instead, allowed)


SWEEPS = [_sweep(*row) for row in SWEEP]
# A quick look before the patterns one by one.
ANY = re.compile("|".join(sweep.found.pattern for sweep in SWEEPS), re.I)
