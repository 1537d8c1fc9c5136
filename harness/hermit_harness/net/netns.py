# SPDX-License-Identifier: Apache-2.0 OR MIT
"""An isolated network: a namespace for a guest, its helpers and its clients. No packet leaves it.

One process, netns_holder.py, holds the namespace (user, network, mount and PID). QEMU and other programs enter it. The
holder creates sockets in the namespace and passes them out, so that a test talks to the guest through ordinary Python
sockets. The holder ends when this object is closed or this process dies, even by SIGKILL. Everything in the namespace
ends with it: interfaces, servers, and the tmpfs on /run. /proc shows only the processes of the namespace.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from hermit_harness.paths import ROOT
from hermit_harness.vm.host import UNSHARE_COMMAND, namespace_remedy
from hermit_harness.vm.process import ARM_SECONDS, DIE_WITH_PARENT, LO_UP, Closeable, LaunchError, spawn

NETSETUP = ROOT / "netsetup"
GUEST_ADDRESS = "10.0.5.3"  # default of the scripts in netsetup/ and of the Hermit kernel
# /proc/self/stat starts with the PID outside the namespace. The second mount makes /proc that of the namespace.
# Without IPv6, Linux sends no unsolicited frames. Kernel 0.11.0 stops receiving if a frame arrives before it has
# installed its interrupt handler (docs/network.md).
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
        """Raise LaunchError, with the remedy, if the host does not permit namespaces."""
        self._control, holder_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.settimeout(ARM_SECONDS)
        self._asking = threading.Lock()
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
        """Return the prefix that runs a command in the namespace until this process ends."""
        return (*DIE_WITH_PARENT, *self._nsenter("--pid", "--mount"))

    @property
    def join_command(self) -> tuple[str, ...]:
        """Return the prefix that a user may type in another terminal."""
        return self._nsenter("--mount")

    @property
    def qemu_command(self) -> tuple[str, ...]:
        """Return the prefix for QEMU: the network of the namespace, and a nested PID namespace."""
        return (*self._nsenter(), "unshare", "--pid", "--fork", "--kill-child=SIGKILL")

    def _nsenter(self, *options: str) -> tuple[str, ...]:
        return ("nsenter", "--target", str(self.pid), "--user", "--net", *options, "--preserve-credentials", "--")

    def socket(self, family: int = socket.AF_INET, kind: int = socket.SOCK_STREAM, protocol: int = 0) -> socket.socket:
        """Create a socket in the namespace. Raise OSError as socket.socket() does."""
        with self._asking:  # the monitor of a guest asks from a thread of its own
            self._control.send(b"%d %d %d" % (family, kind, protocol))
            reply, descriptors, _, _ = socket.recv_fds(self._control, 64, 1)
        if not descriptors:
            raise OSError(int(reply or b"0"), os.strerror(int(reply or b"0")))
        return socket.socket(family, kind, protocol, fileno=descriptors[0])

    def popen(self, *words: str, **options: object) -> subprocess.Popen[bytes]:
        """Start a program in the namespace."""
        return subprocess.Popen([*self.enter_command, *words], **options)  # type: ignore[call-overload,no-any-return]

    def run(self, *words: str, check: bool = True, seconds: float = 60, env: Mapping[str, str] | None = None) -> str:
        """Run a program in the namespace and return its output.

        Raise CalledProcessError if it fails and `check` is set.
        """
        done = self.result(*words, seconds=seconds, env=env)
        if check:
            done.check_returncode()
        return done.stdout

    def result(
        self, *words: str, seconds: float = 60, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a program in the namespace and return its exit status and both output streams."""
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
        """Run a script of netsetup/ in the namespace and return its output.

        Raise LaunchError with its message if it fails.
        """
        done = self.result(str(NETSETUP / name), *words)
        if done.returncode:
            raise LaunchError((done.stderr or done.stdout).strip())
        return done.stdout
