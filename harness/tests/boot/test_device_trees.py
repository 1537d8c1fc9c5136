# SPDX-License-Identifier: Apache-2.0 OR MIT
"""AArch64 with device trees that QEMU does not generate: other devices, other descriptions of the application."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hermit_harness.fixtures import images
from hermit_harness.image import compress
from hermit_harness.matrix import corpus, specs
from hermit_harness.verdict.outcome import Outcome
from hermit_harness.vm.spec import RunSpec
from tests.support.dtb import Node, blob, cells, reg

Boot = Callable[[RunSpec], Outcome]
PLACE = 0x48000000
LOADER_PLACE = 0x40100000
ROOT = {"#address-cells": cells(2), "#size-cells": cells(2)}
CPUS = Node(
    "cpus",
    {"#address-cells": cells(1), "#size-cells": cells(0)},
    (Node("cpu@0", {"device_type": "cpu", "compatible": "arm,cortex-a53", "reg": cells(0)}),),
)


def virt(*chosen: Node) -> bytes:
    """Return the relevant parts of QEMU virt with 512 MiB, with these nodes in /chosen."""
    return blob(
        Node(
            "",
            ROOT,
            (
                Node("chosen", {"stdout-path": "/pl011@9000000"}, chosen),
                Node("memory@40000000", {"device_type": "memory", "reg": reg(0x40000000, 512 << 20)}),
                Node("pl011@9000000", {"compatible": "arm,pl011", "reg": reg(0x9000000, 0x1000)}),
                Node("psci", {"compatible": "arm,psci-0.2", "method": "hvc"}),
                CPUS,
            ),
        )
    )


def zcu102(uart: str) -> bytes:
    """Return the relevant parts of the ZCU102: RAM from address 0, and a Cadence UART with this compatible string."""
    return blob(
        Node(
            "",
            ROOT,
            (
                Node("chosen", {"stdout-path": "/serial@ff000000"}),
                Node("memory@0", {"device_type": "memory", "reg": reg(0, 2 << 30)}),
                Node("serial@ff000000", {"compatible": uart, "reg": reg(0xFF000000, 0x1000)}),
                CPUS,
            ),
        )
    )


def module(start: int, size: int) -> Node:
    """Return the module node that U-Boot and guest-loader write."""
    compatible = b"multiboot,kernel\0multiboot,module\0"
    return Node(f"module@{start:x}", {"compatible": compatible, "reg": reg(start, size)})


def given(spec: RunSpec, tree: bytes, directory: Path) -> RunSpec:
    """Return the spec with this device tree."""
    file = directory / "tree.dtb"
    file.write_bytes(tree)
    return replace(spec, extra=(*spec.extra, "-dtb", str(file)))


def in_memory(spec: RunSpec, at: int) -> RunSpec:
    """Return the spec with the application at an address that QEMU's device tree does not contain."""
    return replace(spec, app=None, extra=("-device", f"loader,file={spec.app},addr={at:#x},force-raw=on"))


@pytest.mark.requirement("L-21", "N-09")
@pytest.mark.parametrize("name", ["aarch64-elf", "aarch64_be-elf"])
@pytest.mark.parametrize("image", ["hello", "hello-fixed", "bigbss"])
def test_module_without_a_size(name: str, image: str, boot_here: Boot, tmp_path: Path) -> None:
    """U-Boot writes the start of the application and size 0; the ELF headers give the end."""
    spec = specs.release(image, target_name=name)
    outcome = boot_here(given(in_memory(spec, PLACE), virt(module(PLACE, 0)), tmp_path))
    assert outcome.matches("exit 0"), str(outcome)
    assert images(spec.target.removesuffix("-elf"))[image].greeting.encode() in outcome.console


