# SPDX-License-Identifier: Apache-2.0 OR MIT
"""What takes part in the event loop of a guest."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from hermit_harness.watch.run_facts import RunFacts

if TYPE_CHECKING:
    from hermit_harness.watch.supervisor import Supervisor


class Watcher:
    """A participant in the event loop of a guest. Times are in seconds since the guest's release."""

    def on_start(self, supervisor: Supervisor) -> None:
        """Called before the guest runs. Descriptors can be added with supervisor.add_reader()."""

    def on_output(self, data: bytes) -> None:
        """Called with each piece of console output."""

    def next_tick(self) -> float:
        """Return the latest time for the next on_tick()."""
        return math.inf

    def on_tick(self, now: float) -> None:
        """Called at that time or after any event."""

    def on_end(self, facts: RunFacts) -> None:
        """Called when the run is over."""
