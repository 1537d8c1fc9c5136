# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Console bytes: a record of bounded size, and lines for matching. No encoding is assumed."""

from __future__ import annotations

import re
from collections.abc import Iterator

# CSI sequences, OSC strings (ended by BEL or ST), and two-byte escapes.
_ANSI = re.compile(rb"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-Z\\^_`-~]")


# What a terminal does not show at the end of a line: escape sequences, finished or cut off, and blanks. An OSC string
# without end is not among them: the status may be part of it.
_INVISIBLE_END = re.compile(
    rb"(?:\s|" + _ANSI.pattern + rb"|\x1b\[[0-?]*[ -/]*(?=\x1b|\s|$)|\x1b[ -/]*(?=\x1b|\s|$))+$"
)
# An unfinished escape sequence, or a part of the loader's first word, at the end of the output.
_HELD_BACK = re.compile(rb"(?:\x1b(?:\[[0-?]{0,32}[ -/]{0,4}|[ -/]{0,4})?|\[(?:L(?:O(?:A(?:D(?:E(?:R)?)?)?)?)?)?)\Z")
_REFUSAL = re.compile(rb"(?:.*\[LOADER\])?(?:\[ERROR\]|(?= \d{1,3} [a-z0-9-]+:)) [^\n]*\n", re.DOTALL)
_TAIL = 256  # bytes of the end of a line that is too long


def strip_ansi(line: bytes) -> bytes:
    """Remove terminal escape sequences."""
    return _ANSI.sub(b"", line) if b"\x1b" in line else line


def visible_end(line: bytes) -> bytes:
    """Return the last bytes of a line, without the invisible ones at its end.

    Escape sequences before that stay: an unfinished one would swallow the text after it.
    """
    return _INVISIBLE_END.sub(b"", line[-_TAIL:])


class FirmwareFilter:
    """Removes terminal control from a firmware's output, which clears the screen and sets its colours.

    The output of loader and application is unchanged. It begins with the loader's first line, and ends with a refusal
    if the firmware `continues` then.
    """

    LOADER = b"[LOADER]"

    def __init__(self, continues: bool = False) -> None:
        self._continues = continues
        self._held = b""

    def feed(self, data: bytes, in_firmware: bool) -> bytes:
        """Return what may be shown. `in_firmware`: the firmware has control before this data.

        The start of an unfinished sequence is held back.
        """
        data, self._held = self._held + data, b""
        if not in_firmware:
            return data
        firmware, loader, rest = data.partition(self.LOADER)
        if not loader:
            cut = _HELD_BACK.search(firmware)
            self._held = cut[0] if cut else b""
            firmware = firmware[: len(firmware) - len(self._held)]
        refused = _REFUSAL.match(rest) if self._continues else None
        at = refused.end() if refused else len(rest)
        return strip_ansi(firmware) + loader + rest[:at] + strip_ansi(rest[at:])

    def finish(self) -> bytes:
        """Return what is still held back, without control characters."""
        held, self._held = self._held, b""
        return held.replace(b"\x1b", b"")


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
    """Splits a stream into lines (LF or CR LF) without escape sequences; `raw` keeps these and the CR.

    A line longer than `limit` is cut into its first `limit` bytes and its last few, so memory stays bounded.
    """

    def __init__(self, limit: int = 8192, raw: bool = False) -> None:
        self.limit = limit
        self._raw = raw
        self._part = b""
        self._skipping = False

    @property
    def part(self) -> bytes:
        """Return the start of the line that has not ended yet."""
        return self._part

    def feed(self, data: bytes) -> Iterator[bytes]:
        *whole, rest = data.split(b"\n")
        for piece in whole:
            line = self._part + piece
            self._part = b""
            yield from self._ended(line)
        self._part += rest
        if not self._skipping and len(self._part) > self.limit:
            line, self._part, self._skipping = self._part[: self.limit], self._part[self.limit :], True
            yield self._clean(line)
        if self._skipping:
            self._part = self._part[-_TAIL:]

    def finish(self) -> Iterator[bytes]:
        """Yield the last line if it has no newline."""
        if self._part:
            yield from self._ended(self._part)
        self._part = b""

    def _ended(self, line: bytes) -> Iterator[bytes]:
        skipping, self._skipping = self._skipping, False
        if not skipping and len(line) > self.limit:
            yield self._clean(line[: self.limit])
            line, skipping = line[self.limit :], True
        yield self._clean(line[-_TAIL:] if skipping else line)

    def _clean(self, line: bytes) -> bytes:
        return line if self._raw else strip_ansi(line).rstrip(b"\r")
