# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A QMP client on a socket that is already connected.

It does not use the library qemu.qmp, which needs asyncio and is LGPL and GPL code. Here one selector waits for serial
bytes, QMP, the process and the clock together. The protocol is one JSON object per line.
"""

from __future__ import annotations

import json
import select
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

Message = dict[str, Any]


class QmpError(Exception):
    """QEMU ended, did not answer in time, or refused a command."""


class Qmp:
    """One monitor connection. `events` queues the events that arrive while a command runs."""

    def __init__(self, sock: socket.socket, log: Callable[[str, str], None] | None = None) -> None:
        self.sock = sock
        self.events: deque[Message] = deque()
        self.closed = False
        self._log = log or (lambda way, text: None)
        self._buffer = b""
        self._inbox: deque[Message] = deque()
        self._next_id = 0

    def fileno(self) -> int:
        return self.sock.fileno()

    def receive(self) -> None:
        """Read the available messages, if there are any. Events are queued in `events`.

        A selector may report the socket although a command that ran since has read what had arrived.
        """
        try:
            data = self.sock.recv(65536, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except ConnectionError:
            data = b""
        if not data:
            self.closed = True
            return
        self._buffer += data
        *lines, self._buffer = self._buffer.split(b"\n")
        for line in lines:
            if not line.strip():
                continue
            text = line.decode("utf-8", "replace").strip()
            self._log("<", text)
            try:
                message: Message = json.loads(text)
            except ValueError as error:
                raise QmpError(f"QEMU's monitor sent a line that is not JSON: {text[:80]}") from error
            (self.events if "event" in message else self._inbox).append(message)

    def _wait(self, matches: Callable[[Message], bool], deadline: float, what: str) -> Message:
        while True:
            while self._inbox:
                message = self._inbox.popleft()
                if matches(message):
                    return message
            if self.closed:
                raise QmpError(f"QEMU closed its monitor during {what}")
            remaining = deadline - time.monotonic()
            if remaining <= 0 or not select.select([self.sock], [], [], remaining)[0]:
                raise QmpError(f"no answer from QEMU's monitor to {what}")
            self.receive()

    def greet(self, seconds: float) -> None:
        """Wait for the greeting and leave negotiation mode."""
        self._wait(lambda m: "QMP" in m, time.monotonic() + seconds, "its greeting")
        self.execute("qmp_capabilities", seconds=seconds)

    def send(self, command: str, arguments: Message | None = None, fds: Sequence[int] = ()) -> int:
        """Send one command, and descriptors with it, without waiting for its answer; the number that the answer will
        carry."""
        self._next_id += 1
        request: Message = {"execute": command, "id": self._next_id}
        if arguments:
            request["arguments"] = arguments
        text = json.dumps(request)
        self._log(">", text)
        try:
            socket.send_fds(self.sock, [text.encode() + b"\n"], fds)
        except OSError as error:
            self.closed = True
            raise QmpError(f"QEMU closed its monitor before {command}: {error.strerror}") from error
        return self._next_id

    def execute(
        self, command: str, arguments: Message | None = None, seconds: float = 5.0, fds: Sequence[int] = ()
    ) -> Any:
        """Run one command and return its result; QmpError on refusal, silence or a closed monitor."""
        request_id = self.send(command, arguments, fds)
        answer = self._wait(lambda m: m.get("id") == request_id, time.monotonic() + seconds, command)
        if "error" in answer:
            raise QmpError(f"{command}: {answer['error'].get('desc', answer['error'])}")
        return answer.get("return")

    def wait_event(self, name: str, seconds: float) -> Message:
        """Return the next event of this name, and drop the events before it; QmpError after that many seconds."""
        deadline = time.monotonic() + seconds
        while True:
            while self.events:
                event = self.events.popleft()
                if event["event"] == name:
                    return event
            remaining = deadline - time.monotonic()
            if self.closed or remaining <= 0 or not select.select([self.sock], [], [], remaining)[0]:
                raise QmpError(f"no event {name} from QEMU's monitor")
            self.receive()

    def error_of(self, request_id: int) -> str:
        """Return QEMU's message if it refused this request, else ""."""
        answer = next((m for m in self._inbox if m.get("id") == request_id), {})
        return str(answer["error"].get("desc", answer["error"])) if "error" in answer else ""

    def answers(self, request_id: int) -> bool:
        """Return whether the answer to this request has arrived."""
        return any(m.get("id") == request_id for m in self._inbox)

    def hmp(self, line: str, seconds: float = 5.0) -> str:
        """Run a command of the human monitor and return its output with plain newlines."""
        text = self.execute("human-monitor-command", {"command-line": line}, seconds)
        return str(text).replace("\r\n", "\n")
