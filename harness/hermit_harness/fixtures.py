# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The fixtures of the tree: every image of every fixture.toml. A test run may get further images in a directory."""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from hermit_harness import elf
from hermit_harness.ends import row_of_kernel
from hermit_harness.paths import FIXTURES, IS_INSTALLED, ROOT
from hermit_harness.vm.targets import ARCHS, cpu_of_arch


@dataclass(frozen=True)
class FixtureImage:
    """One file that a test boots or the loader refuses, identified by (arch, id).

    `needs` lists what the machine must have. `extra` holds the optional keys that only one reader uses.
    """

    id: str
    fixture: str
    kind: str
    summary: str
    path: Path
    arch: str = "x86_64"
    kernel: str = ""
    end: str = "bare"
    features: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    greeting: str = ""
    args: str = ""
    kernel_args: str = ""
    expect: str = "exit 0"
    extra: dict[str, Any] = field(default_factory=dict, hash=False)

    @property
    def append(self) -> str:
        """The default command line: KERNEL_ARGS [-- APP_ARGS]."""
        return join_append(self.kernel_args, self.args)


def join_append(kernel_args: str, app_args: str) -> str:
    """One command line of KERNEL_ARGS and APP_ARGS, with `--` only if there are application arguments."""
    return f"{kernel_args} -- {app_args}".strip() if app_args else kernel_args


_TEXT = ("kernel", "greeting", "args", "kernel_args", "expect")
_LISTS = ("features", "needs")
# Keys that the harness and the build scripts look up in `Image.extra`.
_EXTRA = ("machines", "memory", "nic", "profile", "settings", "share", "stdin", "verdict", "written")
GIVEN = "given"  # kind of the images of a directory that a test run is given
GIVEN_VARIABLE = "HERMIT_TEST_KERNELS"  # that directory, from the first process of a test run to its workers
GIVEN_NAME = re.compile(rf"(.+)-({'|'.join(ARCHS)})-v(\d+\.\d+\.\d+)")
GIVEN_KEYS = (*_TEXT[1:], "needs", "end", "machines", "memory", "share", "stdin", "written")
_KEYS = ("arch", "archs", "end", "file", "summary", *_TEXT, *_LISTS, *_EXTRA)
# What an image of a kind is if neither it nor its file says otherwise.
_BUILT_IN: dict[str, dict[str, Any]] = {
    "bare": {"archs": list(ARCHS), "end": "bare"},
    "real": {"arch": "x86_64", "end": "hermit-0.10-{arch}"},
    "old": {"arch": "x86_64", "end": "hermit-acpi-off"},
    "liar": {"arch": "x86_64", "end": "bare"},
    "start": {"arch": "x86_64", "end": "bare"},
}


def _for_arch(value: Any, arch: str) -> Any:
    """The value for one kind of CPU: a table in fixture.toml is indexed by CPU."""
    return value.get(arch) if isinstance(value, dict) else value


def end_for(value: Any, arch: str) -> str:
    """The row of ends.toml for one kind of CPU.

    `value` is a string, in which {arch} is the CPU, or a table of strings by CPU. A string that names no CPU selects
    the row of that name for this CPU: `bare` on aarch64 is `bare-aarch64`.
    """
    text = str(_for_arch(value, arch) or "bare").replace("{arch}", cpu_of_arch(arch))
    if arch == "x86_64":
        return {"bare-x86_64": "bare"}.get(text, text.replace("-x86_64", "-x86"))
    named = isinstance(value, dict) or cpu_of_arch(arch) in text
    return text if named else f"{text.removesuffix('-x86')}-{cpu_of_arch(arch)}"


def _check_keys(table: dict[str, Any], required: str | None = None) -> None:
    if required and required not in table:
        raise ValueError(f"the key {required!r} is missing")
    if unknown := sorted(set(table) - {required, *_KEYS}):
        raise ValueError(f"unknown key {unknown[0]!r}")
    for key, value in table.items():
        if isinstance(value, dict) and (unknown := sorted(set(value) - set(ARCHS))):
            raise ValueError(f"{key}: {unknown[0]!r} is not one of {', '.join(ARCHS)}")


