# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Relay between debuggers and QEMU's GDB stub: a listening socket of the harness.

QEMU inherits a connected socket. It needs neither port nor path and can run in its own network namespace. The relay
listens before it reports its address, so a client never has to wait, and a taken port is detected. It opens the stub
again for each debugger. A debugger that disconnects without detaching, for example when it is killed, leaves the
machine as if it had detached.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import selectors
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hermit_harness.vm.filenames import escape_commas
from hermit_harness.vm.gdb_rsp import InterruptQueue, PacketFilter, RegisterByteSwap, encode_packet
from hermit_harness.vm.gdb_stub import open_stub
from hermit_harness.vm.host import bind_problem
from hermit_harness.vm.qmp import Qmp, QmpError

DEFAULT_PORT = 1234
PORTS_TRIED = 100  # number of ports to try, from the requested one
DETACH_REQUEST = b"\x03+$D;1#b0"  # interrupt, then the packet that detaches
DETACH_SECONDS = 2.0


def listen_unix(path: Path) -> socket.socket:
    """Return a listening Unix socket.

    The socket is bound through the directory's descriptor, because sun_path holds 108 bytes only (unix(7)).
    """
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        sock.bind(f"/proc/self/fd/{directory}/{path.name}")
        sock.listen(4)
    except OSError:
        sock.close()
        raise
    finally:
        os.close(directory)
    return sock


def listen_tcp(port: int) -> socket.socket:
    """Listen on the first free port from `port`, on the loopback address only."""
    for candidate in range(port, min(port + PORTS_TRIED, 65536)):
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("127.0.0.1", candidate))
            sock.listen(4)
        except OSError as error:
            sock.close()
            if error.errno != errno.EADDRINUSE:
                raise ValueError(f"127.0.0.1:{candidate}: {bind_problem(error, '127.0.0.1')}") from None
            continue
        return sock
    raise ValueError(f"no free port from {port} to {port + PORTS_TRIED - 1} on 127.0.0.1")


@dataclass(frozen=True)
class Endpoint:
    """Where debuggers connect: a port of 127.0.0.1, or the Unix socket `path`."""

    port: int = DEFAULT_PORT
    path: Path | None = None

    @property
    def remote(self) -> str:
        """The argument of GDB's `target remote`."""
        return str(self.path or f":{self.port}")

    @property
    def word(self) -> str:
        """The value of `hermitctl debug --port`."""
        return f"unix:{self.path}" if self.path else str(self.port)

    @property
    def qemu_device(self) -> str:
        """The value of QEMU's -gdb."""
        if self.path:
            return f"unix:{escape_commas(self.path)},server=on,wait=off"
        return f"tcp:127.0.0.1:{self.port}"

    def listen(self) -> socket.socket:
        """Return a listening socket. ValueError if that is not possible; a port that is taken is the next free one."""
        if not self.path:
            return listen_tcp(self.port)
        try:
            return listen_unix(self.path)
        except OSError as error:
            raise ValueError(f"--port {self.word}: {error.strerror}") from None


