# SPDX-License-Identifier: Apache-2.0 OR MIT
"""virtiofsd: which one, and its life alongside one guest.

Its socket has no name in any folder, and QEMU is handed the other end of a connection that stands: nobody waits
for the daemon to be ready, and nothing is left when both are gone. It is started like QEMU (see vm/process.py), in
user, network and PID namespaces of its own, and dies with this process, however that dies.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from functools import lru_cache

from hermit_harness.paths import ROOT
from hermit_harness.vm.host import UNSHARE_COMMAND, namespace_remedy
from hermit_harness.vm.process import ARM_SECONDS, GATE, Closeable, LaunchError, read_armed, spawn
from hermit_harness.vm.shared_folder import SharedFolder, virtiofsd_argv

BUILD_SCRIPT = ROOT / "fixtures" / "real" / "virtiofsd.sh"
# Where the daemon, and nobody else, sees a folder that exists for one run: memory, in a mount namespace of its own, so
# that there is nothing to remove, whoever is killed.
EMPTY_FOLDER = "/mnt"
MOUNT_SCRIPT = f"mount -t tmpfs -o mode=0700 private {EMPTY_FOLDER} || exit 1; "
SYSTEM_PATHS = ("/usr/libexec/virtiofsd", "/usr/lib/virtiofsd", "/usr/lib/qemu/virtiofsd")
C_VIRTIOFSD_PROBLEM = (
    "is QEMU's own virtiofsd, in C: it answers EINVAL to names that begin with a slash, which are Hermit's; "
    "the one in Rust (Debian 13's package virtiofsd, or the crate) does not"
)


def version_problem(program: str) -> str:
    """Why this program cannot serve Hermit; "" if it can."""
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{program} cannot be started: {error}"
    output = done.stdout + done.stderr
    if re.search(r"^virtiofsd \d+\.\d+", output, re.M):
        return ""
    return (
        f"{program} {C_VIRTIOFSD_PROBLEM}"
        if "FUSE kernel interface" in output
        else f"{program} does not tell its version: {output!r}"
    )


def installed_program() -> str:
    """A virtiofsd of this system that serves Hermit; "" where there is none."""
    for path in (shutil.which("virtiofsd") or "", *SYSTEM_PATHS):
        if path and os.access(path, os.X_OK) and not version_problem(path):
            return path
    return ""


@lru_cache(maxsize=8)
def find_program(program: str = "") -> str:
    """A virtiofsd that serves Hermit: the wanted one, one of this system, or one that is made now, once, in the user's
    cache. LaunchError says why there is none."""
    if program:
        problem = version_problem(program)
        if problem:
            raise LaunchError(problem)
        return program
    if system_program := installed_program():
        return system_program
    built = subprocess.run([str(BUILD_SCRIPT)], stdout=subprocess.PIPE, text=True, check=False)
    if built.returncode:
        raise LaunchError(f"there is no virtiofsd in Rust here, and {BUILD_SCRIPT.name} could not make one (see above)")
    return built.stdout.strip()


class Virtiofsd(Closeable):
    """One virtiofsd for one run, in a `with` statement. `ours` is for QEMU."""

    def __init__(self, share: SharedFolder) -> None:
        """LaunchError, with what to do, where it cannot be set up."""
        program = find_program(share.program)
        self.qemu_socket = socket.socket(socket.AF_UNIX)
        self._output = os.memfd_create("virtiofsd's words")
        self._popen: subprocess.Popen[bytes] | None = None
        self.pidfd = -1
        gate, daemon_gate = socket.socketpair()
        with socket.socket(socket.AF_UNIX) as listener, gate, daemon_gate:
            listener.bind("")  # a name that the system gives, in no folder
            listener.listen(1)
            self.qemu_socket.connect(listener.getsockname())
            argv = virtiofsd_argv(program, share, f"--fd={listener.fileno()}", EMPTY_FOLDER)
            launcher = (
                (*UNSHARE_COMMAND, "sh", "-c", GATE)
                if share.folder
                else (*UNSHARE_COMMAND, "--mount", "sh", "-c", MOUNT_SCRIPT + GATE)
            )
            try:
                self._start([*launcher, "sh", *argv], listener, gate, daemon_gate)
            except BaseException:
                self.close()
                raise

    def _start(
        self, command: list[str], listener: socket.socket, gate: socket.socket, daemon_gate: socket.socket
    ) -> None:
        self._popen = spawn(command, daemon_gate, subprocess.DEVNULL, self._output, [listener.fileno()])
        self.pidfd = os.pidfd_open(self._popen.pid)
        daemon_gate.close()
        if read_armed(gate, time.monotonic() + ARM_SECONDS) is None:
            message = self.output().strip()
            raise LaunchError(
                f"no folder for this run: {message}" if "mount:" in message else namespace_remedy(message)
            )
        gate.sendall(b"go\n")

    def close(self) -> None:
        """End it if it still runs."""
        self.qemu_socket.close()
        if self.pidfd >= 0 and self._popen:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
            self._popen.wait()
            os.close(self.pidfd)
        if self._output >= 0:
            os.close(self._output)
        self.pidfd = self._output = -1

    def output(self) -> str:
        """What it has printed."""
        return os.pread(self._output, 65536, 0).decode("utf-8", "replace")

    def failure(self) -> str:
        """How it ended, in a sentence; "" where it ended by itself, with 0, as it does when QEMU is gone."""
        status = self._popen.wait() if self._popen else 0
        if not status:
            return ""
        lines = self.output().strip().splitlines()
        killed = status < 0 or any(line.startswith("unshare:") for line in lines)  # which may fail to die likewise
        how = "was killed" if killed else f"ended with status {status}"
        messages = [line for line in lines if not line.startswith("unshare:")] or ["it said nothing"]
        return f"virtiofsd {how} while the guest ran: {messages[-1]}"
