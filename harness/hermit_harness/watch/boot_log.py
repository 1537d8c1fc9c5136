# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Interpret console lines: the progress of the boot, a refusal of the loader, a kernel panic, the printed status."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Self

from hermit_harness.ends import end
from hermit_harness.vm.argv import firmware_prints, machine_of
from hermit_harness.vm.spec import RunSpec
from hermit_harness.vm.targets import target
from hermit_harness.watch.console import strip_ansi, visible_end
from hermit_harness.watch.faults import FaultLog
from hermit_harness.watch.kernel_log import KernelLog

# The classes internal-error and cpu-exception, with which the loader can still end during the hand-over.
LATE_REFUSALS = (99, 101)

# The level is missing with loader.log-style=plain, and before upstream's loader 0.4.0.
_LOADER = re.compile(rb"\[LOADER\]")
_ERROR = re.compile(rb"\[LOADER\](?:\[ERROR\])? (\d{1,3}) ([a-z0-9-]+): ?(.*)$")
# Before upstream's loader 0.3.0 the line has another text, and before 0.4.5 no end.
_LOADING = re.compile(
    rb"\[LOADER\](?:\[INFO\])? (?:Load HermitCore Application at |Loading kernel to )"
    rb"(0x[0-9a-fA-F]+)(?:\.\.(0x[0-9a-fA-F]+))?"
)
_FOREIGN_PANIC = re.compile(rb"\[LOADER\] (?:PANIC: |panicked at )(.*)$")
# "[0][PANIC] text", after a time stamp since kernel 0.12; "[0][!!!PANIC!!!] text" in the kernels of 2019 to 2021. The
# application may have left its last line unfinished.
_PANIC = re.compile(rb"(?:\[[ 0-9.]{1,16}\])?\[\d{1,4}\]\[(?:PANIC[^\]]*|!!!PANIC!!!)\] ?(.*)$")
# Rust's standard library; the message is on the next line since Rust 1.73, the thread's number in the line since 1.91.
_STD_PANIC = re.compile(rb"thread '[^']*'(?: \(\d+\))? panicked at .*$")
_WELCOME = re.compile(rb"Welcome to Hermit(?:Core-rs)? (\S+)")


@dataclass(frozen=True)
class Refusal:
    """A `[LOADER][ERROR] <n> <rule>: …` line, or one without the level.

    `believed` is False if the guest may have printed it."""

    number: int
    rule: str
    sentence: str
    believed: bool


