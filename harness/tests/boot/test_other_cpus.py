# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The matrix on CPUs other than x86: every cell is one boot whose status is asserted."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from hermit_harness.fixtures import images
from hermit_harness.matrix import specs
from hermit_harness.matrix.cell import Cell
from hermit_harness.matrix.table import matrix
from hermit_harness.verdict.outcome import Outcome
from hermit_harness.vm.spec import RunSpec
from hermit_harness.vm.targets import target
from tests.support.cells import every

RunCell = Callable[[Cell], Outcome]
Boot = Callable[[RunSpec], Outcome]


def greets(cell: Cell, run_cell: RunCell) -> None:
    """Boot it, and see its own words besides its status."""
    outcome = run_cell(cell)
    assert images(target(cell.target).arch)[cell.image].greeting.encode() in outcome.console


@pytest.mark.requirement("N-01", "N-02", "N-08")
@every("riscv64")
def test_riscv64_boots(cell: Cell, run_cell: RunCell) -> None:
    """Every app that is built for RISC-V, by QEMU's own firmware."""
    greets(cell, run_cell)


@pytest.mark.requirement("N-08")
@every("riscv64-firmware", "riscv64-firmware-memory", "riscv64-real-firmware")
def test_riscv64_firmware(cell: Cell, run_cell: RunCell) -> None:
    """OpenSBI 1.1 and 1.6, told where to go on and jumping to a fixed address; the real kernel where it has a
    console."""
    greets(cell, run_cell)


@pytest.mark.requirement("N-08", "N-12")
@every("riscv64-fw-jump-64m")
def test_riscv64_firmware_writes_over_the_application(cell: Cell, run_cell: RunCell) -> None:
    """One line tells what happened and what helps."""
    (line,) = re.findall(rb"\[LOADER\]\[ERROR\] .*", run_cell(cell).console)
    assert b"device tree 0x82200000.." in line and b"another -m" in line


@pytest.mark.requirement("N-08")
@every("riscv64-together")
def test_riscv64_harts_all_at_once(cell: Cell, run_cell: RunCell) -> None:
    """Firmware without hart management and debug console starts every hart here: one boots."""
    console = run_cell(cell).console
    assert console.count(b"[LOADER][INFO] Hermit loader") == 1
    if cell.image == "smp":
        assert f"CPUs: 1 of {cell.smp}, ".encode() in console


@pytest.mark.requirement("N-08")
@every("riscv64-hart2")
def test_riscv64_hart_2_boots(cell: Cell, run_cell: RunCell) -> None:
    """The boot hart is whichever one the firmware takes."""
    greets(cell, run_cell)


@pytest.mark.requirement("N-08", "N-19")
@every("riscv64-sifive-u")
def test_riscv64_board_of_another_maker(cell: Cell, run_cell: RunCell) -> None:
    """Hart 0 has no part in it; without test device and power-off the line tells the status."""
    greets(cell, run_cell)


@pytest.mark.requirement("N-08", "L-22")
@every("smp-riscv64", "smp-riscv64-firmware", "smp-aarch64")
def test_every_processor_starts(cell: Cell, run_cell: RunCell) -> None:
    """The application has the firmware start all others, by what the tree tells of them: SBI's harts,
    PSCI by either conduit, EL2 where the machine has it."""
    console = run_cell(cell).console
    first = b"2" if cell.machine == "virt-hart2" else rb"\d"
    assert re.search(rb"CPUs: %d of %d, started by CPU %s\r?\n" % (cell.smp, cell.smp, first), console)
    if cell.target != "riscv64-sbi":
        level = 2 if cell.machine == "virt-el2" else 1
        assert console.count(b"runs, level %d" % level) == cell.smp - 1


@pytest.mark.requirement("N-08", "N-31")
@every("riscv64-profiles", "riscv64-memory", "riscv64-smp")
def test_riscv64_any_size(cell: Cell, run_cell: RunCell) -> None:
    """Debug build, memory, harts; the app is found by what -initrd leaves in the device tree."""
    greets(cell, run_cell)


@pytest.mark.requirement("N-01", "N-02", "L-20", "L-23", "N-31")
@every("aarch64", "aarch64_be")
def test_aarch64_boots(cell: Cell, run_cell: RunCell) -> None:
    """Every app, in both byte orders; its status is QEMU's."""
    greets(cell, run_cell)


@pytest.mark.requirement("L-20", "L-22")
@every("aarch64-real", "aarch64-real-machines")
def test_aarch64_real_kernel(cell: Cell, run_cell: RunCell) -> None:
    """The real kernel, on both interrupt controllers and entered at EL2."""
    greets(cell, run_cell)


@pytest.mark.requirement("N-08")
@every("riscv64-real")
def test_riscv64_real_kernel(cell: Cell, run_cell: RunCell) -> None:
    """The real kernel comes to its end; what it prints needs a newer SBI."""
    outcome = run_cell(cell)
    assert b"Loading kernel to 0x" in outcome.console and b"[LOADER][ERROR]" not in outcome.console


