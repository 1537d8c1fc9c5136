# SPDX-License-Identifier: Apache-2.0 OR MIT
"""UEFI on AArch64, as far as it differs from x86: levels, device tree, semihosting. The rest stands in test_uefi.py."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from hermit_harness.matrix import specs
from hermit_harness.paths import loader_file
from hermit_harness.verdict.outcome import Outcome
from hermit_harness.vm.spec import RunSpec

Boot = Callable[[RunSpec], Outcome]
NAME = "aarch64-uefi"
each_level = pytest.mark.parametrize("machine", ["aavmf", "aavmf-el2"])


@pytest.mark.requirement("N-12")
@pytest.mark.parametrize("way", ["esp", "efi-kernel"])
def test_missing_tree_names_the_option(way: str, boot_here: Boot) -> None:
    """Firmware that has ACPI tables instead of a device tree is refused with QEMU's option that changes it."""
    outcome = boot_here(specs.release("hello", "aavmf-acpi", NAME, expect="refused 103 fdt-missing", way=way))
    assert outcome.matches("refused 103 fdt-missing"), str(outcome)
    (line,) = outcome.errors
    assert b"acpi=off" in line


@pytest.mark.requirement("L-23")
@pytest.mark.parametrize(("machine", "refusal"), [("aavmf-el2", "65 no-module"), ("aavmf-acpi", "103 fdt-missing")])
def test_refusal_stops_the_machine_when_told_to(machine: str, refusal: str, boot_here: Boot) -> None:
    """Loader.onerror=stop carries the number out by semihosting from firmware at EL2, too, and where no tree was
    read."""
    spec = specs.release("hello", machine, NAME, append="loader.onerror=stop", expect=f"refused {refusal}")
    outcome = boot_here(replace(spec, app=spec.app if machine == "aavmf-acpi" else None, way="efi-kernel"))
    assert outcome.matches(spec.expect), str(outcome)
    assert outcome.qemu_status == int(refusal.split()[0])


@pytest.mark.requirement("L-23", "L-22")
@each_level
@pytest.mark.parametrize("status", [0, 42])
def test_without_semihosting(machine: str, status: int, boot_here: Boot) -> None:
    """The machine is powered off by the conduit that the tree names, and the line tells the status."""
    spec = specs.release("exit", machine, NAME, append=f"-- {status}", expect=f"exit {status}", way="efi-kernel")
    outcome = boot_here(replace(spec, debug_exit=False))
    assert outcome.matches(f"exit {status}"), str(outcome)
    assert outcome.qemu_status == 0


@pytest.mark.requirement("N-12")
@each_level
def test_exception_after_the_firmware(machine: str, boot_here: Boot) -> None:
    """Once the firmware has gone, an exception is the loader's to tell: the number, the registers, the place."""
    loader = loader_file(NAME, "debug")
    words = "loader.selftest=pf-handover"
    spec = specs.release("hello", machine, NAME, append=words, expect="refused 101 cpu-exception", way="efi-kernel")
    outcome = boot_here(replace(spec, loader=loader, loader_debug=specs.debug_file(loader)))
    assert outcome.matches("refused 101 cpu-exception"), str(outcome)
    assert outcome.qemu_status == 101
    assert re.search(rb"101 cpu-exception: data abort at 0x[0-9a-f]+ \(in the last copy\)", outcome.console)
