# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Compare what this tree takes over from upstream with upstream's sources, and print what moved, with file and line.

Usage: python -m lint.drift [--kernel TREE] [--loader TREE] [--entry TREE]

Without --entry, the crate hermit-entry is the one that the kernel's Cargo.lock names, in cargo's registry. The facts
are in drift.toml. Exit status: 0, 1 if something moved, 2 for wrong arguments.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
TABLE = Path(__file__).with_suffix(".toml")
LOCKED_ENTRY = re.compile(r'name = "hermit-entry"\nversion = "([^"]+)"')


@dataclass(frozen=True)
class Fact:
    """A row of drift.toml, which explains the fields."""

    what: str
    source: str
    file: str
    theirs: str
    here: str
    ours: str
    value: str = ""
    every: bool = False


@dataclass(frozen=True)
class Place:
    """A value, and the file (relative to its tree) and line where it begins."""

    file: str
    line: int
    value: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


def facts() -> list[Fact]:
    """Return the table."""
    rows = tomllib.loads(TABLE.read_text(encoding="utf-8"))["fact"]
    return [Fact(**{("value" if key == "is" else key): value for key, value in row.items()}) for row in rows]


def plain(value: str) -> str:
    """Return a value in the form that is compared: a number in decimal, other text with single blanks."""
    text = " ".join(value.split())
    try:
        return str(int(text.replace("_", ""), 0))
    except ValueError:
        return text


def matches(pattern: str, tree: Path, path: Path) -> Iterator[Place]:
    """Yield each match of the pattern in a file; the value is its first group, or all of it."""
    text = path.read_text(encoding="utf-8", errors="replace")
    for found in re.finditer(pattern, text, re.DOTALL):
        group = 1 if found.re.groups else 0
        yield Place(str(path.relative_to(tree)), text.count("\n", 0, found.start(group)) + 1, found[group])


def sources(tree: Path, below: str = "") -> list[Path]:
    """Return the Rust sources of a tree or of a directory of it."""
    return [path for path in sorted((tree / below).rglob("*.rs")) if "target" not in path.relative_to(tree).parts]


def upstream(fact: Fact, tree: Path) -> Place | None:
    """Return upstream's value: in the file of the table, else anywhere in the tree."""
    if fact.every:
        found = [place for path in sources(tree, fact.file) for place in matches(fact.theirs, tree, path)]
        values = " ".join(sorted({place.value for place in found}))
        return Place(found[0].file, found[0].line, values) if found else None
    named = tree / fact.file
    for path in ([named] if named.is_file() else []) + sources(tree):
        for place in matches(fact.theirs, tree, path):
            return place
    return None


def compare(fact: Fact, tree: Path) -> str:
    """Return what moved as one line, or an empty text if the two sides agree."""
    own = next(matches(fact.ours, TOP, TOP / fact.here))
    want = fact.value or own.value
    place = upstream(fact, tree)
    if place is None:
        return f"gone: {fact.what}: no {fact.source} source matches {fact.theirs!r}; {own} depends on it"
    if plain(place.value) == plain(want):
        return ""
    return f"moved: {fact.what}: {tree / str(place)} has {plain(place.value)!r}, {own} was written for {plain(want)!r}"


def locked_entry(kernel: Path) -> Path | None:
    """Return the source of the crate that the kernel is locked to, if cargo has unpacked it."""
    lock = kernel / "Cargo.lock"
    version = LOCKED_ENTRY.search(lock.read_text(encoding="utf-8")) if lock.is_file() else None
    home = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo")
    found = sorted(home.glob(f"registry/src/*/hermit-entry-{version[1]}")) if version else []
    return found[0] if found else None


def report(trees: Mapping[str, Path]) -> tuple[list[str], int]:
    """Return the lines to print and the number of facts that moved."""
    rows = facts()
    compared = [fact for fact in rows if fact.source in trees]
    lines = [line for fact in compared if (line := compare(fact, trees[fact.source]))]
    count = len(lines)
    for source in sorted({fact.source for fact in rows} - trees.keys()):
        lines.append(
            f"not compared: {sum(fact.source == source for fact in rows)} facts about {source}, no source given"
        )
    lines.append(f"{len(compared)} facts: {len(compared) - count} as here, {count} moved")
    return lines, count


def main(argv: Sequence[str] | None = None) -> int:
    """Print the report."""
    parser = argparse.ArgumentParser(prog="make drift", description=__doc__.partition("\n")[0])
    for name in ("kernel", "loader", "entry"):
        parser.add_argument(f"--{name}", type=Path, metavar="TREE", help=f"a checkout of hermit-os/{name}")
    arguments = {name: tree for name, tree in vars(parser.parse_args(argv)).items() if tree}
    for name, tree in arguments.items():
        if not (tree / "Cargo.toml").is_file():
            parser.error(f"--{name} {tree}: no Cargo.toml there")
    if not arguments:
        parser.error("KERNEL=, LOADER_SRC= or ENTRY_SRC= names a checkout")
    if "entry" not in arguments and "kernel" in arguments and (entry := locked_entry(arguments["kernel"])):
        arguments["entry"] = entry
    lines, count = report(arguments)
    print("\n".join(lines))
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
