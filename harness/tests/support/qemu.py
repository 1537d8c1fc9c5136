# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Guests that are examined while they are stopped, and QEMU on a plain command line."""

from __future__ import annotations

import contextlib
import select
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hermit_harness.vm.host import UNSHARE_COMMAND
from hermit_harness.vm.process import DIE_WITH_PARENT, Process, launch
from hermit_harness.vm.qmp import Qmp
from hermit_harness.vm.spec import RunSpec


class MarkerError(RuntimeError):
    """The guest did not reach the point at which it was to be examined."""


@dataclass
class ExaminedGuest:
    """A guest that has printed the expected text. Its CPUs may still run; `physical` reads the current memory."""

    process: Process
    qmp: Qmp
    console: bytes
    directory: Path

    def physical(self, address: int, length: int) -> bytes:
        """Read guest memory by physical address."""
        file = self.directory / f"memory-{address:x}"
        self.qmp.execute("pmemsave", {"val": address, "size": length, "filename": str(file)})
        return file.read_bytes()


def _console_until(process: Process, marker: bytes, seconds: float) -> bytes:
    """Read the serial port until the marker. An earlier end and the time limit raise an error with the output."""
    seen = b""
    limit = time.monotonic() + seconds
    while marker not in seen:
        left = limit - time.monotonic()
        ready = select.select([process.serial], [], [], max(0.0, left))[0]
        data = process.serial.recv(65536) if ready else b""
        if not data:
            raise MarkerError(f"{marker!r} was not printed; the console ends with {seen[-300:]!r}")
        seen += data
    return seen


@contextlib.contextmanager
def examined(spec: RunSpec, marker: bytes, directory: Path, seconds: float = 30.0) -> Iterator[ExaminedGuest]:
    """Run a guest until its console shows the marker. End it with the block. `directory` gets copies of memory."""
    process = launch(spec)
    try:
        qmp = Qmp(process.qmp)
        qmp.greet(seconds)
        qmp.execute("cont")
        yield ExaminedGuest(process, qmp, _console_until(process, marker, seconds), directory)
    finally:
        process.kill()


def run_qemu(argv: Sequence[str], stdin: bytes = b"", seconds: float = 60.0) -> subprocess.CompletedProcess[bytes]:
    """Run QEMU as a user would, but isolated: no network to the outside, and its life ends with the test."""
    return subprocess.run(
        [*DIE_WITH_PARENT, *UNSHARE_COMMAND, *argv], input=stdin, capture_output=True, timeout=seconds, check=False
    )
