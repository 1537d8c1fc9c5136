# SPDX-License-Identifier: Apache-2.0 OR MIT
"""console.jsonl: the console with the time of each piece, written while the guest runs.

A row is `{"t": seconds since QEMU's exec, "data": text}`. Bytes that are not UTF-8 are `\\xNN`, and a character that
arrives in two pieces is in the second one. `{"t": …, "left_out": bytes}` replaces what exceeds the limits.
"""

from __future__ import annotations

import codecs
import json
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from json.encoder import encode_basestring
from pathlib import Path
from typing import IO

NAME = "console.jsonl"
# The first rows are written as they arrive, the last ones are kept until the end.
HEAD_LIMIT, TAIL_LIMIT = 1 << 20, 256 << 10
ROW_BYTES = 32  # of a row without its text


@dataclass(frozen=True)
class Row:
    """One piece of the console. `left_out` is the number of bytes that are missing here; `text` is then empty."""

    time: float
    text: str
    left_out: int = 0


class ConsoleWriter:
    """Writes rows to a file. Its methods raise OSError if that fails."""

    def __init__(self, file: IO[str], head_limit: int = HEAD_LIMIT, tail_limit: int = TAIL_LIMIT) -> None:
        self._file = file
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        self._head_left, self._tail_limit = head_limit, tail_limit
        self._tail: deque[tuple[float, bytes]] = deque()
        self._tail_size = 0
        self._left_out: tuple[float, int] = (0.0, 0)
        self._last = 0.0

    def add(self, time: float, data: bytes) -> None:
        """Add one piece. The time is in seconds since QEMU's exec."""
        self._last = time
        size = len(data) + ROW_BYTES
        if not self._tail and size <= self._head_left:
            self._head_left -= size
            self._write(time, self._decoder.decode(data))
            return
        self._tail.append((time, data))
        self._tail_size += size
        while self._tail_size > self._tail_limit and len(self._tail) > 1:
            first, dropped = self._tail.popleft()
            self._tail_size -= len(dropped) + ROW_BYTES
            self._left_out = (self._left_out[0] or first, self._left_out[1] + len(dropped))

    def close(self) -> None:
        """Write the rows that are still kept, and close the file."""
        with self._file:
            time, left_out = self._left_out
            if left_out:
                self._file.write(f'{{"t": {time:.6f}, "left_out": {left_out}}}\n')
                self._decoder.reset()
            for time, data in self._tail:
                self._write(time, self._decoder.decode(data))
            self._write(self._last, self._decoder.decode(b"", final=True))

    def _write(self, time: float, text: str) -> None:
        if text:
            self._file.write(f'{{"t": {time:.6f}, "data": {encode_basestring(text)}}}\n')


def rows(directory: Path) -> Iterator[Row]:
    """Yield the rows of a run. A last row that was cut off ends them; so does a file that is missing."""
    path = directory / NAME
    if not path.is_file():
        return
    for line in path.read_bytes().split(b"\n"):
        try:
            row = json.loads(line)
        except ValueError:
            return
        yield Row(row["t"], row.get("data", ""), row.get("left_out", 0))
