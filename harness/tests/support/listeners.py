# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Sockets of processes on which somebody else on the network or on this host could reach them."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from hermit_harness.paths import BUILD

RUNNING = BUILD / "run"  # where hermitctl registers its guests
LISTEN, UNCONNECTED = "0A", "07"  # states in /proc/net/tcp and udp
ACCEPTS = 0x10000  # __SO_ACCEPTCON in the flags of /proc/net/unix


def _rows(pid: int, kind: str) -> list[list[str]]:
    with suppress(OSError):
        return [line.split() for line in Path(f"/proc/{pid}/net/{kind}").read_text().splitlines()[1:]]
    return []


def _own(pid: int) -> set[str]:
    """Return the inodes of a process's sockets."""
    found = set()
    with suppress(OSError):
        for fd in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                found.add(os.readlink(fd).removeprefix("socket:[").removesuffix("]"))
    return found


def is_loopback(address: str) -> bool:
    """Return whether an address of /proc/net/tcp or tcp6, in hexadecimal, is a loopback address.

    The kernel prints words in the CPU's byte order, so 127.0.0.1 is 0100007F.
    """
    words = (address[i : i + 8] for i in range(0, len(address), 8))
    return (
        "".join(bytes.fromhex(word)[::-1].hex() for word in words)
        .upper()
        .startswith(("7F", "00000000000000000000FFFF7F"))
        or address == "00000000000000000000000001000000"
    )


def is_private(path: Path) -> bool:
    """Return whether only its owner can connect to a socket in the file system."""
    modes = (path.stat().st_mode, path.parent.stat().st_mode)
    return any(stat.S_IMODE(mode) & 0o077 == 0 for mode in modes)


def listeners(pids: Iterable[int]) -> Iterator[tuple[str, bool]]:
    """Yield each socket on which these processes wait for others, and whether only this user can reach it."""
    for pid in pids:
        own = _own(pid)
        for kind in ("tcp", "tcp6", "udp", "udp6"):
            for row in _rows(pid, kind):
                address, _, port = row[1].partition(":")
                if row[9] in own and row[3] == (LISTEN if kind.startswith("tcp") else UNCONNECTED):
                    yield f"{kind} {address}:{int(port, 16)}", is_loopback(address)
        for row in _rows(pid, "unix"):
            if row[6] in own and int(row[3], 16) & ACCEPTS:
                # A long path is bound by its directory's descriptor, which is closed by now.
                path = re.sub(r"^/proc/self/fd/\d+", str(RUNNING), row[7]) if len(row) > 7 else ""
                yield f"unix {path}", path.startswith("/") and is_private(Path(path))
