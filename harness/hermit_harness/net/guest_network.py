# SPDX-License-Identifier: Apache-2.0 OR MIT
"""From what a person asks for (--net, --nic, --forward, --capture, HERMIT_IP …) to a card and what is around it."""

from __future__ import annotations

import difflib
import errno
import fcntl
import os
import re
import shlex
import socket
import struct
import subprocess
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from ipaddress import AddressValueError, IPv4Address, IPv4Interface
from pathlib import Path

from hermit_harness.net.netns import GUEST, Lab
from hermit_harness.net.socket_link import Cable, place_of
from hermit_harness.vm.host import TUN, device_problem
from hermit_harness.vm.nic import CARDS, KINDS, MAC, NO_NET, SECOND_MAC, Forward, Net, forward

# Variables of the kernel's; the others that begin with HERMIT_ are this program's or the Makefile's.
KERNEL_VARIABLES = (
    "IP", "GATEWAY", "MASK", "DNS1", "DNS2", "MTU", "MRG_RXBUF_SIZE", "PCAP_PATH", "LOG_LEVEL_FILTER", "WD",
)  # fmt: skip
ADDRESSES = ("IP", "GATEWAY", "MASK", "DNS1", "DNS2")
# QEMU's user network as a kernel without DHCP expects the world.
STATIC = "net=10.0.5.0/24,host=10.0.5.1,dns=10.0.5.2,dhcpstart=10.0.5.3"
SECOND_GUEST = "10.0.5.4"  # at the second end of a cable
UHYVE_GUEST = "10.0.5.2"  # where uhyve expects a guest that was not told otherwise
BY_DHCP = "10.0.2.15"  # the first address that QEMU's user network gives
VHOST = Path("/dev/vhost-net")  # lets the host's kernel carry the frames itself
TUNSETIFF, IFF_TAP_WITHOUT_INFO = 0x400454CA, 0x1002  # linux/if_tun.h


@dataclass
class Plan:
    """`expected`: the guest's address, empty when only the wire will tell; `ports`: guest's TCP ports to ask for;
    `words`: what the kernel is told besides."""

    net: Net = NO_NET
    expected: str = ""
    ports: tuple[int, ...] = ()
    notes: list[str] = field(default_factory=list)
    lab: Lab | None = None
    cable: Cable | None = None
    network: str = ""
    words: tuple[str, ...] = ()

    def close(self) -> None:
        """What is around the card goes."""
        for part in (self.lab, self.cable):
            if part:
                part.close()

    @property
    def within(self) -> tuple[str, ...]:
        return self.lab.isolate if self.lab else ()

    def ip(self, *words: str) -> str:
        """What `ip` says in the guest's namespace; empty when it fails."""
        argv = [*(self.lab.enter if self.lab else ()), "ip", *words]
        with suppress(OSError, subprocess.TimeoutExpired):
            return subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False).stdout
        return ""

    def host_link(self) -> bool | None:
        """Whether the host's end is up; None where there is none to look at."""
        if not self.net.ifname:
            return None
        return bool(re.search(r"[<,]UP[,>]", self.ip("-o", "link", "show", "dev", self.net.ifname)))

    def where(self, port: int, address: str) -> str:
        """How a client reaches a port of the guest."""
        rows = [row for row in self.net.forwards if row.guest_port == port]
        if not rows and self.net.kind == "user":
            return f"port {port} of the guest, to which no port of this machine leads (--forward {port}:{port} would)"
        if not rows and self.net.kind == "socket":
            return f"{address}:{port}, for the other end of the cable"
        if not rows:
            return f"{address}:{port}"
        doors = " and ".join(f"{row.address}:{row.port}" for row in rows)
        return f"{doors} ({rows[0].protocol} port {port} of the guest)"


def kernel_words(environment: Mapping[str, str], consumed: Sequence[str]) -> tuple[list[str], list[str]]:
    """Words env=HERMIT_…=… for the kernel, and what should be said about names that look mistyped.

    ValueError for an address that is none.
    """
    words, notes = [], []
    for name, value in sorted(environment.items()):
        if name == "UHYVE_MOUNT" and value:
            words.append(shlex.quote(f"env={name}={value}"))
        if not name.upper().startswith("HERMIT_") or not value:
            continue
        short = name[7:]
        if short in KERNEL_VARIABLES and short not in consumed:
            if short in ADDRESSES:
                _check_address(name, value)
            words.append(shlex.quote(f"env={name}={value}"))
        elif short not in consumed and (
            near := difflib.get_close_matches(short.upper(), (*KERNEL_VARIABLES, *consumed), 1, 0.75)
        ):
            notes.append(f"{name} is not known: did you mean HERMIT_{near[0]}?")
    return words, notes


