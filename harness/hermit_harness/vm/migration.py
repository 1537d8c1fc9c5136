# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Write the state of a paused machine to a file, and read it into another QEMU with the same devices.

QEMU calls the state a migration stream. It has RAM, processors and devices, but neither the content of disks nor the
files that -kernel, -initrd and -append name: those are the receiving QEMU's own.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from hermit_harness.vm.qmp import Qmp, QmpError

INCOMING = ("-incoming", "defer")  # the receiver waits for load()
SECONDS = 60.0


def save(qmp: Qmp, stream: Path) -> None:
    """Write the state of a paused machine. Raise QmpError if QEMU cannot."""
    _transfer(qmp, "migrate", f"exec:cat > {shlex.quote(str(stream))}")


def load(qmp: Qmp, stream: Path) -> None:
    """Read the state into a QEMU that was started with INCOMING, and leave it paused. Raise QmpError if QEMU cannot."""
    _transfer(qmp, "migrate-incoming", f"exec:cat {shlex.quote(str(stream))}")


def _transfer(qmp: Qmp, command: str, uri: str) -> None:
    qmp.execute("migrate-set-capabilities", {"capabilities": [{"capability": "events", "state": True}]})
    qmp.execute(command, {"uri": uri}, SECONDS)
    while (status := qmp.wait_event("MIGRATION", SECONDS)["data"]["status"]) != "completed":
        if status == "failed":
            raise QmpError(f"{command} failed")
