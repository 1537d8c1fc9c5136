# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Boots under UEFI firmware: from a disk, and by QEMU's -kernel with and without options.

For AArch64 alone see test_aarch64_uefi.py.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hermit_harness.fixtures import images
from hermit_harness.matrix import loaders, specs
from hermit_harness.matrix.cell import Cell
from hermit_harness.matrix.table import matrix
from hermit_harness.paths import BUILD, loader_file
from hermit_harness.verdict.outcome import Outcome
from hermit_harness.vm import esp
from hermit_harness.vm.argv import disk_argv
from hermit_harness.vm.machines import CPU_TCG
from hermit_harness.vm.spec import RunSpec
from hermit_harness.vm.targets import target
from hermit_harness.watch.deadline import NO_CAP
from tests.support.cells import each_cell
from tests.support.command_lines import argv, arrived

RunCell = Callable[[Cell], Outcome]
Boot = Callable[[RunSpec], Outcome]
MACHINES = {"x86_64-uefi": "ovmf", "aarch64-uefi": "aavmf"}
each_cpu = pytest.mark.parametrize("name", MACHINES)
PATHS = (rb"\EFI\hermit\hermit-app", rb"\EFI\BOOT\hermit-app")


def release(image: str, name: str, **changes: object) -> RunSpec:
    """Return the default boot of an image by one CPU's release loader under its firmware."""
    return specs.release(image, MACHINES[name], name, **changes)


@pytest.mark.requirement("N-01", "N-04", "N-05", "N-06", "L-22", "L-23")
@each_cell(
    *("uefi", "uefi-images", "uefi-fixed", "uefi-debug", "uefi-memory", "uefi-bios", "uefi-shell"),
    *("aarch64-uefi", "aarch64-uefi-images", "aarch64-uefi-large", "aarch64-uefi-debug", "aarch64-uefi-memory"),
    *("aarch64-uefi-smp", "aarch64-uefi-el2"),
)
def test_uefi_boots(cell: Cell, run_cell: RunCell) -> None:
    """Both directories of the disk and QEMU's RAM disk work, with firmware at EL1 and EL2. The output is complete."""
    outcome = run_cell(cell)
    assert images(target(cell.target).arch)[cell.image].greeting.encode() in outcome.console
    if cell.target not in loaders.given():  # another loader has another first line
        assert f", {cell.target}, uefi)\r\n".encode() in outcome.console


@pytest.mark.requirement("N-05", "N-07")
@each_cell("uefi-lines", "uefi-shell-lines", "aarch64-uefi-lines")
def test_uefi_command_lines(cell: Cell, run_cell: RunCell) -> None:
    """The words of -append reach the application, and the word that the firmware adds does not."""
    console = run_cell(cell).console
    line = matrix().lines[cell.line]
    assert set(arrived(console).values()) == ({line.text.encode()} if line.text else set())
    assert argv(console) == ("bin", *line.words)


@pytest.mark.requirement("N-04", "N-12")
@each_cell("uefi-refused")
def test_uefi_refuses_firmware_memory(cell: Cell, run_cell: RunCell) -> None:
    """The loader never uses memory that the firmware keeps at run time, and names the type of that memory.

    The refusal is one line with its status; then the firmware continues with its next boot option.
    """
    outcome = run_cell(cell)
    (line,) = outcome.errors
    assert b"Shell>" in outcome.console.partition(line)[2]
    assert re.search(rb"83 image-not-in-ram: .+ is not free RAM: 0x[0-9a-f]+ is (ACPI|runtime|reserved)", line)
    assert "disable_s3=1" in outcome.hint


@pytest.mark.requirement("N-05", "N-27")
def test_fixed_address_without_suspend(boot_here: Boot) -> None:
    """The same place is free after ExitBootServices if the machine cannot suspend, as the refusal's hint says."""
    words = ("-global", "ICH9-LPC.disable_s3=1")
    outcome = boot_here(release("hello-fixed", "x86_64-uefi", way="efi-kernel", extra=words))
    assert outcome.matches("exit 0"), str(outcome)
    assert b"Loading kernel to 0x800000.." in outcome.console


@pytest.mark.requirement("N-05", "N-27")
def test_fixed_address_in_boot_services_memory(boot_here: Boot) -> None:
    """An application may be linked to memory that the firmware uses until ExitBootServices.

    With little memory, OVMF's own covers 32 MiB. How little depends on its version.
    """
    for memory in ("42M", "46M", "50M"):
        spec = release("probe-at-32m", "x86_64-uefi", way="efi-kernel", memory=memory, append="loader.log=trace")
        outcome = boot_here(spec)
        assert outcome.matches("exit 0"), str(outcome)
        usable = re.findall(rb"Usable memory: \[(0x[0-9a-f]+) - (0x[0-9a-f]+)\]", outcome.console)
        if not any(int(start, 16) <= 32 << 20 < int(end, 16) for start, end in usable):
            break
    else:
        pytest.fail("the firmware left 32 MiB free each time")
    assert b"Loading kernel to 0x2000000.." in outcome.console


@pytest.mark.requirement("N-04")
@each_cpu
@pytest.mark.parametrize("way", ["esp", "efi-kernel"])
def test_missing_application_names_both_paths(way: str, name: str, boot_here: Boot) -> None:
    """One line names both paths; then the firmware regains the machine and continues."""
    spec = release("hello", name, append="", expect="refused 65 no-module")
    outcome = boot_here(replace(spec, app=None, way=way))
    assert outcome.matches("refused 65 no-module"), str(outcome)
    (line,) = outcome.errors
    assert all(path in line for path in PATHS)


