# SPDX-License-Identifier: Apache-2.0 OR MIT
"""`make test KERNELS=`: the images of a directory as cells."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hermit_harness.fixtures import FixtureImage, given_images, images
from hermit_harness.matrix.prerequisites import PREPARED
from hermit_harness.paths import ROOT
from hermit_harness.report import results

# An application that writes into a shared directory, as rftrace does.
TRACING = """\
args = "/myfs/from /myfs/tracedir/trace.dat"
share = "shared"
written = ["tracedir/*.dat"]
"""
GREETING = 'machines = ["pc", "q35"]\ngreeting = "no such line"\n'


def directory_with(directory: Path, **files: tuple[str, str]) -> Path:
    """Fill a directory with images of this tree, each with the text of its TOML file."""
    for name, (image, text) in files.items():
        path = directory / f"{name}-x86_64-v0.11.0"
        path.symlink_to(images()[image].path)
        if text:
            path.with_name(f"{path.name}.toml").write_text(text)
    return directory


def test_cells_of_images_by_path(tmp_path: Path) -> None:
    """Each image is a cell, its file says what is expected, and a wrong expectation is red. No other test runs."""
    directory_with(
        tmp_path, plain=("real-hello-0.11.0", ""), traced=("real-copy-0.11.0", TRACING), wrong=("hello", GREETING)
    )
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "from").write_bytes(b"a trace")
    report = tmp_path / "report"
    words = ("--once", "--kernels", str(tmp_path), f"--junit-xml={report}/junit.xml", "harness/tests/boot")
    here = os.environ | {PREPARED: "1", "HERMIT_REPORT": str(report)}
    argv = [sys.executable, "-m", "pytest", "-n", "0", *words]
    done = subprocess.run(argv, cwd=ROOT, env=here, capture_output=True, text=True, check=False, timeout=120)
    tests = results.read(report / results.NAME).tests
    assert {test.cell.partition("/")[2]: test.outcome for test in tests} == {
        "pc/tcg/plain-x86_64-v0.11.0": "passed",
        "pc/tcg/traced-x86_64-v0.11.0": "passed",
        "pc/tcg/wrong-x86_64-v0.11.0": "failed",
        "q35/tcg/wrong-x86_64-v0.11.0": "failed",
    }, done.stdout
    assert (tmp_path / "shared" / "tracedir" / "trace.dat").read_bytes() == b"a trace"


def test_name_has_cpu_and_kernel(tmp_path: Path) -> None:
    """The name determines CPU and end; the TOML file may name another end."""
    for name in ("a-b-riscv64-v0.12.3", "old-aarch64-v0.6.8", "old-x86_64-v0.6.0", "other", "hello-x86_64-v0.11.0"):
        (tmp_path / name).touch()
    (tmp_path / "hello-x86_64-v0.11.0.toml").write_text('end = "hermit-acpi-off"\n')

    def shown(image: FixtureImage) -> tuple[str, str, str]:
        return image.id, image.arch, image.end

    assert [shown(image) for image in given_images(tmp_path)] == [
        ("a-b-riscv64-v0.12.3", "riscv64", "hermit-0.10-riscv64"),
        ("hello-x86_64-v0.11.0", "x86_64", "hermit-acpi-off"),
        ("old-aarch64-v0.6.8", "aarch64", "hermit-power-off"),
        ("old-x86_64-v0.6.0", "x86_64", "hermit-e1-x86"),
    ]


@pytest.mark.parametrize(
    ("name", "text", "wrong"),
    [("hello", "", "has no file NAME-ARCH-vVERSION"), ("hello-x86_64-v0.11.0", "greting = 1", "unknown key 'greting'")],
)
def test_mistakes_are_errors(name: str, text: str, wrong: str, tmp_path: Path) -> None:
    (tmp_path / name).touch()
    (tmp_path / f"{name}.toml").write_text(text)
    with pytest.raises(ValueError, match=wrong):
        given_images(tmp_path)
