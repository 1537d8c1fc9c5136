# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The files that describe the course of a run: docs/run-files.md."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hermit_harness.boot import boot
from hermit_harness.matrix.specs import release
from hermit_harness.timeline import console_file, memory
from hermit_harness.timeline.console_file import Row, rows
from hermit_harness.timeline.run_file import phases
from tests.support.cli import ctl


def written(directory: Path, pieces: list[tuple[float, bytes]], **limits: int) -> list[Row]:
    """Return the rows that a reader gets of these pieces."""
    writer = console_file.ConsoleWriter((directory / console_file.NAME).open("w", encoding="utf-8"), **limits)
    for time, data in pieces:
        writer.add(time, data)
    writer.close()
    return list(rows(directory))


def test_console_rows_are_text(tmp_path: Path) -> None:
    """A character in two pieces is whole in the second. What is not UTF-8 is escaped, an unfinished one at the end."""
    assert written(tmp_path, [(0.5, b"\xe2\x82"), (1.0, b'\xac"\n'), (2.0, b"\xff\x1b[0m\xe2")]) == [
        Row(1.0, '€"\n'),
        Row(2.0, "\\xff\x1b[0m"),
        Row(2.0, "\\xe2"),
    ]


def test_console_rows_are_bounded(tmp_path: Path) -> None:
    """First and last rows stay, and one row counts the bytes between them."""
    pieces = [(float(at), b"%04d" % at) for at in range(1000)]
    size = 4 + console_file.ROW_BYTES
    kept = written(tmp_path, pieces, head_limit=3 * size, tail_limit=2 * size)
    assert kept == [
        *(Row(0.0, "0000"), Row(1.0, "0001"), Row(2.0, "0002")),
        Row(3.0, "", 995 * 4),
        *(Row(998.0, "0998"), Row(999.0, "0999")),
    ]


def test_console_rows_of_a_killed_harness(tmp_path: Path) -> None:
    """A row that was cut off is no row; no file is no rows."""
    assert list(rows(tmp_path)) == []
    (tmp_path / console_file.NAME).write_text('{"t": 1.0, "data": "x"}\n{"t": 2.0, "da')
    assert list(rows(tmp_path)) == [Row(1.0, "x")]


# What a run's lines say, and its phases with the times of their starts.
COURSES: dict[str, tuple[dict[str, float], dict[str, float]]] = {
    "whole": (
        {"qmp": 0.1, "cont": 0.2, "loader_line": 1, "loading": 2, "kernel_line": 3, "application_line": 4, "end": 5},
        {"firmware": 0.2, "loader": 1, "kernel": 2, "application": 4},
    ),
    "all-read-at-once": (
        {"cont": 0.2, "loader_line": 1, "loading": 1, "kernel_line": 1, "application_line": 1, "end": 2},
        {"firmware": 0.2, "loader": 1, "kernel": 1, "application": 1},
    ),
    "refused": ({"cont": 0.2, "loader_line": 1, "refusal": 2, "end": 3}, {"firmware": 0.2, "loader": 1}),
    "kernel-panics": (
        {"cont": 0.2, "loader_line": 1, "loading": 2, "kernel_line": 3, "panic": 3, "end": 4},
        {"firmware": 0.2, "loader": 1, "kernel": 2},
    ),
    "silent-loader": (
        {"cont": 0.2, "kernel_line": 3, "application_line": 4, "end": 5},
        {"firmware": 0.2, "kernel": 3, "application": 4},
    ),
    "no-loader": (
        {"cont": 0.2, "kernel_line": 3, "application_line": 3, "end": 5},
        {"firmware": 0.2, "application": 3},
    ),
    "silent": ({"cont": 0.2, "end": 5}, {"firmware": 0.2}),
    "not-started": ({}, {}),
}


