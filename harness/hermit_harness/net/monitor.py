# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The guest's wire while it runs: what was seen on it, and a question asked there: does anybody listen on this port?

QEMU gives us a copy of each frame and takes frames for the guest, whatever its card is plugged into. So the question
needs no rights and no guess: an ARP request, a SYN, and, when its answer comes, the end of that connection (which is
what the application sees). It is asked when the guest prints that it listens, and when it has been quiet for a
second, then ever more rarely; not before, since kernels are known that a frame which comes too early makes deaf.
"""

from __future__ import annotations

import errno
import math
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass, field

from hermit_harness.net import frames
from hermit_harness.net.frames import ACK, FIN, RST, SYN, Frame
from hermit_harness.watch.run_facts import Facts
from hermit_harness.watch.supervisor import Session, Watcher

ASKER_MAC = "52:54:00:fe:ed:01"
ASKER_PORT = 61234
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0  # seconds between two askings, doubled each time
QUIET = 1.0  # seconds without a word or a frame of the guest's
LARGEST = 1 << 17  # bytes of one message on the copy's descriptor; more is not one
TAIL = 1024  # bytes of the console in which these are looked for
TOLD = re.compile(rb"interface with address ([0-9]+\.[0-9]+\.[0-9]+\.[0-9]+)/[0-9]+\s")
LISTENING = re.compile(rb"(?i)listening on (?:tcp )?port ([0-9]{1,5})\s")


@dataclass
class Seen:
    """What the guest did on the wire so far."""

    mac: str
    sent: int = 0
    addresses: list[str] = field(default_factory=list)  # in order of appearance
    dhcp: list[str] = field(default_factory=list)  # messages of both sides
    arp_for: set[str] = field(default_factory=set)
    asked_arp: bool = False
    arp_answered: bool = False
    tcp_open: set[int] = field(default_factory=set)
    tcp_closed: set[int] = field(default_factory=set)
    asked_tcp: set[int] = field(default_factory=set)

    def frame(self, frame: Frame) -> None:
        """Take one more into account."""
        if frame.sender != self.mac:
            if frame.note and frame.receiver in (self.mac, frames.BROADCAST):
                self.dhcp.append(frame.note)
                if frame.note == "ack":
                    self._address(frame.given)
            return
        self.sent += 1
        if frame.note:
            self.dhcp.append(frame.note)
        if frame.kind == "arp-request":
            self.arp_for.add(frame.target)
        if frame.source and frame.kind:
            self._address(frame.source)
        if frame.kind == "tcp" and frame.flags & (SYN | ACK) == SYN | ACK:
            self.tcp_open.add(frame.source_port)
            self.tcp_closed.discard(frame.source_port)
        elif frame.kind == "tcp" and frame.flags & RST and frame.source_port not in self.tcp_open:
            self.tcp_closed.add(frame.source_port)

    def _address(self, address: str) -> None:
        if address and address not in ("0.0.0.0", *self.addresses):
            self.addresses.append(address)


class Wire(Watcher):
    """A watcher of the guest's network.

    `expected` is the address that the guest is taken to have while the wire does not tell. `ports` are those to ask
    for, and with `any_port` those of which the guest prints that it listens there. `heard` is called with each frame,
    `listens` once a port with address and port when the guest answered there. `knock` makes sockets for the case that
    frames pass QEMU by: then the question is a connection.
    """

    def __init__(
        self,
        mac: str,
        expected: str = "",
        ports: tuple[int, ...] = (),
        any_port: bool = False,
        heard: Callable[[bytes, Frame], None] | None = None,
        knock: Callable[[], socket.socket] = socket.socket,
        listens: Callable[[str, int, float], None] | None = None,
    ) -> None:
        self.seen = Seen(mac)
        self.expected = expected
        self.asked = 0  # how often
        self._wanted = list(ports)
        self._any_port = any_port
        self._tail = b""
        self._heard = heard
        self._knock = knock
        self._listens = listens
        self._session: Session | None = None
        self._buffer = bytearray()
        self._pause, self._next = FIRST_PAUSE, math.inf

    # --- Watcher

    def start(self, session: Session) -> None:
        self._session = session
        self._next = QUIET if self._wanted else math.inf
        for sock in session.process.net:
            sock.setblocking(False)
        if session.process.net:
            session.watch(session.process.net[0], self._read)

    def printed(self, data: bytes) -> None:
        self._tail = (self._tail + data)[-TAIL:]
        told = TOLD.findall(self._tail)
        if told and not self.seen.addresses:
            self.expected = told[-1].decode()
        ports = [int(text) for text in LISTENING.findall(self._tail)]
        if ports:
            self._tail = b""
            more = [port for port in ports if port not in (*self._wanted, *self.seen.tcp_open)]
            self._wanted += more if self._any_port else []
        self._stir(0.0 if ports else QUIET)

    def next_at(self) -> float:
        return self._next

    def tick(self, now: float) -> None:
        if now >= self._next:
            self._ask(now)

    def ended(self, facts: Facts) -> None:
        """Take what is still in the pipe."""
        if self._session and self._session.process.net:
            self._take()

    # --- frames

    def _read(self) -> None:
        assert self._session is not None
        if not self._take():
            self._session.unwatch(self._session.process.net[0])

    def _take(self) -> bool:
        """Read what there is; false at the end of it all. The wire carries a length of four bytes, then the frame."""
        assert self._session is not None
        while True:
            try:
                data = self._session.process.net[0].recv(1 << 16)
            except BlockingIOError:
                return True
            except OSError:
                return False
            if not data:
                return False
            self._buffer += data
            while len(self._buffer) >= 4:
                length = int.from_bytes(self._buffer[:4], "big")
                if length > LARGEST:
                    return False
                if len(self._buffer) < 4 + length:
                    break
                packet = bytes(self._buffer[4 : 4 + length])
                del self._buffer[: 4 + length]
                self._frame(packet)

    def _frame(self, packet: bytes) -> None:
        frame = frames.read(packet)
        self.seen.frame(frame)
        if frame.sender == self.seen.mac and frame.receiver == ASKER_MAC:
            self._answer(frame)
        elif frame.sender == self.seen.mac:
            self._stir(QUIET)
        if self._heard:
            self._heard(packet, frame)

    # --- questions

    @property
    def address(self) -> str:
        """The guest's, as far as is known."""
        return self.seen.addresses[-1] if self.seen.addresses else self.expected

    def _asker(self) -> str:
        """An address in the guest's network that is nobody's."""
        return self.address.rpartition(".")[0] + ".251"

    def _stir(self, pause: float) -> None:
        """Something happened: ask so much later, and quickly after one another then."""
        if self._wanted and self._session is not None:
            self._pause = FIRST_PAUSE
            self._next = self._session.now() + pause

    def _ask(self, now: float) -> None:
        self._pause = min(2 * self._pause, LONGEST_PAUSE)
        self._next = now + self._pause if self._wanted else math.inf
        assert self._session is not None
        if self.address and not self._session.process.net:
            for port in tuple(self._wanted):
                self._connect(port)
        elif self.address and self._wanted:
            self.seen.asked_arp = True
            self.asked += 1
            self._send(frames.arp_request(ASKER_MAC, self._asker(), self.address))

    def _answer(self, frame: Frame) -> None:
        """The guest answers us: then it is there, so ask for the ports; or that is the answer."""
        assert self._session is not None
        if frame.kind == "arp-reply":
            self.seen.arp_answered = True
            for port in self._wanted:
                self.seen.asked_tcp.add(port)
                self._segment(port, SYN, 0)
        elif frame.kind == "tcp" and frame.target_port == ASKER_PORT and not frame.flags & RST:
            # The connection is closed as any client would: kernel 0.11.0 can panic over one that is reset at once.
            opens, closes = frame.flags & (SYN | ACK) == SYN | ACK, frame.flags & FIN
            took = frame.sequence + len(frame.payload) + bool(opens) + bool(closes)
            if opens or closes or frame.payload:
                flags = FIN | ACK if opens else ACK
                self._segment(frame.source_port, flags, frame.acknowledged, took & 0xFFFFFFFF)
            if opens:
                self._open(frame.source_port)

    def _open(self, port: int) -> None:
        assert self._session is not None
        if port in self._wanted:
            self._wanted.remove(port)
            self._next = self._next if self._wanted else math.inf
            if self._listens:
                self._listens(self.address, port, self._session.now())

    def _connect(self, port: int) -> None:
        """Knock, and go away at once."""
        with self._knock() as sock:
            sock.settimeout(FIRST_PAUSE)
            answer = sock.connect_ex((self.address, port))
        if answer == 0:
            self.seen.tcp_open.add(port)
            self._open(port)
        elif answer == errno.ECONNREFUSED:
            self.seen.tcp_closed.add(port)

    def _segment(self, port: int, flags: int, sequence: int, acknowledged: int = 0) -> None:
        ends, ports = (self._asker(), self.address), (ASKER_PORT, port)
        self._send(frames.tcp((ASKER_MAC, self.seen.mac), ends, ports, flags, (sequence, acknowledged)))

    def _send(self, packet: bytes) -> None:
        assert self._session is not None
        try:
            self._session.process.net[1].send(len(packet).to_bytes(4, "big") + packet)
        except (BlockingIOError, ConnectionError):
            return  # it is busy, or gone; there is another asking
