# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Print one line per code or data section of the object files below a directory, sorted.

A line has a section's kind, its size, a checksum of its bytes, and one of its relocations without
the names they refer to. File, function and section names are left out. Two builds whose files and
functions were only moved and renamed print the same lines.

Usage: python3 harness/lint/object_sections.py DIRECTORY      (ci/same-code.sh calls it)
"""

from __future__ import annotations

import hashlib
import struct
import sys
from pathlib import Path

SHT_PROGBITS, SHT_RELA, SHT_NOBITS = 1, 4, 8
SHF_ALLOC = 2


def sections(data: bytes, order: str) -> list[tuple[int, ...]]:
    """Return the section headers of an ELF64 file, as in Elf64_Shdr."""
    table = struct.unpack_from(order + "Q", data, 40)[0]
    size, count = struct.unpack_from(order + "HH", data, 58)
    return [struct.unpack_from(order + "IIQQQQIIQQ", data, table + size * i) for i in range(count)]


def lines(file: Path) -> list[str]:
    """Return one line per allocated section of an object file, in either byte order."""
    data = file.read_bytes()
    order = ">" if data[5] == 2 else "<"
    found = sections(data, order)
    relocations: dict[int, bytes] = {}
    for _, kind, _, _, offset, size, _, target, _, _ in found:
        if kind == SHT_RELA:
            for at in range(offset, offset + size, 24):
                where, info, addend = struct.unpack_from(order + "QQq", data, at)
                entry = struct.pack("<QQq", where, info & 0xFFFF_FFFF, addend)
                relocations[target] = relocations.get(target, b"") + entry
    result = []
    for index, (_, kind, flags, _, offset, size, _, _, align, _) in enumerate(found):
        if flags & SHF_ALLOC and size and kind in (SHT_PROGBITS, SHT_NOBITS):
            content = data[offset : offset + size] if kind == SHT_PROGBITS else b""
            check = hashlib.sha256(content).hexdigest()[:16]
            moved = hashlib.sha256(relocations.get(index, b"")).hexdigest()[:16]
            result.append(f"{kind} {flags:#x} {align} {size} {check} {moved}")
    return result


if __name__ == "__main__":
    # symbols?.so.o is the table of function names.
    files = [file for file in Path(sys.argv[1]).rglob("*.o") if not file.match("symbols?.so.o")]
    print(*sorted(line for file in files for line in lines(file)), sep="\n")
