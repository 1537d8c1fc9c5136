# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The loader's file as QEMU and GRUB read it: a 64-bit ELF file with a Multiboot header that has addresses."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from hermit_harness.matrix import specs
from hermit_harness.paths import loader_file
from hermit_harness.verdict.outcome import Outcome
from hermit_harness.vm.spec import RunSpec

Boot = Callable[[RunSpec], Outcome]
MAGIC = 0x1BADB002
HAS_ADDRESSES = 1 << 16
FILES = [(name, profile) for name in ("x86_64-multiboot", "x86_64") for profile in ("release", "debug")]


def header_at(data: bytes) -> int:
    """Return the offset of the one valid header in the first 8 KiB."""
    found = [
        offset
        for offset in range(0, min(len(data), 8192) - 12, 4)
        if struct.unpack_from("<I", data, offset)[0] == MAGIC
        and sum(struct.unpack_from("<3I", data, offset)) & 0xFFFFFFFF == 0
    ]
    assert len(found) == 1
    return found[0]


@pytest.mark.requirement("L-08")
@pytest.mark.parametrize(("name", "profile"), FILES)
def test_header_and_program_headers_agree(name: str, profile: str) -> None:
    """The header is 4-aligned, below 8192, with checksum 0; its address fields match the program headers."""
    path = loader_file(name, profile)
    data = path.read_bytes()
    at = header_at(data)
    flags, _, header, load, load_end, bss_end, entry = struct.unpack_from("<7I", data, at + 4)
    assert flags & HAS_ADDRESSES
    with path.open("rb") as file:
        elf = ELFFile(file)
        assert elf.elfclass == 64
        loads = [segment.header for segment in elf.iter_segments("PT_LOAD")]
        assert entry == elf.header.e_entry or load <= entry < load_end
    # QEMU copies [load, load_end) from the file offset that corresponds to the header's own address.
    for segment in loads:
        if segment.p_filesz:
            assert segment.p_offset - at == segment.p_paddr - header
    assert load == min(segment.p_paddr for segment in loads)
    assert load_end == max(segment.p_paddr + segment.p_filesz for segment in loads if segment.p_filesz)
    assert bss_end == max(segment.p_paddr + segment.p_memsz for segment in loads)


@pytest.mark.requirement("L-08", "L-13")
@pytest.mark.parametrize("byte", range(12))
def test_corrupted_header_is_refused_by_qemu(byte: int, boot_here: Boot, tmp_path: Path) -> None:
    """With any byte of magic, flags or checksum changed QEMU does not start, which is a verdict of its own."""
    data = bytearray(loader_file().read_bytes())
    data[header_at(bytes(data)) + byte] ^= 0x40
    broken = tmp_path / "loader"
    broken.write_bytes(data)
    outcome = boot_here(replace(specs.release("hello"), loader=broken, expect="infra"))
    assert outcome.matches("infra"), str(outcome)
    assert (outcome.origin, outcome.qemu_status, outcome.console) == ("qemu", 1, b"")
