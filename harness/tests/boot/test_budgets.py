# SPDX-License-Identifier: Apache-2.0 OR MIT
"""What the loader costs stays within harness/budgets.toml: bytes of its files, and instructions of a boot."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from elftools.elf.elffile import ELFFile

from hermit_harness.matrix import specs
from hermit_harness.matrix.table import HARNESS
from hermit_harness.paths import ROOT, loader_file
from hermit_harness.vm.argv import standalone_argv
from hermit_harness.vm.icount import counts
from hermit_harness.vm.targets import TARGETS
from tests.support.qemu import run_qemu

BUDGETS: dict[str, Any] = tomllib.loads((HARNESS / "budgets.toml").read_text(encoding="utf-8"))
OTHER_COMPILER = 1.10
SLACK = 0.90  # a limit far above the value would hide growth


def entry_point(file: Path) -> int:
    with file.open("rb") as stream:
        return int(ELFFile(stream).header.e_entry)


def built_with(target_name: str) -> str:
    """Return compiler and major version as the loader's banner reports them."""
    found = re.search(rb"Built with (\w+) (\d+)|(?:gcc|clang) \d+", loader_file(target_name).read_bytes())
    assert found
    return found[0].removeprefix(b"Built with ").decode()


def check(value: int, limit: int, target_name: str) -> None:
    same = built_with(target_name) == BUDGETS["compiler"]
    assert value <= limit * (1 if same else OTHER_COMPILER), f"{value} exceeds {limit}"
    assert not same or value >= limit * SLACK, f"{value} is far below {limit}: lower the limit in budgets.toml"


@pytest.mark.requirement("P-02")
def test_every_target_has_a_limit() -> None:
    assert set(BUDGETS["size"]) == set(TARGETS)


@pytest.mark.requirement("P-02")
@pytest.mark.parametrize("target_name", BUDGETS["size"])
def test_size(target_name: str) -> None:
    check(loader_file(target_name).stat().st_size, BUDGETS["size"][target_name], target_name)


@pytest.mark.requirement("P-02")
@pytest.mark.parametrize("boot", BUDGETS["instructions"])
def test_instructions(boot: str, tmp_path: Path) -> None:
    """The number is exact: the same command gives the same one, whatever else the machine does."""
    target_name, _, image = boot.partition("/")
    spec = specs.release(image, target_name=target_name)
    assert spec.app and spec.loader_debug
    command = standalone_argv(spec)
    at = re.search(rb"Loading kernel to 0x([0-9a-f]+)", run_qemu(command).stdout)
    assert at
    # The guest sees the paths on its command line, and their length would count.
    qemu = [word.replace(f"{ROOT}/", "") for word in command]
    serial = qemu.index("-serial")
    del qemu[serial : serial + 2]
    entries = (entry_point(spec.loader_debug), int(at[1], 16) + entry_point(spec.app))
    first, last = counts(qemu, entries, tmp_path, ROOT)
    check(last - first, BUDGETS["instructions"][boot], target_name)
