# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The facts about a run that has ended: the input of the verdict."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from hermit_harness.watch.boot_log import BootLog
from hermit_harness.watch.faults import Fault


class EndReason(Enum):
    """How the run ended, as the supervisor observed it."""

    LAUNCH_FAILED = "the process could not be set up"
    NOT_STARTED = "QEMU never started"
    EXITED = "QEMU ended"
    RESET = "the machine was reset"
    HALTED = "every CPU is halted with interrupts disabled"
    TRAPPED = "the exception handler raises the exception that it handles"
    INTERRUPTED = "the user interrupted it"
    REQUESTED = "it was stopped on request"
    HELPER_FAILED = "a helper program of the guest ended"
    STOPPED = "QEMU stopped the machine"
    FAULT = "the kernel reported an exception"
    CPU_BUDGET = "the CPU-time budget is exhausted"
    WALL_CAP = "the wall-clock cap is reached"


STILL_RUNNING = (EndReason.CPU_BUDGET, EndReason.WALL_CAP, EndReason.INTERRUPTED)  # the guest had not ended


@dataclass
class RunFacts:
    """The facts about one run.

    `qemu_status` is None if the harness ended QEMU. `powered_off`: a SHUTDOWN event preceded the end.
    `returns_to_firmware`: the firmware continues after a refusal. `open_ports`: TCP ports that accepted connections.
    `silent_for` and `ran_for` are wall-clock seconds. `registers` is the monitor's text if the machine still existed.
    `ram` has the addresses of RAM.
    `fault`: the exception at which the run was ended. `instructions`: how many the guest has executed, with -icount.
    """

    reason: EndReason
    boot_log: BootLog
    qemu_status: int | None = None
    powered_off: bool = False
    detail: str = ""
    stderr: tuple[str, ...] = ()
    silent_for: float = 0.0
    ran_for: float = 0.0
    cpu_used: float = 0.0
    printed: int = 0
    registers: str = ""
    timings: dict[str, float] = field(default_factory=dict)
    returns_to_firmware: bool = False
    open_ports: tuple[int, ...] = ()
    cpu: str = "x86_64"
    ram: range | None = None
    fault: Fault | None = None
    instructions: int | None = None

    @property
    def relevant_stderr(self) -> list[str]:
        """Return QEMU's messages without the warnings about CPU features that TCG lacks (L-16)."""
        return [line for line in self.stderr if not is_feature_warning(line)]

    @property
    def feature_warnings(self) -> int:
        """Return the number of these warnings."""
        return sum(map(is_feature_warning, self.stderr))


def is_feature_warning(line: str) -> bool:
    """Return whether a line of QEMU's stderr is a warning about a CPU feature that TCG lacks."""
    return "warning: TCG doesn't support requested feature" in line
