# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Monitor the guest's network traffic, and probe whether an application listens on a port.

QEMU passes a copy of each frame to the monitor and accepts frames for the guest, whatever the NIC is connected to. So
a probe needs no privileges: an ARP request, then a SYN. After the answer the monitor closes the connection; the
application sees one client that connects and leaves. The monitor probes when the guest prints that it listens, or
after a second of silence, and then at growing intervals. It does not probe earlier: a frame that arrives too early
stops some kernels from receiving.
"""

from __future__ import annotations

import errno
import math
import re
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface

from hermit_harness.net import frames
from hermit_harness.net.frames import ACK, FIN, RST, SYN, Frame
from hermit_harness.watch.run_facts import RunFacts
from hermit_harness.watch.supervisor import Supervisor
from hermit_harness.watch.watcher import Watcher

PROBE_MAC = "52:54:00:fe:ed:01"
PROBE_PORT = 61234
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0  # seconds between two probes, doubled each time
QUIET_SECONDS = 1.0  # seconds without output or frames from the guest
MAX_MESSAGE = 1 << 17  # bytes; a longer message means that the stream is out of step
CONSOLE_TAIL = 1024  # bytes of console output that the patterns below are searched in
ADDRESS_LINE = re.compile(rb"(?:interface with address|IP address:) +([0-9.]{7,15}/[0-9]{1,2})\s")
DEFAULT_PREFIX = 24  # of a network that nothing describes
LISTENING_LINE = re.compile(rb"(?i)listening on (?:tcp )?port ([0-9]{1,5})\s")


@dataclass
class Traffic:
    """What the guest has sent and received so far."""

    mac: str
    frames_sent: int = 0
    addresses: list[str] = field(default_factory=list)  # in order of appearance
    dhcp: list[str] = field(default_factory=list)  # messages of both sides
    arp_targets: set[str] = field(default_factory=set)
    arp_requested: bool = False
    arp_answered: bool = False
    tcp_open: set[int] = field(default_factory=set)
    tcp_closed: set[int] = field(default_factory=set)
    tcp_probed: set[int] = field(default_factory=set)

    @property
    def has_lease(self) -> bool:
        """Return whether the DHCP server has acknowledged a lease."""
        return "ack" in self.dhcp

    def add_frame(self, frame: Frame) -> None:
        """Record one frame."""
        if frame.sender != self.mac:
            if frame.dhcp_message and frame.receiver in (self.mac, frames.BROADCAST):
                self.dhcp.append(frame.dhcp_message)
                if frame.dhcp_message == "ack":
                    self._add_address(frame.dhcp_address)
            return
        self.frames_sent += 1
        if frame.dhcp_message:
            self.dhcp.append(frame.dhcp_message)
        if frame.kind == "arp-request":
            self.arp_targets.add(frame.target)
        if frame.source and frame.kind:
            self._add_address(frame.source)
        if frame.kind == "tcp" and frame.flags & (SYN | ACK) == SYN | ACK:
            self.tcp_open.add(frame.source_port)
            self.tcp_closed.discard(frame.source_port)
        elif frame.kind == "tcp" and frame.flags & RST and frame.source_port not in self.tcp_open:
            self.tcp_closed.add(frame.source_port)

    def _add_address(self, address: str) -> None:
        if address and address not in ("0.0.0.0", *self.addresses):
            self.addresses.append(address)


def probe_address(guest: IPv4Interface, host: IPv4Interface | None) -> str:
    """Return an address for the probe that is most likely unused; "" if there is none.

    It is in the network that guest and host agree about, or else in the host's, where the guest's clients are. Hosts
    and DHCP servers take the ends of a network first. Without an unused address the network's own is the sender, which
    smoltcp accepts.
    """
    networks = [guest.network, (host or IPv4Interface((guest.ip, DEFAULT_PREFIX))).network]
    taken = {int(guest), int(host) if host else None}
    for network in sorted(networks, key=lambda network: network.prefixlen, reverse=True):
        first, last = int(network.network_address), int(network.broadcast_address)
        addresses = [last - back for back in (4, 5, 6, 7, 3, 2, 1) if last - back > first] + [first]
        for address in addresses:
            if address not in taken:
                return str(IPv4Address(address))
    return ""


class NetworkMonitor(Watcher):
    """A watcher of the guest's network.

    `expected_address` is the guest's address until the traffic shows it. `ports` are the ports to probe; `any_port`
    adds the ports that the guest prints. `on_frame` is called with each frame. `on_listening` is called once per port,
    with address, port and time, when the guest accepts a connection. `make_socket` creates sockets for networks whose
    frames bypass QEMU: the probe is then an ordinary connection. `host` is the host's interface in the network.
    """

    def __init__(
        self,
        mac: str,
        expected_address: str = "",
        ports: tuple[int, ...] = (),
        any_port: bool = False,
        on_frame: Callable[[bytes, Frame], None] | None = None,
        make_socket: Callable[[], socket.socket] = socket.socket,
        on_listening: Callable[[str, int, float], None] | None = None,
        host: IPv4Interface | None = None,
    ) -> None:
        self.traffic = Traffic(mac)
        self.expected_address = expected_address
        self.probes_sent = 0
        self._pending_ports = list(ports)
        self._any_port = any_port
        self._console_tail = b""
        self._on_frame = on_frame
        self._make_socket = make_socket
        self._on_listening = on_listening
        self._host = host
        self._prefix = host.network.prefixlen if host else DEFAULT_PREFIX
        self._supervisor: Supervisor | None = None
        self._buffer = bytearray()
        self._pause, self._next_probe = FIRST_PAUSE, math.inf

    # --- Watcher

    def on_start(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._next_probe = QUIET_SECONDS if self._pending_ports else math.inf
        for sock in supervisor.process.net:
            sock.setblocking(False)
        if supervisor.process.net:
            supervisor.add_reader(supervisor.process.net[0], self._on_readable)

    def on_output(self, data: bytes) -> None:
        self._console_tail = (self._console_tail + data)[-CONSOLE_TAIL:]
        for text in ADDRESS_LINE.findall(self._console_tail):
            with suppress(ValueError):  # an application can print such a line
                self._take_interface(IPv4Interface(text.decode()))
        ports = [int(text) for text in LISTENING_LINE.findall(self._console_tail)]
        if ports:
            self._console_tail = b""
            new_ports = [port for port in ports if port not in (*self._pending_ports, *self.traffic.tcp_open)]
            self._pending_ports += new_ports if self._any_port else []
        self._schedule_probe(0.0 if ports else QUIET_SECONDS)

    def next_tick(self) -> float:
        return self._next_probe

    def on_tick(self, now: float) -> None:
        if now >= self._next_probe:
            self._probe(now)

    def on_end(self, facts: RunFacts) -> None:
        """Read the frames that are still queued."""
        if self._supervisor and self._supervisor.process.net:
            self._read_frames()

    # --- frames

    def _on_readable(self) -> None:
        assert self._supervisor is not None
        if not self._read_frames():
            self._supervisor.remove_reader(self._supervisor.process.net[0])

    def _read_frames(self) -> bool:
        """Read the queued frames; return False at the end of the stream.

        Each frame follows its length: four bytes, big-endian.
        """
        assert self._supervisor is not None
        while True:
            try:
                data = self._supervisor.process.net[0].recv(1 << 16)
            except BlockingIOError:
                return True
            except OSError:
                return False
            if not data:
                return False
            self._buffer += data
            while len(self._buffer) >= 4:
                length = int.from_bytes(self._buffer[:4], "big")
                if length > MAX_MESSAGE:
                    return False
                if len(self._buffer) < 4 + length:
                    break
                packet = bytes(self._buffer[4 : 4 + length])
                del self._buffer[: 4 + length]
                self._handle_frame(packet)

    def _handle_frame(self, packet: bytes) -> None:
        frame = frames.parse(packet)
        self.traffic.add_frame(frame)
        if frame.sender == self.traffic.mac and frame.receiver == PROBE_MAC:
            self._handle_reply(frame)
        elif frame.sender == self.traffic.mac:
            self._schedule_probe(QUIET_SECONDS)
        if self._on_frame:
            self._on_frame(packet, frame)

    # --- probes

    @property
    def address(self) -> str:
        """Return the guest's address, or "" while it is unknown."""
        return self.traffic.addresses[-1] if self.traffic.addresses else self.expected_address

    def _take_interface(self, interface: IPv4Interface) -> None:
        if not self.traffic.addresses:
            self.expected_address = str(interface.ip)
        if self.address == str(interface.ip):
            self._prefix = interface.network.prefixlen

    def _probe_address(self) -> str:
        return probe_address(IPv4Interface((self.address, self._prefix)), self._host)

    def _schedule_probe(self, pause: float) -> None:
        """Schedule the next probe after `pause` seconds, and reset the interval."""
        if self._pending_ports and self._supervisor is not None:
            self._pause = FIRST_PAUSE
            self._next_probe = self._supervisor.now() + pause

    def _probe(self, now: float) -> None:
        self._pause = min(2 * self._pause, LONGEST_PAUSE)
        self._next_probe = now + self._pause if self._pending_ports else math.inf
        assert self._supervisor is not None
        if self.address and not self._supervisor.process.net:
            for port in tuple(self._pending_ports):
                self._connect(port)
        elif self.address and self._pending_ports and self._probe_address():
            self.traffic.arp_requested = True
            self.probes_sent += 1
            self._send(frames.arp_request(PROBE_MAC, self._probe_address(), self.address))

    def _handle_reply(self, frame: Frame) -> None:
        """Handle a reply: an ARP reply starts the probes of the ports, a TCP segment answers one."""
        assert self._supervisor is not None
        if frame.kind == "arp-reply":
            self.traffic.arp_answered = True
            for port in self._pending_ports:
                self.traffic.tcp_probed.add(port)
                self._send_segment(port, SYN, 0)
        elif frame.kind == "tcp" and frame.target_port == PROBE_PORT and not frame.flags & RST:
            # Close the connection as a client does. Kernel 0.11.0 can panic if it is reset at once.
            opens, closes = frame.flags & (SYN | ACK) == SYN | ACK, frame.flags & FIN
            acknowledgement = frame.sequence + len(frame.payload) + bool(opens) + bool(closes)
            if opens or closes or frame.payload:
                flags = FIN | ACK if opens else ACK
                self._send_segment(frame.source_port, flags, frame.acknowledgement, acknowledgement & 0xFFFFFFFF)
            if opens:
                self._port_is_open(frame.source_port)

    def _port_is_open(self, port: int) -> None:
        assert self._supervisor is not None
        if port in self._pending_ports:
            self._pending_ports.remove(port)
            self._next_probe = self._next_probe if self._pending_ports else math.inf
            if self._on_listening:
                self._on_listening(self.address, port, self._supervisor.now())

    def _connect(self, port: int) -> None:
        """Connect, and close the connection at once."""
        with self._make_socket() as sock:
            sock.settimeout(FIRST_PAUSE)
            result = sock.connect_ex((self.address, port))
        if result == 0:
            self.traffic.tcp_open.add(port)
            self._port_is_open(port)
        elif result == errno.ECONNREFUSED:
            self.traffic.tcp_closed.add(port)

    def _send_segment(self, port: int, flags: int, sequence: int, acknowledged: int = 0) -> None:
        ends, ports = (self._probe_address(), self.address), (PROBE_PORT, port)
        self._send(frames.tcp((PROBE_MAC, self.traffic.mac), ends, ports, flags, (sequence, acknowledged)))

    def _send(self, packet: bytes) -> None:
        assert self._supervisor is not None
        try:
            self._supervisor.process.net[1].send(len(packet).to_bytes(4, "big") + packet)
        except (BlockingIOError, ConnectionError):
            return  # QEMU is busy or has ended; the next probe retries
