# SPDX-License-Identifier: Apache-2.0 OR MIT
"""EMBED_APP=: one file that contains loader and application."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hermit_harness.fixtures import images
from hermit_harness.matrix import specs
from hermit_harness.matrix.prerequisites import BuildError, make
from hermit_harness.paths import BUILD, FIXTURES, ROOT, loader_file
from hermit_harness.verdict.outcome import Outcome
from hermit_harness.vm.spec import RunSpec
from hermit_harness.vm.targets import TARGETS, Target

Boot = Callable[[RunSpec], Outcome]
ROWS = [row for row in TARGETS.values() if loader_file(row.name).is_file()]
LINUX_VMM = FIXTURES / "start" / "x86_64" / "start-linux"


def embed(target: str, app: Path, profile: str = "release") -> Path:
    """Build the target's loader with an embedded application. Return the path in the build's last line."""
    said = make("-f", "loader/loader.mk", f"PROFILE={profile}", f"TARGET={target}", f"EMBED_APP={app}", "all")
    return ROOT / said.split()[-1]


def alone(row: Target, file: Path) -> RunSpec:
    """Return a boot of that file without an application."""
    if row.name == "x86_64-linux":  # emulated by a guest, because QEMU cannot
        plain = replace(specs.release("hello", "pc"), loader=LINUX_VMM, loader_debug=specs.debug_file(file), app=file)
        return replace(plain, modules=(images()["exit"].path,), append="ramdisk-none")  # the scenario drops it
    way = "efi-kernel" if row.way.startswith("esp") else row.way
    return replace(specs.release("hello", target_name=row.name, append=""), loader=file, app=None, way=way)


@pytest.mark.requirement("RX-03")
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_embedded_application_boots(row: Target, boot_here: Boot, tmp_path: Path) -> None:
    """Each target boots with -kernel alone.

    Other contents give another file, the plain loader's file remains, and an application passed with -initrd takes
    precedence.
    """
    usual = loader_file(row.name).read_bytes()
    app = tmp_path / "the app"
    shutil.copy(images(row.arch)["hello"].path, app)
    file = embed(row.name, app)
    assert file == BUILD / "embedded" / loader_file(row.name).relative_to(BUILD)
    outcome = boot_here(alone(row, file))
    assert outcome.matches("exit 0"), str(outcome)
    assert images(row.arch)["hello"].greeting.encode() in outcome.console

    shutil.copy(images(row.arch)["exit"].path, app)
    assert embed(row.name, app) == file
    if row.name != "x86_64-linux":
        given = specs.release("hello", target_name=row.name)
        outcome = boot_here(replace(given, loader=file))
        assert outcome.matches("exit 0"), str(outcome)
        assert images(row.arch)["hello"].greeting.encode() in outcome.console
        outcome = boot_here(replace(alone(row, file), append="-- 42"))
        assert outcome.matches("exit 42"), str(outcome)
    assert loader_file(row.name).read_bytes() == usual


@pytest.mark.requirement("RX-03", "L-06")
@pytest.mark.parametrize("target", ["x86_64-multiboot", "aarch64-elf"])
def test_embedded_real_application(target: str, boot_here: Boot) -> None:
    """A real kernel of several megabytes is placed above the loader that contains it; debug profile."""
    row = TARGETS[target]
    app = images(row.arch)["real-hello-0.11.0" + ("" if row.arch == "x86_64" else f"-{row.arch}")]
    spec = alone(row, embed(target, app.path, "debug"))
    outcome = boot_here(replace(spec, end=app.end))
    assert outcome.matches("exit 0"), str(outcome)
    assert app.greeting.encode() in outcome.console


@pytest.mark.requirement("RX-03")
def test_what_cannot_be_embedded_is_one_line() -> None:
    """A missing file, and an application without a target, are one-line errors of the build."""
    with pytest.raises(BuildError, match=r"EMBED_APP=/nonexistent/app: cannot read this file"):
        embed("x86_64", Path("/nonexistent/app"))
    with pytest.raises(BuildError, match=r"EMBED_APP= needs TARGET=.*known: .*aarch64-elf"):
        make("-f", "loader/loader.mk", f"EMBED_APP={images()['hello'].path}", "all")
