# SPDX-License-Identifier: Apache-2.0 OR MIT
"""QEMU's GDB stub: open it, and read registers through it that the monitor does not print."""

from __future__ import annotations

import itertools
import re
import socket
from collections.abc import Iterable

from hermit_harness.vm.gdb_rsp import encode_packet
from hermit_harness.vm.qmp import Qmp, QmpError

ANSWER_SECONDS = 5.0
CHUNK = 0xFF0  # bytes of the description in one packet: QEMU's packets have 4096
DESCRIPTION = b"system-registers.xml"  # QEMU's name for the registers of AArch64 that instructions MRS and MSR access
_NAMES = (f"stub-{number}" for number in itertools.count(1))
_PACKET = re.compile(rb"\$([^#]*)#[0-9a-f]{2}")


def open_stub(qmp: Qmp) -> socket.socket:
    """Connect to QEMU's stub, which pauses the machine. QEMU drops the previous connection."""
    name = next(_NAMES)
    own_end, qemu_end = socket.socketpair()
    try:
        with qemu_end:
            qmp.execute("getfd", {"fdname": name}, fds=[qemu_end.fileno()])
            address = {"type": "fd", "data": {"str": name}}
            backend = {"type": "socket", "data": {"addr": address, "server": False}}
            qmp.execute("chardev-add", {"id": name, "backend": backend})
            qmp.hmp(f"gdbserver chardev:{name}")
    except QmpError:
        own_end.close()
        raise
    return own_end


def system_registers(qmp: Qmp, names: Iterable[str], cpus: int) -> list[dict[str, int]]:
    """Return these system registers of each CPU of AArch64. The machine must be paused, and remains so.

    A register that the CPU lacks is left out. QmpError if QEMU does not answer.
    """
    try:
        with open_stub(qmp) as stub:
            stub.settimeout(ANSWER_SECONDS)
            description = _description(stub)
            numbers = {}
            for name in names:
                if found := re.search(rb'name="%s"[^>]* regnum="(\d+)"' % name.encode(), description):
                    numbers[name] = int(found[1])
            return [_registers_of(stub, cpu, numbers) for cpu in range(1, cpus + 1)]
    except (OSError, ValueError) as error:
        raise QmpError(f"QEMU's GDB stub: {error}") from error
    finally:
        qmp.hmp("gdbserver none")


def _registers_of(stub: socket.socket, cpu: int, numbers: dict[str, int]) -> dict[str, int]:
    """`cpu`: its thread, from 1. The values are in the byte order of the stub, which is little-endian."""
    _ask(stub, b"Hg%x" % cpu)
    answers = {name: _ask(stub, b"p%x" % number) for name, number in numbers.items()}
    return {name: int.from_bytes(bytes.fromhex(answer.decode()), "little") for name, answer in answers.items()}


def _description(stub: socket.socket) -> bytes:
    """Read the list of system registers, which the stub makes when its target description is read."""
    _ask(stub, b"qXfer:features:read:target.xml:0,%x" % CHUNK)
    text, more = b"", True
    while more:
        part = _ask(stub, b"qXfer:features:read:%s:%x,%x" % (DESCRIPTION, len(text), CHUNK))
        text, more = text + part[1:], part.startswith(b"m")
    return text


def _ask(stub: socket.socket, body: bytes) -> bytes:
    """Send a packet and return the body of the answer."""
    stub.sendall(encode_packet(body))
    answer = b""
    while not (packet := _PACKET.search(answer)):
        data = stub.recv(65536)
        if not data:
            raise ConnectionError("it closed the connection")
        answer += data
    stub.sendall(b"+")
    return packet[1]