@pytest.mark.parametrize("course", COURSES)
def test_phases(course: str) -> None:
    """A phase begins with its line and lasts until the next one."""
    timings, starts = COURSES[course]
    found = phases(timings)
    assert {phase["name"]: phase["start"] for phase in found} == starts
    assert [phase["end"] for phase in found] == [*list(starts.values())[1:], *([timings["end"]] if starts else [])]


def record(directory: Path) -> dict[str, Any]:
    """Return the object of run.json."""
    return dict(json.loads((directory / "run.json").read_text()))


def memory_map(directory: Path) -> list[dict[str, Any]]:
    """Return the ranges of memory.json."""
    return list(json.loads((directory / "memory.json").read_text())["ranges"])


def time_of(directory: Path, text: str) -> float:
    """Return the time of the piece that completes the first line with a text."""
    seen = ""
    for row in rows(directory):
        seen += row.text
        if text in seen and "\n" in seen[seen.index(text) :]:
            return row.time
    raise AssertionError(f"{text!r} is not in {seen!r}")


def test_course_of_a_real_kernel(tmp_path: Path) -> None:
    """The pieces are the console. Each phase begins at the time of its line, and the last ends with the run."""
    outcome = boot(release("real-hello-0.11.0"), artifacts=tmp_path)
    pieces, run = list(rows(tmp_path)), record(tmp_path)
    assert "".join(piece.text for piece in pieces) == (tmp_path / "console.log").read_bytes().decode()
    assert [piece.time for piece in pieces] == sorted(piece.time for piece in pieces)
    assert (run["verdict"], run["status"], run["kernel"]) == ("pass", 0, "0.11.0")
    found = {phase["name"]: phase for phase in run["phases"]}
    assert list(found) == ["firmware", "loader", "kernel", "application"]
    begins = {"loader": "[LOADER]", "kernel": "Loading kernel to ", "application": "Jumping into application"}
    for name, line in begins.items():
        assert found[name]["start"] == pytest.approx(time_of(tmp_path, line), abs=0.05), name
    assert time_of(tmp_path, "Hello from") >= found["application"]["start"]
    assert found["application"]["end"] == run["seconds"] == pytest.approx(outcome.timings["end"], abs=1e-6)


def test_failure_names_its_line(tmp_path: Path) -> None:
    """A crash has cause, source line and backtrace in the record, too, and the parts of the hand-over block."""
    outcome = boot(release("fault", append="-- page-fault", expect="exit 0"), artifacts=tmp_path)
    run = record(tmp_path)
    assert (run["verdict"], run["cause"], run["as_expected"]) == ("crash", outcome.cause, False)
    assert run["source"]["file"].endswith("/raise.c") and f"raise.c:{run['source']['line']})" in run["cause"]
    assert run["backtrace"] == outcome.postmortem and "fault_raise" in run["backtrace"]
    found = {row["what"]: row for row in memory_map(tmp_path)}
    tables, stack = found["page tables"], found["stack"]
    registers = (tmp_path / "backtrace.txt").read_text()
    assert re.search(rf"cr3 {tables['start']:#018x}\b", registers), registers
    assert stack["end"] - stack["start"] == 32 << 10 and stack["end"] == tables["start"]
    assert found["segment r-x"]["start"] <= int(outcome.cause.split(" at ")[1].split()[0], 16)


def test_instructions_are_counted_exactly(tmp_path: Path) -> None:
    """With QEMU's counter equal runs have equal numbers, and a longer one has more. Without it there is none."""

    def counted(image: str, *extra: str) -> int | None:
        spec = release(image, "microvm", debug_exit=False, extra=extra, expect="exit 0", allow_unknown=True)
        boot(spec, artifacts=tmp_path)
        number: int | None = record(tmp_path)["instructions"]
        return number

    clock = ("-icount", "shift=0,sleep=off")
    first = counted("exit", *clock)
    assert first and first == counted("exit", *clock)
    assert first < (counted("bigbss", *clock) or 0)
    assert counted("exit") is None


