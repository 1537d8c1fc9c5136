# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The matrix: every cell is one boot whose status is asserted."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hermit_harness.fixtures import images
from hermit_harness.matrix import probe
from hermit_harness.matrix.cell import Cell
from hermit_harness.matrix.table import matrix
from hermit_harness.verdict.outcome import Outcome
from tests.support.cells import every

RunCell = Callable[[Cell], Outcome]


@pytest.mark.requirement("L-01", "L-10", "L-33", "L-34", "N-11", "P-09", "P-12", "M-15")
@every("every")
def test_boots(cell: Cell, run_cell: RunCell) -> None:
    """Every app on every machine that has what it needs."""
    outcome = run_cell(cell)
    assert images()[cell.image].greeting.encode() in outcome.console


@pytest.mark.requirement("L-35", "W-03")
@every("needs")
def test_app_that_wants_acpi(cell: Cell, run_cell: RunCell) -> None:
    """On a machine without ACPI the app's own message ends the run, after the kernel's welcome."""
    outcome = run_cell(cell)
    assert b"Welcome to Hermit" in outcome.console
    assert b"[LOADER][ERROR]" not in outcome.console


@pytest.mark.requirement("L-07", "P-05")
@every("kvm", "kvm-all")
def test_kvm(cell: Cell, run_cell: RunCell) -> None:
    """Under KVM; the one cell that always remains may end in a skip by name."""
    try:
        run_cell(cell)
    except pytest.fail.Exception as failure:
        row = probe.known().row(matrix().probes[cell.machine])
        if row.works:
            raise
        reason = "no-kvm" if row.kvm.startswith("no access") else "kvm-unusable"
        pytest.skip(f"{reason}: {row.text()}; here: {str(failure).splitlines()[0]}")


@pytest.mark.requirement("L-06")
@every("profiles", "universal")
def test_profiles_and_targets(cell: Cell, run_cell: RunCell) -> None:
    """Both builds of the loader, under both of its names."""
    run_cell(cell)


@pytest.mark.requirement("L-11", "R-06", "N-30")
@every("memory", "memory-microvm")
def test_memory(cell: Cell, run_cell: RunCell) -> None:
    """From 64M to 12G, above and below the hole under 4 GiB."""
    run_cell(cell)


@pytest.mark.requirement("N-30", "R-05", "R-06", "R-09")
@every("cpus", "cpus-microvm")
def test_cpus(cell: Cell, run_cell: RunCell) -> None:
    """With and without 1 GiB pages, and the older README's CPU."""
    run_cell(cell)


@pytest.mark.requirement("L-10", "W-01", "N-28")
@every("smp")
def test_processors(cell: Cell, run_cell: RunCell) -> None:
    """One, two and four processors; page 0x8000 is the kernel's."""
    run_cell(cell)


@pytest.mark.requirement("N-27")
@every("pads")
def test_loader_of_any_size(cell: Cell, run_cell: RunCell) -> None:
    """The loader's own size is nobody's business, even where it covers the app's place and file."""
    run_cell(cell)


@pytest.mark.requirement("N-01", "N-02", "N-26")
@every("pvh", "pvh-machines", "pvh-memory", "pvh-real")
def test_pvh(cell: Cell, run_cell: RunCell) -> None:
    """The file that has only PVH's note, on every machine, above and below 4 GiB."""
    outcome = run_cell(cell)
    assert images()[cell.image].greeting.encode() in outcome.console
    assert b", x86_64-pvh, pvh)" in outcome.console


@pytest.mark.requirement("N-26")
@every("pvh-universal")
def test_universal_file_by_pvh(cell: Cell, run_cell: RunCell) -> None:
    """The same bytes but for the Multiboot magic are started by the PVH note."""
    assert b", x86_64, pvh)" in run_cell(cell).console


@pytest.mark.requirement("N-12")
@every("uefi-refused")
def test_uefi_refusal(cell: Cell, run_cell: RunCell) -> None:
    """One line with the number, then the firmware goes on to what it would boot next."""
    console = run_cell(cell).console
    assert console.count(b"[LOADER][ERROR]") == 1
    assert b"Shell>" in console.partition(b"[LOADER][ERROR]")[2]
