# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Relay between QEMU and a vhost-user daemon that keeps the guest's first notification of each queue.

QEMU before 8.2 does not wait until the daemon has processed VHOST_USER_SET_VRING_ENABLE. A guest that notifies a queue
at once can be faster; the daemon then takes the notification from the queue's eventfd and drops it, because the queue
is disabled. Hermit notifies once and polls for the answer, so it would wait forever. The relay asks the daemon to
acknowledge that message and then notifies the queue once more, which is harmless if nothing was lost.

Messages are in the host's byte order. Source: the vhost-user protocol in QEMU's docs/interop/vhost-user.rst.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

HEADER = struct.Struct("=III")  # request, flags, bytes of payload
SET_VRING_KICK, SET_PROTOCOL_FEATURES, SET_VRING_ENABLE = 12, 16, 18
NEED_REPLY = 1 << 3  # a flag of the header; the daemon must have negotiated REPLY_ACK
REPLY_ACK = 1 << 3  # a protocol feature
QUEUE_MASK = 0xFF  # of the payload of SET_VRING_KICK
VRING_STATE = struct.Struct("=II")  # the payload of SET_VRING_ENABLE: queue, 1 for enabled
MAX_FDS = 8  # per message


class VhostUserRelay:
    """Relays a session in a thread of its own until one side ends it or `close` is called.

    `qemu_socket` is the end for QEMU. The relay owns both ends of that connection, and `daemon`.
    """

    def __init__(self, daemon: socket.socket) -> None:
        self.qemu_socket, self._qemu = socket.socketpair()
        self._daemon = daemon
        self._acknowledges = False
        self._kicks: dict[int, int] = {}  # queue: its eventfd
        self._thread = threading.Thread(target=self._relay, name="vhost-user", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the session and close all sockets."""
        self._end_session()
        self._thread.join()
        for sock in (self.qemu_socket, self._qemu, self._daemon):
            sock.close()
        for kick in self._kicks.values():
            os.close(kick)
        self._kicks.clear()

    def _end_session(self) -> None:
        for sock in (self._qemu, self._daemon):
            with suppress(OSError):  # not connected any more
                sock.shutdown(socket.SHUT_RDWR)

    def _relay(self) -> None:
        with suppress(OSError, EOFError):  # either side may end at any time
            while True:
                readable, _, _ = select.select([self._qemu, self._daemon], [], [])
                if self._daemon in readable:
                    self._relay_reply()
                else:  # only one per report: a request may take the daemon's answer
                    self._relay_request()
        self._end_session()

    def _relay_request(self) -> None:
        with _received(self._qemu) as message:
            adds_reply = message.request == SET_VRING_ENABLE and self._acknowledges and not message.flags & NEED_REPLY
            message.send(self._daemon, NEED_REPLY if adds_reply else 0)
            if message.request == SET_PROTOCOL_FEATURES:
                self._acknowledges = bool(message.number() & REPLY_ACK)
            elif message.request == SET_VRING_KICK and message.fds:
                self._keep_kick(message.number() & QUEUE_MASK, message.fds.pop())
            elif adds_reply:
                self._notify_again(*VRING_STATE.unpack(message.payload))

    def _relay_reply(self) -> None:
        with _received(self._daemon) as message:
            message.send(self._qemu)

    def _keep_kick(self, queue: int, eventfd: int) -> None:
        if queue in self._kicks:
            os.close(self._kicks[queue])
        self._kicks[queue] = eventfd

    def _notify_again(self, queue: int, enabled: int) -> None:
        """Wait for the daemon's acknowledgement, which QEMU does not expect, and notify the queue."""
        with _received(self._daemon):
            if enabled and queue in self._kicks:
                os.eventfd_write(self._kicks[queue], 1)


@dataclass
class _Message:
    request: int
    flags: int
    payload: bytes
    fds: list[int]

    def number(self) -> int:
        """Return the payload as a number."""
        return int.from_bytes(self.payload, sys.byteorder)

    def send(self, sock: socket.socket, extra_flags: int = 0) -> None:
        header = HEADER.pack(self.request, self.flags | extra_flags, len(self.payload))
        socket.send_fds(sock, [header + self.payload], self.fds)


@contextmanager
def _received(sock: socket.socket) -> Iterator[_Message]:
    """Receive a message; its descriptors are closed at the end. Raise EOFError if the other side ends the session."""
    header, fds, _, _ = socket.recv_fds(sock, HEADER.size, MAX_FDS, socket.MSG_WAITALL | socket.MSG_CMSG_CLOEXEC)
    try:
        if len(header) < HEADER.size:
            raise EOFError
        request, flags, size = HEADER.unpack(header)
        payload = sock.recv(size, socket.MSG_WAITALL) if size else b""
        if len(payload) < size:
            raise EOFError
        yield _Message(request, flags, payload, fds)
    finally:
        for fd in fds:
            os.close(fd)
