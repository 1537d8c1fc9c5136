# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The course of a run, read from its files: phases, console lines, events of QEMU, packets. All times are in seconds
since QEMU's exec."""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from hermit_harness.net import frames, pcap
from hermit_harness.net.frames import Frame
from hermit_harness.timeline import console_file, run_file
from hermit_harness.watch.console import strip_ansi
from hermit_harness.watch.kernel_log import KernelLog

ORIGINS = tuple(run_file.PHASES)  # who prints
# A guest may print and send for ever: FIRST of the first ones and LAST of the last ones are kept.
FIRST, LAST = 2000, 500


@dataclass(frozen=True)
class Mark:
    """Something that happened: a line of the console, an event of QEMU, a packet. `kind` is who printed a line, else
    "qemu" or "packet"."""

    time: float
    kind: str
    text: str


@dataclass(frozen=True)
class Course:
    """What a directory has of a run. `run` is the object of run.json."""

    run: dict[str, Any]
    lines: tuple[Mark, ...]
    events: tuple[Mark, ...]
    packets: tuple[Mark, ...]

    @property
    def end(self) -> float:
        """The time of the last that is known."""
        return max([float(self.run["seconds"]), *(mark.time for mark in (*self.lines[-1:], *self.events[-1:]))])


def read(directory: Path) -> Course:
    """Return the course of the run in a directory. Raise OSError or ValueError if it has no usable run.json."""
    run = json.loads((directory / run_file.NAME).read_text(encoding="utf-8"))
    has_loader = any(phase["name"] == "loader" for phase in run["phases"])
    lines = origins(limited(complete_lines(console_file.rows(directory))), has_loader)
    return Course(run, tuple(lines), tuple(limited(events(directory))), tuple(limited(packets(run))))


def limited(marks: Iterable[Mark]) -> Iterator[Mark]:
    """Yield the first and the last marks, with one that counts what is left out between them."""
    marks = iter(marks)
    yield from islice(marks, FIRST)
    last: deque[Mark] = deque(maxlen=LAST + 1)
    count = 0
    for mark in marks:
        last.append(mark)
        count += 1
    if count > LAST:
        yield Mark(last.popleft().time, "", f"({count - LAST} left out)")
    yield from last


def complete_lines(rows: Iterable[console_file.Row]) -> Iterator[Mark]:
    """Yield the lines that are not empty, at the time of the piece that completes them."""
    part, time = "", 0.0
    for row in rows:
        *whole, part = (part + row.text).split("\n")
        time = row.time
        yield from (Mark(time, "", line) for line in whole if line.strip())
        if row.left_out:
            part = f"({row.left_out} bytes left out)\n"
    if part.strip():
        yield Mark(time, "", part.strip("\n"))


def origins(lines: Iterable[Mark], has_loader: bool) -> Iterator[Mark]:
    """Yield the lines with who printed them, and without terminal control.

    Lines before the loader's first one are the firmware's. Without a loader all are the application's.
    """
    log = KernelLog()
    in_firmware = has_loader
    for line in lines:
        text = strip_ansi(line.text.encode()).decode().strip()
        is_loaders = "[LOADER]" in text if in_firmware else text.startswith("[LOADER]")
        in_firmware = in_firmware and not is_loaders
        if is_loaders or in_firmware:
            kind = "loader" if is_loaders else "firmware"
        else:
            kind = "application" if log.feed(text.encode() + b"\n").strip() else "kernel"
        yield Mark(line.time, kind, text)


def events(directory: Path) -> Iterator[Mark]:
    """Yield the events that QEMU has reported."""
    path = directory / "qmp.jsonl"
    if not path.is_file():
        return
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            return  # it was cut off
        message = row["message"]
        if "event" in message:
            reason = message.get("data", {}).get("reason", "")
            yield Mark(row["t"], "qemu", f"{message['event']} {reason}".strip())


def packets(run: dict[str, Any]) -> Iterator[Mark]:
    """Yield the captured packets.

    QEMU stamps them with the guest's virtual clock, which starts with the guest, plus the date of its own start in
    whole seconds.
    """
    if not run["capture"] or not run["phases"]:
        return
    try:
        captured = pcap.timed_packets(Path(run["capture"]))
    except (OSError, ValueError):
        return
    guest_start = run["phases"][0]["start"]
    started = run_file.started(run)
    first = captured[0][0] if captured else 0.0
    base = max((second for second in (started, started + guest_start) if math.floor(second) <= first), default=first)
    for stamp, data in captured:
        time = max(guest_start + stamp - math.floor(base), 0.0)
        yield Mark(time, "packet", packet_text(frames.parse(data), len(data)))


def packet_text(frame: Frame, size: int) -> str:
    """Return one line about a frame."""
    ends = [
        f"{address}:{port}" if port else address
        for address, port in (
            (frame.source or frame.sender, frame.source_port),
            (frame.target or frame.receiver, frame.target_port),
        )
    ]
    what = f"dhcp {frame.dhcp_message}" if frame.dhcp_message else frame.kind or "frame"
    return f"{what} {ends[0]} → {ends[1]}, {size} bytes"
