# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Lines of the loader without a level, and those of upstream's former loaders."""

from __future__ import annotations

import pytest

from hermit_harness.watch.boot_log import BootLog

BANNER = b"[LOADER] Hermit loader 0.1.0 (1a2b3c4, x86_64-multiboot, multiboot)"
RANGE = "Loading kernel to 0x800000..0x8d5000 (len = 0xd5000 B / 872448 B)"


@pytest.mark.requirement("RX-02", "L-24")
@pytest.mark.parametrize(
    ("line", "start", "end"),
    [
        ("[LOADER] Load HermitCore Application at 0x400000", 0x400000, 0x400000),  # rusty-loader
        ("[LOADER] Load HermitCore Application at 0x20A000", 0x20A000, 0x20A000),
        ("[LOADER] Loading kernel to 0x800000", 0x800000, 0x800000),  # 0.3.0
        ("[LOADER][INFO] Loading kernel to 0x800000", 0x800000, 0x800000),  # 0.4.0
        (f"[LOADER][\x1b[32mINFO\x1b[0m] {RANGE}", 0x800000, 0x8D5000),
    ],
)
def test_load_address_of_former_loaders(line: str, start: int, end: int) -> None:
    """The address is in a line whose prefix and text have changed."""
    log = BootLog()
    for one in (b"[LOADER] start 0x100000, size 0x9c600", line.encode(), b"[0][INFO] Welcome to HermitCore-rs 0.3.44"):
        log.add_line(one, 1.0)
    assert log.load_range == (start, end)
    assert log.handed_over and log.kernel_version == "0.3.44"


@pytest.mark.requirement("RX-01")
def test_refusal_without_a_level() -> None:
    """A refusal is recognised without the level, but not after the hand-over."""
    refusal = b"[LOADER] 67 elf-segment-beyond-file: segment 2 ends at 0x9c600, the file has 0x90000 bytes"
    log = BootLog()
    log.add_line(BANNER, 1.0)
    log.add_line(refusal, 1.0)
    assert log.refusal and (log.refusal.number, log.refusal.rule) == (67, "elf-segment-beyond-file")
    log = BootLog()
    for line in (BANNER, f"[LOADER] {RANGE}".encode(), b"hello", refusal):
        log.add_line(line, 1.0)
    assert log.refusal is None and log.late_refusal
