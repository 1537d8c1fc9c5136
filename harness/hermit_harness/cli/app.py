# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Which file a person means by APP: a file, what cargo has built, an image of this tree, or a directory of cargo's."""

from __future__ import annotations

import glob
import os
import shlex
import sys
from pathlib import Path

from hermit_harness import elf
from hermit_harness.cli.files import where
from hermit_harness.fixtures import FixtureImage, all_images, images
from hermit_harness.vm.targets import ARCHS

# TRIPLE/PROFILE. An application may be built for any target, as x86_64-unknown-none; a profile has no dash in its name.
CARGO_PATTERN = "*-*/*"


def find_app(name: str, arch: str = "", quiet: bool = False) -> tuple[Path, FixtureImage | None]:
    """Return the application file for a name or path, and its image if the tree has one.

    A file of this name precedes what cargo has built, and both precede the images of the tree. If several exist, one
    line says which is meant, unless `quiet`. An id that exists for several CPUs selects `arch`, or the first CPU.
    Raise ValueError with the remedy if there is no such application.
    """
    image = next((i for cpu in ([arch] if arch else ARCHS) for i in images(cpu).values() if i.id == name), None)
    meanings = {
        "the file in this directory": Path(name) if Path(name).is_file() else None,
        "what cargo has built": built_by_cargo(name),
        "the image of the checkout": image.path if image else None,
    }
    found = {what: path for what, path in meanings.items() if path}
    if not found:
        path = _in_directory(name, arch)
    else:
        what, path = next(iter(found.items()))
        if len(found) > 1 and not quiet:
            others = " and ".join(list(found)[1:])
            print(f"hermitctl: {name} is {what}, {path.resolve()}, not {others}", file=sys.stderr)
        if image and path == image.path:
            if not path.is_file():
                raise ValueError(f"image {name} is not built ({path}): `make run APP={shlex.quote(name)}` builds it")
            return path, image
    if not os.access(path, os.R_OK):
        raise ValueError(f"{path} cannot be read by this user: chmod +r {shlex.quote(str(path))}")
    resolved = path.resolve()
    return path, next((i for i in all_images() if i.path == resolved), None)


def _in_directory(name: str, arch: str) -> Path:
    """Return the one application of a directory. Raise ValueError if the name is no directory either."""
    path = Path(name)
    if path.is_dir():
        return built_in(path)
    if name.startswith("~"):
        raise ValueError(f"there is no {name}{where(name)}: the shell has not expanded ~, so write the whole path")
    of_arch = f" of {arch}" if arch and any(i.id == name for i in all_images()) else ""
    raise ValueError(f"{name} is neither a file{where(name)} nor an image{of_arch} (`hermitctl list` shows the images)")


def _target(directory: Path) -> Path:
    """Where cargo builds what is in `directory`."""
    return directory / (os.environ.get("CARGO_TARGET_DIR") or "target")


def is_application(path: Path) -> bool:
    """Return whether a file of TRIPLE/PROFILE/ is a Hermit application. Hermit's own target builds nothing else."""
    if not path.is_file():
        return False
    facts = elf.read(path)
    return facts is not None and (
        path.parts[-3].endswith("-unknown-hermit") or bool(facts.kernel) or facts.entry_version is not None
    )


def _modified_at(path: Path) -> float:
    return path.stat().st_mtime


def built_by_cargo(name: str) -> Path | None:
    """The newest application of this name that cargo has built for Hermit, here or, in a workspace, above."""
    if "/" in name or not name or name in (".", ".."):
        return None
    for directory in (Path(), *Path.cwd().parents):
        built = [
            path for path in _target(directory).glob(f"{CARGO_PATTERN}/{glob.escape(name)}") if is_application(path)
        ]
        if built:
            return max(built, key=_modified_at)
    return None


def names_built_by_cargo() -> list[str]:
    """The names that built_by_cargo() finds here."""
    directories = (_target(directory) for directory in (Path(), *Path.cwd().parents))
    files = (path for directory in directories for path in directory.glob(f"{CARGO_PATTERN}/*"))
    return sorted({path.name for path in files if path.suffix != ".debug" and is_application(path)})


def built_in(directory: Path) -> Path:
    """The newest build of the one application in a directory of cargo's. ValueError if there is none, or a choice."""
    files = [p for p in _target(directory).glob(f"{CARGO_PATTERN}/*") if p.suffix != ".debug" and is_application(p)]
    names = sorted({path.name for path in files})
    if not names:
        raise ValueError(
            f"{directory} is a directory in which cargo has built nothing for Hermit: an application is a file, as"
            f" {_target(directory)}/x86_64-unknown-hermit/debug/NAME"
        )
    if len(names) > 1:
        raise ValueError(f"{directory} has several applications, {', '.join(names)}: name one, by its file")
    return max(files, key=_modified_at)
