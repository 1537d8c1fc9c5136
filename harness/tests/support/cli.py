# SPDX-License-Identifier: Apache-2.0 OR MIT
"""`hermitctl run` in the background, for tests of its messages."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from threading import Timer

LineWith = Callable[[str], str]
MAX_SECONDS = 300.0  # seconds that a block may take


@contextmanager
def hermitctl(
    *words: str,
    before: Sequence[str] = (),
    variables: Mapping[str, str] | None = None,
    program: Sequence[str] = (sys.executable, "-m", "hermit_harness", "run"),
) -> Iterator[tuple[subprocess.Popen[str], LineWith]]:
    """Run hermitctl in the background until the block ends; `before` are preceding words.

    The process group is ended after LONGEST at the latest.
    The yielded function waits for a line on stderr that contains a text. AssertionError shows all lines if there is
    none.
    """
    process = subprocess.Popen(
        # a test session that a shell starts with & ignores SIGINT, and so would this process
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
        last = Timer(MAX_SECONDS, _end, [process.pid])
        last.start()
        try:
            yield process, line_with
        finally:
            last.cancel()
            _end(process.pid)


def _end(group: int) -> None:
    # By group: a process that changed its user has lost its parent-death signal.
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
