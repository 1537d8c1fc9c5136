# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Translate a cell into a boot: files, arguments, expectation, artifacts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hermit_harness.fixtures import FixtureImage, images
from hermit_harness.matrix import loaders
from hermit_harness.matrix.cell import Cell
from hermit_harness.matrix.table import matrix
from hermit_harness.paths import BUILD, FIXTURES, REPORT, loader_file
from hermit_harness.vm.machines import machine
from hermit_harness.vm.shared_directory import SharedDirectory, parse_shared_directory
from hermit_harness.vm.spec import RunSpec
from hermit_harness.vm.targets import target

# Ways for which a loader file of their own is made, in a build directory of that name.
VARIANTS = ("pvh",)
# Guests that simulate other VMMs and boot loaders, see fixtures/start.
MULTIBOOT_SIMULATOR = FIXTURES / "start" / "x86_64" / "start-mb"
LINUX_SIMULATOR = FIXTURES / "start" / "x86_64" / "start-linux"
PVH_SIMULATOR = FIXTURES / "start" / "x86_64" / "start-pvh"
# QEMU's CPU time for an app that is meant to spin: far more than any boot here takes.
HANG_SECONDS = 1.5


def loader(cell: Cell) -> Path:
    """Return the loader file of a cell: a given one, or this tree's. A padded loader has its own build directory."""
    if cell.target in loaders.given():
        return loaders.given()[cell.target]
    directory = f"pad{cell.pad}" if cell.pad else cell.way if cell.way in VARIANTS else ""
    return BUILD / directory / loader_file(cell.target, cell.profile).relative_to(BUILD)


def debug_file(path: Path) -> Path | None:
    """The file with the loader's symbols, where it was built."""
    symbols = path.with_name(path.name + ".debug")
    return symbols if symbols.is_file() else None


def spec(cell: Cell) -> RunSpec:
    """The boot that a cell stands for."""
    table = matrix()
    image = images(target(cell.target).arch)[cell.image]
    expect = cell.expect or image.expect
    row = machine(cell.machine, target(cell.target).cpu)
    memory = cell.memory or str(image.extra.get("memory", row.memory))
    if cell.memory == "floor":
        memory = f"{table.min_memory[cell.target][cell.image].boots_with}M"
    file = loader(cell)
    return RunSpec(
        loader=file,
        loader_debug=debug_file(file),
        app=image.path,
        machine=cell.machine,
        accel=cell.accel,
        cpu=table.cpus[cell.cpu] if cell.cpu else "",
        smp=cell.smp,
        memory=memory,
        debug_exit="debug-exit" in row.provides,
        append=table.lines[cell.line].text if cell.line else image.append,
        stdin=str(image.extra.get("stdin", "")).encode(),
        end=image.end,
        expect=expect,
        cpu_seconds=row.deadline_factor * (HANG_SECONDS if expect == "hang" else RunSpec.cpu_seconds),
        wall_seconds=row.deadline_factor * RunSpec.wall_seconds,
        target=cell.target,
        way=cell.way,
        share=_share(image),
    )


def written(image: FixtureImage) -> dict[str, Path]:
    """Return the patterns of files that a given image must write, each with the directory that it begins at."""
    directory = image.path.parent / str(image.extra.get("share", "")).partition(":")[0]
    return dict.fromkeys(image.extra.get("written", ()), directory)


def _share(image: FixtureImage) -> SharedDirectory | None:
    """Return the directory that a given image gets, made where it is missing; the image's DIR is beside the image."""
    if not (text := str(image.extra.get("share", ""))):
        return None
    (image.path.parent / text.partition(":")[0]).mkdir(exist_ok=True)
    for pattern, directory in written(image).items():
        (directory / pattern).parent.mkdir(parents=True, exist_ok=True)
    return parse_shared_directory(str(image.path.parent / text))


def release(image: str, machine_name: str = "", target_name: str = "x86_64-multiboot", **changes: object) -> RunSpec:
    """The plain boot of an image by the release loader, for tests that are no cells: on a machine (the target's own,
    when none is named), by a target; `changes` are RunSpec's fields."""
    plain = spec(Cell(target_name, machine_name or target(target_name).machine, "tcg", image))
    return replace(plain, **changes)  # type: ignore[arg-type]


def with_simulator(spec: RunSpec, simulator: Path, scenario: str) -> RunSpec:
    """Return the boot through a guest that simulates another VMM.

    It gets loader and application as modules, and the scenario as its first word.
    """
    assert spec.app
    words = f"{scenario} {spec.append}".strip()
    return replace(spec, loader=simulator, app=spec.loader, modules=(spec.app,), append=words)


def artifacts(name: str) -> Path:
    """Where a failed cell or test leaves what a person needs; slashes of the name become directories."""
    return REPORT / name
