# SPDX-License-Identifier: Apache-2.0 OR MIT
"""What the page shows of one boot, read from the directory that it left.

Every file may be missing or cut off, and each part is bounded, so that a page of thousands of boots can be opened.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hermit_harness.net import frames, pcap
from hermit_harness.paths import ROOT
from hermit_harness.postmortem.frames import relative
from hermit_harness.report.page.ladder import row
from hermit_harness.timeline import console_file

# Bytes of the end of the console that are shown: of a boot that ended as expected, and of any other.
CONSOLE, CONSOLE_FAILED = 8 * 1024, 64 * 1024
TEXT = 32 * 1024  # characters of any other text
ROWS = 400  # of any other list
FRAMES = 200
SOURCES = (".rs", ".c", ".h", ".cpp", ".S", ".s", ".asm")
MAX_SOURCE, AROUND = 1 << 20, 5  # bytes of such a file, lines before and after the one that failed
# What the page shows of run.json.
SHOWN = (
    *("verdict", "summary", "expected", "cause", "source", "hint", "blame", "notes", "backtrace", "phases", "command"),
    *("application", "kernel", "target", "machine", "accelerator", "memory", "command_line", "seconds"),
)


def read(directory: Path, failed: bool) -> dict[str, Any]:
    """Return what a directory has of its boot: an object for the page, empty if there is nothing."""
    record = _object(directory / "run.json")
    known = _outcome(directory) | {key: value for key, value in record.items() if key in SHOWN}
    known["application"] = relative(str(record.get("application") or ""))
    known["source_lines"] = source_lines(record.get("source") or {})
    known["argv"] = _text(directory / "argv").strip()
    known["backtrace"] = _text(directory / "backtrace.txt") or known.get("backtrace")
    known["registers"] = _text(directory / "registers.txt")
    known["stderr"] = _text(directory / "stderr.txt")
    known["console"], known["cut"] = console(directory, CONSOLE_FAILED if failed else CONSOLE)
    memory = _object(directory / "memory.json")
    known["map"], known["map_hint"] = memory.get("ranges", [])[:ROWS], memory.get("hint")
    known["frames"], known["frames_left_out"] = _frames(directory, record.get("capture"))
    return {key: value for key, value in known.items() if value}


def console(directory: Path, limit: int) -> tuple[list[list[Any]], int]:
    """Return the last lines, each with the seconds of its first character or None, and how many characters precede."""
    rows: list[tuple[float | None, str]]
    rows = [(row.time, row.text or _gap(row.left_out)) for row in console_file.rows(directory)]
    if not rows:
        rows = [(None, _raw(directory / "console.log").decode("utf-8", "backslashreplace"))]
    total, kept = sum(len(text) for _, text in rows), 0
    chosen: list[tuple[Any, str]] = []
    for time, text in reversed(rows):
        if kept >= limit:
            break
        chosen.append((time, text[-(limit - kept) :]))
        kept += len(text)
    lines: list[list[Any]] = [[None, ""]]
    for time, text in reversed(chosen):
        for number, part in enumerate(text.split("\n")):
            if number:
                lines.append([None, ""])
            if part and not lines[-1][1]:
                lines[-1][0] = time
            lines[-1][1] += part
    found = [[time, line.removesuffix("\r")] for time, line in lines]
    if not found[-1][1]:
        found.pop()  # after the last newline
    return found, max(total - limit, 0)


def source_lines(source: dict[str, Any]) -> list[list[Any]]:
    """Return the lines around the place where a run failed, with their numbers.

    The place is from the debug information of the application, which may name any file. So only source files of the
    checkout and of the current directory are read.
    """
    name, line = str(source.get("file", "")), int(source.get("line", 0))
    for base in (Path.cwd().resolve(), ROOT.resolve()) if name else ():
        path = (base / name).resolve()
        if path.is_relative_to(base) and path.suffix in SOURCES and path.is_file():
            rows = list(enumerate(_text(path, MAX_SOURCE).split("\n"), 1))
            return [[number, text] for number, text in rows[max(line - AROUND - 1, 0) : line + AROUND]]
    return []


def _outcome(directory: Path) -> dict[str, Any]:
    """Return what outcome.txt says: how it ended, the cause, the hint."""
    summary, _, rest = _text(directory / "outcome.txt").partition("\n")
    cause, _, hint = rest.partition("\n")
    return {"summary": summary, "cause": cause, "hint": hint.strip()}


def _gap(left_out: int) -> str:
    return f"\n({left_out} bytes are left out)\n" if left_out else ""


def _frames(directory: Path, capture: str | None) -> tuple[list[list[Any]], int]:
    """Return the first frames of the capture that the run names, or of each in the directory, as rows of a ladder."""
    found: list[list[Any]] = []
    left_out = 0
    for path in [Path(capture)] if capture else sorted(directory.glob("*.pcap")):
        try:
            packets = pcap.timed_packets(path)
        except (OSError, ValueError):
            continue
        start = packets[0][0] if packets else 0.0
        found += [row(time - start, frames.parse(data), len(data)) for time, data in packets[:FRAMES]]
        left_out += max(len(packets) - FRAMES, 0)
    return found, left_out


def _raw(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _text(path: Path, limit: int = TEXT) -> str:
    return _raw(path)[:limit].decode("utf-8", "backslashreplace")


def _object(path: Path) -> dict[str, Any]:
    """Return the object in a file; empty for what is none, such as a file that was cut off."""
    try:
        found = json.loads(_raw(path))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
