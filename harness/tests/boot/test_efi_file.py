# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The UEFI loader's file as firmware and QEMU read it, checked by our own PE reader (PE format, 8.3)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import pytest

from hermit_harness.paths import loader_file

PAGE = 0x1000
EXECUTE, READ, WRITE = 0x20000000, 0x40000000, 0x80000000
RIGHTS = EXECUTE | READ | WRITE
NX_COMPATIBLE = 0x0100
EFI_APPLICATION = 10
MACHINES = {"x86_64-uefi": 0x8664, "aarch64-uefi": 0xAA64}
FILES = [(name, profile) for name in MACHINES for profile in ("release", "debug")]


@dataclass(frozen=True)
class Section:
    """One entry of the section table; sizes and offsets in bytes."""

    name: str
    size: int
    at: int
    file_size: int
    file_at: int
    flags: int


@dataclass(frozen=True)
class Pe:
    """The fields of both headers that the tests check."""

    data: bytes
    machine: int
    stamp: int
    entry: int
    align: int
    file_align: int
    size: int
    headers: int
    subsystem: int
    characteristics: int
    table_end: int
    sections: tuple[Section, ...]


def read_pe(data: bytes) -> Pe:
    """Read the headers and sections of a PE32+ file."""
    assert data[:2] == b"MZ"
    pe = struct.unpack_from("<I", data, 0x3C)[0]
    assert data[pe : pe + 4] == b"PE\0\0"
    machine, count, stamp, _, _, optional_size, _ = struct.unpack_from("<2H3I2H", data, pe + 4)
    optional = pe + 24
    assert struct.unpack_from("<H", data, optional)[0] == 0x20B
    directories = struct.unpack_from("<I", data, optional + 108)[0]
    assert optional_size == 112 + 8 * directories
    table = optional + optional_size
    sections = []
    for at in range(table, table + 40 * count, 40):
        name, size, place, file_size, file_at = struct.unpack_from("<8s4I", data, at)
        flags = struct.unpack_from("<I", data, at + 36)[0]
        sections.append(Section(name.rstrip(b"\0").decode(), size, place, file_size, file_at, flags))
    align, file_align = struct.unpack_from("<2I", data, optional + 32)
    size, headers = struct.unpack_from("<2I", data, optional + 56)
    subsystem, characteristics = struct.unpack_from("<2H", data, optional + 68)
    return Pe(
        data=data,
        machine=machine,
        stamp=stamp,
        entry=struct.unpack_from("<I", data, optional + 16)[0],
        align=align,
        file_align=file_align,
        size=size,
        headers=headers,
        subsystem=subsystem,
        characteristics=characteristics,
        table_end=table + 40 * count,
        sections=tuple(sections),
    )


@pytest.mark.requirement("N-05")
@pytest.mark.parametrize(("name", "profile"), FILES)
def test_sections_have_page_alignment_and_one_kind_of_right(name: str, profile: str) -> None:
    """Sections are page aligned and contiguous, and none is both writable and executable."""
    pe = read_pe(loader_file(name, profile).read_bytes())
    assert pe.machine == MACHINES[name]
    assert pe.subsystem == EFI_APPLICATION
    assert pe.characteristics & NX_COMPATIBLE
    assert pe.stamp == 0
    assert pe.align == PAGE
    assert {section.name: section.flags & RIGHTS for section in pe.sections} == {
        ".text": EXECUTE | READ,
        ".rodata": READ,
        ".data": READ | WRITE,
    }
    end = pe.headers
    for section in pe.sections:
        assert section.at == end
        assert section.file_at == section.at
        assert section.file_size % pe.file_align == 0
        assert section.file_size <= section.size
        assert section.file_at + section.file_size <= len(pe.data)
        end = section.at + section.size
        assert end % PAGE == 0
    assert pe.size == end
    text = pe.sections[0]
    assert text.at <= pe.entry < text.at + text.size


@pytest.mark.requirement("N-05")
@pytest.mark.parametrize(("name", "profile"), FILES)
def test_linux_fields_follow_six_section_entries(name: str, profile: str) -> None:
    """QEMU passes -initrd and -append if the header's page has the fields of the Linux boot protocol."""
    pe = read_pe(loader_file(name, profile).read_bytes())
    data = pe.data
    if name.startswith("x86_64"):
        assert data[0x202:0x206] == b"HdrS"
        assert struct.unpack_from("<I", data, 0x206)[0] == 0x20F
        assert struct.unpack_from("<I", data, 0x22C)[0] == 0xFFFFFFFF
        assert data[0x1F1] == 0  # setup sectors: QEMU uses four
    room = pe.table_end + (6 - len(pe.sections)) * 40
    assert room <= 0x1F1
    assert not any(data[pe.table_end : room])
    assert pe.headers == PAGE
    assert not any(data[0x230:PAGE])
