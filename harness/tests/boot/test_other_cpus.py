# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The matrix on CPUs other than x86: each cell is one boot whose status is asserted."""

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
from tests.support.cells import each_cell
from tests.support.command_lines import argv, arrived

RunCell = Callable[[Cell], Outcome]
Boot = Callable[[RunSpec], Outcome]


def greets(cell: Cell, run_cell: RunCell) -> None:
    """Boot the cell, and require the application's own output as well as its status."""
    outcome = run_cell(cell)
    assert images(target(cell.target).arch)[cell.image].greeting.encode() in outcome.console


@pytest.mark.requirement("N-01", "N-02", "N-08")
@each_cell("riscv64")
def test_riscv64_boots(cell: Cell, run_cell: RunCell) -> None:
    """Each application built for RISC-V boots with QEMU's built-in firmware."""
    greets(cell, run_cell)


@pytest.mark.requirement("N-08")
@each_cell("riscv64-firmware", "riscv64-firmware-memory", "riscv64-real-firmware")
def test_riscv64_firmware(cell: Cell, run_cell: RunCell) -> None:
    """OpenSBI 1.1 and 1.6 boot as fw_dynamic and fw_jump; the real kernel runs if it has a console."""
    greets(cell, run_cell)


@pytest.mark.requirement("N-08", "N-12")
@each_cell("riscv64-fw-jump-64m")
def test_riscv64_firmware_overwrites_the_application(cell: Cell, run_cell: RunCell) -> None:
    """One line reports the cause and the remedy."""
    (line,) = re.findall(rb"\[LOADER\]\[ERROR\] .*", run_cell(cell).console)
    assert b"device tree 0x82200000.." in line and b"change -m" in line


@pytest.mark.requirement("N-08")
@each_cell("riscv64-together")
def test_riscv64_all_harts_start_at_once(cell: Cell, run_cell: RunCell) -> None:
    """Firmware without the HSM extension starts each hart in the loader: one hart boots."""
    console = run_cell(cell).console
    assert console.count(b"[LOADER][INFO] Hermit loader") == 1
    if cell.image == "smp":
        assert f"CPUs: 1 of {cell.smp}, ".encode() in console


@pytest.mark.requirement("N-27", "N-08")
def test_riscv64_moved_image(boot_here: Boot) -> None:
    """An application that is linked to the loader's addresses is moved there last. It compares its checksums."""
    spec = specs.release("probe-over-loader", target_name="riscv64-sbi", append="loader.log=debug")
    outcome = boot_here(spec)
    assert outcome.matches("exit 0"), str(outcome)
    loader = re.search(rb"Loader: \[0x([0-9a-f]+) - 0x([0-9a-f]+)\]", outcome.console)
    image = re.search(rb"Loading kernel to 0x([0-9a-f]+)\.\.0x([0-9a-f]+)", outcome.console)
    assert loader and image
    assert int(image[1], 16) <= int(loader[1], 16) < int(image[2], 16)


@pytest.mark.requirement("N-08")
@each_cell("riscv64-hart2")
def test_riscv64_hart_2_boots(cell: Cell, run_cell: RunCell) -> None:
    """The boot hart is whichever one the firmware selects."""
    greets(cell, run_cell)


@pytest.mark.requirement("N-08", "N-19")
@each_cell("riscv64-sifive-u")
def test_riscv64_board(cell: Cell, run_cell: RunCell) -> None:
    """On this board hart 0 cannot boot. Without an exit device and power-off the log line reports the status."""
    greets(cell, run_cell)


@pytest.mark.requirement("N-08", "L-22")
@each_cell("smp-riscv64", "smp-riscv64-firmware", "smp-aarch64")
def test_every_cpu_starts(cell: Cell, run_cell: RunCell) -> None:
    """The application starts all other CPUs by the device tree: SBI HSM, or PSCI by either conduit.

    They run at the kernel's level, EL1 or S mode, also if the loader is entered at EL2.
    """
    console = run_cell(cell).console
    first = b"2" if cell.machine == "virt-hart2" else rb"\d"
    assert re.search(rb"CPUs: %d of %d, started by CPU %s\r?\n" % (cell.smp, cell.smp, first), console)
    assert console.count(b"runs, level 1") == cell.smp - 1


@pytest.mark.requirement("N-08", "N-31")
@each_cell("riscv64-profiles", "riscv64-memory", "riscv64-smp")
def test_riscv64_sizes(cell: Cell, run_cell: RunCell) -> None:
    """Debug profile, memory sizes and harts; the application is found by the properties that -initrd sets."""
    greets(cell, run_cell)


