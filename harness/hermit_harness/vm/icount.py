# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Exact numbers of guest instructions, by QEMU's instruction counter.

With `-icount shift=0,rr=record` every instruction is one tick, so that equal command lines give equal numbers. Only
one CPU, and only TCG. The guest stops at hardware breakpoints, which do not change it.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from hermit_harness.vm.gdb_rsp import encode_packet
from hermit_harness.vm.process import DIE_WITH_PARENT
from hermit_harness.vm.qmp import Qmp

SECONDS = 60.0


class RemoteGuest:
    """The packets of the GDB remote protocol that set a breakpoint and continue to it."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(SECONDS)
        self._connection = connection
        self._unread = b""

    def call(self, packet: str) -> str:
        """Send a packet and return the reply. Raises OSError if QEMU ends or is silent."""
        self._connection.sendall(encode_packet(packet.encode()))
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
                raise ConnectionError(f"QEMU answers {packet} with {reply!r}")


@contextlib.contextmanager
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Yield two connected sockets, and close both."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def counts(
    qemu: Sequence[str],
    addresses: Sequence[int],
    directory: Path,
    cwd: Path,
    at_each: Callable[[], object] = lambda: None,
) -> list[int]:
    """Return how many instructions a guest has executed when it reaches each of the addresses, one after the other.

    `qemu` is a command without serial port, run in `cwd`. `directory` gets QEMU's recording. `at_each` is
    called at each address, while the guest is stopped. Raises OSError if the guest does not reach an address.
    """
    with pair() as (gdb, gdb_end), pair() as (qmp, qmp_end):
        command = [
            *(*DIE_WITH_PARENT, *qemu, "-S", "-serial", "null"),
            *("-icount", f"shift=0,rr=record,rrfile={directory / 'record'}"),
            *("-chardev", f"socket,id=gdb,fd={gdb_end.fileno()}", "-gdb", "chardev:gdb"),
            *("-chardev", f"socket,id=qmp,fd={qmp_end.fileno()}", "-mon", "chardev=qmp,mode=control"),
        ]
        fds = (gdb_end.fileno(), qmp_end.fileno())
        process = subprocess.Popen(command, cwd=cwd, pass_fds=fds, stderr=subprocess.DEVNULL)
        try:
            gdb_end.close()
            qmp_end.close()
            monitor, guest = Qmp(qmp), RemoteGuest(gdb)
            monitor.greet(SECONDS)
            guest.call("?")
            return [_count_at(address, guest, monitor, at_each) for address in addresses]
        finally:
            process.kill()
            process.wait()


def _count_at(address: int, guest: RemoteGuest, monitor: Qmp, at_each: Callable[[], object]) -> int:
    guest.run_to(address)
    at_each()
    return int(monitor.execute("query-replay", seconds=SECONDS)["icount"])
