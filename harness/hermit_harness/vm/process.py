# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The QEMU process: its namespaces, its descriptors, and the promise that it never outlives its parent.

Chain of programs, each an exec or a child of the one before:

    setpriv --pdeathsig KILL  ->  unshare (user, net, PID namespaces, --kill-child)  ->  sh (PID 1 inside)  ->  exec
    QEMU

When the parent dies, setpriv's signal kills unshare, whose death kills PID 1, and with it everything in the
namespace. What is left is the time
before those signals are armed. So the shell reports ("armed PID") after both are, and goes on only when it is told
to: a parent that died
before leaves end of file on that socket and the shell ends. Nothing depends on the order in which things happen.
Without isolation
the chain is setpriv, sh, QEMU.

QEMU is PID 1 in there, so it is killed by nothing but a real fault or us; its abort() shows as SIGSEGV because PID 1
ignores SIGABRT.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from hermit_harness.vm.argv import InheritedFds, harness_argv, is_network_watched
from hermit_harness.vm.host import UNSHARE_COMMAND, namespace_remedy
from hermit_harness.vm.spec import RunSpec

DIE_WITH_PARENT = ("setpriv", "--pdeathsig", "KILL")
# /proc is that of the caller, so the first word of its stat file is our number for the process that will be QEMU.
GATE = 'read -r pid rest </proc/self/stat; echo "armed $pid" >&0; read -r go || exit 1; exec "$@" </dev/null'
LO_UP = "ip link set lo up 2>/dev/null; "
ARM_SECONDS = 10.0
SOCKET_BYTES = 1 << 20  # so that a burst of output before the end is never lost to a full buffer


class LaunchError(Exception):
    """The process could not be set up; the text is one sentence with what to do."""


class Closeable(ABC):
    """What a `with` statement closes at its end, however that comes."""

    @abstractmethod
    def close(self) -> None:
        """End it. Safe to call twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass
class Process:
    """A started (paused) QEMU and our ends of its wires. Close it with `kill`."""

    popen: subprocess.Popen[bytes]
    pidfd: int
    qemu_pid: int
    qemu_pidfd: int
    argv: tuple[str, ...]
    sockets: tuple[socket.socket, ...]
    started: float
    status: int | None = None
    cpu_total: float = 0.0
    closed: bool = field(default=False)

    @property
    def serial(self) -> socket.socket:
        return self.sockets[0]

    @property
    def qmp(self) -> socket.socket:
        return self.sockets[1]

    @property
    def gdb(self) -> socket.socket:
        return self.sockets[2]

    @property
    def net(self) -> tuple[socket.socket, ...]:
        """A copy of each frame, and the way in for ours; nothing when the guest's network is not watched."""
        return self.sockets[3:]

    def reap(self) -> int:
        """Wait for the process that has ended (or is about to) and keep its status; negative for a signal."""
        if self.status is None:
            _, status, usage = os.wait4(self.popen.pid, 0)
            self.status = os.waitstatus_to_exitcode(status)
            self.popen.returncode = self.status
            self.cpu_total = usage.ru_utime + usage.ru_stime
        return self.status

    def has_runnable_thread(self) -> bool:
        """Whether a thread of QEMU's other than its first runs, or waits for a processor of this machine: then a guest
        that used no time is starved, not asleep."""
        for stat in Path(f"/proc/{self.qemu_pid}/task").glob("*/stat"):
            with contextlib.suppress(OSError):
                if int(stat.parent.name) != self.qemu_pid and stat.read_bytes().rpartition(b") ")[2][:1] == b"R":
                    return True
        return False

    def cpu_seconds(self) -> float:
        """CPU time used by QEMU so far, all threads (fields utime and stime of its stat file)."""
        if self.status is not None:
            return self.cpu_total
        try:
            with open(f"/proc/{self.qemu_pid}/stat", "rb") as stat:
                fields = stat.read().rpartition(b")")[2].split()
        except OSError:
            return self.cpu_total
        self.cpu_total = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return self.cpu_total

    def kill(self) -> None:
        """End the process if it still runs and close every descriptor. Safe to call twice."""
        if self.closed:
            return
        self.closed = True
        if self.status is None:
            # QEMU first: its parent then collects it and ends by itself, so that nothing is still dying when this
            # returns.
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.qemu_pidfd, signal.SIGKILL)
            self.reap()
        for sock in self.sockets:
            sock.close()
        if self.popen.stderr:
            self.popen.stderr.close()
        for fd in {self.pidfd, self.qemu_pidfd}:
            os.close(fd)


