# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Turn the options --net, --nic, --forward, --capture and HERMIT_IP into a NIC and the network around it."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shlex
import socket
import struct
import subprocess
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from ipaddress import AddressValueError, IPv4Address, IPv4Interface
from pathlib import Path

from hermit_harness.net.netns import GUEST_ADDRESS, NetworkNamespace
from hermit_harness.net.socket_link import SocketLink, socket_path
from hermit_harness.vm.host import TUN_DEVICE, bind_problem, device_problem
from hermit_harness.vm.nic import (
    DEFAULT_MAC,
    NETWORK_KINDS,
    NIC_MODELS,
    NO_NETWORK,
    SECOND_MAC,
    HostForward,
    Nic,
    parse_host_forward,
)
from hermit_harness.vm.process import LaunchError

# Variables of the kernel. Other names with HERMIT_ belong to this program or to the Makefile.
KERNEL_VARIABLES = (
    "IP", "GATEWAY", "MASK", "DNS1", "DNS2", "MTU", "MRG_RXBUF_SIZE", "PCAP_PATH", "LOG_LEVEL_FILTER", "WD",
)  # fmt: skip
ADDRESS_VARIABLES = ("IP", "GATEWAY", "MASK", "DNS1", "DNS2")
# QEMU's user network with the addresses that a kernel without DHCP expects.
STATIC_OPTIONS = "net=10.0.5.0/24,host=10.0.5.1,dns=10.0.5.2,dhcpstart=10.0.5.3"
SECOND_GUEST_ADDRESS = "10.0.5.4"  # at the second end of a socket link
UHYVE_GUEST_ADDRESS = "10.0.5.2"  # the default of uhyve
DHCP_ADDRESS = "10.0.2.15"  # the first address that QEMU's user network assigns
VHOST_DEVICE = Path("/dev/vhost-net")  # lets the host kernel transfer the frames
# linux/if_tun.h: two requests; a tap whose frames have no further header, and the flags of all headers
TUNSETIFF, TUNGETIFF, IFF_TAP_WITHOUT_INFO, IFF_KINDS = 0x400454CA, 0x800454D2, 0x1002, 0x5003
DESCRIPTOR = re.compile(r"@(\d{1,6})")


@dataclass
class GuestNetwork:
    """A NIC, its namespace or socket link, and what is known about the guest's addresses and ports.

    `host` is the host's interface in the guest's network, if it is known. `expected_address` is empty if only the
    traffic can show the address. `ports` are the guest's TCP ports to probe. `kernel_words` are added to the kernel's
    command line. `dhcp_remedy` says how to get a DHCP server.
    """

    nic: Nic = NO_NETWORK
    expected_address: str = ""
    ports: tuple[int, ...] = ()
    notes: list[str] = field(default_factory=list)
    namespace: NetworkNamespace | None = None
    link: SocketLink | None = None
    host: IPv4Interface | None = None
    kernel_words: tuple[str, ...] = ()
    dhcp_remedy: str = ""

    def close(self) -> None:
        """Remove the namespace and the socket link."""
        for part in (self.namespace, self.link):
            if part:
                part.close()

    @property
    def network(self) -> str:
        """Return the network of the host's interface, such as 10.0.5.0/24, or ""."""
        return str(self.host.network) if self.host else ""

    @property
    def namespace_command(self) -> tuple[str, ...]:
        return self.namespace.qemu_command if self.namespace else ()

    def ip(self, *words: str) -> str:
        """Return the output of `ip` in the guest's namespace, or "" if it fails."""
        argv = [*(self.namespace.enter_command if self.namespace else ()), "ip", *words]
        with suppress(OSError, subprocess.TimeoutExpired):
            return subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False).stdout
        return ""

    def is_host_link_up(self) -> bool | None:
        """Return whether the host interface is up; None if the network has none."""
        if not self.nic.ifname:
            return None
        shown = self.ip("-o", "link", "show", "dev", self.nic.ifname)
        return bool(re.search(r"[<,]UP[,>]", shown)) if shown else None  # a descriptor's tap may be elsewhere

    def describe_port(self, port: int, address: str) -> str:
        """Describe how a client reaches a port of the guest."""
        rows = [row for row in self.nic.forwards if row.guest_port == port]
        if not rows and self.nic.kind == "user":
            return f"port {port} of the guest, which no host port forwards to (use --forward {port}:{port})"
        if not rows and self.nic.kind == "socket":
            return f"{address}:{port}, from the other end of the socket link"
        if not rows:
            return f"{address}:{port}"
        host_ports = " and ".join(f"{row.address}:{row.port}" for row in rows)
        return f"{host_ports} ({rows[0].protocol} port {port} of the guest)"


