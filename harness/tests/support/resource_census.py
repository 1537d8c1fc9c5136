# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Count all resources before and after runs that are killed. Runs as PID 1 of new namespaces.

Usage: resource_census.py PARENT KILLS PATIENCE

PARENT is a Python program that boots guests without end. Prints one JSON object. It waits for no time: orphans become
children of this process, which waits for the end of each.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import select
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

LONGEST = 0.8  # seconds of a parent's life after which it is killed at the latest


def read(path: str) -> list[str]:
    with contextlib.suppress(OSError):
        return Path(path).read_text().splitlines()
    return []


def processes() -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                found.append(entry.joinpath("cmdline").read_bytes().replace(b"\0", b" ").decode())
    return found


def namespaces() -> list[str]:
    found = set()
    for link in Path("/proc").glob("[0-9]*/ns/*"):
        with contextlib.suppress(OSError):
            found.add(os.readlink(link))
    return sorted(found)


def census() -> dict[str, list[str]]:
    """Return what a run could leave, by kind."""
    return {
        "processes": processes(),
        "namespaces": namespaces(),
        "links": sorted(os.listdir("/sys/class/net")) + [line.split(":")[0] for line in read("/proc/net/dev")[2:]],
        "sockets": [
            line for kind in ("unix", "tcp", "tcp6", "udp", "udp6", "packet") for line in read(f"/proc/net/{kind}")[1:]
        ],
        "shared memory": read("/proc/sysvipc/shm")[1:] + sorted(os.listdir("/dev/shm")),
        "mounts": [re.sub(r"^\d+ \d+", "", line) for line in read("/proc/self/mountinfo")],
        "temporary files": sorted(os.listdir(tempfile.gettempdir())),
    }


def reap_all(patience: int) -> bool:
    """Wait until this process has no children left, including inherited orphans.

    Return False if one lives for `patience` seconds.
    """
    signal.alarm(patience)
    try:
        while True:
            os.waitpid(-1, 0)
    except ChildProcessError:
        return True
    except TimeoutError:
        return False
    finally:
        signal.alarm(0)


def too_long(number: int, frame: object) -> None:
    raise TimeoutError


def kill_one(parent: str, delay: float, patience: int) -> bool:
    """Start the parent, kill it after `delay` (it never exits), and return whether all its processes ended."""
    child = subprocess.Popen([sys.executable, parent], stdout=subprocess.PIPE)
    assert child.stdout is not None
    if child.stdout.readline() != b"begun\n":
        raise SystemExit(f"{parent} did not begin")
    pidfd = os.pidfd_open(child.pid)
    if select.select([pidfd], [], [], delay)[0]:
        raise SystemExit(f"{parent} exited before it was killed")
    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    os.close(pidfd)
    child.stdout.close()
    gone = reap_all(patience)
    child.returncode = -9
    return gone


def main() -> None:
    signal.signal(signal.SIGALRM, too_long)
    parent, kills, patience = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    before = census()
    survivors = [processes() for _ in range(kills) if not kill_one(parent, random.random() * LONGEST, patience)]
    after = census()
    differences = {kind: [before[kind], after[kind]] for kind in before if before[kind] != after[kind]}
    print(json.dumps({"survivors": survivors, "differences": differences, "before": before}))


if __name__ == "__main__":
    main()
