# SPDX-License-Identifier: Apache-2.0 OR MIT
"""One debug session: a machine paused at its first instruction, GDB, and the event loop that connects them and prints
the guest's console.

GDB is a child in this process group, so it owns the terminal: Ctrl-C reaches GDB, which interrupts the guest. QEMU runs
in its own session and does not receive it. Both end with this process, and QEMU ends with GDB.
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
from hermit_harness.vm.gdb_relay import GdbRelay
from hermit_harness.vm.process import DIE_WITH_PARENT, LaunchError, Process, launch
from hermit_harness.vm.qmp import Qmp, QmpError
from hermit_harness.vm.spec import RunSpec
from hermit_harness.vm.targets import is_big_endian
from hermit_harness.vm.virtiofsd import Virtiofsd
from hermit_harness.watch.boot_log import BootLog
from hermit_harness.watch.console import FirmwareFilter, LineSplitter
from hermit_harness.watch.run_facts import is_feature_warning
from hermit_harness.watch.supervisor import GREETING_SECONDS

ENDING_SECONDS = 1.0  # for a QEMU that has closed its monitor
# A person's ~/.gdbinit counts, one in the current directory does not: it may be ours, for a session by hand.
GDB_OPTIONS = ("-q", "-iex", "set auto-load local-gdbinit off", "-iex", "set debuginfod enabled off")


@dataclass
class SessionEnd:
    """How a session ended. `gdb` is GDB's exit status, None where none was started."""

    boot_log: BootLog
    gdb_status: int | None = None
    stderr: list[str] = field(default_factory=list)
    ended_by: str = ""  # "gdb", "guest", "person"
    gdb_connected: bool = True


def gdb_argv(gdb: Gdb, script: Path, batch: bool) -> list[str]:
    """GDB's command line for gdbcmds/session.py."""
    return [*gdb.words, *GDB_OPTIONS, *(("-batch",) if batch else ()), "-x", str(script)]


