# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Where the symbols of an application are, and whether they are its own."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path

from hermit_harness import elf

BUILD_HINT = 'Rust: debug = "line-tables-only" or more in the profile, strip = false; C: -g'


@dataclass(frozen=True)
class Symbols:
    """The file that GDB reads. `note` is a sentence about what it lacks, "" if nothing."""

    path: Path
    has_functions: bool
    has_lines: bool
    note: str = ""


def _has_functions(facts: elf.ElfFacts) -> bool:
    return ".symtab" in facts.sections


def _has_lines(facts: elf.ElfFacts) -> bool:
    return not {".debug_line", ".zdebug_line"}.isdisjoint(facts.sections)


def read_elf(path: Path) -> elf.ElfFacts:
    """The facts of a file that must be an application; ValueError says what it is instead."""
    if not path.is_file():
        raise ValueError(f"{path}: there is no such file")
    facts = elf.read(path)
    if facts is None:
        raise ValueError(f"{path} is no 64-bit ELF file, so there is nothing that GDB could show of it")
    if not facts.arch:
        raise ValueError(f"{path} is made for a processor that is not known here")
    return facts


def difference(app: elf.ElfFacts, other: elf.ElfFacts) -> str:
    """Why `other` cannot hold the symbols of `app`; "" if it may."""
    if app.arch != other.arch:
        return f"it is made for {other.arch or 'another processor'}, the application for {app.arch}"
    if app.build_id and other.build_id and app.build_id != other.build_id:
        return f"its build id is {other.build_id.hex()[:16]}…, the application's {app.build_id.hex()[:16]}…"
    if app.entry != other.entry:
        return f"its entry point is {other.entry:#x}, the application's {app.entry:#x}"
    if [(s.vaddr, s.memsz) for s in app.segments] != [(s.vaddr, s.memsz) for s in other.segments]:
        return "its segments lie elsewhere than the application's"
    return ""


def _debuglink(data: bytes, facts: elf.ElfFacts) -> tuple[str, int] | None:
    """Name and CRC-32 of the file that .gnu_debuglink points to."""
    section = facts.sections.get(".gnu_debuglink")
    if not section or section.size < 8 or section.offset + section.size > len(data):
        return None
    content = data[section.offset : section.offset + section.size]
    order = "big" if facts.arch.endswith("_be") else "little"
    return content.partition(b"\0")[0].decode("utf-8", "replace"), int.from_bytes(content[-4:], order)  # type: ignore[arg-type]


def _companion(app: Path, facts: elf.ElfFacts) -> tuple[Path | None, str]:
    """The file beside `app` that holds its symbols, and a sentence about one that does not belong to it."""
    link = _debuglink(app.read_bytes(), facts)
    names = [f"{app.name}.debug", *([link[0], f".debug/{link[0]}"] if link else [])]
    for candidate in (app.parent / name for name in names):
        other = elf.read(candidate) if candidate.is_file() else None
        if other is None:
            continue
        problem = difference(facts, other)
        if not problem and link and candidate.name == link[0] and zlib.crc32(candidate.read_bytes()) != link[1]:
            problem = "its check sum is not the one that the application names"
        if problem:
            return None, f"{candidate} belongs to another build and is left aside: {problem}. "
        return candidate, ""
    return None, ""


def find(app: Path, facts: elf.ElfFacts, given: Path | None = None) -> Symbols:
    """The symbols for `app`: of the file that was `given`, of the application itself, or of a file beside it.
    ValueError where the given one is another program's."""
    note, path, found = "", app, facts
    if given:
        found = read_elf(given)
        problem = difference(facts, found)
        if problem:
            raise ValueError(f"{given} does not hold the symbols of {app}: {problem}")
        path = given
    elif not _has_lines(facts):
        companion, note = _companion(app, facts)
        other = elf.read(companion)
        if companion and other:
            path, found = companion, other
    functions, lines = _has_functions(found), _has_lines(found)
    if not functions and not lines:
        note += f"{path} has no symbols, it is stripped: GDB shows addresses only ({BUILD_HINT})"
    elif not lines:
        note += f"{path} has no line tables: GDB knows functions, but no source lines ({BUILD_HINT})"
    return Symbols(path, functions, lines, note)
