# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Processes of tests: one that runs beside a test, and those of this machine by their command lines."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Timer
from typing import Any

from hermit_harness.vm.process import DIE_WITH_PARENT

MAX_SECONDS = 300.0  # seconds that a block may take


def run(*words: object, **options: object) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, with an empty stdin and the options of subprocess.run()."""
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        [*map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        timeout=MAX_SECONDS,
        stdin=subprocess.DEVNULL,
        **options,
    )


@contextmanager
def background(
    argv: Sequence[str | Path], seconds: float = MAX_SECONDS, **options: Any
) -> Iterator[subprocess.Popen[Any]]:
    """Run a program beside the block, with the options of Popen.

    However the block ends, the program and its process group end with it: Popen itself would wait for ever after a
    failed assertion. They end after `seconds` in any case, so that whoever reads their output sees its end.
    """
    process: subprocess.Popen[Any] = subprocess.Popen([*DIE_WITH_PARENT, *argv], start_new_session=True, **options)
    with process:
        last = Timer(seconds, _end, [process])
        last.start()
        try:
            yield process
        finally:
            last.cancel()
            _end(process)


def _end(process: subprocess.Popen[Any]) -> None:
    # By group: a process that changed its user has lost its parent-death signal.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def processes_with(word: str, program: str = "") -> list[int]:
    """Return the processes with this word on their command line whose program's name ends with `program`.

    A zombie has no command line.
    """
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = path.read_bytes().split(b"\0")
            if word.encode() in words and words[0].endswith(program.encode()):
                found.append(int(path.parent.name))
    return found


def descendants(pid: int) -> list[int]:
    """Return the PIDs of all processes below this one."""
    found = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return found + [below for child in found for below in descendants(child)]
