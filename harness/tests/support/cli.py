# SPDX-License-Identifier: Apache-2.0 OR MIT
"""`hermitctl run` as a person starts it and reads it, for tests of what it tells."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from threading import Timer

LineWith = Callable[[str], str]
LONGEST = 300.0  # seconds that a block may take


@contextmanager
def hermitctl(
    *words: str,
    before: Sequence[str] = (),
    variables: Mapping[str, str] | None = None,
    program: Sequence[str] = (sys.executable, "-m", "hermit_harness", "run"),
) -> Iterator[tuple[subprocess.Popen[str], LineWith]]:
    """It runs in the background until the block ends; `before` are words that stand in front. All of them are one
    process group, the process its leader, which is ended after LONGEST, too. With it comes a function that waits for a
    line on stderr that holds a text; AssertionError with all lines when none comes until the end."""
    process = subprocess.Popen(
        # a session of tests that a shell started with & ignores Ctrl-C, and so would this one
        ["env", "--default-signal=INT", *before, *program, *words], stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env={**os.environ, **(variables or {})},
        start_new_session=True,
    )  # fmt: skip
    seen: list[str] = []

    def line_with(text: str) -> str:
        assert process.stderr is not None
        for line in process.stderr:
            seen.append(line)
            if text in line:
                return line.rstrip("\n")
        raise AssertionError("".join(seen))

    with process:
        last = Timer(LONGEST, _end, [process.pid])
        last.start()
        try:
            yield process, line_with
        finally:
            last.cancel()
            _end(process.pid)


def _end(group: int) -> None:
    # By the group: who has become another user is no longer told of its parent's death.
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
