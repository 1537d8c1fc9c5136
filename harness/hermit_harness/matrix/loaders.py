# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Another loader in place of this tree's: which file boots the cells of a target, and what only this tree promises.

The files are named as releases name them: by a target's name or an earlier one. Any other name is accepted for a single
file whose header says for which target it is.
"""

from __future__ import annotations

import os
import struct
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from hermit_harness.fixtures import images
from hermit_harness.matrix.cell import Cell
from hermit_harness.matrix.table import HARNESS, MatrixError
from hermit_harness.vm.targets import TARGETS, Target

VARIABLE = "HERMIT_TEST_LOADERS"  # from the first process of a test run to its workers
NOT_PROMISED = "not-promised"  # first word of the reason of such a skip
# Upstream's releases up to 0.5.6 have this name for Multiboot.
FORMER_FILES = {"x86_64-multiboot": ("hermit-loader-x86_64",)}
# e_machine and EI_DATA of an ELF file, and the machine of a PE file, of a loader with an unknown name.
ELF_TARGETS = {
    (3, 1): "x86_64-multiboot",
    (62, 1): "x86_64-multiboot",
    (183, 1): "aarch64-elf",
    (183, 2): "aarch64_be-elf",
    (243, 1): "riscv64-sbi",
}
PE_TARGETS = {0x8664: "x86_64-uefi", 0xAA64: "aarch64-uefi"}


@dataclass(frozen=True)
class OwnPromise:
    """A row of own-promises.toml: cells that another loader need not pass, by the requirements that promise them."""

    requirements: tuple[str, ...]
    cells: tuple[str, ...]  # patterns of cell ids, or of KIND: and the image's id
    why: str


def names(row: Target) -> tuple[str, ...]:
    """Return the file names of a target's loader, the first one preferred."""
    return (row.file, *(f"hermit-loader-{alias}" for alias in row.aliases), *FORMER_FILES.get(row.name, ()))


def find(path: Path) -> dict[str, Path]:
    """Return the loader file of each target that a directory or a file has. Raise ValueError if there is none."""
    if path.is_file():
        found = [row.name for row in TARGETS.values() if path.name in names(row)] or [_target_of(path)]
        return dict.fromkeys(found, path.absolute())
    if not path.is_dir():
        raise ValueError(f"{path}: there is no such file or directory")
    files = {row.name: [path / name for name in names(row) if (path / name).is_file()] for row in TARGETS.values()}
    found_files = {target: among[0].absolute() for target, among in files.items() if among}
    if not found_files:
        raise ValueError(f"{path} has no loader; one for x86_64 is {' or '.join(names(TARGETS['x86_64-multiboot']))}")
    return found_files


def _target_of(path: Path) -> str:
    head = path.open("rb").read(4096)
    target = None
    if head[:4] == b"\x7fELF" and len(head) >= 20:
        (machine,) = struct.unpack_from(">H" if head[5] == 2 else "<H", head, 18)
        target = ELF_TARGETS.get((machine, head[5]))
    elif head[:2] == b"MZ" and len(head) >= 64:
        (pe,) = struct.unpack_from("<I", head, 60)
        if head[pe : pe + 4] == b"PE\0\0":
            target = PE_TARGETS.get(struct.unpack_from("<H", head, pe + 4)[0])
    if target is None:
        raise ValueError(f"{path}: neither the name nor the header says for which target this loader is")
    return target


@cache
def given() -> Mapping[str, Path]:
    """Return the files that this test run boots in place of this tree's, by target; none by default."""
    path = os.environ.get(VARIABLE, "")
    return find(Path(path)) if path else {}


@cache
def own_promises() -> tuple[OwnPromise, ...]:
    """Return the rows of own-promises.toml. Raise MatrixError if one is incomplete."""
    rows = tomllib.loads((HARNESS / "own-promises.toml").read_text(encoding="utf-8"))["row"]
    try:
        return tuple(OwnPromise(tuple(row["requirements"]), tuple(row["cells"]), row["why"]) for row in rows)
    except KeyError as error:
        raise MatrixError(f"own-promises.toml: a row has no {error}") from error


def not_promised(cell: Cell) -> str:
    """Return why another loader need not pass a cell, with the requirements of this tree; "" if it must."""
    kind = images(TARGETS[cell.target].arch)[cell.image].kind
    for row in own_promises():
        if any(fnmatchcase(name, pattern) for pattern in row.cells for name in (cell.id, f"{kind}:{cell.image}")):
            return f"{row.why} ({', '.join(row.requirements)})"
    return "it is a refusal of this tree's loader" if cell.expect.startswith("refused") else ""


def discard_reason(cell: Cell, files: Mapping[str, Path]) -> str:
    """Return why a cell cannot run with these files, "" if it can. Without files, the loaders of this tree are used."""
    if not files:
        return ""
    if cell.target not in files:
        return f"the given loaders have none for {cell.target}"
    if cell.profile != "release" or cell.pad or cell.way == "pvh":
        return "the cell is for another build of this tree's loader, and one file per target was given"
    return ""
