# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Input for the guest's serial port: initial bytes, then a descriptor, with bounded memory."""

from __future__ import annotations

import os
import selectors
import socket
from collections.abc import Callable

CHUNK = 4096


class SerialInput:
    """Writes to `serial` when it is writable, and reads the source only when all previous input is written.

    The source is a terminal, a pipe or a regular file. epoll does not support regular files: they are read whenever the
    port is writable.
    """

    def __init__(
        self, selector: selectors.BaseSelector, serial: socket.socket, initial: bytes, on_serial: Callable[[int], None]
    ) -> None:
        self._selector = selector
        self._serial = serial
        self._pending = bytearray(initial)
        self._on_serial = on_serial
        self._fd: int | None = None
        self._is_file = False
        self.sent = 0  # bytes that the serial port has accepted

    @property
    def is_open(self) -> bool:
        """Return whether more input may come."""
        return self._fd is not None

    def start(self, fd: int | None) -> None:
        """Start. The serial socket must already be registered."""
        self._fd = fd
        if fd is not None:
            try:
                self._selector.register(fd, selectors.EVENT_READ, self._on_readable)
            except PermissionError:
                self._is_file = True
        self._set_writable_interest(bool(self._pending) or self._is_file)

    def send(self) -> None:
        """Write pending input. Call this when the serial port is writable."""
        if not self._pending and self._is_file and self._fd is not None:
            self._read_source(self._fd)
        try:
            sent = self._serial.send(self._pending) if self._pending else 0
        except (BlockingIOError, ConnectionError):
            return
        del self._pending[:sent]
        self.sent += sent
        if not self._pending and not self._is_file:
            self._set_writable_interest(False)
            if self._fd is not None and self._fd not in self._selector.get_map():
                self._selector.register(self._fd, selectors.EVENT_READ, self._on_readable)

    def stop(self) -> None:
        """Stop reading input, because the serial port is closed."""
        for source in (self._serial, self._fd):
            if source is not None and source in self._selector.get_map():
                self._selector.unregister(source)
        self._fd, self._is_file = None, False

    def _on_readable(self, mask: int) -> None:
        assert self._fd is not None
        self._selector.unregister(self._fd)  # until its input is written
        self._read_source(self._fd)
        self._set_writable_interest(True)

    def _read_source(self, fd: int) -> None:
        try:
            data = os.read(fd, CHUNK)
        except OSError:  # the terminal is gone, or this process is in the background
            data = b""
        self._pending += data
        if not data:
            self._fd, self._is_file = None, False

    def _set_writable_interest(self, wanted: bool) -> None:
        if self._serial in self._selector.get_map():
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if wanted else 0)
            self._selector.modify(self._serial, events, self._on_serial)
