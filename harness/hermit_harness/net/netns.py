# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A network of one's own: a namespace in which a guest, its helpers and its clients live, and which nothing leaves.

The namespace (user, network, mount, PID) is held by one process, netns_holder.py. QEMU and programs enter it; sockets
are made in there and handed out, so that a test talks to the guest by ordinary Python sockets. The holder ends when
this object is closed or this process dies, however it dies, and takes everything in the namespace with it: interfaces,
servers, and /run, which is a file system of its own. /proc shows the processes of the namespace only.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from hermit_harness.paths import ROOT
from hermit_harness.vm.host import UNSHARE_COMMAND, namespace_remedy
from hermit_harness.vm.process import ARM_SECONDS, DIE_WITH_PARENT, LO_UP, Closeable, LaunchError, spawn

NETSETUP = ROOT / "netsetup"
GUEST_ADDRESS = "10.0.5.3"  # what the scripts of netsetup/ and Hermit's kernel take unless told otherwise
# The first word of this stat file is our number for the process; from then on /proc is the namespace's.
# Without IPv6 Linux sends nothing of its own accord: kernel 0.11.0 goes deaf when a frame comes before its interrupt
# handler is in place (docs/network.md).
DISABLE_IPV6 = "echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6 2>/dev/null; "
HOLDER_SCRIPT = (
    "read -r pid rest </proc/self/stat; mount -t proc proc /proc; mount -t tmpfs tmpfs /run; "
    + DISABLE_IPV6
    + LO_UP
    + 'exec "$@" "$pid"'
)


class NetworkNamespace(Closeable):
    """The namespace. Use it in a `with` statement."""

    def __init__(self) -> None:
        """LaunchError, with what to do, where this system does not permit it."""
        self._control, holder_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.settimeout(ARM_SECONDS)
        holder = Path(__file__).with_name("netns_holder.py")
        words = (*UNSHARE_COMMAND, "--mount", "sh", "-c", HOLDER_SCRIPT, "sh", sys.executable, "-I", "-S", str(holder))
        try:
            self._holder = spawn(words, holder_end, None, subprocess.PIPE)
        except LaunchError:
            self._control.close()
            raise
        finally:
            holder_end.close()
        try:
            self.pid = int(self._control.recv(64) or b"0")
        except TimeoutError:
            self.pid = 0
        if not self.pid:
            self.close()
            assert self._holder.stderr is not None
            raise LaunchError(namespace_remedy(self._holder.stderr.read().decode("utf-8", "replace")))

    def close(self) -> None:
        """End everything in the namespace."""
        self._control.close()
        with suppress(ProcessLookupError):
            self._holder.kill()
        self._holder.wait()

    @property
    def enter_command(self) -> tuple[str, ...]:
        """Words before a command that make it run in the namespace; it dies with this process."""
        return (*DIE_WITH_PARENT, *self._nsenter("--pid", "--mount"))

    @property
    def join_command(self) -> tuple[str, ...]:
        """Words before a command that a person may type in another terminal."""
        return self._nsenter("--mount")

    @property
    def qemu_command(self) -> tuple[str, ...]:
        """Words before QEMU: the network of the namespace, and a PID namespace of its own within."""
        return (*self._nsenter(), "unshare", "--pid", "--fork", "--kill-child=SIGKILL")

    def _nsenter(self, *options: str) -> tuple[str, ...]:
        return ("nsenter", "--target", str(self.pid), "--user", "--net", *options, "--preserve-credentials", "--")

    def socket(self, family: int = socket.AF_INET, kind: int = socket.SOCK_STREAM, protocol: int = 0) -> socket.socket:
        """A socket that belongs to the namespace. OSError as if it were made here."""
        self._control.send(b"%d %d %d" % (family, kind, protocol))
        reply, descriptors, _, _ = socket.recv_fds(self._control, 64, 1)
        if not descriptors:
            raise OSError(int(reply or b"0"), os.strerror(int(reply or b"0")))
        return socket.socket(family, kind, protocol, fileno=descriptors[0])

    def popen(self, *words: str, **options: object) -> subprocess.Popen[bytes]:
        """Start a program in there."""
        return subprocess.Popen([*self.enter_command, *words], **options)  # type: ignore[call-overload,no-any-return]

    def run(self, *words: str, check: bool = True, seconds: float = 60, env: Mapping[str, str] | None = None) -> str:
        """Run a program in there to its end; what it printed. CalledProcessError when it fails and `check`."""
        done = self.result(*words, seconds=seconds, env=env)
        if check:
            done.check_returncode()
        return done.stdout

    def result(
        self, *words: str, seconds: float = 60, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """The same, with its status and what it printed on either stream."""
        return subprocess.run(
            [*self.enter_command, *words],
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **(env or {})},
        )

    def script(self, name: str, *words: str) -> str:
        """Run a script of netsetup/ in there; what it printed. LaunchError with its sentence when it fails."""
        done = self.result(str(NETSETUP / name), *words)
        if done.returncode:
            raise LaunchError((done.stderr or done.stdout).strip())
        return done.stdout
