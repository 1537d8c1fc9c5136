# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The fixtures of the tree: every image of every fixture.toml."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from hermit_harness.paths import FIXTURES, ROOT

KINDS = ("bare", "real", "liar", "start", "corpus")


@dataclass(frozen=True)
class Image:
    """One bootable (or refusable) file. `needs` is what the machine must have; `extra` holds keys that this table
    does not know."""

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


_TEXT = ("arch", "kernel", "end", "greeting", "args", "kernel_args", "expect")
_LISTS = ("features", "needs")


def _image(fixture: dict[str, Any], row: dict[str, Any], where: Path) -> Image:
    if fixture["kind"] not in KINDS:
        raise ValueError(f"{where}: kind {fixture['kind']!r} is none of {', '.join(KINDS)}")
    for key in ("id", "file"):
        if key not in row:
            raise ValueError(f"{where}: an image has no {key}")
    known = {key: row[key] for key in _TEXT if key in row}
    lists: dict[str, Any] = {key: tuple(row[key]) for key in _LISTS if key in row}
    rest = {key: value for key, value in row.items() if key not in (*_TEXT, *_LISTS, "id", "file")}
    return Image(
        id=row["id"],
        fixture=fixture["name"],
        kind=fixture["kind"],
        summary=row.get("summary", fixture.get("summary", "")),
        path=FIXTURES / row["file"],
        extra=rest,
        **known,
        **lists,
    )


@lru_cache(maxsize=1)
def images() -> dict[str, Image]:
    """Every image by id, in the order of the files. ValueError names the file that is wrong."""
    found: dict[str, Image] = {}
    for path in sorted((ROOT / "fixtures").glob("*/*/fixture.toml")):
        if path.parts[-3] == "template":
            continue
        try:
            fixture = tomllib.loads(path.read_text())
        except tomllib.TOMLDecodeError as error:
            raise ValueError(f"{path}: {error}") from error
        for row in fixture.get("image", []):
            image = _image(fixture, row, path)
            if image.id in found:
                raise ValueError(f"{path}: the id {image.id!r} is used twice")
            found[image.id] = image
    return found
