# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Read capture files: frames in Python, or lines from tcpdump with a filter expression."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

from hermit_harness.net.frames import Frame, parse

HEADER = 24
MAGIC = {b"\xd4\xc3\xb2\xa1": "<", b"\xa1\xb2\xc3\xd4": ">"}


def timed_packets(path: Path) -> list[tuple[float, bytes]]:
    """Return every frame of a capture file, as long as it was captured, with its time in seconds since 1970.

    Raise ValueError for any other file.
    """
    data = path.read_bytes()
    order = MAGIC.get(data[:4])
    if order is None or len(data) < HEADER:
        raise ValueError(f"{path} is not a capture file")
    found, at = [], HEADER
    while at + 16 <= len(data):
        seconds, microseconds, length = struct.unpack(order + "III", data[at : at + 12])
        found.append((seconds + microseconds / 1e6, data[at + 16 : at + 16 + length]))
        at += 16 + length
    return found


def packets(path: Path) -> list[bytes]:
    """Return every frame of a capture file, as timed_packets() does, without times."""
    return [packet for _, packet in timed_packets(path)]


def frames(path: Path) -> list[Frame]:
    """Return the parsed frames of a capture file."""
    return [parse(packet) for packet in packets(path)]


def tcpdump(path: Path, expression: str = "") -> list[str]:
    """Return one tcpdump line, without time, for each frame that matches the filter expression."""
    argv = ["tcpdump", "-n", "-t", "-r", str(path), *expression.split()]
    done = subprocess.run(argv, capture_output=True, text=True, errors="replace", check=False, timeout=60)
    if done.returncode:
        raise ValueError(f"tcpdump: {done.stderr.strip().splitlines()[-1]}")
    return [line for line in done.stdout.splitlines() if not line.startswith(("\t", " "))]
