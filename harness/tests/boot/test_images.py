# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The loader boots a Hermit image, and an application of gzip alone, wherever it boots an application."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hermit_harness import image
from hermit_harness.image import Image
from hermit_harness.matrix import specs
from hermit_harness.verdict.outcome import Outcome
from hermit_harness.vm.spec import RunSpec

Boot = Callable[[RunSpec], Outcome]
TARGETS = [
    ("x86_64-multiboot", "microvm"),
    ("x86_64-uefi", ""),
    ("aarch64-elf", ""),
    ("aarch64-uefi", ""),
    ("riscv64-sbi", ""),
]


def packed(spec: RunSpec, directory: Path, content: Image) -> RunSpec:
    """The boot of an application in a Hermit image, with no arguments but those of the image."""
    assert spec.app
    file = directory / "app.hermit"
    file.write_bytes(image.pack(replace(content, app=spec.app.read_bytes()), "16 MiB"))
    return replace(spec, app=file, append="")


@pytest.mark.requirement("N-25")
@pytest.mark.parametrize(("name", "machine"), TARGETS)
def test_arguments_arrive(name: str, machine: str, boot_here: Boot, tmp_path: Path) -> None:
    """Arguments and variables reach the application as hermit.toml has them, quotes and blanks included."""
    content = Image(b"", ("-x",), ("one", "two words", "it's"), ("A=b c",))
    spec = packed(specs.release("args", machine, name), tmp_path, content)
    outcome = boot_here(spec)
    assert outcome.matches("exit 0"), str(outcome)
    text = outcome.console.decode()
    assert re.findall(r"argv\[[1-9]\]=<<<(.*)>>>", text) == ["one", "two words", "it's"]
    # microvm: the user's -freq and QEMU's words are between.
    between = r" -freq \d+( virtio_mmio\.device=\S+)*" if machine == "microvm" else ""
    assert re.search(rf"'env=A=b c' -x{between} -- one 'two words' 'it'\\''s'>>>", text), text


@pytest.mark.requirement("N-25")
@pytest.mark.parametrize(("name", "machine"), [("real-hello-0.11.0-microvm", "microvm"), ("real-hello-0.11.0", "pc")])
def test_real_kernel(name: str, machine: str, boot_here: Boot, tmp_path: Path) -> None:
    """A real kernel obeys the image's arguments. On microvm, without a clock to measure by, QEMU's user gives -freq."""
    spec = packed(specs.release(name, machine), tmp_path, Image(b"", ("-freq", "2001"), env=("A=b",)))
    outcome = boot_here(spec)
    assert outcome.matches("exit 0"), str(outcome)
    assert b"CPUs: 1, " in outcome.console
    assert machine == "microvm" or b"CPUs: 1, 2001 MHz" in outcome.console


@pytest.mark.requirement("N-25")
def test_compressed_application(boot_here: Boot, tmp_path: Path) -> None:
    """An application that is compressed alone gets the user's arguments."""
    spec = specs.release("args", append="-- x")
    assert spec.app
    file = tmp_path / "args.gz"
    file.write_bytes(image.compress(spec.app.read_bytes()))
    outcome = boot_here(replace(spec, app=file))
    assert outcome.matches("exit 0") and b"argv[1]=<<<x>>>" in outcome.console, str(outcome)
