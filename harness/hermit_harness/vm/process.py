# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The QEMU process: its namespaces, its descriptors, and the guarantee that it never outlives its parent.

Chain of programs, each an exec or a child of the previous one:

    setpriv --pdeathsig KILL  ->  unshare (user, net, PID namespaces, --kill-child)  ->  sh (PID 1 inside)  ->  exec
    QEMU

When the parent dies, setpriv's signal kills unshare. Its death kills PID 1 and with it the whole PID namespace. The
time before both signals are armed needs a gate: the shell reports "armed PID" once they are, and continues only after
the parent has answered. If the parent died earlier, the shell reads end of file and ends. No step depends on timing.
Without isolation the chain is setpriv, sh, QEMU.

QEMU is PID 1 of its namespace, so only a fault or the harness kills it. Its abort() appears as SIGSEGV, because PID 1
ignores SIGABRT.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from hermit_harness.vm.argv import InheritedFds, harness_argv, is_network_watched
from hermit_harness.vm.host import UNSHARE_COMMAND, namespace_remedy
from hermit_harness.vm.spec import RunSpec

DIE_WITH_PARENT = ("setpriv", "--pdeathsig", "KILL")
# /proc belongs to the caller's namespace, so the stat file starts with QEMU's PID as the caller sees it.
ARM = 'read -r pid rest </proc/self/stat; echo "armed $pid" >&0; read -r go || exit 1; '
GATE = f'{ARM}exec "$@" </dev/null'
# For a QEMU that is a script. Its child outlives it, so a guard in the same process group kills the group when the gate
# closes: at the end of the run, or when the parent dies. {fd} keeps the gate, because a shell gives its background jobs
# /dev/null as stdin.
GUARDED_GATE = ARM + 'exec {fd}<&0; (read -r end <&{fd}; kill -KILL 0) & exec "$@" </dev/null {fd}<&-'
LO_UP = "ip link set lo up 2>/dev/null; "
ARM_SECONDS = 10.0
# Large enough that no output before the end is lost: the kernel counts 768 bytes for each byte that a UART writes, and
# QEMU 7.2 drops the output of sifive_u while there is no room.
SOCKET_BYTES = 1 << 23
SO_SNDBUFFORCE = 32  # asm-generic/socket.h: beyond net.core.wmem_max, for root only


class LaunchError(Exception):
    """The process could not be set up. The text is one sentence with the remedy."""


class Closeable(ABC):
    """A resource that a `with` statement closes."""

    @abstractmethod
    def close(self) -> None:
        """Release the resource. Safe to call twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _schedule(task: Path) -> tuple[float, float]:
    """Return the run time and run-queue time of one thread in seconds (schedstat of proc(5), in nanoseconds)."""
    with contextlib.suppress(OSError):
        running, waiting, _ = (task / "schedstat").read_bytes().split()
        return int(running) / 1e9, int(waiting) / 1e9
    return 0.0, 0.0


@dataclass
class Process:
    """A started, paused QEMU and the harness's ends of its sockets. Close it with `kill`."""

    popen: subprocess.Popen[bytes]
    pidfd: int
    qemu_pid: int
    qemu_pidfd: int
    argv: tuple[str, ...]
    sockets: tuple[socket.socket, ...]
    started: float
    gate: socket.socket | None = None
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
        """Return the sockets for copies of frames and for injected frames; none if the network is not watched."""
        return self.sockets[3:]

    def reap(self) -> int:
        """Wait for the end of the process and return its exit status; negative for a signal."""
        if self.status is None:
            _, status, usage = os.wait4(self.popen.pid, 0)
            self.status = os.waitstatus_to_exitcode(status)
            self.popen.returncode = self.status
            self.cpu_total = usage.ru_utime + usage.ru_stime
        return self.status

    def ends_within(self, seconds: float) -> bool:
        """Return whether the process has ended, or ends in that many seconds."""
        return bool(select.select([self.pidfd], [], [], seconds)[0])

    def remaining_stderr(self) -> str:
        """Return the rest of QEMU's messages, without waiting for more: a child of QEMU's may have its stderr, too."""
        assert self.popen.stderr is not None
        os.set_blocking(self.popen.stderr.fileno(), False)
        return (self.popen.stderr.read() or b"").decode("utf-8", "replace")

    def _threads(self) -> list[Path]:
        """Return the directories of QEMU's threads in /proc; none once it is reaped, which may happen at any time."""
        directory = Path(f"/proc/{self.qemu_pid}/task")
        try:
            return [directory / name for name in os.listdir(directory)]
        except OSError:
            return []

    def has_runnable_thread(self, including_first: bool = False) -> bool:
        """Return whether a thread of QEMU other than the first one runs or waits for a host CPU.

        A guest that used no CPU time is then starved, not idle. The first one serves the monitor: it is runnable after
        a question.
        """
        for thread in self._threads():
            with contextlib.suppress(OSError):
                state = (thread / "stat").read_bytes().rpartition(b") ")[2][:1]
                if state == b"R" and (including_first or int(thread.name) != self.qemu_pid):
                    return True
        return False

    def demand_seconds(self) -> float:
        """Return how long the threads of QEMU have run or waited for a host CPU, in seconds.

        A wait counts when it ends. The first thread counts, too: a starved one may hold the lock that a virtual CPU
        waits for. Threads that have ended do not count.
        """
        return sum(sum(_schedule(thread)) for thread in self._threads())

    def starved_seconds(self) -> float:
        """Return how long QEMU has waited for a host CPU, in seconds: that thread of it which has waited longest."""
        return max((_schedule(thread)[1] for thread in self._threads()), default=0.0)

    def cpu_seconds(self) -> float:
        """Return the CPU time of all threads of QEMU in seconds (utime and stime of proc(5))."""
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
        """Kill the process if it still runs, and close every descriptor. Safe to call twice."""
        if self.closed:
            return
        self.closed = True
        if self.status is None:
            # Kill QEMU first. Its parent reaps it and then ends, so no process is left when this returns.
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.qemu_pidfd, signal.SIGKILL)
            if self.gate:
                os.killpg(self.popen.pid, signal.SIGKILL)  # spawn() made it the leader; it is not reaped yet
            self.reap()
        for sock in (*self.sockets, *((self.gate,) if self.gate else ())):
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
            with contextlib.suppress(PermissionError):
                sock.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, SOCKET_BYTES)
        harness_ends.append(harness_end)
        qemu_ends.append(qemu_end)
    return harness_ends, qemu_ends


