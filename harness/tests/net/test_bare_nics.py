# SPDX-License-Identifier: Apache-2.0 OR MIT
"""NICs without a driver in published kernels, driven by a bare application (fixtures/bare/net) on the same machines."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from hermit_harness.matrix.servers import Attachment, ServerGuest
from hermit_harness.net import pcap
from hermit_harness.net.frames import BROADCAST, mac_bytes
from hermit_harness.net.netns import GUEST_ADDRESS, NetworkNamespace
from hermit_harness.vm.nic import DEFAULT_MAC

Serve = Callable[..., ServerGuest]
UDP = 9975
PCI, MMIO, GEM = "virtio-net by PCI at 0x", "virtio-net by MMIO at 0x", "Cadence GEM at 0x"


def attached(name: str, nic: str, machine: str, target: str = "x86_64-multiboot") -> Attachment:
    """Return the attachment of a guest with a bare application."""
    return Attachment(name, "tap", nic, machine, target=target, kernel="")


# Both interfaces of the MMIO NIC on each machine, with one application, so that the difference is QEMU's option.
# PVH's command line describes the NIC, Multiboot's does not.
LEGACY, MODERN = "virtio-mmio-legacy", "virtio-mmio"
BARE = [
    (attached("transitional-pc", "virtio-transitional", "pc"), PCI, "legacy, found by configuration space"),
    (attached("transitional-q35", "virtio-transitional", "q35"), PCI, "legacy, found by configuration space"),
    (attached("mmio-legacy-microvm", LEGACY, "microvm-mmio"), MMIO, "legacy, found by machine"),
    (
        attached("mmio-legacy-microvm-cmdline", LEGACY, "microvm-mmio", "x86_64-pvh"),
        MMIO,
        "legacy, found by command line",
    ),
    (attached("mmio-modern-microvm", MODERN, "microvm-mmio"), MMIO, "modern, found by machine"),
    (attached("mmio-legacy-aarch64", LEGACY, "virt", "aarch64-elf"), MMIO, "legacy, found by device tree"),
    (attached("mmio-modern-aarch64", MODERN, "virt", "aarch64-elf"), MMIO, "modern, found by device tree"),
    (attached("mmio-legacy-aarch64_be", LEGACY, "virt", "aarch64_be-elf"), MMIO, "legacy, found by device tree"),
    (attached("mmio-modern-aarch64_be", MODERN, "virt", "aarch64_be-elf"), MMIO, "modern, found by device tree"),
    (attached("mmio-legacy-riscv64", LEGACY, "virt", "riscv64-sbi"), MMIO, "legacy, found by device tree"),
    (attached("mmio-modern-riscv64", MODERN, "virt", "riscv64-sbi"), MMIO, "modern, found by device tree"),
    # NICs of two boards.
    (attached("gem-sifive_u", "cadence-gem", "sifive_u", "riscv64-sbi"), GEM, "found by device tree"),
    (attached("gem-versal", "cadence-gem", "versal-virt", "aarch64-uefi"), GEM, "found by device tree"),
]
PINGS = (0, 1, 56, 57, 1471, 1472)
BURST = 64  # datagrams at once: more than the NIC has buffers
ETH_P_ALL = 3


def listen(lab: NetworkNamespace) -> socket.socket:
    """Receive each frame on the tap, whatever its destination."""
    sock = lab.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sock.bind(("tap10", ETH_P_ALL))
    sock.setblocking(False)
    return sock


def heard(tap: socket.socket) -> list[bytes]:
    """Return the guest's frames so far."""
    found: list[bytes] = []
    while True:
        try:
            packet = tap.recv(65536)
        except BlockingIOError:
            return [packet for packet in found if packet[6:12] == mac_bytes(DEFAULT_MAC)]
        found.append(packet)


@pytest.mark.requirement("L-43", "R-15", "W-18", "N-11", "N-17", "N-19")
@pytest.mark.parametrize(("attachment", "nic", "interface"), BARE, ids=[row[0].id for row in BARE])
def test_nic_without_a_driver_in_the_kernel(attachment: Attachment, nic: str, interface: str, serve: Serve) -> None:
    """ARP, ping and UDP up to a full frame, single and in bursts.

    Checksums are right, QEMU's capture equals the tap's frames, and none follows the end.
    """
    served = serve(attachment, "net")
    with listen(served.namespace) as tap, served.guest as guest:
        served.wait_until_listening(UDP)
        line = next(text for text in guest.console.decode().splitlines() if text.startswith("net: "))
        assert line.startswith(f"net: {nic}")
        assert line.endswith(f", {interface}")
        for size in PINGS:
            assert served.ping(size), size
        with served.connect_udp(UDP) as client:
            for length in (1, 2, 17, 18, 19, 1471, 1472):
                data = bytes((at * 31 + length) & 255 for at in range(length))
                client.send(data)
                assert client.recv(65536) == data, length
            on_tap = heard(tap)
            with served.connect_udp(UDP + 1) as stranger:
                for _ in range(BURST):
                    stranger.send(b"no answer here")
            on_tap += heard(tap)
            for number in range(BURST):
                client.send(bytes([number]) * (number + 1))
            assert [client.recv(65536) for _ in range(BURST)] == [bytes([n]) * (n + 1) for n in range(BURST)]
            client.send(b"")
            assert guest.finish().matches("exit 0"), str(guest.outcome)
            on_tap += heard(tap)
            client.send(b"any answer?")
            assert not served.ping(seconds=1)
            assert heard(tap) == []
    frames = served.frames()
    ours = [frame for frame in frames if frame.sender == DEFAULT_MAC]
    assert on_tap == [packet for packet in pcap.packets(served.capture) if packet[6:12] == mac_bytes(DEFAULT_MAC)]
    assert [frame.problems for frame in frames if frame.problems] == []
    # The host may repeat its ARP request after some time.
    assert [frame.kind for frame in ours if frame.kind != "arp-reply"] == ["icmp"] * len(PINGS) + ["udp"] * (7 + BURST)
    assert ours[0].kind == "arp-reply"
    assert (frames[0].kind, frames[0].receiver, frames[0].target) == ("arp-request", BROADCAST, GUEST_ADDRESS)
    assert len(pcap.tcpdump(served.capture, f"udp and ether src {DEFAULT_MAC}")) == 7 + BURST, (
        "tcpdump reads as many answers"
    )


@pytest.mark.requirement("L-42", "N-17")
@pytest.mark.parametrize(
    ("given", "address"),
    [("-ip 10.0.5.100", "10.0.5.100"), ("env=HERMIT_IP=10.0.5.101", "10.0.5.101")],
    ids=["by-argument", "by-variable"],
)
def test_address_from_the_command_line(given: str, address: str, serve: Serve) -> None:
    """On microvm QEMU's list of devices follows the application's words on the same command line."""
    served = serve(
        attached("cmdline", LEGACY, "microvm-mmio", "x86_64-pvh"), "net", kernel_args=given, args="-ip 10.0.5.7"
    )
    with served.guest as guest:
        served.wait_until_listening(UDP)
        assert b"found by command line" in guest.console
        assert served.ping(address=address)
        for other in (GUEST_ADDRESS, "10.0.5.7"):
            assert not served.ping(address=other, seconds=1)