def _socket_pairs(count: int) -> tuple[list[socket.socket], list[socket.socket]]:
    harness_ends, qemu_ends = [], []
    for _ in range(count):
        harness_end, qemu_end = socket.socketpair()
        for sock in (harness_end, qemu_end):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BYTES)
        harness_ends.append(harness_end)
        qemu_ends.append(qemu_end)
    return harness_ends, qemu_ends


def read_armed(gate: socket.socket, deadline: float) -> int | None:
    """The process number from the shell's report; None if it ended without one or said nothing in time."""
    line = b""
    while not line.endswith(b"\n"):
        remaining = deadline - time.monotonic()
        if remaining <= 0 or not select.select([gate], [], [], remaining)[0]:
            return None
        data = gate.recv(64)
        if not data:
            return None
        line += data
    return int(line.split()[1])


def spawn(
    command: Sequence[str], stdin: socket.socket, stdout: int | None, stderr: int, pass_fds: Sequence[int] = ()
) -> subprocess.Popen[bytes]:
    """Start a program that dies with this process. LaunchError where what sees to that is missing."""
    argv = (*DIE_WITH_PARENT, *command)
    try:
        return subprocess.Popen(
            argv, stdin=stdin.fileno(), stdout=stdout, stderr=stderr, pass_fds=pass_fds, start_new_session=True
        )
    except OSError as error:
        missing = error.filename or argv[0]
        raise LaunchError(f"{missing} cannot be started ({error.strerror}): install util-linux") from error


def launch(spec: RunSpec, namespace_command: Sequence[str] = (), virtiofsd: socket.socket | None = None) -> Process:
    """Start QEMU for `spec`, paused. LaunchError if the process chain cannot be set up; QEMU's own troubles show
    later.

    `within`: words that enter a network namespace and make a PID namespace, in place of namespaces of its own.
    `share`: a connection to the daemon of the shared folder.
    """
    harness_ends, qemu_ends = _socket_pairs(6 if is_network_watched(spec) else 4)
    gate = harness_ends[0]
    inherited = InheritedFds(*(sock.fileno() for sock in qemu_ends[1:]))
    argv = tuple(harness_argv(spec, replace(inherited, share=virtiofsd.fileno()) if virtiofsd else inherited))
    unshare = namespace_command or (UNSHARE_COMMAND if spec.isolate else ())
    script = (LO_UP if spec.isolate and not namespace_command else "") + GATE
    command = (*unshare, "sh", "-c", script, "sh", *argv)
    inherited_fds = [sock.fileno() for sock in (*qemu_ends[1:], *((virtiofsd,) if virtiofsd else ()))]
    inherited_fds += [spec.net.fd] if spec.net.fd >= 0 else []
    try:
        popen = spawn(command, qemu_ends[0], subprocess.DEVNULL, subprocess.PIPE, inherited_fds)
    except LaunchError:
        for sock in harness_ends + qemu_ends:
            sock.close()
        raise
    pidfd = os.pidfd_open(popen.pid)
    process = Process(popen, pidfd, popen.pid, pidfd, argv, tuple(harness_ends[1:]), time.monotonic())
    for sock in qemu_ends:
        sock.close()
    try:
        _open_gate(process, gate, spec.isolate)
    except BaseException:
        process.kill()
        raise
    finally:
        gate.close()
    return process


def _open_gate(process: Process, gate: socket.socket, isolate: bool) -> None:
    """Wait until both death signals are armed, then let the shell become QEMU."""
    pid = read_armed(gate, time.monotonic() + ARM_SECONDS)
    if pid is None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(process.pidfd, signal.SIGKILL)
        process.reap()
        output = process.popen.stderr.read().decode("utf-8", "replace") if process.popen.stderr else ""
        raise LaunchError(
            namespace_remedy(output) if isolate else f"QEMU's process could not be set up: {output.strip()}"
        )
    process.qemu_pid, process.qemu_pidfd = pid, os.pidfd_open(pid)
    process.started = time.monotonic()
    gate.sendall(b"go\n")
