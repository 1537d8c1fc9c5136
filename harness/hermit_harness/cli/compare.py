# SPDX-License-Identifier: Apache-2.0 OR MIT
"""hermitctl compare: two loaders, two applications or two runs side by side."""

from __future__ import annotations

import argparse
import json
import re
import struct
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hermit_harness import elf, options
from hermit_harness.boot import boot
from hermit_harness.cli.app import find_app
from hermit_harness.cli.loader import find_loader
from hermit_harness.cli.run import end_row
from hermit_harness.matrix import loaders
from hermit_harness.report.text import table
from hermit_harness.timeline import memory, run_file
from hermit_harness.vm.argv import standalone_argv
from hermit_harness.vm.icount import counts
from hermit_harness.vm.spec import RunSpec
from hermit_harness.vm.targets import DEFAULT_TARGETS, target
from hermit_harness.watch.console import strip_ansi

DESCRIPTION = """\
Compare two loaders, two applications, or two runs. A and B are booted under TCG
with one CPU. These tables are printed:

  sizes           of the sections in memory, in bytes, if one differs
  instructions    that the loader executes up to the kernel's entry: exact
  memory          what is where, and how large it is

  hermitctl compare build/release/hermit-loader-x86_64-multiboot old/loader
  hermitctl compare --app hello x86_64-multiboot x86_64-pvh
  hermitctl compare real-hello-0.10.0 real-hello-0.11.0
  hermitctl compare build/report/runs/latest other/run     directories of two runs

Exit status: 0, also if A and B differ; 125 if one of them does not boot."""
LOADING = re.compile(rb"Loading kernel to 0x([0-9a-f]+)")
SHF_ALLOC = 2


@dataclass(frozen=True)
class Side:
    """One side: what is booted, and in which file the loader's entry and sections are."""

    name: str
    spec: RunSpec


def add(commands: Any) -> None:
    """Register the command."""
    parser = commands.add_parser("compare", help="compare two loaders, applications or runs", description=DESCRIPTION)
    app = f"what two loaders boot (default: {options.DEFAULT_APP})"
    parser.add_argument("--app", default=options.DEFAULT_APP, help=app)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("a", metavar="A", help="a loader file or target, an application, or the directory of a run")
    parser.add_argument("b", metavar="B", help="the same")
    parser.set_defaults(function=command)


def side_of(word: str, app: str) -> Side:
    """Return what a word on the command line means. Raise ValueError if it is nothing that boots."""
    path = Path(word)
    if (path / run_file.NAME).is_file():
        return Side(word, _spec_of_run(path))
    if word in options.TARGET_NAMES:
        row = target(word)
        return Side(word, _spec(find_loader(word, "release", row), app, row.name))
    facts = elf.read(path) if path.is_file() else None
    if path.is_file() and not (facts and (facts.kernel or facts.entry_version is not None)):
        name = next(iter(loaders.find(path)), "")
        return Side(word, _spec(path, app, name))
    file, _ = find_app(word)
    found = elf.read(file)
    default = DEFAULT_TARGETS[found.arch if found and found.arch else "x86_64"]
    return Side(word, _spec(find_loader(default, "release", target(default)), word, default))


def _spec(loader: Path, app: str, target_name: str) -> RunSpec:
    row = target(target_name)
    file, image = find_app(app, row.arch)
    return RunSpec(
        loader=loader,
        app=file,
        machine=row.machine,
        target=target_name,
        append=image.append if image else "",
        end=end_row(elf.read(file), image),
    )


def _spec_of_run(directory: Path) -> RunSpec:
    run = json.loads((directory / run_file.NAME).read_text(encoding="utf-8"))
    if not run["application"]:
        raise ValueError(f"{directory} is a run without application")
    plain = _spec(Path(run["loader"]), run["application"], run["target"])
    return replace(plain, machine=run["machine"], memory=run["memory"], append=run["command_line"])


def sections(data: bytes) -> dict[str, int]:
    """Return the size in memory of each section of an ELF or PE file; none of any other file."""
    if data[:4] == b"\x7fELF":
        return _elf_sections(data, wide=data[4] == 2, order=">" if data[5] == 2 else "<")
    if data[:2] != b"MZ":
        return {}
    (pe,) = struct.unpack_from("<I", data, 60)
    number, optional = struct.unpack_from("<H12xH", data, pe + 6)
    rows = (struct.unpack_from("<8sI", data, pe + 24 + optional + 40 * index) for index in range(number))
    return {name.rstrip(b"\0").decode("latin-1"): size for name, size in rows}


