# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Deadlines: a budget of QEMU's CPU time, a cap on wall time, and the times to inspect the CPUs of a silent guest.

A loaded host must not fail a test, so the CPU budget decides. The wall cap only catches a guest that waits for ever:
the time that QEMU waits for a host CPU does not count. A cap that is not above the budget is a user's, and counts.
The remaining budget and the number of threads give the earliest time at which the budget can be exhausted.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass

FIRST_CHECK = 0.15  # seconds of silence before the first inspection of the CPUs
FIRST_CHECK_FINAL = 0.02  # … after a line that announces the end of the run
LONGEST_CHECK = 3.0
CONFIRM_SECONDS = 0.4  # seconds between two samples to compare, where one sample is not enough
GRACE_CPU = 2.0  # remaining budget after a guest has announced its end
GRACE_WALL = 8.0
NO_CAP = 1e7  # a cap of this many seconds or more means no cap


@dataclass
class Deadline:
    """The deadlines of one run. Times are in seconds since the guest's release.

    `starved_seconds` returns how long QEMU has waited for a host CPU. It is called when the cap seems to be reached.
    """

    cpu_budget: float
    wall_cap: float
    threads: int
    starved_seconds: Callable[[], float]
    grace_cpu: float = math.inf
    grace_wall: float = math.inf
    starved: float = 0.0

    def start_grace(self, cpu_used: float, now: float, certain: bool = False) -> None:
        """Shorten the deadlines, because the guest has announced its end.

        Each further output restarts the grace period, because an application may print such a line itself. A run
        without cap has no grace period, unless the end is `certain`: after a refusal the firmware may wait in its
        shell for ever.
        """
        if certain or self.wall_cap < NO_CAP:
            self.grace_cpu, self.grace_wall = cpu_used + GRACE_CPU, now + GRACE_WALL

    def end_grace(self, now: float) -> None:
        """End the grace period, because nothing can follow."""
        self.grace_wall = now

    def cancel_grace(self) -> None:
        """Restore the deadlines: the firmware has started another loader."""
        self.grace_cpu = self.grace_wall = math.inf

    def next_check(self, cpu_used: float, now: float) -> float:
        """Return the earliest time at which a deadline can have passed, at least one clock tick away."""
        parallel = min(self.threads, os.cpu_count() or 1)
        cpu_remaining = min(self.cpu_budget, self.grace_cpu) - cpu_used
        wall_remaining = min(self.wall_cap + self.starved, self.grace_wall) - now
        return now + max(0.02, min(cpu_remaining / parallel, wall_remaining))

    def expired(self, cpu_used: float, now: float) -> str:
        """Return which deadline has passed: "cpu", "wall" or ""."""
        if cpu_used >= min(self.cpu_budget, self.grace_cpu):
            return "cpu"
        if now - self.starved >= self.wall_cap > self.cpu_budget:
            self.starved = self.starved_seconds()
        return "wall" if now >= min(self.wall_cap + self.starved, self.grace_wall) else ""


@dataclass
class HaltCheck:
    """The times to check for halted CPUs: after silence, then at doubling intervals."""

    next_at: float = FIRST_CHECK
    step: float = FIRST_CHECK
    halted_checks: int = 0

    def on_output(self, now: float, final: bool) -> None:
        """Restart the interval after output."""
        self.step = FIRST_CHECK_FINAL if final else FIRST_CHECK
        self.next_at = now + self.step
        self.halted_checks = 0

    def record_check(self, now: float, halted: bool, confirm_after: float = FIRST_CHECK_FINAL) -> bool:
        """Record one check. Return True if two checks in a row found every CPU halted for good.

        The second check follows after `confirm_after` seconds.
        """
        self.halted_checks = self.halted_checks + 1 if halted else 0
        self.step = min(self.step * 2, LONGEST_CHECK)
        self.next_at = now + (confirm_after if halted else self.step)
        return self.halted_checks >= 2
