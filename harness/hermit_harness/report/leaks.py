# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Find processes that outlive a test session. Every process that the session starts has a mark in its environment."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

VARIABLE = "HARNESS_SESSION"
SECONDS = 10.0  # for processes that are about to end, on a busy host


def mark_session() -> str:
    """The mark of this session, from now on in its environment."""
    os.environ[VARIABLE] = f"{os.getpid()}-{time.monotonic_ns()}"
    return os.environ[VARIABLE]


def marked_processes(mark: str, stack: ExitStack) -> Iterator[tuple[int, str]]:
    """The processes with this mark but this one, each by a descriptor that `stack` closes, with a sentence. Whose
    environment may not be read is not among them."""
    for directory in Path("/proc").glob("[0-9]*"):
        pid = int(directory.name)
        with suppress(OSError), ExitStack() as this:
            descriptor = os.pidfd_open(pid)  # before it is looked at: its number may be another's soon
            this.callback(os.close, descriptor)
            if pid != os.getpid() and f"{VARIABLE}={mark}".encode() in (directory / "environ").read_bytes().split(
                b"\0"
            ):
                words = (directory / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
                stack.push(this.pop_all())
                yield (
                    descriptor,
                    f"process {pid} outlived the session: {b' '.join(words).decode('utf-8', 'replace')[:200]}",
                )


def end_leaked_processes(mark: str, seconds: float = SECONDS) -> list[str]:
    """Kill each process that does not end within `seconds`, and return one sentence per process."""
    deadline = time.monotonic() + seconds
    with ExitStack() as stack:
        found = list(marked_processes(mark, stack))
        remaining = [(descriptor, sentence) for descriptor, sentence in found if not _ended(descriptor, deadline)]
        for descriptor, _ in remaining:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        for descriptor, _ in remaining:
            _ended(descriptor, time.monotonic() + seconds)
    return [sentence for _, sentence in remaining]


def _ended(descriptor: int, deadline: float) -> bool:
    return bool(select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))[0])
