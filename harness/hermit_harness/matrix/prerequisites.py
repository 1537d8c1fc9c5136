# SPDX-License-Identifier: Apache-2.0 OR MIT
"""What must be built before cells can run: what `make` makes is checked, the variants that only tests want are made
here.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from hermit_harness.matrix import specs
from hermit_harness.matrix.cell import Cell
from hermit_harness.matrix.table import matrix
from hermit_harness.paths import BUILD, ROOT, loader_file
from hermit_harness.vm.targets import ARCHS, target

# Set by whoever has built (and probed) already and wants the tests to take it as it is.
PREPARED = "HERMIT_PREPARED"
MULTIBOOT_MAGIC = (0x1BADB002).to_bytes(4, "little")


class BuildError(RuntimeError):
    """Something that the tests need is missing or does not build; the text says what to type."""


def make(*arguments: str, cwd: Path = ROOT) -> str:
    """Run make quietly; its output, or an error that carries the last lines."""
    done = subprocess.run(["make", "-s", *arguments], cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise BuildError(f"make {' '.join(arguments)} ended with {done.returncode}:\n{tail}")
    return done.stdout


def build_padded_loaders(cells: Iterable[Cell]) -> None:
    """Loaders of other sizes, of the targets that are booted so, each size in a build directory of its own."""
    padded = [cell for cell in cells if cell.pad]
    for name in sorted({cell.pad for cell in padded}):
        make(
            "-f",
            "loader/loader.mk",
            f"LOADER_PAD={matrix().pads[name]}",
            f"O=build/pad{name}",
            "PROFILE=release",
            "TARGET=" + " ".join(sorted({cell.target for cell in padded if cell.pad == name})),
            "all",
        )


def without_multiboot(file: Path, copy: Path) -> None:
    """A copy of a loader file whose Multiboot header is none any more: QEMU then starts it by its PVH note."""
    data = file.read_bytes()
    found = data.count(MULTIBOOT_MAGIC, 0, 8192)
    if found != 1:
        raise BuildError(f"{file.name}: the Multiboot magic occurs {found} times in the first 8 KiB")
    copy.parent.mkdir(parents=True, exist_ok=True)
    partial = copy.with_name(f"{copy.name}.{os.getpid()}")
    partial.write_bytes(data.replace(MULTIBOOT_MAGIC, bytes(4), 1))
    partial.replace(copy)


def build_variants(cells: Iterable[Cell]) -> None:
    """The loader files that a way of starting wants for itself."""
    for cell in {replace(cell, image="") for cell in cells if cell.way == "pvh"}:
        original = loader_file(cell.target, cell.profile)
        if original.is_file():
            without_multiboot(original, specs.loader(cell))


def missing_files(cells: Iterable[Cell]) -> list[Path]:
    """Files that the cells boot and that are not there."""
    from hermit_harness.fixtures import images  # late: the pure part of this package needs no fixture
    from hermit_harness.matrix import corpus

    files = {
        BUILD / "host" / "hermit-status",
        BUILD / "host" / "hermit-host",
        *(corpus.directory(arch) / "index.tsv" for arch in ARCHS),
        specs.MULTIBOOT_SIMULATOR,
        specs.LINUX_SIMULATOR,
        specs.PVH_SIMULATOR,
    }
    for cell in cells:
        files.add(images(target(cell.target).arch)[cell.image].path)
        files.add(specs.loader(cell))
    return sorted(path for path in files if not path.is_file())


def prepare(cells: Iterable[Cell]) -> None:
    """Make what tests alone want, then insist on the rest."""
    everything = list(cells)
    build_padded_loaders(everything)
    build_variants(everything)
    missing = missing_files(everything)
    if missing:
        names = "\n".join(f"  {path.relative_to(ROOT)}" for path in missing[:20])
        more = f"\n  and {len(missing) - 20} more" if len(missing) > 20 else ""
        raise BuildError(f"{len(missing)} files are not built; `make test` builds them first:\n{names}{more}")
