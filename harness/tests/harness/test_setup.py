# SPDX-License-Identifier: Apache-2.0 OR MIT
"""ci/setup.sh: which packages are missing. dpkg-query is replaced, so nothing is installed."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from hermit_harness.cli.doctor import PROGRAMS, packages
from hermit_harness.paths import ROOT
from tests.support.cli import ctl

ALL = packages("debian")
NEEDED = {"run": ("run",), "debug": ("run", "debug"), "test": ("run", "debug", "test", "lint")}


def setup(what: str, installed: list[str], directory: Path) -> subprocess.CompletedProcess[str]:
    """Call the set-up on a system where only these packages are installed."""
    fake = directory / "dpkg-query"
    fake.write_text(f"#!/bin/sh\nprintf 'ii  %s\\n' {' '.join(installed)}\nprintf 'rc  %s\\n' nasm\n")
    fake.chmod(0o755)
    env = os.environ | {"PATH": f"{directory}:{os.environ['PATH']}", "SETUP": "no"}
    argv = [str(ROOT / "ci" / "setup.sh"), what]
    return subprocess.run(argv, env=env, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)


@pytest.mark.requirement("L-02")
@pytest.mark.parametrize("what", NEEDED)
def test_missing_packages(what: str, tmp_path: Path) -> None:
    """Each missing package has a line with its purpose, and is in the command that installs it; no other is."""
    needed = {package: purpose for package, needed_by, purpose in ALL if needed_by in NEEDED[what]}
    for installed in ([], [package for package in needed if package not in ("nasm", "gcc")]):
        missing = sorted(set(needed) - set(installed))
        done = setup(what, installed, tmp_path)
        assert done.returncode == 1
        first, *lines = done.stdout.splitlines()
        assert first == f"`make {what}` needs {len(missing)} more package(s):"
        listed = dict(line.split(None, 1) for line in lines if line.startswith("  ") and line[2] != " ")
        assert listed == {package: needed[package] for package in missing}
        _, _, command = lines[-1].partition("apt-get install --no-install-recommends ")
        assert sorted(command.split()) == missing


@pytest.mark.requirement("L-02")
def test_nothing_is_missing(tmp_path: Path) -> None:
    """If all packages are installed, none is named."""
    done = setup("test", [package for package, _, _ in ALL], tmp_path)
    assert "more package" not in done.stdout
    assert not any(f"  {package} " in done.stdout for package, _, _ in ALL)


@pytest.mark.requirement("L-02")
def test_doctor_names_each_missing_program() -> None:
    """Without any program, the doctor names each package and the line that installs it, and counts them at the end."""
    env = {"PATH": "/nowhere"}
    rows = {row["what"]: row for row in json.loads(ctl("doctor", "--json", env=env).stdout)}
    for package, _, purpose in ALL:
        program = PROGRAMS.get(package, package)
        if program:
            assert not rows[program]["good"]
            assert rows[program]["cure"].endswith(f" {package}")
            assert rows[program]["found"] == f"missing ({purpose})"
    done = ctl("doctor", env=env)
    missing = [what for what, row in rows.items() if row["needed"] and not row["good"]]
    assert (done.returncode, done.stdout.splitlines()[-1]) == (1, f"{len(missing)} missing: {', '.join(missing)}")


@pytest.mark.requirement("M-25")
def test_doctor_ends_with_one_line() -> None:
    """With everything here the last line says so, and what else this machine does without."""
    done = ctl("doctor")
    assert (done.returncode, done.stdout.splitlines()[-1].partition(";")[0]) == (0, "all well")
    rows = {row["what"]: row for row in json.loads(ctl("doctor", "--json").stdout)}
    assert {"x86_64", "aarch64", "riscv64"} <= set(rows["GDB knows"]["found"].split())
    assert {"virtio", "rtl8139"} <= set(rows["NIC models"]["found"].split())
    assert "cargo" in rows
    assert all(set(row) == {"what", "good", "found", "cure", "needed"} for row in rows.values())