def kernel_words(environment: Mapping[str, str]) -> list[str]:
    """Return the words env=HERMIT_…=… for the kernel. Raise ValueError for an invalid address."""
    words = []
    for name, value in sorted(environment.items()):
        if not value or name not in (*(f"HERMIT_{short}" for short in KERNEL_VARIABLES), "UHYVE_MOUNT"):
            continue
        if name.removeprefix("HERMIT_") in ADDRESS_VARIABLES:
            _check_address(name, value)
        words.append(shlex.quote(f"env={name}={value}"))
    return words


def isle(environment: Mapping[str, str]) -> str:
    """Return the VMM that HERMIT_ISLE names: qemu or uhyve. Raise ValueError for any other name."""
    name = environment.get("HERMIT_ISLE", "").lower() or "qemu"
    if name.isdecimal():
        raise ValueError(f"HERMIT_ISLE={name}: NUMA isles need a patched Linux kernel; known: qemu, uhyve")
    if name not in ("qemu", "uhyve"):
        raise ValueError(f"HERMIT_ISLE={name}: known: qemu, uhyve")
    return name


def isle_words(
    environment: Mapping[str, str], append: str, networked: bool, reason: str
) -> tuple[list[str], list[str]]:
    """Return kernel words and notes for HERMIT_ISLE if QEMU runs, for `reason`: uhyve has another default address."""
    if isle(environment) != "uhyve":
        return [], []
    notes = [f"HERMIT_ISLE=uhyve: {reason + ': ' if reason else ''}QEMU runs the guest anyway"]
    if not networked or static_address(append, environment):
        return [], notes
    return [f"env=HERMIT_IP={UHYVE_GUEST_ADDRESS}"], [
        f"{notes[0]}, with the address that uhyve uses, {UHYVE_GUEST_ADDRESS}"
    ]


def _check_address(name: str, value: str) -> None:
    try:
        IPv4Address(value)
    except AddressValueError as error:
        raise ValueError(f"{name}={value}: {error}") from None


def static_address(append: str, environment: Mapping[str, str]) -> str:
    """Return the guest address on the kernel's command line or in HERMIT_IP, "" if neither has one."""
    head = append.split(" -- ")[0]
    addresses = re.findall(r"(?:^|\s)(?:-ip\s+|env=HERMIT_IP=)(\S+)", head)
    with suppress(AddressValueError):  # the kernel says what is wrong with it
        return str(IPv4Address(addresses[-1] if addresses else environment.get("HERMIT_IP", "")))
    return ""


def tap_problem(name: str) -> str:
    """Return why QEMU cannot use an existing tap, with the remedy, or "" if it can.

    The check opens the tap for a moment, as QEMU will.
    """
    try:
        tun = os.open(TUN_DEVICE, os.O_RDWR | os.O_CLOEXEC)
    except PermissionError:
        return f"no permission to open {TUN_DEVICE}: sudo chmod 0666 {TUN_DEVICE}"
    except OSError as error:
        return f"{TUN_DEVICE}: {error.strerror}: sudo modprobe tun, or pass it to the container (--device {TUN_DEVICE})"
    try:
        fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP_WITHOUT_INFO))
    except OSError as error:
        if error.errno == errno.EPERM:
            tap = shlex.quote(name)
            remedy = f"sudo netsetup/tap down {tap}, then sudo netsetup/tap up {tap} --user $USER"
            return f"{name} belongs to another user: {remedy}"
        return f"{name} is in use by another guest" if error.errno == errno.EBUSY else f"{name}: {error.strerror}"
    finally:
        os.close(tun)
    return ""


def tap_of_descriptor(fd: int) -> str:
    """Return the name of the tap that an inherited descriptor has open. Raise ValueError if it is none."""
    try:
        name, flags = struct.unpack("16sH22x", fcntl.ioctl(fd, TUNGETIFF, bytes(40)))
    except OSError as error:
        raise ValueError(f"NETIF=@{fd}: descriptor {fd} is not an open tap: {error.strerror}") from None
    if flags & IFF_KINDS != IFF_TAP_WITHOUT_INFO:
        raise ValueError(f"NETIF=@{fd}: a tap needs the flags IFF_TAP and IFF_NO_PI, without IFF_VNET_HDR")
    return str(name.rstrip(b"\0").decode())


def free_port(row: HostForward, namespace: NetworkNamespace | None) -> HostForward:
    """Return the host forward with a free host port: its own one, or another if that is taken or 0.

    Raise ValueError with the reason if the port cannot be used at all.
    """
    kind = socket.SOCK_DGRAM if row.protocol == "udp" else socket.SOCK_STREAM
    for port in (row.port, 0):
        created = namespace.socket(socket.AF_INET, kind) if namespace else socket.socket(socket.AF_INET, kind)
        with created as trial:
            try:
                trial.bind((row.address, port))
            except OSError as error:
                if error.errno == errno.EADDRINUSE and port:
                    continue
                raise ValueError(f"--forward: {row.address}:{port}: {bind_problem(error, row.address)}") from None
            return replace(row, port=trial.getsockname()[1])
    return row


