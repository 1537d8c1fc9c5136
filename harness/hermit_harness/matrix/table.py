# SPDX-License-Identifier: Apache-2.0 OR MIT
"""matrix.toml as values: read once, every key checked, so that a typing error is an error and never a cell that does
not run.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from hermit_harness.paths import ROOT
from hermit_harness.vm.machines import MACHINE_NAMES
from hermit_harness.vm.targets import TARGETS, WAYS

HARNESS = ROOT / "harness"


class MatrixError(ValueError):
    """The matrix, the ledger of skips or the errata are not what they must be; the text says where."""


@dataclass(frozen=True)
class Line:
    """A text for -append and the words that the application must be seen to get from it."""

    name: str
    append: str
    app: tuple[str, ...] = ()
    length: int = 0  # pads the text with the letter a to this many bytes

    @property
    def text(self) -> str:
        return self.append + "a" * (self.length - len(self.append.encode()))

    @property
    def words(self) -> tuple[str, ...]:
        """Return the application's arguments after the --. The padding extends the last word."""
        if not self.length or not self.app:
            return self.app
        return (*self.app[:-1], self.app[-1] + "a" * (self.length - len(self.append.encode())))


@dataclass(frozen=True)
class Group:
    """A product of dimensions. `ignore_needs` keeps combinations whose outcome is the point (`expect`)."""

    name: str
    images: tuple[str, ...]
    machines: tuple[str, ...]
    targets: tuple[str, ...] = ("x86_64-multiboot",)
    accels: tuple[str, ...] = ("tcg",)
    profiles: tuple[str, ...] = ("release",)
    memory: tuple[str, ...] = ("",)
    cpus: tuple[str, ...] = ("",)
    smp: tuple[int, ...] = (1,)
    pads: tuple[str, ...] = ("",)
    lines: tuple[str, ...] = ("",)
    ways: tuple[str, ...] = ("",)
    expect: str = ""
    ignore_needs: bool = False
    when: str = ""  # "kvm-faster": only where the probe says so; "firmware": where the machine's firmware is there


@dataclass(frozen=True)
class MinMemory:
    """How little memory an image needs, in MiB. fails_with is boots_with - 1 except where QEMU's version decides."""

    boots_with: int  # the smallest -m that boots the image with every QEMU
    fails_with: int  # the largest -m that boots it with none


@dataclass(frozen=True)
class Table:
    """The whole matrix file."""

    min_cells: int
    max_skips: int
    must_run: tuple[str, ...]
    probes: Mapping[str, str]  # machine -> the machine whose probe decides about KVM on it
    cpus: Mapping[str, str]
    pads: Mapping[str, int]
    min_memory: Mapping[str, Mapping[str, MinMemory]]  # target, image id
    lines: Mapping[str, Line]
    groups: tuple[Group, ...]
    path: Path = field(default=HARNESS / "matrix.toml", compare=False)


def _keys(where: str, entry: Mapping[str, Any], allowed: Iterable[str]) -> None:
    unknown = sorted(set(entry) - set(allowed))
    if unknown:
        raise MatrixError(f"{where}: unknown key {', '.join(unknown)}")


def _group(name: str, entry: Mapping[str, Any], table: Mapping[str, Any]) -> Group:
    where = f"group {name}"
    _keys(where, entry, Group.__dataclass_fields__)
    for key in ("images", "machines"):
        if not entry.get(key):
            raise MatrixError(f"{where}: {key} is missing or empty")
    known: dict[str, set[str]] = {
        "machines": set(MACHINE_NAMES),
        "targets": set(TARGETS),
        "cpus": {"", *table["cpus"]},
        "pads": {"", *table["pads"]},
        "lines": {"", *(line["name"] for line in table["line"])},
        "accels": {"tcg", "kvm"},
        "profiles": {"release", "debug"},
        "ways": {"", *WAYS},
    }
    for key, names in known.items():
        for value in entry.get(key, ()):
            if value.partition("@")[0] not in names:
                raise MatrixError(f"{where}: {key} names {value!r}, which the matrix does not define")
    if entry.get("when", "") not in ("", "kvm-faster", "firmware"):
        raise MatrixError(f"{where}: when = {entry['when']!r} is not known")
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}
    return Group(name=name, **values)


def _min_memory(where: str, entry: int | Mapping[str, int]) -> MinMemory:
    if isinstance(entry, int):
        return MinMemory(entry, entry - 1)
    if set(entry) != set(MinMemory.__dataclass_fields__) or entry["fails_with"] >= entry["boots_with"]:
        raise MatrixError(f"{where}: a number, or boots_with and a smaller fails_with")
    return MinMemory(**entry)


def parse(text: str, path: Path = HARNESS / "matrix.toml") -> Table:
    """Read a matrix from TOML text."""
    data = tomllib.loads(text)
    top_level = ("min_cells", "max_skips", "must_run", "probes", "cpus", "pads", "min_memory", "line", "group")
    _keys("matrix", data, top_level)
    for key in top_level:
        if key not in data:
            raise MatrixError(f"matrix: {key} is missing")
    lines: dict[str, Line] = {}
    for entry in data["line"]:
        _keys(f"line {entry.get('name')}", entry, Line.__dataclass_fields__)
        if entry["name"] in lines:
            raise MatrixError(f"line {entry['name']} is there twice")
        lines[entry["name"]] = Line(entry["name"], entry["append"], tuple(entry.get("app", ())), entry.get("length", 0))
    groups = tuple(_group(name, entry, data) for name, entry in data["group"].items())
    return Table(
        min_cells=data["min_cells"],
        max_skips=data["max_skips"],
        must_run=tuple(data["must_run"]),
        probes=data["probes"],
        cpus=data["cpus"],
        pads=data["pads"],
        min_memory={
            on: {image: _min_memory(f"min_memory.{on}.{image}", entry) for image, entry in row.items()}
            for on, row in data["min_memory"].items()
        },
        lines=lines,
        groups=groups,
        path=path,
    )


@cache
def matrix() -> Table:
    """The matrix of this tree."""
    path = HARNESS / "matrix.toml"
    return parse(path.read_text(encoding="utf-8"), path)
