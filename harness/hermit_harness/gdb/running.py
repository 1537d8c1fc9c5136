# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Registration of a running `hermitctl run` for `hermitctl attach`: a file with its facts, and a socket for a debugger.

The writer holds a lock on the file while it lives. An unlocked file belongs to a killed process, and the next reader
removes it. Processes in several PID namespaces share the directory, so a name has the namespace's number, too.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO

from hermit_harness.paths import BUILD
from hermit_harness.vm.filenames import user_temp_directory
from hermit_harness.vm.gdb_relay import listen_unix
from hermit_harness.watch.run_facts import RunFacts
from hermit_harness.watch.supervisor import Supervisor
from hermit_harness.watch.watcher import Watcher

MAX_SOCKET_PATH = 100  # a socket's name has at most 107 bytes


@dataclass(frozen=True)
class RunningGuest:
    """One guest that runs. `start` is where the loader put the application, None until it has said so.

    `gdb_socket` is the path of the socket for a debugger.
    """

    pid: int
    app: str
    loader: str
    target: str
    machine: str
    gdb_socket: str
    start: int | None = None

    def __str__(self) -> str:
        where = f", at {self.start:#x}" if self.start is not None else ", still in the loader"
        return f"{self.pid}: {self.app} on {self.target}, {self.machine}{where}"


def directory() -> Path:
    """Where the files are: of this user, and gone with the session, if the system has such a place."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and Path(runtime).is_dir():
        return Path(runtime) / "hermit-harness"
    return (BUILD if os.access(BUILD, os.W_OK) else user_temp_directory()) / "run"


def own_socket_path() -> Path:
    """The path of this process's socket. PIDs repeat in other PID namespaces (pid_namespaces(7))."""
    return directory() / f"{os.getpid()}-{os.stat('/proc/self/ns/pid').st_ino}.gdb"


def short_path(path: Path) -> str:
    """A name for a socket that is short enough for it, for this process and those that inherit its descriptors."""
    if len(str(path)) <= MAX_SOCKET_PATH:
        return str(path)
    directory_fd = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    os.set_inheritable(directory_fd, True)
    return f"/proc/self/fd/{directory_fd}/{path.name}"


class DebuggerAccess(Watcher):
    """Lets debuggers in through listening sockets."""

    def __init__(self, listeners: list[socket.socket]) -> None:
        self._listeners = listeners

    def on_start(self, supervisor: Supervisor) -> None:
        supervisor.accept_debuggers(self._listeners)

    def close(self) -> None:
        """Withdraw what invites debuggers. Safe to call twice."""


class AttachPoint(DebuggerAccess):
    """The writer's side, a watcher of the run. OSError if the directory or the files cannot be written."""

    def __init__(self, running: RunningGuest, extra_listeners: list[socket.socket]) -> None:
        self._running = running
        self._socket_path = Path(running.gdb_socket)
        self._path = self._socket_path.with_suffix(".json")
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._files: list[IO[str]] = []
        with contextlib.suppress(FileNotFoundError):
            self._socket_path.unlink()
        super().__init__([listen_unix(self._socket_path), *extra_listeners])
        self._write()

    def _write(self) -> None:
        """Replace the file by a complete and locked one. Readers of the former one see its lock until the end."""
        unfinished = self._path.with_suffix(".new")
        file = unfinished.open("w", encoding="utf-8")
        self._files.append(file)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        json.dump(asdict(self._running), file)
        file.flush()
        unfinished.replace(self._path)

    # --- Watcher

    def on_start(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        super().on_start(supervisor)

    def on_output(self, data: bytes) -> None:
        load_range = self._supervisor.boot_log.load_range
        if load_range and self._running.start is None:
            self._running = replace(self._running, start=load_range[0])
            self._write()

    def on_end(self, facts: RunFacts) -> None:
        self.close()

    def close(self) -> None:
        for path in (self._path, self._socket_path):
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
        for file in self._files:
            file.close()


def _is_locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def running_guests() -> Iterator[RunningGuest]:
    """What runs now, the newest last."""
    for path in sorted(directory().glob("*.json"), key=lambda path: path.name):
        try:
            with path.open(encoding="utf-8") as file:
                if _is_locked(file):
                    yield RunningGuest(**json.load(file))
                else:
                    path.unlink()
                    path.with_suffix(".gdb").unlink()
        except (OSError, ValueError, TypeError):
            continue  # it has just ended