@dataclass
class BootLog:
    """The facts from the console lines of one run, in order.

    `status_line` is the pattern of the application's exit status, from ends.toml; None if its kernel prints none.
    `after_status` is the pattern of the lines that the kernel may print after it.
    `status` is the status at the end of the last line, None if other output followed. `earlier_status` is the last one
    that ended a line: an application may have printed it.
    `in_firmware`: lines before the loader's first line belong to the firmware. `returns_to_firmware`: after a refusal
    the firmware may start another loader; `earlier_refusals` then lists the refusals before that loader's first line.
    """

    status_line: re.Pattern[bytes] | None = None
    after_status: re.Pattern[bytes] | None = None
    in_firmware: bool = False
    returns_to_firmware: bool = False
    earlier_refusals: list[Refusal] = field(default_factory=list)
    refusal: Refusal | None = None
    late_refusal: Refusal | None = None
    loader_panic: str | None = None
    load_range: tuple[int, int] | None = None
    panic: str | None = None
    std_panic: str | None = None
    status: int | None = None
    earlier_status: int | None = None
    kernel_version: str | None = None
    guest_lines: int = 0
    line_count: int = 0
    last_line: bytes = b""
    times: dict[str, float] = field(default_factory=dict)
    faults: FaultLog = field(default_factory=lambda: FaultLog("x86_64"))
    _divided: KernelLog = field(default_factory=KernelLog)

    @classmethod
    def of(cls, spec: RunSpec) -> Self:
        """Return an empty log for a boot of `spec`."""
        machine, row = machine_of(spec), end(spec.end)
        return cls(
            status_line=row.line,
            after_status=row.after,
            in_firmware=firmware_prints(spec),
            returns_to_firmware=machine.returns_to_firmware,
            faults=FaultLog(target(spec.target).cpu),
        )

    @property
    def handed_over(self) -> bool:
        """Return whether the console shows that the loader has handed over."""
        return self.load_range is not None or self.guest_lines > 0

    @property
    def is_final(self) -> bool:
        """Return whether a line announces the end of the run."""
        return bool(self.refusal or self.loader_panic is not None or self.panic is not None or self.status is not None)

    def add_line(self, raw: bytes, now: float) -> None:
        """Add one complete line, with its escape sequences. `now` is in seconds since QEMU's exec."""
        line = strip_ansi(raw).rstrip(b"\r")
        if not line.strip():
            return
        self.line_count += 1
        self.last_line = line
        # Firmware may leave a line open before it starts the loader.
        loader = _LOADER.search(line) if self.in_firmware and not self.guest_lines else _LOADER.match(line)
        if loader:
            self.in_firmware = False
            self.times.setdefault("loader_line", now)
            self.status = None
            self._loader_line(line[loader.start() :], now)
        elif self.in_firmware and not self._status_match(raw):
            return
        else:
            self._guest_line(line, now)
            self._take_status(raw)

    def _loader_line(self, line: bytes, now: float) -> None:
        error = _ERROR.match(line)
        # The further lines of an exception report have no number.
        if self.returns_to_firmware and self.refusal and (error or not line.startswith(b"[LOADER][ERROR]")):
            self.earlier_refusals.append(self.refusal)
            self.refusal = None
        if error:
            number = int(error[1])
            believed = not self.guest_lines and (self.load_range is None or number in LATE_REFUSALS)
            refusal = Refusal(number, error[2].decode(), printable(error[3]), believed)
            if not believed:
                self.late_refusal = self.late_refusal or refusal
            elif self.refusal is None:
                self.refusal = refusal
                self.in_firmware = self.returns_to_firmware
                self.times.setdefault("refusal", now)
            return
        loading = _LOADING.match(line)
        if loading and self.load_range is None and not self.guest_lines:
            self.load_range = (int(loading[1], 16), int(loading[2] or loading[1], 16))
            self.times.setdefault("loading", now)
        panic = _FOREIGN_PANIC.match(line)
        if panic and self.loader_panic is None and not self.guest_lines:
            self.loader_panic = printable(panic[1])

    def _status_match(self, raw: bytes) -> re.Match[bytes] | None:
        return self.status_line.search(visible_end(raw)) if self.status_line else None

    def _take_status(self, raw: bytes) -> None:
        found, shown = self._status_match(raw), visible_end(raw)
        if found:
            self.status = self.earlier_status = int(found[1])
        elif shown and not (self.after_status and self.after_status.search(shown)):
            self.status = None

    def _guest_line(self, line: bytes, now: float) -> None:
        self.guest_lines += 1
        self.times.setdefault("kernel_line", now)
        self._take_start(line, now)
        self.faults.add_line(line)
        panic = _PANIC.search(line)
        if self.panic is not None and self.panic.endswith(":"):
            self.panic += f" {printable(line.strip())}"  # Rust prints the message on the line after the location
        elif panic and self.panic is None:
            self.panic = printable(panic[1])
            self.times.setdefault("panic", now)
        std_panic = _STD_PANIC.search(line)
        if self.std_panic is not None and self.std_panic.endswith(":"):
            self.std_panic += f" {printable(line.strip())}"
        elif std_panic and self.std_panic is None:
            self.std_panic = printable(std_panic[0])
        welcome = _WELCOME.search(line)
        if welcome and self.kernel_version is None:
            self.kernel_version = printable(welcome[1])

    def _take_start(self, line: bytes, now: float) -> None:
        """Note the time of the kernel's last line before the application, or of the application's first line."""
        if "application_line" not in self.times and self.panic is None:
            printed = self._divided.feed(line + b"\n").strip()
            if printed or self._divided.has_started:
                self.times["application_line"] = now


def printable(data: bytes) -> str:
    """Return guest bytes as text for a message; other than printable UTF-8 is escaped."""
    decoded = data.decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in decoded)
