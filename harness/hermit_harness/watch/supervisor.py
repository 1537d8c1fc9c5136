# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The loop that watches one guest: serial bytes, QMP events, the process, and the clock, in one selector."""

from __future__ import annotations

import math
import os
import selectors
import socket
import time
from collections.abc import Callable, Sequence

from hermit_harness.vm.argv import machine_of
from hermit_harness.vm.gdb_relay import Door
from hermit_harness.vm.process import Process
from hermit_harness.vm.qmp import Qmp, QmpError
from hermit_harness.vm.serial_input import Feed
from hermit_harness.vm.spec import RunSpec
from hermit_harness.vm.targets import is_big_endian, target
from hermit_harness.vm.virtiofsd import Daemon
from hermit_harness.watch.boot_log import Marks
from hermit_harness.watch.console import Lines, Record
from hermit_harness.watch.cpus import all_halted_for_good, text_tells
from hermit_harness.watch.deadline import SECOND_LOOK, Deadline, Quiet
from hermit_harness.watch.run_facts import Facts, How

STDERR_LIMIT = 64 * 1024
GREETING_SECONDS = 20.0
QUIT_SECONDS = 5.0
DRAIN_READS = 256


class Watcher:
    """Something that is looked after along with a guest, in the same loop. Times are seconds since its release. What a
    subclass does not define does nothing."""

    def start(self, session: Session) -> None:
        """The guest is about to run; descriptors can be given to session.watch()."""

    def printed(self, data: bytes) -> None:
        """The guest printed something."""

    def next_at(self) -> float:
        """When tick() must be called at the latest."""
        return math.inf

    def tick(self, now: float) -> None:
        """It is that late, or something happened."""

    def ended(self, facts: Facts) -> None:
        """The guest's run is over."""


