# SPDX-License-Identifier: Apache-2.0 OR MIT
"""While hermitctl runs, nobody else can reach it or its guest: by a port of an interface, or by a socket's name."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from subprocess import DEVNULL, PIPE, STDOUT

import pytest

from hermit_harness.paths import ROOT
from hermit_harness.vm.host import UNSHARE_COMMAND
from tests.support.cli import ENVIRONMENT
from tests.support.listeners import is_loopback, listeners
from tests.support.processes import background, descendants

LO_UP = 'ip link set lo up && exec "$@"'
IN_NAMESPACES = (*UNSHARE_COMMAND, "--mount-proc", "sh", "-c", LO_UP, "sh")
IDLE = "from here on nothing happens"
PORT, LINK = "tcp 0100007F", "unix /"
# Words of hermitctl, the output at which all sockets are there, and the socket that is expected.
VERBS = [
    (("run", "--debug", "hang"), IDLE, PORT),
    (("debug", "--port=1234", "hang"), "listening for GDB on", PORT),
    (("run", "--net=user", "--forward=8080:80", "hang"), IDLE, PORT),
    (("run", "--machine=microvm-mmio", "--net=socket", "--netif=@/link", "hang"), IDLE, LINK),
    (("run", "--share=@:t", "hang"), IDLE, ""),
]


@pytest.mark.requirement("L-26")
@pytest.mark.parametrize(("words", "ready", "expected"), VERBS, ids=[row[0][1] for row in VERBS])
def test_only_this_user_can_connect(words: tuple[str, ...], ready: str, expected: str, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    argv = [
        *IN_NAMESPACES,
        sys.executable,
        "-m",
        "hermit_harness",
        *(word.replace("@", str(tmp_path)) for word in words),
    ]
    env = ENVIRONMENT | {"PYTHONPATH": str(ROOT / "harness"), "HERMIT_ROOT": str(ROOT)}
    with background(argv, 60, env=env, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT, text=True) as run:
        assert run.stdout
        assert any(ready in line for line in run.stdout)
        found = dict(listeners([run.pid, *descendants(run.pid)]))
    assert [name for name, private in found.items() if not private] == []
    assert not expected or any(name.startswith(expected) for name in found), found


def test_open_port_is_found(tmp_path: Path) -> None:
    """The test above would find a socket that all can reach, however it is reached."""
    path = tmp_path / "socket"
    code = f"""
import os, socket, sys
a = socket.create_server(("", 0)); b = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); b.bind(("", 0))
c = socket.socket(socket.AF_UNIX); os.umask(0); c.bind({str(path)!r}); c.listen()
d = socket.socket(socket.AF_UNIX); d.bind("\\0abstract"); d.listen(); print(flush=True); sys.stdin.read()
"""
    tmp_path.chmod(0o755)
    ours, theirs = socket.socketpair()
    with ours, theirs, background([*IN_NAMESPACES, sys.executable, "-c", code], stdin=theirs, stdout=theirs) as process:
        ours.recv(1)
        found = list(listeners(descendants(process.pid)))
    assert [private for _, private in found] == [False] * 4, found


@pytest.mark.parametrize(
    ("address", "loopback"),
    [
        ("0100007F", True),
        ("00000000", False),
        ("0105000A", False),
        ("00000000000000000000000001000000", True),
        ("0000000000000000FFFF00000100007F", True),
        ("00000000000000000000000000000000", False),
    ],
)
def test_loopback_addresses(address: str, loopback: bool) -> None:
    assert is_loopback(address) == loopback
