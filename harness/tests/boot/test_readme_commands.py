# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The QEMU lines of docs/qemu.md run verbatim, apart from the words in angle brackets."""

from __future__ import annotations

import re
import shlex
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from hermit_harness.fixtures import images
from hermit_harness.paths import ROOT, loader_file
from hermit_harness.vm import host
from hermit_harness.vm.targets import TARGETS
from tests.support.errata import typed_on_microvm
from tests.support.pages import blocks_of
from tests.support.qemu import run_qemu

KVM = "-enable-kvm -cpu host"
# Lines for one machine serve these loaders: the one that the page names, and others with the same boot protocol.
LOADERS = {
    "kvm": ("x86_64-multiboot",),
    "pc": ("x86_64-multiboot", "x86_64", "x86_64-pvh"),
    "uefi": ("x86_64-uefi",),
    "guest-loader": ("aarch64-elf", "aarch64_be-elf"),
    "image": ("aarch64-uefi",),
    "riscv64": ("riscv64-sbi",),
}


@dataclass(frozen=True)
class Line:
    """A line that starts QEMU, the preceding lines of its paragraph, and the loader to use."""

    text: str
    before: tuple[str, ...]
    target: str

    def __str__(self) -> str:
        words = re.findall(r"microvm|acpi=off|kvm|qemu64|Skylake|OVMF|EFI.fd|fat:|guest-loader|-initrd", self.text)
        return "-".join([self.target, *dict.fromkeys(words)])


def _kind(text: str) -> str:
    if "OVMF" in text:
        return "uefi"
    if "qemu-system-aarch64" in text:
        return "guest-loader" if "guest-loader" in text else "image"
    if "riscv64" in text:
        return "riscv64"
    return "kvm" if KVM in text else "pc"


def lines() -> list[Line]:
    """Return each line of docs/qemu.md that begins with qemu-system-, once per loader that it serves."""
    found = []
    page = (ROOT / "docs" / "qemu.md").read_text(encoding="utf-8")
    for block in blocks_of("docs/qemu.md", page):
        rows = re.sub(r" *\\\n *", " ", block.text).splitlines() if block.language == "sh" else []
        before = tuple(row for row in rows if not row.startswith("qemu-system-"))
        starts = [row for row in rows if row.startswith("qemu-system-")]
        found += [Line(text, before, target) for text in starts for target in LOADERS[_kind(text)]]
    return found


def typed(line: Line, directory: Path, seconds: float = 120) -> subprocess.CompletedProcess[bytes]:
    """Run the line verbatim, after the lines before it."""
    image = images(TARGETS[line.target].arch)["hello"]
    names = {"<LOADER>": str(loader_file(line.target)), "<APP>": str(image.path), "<DISK>": str(directory)}

    def words(text: str) -> list[str]:
        return [re.sub("<[A-Z]+>", lambda name: names[name[0]], word) for word in shlex.split(text)]

    for text in line.before:
        subprocess.run(words(text), check=True)
    return run_qemu(words(line.text), seconds=seconds)


def greets(line: Line, done: subprocess.CompletedProcess[bytes]) -> None:
    arch = TARGETS[line.target].arch
    assert done.returncode == (3 if arch == "x86_64" else 0), done.stderr.decode()
    assert images(arch)["hello"].greeting.encode() in done.stdout
    assert f", {line.target}, ".encode() in done.stdout


@pytest.mark.requirement("L-16", "L-20", "L-34", "N-02", "N-05", "N-08", "R-05")
@pytest.mark.parametrize("line", lines(), ids=str)
def test_line_boots(line: Line, tmp_path: Path) -> None:
    """The line boots an application. Lines with KVM run with a named CPU, as the page says for hosts without KVM."""
    line = replace(line, text=line.text.replace(KVM, "-cpu Skylake-Client"))
    if "x-option-roms=off" not in line.text:
        greets(line, typed(line, tmp_path))
        return
    done = typed_on_microvm(
        "boot/microvm-line", line.text, lambda text, seconds: typed(replace(line, text=text), tmp_path, seconds)
    )
    greets(line, done)


@pytest.mark.requirement("L-07")
def test_kvm_line(tmp_path: Path) -> None:
    """The first line runs byte for byte with KVM."""
    line = lines()[0]
    assert line.text.startswith(f"qemu-system-x86_64 {KVM} -smp 1 -m 128M ")
    problem = host.kvm_problem()
    if problem:
        pytest.skip(f"no-kvm: {problem}")
    done = typed(line, tmp_path)
    if b"failed to set MSR" in done.stderr:
        pytest.skip(f"kvm-host-cpu: {done.stderr.decode().strip().splitlines()[0]}")
    greets(line, done)


@pytest.mark.requirement("L-01", "N-01")
def test_every_target_has_a_line() -> None:
    """The page shows how to start each built file, except those that QEMU cannot start (docs/grub.md has one)."""
    built = {name for name in TARGETS if loader_file(name).is_file()}
    assert {line.target for line in lines()} >= built - {"x86_64-linux", "x86_64-multiboot2"}