class DebugSession:
    """Runs QEMU and GDB together.

    `gdbs` are GDB commands with additions to the environment; the next one starts if one ends before it has connected.
    Without any, the machine waits for a client of `listener`. `prepare` is called before a client is accepted.
    `directory`, which contains that socket, is removed after the first client has connected.
    """

    def __init__(
        self,
        spec: RunSpec,
        listener: socket.socket,
        directory: Path | None,
        gdbs: Sequence[tuple[Sequence[str], Mapping[str, str]]],
        on_console: Callable[[bytes], None],
        prepare: Callable[[Process, Qmp], None] | None = None,
    ) -> None:
        self._spec = spec
        self._listener = listener
        self._directory = directory
        self._gdbs = list(gdbs)
        self._on_console = on_console
        self._prepare = prepare
        self._boot_log = BootLog.of(spec)
        self._lines = LineSplitter()
        self._firmware_filter = FirmwareFilter(machine_of(spec).returns_to_firmware)
        self._errors = b""
        self._end = SessionEnd(self._boot_log)
        self._selector = selectors.DefaultSelector()
        self._gdb: subprocess.Popen[bytes] | None = None

    def run(self, namespace_command: Sequence[str] = ()) -> SessionEnd:
        """Start both, and return when they are gone. LaunchError where QEMU cannot be started. `within`
        is launch()'s."""
        with ExitStack() as stack:
            stack.callback(self._remove_directory)
            stack.callback(self._listener.close)
            virtiofsd = stack.enter_context(Virtiofsd(self._spec.share)).qemu_socket if self._spec.share else None
            return self._run_process(launch(self._spec, namespace_command, virtiofsd))

    def _run_process(self, process: Process) -> SessionEnd:
        # Ctrl-C is GDB's; a handler, since what is ignored stays so in a child.
        before = signal.signal(signal.SIGINT, lambda number, frame: None) if self._gdbs else None
        try:
            return self._run_loop(process)
        except KeyboardInterrupt:
            self._end.ended_by = "person"
            return self._end
        finally:
            if self._gdb and self._gdb.poll() is None:
                self._gdb.terminate()
                self._gdb.wait()
            if before:
                signal.signal(signal.SIGINT, before)
            process.kill()

    def _run_loop(self, process: Process) -> SessionEnd:
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
            raise LaunchError(self._qemu_message(process) or str(error)) from error
        big_endian = is_big_endian(self._spec.target)
        self._gdb_relay = GdbRelay(self._selector, [self._listener], self._qmp, self._read_serial, big_endian)
        self._selector.register(process.serial, selectors.EVENT_READ, lambda mask: self._read_serial())
        self._selector.register(self._qmp, selectors.EVENT_READ, self._on_qmp)
        self._selector.register(process.pidfd, selectors.EVENT_READ, self._on_exit)
        assert process.popen.stderr is not None
        os.set_blocking(process.popen.stderr.fileno(), False)
        self._selector.register(process.popen.stderr, selectors.EVENT_READ, self._on_stderr)
        while not self._end.ended_by:
            for key, mask in self._selector.select():
                key.data(mask)
            while self._qmp.events:
                self._handle_event(self._qmp.events.popleft())
            if self._gdb_relay.connections:
                self._remove_directory()
        self._read_serial()
        self._gdb_relay.close()
        return self._end

    def _start_gdb(self) -> None:
        if not self._gdbs:
            return
        words, environment = self._gdbs.pop(0)
        # SIGTERM lets GDB give the terminal back as it was.
        self._gdb = subprocess.Popen(
            [DIE_WITH_PARENT[0], DIE_WITH_PARENT[1], "TERM", *words], env={**os.environ, **environment}
        )
        self._gdb_pidfd = os.pidfd_open(self._gdb.pid)
        self._selector.register(self._gdb_pidfd, selectors.EVENT_READ, self._on_gdb)

    def _remove_directory(self) -> None:
        if self._directory:
            shutil.rmtree(self._directory, ignore_errors=True)
            self._directory = None

    # --- what can happen ---

    def _read_serial(self) -> None:
        """Take what the guest has printed."""
        while True:
            try:
                data = self._process.serial.recv(65536)
            except OSError:
                data = b""
            if not data:
                return
            data = self._firmware_filter.feed(data, self._boot_log.in_firmware)
            for line in self._lines.feed(data):
                self._add_line(line)
            self._on_console(data)

    def _add_line(self, line: bytes) -> None:
        had = self._boot_log.refusal
        self._boot_log.add_line(line, 0.0)
        if self._boot_log.refusal and not had and machine_of(self._spec).returns_to_firmware:
            # Firmware continues for ever after a loader returns to it: let the debugger stop at the end.
            with suppress(QmpError):
                self._qmp.send("stop")

    def _on_qmp(self, mask: int) -> None:
        self._qmp.receive()
        if self._qmp.closed:
            self._selector.unregister(self._qmp)

    def _handle_event(self, event: dict[str, object]) -> None:
        if event["event"] == "SHUTDOWN" and self._gdb is None and not self._gdb_relay.is_connected:
            self._end.ended_by = "guest"

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
            if not is_feature_warning(text):
                self._end.stderr.append(text)

    def _on_exit(self, mask: int) -> None:
        self._selector.unregister(self._process.pidfd)
        self._read_serial()
        if self._gdb is None:
            self._end.ended_by = "guest"

    def _on_gdb(self, mask: int) -> None:
        assert self._gdb is not None
        self._selector.unregister(self._gdb_pidfd)
        os.close(self._gdb_pidfd)
        self._end.gdb_status = self._gdb.wait()
        self._end.gdb_connected = self._gdb_relay.connections > 0
        if self._gdbs and not self._end.gdb_connected:
            self._start_gdb()
        else:
            self._end.ended_by = "gdb"

    def _qemu_message(self, process: Process) -> str:
        """Return what QEMU wrote before it ended, or "" if it still runs."""
        if not process.ends_within(ENDING_SECONDS):
            return ""
        return " ".join(process.remaining_stderr().split())
