# SPDX-License-Identifier: Apache-2.0 OR MIT
"""One debug session: a machine that stands at its first instruction, GDB in front of it, and the loop that carries
bytes between them, the guest's console to standard output among them.

GDB is a child in our process group, so that it owns the terminal: Ctrl-C reaches it, and it interrupts the guest. QEMU
is in a session of its own and hears nothing of it. Both end with us, and QEMU ends with GDB.
"""

from __future__ import annotations

import os
import selectors
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

from hermit_harness.gdb.program import Gdb
from hermit_harness.vm.argv import machine_of
from hermit_harness.vm.gdb_relay import Door
from hermit_harness.vm.process import DIE_WITH_PARENT, LaunchError, Process, launch
from hermit_harness.vm.qmp import Qmp, QmpError
from hermit_harness.vm.spec import RunSpec
from hermit_harness.vm.targets import is_big_endian
from hermit_harness.vm.virtiofsd import Daemon
from hermit_harness.watch.boot_log import Marks
from hermit_harness.watch.console import Lines
from hermit_harness.watch.run_facts import is_folded
from hermit_harness.watch.supervisor import GREETING_SECONDS

# A person's ~/.gdbinit counts, one in the current folder does not: it may be ours, for a session by hand.
GDB_OPTIONS = ("-q", "-iex", "set auto-load local-gdbinit off", "-iex", "set debuginfod enabled off")


@dataclass
class Ending:
    """How a session ended. `gdb` is GDB's exit status, None where none was started."""

    marks: Marks
    gdb: int | None = None
    stderr: list[str] = field(default_factory=list)
    by: str = ""  # "gdb", "guest", "person"
    connected: bool = True


def gdb_argv(gdb: Gdb, script: Path, batch: bool) -> list[str]:
    """GDB's command line for gdbcmds/session.py."""
    return [*gdb.words, *GDB_OPTIONS, *(("-batch",) if batch else ()), "-x", str(script)]