def test_command_repeats_the_run(tmp_path: Path) -> None:
    """The command of the record ends as the run did, options, variables and arguments included."""
    variables = {"HERMIT_MACHINE": "microvm", "XDG_STATE_HOME": str(tmp_path / "state")}
    assert ctl("run", "--artifacts=first", "exit", "--", 7, cwd=tmp_path, env=variables).returncode == 7
    program, *words = shlex.split(record(tmp_path / "first")["command"])
    (tmp_path / "first" / "run.json").unlink()
    assert (program, ctl(*words, cwd=tmp_path).returncode) == ("hermitctl", 7)
    again = record(tmp_path / "first")
    assert (again["machine"], again["command_line"]) == ("microvm", "-- 7")


PROBED = {"x86_64-multiboot": "microvm", "aarch64-elf": "virt", "riscv64-sbi": "virt"}


@pytest.mark.parametrize("on", PROBED)
def test_memory_map_is_what_the_kernel_finds(on: str, tmp_path: Path) -> None:
    """The probe, which shares no code with the loader, finds stack, boot info, image and pages where the map has them.

    Without the lines of level debug the image and the loader's own memory are in the map, at the same addresses.
    """
    spec = release("probe", PROBED[on], target_name=on)
    words, separator, rest = spec.append.partition("--")
    outcome = boot(replace(spec, append=f"{words}loader.log=trace {separator}{rest}"), artifacts=tmp_path)
    console = outcome.console.decode()
    found = {row["what"]: row for row in memory_map(tmp_path)}

    def probed(pattern: str) -> tuple[str, ...]:
        match = re.search(pattern, console)
        assert match, f"{pattern}: {console}"
        return match.groups()

    def bounds(what: str) -> str:
        return f"{found[what]['start']:#x}..{found[what]['end']:#x}"

    assert probed(r"probe boot image=(\S+)") == (bounds("image"),)
    assert probed(r"probe boot at=(\S+)") == (hex(found["boot info"]["start"]),)
    pointer = int(probed(r"probe r?sp=(\S+)")[0], 16)
    start, end = found["stack"]["start"], found["stack"]["end"]
    assert (end - start, pointer) == (32 << 10, {"x86_64-multiboot": start + 8, "aarch64-elf": start}.get(on, end))
    if on != "riscv64-sbi":
        pages = {4096: "4K", 2 << 20: "2M"}
        for what in ("hand-over block", "mapping of the image"):
            assert f"probe map va={bounds(what)}" in console
            assert f"page={pages[found[what]['page_size']]} " in probed(rf"probe map va={bounds(what)} (.*)")[0]
    assert found["loader"]["source"] == "log"
    quiet = boot(spec)
    files = {row.what: row for row in memory.ranges(spec, quiet)}
    assert (files["loader"].start, files["loader"].end, files["loader"].source) == (
        *(found["loader"]["start"], found["loader"]["end"]),
        "file",
    )
    assert (files["image"].start, files["image"].end) == (found["image"]["start"], found["image"]["end"])


def test_memory_map_ignores_the_application() -> None:
    """Lines of the loader's form count up to the first line that is not its own; firmware may precede them."""
    console = b"SeaBIOS\r\n\x1b[0m[LOADER][INFO] Hermit loader\n[LOADER] Loader: [0x1000 - 0x2000]\nhello\n"
    assert memory.loader_lines(console + b"[LOADER][DEBUG] Loader: [0x5000 - 0x6000]\n") == [
        "Hermit loader",
        "Loader: [0x1000 - 0x2000]",
    ]


def test_reserved_memory() -> None:
    """What is RAM and not usable is reserved; nothing is known without a list of what is usable."""
    usable = [memory.Range("usable", at, at + 8, "before", "log") for at in (32, 16, 24)]
    assert [(row.start, row.end) for row in memory.reserved(range(64), usable)] == [(0, 16), (40, 64)]
    assert list(memory.reserved(range(64), [])) == []