def isle(environment: Mapping[str, str]) -> str:
    """The machine monitor that HERMIT_ISLE names: qemu or uhyve. ValueError for what there is not."""
    name = environment.get("HERMIT_ISLE", "").lower() or "qemu"
    if name.isdecimal():
        raise ValueError(f"HERMIT_ISLE={name}: an isle of its own needs a patched Linux; known are qemu and uhyve")
    if name not in ("qemu", "uhyve"):
        raise ValueError(f"HERMIT_ISLE={name}: known are qemu and uhyve")
    return name


def isle_words(environment: Mapping[str, str], append: str, networked: bool) -> tuple[list[str], list[str]]:
    """The same for HERMIT_ISLE: here it is always QEMU, but a guest of uhyve's has another address unless told
    otherwise."""
    if isle(environment) != "uhyve":
        return [], []
    notes = ["HERMIT_ISLE=uhyve: QEMU is started all the same"]
    if not networked or static_address(append, environment):
        return [], notes
    return [f"env=HERMIT_IP={UHYVE_GUEST}"], [f"{notes[0]}, and the guest is told uhyve's address, {UHYVE_GUEST}"]


def _check_address(name: str, value: str) -> None:
    try:
        IPv4Address(value)
    except AddressValueError as error:
        raise ValueError(f"{name}={value}: {error}") from None


def static_address(append: str, environment: Mapping[str, str]) -> str:
    """The address that the kernel is told on its command line, "" when it is not."""
    head = append.split(" -- ")[0]
    told = re.findall(r"(?:^|\s)(?:-ip\s+|env=HERMIT_IP=)(\S+)", head)
    return told[-1] if told else environment.get("HERMIT_IP", "")


def tap_problem(name: str) -> str:
    """Why this process's QEMU could not use the tap, which is there, with the remedy; "" if it could. To take the tap
    for a moment, as QEMU will, is the test."""
    try:
        tun = os.open(TUN, os.O_RDWR | os.O_CLOEXEC)
    except PermissionError:
        return f"{TUN} may not be opened: sudo chmod 0666 {TUN}"
    except OSError as error:
        return f"{TUN}: {error.strerror}: sudo modprobe tun, or give it to the container (--device {TUN})"
    try:
        fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP_WITHOUT_INFO))
    except OSError as error:
        if error.errno == errno.EPERM:
            cure = f"sudo netsetup/tap down {name}, then sudo netsetup/tap up {name} --user $USER"
            return f"{name} is another user's: {cure}"
        return f"{name} is in use by another guest" if error.errno == errno.EBUSY else f"{name}: {error.strerror}"
    finally:
        os.close(tun)
    return ""


def free_port(row: Forward, lab: Lab | None) -> Forward:
    """The row, with another port where its own is taken (or 0)."""
    kind = socket.SOCK_DGRAM if row.protocol == "udp" else socket.SOCK_STREAM
    for port in (row.port, 0):
        made = lab.socket(socket.AF_INET, kind) if lab else socket.socket(socket.AF_INET, kind)
        with made as trial, suppress(OSError):
            trial.bind((row.address, port))
            return replace(row, port=trial.getsockname()[1])
    return row


@dataclass(frozen=True)
class Wish:
    """What was asked for. `dhcp`: whether the application's kernel asks for its address (None: not known);
    `listens`: the port that the application is known to listen on; `driver`: the card that its kernel drives; `silent`:
    ports of the guest's that nobody waits for."""

    kind: str = ""
    card: str = ""
    ifname: str = ""
    forwards: tuple[str, ...] = ()
    capture: str = ""
    append: str = ""
    isolate: bool = False
    machine: str = "pc"
    dhcp: bool | None = None
    listens: tuple[str, int] = ("tcp", 0)
    driver: str = "virtio"
    mac: str = ""
    silent: tuple[int, ...] = ()


def make(wish: Wish, environment: Mapping[str, str]) -> Plan:
    """The plan, with its namespace made and set up where one is wanted. ValueError, LaunchError: a sentence."""
    kind = wish.kind or ("tap" if wish.ifname else "user" if wish.forwards or wish.capture else "none")
    if kind not in KINDS:
        raise ValueError(f"--net {kind}: known are {', '.join(KINDS)}")
    card = wish.card or ("virtio-mmio" if wish.machine.startswith("microvm") else wish.driver)
    if card not in CARDS:
        raise ValueError(f"--nic {card}: known are {', '.join(CARDS)}")
    if kind == "none":
        return Plan()
    if wish.machine in ("microvm", "microvm-acpi-off"):
        raise ValueError(f"--machine {wish.machine} does not tell a kernel of its network cards; microvm-mmio does")
    capture = Path(wish.capture).absolute() if wish.capture else None
    plan = Plan(Net(kind, card, mac=wish.mac or MAC, capture=capture))
    rows = [forward(text) for text in wish.forwards]
    waited = [row.guest_port for row in rows if row.protocol == "tcp" and row.guest_port not in wish.silent]
    protocol, port = wish.listens
    plan.ports = tuple(dict.fromkeys(waited)) or ((port,) if port and protocol == "tcp" else ())
    plan.lab = Lab() if wish.isolate else None
    try:
        {"user": _user, "socket": _socket}.get(kind, _tap)(plan, wish, environment)
    except BaseException:
        plan.close()
        raise
    return plan


