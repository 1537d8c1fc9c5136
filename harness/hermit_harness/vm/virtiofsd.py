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
from hermit_harness.vm.host import NAMESPACES, namespace_sentence
from hermit_harness.vm.process import ARM_SECONDS, GATE, Closing, LaunchError, read_armed, spawn
from hermit_harness.vm.shared_folder import Share, command

MAKER = ROOT / "fixtures" / "real" / "virtiofsd.sh"
# Where the daemon, and nobody else, sees a folder that exists for one run: memory, in a mount namespace of its own, so
# that there is nothing to remove, whoever is killed.
PRIVATE = "/mnt"
MOUNT = f"mount -t tmpfs -o mode=0700 private {PRIVATE} || exit 1; "
PLACES = ("/usr/libexec/virtiofsd", "/usr/lib/virtiofsd", "/usr/lib/qemu/virtiofsd")
OLD = (
    "is QEMU's own virtiofsd, in C: it answers EINVAL to names that begin with a slash, which are Hermit's; "
    "the one in Rust (Debian 13's package virtiofsd, or the crate) does not"
)


def version_problem(program: str) -> str:
    """Why this program cannot serve Hermit; "" if it can."""
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{program} cannot be started: {error}"
    said = done.stdout + done.stderr
    if re.search(r"^virtiofsd \d+\.\d+", said, re.M):
        return ""
    return f"{program} {OLD}" if "FUSE kernel interface" in said else f"{program} does not tell its version: {said!r}"


def installed() -> str:
    """A virtiofsd of this system that serves Hermit; "" where there is none."""
    for place in (shutil.which("virtiofsd") or "", *PLACES):
        if place and os.access(place, os.X_OK) and not version_problem(place):
            return place
    return ""


@lru_cache(maxsize=8)
def find(wanted: str = "") -> str:
    """A virtiofsd that serves Hermit: the wanted one, one of this system, or one that is made now, once, in the user's
    cache. LaunchError says why there is none."""
    if wanted:
        problem = version_problem(wanted)
        if problem:
            raise LaunchError(problem)
        return wanted
    if place := installed():
        return place
    made = subprocess.run([str(MAKER)], stdout=subprocess.PIPE, text=True, check=False)
    if made.returncode:
        raise LaunchError(f"there is no virtiofsd in Rust here, and {MAKER.name} could not make one (see above)")
    return made.stdout.strip()


class Daemon(Closing):
    """One virtiofsd for one run, in a `with` statement. `ours` is for QEMU."""

    def __init__(self, wanted: Share) -> None:
        """LaunchError, with what to do, where it cannot be set up."""
        program = find(wanted.program)
        self.ours = socket.socket(socket.AF_UNIX)
        self._said = os.memfd_create("virtiofsd's words")
        self._popen: subprocess.Popen[bytes] | None = None
        self.pidfd = -1
        gate, theirs = socket.socketpair()
        with socket.socket(socket.AF_UNIX) as listener, gate, theirs:
            listener.bind("")  # a name that the system gives, in no folder
            listener.listen(1)
            self.ours.connect(listener.getsockname())
            argv = command(program, wanted, f"--fd={listener.fileno()}", PRIVATE)
            chain = (
                (*NAMESPACES, "sh", "-c", GATE) if wanted.folder else (*NAMESPACES, "--mount", "sh", "-c", MOUNT + GATE)
            )
            try:
                self._start([*chain, "sh", *argv], listener, gate, theirs)
            except BaseException:
                self.close()
                raise

    def _start(self, words: list[str], listener: socket.socket, gate: socket.socket, theirs: socket.socket) -> None:
        self._popen = spawn(words, theirs, subprocess.DEVNULL, self._said, [listener.fileno()])
        self.pidfd = os.pidfd_open(self._popen.pid)
        theirs.close()
        if read_armed(gate, time.monotonic() + ARM_SECONDS) is None:
            said = self.said().strip()
            raise LaunchError(f"no folder for this run: {said}" if "mount:" in said else namespace_sentence(said))
        gate.sendall(b"go\n")

    def close(self) -> None:
        """End it if it still runs."""
        self.ours.close()
        if self.pidfd >= 0 and self._popen:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
            self._popen.wait()
            os.close(self.pidfd)
        if self._said >= 0:
            os.close(self._said)
        self.pidfd = self._said = -1

    def said(self) -> str:
        """What it has printed."""
        return os.pread(self._said, 65536, 0).decode("utf-8", "replace")

    def failure(self) -> str:
        """How it ended, in a sentence; "" where it ended by itself, with 0, as it does when QEMU is gone."""
        status = self._popen.wait() if self._popen else 0
        if not status:
            return ""
        said = self.said().strip().splitlines()
        killed = status < 0 or any(line.startswith("unshare:") for line in said)  # which may fail to die likewise
        how = "was killed" if killed else f"ended with status {status}"
        told = [line for line in said if not line.startswith("unshare:")] or ["it said nothing"]
        return f"virtiofsd {how} while the guest ran: {told[-1]}"
