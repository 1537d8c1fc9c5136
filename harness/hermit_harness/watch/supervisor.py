# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The event loop of one guest: serial bytes, QMP events, the process and the clock, in one selector."""

from __future__ import annotations

import os
import select
import selectors
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from hermit_harness.exceptions import table
from hermit_harness.vm import migration
from hermit_harness.vm.argv import machine_of
from hermit_harness.vm.gdb_relay import GdbRelay
from hermit_harness.vm.memory import ram_of
from hermit_harness.vm.process import Process
from hermit_harness.vm.qmp import Qmp, QmpError
from hermit_harness.vm.serial_input import SerialInput
from hermit_harness.vm.spec import RunSpec
from hermit_harness.vm.targets import is_big_endian, target
from hermit_harness.watch.boot_log import BootLog
from hermit_harness.watch.console import ConsoleRecord, FirmwareFilter, LineSplitter
from hermit_harness.watch.cpu_samples import CpuSamples
from hermit_harness.watch.deadline import Deadline, HaltCheck
from hermit_harness.watch.faults import Fault
from hermit_harness.watch.run_facts import STILL_RUNNING, EndReason, RunFacts
from hermit_harness.watch.watcher import Watcher

STDERR_LIMIT = 64 * 1024
GREETING_SECONDS = 20.0
QUIT_SECONDS = 5.0
DRAIN_READS = 256
HOLD_SECONDS = 10.0
HOLD_READ_SECONDS = 0.05
SHELL_PROMPT = b"Shell> "  # the UEFI shell has nothing left to start, and waits for a line


