# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The matrix on CPUs other than x86: every cell is one boot whose status is asserted."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hermit_harness.fixtures import images
from hermit_harness.matrix.cell import Cell
from hermit_harness.matrix.expand import cells
from hermit_harness.matrix.table import matrix
from hermit_harness.verdict.outcome import Outcome
from hermit_harness.vm.targets import target

RunCell = Callable[[Cell], Outcome]


def every(*groups: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("cell", cells(*groups), ids=str)


def greets(cell: Cell, run_cell: RunCell) -> None:
    """Boot it, and see its own words besides its status."""
    outcome = run_cell(cell)
    assert images(target(cell.target).arch)[cell.image].greeting.encode() in outcome.console


@every("riscv64")
def test_riscv64_boots(cell: Cell, run_cell: RunCell) -> None:
    """N-01, N-02, N-08: every app that is built for RISC-V, by QEMU's own firmware."""
    greets(cell, run_cell)


@every("riscv64-firmware")
def test_riscv64_fw_jump(cell: Cell, run_cell: RunCell) -> None:
    """N-08: the firmware that jumps to a fixed address."""
    greets(cell, run_cell)


@every("riscv64-profiles", "riscv64-memory", "riscv64-smp")
def test_riscv64_any_size(cell: Cell, run_cell: RunCell) -> None:
    """N-08, N-31: debug build, memory, harts; the app is found by what -initrd leaves in the device tree."""
    greets(cell, run_cell)


@every("riscv64-lines")
def test_riscv64_command_lines(cell: Cell, run_cell: RunCell) -> None:
    """N-08, N-17: the words reach the application as they are."""
    console = run_cell(cell).console.decode()
    for word in matrix().lines[cell.line].words:
        assert word in console
