# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Started by UEFI firmware on AArch64, by the same file that is Linux's image elsewhere (test_other_cpus.py)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from hermit_harness.fixtures import images
from hermit_harness.matrix import run
from hermit_harness.matrix.cell import Cell
from hermit_harness.matrix.every import every
from hermit_harness.matrix.table import matrix
from hermit_harness.verdict.outcome import Outcome
from hermit_harness.vm.spec import RunSpec

RunCell = Callable[[Cell], Outcome]
Boot = Callable[[RunSpec], Outcome]
NAME = "aarch64-uefi"
PATHS = (rb"\EFI\hermit\hermit-app", rb"\EFI\BOOT\hermit-app")


@every(
    "aarch64-uefi",
    "aarch64-uefi-images",
    "aarch64-uefi-large",
    "aarch64-uefi-debug",
    "aarch64-uefi-memory",
    "aarch64-uefi-smp",
)
def test_aarch64_uefi_boots(cell: Cell, run_cell: RunCell) -> None:
    """N-01, N-04, N-05, N-06, L-23: either folder of the disk and QEMU's RAM disk; the app's own words besides its
    status."""
    outcome = run_cell(cell)
    assert images("aarch64")[cell.image].greeting.encode() in outcome.console
    assert f", {NAME}, uefi)\r\n".encode() in outcome.console


@every("aarch64-uefi-el2")
def test_aarch64_uefi_from_el2(cell: Cell, run_cell: RunCell) -> None:
    """L-22: firmware that runs at EL2 leaves the loader there; the app gets EL1, and its end by hvc is heard."""
    outcome = run_cell(cell)
    assert images("aarch64")[cell.image].greeting.encode() in outcome.console


@every("aarch64-uefi-lines")
def test_aarch64_uefi_command_lines(cell: Cell, run_cell: RunCell) -> None:
    """N-05, N-07: the words of -append reach the application, and the word that the firmware adds does not."""
    console = run_cell(cell).console.decode()
    for word in matrix().lines[cell.line].words:
        assert word in console
    assert "initrd=" not in console.partition("Hermit loader ")[2]


@pytest.mark.parametrize("way", ["esp", "efi-kernel"])
def test_missing_application_names_both_paths(way: str, boot_here: Boot) -> None:
    """N-04: one line with the two places that were looked at; the firmware gets the machine back."""
    spec = run.release("hello", "aavmf", NAME, append="", expect="refused 65 no-module")
    outcome = boot_here(replace(spec, app=None, way=way))
    assert outcome.matches("refused 65 no-module"), str(outcome)
    (line,) = outcome.errors
    assert all(path in line for path in PATHS)


@pytest.mark.parametrize(("machine", "number"), [("aavmf", 65), ("aavmf-el2", 65), ("aavmf-acpi", 103)])
def test_refusal_stops_the_machine_when_told_to(machine: str, number: int, boot_here: Boot) -> None:
    """N-04, L-23: loader.onerror=stop carries the number out by semihosting, from under the firmware and whatever its
    level."""
    rule = {65: "no-module", 103: "fdt-missing"}[number]
    spec = run.release("hello", machine, NAME, append="loader.onerror=stop", expect=f"refused {number} {rule}")
    outcome = boot_here(replace(spec, app=None if number == 65 else spec.app, way="efi-kernel"))
    assert outcome.matches(spec.expect), str(outcome)
    assert outcome.qemu_status == number


def test_missing_tree_names_the_option(boot_here: Boot) -> None:
    """N-12: firmware that has ACPI tables instead of a device tree is refused with QEMU's option that changes it."""
    spec = run.release("hello", "aavmf-acpi", NAME, expect="refused 103 fdt-missing")
    outcome = boot_here(replace(spec, way="esp"))
    assert outcome.matches("refused 103 fdt-missing"), str(outcome)
    (line,) = outcome.errors
    assert b"acpi=off" in line


@pytest.mark.parametrize("machine", ["aavmf", "aavmf-el2"])
@pytest.mark.parametrize("status", [0, 1, 42, 255])
def test_aarch64_uefi_without_semihosting(machine: str, status: int, boot_here: Boot) -> None:
    """L-23: the machine is powered off by the conduit that the tree names, and the line tells the status."""
    spec = run.release("exit", machine, NAME, append=f"-- {status}", expect=f"exit {status}")
    outcome = boot_here(replace(spec, debug_exit=False, way="efi-kernel"))
    assert outcome.matches(f"exit {status}"), str(outcome)
    assert outcome.qemu_status == 0
