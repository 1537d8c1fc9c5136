# SPDX-License-Identifier: Apache-2.0 OR MIT
"""From the matrix to cells: the product of each group, filtered from both sides, nothing dropped in silence."""

from __future__ import annotations

import difflib
import itertools
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from hermit_harness.fixtures import GIVEN, FixtureImage, all_images
from hermit_harness.matrix import loaders, probe
from hermit_harness.matrix.cell import Cell, Discard
from hermit_harness.matrix.table import Group, MatrixError, Table, matrix
from hermit_harness.vm import machines
from hermit_harness.vm.targets import DEFAULT_TARGETS, target

# Needs that a CPU satisfies, not a machine; every CPU of the matrix does.
CPU_PROVIDES = frozenset({"fsgsbase", "rdrand", "xsave"})
_UNIT = {"M": 1, "G": 1024}


class ImageProtocol(Protocol):
    """What the matrix needs to know of an image."""

    @property
    def id(self) -> str: ...
    @property
    def arch(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def needs(self) -> tuple[str, ...]: ...
    @property
    def extra(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class ExpandedMatrix:
    """Cells by group (a cell that two groups ask for belongs to the first), and what was left out."""

    groups: Mapping[str, tuple[Cell, ...]]
    discards: tuple[Discard, ...]

    def cells(self) -> tuple[Cell, ...]:
        return tuple(itertools.chain.from_iterable(self.groups.values()))


def mebibytes(memory: str) -> int:
    """The number of MiB of a QEMU memory size such as 64M or 4G."""
    if not memory or memory[-1] not in _UNIT or not memory[:-1].isdigit():
        raise MatrixError(f"memory {memory!r}: expected a number with the suffix M or G")
    return int(memory[:-1]) * _UNIT[memory[-1]]


def _selected(group: Group, images: Iterable[ImageProtocol]) -> list[ImageProtocol]:
    """The images that a group's patterns name, of the CPUs of its targets; a pattern that names nothing is an
    error. `!` before a pattern takes away what it names."""
    chosen: dict[tuple[str, str], ImageProtocol] = {}
    archs = {target(name).arch for name in group.targets}
    everything = [image for image in images if image.arch in archs]
    for pattern in group.images:
        if pattern.startswith("!"):
            chosen = {key: image for key, image in chosen.items() if not fnmatchcase(image.id, pattern[1:])}
            continue
        matches = [
            image
            for image in everything
            if fnmatchcase(image.id, pattern) or fnmatchcase(f"{image.kind}:{image.id}", pattern)
        ]
        if not matches:
            raise MatrixError(f"group {group.name}: no fixture image matches {pattern!r}")
        chosen.update(((image.arch, image.id), image) for image in matches)
    return list(chosen.values())


def _product(group: Group, image: ImageProtocol) -> Iterator[Cell]:
    axes = (
        [name for name in group.targets if target(name).arch == image.arch],
        group.machines,
        group.accels,
        group.profiles,
        group.memory,
        group.cpus,
        group.smp,
        group.pads,
        group.lines,
        group.ways,
    )
    for name, machine, accel, profile, memory, cpu, smp, pad, line, way in itertools.product(*axes):
        yield Cell(name, machine, accel, image.id, profile, memory, cpu, smp, pad, line, way, group.expect)


def _discard_reason(
    table: Table, group: Group, image: ImageProtocol, cell: Cell, host_mib: int, kvm: probe.Probe
) -> str:
    """Why this combination does not run; empty when it does."""
    missing = sorted(set(image.needs) - CPU_PROVIDES - machines.machine(cell.machine, target(cell.target).cpu).provides)
    if missing and not group.ignore_needs:
        return f"{cell.machine} has no {', '.join(missing)}"
    if group.when == "firmware":
        problem = machines.firmware_problem(machines.machine(cell.machine, target(cell.target).cpu))
        if problem:
            return problem
    if cell.memory and cell.memory != "floor":
        if mebibytes(cell.memory) > host_mib:
            return f"this host has {host_mib} MiB of memory"
        if mebibytes(cell.memory) < mebibytes(image.extra.get("memory", "1M")):
            return f"{image.id} needs {image.extra['memory']}"
    if cell.memory == "floor" and image.id not in table.min_memory.get(cell.target, {}):
        raise MatrixError(f"group {group.name}: no minimum memory is recorded for {image.id} by {cell.target}")
    if group.when == "kvm-faster":
        row = kvm.row(table.probes[cell.machine])
        if not row.use_kvm:
            return f"KVM is not used on {cell.machine}: {row.text()}"
    return ""


def expand(
    table: Table,
    images: Iterable[ImageProtocol],
    host_mib: int,
    kvm: probe.Probe,
    other_loaders: Mapping[str, Path] | None = None,
) -> ExpandedMatrix:
    """All cells of the table; the same cell is never run twice. `other_loaders` replace those of this tree."""
    all_images = list(images)
    files = other_loaders or {}
    seen: set[str] = set()
    groups: dict[str, tuple[Cell, ...]] = {}
    discards: list[Discard] = []
    for group in table.groups:
        cells: list[Cell] = []
        for image in _selected(group, all_images):
            for cell in _product(group, image):
                reason = loaders.discard_reason(cell, files)
                reason = reason or _discard_reason(table, group, image, cell, host_mib, kvm)
                if reason:
                    discards.append(Discard(cell.id, reason))
                elif cell.id not in seen:
                    seen.add(cell.id)
                    cells.append(cell)
        if not cells and not group.when and not files:
            raise MatrixError(f"group {group.name}: nothing of it can run")
        groups[group.name] = tuple(cells)
    return ExpandedMatrix(groups, tuple(discards))


def host_memory() -> int:
    """MiB of this machine."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // (1 << 20)


def expand_for_host(kvm: probe.Probe) -> ExpandedMatrix:
    """The plan of this tree on this machine, for a given answer of the probe."""
    found = expand(matrix(), all_images(), host_memory(), kvm, loaders.given())
    given = tuple(cell for image in all_images() if image.kind == GIVEN for cell in _given_cells(image))
    return replace(found, groups={**found.groups, GIVEN: given}) if given else found


def _given_cells(image: FixtureImage) -> Iterator[Cell]:
    """Return the cells of an image of the user: its CPU's default target, on the machines that it names."""
    default = target(DEFAULT_TARGETS[image.arch])
    for name in image.extra.get("machines", (default.machine,)):
        yield Cell(default.name, machines.machine(name, default.cpu).name, "tcg", image.id)


@cache
def session_matrix() -> ExpandedMatrix:
    """The plan of this session; KVM as its first process found it."""
    return expand_for_host(probe.from_environment())


def cells(*names: str) -> list[Cell]:
    """The cells of the named groups, for parametrize."""
    groups = session_matrix().groups
    unknown = [name for name in names if name not in groups]
    if unknown:
        raise MatrixError(f"matrix.toml has no group {', '.join(unknown)}")
    return [cell for name in names for cell in groups[name]]


def find(name: str) -> Cell:
    """The cell of this id; ValueError where there is none, with what is like it."""
    known = {cell.id: cell for cell in expand_for_host(probe.Probe()).cells()}
    if name not in known:
        similar = ", ".join(difflib.get_close_matches(name, known)) or "see `make list`"
        raise ValueError(f"no cell {name}: {similar}")
    return known[name]
