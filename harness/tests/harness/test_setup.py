# SPDX-License-Identifier: Apache-2.0 OR MIT
"""ci/setup.sh: which packages are missing. dpkg-query is replaced, so nothing is installed."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from hermit_harness.cli.doctor import OLDEST, PROGRAMS, Check, installation, packages, row
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
    keys = {"what", "good", "found", "cure", "needed", "version", "oldest", "package"}
    assert all(set(row) == keys for row in rows.values())


@pytest.mark.requirement("C-03")
def test_doctor_says_what_can_be_built(tmp_path: Path) -> None:
    """The doctor names the processors of the loaders that can be built here, and the compiler that others need."""
    for tool in ("gcc", "riscv64-linux-gnu-gcc"):
        (tmp_path / tool).symlink_to("/bin/true")
    rows = {row["what"]: row for row in json.loads(ctl("doctor", "--json", env={"PATH": str(tmp_path)}).stdout)}
    here, other = sorted(("x86_64", "aarch64"), key=lambda cpu: cpu != os.uname().machine)
    found = rows["builds for"]["found"]
    assert found.endswith(f" on {here}; {other} needs {other}-linux-gnu-gcc")
    assert set(found.partition(",")[0].split()) == {here, "riscv64"}


@pytest.mark.requirement("C-04", "C-06", "M-06")
def test_doctor_compares_versions(tmp_path: Path) -> None:
    """A program that is older than every tested version is marked, and named at the end; a newer one is not."""
    says = {"qemu-system-x86_64": "QEMU emulator version 5.2.0 (Debian 1:5.2+dfsg-11)", "gcc": "gcc (GCC) 100.1.0"}
    for name, text in says.items():
        (tmp_path / name).write_text(f"#!/bin/sh\necho '{text}'\n")
        (tmp_path / name).chmod(0o755)
    done = ctl("doctor", env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    lines = {line.split()[1]: line for line in done.stdout.splitlines() if len(line.split()) > 1}
    assert lines["qemu-system-x86_64"].split(None, 2)[::2] == [
        "old",
        "5.2.0 is older than 7.2, the oldest that is tested",
    ]
    assert lines["gcc"].split() == ["ok", "gcc", "100.1.0"]
    assert "; older than tested: qemu-system-x86_64" in done.stdout.splitlines()[-1]


@pytest.mark.requirement("C-06")
def test_pages_state_the_versions() -> None:
    """The documents name QEMU's package, and the oldest version of each program that is tested."""
    assert f"QEMU {OLDEST['qemu-system-x86_64']}" in (ROOT / "docs" / "install.md").read_text()
    page = (ROOT / "docs" / "building.md").read_text()
    wanted = {f"{program} {version}" for program, version in OLDEST.items()}
    assert {text for text in wanted if text not in page} == set()
    assert "`qemu-system-x86`" in (ROOT / "docs" / "install.md").read_text()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_doctor_fits_the_terminal(width: int) -> None:
    """Long findings continue in their column, between words; the command that installs can be pasted."""
    names = ("lintian", "buildah", "debootstrap", "slurmctld", "chromium-driver")
    models = Check("NIC models", True, " ".join(f"virtio-{n}-transitional" for n in range(9)))
    missing = [Check(n, False, f"missing (for {n})", f"sudo apt-get install {n}", False, package=n) for n in names]
    lines = row(models, 15, width)
    assert len(lines) > 1 and {line[:25] for line in lines[1:]} == {" " * 25}
    assert [word for line in lines for word in line.split()][3:] == models.found.split()
    title, *command = installation([models, *missing], width)
    assert title == "to install what is not needed:"
    assert " ".join(line.removesuffix("\\").strip() for line in command) == f"sudo apt-get install {' '.join(names)}"
    assert [line.endswith(" \\") for line in command] == [True] * (len(command) - 1) + [False]
    assert max(map(len, [*lines, *command])) <= width
