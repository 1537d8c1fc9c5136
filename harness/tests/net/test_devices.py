# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The devices of the kernel's own tests, by PCI and by MMIO.

Devices that the kernel drives are in test_guests.py and virtiofs/.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from hermit_harness.matrix import specs
from hermit_harness.verdict.outcome import Outcome
from hermit_harness.vm.host import device_problem
from hermit_harness.vm.spec import RunSpec

Boot = Callable[[RunSpec], Outcome]
# QEMU's name, the virtio device id, and the backend.
DEVICES = {
    "console": ("virtio-serial", 3, ("-device", "virtconsole")),
    "rng": ("virtio-rng", 4, ()),
    "net": ("virtio-net", 1, ()),
    "vsock": ("vhost-vsock", 19, ()),
}
NOT_DRIVEN = ("console", "rng")
VSOCK = Path("/dev/vhost-vsock")


def words(device: str, bus: str) -> tuple[str, ...]:
    """Return QEMU's words for a device on a bus."""
    name, _, more = DEVICES[device]
    options = ",guest-cid=3" if device == "vsock" else ""
    modern = ",disable-legacy=on" if bus == "pci" else ""
    kind = "device" if bus.startswith("mmio") else "pci"
    force = ("-global", f"virtio-mmio.force-legacy={'on' if bus == 'mmio-legacy' else 'off'}") if "mmio" in bus else ()
    if device == "vsock" and (problem := device_problem(VSOCK)):
        pytest.skip(f"no-vhost-vsock: {problem}")
    return (*force, "-device", f"{name}-{kind}{modern}{options}", *more)


@pytest.mark.requirement("N-19")
@pytest.mark.parametrize("device", DEVICES)
def test_device_on_pci(device: str, boot_here: Boot) -> None:
    """The kernel finds the device, reports a missing driver, and continues."""
    outcome = boot_here(specs.release("real-list-0.11.0", memory="512M", append="-- /", extra=words(device, "pci")))
    assert outcome.matches("exit 0"), str(outcome)
    number = DEVICES[device][1]
    assert f"[1AF4:{0x1040 + number:04X}]".encode() in outcome.console
    assert f"Found virtio device with device id {0x1040 + number:#x}".encode() in outcome.console
    assert (b"is not supported, skipping" in outcome.console) == (device in NOT_DRIVEN)


@pytest.mark.requirement("N-19", "L-43")
@pytest.mark.parametrize("device", ["console", "rng", "net"])
def test_transitional_device_on_pci(device: str, boot_here: Boot) -> None:
    """The kernel skips a transitional device and continues."""
    outcome = boot_here(specs.release("real-list-0.11.0", append="-- /", extra=words(device, "pci-transitional")))
    assert outcome.matches("exit 0"), str(outcome)
    assert b"Legacy/transitional Virtio device" in outcome.console


@pytest.mark.requirement("N-17", "N-19", "N-11")
@pytest.mark.parametrize("bus", ["mmio", "mmio-legacy"])
@pytest.mark.parametrize("device", DEVICES)
def test_word_of_a_device_on_mmio(device: str, bus: str, boot_here: Boot) -> None:
    """QEMU's word for the device is on the command line with PVH, not with Multiboot.

    The loader translates it to the form that kernels read, and leaves the other words unchanged.
    """
    spec = specs.release("args", "microvm-mmio", "x86_64-pvh", append="env=A=1 -- 'b c'", extra=words(device, bus))
    outcome = boot_here(spec)
    assert outcome.matches("exit 0"), str(outcome)
    (text,) = set(re.findall(rb"<<<(-freq \d+ env=A=1 .*)>>>", outcome.console))
    assert re.search(rb"env=A=1 virtio_mmio\.device=4K@0x[0-9a-f]+:\d+ -- 'b c'$", text)


@pytest.mark.requirement("N-17", "N-19", "N-11")
@pytest.mark.parametrize("bus", ["mmio", "mmio-legacy"])
@pytest.mark.parametrize("device", DEVICES)
def test_device_on_mmio(device: str, bus: str, boot_here: Boot) -> None:
    """A kernel without a driver for the device continues."""
    outcome = boot_here(specs.release("real-hello-0.11.0-microvm", "microvm-mmio", extra=words(device, bus)))
    assert outcome.matches("exit 0"), str(outcome)
