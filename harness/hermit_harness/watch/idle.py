# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Watchers for a person at a terminal: one line if the guest sleeps for good, and Ctrl-C as the end of a run."""

from __future__ import annotations

import re
import signal
import socket
from collections.abc import Callable

from hermit_harness.vm.qmp import QmpError
from hermit_harness.watch.run_facts import RunFacts
from hermit_harness.watch.supervisor import Supervisor, Watcher

IDLE_SECONDS = 10.0
IDLE_CPU = 0.3  # seconds of QEMU's CPU time in IDLE_SECONDS; an idle kernel uses about a fifth of this
IDLE_LINE = f"the guest has been idle for {IDLE_SECONDS:.0f} s; Ctrl-C shows where it is"
# A timer of the local APIC that will fire. Kernels without one to wait for set the largest count.
_ARMED = re.compile(r"^LVTT\s+0x\w+(?!.*masked).*\nTimer\s.*initial_count = (?!0 |4294967295 )\d+", re.MULTILINE)


class IdleWatcher(Watcher):
    """Calls `say` once if the guest does nothing, and nothing that is known can wake it.

    `activity` returns a value that changes with the guest's network traffic, None if it accepts connections. A guest
    that has received typed input or left a line unfinished, as a prompt, may wait for more input.
    """

    def __init__(self, say: Callable[[str], None], activity: Callable[[], object | None]) -> None:
        self._say = say
        self._activity = activity
        self._next = IDLE_SECONDS
        self._before: tuple[float, object | None] = (0.0, None)
        self._last_byte = b"\n"

    def on_start(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._restart(0.0)

    def on_output(self, data: bytes) -> None:
        self._last_byte = data[-1:] or self._last_byte
        self._restart(self._supervisor.now())

    def next_tick(self) -> float:
        return self._next

    def on_tick(self, now: float) -> None:
        if now < self._next:
            return
        used, activity = self._before
        process = self._supervisor.process
        is_idle = (
            process.cpu_seconds() - used < IDLE_CPU
            and not process.gate  # the CPU time of a QEMU by a script is unknown
            and not process.has_runnable_thread()
            and activity is not None
            and activity == self._activity()
            and not self._supervisor.received_input
            and self._last_byte == b"\n"
            and not self._has_timer()
        )
        if is_idle:
            self._next = float("inf")
            self._say(IDLE_LINE)
        else:
            self._restart(now)

    def _restart(self, now: float) -> None:
        if self._next != float("inf"):
            self._next = now + IDLE_SECONDS
            self._before = self._supervisor.process.cpu_seconds(), self._activity()

    def _has_timer(self) -> bool:
        """Return whether a timer of an x86 CPU will fire. Timers of other CPUs are not visible."""
        try:
            return _ARMED.search(self._supervisor.qmp.hmp("info lapic")) is not None
        except QmpError:
            return False


class InterruptWatcher(Watcher):
    """Ends the run at the first SIGINT, so that there is a verdict. The second one raises KeyboardInterrupt."""

    def on_start(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._signalled, self._signal = socket.socketpair()
        supervisor.add_reader(self._signalled, self._interrupt)
        self._handler = signal.getsignal(signal.SIGINT)
        if self._handler is signal.default_int_handler:  # not in the background of a shell, which ignores it
            signal.signal(signal.SIGINT, self._on_signal)

    def _on_signal(self, number: int, frame: object) -> None:
        signal.signal(signal.SIGINT, self._handler)
        self._signal.send(b"\n")

    def _interrupt(self) -> None:
        self._supervisor.remove_reader(self._signalled)
        self._supervisor.interrupt()

    def on_end(self, facts: RunFacts) -> None:
        signal.signal(signal.SIGINT, self._handler)
        self._signalled.close()
        self._signal.close()
