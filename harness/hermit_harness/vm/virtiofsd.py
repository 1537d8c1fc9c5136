# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Find virtiofsd and run it for one guest.

Its socket has an abstract name, and QEMU inherits one end of an established connection, which passes a relay (see
vm/vhost_user.py). So nothing waits for the daemon, and no file remains. It starts like QEMU (see vm/process.py), in its
own user, network and PID namespaces, and dies with this process.
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
from hermit_harness.vm.shared_directory import SharedDirectory, virtiofsd_argv
from hermit_harness.vm.vhost_user import VhostUserRelay

BUILD_SCRIPT = ROOT / "fixtures" / "real" / "virtiofsd.sh"
# The mount point of an empty directory in memory. Only virtiofsd's mount namespace has it, so nothing needs to be
# removed.
EMPTY_DIR = "/mnt"
MOUNT_SCRIPT = f"mount -t tmpfs -o mode=0700 private {EMPTY_DIR} || exit 1; "
SYSTEM_PATHS = ("/usr/libexec/virtiofsd", "/usr/lib/virtiofsd", "/usr/lib/qemu/virtiofsd")
C_VIRTIOFSD_PROBLEM = (
    "is the virtiofsd in C from QEMU, which answers EINVAL to the names that Hermit sends (with a leading slash); "
    "use the one in Rust (package virtiofsd of Debian 13, or the crate)"
)


def version_problem(program: str) -> str:
    """Return why Hermit cannot use this virtiofsd, or ""."""
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
        else f"{program} reports no version: {output!r}"
    )


def installed_program() -> str:
    """Return an installed virtiofsd that Hermit can use, or ""."""
    for path in (shutil.which("virtiofsd") or "", *SYSTEM_PATHS):
        if path and os.access(path, os.X_OK) and not version_problem(path):
            return path
    return ""


@lru_cache(maxsize=8)
def find_program(program: str = "") -> str:
    """Return a virtiofsd that Hermit can use: the given one, an installed one, or one built in the user's cache.

    Raise LaunchError with the reason if there is none.
    """
    if program:
        problem = version_problem(program)
        if problem:
            raise LaunchError(problem)
        return program
    if system_program := installed_program():
        return system_program
    if not BUILD_SCRIPT.is_file():
        raise LaunchError("no virtiofsd in Rust is installed (package virtiofsd of Debian 13, or the crate)")
    built = subprocess.run([str(BUILD_SCRIPT)], stdout=subprocess.PIPE, text=True, check=False)
    if built.returncode:
        raise LaunchError(f"no virtiofsd in Rust is installed, and {BUILD_SCRIPT.name} could not build one (see above)")
    return built.stdout.strip()


class Virtiofsd(Closeable):
    """A virtiofsd for one run. QEMU inherits `qemu_socket`."""

    def __init__(self, share: SharedDirectory) -> None:
        """Raise LaunchError, with the remedy, if virtiofsd cannot be started."""
        program = find_program(share.program)
        daemon_socket = socket.socket(socket.AF_UNIX)
        self._output = os.memfd_create("virtiofsd-output")
        self._popen: subprocess.Popen[bytes] | None = None
        self.pidfd = -1
        gate, daemon_gate = socket.socketpair()
        with socket.socket(socket.AF_UNIX) as listener, gate, daemon_gate:
            listener.bind("")  # an abstract address that the kernel chooses (unix(7), autobind)
            listener.listen(1)
            daemon_socket.connect(listener.getsockname())
            self._relay = VhostUserRelay(daemon_socket)
            argv = virtiofsd_argv(program, share, f"--fd={listener.fileno()}", EMPTY_DIR)
            launcher = (
                (*UNSHARE_COMMAND, "sh", "-c", GATE)
                if share.directory
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
                f"cannot mount a directory for this run: {message}"
                if "mount:" in message
                else namespace_remedy(message)
            )
        gate.sendall(b"go\n")

    @property
    def qemu_socket(self) -> socket.socket:
        """The end of the connection for QEMU."""
        return self._relay.qemu_socket

    def close(self) -> None:
        """Kill virtiofsd if it still runs."""
        self._relay.close()
        if self.pidfd >= 0 and self._popen:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
            self._popen.wait()
            os.close(self.pidfd)
        if self._output >= 0:
            os.close(self._output)
        self.pidfd = self._output = -1

    def output(self) -> str:
        """Return the output of virtiofsd."""
        return os.pread(self._output, 65536, 0).decode("utf-8", "replace")

    def failure(self) -> str:
        """Describe how virtiofsd ended; "" for status 0, with which it ends after QEMU."""
        status = self._popen.wait() if self._popen else 0
        if not status:
            return ""
        lines = self.output().strip().splitlines()
        # A signal that kills virtiofsd may appear as a message of unshare, which failed to die of the same signal.
        killed = status < 0 or any(line.startswith("unshare:") for line in lines)
        how = "was killed" if killed else f"ended with status {status}"
        messages = [line for line in lines if not line.startswith("unshare:")] or ["it printed nothing"]
        return f"virtiofsd {how} while the guest ran: {messages[-1]}"
