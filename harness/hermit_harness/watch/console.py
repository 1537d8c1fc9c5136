# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Console bytes: a record of bounded size, and lines for matching. No encoding is assumed."""

from __future__ import annotations

import re
from collections.abc import Iterator

# CSI sequences, OSC strings (ended by BEL or ST), and two-byte escapes.
_ANSI = re.compile(rb"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-Z\\^_`-~]")


def strip_ansi(line: bytes) -> bytes:
    """Remove terminal escape sequences."""
    return _ANSI.sub(b"", line) if b"\x1b" in line else line


class ConsoleRecord:
    """Keeps the first and the last `half` bytes of a stream and counts the rest."""

    def __init__(self, half: int = 512 * 1024) -> None:
        self.half = half
        self.total = 0
        self._head = bytearray()
        self._tail = bytearray()

    def feed(self, data: bytes) -> None:
        self.total += len(data)
        room = self.half - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        self._tail += data
        if len(self._tail) > 2 * self.half:
            del self._tail[: -self.half]

    @property
    def dropped(self) -> int:
        """Return the number of bytes in neither part."""
        return self.total - len(self._head) - min(len(self._tail), self.half)

    def bytes(self) -> bytes:
        """Return the kept bytes, with a note in place of the dropped ones."""
        tail = bytes(self._tail[-self.half :])
        note = b"\n[harness: %d bytes of console left out here]\n" % self.dropped if self.dropped else b""
        return bytes(self._head) + note + tail


class LineSplitter:
    """Splits a stream into lines (LF or CR LF) without escape sequences.

    A line longer than `limit` is truncated, so memory stays bounded for output without newlines.
    """

    def __init__(self, limit: int = 8192) -> None:
        self.limit = limit
        self._part = b""
        self._skipping = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        *whole, rest = data.split(b"\n")
        for piece in whole:
            line = self._part + piece
            self._part = b""
            if self._skipping:
                self._skipping = False
            else:
                yield self._clean(line)
        if self._skipping:
            return
        self._part += rest
        if len(self._part) > self.limit:
            line, self._part, self._skipping = self._part, b"", True
            yield self._clean(line)

    def finish(self) -> Iterator[bytes]:
        """Yield the last line if it has no newline."""
        if self._part and not self._skipping:
            yield self._clean(self._part)
        self._part = b""

    def _clean(self, line: bytes) -> bytes:
        return strip_ansi(line[: self.limit]).rstrip(b"\r")
