# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Boots with other VMMs than QEMU. Stand-ins on the search path record their words and print what a guest would."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from hermit_harness.cli import main, vmm
from hermit_harness.fixtures import images
from hermit_harness.paths import loader_file
from tests.support.cli import ctl

HELLO = images()["hello"].path
PANIC = "thread 'main' (1) panicked at /x/uhyve-0.10.0/src/linux/kvm_cpu.rs:623:25:\nInternalError"
Say = Callable[..., tuple[int, list[str]]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Say:
    """Call a command with a stand-in whose shell text is `does`; return its status and the words of the stand-in."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(vmm, "kvm_problem", lambda: "")
    for name in [name for name in os.environ if name.startswith("HERMIT_")]:
        monkeypatch.delenv(name)

    def call(*words: str, name: str = "uhyve", does: str = "", **variables: str) -> tuple[int, list[str]]:
        said = tmp_path / "words"
        (tmp_path / name).write_text(f"#!/bin/sh\nprintf '%s\\0' \"$@\" > {said}\n{does}\n")
        (tmp_path / name).chmod(0o755)
        for key, value in variables.items():
            monkeypatch.setenv(f"HERMIT_{key}", value)
        status = main.main(list(words))
        return status, said.read_text().split("\0")[:-1] if said.exists() else []

    return call


@pytest.mark.requirement("C-20")
def test_options_of_uhyve(run: Say, capfd: pytest.CaptureFixture[str]) -> None:
    """Our options, and uhyve's own, become those of the real program; the guest gets our text byte for byte."""
    words = ("run", "--vmm", "uhyve", "-m", "70M", "-c2", "-e", "KEY=two words", "-s", "1240", "--net=tap:tap7")
    status, said = run(*words, str(HELLO), "-x", "--", "one", "two words", does="echo hello; exit 7", IP="10.0.5.9")
    assert status == 7
    assert said == [
        *("--memory-size", "70MiB", "--cpu-count", "2", "--net", "tap:tap7", "--gdb-port", "1240", str(HELLO)),
        *("--", "env=HERMIT_IP=10.0.5.9 'env=KEY=two words' -x", "--", "one 'two words'"),
    ]
    shown = capfd.readouterr()
    assert shown.out == "hello\n"
    assert shown.err.splitlines()[-1].startswith("app exit 7 after ")
    assert shown.err.endswith(" · without loader on uhyve, kvm\n")


@pytest.mark.requirement("C-20", "CX-16")
def test_variables_of_the_proxy(run: Say, capfd: pytest.CaptureFixture[str]) -> None:
    """HERMIT_ISLE=uhyve runs an installed uhyve with the proxy's variables and defaults."""
    given = {"ISLE": "uhyve", "NETIF": "tap100", "DEBUG": "1", "CPUS": "3"}
    status, said = run("proxy", str(HELLO), "one", does="exit 3", **given)
    assert status == 3
    assert said == [
        *("--memory-size", "512MiB", "--cpu-count", "3", "--net", "tap:tap100", "--gdb-port", "1234", str(HELLO)),
        *("--", "env=HERMIT_IP=10.0.5.2", "--", "one"),
    ]
    assert "QEMU" not in capfd.readouterr().err


@pytest.mark.requirement("C-20")
@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({}, "there is no uhyve on the search path; `cargo install uhyve` installs it"),
        ({"KVM": "0"}, "uhyve needs KVM"),
    ],
    ids=["missing", "without-kvm"],
)
def test_isle_without_uhyve(variables: dict[str, str], reason: str, tmp_path: Path, run: Say) -> None:
    """If uhyve cannot be used, a sentence says why QEMU runs the guest."""
    name = "uhyve" if variables else "other"
    run("options", name=name)
    env = {f"HERMIT_{key}": value for key, value in variables.items()} | {"HERMIT_ISLE": "uhyve"}
    done = ctl("proxy", "--print", HELLO, env=env | {"PATH": os.environ["PATH"]})
    assert f"hermitctl: HERMIT_ISLE=uhyve: {reason}: QEMU runs the guest anyway\n" in done.stderr
    assert done.stdout.startswith("qemu-system-x86_64 ") and "-m 512M" in done.stdout


