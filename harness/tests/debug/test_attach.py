# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Attaching a debugger to running guests, and detaching it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hermit_harness.vm import gdb_rsp
from tests.support.processes import descendants

Start = Callable[..., Any]
PROMPT = r"\(gdb\) "


@pytest.mark.requirement("C-33")
def test_attach(start: Start) -> None:
    """A guest of `hermitctl run` is found and stopped, with symbols at the right address.

    It continues when GDB detaches or is killed.
    """
    guest = start("run", "--isolate", "echo")
    guest.expect("type a line")
    gdb = start("attach")
    gdb.expect(PROMPT)
    assert "app_main () at fixtures/bare/echo/echo.c:" in gdb.ask("backtrace")
    gdb.ask("hbreak fixtures/bare/echo/echo.c:18")
    gdb.kill(signal.SIGKILL)
    gdb.end()
    again = start("attach", "--batch", "--command", "backtrace")
    again.expect("app_main.*detached")
    assert again.end() == 0
    third = start("attach")
    third.expect(PROMPT)
    third.kill(signal.SIGKILL)
    third.end()
    guest.type("it continues\n")
    guest.expect("<<<it continues>>>")
    assert guest.end() == 0


def test_attach_needs_a_guest(start: Start, environment: dict[str, str]) -> None:
    """Without a guest there is one sentence. Two guests are both named. A guest that was killed leaves no trace."""
    alone = start("attach")
    alone.expect("no `hermitctl run` of this user is running")
    assert alone.end() == 125
    guests = [start("run", "--isolate", "hang") for _ in range(2)]
    for guest in guests:
        guest.expect("from here on nothing happens")
    argv = [sys.executable, "-m", "hermit_harness", "attach"]
    done = subprocess.run(argv, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 125
    assert all(f"  {guest.pid}: " in done.stderr for guest in guests)
    guests[0].kill(signal.SIGKILL)
    guests[0].end()
    asked = start("attach", "--batch", "--command", "print 6 * 7")
    asked.expect(r"\$1 = 42")
    assert asked.end() == 0
    directory = Path(environment["XDG_RUNTIME_DIR"]) / "hermit-harness"
    assert {path.stem.split("-")[0] for path in directory.iterdir()} == {str(guests[1].pid)}


def test_name_differs_by_pid_namespace(environment: dict[str, str]) -> None:
    """Two guests with one PID, in two PID namespaces that share the directory, have two sockets."""
    program = "import os; from hermit_harness.gdb import running; print(os.getpid(), running.own_socket_path())"
    argv = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc", sys.executable, "-c", program]
    lines = [subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60, check=True).stdout
             for _ in range(2)]  # fmt: skip
    (first_pid, first), (second_pid, second) = map(str.split, lines)
    assert first_pid == second_pid and first != second


def test_port_without_registration(start: Start, environment: dict[str, str], tmp_path: Path) -> None:
    """Where the guest cannot be registered for `attach`, a sentence says so. GDB's port works."""
    directory = Path(environment["XDG_RUNTIME_DIR"]) / "hermit-harness"
    directory.mkdir(exist_ok=True)
    directory.rename(tmp_path / "away")
    directory.touch()
    guest = start("run", "--isolate", "hang", HERMIT_DEBUG="1")
    guest.expect("`hermitctl attach` will not find this guest")
    port = re.search(r"127\.0\.0\.1:(\d+)", guest.expect(r"GDB may connect to \S+\s"))[1]  # type: ignore[index]
    with socket.create_connection(("127.0.0.1", int(port)), 30) as gdb:
        gdb.sendall(gdb_rsp.encode_packet(b"?"))
        assert stopped(gdb)[:1] == b"T"