@pytest.mark.requirement("N-01", "N-02", "L-20", "L-23", "N-31")
@each_cell("aarch64", "aarch64_be")
def test_aarch64_boots(cell: Cell, run_cell: RunCell) -> None:
    """Each application boots in both byte orders, and QEMU exits with its status."""
    greets(cell, run_cell)


@pytest.mark.requirement("L-20", "L-22")
@each_cell("aarch64-real", "aarch64-real-machines")
def test_aarch64_real_kernel(cell: Cell, run_cell: RunCell) -> None:
    """The real kernel boots with both interrupt controllers, and if entered at EL2."""
    greets(cell, run_cell)


@pytest.mark.requirement("N-08")
@each_cell("riscv64-real")
def test_riscv64_real_kernel(cell: Cell, run_cell: RunCell) -> None:
    """By default the real kernel gets firmware through which it can print, and reports its status."""
    greets(cell, run_cell)


@pytest.mark.requirement("N-08", "L-12")
@each_cell("riscv64-real-mute")
def test_riscv64_mute_kernel_is_no_success(cell: Cell, run_cell: RunCell, boot_here: Boot) -> None:
    """Without the debug console the kernel boots and powers off, but whether it succeeded is unknown."""
    outcome = run_cell(cell)
    assert b"Loading kernel to 0x" in outcome.console and b"[LOADER][ERROR]" not in outcome.console
    assert (str(outcome), outcome.status, outcome.qemu_status) == ("app ended, status unknown", None, 0)
    assert "OpenSBI 1.3" in outcome.hint
    assert boot_here(replace(specs.spec(cell), allow_unknown=True)).matches("exit unknown")


@pytest.mark.requirement("L-22")
def test_aarch64_newest_interrupt_controller(boot_here: Boot) -> None:
    """gic-version=max is 3 or 4, by QEMU's version."""
    spec = specs.release("real-hello-0.11.0-aarch64", target_name="aarch64-elf", extra=("-M", "gic-version=max"))
    outcome = boot_here(spec)
    assert outcome.matches("exit 0"), str(outcome)


# The application's image begins in the first node, before this many bytes of RAM, and ends in the second one.
FIRST_NODE = {"aarch64-uefi": 0x210000, "riscv64-sbi": 0x410000}


@pytest.mark.requirement("N-08", "N-31", "L-21")
@pytest.mark.parametrize("name", FIRST_NODE)
def test_several_memory_nodes(name: str, boot_here: Boot) -> None:
    """With NUMA all nodes are RAM, the image may extend over two, and the rest of the tree stays."""
    first, total = FIRST_NODE[name], 256 << 20
    nodes = (
        *("-object", f"memory-backend-ram,id=a,size={first}", "-numa", "node,memdev=a,cpus=0"),
        *("-object", f"memory-backend-ram,id=b,size={total - first}", "-numa", "node,memdev=b,cpus=1"),
        *("-numa", "dist,src=0,dst=1,val=20"),
    )
    outcome = boot_here(specs.release("probe", target_name=name, memory="256M", smp=2, extra=nodes))
    assert outcome.matches("exit 0"), str(outcome)
    found = re.findall(rb"probe fdt memory@[0-9a-f]+=0x([0-9a-f]+)\.\.0x([0-9a-f]+)", outcome.console)
    ranges = [(int(start, 16), int(end, 16)) for start, end in found]
    ram = ranges[0][0]
    assert ranges == [(ram, ram + total)]
    image = re.search(rb"Loading kernel to 0x([0-9a-f]+)\.\.0x([0-9a-f]+)", outcome.console)
    assert image
    assert int(image[1], 16) < ram + first < int(image[2], 16)
    for kept in ("cpu@0/numa-node-id", "cpu@1/numa-node-id", "distance-map/distance-matrix bytes=48"):
        assert f"probe fdt {kept}".encode() in outcome.console, kept


@pytest.mark.requirement("L-22")
@each_cell("aarch64-machines")
def test_aarch64_machines(cell: Cell, run_cell: RunCell) -> None:
    """GIC 2 and 3, entry at EL1 and EL2."""
    greets(cell, run_cell)


@pytest.mark.requirement("L-21")
@each_cell("aarch64-places")
def test_aarch64_application_at_any_address(cell: Cell, run_cell: RunCell) -> None:
    """The device tree determines the application's address, also above 4 GiB."""
    greets(cell, run_cell)


