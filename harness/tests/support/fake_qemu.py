# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A fake QEMU for tests of the watcher. It speaks QMP and serial over the descriptors on its command line.

The word after -kernel selects its behaviour. It imitates QEMUs that are not installed here, and failures that a real
one does not show on demand.
From QEMU 9, isa-debug-exit only requests a shutdown with a code, and the machine stays.
"""

from __future__ import annotations

import json
import os
import re
import select
import socket
import sys
import threading
import time
from typing import Any

SHUTDOWN: dict[str, Any] = {"event": "SHUTDOWN", "data": {"guest": True, "reason": "guest-shutdown"}, "timestamp": {}}

# An AArch64 CPU with interrupts masked: it waits for ever, or it polls.
REGISTERS = "CPU#0\r\n PC=0000000040080000 X00=0000000000000000\r\nPSTATE=000003c5 ---- EL1h\r\n"
POLLING_SECONDS = 2.5
SHELL_SECONDS = 5.0


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
        """Answer all commands up to and including `command`."""
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
        """isa-debug-exit from QEMU 9: an event, the machine paused, the code after `quit`."""
        self.serial.sendall(b"hello\nexit status 0\n")
        self.say(SHUTDOWN)
        self.say({"event": "STOP", "timestamp": {}})
        self.serial.sendall(b"late output\n")
        self.until("quit")
        return 3

    def newer_exit_then_fault(self) -> int:
        """A triple fault after the write, as real kernels cause it; its event wins, and the code remains."""
        self.serial.sendall(b"hello\nexit status 0\n")
        self.say({"event": "SHUTDOWN", "data": {"guest": True, "reason": "guest-reset"}, "timestamp": {}})
        self.until("quit")
        return 3

    def fault_after_last_line(self) -> int:
        """A triple fault after the last line without a write: QEMU's own 0."""
        self.newer_exit_then_fault()
        return 0

    def newer_refusal(self) -> int:
        self.serial.sendall(b"[LOADER][INFO] Hermit loader\n[LOADER][ERROR] 67 elf-truncated: the file ends\n")
        self.say(SHUTDOWN)
        self.until("quit")
        return 67

    def shell(self) -> int:
        """UEFI's shell after a refusal, which waits for a line. There is more output if it must wait long."""
        self.serial.sendall(b"[LOADER][INFO] Hermit loader\n[LOADER][ERROR] 65 no-module: none\nUEFI Shell\nShe")
        self.serial.sendall(b"ll> ")
        end = time.monotonic() + SHELL_SECONDS
        while select.select([self.qmp], [], [], max(0.0, end - time.monotonic()))[0]:
            request = json.loads(self.lines.readline())
            self.say({"return": "", "id": request["id"]})
            if request["execute"] == "stop":
                self.until("quit")
        self.serial.sendall(b"late output\n")
        self.until("quit")
        return 0

    def power_off(self) -> int:
        self.serial.sendall(b"exit status 0\n")
        self.say(SHUTDOWN)
        self.until("quit")
        return 0

    def segfault(self) -> int:
        self.serial.sendall(b"exit status 0\n")
        os.kill(os.getpid(), 11)  # as PID 1 of its namespace the process ignores this signal; a wild read works
        import ctypes

        ctypes.string_at(0)
        return 0

    def starved(self) -> int:
        """A guest that polls, on a host CPU that three other processes use as well."""
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        for _ in range(3):
            if os.fork() == 0:
                while True:
                    pass
        os.nice(5)
        self.serial.sendall(b"hello\n")
        has_answer = threading.Event()
        # A thread of its own runs the guest, as long as QEMU runs.
        threading.Thread(target=self.poll, args=(has_answer,), daemon=True).start()
        has_answer.wait(60)
        self.serial.sendall(b"exit status 0\n")
        return 3

    def poll(self, has_answer: threading.Event) -> None:
        end = time.monotonic() + POLLING_SECONDS
        while True:
            if select.select([self.qmp], [], [], 0)[0]:
                self.say({"return": REGISTERS, "id": json.loads(self.lines.readline())["id"]})
            if time.monotonic() >= end:
                has_answer.set()

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
