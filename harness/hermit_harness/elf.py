# SPDX-License-Identifier: Apache-2.0 OR MIT
"""What the harness wants to know of an application file: kernel version, entry version, where it is linked.

A reader of its own and not a library's, since it is also pointed at the damaged files of the corpus: whatever is
wrong gives None or nothing, never an exception. Both byte orders, 64-bit only.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from hermit_harness import image
from hermit_harness.vm.targets import ARCHS, ELF_MACHINES

PT_LOAD, PT_NOTE = 1, 4
ET_DYN = 3
SHT_NULL, SHT_NOBITS = 0, 8
NOTE_ABI_TAG, NOTE_BUILD_ID, NOTE_ENTRY_VERSION = 1, 3, 0x5A00
HERMIT_OS = 6
NOTES_LIMIT = 1 << 20  # bytes of a note segment that are read


@dataclass(frozen=True)
class Segment:
    """One PT_LOAD. `flags` are PF_X (1), PF_W (2) and PF_R (4)."""

    offset: int
    vaddr: int
    filesz: int
    memsz: int
    flags: int


@dataclass(frozen=True)
class Section:
    """The location of a section's bytes in the file, its type, and the location of its header."""

    offset: int
    size: int
    type: int = SHT_NULL
    header: int = 0


@dataclass
class ElfFacts:
    """`kernel` is "major.minor.patch" of the ABI tag (kernels from 0.10.0 have one)."""

    type: int
    entry: int
    segments: list[Segment] = field(default_factory=list)
    kernel: str | None = None
    entry_version: int | None = None
    arch: str = ""  # of vm/targets.py; "" is a CPU that this tree knows nothing of
    build_id: bytes = b""
    sections: dict[str, Section] = field(default_factory=dict)

    def content(self, section: str, data: bytes) -> bytes:
        """The bytes of a section in the file's `data`; none for a section that it does not have."""
        found = self.sections.get(section, Section(0, 0))
        return data[found.offset : found.offset + found.size]

    @property
    def low(self) -> int:
        return min((s.vaddr for s in self.segments), default=0)

    @property
    def size(self) -> int:
        """Bytes of memory from the lowest address to the end of the last segment."""
        return max((s.vaddr + s.memsz for s in self.segments), default=0) - self.low

    def offset_for(self, load_start: int) -> int:
        """What must be added to the file's addresses when the loader says that the image starts at `load_start`."""
        return load_start - self.low if self.type == ET_DYN else 0

    def file_offset(self, vaddr: int) -> int | None:
        """Return the file offset of a linked address."""
        for s in self.segments:
            if s.vaddr <= vaddr < s.vaddr + s.filesz:
                return vaddr - s.vaddr + s.offset
        return None


def _notes(data: bytes, order: str) -> Iterator[tuple[bytes, int, bytes]]:
    at = 0
    while at + 12 <= len(data):
        namesz, descsz, kind = struct.unpack_from(order + "III", data, at)
        name_end = at + 12 + namesz
        desc = at + 12 + (namesz + 3 & ~3)
        if desc + descsz > len(data):
            return
        yield data[at + 12 : name_end].rstrip(b"\0"), kind, data[desc : desc + descsz]
        at = desc + (descsz + 3 & ~3)


def parse(data: bytes | mmap.mmap) -> ElfFacts | None:
    """The facts of an ELF64 file, None if it is none."""
    if len(data) < 64 or data[:5] != b"\x7fELF\x02":
        return None
    order = ">" if data[5] == 2 else "<"
    e_type, cpu, _, entry, phoff = struct.unpack_from(order + "HHIQQ", data, 16)
    phentsize, phnum = struct.unpack_from(order + "HH", data, 54)
    arch = ELF_MACHINES.get(cpu, "") + ("_be" if order == ">" else "")
    found = ElfFacts(e_type, entry, arch=arch if arch in ARCHS else "")
    for index in range(phnum if phentsize >= 56 else 0):
        at = phoff + index * phentsize
        if at + 56 > len(data):
            break
        kind, flags, offset, vaddr, _, filesz, memsz = struct.unpack_from(order + "IIQQQQQ", data, at)
        if kind == PT_LOAD:
            found.segments.append(Segment(offset, vaddr, filesz, memsz, flags))
        elif kind == PT_NOTE:
            _take_notes(found, data[offset : offset + min(filesz, NOTES_LIMIT)], order)
    found.sections = _sections(data, order)
    return found


def _sections(data: bytes | mmap.mmap, order: str) -> dict[str, Section]:
    (shoff,) = struct.unpack_from(order + "Q", data, 40)
    shentsize, shnum, shstrndx = struct.unpack_from(order + "HHH", data, 58)
    rows = []
    for at in range(shoff, shoff + shnum * shentsize, shentsize or 1):
        if shentsize < 64 or at + 64 > len(data):
            break
        name, kind, _, _, offset, size = struct.unpack_from(order + "IIQQQQ", data, at)
        rows.append((name, Section(offset, size, kind, at)))
    names = rows[shstrndx][1].offset if shstrndx < len(rows) else len(data)
    return {
        data[names + name : names + name + 64].partition(b"\0")[0].decode("latin-1"): row
        for name, row in rows
        if row.type != SHT_NULL
    }


def hide_sections(data: bytes, is_hidden: Callable[[str], bool]) -> bytes:
    """A copy of an ELF64 file in which the sections with these names have the type SHT_NULL."""
    facts, changed = parse(data), bytearray(data)
    for name, section in (facts.sections if facts else {}).items():
        if is_hidden(name):
            changed[section.header + 4 : section.header + 8] = bytes(4)
    return bytes(changed)


def _take_notes(found: ElfFacts, data: bytes, order: str) -> None:
    for name, kind, desc in _notes(data, order):
        if name == b"HERMIT" and kind == NOTE_ENTRY_VERSION and desc:
            found.entry_version = desc[0]
        elif name == b"GNU" and kind == NOTE_BUILD_ID:
            found.build_id = desc
        elif name == b"GNU" and kind == NOTE_ABI_TAG and len(desc) >= 16:
            system, major, minor, patch = struct.unpack_from(order + "IIII", desc)
            if system == HERMIT_OS:
                found.kernel = f"{major}.{minor}.{patch}"


def read(path: Path | None) -> ElfFacts | None:
    """The facts of a file; None if there is no such file or it is no ELF64. Only headers and notes are read.

    Of a gzip file or Hermit image, the facts are those of the application in it.
    """
    if path is None:
        return None
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            packed = image.read(bytes(data)) if data[:3] == image.GZIP else None
            return parse(packed.app if packed else data)
    except (OSError, ValueError):  # an empty file cannot be mapped
        return None