@dataclass(frozen=True)
class NetworkRequest:
    """The network options of one run.

    `dhcp`: whether the kernel requests its address by DHCP (None: unknown). `listening_port`: the port on which the
    application is known to listen. `default_nic_model`: the NIC that its kernel drives. `unwatched_ports`: guest ports
    that are forwarded but not probed.
    """

    kind: str = ""
    nic_model: str = ""
    ifname: str = ""
    forwards: tuple[str, ...] = ()
    capture: str = ""
    append: str = ""
    isolate: bool = False
    machine: str = "pc"
    dhcp: bool | None = None
    listening_port: tuple[str, int] = ("tcp", 0)
    default_nic_model: str = "virtio"
    mac: str = ""
    unwatched_ports: tuple[int, ...] = ()


def set_up(request: NetworkRequest, environment: Mapping[str, str]) -> GuestNetwork:
    """Create the guest's network, and its namespace if requested.

    Raise ValueError or LaunchError with a message for the user.
    """
    kind = request.kind or ("tap" if request.ifname else "user" if request.forwards or request.capture else "none")
    if kind not in NETWORK_KINDS:
        raise ValueError(f"--net {kind}: known: {', '.join(NETWORK_KINDS)}")
    model = request.nic_model or ("virtio-mmio" if request.machine.startswith("microvm") else request.default_nic_model)
    if model not in NIC_MODELS:
        raise ValueError(f"--nic {model}: known: {', '.join(NIC_MODELS)}")
    if kind == "none":
        return GuestNetwork()
    if request.machine in ("microvm", "microvm-acpi-off"):
        raise ValueError(f"--machine {request.machine} does not describe its NICs to the kernel; use microvm-mmio")
    capture = Path(request.capture).absolute() if request.capture else None
    network = GuestNetwork(Nic(kind, model, mac=request.mac or DEFAULT_MAC, capture=capture))
    rows = [parse_host_forward(text) for text in request.forwards]
    forwarded_ports = [
        row.guest_port for row in rows if row.protocol == "tcp" and row.guest_port not in request.unwatched_ports
    ]
    protocol, port = request.listening_port
    network.ports = tuple(dict.fromkeys(forwarded_ports)) or ((port,) if port and protocol == "tcp" else ())
    network.namespace = NetworkNamespace() if request.isolate else None
    try:
        {"user": _set_up_user, "socket": _set_up_socket}.get(kind, _set_up_tap)(network, request, environment)
    except BaseException:
        network.close()
        raise
    return network


def _set_up_user(network: GuestNetwork, request: NetworkRequest, environment: Mapping[str, str]) -> None:
    protocol, port = request.listening_port
    rows = [parse_host_forward(text) for text in request.forwards] or (
        [HostForward(port, port, protocol)] if port else []
    )
    free = [free_port(row, network.namespace) for row in rows]
    for row, free_row in zip(rows, free, strict=True):
        if row.port not in (0, free_row.port):
            network.notes.append(
                f"host port {row.port} is taken; {free_row.port} is forwarded to guest port {row.guest_port}"
            )
    static = request.dhcp is False
    network.nic = replace(network.nic, forwards=tuple(free), options=STATIC_OPTIONS if static else "")
    network.expected_address = static_address(request.append, environment) or (
        GUEST_ADDRESS if static else DHCP_ADDRESS
    )
    network.host = IPv4Interface("10.0.5.1/24" if static else "10.0.2.2/24")


def _set_up_socket(network: GuestNetwork, request: NetworkRequest, environment: Mapping[str, str]) -> None:
    network.link = SocketLink(socket_path(request.ifname))
    path, listens = network.link.path, network.link.listens
    mac = request.mac or (DEFAULT_MAC if listens else SECOND_MAC)
    network.nic = replace(network.nic, mac=mac, socket_path=str(path), listens=listens, fd=network.link.socket.fileno())
    address = static_address(request.append, environment)
    if not (address or listens or request.dhcp):
        address = SECOND_GUEST_ADDRESS
        network.kernel_words = (f"env=HERMIT_IP={address}",)
    network.expected_address = address or ("" if request.dhcp else GUEST_ADDRESS)
    if listens:
        words = ("hermitctl", "run", "--net", "socket", *(("--netif", request.ifname) if request.ifname else ()), "APP")
        network.notes.append(f"first end of the socket link at {path}; start the other end: {shlex.join(words)}")
    else:
        here = f"; this guest's address is {address}" if network.kernel_words else ""
        network.notes.append(f"second end of the socket link at {path}, connected to the first{here}")


