# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A cable between two guests of one user: a unix socket at which one end waits and to which the other one connects.

Both ends are started alike: whoever comes first waits. The socket is made here and QEMU inherits it, so that of two
that come at the same moment one is the first, and nobody is too early. What goes over it are frames, each behind its
length (four bytes, big-endian); any program that speaks so may be an end.
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

from hermit_harness.vm.filenames import user_temp_folder
from hermit_harness.vm.process import Closeable

HANG_UP_SECONDS = 1.0
MAX_SOCKET_PATH = 107  # bytes of a socket's name
# Removes the name when the process at the other end of its standard input ends, however that comes.
REMOVE_SCRIPT = 'read -r _; rm -f "$1"'
CONNECTED_STATES = ("02", "03")  # states in /proc/net/unix: before and after accept()
OTHER_LINK_HINT = "NETIF= names another cable"


def socket_path(name: str) -> Path:
    """The socket of a cable: a path as it is, any other name in a folder of this user's."""
    return Path(name).absolute() if "/" in name else user_temp_folder() / f"{name or 'cable'}.sock"


class SocketLink(Closeable):
    """One end, until it is closed. `first`: the one that waits. `socket` is for QEMU: it listens or is connected."""

    def __init__(self, path: Path) -> None:
        """ValueError, with what to do, where there is no end to be had."""
        self._remover: subprocess.Popen[bytes] | None = None
        self.path, self.listens = path, True
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.setblocking(False)  # a program that takes nobody in is not waited for
        try:
            if len(os.fsencode(path)) > MAX_SOCKET_PATH:
                raise ValueError(
                    f"{path} is longer than the {MAX_SOCKET_PATH} bytes of a socket's name: {OTHER_LINK_HINT}"
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
        """Whether somebody waits there; what a killed one has left is removed."""
        if _is_connected(self.path):
            raise ValueError(f"the cable at {self.path} has two ends already: {OTHER_LINK_HINT}")
        try:
            self.socket.connect(str(self.path))
        except FileNotFoundError:
            return False
        except ConnectionRefusedError:
            if not self.path.is_socket():
                raise ValueError(f"{self.path} is there already, and is no socket: {OTHER_LINK_HINT}") from None
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
        """Wait for the first end to hang up, too: until then it has no room for who comes next."""
        deadline = time.monotonic() + HANG_UP_SECONDS
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)
            while (remaining := deadline - time.monotonic()) > 0:
                self.socket.settimeout(remaining)
                if not self.socket.recv(65536):
                    return


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One at a time takes an end in this folder."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _is_connected(path: Path) -> bool:
    """Whether somebody is connected there. A line tells of one socket: its state is the sixth word, its name the
    eighth."""
    rows = (line.split(maxsplit=7) for line in Path("/proc/net/unix").read_text(errors="surrogateescape").splitlines())
    return any(row[7:] == [str(path)] and row[5] in CONNECTED_STATES for row in rows)
