# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Find the first step of the network set-up that failed, from the traffic and the console.

Pure functions: the same state yields the same finding.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from hermit_harness.net.monitor import Traffic

STEPS = ("driver", "link", "address", "arp", "port")
# Virtio's PCI device ID of a transitional NIC (Virtio 1.2, section 4.1.2.1). The kernel prints the same line about
# other devices, such as the disk that UEFI boots from.
TRANSITIONAL_NIC = re.compile(rb"Virtio device, with id: 0x1000 is NOT supported")
UNREADABLE_DEVICE = re.compile(rb"Invalid prefix in (\S+)")
NOTHING_ON_MMIO = re.compile(rb"Unable to find mmio device")
BOUND = re.compile(
    rb"network driver initialized|RTL8139: CR|link is up|MAC address [0-9a-f]{2}-|Configure network interface"
)
LINK_DOWN = re.compile(rb"link is down", re.I)
NO_SOCKET = re.compile(rb"socket: error -?\d+")


@dataclass(frozen=True)
class NetworkState:
    """The observations. `port` should be open; 0 means that no port is known. `host_link_up` is None if it was not
    checked. `network` is the host side's, such as 10.0.5.0/24. `dhcp_remedy` says how to get a DHCP server there."""

    traffic: Traffic
    console: bytes
    port: int
    address: str = ""
    host_link_up: bool | None = None
    network: str = ""
    nic_model: str = ""
    interface: str = ""
    dhcp_remedy: str = ""


@dataclass(frozen=True)
class Finding:
    """A failed step, one of STEPS, or "" if the port is open."""

    step: str
    cause: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"network, step {self.step}: {self.cause}" + (f"; {self.remedy}" if self.remedy else "")


def diagnose(state: NetworkState) -> Finding:
    """Return the first step that failed.

    Without a port, an application may well use no network: then only what the guest shows itself is a finding.
    """
    for check in (_check_driver, _check_link, _check_address, _check_arp, _check_port):
        finding = check(state)
        if finding:
            return finding
    return Finding("", f"port {state.port} of {state.address} is open" if state.port else "")


def _check_driver(state: NetworkState) -> Finding | None:
    if state.traffic.frames_sent or state.traffic.tcp_open or BOUND.search(state.console):
        return None
    refused = NO_SOCKET.search(state.console)
    if finding := _missing_device(state):
        return finding
    if not (state.port or refused):
        return None
    why = " and a socket was refused" if refused else ""
    cause = f"the guest sent no frame, and its kernel reports no network driver{why}"
    remedy = (
        f"was the kernel built with a driver for {state.nic_model or 'this NIC'} "
        "(features tcp, and pci or virtio over MMIO; rtl8139 instead of virtio)?"
    )
    return Finding("driver", cause, remedy)


def _missing_device(state: NetworkState) -> Finding | None:
    """Return why a kernel with a network driver found no device for it, according to its console."""
    if TRANSITIONAL_NIC.search(state.console):
        cause = "the kernel has no driver for this NIC (virtio device 0x1000, transitional)"
        return Finding("driver", cause, "NIC=virtio selects the modern device")
    if unreadable := UNREADABLE_DEVICE.search(state.console):
        word = unreadable[1].decode("ascii", "backslashreplace")
        cause = f"the kernel's command line has virtio_mmio.device={word}, and the kernel accepts 4K@ADDRESS:IRQ only"
        remedy = (
            "without such a word it searches 0xfeb00000 to 0xfeb0ffff itself; with --target x86_64-pvh the loader "
            "translates the words that QEMU's microvm adds"
        )
        return Finding("driver", cause, remedy)
    if not NOTHING_ON_MMIO.search(state.console):
        return None
    if state.nic_model == "virtio-mmio-legacy":
        cause = "the kernel drives modern virtio NICs on MMIO only, and this one is legacy"
        return Finding("driver", cause, "NIC=virtio-mmio selects the modern device")
    if "mmio" not in state.nic_model:
        cause = f"the kernel searches for its NIC on MMIO only, and {state.nic_model or 'this NIC'} is on PCI"
        return Finding("driver", cause, "build the kernel with feature pci, or use MACHINE=microvm-mmio")
    return Finding("driver", "the kernel searched for a modern virtio NIC on MMIO and found none where it searches")


def _check_link(state: NetworkState) -> Finding | None:
    if state.host_link_up is False:
        name = state.interface or "the tap"
        return Finding("link", f"the host interface {name} is down", f"netsetup/tap up {name} brings it up")
    if LINK_DOWN.search(state.console):
        return Finding("link", "the guest reports that its link is down")
    return None


def _check_address(state: NetworkState) -> Finding | None:
    traffic = state.traffic
    if "discover" in traffic.dhcp and "ack" not in traffic.dhcp:
        if "offer" not in traffic.dhcp:
            remedy = state.dhcp_remedy or "a kernel without dhcpv4 takes its address from HERMIT_IP="
            return Finding("address", "the guest requests an address by DHCP and no server offers one", remedy)
        return Finding("address", f"the guest got no address by DHCP (seen: {', '.join(traffic.dhcp)})")
    if not state.address:
        if not state.port:
            return None
        return Finding("address", "the guest neither reports an address nor requests one")
    if state.network and IPv4Address(state.address) not in (network := IPv4Network(state.network, strict=False)):
        cause = f"the guest is at {state.address}, which is not in {state.network}"
        # The router of QEMU's user network, and the first address that its DHCP server assigns.
        guest, router = ("…", "…") if state.interface else (network[15], network[2])
        remedy = f"set another one with KERNEL_ARGS='-ip {guest} -gateway {router} -mask {network.netmask}'"
        return Finding("address", cause, remedy)
    return None


def _check_arp(state: NetworkState) -> Finding | None:
    if state.traffic.arp_answered or state.traffic.tcp_open or not state.traffic.arp_requested:
        return None
    cause = f"no answer to ARP requests for {state.address}"
    others = [other for other in state.traffic.addresses if other != state.address]
    return Finding(
        "arp",
        cause,
        f"the guest is at {', '.join(others)}" if others else "does the guest have this address and a matching -mask?",
    )


def _check_port(state: NetworkState) -> Finding | None:
    if not state.port or state.port in state.traffic.tcp_open:
        return None
    if state.port in state.traffic.tcp_closed:
        cause = f"the guest answers, but its port {state.port} is closed"
        return Finding("port", cause, "does the application listen yet, and on this port?")
    return Finding("port", f"the guest answers ARP, but not on port {state.port}")
