# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Where the symbols of an application are, and whether they are its own."""

from __future__ import annotations

import hashlib
import os
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

from hermit_harness import elf
from hermit_harness.elf import SHT_NOBITS
from hermit_harness.paths import BUILD

COPIES_DIR = BUILD / "symbols"
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


def _different_code(app: Path, facts: elf.ElfFacts, other: Path, other_facts: elf.ElfFacts) -> str:
    """As difference(), by the bytes of .text where both files have them. --only-keep-debug leaves none."""
    if SHT_NOBITS in (f.sections[".text"].type if ".text" in f.sections else SHT_NOBITS for f in (facts, other_facts)):
        return ""
    same = facts.content(".text", app.read_bytes()) == other_facts.content(".text", other.read_bytes())
    return "" if same else "its code is different"


def _debuglink(data: bytes, facts: elf.ElfFacts) -> tuple[str, int] | None:
    """Name and CRC-32 of the file that .gnu_debuglink points to."""
    section = facts.sections.get(".gnu_debuglink")
    if not section or section.size < 8 or section.offset + section.size > len(data):
        return None
    content = data[section.offset : section.offset + section.size]
    order = "big" if facts.arch.endswith("_be") else "little"
    checksum = int.from_bytes(content[-4:], order)  # type: ignore[arg-type]
    return content.partition(b"\0")[0].decode("utf-8", "replace"), checksum


def _companion(app: Path, facts: elf.ElfFacts) -> tuple[Path | None, str]:
    """The file beside `app` that holds its symbols, and a sentence about one that does not belong to it."""
    link = _debuglink(app.read_bytes(), facts)
    names = [f"{app.name}.debug", *([link[0], f".debug/{link[0]}"] if link else [])]
    for candidate in (app.parent / name for name in names):
        other = elf.read(candidate) if candidate.is_file() else None
        if other is None:
            continue
        problem = difference(facts, other) or _different_code(app, facts, candidate, other)
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
        problem = difference(facts, found) or _different_code(app, facts, given, found)
        if problem:
            raise ValueError(f"{given} does not hold the symbols of {app}: {problem}")
        path = given
    elif not _has_lines(facts):
        companion, note = _companion(app, facts)
        other = elf.read(companion)
        if companion and other:
            path, found = companion, other
    symbols = _without_missing_dwo(path, found)
    if symbols:
        return replace(symbols, note=note + symbols.note)
    functions, lines = _has_functions(found), _has_lines(found)
    if not functions and not lines:
        note += f"{path} has no symbols, it is stripped: GDB shows addresses only ({BUILD_HINT})"
    elif not lines:
        note += f"{path} has no line tables: GDB knows functions, but no source lines ({BUILD_HINT})"
    return Symbols(path, functions, lines, note)


def _missing_dwo(path: Path, facts: elf.ElfFacts, data: bytes) -> str:
    """The first .dwo file of split DWARF that does not exist; "" if none is missing.

    Names and compilation directories are strings of the skeleton units (DWARF 5, section 3.1.2).
    """
    strings = b"\0".join(facts.content(name, data) for name in (".debug_str", ".debug_line_str")) + b"\0"
    if b".dwo\0" not in strings or path.with_name(f"{path.name}.dwp").is_file():
        return ""
    words = strings.split(b"\0")
    names = [word for word in words if word.endswith(b".dwo")]
    directories = [path.parent, *(Path(os.fsdecode(word)) for word in words if word.startswith(b"/"))]
    for name in map(os.fsdecode, names):
        if not any((directory / name).is_file() for directory in directories):
            return name
    return ""


def _without_missing_dwo(path: Path, facts: elf.ElfFacts) -> Symbols | None:
    """Symbols without lines, of a file whose .dwo files are missing; None if there are all.

    GDB 13 refuses a unit without its .dwo file, and with it each location in it ("unexpected tag
    DW_TAG_skeleton_unit"). It gets a copy whose only DWARF section is .debug_frame, for backtraces.
    """
    data = path.read_bytes()
    missing = _missing_dwo(path, facts, data)
    if not missing:
        return None
    reduced = elf.hide_sections(
        data, lambda name: name == ".gdb_index" or (name.startswith(".debug_") and name != ".debug_frame")
    )
    note = f"{missing} is missing, which has the line tables of {path}: GDB knows functions, but no source lines"
    return Symbols(_keep_copy(path.name, reduced), _has_functions(facts), False, note)


def _keep_copy(name: str, data: bytes) -> Path:
    """Write a file whose directory is named by its content."""
    copy = COPIES_DIR / hashlib.sha256(data).hexdigest()[:16] / name
    copy.parent.mkdir(parents=True, exist_ok=True)
    partial = copy.with_name(f"{name}.new")
    partial.write_bytes(data)
    partial.replace(copy)
    return copy
