# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The load address on the console equals the application's address in guest memory."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from hermit_harness.fixtures import images
from hermit_harness.matrix import specs
from tests.support.qemu import ExaminedGuest, examined

LOADING = re.compile(
    rb"^\[LOADER\]\[INFO\] Loading kernel to 0x([0-9a-f]+)\.\.0x([0-9a-f]+) \(len = 0x([0-9a-f]+) B / (\d+) B\)$", re.M
)
WRITABLE = 2


@contextmanager
def waiting(image: str, machine: str, tmp_path: Path) -> Iterator[ExaminedGuest]:
    """Run the echo application up to its prompt, where it waits for a line."""
    with examined(specs.release(image, machine, stdin=None), b"echo: type a line", tmp_path) as guest:
        yield guest


@pytest.mark.requirement("L-24", "L-25", "P-10")
@pytest.mark.parametrize("machine", ["pc", "microvm"])
@pytest.mark.parametrize("image", ["echo", "echo-fixed"])
def test_start_is_the_load_address(image: str, machine: str, tmp_path: Path) -> None:
    """START + p_vaddr contains the bytes of each read-only segment; END - START is the image's length."""
    path = images()[image].path
    with path.open("rb") as file:
        elf = ELFFile(file)
        fixed = elf.header.e_type == "ET_EXEC"
        segments = [
            (one.header.p_vaddr, one.header.p_flags, one.data(), one.header.p_memsz)
            for one in elf.iter_segments("PT_LOAD")
        ]
    first = segments[0][0]
    with waiting(image, machine, tmp_path) as guest:
        line = LOADING.search(guest.console.replace(b"\r\n", b"\n"))
        assert line
        start, end, length = (int(number, 16) for number in line.groups()[:3])
        assert end - start == length == int(line[4]) == segments[-1][0] + segments[-1][3] - first
        assert start == first if fixed else start % 0x200000 == 0
        compared = 0
        for address, flags, data, _ in segments:
            if data and not flags & WRITABLE:
                assert guest.physical(start - first + address, len(data)) == data
                compared += len(data)
        assert compared > 1000
        assert guest.physical(start, 4) == b"\x7fELF"