class GdbRelay:
    """Relays bytes while the loop of `selector` runs.

    `before_reply` is called before each reply of the stub is forwarded, so that the guest's output appears before GDB
    reports a stop. `big_endian` is the byte order of the application.
    """

    def __init__(
        self,
        selector: selectors.BaseSelector,
        listeners: Sequence[socket.socket],
        qmp: Qmp,
        before_reply: Callable[[], object],
        big_endian: bool = False,
    ) -> None:
        self._selector = selector
        self._listeners = listeners
        self._qmp = qmp
        self._before_reply = before_reply
        self._big_endian = big_endian
        self._filters: tuple[PacketFilter, ...] = ()  # from the client to the stub
        self._client: socket.socket | None = None
        self._stub: socket.socket | None = None  # connected together with the client
        self._detached = False  # the client has detached; QEMU 7.2 fails on a second detach
        self.connections = 0
        for listener in listeners:
            listener.setblocking(False)
            selector.register(listener, selectors.EVENT_READ, partial(self._accept, listener))

    @property
    def is_connected(self) -> bool:
        """Return whether a debugger is connected and controls the machine."""
        return self._client is not None

    def _accept(self, listener: socket.socket, mask: int) -> None:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        if self._client and _has_hung_up(self._client):
            self._from_client(self._client)  # the selector has not reported it yet
        if self._client:
            client.close()  # QEMU's stub serves one at a time
            return
        client.setblocking(True)
        if client.family == socket.AF_INET:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connections += 1
        try:
            self._stub = open_stub(self._qmp)
        except QmpError:
            client.close()  # the machine is about to end
            return
        self._client, self._detached = client, False
        self._filters = (InterruptQueue(), RegisterByteSwap()) if self._big_endian else (InterruptQueue(),)
        self._selector.register(client, selectors.EVENT_READ, lambda mask: self._from_client(client))
        self._selector.register(self._stub, selectors.EVENT_READ, self._from_stub)

    def _from_client(self, client: socket.socket) -> None:
        if client is not self._client or not self._stub:
            return
        data = _received(self._client)
        if data is None:
            return
        with contextlib.suppress(OSError):
            if data:
                self._detached = self._detached or b"$D;" in data or b"$D#" in data
                for packet_filter in self._filters:
                    data = packet_filter.to_stub(data)
                self._stub.sendall(data)
                return
            if not self._detached:
                self._stub.sendall(DETACH_REQUEST)
                _discard_until(self._stub, b"$OK#9a", time.monotonic() + DETACH_SECONDS)
        self.disconnect()

    def _from_stub(self, mask: int) -> None:
        if not self._client or not self._stub:
            return
        data = _received(self._stub)
        if data is None:
            return
        self._before_reply()
        with contextlib.suppress(OSError):
            if data:
                for packet_filter in reversed(self._filters):
                    data = packet_filter.to_client(data)
                self._client.sendall(data)
                return
        self.disconnect()  # QEMU has ended

    def disconnect(self) -> None:
        """Drop the debugger if one is connected. The machine keeps its state, breakpoints included."""
        for sock in (self._stub, self._client):
            if sock:
                self._selector.unregister(sock)
                sock.close()
        self._stub = self._client = None

    def close(self) -> None:
        """Close the listening sockets and the client. The machine keeps its state."""
        self.disconnect()
        for listener in self._listeners:
            self._selector.unregister(listener)
            listener.close()


def _has_hung_up(sock: socket.socket) -> bool:
    """Return whether the other end is closed and all that it has sent was received."""
    try:
        return not sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        return True


def answer_of(path: Path, seconds: float) -> bool | None:
    """Ask the relay of a socket whether it serves a debugger now, and detach again.

    Return False if it serves another one already, and None if it or its QEMU does not answer in time.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(seconds)
        try:
            sock.connect(str(path))
            sock.sendall(encode_packet(b"qSupported"))
            found = bool(sock.recv(4096))
            if found:
                sock.sendall(b"+" + encode_packet(b"D"))
                _discard_until(sock, b"$OK#9a", time.monotonic() + seconds)
        except (TimeoutError, BlockingIOError):
            return None
        except (BrokenPipeError, ConnectionResetError):
            return False
        return found


def _received(sock: socket.socket) -> bytes | None:
    """Return what has arrived, b"" at the end of the connection, None if a selector's report is out of date."""
    try:
        return sock.recv(65536, socket.MSG_DONTWAIT)
    except BlockingIOError:
        return None
    except OSError:
        return b""


def _discard_until(sock: socket.socket, expected: bytes, deadline: float) -> None:
    seen = b""
    while expected not in seen:
        remaining = deadline - time.monotonic()
        if remaining <= 0 or not select.select([sock], [], [], remaining)[0]:
            return
        data = _received(sock)
        if not data:
            return
        seen = seen[-16:] + data