@pytest.mark.requirement("L-22")
@every("aarch64-machines")
def test_aarch64_machines(cell: Cell, run_cell: RunCell) -> None:
    """GIC 2 and 3, entered at EL1 and EL2."""
    greets(cell, run_cell)


@pytest.mark.requirement("L-21")
@every("aarch64-places")
def test_aarch64_app_anywhere(cell: Cell, run_cell: RunCell) -> None:
    """The app's place is what the device tree says, above 4 GiB too."""
    greets(cell, run_cell)


@pytest.mark.requirement("N-31", "L-22", "N-01")
@every("image", "image-machines", "image-debug", "image-real")
def test_aarch64_image(cell: Cell, run_cell: RunCell) -> None:
    """Started as Linux's image, the app by -initrd; any interrupt controller and exception level."""
    greets(cell, run_cell)


@pytest.mark.requirement("N-10")
@every("image-versal")
def test_aarch64_other_board(cell: Cell, run_cell: RunCell) -> None:
    """Nothing is tied to QEMU's virt."""
    greets(cell, run_cell)


@pytest.mark.requirement("L-20", "N-01")
@every("aarch64-profiles", "aarch64-memory", "aarch64-smp")
def test_aarch64_any_size(cell: Cell, run_cell: RunCell) -> None:
    """Debug build, memory, processors."""
    greets(cell, run_cell)


@pytest.mark.requirement("L-23")
@pytest.mark.parametrize("machine", ["virt", "virt-gic2", "virt-el2"])
@pytest.mark.parametrize("status", [0, 1, 42, 255])
def test_aarch64_without_semihosting(machine: str, status: int, boot_here: Boot) -> None:
    """The machine is powered off, by either conduit, and the line tells the status; no loop of exceptions."""
    spec = specs.release("exit", machine, "aarch64-elf", append=f"-- {status}", expect=f"exit {status}")
    outcome = boot_here(replace(spec, debug_exit=False))
    assert outcome.matches(f"exit {status}"), str(outcome)
    assert outcome.qemu_status == 0
    assert "-semihosting" in outcome.hint


@pytest.mark.requirement("L-23", "N-12")
@pytest.mark.parametrize("name", ["aarch64-elf", "aarch64_be-elf", "aarch64-uefi", "riscv64-sbi"])
@pytest.mark.parametrize("status", [0, 1, 42, 255])
def test_status_is_qemus(name: str, status: int, boot_here: Boot) -> None:
    """Where the machine can carry it, the application's number is QEMU's."""
    outcome = boot_here(specs.release("exit", on=name, append=f"-- {status}", expect=f"exit {status}"))
    assert outcome.matches(f"exit {status}"), str(outcome)
    assert outcome.qemu_status == status


@pytest.mark.requirement("N-31", "L-23")
@pytest.mark.parametrize("debug_exit", [True, False], ids=["semihosting", "nothing"])
@pytest.mark.parametrize("name", ["aarch64-elf", "aarch64_be-elf", "riscv64-sbi"])
def test_no_application(name: str, debug_exit: bool, boot_here: Boot) -> None:
    """No module node and no RAM disk is one line that shows QEMU's options; the number is carried where
    something can carry it."""
    spec = specs.release("hello", on=name, append="", expect="refused 65 no-module")
    outcome = boot_here(replace(spec, app=None, debug_exit=debug_exit))
    assert outcome.matches("refused 65 no-module"), str(outcome)
    (line,) = re.findall(rb"\[LOADER\]\[ERROR\] .*", outcome.console)
    assert b"-initrd" in line and (b"guest-loader" in line or name == "riscv64-sbi")
    assert outcome.qemu_status == (65 if debug_exit or name == "riscv64-sbi" else 0)


@pytest.mark.requirement("N-08", "N-17", "L-20")
@every("riscv64-lines", "aarch64-lines")
def test_command_lines(cell: Cell, run_cell: RunCell) -> None:
    """The words reach the application as they are."""
    console = run_cell(cell).console.decode()
    for word in matrix().lines[cell.line].words:
        assert word in console


@pytest.mark.requirement("M-13")
@pytest.mark.parametrize(("name", "sizes"), [("aarch64-elf", ["4", "4"]), ("riscv64-sbi", [])])
def test_what_is_mapped_is_told(name: str, sizes: list[str], boot_here: Boot) -> None:
    """Block and image by the pages that this CPU's kernels want; nothing where nothing is mapped."""
    outcome = boot_here(specs.release("hello", on=name, append="loader.log=debug"))
    assert outcome.matches("exit 0"), str(outcome)
    found = re.findall(rb"Map (\d+) pages at 0x([0-9a-f]+) \(page size (\d+) KByte\)", outcome.console)
    assert [size.decode() for _, _, size in found] == sizes
    if found:
        assert int(found[1][0]) % 512 == 0 and int(found[1][1], 16) % 0x200000 == 0
