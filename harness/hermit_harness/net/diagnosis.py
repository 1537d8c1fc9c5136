# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Why nobody listens: the first step on the way to an answer that failed, told from the wire and the console.

Pure: the same sight gives the same finding.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from hermit_harness.net.monitor import Seen

STEPS = ("driver", "link", "address", "arp", "port")
NOT_SUPPORTED = re.compile(rb"Virtio device, with id: (0x[0-9a-f]+) is NOT supported")
BOUND = re.compile(
    rb"network driver initialized|RTL8139: CR|link is up|MAC address [0-9a-f]{2}-|Configure network interface"
)
LINK_DOWN = re.compile(rb"link is down", re.I)
NO_SOCKET = re.compile(rb"socket: error -?\d+")


@dataclass(frozen=True)
class Sight:
    """All that there is to see. `port` is the one that should be open; `host_link` is None where nobody looked;
    `network` is that of the host's side, such as 10.0.5.0/24."""

    seen: Seen
    console: bytes
    port: int
    address: str = ""
    host_link: bool | None = None
    network: str = ""
    card: str = ""
    interface: str = ""


@dataclass(frozen=True)
class Finding:
    """`step` is one of STEPS, or the empty text when everything is as it should be."""

    step: str
    cause: str
    cure: str = ""

    def __str__(self) -> str:
        return f"network, step {self.step}: {self.cause}" + (f"; {self.cure}" if self.cure else "")


def diagnose(sight: Sight) -> Finding:
    """The first step that failed."""
    for look in (_driver, _link, _address, _arp, _port):
        finding = look(sight)
        if finding:
            return finding
    return Finding("", f"port {sight.port} of {sight.address} is open")


def _driver(sight: Sight) -> Finding | None:
    refused = NOT_SUPPORTED.search(sight.console)
    if refused:
        cause = f"the kernel has no driver for this kind of card (virtio device {refused[1].decode()}, transitional)"
        return Finding("driver", cause, "NIC=virtio is the modern one")
    if sight.seen.sent or BOUND.search(sight.console):
        return None
    why = " and a socket was refused" if NO_SOCKET.search(sight.console) else ""
    cause = f"the guest sent no frame, and its kernel does not tell of a network driver{why}"
    cure = (
        f"was the kernel built with a driver for {sight.card or 'this card'} (features tcp, and pci or virtio by MMIO; "
        "rtl8139 in place of virtio)?"
    )
    return Finding("driver", cause, cure)


def _link(sight: Sight) -> Finding | None:
    if sight.host_link is False:
        name = sight.interface or "the tap"
        return Finding("link", f"the host's end, {name}, is down", f"netsetup/tap up {name} brings it up")
    if LINK_DOWN.search(sight.console):
        return Finding("link", "the guest says that its link is down")
    return None


def _address(sight: Sight) -> Finding | None:
    seen = sight.seen
    if "discover" in seen.dhcp and "ack" not in seen.dhcp:
        if "offer" not in seen.dhcp:
            cure = "netsetup/dhcp up" if sight.interface else "a kernel without dhcpv4 is told its own by HERMIT_IP="
            return Finding("address", "the guest asks for an address by DHCP and nobody offers one", cure)
        return Finding("address", f"the guest got no address by DHCP (seen: {', '.join(seen.dhcp)})")
    if not sight.address:
        return Finding("address", "the guest told no address and asked for none")
    if sight.network and IPv4Address(sight.address) not in (network := IPv4Network(sight.network, strict=False)):
        cause = f"the guest is at {sight.address}, which is not in {sight.network}"
        # QEMU's user network has its router there, and gives addresses from there on.
        guest, router = ("…", "…") if sight.interface else (network[15], network[2])
        cure = f"give it another one by KERNEL_ARGS='-ip {guest} -gateway {router} -mask {network.netmask}'"
        return Finding("address", cause, cure)
    return None


def _arp(sight: Sight) -> Finding | None:
    if sight.seen.arp_answered or sight.seen.tcp_open or not sight.seen.asked_arp:
        return None
    cause = f"nobody answers to ARP requests for {sight.address}"
    others = [other for other in sight.seen.addresses if other != sight.address]
    return Finding(
        "arp",
        cause,
        f"the guest is at {', '.join(others)}" if others else "has it this address, and a -mask that fits?",
    )


def _port(sight: Sight) -> Finding | None:
    if sight.port in sight.seen.tcp_open:
        return None
    if sight.port in sight.seen.tcp_closed:
        cause = f"the guest is there, but its port {sight.port} is closed"
        return Finding("port", cause, "does the application listen already, and on this port?")
    return Finding("port", f"the guest is there, but does not answer on port {sight.port}")
