# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Record one run to its end, then replay it as often as wanted: GDB steps and continues backwards from there.

QEMU counts instructions while it records (-icount, TCG), and keeps a snapshot of the first moment: a step backwards is
a replay from that snapshot to one instruction earlier. Input from outside is not
part of the recording, so the guest has neither input nor network. Exit devices that end QEMU at once (isa-debug-exit,
semihosting) are omitted: the paused machine must report the number of its last instruction.
"""

from __future__ import annotations

import os
import select
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from hermit_harness.vm.argv import machine_of
from hermit_harness.vm.filenames import escape_commas
from hermit_harness.vm.process import LaunchError, Process, launch
from hermit_harness.vm.qmp import Qmp, QmpError
from hermit_harness.vm.spec import RunSpec
from hermit_harness.vm.targets import target
from hermit_harness.watch.boot_log import BootLog
from hermit_harness.watch.console import LineSplitter
from hermit_harness.watch.cpus import all_halted_for_good, shows_halted_cpus
from hermit_harness.watch.supervisor import GREETING_SECONDS

SNAPSHOT = "start"
LOG_NAME, DISK_NAME = "recording", "snapshots.qcow2"
DISK_SIZE = 64 << 20  # size of the guest's memory; snapshots follow
END_SECONDS = 60.0
QUIET_SECONDS = 1.0
CLUSTER_BITS = 16
MACHINE_RUNNING = (HALTED, DEADLINE) = ("halted for good", "went on until the deadline")


@dataclass(frozen=True)
class Recording:
    """A run in a directory. `last` is the number of instructions until its end, 0 where QEMU ended with the guest and
    could not be asked; `start` is where the loader put the application; `how` it ended, in words."""

    spec: RunSpec
    directory: Path
    last_instruction: int
    start: int | None
    ending: str

    @property
    def replay(self) -> RunSpec:
        """The boot that goes through the recording again."""
        return _with_mode(self.spec, self.directory, "replay")

    def replay_to_end(self, process: Process, qmp: Qmp) -> None:
        """Run a replay from its first to its last instruction. Raise QmpError if it does not stop there.

        The output is discarded, because QEMU would block without a reader.
        """
        self.run(process, qmp)
        qmp.events.clear()

    def run(self, process: Process, qmp: Qmp) -> None:
        """The same; the monitor's events are kept."""
        if not self.last_instruction:
            return
        qmp.execute("replay-break", {"icount": self.last_instruction})
        qmp.execute("cont")
        deadline = time.monotonic() + END_SECONDS
        while not any(event["event"] == "STOP" for event in qmp.events):
            remaining = deadline - time.monotonic()
            ready = select.select([process.serial, qmp.sock], [], [], max(remaining, 0.0))[0]
            if process.serial in ready:
                process.serial.recv(65536)
            if qmp.sock in ready:
                qmp.receive()
            if qmp.closed or not ready:
                raise QmpError("the replay did not come to the end of the recording")


def empty_disk(size: int = DISK_SIZE) -> bytes:
    """A qcow2 file (version 2, docs/interop/qcow2.txt of QEMU) without data: header, reference counts, first table, a
    cluster each. Big-endian."""
    cluster = 1 << CLUSTER_BITS
    entries = -(-size // (cluster * cluster // 8))
    header = struct.pack(
        ">4sIQIIQIIQQIIQ", b"QFI\xfb", 2, 0, 0, CLUSTER_BITS, size, 0, entries, 3 * cluster, cluster, 1, 0, 0
    )
    counts = struct.pack(">Q", 2 * cluster), struct.pack(">4H", 1, 1, 1, 1)
    return b"".join(part.ljust(cluster, b"\0") for part in (header, *counts, b""))


# Its reset waits for the processor while the processor waits for the replay: QEMU hangs when a snapshot is loaded.
CPU_OPTIONS = {"x86_64": ("-global", "apic.vapic=off")}


def arguments(directory: Path, mode: str, cpu: str) -> tuple[str, ...]:
    """What makes of a QEMU command line one that records into `directory`, or replays from it."""
    log, disk = escape_commas(directory / LOG_NAME), escape_commas(directory / DISK_NAME)
    return (
        *CPU_OPTIONS.get(cpu, ()),
        *("-drive", f"if=none,id=snapshots,format=qcow2,file={disk}"),
        *("-icount", f"shift=auto,rr={mode},rrfile={log},rrsnapshot={SNAPSHOT}"),
    )


def _with_mode(spec: RunSpec, directory: Path, mode: str) -> RunSpec:
    return replace(spec, extra=(*spec.extra, *arguments(directory, mode, target(spec.target).cpu)))


def check_recordable(spec: RunSpec) -> None:
    """ValueError for a boot that cannot be recorded, or not be gone through backwards."""
    if spec.accel != "tcg":
        raise ValueError("a run can be recorded by TCG alone: --accel tcg")
    if target(spec.target).cpu == "riscv64":
        raise ValueError("QEMU cannot go backwards on riscv64 (7.2: a replay from a snapshot never comes to its end)")
    if machine_of(spec).flash:
        raise ValueError(f"a run by firmware in flash ({spec.machine}) cannot be recorded: it keeps no snapshots")


def record(spec: RunSpec, directory: Path, console: Callable[[bytes], None]) -> Recording:
    """Run `spec` once to its end, or to its deadline, and keep it in `directory`. LaunchError where QEMU cannot be
    started, ValueError for what cannot be recorded."""
    check_recordable(spec)
    spec = replace(spec, debug_exit=False, stdin=None)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / DISK_NAME).write_bytes(empty_disk())
    process = launch(_with_mode(spec, directory, "record"))
    try:
        return _record(spec, directory, process, console)
    except QmpError as error:
        raise LaunchError(f"the run could not be recorded: {error}") from error
    finally:
        process.kill()