class VirtiofsdWatcher(Watcher):
    """Ends the guest's run when the daemon of its shared folder fails: a failure of ours, not of the guest."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon

    def start(self, session: Session) -> None:
        self._session = session
        session.watch(self._daemon.pidfd, self._died)

    def _died(self) -> None:
        self._session.unwatch(self._daemon.pidfd)
        if failure := self._daemon.failure():
            self._session.fail(failure)


class Session:
    """Runs one launched process to its end. `run()` once; the machine may still stand (paused) afterwards for a
    post-mortem: with `stays` in any case where QEMU leaves the choice."""

    def __init__(
        self,
        spec: RunSpec,
        process: Process,
        marks: Marks,
        console: Callable[[bytes], None] | None = None,
        qmp_log: Callable[[str, str], None] | None = None,
        watchers: Sequence[Watcher] = (),
        stays: bool = False,
    ) -> None:
        self.spec = spec
        self.process = process
        self.marks = marks
        self.record = Record()
        self.qmp = Qmp(process.qmp, qmp_log)
        self.registers = ""
        self._console = console
        self._watchers = watchers
        self._stays = stays
        self._door: Door | None = None
        self._lines = Lines()
        self._stderr = bytearray()
        self._selector = selectors.DefaultSelector()
        self._feed = Feed(self._selector, process.serial, spec.stdin or b"", self._on_serial)
        self._cont = 0
        self._how: tuple[How, str] | None = None
        self._power_off = False
        self._released = process.started
        self._last_output = 0.0
        self._quiet = Quiet()
        self._looked = ("", 0.0)  # registers at the last look, and the CPU time that QEMU had used
        self._machine = machine_of(spec)
        self._deadline = Deadline(spec.cpu_seconds, spec.wall_seconds, spec.smp + 1)

    def run(self, stdin_fd: int | None = None) -> Facts:
        """Release the guest and watch until something ends the run."""
        process = self.process
        process.serial.setblocking(False)
        assert process.popen.stderr is not None
        os.set_blocking(process.popen.stderr.fileno(), False)
        try:
            self.qmp.greet(GREETING_SECONDS)
            process_timing = {"qmp": time.monotonic() - process.started}
            # Its answer is not waited for: a guest can end, and QEMU with it, before it comes.
            self._cont = self.qmp.send("cont")
        except QmpError as error:
            return self._never(str(error))
        self._released = time.monotonic()
        self._register(stdin_fd)
        for watcher in self._watchers:
            watcher.start(self)
        self._watch()
        return self._facts({**process_timing, "cont": self._released - process.started})

    # --- for watchers ---

    def watch(self, source: socket.socket | int, callback: Callable[[], None]) -> None:
        """Call back whenever there is something to read (or the other end is gone), until `unwatch`."""
        self._selector.register(source, selectors.EVENT_READ, lambda mask: callback())

    def unwatch(self, source: socket.socket | int) -> None:
        self._selector.unregister(source)

    def admit(self, listeners: Sequence[socket.socket]) -> None:
        """Let debuggers in. While one is connected no clock runs, and the machine stands and runs as that one says."""
        big_endian = is_big_endian(self.spec.target)
        self._door = Door(self._selector, listeners, self.qmp, self._take_serial, big_endian)

    def end(self, why: str) -> None:
        """End the guest from outside."""
        self._how = self._how or (How.ASKED, why)

    def fail(self, why: str) -> None:
        """End the guest because what it relies on is gone."""
        self._how = self._how or (How.HELPER, why)

    def now(self) -> float:
        """Seconds since the guest's release."""
        return time.monotonic() - self._released

    # --- the loop ---

    def _register(self, stdin_fd: int | None) -> None:
        self._selector.register(self.process.serial, selectors.EVENT_READ, self._on_serial)
        self._feed.start(stdin_fd)
        self._selector.register(self.qmp, selectors.EVENT_READ, self._on_qmp)
        self._selector.register(self.process.pidfd, selectors.EVENT_READ, self._on_exit)
        self._selector.register(self.process.popen.stderr, selectors.EVENT_READ, self._on_stderr)  # type: ignore[arg-type]

    def _watch(self) -> None:
        while self._how is None or self._visited:
            now = self.now()
            used = self.process.cpu_seconds()
            until = min(self._deadline.next_check(used, now), self._quiet.next_at)
            until = min([until, *(watcher.next_at() for watcher in self._watchers)])
            visited = self._visited
            for key, mask in self._selector.select(None if visited else max(0.0, until - now)):
                key.data(mask)
            if visited:
                self._released += self.now() - now
            while self.qmp.events and self._how is None:
                self._event(self.qmp.events.popleft())
            if self._how is None and not self._visited:
                self._clock()
                for watcher in self._watchers:
                    watcher.tick(self.now())

    @property
    def _visited(self) -> bool:
        return self._door is not None and self._door.busy

    def _clock(self) -> None:
        now = self.now()
        late = self._deadline.passed(self.process.cpu_seconds(), now)
        if late:
            self._how = (How.CPU, "") if late == "cpu" else (How.WALL, "")
        elif now >= self._quiet.next_at:
            try:
                registers = self.qmp.hmp("info registers -a")
            except QmpError:
                self._quiet.looked(now, False)  # the process is ending: its pidfd tells
                return
            if self._halted(now, registers):
                self.registers = registers
                self._how = (How.HALTED, "")

    def _halted(self, now: float, registers: str) -> bool:
        """Whether this look and the one before it show a machine in which nothing will run any more."""
        halted = all_halted_for_good(registers)
        if text_tells(registers):
            return self._quiet.looked(now, halted)
        used, before = self.process.cpu_seconds(), self._looked
        self._looked = (registers, used)
        same = registers == before[0] and used - before[1] < SECOND_LOOK / 4 and not self.process.wants_cpu()
        self._quiet.seen_halted = min(self._quiet.seen_halted, 1) if same else 0
        return self._quiet.looked(now, halted, SECOND_LOOK)

    # --- what can happen ---

    def _on_serial(self, mask: int) -> None:
        if mask & selectors.EVENT_READ:
            self._read_serial()
        if mask & selectors.EVENT_WRITE:
            self._feed.send()

    def _read_serial(self) -> bool:
        """Take what the guest has printed; false when there is nothing (more)."""
        try:
            data = self.process.serial.recv(65536)
        except BlockingIOError:
            return False
        except ConnectionError:
            data = b""
        if not data:
            self._feed.stop()
            return False
        now = time.monotonic() - self.process.started
        self.marks.at.setdefault("first_byte", now)
        self.record.feed(data)
        for line in self._lines.feed(data):
            self.marks.line(line, now)
        self._last_output = self.now()
        if self.marks.final:
            self._deadline.grace(self.process.cpu_seconds(), self._last_output)
        else:
            self._deadline.no_grace()
        self._quiet.output(self._last_output, self.marks.final)
        if self._console:
            self._console(data)
        for watcher in self._watchers:
            watcher.printed(data)
        return True

    def _on_qmp(self, mask: int) -> None:
        self.qmp.receive()
        refused = self.qmp.refusal_of(self._cont)
        if refused:
            self._how = (How.NEVER, refused)
        if self.qmp.closed:
            self._selector.unregister(self.qmp)

    def _on_exit(self, mask: int) -> None:
        self._how = self._how or (How.EXITED, "")

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

    def _event(self, event: dict[str, object]) -> None:
        data = event.get("data")
        if event["event"] == "SHUTDOWN" and isinstance(data, dict):
            if data.get("reason") in ("guest-reset", "subsystem-reset"):
                self._reset(str(data["reason"]))
            else:
                self._power_off = True
                self._quit()
        elif event["event"] == "STOP" and not self._power_off:
            self._stopped()

    def _reset(self, reason: str) -> None:
        """A reset, or the end of a guest that ran on behind its write to debug-exit: from QEMU 9 on the write only asks
        for the end, and a kernel's triple fault behind it takes the place of the event. QEMU's status is 0 only where
        nothing was written."""
        self._take_serial()
        self._how = (How.RESET, reason)
        if self.spec.debug_exit and self.marks.final:
            self._quit()
            self._power_off = self._how[0] is How.EXITED and self.process.reap() != 0
            if not self._power_off:
                self._how = (How.RESET, reason)

    def _stopped(self) -> None:
        """The machine stands although nobody asked: a SHUTDOWN event follows, or QEMU gave up."""
        if self._visited:
            return
        try:
            state = self.qmp.execute("query-status")["status"]
        except QmpError:
            return
        if state not in ("shutdown", "running"):
            self._how = (How.STOPPED, str(state))

    def _quit(self) -> None:
        """The guest powered the machine off (or, with newer QEMUs, wrote to debug-exit): let QEMU end and tell its
        status."""
        self._peek()
        if self._stays:
            self._how = (How.HALTED, "")
            return
        try:
            self.qmp.execute("quit", seconds=QUIT_SECONDS)
        except QmpError:
            pass  # it may close the monitor before it answers; the status is what counts
        with selectors.DefaultSelector() as ends:
            ends.register(self.process.pidfd, selectors.EVENT_READ)
            if ends.select(QUIT_SECONDS):
                self._how = (How.EXITED, "")
            else:
                self._how = (How.STOPPED, "QEMU did not end after quit")

    def _peek(self) -> None:
        try:
            self.registers = self.qmp.hmp("info registers -a")
        except QmpError:
            self.registers = ""

    # --- the end ---

    def _take_serial(self) -> None:
        """What the guest has printed so far."""
        for _ in range(DRAIN_READS):  # bounded: an interrupted guest may print for ever
            if not self._read_serial():
                break

    def _drain(self) -> None:
        self._take_serial()
        for line in self._lines.finish():
            self.marks.line(line, time.monotonic() - self.process.started)
        while self._read_stderr():
            pass

    def _never(self, why: str) -> Facts:
        """QEMU ended, or does not talk, before the guest was released."""
        self._how = (How.NEVER, why)
        with selectors.DefaultSelector() as ends:
            ends.register(self.process.pidfd, selectors.EVENT_READ)
            ends.select(1.0)
        return self._facts({})

    def _facts(self, timings: dict[str, float]) -> Facts:
        assert self._how is not None
        how, detail = self._how
        end = time.monotonic() - self.process.started
        if how in (How.RESET, How.STOPPED, How.CPU, How.WALL) and not self.registers:
            if how in (How.CPU, How.WALL):
                self._pause()
            self._peek()
        status = self.process.reap() if how is How.EXITED or self._has_ended() else None
        self._drain()
        if self._door:
            self._door.close()
        self._selector.close()
        cpu = self.process.cpu_seconds()
        return Facts(
            how=how,
            marks=self.marks,
            qemu_status=status,
            power_off=self._power_off,
            detail=detail,
            stderr=tuple(bytes(self._stderr).decode("utf-8", "replace").splitlines()),
            silent_for=self.now() - self._last_output,
            ran_for=self.now(),
            cpu_used=cpu,
            printed=self.record.total,
            registers=self.registers,
            timings={**timings, **self.marks.at, "end": end, "cpu": cpu},
            returns=self._machine.returns,
            cpu=target(self.spec.target).cpu,
        )

    def _pause(self) -> None:
        try:
            self.qmp.execute("stop")
        except QmpError:
            pass

    def _has_ended(self) -> bool:
        with selectors.DefaultSelector() as ends:
            ends.register(self.process.pidfd, selectors.EVENT_READ)
            return bool(ends.select(0))
