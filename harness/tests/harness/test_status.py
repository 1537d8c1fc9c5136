# SPDX-License-Identifier: Apache-2.0 OR MIT
"""`hermitctl run FILE`: the exit status of an application that no fixture.toml describes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hermit_harness.fixtures import images
from hermit_harness.paths import ROOT

ENV = {key: value for key, value in os.environ.items() if not key.startswith("HERMIT_")}


def run(directory: Path, arch: str, image: str, *words: str, options: tuple[str, ...] = ()) -> tuple[int, str]:
    """Boot a copy of an image. Return the exit status and the harness's lines."""
    app = directory / f"copy-of-{image}"
    shutil.copyfile(images(arch)[image].path, app)
    done = subprocess.run(
        [sys.executable, "-m", "hermit_harness", "run", f"--artifacts={directory / 'run'}", *options, str(app), *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=ENV | {"PYTHONPATH": str(ROOT / "harness")},
        check=False,
        timeout=60,
    )
    return done.returncode, done.stderr.decode()


@pytest.mark.requirement("L-12", "L-23")
@pytest.mark.parametrize(("arch", "image"), [("aarch64", "exit"), ("riscv64", "exit"), ("x86_64", "exit")])
@pytest.mark.parametrize("status", [0, 2, 42])
def test_application_that_ends_by_itself(arch: str, image: str, status: int, tmp_path: Path) -> None:
    """Semihosting, the test device and isa-debug-exit carry the status without --end."""
    code, said = run(tmp_path, arch, image, "--", str(status))
    assert (code, f"app exit {status} after " in said) == (status, True), said


@pytest.mark.requirement("L-12", "N-28")
@pytest.mark.parametrize("machine", ["pc", "microvm"])
def test_kernel_of_entry_version_1(machine: str, tmp_path: Path) -> None:
    """Such a kernel cannot report its status: an end in its way is a pass, on a machine with ACPI and without."""
    code, said = run(tmp_path, "x86_64", "hello-e1", options=(f"--machine={machine}",))
    assert (code, "app ended, status unknown after " in said) == (0, True), said


@pytest.mark.requirement("L-12")
@pytest.mark.parametrize(("arch", "text"), [("aarch64", "failed"), ("riscv64", "exit status 0\\nfailed")])
def test_unknown_status(arch: str, text: str, tmp_path: Path) -> None:
    """A power-off without a status line is no success, except with --allow-unknown, which cannot hide a status."""
    code, said = run(tmp_path, arch, "say", "--", text, "poweroff")
    assert (code, "app ended, status unknown after " in said) == (1, True), said
    assert "--allow-unknown" in said
    allowed = ("--allow-unknown",)
    assert run(tmp_path, arch, "say", "--", text, "poweroff", options=allowed)[0] == 0
    assert run(tmp_path, arch, "say", "--", text, "7", options=allowed)[0] == 7
    assert run(tmp_path, arch, "say", "--", "exit status 5", "poweroff", options=allowed)[0] == 5
