# SPDX-License-Identifier: Apache-2.0 OR MIT
"""`make test LOADERS=`: the cells against the files of another loader."""

from __future__ import annotations

import os
import re
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from hermit_harness.fixtures import all_images
from hermit_harness.matrix import expand, loaders, probe
from hermit_harness.matrix.prerequisites import PREPARED
from hermit_harness.matrix.table import matrix
from hermit_harness.paths import ROOT, loader_file
from hermit_harness.report import results

# The files of upstream's releases 0.5.6 and 0.5.7, by the target that boots them.
RELEASES = {
    "0.5.6": {
        "x86_64-multiboot": "hermit-loader-x86_64",
        "x86_64": "hermit-loader-x86_64",
        "x86_64-linux": "hermit-loader-x86_64-fc",
        "x86_64-uefi": "hermit-loader-x86_64.efi",
        "aarch64-elf": "hermit-loader-aarch64",
        "aarch64_be-elf": "hermit-loader-aarch64_be",
        "riscv64-sbi": "hermit-loader-riscv64",
    },
    "0.5.7": {
        "x86_64-multiboot": "hermit-loader-x86_64-multiboot",
        "x86_64-linux": "hermit-loader-x86_64-linux",
        "x86_64-uefi": "hermit-loader-x86_64.efi",
        "aarch64-elf": "hermit-loader-aarch64-elf",
        "aarch64_be-elf": "hermit-loader-aarch64_be-elf",
        "riscv64-sbi": "hermit-loader-riscv64-sbi",
    },
}
HOST_MIB = 1 << 20
REAL = "real-hello-0.11.0"
UD2 = b"\x0f\x0b"  # without an interrupt table the CPU resets


@pytest.mark.parametrize("files", RELEASES.values(), ids=RELEASES)
def test_files_of_a_release(files: dict[str, str], tmp_path: Path) -> None:
    """Each file of an upstream release is found by its name, and each alone as well."""
    for name in files.values():
        (tmp_path / name).touch()
    assert loaders.find(tmp_path) == {target: tmp_path / name for target, name in files.items()}
    for target, name in files.items():
        assert target in loaders.find(tmp_path / name)


@pytest.mark.parametrize(
    ("head", "target"),
    [
        (b"\x7fELF\1\1" + bytes(12) + struct.pack("<H", 3), "x86_64-multiboot"),
        (b"\x7fELF\2\2" + bytes(12) + struct.pack(">H", 183), "aarch64_be-elf"),
        (b"MZ" + bytes(58) + struct.pack("<I4sH", 64, b"PE\0\0", 0xAA64), "aarch64-uefi"),
    ],
    ids=["elf", "big-endian", "pe"],
)
def test_file_with_another_name(head: bytes, target: str, tmp_path: Path) -> None:
    """The header of a file that cargo has built names its target."""
    (tmp_path / "hermit-loader").write_bytes(head)
    assert list(loaders.find(tmp_path / "hermit-loader")) == [target]


@pytest.mark.parametrize("name", ["none", "text", "."])
def test_no_loader(name: str, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no loader")
    with pytest.raises(ValueError, match=r"no such file|neither the name nor the header|has no loader"):
        loaders.find(tmp_path / name)


def test_what_cannot_run_is_listed() -> None:
    """Cells of a target without a file, and those for special builds of this tree, are omitted with that reason."""
    files = {"x86_64-multiboot": Path("hermit-loader")}
    planned = expand.expand(matrix(), all_images(), HOST_MIB, probe.Probe(), files)
    reasons = {discard.id: discard.reason for discard in planned.discards}
    assert "have none for riscv64-sbi" in reasons["riscv64-sbi/virt/tcg/hello"]
    assert "another build of this tree" in reasons["x86_64-multiboot/pc/tcg/hello/pad16k"]
    assert {cell.target for cell in planned.cells()} == {"x86_64-multiboot"}


@pytest.mark.requirement("P-05")
def test_cells_of_another_loader(tmp_path: Path) -> None:
    """A loader that crashes makes a cell red, twice; what it does not promise is listed with how it ended.

    The other tests do not run.
    """
    loader = loader_file()
    with loader.open("rb") as file:
        elf = ELFFile(file)
        (entry,) = elf.address_offsets(elf.header.e_entry)
    data = bytearray(loader.read_bytes())
    data[entry : entry + len(UD2)] = UD2
    (tmp_path / "hermit-loader-x86_64").write_bytes(data)
    pattern = f"x86_64-multiboot/pc/tcg/{REAL}/mem[4f]*"
    words = ("--loaders", str(tmp_path), "--cell", pattern, f"--junit-xml={tmp_path}/junit.xml")
    argv = [sys.executable, "-m", "pytest", "-n", "0", *words, "harness/tests/boot"]
    here = os.environ | {PREPARED: "1", "HERMIT_REPORT": str(tmp_path)}
    done = subprocess.run(argv, cwd=ROOT, env=here, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1, done.stdout
    tests = {test.cell: test for test in results.read(tmp_path / results.NAME).tests}
    assert {cell.rpartition("/")[2]: test.outcome for cell, test in tests.items()} == {
        "mem4G": "failed",
        "memfloor": "skipped",
    }
    red = tests[f"x86_64-multiboot/pc/tcg/{REAL}/mem4G"]
    assert "triple fault" in red.reason and red.again.startswith("crash: triple fault")
    assert re.search(
        r"not promised by this loader =+\n\S*/memfloor: the minimum .*\(L-11\): .*triple fault", done.stdout
    )
    assert f"x86_64-multiboot: {tmp_path}/hermit-loader-x86_64\n" in done.stdout
