# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Programs on a pseudo-terminal, as a user sees them and types into them. Each wait is for bytes, with a deadline.

Each session has namespaces of its own, no network, and an empty home.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from hermit_harness.paths import ROOT

PROMPT = r"\(gdb\) "
ROWS, COLUMNS = 1000, 250  # large enough for no paging and no wrapping
# Control sequences that readline and GDB send to a terminal.
_CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[=>]|\r")


class Terminal:
    """Run `argv` on a pseudo-terminal that it controls.

    `seen` is its whole output, `matched` the output up to the last match of expect().
    """

    def __init__(self, argv: Sequence[str], environment: Mapping[str, str], directory: Path) -> None:
        self.seen = ""
        self._at = 0  # what expect() has consumed
        self.started = self.matched = time.monotonic()
        self.pid, self._fd = pty.fork()
        if self.pid == 0:  # the child, which must never return from here
            try:
                os.chdir(directory)
                os.execvpe(argv[0], list(argv), dict(environment))
            finally:
                os._exit(127)
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self.pidfd = os.pidfd_open(self.pid)
        self.status: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.status is None:
            self.kill(signal.SIGKILL)
            self.end(10.0)
        os.close(self._fd)
        os.close(self.pidfd)

    def _read(self, deadline: float) -> bool:
        """Read what is available, or wait for it. Return False at the deadline and at the end."""
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([self._fd], [], [], left)[0]:
            return False
        try:
            data = os.read(self._fd, 65536)
        except OSError:  # no process has the terminal open any more
            return False
        self.seen += _CONTROL.sub("", data.decode("utf-8", "replace"))
        return bool(data)

    def expect(self, pattern: str, seconds: float = 60.0) -> str:
        """Return the output since the last call, up to the first match. AssertionError shows the whole output."""
        deadline = time.monotonic() + seconds
        while True:
            found = re.search(pattern, self.seen[self._at :], re.S)
            if found:
                text = self.seen[self._at : self._at + found.end()]
                self._at += found.end()
                self.matched = time.monotonic()
                return text
            if not self._read(deadline):
                raise AssertionError(
                    f"no {pattern!r} in:\n{self.seen[self._at :]}\n--- before:\n{self.seen[: self._at]}"
                )

    def type(self, text: str) -> None:
        """Type these keys."""
        os.write(self._fd, text.encode())

    def ask(self, command: str, seconds: float = 60.0) -> str:
        """Send GDB a command and return its answer."""
        self.type(command + "\n")
        answer = self.expect(PROMPT, seconds)
        return answer.removeprefix(command).removesuffix("(gdb) ").strip()

    def kill(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, number)

    def end(self, seconds: float = 30.0) -> int:
        """Read until the program ends. Return its exit status, negative for a signal."""
        deadline = time.monotonic() + seconds
        with select.epoll() as ends:
            ends.register(self.pidfd, select.EPOLLIN)
            ends.register(self._fd, select.EPOLLIN)
            while not any(fd == self.pidfd for fd, _ in ends.poll(max(0.0, deadline - time.monotonic()))):
                assert time.monotonic() < deadline, f"the program still runs:\n{self.seen}"
                if not self._read(deadline):
                    ends.unregister(self._fd)
        _, status = os.waitpid(self.pid, 0)
        self.status = os.waitstatus_to_exitcode(status)
        return self.status


Start = Callable[..., Terminal]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Return the environment of a user without settings: no .gdbinit, no variables of the harness."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("HERMIT_")}
    (tmp_path / "home").mkdir()
    (tmp_path / "run").mkdir(mode=0o700)
    for name in ("GDB", "RUST_GDB", "DEBUGINFOD_URLS"):
        own.pop(name, None)
    # Rust's wrapper needs the toolchain, and firmware is in the cache: both are in the real home.
    real = {"RUSTUP_HOME": ".rustup", "CARGO_HOME": ".cargo", "XDG_CACHE_HOME": ".cache"}
    kept = {name: os.environ.get(name) or str(Path.home() / directory) for name, directory in real.items()}
    here = {
        "HOME": str(tmp_path / "home"),
        "XDG_RUNTIME_DIR": str(tmp_path / "run"),
        "TERM": "dumb",
        "LC_ALL": "C.UTF-8",
    }
    return own | kept | here


@pytest.fixture
def start(environment: dict[str, str]) -> Iterator[Start]:
    """Start `hermitctl WORDS` on a terminal, any number of times.

    All programs end with the test. `before` are preceding words, for example of a shell; further arguments are
    variables.
    """
    with contextlib.ExitStack() as stack:

        def go(*words: object, before: Sequence[str] = (), **more: str) -> Terminal:
            argv = [*before, sys.executable, "-m", "hermit_harness", *map(str, words)]
            return stack.enter_context(Terminal(argv, environment | more, ROOT))

        yield go
