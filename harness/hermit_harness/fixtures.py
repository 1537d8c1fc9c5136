# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The fixtures of the tree: every image of every fixture.toml."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from hermit_harness.paths import FIXTURES, ROOT
from hermit_harness.vm.targets import ARCHS, cpu_of_arch

KINDS = ("bare", "real", "liar", "start", "corpus")


@dataclass(frozen=True)
class Image:
    """One bootable (or refusable) file, known by (arch, id). `needs` is what the machine must have; `extra` holds keys
    that this table does not know."""

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
    """KERNEL_ARGS and APP_ARGS as one command line; the `--` stands only where application arguments follow."""
    return f"{kernel_args} -- {app_args}".strip() if app_args else kernel_args


_TEXT = ("kernel", "greeting", "args", "kernel_args", "expect")
_LISTS = ("features", "needs")
_OURS = ("id", "file", "arch", "archs", "end", "summary")


def _for(value: Any, arch: str) -> Any:
    """A value of fixture.toml for one kind of CPU: a table is looked up by it."""
    return value.get(arch) if isinstance(value, dict) else value


def end_for(value: Any, arch: str) -> str:
    """The row of ends.toml: a text, in which {arch} stands for the CPU, or a table of texts by kind of CPU. A text that
    names no CPU means the row of that name for this one: `bare` on aarch64 is `bare-aarch64`."""
    text = str(_for(value, arch) or "bare").replace("{arch}", cpu_of_arch(arch))
    if arch == "x86_64":
        return {"bare-x86_64": "bare"}.get(text, text.replace("-x86_64", "-x86"))
    named = isinstance(value, dict) or cpu_of_arch(arch) in text
    return text if named else f"{text.removesuffix('-x86')}-{cpu_of_arch(arch)}"


def _archs(row: dict[str, Any], where: Path) -> list[str]:
    archs = row.get("archs") or [row.get("arch", "x86_64")]
    unknown = sorted(set(archs) - set(ARCHS))
    if unknown or ("arch" in row and "archs" in row):
        raise ValueError(f"{where}: image {row.get('id')}: one of arch and archs, of {', '.join(ARCHS)}")
    return list(archs)


def _image(fixture: dict[str, Any], row: dict[str, Any], arch: str, where: Path) -> Image:
    if fixture["kind"] not in KINDS:
        raise ValueError(f"{where}: kind {fixture['kind']!r} is none of {', '.join(KINDS)}")
    for key in ("id", "file"):
        if key not in row:
            raise ValueError(f"{where}: an image has no {key}")
    mine = {key: _for(value, arch) for key, value in row.items() if key != "end"}
    mine = {key: value for key, value in mine.items() if value is not None}
    known = {key: mine[key] for key in _TEXT if key in mine}
    lists: dict[str, Any] = {key: tuple(mine[key]) for key in _LISTS if key in mine}
    rest = {key: value for key, value in mine.items() if key not in (*_TEXT, *_LISTS, *_OURS)}
    return Image(
        id=row["id"],
        fixture=fixture["name"],
        kind=fixture["kind"],
        summary=mine.get("summary", fixture.get("summary", "")),
        path=FIXTURES / mine["file"].replace("{arch}", arch),
        arch=arch,
        end=end_for(row.get("end"), arch),
        extra=rest,
        **known,
        **lists,
    )


@lru_cache(maxsize=1)
def every_image() -> tuple[Image, ...]:
    """Every image of every kind of CPU, in the order of the files. ValueError names the file that is wrong."""
    found: dict[tuple[str, str], Image] = {}
    for path in sorted((ROOT / "fixtures").glob("*/*/fixture.toml")):
        if path.parts[-3] == "template":
            continue
        try:
            fixture = tomllib.loads(path.read_text())
        except tomllib.TOMLDecodeError as error:
            raise ValueError(f"{path}: {error}") from error
        for row in fixture.get("image", []):
            for arch in _archs(row, path):
                image = _image(fixture, row, arch, path)
                if (arch, image.id) in found:
                    raise ValueError(f"{path}: the id {image.id!r} is used twice for {arch}")
                found[arch, image.id] = image
    return tuple(found.values())


@lru_cache(maxsize=8)
def images(arch: str = "x86_64") -> dict[str, Image]:
    """The images of one kind of CPU by id."""
    return {image.id: image for image in every_image() if image.arch == arch}