def _elf_sections(data: bytes, wide: bool, order: str) -> dict[str, int]:
    (start,) = struct.unpack_from(order + ("Q" if wide else "I"), data, 40 if wide else 32)
    step, number, names = struct.unpack_from(order + "HHH", data, 58 if wide else 46)
    layout = order + ("IIQQQQ" if wide else "IIIIII")
    rows = [struct.unpack_from(layout, data, start + step * index) for index in range(number)]
    texts = rows[names][4] if rows else 0
    found: dict[str, int] = {}
    for name, _, flags, _, _, size in rows:
        if flags & SHF_ALLOC:
            text = data[texts + name :].partition(b"\0")[0].decode("latin-1")
            found[text] = found.get(text, 0) + size
    return found


def loader_entry(data: bytes) -> int | None:
    """Return the address at which a loader is entered; None if firmware chooses the address."""
    if data[:4] != b"\x7fELF":
        return None
    order = ">" if data[5] == 2 else "<"
    return int(struct.unpack_from(order + ("Q" if data[4] == 2 else "I"), data, 24)[0])


def phases(spec: RunSpec, console: bytes, directory: Path) -> dict[str, int]:
    """Return the instructions from the loader's entry to the kernel's; nothing if they cannot be counted.

    What the firmware executes before that depends on the host's time.
    """
    at = LOADING.search(strip_ansi(console))
    facts = elf.read(spec.app)
    entry = loader_entry(spec.loader.read_bytes())
    if not at or not facts or entry is None or not spec.app:
        return {}
    # The guest sees the paths on its command line, and their length would count.
    for name, file in (("loader", spec.loader), ("app", spec.app)):
        (directory / name).symlink_to(file.resolve())
    argv = standalone_argv(replace(spec, loader=directory / "loader", app=directory / "app"))
    qemu = [word.replace(f"{directory}/", "") for word in argv]
    serial = qemu.index("-serial")
    del qemu[serial : serial + 2]
    try:
        before, after = counts(qemu, (entry, facts.entry + facts.offset_for(int(at[1], 16))), directory, directory)
    except OSError:
        return {}
    return {"loader": after - before}


def describe(side: Side) -> dict[str, dict[str, int]]:
    """Boot a side; return its tables by title, each with numbers by name."""
    spec = side.spec
    outcome = boot(spec)
    if outcome.verdict == "infra":
        raise ValueError(f"{side.name}: {outcome.cause}")
    with tempfile.TemporaryDirectory() as directory:
        instructions = phases(spec, outcome.console, Path(directory))
    places: dict[str, int] = {}
    for row in memory.ranges(spec, outcome):
        places[f"{row.what}, {row.phase}: start"] = row.start
        if row.end is not None:
            places[f"{row.what}, {row.phase}: size"] = row.end - row.start
    return {
        "sizes of the loader": sections(spec.loader.read_bytes()),
        "sizes of the application": sections(spec.app.read_bytes()) if spec.app else {},
        "instructions": instructions,
        "memory": places,
    }


def rows_of(title: str, values: Sequence[dict[str, int]]) -> Iterable[tuple[str, str, str, str]]:
    """Yield a row for each name of either side: name, A, B, difference."""
    shown = hex if title == "memory" else str
    for name in dict.fromkeys((*values[0], *values[1])):
        a, b = (value.get(name) for value in values)
        difference = f"{b - a:+d}" if a is not None and b is not None else ""
        yield name, "-" if a is None else shown(a), "-" if b is None else shown(b), difference


def command(arguments: argparse.Namespace) -> int:
    """Return 0. Raise ValueError for a side that does not boot."""
    words = [arguments.a, arguments.b]
    sides = [side_of(word, arguments.app) for word in words]
    found = [describe(side) for side in sides]
    if arguments.json:
        print(json.dumps({"sides": words, "tables": found}, indent=2))
        return 0
    for title in found[0]:
        values = [tables[title] for tables in found]
        if values[0] == values[1] and title.startswith("sizes"):
            continue
        lines = list(rows_of(title, values)) or [("not countable on this machine", "-", "-", "")]
        print(
            f"{title}\n"
            + "\n".join(table((f"  {'':20}", "A", "B", "B - A"), [("  " + row[0], *row[1:]) for row in lines]))
            + "\n"
        )
    return 0
