# SPDX-License-Identifier: Apache-2.0 OR MIT
"""What differs from x86 under UEFI on AArch64: exception levels, device tree and semihosting. See also test_uefi.py."""

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
def test_missing_device_tree_names_the_qemu_option(way: str, boot_here: Boot) -> None:
    """Firmware with ACPI tables and no device tree is refused; the line names the QEMU option that helps."""
    outcome = boot_here(specs.release("hello", "aavmf-acpi", NAME, expect="refused 103 fdt-missing", way=way))
    assert outcome.matches("refused 103 fdt-missing"), str(outcome)
    (line,) = outcome.errors
    assert b"acpi=off" in line


@pytest.mark.requirement("L-23")
@pytest.mark.parametrize(("machine", "refusal"), [("aavmf-el2", "65 no-module"), ("aavmf-acpi", "103 fdt-missing")])
def test_onerror_stop_exits_through_semihosting(machine: str, refusal: str, boot_here: Boot) -> None:
    """With loader.onerror=stop the status leaves through semihosting, also at EL2 and without a device tree."""
    spec = specs.release("hello", machine, NAME, append="loader.onerror=stop", expect=f"refused {refusal}")
    outcome = boot_here(replace(spec, app=spec.app if machine == "aavmf-acpi" else None, way="efi-kernel"))
    assert outcome.matches(spec.expect), str(outcome)
    assert outcome.qemu_status == int(refusal.split()[0])


@pytest.mark.requirement("L-23", "L-22")
@each_level
@pytest.mark.parametrize("status", [0, 42])
def test_without_semihosting_the_machine_powers_off(machine: str, status: int, boot_here: Boot) -> None:
    """The loader uses the PSCI conduit of the device tree, and the log line reports the status."""
    spec = specs.release("exit", machine, NAME, append=f"-- {status}", expect=f"exit {status}", way="efi-kernel")
    outcome = boot_here(replace(spec, debug_exit=False))
    assert outcome.matches(f"exit {status}"), str(outcome)
    assert outcome.qemu_status == 0


@pytest.mark.requirement("N-12")
@each_level
def test_exception_after_exit_boot_services_is_reported(machine: str, boot_here: Boot) -> None:
    """After ExitBootServices the loader itself reports an exception with status, registers and address."""
    loader = loader_file(NAME, "debug")
    words = "loader.selftest=pf-handover"
    spec = specs.release("hello", machine, NAME, append=words, expect="refused 101 cpu-exception", way="efi-kernel")
    outcome = boot_here(replace(spec, loader=loader, loader_debug=specs.debug_file(loader)))
    assert outcome.matches("refused 101 cpu-exception"), str(outcome)
    assert outcome.qemu_status == 101
    assert re.search(rb"101 cpu-exception: data abort at 0x[0-9a-f]+ \(in the trampoline\)", outcome.console)
