# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A guest's network card as QEMU is told of it. Values; nothing here looks at the machine."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path

from hermit_harness.vm.filenames import escape_commas

NETWORK_KINDS = ("none", "user", "tap", "bridge", "socket")
DEFAULT_MAC, SECOND_MAC = "52:54:00:12:34:56", "52:54:00:12:34:57"  # QEMU's own for its first two cards
# Cards by name: QEMU's device and its options, and further words that the machine needs for it. No device: the card is
# part of the board.
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
    """A port of this machine behind which QEMU's user network puts one of the guest. `port` 0: any that is free."""

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
    """[tcp:|udp:][ADDRESS:]PORT:GUEST_PORT, or PORT for both. ValueError says what is wrong."""
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
    """One card. `kind` is one of KINDS; a bridge's card is a tap, too.

    `capture` gets every frame. `watched` lets the harness see the frames while the guest runs, and send some; QEMU can
    do neither together with vhost. `options` are further words for -netdev. Of a socket, `place` is its name, `waits`
    says which end, and `fd` is the descriptor to be inherited in place of the name, if any.
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
                f"unknown network {self.kind!r} or card {self.model!r}; "
                f"known: {', '.join((*NETWORK_KINDS, *NIC_MODELS))}"
            )
        if not re.fullmatch("[0-9a-f][02468ace](:[0-9a-f]{2}){5}", self.mac):
            raise ValueError(f"{self.mac!r} is no address of a network card, such as {DEFAULT_MAC}")
        if self.vhost and (self.capture or self.watched):
            raise ValueError("with vhost=on the frames pass QEMU by: nothing can be captured or watched there")


NO_NETWORK = Nic("none")


def netdev(net: Nic) -> str:
    """The text after -netdev."""
    if net.kind == "user":
        options = [f"user,id={NETDEV_ID}", *(row.hostfwd for row in net.forwards)]
    elif net.kind == "socket":
        address = f"fd,addr.str={net.fd}" if net.fd >= 0 else f"unix,addr.path={escape_commas(net.socket_path)}"
        options = [f"stream,id={NETDEV_ID},server={'on' if net.listens else 'off'},addr.type={address}"]
    else:
        options = [f"tap,id={NETDEV_ID},ifname={net.ifname},script=no,downscript=no"]
        # Without the header of virtio, frames look on the wire and in captures as the guest sent them: nobody is asked
        # to fill in a checksum. Kernel 0.11.0 asks for it in ARP, too, and Linux drops such frames.
        options.append(f"vhost={'on' if net.vhost else 'off'},vnet_hdr=off")
    return ",".join(options + ([net.options] if net.options else []))


def argv(net: Nic) -> list[str]:
    """QEMU's words for the card and what it is plugged into."""
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
    """QEMU's words for two inherited descriptors: a copy of each frame, and frames for the guest. What is sent goes in
    ahead of the capture, so that it is in there, too."""
    return [
        *("-chardev", f"socket,id=mirror0,fd={mirror}", "-chardev", f"socket,id=inject0,fd={inject}"),
        *("-object", f"filter-redirector,id=in0,netdev={NETDEV_ID},queue=tx,position=head,indev=inject0"),
        *("-object", f"filter-mirror,id=copy0,netdev={NETDEV_ID},queue=all,outdev=mirror0"),
    ]
