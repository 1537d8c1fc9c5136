# SPDX-License-Identifier: Apache-2.0 OR MIT
"""How a run ended: one verdict word, whose status it is, why, and who should act."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

VERDICTS = ("pass", "wrong-exit", "refused", "panic", "crash", "hang", "timeout", "infra", "harness-bug")
ORIGINS = ("app", "loader", "qemu", "harness", "none")

ERROR = re.compile(rb"\[LOADER\]\[ERROR\] [^\r\n]*")


@dataclass(frozen=True)
class Outcome:
    """The result of one boot.

    `verdict` is one of VERDICTS, `origin` one of ORIGINS and says whose number `status` is. `status` is None where no
    number is known.
    `rule` is the loader's rule word for a refusal, else the id of the row of ends.toml that was used. `status_class`
    is the loader's class
    word of a refusal ("" when the loader's status list is not built). `qemu_status` is negative for a death by signal.
    `kernel` is the version that the kernel printed, "" if it printed none. `notes` are what a person should see
    besides (QEMU's messages).
    `postmortem` is a screen of backtraces and registers where a machine was left to be looked at.
    `timings`, in seconds from QEMU's exec: "qmp", "cont", "first_byte", "loading", "kernel_line", "end", and "cpu"
    (QEMU's CPU time).
    """

    verdict: str
    status: int | None
    origin: str
    rule: str
    cause: str
    hint: str
    blame: str
    console: bytes
    qemu_status: int | None
    argv: tuple[str, ...]
    timings: dict[str, float] = field(default_factory=dict)
    artifacts: Path | None = None
    status_class: str = ""
    notes: tuple[str, ...] = ()
    kernel: str = ""
    postmortem: str = ""

    @property
    def errors(self) -> list[bytes]:
        """The loader's error lines, wherever they begin: firmware may have left a line open."""
        return ERROR.findall(self.console)

    def matches(self, expect: str) -> bool:
        """Whether this is what was expected.

        Understands "exit N", "exit unknown" (ended, status cannot be known), "refused N", "refused N RULE" and any
        verdict word.
        """
        word, _, rest = expect.strip().partition(" ")
        if word == "exit":
            if self.verdict not in ("pass", "wrong-exit") or self.origin != "app":
                return False
            return (
                self.status is None and self.verdict == "pass"
                if rest == "unknown"
                else self.status is not None and rest == str(self.status)
            )
        if word == "refused" and rest:
            number, _, rule = rest.partition(" ")
            actual = (str(self.status), self.rule)
            return self.verdict == "refused" and actual[0] == number and rule.strip() in ("", actual[1])
        if word not in VERDICTS:
            raise ValueError(f"expectation not understood: {expect!r}")
        return self.verdict == word and not rest

    def __str__(self) -> str:
        if self.origin == "loader" and self.verdict == "refused":
            return " ".join(w for w in ("loader refused", str(self.status), self.status_class, self.rule) if w)
        if self.origin == "app" and self.verdict in ("pass", "wrong-exit") and self.status is not None:
            return f"app exit {self.status}"
        if self.verdict == "pass":
            return "app ended, status unknown"
        return f"{self.verdict}: {self.cause}"
