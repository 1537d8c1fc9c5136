# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The watcher with QEMUs that behave differently: newer ones, and ones that fail."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
from contextlib import closing, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from hermit_harness.boot import boot
from hermit_harness.fixtures import images
from hermit_harness.gdb import program as gdb_program
from hermit_harness.gdb import session
from hermit_harness.paths import ROOT
from hermit_harness.verdict.outcome import Outcome
from hermit_harness.vm.process import LaunchError
from hermit_harness.vm.spec import RunSpec
from hermit_harness.watch.deadline import Deadline
from tests.support.cli import ctl
from tests.support.processes import background, processes_with

FAKE = Path(__file__).parents[1] / "support" / "fake_qemu.py"


def run_fake(how: str, directory: Path, end: str = "bare", machine: str = "pc", **more: object) -> Outcome:
    program = directory / "qemu"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {FAKE} "$@"\n')
    program.chmod(0o755)
    spec = RunSpec(
        loader=Path(how),
        app=None,
        machine=machine,
        qemu=str(program),
        end=end,
        **({"wall_seconds": 20.0} | more),  # type: ignore[arg-type]
    )
    return boot(spec, artifacts=directory / "artifacts")


@pytest.mark.requirement("L-12")
def test_newer_qemu_ends_after_quit(tmp_path: Path) -> None:
    """If the exit device only requests a shutdown, the verdict is the same; output after the write is tolerated."""
    outcome = run_fake("newer-exit", tmp_path)
    assert outcome.matches("exit 0"), outcome.cause
    assert outcome.qemu_status == 3
    assert b"late output" in outcome.console


@pytest.mark.requirement("L-12")
def test_newer_qemu_and_a_fault_after_the_write(tmp_path: Path) -> None:
    """A triple fault after the write to the exit device does not hide the status; without a write it is a crash."""
    assert run_fake("newer-exit-then-fault", tmp_path).matches("exit 0")
    assert run_fake("fault-after-last-line", tmp_path).verdict == "crash"


@pytest.mark.requirement("L-13")
def test_newer_qemu_refusal(tmp_path: Path) -> None:
    """The same holds for a refusal."""
    outcome = run_fake("newer-refusal", tmp_path)
    assert outcome.matches("refused 67 elf-truncated"), outcome.cause


@pytest.mark.requirement("N-12")
def test_refusal_that_ends_in_the_firmwares_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shell's prompt ends the run: nothing is left that the firmware could start."""
    # The double has no CPU that GDB could examine.
    monkeypatch.setattr(gdb_program, "run_batch", partial(gdb_program.run_batch, seconds=0.2))
    outcome = run_fake("shell", tmp_path, machine="ovmf", target="x86_64-uefi", way="efi-kernel")
    assert outcome.matches("refused 65 no-module"), outcome.cause
    assert outcome.console.endswith(b"Shell> ")


def test_power_off_is_no_pass(tmp_path: Path) -> None:
    """Status 0 instead of 3 is never a pass."""
    outcome = run_fake("power-off", tmp_path)
    assert outcome.verdict == "wrong-exit"
    assert run_fake("power-off", tmp_path, end="hermit-acpi-off").matches("exit unknown")


def test_segfault_is_no_pass(tmp_path: Path) -> None:
    """A death by signal is never a pass, even after the line `exit status 0`."""
    outcome = run_fake("segfault", tmp_path)
    assert (outcome.verdict, outcome.origin) == ("infra", "qemu")
    assert "SIGSEGV" in outcome.cause


def test_kvm_internal_error(tmp_path: Path) -> None:
    """KVM's internal error is neither a hang nor the guest's fault."""
    outcome = run_fake("internal-error", tmp_path)
    assert (outcome.verdict, outcome.origin) == ("infra", "qemu")
    assert "internal-error" in outcome.cause


def test_starved_guest_is_not_idle(tmp_path: Path) -> None:
    """A guest that gets hardly any CPU time is not taken for one that has halted, although its registers do not change.

    A bare driver that polled for a device's answer, on a busy host, was reported as a hang. Nor is it at its deadline,
    which is the time that it may wait for anything but the host's CPU.
    """
    outcome = run_fake("starved", tmp_path, cpu_seconds=1.9, wall_seconds=2.0)
    assert outcome.matches("exit 0"), outcome.cause


def test_time_of_a_user_is_wall_time() -> None:
    """--timeout ends a run also on a busy host. Only the longer cap of a test is moved."""
    assert Deadline(10.0, 10.0, 2, lambda: 100.0).expired(1.0, 10.0) == "wall"
    assert Deadline(10.0, 60.0, 2, lambda: 100.0).expired(1.0, 60.0) == ""


