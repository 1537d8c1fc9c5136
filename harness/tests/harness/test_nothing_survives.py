# SPDX-License-Identifier: Apache-2.0 OR MIT
"""No resource outlives the process that booted a guest: process, namespace, interface, socket, memory, file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hermit_harness.boot import boot
from hermit_harness.fixtures import images
from hermit_harness.vm.shared_directory import SharedDirectory
from hermit_harness.vm.spec import RunSpec
from hermit_harness.vm.virtiofsd import find_program

CENSUS = Path(__file__).parents[1] / "support" / "resource_census.py"
PARENT = """
import sys
from pathlib import Path
from hermit_harness.boot import boot
from hermit_harness.vm.shared_directory import SharedDirectory
from hermit_harness.vm.spec import RunSpec
spec = RunSpec(loader=Path({loader!r}), app=None, machine="microvm", isolate={isolate}, cpu_seconds={cpu},
extra={extra}, share={share})
print("begun", flush=True)
while {more}:
    boot(spec, Path({directory!r}))
    more = False
"""

# The same with a network: a namespace with a tap, a DHCP server and a guest that is watched.
NETWORKED = """
from pathlib import Path
from hermit_harness.background import BackgroundGuest
from hermit_harness.net.netns import NetworkNamespace
from hermit_harness.vm.nic import Nic
from hermit_harness.vm.spec import RunSpec
print("begun", flush=True)
with NetworkNamespace() as namespace:
    namespace.script("tap", "up")
    namespace.script("dhcp", "up")
    nic = Nic("tap", "virtio-mmio", ifname="tap10", capture=Path({directory!r} + ".pcap"))
    spec = RunSpec(loader=Path({loader!r}), app=None, machine="microvm-mmio", cpu_seconds=60, net=nic)
    with BackgroundGuest(spec, namespace, Path({directory!r})) as guest:
        guest.finish(120)
"""

# The same at the first end of a socket link, whose socket is in the directory of temporary files.
LINKED = """
from pathlib import Path
from hermit_harness.boot import boot
from hermit_harness.net.guest_network import NetworkRequest, set_up
from hermit_harness.vm.spec import RunSpec
print("begun", flush=True)
place = str(Path({directory!r}).parent / "tmp" / "link")
network = set_up(NetworkRequest("socket", ifname=place, machine="microvm-mmio"), {{}})
boot(RunSpec(loader=Path({loader!r}), app=None, machine="microvm-mmio", cpu_seconds=60, net=network.nic))
"""


def in_new_namespaces(parent: Path, kills: int, patience: int = 10) -> dict[str, Any]:
    """Run resource_census.py in namespaces of its own, with its own /proc, network and shared memory."""
    argv = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc", "--net", "--ipc"]
    here = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(parent.parent / "tmp")}
    (parent.parent / "tmp").mkdir()
    done = subprocess.run(
        [*argv, sys.executable, str(CENSUS), str(parent), str(kills), str(patience)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env=here,
    )
    assert done.returncode == 0, done.stderr
    census: dict[str, Any] = json.loads(done.stdout)
    return census


def write_parent(directory: Path, guest: str, text: str = PARENT, **values: object) -> Path:
    fields = {
        "loader": str(images()[guest].path),
        "directory": str(directory / "artifacts"),
        "more": "True",
        "extra": (),
        "cpu": 0.2,
        "share": None,
    }
    parent = directory / "parent.py"
    parent.write_text(text.format(**(fields | values)))
    return parent


@pytest.mark.requirement("P-11")
@pytest.mark.parametrize(("isolate", "kills"), [(True, 20), (False, 8)], ids=["isolated", "plain"])
def test_killed_at_any_moment(isolate: bool, kills: int, tmp_path: Path) -> None:
    """SIGKILL at random times: during set-up, while the guest runs, and during the post-mortem of the hung guest."""
    census = in_new_namespaces(write_parent(tmp_path, "liar-spin", isolate=isolate), kills)
    assert census["survivors"] == []
    assert census["differences"] == {}
    assert census["before"]["namespaces"], "the census must find something"


@pytest.mark.requirement("P-11")
def test_killed_with_a_network(tmp_path: Path) -> None:
    """The same while a namespace, a tap and a DHCP server are set up, and while a guest runs there."""
    census = in_new_namespaces(write_parent(tmp_path, "liar-spin", NETWORKED), 8)
    assert census["survivors"] == []
    assert census["differences"] == {}


@pytest.mark.requirement("P-11", "W-26")
def test_killed_with_a_socket_link(tmp_path: Path) -> None:
    """The same at one end of a socket link: the socket's name is removed with its creator."""
    census = in_new_namespaces(write_parent(tmp_path, "liar-spin", LINKED), 8)
    assert census["survivors"] == []
    assert census["differences"] == {}


@pytest.mark.requirement("W-29", "W-30", "L-45")
@pytest.mark.parametrize("named", [True, False], ids=["named", "of-the-run"])
def test_shared_directory_killed_at_any_moment(named: bool, tmp_path: Path) -> None:
    """virtiofsd and the run's temporary directory end with the process that created them as well."""
    (tmp_path / "share").mkdir()
    spin = images()["liar-spin"].path
    directory = tmp_path / "share" if named else None
    spec = RunSpec(loader=spin, app=None, machine="microvm", cpu_seconds=0.2, share=SharedDirectory(directory))
    assert boot(spec).matches("hang"), "the guest must run with its directory, otherwise the test shows nothing"
    share = f"SharedDirectory({f'Path({str(directory)!r})' if named else None}, program={find_program()!r})"
    census = in_new_namespaces(write_parent(tmp_path, "liar-spin", isolate=True, share=share), kills=12)
    assert census["survivors"] == []
    assert census["differences"] == {}


def test_survivor_is_found(tmp_path: Path) -> None:
    """The census finds a process in another session that its parent left."""
    parent = tmp_path / "parent.py"
    parent.write_text(
        "import socket, subprocess, sys\n"
        "s = socket.socket(socket.AF_UNIX)\ns.bind(sys.argv[0] + '.sock')\n"
        "orphan = 'import signal; signal.alarm(12); signal.pause()'\n"
        "subprocess.Popen([sys.executable, '-c', orphan], pass_fds=[s.fileno()])\n"
        "print('begun', flush=True)\nsys.stdin.read() if sys.stdin else None\nimport signal; signal.pause()\n"
    )
    census = in_new_namespaces(parent, 1, patience=2)
    assert census["survivors"]
    assert {"processes", "sockets"} <= set(census["differences"])
