# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Distinguish the application's output from the lines of loader and kernel (kernel_log.toml), while it arrives."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from hermit_harness.watch.console import ConsoleRecord, strip_ansi

TABLE = Path(__file__).parents[1] / "kernel_log.toml"
# The start of a line, without escape sequences, of which more must arrive before it is known whose it is.
_BRACKETS = re.compile(rb"\[(?:[ 0-9.]*|L[OADER]*)(?:\](?:\[.{0,80})?)?", re.DOTALL)
_ESCAPE_BEGINS = re.compile(rb"\x1b[^a-zA-Z]*$")
LONGEST_LAST_LINE = 64
_PIECES = re.compile(rb"[^\n]*\n|[^\n]+")
_DIGITS = re.compile(r"\\\[.*|-\?.*|\\d.*")


@dataclass(frozen=True)
class LogRow:
    """The patterns of one generation. The top of kernel_log.toml describes them."""

    id: str
    kernels: str
    prefix: re.Pattern[bytes]
    first: re.Pattern[bytes] | None
    started: re.Pattern[bytes] | None
    last: tuple[str, ...]

    def says(self, what: str, line: bytes) -> bool:
        """Return whether a line is the one that the row calls `first` or `started`."""
        prefix, pattern = self.prefix.match(line), {"first": self.first, "started": self.started}[what]
        return bool(pattern and prefix and pattern.match(line, prefix.end()))


@lru_cache(maxsize=1)
def rows() -> tuple[LogRow, ...]:
    """The table as it is in the file."""

    def pattern(text: str) -> re.Pattern[bytes] | None:
        return re.compile(text.encode()) if text else None

    return tuple(
        LogRow(
            row["id"],
            row["kernels"],
            re.compile(row["prefix"].encode()),
            pattern(row["first"]),
            pattern(row["started"]),
            tuple(row["last"]),
        )
        for row in tomllib.loads(TABLE.read_text())["log"]
    )


class KernelLog:
    """A stream of console bytes, divided. `shows` keeps the lines of loader and kernel, without their colours.

    feed() returns what may be shown. A line of which nothing arrived yet that could be the kernel's is passed on at
    once: a prompt has no newline. `withheld` has the lines that are not shown. `has_started`: the kernel has printed
    its last line before the application.
    """

    def __init__(self, shows: bool = False) -> None:
        self.withheld = ConsoleRecord()
        self._shows = shows
        self._part = b""  # the start of a line, not shown yet
        self._is_open = False  # a part of this line has been shown
        self._in_block = False  # in lines without prefix, such as the registers at an exception, up to "}"
        self.has_started = False
        self._booting: LogRow | None = None  # the kernel that has not started its application yet
        self._last: list[bytes] = []  # lines that are the kernel's if nothing follows
        last = {text for row in rows() for text in row.last}
        self._last_line = re.compile("|".join(f"(?:{text})" for text in sorted(last)).encode() + rb"\Z")
        self._last_heads = tuple(filter(None, {_DIGITS.sub("", text).encode() for text in last}))

    def feed(self, data: bytes) -> bytes:
        """Return what of the bytes up to the end of `data` is to be shown."""
        return b"".join(map(self._piece, _PIECES.findall(data)))

    def finish(self) -> bytes:
        """Return what is still to be shown when the output is over."""
        shown, self._part = (self._line(self._part) if self._part else b""), b""
        for line in self._last:
            shown += self._of_kernel(line)
        self._last = []
        return shown

    def _piece(self, piece: bytes) -> bytes:
        line, self._part = self._part + piece, b""
        if piece.endswith(b"\n"):
            return self._line(line)
        at = 0 if self._booting or self._in_block else self._held_from(line)
        self._part = line[at:]
        if not at:
            return b""
        self._is_open = True
        return self._of_application(line[:at])

    def _held_from(self, part: bytes) -> int:
        """Return from where on the start of a line could be the kernel's."""
        text = _ESCAPE_BEGINS.sub(b"", strip_ansi(part))
        if not self._is_open and (not text or _BRACKETS.fullmatch(text)):
            return 0
        suffixes = range(max(0, len(part) - LONGEST_LAST_LINE), len(part))
        return next((at for at in suffixes if self._begins_last_line(part[at:])), len(part))

    def _begins_last_line(self, text: bytes) -> bool:
        return any(head.startswith(text) or text.startswith(head) for head in self._last_heads)

    def _line(self, line: bytes) -> bytes:
        text = strip_ansi(line).rstrip(b"\r\n")
        is_rest, self._is_open = self._is_open, False
        if self._booting:
            if self._booting.says("started", text):
                self._booting, self.has_started = None, True
            return self._of_kernel(line)
        row = None if is_rest else next((row for row in rows() if row.prefix.match(text)), None)
        if row:
            self._booting = next((row for row in rows() if row.says("first", text)), None)
            self._in_block = self._in_block or text.endswith(b"{")
            return self._of_kernel(line)
        if self._in_block and not is_rest:
            self._in_block = text != b"}"
            return self._of_kernel(line)
        if not text and self._last:
            return self._hold(line)
        ended = self._last_line.search(text)
        at = line.rfind(ended[0]) if ended else -1
        # The application may have left its last line unfinished.
        return self._of_application(line) if at < 0 else line[:at] + self._hold(line[at:])

    def _hold(self, line: bytes) -> bytes:
        if self._shows:
            return line
        self._last.append(line)
        return b""

    def _of_application(self, line: bytes) -> bytes:
        held, self._last = self._last, []
        return b"".join((*held, line))

    def _of_kernel(self, line: bytes) -> bytes:
        if self._shows:
            return strip_ansi(line)
        self.withheld.feed(line)
        return b""
