# SPDX-License-Identifier: Apache-2.0 OR MIT
"""memory.json: which memory was whose, before and after the hand-over. docs/run-files.md describes the fields.

The sources cost a run nothing: the machine, both ELF files, and the lines that the loader printed. What the loader
prints at its levels debug and trace only is exact, but is there only if the user asked for it. After a failure GDB adds
the parts of the hand-over block, because it examines the machine anyway.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from hermit_harness import elf
from hermit_harness.verdict.outcome import Outcome
from hermit_harness.vm.memory import ET_EXEC, ram_of
from hermit_harness.vm.spec import RunSpec
from hermit_harness.vm.targets import target
from hermit_harness.watch.console import strip_ansi

NAME = "memory.json"
FORMAT = 1
BEFORE, AFTER, BOTH = "before", "after", "both"  # the hand-over
STACK_SIZE = 32 << 10  # docs/hand-over.md
PAGE = 4096
RIGHTS = ("x", "w", "r")  # of a segment, PF_X = 1 and so on
NUMBER = r"(0x[0-9a-f]+)"
# A line of the loader, what is there, and when. A second number is the end, otherwise the size is unknown.
LINES = (
    (re.compile(rf"Loader: \[{NUMBER} - {NUMBER}\]"), "loader", BEFORE),
    (re.compile(rf"Found module: \[{NUMBER} - {NUMBER}\]"), "application's file", BEFORE),
    (re.compile(rf"Usable memory: \[{NUMBER} - {NUMBER}\]"), "usable", BEFORE),
    (re.compile(rf"Loading kernel to {NUMBER}\.\.{NUMBER}"), "image", AFTER),
    (re.compile(rf"TLS is at {NUMBER}\.\.{NUMBER}"), "TLS template", AFTER),
    (re.compile(rf"Found (?!an ELF|module|Hermit)(?P<name>.+) at {NUMBER}$"), "", BEFORE),
    (re.compile(rf"raw_boot_info at {NUMBER}"), "boot info", AFTER),
)
# The first such line is about the hand-over block, the second about the image.
MAPPING = re.compile(rf"Map (\d+) pages at {NUMBER} \(page size (\d+) KByte\)")
STACK = re.compile(rf"stack at {NUMBER}")
LAST_LINE = re.compile(r"Entering kernel at ")


@dataclass(frozen=True)
class Range:
    """A range of physical memory. `end` is the first address after it, None if unknown. `page_size` is that of the
    kernel's first page tables, None if unknown. `source` is machine, file, log or guest."""

    what: str
    start: int
    end: int | None
    phase: str
    source: str
    page_size: int | None = None


def loader_lines(console: bytes) -> list[str]:
    """Return the loader's lines without their first words. An application that prints such lines comes later."""
    found: list[str] = []
    for raw in console.split(b"\n"):
        line = strip_ansi(raw).decode("utf-8", "backslashreplace").rstrip("\r")
        _, is_loaders, text = line.partition("[LOADER]")
        if is_loaders and (not found or line.startswith("[LOADER]")):
            found.append(re.sub(r"^(?:\[[A-Z]+\])? ", "", text))
        elif found and line:
            break
    return found


def from_log(lines: Sequence[str], cpu: str) -> Iterator[Range]:
    """Yield what the loader's lines say."""
    mappings: list[Range] = []
    for line in lines:
        for pattern, what, phase in LINES:
            if match := pattern.search(line):
                name = match.groupdict().get("name") or what
                numbers = [int(text, 16) for text in match.groups() if text.startswith("0x")]
                yield Range(name, numbers[0], numbers[1] if numbers[1:] else None, phase, "log")
        if match := MAPPING.search(line):
            start, size = int(match[2], 16), int(match[3]) << 10
            what = "mapping of the image" if mappings else "hand-over block"
            mappings.append(Range(what, start, start + int(match[1]) * size, AFTER, "log", size))
        if match := STACK.search(line):
            # riscv64 kernels get the highest address of the stack, others the lowest.
            top = int(match[1], 16) if cpu == "riscv64" else int(match[1], 16) // PAGE * PAGE + STACK_SIZE
            yield Range("stack", top - STACK_SIZE, top, AFTER, "log")
    yield from mappings


def segments(app: elf.ElfFacts, start: int) -> Iterator[Range]:
    """Yield the segments of the application, loaded at an address."""
    offset = app.offset_for(start)
    for segment in app.segments:
        rights = "".join(letter if segment.flags & 1 << bit else "-" for bit, letter in reversed([*enumerate(RIGHTS)]))
        at = segment.vaddr + offset
        yield Range(f"segment {rights}", at, at + segment.memsz, AFTER, "file")


def reserved(ram: range, usable: Sequence[Range]) -> Iterator[Range]:
    """Yield what the loader must not use of the RAM, if it has listed what it may use."""
    at = ram.start
    for row in sorted(usable, key=lambda row: row.start):
        if at < row.start:
            yield Range("reserved", at, row.start, BEFORE, "log")
        at = max(at, row.end or at)
    if usable and at < ram.stop:
        yield Range("reserved", at, ram.stop, BEFORE, "log")


def ranges(spec: RunSpec, outcome: Outcome) -> list[Range]:
    """Return what is known, by start address, the larger range first."""
    ram, app, loader = ram_of(spec), elf.read(spec.app), elf.read(spec.loader)
    found = list(from_log(loader_lines(outcome.console), target(spec.target).cpu))
    logged = {row.what for row in found}
    found += reserved(ram, [row for row in found if row.what == "usable"])
    if ram:
        found.append(Range("RAM", ram.start, ram.stop, BOTH, "machine"))
    if spec.app and loader and loader.type == ET_EXEC and "loader" not in logged:
        found.append(Range("loader", loader.low, loader.low + loader.size, BEFORE, "file"))
    image = next((row for row in found if row.what == "image"), None)
    if image and app:
        found += segments(app, image.start)
    if image:  # GDB's regions include the segments
        found += [Range(what, start, end, AFTER, "guest") for start, end, what in outcome.regions if end <= image.start]
    measured = {(row.what, row.phase) for row in found if row.source == "guest"}
    found = [row for row in found if row.source == "guest" or (row.what, row.phase) not in measured]
    return sorted(found, key=lambda row: (row.start, -(row.end or row.start)))


def content(spec: RunSpec, outcome: Outcome) -> dict[str, Any]:
    """Return the object of memory.json."""
    complete = any(map(LAST_LINE.search, loader_lines(outcome.console)))
    return {
        "format": FORMAT,
        "complete": complete,
        "hint": "" if complete else "--kernel-args loader.log=trace adds what only the loader knows",
        "ranges": [asdict(row) for row in ranges(spec, outcome)],
    }
