# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The directory that one run leaves: files of bounded size, made only where a directory was asked for."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO

from hermit_harness.timeline import console_file, course, memory, run_file, trace
from hermit_harness.vm.argv import shell_line, standalone_argv, virtiofsd_note
from hermit_harness.vm.spec import RunSpec
from hermit_harness.vm.targets import target

QMP_LOG_LIMIT = 4 * 1024 * 1024
CONSOLE_LIMIT = 512 * 1024  # of the console while the guest runs
# Every file that a run may leave.
NAMES = (
    *("argv", "console.log", "qmp.jsonl", "stderr.txt", "outcome.txt", "repro.sh"),
    *("registers.txt", "backtrace.txt", "harness-bug.txt"),
    *(run_file.NAME, console_file.NAME, memory.NAME, trace.NAME),
)
# What QEMU's exit status means, on other processors and on x86.
STATUS_COMMENTS = (
    "# QEMU's status: the application's own, or 0 where its kernel powers off; the loader's odd number 65 to 119.",
    "# QEMU's status: 3 for an application's status 0, 1 for any other, the loader's odd number 65 to 119.",
)


class Artifacts:
    """Writes into `directory`; every method does nothing when it is None.

    What cannot be written does not end a run: `problem` has the first reason. Files of an earlier run in the same
    directory are removed, so that all files are of one run.
    """

    def __init__(self, directory: Path | None) -> None:
        self.directory = directory
        self.problem = ""
        self.start(time.monotonic())
        self._qmp: IO[str] | None = None
        self._console: IO[bytes] | None = None
        self._timed: console_file.ConsoleWriter | None = None
        self._console_bytes_left = CONSOLE_LIMIT
        self._qmp_bytes_left = QMP_LOG_LIMIT
        if not directory:
            return
        with self._tolerated():
            directory.mkdir(parents=True, exist_ok=True)
            for name in NAMES:
                (directory / name).unlink(missing_ok=True)
            self._qmp = (directory / "qmp.jsonl").open("w", encoding="utf-8")
            self._console = (directory / "console.log").open("wb", buffering=0)
            self._timed = console_file.ConsoleWriter((directory / console_file.NAME).open("w", encoding="utf-8"))

    def start(self, start: float) -> None:
        """Let all times be seconds since QEMU's exec, which is given by time.monotonic()."""
        self._start = start
        self.started_at = time.time() - (time.monotonic() - start)

    @contextmanager
    def _tolerated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.problem = self.problem or f"artifacts are missing in {self.directory} ({error.strerror})"

    def write(self, name: str, content: str | bytes, executable: bool = False) -> None:
        """Write one file, whose name is one of NAMES."""
        if not self.directory:
            return
        path = self.directory / name
        with self._tolerated():
            path.write_bytes(content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content)
            if executable:
                path.chmod(0o755)

    def write_json(self, name: str, content: object) -> None:
        """Write one object, indented for people."""
        self.write(name, json.dumps(content, indent=1, ensure_ascii=False) + "\n")

    def write_trace(self) -> None:
        """Write trace.json from the other files."""
        if self.directory and not self.problem:
            self.write(trace.NAME, json.dumps(trace.content(course.read(self.directory)), ensure_ascii=False))

    def console(self, data: bytes, read_at: float) -> None:
        """Write the guest's output as it arrives, so that it is there if the harness is killed. write() replaces it.

        `read_at` is in seconds since QEMU's exec.
        """
        if self._console and self._console_bytes_left > 0:
            with self._tolerated():
                self._console.write(data[: self._console_bytes_left])
            self._console_bytes_left -= len(data)
        if self._timed:
            with self._tolerated():
                self._timed.add(read_at, data)

    def qmp(self, direction: str, text: str) -> None:
        """One QMP message, "<" from QEMU and ">" to it, with its time."""
        if not self._qmp or self._qmp_bytes_left <= 0:
            return
        row = f'{{"t": {time.monotonic() - self._start:.6f}, "way": {json.dumps(direction)}, "message": {text}}}\n'
        self._qmp_bytes_left -= len(row)
        with self._tolerated():
            self._qmp.write(row)

    def close(self) -> None:
        """Close the files that are written during the run."""
        for file in (self._qmp, self._console, self._timed):
            with self._tolerated():
                if file:
                    file.close()
        self._qmp = self._console = self._timed = None


def _absolute(path: Path) -> Path:
    return path.resolve()


def resolved(spec: RunSpec) -> RunSpec:
    """`spec` with absolute paths, so that its command line works from any directory."""
    return replace(
        spec,
        loader=_absolute(spec.loader),
        app=_absolute(spec.app) if spec.app else None,
        modules=tuple(map(_absolute, spec.modules)),
    )


def repro_script(spec: RunSpec, outcome: str) -> str:
    """The text of repro.sh: the same machine with the serial port on stdin and stdout. Arguments are passed on to
    QEMU (-s -S, say)."""
    return "\n".join(
        (
            "#!/bin/sh",
            f"# expected: {spec.expect}",
            f"# ended as: {' '.join(outcome.split())}",
            STATUS_COMMENTS[target(spec.target).cpu == "x86_64"],
            f'{virtiofsd_note(resolved(spec))}exec {shell_line(standalone_argv(resolved(spec)))} "$@"',
            "",
        )
    )
