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
from hermit_harness.net.monitor import Wire
from hermit_harness.net.netns import Lab
from hermit_harness.verdict.outcome import Outcome
from hermit_harness.vm.spec import RunSpec
from hermit_harness.watch.run_facts import Facts
from hermit_harness.watch.supervisor import Session, Watcher


class Guest(Watcher):
    """A run of `spec`, in `lab` where there is one, from `with` to its end: by itself, by stop(), or by leaving the
    `with`.

    Only boot() touches the machine, in a thread of its own; the rest waits for it to say that something happened.
    """

    def __init__(self, spec: RunSpec, lab: Lab | None, artifacts: Path | None = None, wire: Wire | None = None) -> None:
        self.wire = wire or Wire(spec.net.mac)
        self.outcome: Outcome | None = None
        self.console = b""
        self._changed = threading.Condition()
        self._ours, self._theirs = socket.socketpair()
        self._session: Session | None = None
        self._failure: BaseException | None = None
        self._thread = threading.Thread(
            target=self._run, args=(spec, artifacts, lab.isolate if lab else ()), daemon=True
        )

    def _run(self, spec: RunSpec, artifacts: Path | None, within: Sequence[str]) -> None:
        try:
            self.outcome = boot(spec, artifacts, within=within, watchers=(self.wire, self))
        except BaseException as error:  # it is raised in wait() or at the end of the `with`
            self._failure = error
        self._tell()

    def _tell(self) -> None:
        with self._changed:
            self._changed.notify_all()

    # --- Watcher, called in the thread

    def start(self, session: Session) -> None:
        self._session = session
        session.watch(self._theirs, self._asked_to_end)
        self._tell()

    def _asked_to_end(self) -> None:
        assert self._session is not None
        self._session.unwatch(self._theirs)
        self._session.end("its clients are done")

    def printed(self, data: bytes) -> None:
        self.console += data
        self._tell()

    def tick(self, now: float) -> None:
        self._tell()

    def ended(self, facts: Facts) -> None:
        self._tell()

    # --- for the test

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ours.close()
        self._thread.join()
        self._theirs.close()
        if self._failure and error is None:
            raise self._failure

    @property
    def started(self) -> float:
        """When QEMU was started, on the monotonic clock."""
        assert self._session is not None
        return self._session.process.started

    @property
    def over(self) -> bool:
        return self.outcome is not None or self._failure is not None

    def wait(self, what: Callable[[], object], seconds: float = 60.0) -> None:
        """Until `what` is true. AssertionError, with the console's end, when the guest or the time ends before."""
        with self._changed:
            self._changed.wait_for(lambda: what() or self.over, seconds)
        if self._failure:
            raise self._failure
        end = self.console[-1500:].decode("utf-8", "backslashreplace")
        assert what(), f"{self.outcome or 'the guest runs, but it did not happen in time'}; console ends with:\n{end}"

    def wait_for_text(self, text: str, seconds: float = 60.0) -> None:
        """Until the guest has printed `text`."""
        self.wait(lambda: text.encode() in self.console, seconds)

    def stop(self) -> Outcome:
        """End the guest if it still runs; how it ended."""
        self._ours.close()
        return self.finish()

    def finish(self, seconds: float = 60.0) -> Outcome:
        """Wait for its own end."""
        self.wait(lambda: self.over, seconds)
        assert self.outcome is not None
        return self.outcome
