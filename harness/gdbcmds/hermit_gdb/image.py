# SPDX-License-Identifier: Apache-2.0 OR MIT
"""An application's ELF headers, from its file or from memory."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field

from .memory import Order, ReadError, Region

PT_LOAD, PT_NOTE, PT_TLS = 1, 4, 7
ET_DYN = 3
MACHINES = {62: "x86_64", 183: "aarch64", 243: "riscv64"}
SHF_ALLOC = 2
NOTE_ABI_TAG, NOTE_ENTRY_VERSION = 1, 0x5A00


@dataclass(frozen=True)
class Segment:
    """One program header; addresses as linked."""

    kind: int
    flags: str
    offset: int
    start: int
    filesz: int
    memsz: int
    align: int


@dataclass
class LoadedImage:
    """An ELF header with its program headers. Addresses are as linked: add `moved` for those in memory."""

    is_dynamic: bool
    arch: str
    order: Order
    entry: int
    segments: list[Segment] = field(default_factory=list)
    entry_version: int | None = None
    kernel: str = ""
    load_offset: int = 0
    lowest_section: int = 0

    @property
    def loads(self) -> list[Segment]:
        return [s for s in self.segments if s.kind == PT_LOAD]

    @property
    def start(self) -> int:
        return min(s.start for s in self.loads) + self.load_offset

    @property
    def end(self) -> int:
        return max(s.start + s.memsz for s in self.loads) + self.load_offset

    def loaded_at(self, load_start: int) -> LoadedImage:
        """The same image, loaded at `load_start`; one with fixed addresses stays where it was linked."""
        if self.is_dynamic:
            self.load_offset += load_start - self.start
        return self

    def find_code(self, pattern: bytes, data: bytes) -> list[int]:
        """Return where a regular expression matches in executable segments: addresses of the matches' first bytes.

        `data` is the image's file.
        """
        return [
            self.load_offset + segment.start + match.start()
            for segment in self.loads
            if "x" in segment.flags
            for match in re.finditer(pattern, data[segment.offset : segment.offset + segment.filesz], re.DOTALL)
        ]

    def regions(self) -> list[Region]:
        """Its segments in memory."""
        return [
            Region(s.start + self.load_offset, s.start + self.load_offset + s.memsz, f"application {s.flags}")
            for s in self.loads
        ]


def parse(data: bytes) -> LoadedImage:
    """The image of a file's bytes, or of the first bytes of the loaded one; ReadError if it is no ELF64 file."""
    if len(data) < 64 or data[:5] != b"\x7fELF\x02":
        raise ReadError("there is no 64-bit ELF header")
    order: Order = "big" if data[5] == 2 else "little"
    mark = ">" if order == "big" else "<"
    kind, machine, _, entry, phoff = struct.unpack_from(mark + "HHIQQ", data, 16)
    size, count = struct.unpack_from(mark + "HH", data, 54)
    arch = MACHINES.get(machine, "") + ("_be" if order == "big" else "")
    image = LoadedImage(kind == ET_DYN, arch, order, entry)
    for at in range(phoff, phoff + size * count, size or 1):
        if at + 56 > len(data):
            break
        p_type, flags, offset, start, _, filesz, memsz, align = struct.unpack_from(mark + "IIQQQQQQ", data, at)
        letters = "".join(letter if flags & bit else "-" for letter, bit in (("r", 4), ("w", 2), ("x", 1)))
        image.segments.append(Segment(p_type, letters, offset, start, filesz, memsz, align))
        if p_type == PT_NOTE:
            _notes(image, data[offset : offset + filesz], mark)
    image.lowest_section = _lowest_section(data, mark)
    if not image.loads:
        raise ReadError("the ELF header names nothing to load")
    return image


def _lowest_section(data: bytes, mark: str) -> int:
    """The lowest address of a section, as linked; 0 where the section headers are not there."""
    (at,) = struct.unpack_from(mark + "Q", data, 40)
    size, count = struct.unpack_from(mark + "HH", data, 58)
    found = []
    for header in range(at, at + size * count, size or 1):
        if header + 64 <= len(data):
            flags, start = struct.unpack_from(mark + "QQ", data, header + 8)
            found += [start] if flags & SHF_ALLOC else []
    return min(found, default=0)


def _notes(image: LoadedImage, data: bytes, mark: str) -> None:
    at = 0
    while at + 12 <= len(data):
        namesz, descsz, kind = struct.unpack_from(mark + "III", data, at)
        desc = at + 12 + (namesz + 3 & ~3)
        name, value = data[at + 12 : at + 12 + namesz].rstrip(b"\0"), data[desc : desc + descsz]
        if name == b"HERMIT" and kind == NOTE_ENTRY_VERSION and value:
            image.entry_version = value[0]
        elif name == b"GNU" and kind == NOTE_ABI_TAG and len(value) == 16:
            image.kernel = ".".join(str(part) for part in struct.unpack(mark + "IIII", value)[1:])
        at = desc + (descsz + 3 & ~3)


def text(image: LoadedImage, file: str = "") -> str:
    """Describe the image: address, size and segments."""
    how = f"moved by {image.load_offset:#x}" if image.is_dynamic else "at the addresses it was linked for"
    versions = f"entry version {image.entry_version or 'unknown'}, kernel {image.kernel or 'unknown'}"
    lines = [
        f"application {file}".rstrip(),
        f"  {image.arch}, {'ET_DYN' if image.is_dynamic else 'ET_EXEC'}, {how}; {versions}",
        f"  image  {image.start:#x} to {image.end:#x}  ({image.end - image.start} bytes)",
        f"  entry  {image.entry + image.load_offset:#x}",
    ]
    for s in image.loads:
        start = s.start + image.load_offset
        zeros = f", {s.memsz - s.filesz} of them zero" if s.memsz > s.filesz else ""
        lines.append(f"  load   {start:#x} to {start + s.memsz:#x}  {s.flags}  {s.memsz} bytes{zeros}")
    tls = next((s for s in image.segments if s.kind == PT_TLS and s.memsz), None)
    if tls:
        start = tls.start + image.load_offset
        lines.append(f"  TLS    {start:#x}  {tls.filesz} bytes initialised of {tls.memsz}, aligned to {tls.align}")
    else:
        lines.append("  TLS    none")
    return "\n".join(lines)
