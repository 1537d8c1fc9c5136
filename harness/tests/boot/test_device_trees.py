# SPDX-License-Identifier: Apache-2.0 OR MIT
"""AArch64 with device trees that QEMU would not make: other devices, other ways to name the application."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hermit_harness.fixtures import images
from hermit_harness.matrix import specs
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
    """What matters of QEMU's virt with 512 MiB, and nodes in /chosen."""
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
    """What matters of the ZCU102: RAM from 0 on, and a Cadence UART by one of its names."""
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
    """The application as U-Boot and guest-loader tell of it."""
    compatible = b"multiboot,kernel\0multiboot,module\0"
    return Node(f"module@{start:x}", {"compatible": compatible, "reg": reg(start, size)})


def given(spec: RunSpec, tree: bytes, folder: Path) -> RunSpec:
    """The boot with a device tree of our own."""
    file = folder / "tree.dtb"
    file.write_bytes(tree)
    return replace(spec, extra=(*spec.extra, "-dtb", str(file)))


def in_memory(spec: RunSpec, at: int) -> RunSpec:
    """The application at an address of which QEMU tells nobody."""
    return replace(spec, app=None, extra=("-device", f"loader,file={spec.app},addr={at:#x},force-raw=on"))


@pytest.mark.requirement("L-21", "N-09")
@pytest.mark.parametrize("name", ["aarch64-elf", "aarch64_be-elf"])
@pytest.mark.parametrize("image", ["hello", "hello-fixed", "bigbss"])
def test_module_without_a_size(name: str, image: str, boot_here: Boot, tmp_path: Path) -> None:
    """U-Boot tells where the application begins and size 0; where it ends, its own headers say."""
    spec = specs.release(image, on=name)
    outcome = boot_here(given(in_memory(spec, PLACE), virt(module(PLACE, 0)), tmp_path))
    assert outcome.matches("exit 0"), str(outcome)
    assert images(spec.target.removesuffix("-elf"))[image].greeting.encode() in outcome.console


@pytest.mark.requirement("L-21", "N-12")
@pytest.mark.parametrize("size", [0, 0x20000])
def test_no_application_where_one_should_be(size: int, boot_here: Boot, tmp_path: Path) -> None:
    """RAM that was never written is told apart from a file."""
    spec = specs.release("hello", on="aarch64-elf", app=None)
    outcome = boot_here(given(spec, virt(module(PLACE, size)), tmp_path))
    assert outcome.matches("refused 69 app-unknown-format"), str(outcome)


@pytest.mark.requirement("L-21")
@pytest.mark.parametrize("start", [LOADER_PLACE, LOADER_PLACE + 0x4000, LOADER_PLACE - 0x1000])
def test_application_on_the_loader(start: int, boot_here: Boot, tmp_path: Path) -> None:
    """An application that is said to lie where the loader runs is refused in words that say so."""
    spec = specs.release("hello", on="aarch64-elf", app=None)
    outcome = boot_here(given(spec, virt(module(start, 0x4000)), tmp_path))
    assert outcome.matches("refused 103 fdt-content"), str(outcome)
    assert b"the loader's own place 0x40100000.." in outcome.console


@pytest.mark.requirement("L-21")
def test_guest_loader_on_the_loader(boot_here: Boot) -> None:
    """QEMU's own way to do that; it lets the loader win."""
    outcome = boot_here(specs.release("hello", on="aarch64-elf", way=f"guest-loader@{LOADER_PLACE:#x}"))
    assert outcome.matches("refused 103 fdt-content"), str(outcome)


@pytest.mark.requirement("N-10")
@pytest.mark.parametrize("uart", ["cdns,uart-r1p12", "cdns,uart-r1p8", "xlnx,xuartps"])
def test_cadence_uart(uart: str, boot_here: Boot, tmp_path: Path) -> None:
    """The loader speaks by the Cadence UART and its refusal leaves as a number."""
    spec = specs.release("hello", "zcu102", "aarch64-uefi", app=None)
    outcome = boot_here(given(spec, zcu102(uart), tmp_path))
    assert outcome.matches("refused 65 no-module"), str(outcome)
    assert outcome.qemu_status == 65


@pytest.mark.requirement("N-10")
def test_application_beside_a_cadence_uart(boot_here: Boot, tmp_path: Path) -> None:
    """Kernels know the PL011 alone: they are told of no serial port, run without a word, and end."""
    spec = specs.release("exit", "zcu102", "aarch64-uefi", append="-- 42")
    outcome = boot_here(given(spec, zcu102("cdns,uart-r1p12"), tmp_path))
    assert outcome.qemu_status == 42, str(outcome)
    assert re.search(rb"Loading kernel to 0x[0-9a-f]+\.\.0x[0-9a-f]+ ", outcome.console)
    assert b"exit status" not in outcome.console
