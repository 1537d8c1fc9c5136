# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Stdout and stderr where they may be a terminal: colours, whose lines are shown, and what happens when it closes.

A terminal that closes sends SIGHUP and makes the next write fail with EIO, in either order.
"""

from __future__ import annotations

import errno
import math
import os
import signal
import stat
import sys
from collections.abc import Callable

from hermit_harness.watch.console import strip_ansi
from hermit_harness.watch.kernel_log import KernelLog


def hang_up(error: OSError) -> None:
    """Raise SIGHUP if a write to stdout failed with `error` because its terminal has closed.

    The handler ends the program as the terminal's own signal does, which may come later or not at all.
    """
    if error.errno == errno.EIO and error.filename is None and stat.S_ISCHR(os.fstat(1).st_mode):
        signal.raise_signal(signal.SIGHUP)


def has_colours(fd: int) -> bool:
    """Return whether a stream shows colours: a terminal does, unless NO_COLOR or TERM says otherwise."""
    return not (os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb") and os.isatty(fd)


def columns(fd: int) -> float:
    """The width of the terminal that shows a stream; endless if it is none."""
    try:
        return os.get_terminal_size(fd).columns or math.inf
    except OSError:
        return math.inf


def to_stdout(data: bytes) -> None:
    """Write all data, unbuffered. Raise ValueError if that fails, BrokenPipeError if the reader is gone."""
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(1, view) :]
    except BrokenPipeError:
        raise
    except OSError as error:
        hang_up(error)
        raise ValueError(f"the console could not be written to stdout: {error.strerror}") from None


class ConsoleView:
    """What a user sees of a guest's console.

    All bytes, unless `quiet`: then only the application's. NO_COLOR takes the colours from the kernel's lines, and so
    does a stdout that is no terminal for cargo's runner, `of_cargo`. With `log_last` the kernel's lines follow at the
    end, on stdout.
    """

    def __init__(
        self,
        quiet: bool = False,
        of_cargo: bool = False,
        log_last: bool = False,
        write: Callable[[bytes], None] = to_stdout,
    ) -> None:
        plain = bool(os.environ.get("NO_COLOR")) or (of_cargo and not has_colours(1))
        self._log = KernelLog(shows=not (quiet or log_last)) if quiet or plain or log_last else None
        self._log_last = log_last
        self._write = write

    def __call__(self, data: bytes) -> None:
        self._write(self._log.feed(data) if self._log else data)

    def end(self, good: bool) -> None:
        """Show the rest. A run that went wrong also shows, on stderr, what was withheld."""
        if not self._log:
            return
        self._write(self._log.finish())
        withheld = self._log.withheld.bytes()
        if self._log_last:
            self._write(b"Dump kernel log:\n" + withheld)
            return
        if good or not withheld:
            return
        text = withheld if has_colours(2) else strip_ansi(withheld)
        sys.stderr.write("hermitctl: the lines of loader and kernel:\n")
        sys.stderr.write((text if text.endswith(b"\n") else text + b"\n").decode("utf-8", "surrogateescape"))
