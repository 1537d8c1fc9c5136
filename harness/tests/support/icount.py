# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Exact numbers of guest instructions, by QEMU's instruction counter.

With `-icount shift=0,rr=record` every instruction is one tick, so that equal command lines give equal numbers. Only
one CPU, and only TCG. The guest stops at hardware breakpoints, which do not change it.
"""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from hermit_harness.paths import ROOT
from tests.support.processes import background

SECONDS = 60.0


class RemoteGuest:
    """The packets of the GDB remote protocol that set a breakpoint and continue to it."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(SECONDS)
        self._connection = connection
        self._unread = b""

    def call(self, packet: str) -> str:
        """Send a packet and return the reply. Raises OSError if QEMU ends or is silent."""
        data = packet.encode()
        self._connection.sendall(b"$" + data + b"#%02x" % (sum(data) % 256))
        while (found := self._unread.partition(b"#"))[1] == b"" or len(found[2]) < 2:
            received = self._connection.recv(4096)
            if not received:
                raise ConnectionError("QEMU ended before the guest reached the address")
            self._unread += received
        reply, _, rest = found
        self._unread = rest[2:]
        self._connection.sendall(b"+")
        return reply.partition(b"$")[2].decode()

    def run_to(self, address: int) -> None:
        """Let the guest run until it is about to execute the instruction at the address."""
        for packet in (f"Z1,{address:x},1", "c", f"z1,{address:x},1"):
            reply = self.call(packet)
            if reply != "OK" and packet != "c":
                raise RuntimeError(f"QEMU answers {packet} with {reply!r}")


class Monitor:
    """QMP with one command at a time; events are skipped."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(SECONDS)
        self._file = connection.makefile("rw")
        self._file.readline()
        self.call("qmp_capabilities")

    def call(self, command: str) -> dict[str, object]:
        print(json.dumps({"execute": command}), file=self._file, flush=True)
        while True:
            reply = json.loads(self._file.readline())
            if "return" in reply:
                return dict(reply["return"])
            if "error" in reply:
                raise RuntimeError(f"{command}: {reply['error']}")

    def count(self) -> int:
        """Return the number of instructions that the stopped guest has executed."""
        count = self.call("query-replay")["icount"]
        assert isinstance(count, int)
        return count


@contextlib.contextmanager
def _pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def instructions(qemu: Sequence[str], first: int, last: int, folder: Path) -> int:
    """Return how many instructions a guest executes from one address to another.

    `qemu` is a command without serial port; relative paths in it begin at the root of the checkout. Both addresses are
    reached for the first time after one another. `folder` gets QEMU's recording.
    """
    with _pair() as (gdb, gdb_end), _pair() as (qmp, qmp_end):
        command = [
            *(*qemu, "-S", "-serial", "null"),
            *("-icount", f"shift=0,rr=record,rrfile={folder / 'record'}"),
            *("-chardev", f"socket,id=gdb,fd={gdb_end.fileno()}", "-gdb", "chardev:gdb"),
            *("-chardev", f"socket,id=qmp,fd={qmp_end.fileno()}", "-mon", "chardev=qmp,mode=control"),
        ]
        fds = (gdb_end.fileno(), qmp_end.fileno())
        with background(command, cwd=ROOT, pass_fds=fds, stderr=subprocess.DEVNULL):
            gdb_end.close()
            qmp_end.close()
            monitor, guest = Monitor(qmp), RemoteGuest(gdb)
            guest.call("?")
            guest.run_to(first)
            before = monitor.count()
            guest.run_to(last)
            return monitor.count() - before
