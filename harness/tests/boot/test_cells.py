# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The matrix on x86: each cell is one boot whose status is asserted."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hermit_harness.fixtures import images
from hermit_harness.matrix import probe
from hermit_harness.matrix.cell import Cell
from hermit_harness.matrix.table import matrix
from hermit_harness.verdict.outcome import Outcome
from tests.support.cells import each_cell

RunCell = Callable[[Cell], Outcome]


@pytest.mark.requirement("L-01", "L-10", "L-33", "L-34", "N-11", "P-09", "P-12", "M-15")
@each_cell("every")
def test_boots(cell: Cell, run_cell: RunCell) -> None:
    """Each application boots on each machine that meets its needs."""
    outcome = run_cell(cell)
    assert images()[cell.image].greeting.encode() in outcome.console


@pytest.mark.requirement("L-35", "W-03")
@each_cell("needs")
def test_application_that_needs_acpi(cell: Cell, run_cell: RunCell) -> None:
    """On a machine without ACPI the application fails with its own message, after the kernel's first line."""
    outcome = run_cell(cell)
    assert b"Welcome to Hermit" in outcome.console
    assert b"[LOADER][ERROR]" not in outcome.console


@pytest.mark.requirement("L-07", "P-05")
@each_cell("kvm", "kvm-all")
def test_kvm(cell: Cell, run_cell: RunCell) -> None:
    """Cells under KVM. The one cell per machine that always runs may be skipped with a listed reason."""
    try:
        run_cell(cell)
    except pytest.fail.Exception as failure:
        row = probe.from_environment().row(matrix().probes[cell.machine])
        if row.works:
            raise
        reason = "no-kvm" if row.kvm.startswith("no access") else "kvm-unusable"
        pytest.skip(f"{reason}: {row.text()}; here: {str(failure).splitlines()[0]}")


@pytest.mark.requirement("L-06")
@each_cell("profiles", "universal")
def test_profiles_and_targets(cell: Cell, run_cell: RunCell) -> None:
    """Both profiles of the loader boot under both of its names."""
    run_cell(cell)


@pytest.mark.requirement("L-11", "R-06", "N-30")
@each_cell("memory", "memory-microvm")
def test_memory(cell: Cell, run_cell: RunCell) -> None:
    """Boots succeed from 64M to 12G, so with RAM below and above the PCI hole."""
    run_cell(cell)


@pytest.mark.requirement("N-30", "R-05", "R-06", "R-09")
@each_cell("cpus", "cpus-microvm")
def test_cpus(cell: Cell, run_cell: RunCell) -> None:
    """Boots succeed with and without 1 GiB pages, and with the CPU of the former README."""
    run_cell(cell)


@pytest.mark.requirement("L-10", "W-01", "N-28")
@each_cell("smp")
def test_cpus_online(cell: Cell, run_cell: RunCell) -> None:
    """One, two and four CPUs start; the kernel can map page 0x8000."""
    run_cell(cell)


@pytest.mark.requirement("N-27")
@each_cell("pads")
def test_loader_of_any_size(cell: Cell, run_cell: RunCell) -> None:
    """The loader's own size does not matter, even if it overlaps the application's address and file."""
    run_cell(cell)


@pytest.mark.requirement("N-01", "N-02", "N-26")
@each_cell("pvh", "pvh-machines", "pvh-memory", "pvh-real")
def test_pvh(cell: Cell, run_cell: RunCell) -> None:
    """The file with only a PVH note boots on each machine, with RAM below and above 4 GiB."""
    outcome = run_cell(cell)
    assert images()[cell.image].greeting.encode() in outcome.console
    assert b", x86_64-pvh, pvh)" in outcome.console


@pytest.mark.requirement("N-13")
@each_cell("multiboot2", "multiboot2-others", "grub-disk", "grub-others")
def test_grub(cell: Cell, run_cell: RunCell) -> None:
    """GRUB boots each Multiboot loader from a CD drive and from a disk, by the version that its header has."""
    protocol = "multiboot" if cell.target == "x86_64-multiboot" else "multiboot2"
    assert f", {cell.target}, {protocol})".encode() in run_cell(cell).console


@pytest.mark.requirement("N-26")
@each_cell("pvh-universal")
def test_universal_file_by_pvh(cell: Cell, run_cell: RunCell) -> None:
    """Without the Multiboot magic QEMU starts the same file by its PVH note."""
    assert b", x86_64, pvh)" in run_cell(cell).console