def _user(plan: Plan, wish: Wish, environment: Mapping[str, str]) -> None:
    protocol, port = wish.listens
    rows = [forward(text) for text in wish.forwards] or ([Forward(port, port, protocol)] if port else [])
    free = [free_port(row, plan.lab) for row in rows]
    for row, got in zip(rows, free, strict=True):
        if row.port not in (0, got.port):
            plan.notes.append(f"port {row.port} is taken; {got.port} leads to the guest's {row.guest_port}")
    static = wish.dhcp is False
    plan.net = replace(plan.net, forwards=tuple(free), options=STATIC if static else "")
    plan.expected = static_address(wish.append, environment) or (GUEST if static else BY_DHCP)
    plan.network = "10.0.5.0/24" if static else "10.0.2.0/24"


def _socket(plan: Plan, wish: Wish, environment: Mapping[str, str]) -> None:
    plan.cable = Cable(place_of(wish.ifname))
    place, first = plan.cable.place, plan.cable.first
    mac = wish.mac or (MAC if first else SECOND_MAC)
    plan.net = replace(plan.net, mac=mac, place=str(place), waits=first, fd=plan.cable.socket.fileno())
    told = static_address(wish.append, environment)
    if not (told or first or wish.dhcp):
        told = SECOND_GUEST
        plan.words = (f"env=HERMIT_IP={told}",)
    plan.expected = told or ("" if wish.dhcp else GUEST)
    if first:
        words = ("hermitctl", "run", "--net", "socket", *(("--netif", wish.ifname) if wish.ifname else ()), "APP")
        plan.notes.append(f"first end of the cable at {place}; the other one: {shlex.join(words)}")
    else:
        here = f"; its guest is told to be {told}" if plan.words else ""
        plan.notes.append(f"second end of the cable at {place}, where the first one waits{here}")


def _tap(plan: Plan, wish: Wish, environment: Mapping[str, str]) -> None:
    bridge = plan.net.kind == "bridge" or _is_bridge(plan, wish.ifname)
    host = wish.ifname or ("hermitbr0" if bridge else "tap10")
    name = _made(plan, plan.lab, host, bridge, wish.dhcp) if plan.lab else _there(plan, host, bridge)
    why = device_problem(VHOST)
    vhost = not why and not wish.capture
    if not vhost:
        plan.notes.append(f"vhost=off: {why or 'a capture is wanted, and vhost leads the frames past QEMU'}")
    mac = wish.mac or (own_mac(name) if bridge else plan.net.mac)
    kind = "bridge" if bridge else "tap"
    plan.net = replace(plan.net, kind=kind, ifname=name, mac=mac, vhost=vhost, watched=not vhost)
    plan.expected = static_address(wish.append, environment) or ("" if wish.dhcp else GUEST)
    found = re.search(r" inet (\S+)", plan.ip("-4", "-o", "addr", "show", "dev", host))
    plan.network = str(IPv4Interface(found[1]).network) if found else ""


def own_mac(tap: str) -> str:
    """An address for the card at this tap: several guests of a bridge must not have the same one."""
    return f"52:54:00:{zlib.crc32(tap.encode()).to_bytes(4, 'big')[1:].hex(':')}"


def _is_bridge(plan: Plan, name: str) -> bool:
    return bool(name) and not plan.lab and bool(plan.ip("-o", "link", "show", "dev", name, "type", "bridge"))


def _made(plan: Plan, lab: Lab, host: str, bridge: bool, dhcp: bool | None) -> str:
    """The tap that was made in a namespace of its own."""
    name = "tap10" if bridge else host
    lab.script("bridge", "up", host, "--tap", name) if bridge else lab.script("tap", "up", name)
    if dhcp:
        lab.script("dhcp", "up", host)
    plan.notes.append(f"the guest's network is a namespace of its own; into it: {' '.join(lab.visitor)} sh")
    return name


def _there(plan: Plan, host: str, bridge: bool) -> str:
    """The tap, or the first one of the bridge that can be used. ValueError, with the remedy, if there is none."""
    which = ("master", host, "type", "tun") if bridge else ("dev", host)
    names: list[str] = re.findall(r"(?m)^\d+: ([^:@ ]+)", plan.ip("-o", "link", "show", *which))
    if not names:
        what, remedy = f"there is no {host}", f"netsetup/tap up {host}"
        if bridge:
            what, remedy = f"there is no bridge {host} with a tap in it", f"netsetup/bridge up {host} --tap tap10"
        raise ValueError(f"{what}: sudo {remedy} --user $USER makes it; --isolate needs neither")
    problems = []
    for name in names:
        problems.append(tap_problem(name))
        if not problems[-1]:
            return name
    raise ValueError("; ".join(problems))
