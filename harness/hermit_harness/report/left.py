# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Processes that a session of tests has left behind: whatever it starts carries a mark in its environment."""

from __future__ import annotations

import os
import select
import signal
import time
from contextlib import suppress
from pathlib import Path

VARIABLE = "HARNESS_SESSION"
SECONDS = 5.0  # for what has been told to end


def begin() -> str:
    """The mark of this session, from now on in its environment."""
    os.environ[VARIABLE] = f"{os.getpid()}-{time.monotonic_ns()}"
    return os.environ[VARIABLE]


def marked(mark: str) -> dict[int, str]:
    """The processes with this mark but this one, with their command lines. Whose environment may not be read is not
    among them."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"{VARIABLE}={mark}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                words = (folder / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
                found[int(folder.name)] = b" ".join(words).decode("utf-8", "replace")
    found.pop(os.getpid(), None)
    return found


def behind(mark: str, seconds: float = SECONDS) -> list[str]:
    """A sentence for each process that does not end by itself within `seconds`. They are killed."""
    sentences = []
    ends = time.monotonic() + seconds
    for pid, line in marked(mark).items():
        with suppress(ProcessLookupError):
            descriptor = os.pidfd_open(pid)
            try:
                if not select.select([descriptor], [], [], max(0.0, ends - time.monotonic()))[0]:
                    sentences.append(f"process {pid} was left behind: {line[:200]}")
                    signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            finally:
                os.close(descriptor)
    return sentences
