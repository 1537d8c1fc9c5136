# SPDX-License-Identifier: Apache-2.0 OR MIT
"""What is known about a run when it is over: the input of the verdict."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from hermit_harness.watch.boot_log import BootLog


class EndReason(Enum):
    """How the run came to its end, as the watcher saw it."""

    LAUNCH_FAILED = "the process could not be set up"
    NOT_STARTED = "QEMU never started"
    EXITED = "QEMU ended"
    RESET = "the machine was reset"
    HALTED = "every processor is halted with interrupts off"
    REQUESTED = "it was ended from outside, as planned"
    HELPER_FAILED = "a program that the guest relies on ended"
    STOPPED = "QEMU stopped the machine"
    CPU_BUDGET = "the CPU-time budget is used up"
    WALL_CAP = "the wall-clock cap is reached"


@dataclass
class RunFacts:
    """`qemu_status` is None where QEMU was ended by us. `power_off`: a SHUTDOWN event came before the end.

    `returns`: a loader that refuses goes back to firmware, which goes on.
    `serves`: TCP ports that the guest was seen to listen on.
    `silent_for` and `ran_for` are wall seconds; `registers` the monitor's text if the machine still stood.
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

    @property
    def relevant_stderr(self) -> list[str]:
        """QEMU's messages without the warnings about CPU features that TCG does not have (L-16)."""
        return [line for line in self.stderr if not is_feature_warning(line)]

    @property
    def feature_warnings(self) -> int:
        """How many such warnings there were."""
        return sum(map(is_feature_warning, self.stderr))


def is_feature_warning(line: str) -> bool:
    """Whether a line of QEMU's stderr is one of the warnings that say nothing about the run."""
    return "warning: TCG doesn't support requested feature" in line
