# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Deadlines: a budget of QEMU's CPU time, a cap on wall time, and when to look at the processors of a quiet guest.

A loaded host must not fail a test, so the CPU budget is what counts; the wall cap only catches a guest that waits for
ever. How long to wait until
the budget can have been used up at the earliest follows from what is left of it and how many threads can use it.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

FIRST_CHECK = 0.15  # seconds of silence before the processors of a guest are looked at the first time
FIRST_CHECK_FINAL = 0.02  # … after a line that says that the run should be over
LONGEST_CHECK = 3.0
CONFIRM_SECONDS = 0.4  # seconds between two looks that are compared, where a look by itself does not tell
GRACE_CPU = 2.0  # what is left to a guest that has said that it is over
GRACE_WALL = 8.0
NO_CAP = 1e7  # a cap of this many seconds or more means: until it ends by itself


@dataclass
class Deadline:
    """Times are seconds since the guest was released."""

    cpu_budget: float
    wall_cap: float
    threads: int
    grace_cpu: float = math.inf
    grace_wall: float = math.inf

    def start_grace(self, cpu_used: float, now: float) -> None:
        """The guest has said that it is over: let it end, but do not wait for the whole budget.

        Each further output starts the grace anew, since an application may print such a line itself. No cap, no grace.
        """
        if self.wall_cap < NO_CAP:
            self.grace_cpu, self.grace_wall = cpu_used + GRACE_CPU, now + GRACE_WALL

    def cancel_grace(self) -> None:
        """The machine goes on after all: another loader has been started."""
        self.grace_cpu = self.grace_wall = math.inf

    def next_check(self, cpu_used: float, now: float) -> float:
        """Earliest moment at which a deadline can have passed, at least a clock tick away."""
        parallel = min(self.threads, os.cpu_count() or 1)
        cpu_remaining = min(self.cpu_budget, self.grace_cpu) - cpu_used
        wall_remaining = min(self.wall_cap, self.grace_wall) - now
        return now + max(0.02, min(cpu_remaining / parallel, wall_remaining))

    def expired(self, cpu_used: float, now: float) -> str:
        """ "cpu", "wall", or "" while there is time."""
        if cpu_used >= min(self.cpu_budget, self.grace_cpu):
            return "cpu"
        return "wall" if now >= min(self.wall_cap, self.grace_wall) else ""


@dataclass
class HaltCheck:
    """When to look whether the processors are halted for good: after silence, then at intervals that double."""

    next_at: float = FIRST_CHECK
    step: float = FIRST_CHECK
    halted_checks: int = 0

    def on_output(self, now: float, final: bool) -> None:
        """The guest printed something: silence starts again."""
        self.step = FIRST_CHECK_FINAL if final else FIRST_CHECK
        self.next_at = now + self.step
        self.halted_checks = 0

    def record_check(self, now: float, halted: bool, confirm_after: float = FIRST_CHECK_FINAL) -> bool:
        """Count one look; true when two looks in a row, `again` seconds apart, saw every processor halted with
        interrupts off."""
        self.halted_checks = self.halted_checks + 1 if halted else 0
        self.step = min(self.step * 2, LONGEST_CHECK)
        self.next_at = now + (confirm_after if halted else self.step)
        return self.halted_checks >= 2
