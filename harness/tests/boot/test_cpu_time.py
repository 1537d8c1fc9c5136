# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The loader takes no noticeable time: deadlines in CPU time, which a loaded host does not change.

The deadlines of the matrix only end guests that hang. A loader that is seconds slower would pass there.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hermit_harness.matrix import specs
from hermit_harness.verdict.outcome import Outcome
from hermit_harness.vm.spec import RunSpec

Boot = Callable[[RunSpec], Outcome]
# QEMU's CPU time for a whole boot of `hello` is 0.05 s (microvm) to 0.13 s (PVH), with its own start and SeaBIOS.
LIMIT = 1.0
BOOTS = [
    ("x86_64-multiboot", "pc"),
    ("x86_64-multiboot", "microvm"),
    ("x86_64-pvh", "pc"),
    ("aarch64-elf", "virt"),
    ("aarch64_be-elf", "virt"),
    ("riscv64-sbi", "virt"),
]


@pytest.mark.parametrize(("target", "machine"), BOOTS)
def test_boot_within_a_second_of_cpu_time(target: str, machine: str, boot_here: Boot) -> None:
    """From QEMU's start to the application's end a small application needs less than a second of CPU time."""
    outcome = boot_here(specs.release("hello", machine, target))
    assert outcome.matches("exit 0"), str(outcome)
    assert 0 < outcome.timings["cpu"] < LIMIT, outcome.timings
