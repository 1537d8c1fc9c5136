# SPDX-License-Identifier: Apache-2.0 OR MIT
"""How a run ended: the verdict, the origin of the status, the cause, and who should act."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

# Each verdict with its meaning. docs/verdicts.md has the same words.
VERDICTS = {
    "pass": "the run ended as expected",
    "wrong-exit": "the application ended with another status",
    "refused": "the loader printed a refusal and its number",
    "panic": "the kernel printed a panic, or Rust's standard library did and the application ended with its status",
    "crash": "a triple fault, or an exception that the kernel reports",
    "hang": "every CPU halted with interrupts off, or a time limit expired long after the last output",
    "timeout": "a time limit expired while the guest still printed, or while it had an open TCP port",
    "infra": "QEMU or a helper did not start, or died",
    "harness-bug": "the harness contradicts itself",
}
ORIGINS = ("app", "loader", "qemu", "harness", "none")

# Words with which such a cause begins. Only a backtrace shows which of both has panicked.
STATUS_UNKNOWN = "status unknown"
KERNEL_PANIC, APP_PANIC = "the kernel panicked", "the application panicked"

ERROR = re.compile(rb"\[LOADER\](?:\[ERROR\]|(?= \d{1,3} [a-z0-9-]+:)) [^\r\n]*")


@dataclass(frozen=True)
class Outcome:
    """The result of one boot.

    `verdict` is one of VERDICTS. `origin` is one of ORIGINS, the source of `status`, which is None if unknown.
    `rule` is the loader's rule word for a refusal, else the id of the row of ends.toml. `status_class` is the class
    word of a refusal ("" if the loader's status list is not built). `qemu_status` is negative for a signal.
    `kernel` is the version that the kernel printed, or "". `notes` are further messages for the user.
    `interrupted`: the user ended the run. `postmortem` has the application's frames if the machine could be examined.
    `source` is FILE:LINE of the failed code, or "". `regions` are ranges of memory that GDB has identified: start, end,
    name. `instructions` is how many the guest has executed until it stopped, None without QEMU's counter (-icount).
    `timings` are in seconds since QEMU's exec: "qmp", "cont", "first_byte", "loader_line", "loading", "kernel_line",
    "application_line", "end", and "cpu" (QEMU's CPU time).
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
    interrupted: bool = False
    source: str = ""
    regions: tuple[tuple[int, int, str], ...] = ()
    instructions: int | None = None

    @property
    def errors(self) -> list[bytes]:
        """Return the loader's error lines, even in the middle of a line: firmware may omit the newline before."""
        return ERROR.findall(self.console)

    def matches(self, expect: str) -> bool:
        """Return whether the run ended as expected.

        The expectation is "exit N", "exit unknown" (ended, and nothing reports the status), "refused N",
        "refused N RULE" or a verdict.
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
            raise ValueError(f"invalid expectation {expect!r}")
        return self.verdict == word and not rest

    def __str__(self) -> str:
        if self.origin == "loader" and self.verdict == "refused":
            return " ".join(w for w in ("loader refused", str(self.status), self.status_class, self.rule) if w)
        if self.origin == "app" and self.verdict in ("pass", "wrong-exit") and self.status is not None:
            return f"app exit {self.status}"
        if self.verdict == "pass" or self.cause.startswith(STATUS_UNKNOWN):
            return f"app ended, {STATUS_UNKNOWN}"
        return f"{self.verdict}: {self.cause}"