def read_armed(gate: socket.socket, deadline: float) -> int | None:
    """Return the PID that the shell reports; None if the shell ends or does not report in time."""
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
    """Start a program that dies with this process. Raise LaunchError if setpriv or unshare is missing."""
    argv = (*DIE_WITH_PARENT, *command)
    try:
        return subprocess.Popen(
            argv, stdin=stdin.fileno(), stdout=stdout, stderr=stderr, pass_fds=pass_fds, start_new_session=True
        )
    except OSError as error:
        missing = error.filename or argv[0]
        raise LaunchError(f"{missing} cannot be started ({error.strerror}): install util-linux") from error


def launch(
    spec: RunSpec,
    namespace_command: Sequence[str] = (),
    virtiofsd: socket.socket | None = None,
    rewrite: Callable[[str], str] = str,
) -> Process:
    """Start QEMU for `spec`, paused.

    Raise LaunchError if the process chain cannot be set up. Errors of QEMU itself appear later, in the session.

    `namespace_command`: a prefix that enters a network namespace and creates a PID namespace, instead of new ones.
    `virtiofsd`: a connection to the daemon of the shared directory.
    `rewrite` changes words of QEMU's command line.
    """
    harness_ends, qemu_ends = _socket_pairs(6 if is_network_watched(spec) else 4)
    gate = harness_ends[0]
    inherited = InheritedFds(*(sock.fileno() for sock in qemu_ends[1:]))
    words = harness_argv(spec, replace(inherited, share=virtiofsd.fileno()) if virtiofsd else inherited)
    argv = tuple(map(rewrite, words))
    unshare = namespace_command or (UNSHARE_COMMAND if spec.isolate else ())
    inherited_fds = [sock.fileno() for sock in (*qemu_ends[1:], *((virtiofsd,) if virtiofsd else ()))]
    inherited_fds += [spec.net.fd] if spec.net.fd >= 0 else []
    guard_fd = 0 if unshare else _guard_fd(argv[0], inherited_fds)
    last = GUARDED_GATE.replace("{fd}", str(guard_fd)) if guard_fd else GATE
    script = (LO_UP if spec.isolate and not namespace_command else "") + last
    command = (*unshare, "sh", "-c", script, "sh", *argv)
    try:
        popen = spawn(command, qemu_ends[0], subprocess.DEVNULL, subprocess.PIPE, inherited_fds)
    except LaunchError:
        for sock in harness_ends + qemu_ends:
            sock.close()
        raise
    pidfd = os.pidfd_open(popen.pid)
    process = Process(popen, pidfd, popen.pid, pidfd, argv, tuple(harness_ends[1:]), time.monotonic())
    process.gate = gate if guard_fd else None
    for sock in qemu_ends:
        sock.close()
    try:
        _open_gate(process, gate, spec.isolate)
    except BaseException:
        process.kill()
        raise
    finally:
        if not guard_fd:
            gate.close()
    return process


def _guard_fd(program: str, inherited_fds: Sequence[int]) -> int:
    """Return a descriptor for the guard of a QEMU that is a script, 0 if it needs none. Shells know one digit only."""
    try:
        with open(shutil.which(program) or program, "rb") as file:
            is_script = file.read(4) != b"\x7fELF"
    except OSError:
        return 0
    return next((fd for fd in range(3, 10) if fd not in inherited_fds), 0) if is_script else 0


def _open_gate(process: Process, gate: socket.socket, isolate: bool) -> None:
    """Wait until both death signals are armed, then let the shell become QEMU."""
    pid = read_armed(gate, time.monotonic() + ARM_SECONDS)
    if pid is None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(process.pidfd, signal.SIGKILL)
        process.reap()
        gate.close()  # a shell that survives waits for it
        output = process.remaining_stderr()
        raise LaunchError(
            namespace_remedy(output) if isolate else f"QEMU's process could not be set up: {output.strip()}"
        )
    process.qemu_pid, process.qemu_pidfd = pid, os.pidfd_open(pid)
    process.started = time.monotonic()
    gate.sendall(b"go\n")
