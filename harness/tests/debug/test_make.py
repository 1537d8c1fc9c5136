# SPDX-License-Identifier: Apache-2.0 OR MIT
"""make run, debug, rdebug and qemu with their variables, as a user types them. Nothing is built or installed."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from hermit_harness.fixtures import images
from hermit_harness.paths import ROOT, loader_file


def command(goal: str, image: str, *variables: str) -> list[str]:
    built = (f"LOADER={loader_file('x86_64-multiboot')}", "TARGET=x86_64-multiboot", "SETUP=no")
    return ["make", "-s", "-C", str(ROOT), goal, f"APP={images()[image].path}", *built, *variables]


def make(environment: dict[str, str], goal: str, image: str, *variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(goal, image, "ISOLATE=yes", *variables), env=environment, stdin=subprocess.DEVNULL, capture_output=True,
        text=True, timeout=240, check=False,
    )  # fmt: skip


@pytest.mark.requirement("L-31")
def test_run(environment: dict[str, str]) -> None:
    """Each variable reaches the guest or its machine."""
    words = ("ARGS=two 'more words'", "KERNEL_ARGS=env=A=b", "MACHINE=q35", "SMP=2", "MEM=96M", "VERBOSE=1")
    done = make(environment, "run", "args", *words)
    text = done.stdout + done.stderr
    assert "argv[1]=<<<two>>>" in done.stdout and "argv[2]=<<<more words>>>" in done.stdout, text
    assert " on q35, " in done.stderr, text
    line = done.stderr.replace("\\\n", " ")
    assert re.search(r"-smp 2 +-m 96M ", line) and "env=A=b" in line, text


@pytest.mark.requirement("L-31", "P-06")
def test_debug(environment: dict[str, str]) -> None:
    """One command, one boot: the commands run at a breakpoint of the application."""
    done = make(environment, "debug", "steps", "BREAK=app_main", "COMMAND=print 6 * 7", "BATCH=1", "MACHINE=q35")
    assert done.returncode == 0, done.stderr
    assert re.search(r"app_main \(\) at fixtures/bare/steps/steps\.c:\d+\n.*\$1 = 42", done.stdout, re.S), done.stdout
    assert done.stdout.count("Loading kernel to") == 1


@pytest.mark.requirement("P-06")
def test_rdebug(environment: dict[str, str]) -> None:
    """The run is recorded, and GDB steps backwards from its end."""
    done = make(environment, "rdebug", "fault", "COMMAND=reverse-stepi", "BATCH=1")
    assert done.returncode == 0, done.stderr
    assert re.search(r"hermitctl: recorded \d+ instructions", done.stderr), done.stderr
    assert "fault_raise" in done.stdout


@contextmanager
def running(environment: dict[str, str], *words: str) -> Iterator[subprocess.Popen[str]]:
    """A command of a process group of its own, which ends with the block."""
    process = subprocess.Popen(
        words, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.communicate(timeout=60)


def is_free(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) != 0


@pytest.mark.requirement("C-32", "C-34")
@pytest.mark.parametrize("connect", ["remote", "extended-remote"])
def test_qemu(environment: dict[str, str], connect: str) -> None:
    """A plain GDB connects to the guest's port: 1234 if it is free. A fixed-address application needs no offset."""
    was_free = is_free(1234)
    with running(environment, *command("qemu", "hang-fixed", "TIMEOUT=30")) as process:
        assert process.stderr is not None
        line = next((line for line in process.stderr if "GDB may connect to" in line), "no port")
        found = re.search(r"127\.0\.0\.1:(\d+)", line)
        assert found, line
        assert not was_free or found[1] == "1234"
        # The guest may still be in the loader, or in the loop already.
        go = (f"target {connect} :{found[1]}", "thbreak cpu_pause", "continue", "backtrace", "detach")
        words = [word for one in ("set architecture i386:x86-64", *go) for word in ("-ex", one)]
        done = subprocess.run(
            ["gdb", "-nx", "-q", "-batch", *words, str(images()["hang-fixed"].path)],
            env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert re.search(r"#\d .*app_main \(\) at fixtures/bare/hang/hang\.c:", done.stdout), done.stdout + done.stderr