@pytest.mark.requirement("L-21", "N-09")
@pytest.mark.parametrize("name", ["aarch64-elf", "aarch64_be-elf"])
@pytest.mark.parametrize("case", ["0-good", "0-good-64-loads"])
def test_end_of_a_module_without_a_size(name: str, case: str, boot_here: Boot, tmp_path: Path) -> None:
    """The end is the last byte of a segment or of the program headers: these files have no section headers."""
    file = corpus.directory(name.removesuffix("-elf")) / f"{case}.elf"
    spec = specs.release("hello", target_name=name, append="loader.log=debug")
    outcome = boot_here(given(in_memory(replace(spec, app=file), PLACE), virt(module(PLACE, 0)), tmp_path))
    assert outcome.matches("exit 0"), str(outcome)
    assert f"Found module: [{PLACE:#x} - {PLACE + file.stat().st_size:#x}]".encode() in outcome.console


@pytest.mark.requirement("N-25")
def test_compressed_module_without_a_size(boot_here: Boot, tmp_path: Path) -> None:
    """The compressed data of a gzip file gives its end."""
    spec = specs.release("hello", target_name="aarch64-elf", append="loader.log=debug")
    assert spec.app
    file = tmp_path / "hello.gz"
    file.write_bytes(compress(spec.app.read_bytes()))
    outcome = boot_here(given(in_memory(replace(spec, app=file), PLACE), virt(module(PLACE, 0)), tmp_path))
    assert outcome.matches("exit 0"), str(outcome)
    assert f"Found module: [{PLACE:#x} - {PLACE + file.stat().st_size:#x}]".encode() in outcome.console


@pytest.mark.requirement("L-21", "N-12")
@pytest.mark.parametrize("size", [0, 0x20000])
def test_empty_memory_instead_of_an_application(size: int, boot_here: Boot, tmp_path: Path) -> None:
    """The refusal distinguishes RAM that was never written from a file."""
    spec = specs.release("hello", target_name="aarch64-elf", app=None)
    outcome = boot_here(given(spec, virt(module(PLACE, size)), tmp_path))
    assert outcome.matches("refused 69 app-unknown-format"), str(outcome)


@pytest.mark.requirement("L-21")
@pytest.mark.parametrize("start", [LOADER_PLACE, LOADER_PLACE + 0x4000, LOADER_PLACE - 0x1000])
def test_application_over_the_loader(start: int, boot_here: Boot, tmp_path: Path) -> None:
    """An application at the loader's own address is refused with a line that names the overlap."""
    spec = specs.release("hello", target_name="aarch64-elf", app=None)
    outcome = boot_here(given(spec, virt(module(start, 0x4000)), tmp_path))
    assert outcome.matches("refused 103 fdt-content"), str(outcome)
    assert b"overlaps the loader 0x40100000.." in outcome.console


@pytest.mark.requirement("L-21")
def test_guest_loader_over_the_loader(boot_here: Boot) -> None:
    """With QEMU's guest-loader device the same overlap leaves the loader intact."""
    outcome = boot_here(specs.release("hello", target_name="aarch64-elf", way=f"guest-loader@{LOADER_PLACE:#x}"))
    assert outcome.matches("refused 103 fdt-content"), str(outcome)


@pytest.mark.requirement("N-10")
@pytest.mark.parametrize("uart", ["cdns,uart-r1p12", "cdns,uart-r1p8", "xlnx,xuartps"])
def test_cadence_uart(uart: str, boot_here: Boot, tmp_path: Path) -> None:
    """The loader prints to the Cadence UART, and its refusal's status reaches QEMU."""
    spec = specs.release("hello", "zcu102", "aarch64-uefi", app=None)
    outcome = boot_here(given(spec, zcu102(uart), tmp_path))
    assert outcome.matches("refused 65 no-module"), str(outcome)
    assert outcome.qemu_status == 65


@pytest.mark.requirement("N-10")
def test_application_on_a_board_with_a_cadence_uart(boot_here: Boot, tmp_path: Path) -> None:
    """Kernels support the PL011 only: they receive no serial port, run silently and exit."""
    spec = specs.release("exit", "zcu102", "aarch64-uefi", append="-- 42")
    outcome = boot_here(given(spec, zcu102("cdns,uart-r1p12"), tmp_path))
    assert outcome.qemu_status == 42, str(outcome)
    assert re.search(rb"Loading kernel to 0x[0-9a-f]+\.\.0x[0-9a-f]+ ", outcome.console)
    assert b"exit status" not in outcome.console