@pytest.mark.requirement("N-31", "L-22", "N-01")
@each_cell("image", "image-machines", "image-debug", "image-real")
def test_aarch64_image(cell: Cell, run_cell: RunCell) -> None:
    """Started as a Linux image with -initrd, with any interrupt controller and exception level."""
    greets(cell, run_cell)


@pytest.mark.requirement("N-10")
@each_cell("image-versal")
def test_aarch64_other_board(cell: Cell, run_cell: RunCell) -> None:
    """Nothing depends on QEMU's virt."""
    greets(cell, run_cell)


@pytest.mark.requirement("L-20", "N-01")
@each_cell("aarch64-profiles", "aarch64-memory", "aarch64-smp")
def test_aarch64_sizes(cell: Cell, run_cell: RunCell) -> None:
    """Debug profile, memory sizes and CPUs."""
    greets(cell, run_cell)


@pytest.mark.requirement("L-23")
@pytest.mark.parametrize("machine", ["virt", "virt-gic2", "virt-el2"])
@pytest.mark.parametrize("status", [0, 1, 42, 255])
def test_aarch64_without_semihosting(machine: str, status: int, boot_here: Boot) -> None:
    """The machine powers off by either conduit, and the log line reports the status; no exception loop."""
    spec = specs.release("exit", machine, "aarch64-elf", append=f"-- {status}", expect=f"exit {status}")
    outcome = boot_here(replace(spec, debug_exit=False))
    assert outcome.matches(f"exit {status}"), str(outcome)
    assert outcome.qemu_status == 0
    assert "-semihosting" in outcome.hint


@pytest.mark.requirement("L-23", "N-12")
@pytest.mark.parametrize("name", ["aarch64-elf", "aarch64_be-elf", "aarch64-uefi", "riscv64-sbi"])
@pytest.mark.parametrize("status", [0, 1, 42, 255])
def test_status_is_qemus_exit_status(name: str, status: int, boot_here: Boot) -> None:
    """On machines with an exit device QEMU exits with the application's status."""
    outcome = boot_here(specs.release("exit", target_name=name, append=f"-- {status}", expect=f"exit {status}"))
    assert outcome.matches(f"exit {status}"), str(outcome)
    assert outcome.qemu_status == status


@pytest.mark.requirement("N-31", "L-23")
@pytest.mark.parametrize("debug_exit", [True, False], ids=["semihosting", "nothing"])
@pytest.mark.parametrize("name", ["aarch64-elf", "aarch64_be-elf", "riscv64-sbi"])
def test_missing_application_is_refused(name: str, debug_exit: bool, boot_here: Boot) -> None:
    """Without a module node and a RAM disk one line shows QEMU's options.

    The status leaves through the exit device, if any.
    """
    spec = specs.release("hello", target_name=name, append="", expect="refused 65 no-module")
    outcome = boot_here(replace(spec, app=None, debug_exit=debug_exit))
    assert outcome.matches("refused 65 no-module"), str(outcome)
    (line,) = re.findall(rb"\[LOADER\]\[ERROR\] .*", outcome.console)
    assert b"-initrd APP, or if -kernel is an ELF file for aarch64 -device guest-loader,addr=0x" in line
    assert outcome.qemu_status == (65 if debug_exit or name == "riscv64-sbi" else 0)


@pytest.mark.requirement("N-08", "N-17", "L-20")
@each_cell("riscv64-lines", "aarch64-lines")
def test_command_line_words(cell: Cell, run_cell: RunCell) -> None:
    """The device tree has exactly the text of -append, and the application gets its words."""
    console = run_cell(cell).console
    line = matrix().lines[cell.line]
    assert set(arrived(console).values()) == ({line.text.encode()} if line.text else set())
    assert argv(console) == ("bin", *line.words)


@pytest.mark.requirement("M-13")
@pytest.mark.parametrize(("name", "sizes"), [("aarch64-elf", ["4", "4"]), ("riscv64-sbi", [])])
def test_debug_lines_report_the_mapping(name: str, sizes: list[str], boot_here: Boot) -> None:
    """Block and image appear with the page sizes that this CPU's kernels need, or not at all."""
    outcome = boot_here(specs.release("hello", target_name=name, append="loader.log=debug"))
    assert outcome.matches("exit 0"), str(outcome)
    found = re.findall(rb"Map (\d+) pages at 0x([0-9a-f]+) \(page size (\d+) KByte\)", outcome.console)
    assert [size.decode() for _, _, size in found] == sizes
    if found:
        assert int(found[1][0]) % 512 == 0 and int(found[1][1], 16) % 0x200000 == 0
