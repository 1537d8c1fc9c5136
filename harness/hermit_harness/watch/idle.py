# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Watchers for a person at a terminal: one line if the guest sleeps for good, and Ctrl-C as the end of a run."""

from __future__ import annotations

import re
import signal
import socket
from collections.abc import Callable, Iterable

from hermit_harness.vm.gdb_stub import system_registers
from hermit_harness.vm.qmp import QmpError
from hermit_harness.vm.targets import target
from hermit_harness.watch.run_facts import RunFacts
from hermit_harness.watch.supervisor import Supervisor
from hermit_harness.watch.watcher import Watcher

IDLE_SECONDS = 10.0
IDLE_CPU = 0.3  # seconds of QEMU's CPU time in IDLE_SECONDS; an idle kernel uses about a fifth of this
IDLE_LINE = "the guest has been idle for {seconds:.0f} s{unless}; Ctrl-C shows where it is"
# How QEMU's monitor reads the register that enables the UART's interrupts, and its bits for received data: IER of the
# PC16550D (8.4), UARTIMSC of the PL011 (ARM DDI 0183, 3.3.10: received, timed out). The addresses are those of QEMU.
UARTS = {
    "x86_64": ("i /xb 0x3f9", 0x01),
    "aarch64": ("xp /xw 0x9000038", 0x50),
    "riscv64": ("xp /xb 0x10000001", 0x01),
}
# Generic timers of AArch64, physical and virtual (Arm ARM, D24.10): CTL has ENABLE, IMASK and ISTATUS in bits 0 to 2.
ARM_TIMERS = ("CNTP", "CNTV")
ENABLED, FIRED_OR_MASKED = 0x1, 0x6
# RISC-V ACLINT: the machine's time, and for each hart the time of its next interrupt, the largest number for none.
MTIME, MTIMECMP, NEVER = 0x200BFF8, 0x2004000, (1 << 64) - 1
# A timer of the local APIC that will fire. Kernels without one to wait for set the largest count.
_ARMED = re.compile(r"^LVTT\s+0x\w+(?!.*masked).*\nTimer\s.*initial_count = (?!0 |4294967295 )\d+", re.MULTILINE)


def idle_line(unseen: str = "") -> str:
    """Return the line about an idle guest. `unseen`: what may wake it."""
    return IDLE_LINE.format(seconds=IDLE_SECONDS, unless=f", unless it waits for {unseen}" if unseen else "")


def is_timer_armed(words: str) -> bool:
    """Return whether a RISC-V timer will fire. `words`: QEMU's dumps of the time and of each hart's next interrupt."""
    now, *times = (int(word, 16) for word in re.findall(r"(?<=[: ])0x[0-9a-f]+", words))
    return any(now < time < NEVER for time in times)


def is_arm_timer_armed(registers: Iterable[dict[str, int]]) -> bool:
    """Return whether a generic timer of any CPU of AArch64 will fire. `registers`: those of each CPU."""
    return any(
        cpu.get(f"{timer}_CTL_EL0", 0) & (ENABLED | FIRED_OR_MASKED) == ENABLED
        and cpu.get(f"{timer}_CVAL_EL0", NEVER) < NEVER
        for cpu in registers
        for timer in ARM_TIMERS
    )


def waits_for_input(cpu: str, dump: str) -> bool:
    """Return whether received data interrupts the guest. `dump`: the monitor's output for the UART's register."""
    found = re.search(r"[:=] 0x(\w+)", dump)
    return found is not None and int(found[1], 16) & UARTS[cpu][1] != 0


class IdleWatcher(Watcher):
    """Calls `say` once if the guest does nothing, and nothing that is seen will wake it. The line says what may.

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
        self._cpu = target(supervisor.spec.target).cpu
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
            self._say(idle_line(self._unseen()))
        else:
            self._restart(now)

    def _restart(self, now: float) -> None:
        if self._next != float("inf"):
            self._next = now + IDLE_SECONDS
            self._before = self._supervisor.process.cpu_seconds(), self._activity()

    def _has_timer(self) -> bool:
        """Return whether a timer will fire."""
        spec, monitor = self._supervisor.spec, self._supervisor.qmp
        try:
            if self._cpu == "x86_64":
                return _ARMED.search(monitor.hmp("info lapic")) is not None
            if self._cpu == "riscv64":
                words = monitor.hmp(f"xp /gx {MTIME:#x}") + monitor.hmp(f"xp /{spec.smp}gx {MTIMECMP:#x}")
                return is_timer_armed(words)
            return self._has_arm_timer()
        except QmpError:
            return False  # QEMU is ending

    def _has_arm_timer(self) -> bool:
        """Ask the GDB stub, because the monitor does not show these timers. The guest is paused meanwhile."""
        if not self._supervisor.hold():
            return True  # a debugger controls the guest
        names = [f"{timer}_{part}_EL0" for timer in ARM_TIMERS for part in ("CTL", "CVAL")]
        try:
            return is_arm_timer_armed(system_registers(self._supervisor.qmp, names, self._supervisor.spec.smp))
        finally:
            self._supervisor.resume()

    def _unseen(self) -> str:
        """Return what may wake the guest without that it is seen, or ""."""
        try:
            # Hermit enables the interrupt at its start, so this does not show whether an application reads.
            by_input = self._supervisor.accepts_input
            dump = self._supervisor.qmp.hmp(UARTS[self._cpu][0]) if by_input else ""
        except QmpError:
            return ""
        return "typed input" if waits_for_input(self._cpu, dump) else ""


class InterruptWatcher(Watcher):
    """Ends the run at the first SIGINT, so that there is a verdict. The second one raises KeyboardInterrupt."""

    def __init__(self) -> None:
        self._signalled, self._signal = socket.socketpair()
        self._handler = signal.getsignal(signal.SIGINT)

    def on_start(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        supervisor.add_reader(self._signalled, self._interrupt)
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