@pytest.mark.requirement("N-12")
def test_refusal_ends_a_run_without_time_limit(boot_here: Boot) -> None:
    """`hermitctl run` has no time limit. The firmware's shell, which waits for ever, does not keep the run alive."""
    spec = release("hello", "x86_64-uefi", append="", expect="refused 65 no-module")
    outcome = boot_here(replace(spec, app=None, way="efi-kernel", cpu_seconds=NO_CAP, wall_seconds=NO_CAP))
    assert outcome.matches("refused 65 no-module"), str(outcome)


@pytest.mark.requirement("N-04", "L-23")
@each_cpu
def test_onerror_stop_ends_the_machine(name: str, boot_here: Boot) -> None:
    """With loader.onerror=stop the status leaves through the exit device instead."""
    spec = release("hello", name, append="loader.onerror=stop", expect="refused 65 no-module")
    outcome = boot_here(replace(spec, app=None, way="efi-kernel"))
    assert outcome.matches("refused 65 no-module"), str(outcome)
    assert outcome.qemu_status == 65


@pytest.mark.requirement("N-04")
@each_cpu
def test_the_next_boot_entry_runs(name: str, boot_here: Boot) -> None:
    """A refusal leaves the machine unchanged; the firmware's next boot option boots an application."""
    arch = target(name).cpu
    app = images(arch)["hello"]
    first = replace(release("hello", name, append="", way="esp"), app=None)
    good = esp.image(arch, first.loader, app.path, "")
    outcome = boot_here(replace(first, extra=tuple(disk_argv("next", good))))
    assert outcome.matches("exit 0"), str(outcome)
    (line,) = outcome.errors
    assert b"65 no-module: " in line
    assert outcome.console.index(line) < outcome.console.index(app.greeting.encode())


@pytest.mark.requirement("N-07")
@each_cpu
def test_boot_services_memory_becomes_ram(name: str, boot_here: Boot) -> None:
    """The firmware's boot services memory belongs to the application: all but some MiB of RAM."""
    outcome = boot_here(release("probe", name, way="efi-kernel"))
    assert outcome.matches("exit 0"), str(outcome)
    ranges = re.findall(rb"probe fdt memory@[0-9a-f]+=(0x[0-9a-f]+)\.\.(0x[0-9a-f]+)", outcome.console)
    assert sum(int(end, 16) - int(start, 16) for start, end in ranges) > 500 << 20


@pytest.mark.requirement("N-04", "N-07")
@each_cpu
def test_application_above_4_gib(name: str, boot_here: Boot, tmp_path: Path) -> None:
    """The application's file may be above 4 GiB.

    OVMF prefers low RAM, of which there is less here than the file needs.
    """
    spec = release("hello", name, append="loader.log=debug", way="esp", memory="6G")
    assert spec.app
    large = tmp_path / "app"
    shutil.copyfile(spec.app, large)
    os.truncate(large, 64 << 20)
    few = ("-machine", "max-ram-below-4g=64M") if name == "x86_64-uefi" else ()
    outcome = boot_here(replace(spec, app=large, extra=few))
    assert outcome.matches("exit 0"), str(outcome)
    found = re.search(rb"Found module: \[(0x[0-9a-f]+) - ", outcome.console)
    assert found
    assert int(found[1], 16) >= 4 << 30


@pytest.mark.requirement("N-12")
def test_exception_in_the_loader_is_reported(boot_here: Boot) -> None:
    """The loader itself reports a page fault, with status, registers and function."""
    loader = loader_file("x86_64-uefi", "debug")
    spec = specs.release(
        "hello", target_name="x86_64-uefi", append="loader.selftest=pf", expect="refused 101 cpu-exception"
    )
    outcome = boot_here(replace(spec, loader=loader, loader_debug=specs.debug_file(loader), way="efi-kernel"))
    assert outcome.matches("refused 101 cpu-exception"), str(outcome)
    assert outcome.qemu_status == 101
    text = outcome.console.decode(errors="replace")
    assert re.search(r"101 cpu-exception: #PF at 0x[0-9a-f]+ \(selftest\+0x[0-9a-f]+\)", text), text
    assert re.search(r"cr2=0x0*400000000000\b", text), text


@pytest.mark.requirement("L-06", "P-02")
@each_cpu
def test_clang_build_boots(name: str, boot_here: Boot) -> None:
    spec = release("probe", name, way="esp")
    file = BUILD / "clang" / "release" / spec.loader.name
    outcome = boot_here(replace(spec, loader=file, loader_debug=specs.debug_file(file)))
    assert outcome.matches("exit 0"), str(outcome)
    assert file.read_bytes() != spec.loader.read_bytes()


@pytest.mark.requirement("N-05")
def test_five_level_page_tables(boot_here: Boot) -> None:
    """Firmware may use five levels; kernels receive the four that they support.

    The available firmware does not, so the loader first switches to five.
    """
    loader = loader_file("x86_64-uefi", "debug")
    words = "loader.selftest=five-levels loader.log=debug"
    spec = specs.release("probe", target_name="x86_64-uefi", append=words, cpu=f"{CPU_TCG},+la57", way="efi-kernel")
    outcome = boot_here(replace(spec, loader=loader, loader_debug=specs.debug_file(loader)))
    assert outcome.matches("exit 0"), str(outcome)
    assert b"Leaving page tables of five levels" in outcome.console