def _record(spec: RunSpec, directory: Path, process: Process, console: Callable[[bytes], None]) -> Recording:
    qmp = Qmp(process.qmp)
    qmp.greet(GREETING_SECONDS)
    boot_log = BootLog.of(spec)
    lines = LineSplitter()

    def output() -> None:
        data = process.serial.recv(65536)
        for line in lines.feed(data):
            boot_log.add_line(line, 0.0)
        console(data)

    qmp.send("cont")
    ending = _run_to_end(spec, process, qmp, output)
    last_instruction = 0
    if ending != "ended QEMU":
        qmp.execute("stop")
        last_instruction = int(qmp.execute("query-replay")["icount"])
        qmp.execute("quit")
    ended = bool(select.select([process.pidfd], [], [], END_SECONDS)[0])  # the log is complete when QEMU has gone
    message = _qemu_message(process)
    if not ended or (process.reap() and message):
        raise QmpError(message or "QEMU does not end")
    return _without_shutdown(
        Recording(spec, directory, last_instruction, boot_log.load_range[0] if boot_log.load_range else None, ending)
    )


def _qemu_message(process: Process) -> str:
    """Return QEMU's last message that is not a warning."""
    assert process.popen.stderr is not None
    with suppress(BlockingIOError):
        lines = os.read(process.popen.stderr.fileno(), 1 << 20).decode("utf-8", "replace").splitlines()
        return next((line for line in reversed(lines) if ": warning: " not in line), "")
    return ""


def _without_shutdown(recording: Recording) -> Recording:
    """Return the recording with a last instruction before the shutdown, if the guest shut down.

    QEMU can neither continue nor step back from a machine that was shut down, and the CPU runs for a while after it
    has requested the shutdown.
    """
    back = 0
    while recording.last_instruction and recording.ending not in MACHINE_RUNNING:
        process = launch(recording.replay)
        try:
            qmp = Qmp(process.qmp)
            qmp.greet(GREETING_SECONDS)
            recording.run(process, qmp)
            if not _is_shut_down(qmp):
                break
            back = 128 * back or 1
            at = min(recording.last_instruction, int(qmp.execute("query-replay")["icount"]))
        finally:
            process.kill()
        recording = replace(recording, last_instruction=max(at - back, 0))
    return recording


def _is_shut_down(qmp: Qmp) -> bool:
    """Return whether the paused machine was shut down. QEMU checks that between two commands."""
    qmp.execute("query-status")
    return bool(
        qmp.execute("query-status")["status"] == "shutdown" or any(e["event"] == "SHUTDOWN" for e in qmp.events)
    )


def _run_to_end(spec: RunSpec, process: Process, qmp: Qmp, output: Callable[[], None]) -> str:
    """Let the guest run; how it ended."""
    deadline = time.monotonic() + min(spec.wall_seconds, END_SECONDS)
    watched = [process.serial.fileno(), process.qmp.fileno(), process.pidfd]
    while True:
        remaining = deadline - time.monotonic()
        ready = select.select(watched, [], [], max(min(remaining, QUIET_SECONDS), 0.0))[0]
        if process.serial.fileno() in ready:
            output()
            continue
        if not ready and _is_halted(qmp.hmp("info registers -a")):
            return HALTED
        if process.qmp.fileno() in ready:
            qmp.receive()
            while qmp.events:
                event = qmp.events.popleft()
                if event["event"] == "SHUTDOWN":
                    return str(event["data"].get("reason", "shutdown"))
        if qmp.closed or process.pidfd in ready:
            return "ended QEMU"
        if remaining <= 0:
            return DEADLINE


def _is_halted(registers: str) -> bool:
    """Return whether the registers show that no CPU can run any more."""
    return shows_halted_cpus(registers) and all_halted_for_good(registers)
