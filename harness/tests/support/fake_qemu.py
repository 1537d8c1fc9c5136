# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Plays a QEMU for the tests of the watcher: talks QMP and serial over the descriptors on its command line.

Run as a program: the word after -kernel says how to behave. It stands for QEMUs that are not installed here (from 9
on, isa-debug-exit
asks for a shutdown with a code and the machine stays) and for ways to fail that a real one cannot be made to show.
"""

from __future__ import annotations

import json
import os
import re
import socket
import sys
from typing import Any

SHUTDOWN: dict[str, Any] = {"event": "SHUTDOWN", "data": {"guest": True, "reason": "guest-shutdown"}, "timestamp": {}}


class Fake:
    """One behaviour per run."""

    def __init__(self, argv: list[str]) -> None:
        text = " ".join(argv)
        wires = {name: int(fd) for name, fd in re.findall(r"socket,id=(\w+),fd=(\d+)", text)}
        self.serial = socket.socket(fileno=wires["serial0"])
        self.qmp = socket.socket(fileno=wires["qmp0"])
        self.lines = self.qmp.makefile("r")
        self.how = os.path.basename(argv[argv.index("-kernel") + 1])

    def say(self, message: dict[str, Any]) -> None:
        self.qmp.sendall(json.dumps(message).encode() + b"\r\n")

    def until(self, command: str) -> None:
        """Answer everything up to and including `command`."""
        for line in self.lines:
            request = json.loads(line)
            self.say(
                {"return": {"status": "shutdown"} if request["execute"] == "query-status" else "", "id": request["id"]}
            )
            if request["execute"] == command:
                return
        sys.exit(0)

    def run(self) -> int:
        if self.how == "mute":
            return 0
        if self.how == "no-start":
            print("qemu: could not load kernel", file=sys.stderr)
            return 1
        self.say({"QMP": {"version": {}, "capabilities": []}})
        self.until("cont")
        return int(getattr(self, self.how.replace("-", "_"))())

    def newer_exit(self) -> int:
        """QEMU from 9 on at debug-exit: an event with the machine paused; the code comes out after `quit`."""
        self.serial.sendall(b"hello\nexit status 0\n")
        self.say(SHUTDOWN)
        self.say({"event": "STOP", "timestamp": {}})
        self.serial.sendall(b"late output\n")
        self.until("quit")
        return 3

    def newer_exit_then_fault(self) -> int:
        """As a real kernel does it: behind the write comes a triple fault, whose event wins; the code stays."""
        self.serial.sendall(b"hello\nexit status 0\n")
        self.say({"event": "SHUTDOWN", "data": {"guest": True, "reason": "guest-reset"}, "timestamp": {}})
        self.until("quit")
        return 3

    def fault_after_last_line(self) -> int:
        """A triple fault behind the last line, and nothing was written: QEMU's own 0."""
        self.newer_exit_then_fault()
        return 0

    def newer_refusal(self) -> int:
        self.serial.sendall(b"[LOADER][INFO] Hermit loader\n[LOADER][ERROR] 67 elf-truncated: the file ends\n")
        self.say(SHUTDOWN)
        self.until("quit")
        return 67

    def power_off(self) -> int:
        self.serial.sendall(b"exit status 0\n")
        self.say(SHUTDOWN)
        self.until("quit")
        return 0

    def segfault(self) -> int:
        self.serial.sendall(b"exit status 0\n")
        os.kill(os.getpid(), 11)  # as PID 1 of its namespace this is ignored; a wild read is not
        import ctypes

        ctypes.string_at(0)
        return 0

    def internal_error(self) -> int:
        print("KVM internal error. Suberror: 1", file=sys.stderr, flush=True)
        self.say({"event": "STOP", "timestamp": {}})
        for line in self.lines:
            request = json.loads(line)
            answer = {"status": "internal-error"} if request["execute"] == "query-status" else ""
            self.say({"return": answer, "id": request["id"]})
            if "gdbserver" in line:
                return 0
        return 0


if __name__ == "__main__":
    sys.exit(Fake(sys.argv).run())
