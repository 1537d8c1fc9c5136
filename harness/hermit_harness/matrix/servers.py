# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Guests that serve, for tests and measurements: the ways to plug one in, and its clients' side."""

from __future__ import annotations

import socket
from dataclasses import dataclass, replace
from pathlib import Path

from hermit_harness.background import Guest
from hermit_harness.fixtures import join_append
from hermit_harness.matrix import specs
from hermit_harness.net import pcap
from hermit_harness.net.frames import Frame
from hermit_harness.net.monitor import Wire
from hermit_harness.net.netns import GUEST, Lab
from hermit_harness.vm.nic import Forward, Net
from hermit_harness.vm.spec import RunSpec

SECONDS = 30.0


@dataclass(frozen=True)
class Way:
    """One way to plug a guest in. `variant` ends the image's name; `lease`: the guest asks for its address; `mute`: it
    prints nothing, so that the wire alone tells when it listens; `kernel`: the application's, empty for a bare one."""

    id: str
    kind: str
    card: str
    machine: str = "pc"
    variant: str = ""
    target: str = "x86_64-multiboot"
    lease: bool = False
    options: str = ""
    address: str = GUEST
    mute: bool = False
    kernel: str = "0.11.0"

    def image(self, app: str) -> str:
        """The application's image for this way."""
        return f"real-{app}-{self.kernel}{self.variant}" if self.kernel else app

    def __str__(self) -> str:
        return self.id


TAP = Way("tap", "tap", "virtio")
USER = Way("user-rtl8139", "user", "rtl8139", variant="-rtl8139", lease=True, address="10.0.2.15")
WAYS = (
    TAP,
    Way("tap-q35", "tap", "virtio", "q35"),
    Way("tap-packed", "tap", "virtio-packed"),
    Way("tap-mq", "tap", "virtio-mq"),
    Way("tap-mmio", "tap", "virtio-mmio", "microvm-mmio", "-microvm"),
    Way("tap-dhcp", "tap", "virtio", variant="-dhcp", lease=True, address=""),
    Way("bridge-dhcp", "bridge", "virtio", variant="-dhcp", lease=True, address=""),
    Way("user-virtio", "user", "virtio", variant="-dhcp", lease=True, address="10.0.2.15"),
    Way("user-mmio", "user", "virtio-mmio", "microvm-mmio", "-microvm-dhcp", lease=True, address="10.0.2.15"),
    # The line of the kernel's own tests: another network, both rings' variants.
    Way(
        "user-packed-mq", "user", "virtio-packed-mq", variant="-dhcp", lease=True, address="192.168.76.9",
        options="net=192.168.76.0/24,dhcpstart=192.168.76.9",
    ),
    USER,
    Way("tap-aarch64", "tap", "virtio", "virt", "-aarch64", "aarch64-elf"),
    Way("tap-riscv64", "tap", "virtio-mmio", "virt", "-riscv64", "riscv64-sbi", mute=True),
)  # fmt: skip
# What Hermit 0.11.0 has no driver for; see harness/errata.toml, and tests/net/test_bare_nics.py for who has.
UNDRIVEN = (
    Way("tap-transitional", "tap", "virtio-transitional"),
    Way("tap-mmio-legacy", "tap", "virtio-mmio-legacy", "microvm-mmio", "-microvm"),
)


class Served:
    """A guest that serves, and how its clients reach it."""

    def __init__(self, way: Way, lab: Lab, spec: RunSpec, artifacts: Path, ports: tuple[int, ...] = ()) -> None:
        self.way, self.lab, self.spec = way, lab, spec
        self.wire = Wire(spec.net.mac, way.address, ports)
        self.guest = Guest(spec, lab, artifacts, self.wire)

    def ready(self, port: int) -> None:
        """Wait until it listens, by its own word or, where it has none, by the wire."""
        if self.way.mute:
            self.guest.wait(lambda: port in self.wire.seen.tcp_open)
        else:
            self.guest.wait_for_text(f"P port {port}")

    @property
    def capture(self) -> Path:
        assert self.spec.net.capture is not None
        return self.spec.net.capture

    def frames(self) -> list[Frame]:
        return pcap.frames(self.capture)

    def end(self, port: int, protocol: str = "tcp") -> tuple[str, int]:
        """Address and port for a client."""
        for row in self.spec.net.forwards:
            if (row.guest_port, row.protocol) == (port, protocol):
                return row.address, row.port
        return self.wire.address or self.way.address, port

    def connect(self, port: int) -> socket.socket:
        """A connection of a client's to a port of the guest."""
        client = self.lab.socket()
        client.settimeout(SECONDS)
        client.connect(self.end(port))
        return client

    def datagrams(self, port: int) -> socket.socket:
        """The same for UDP."""
        client = self.lab.socket(socket.AF_INET, socket.SOCK_DGRAM)
        client.settimeout(SECONDS)
        client.connect(self.end(port, "udp"))
        return client

    def ping(self, size: int = 56, address: str = GUEST, seconds: int = 10) -> bool:
        """Whether an echo request with so many bytes is answered. One at a time: for the last of several, ping waits
        only twice as long as the others took."""
        words = ("ping", "-c", "1", "-W", str(seconds), "-s", str(size), address)
        return self.lab.result(*words).returncode == 0


def plug(
    lab: Lab,
    way: Way,
    app: str,
    folder: Path,
    *,
    ports: tuple[str, ...] = (),
    args: str = "",
    kernel_args: str = "",
    memory: str = "512M",
    captured: bool = True,
) -> Served:
    """Plug in an application: the host's side is set up, its ports ("tcp:8080") are forwarded where there is a user
    network, its frames go to `folder`. The guest starts with the `with` of Served.guest."""
    if way.kind == "tap":
        lab.script("tap", "up")
    elif way.kind == "bridge":
        lab.script("bridge", "up", "--tap", "tap10")
    if way.lease and way.kind != "user":
        lab.script("dhcp", "up", "tap10" if way.kind == "tap" else "hermitbr0")
    rows = [text.split(":") for text in ports] if way.kind == "user" else []
    net = Net(
        way.kind, way.card, ifname="" if way.kind == "user" else "tap10",
        capture=folder / "wire.pcap" if captured else None,
        forwards=tuple(Forward(int(port), int(port), protocol) for protocol, port in rows), options=way.options,
    )  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    spec = specs.release(way.image(app), way.machine, way.target)
    spec = replace(spec, memory=memory, append=join_append(kernel_args, args), net=net)
    asked = tuple(int(text.partition(":")[2]) for text in ports) if way.mute else ()
    return Served(way, lab, spec, folder, asked)
