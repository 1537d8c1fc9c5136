# SPDX-License-Identifier: Apache-2.0 OR MIT
"""What must be built before cells can run: what `make` makes is checked, the variants that only tests want are made
here.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path

from hermit_harness.matrix.cell import Cell
from hermit_harness.matrix.table import matrix
from hermit_harness.paths import BUILD, ROOT
from hermit_harness.vm.targets import target

# Set by whoever has built (and probed) already and wants the tests to take it as it is.
PREPARED = "HERMIT_PREPARED"


class BuildError(RuntimeError):
    """Something that the tests need is missing or does not build; the text says what to type."""


def make(*arguments: str, cwd: Path = ROOT) -> str:
    """Run make quietly; its output, or an error that carries the last lines."""
    done = subprocess.run(["make", "-s", *arguments], cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise BuildError(f"make {' '.join(arguments)} ended with {done.returncode}:\n{tail}")
    return done.stdout


def pads(wanted: Iterable[str]) -> None:
    """Loaders of other sizes, each in a build folder of its own."""
    for name in sorted(set(wanted) - {""}):
        make(
            "-f",
            "loader/loader.mk",
            f"LOADER_PAD={matrix().pads[name]}",
            f"O=build/pad{name}",
            "PROFILE=release",
            "all",
        )


def missing(cells: Iterable[Cell]) -> list[Path]:
    """Files that the cells boot and that are not there."""
    from hermit_harness.fixtures import images  # late: the pure part of this package needs no fixture
    from hermit_harness.matrix import corpus
    from hermit_harness.matrix.run import loader

    files = {
        BUILD / "host" / "hermit-status",
        BUILD / "host" / "hermit-host",
        corpus.FOLDER / "index.tsv",
        corpus.STARTER,
    }
    for cell in cells:
        files.add(images(target(cell.target).arch)[cell.image].path)
        files.add(loader(cell))
    return sorted(path for path in files if not path.is_file())


def prepare(cells: Iterable[Cell]) -> None:
    """Make what tests alone want, then insist on the rest."""
    everything = list(cells)
    pads(cell.pad for cell in everything)
    lacking = missing(everything)
    if lacking:
        names = "\n".join(f"  {path.relative_to(ROOT)}" for path in lacking[:20])
        more = f"\n  and {len(lacking) - 20} more" if len(lacking) > 20 else ""
        raise BuildError(f"{len(lacking)} files are not built; `make test` builds them first:\n{names}{more}")