def _with_defaults(row: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    """`row` over `defaults`. Either of arch and archs replaces both."""
    replaced = {"arch", "archs"} if {"arch", "archs"} & set(row) else set()
    return {key: value for key, value in defaults.items() if key not in replaced} | row


def _archs(row: dict[str, Any]) -> list[str]:
    if "arch" in row and "archs" in row:
        raise ValueError("arch and archs exclude each other")
    archs = row.get("archs") or [row["arch"]]
    if unknown := sorted(set(archs) - set(ARCHS)):
        raise ValueError(f"{unknown[0]!r} is not one of {', '.join(ARCHS)}")
    return list(archs)


def _image(fixture: str, kind: str, row: dict[str, Any], arch: str) -> FixtureImage:
    mine = {key: _for_arch(value, arch) for key, value in row.items() if key != "end"}
    mine = {key: value for key, value in mine.items() if value is not None}
    known = {key: mine[key] for key in _TEXT if key in mine}
    lists: dict[str, Any] = {key: tuple(mine[key]) for key in _LISTS if key in mine}
    return FixtureImage(
        id=row["id"],
        fixture=fixture,
        kind=kind,
        summary=mine.get("summary", ""),
        path=FIXTURES / mine.get("file", f"{kind}/{{arch}}/{row['id']}").replace("{arch}", arch),
        arch=arch,
        end=end_for(row["end"], arch),
        extra={key: mine[key] for key in _EXTRA if key in mine},
        **known,
        **lists,
    )


def parse(text: str, kind: str, fixture: str) -> list[FixtureImage]:
    """The images of one fixture.toml.

    A key above the first [[image]] is the default for every image of the file. The image's file is KIND/ARCH/ID under
    build/fixtures unless `file` names another one. ValueError names the image and the key that are wrong.
    """
    if kind not in _BUILT_IN:
        raise ValueError(f"there is no kind {kind!r}, only {', '.join(_BUILT_IN)}")
    shared = tomllib.loads(text)
    rows = shared.pop("image", [])
    _check_keys(shared)
    defaults = _with_defaults(shared, _BUILT_IN[kind])
    found = []
    for row in rows:
        try:
            _check_keys(row, required="id")
            values = _with_defaults(row, defaults)
            found += [_image(fixture, kind, values, arch) for arch in _archs(values)]
        except ValueError as error:
            raise ValueError(f"image {row.get('id', '?')}: {error}") from error
    return found


def given_images(directory: Path) -> list[FixtureImage]:
    """Return the images NAME-ARCH-vVERSION of a directory. NAME-ARCH-vVERSION.toml next to one has its keys.

    Raise ValueError if there is none, or if a key is wrong.
    """
    if not directory.is_dir():
        raise ValueError(f"{directory}: there is no such directory")
    files = ((path, GIVEN_NAME.fullmatch(path.name)) for path in sorted(directory.iterdir()))
    found = [_given_image(path, match[2], match[3]) for path, match in files if match]
    if not found:
        raise ValueError(f"{directory} has no file NAME-ARCH-vVERSION, such as hello-x86_64-v0.11.0")
    return found


def _given_image(path: Path, arch: str, version: str) -> FixtureImage:
    keys = path.with_name(f"{path.name}.toml")
    try:
        row = tomllib.loads(keys.read_text(encoding="utf-8")) if keys.is_file() else {}
        if unknown := sorted(set(row) - set(GIVEN_KEYS)):
            raise ValueError(f"unknown key {unknown[0]!r}; known: {', '.join(GIVEN_KEYS)}")
    except ValueError as error:
        raise ValueError(f"{keys}: {error}") from error
    facts = elf.read(path)
    end = row_of_kernel(cpu_of_arch(arch), version, facts.entry_version if facts else None)
    image = _image(path.parent.name, GIVEN, {"id": path.name, "kernel": version, "end": end} | row, arch)
    return replace(image, end=row.get("end", end), path=path.absolute())


@lru_cache(maxsize=1)
def all_images() -> tuple[FixtureImage, ...]:
    """Every image of every kind of CPU, in the order of the files. ValueError names the file that is wrong."""
    found: dict[tuple[str, str], FixtureImage] = {}
    for path in sorted((ROOT / "fixtures").glob("*/*/fixture.toml")):
        try:
            for image in parse(path.read_text(), path.parts[-3], path.parts[-2]):
                if (image.arch, image.id) in found:
                    raise ValueError(f"image {image.id}: the id is used twice for {image.arch}")
                found[image.arch, image.id] = image
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
    if directory := os.environ.get(GIVEN_VARIABLE):
        found |= {(image.arch, image.id): image for image in given_images(Path(directory))}
    # A package brings some of the images along.
    return tuple(image for image in found.values() if not IS_INSTALLED or image.path.is_file())


@lru_cache(maxsize=8)
def images(arch: str = "x86_64") -> dict[str, FixtureImage]:
    """The images of one kind of CPU by id."""
    return {image.id: image for image in all_images() if image.arch == arch}