@pytest.mark.parametrize(
    ("does", "status", "line"),
    [
        ("echo '[0][PANIC] no memory'; exit 1", 1, "the kernel panicked: no memory"),
        (f"cat >&2 <<E\n{PANIC}\nE\nexit 101", 125, "uhyve panicked at src/linux/kvm_cpu.rs:623:25: InternalError"),
        ("kill -9 $$", 125, "uhyve died of SIGKILL"),
        ("exec sleep 60", 124, "the time limit expired: --timeout"),
    ],
    ids=["panic", "own-panic", "killed", "timeout"],
)
def test_ends_of_uhyve(does: str, status: int, line: str, run: Say, capfd: pytest.CaptureFixture[str]) -> None:
    """A panic of the kernel, a failure of uhyve and the time limit have causes of their own."""
    limit = ("--timeout", "0.3") if "sleep" in does else ()
    assert run("run", "--vmm=uhyve", *limit, str(HELLO), does=does)[0] == status
    assert f"hermitctl: {line}" in capfd.readouterr().err.splitlines()


@pytest.mark.parametrize(("number", "status"), [(0, 0), (5, 5)])
@pytest.mark.parametrize(("name", "target"), [("firecracker", "x86_64-linux"), ("cloud-hypervisor", "x86_64")])
def test_guest_that_cannot_end_its_vmm(
    name: str, target: str, number: int, status: int, run: Say, capfd: pytest.CaptureFixture[str]
) -> None:
    """Loader, application, memory, processors and command line are our options'; the status is the printed one."""
    shows_file = "while [ $# -gt 1 ]; do [ $1 = --config-file ] && cat $2 >&2 && echo >&2; shift; done"
    words = ("run", "--vmm", name, "--mem=70M", "--smp=2", str(HELLO), "-x", "--", "a b")
    ended, said = run(*words, name=name, does=f"{shows_file}; echo exit status {number}; exec sleep 60")
    shown = capfd.readouterr()
    assert (ended, shown.out) == (status, f"exit status {number}\n")
    if name == "firecracker":
        config = json.loads(next(line for line in shown.err.splitlines() if "boot-source" in line))
        assert config["machine-config"] == {"vcpu_count": 2, "mem_size_mib": 70}
        boot = config["boot-source"]
        got = [boot["kernel_image_path"], boot["initrd_path"], boot["boot_args"]]
    else:
        assert shlex.join(said).count("--cpus boot=2 --memory size=70M ") == 1
        got = [said[said.index(flag) + 1] for flag in ("--kernel", "--initramfs", "--cmdline")]
    assert got == [str(loader_file(target)), str(HELLO), "-x -- 'a b'"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--vmm=uhyve", "--machine", "q35"), "--vmm uhyve: --machine has no counterpart there"),
        (("--vmm=uhyve", "--report"), "--vmm uhyve: --report needs what only QEMU records"),
        (("--vmm=uhyve", "--net", "user"), "--vmm uhyve: a tap with a name is its only network"),
        (("--vmm=firecracker", "--share", "."), "--vmm firecracker: --share has no counterpart there"),
        (("--vmm=xen",), "--vmm xen: known: qemu, uhyve, firecracker, cloud-hypervisor"),
        (("--vmm=uhyve", "--accel", "tcg"), "--vmm uhyve: uhyve needs KVM"),
        (("--vmm=cloud-hypervisor",), "--vmm cloud-hypervisor: there is no cloud-hypervisor on the search path"),
    ],
    ids=["machine", "report", "net", "share", "unknown", "tcg", "missing"],
)
def test_refused(words: tuple[str, ...], sentence: str, run: Say, capfd: pytest.CaptureFixture[str]) -> None:
    """What a VMM cannot do, and a missing one, are one sentence and status 125."""
    name = "firecracker" if "firecracker" in words[0] else "uhyve"
    status, said = run("run", *words, str(HELLO), name=name)
    error = capfd.readouterr().err
    assert (status, said, error.count("\n")) == (125, [], 1)
    assert error.startswith(f"hermitctl: {sentence}")


def test_debug_session_is_of_qemu() -> None:
    done = ctl("debug", "--vmm=uhyve", "--dry-run", HELLO)
    assert (done.returncode, done.stderr) == (
        125,
        "hermitctl: --vmm uhyve: only `hermitctl run` boots with it; without --vmm this is QEMU's\n",
    )
