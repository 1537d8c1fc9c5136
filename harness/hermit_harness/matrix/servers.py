# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Guests that serve, for tests and measurements: the ways to plug one in, and its clients' side."""

from __future__ import annotations

import socket
from dataclasses import dataclass, replace
from pathlib import Path

from hermit_harness.background import BackgroundGuest
from hermit_harness.fixtures import join_append
from hermit_harness.matrix import specs
from hermit_harness.net import pcap
from hermit_harness.net.frames import Frame
from hermit_harness.net.monitor import NetworkMonitor
from hermit_harness.net.netns import GUEST_ADDRESS, NetworkNamespace
from hermit_harness.vm.nic import HostForward, Nic
from hermit_harness.vm.spec import RunSpec

CLIENT_SECONDS = 30.0


@dataclass(frozen=True)
class Attachment:
    """One way to connect a guest.

    `variant` is the suffix of the image's name. `lease`: the guest requests its address by DHCP. `mute`: it prints
    nothing, so only its traffic shows that it listens. `kernel` is the kernel version, empty for a bare application.
    """

    id: str
    network: str
    nic_model: str
    machine: str = "pc"
    variant: str = ""
    target: str = "x86_64-multiboot"
    uses_dhcp: bool = False
    options: str = ""
    address: str = GUEST_ADDRESS
    is_silent: bool = False
    kernel: str = "0.11.0"

    def image(self, app: str) -> str:
        """The application's image for this way."""
        return f"real-{app}-{self.kernel}{self.variant}" if self.kernel else app

    def __str__(self) -> str:
        return self.id


TAP = Attachment("tap", "tap", "virtio")
USER = Attachment("user-rtl8139", "user", "rtl8139", variant="-rtl8139", uses_dhcp=True, address="10.0.2.15")
ATTACHMENTS = (
    TAP,
    Attachment("tap-q35", "tap", "virtio", "q35"),
    Attachment("tap-packed", "tap", "virtio-packed"),
    Attachment("tap-mq", "tap", "virtio-mq"),
    Attachment("tap-mmio", "tap", "virtio-mmio", "microvm-mmio", "-microvm"),
    Attachment("tap-dhcp", "tap", "virtio", variant="-dhcp", uses_dhcp=True, address=""),
    Attachment("bridge-dhcp", "bridge", "virtio", variant="-dhcp", uses_dhcp=True, address=""),
    Attachment("user-virtio", "user", "virtio", variant="-dhcp", uses_dhcp=True, address="10.0.2.15"),
    # By PVH, where QEMU's command line names the device.
    Attachment("user-mmio", "user", "virtio-mmio", "microvm-mmio", "-microvm-dhcp", "x86_64-pvh", uses_dhcp=True,
               address="10.0.2.15"),
    # The line of the kernel's own tests: another network, both rings' variants.
    Attachment(
        "user-packed-mq", "user", "virtio-packed-mq", variant="-dhcp", uses_dhcp=True, address="192.168.76.9",
        options="net=192.168.76.0/24,dhcpstart=192.168.76.9",
    ),
    USER,
    Attachment("tap-aarch64", "tap", "virtio", "virt", "-aarch64", "aarch64-elf"),
    Attachment("tap-riscv64", "tap", "virtio-mmio", "virt", "-riscv64", "riscv64-sbi", is_silent=True),
)  # fmt: skip
# What Hermit 0.11.0 has no driver for; see harness/errata.toml, and tests/net/test_bare_nics.py for other drivers.
UNSUPPORTED = (
    Attachment("tap-transitional", "tap", "virtio-transitional"),
    Attachment("tap-mmio-legacy", "tap", "virtio-mmio-legacy", "microvm-mmio", "-microvm"),
)


class ServerGuest:
    """A guest that serves, and how its clients reach it."""

    def __init__(
        self,
        attachment: Attachment,
        namespace: NetworkNamespace,
        spec: RunSpec,
        artifacts: Path,
        ports: tuple[int, ...] = (),
    ) -> None:
        self.attachment, self.namespace, self.spec = attachment, namespace, spec
        self.monitor = NetworkMonitor(spec.net.mac, attachment.address, ports)
        self.guest = BackgroundGuest(spec, namespace, artifacts, self.monitor)

    def wait_until_listening(self, port: int) -> None:
        """Wait until the guest has an address and listens on the port.

        A kernel with DHCP can print that it listens before it has a lease. A kernel without output is probed.
        """
        if self.attachment.is_silent:
            self.guest.wait(lambda: port in self.monitor.traffic.tcp_open)
        else:
            self.guest.wait_for_text(f"P port {port}")
        if self.attachment.uses_dhcp:
            self.guest.wait(lambda: self.monitor.traffic.has_lease)

    @property
    def capture(self) -> Path:
        assert self.spec.net.capture is not None
        return self.spec.net.capture

    def frames(self) -> list[Frame]:
        return pcap.frames(self.capture)

    def address_of(self, port: int, protocol: str = "tcp") -> tuple[str, int]:
        """Address and port for a client."""
        for row in self.spec.net.forwards:
            if (row.guest_port, row.protocol) == (port, protocol):
                return row.address, row.port
        return self.monitor.address or self.attachment.address, port

    def connect(self, port: int) -> socket.socket:
        """A connection of a client's to a port of the guest."""
        client = self.namespace.socket()
        client.settimeout(CLIENT_SECONDS)
        client.connect(self.address_of(port))
        return client

    def connect_udp(self, port: int) -> socket.socket:
        """The same for UDP."""
        client = self.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM)
        client.settimeout(CLIENT_SECONDS)
        client.connect(self.address_of(port, "udp"))
        return client

    def ping(self, size: int = 56, address: str = GUEST_ADDRESS, seconds: int = 10) -> bool:
        """Return whether an echo request with `size` bytes is answered.

        Each call sends one request: for the last of several, ping waits only twice as long as the others took.
        """
        words = ("ping", "-c", "1", "-W", str(seconds), "-s", str(size), address)
        return self.namespace.result(*words).returncode == 0


def prepare_server(
    namespace: NetworkNamespace,
    attachment: Attachment,
    app: str,
    directory: Path,
    *,
    ports: tuple[str, ...] = (),
    args: str = "",
    kernel_args: str = "",
    memory: str = "512M",
    capture: bool = True,
) -> ServerGuest:
    """Plug in an application: the host's side is set up, its ports ("tcp:8080") are forwarded where there is a user
    network, its frames go to `directory`. The guest starts with the `with` of Served.guest."""
    if attachment.network == "tap":
        namespace.script("tap", "up")
    elif attachment.network == "bridge":
        namespace.script("bridge", "up", "--tap", "tap10")
    if attachment.uses_dhcp and attachment.network != "user":
        namespace.script("dhcp", "up", "tap10" if attachment.network == "tap" else "hermitbr0")
    rows = [text.split(":") for text in ports] if attachment.network == "user" else []
    nic = Nic(
        attachment.network, attachment.nic_model, ifname="" if attachment.network == "user" else "tap10",
        capture=directory / "wire.pcap" if capture else None,
        forwards=tuple(HostForward(int(port), int(port), protocol) for protocol, port in rows),
        options=attachment.options,
    )  # fmt: skip
    directory.mkdir(parents=True, exist_ok=True)
    spec = specs.release(attachment.image(app), attachment.machine, attachment.target)
    spec = replace(spec, memory=memory, append=join_append(kernel_args, args), net=nic)
    probed_ports = tuple(int(text.partition(":")[2]) for text in ports) if attachment.is_silent else ()
    return ServerGuest(attachment, namespace, spec, directory, probed_ports)
