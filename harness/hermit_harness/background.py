# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A guest that runs in the background while its clients are at work: what tests of servers use."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from hermit_harness.boot import boot
from hermit_harness.net.monitor import NetworkMonitor
from hermit_harness.net.netns import NetworkNamespace
from hermit_harness.verdict.outcome import Outcome
from hermit_harness.vm.spec import RunSpec
from hermit_harness.watch.run_facts import RunFacts
from hermit_harness.watch.supervisor import Supervisor
from hermit_harness.watch.watcher import Watcher


class BackgroundGuest(Watcher):
    """A guest that runs while a `with` statement executes, optionally in a network namespace.

    Only boot() accesses the machine, in its own thread. The other methods wait for its notifications.
    """

    def __init__(
        self,
        spec: RunSpec,
        namespace: NetworkNamespace | None,
        artifacts: Path | None = None,
        monitor: NetworkMonitor | None = None,
    ) -> None:
        self.monitor = monitor or NetworkMonitor(spec.net.mac)
        self.outcome: Outcome | None = None
        self.console = b""
        self._changed = threading.Condition()
        self._stop_request, self._stop_signal = socket.socketpair()
        self._input, self._guests_input = socket.socketpair()
        self._supervisor: Supervisor | None = None
        self._failure: BaseException | None = None
        self._thread = threading.Thread(
            target=self._run, args=(spec, artifacts, namespace.qemu_command if namespace else ()), daemon=True
        )

    def _run(self, spec: RunSpec, artifacts: Path | None, namespace_command: Sequence[str]) -> None:
        try:
            self.outcome = boot(
                spec, artifacts, None, self._guests_input.fileno(), namespace_command, (self.monitor, self)
            )
        except BaseException as error:  # it is raised in wait() or at the end of the `with`
            self._failure = error
        self._notify()

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()

    # --- Watcher, called in the thread

    def on_start(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        supervisor.add_reader(self._stop_signal, self._on_stop_request)
        self._notify()

    def _on_stop_request(self) -> None:
        assert self._supervisor is not None
        self._supervisor.remove_reader(self._stop_signal)
        self._supervisor.stop("its clients are done")

    def on_output(self, data: bytes) -> None:
        self.console += data
        self._notify()

    def on_tick(self, now: float) -> None:
        self._notify()

    def on_end(self, facts: RunFacts) -> None:
        self._notify()

    # --- for the test

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop_request.close()
        self._thread.join()
        for end in (self._stop_signal, self._input, self._guests_input):
            end.close()
        if self._failure and error is None:
            raise self._failure

    @property
    def started(self) -> float:
        """When QEMU was started, on the monotonic clock."""
        assert self._supervisor is not None
        return self._supervisor.process.started

    @property
    def has_ended(self) -> bool:
        return self.outcome is not None or self._failure is not None

    def wait(self, condition: Callable[[], object], seconds: float = 60.0) -> None:
        """Until `what` is true. AssertionError, with the console's end, when the guest or the time ends before."""
        with self._changed:
            self._changed.wait_for(lambda: condition() or self.has_ended, seconds)
        if self._failure:
            raise self._failure
        end = self.console[-1500:].decode("utf-8", "backslashreplace")
        assert condition(), (
            f"{self.outcome or 'the guest runs, but it did not happen in time'}; console ends with:\n{end}"
        )

    def write(self, data: bytes) -> None:
        """Type `data` at the guest's serial port."""
        self._input.sendall(data)

    def wait_for_text(self, text: str, seconds: float = 60.0) -> None:
        """Until the guest has printed `text`."""
        self.wait(lambda: text.encode() in self.console, seconds)

    def stop(self) -> Outcome:
        """End the guest if it still runs; how it ended."""
        self._stop_request.close()
        return self.finish()

    def finish(self, seconds: float = 60.0) -> Outcome:
        """Wait for its own end."""
        self.wait(lambda: self.has_ended, seconds)
        assert self.outcome is not None
        return self.outcome
