# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Successive samples of the CPUs' registers: can the guest still get anywhere?"""

from __future__ import annotations

from hermit_harness.vm.process import Process
from hermit_harness.watch.cpus import all_halted_for_good, repeated_traps, shows_halted_cpus
from hermit_harness.watch.deadline import CONFIRM_SECONDS, HaltCheck


class CpuSamples:
    """Compares each sample with the one before. Sets the time of the next one in `halt_check`."""

    def __init__(self, process: Process, halt_check: HaltCheck) -> None:
        self._process = process
        self._halt_check = halt_check
        self._last_registers = ("", 0.0)  # the last sample, and QEMU's demand for CPU time then
        self._last_traps: tuple[tuple[int, ...], ...] = ()

    def halted(self, now: float, registers: str) -> bool:
        """Return whether two samples in a row show that no CPU can run any more."""
        halted = all_halted_for_good(registers)
        if shows_halted_cpus(registers):
            return self._halt_check.record_check(now, halted)
        demand, before = self._process.demand_seconds(), self._last_registers
        self._last_registers = (registers, demand)
        idle = demand - before[1] < CONFIRM_SECONDS / 4 and not self._process.has_runnable_thread()
        same = registers == before[0] and idle
        self._halt_check.halted_checks = min(self._halt_check.halted_checks, 1) if same else 0
        return self._halt_check.record_check(now, halted, CONFIRM_SECONDS)

    def trap_for_ever(self, now: float, registers: str) -> bool:
        """Return whether two samples in a row show the same exception in the entry for exceptions."""
        before, self._last_traps = self._last_traps, repeated_traps(registers)
        if self._last_traps:
            self._halt_check.next_at = min(self._halt_check.next_at, now + CONFIRM_SECONDS)
        return bool(before) and before == self._last_traps