def _set_up_tap(network: GuestNetwork, request: NetworkRequest, environment: Mapping[str, str]) -> None:
    bridge = network.nic.kind == "bridge" or _is_bridge(network, request.ifname)
    host = request.ifname or ("hermitbr0" if bridge else "tap10")
    descriptor = DESCRIPTOR.fullmatch(host)
    if descriptor:
        if bridge or network.namespace:
            raise ValueError(f"NETIF={host}: a descriptor is a tap's, and excludes --net bridge and --isolate")
        host = tap_of_descriptor(int(descriptor[1]))
    if problem := _name_problem(host):
        raise ValueError(f"NETIF={host}: {problem}")
    if descriptor:
        name = host
    elif network.namespace:
        name = _create_tap(network, network.namespace, host, bridge, request.dhcp)
    else:
        name = _existing_tap(network, host, bridge)
    network.dhcp_remedy = network.dhcp_remedy or f"sudo netsetup/dhcp up {host} starts one"
    vhost_problem = device_problem(VHOST_DEVICE)
    vhost = not vhost_problem and not request.capture
    if not vhost:
        network.notes.append(
            f"vhost=off: {vhost_problem or 'a capture needs the frames in QEMU, and vhost bypasses it'}"
        )
    mac = request.mac or (mac_of_tap(name) if bridge else network.nic.mac)
    kind = "bridge" if bridge else "tap"
    network.nic = replace(network.nic, kind=kind, ifname=name, mac=mac, vhost=vhost, watched=not vhost)
    if descriptor:
        network.nic = replace(network.nic, fd=int(descriptor[1]))
    network.expected_address = static_address(request.append, environment) or ("" if request.dhcp else GUEST_ADDRESS)
    found = re.search(r" inet (\S+)", network.ip("-4", "-o", "addr", "show", "dev", host))
    network.host = IPv4Interface(found[1]) if found else None


def mac_of_tap(tap: str) -> str:
    """Return a MAC address for the NIC at a tap. Guests at one bridge need different addresses."""
    return f"52:54:00:{zlib.crc32(tap.encode()).to_bytes(4, 'big')[1:].hex(':')}"


def _name_problem(name: str) -> str:
    """Return why no interface can have this name, or an empty string."""
    # netsetup/ accepts the same names. Linux limits them to 15 bytes (linux/if.h: IFNAMSIZ).
    if not re.fullmatch(r"(?!-|\.\.?$)[\w.-]{1,15}", name, re.ASCII):
        return "not an interface name: 1 to 15 letters, digits, . _ -"
    return ""


def _is_bridge(network: GuestNetwork, name: str) -> bool:
    return (
        bool(name) and not network.namespace and bool(network.ip("-o", "link", "show", "dev", name, "type", "bridge"))
    )


def _create_tap(network: GuestNetwork, namespace: NetworkNamespace, host: str, bridge: bool, dhcp: bool | None) -> str:
    """Create a tap in the namespace and return its name.

    Whether an application's kernel requests its address by DHCP may be unknown, so a server waits for it. It is started
    before the guest, because the kernel repeats a request only after ten seconds.
    """
    name = "tap10" if bridge else host
    namespace.script("bridge", "up", host, "--tap", name) if bridge else namespace.script("tap", "up", name)
    if dhcp is not False:
        try:
            namespace.script("dhcp", "up", host)
        except LaunchError as error:
            if dhcp:
                raise
            network.dhcp_remedy = str(error)
    network.notes.append(f"the guest has its own network namespace; to enter it: {' '.join(namespace.join_command)} sh")
    return name


def _existing_tap(network: GuestNetwork, host: str, bridge: bool) -> str:
    """Return the tap, or the first usable tap of the bridge. Raise ValueError, with the remedy, if there is none."""
    which = ("master", host, "type", "tun") if bridge else ("dev", host)
    names: list[str] = re.findall(r"(?m)^\d+: ([^:@ ]+)", network.ip("-o", "link", "show", *which))
    if not names:
        what, remedy = f"no interface {host}", f"netsetup/tap up {shlex.quote(host)}"
        if bridge:
            what, remedy = f"no bridge {host} with a tap", f"netsetup/bridge up {shlex.quote(host)} --tap tap10"
        raise ValueError(f"{what}: sudo {remedy} --user $USER creates it; --isolate needs neither")
    problems = []
    for name in names:
        problems.append(tap_problem(name))
        if not problems[-1]:
            return name
    raise ValueError("; ".join(problems))
