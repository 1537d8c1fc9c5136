# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The progress line of a test run, rewritten on a terminal and printed at intervals elsewhere.

It is driven by the reports that reach the controlling process, so it is the same with one process and with many.
"""

from __future__ import annotations

import os
import time
from typing import TextIO

DEFAULT_COLUMNS = 120


class Progress:
    """Counts finished tests and shows the count. Failures are printed at once, on their own line."""

    def __init__(self, out: TextIO, total: int = 0) -> None:
        self.out = out
        self.total = total
        self.counts = {"passed": 0, "failed": 0, "skipped": 0}
        self.started = time.monotonic()
        self.shown = 0
        self.terminal = out.isatty()

    @property
    def done(self) -> int:
        return sum(self.counts.values())

    def text(self, name: str) -> str:
        seconds = time.monotonic() - self.started
        counts = f"{self.counts['passed']} passed, {self.counts['failed']} failed, {self.counts['skipped']} skipped"
        return f"[{self.done}/{self.total or '?'}] {seconds:.0f} s, {counts}: {name}"

    def test_ended(self, name: str, outcome: str, reason: str = "") -> None:
        """A test ended; `why` is the first line of a failure."""
        self.counts[outcome] += 1
        if outcome == "failed":
            self._line(f"FAILED {name}: {reason}" if reason else f"FAILED {name}")
        if self.terminal:
            columns = os.get_terminal_size(self.out.fileno()).columns or DEFAULT_COLUMNS  # 0: it does not know
            self.out.write(f"\r{self.text(name)[: columns - 1]}\x1b[K")
            self.out.flush()
        elif self.total and self.done * 20 // self.total > self.shown:
            self.shown = self.done * 20 // self.total
            self._line(self.text(name))

    def close(self) -> None:
        if self.terminal:
            self.out.write("\r\x1b[K")
            self.out.flush()

    def _line(self, text: str) -> None:
        self.out.write(f"\r\x1b[K{text}\n" if self.terminal else f"{text}\n")
        self.out.flush()
