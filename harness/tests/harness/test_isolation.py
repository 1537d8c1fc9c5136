# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Each QEMU has its own user, network and PID namespaces, with no interface but `lo`."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from hermit_harness.boot import boot
from hermit_harness.fixtures import images
from hermit_harness.vm import host, process
from hermit_harness.vm.process import LaunchError, launch
from hermit_harness.vm.spec import RunSpec

NAMES = ("user", "net", "pid")
SENDER = """
import socket, sys
for address in sys.argv[2:]:
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        s.sendto(b"out", (address, int(sys.argv[1])))
        print("sent", address)
    except OSError as error:
        print(error.strerror, address)
"""


def spec(guest: str = "liar-spin", isolate: bool = True) -> RunSpec:
    return RunSpec(loader=images()[guest].path, app=None, machine="microvm", isolate=isolate, cpu_seconds=0.5)


@pytest.mark.parametrize("isolate", [True, False])
def test_namespaces(isolate: bool) -> None:
    """QEMU's namespaces differ from ours if isolated, and are ours otherwise."""
    vm = launch(spec(isolate=isolate))
    try:
        theirs = [os.readlink(f"/proc/{vm.qemu_pid}/ns/{name}") for name in NAMES]
        links = Path(f"/proc/{vm.qemu_pid}/net/dev").read_text().splitlines()[2:]
        local = Path(f"/proc/{vm.qemu_pid}/net/fib_trie").read_text()
    finally:
        vm.kill()
    ours = [os.readlink(f"/proc/self/ns/{name}") for name in NAMES]
    assert [a == b for a, b in zip(ours, theirs, strict=True)] == [not isolate] * 3
    if isolate:
        assert [line.split(":")[0].strip() for line in links] == ["lo"]
        assert "127.0.0.1" in local, "lo is up"


def own_address() -> str:
    """Return a non-loopback address of this machine, or a loopback address if there is no other."""
    found = re.findall(
        r"inet (\S+)/", subprocess.run(["ip", "-4", "addr"], capture_output=True, text=True, check=True).stdout
    )
    return next((address for address in found if not address.startswith("127.")), "127.0.0.1")


def test_no_datagram_leaves() -> None:
    """A datagram from inside to any address of this machine is lost; for other addresses there is no route."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
        ear.bind(("", 0))
        port = str(ear.getsockname()[1])
        addresses = [own_address(), "127.0.0.1", "192.0.2.1", "255.255.255.255"]
        argv = [sys.executable, "-c", SENDER, port, *addresses]
        plain = subprocess.run([*argv[:4], "127.0.0.1"], capture_output=True, text=True, check=True)
        assert plain.stdout == "sent 127.0.0.1\n"
        assert ear.recv(16) == b"out", "the listener receives datagrams from outside"
        inside = [*host.UNSHARE_COMMAND, "sh", "-c", process.LO_UP + 'exec "$@"', "sh", *argv]
        printed = subprocess.run(inside, capture_output=True, text=True, check=True).stdout
        ear.setblocking(False)
        with pytest.raises(BlockingIOError):
            ear.recv(16)
    assert "unreachable 192.0.2.1" in printed
    assert "sent 127.0.0.1" in printed, "lo works"


def test_refused_namespaces_are_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """If namespaces are refused, the verdict is infra with a remedy; without isolation the same guest runs."""
    fake = tmp_path / "unshare"
    fake.write_text("#!/bin/sh\necho 'unshare: unshare failed: Operation not permitted' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    outcome = boot(spec("liar-wrong-exit"))
    assert (outcome.verdict, outcome.origin) == ("infra", "harness")
    assert "does not permit" in outcome.cause
    assert "\n" not in outcome.cause
    assert boot(spec("liar-wrong-exit", isolate=False)).matches("exit 5")


def test_survivor_of_a_failed_set_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A shell that outlives a failed set-up and waits for it, with stderr open, is not waited for."""
    fake = tmp_path / "unshare"
    fake.write_text("#!/bin/sh\nexec 3<&0\n(read -r end <&3) &\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(process, "ARM_SECONDS", 0.5)
    assert boot(spec("liar-wrong-exit")).verdict == "infra"


def test_missing_tool(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without util-linux the error names the package."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LaunchError, match="install util-linux"):
        launch(spec())


def test_no_descriptor_is_left() -> None:
    """A boot closes each descriptor, whatever its end."""
    before = os.listdir("/proc/self/fd")
    for guest in ("liar-wrong-exit", "liar-triple", "liar-hang"):
        boot(spec(guest))
    assert os.listdir("/proc/self/fd") == before


def test_times_of_a_qemu_that_has_been_reaped() -> None:
    """Its directory in /proc may go at any time; no thread of it runs or waits then."""
    vm = launch(spec())
    vm.kill()
    assert (vm.has_runnable_thread(), vm.demand_seconds(), vm.starved_seconds()) == (False, 0.0, 0.0)