@pytest.mark.requirement("L-13")
@pytest.mark.parametrize(("how", "said"), [("no-start", "could not load kernel"), ("mute", "closed its monitor")])
def test_qemu_did_not_start(how: str, said: str, tmp_path: Path) -> None:
    """QEMU's own status 1 is distinguished from the guest's."""
    outcome = run_fake(how, tmp_path)
    assert outcome.verdict == "infra"
    assert outcome.cause.startswith("QEMU never started")
    if how == "no-start":
        assert said in outcome.cause


def test_debug_session_without_a_monitor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A QEMU that runs and does not answer ends the session, and ends with it."""
    monkeypatch.setattr(session, "GREETING_SECONDS", 1.0)
    program = tmp_path / "qemu"
    program.write_text(f"#!/bin/sh\nexec sh -c 'read -r line' {tmp_path} <{tmp_path}/fifo\n")
    program.chmod(0o755)
    os.mkfifo(tmp_path / "fifo")
    spec = RunSpec(loader=Path("x"), app=None, machine="pc", qemu=str(program))
    with closing(socket.socket(socket.AF_UNIX)) as listener, pytest.raises(LaunchError, match="no answer"):
        session.DebugSession(spec, listener, None, (), lambda data: None).run()
    assert not processes_with(str(tmp_path))


def test_unknown_program(tmp_path: Path) -> None:
    """A QEMU that does not exist is named."""
    outcome = boot(RunSpec(loader=Path("x"), app=None, machine="pc", qemu=str(tmp_path / "no-qemu")))
    assert outcome.verdict == "infra"
    assert "no-qemu" in outcome.cause


@pytest.mark.requirement("L-17")
def test_kvm_assertion_is_quoted(tmp_path: Path) -> None:
    """If KVM refuses an MSR and QEMU aborts, the verdict quotes QEMU's message."""
    said = "error: failed to set MSR 0x10a to 0x0"
    program = tmp_path / "qemu"
    program.write_text(f'#!/bin/sh\necho "qemu-system-x86_64: {said}" >&2\nexit 134\n')
    program.chmod(0o755)
    outcome = boot(RunSpec(loader=Path("x"), app=None, machine="pc", accel="kvm", cpu="host", qemu=str(program)))
    assert outcome.verdict == "infra"
    assert said in outcome.cause


@pytest.fixture
def wrapper(tmp_path: Path) -> Path:
    """A QEMU by a script that does not exec, as distributions make them."""
    program = tmp_path / "qemu-by-a-script"
    program.write_text('#!/bin/sh\nqemu-system-x86_64 "$@"\n')
    program.chmod(0o755)
    return program


def wait_for_end(pid: int) -> None:
    """Wait until this process has ended; fail after 10 s."""
    with suppress(ProcessLookupError):
        pidfd = os.pidfd_open(pid)
        ended = select.select([pidfd], [], [], 10.0)[0]
        os.close(pidfd)
        assert ended, f"process {pid} still runs"


@pytest.mark.requirement("P-11")
def test_qemu_by_a_script_ends_with_the_run(wrapper: Path) -> None:
    """Neither the status nor the end of the machine depends on whether the script execs."""
    name = wrapper.parent.name
    spec = RunSpec(
        loader=images()["liar-spin"].path,
        app=None,
        machine="pc",
        qemu=str(wrapper),
        isolate=False,
        extra=("-name", name),
    )
    assert boot(replace(spec, loader=images()["liar-late-output"].path)).matches("exit 0")
    assert boot(replace(spec, wall_seconds=1.0)).verdict == "hang"
    for pid in processes_with(name):
        wait_for_end(pid)


@pytest.mark.requirement("P-11")
def test_qemu_by_a_script_ends_with_a_killed_harness(wrapper: Path, tmp_path: Path) -> None:
    """A harness that is killed can end nothing itself."""
    name = wrapper.parent.name
    argv = [sys.executable, "-m", "hermit_harness", "run", f"--artifacts={tmp_path}", "--qemu", str(wrapper)]
    argv += ["--accel", "tcg"]
    argv += ["--qemu-arg=-name", f"--qemu-arg={name}", "liar-spin"]
    env = os.environ | {"PYTHONPATH": str(ROOT / "harness")}
    with background(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=env) as harness:
        assert harness.stdout is not None and b"spinning" in harness.stdout.readline()
        running = processes_with(name)
        assert len(running) >= 2, "the script and QEMU"
        harness.kill()
    for pid in running:
        wait_for_end(pid)


def test_qemu_that_rejects_the_loader() -> None:
    """QEMU's own words are the cause if it ends before the guest runs: this loader is for VMMs that load bzImages."""
    done = ctl("run", "--target", "x86_64-linux", "--accel", "tcg", "--isolate", "hello")
    assert done.returncode == 125 and "QEMU never started (status 1): qemu-system-x86_64: Error loading" in done.stderr
    assert "hint: QEMU does not boot this loader by -kernel" in done.stderr, done.stderr
