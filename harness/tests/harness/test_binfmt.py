# SPDX-License-Identifier: Apache-2.0 OR MIT
"""`make install-binfmt`: applications run as programs of Linux. The registration is in namespaces of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from hermit_harness.fixtures import images
from hermit_harness.paths import ROOT
from tests.support.cli import ENVIRONMENT
from tests.support.processes import background

MOUNT = "mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc"
REGISTER = f"{MOUNT} && make -s -C {ROOT} install-binfmt"
QUICKLY = {"HERMIT_KVM": "0", "HERMIT_MEM": "128M", "HERMIT_PREPARED": "1"}


def inside(script: str) -> Sequence[str]:
    return ("unshare", "--user", "--map-root-user", "--mount", "sh", "-ec", script)


def environment(directory: Path) -> dict[str, str]:
    """Boot quickly, and leave the reports of the runs in `directory`."""
    return {**ENVIRONMENT, **QUICKLY, "XDG_STATE_HOME": str(directory / "state")}


def copies(directory: Path, *names: str) -> None:
    for name in names:
        shutil.copy(images()[name].path, directory / name)


def run(script: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """Run a script of the shell where binfmt_misc is of this namespace alone."""
    tried = subprocess.run(inside(MOUNT), capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"no-binfmt: {tried.stderr.strip()}")
    return subprocess.run(
        inside(script), cwd=directory, env=environment(directory), capture_output=True, text=True, check=False,
        timeout=120, input="typed\n",
    )  # fmt: skip


@pytest.mark.requirement("C-13", "C-14", "C-15")
def test_application_is_a_program(tmp_path: Path) -> None:
    """Arguments, stdin, directory and status are those of a program; other ELF files are not affected."""
    copies(tmp_path, "args", "echo", "exit")
    file = bytearray((tmp_path / "exit").read_bytes())
    assert file[7] == 0xFF
    for name, osabi in (("old", 0x42), ("other", 0x03)):
        file[7] = osabi
        (tmp_path / name).write_bytes(file)
        (tmp_path / name).chmod(0o755)
    done = run(
        f"{REGISTER}; ./echo; ./args one 'two words'; ./exit 7 || echo status $?; ./old 9 || echo status $?;"
        " ./other 5 2>&1 || echo status $?; /bin/true && echo native;"
        f" make -s -C {ROOT} uninstall-binfmt; ls /proc/sys/fs/binfmt_misc",
        tmp_path,
    )
    said = [line for line in done.stdout.splitlines() if "argv[" in line or "<<<typed" in line or "status " in line]
    assert [line for line in said if not line.startswith("exit status")] == [
        "echo: <<<typed>>>", "args argv[0]=<<<bin>>>", "args argv[1]=<<<one>>>", "args argv[2]=<<<two words>>>",
        "status 7",
        "status 1",  # the fixture has noticed that a byte of it has changed
        "status 139",
    ], done.stderr  # fmt: skip
    assert done.stdout.splitlines()[-3:] == ["native", "register", "status"]


@pytest.mark.requirement("C-15")
def test_interrupt_ends_the_guest(tmp_path: Path) -> None:
    """Ctrl-C ends the application, and the guest with it."""
    copies(tmp_path, "hang")
    run("true", tmp_path)
    command = inside(f"{REGISTER} >&2; exec {tmp_path}/hang")
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with background(command, 60, env=environment(tmp_path), **streams) as process:
        assert process.stdout
        assert any(b"Loading kernel" in line for line in process.stdout)
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(60) == 130


@pytest.mark.parametrize("what", ["install", "print"])
def test_without_rights(what: str, tmp_path: Path) -> None:
    """Without the right to register there is one sentence; the lines for systemd can be printed all the same."""
    env = ENVIRONMENT | {"PREFIX": str(tmp_path)}
    before = ("unshare", "--user")  # nobody
    done = subprocess.run(
        [*before, str(ROOT / "ci" / "binfmt.sh"), what], capture_output=True, text=True, check=False, env=env
    )
    if what == "install":
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
        assert "sudo make install-binfmt" in done.stderr
    else:
        lines = [line.split(":") for line in done.stdout.splitlines()]
        assert [(line[1], line[4][-4:]) for line in lines] == [("hermit-ff", "\\xff"), ("hermit-42", "\\x42")]
        assert {line[6] for line in lines} == {str(ROOT / "build" / "venv" / "bin" / "proxy")}
