# SPDX-License-Identifier: Apache-2.0 OR MIT
"""One image of several CPUs: what a fixture.toml says once, and what each of them gets of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hermit_harness import fixtures
from hermit_harness.paths import FIXTURES
from hermit_harness.verdict.ends import ends

FIXTURE = {"name": "hello", "kind": "bare", "summary": "says hello"}


def row(arch: str, **values: Any) -> fixtures.Image:
    entry = {"id": "hello", "file": "bare/{arch}/hello", **values}
    return fixtures._image(FIXTURE, entry, arch, Path("fixture.toml"))


@pytest.mark.parametrize("arch", ["x86_64", "aarch64", "aarch64_be", "riscv64"])
def test_one_entry_for_every_cpu(arch: str) -> None:
    """An image is known by CPU and id; {arch} in its file is the CPU with its byte order."""
    image = row(arch)
    assert (image.arch, image.id) == (arch, "hello")
    assert image.path == FIXTURES / "bare" / arch / "hello"


@pytest.mark.parametrize(
    ("end", "arch", "wanted"),
    [
        ("bare", "x86_64", "bare"),
        ("bare", "aarch64_be", "bare-aarch64"),
        ("bare-{arch}", "x86_64", "bare"),
        ("bare-{arch}", "riscv64", "bare-riscv64"),
        ("hermit-0.10-x86", "x86_64", "hermit-0.10-x86"),
        ("hermit-0.10-{arch}", "aarch64", "hermit-0.10-aarch64"),
        ({"x86_64": "hermit-0.10-x86", "riscv64": "bare-riscv64"}, "riscv64", "bare-riscv64"),
    ],
)
def test_end_by_cpu(end: Any, arch: str, wanted: str) -> None:
    assert row(arch, end=end).end == wanted


def test_values_by_cpu() -> None:
    """Whatever differs stands in a table by CPU; one that is missing there is the default."""
    image = row("aarch64", needs={"x86_64": ["acpi"]}, memory={"aarch64": "512M"}, expect="hang")
    assert (image.needs, image.extra, image.expect) == ((), {"memory": "512M"}, "hang")


def test_unknown_cpu_is_an_error() -> None:
    with pytest.raises(ValueError, match="one of arch and archs"):
        fixtures._archs({"id": "hello", "archs": ["vax"]}, Path("fixture.toml"))


def test_every_image_ends_by_a_row_that_exists() -> None:
    assert {image.end for image in fixtures.every_image()} <= set(ends())
