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

from hermit_harness.vm.filenames import own_folder
from hermit_harness.vm.process import Closing

PARTING_SECONDS = 1.0
LONGEST = 107  # bytes of a socket's name
# Removes the name when the process at the other end of its standard input ends, however that comes.
KEEPER = 'read -r _; rm -f "$1"'
CONNECTED = ("02", "03")  # states in /proc/net/unix: before and after accept()
ANOTHER = "NETIF= names another cable"


def place_of(name: str) -> Path:
    """The socket of a cable: a path as it is, any other name in a folder of this user's."""
    return Path(name).absolute() if "/" in name else own_folder() / f"{name or 'cable'}.sock"


class Cable(Closing):
    """One end, until it is closed. `first`: the one that waits. `socket` is for QEMU: it listens or is connected."""

    def __init__(self, place: Path) -> None:
        """ValueError, with what to do, where there is no end to be had."""
        self._keeper: subprocess.Popen[bytes] | None = None
        self.place, self.first = place, True
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.setblocking(False)  # a program that takes nobody in is not waited for
        try:
            if len(os.fsencode(place)) > LONGEST:
                raise ValueError(f"{place} is longer than the {LONGEST} bytes of a socket's name: {ANOTHER}")
            with _alone(place.parent):
                self.first = not self._connect()
                if self.first:
                    self._wait()
        except OSError as error:
            self.close()
            raise ValueError(f"{error.filename or place}: {error.strerror}: {ANOTHER}") from None
        except BaseException:
            self.close()
            raise

    def _connect(self) -> bool:
        """Whether somebody waits there; what a killed one has left is removed."""
        if _joined(self.place):
            raise ValueError(f"the cable at {self.place} has two ends already: {ANOTHER}")
        try:
            self.socket.connect(str(self.place))
        except FileNotFoundError:
            return False
        except ConnectionRefusedError:
            if not self.place.is_socket():
                raise ValueError(f"{self.place} is there already, and is no socket: {ANOTHER}") from None
            self.place.unlink()
            return False
        return True

    def _wait(self) -> None:
        os.fchmod(self.socket.fileno(), 0o600)  # the mode of the file that bind() makes
        argv = ["sh", "-c", KEEPER, "sh", str(self.place)]
        none = subprocess.DEVNULL
        self._keeper = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=none, stderr=none, start_new_session=True)
        self.socket.bind(str(self.place))
        self.socket.listen(1)

    def close(self) -> None:
        if self._keeper:
            self._keeper.communicate()
        if not self.first:
            self._part()
        self.socket.close()

    def _part(self) -> None:
        """Wait for the first end to hang up, too: until then it has no room for who comes next."""
        ends = time.monotonic() + PARTING_SECONDS
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)
            while (left := ends - time.monotonic()) > 0:
                self.socket.settimeout(left)
                if not self.socket.recv(65536):
                    return


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One at a time takes an end in this folder."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _joined(place: Path) -> bool:
    """Whether somebody is connected there. A line tells of one socket: its state is the sixth word, its name the
    eighth."""
    rows = (line.split(maxsplit=7) for line in Path("/proc/net/unix").read_text(errors="surrogateescape").splitlines())
    return any(row[7:] == [str(place)] and row[5] in CONNECTED for row in rows)
