# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The loader's last lines, which it keeps in its own memory: struct log_ring of loader/core/log.h."""

from __future__ import annotations

from .memory import Memory, ReadError

MAGIC = b"HERMITLG"
HEADER_SIZE = 16  # mark, u32 capacity of the text, u32 bytes ever written
MAX_CAPACITY = 1 << 16


def read(memory: Memory, address: int) -> str:
    """The lines in the ring at an address, oldest first; a first one that is half overwritten is left out."""
    if memory.read(address, len(MAGIC)) != MAGIC:
        raise ReadError(f"there is no log at {address:#x}: the loader has not run yet, or its memory was used again")
    capacity, written = memory.number(address + 8, 4), memory.number(address + 12, 4)
    if not 0 < capacity <= MAX_CAPACITY:
        raise ReadError(f"the log at {address:#x} is damaged")
    data = memory.read(address + HEADER_SIZE, capacity)
    if written <= capacity:
        return data[:written].decode("utf-8", "backslashreplace")
    at = written % capacity
    kept = data[at:] + data[:at]
    return "...\n" + kept[kept.find(b"\n") + 1 :].decode("utf-8", "backslashreplace")


def search(memory: Memory, start: int, end: int) -> int:
    """The address of the ring in [start, end); it is aligned to 8."""
    data = memory.read(start, end - start)
    at = data.find(MAGIC)
    while at >= 0:
        if (start + at) % 8 == 0 and 0 < int.from_bytes(data[at + 8 : at + 12], memory.order) <= MAX_CAPACITY:
            return start + at
        at = data.find(MAGIC, at + 1)
    raise ReadError(f"no log of a loader in {start:#x} to {end:#x}")