class Session:
    """`gdbs` are the words that start GDB and what is added to its environment: the next one is for where one ends
    before it has connected. Without any the machine is left to whoever connects to `listener`. `prepare` is called
    before anybody is let in. `folder`, in which that socket lies, is removed as soon as somebody has come in."""

    def __init__(
        self,
        spec: RunSpec,
        listener: socket.socket,
        folder: Path | None,
        gdbs: Sequence[tuple[Sequence[str], Mapping[str, str]]],
        console: Callable[[bytes], None],
        prepare: Callable[[Process, Qmp], None] | None = None,
    ) -> None:
        self._spec = spec
        self._listener = listener
        self._folder = folder
        self._gdbs = list(gdbs)
        self._console = console
        self._prepare = prepare
        self._marks = Marks.of(spec)
        self._lines = Lines()
        self._errors = b""
        self._ending = Ending(self._marks)
        self._selector = selectors.DefaultSelector()
        self._child: subprocess.Popen[bytes] | None = None

    def run(self, within: Sequence[str] = ()) -> Ending:
        """Start both, and return when they are gone. LaunchError where QEMU cannot be started. `within`
        is launch()'s."""
        with ExitStack() as stack:
            stack.callback(self._forget_folder)
            stack.callback(self._listener.close)
            share = stack.enter_context(Daemon(self._spec.share)).ours if self._spec.share else None
            return self._started(launch(self._spec, within, share))

    def _started(self, process: Process) -> Ending:
        # Ctrl-C is GDB's; a handler, since what is ignored stays so in a child.
        before = signal.signal(signal.SIGINT, lambda number, frame: None) if self._gdbs else None
        try:
            return self._run(process)
        except KeyboardInterrupt:
            self._ending.by = "person"
            return self._ending
        finally:
            if self._child and self._child.poll() is None:
                self._child.terminate()
                self._child.wait()
            if before:
                signal.signal(signal.SIGINT, before)
            process.kill()

    def _run(self, process: Process) -> Ending:
        self._process = process
        if not self._prepare:
            self._start_gdb()
        process.serial.setblocking(False)
        self._qmp = Qmp(process.qmp)
        try:
            self._qmp.greet(GREETING_SECONDS)
            if self._prepare:
                self._prepare(process, self._qmp)
                self._start_gdb()  # only now, since it does not wait for long
        except QmpError as error:
            raise LaunchError(self._said(process) or str(error)) from error
        big_endian = is_big_endian(self._spec.target)
        self._door = Door(self._selector, [self._listener], self._qmp, self._drain, big_endian)
        self._selector.register(process.serial, selectors.EVENT_READ, lambda mask: self._drain())
        self._selector.register(self._qmp, selectors.EVENT_READ, self._on_qmp)
        self._selector.register(process.pidfd, selectors.EVENT_READ, self._on_exit)
        assert process.popen.stderr is not None
        os.set_blocking(process.popen.stderr.fileno(), False)
        self._selector.register(process.popen.stderr, selectors.EVENT_READ, self._on_stderr)
        while not self._ending.by:
            for key, mask in self._selector.select():
                key.data(mask)
            while self._qmp.events:
                self._event(self._qmp.events.popleft())
            if self._door.visits:
                self._forget_folder()
        self._drain()
        self._door.close()
        return self._ending

    def _start_gdb(self) -> None:
        if not self._gdbs:
            return
        words, environment = self._gdbs.pop(0)
        # SIGTERM lets GDB give the terminal back as it was.
        self._child = subprocess.Popen(
            [DIE_WITH_PARENT[0], DIE_WITH_PARENT[1], "TERM", *words], env={**os.environ, **environment}
        )
        self._child_fd = os.pidfd_open(self._child.pid)
        self._selector.register(self._child_fd, selectors.EVENT_READ, self._on_gdb)

    def _forget_folder(self) -> None:
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    # --- what can happen ---

    def _drain(self) -> None:
        """Take what the guest has printed."""
        while True:
            try:
                data = self._process.serial.recv(65536)
            except OSError:
                data = b""
            if not data:
                return
            for line in self._lines.feed(data):
                self._line(line)
            self._console(data)

    def _line(self, line: bytes) -> None:
        had = self._marks.refusal
        self._marks.line(line, 0.0)
        if self._marks.refusal and not had and machine_of(self._spec).returns:
            # Firmware that was returned to goes on for ever: let the debugger see the end.
            with suppress(QmpError):
                self._qmp.send("stop")

    def _on_qmp(self, mask: int) -> None:
        self._qmp.receive()
        if self._qmp.closed:
            self._selector.unregister(self._qmp)

    def _event(self, event: dict[str, object]) -> None:
        if event["event"] == "SHUTDOWN" and self._child is None and not self._door.busy:
            self._ending.by = "guest"

    def _on_stderr(self, mask: int) -> None:
        pipe = self._process.popen.stderr
        assert pipe is not None
        data = os.read(pipe.fileno(), 65536)
        if not data:
            self._selector.unregister(pipe)
        self._errors += data
        *lines, self._errors = self._errors.split(b"\n")
        for line in lines:
            text = line.decode("utf-8", "replace")
            if not is_folded(text):
                self._ending.stderr.append(text)

    def _on_exit(self, mask: int) -> None:
        self._selector.unregister(self._process.pidfd)
        self._drain()
        if self._child is None:
            self._ending.by = "guest"

    def _on_gdb(self, mask: int) -> None:
        assert self._child is not None
        self._selector.unregister(self._child_fd)
        os.close(self._child_fd)
        self._ending.gdb = self._child.wait()
        self._ending.connected = self._door.visits > 0
        if self._gdbs and not self._ending.connected:
            self._start_gdb()
        else:
            self._ending.by = "gdb"

    def _said(self, process: Process) -> str:
        """What QEMU wrote before it ended."""
        process.reap()
        text = process.popen.stderr.read().decode("utf-8", "replace") if process.popen.stderr else ""
        return " ".join(text.split())
