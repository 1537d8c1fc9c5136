# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Connect the NICs of two guests through a Unix socket.

Both guests start with the same command. The first one listens, the second one connects. This module creates the socket
and QEMU inherits it; a lock decides which of two simultaneous starts is the first. Each frame on the socket follows its
length (four bytes, big-endian), so any program can be one end.
"""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hermit_harness.vm.filenames import user_temp_directory
from hermit_harness.vm.process import Closeable

HANG_UP_SECONDS = 1.0
MAX_SOCKET_PATH = 107  # bytes of a socket name (unix(7): sun_path without its NUL)
# Removes the name when this process ends, even by SIGKILL: its standard input is then closed.
REMOVE_SCRIPT = 'read -r _; rm -f "$1"'
CONNECTED_STATES = ("02", "03")  # states in /proc/net/unix: before and after accept()
OTHER_LINK_HINT = "choose another socket link with NETIF="


def socket_path(name: str) -> Path:
    """Return the socket's path: a path as it is, any other name in a directory of this user."""
    return Path(name).absolute() if "/" in name else user_temp_directory() / f"{name or 'link'}.sock"


class SocketLink(Closeable):
    """One end of a socket link. `listens` marks the first end. QEMU inherits `socket`, listening or connected."""

    def __init__(self, path: Path) -> None:
        """Raise ValueError, with the remedy, if no end is available."""
        self._remover: subprocess.Popen[bytes] | None = None
        self.path, self.listens = path, True
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.setblocking(False)  # do not wait for a program that accepts no connection
        try:
            if len(os.fsencode(path)) > MAX_SOCKET_PATH:
                raise ValueError(
                    f"{path} is longer than the {MAX_SOCKET_PATH} bytes of a socket name: {OTHER_LINK_HINT}"
                )
            with _locked(path.parent):
                self.listens = not self._connect()
                if self.listens:
                    self._listen()
        except OSError as error:
            self.close()
            raise ValueError(f"{error.filename or path}: {error.strerror}: {OTHER_LINK_HINT}") from None
        except BaseException:
            self.close()
            raise

    def _connect(self) -> bool:
        """Return whether the first end listens. Remove the name of an end that was killed."""
        if _is_connected(self.path):
            raise ValueError(f"the socket link at {self.path} already has two ends: {OTHER_LINK_HINT}")
        try:
            self.socket.connect(str(self.path))
        except FileNotFoundError:
            return False
        except ConnectionRefusedError:
            if not self.path.is_socket():
                raise ValueError(f"{self.path} exists and is not a socket: {OTHER_LINK_HINT}") from None
            self.path.unlink()
            return False
        return True

    def _listen(self) -> None:
        os.fchmod(self.socket.fileno(), 0o600)  # the mode of the file that bind() makes
        argv = ["sh", "-c", REMOVE_SCRIPT, "sh", str(self.path)]
        none = subprocess.DEVNULL
        self._remover = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=none, stderr=none, start_new_session=True)
        self.socket.bind(str(self.path))
        self.socket.listen(1)

    def close(self) -> None:
        if self._remover:
            self._remover.communicate()
        if not self.listens:
            self._hang_up()
        self.socket.close()

    def _hang_up(self) -> None:
        """Wait until the first end closes the connection. Until then it accepts no other one."""
        deadline = time.monotonic() + HANG_UP_SECONDS
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)
            while (remaining := deadline - time.monotonic()) > 0:
                self.socket.settimeout(remaining)
                if not self.socket.recv(65536):
                    return


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Lock the directory, so that one process at a time opens an end in it."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _is_connected(path: Path) -> bool:
    """Return whether the socket is connected (/proc/net/unix: field 6 is the state, 8 the name)."""
    rows = (line.split(maxsplit=7) for line in Path("/proc/net/unix").read_text(errors="surrogateescape").splitlines())
    return any(row[7:] == [str(path)] and row[5] in CONNECTED_STATES for row in rows)
