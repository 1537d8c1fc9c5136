# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The relay between QEMU and virtiofsd, with this test at both ends."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from hermit_harness.vm.vhost_user import VhostUserRelay

GET_FEATURES, SET_PROTOCOL_FEATURES, SET_VRING_KICK, SET_VRING_ENABLE = 1, 16, 12, 18
VERSION, REPLY, NEED_REPLY = 1, 1 << 2, 1 << 3
REPLY_ACK = 1 << 3
QUEUE = 1
ENABLE_QUEUE = struct.pack("=II", QUEUE, 1)
ACKNOWLEDGED = struct.pack("=Q", 0)


def message(request: int, payload: bytes = b"", flags: int = VERSION) -> bytes:
    return struct.pack("=III", request, flags, len(payload)) + payload


@dataclass
class Session:
    qemu: socket.socket
    daemon: socket.socket
    relay: VhostUserRelay

    def request(self, sent: bytes, fds: tuple[int, ...] = ()) -> bytes:
        """Send a message as QEMU and return what the daemon receives."""
        socket.send_fds(self.qemu, [sent], fds)
        received, received_fds, _, _ = socket.recv_fds(self.daemon, len(sent), 1, socket.MSG_WAITALL)
        assert len(received_fds) == len(fds)
        for fd in received_fds:
            os.close(fd)
        return received

    def reply(self, sent: bytes) -> None:
        """Reply as the daemon, and receive it as QEMU."""
        self.daemon.sendall(sent)
        assert self.qemu.recv(len(sent), socket.MSG_WAITALL) == sent


@pytest.fixture
def session() -> Iterator[Session]:
    daemon, relay_end = socket.socketpair()
    relay = VhostUserRelay(relay_end)
    for sock in (daemon, relay.qemu_socket):
        sock.settimeout(20)
    with daemon:
        yield Session(relay.qemu_socket, daemon, relay)
        relay.close()


def start_queue(session: Session, kick: int, features: int = REPLY_ACK) -> None:
    protocol = message(SET_PROTOCOL_FEATURES, struct.pack("=Q", features))
    assert session.request(protocol) == protocol
    queue_kick = message(SET_VRING_KICK, struct.pack("=Q", QUEUE))
    assert session.request(queue_kick, (kick,)) == queue_kick


def test_queue_is_notified_after_it_is_enabled(session: Session) -> None:
    """The daemon drops a notification before it processed the message; QEMU does not see the added acknowledgement."""
    kick = os.eventfd(0, os.EFD_NONBLOCK)
    start_queue(session, kick)
    os.eventfd_write(kick, 1)  # the guest
    assert os.eventfd_read(kick) == 1  # the daemon, which drops it
    received = session.request(message(SET_VRING_ENABLE, ENABLE_QUEUE))
    assert received == message(SET_VRING_ENABLE, ENABLE_QUEUE, VERSION | NEED_REPLY)
    session.daemon.sendall(message(SET_VRING_ENABLE, ACKNOWLEDGED, VERSION | REPLY))
    assert session.request(message(GET_FEATURES)) == message(GET_FEATURES)
    session.reply(message(GET_FEATURES, bytes(8), VERSION | REPLY))
    assert os.eventfd_read(kick) == 1
    os.close(kick)


def test_what_qemu_acknowledges_itself_is_left_alone(session: Session) -> None:
    """QEMU from 8.2 asks for the acknowledgement, and gets it."""
    kick = os.eventfd(0, os.EFD_NONBLOCK)
    start_queue(session, kick)
    enable = message(SET_VRING_ENABLE, ENABLE_QUEUE, VERSION | NEED_REPLY)
    assert session.request(enable) == enable
    session.reply(message(SET_VRING_ENABLE, ACKNOWLEDGED, VERSION | REPLY))
    with pytest.raises(BlockingIOError):
        os.eventfd_read(kick)
    os.close(kick)


def test_daemon_without_acknowledgements(session: Session) -> None:
    """A daemon that cannot acknowledge is not asked to."""
    kick = os.eventfd(0)
    start_queue(session, kick, features=0)
    enable = message(SET_VRING_ENABLE, ENABLE_QUEUE)
    assert session.request(enable) == enable
    os.close(kick)


def test_end_of_one_side_ends_the_other() -> None:
    """When the daemon ends, QEMU sees the end of the connection, and no descriptor remains."""
    before = len(os.listdir("/proc/self/fd"))
    daemon, relay_end = socket.socketpair()
    relay = VhostUserRelay(relay_end)
    kick = os.eventfd(0)
    start_queue(Session(relay.qemu_socket, daemon, relay), kick)
    daemon.close()
    os.close(kick)
    assert relay.qemu_socket.recv(1) == b""
    relay.close()
    assert len(os.listdir("/proc/self/fd")) == before
