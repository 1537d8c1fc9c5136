# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A guest's NIC on QEMU's command line. Pure values: nothing here depends on the host."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path

from hermit_harness.vm.filenames import escape_commas

NETWORK_KINDS = ("none", "user", "tap", "bridge", "socket")
DEFAULT_MAC, SECOND_MAC = "52:54:00:12:34:56", "52:54:00:12:34:57"  # the addresses that QEMU gives its first two NICs
# NIC models by name: QEMU's device with its options, and further arguments. A model without device is on board.
NIC_MODELS: dict[str, tuple[str, tuple[str, ...]]] = {
    "virtio": ("virtio-net-pci,disable-legacy=on", ()),
    "virtio-transitional": ("virtio-net-pci", ()),
    "virtio-packed": ("virtio-net-pci,disable-legacy=on,packed=on", ()),
    "virtio-mq": ("virtio-net-pci,disable-legacy=on,mq=on", ()),
    "virtio-packed-mq": ("virtio-net-pci,disable-legacy=on,packed=on,mq=on", ()),
    "virtio-mmio": ("virtio-net-device", ("-global", "virtio-mmio.force-legacy=off")),
    "virtio-mmio-legacy": ("virtio-net-device", ("-global", "virtio-mmio.force-legacy=on")),
    "rtl8139": ("rtl8139", ()),
    "cadence-gem": ("", ()),
}
NETDEV_ID = "net0"


@dataclass(frozen=True)
class HostForward:
    """A host port that QEMU's user network forwards to a guest port. `port` 0 selects any free port."""

    port: int
    guest_port: int
    protocol: str = "tcp"
    address: str = "127.0.0.1"

    @property
    def hostfwd(self) -> str:
        return f"hostfwd={self.protocol}:{self.address}:{self.port}-:{self.guest_port}"

    def __str__(self) -> str:
        return f"{self.protocol}:{self.address}:{self.port}"


def parse_host_forward(text: str) -> HostForward:
    """Parse [tcp:|udp:][ADDRESS:]PORT:GUEST_PORT, or PORT for both. Raise ValueError with the reason."""
    *front, last = text.split(":")
    protocol = front.pop(0) if front and front[0] in ("tcp", "udp") else "tcp"
    ports = [front.pop() if front else last, last]
    address = front.pop() if front else "127.0.0.1"
    try:
        numbers = [int(port) for port in ports]
        IPv4Address(address)
    except (ValueError, AddressValueError):
        numbers = [-1]
    if front or not all(0 <= number < 65536 for number in numbers) or numbers[-1] < 1:
        raise ValueError(f"--forward {text}: [tcp:|udp:][ADDRESS:]PORT:GUEST_PORT, such as 8080:8080 or udp:9975:9975")
    return HostForward(numbers[0], numbers[1], protocol, address)


@dataclass(frozen=True)
class Nic:
    """One NIC. `kind` is one of NETWORK_KINDS; the NIC of a bridge uses a tap as well.

    `capture` receives every frame. `watched` lets the harness receive frames while the guest runs, and send some; QEMU
    supports neither together with vhost. `options` are further options of -netdev. For a socket link, `socket_path` is
    its name and `listens` selects the end. `fd` is an inherited descriptor of it or of a tap, which replaces the name.
    """

    kind: str
    model: str = "virtio"
    mac: str = DEFAULT_MAC
    ifname: str = ""
    forwards: tuple[HostForward, ...] = ()
    capture: Path | None = None
    vhost: bool = False
    watched: bool = True
    options: str = ""
    socket_path: str = ""
    listens: bool = False
    fd: int = -1

    def __post_init__(self) -> None:
        if self.kind not in NETWORK_KINDS or self.model not in NIC_MODELS:
            raise ValueError(
                f"unknown network {self.kind!r} or NIC {self.model!r}; "
                f"known: {', '.join((*NETWORK_KINDS, *NIC_MODELS))}"
            )
        if not re.fullmatch("[0-9a-f][02468ace](:[0-9a-f]{2}){5}", self.mac):
            raise ValueError(f"{self.mac!r} is not a MAC address such as {DEFAULT_MAC}")
        if self.vhost and (self.capture or self.watched):
            raise ValueError("with vhost=on the frames bypass QEMU and cannot be captured or watched")


NO_NETWORK = Nic("none")


def netdev(net: Nic) -> str:
    """Return the value of -netdev."""
    if net.kind == "user":
        options = [f"user,id={NETDEV_ID}", *(row.hostfwd for row in net.forwards)]
    elif net.kind == "socket":
        address = f"fd,addr.str={net.fd}" if net.fd >= 0 else f"unix,addr.path={escape_commas(net.socket_path)}"
        options = [f"stream,id={NETDEV_ID},server={'on' if net.listens else 'off'},addr.type={address}"]
    else:
        how = f"fd={net.fd}" if net.fd >= 0 else f"ifname={net.ifname},script=no,downscript=no"
        # Without the virtio header, frames on the tap and in captures are as the guest sent them, with no request for
        # checksum offload. Kernel 0.11.0 requests it for ARP as well, and Linux drops such frames.
        options = [f"tap,id={NETDEV_ID},{how},vhost={'on' if net.vhost else 'off'}"]
        options += [] if net.fd >= 0 else ["vnet_hdr=off"]  # a descriptor has its settings
    return ",".join(options + ([net.options] if net.options else []))


def argv(net: Nic) -> list[str]:
    """Return QEMU's arguments for the NIC and its backend."""
    if net.kind == "none":
        return []
    device, extra = NIC_MODELS[net.model]
    words = [*extra, "-netdev", netdev(net)]
    if device:
        words += ["-device", f"{device},netdev={NETDEV_ID},mac={net.mac}"]
    else:
        words += ["-net", f"nic,netdev={NETDEV_ID},macaddr={net.mac}"]
    if net.capture:
        words += ["-object", f"filter-dump,id=dump0,netdev={NETDEV_ID},file={escape_commas(net.capture)}"]
    return words


def watch_argv(mirror: int, inject: int) -> list[str]:
    """Return QEMU's arguments for two inherited descriptors: a copy of each frame, and frames for the guest.

    Injected frames precede the capture, so the capture contains them.
    """
    return [
        *("-chardev", f"socket,id=mirror0,fd={mirror}", "-chardev", f"socket,id=inject0,fd={inject}"),
        *("-object", f"filter-redirector,id=in0,netdev={NETDEV_ID},queue=tx,position=head,indev=inject0"),
        *("-object", f"filter-mirror,id=copy0,netdev={NETDEV_ID},queue=all,outdev=mirror0"),
    ]
