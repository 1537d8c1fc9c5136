# SPDX-License-Identifier: Apache-2.0 OR MIT
"""hermitctl compare: sizes, instructions and memory of two sides."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile

from hermit_harness.boot import boot
from hermit_harness.cli.compare import rows_of, sections
from hermit_harness.matrix import specs
from hermit_harness.paths import loader_file
from tests.support.cli import ctl


@pytest.mark.requirement("P-02")
def test_two_equal_sides_and_another_loader(tmp_path: Path) -> None:
    """A run and the loader by which it was booted are equal to the instruction; another loader file is not."""
    outcome = boot(specs.release("hello"), artifacts=tmp_path / "run")
    assert outcome.matches("exit 0")
    done = ctl("compare", "--json", "--app", "hello", tmp_path / "run", "x86_64-multiboot")
    run, same = json.loads(done.stdout)["tables"]
    assert run == same
    assert run["instructions"]["loader"] > 1000 and run["memory"]["image, after: size"] > 0
    text = ctl("compare", "--app", "hello", "x86_64-multiboot", "x86_64").stdout
    assert "sizes of the loader\n" in text and "sizes of the application" not in text
    assert f"  {run['instructions']['loader']} " in text


def test_sections_of_each_format(tmp_path: Path) -> None:
    """The sizes are those of pyelftools, and the same in the 32-bit form of upstream's file; PE files have some."""
    file = loader_file()
    with file.open("rb") as stream:
        allocated = [one for one in ELFFile(stream).iter_sections() if one["sh_flags"] & SH_FLAGS.SHF_ALLOC]
        expected = {one.name: one["sh_size"] for one in allocated}
    assert sections(file.read_bytes()) == expected
    subprocess.run(["objcopy", "-O", "elf32-i386", file, tmp_path / "wide"], check=True)
    assert sections((tmp_path / "wide").read_bytes()) == expected
    assert sections(loader_file("x86_64-uefi").read_bytes())[".text"] > 1000
    assert sections(b"text") == {}


def test_difference() -> None:
    """What only one side has is shown, and has no difference."""
    assert list(rows_of("memory", ({"a": 16, "b": 1}, {"a": 8}))) == [("a", "0x10", "0x8", "-8"), ("b", "0x1", "-", "")]


def test_no_loader(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("text")
    done = ctl("compare", tmp_path / "text", "x86_64-multiboot")
    assert (done.returncode, done.stderr.count("\n")) == (125, 1)
    assert "says for which target this loader is" in done.stderr
