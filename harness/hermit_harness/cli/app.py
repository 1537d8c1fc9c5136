# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Which file a person means by APP: an image of this tree, a file, what cargo has built, or a folder of cargo's."""

from __future__ import annotations

import glob
import os
from pathlib import Path

from hermit_harness import elf
from hermit_harness.fixtures import FixtureImage, all_images, images
from hermit_harness.vm.targets import ARCHS

CARGO_PATTERN = "*-unknown-hermit/*"


def find_app(name: str, arch: str = "") -> tuple[Path, FixtureImage | None]:
    """Return the application file for a name or path, and its image if the tree has one.

    What cargo has built in this folder precedes the images of the tree. An id that exists for several CPUs selects
    `arch`, or the first CPU. Raise ValueError with the remedy if there is no such application.
    """
    path = built_by_cargo(name) or Path(name)
    image = next((i for cpu in ([arch] if arch else ARCHS) for i in images(cpu).values() if i.id == name), None)
    if image and path == Path(name):
        if not image.path.is_file():
            raise ValueError(f"image {name} is not built ({image.path}): `make run APP={name}` builds it")
        return image.path, image
    if path.is_dir():
        path = built_in(path)
    if not path.is_file():
        of_arch = f" of {arch}" if arch and any(i.id == name for i in all_images()) else ""
        raise ValueError(f"{name} is neither a file nor an image{of_arch} (`hermitctl list` shows the images)")
    if not os.access(path, os.R_OK):
        raise ValueError(f"{path} cannot be read by this user: chmod +r")
    resolved = path.resolve()
    return path, next((i for i in all_images() if i.path == resolved), None)


def _target(folder: Path) -> Path:
    """Where cargo builds what is in `folder`."""
    return folder / (os.environ.get("CARGO_TARGET_DIR") or "target")


def _modified_at(path: Path) -> float:
    return path.stat().st_mtime


def built_by_cargo(name: str) -> Path | None:
    """The newest application of this name that cargo has built for Hermit, here or, in a workspace, above."""
    if "/" in name or not name or name in (".", ".."):
        return None
    for folder in (Path(), *Path.cwd().parents):
        built = [path for path in _target(folder).glob(f"{CARGO_PATTERN}/{glob.escape(name)}") if path.is_file()]
        if built:
            return max(built, key=_modified_at)
    return None


def built_in(folder: Path) -> Path:
    """The newest build of the one application in a folder of cargo's. ValueError where there is none, or a choice."""
    files = [
        p for p in _target(folder).glob(f"{CARGO_PATTERN}/*") if p.is_file() and p.suffix != ".debug" and elf.read(p)
    ]
    names = sorted({path.name for path in files})
    if not names:
        raise ValueError(
            f"{folder} is a folder in which cargo has built nothing for Hermit: an application is a file, as"
            f" {_target(folder)}/x86_64-unknown-hermit/debug/NAME"
        )
    if len(names) > 1:
        raise ValueError(f"{folder} has several applications, {', '.join(names)}: name one, by its file")
    return max(files, key=_modified_at)
