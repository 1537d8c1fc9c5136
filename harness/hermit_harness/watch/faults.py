# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Recognise the report of a CPU exception that a kernel prints, by the rows of exceptions.toml."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from hermit_harness.exceptions import ExceptionRow, table

# "[0][ERROR] text", after a time stamp since kernel 0.12. It may follow an unfinished line of the application.
_ERROR = re.compile(r"\[(\d{1,4})\]\[ERROR[^\]]*\] ")
_LOG = re.compile(r"\[(\d{1,4})\]\[(?:INFO|WARN|DEBUG|TRACE)\b")
_REGISTER = re.compile(r"(\w+): ([0-9a-f]+)")
MAX_LINES = 64


@dataclass(frozen=True)
class Fault:
    """One complete report. `values` has the row's groups that are numbers, and registers by GDB's names.

    `name` and `code` are texts of the report; "" if the row has none.
    """

    row: ExceptionRow
    core: int
    first_line: str
    values: Mapping[str, int]
    name: str = ""
    code: str = ""

    @property
    def pc(self) -> int:
        """The address of the instruction that raised the exception."""
        return self.values["pc"]

    @property
    def summary(self) -> str:
        """What is known without symbols: `illegal instruction at 0x201234`."""
        word = table().words.get(self.name, "")
        word = word or (
            "page fault" if "address" in self.values and not self.name else self.first_line.partition(", PC=")[0]
        )
        address = f", address {self.values['address']:#x}" if "address" in self.values else ""
        return f"{word} at {self.pc:#x}{address}"


@dataclass
class FaultLog:
    """The state of recognition: the block that is being printed, and the complete ones until they are taken.

    A kernel may raise a second exception right after the first one, which is the cause: 0.3.30 does, when it ends a
    task after its exception.
    """

    cpu: str
    _complete: deque[Fault] = field(default_factory=deque)
    _core: int = 0
    _row: ExceptionRow | None = None
    _lines: list[str] = field(default_factory=list)

    def add_line(self, line: bytes) -> None:
        """Add one line of the console, without colours."""
        text = line.decode("utf-8", "backslashreplace")
        log = _ERROR.search(text)
        text = text[log.end() :] if log else text
        row = next((r for r in table().rows if r.cpu == self.cpu and r.first.match(text)), None) if log else None
        if row and log:
            self._row, self._core, self._lines = row, int(log[1]), []
        elif self._row is None or _LOG.search(text):
            return
        self._lines.append(text)
        assert self._row is not None
        if len(self._lines) > MAX_LINES:
            self._row = None
        elif found := self._row.block.search("\n".join([*self._lines, ""])):
            self._complete.append(self._fault(self._row, found))
            self._row = None

    def take(self) -> Fault | None:
        """Return the oldest complete report once."""
        return self._complete.popleft() if self._complete else None

    def _fault(self, row: ExceptionRow, found: re.Match[str]) -> Fault:
        groups = {name: text for name, text in found.groupdict().items() if text is not None}
        name, code = groups.pop("name", ""), groups.pop("code", "")
        registers = dict(_REGISTER.findall(groups.pop("registers", "")))
        values = {key: int(text, 16 if row.hex else 0) for key, text in (registers | groups).items()}
        return Fault(row, self._core, self._lines[0], values, name, code)