def test_attach_to_what_is_stopped(start: Start) -> None:
    """A run that is debugged already, and one whose QEMU or harness is stopped: one sentence each."""
    guest = start("run", "--isolate", "hang")
    guest.expect("from here on nothing happens")
    first = start("attach")
    first.expect(PROMPT)
    second = start("attach")
    second.expect(r"\d+: \S+ on \S+, pc, at 0x\w+: a debugger is attached already; quit that one first\s")
    assert second.end() == 125
    first.type("quit\n")
    first.end()
    (qemu,) = [pid for pid in descendants(guest.pid) if "qemu" in Path(f"/proc/{pid}/comm").read_text()]
    for stopped_pid in (qemu, guest.pid):
        os.kill(stopped_pid, signal.SIGSTOP)
        late = start("attach")
        late.expect(r"no answer within 4 s\. If Ctrl-Z or SIGSTOP has stopped the run or its QEMU, continue it")
        assert late.end() == 125
        assert "Traceback" not in late.seen
        os.kill(stopped_pid, signal.SIGCONT)
    again = start("attach", "--batch", "--command", "backtrace")
    again.expect("app_main")
    assert again.end() == 0


@pytest.mark.parametrize("holds", [True, False], ids=["held", "running"])
def test_interrupt_with_a_debugger(start: Start, holds: bool) -> None:
    """Ctrl-C ends the run as always while a debugger is connected, whether it holds the guest or not."""
    guest = start("run", "--isolate", "--machine=microvm", "hang")
    guest.expect("from here on nothing happens")
    gdb = start("attach")
    gdb.expect(PROMPT)
    if not holds:
        gdb.type("continue\n")
        gdb.expect("Continuing")
    guest.type("\x03")
    assert guest.end() == 130
    assert "hermitctl: interrupted" in guest.seen
    assert re.search(r"hang at 0x\w+ in app_main .*, when it was interrupted", guest.seen)
    if not holds:
        gdb.expect(f"Remote (connection closed|communication error).*{PROMPT}")


@pytest.mark.requirement("C-32", "C-33", "C-34")
def test_port_of_a_running_guest(start: Start, environment: dict[str, str]) -> None:
    """HERMIT_DEBUG=1 opens a port, to which a plain GDB connects with target extended-remote."""
    guest = start("run", "--isolate", "hang", HERMIT_DEBUG="1")
    port = re.search(r"127\.0\.0\.1:(\d+)", guest.expect(r"GDB may connect to \S+\s"))[1]  # type: ignore[index]
    guest.expect("from here on nothing happens")
    commands = ["set architecture i386:x86-64", f"target extended-remote :{port}", "print $rip != 0", "detach"]
    done = subprocess.run(
        ["gdb", "-nx", "-q", "-batch", *(word for command in commands for word in ("-ex", command))],
        env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert "$1 = 1" in done.stdout, done.stdout + done.stderr


def test_early_interrupt(start: Start) -> None:
    """Ctrl-C for a stopped guest takes effect as soon as the guest runs.

    GDB may send it between "Continuing." and the guest's start. QEMU would ignore it there, and GDB would wait forever.
    """
    guest = start("run", "--isolate", "hang", HERMIT_DEBUG="1")
    port = re.search(r"127\.0\.0\.1:(\d+)", guest.expect(r"GDB may connect to \S+\s"))[1]  # type: ignore[index]
    guest.expect("from here on nothing happens")
    with socket.create_connection(("127.0.0.1", int(port)), 30) as gdb:
        for late in (True, False, True):
            gdb.sendall(gdb_rsp.encode_packet(b"?"))
            assert stopped(gdb)[:1] == b"T"
            go = gdb_rsp.encode_packet(b"vCont;c")
            gdb.sendall(b"\x03" + go if late else go + b"\x03")
            assert stopped(gdb)[:3] == b"T02"


def stopped(stub: socket.socket) -> bytes:
    """Return the next stop reply."""
    seen = b""
    while not (found := re.search(rb"\$([TS][^#]*)#..", seen)):
        part = stub.recv(4096)
        assert part, seen
        seen += part
    stub.sendall(b"+")
    return found[1]


@pytest.mark.requirement("C-33")
def test_variable_off(start: Start) -> None:
    """If the variable is unset or 0, no port is opened."""
    guest = start("run", "--isolate", "hello", HERMIT_DEBUG="0")
    guest.expect("app exit 0")
    assert "GDB may connect" not in guest.seen