class Supervisor:
    """Runs one launched process to its end.

    Call `run()` once. The paused machine may still exist afterwards, for a post-mortem. `keep_machine` keeps it if QEMU
    permits.
    """

    def __init__(
        self,
        spec: RunSpec,
        process: Process,
        boot_log: BootLog,
        on_console: Callable[[bytes], None] | None = None,
        qmp_log: Callable[[str, str], None] | None = None,
        watchers: Sequence[Watcher] = (),
        keep_machine: bool = False,
    ) -> None:
        self.spec = spec
        self.process = process
        self.boot_log = boot_log
        self.console = ConsoleRecord()
        self.qmp = Qmp(process.qmp, qmp_log)
        self.registers = ""
        self.instructions: int | None = None
        self.fault: Fault | None = None
        self._on_console = on_console
        self._watchers = watchers
        self._keep_machine = keep_machine
        self._gdb_relay: GdbRelay | None = None
        self._lines = LineSplitter(raw=True)
        self._stderr = bytearray()
        self._selector = selectors.DefaultSelector()
        self._serial_input = SerialInput(self._selector, process.serial, spec.stdin or b"", self._on_serial)
        self._attended = False
        self._cont_id = 0
        self._end_reason: tuple[EndReason, str] | None = None
        self._powered_off = False
        self._released = process.started
        self.read_at = 0.0  # when console output was read last, in seconds since QEMU's exec
        self._last_output = 0.0
        self._halt_check = HaltCheck()
        self._samples = CpuSamples(process, self._halt_check)
        self._machine = machine_of(spec)
        self._firmware_filter = FirmwareFilter(self._machine.returns_to_firmware)
        self._deadline = Deadline(spec.cpu_seconds, spec.wall_seconds, spec.smp + 1, self._starved_seconds)

    def run(self, stdin_fd: int | None = None) -> RunFacts:
        """Release the guest and process events until the run ends."""
        process = self.process
        self._attended = stdin_fd is not None
        process.serial.setblocking(False)
        assert process.popen.stderr is not None
        os.set_blocking(process.popen.stderr.fileno(), False)
        try:
            self.qmp.greet(GREETING_SECONDS)
            if self.spec.stream:
                migration.load(self.qmp, self.spec.stream)
            process_timing = {"qmp": time.monotonic() - process.started}
            # Do not wait for the answer: guest and QEMU may end before it arrives.
            self._cont_id = self.qmp.send("cont")
        except QmpError as error:
            return self._not_started(str(error))
        self._released = time.monotonic()
        self._register(stdin_fd)
        for watcher in self._watchers:
            watcher.on_start(self)
        self._run_loop()
        return self._facts({**process_timing, "cont": self._released - process.started})

    # --- for watchers ---

    def add_reader(self, source: socket.socket | int, callback: Callable[[], None]) -> None:
        """Call `callback` whenever `source` is readable or closed, until remove_reader()."""
        self._selector.register(source, selectors.EVENT_READ, lambda mask: callback())

    def remove_reader(self, source: socket.socket | int) -> None:
        self._selector.unregister(source)

    def accept_debuggers(self, listeners: Sequence[socket.socket]) -> None:
        """Accept debuggers. While one is connected, it controls the machine and no deadline applies.

        A machine that has ended is kept until the debugger disconnects, or until interrupt() or stop().
        """
        big_endian = is_big_endian(self.spec.target)
        self._gdb_relay = GdbRelay(self._selector, listeners, self.qmp, self._read_pending_serial, big_endian)

    def stop(self, detail: str) -> None:
        """End the run on request, even while a debugger is connected."""
        self._end_reason = self._end_reason or (EndReason.REQUESTED, detail)
        self._disconnect_debugger()

    def interrupt(self) -> None:
        """End the run because the user does not want to wait any longer, even while a debugger is connected."""
        self._end_reason = self._end_reason or (EndReason.INTERRUPTED, "")
        self._disconnect_debugger()

    @property
    def received_input(self) -> bool:
        """Return whether the guest has received input through its serial port."""
        return self._serial_input.sent > 0

    @property
    def accepts_input(self) -> bool:
        """Return whether its source of input is open."""
        return self._serial_input.is_open

    def fail(self, detail: str) -> None:
        """End the run because a helper program failed."""
        self._end_reason = self._end_reason or (EndReason.HELPER_FAILED, detail)

    def hold(self) -> bool:
        """Pause the guest. Return False if it cannot be paused, because it has ended or a debugger controls it.

        QEMU may be waiting for room in the console's socket, so console output is read if the answer takes long.
        """
        if self._end_reason is not None or self._debugger_connected or self.qmp.closed:
            return False
        request = self.qmp.send("stop")
        until = time.monotonic() + HOLD_SECONDS
        while not self.qmp.answers(request):
            if select.select([self.qmp], [], [], HOLD_READ_SECONDS)[0]:
                self.qmp.receive()
            else:
                self._read_serial()
            if time.monotonic() > until:
                raise QmpError("no answer from QEMU's monitor to stop")
            if self.qmp.closed:
                return False
        return not self.qmp.error_of(request)

    def resume(self) -> None:
        """Let a held guest go on."""
        self.qmp.execute("cont")

    def end_at_fault(self, fault: Fault) -> None:
        """End the run because of an exception that the kernel reported. The guest is held."""
        self.fault = fault
        self._end_reason = self._end_reason or (EndReason.FAULT, fault.summary)

    def now(self) -> float:
        """Return the seconds since the guest's release."""
        return time.monotonic() - self._released

    # --- the loop ---

    def _register(self, stdin_fd: int | None) -> None:
        self._selector.register(self.process.serial, selectors.EVENT_READ, self._on_serial)
        self._serial_input.start(stdin_fd)
        self._selector.register(self.qmp, selectors.EVENT_READ, self._on_qmp)
        self._selector.register(self.process.pidfd, selectors.EVENT_READ, self._on_exit)
        stderr = self.process.popen.stderr
        self._selector.register(stderr, selectors.EVENT_READ, self._on_stderr)  # type: ignore[arg-type]

    def _run_loop(self) -> None:
        while self._end_reason is None or self._debugger_connected:
            now = self.now()
            used = self.process.cpu_seconds()
            until = min(self._deadline.next_check(used, now), self._halt_check.next_at)
            until = min([until, *(watcher.next_tick() for watcher in self._watchers)])
            paused = self._debugger_connected
            for key, mask in self._selector.select(None if paused else max(0.0, until - now)):
                key.data(mask)
            if paused:
                self._released += self.now() - now
            while self.qmp.events and self._end_reason is None:
                self._handle_event(self.qmp.events.popleft())
            if self._end_reason is None and not self._debugger_connected:
                self._check_deadlines()
                for watcher in self._watchers:
                    watcher.on_tick(self.now())

    def _starved_seconds(self) -> float:
        """Return how long QEMU has waited for a host CPU: always, if it waits just now or has one."""
        is_runnable = self.process.has_runnable_thread(including_first=True)
        return self.now() if is_runnable else self.process.starved_seconds()

    @property
    def _debugger_connected(self) -> bool:
        return self._gdb_relay is not None and self._gdb_relay.is_connected

    def _disconnect_debugger(self) -> None:
        if self._gdb_relay:
            self._gdb_relay.disconnect()

    def _check_deadlines(self) -> None:
        now = self.now()
        expired = self._deadline.expired(self.process.cpu_seconds(), now)
        if expired:
            self._end_reason = (EndReason.CPU_BUDGET, "") if expired == "cpu" else (EndReason.WALL_CAP, "")
        elif now >= self._halt_check.next_at:
            try:
                registers = self.qmp.hmp("info registers -a")
            except QmpError:
                self._halt_check.record_check(now, False)  # QEMU is ending, and its pidfd reports that
                return
            if self._samples.halted(now, registers):
                self._end_reason, self.registers = (EndReason.HALTED, ""), registers
                self._save_instructions()
            elif not self.spec.continues_on_fault and self._samples.trap_for_ever(now, registers):
                self.registers = registers
                self._end_reason = (EndReason.TRAPPED, "")

    # --- events ---

    def _on_serial(self, mask: int) -> None:
        if mask & selectors.EVENT_READ:
            self._read_serial()
        if mask & selectors.EVENT_WRITE:
            self._serial_input.send()

    def _read_serial(self) -> bool:
        """Read console output; return False if there is none."""
        try:
            data = self.process.serial.recv(65536)
        except BlockingIOError:
            return False
        except ConnectionError:
            data = b""
        if not data:
            self._serial_input.stop()
            return False
        now = self.read_at = time.monotonic() - self.process.started
        self.boot_log.times.setdefault("first_byte", now)
        data = self._firmware_filter.feed(data, self.boot_log.in_firmware)
        self.console.feed(data)
        for line in self._lines.feed(data):
            self.boot_log.add_line(line, now)
        self._last_output = self.now()
        if self.boot_log.is_final:
            refused = self.boot_log.refusal is not None
            self._deadline.start_grace(self.process.cpu_seconds(), self._last_output, certain=refused)
            if self.boot_log.in_firmware and not self._attended and self._lines.part.endswith(SHELL_PROMPT):
                self._deadline.end_grace(self._last_output)
        else:
            self._deadline.cancel_grace()
        self._halt_check.on_output(self._last_output, self.boot_log.is_final)
        if self._on_console:
            self._on_console(data)
        for watcher in self._watchers:
            watcher.on_output(data)
        return True

    def _on_qmp(self, mask: int) -> None:
        self.qmp.receive()
        refused = self.qmp.error_of(self._cont_id)
        if refused:
            self._end_reason = (EndReason.NOT_STARTED, refused)
        if self.qmp.closed:
            self._selector.unregister(self.qmp)

    def _on_exit(self, mask: int) -> None:
        self._end_reason = self._end_reason or (EndReason.EXITED, "")

    def _on_stderr(self, mask: int) -> None:
        if not self._read_stderr():
            self._selector.unregister(self.process.popen.stderr)  # type: ignore[arg-type]

    def _read_stderr(self) -> bool:
        assert self.process.popen.stderr is not None
        try:
            data = os.read(self.process.popen.stderr.fileno(), 65536)
        except BlockingIOError:
            return False
        self._stderr += data[: max(0, STDERR_LIMIT - len(self._stderr))]
        return bool(data)

    def _handle_event(self, event: dict[str, object]) -> None:
        data = event.get("data")
        if event["event"] == "SHUTDOWN" and isinstance(data, dict):
            if data.get("reason") in ("guest-reset", "subsystem-reset"):
                self._handle_reset(str(data["reason"]))
            else:
                self._powered_off = True
                self._quit_qemu()
        elif event["event"] == "STOP" and not self._powered_off:
            self._handle_stop()

    def _handle_reset(self, reason: str) -> None:
        """Handle a reset, which may follow a write to isa-debug-exit.

        Since QEMU 9 the write only requests the end. A triple fault after it replaces the event. QEMU's status is 0
        only if nothing was written.
        """
        self._read_pending_serial()
        self._end_reason = (EndReason.RESET, reason)
        if self.spec.debug_exit and (self.boot_log.is_final or self.boot_log.earlier_status is not None):
            self._quit_qemu()
            self._powered_off = self._end_reason[0] is EndReason.EXITED and self.process.reap() != 0
            if not self._powered_off:
                self._end_reason = (EndReason.RESET, reason)

    def _handle_stop(self) -> None:
        """Handle a pause that the harness did not request: a SHUTDOWN event follows, or QEMU failed."""
        if self._debugger_connected:
            return
        try:
            state = self.qmp.execute("query-status")["status"]
        except QmpError:
            return
        if state not in ("shutdown", "running"):
            self._end_reason = (EndReason.STOPPED, str(state))

    @property
    def _panicked_in_handler(self) -> bool:
        """Return whether only the machine can say where the exception was that the kernel did not report."""
        return bool(table().handler_panic.search(self.boot_log.panic or "")) and self.spec.expect != "crash"

    def _quit_qemu(self) -> None:
        """Let QEMU exit and report its status, after a power-off or, with QEMU 9, a write to isa-debug-exit."""
        self._save_registers()
        if self._keep_machine or self._panicked_in_handler:
            self._end_reason = (EndReason.HALTED, "")
            return
        try:
            self.qmp.execute("quit", seconds=QUIT_SECONDS)
        except QmpError:
            pass  # QEMU may close the monitor before it answers
        if self.process.ends_within(QUIT_SECONDS):
            self._end_reason = (EndReason.EXITED, "")
        else:
            self._end_reason = (EndReason.STOPPED, "QEMU did not end after quit")

    def _save_registers(self) -> None:
        self.registers = ""
        with suppress(QmpError):
            self._save_instructions()
            self.registers = self.qmp.hmp("info registers -a")

    def _save_instructions(self) -> None:
        """Save how many instructions a machine that executes none any more has executed, if QEMU counts them."""
        if "-icount" in self.spec.extra:
            with suppress(QmpError):
                self.instructions = int(self.qmp.execute("query-replay")["icount"])

    # --- the end ---

    def _read_pending_serial(self) -> None:
        """Read the pending console output."""
        for _ in range(DRAIN_READS):  # bounded, because an interrupted guest may print for ever
            if not self._read_serial():
                break

    def _drain(self) -> None:
        self._read_pending_serial()
        self.console.feed(self._firmware_filter.finish())
        for line in self._lines.finish():
            self.boot_log.add_line(line, time.monotonic() - self.process.started)
        for _ in range(DRAIN_READS):  # a QEMU that still runs may report for ever
            if not self._read_stderr():
                break

    def _not_started(self, detail: str) -> RunFacts:
        """Return the facts of a QEMU that ended or did not answer before the guest's release."""
        self._end_reason = (EndReason.NOT_STARTED, detail)
        self.process.ends_within(1.0)
        return self._facts({})

    def _facts(self, timings: dict[str, float]) -> RunFacts:
        assert self._end_reason is not None
        reason, detail = self._end_reason
        end = time.monotonic() - self.process.started
        if reason in (EndReason.RESET, EndReason.STOPPED, EndReason.FAULT, *STILL_RUNNING) and not self.registers:
            if reason in STILL_RUNNING:
                self._pause()
            self._save_registers()
        status = self.process.reap() if reason is EndReason.EXITED or self.process.ends_within(0.0) else None
        self._drain()
        if self._gdb_relay:
            self._gdb_relay.close()
        self._selector.close()
        cpu = self.process.cpu_seconds()
        return RunFacts(
            reason=reason,
            boot_log=self.boot_log,
            qemu_status=status,
            powered_off=self._powered_off,
            detail=detail,
            stderr=tuple(bytes(self._stderr).decode("utf-8", "replace").splitlines()),
            silent_for=self.now() - self._last_output,
            ran_for=self.now(),
            cpu_used=cpu,
            printed=self.console.total,
            registers=self.registers,
            timings={**timings, **self.boot_log.times, "end": end, "cpu": cpu},
            returns_to_firmware=self._machine.returns_to_firmware,
            cpu=target(self.spec.target).cpu,
            ram=ram_of(self.spec),
            fault=self.fault,
            instructions=self.instructions,
        )

    def _pause(self) -> None:
        with suppress(QmpError):
            self.qmp.execute("stop")
